"""Tokens in to tokens out: in all, by what tells rows apart, over time."""

from __future__ import annotations

from typing import Literal

import msgspec

from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import Account, Subject, by_column, by_step, kind_of
from chatcore.agents.analyst.intents.base import Draft, code, options_of
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import totals_query
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.request import Intent, Measure, Refusal
from chatcore.agents.analyst.sql import exact_sum, select

SHOWN = 10
_IN = r"(?:inputs?|prompts?|context)"
_OUT = r"(?:outputs?|completions?|generated|response|responses|answers?)"
_AGAINST = r"(?: tokens?)?[ -]?(?:/|to|:|vs\.?|versus|and|per)[ -]?(?:the )?"
_INTO_OUT = rf"{_IN}{_AGAINST}{_OUT}(?: tokens?)?"
_OUT_INTO = rf"{_OUT}{_AGAINST}{_IN}(?: tokens?)?"
_RATIO = r"(?:ratios?|proportions?|split|balance|mix)"
_EACH = r"(?:each|every|one)"
_SHARE = r"(?:share|percentage|percent|fraction|portion|proportion|part)"

CLAIM = Claim(
    name="token_ratio",
    what="the ratio of tokens in to tokens out",
    words=(
        rf"(?:{_INTO_OUT}|{_OUT_INTO})(?: token)? {_RATIO}",
        rf"{_RATIO} (?:of|between) (?:the |our )?(?:{_INTO_OUT}|{_OUT_INTO})",
        rf"(?:how many )?{_IN} tokens?(?: \w+){{0,3}} (?:per|for {_EACH}|to {_EACH}) {_OUT} tokens?",
        rf"tokens? in (?:per|for {_EACH}|to|vs\.?|versus) tokens? out",
        rf"{_IN}(?: tokens?)?[ -]{_OUT}(?: tokens?)? {_RATIO}|{_OUT}(?: tokens?)?[ -]{_IN}(?: tokens?)? {_RATIO}",
        rf"(?:in[ -/]out|i/o)(?: tokens?)? {_RATIO}|token ratios?",
        rf"(?:most|least|highest|lowest) {_IN}(?: tokens?)? (?:per|for {_EACH}) {_OUT}(?: tokens?)?",
        rf"{_OUT}(?: token)? (?:share|percentage|fraction|proportion)s?",
        rf"{_SHARE} of (?:the |our |all )?tokens (?:is|are|was|were|that is|that are) {_OUT}",
    ),
    needs=(Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS),
    splits=True,
    steps=True,
)


class TokenRatio(msgspec.Struct, frozen=True):
    """The options: what the values of a column are ranked by."""

    rank: Literal["tokens", "ratio"] = "tokens"


def recognise(reading: Reading) -> Intent | Refusal | None:
    """The ratio; by its own size where the words ask which is highest or lowest."""
    asking = CLAIM.of(reading)
    if not isinstance(asking, Asking):
        return asking
    ranked = reading.says(r"\b(?:which|who|highest|lowest|most|least|best|worst|top|biggest|smallest)\b")
    intent = CLAIM.intent(asking, measure=Measure.TOKENS, options={"rank": "ratio"} if ranked else {})
    of_output = reading.says(rf"\b{_OUT}(?: token)? {_SHARE}s?\b")  # most of it is the least in for each out
    return msgspec.structs.replace(intent, descending=intent.descending is not (ranked and of_output))


def _figures(subject: Subject) -> dict[str, str]:
    inside, outside = (subject.table.column(m) for m in (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS))
    if inside is None or outside is None:
        return {}
    into, out = (exact_sum(identifier(c.name), c.type) for c in (inside, outside))
    return {
        "input_tokens": into,
        "output_tokens": out,
        "tokens_in_per_token_out": f"1.0 * {into} / nullif({out}, 0)",
        "output_percent": f"100.0 * {out} / nullif({into} + {out}, 0)",
        "calls": "count(*)",
    }


def queries(subject: Subject) -> list[Query]:
    """The ratio in all, of the median call, by a column, and over time."""
    figures, rows = _figures(subject), subject.rows
    inside, outside = (subject.table.column(m) for m in (Meaning.INPUT_TOKENS, Meaning.OUTPUT_TOKENS))
    if inside is None or outside is None:
        return []
    columns = {
        **figures,
        "median_ratio": f"median({identifier(inside.name)} / nullif({identifier(outside.name)}, 0))",
        "calls_without_output": f"count(*) FILTER (WHERE {identifier(outside.name)} = 0)",
    }
    source = f"FROM {identifier(subject.table.name)} {rows.where}"
    found = [
        totals_query(subject.intent, subject.catalogue),
        Query("ratio", f"SELECT {select(columns)} {source}", rows.parameters),
    ]
    split = subject.split
    if split is not None:
        by_ratio = options_of(subject.intent, TokenRatio).rank == "ratio"
        order = "tokens_in_per_token_out" if by_ratio else "input_tokens"
        direction = "DESC" if subject.intent.descending else "ASC"
        found.append(by_column(subject.split_by(split), figures, rows, f"{order} {direction} NULLS LAST"))
    if subject.intent.grain is not None and subject.has(Meaning.TIME):
        found.append(by_step(subject, figures, rows))
    return found


def draft(account: Account) -> Draft:
    """The ratio in a sentence, then by a column or over time."""
    ratio = account.sheet("ratio")
    into, out = ratio.cell("input_tokens").count, ratio.cell("output_tokens").count
    if not ratio.cell("output_tokens"):
        return Draft((f"{into} tokens went in{account.scope} and none came out (`{account.table.name}`).\n",))
    figure, share = ratio.cell("tokens_in_per_token_out").figure, ratio.cell("output_percent").percent
    total = account.calls(ratio.cell("calls"))
    first = (
        f"**{figure} tokens in for each token out**{account.scope}: {into} in and {out} out, so that {share} are "
        f"output, over {total} (`{account.table.name}`).\n\n"
    )
    return Draft((first, *_tables(account)), (*_insights(account), *account.notes))


def _tables(account: Account) -> list[str]:
    titles = {
        "tokens_in_per_token_out": "in for each out",
        "input_tokens": "tokens in",
        "output_tokens": "tokens out",
        "output_percent": "output",
        "calls": f"{account.noun}s",
    }
    return account.divided(titles, SHOWN)


def _insights(account: Account) -> list[str]:
    ratio, found = account.sheet("ratio"), []
    if not ratio.cell("median_ratio").missing:
        found.append(f"The median {account.noun} with output has {ratio.cell('median_ratio').figure} in for each out.")
    if ratio.cell("calls_without_output"):
        found.append(f"{account.calls(ratio.cell('calls_without_output'))} have no tokens out at all.")
    if options_of(account.intent, TokenRatio).rank == "ratio" and "groups" in account.sheets:
        row = account.sheet("groups").row(0)
        degree = "most" if account.intent.descending else "fewest"
        figure = row["tokens_in_per_token_out"].figure
        found.append(f"{code(row['name'])} has the {degree} tokens in for each token out: {figure}.")
    return found


KIND = kind_of(
    CLAIM,
    "Tokens in to tokens out, by model, user or feature, and over time",
    queries,
    draft,
    recognise=recognise,
    options=TokenRatio,
)

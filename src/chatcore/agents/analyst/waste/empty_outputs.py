"""Calls that were paid for and gave nothing back: no tokens out, and a cost."""

from __future__ import annotations

from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.account import (
    Account,
    Subject,
    by_column,
    by_step,
    kind_of,
    unit_of,
)
from chatcore.agents.analyst.intents.base import Draft
from chatcore.agents.analyst.intents.claims import Claim
from chatcore.agents.analyst.intents.scope import implausible_query, totals_query
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.sql import Condition, all_of, exact_sum, select
from chatcore.protocol.messages import Recommendation

SHOWN = 10
_CALLS = r"(?:calls?|requests?|messages?|queries|prompts?|responses?|answers?|completions?|replies|reply|outputs?)"
_GAVE = r"(?:returned|return|produced|produce|gave|give|with|got|generated|yielded|came back)"
_NOTHING = (
    r"(?:nothing|no (?:output|answer|response|reply|completion|result|text)(?: tokens?)?"
    r"|(?:zero|0|no) (?:output|completion|response|generated) tokens?"
    r"|(?:an )?empty(?: (?:output|answer|response|reply|completion|text|call)s?)?)"
)

CLAIM = Claim(
    name="empty_outputs",
    what="empty outputs",
    words=(
        rf"(?:empty|blank) {_CALLS}",
        rf"{_CALLS}(?: \w+){{0,5}} {_GAVE}(?: us| back| with){{0,3}} {_NOTHING}",
        rf"(?:pay|paid|paying|spend|spent|spending|waste|wasted)(?: \w+){{0,4}} (?:for|on) {_NOTHING}",
        r"(?:zero|0|no) (?:completion|output|response) tokens?",
        r"without (?:any )?(?:output|completion|an answer|a response|response)",
        r"(?:zero|empty|no) (?:output|completion|response|answer)s?(?= (?:but|and|that|which|though|yet|with|for))",
        r"got nothing back|nothing in return",
    ),
    unless=(r"max_tokens|errors?",),
    needs=(Meaning.COST, Meaning.OUTPUT_TOKENS),
    splits=True,
    steps=True,
)


def _figures(subject: Subject) -> dict[str, str]:
    """What is counted and summed, over all rows: those that gave nothing, and what they are a part of."""
    cost, output = subject.table.column(Meaning.COST), subject.table.column(Meaning.OUTPUT_TOKENS)
    if cost is None or output is None:
        return {}
    paid, empty = f"{identifier(cost.name)} > 0", f"{identifier(output.name)} = 0"
    columns = {
        "empty_paid_calls": f"count(*) FILTER (WHERE {paid} AND {empty})",
        "spend_on_empty": f"coalesce({exact_sum(identifier(cost.name), cost.type, f'{paid} AND {empty}')}, 0)",
        "paid_calls": f"count(*) FILTER (WHERE {paid})",
        "spend": exact_sum(identifier(cost.name), cost.type),
        "empty_free_calls": f"count(*) FILTER (WHERE {identifier(cost.name)} = 0 AND {empty})",
    }
    prompt = subject.table.column(Meaning.INPUT_TOKENS)
    if prompt is not None:
        tokens = exact_sum(identifier(prompt.name), prompt.type, f"{paid} AND {empty}")
        columns["tokens_in_of_empty"] = f"coalesce({tokens}, 0)"
    return columns


def queries(subject: Subject) -> list[Query]:
    """What came back empty: in all, by what tells rows apart, over time, and the dearest of them."""
    rows, columns = subject.plausible_rows, _figures(subject)
    inner = f"SELECT {select(columns)} FROM {identifier(subject.table.name)} {rows.where}"
    share = "100.0 * empty_paid_calls / nullif(paid_calls, 0) AS empty_percent"
    spend = "spend - spend_on_empty AS spend_projected, 100.0 * spend_on_empty / nullif(spend, 0) AS spend_percent"
    found = [
        totals_query(subject.intent, subject.catalogue),
        Query("empty", f"SELECT *, {share}, {spend} FROM ({inner})", rows.parameters),
        *implausible_query(subject.intent, subject.catalogue),
    ]
    if (split := subject.split) is not None:
        found.append(_groups(subject, split))
    if subject.intent.grain is not None and subject.has(Meaning.TIME):
        found.append(by_step(subject, _figures(subject), _paid_for_nothing(subject)))
    return found


def _paid_for_nothing(subject: Subject) -> Condition:
    cost, output = subject.table.column(Meaning.COST), subject.table.column(Meaning.OUTPUT_TOKENS)
    paid = f"{identifier(cost.name)} > 0 AND {identifier(output.name)} = 0" if cost and output else "false"
    return all_of((Condition(paid), subject.plausible_rows))


def _groups(subject: Subject, split: str) -> Query:
    columns = {name: sql for name, sql in _figures(subject).items() if name in ("empty_paid_calls", "spend_on_empty")}
    return by_column(subject.split_by(split), columns, _paid_for_nothing(subject), "spend_on_empty DESC")


def draft(account: Account) -> Draft:
    """How many, what they cost, which part that is; by what tells rows apart."""
    empty = account.sheet("empty")
    paid = account.calls(empty.cell("paid_calls"))
    if not empty.cell("empty_paid_calls"):
        return Draft((f"None of {paid} that cost anything{account.scope} came back empty (`{account.table.name}`).\n",))
    amount, share = account.money(empty.cell("spend_on_empty")), empty.cell("empty_percent").percent
    parts = [
        f"**{account.calls(empty.cell('empty_paid_calls'))}**{account.scope} cost **{amount}** and gave no tokens out: "
        f"{share} of {paid} that cost anything, and {empty.cell('spend_percent').percent} of the spend"
        f"{account.left_out} (`{account.table.name}`).\n\n",
        *_tables(account),
    ]
    return Draft(tuple(parts), (*_insights(account), *account.notes), _ACTIONS, (_recommendation(account),))


def _tables(account: Account) -> list[str]:
    figures = {"empty_paid_calls": f"empty {account.noun}s", "spend_on_empty": "paid for them"}
    return account.divided(figures, SHOWN)


def _insights(account: Account) -> list[str]:
    empty, found = account.sheet("empty"), []
    if empty.has("tokens_in_of_empty"):
        found.append(f"They sent {empty.cell('tokens_in_of_empty').count} tokens in.")
    if empty.cell("empty_free_calls"):
        found.append(f"{account.calls(empty.cell('empty_free_calls'))} more gave nothing and cost nothing.")
    return found


def _recommendation(account: Account) -> Recommendation:
    empty = account.sheet("empty")
    amount = account.money(empty.cell("spend_on_empty"))
    return Recommendation(
        text=f"Find out why calls come back empty, and stop or claim back what is paid for them: {amount}.",
        baseline=empty.cell("spend").value,
        projected=empty.cell("spend_projected").value,
        saving=empty.cell("spend_on_empty").value,
        unit=unit_of(account.table),
        basis="measured",
        assumptions=[
            "No call with zero tokens out was of use to anyone.",
            "Implausible rows are left out." if account.has_implausible else "All rows that are asked for are counted.",
        ],
    )


_ACTIONS = ("Look at the dearest empty calls: a refusal, a limit on output tokens, or a broken stream.",)
KIND = kind_of(
    CLAIM,
    "Calls that cost something and gave no tokens out, with what they cost",
    queries,
    draft,
)

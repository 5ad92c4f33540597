"""The what-ifs: another model, small prompts elsewhere, shorter prompts, batches, a cache, another time of the day."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import msgspec

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Recogniser,
    Sheets,
    code,
    options_of,
    table_of,
)
from chatcore.agents.analyst.intents.scope import (
    filter_words,
    gap_query,
    gap_words,
    nothing_there,
    period_words,
    relative_words,
)
from chatcore.agents.analyst.prices.on_models import USUAL_DISCOUNT
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.savings import asked, unanswered
from chatcore.agents.analyst.savings.measures import (
    USUAL_SMALL,
    Change,
    as_good,
    batched,
    cached,
    cap_length,
    capped,
    off_peak,
    routed,
    swapped,
)
from chatcore.agents.analyst.savings.outcome import Outcome, outcome_query
from chatcore.agents.analyst.savings.priced import Priced, find_priced, priced_of, scope_queries
from chatcore.agents.analyst.savings.quality import find_quality, quality_query
from chatcore.agents.analyst.savings.target import target_of
from chatcore.agents.analyst.sql import Condition


class SwapOptions(msgspec.Struct, frozen=True):
    """What only a swap takes.

    Args:
        to: the model to use instead; None for the cheapest that scored at least as well in the benchmark.
    """

    to: str | None = None


class RouteOptions(msgspec.Struct, frozen=True):
    """What only the routing of small prompts takes.

    Args:
        to: the model for them; None for the cheapest of those in use.
        below: prompts of fewer tokens are small.
    """

    to: str | None = None
    below: int = USUAL_SMALL


class CapOptions(msgspec.Struct, frozen=True):
    """What only a cap on prompts takes.

    Args:
        at: tokens that a prompt may have; None for the length that most prompts stay within.
    """

    at: int | None = None


class BatchOptions(msgspec.Struct, frozen=True):
    """What only batches take.

    Args:
        discount_percent: off the price of a call that may wait.
    """

    discount_percent: float = USUAL_DISCOUNT


class CacheOptions(msgspec.Struct, frozen=True):
    """What only a cache takes.

    Args:
        hit_percent: share of the input that is read from it; None for all, the ceiling.
    """

    hit_percent: float | None = None


class NoMore(msgspec.Struct, frozen=True):
    """Of what takes nothing."""


@attrs.frozen(kw_only=True)
class WhatIf:
    """One what-if.

    Args:
        name: of the kind.
        description: what it finds out.
        options: what it takes.
        change: the measure, or why there is none.
        said: cells that its words need.
        title: what to do, in the imperative.
        assumptions: what is taken for granted.
        untouched: why no call is touched, as the end of a sentence.
    """

    name: str
    description: str
    options: type[msgspec.Struct]
    change: Callable[[Intent, Catalogue, Priced], Change | Refusal]
    title: Callable[[Outcome], str]
    assumptions: tuple[str, ...]
    untouched: str
    said: Callable[[Intent, Priced], dict[str, Condition]] = lambda _intent, _priced: {}

    def queries(self, intent: Intent, catalogue: Catalogue) -> list[Query]:
        """What it saves, what is left out, and how good the model is that calls would go to."""
        priced = priced_of(intent, catalogue)
        change = self.change(intent, catalogue, priced) if priced else None
        if priced is None or not isinstance(change, Change):
            return []
        found = [
            outcome_query(intent, priced, change, self.said(intent, priced)),
            *scope_queries(intent, priced),
            *gap_query(intent, catalogue),
        ]
        to, quality = self._target(intent, priced), find_quality(catalogue, priced)
        if to and quality:
            found.append(quality_query(priced, quality, priced.start(intent, *change.others), change.touched, to))
        return found

    def _target(self, intent: Intent, priced: Priced) -> str | None:
        """The model that is named, by the name that it has a price by."""
        named = getattr(options_of(intent, self.options), "to", None)
        target = target_of(named, priced) if named else None
        return target if isinstance(target, str) else None

    def word(self, intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
        """The saving in a sentence, the models in a table, what is assumed after."""
        priced = find_priced(catalogue, table_of(intent, catalogue))
        if isinstance(priced, Refusal):
            return priced
        change = self.change(intent, catalogue, priced)
        if isinstance(change, Refusal):
            return change
        if not sheets["scope"].cell("calls"):
            return nothing_there(intent, catalogue)
        outcome = Outcome(sheets=sheets, priced=priced, intent=intent)
        if not outcome.cell("calls"):
            return self._untouched(intent, outcome)
        return self._draft(intent, catalogue, outcome, change)

    def _draft(self, intent: Intent, catalogue: Catalogue, outcome: Outcome, change: Change) -> Draft:
        title, table = self.title(outcome), table_of(intent, catalogue)
        scope = period_words(intent) + filter_words(intent.filters)
        insights = [
            *quality_words(intent, outcome.sheets),
            *self.assumptions,
            *outcome.facts(),
            *relative_words(intent, table),
            *gap_words(outcome.sheets),
        ]
        return Draft(
            (f"{title}{scope}: {outcome.verdict()} (`{table.name}`).\n\n", outcome.table()),
            tuple(insights),
            (),
            tuple(outcome.recommendation(f"{title}{scope}", change, self.assumptions)),
        )

    def _untouched(self, intent: Intent, outcome: Outcome) -> Refusal:
        scope = period_words(intent) + filter_words(intent.filters)
        priced = outcome.cell("priced_calls").count
        return Refusal(
            reason="no_rows",
            text=f"Nothing would change: of {priced} paid calls with a list price{scope}, {self.untouched}.",
            missing=(self.untouched,),
            covered=outcome.priced.table.covered,
            alternatives=("How can we reduce our bill?", "What would batching save?"),
        )

    def kind(self, recognise: Recogniser) -> IntentKind:
        """As a kind of question."""
        return IntentKind(self.name, self.description, self.queries, self.word, recognise, self.options)


def quality_words(intent: Intent, sheets: Sheets) -> list[str]:
    """How well the model did that calls would go to, beside those that they were on."""
    to = intent.options.get("to")
    if not to:
        return []
    sheet = sheets.get("quality")
    if sheet is None or sheet.cell("target_score_percent").missing:
        return [f"How good `{to}` is for this work is not known: no benchmark here has a score of it."]
    row = sheet.row(0)
    target = f"{code(row['target_run'])} scored {row['target_score_percent'].percent} in the benchmark"
    if row["replaced_score_percent"].missing:
        return [f"{target}; the models that it would replace have no score there."]
    of = code(row["replaced_run"]) if row["models"].value == 1 else "the mean of the models that it would replace"
    part = (
        ""
        if row["calls_with_score"].value == row["calls"].value
        else (f" (known for {row['calls_with_score'].count} of {row['calls'].count} calls)")
    )
    difference = row["score_difference_percent"].figure
    return [f"{target}, against {row['replaced_score_percent'].percent} for {of}{part}: {difference} points."]


def _swap(intent: Intent, catalogue: Catalogue, priced: Priced) -> Change | Refusal:
    to = options_of(intent, SwapOptions).to
    if to is not None:
        target = target_of(to, priced)
        return target if isinstance(target, Refusal) else swapped(priced, target)
    quality = find_quality(catalogue, priced)
    return as_good(priced, quality) if quality else unanswered.no_quality(priced)


def _route(intent: Intent, _catalogue: Catalogue, priced: Priced) -> Change | Refusal:
    options = options_of(intent, RouteOptions)
    to = target_of(options.to, priced) if options.to is not None else None
    return to if isinstance(to, Refusal) else routed(priced, to, options.below)


def _off_peak(_intent: Intent, _catalogue: Catalogue, priced: Priced) -> Change | Refusal:
    return off_peak(priced) or unanswered.no_windows(priced)


def _hits(percent: float | None) -> dict[str, Condition]:
    """The share that is read from a cache, where one was asked for."""
    return (
        {} if percent is None else {"hit_percent": Condition("CAST($hit_percent AS DOUBLE)", {"hit_percent": percent})}
    )


def _swap_title(outcome: Outcome) -> str:
    targets = outcome.targets
    if len(targets) == 1:
        return f"Move these calls to {targets[0]}"
    return "Move the calls of each model to the cheapest one that scored at least as well"


SWAP = WhatIf(
    name="swap",
    description="What calls would have cost on another model",
    options=SwapOptions,
    change=_swap,
    title=_swap_title,
    assumptions=("It is assumed that the other model takes and gives as many tokens, and answers well enough.",),
    untouched="none has a model that another would take over",
)
ROUTE = WhatIf(
    name="route",
    description="What calls with a small prompt would have cost on a cheaper model",
    options=RouteOptions,
    change=_route,
    said=lambda intent, _: {"limit_tokens": Condition("$below", {"below": options_of(intent, RouteOptions).below})},
    title=lambda outcome: (
        f"Send prompts below {outcome.cell('limit_tokens').count} tokens to {' or '.join(outcome.targets)}"
    ),
    assumptions=("It is assumed that a small prompt is an easy one: the other model must be tried on them first.",),
    untouched="none has so small a prompt on a dearer model",
)
CAP = WhatIf(
    name="cap",
    description="What calls would have cost with prompts cut to a length",
    options=CapOptions,
    change=lambda intent, _, priced: capped(priced, options_of(intent, CapOptions).at),
    said=lambda intent, _: {"limit_tokens": cap_length(options_of(intent, CapOptions).at)},
    title=lambda outcome: f"Cap prompts at {outcome.cell('limit_tokens').count} tokens",
    assumptions=("It is assumed that what is cut is not needed, and that the answers stay as long as they were.",),
    untouched="none has a longer prompt",
)
BATCH = WhatIf(
    name="batch",
    description="What calls would have cost in batches, at a discount",
    options=BatchOptions,
    change=lambda intent, _catalogue, _priced: batched(options_of(intent, BatchOptions).discount_percent),
    said=lambda intent, _: {
        "discount_percent": Condition(
            "CAST($discount_percent AS DOUBLE)", {"discount_percent": options_of(intent, BatchOptions).discount_percent}
        )
    },
    title=lambda outcome: f"Run the calls that can wait in batches, {outcome.cell('discount_percent').percent} off",
    assumptions=(
        "It is assumed that every call can wait, and that its provider gives this discount: the rows do not say.",
    ),
    untouched="none can be batched",
)
CACHE = WhatIf(
    name="cache_ceiling",
    description="What calls would have cost at most less with a cache of prompts",
    options=CacheOptions,
    change=lambda intent, _catalogue, _priced: cached(options_of(intent, CacheOptions).hit_percent),
    said=lambda intent, _: _hits(options_of(intent, CacheOptions).hit_percent),
    title=lambda outcome: (
        f"Read {outcome.cell('hit_percent').percent} of the input from a cache"
        if outcome.sheet.has("hit_percent")
        else "Read prompts from a cache"
    ),
    assumptions=(
        "It is a ceiling: all input, or the share of it that was asked for, is read from the cache, on each call "
        "alike, and nothing is paid for writing it there.",
    ),
    untouched="none is on a model with a price for cached input",
)
OFF_PEAK = WhatIf(
    name="off_peak",
    description="What calls would have cost at the cheapest time of the day",
    options=NoMore,
    change=_off_peak,
    title=lambda _: "Move calls to the hours when their model is cheaper",
    assumptions=("It is assumed that each of these calls can wait for the cheaper hours of the same day.",),
    untouched="none is cheaper at another time of the day",
)

WHAT_IFS: tuple[WhatIf, ...] = (CAP, ROUTE, BATCH, CACHE, OFF_PEAK, SWAP)

KINDS: tuple[IntentKind, ...] = tuple(each.kind(asked.RECOGNISERS[each.name]) for each in WHAT_IFS)

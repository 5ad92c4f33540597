"""When most calls come at once: calls and tokens by the second, minute or hour, and how many run side by side."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

import attrs
import msgspec

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.catalogue import Catalogue, Table
from chatcore.agents.analyst.choosing import choose_table
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.decisions.clock import Clock, clock_of, duration_of
from chatcore.agents.analyst.evidence import Cell, Query
from chatcore.agents.analyst.intents.base import (
    Draft,
    IntentKind,
    Sheets,
    markdown_table,
    noun_of,
    options_of,
    plural,
    table_of,
)
from chatcore.agents.analyst.intents.scope import filter_words, nothing_there, period_words
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.refusals import left_out, no_time
from chatcore.agents.analyst.request import Intent, Refusal
from chatcore.agents.analyst.scoping import apart_from, scope_of
from chatcore.agents.analyst.sql import restriction, tokens_of

SHOWN_WINDOWS = 5
"""Busiest windows that are shown unless more or fewer were asked for."""

Step: TypeAlias = Literal["second", "minute", "hour", "day"]

_SECONDS: dict[Step, int] = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
_WRITTEN: dict[Step, str] = {
    "second": "%Y-%m-%d %H:%M:%S",
    "minute": "%Y-%m-%d %H:%M",
    "hour": "%Y-%m-%d %H:%M",
    "day": "%Y-%m-%d",
}


class PeakOptions(msgspec.Struct, frozen=True):
    """What only the peak takes.

    Args:
        step: how long a window is.
        by_tokens: whether the busiest window is the one with most tokens, and not the one with most calls.
    """

    step: Step = "minute"
    by_tokens: bool = False


def queries(intent: Intent, catalogue: Catalogue) -> list[Query]:
    """The busiest windows, what is usual, and how many calls ran side by side where that is known."""
    table = table_of(intent, catalogue)
    clock = clock_of(table)
    if clock is None:
        return []
    found = [_busiest_query(intent, table, clock), _usual_query(intent, table, clock)]
    duration = duration_of(table)
    return found if duration is None else [*found, _side_by_side_query(intent, table, clock, duration)]


def _windows(intent: Intent, table: Table, clock: Clock) -> tuple[str, dict[str, object]]:
    """SQL for the windows with rows, and what it binds."""
    where, seconds = restriction(intent, table), _SECONDS[options_of(intent, PeakOptions).step]
    tokens = tokens_of(table)
    summed = f", CAST(sum({tokens}) AS BIGINT) AS tokens" if tokens else ""
    timed = f"{where.where} {'AND' if where.sql else 'WHERE'} {identifier(clock.column.name)} IS NOT NULL"
    sql = (
        f"SELECT CAST(floor({clock.seconds} / {seconds}) AS BIGINT) AS number, count(*) AS calls{summed} "
        f"FROM {identifier(table.name)} {timed} GROUP BY 1"
    )
    return sql, dict(where.parameters)


def _begins(intent: Intent, clock: Clock) -> str:
    """SQL for how a window is called: by when it begins, or by its number from the trace's start."""
    step = options_of(intent, PeakOptions).step
    if clock.from_start:
        return f"'{step} ' || CAST(number AS VARCHAR)"
    return f"strftime(make_timestamp(number * {_SECONDS[step] * 1_000_000}), '{_WRITTEN[step]}')"


def _busiest_query(intent: Intent, table: Table, clock: Clock) -> Query:
    windows, parameters = _windows(intent, table, clock)
    figures = ["calls", "tokens"] if tokens_of(table) else ["calls"]
    ranks = reversed(figures) if _by_tokens(intent, table) else figures
    rank = ", ".join(f"{each} DESC NULLS LAST" for each in ranks)
    sql = (
        f"SELECT {_begins(intent, clock)} AS begins, {', '.join(figures)} FROM ({windows}) "
        f"ORDER BY {rank}, number LIMIT $limit"
    )
    return Query("busiest", sql, {**parameters, "limit": intent.limit or SHOWN_WINDOWS})


def _by_tokens(intent: Intent, table: Table) -> bool:
    return options_of(intent, PeakOptions).by_tokens and tokens_of(table) is not None


def _usual_query(intent: Intent, table: Table, clock: Clock) -> Query:
    """The peaks, and the mean over the windows that have rows: no rows is not the same as no calls."""
    windows, parameters = _windows(intent, table, clock)
    figures = ["calls", "tokens"] if tokens_of(table) else ["calls"]
    peaks = ", ".join(f"max({each}) AS peak_{each}, CAST(sum({each}) AS BIGINT) AS {each}" for each in figures)
    means = ", ".join(
        f"1.0 * {each} / with_rows AS mean_{each}, "
        f"1.0 * peak_{each} * with_rows / nullif({each}, 0) AS {each}_peak_to_mean"
        for each in figures
    )
    inner = f"SELECT count(*) AS with_rows, max(number) - min(number) + 1 AS windows, {peaks} FROM ({windows})"
    return Query("usual", f"SELECT *, {means} FROM ({inner})", parameters)


def _side_by_side_query(intent: Intent, table: Table, clock: Clock, duration: str) -> Query:
    """How many calls ran at once at most; one that ends when another begins is over by then."""
    where = restriction(intent, table)
    base = f"FROM {identifier(table.name)} {where.where} {'AND' if where.sql else 'WHERE'} {duration} >= 0"
    sql = (
        "SELECT max(running) AS most_at_once FROM ("
        "SELECT sum(change) OVER (ORDER BY moment, change ROWS UNBOUNDED PRECEDING) AS running FROM ("
        f"SELECT {clock.seconds} AS moment, 1 AS change {base} "
        f"UNION ALL SELECT {clock.seconds} + {duration}, -1 {base}))"
    )
    sql = f"SELECT CAST(most_at_once AS BIGINT) AS most_at_once FROM ({sql})"
    return Query("side_by_side", sql, where.parameters)


def word(intent: Intent, catalogue: Catalogue, sheets: Sheets) -> Draft | Refusal:
    """The busiest window in a sentence, the next ones in a table."""
    table = table_of(intent, catalogue)
    clock = clock_of(table)
    if clock is None or not len(sheets["busiest"]):
        return nothing_there(intent, catalogue)
    words = _Words(intent, table, sheets)
    return Draft((words.headline(), words.table_of_windows()), tuple(words.insights(clock)))


@attrs.frozen
class _Words:
    """The wording of a peak."""

    intent: Intent
    table: Table
    sheets: Sheets

    @property
    def _step(self) -> Step:
        return options_of(self.intent, PeakOptions).step

    def _cell(self, name: str) -> Cell:
        return self.sheets["usual"].cell(name)

    def headline(self) -> str:
        """The busiest window, and how far it is above the mean."""
        first = self.sheets["busiest"].row(0)
        by_tokens = _by_tokens(self.intent, self.table)
        figure = plural(first["tokens"], "token") if by_tokens else plural(first["calls"], noun_of(self.table))
        measure = "tokens" if by_tokens else "calls"
        times, mean = self._cell(f"{measure}_peak_to_mean").figure, self._cell(f"mean_{measure}").figure
        scope = period_words(self.intent) + filter_words(self.intent.filters)
        return (
            f"The busiest {self._step}{scope} is {first['begins']}, with **{figure}**: {times} times the mean of "
            f"{mean} (`{self.table.name}`).\n\n"
        )

    def table_of_windows(self) -> str:
        """The busiest windows."""
        header = list(self.sheets["busiest"].evidence.columns)
        rows = [[str(row["begins"]), *(row[each].count for each in header[1:])] for row in self.sheets["busiest"]]
        return markdown_table([f"{self._step} from", *header[1:]], rows)

    def insights(self, clock: Clock) -> list[str]:
        """The other peak, how many at once, and what was taken for what."""
        facts = []
        if self.sheets["usual"].has("peak_tokens"):
            calls, tokens = plural(self._cell("peak_calls"), "call"), plural(self._cell("peak_tokens"), "token")
            facts.append(f"No {self._step} has more than {calls}, and none more than {tokens}.")
        windows, with_rows = plural(self._cell("windows"), self._step), self._cell("with_rows").count
        facts.append(f"The mean is over the {with_rows} of {windows} from the first row to the last that have rows.")
        facts += [self._side_by_side()] if "side_by_side" in self.sheets else []
        if clock.from_start:
            unit = ", taken to be milliseconds" if clock.assumed else ""
            facts.append(
                f"`{clock.column.name}` counts from the trace's start{unit}: {self._step}s are numbered from 0."
            )
        return facts

    def _side_by_side(self) -> str:
        most, column = self.sheets["side_by_side"].cell("most_at_once"), self.table.column(Meaning.DURATION)
        return f"At most {plural(most, 'call')} ran side by side, by `{column.name if column else ''}`."


_PER = r"(?P<step>second|minute|hour|day)"
_ASKED = (
    r"\bpeak(?:s|ed)?\b(?! (?:price|rate|pricing|tariff))|\bbusiest (?:single )?(?:second|minute)s?\b|\bbursts?\b",
    r"\b(?:concurren\w+|simultaneous\w*|in parallel|side by side|at once|at the same time)\b",
    r"\b(?:calls?|requests?|tokens?|queries) (?:per|a|each|every) (?:second|minute)\b|\b[tr]pm\b|\b[qr]ps\b",
    r"\bhighest (?:load|rate|traffic|throughput)\b|\bbusiest single hours?\b(?! of (?:the|a) day| by\b| per\b)",
)
_NOT_PEAK = r"\boff[- ]?peak\b|\bpeak (?:month|quarter|week|year)\b"
_ABBREVIATED: dict[str, tuple[Step, bool]] = {
    "tpm": ("minute", True),
    "rpm": ("minute", False),
    "qps": ("second", False),
    "rps": ("second", False),
}
_AT_ONCE = r"\b(?:concurren\w+|simultaneous\w*|in parallel|side by side|at once|at the same time)\b"
_ONE_SIDE = r"\b(?:input|output|prompt|completion|generated)[ -]tokens?\b|\btokens? out\b"
_WORDS = frozenset(
    [
        "load",
        "provision",
        "provisioned",
        "handle",
        "support",
        "sustain",
        "traffic",
        "second",
        "minute",
        "rate",
        "rates",
        "limit",
        "limits",
        "throughput",
        "capacity",
    ]
)


def recognise(reading: Reading) -> Intent | Refusal | None:
    """The busiest window of time, calls or tokens by the minute, how many at once."""
    text = reading.text
    spent = reading.has(lexicon.COST) and not re.search(r"\b(?:load|traffic|rates?|throughput)\b", text)
    if spent or re.search(_NOT_PEAK, text) or not any(re.search(pattern, text) for pattern in _ASKED):
        return None
    table = choose_table(apart_from(reading, _ASKED))
    if isinstance(table, Refusal):
        return table
    if clock_of(table) is None:
        return no_time(table, reading)
    if re.search(_AT_ONCE, text) and duration_of(table) is None:
        return _without_duration(table)
    if side := re.search(_ONE_SIDE, text):
        why = "I count the tokens in and out together where I look for a peak"
        return left_out(side[0], why, [f"What were the peak tokens per minute in {table.name}?"], reading.catalogue)
    scope = scope_of(apart_from(reading, (*_ASKED, rf"\b(?:per|a|an|each|every) {_PER}s?\b")), table, _WORDS)
    if isinstance(scope, Refusal):
        return scope
    options = msgspec.to_builtins(_options(text))
    limit = reading.limit
    return Intent(
        kind=KIND.name, table=table.name, limit=limit, periods=scope.periods, filters=scope.filters, options=options
    )


def _without_duration(table: Table) -> Refusal:
    """Calls run side by side only while they last."""
    return Refusal(
        reason="no_such_column",
        text=f"How many calls ran at once cannot be told: no column of `{table.name}` says how long one took.",
        missing=(str(Meaning.DURATION),),
        alternatives=tuple(f"What were the peak calls per {each} in {table.name}?" for each in ("second", "minute")),
    )


def _options(text: str) -> PeakOptions:
    short = next((each for word, each in _ABBREVIATED.items() if re.search(rf"\b{word}\b", text)), None)
    if short is not None:
        return PeakOptions(*short)
    found = re.search(_PER, text)
    step = next(each for each in _SECONDS if each == (found["step"] if found else "minute"))
    return PeakOptions(step, by_tokens=re.search(r"\btokens?\b", text) is not None)


KIND = IntentKind(
    "peak",
    "The busiest seconds, minutes or hours, and how many calls run at once",
    queries,
    word,
    recognise,
    PeakOptions,
)

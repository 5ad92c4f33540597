"""How the text of a CSV field becomes a typed value. Strict: what would lose something does not fit.

DuckDB's own casts round ``1.5`` to an integer, cut the clock off a date and drop a time zone; a reading says with
``good`` which of them it accepts. Times are kept in UTC.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

_ZONE = r"(Z|[+-]\d\d(:?\d\d)?)$"
_NOTHING = r"'\s*(null|none|nan|n/a|na|-)?\s*', 'i'"
"""Words for a missing value, in a column that is not text. In text they are words: a model may be named ``None``."""

IN_CALENDAR = "year({value}) BETWEEN 1 AND 9999"
"""Years that Python's calendar has. To DuckDB a slip of a finger, as in 20255-05-08, is a time, and so is infinity."""

_PARSED = f"{IN_CALENDAR} AND ({{value}} <> TIMESTAMP '1900-01-01' OR contains({{raw}}, '1900'))"
"""The same, of a format: whatever that is, DuckDB makes of ``infinity`` and ``epoch`` the beginning of 1900."""


def identifier(name: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


@attrs.frozen
class Reading:
    """One way to read the values of a column.

    Args:
        type: the DuckDB type that comes out.
        value: SQL for the value; ``{raw}`` stands for the text.
        good: SQL that is true where ``{value}`` is what ``{raw}`` says, with nothing lost.
        rival: another reading that takes the same text for another value; where both fit, neither is taken.
    """

    type: str
    value: str
    good: str
    rival: str = ""

    def value_of(self, raw: str) -> str:
        """SQL for the value of the expression ``raw``; NULL where it cannot be read."""
        return self.value.replace("{raw}", raw)

    @property
    def kind(self) -> str:
        """``number``, ``time``, ``truth`` or ``text``: a column may turn out wider, never of another kind than text."""
        return _KINDS[self.type]

    def fits(self, raw: str) -> str:
        """SQL that is true where the expression ``raw`` can be read so."""
        return self.is_good(raw, self.value_of(raw))

    def is_good(self, raw: str, value: str) -> str:
        """SQL that is true where the expression ``value``, read from ``raw``, is to be kept."""
        return self.good.replace("{raw}", raw).replace("{value}", value)


_KINDS = {
    "BOOLEAN": "truth",
    "BIGINT": "number",
    "DOUBLE": "number",
    "DATE": "time",
    "TIMESTAMP": "time",
    "VARCHAR": "text",
}


def _dates(order: str, separator: str) -> str:
    date = separator.join(f"%{letter}" for letter in order)
    formats = ", ".join(f"'{date}{clock}'" for clock in ("", " %H:%M", " %H:%M:%S"))
    return f"try_strptime({{raw}}, [{formats}])"


TEXT = Reading("VARCHAR", "{raw}", "true")
READINGS = (
    Reading("BOOLEAN", "try_cast({raw} AS BOOLEAN)", "lower({raw}) IN ('true', 'false')"),
    Reading("BIGINT", "try_cast({raw} AS BIGINT)", "{value} = try_cast({raw} AS DOUBLE)"),
    Reading("DOUBLE", "try_cast({raw} AS DOUBLE)", "isfinite({value})"),
    Reading("DOUBLE", "try_cast(replace(ltrim({raw}, '$€£ '), ',', '') AS DOUBLE)", "isfinite({value})"),
    Reading("DATE", "try_cast({raw} AS DATE)", f"{IN_CALENDAR} AND strlen({{raw}}) <= 10"),
    Reading("TIMESTAMP", "try_strptime({raw}, '%Y-%m-%d %H:%M:%S')", _PARSED),  # the commonest, and fast
    Reading(
        "TIMESTAMP",
        "try_cast({raw} AS TIMESTAMP)",
        f"{IN_CALENDAR} AND NOT regexp_matches({{raw}}, '{_ZONE}')",
    ),
    Reading("TIMESTAMP", "(try_cast({raw} AS TIMESTAMPTZ) AT TIME ZONE 'UTC')", IN_CALENDAR),
    Reading("TIMESTAMP", _dates("dmY", "."), _PARSED),
    Reading("TIMESTAMP", _dates("mdY", "/"), _PARSED, rival=_dates("dmY", "/")),
    Reading("TIMESTAMP", _dates("dmY", "/"), _PARSED, rival=_dates("mdY", "/")),
    TEXT,
)
"""From the narrowest to text, which fits everything."""


def choose(fitting: Sequence[Reading]) -> Reading:
    """The reading to take of those that fit, narrowest first: the first that no other contradicts."""
    rivals = {reading.rival for reading in fitting}
    return next((reading for reading in fitting if reading.value not in rivals), TEXT)


def is_missing(raw: str) -> str:
    """SQL that is true where a text stands for no value, in a column that is not text."""
    return f"({raw} IS NULL OR regexp_full_match({raw}, {_NOTHING}))"


def misfit_mark(column: int) -> str:
    """What the error of :func:`strict` says for the column at this position."""
    return f"chatcore misfit {column};"


def strict(reading: Reading, column: int) -> str:
    """SQL that turns ``r<column>``, read as ``v<column>``, into the value to keep, or raises an error."""
    raw, value = f"r{column}", f"v{column}"
    if reading is TEXT:
        return raw
    otherwise = f"error({literal(misfit_mark(column))})"
    return f"CASE WHEN {reading.is_good(raw, value)} THEN {value} WHEN {is_missing(raw)} THEN NULL ELSE {otherwise} END"

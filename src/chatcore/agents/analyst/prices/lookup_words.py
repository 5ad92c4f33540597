"""What models cost by the list, worded: the price that is asked for first, all of them in a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from chatcore.agents.analyst.catalogue import Catalogue
from chatcore.agents.analyst.evidence import Cell, Sheet
from chatcore.agents.analyst.intents.base import Draft, Sheets, code, listed, markdown_table
from chatcore.agents.analyst.pricebook import PriceBook, Rate
from chatcore.agents.analyst.prices import wording
from chatcore.agents.analyst.prices.listed import OFF_PEAK, PER_MILLION, LookupOptions
from chatcore.agents.analyst.request import Period, Refusal

_CALLED = {
    Rate.INPUT: "input tokens",
    Rate.OUTPUT: "output tokens",
    Rate.CACHE_READ: "input tokens read from the cache",
    Rate.CACHE_WRITE: "input tokens written to the cache",
}
_TITLES = {Rate.INPUT: "input", Rate.OUTPUT: "output", Rate.CACHE_READ: "cache read", Rate.CACHE_WRITE: "cache write"}


@attrs.frozen
class Prices:
    """The wording of prices."""

    book: PriceBook
    catalogue: Catalogue
    sheets: Sheets
    options: LookupOptions
    period: Period | None = None

    @property
    def rate(self) -> Rate | None:
        """The one that is asked for."""
        return self.options.rate

    @property
    def _per(self) -> str:
        units = {PER_MILLION: "million ", 1_000: "thousand ", 1: ""}
        return f"per {units[self.options.tokens]}"

    def draft(self) -> Draft | Refusal:
        """The whole answer."""
        rows = list(self._sheet)
        if self.rate is not None and all(row[self.rate].missing for row in rows):
            return self._without(self.rate, rows[0])
        long = self._of_long_prompts()
        parts = [f"{long}{'A shorter one: ' if long else ''}{self._headline(rows)}\n\n"]
        if len(rows) > 1 or self.rate is None:
            parts.append(self.table(rows))
        parts += self._tiers()
        return Draft(tuple(parts), (*self._untold(rows), wording.source_note(self.book, self.catalogue)))

    @property
    def _sheet(self) -> Sheet:
        return self.sheets["prices"]

    @property
    def _currency(self) -> str:
        return self.book.columns.currency

    def _headline(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        models = list(dict.fromkeys(wording.model_of(row) for row in rows))
        if len(models) > 1:
            unit = f"{self._per}{'token' if self.options.tokens == 1 else 'tokens'}"
            return f"{self._when()}{self._cheapest(rows)}List prices {unit} of {listed(models)}:"
        first, *others = rows
        when = wording.holds(first, others)
        text = f"{self._when()}{models[0]} lists at {self._rates(first)}{f' {when}' if when else ''}"
        text += self._below(first)
        return text + "".join(f"; {wording.holds(row, rows)}: {self._rates(row)}" for row in others) + "."

    def _cheapest(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        """The first offer, where they stand in the order of their prices."""
        if not self.options.cheapest_first:
            return ""
        return f"By input and output together {wording.model_of(rows[0])} is cheapest: {self._rates(rows[0])}. "

    def _when(self) -> str:
        when = f"For {self.period.words}: " if self.period else ""
        if self._by_clock:
            when += "Off-peak: " if self.options.clock == OFF_PEAK else f"At {self.options.clock} UTC: "
        return when

    @property
    def _by_clock(self) -> bool:
        """Whether a price depends on the time of the day that is asked for."""
        return bool(self.options.clock) and any(not row["from_time"].missing for row in self._sheet)

    def _below(self, row: Mapping[str, Cell]) -> str:
        """How far the price of the time that is asked for is below that of the other times."""
        if not self._by_clock or not row["input_below_percent"]:
            return ""
        inside, outside = row["input_below_percent"].percent, row["output_below_percent"].percent
        return f", {inside} below the other times for input and {outside} for output"

    def _of_long_prompts(self) -> str:
        """What prompts of the length that is asked for cost, before the price of short ones."""
        asked, sheet = self.options.longer_than, self.sheets.get("tiers")
        if asked is None or sheet is None:
            return ""
        above = [row for row in sheet if row["longer_than"].value <= asked or not asked]
        told = []
        for model in dict.fromkeys(wording.model_of(row) for row in above):
            last = [row for row in above if wording.model_of(row) == model][-1]
            tier = [row for row in above if wording.model_of(row) == model and _tier(row) == _tier(last)]
            rates = [self.rate] if self.rate else [Rate.INPUT, Rate.OUTPUT]
            amounts = [
                f"**{self._amount(row['price'])}** {self._per}{self._called(Rate(str(row['rate'])))}"
                for row in tier
                if row["rate"].value in rates
            ]
            told.append(f"A prompt of more than {last['longer_than'].count} tokens on {model}: {listed(amounts)}. ")
        return "".join(told)

    def _amount(self, cell: Cell) -> str:
        if self.options.in_cents and not cell.missing:
            return f"{wording.rate(cell, '')} cents"
        return wording.rate(cell, self._currency)

    def _rates(self, row: Mapping[str, Cell]) -> str:
        rates = [self.rate] if self.rate else [Rate.INPUT, Rate.OUTPUT]
        told = [f"**{self._amount(row[r])}** {self._per}{self._called(r)}" for r in rates if not row[r].missing]
        return listed(told) or "no price per token"

    def _called(self, rate: Rate) -> str:
        return _CALLED[rate] if self.options.tokens > 1 else _CALLED[rate].replace("tokens", "token", 1)

    def table(self, rows: Sequence[Mapping[str, Cell]]) -> str:
        """All rates of all rows."""
        known = [rate for rate in Rate if not all(row[rate].missing for row in rows)]
        shown = [
            [
                code(row["model"]),
                code(row["provider"]) if row["provider"].value else "–",
                wording.holds(row, [other for other in rows if other["model"].value == row["model"].value]) or "–",
                *(self._amount(row[rate]) for rate in known),
            ]
            for row in rows
        ]
        return markdown_table(["model", "seller", "holds", *(_TITLES[rate] for rate in known)], shown)

    def _tiers(self) -> list[str]:
        sheet = self.sheets.get("tiers")
        if sheet is None or not len(sheet):
            return []
        lines: dict[tuple[str, str, str], list[str]] = {}
        for row in sheet:
            since = "" if row["since"].missing else f" since {row['since']}"
            key = (wording.model_of(row), since, row["longer_than"].count)
            price = f"{_TITLES[Rate(str(row['rate']))]} {self._amount(row['price'])}"
            lines[key] = [*lines.get(key, []), price]
        told = [f"- {model}{since}, more than {start}: {listed(each)}" for (model, since, start), each in lines.items()]
        return [
            "\nFor a prompt of more tokens than this, all tokens of the call cost more:\n\n" + "\n".join(told) + "\n"
        ]

    def _untold(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        """That the list does not date a price; that a longer prompt costs more, where it is not known how much."""
        return [*self._undated(rows), *self._without_tiers(rows), *self._at_any_time(), *self._of_any_length()]

    def _at_any_time(self) -> list[str]:
        if not self.options.clock or self._by_clock:
            return []
        return ["The list has no price by the time of the day here: this one holds at any hour."]

    def _of_any_length(self) -> list[str]:
        if self.options.longer_than is None or any(row["tiered"].value for row in self._sheet):
            return []
        return ["The list has no other price for a long prompt here: this one is for a prompt of any length."]

    def _undated(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        undated = [row for row in rows if row["since"].missing and row["until"].missing]
        if self.period is None or not undated:
            return []
        names = listed(list(dict.fromkeys(wording.model_of(row) for row in undated)))
        return [f"The list gives no date for {names}: it does not say since when that price holds."]

    def _without_tiers(self, rows: Sequence[Mapping[str, Cell]]) -> list[str]:
        tiered = list(dict.fromkeys(wording.model_of(row) for row in rows if row["tiered"].value))
        if not tiered or self.book.tiers is not None:
            return []
        return [
            f"A long prompt costs more for {listed(tiered)}: this table has the price of short prompts only. "
            "The tiers are in `genai_prices.json`; attach it too."
        ]

    def _without(self, rate: Rate, row: Mapping[str, Cell]) -> Refusal:
        return Refusal(
            reason="no_rows",
            text=f"`{self.book.columns.table}` has no price for {_CALLED[rate]} of {wording.model_of(row)}. "
            "That is not the same as free.",
            missing=(_CALLED[rate],),
            alternatives=wording.price_questions(self.catalogue),
        )


def _tier(row: Mapping[str, Cell]) -> tuple[object, object]:
    """What tells the prices of one tier from those of another: since when, from which length on."""
    return row["since"].value, row["longer_than"].value

"""What every part of the grammar makes of a question: an intent with its period, names and order. Pure."""

from __future__ import annotations

import attrs

from chatcore.agents.analyst import lexicon
from chatcore.agents.analyst.asking import Asking
from chatcore.agents.analyst.reading import Reading
from chatcore.agents.analyst.request import Grain, Intent, Measure, Period
from chatcore.agents.analyst.turns import RISING


@attrs.frozen
class Building:
    """A question and its table."""

    asking: Asking

    @property
    def reading(self) -> Reading:
        """The question."""
        return self.asking.reading

    def intent(
        self,
        kind: str,
        *,
        measure: Measure | None = None,
        by: str | None = None,
        grain: Grain | None = None,
        column: str | None = None,
        periods: list[Period] | None = None,
    ) -> Intent:
        """What is asked, as an intent of a kind."""
        named = [self.asking.period] if self.asking.period else []
        return Intent(
            kind=kind,
            table=self.asking.table.name,
            measure=measure or self.asking.measure,
            by=by,
            grain=grain,
            column=column,
            descending=not (self.reading.has(lexicon.LOW | lexicon.CHEAP | lexicon.FAST) or self.reading.says(RISING)),
            limit=self.reading.limit,
            periods=named if periods is None else periods,
            filters=self.reading.filters,
        )

"""What a golden question is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeAlias

import attrs

from .facts import Facts

Number: TypeAlias = Decimal | float | int
Numbers: TypeAlias = Callable[[Facts], Sequence[Number]]
Names: TypeAlias = Callable[[Facts], Sequence[str]]


def _none(_: Facts) -> Sequence[str]:
    return ()


@attrs.frozen(kw_only=True)
class Golden:
    """A question, other words for it, and what its answer has to hold.

    Args:
        kind: what sort of question it is, for the table of scores.
        asked: the question.
        also: paraphrases.
        numbers: that must stand in the text, rounded as it likes, and in a cell of the evidence.
        names: that must stand in the text.
        refused: the reason, where it has no answer; several with bars between, where each is honest.
        after: the questions of the thread before it.
    """

    kind: str
    asked: str
    also: tuple[str, ...] = ()
    numbers: Numbers | None = None
    names: Names = _none
    refused: str = ""
    after: tuple[str, ...] = ()

    @property
    def wordings(self) -> Iterator[str]:
        """Every way in which it is asked."""
        yield self.asked
        yield from self.also

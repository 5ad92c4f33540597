"""The whole golden set: every number right, every refusal a refusal."""

from __future__ import annotations

import pytest

from .facts import Facts
from .questions import GOLDEN
from .scoring import DATA, Mark, score_all, shared_ledger, table


def test_it_is_as_large_as_promised() -> None:
    assert len(GOLDEN) >= 60
    assert sum(len(golden.also) for golden in GOLDEN) >= 150
    assert sum(1 for golden in GOLDEN if golden.refused) >= 15
    asked = [(golden.after, words) for golden in GOLDEN for words in golden.wordings]
    assert len(asked) == len(set(asked))
    assert all(golden.refused or golden.numbers or golden.names for golden in GOLDEN)


async def test_every_golden_question_is_answered_right() -> None:
    if not DATA.exists():
        pytest.skip("shared/data is not here")
    async with shared_ledger() as ledger:
        scores = await score_all(GOLDEN, Facts(DATA), ledger)
    wrong = [f"{score.mark}: {score.wording} ({score.why})" for score in scores if score.mark is not Mark.RIGHT]
    assert not wrong, "\n".join([*wrong, table(scores)])

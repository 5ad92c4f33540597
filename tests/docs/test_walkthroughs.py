"""What the documentation tells its reader to do works, against the real server over a real socket."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from walkthrough import Walkthrough, assert_printed, steps_of

ROOT = Path(__file__).parents[2]
PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if steps_of(page)]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_a_reader_who_follows_the_page_sees_what_it_says(page: Path, tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        reader = Walkthrough(tmp_path, nursery)
        try:
            await reader.follow(steps_of(page))
        finally:
            await reader.leave()
            nursery.cancel_scope.cancel()


def test_the_tutorial_is_followed() -> None:
    done = [step.do for step in steps_of(ROOT / "docs" / "tutorial.md")]
    assert done.count("serve") == 2
    assert {"file", "run", "serve", "start", "prints", "finishes"} == set(done)


@pytest.mark.parametrize(
    ("wanted", "printed"),
    [("one", "two"), ("one\ntwo", "two\none"), ("a … c", "a b"), ("one\none", "one")],
    ids=["missing", "in another order", "another end", "once only"],
)
def test_what_is_not_printed_is_noticed(wanted: str, printed: str) -> None:
    with pytest.raises(AssertionError, match="is not printed"):
        assert_printed(wanted, printed)


def test_what_is_printed_is_recognized() -> None:
    assert_printed("a … c\nend", "before\na b c d\n\nthe end\n")

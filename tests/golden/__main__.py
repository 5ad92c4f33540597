"""``python -m tests.golden``: asks the golden questions and prints the table; ``-v`` says what went wrong.

Words after the options are looked for in the questions: only those with one of them are asked.
"""

from __future__ import annotations

import sys

import trio

from .facts import Facts
from .questions import GOLDEN
from .scoring import DATA, Mark, score_all, shared_ledger, table


async def main(arguments: list[str]) -> int:
    """Ask, print, and say with the exit code whether all was right."""
    if not DATA.exists():
        print("shared/data is not here", file=sys.stderr)
        return 2
    sought = [each for each in arguments if not each.startswith("-")]
    goldens = [g for g in GOLDEN if not sought or any(s in f"{g.kind} {words}" for s in sought for words in g.wordings)]
    async with shared_ledger() as ledger:
        scores = await score_all(goldens, Facts(DATA), ledger)
    if "-v" in arguments:
        for each in scores:
            if each.mark is not Mark.RIGHT:
                print(f"{each.mark}: {each.wording!r}\n    {each.why}\n")
    print(table(scores))
    return any(score.mark is not Mark.RIGHT for score in scores)


if __name__ == "__main__":
    sys.exit(trio.run(main, sys.argv[1:]))

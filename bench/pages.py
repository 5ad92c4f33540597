"""A run of the benchmark as a page: what bench/RESULTS.md is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from bench.compare import BUSY_CORES, DOUBT, Comparison, table
from bench.goals import HEAD, Verdict, table_of
from bench.results import machine, median

NAMED = (
    *("python", "chatcore", "trio", "hypercorn", "quart-trio", "trio-websocket", "wsproto", "msgspec", "sqlalchemy"),
    *("fastapi", "starlette", "uvicorn", "uvloop", "httptools", "websockets", "granian", "python-socketio"),
)
"""Packages whose versions the page tells; the JSON has all."""

Versions = Mapping[str, Mapping[str, str]]


def page(command: str, comparisons: Mapping[str, Comparison], verdicts: list[Verdict], versions: Versions) -> str:
    """The page in Markdown.

    Args:
        command: that measured it.
        comparisons: by workload.
        verdicts: on the goals.
        versions: of what each design is made of.
    """
    return "\n".join(_lines(command, comparisons, verdicts, versions))


def _lines(
    command: str, comparisons: Mapping[str, Comparison], verdicts: list[Verdict], versions: Versions
) -> Iterator[str]:
    here = machine()
    yield f"# Results of {time.strftime('%Y-%m-%d', time.gmtime())}\n"
    yield f"`{command}`, on {here['cores']} cores of {here['cpu']}, Linux {here['kernel']}."
    yield "What each figure is: [README](README.md).\n"
    others = median([one.others_cores for one in comparisons.values()])
    if others > BUSY_CORES:
        yield f"Something else kept {others:.1f} cores busy meanwhile: {DOUBT}.\n"
    yield from _table("Goals", HEAD, table_of(verdicts))
    for comparison in comparisons.values():
        yield from _table(comparison.workload.title, *table(comparison))
    yield "## Versions\n"
    for design, found in versions.items():
        yield f"- {design}: {', '.join(f'{name} {found[name]}' for name in NAMED if name in found)}"
    yield ""


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"## {title}\n"
    yield _row(head)
    yield _row(["---", *("---:" for _ in head[1:])])
    yield from map(_row, rows)
    yield ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"

"""The concurrency stress benchmark: chatcore beside other designs, on the same work, in turns. bench/README.md."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import attrs
import trio
from cyclopts import App

from bench.compare import Comparison, Effort, compare, report
from bench.designs import DESIGNS, OURS, Design
from bench.environments import versions
from bench.goals import HEAD, judge, table_of
from bench.pages import page
from bench.plots import draw
from bench.processes import ROOT, Cores, allow_many_files
from bench.results import save, show
from bench.workloads.base import Place, Workload
from bench.workloads.memory import memory
from bench.workloads.stampede import stampede
from bench.workloads.starts import cold_start, failing_start
from bench.workloads.steady import echo, stream


def workloads(clients: list[int], start_seconds: float, full: bool) -> list[Workload]:
    """All of them, at a size."""
    return [
        *(stampede(count, start_seconds) for count in clients),
        memory(clients=1000),
        echo(clients=100, pings=1000 if full else 400),
        stream(clients=100, deltas=1000 if full else 400),
        cold_start(),
        failing_start(clients=200, start_seconds=1.0, limit_seconds=8.0),
    ]


async def measure(place: Place, chosen: list[Workload], designs: list[Design], effort: Effort) -> dict[str, Comparison]:
    """Play them, one after another."""
    played = {}
    for workload in chosen:
        played[workload.key] = await compare(place, workload, designs, effort)
        report(played[workload.key])
    return played


def main(
    *,
    only: list[str] | None = None,
    designs: list[str] | None = None,
    clients: list[int] | None = None,
    start_seconds: float = 3.0,
    rounds: int = 3,
    full: bool = False,
    environments: Path | None = None,
) -> None:
    """Measure.

    Args:
        only: workloads: stampede, memory, echo, stream, cold_start, failing_start; all unless given.
        designs: by name; all unless given.
        clients: of each stampede.
        start_seconds: that the services take in a stampede.
        rounds: of chatcore and the ordinary design; the others play one.
        full: every design plays every round, 10,000 clients come too, and there is more to echo and to stream.
        environments: the folder that python -m bench.environments has filled; chatcore alone unless given.
    """
    allow_many_files()
    names = designs or list(DESIGNS if environments else [OURS.name])
    playing = [DESIGNS[name] for name in names]
    sizes = clients or ([1000, 5000, 10_000] if full else [1000, 5000])
    chosen = [one for one in workloads(sizes, start_seconds, full) if only is None or one.name in only]
    comparisons = trio.run(measure, Place(environments, Cores.apart()), chosen, playing, Effort(rounds, full))
    settings = {"rounds": rounds, "full": full, "start_seconds": start_seconds}
    keep(comparisons, {one.name: versions(environments, one) for one in playing}, settings)


def keep(comparisons: dict[str, Comparison], versions: dict[str, dict[str, str]], settings: dict[str, float]) -> None:
    """Print what was reached, and write down everything: as JSON, as a page, and in pictures."""
    verdicts = judge(comparisons)
    if verdicts:
        show("What is wanted", HEAD, table_of(verdicts))
    goals = [attrs.asdict(one) | {"met": one.met} for one in verdicts]
    results = {"goals": goals, "rounds": {key: one.rounds for key, one in comparisons.items()}}
    path = save("stress", settings, results, versions)
    command = f"python -m bench --environments FOLDER --rounds {settings['rounds']}{' --full' * bool(settings['full'])}"
    path.with_suffix(".md").write_text(page(command, comparisons, verdicts, versions))
    for written in (path, path.with_suffix(".md"), *pictures(path)):
        print(f"written to {written.relative_to(ROOT)}")


def pictures(results: Path) -> list[Path]:
    """Draw them, where there is something to draw with."""
    if importlib.util.find_spec("matplotlib") is None:
        print("no pictures: the dependency group bench is not installed")
        return []
    return draw(results, results.with_suffix(""))


if __name__ == "__main__":
    App(default_command=main, help=__doc__, name="python -m bench")()

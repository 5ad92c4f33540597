"""Pictures of a run of the benchmark: ``python -m bench.plots RESULTS.json FOLDER``. Needs the group ``bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclopts import App

from bench.designs import DESIGNS
from bench.results import median
from bench.workloads.stampede import CURVE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PERCENT = [100 * share for share in CURVE]

Rounds = dict[str, list[dict[str, Any]]]
"""Of one workload, by design."""


def draw(results: Path, folder: Path) -> list[Path]:
    """Draw what a file of results has; the pictures' files."""
    rounds = json.loads(results.read_text())["results"]["rounds"]
    crowds = {int(key.partition("-")[2]): value for key, value in rounds.items() if key.startswith("stampede-")}
    if not crowds:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"timeline": timeline(crowds), "lag": lag(crowds), "cost": cost(crowds)}
    paths = [folder / f"stampede-{name}.svg" for name in pictures]
    for path, picture in zip(paths, pictures.values(), strict=True):
        picture.savefig(path, metadata={"Date": None})
    return paths


def timeline(crowds: dict[int, Rounds]) -> Figure:
    """When clients were greeted, when the services were up, and when clients were ready."""
    figure, panels = _panels(len(crowds))
    for axes, (clients, rounds) in zip(panels, sorted(crowds.items()), strict=True):
        for name, colour in _designs(rounds):
            axes.plot(_curve(rounds[name], "greeted_curve"), PERCENT, color=colour, linestyle=":")
            axes.plot(_curve(rounds[name], "ready_curve"), PERCENT, color=colour, label=DESIGNS[name].title)
            axes.plot(_middle(rounds[name], "up_after_seconds"), 0, color=colour, marker="^", markersize=4)
        _label(
            axes,
            f"{clients:,} clients",
            "seconds since the first connects",
            "% greeted (dotted), ready; ▲: services up",
        )
    return _with_legend(figure, panels)


def lag(crowds: dict[int, Rounds]) -> Figure:
    """How long after the services each client was ready."""
    figure, panels = _panels(len(crowds))
    for axes, (clients, rounds) in zip(panels, sorted(crowds.items()), strict=True):
        for name, colour in _designs(rounds):
            seconds = [max(1e-4, value) for value in _curve(rounds[name], "lag_curve")]
            axes.plot(seconds, PERCENT, color=colour, label=DESIGNS[name].title)
        axes.set_xscale("log")
        _label(axes, f"{clients:,} clients", "ready lag, seconds", "% of clients")
    return _with_legend(figure, panels)


def cost(crowds: dict[int, Rounds]) -> Figure:
    """What more clients cost."""
    figure, panels = _panels(2)
    figures = (("cpu_seconds", "server CPU, seconds"), ("lag_p99_seconds", "ready lag p99, seconds"))
    for axes, (name, words) in zip(panels, figures, strict=True):
        for design, colour in _designs(next(iter(sorted(crowds.items())))[1]):
            counts = [clients for clients in sorted(crowds) if design in crowds[clients]]
            values = [_middle(crowds[clients][design], name) for clients in counts]
            axes.plot(counts, values, color=colour, marker="o", markersize=3, label=DESIGNS[design].title)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _label(axes, words, "clients", "")
    return _with_legend(figure, panels)


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    import matplotlib
    from matplotlib.figure import Figure

    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "chatcore", "font.size": 8}
    figure = Figure(figsize=(max(8, 4 * count), 4.5), layout="constrained")
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _designs(rounds: Rounds) -> list[tuple[str, str]]:
    """Those that took part, each with its colour, which is the same in every picture."""
    return [(name, f"C{number}") for number, name in enumerate(DESIGNS) if rounds.get(name)]


def _curve(rounds: list[dict[str, Any]], name: str) -> list[float]:
    return [median(values) for values in zip(*(one[name] for one in rounds), strict=True)]


def _middle(rounds: list[dict[str, Any]], name: str) -> float:
    return median([one[name] for one in rounds])


def _label(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)


def _with_legend(figure: Figure, panels: list[Axes]) -> Figure:
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def main(results: Path, folder: Path, /) -> None:
    """Draw a file of results.

    Args:
        results: that python -m bench has written.
        folder: for the pictures.
    """
    for path in draw(results, folder):
        print(path)


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()

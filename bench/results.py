"""What a benchmark leaves behind: a JSON file with the machine and the versions, and a table for people."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("chatcore", "trio", "hypercorn", "quart-trio", "wsproto", "msgspec", "sqlalchemy", "duckdb")


def save(bench: str, settings: dict[str, Any], results: Any, versions: dict[str, Any] | None = None) -> Path:
    """Write one run of a benchmark; the file that it is in.

    Args:
        bench: its name.
        settings: of the run.
        results: of the same.
        versions: of what was measured, where that is not this process's environment alone.
    """
    document = {
        "bench": bench,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": machine(),
        "versions": versions or {"python": platform.python_version(), **_installed()},
        "settings": settings,
        "results": results,
    }
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{bench}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def machine() -> dict[str, Any]:
    """The machine, and how busy it was."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "load_averages": os.getloadavg(),
    }


def _installed() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of all lie (nearest rank); NaN of none."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)] if ranked else math.nan


def median(values: Sequence[float]) -> float:
    """The middle value; NaN of none."""
    return statistics.median(values) if values else math.nan


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=150).print(table)

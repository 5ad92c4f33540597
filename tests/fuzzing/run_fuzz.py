"""A million inputs for the path of a client's bytes: ``nox -s fuzz``, or ``python tests/fuzzing/run_fuzz.py``."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from cyclopts import App
from fuzz_frames import Broken, Fuzzer

STEPS = 20
GROWTH_BYTES = 10_000_000
"""Between the second step and the end: the corpus is full by then."""


def resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


def main(*, count: int = 1_000_000, seed: int = 1) -> int:
    """Feed inputs, and say what came of them.

    Args:
        count: of inputs.
        seed: of all of them.

    Returns:
        1 where one crashed or hung, or memory grew.
    """
    fuzzer, began_at, sizes = Fuzzer(seed), time.monotonic(), list[int]()
    for step in range(1, STEPS + 1):
        try:
            fuzzer.run(count * step // STEPS - fuzzer.fed)
        except Broken as broken:
            print(broken)
            return 1
        sizes.append(resident_bytes())
        rate = fuzzer.fed / (time.monotonic() - began_at)
        print(
            f"{fuzzer.fed:>9,} inputs  {rate:,.0f}/s  {len(fuzzer.outcomes):,} ways to end  {len(fuzzer.lines)} lines  "
            f"{len(fuzzer.corpus):,} kept  {sizes[-1] / 1e6:.1f} MB  slowest {1e3 * fuzzer.slowest_seconds:.1f} ms",
            flush=True,
        )
    report(fuzzer)
    grown = sizes[-1] - sizes[1]
    print(f"{fuzzer.fed:,} inputs, no crash, no hang; memory grew by {grown / 1e6:.1f} MB")
    return int(grown > GROWTH_BYTES)


def report(fuzzer: Fuzzer) -> None:
    ends: Counter[str] = Counter()
    for outcome, times in fuzzer.outcomes.items():
        ends[outcome[-1]] += times
    for end, times in sorted(ends.items()):
        print(f"{times:>9,}  {end}")
    for file, lines in fuzzer.unreached().items():
        print(f"never reached in {file}: {', '.join(map(str, lines))}")


if __name__ == "__main__":
    raise SystemExit(App(default_command=main, help=__doc__, result_action="return_value")())

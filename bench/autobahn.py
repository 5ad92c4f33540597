"""Autobahn's fuzzing client against the echo server on our own listener (guarantees.md, 34).

    python -m bench.autobahn --wstest PATH [--cases 7.* 9.*]

``wstest`` is of the package ``autobahntestsuite``, which needs a Python 2.7 with an environment of its own::

    virtualenv -p python2.7 FOLDER && FOLDER/bin/pip install autobahntestsuite

Sections 12 and 13 are about compression, and played against a server that was told to compress.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PLAIN = tuple(f"{section}.*" for section in (1, 2, 3, 4, 5, 6, 7, 9, 10))
COMPRESSED = ("12.*", "13.*")
PASSED = {"OK", "INFORMATIONAL", "NON-STRICT"}
AGENT = "chatcore"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the cases; 0 where none failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.autobahn", description=__doc__.split("\n")[0])
    parser.add_argument("--wstest", required=True, help="the command of autobahntestsuite")
    parser.add_argument("--cases", nargs="+", default=(*PLAIN, *COMPRESSED))
    options = parser.parse_args(argv)
    compressed = [case for case in options.cases if case.startswith(("12.", "13."))]
    plain = [case for case in options.cases if case not in compressed]
    return max(
        played(options.wstest, cases, *flags)
        for cases, flags in ((plain, ()), (compressed, ("--compression",)))
        if cases
    )


def played(wstest: str, cases: Sequence[str], *flags: str) -> int:
    """Play these cases against an echo server that was told these flags, and report."""
    with TemporaryDirectory(prefix="autobahn-") as folder:
        results = fuzz(wstest, cases, Path(folder), *flags)
    print(*cases, *flags)
    return report(results)


def fuzz(wstest: str, cases: Sequence[str], folder: Path, *flags: str) -> dict[str, Any]:
    """What became of each case."""
    command = [sys.executable, "-m", "chatcore.testing.echo", "--bind", "127.0.0.1:0", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            spec = {
                "outdir": str(folder / "out"),
                "servers": [{"agent": AGENT, "url": address}],
                "cases": list(cases),
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
            (folder / "spec.json").write_text(json.dumps(spec))
            subprocess.run([wstest, "-m", "fuzzingclient", "-s", str(folder / "spec.json")], cwd=folder, check=True)
        finally:
            server.terminate()
    results: dict[str, Any] = json.loads((folder / "out" / "index.json").read_text())[AGENT]
    return results


def report(results: dict[str, Any]) -> int:
    """Print the counts, and each case that did not pass."""
    failed = {
        case: (result["behavior"], result["behaviorClose"])
        for case, result in results.items()
        if not {result["behavior"], result["behaviorClose"]} <= PASSED
    }
    counts = Counter(result["behavior"] for result in results.values())
    print(f"{len(results)} cases: " + ", ".join(f"{count} {kind}" for kind, count in counts.most_common()))
    for case, (behavior, close) in sorted(failed.items()):
        print(f"{case}: {behavior}, close {close}")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())

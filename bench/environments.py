"""An environment for each peer: ``python -m bench.environments FOLDER`` makes those that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cyclopts import App

from bench.designs import DESIGNS, Design, python_of

INSTALL_SECONDS = 600

_VERSIONS = """
import json, sys
from importlib.metadata import distributions
found = {one.metadata["Name"].lower(): one.version for one in distributions()}
print(json.dumps({"python": sys.version.split()[0], **dict(sorted(found.items()))}))
"""


def make(folder: Path, design: Design) -> None:
    """Make one, unless it was made of the same packages before."""
    home = folder / design.name
    made_of = home / "made-of"
    wanted = "\n".join(design.packages)
    if made_of.exists() and made_of.read_text() == wanted:
        return
    print(f"making the environment of {design.name}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True, timeout=INSTALL_SECONDS)
    pip = [str(home / "bin" / "python"), "-m", "pip", "install", "-q", *design.packages]
    subprocess.run(pip, check=True, timeout=INSTALL_SECONDS)
    made_of.write_text(wanted)


def versions(environments: Path | None, design: Design) -> dict[str, str]:
    """What is installed where a design runs."""
    command = [str(python_of(environments, design)), "-I", "-c", _VERSIONS]
    found: dict[str, str] = json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)
    return found


def main(folder: Path, /) -> None:
    """Make the environments of all peers.

    Args:
        folder: where they go; made where there is none.
    """
    for design in DESIGNS.values():
        if design.packages:
            make(folder, design)


if __name__ == "__main__":
    App(default_command=main, help=__doc__)()

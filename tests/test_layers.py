"""Imports go one way, and the check of that bites: what is planted in a copy of the tree is found and named."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    """What ``lint-imports`` says of a tree; its own source comes before the one that is installed."""
    command = [
        sys.executable,
        "-c",
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))",
    ]
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source and of the contracts."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def test_the_tree_keeps_its_contracts(tree: Path) -> None:
    result = lint_imports(tree)
    assert result.returncode == 0, result.stdout
    assert " 0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "source", "named"),
    [
        pytest.param(
            "protocol/planted.py",
            "from chatcore.server import Server\n",
            "chatcore.protocol is not allowed to import chatcore.server",
            id="upward",
        ),
        pytest.param(
            "threads/planted.py",
            "def later():\n    from chatcore.agents.supervisor import AgentSupervisor\n    return AgentSupervisor\n",
            "chatcore.threads.planted -> chatcore.agents.supervisor",
            id="upward, inside a function",
        ),
        pytest.param(
            "transports/planted.py",
            "import chatcore.services\n",
            "chatcore.transports.planted -> chatcore.services",
            id="sideways",
        ),
        pytest.param("planted.py", "", "planted", id="a module on no floor"),
        pytest.param(
            "agents/analyst/planted.py",
            "from chatcore.agents.live_run import LiveRun\n",
            "chatcore.agents.analyst.planted -> chatcore.agents.live_run",
            id="an agent that knows its driver",
        ),
        pytest.param(
            "session/waiting.py",
            "import chatcore.session.session\n",
            "No cycles are allowed in chatcore.session",
            id="a cycle",
        ),
        pytest.param(
            "protocol/planted.py", "import trio\n", "chatcore.protocol.planted -> trio", id="a decision on Trio"
        ),
        pytest.param("limits.py", "import time\n", "chatcore.limits -> time", id="a decision that looks at the clock"),
    ],
)
def test_what_is_planted_is_named(tree: Path, module: str, source: str, named: str) -> None:
    with (tree / "src" / "chatcore" / module).open("a", encoding="utf-8") as planted:
        planted.write("\n" + source)
    result = lint_imports(tree)
    assert result.returncode == 1
    assert named in " ".join(result.stdout.split())

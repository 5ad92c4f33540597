"""The README's first command, as a newcomer runs it: a copy of the tree, a new virtual environment, a question."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _tracked(folder: Path) -> None:
    """Copy what a checkout holds, and nothing that was built in this one."""
    ignored = shutil.ignore_patterns(".git", ".venv", ".nox", "*cache*", "*.db*", "results", "*.egg-info")
    shutil.copytree(ROOT, folder, ignore=ignored)


@pytest.mark.slow
def test_the_first_command_serves_an_honest_answer(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    _tracked(checkout)
    found = re.search(r"<!-- try -->\n```sh\n(.+)\n```", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert found is not None
    python = Path(sys.executable).resolve()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CHATCORE_", "PYTHON", "VIRTUAL"))}
    env |= {"CHATCORE_BIND": "127.0.0.1:0", "PATH": f"{python.parent}{os.pathsep}{env['PATH']}"}
    server = subprocess.Popen(
        ["bash", "-c", found[1].replace("python3 ", f"{python} ", 1)],
        cwd=checkout,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        announced = next(line for line in server.stdout if line.startswith("chatcore is at "))
        url = announced.removeprefix("chatcore is at ").strip()
        command = str(checkout / ".venv/bin/chatcore")
        asked = [command, "chat", "--url", url, "What did we spend in total?"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=90, env=env, check=True)
        assert re.search(r"total spend is \*\*\$[\d,.]+\*\*", answer.stdout)
        assert "generated from a seed" in answer.stdout
        status = subprocess.run([command, "status", "--url", url, "--json"], capture_output=True, text=True, timeout=60)
        assert json.loads(status.stdout)["state"] == "ready"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)

"""What an app author imports, and what importing it costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import chatcore

HEAVY = (
    "quart",
    "quart_trio",
    "hypercorn",
    "sqlalchemy",
    "alembic",
    "duckdb",
    "rich",
    "cyclopts",
    "prometheus_client",
    "openai",
)


@pytest.mark.parametrize("name", chatcore.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(chatcore, name) is not None


def test_what_is_not_public_is_refused_by_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'MockAgent'"):
        chatcore.MockAgent  # noqa: B018


def test_the_names_for_type_checkers_and_at_run_time_are_the_same() -> None:
    tree = ast.parse(Path(chatcore.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    declared = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared | {"__version__"} == set(chatcore.__all__)


def test_importing_everything_public_imports_nothing_heavy() -> None:
    script = (
        "import sys, chatcore\n"
        "for name in chatcore.__all__: getattr(chatcore, name)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_import_starts_no_thread_and_opens_nothing() -> None:
    script = (
        "import os, threading, chatcore\n"
        "for name in chatcore.__all__: getattr(chatcore, name)\n"
        "print(threading.active_count(), len(os.listdir('/proc/self/fd')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    plain = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, threading; print(threading.active_count(), len(os.listdir('/proc/self/fd')))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == plain.stdout

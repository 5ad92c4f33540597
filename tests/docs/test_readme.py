"""The README's commands are what they say, and what CI runs is the README's."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest

from chatcore.builtin import SAMPLE
from chatcore.cli import build_cli

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SCRIPT = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def command(mark: str) -> str:
    """The command under a mark; one line."""
    blocks = re.findall(rf"^<!-- {mark} -->\n```sh\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 1
    lines: list[str] = blocks[0].splitlines()
    assert len(lines) == 1
    return lines[0]


def steps(mark: str) -> list[list[str]]:
    """The commands of a line, in words."""
    return [shlex.split(step) for step in command(mark).split(" && ")]


def test_ci_takes_its_command_from_the_readme() -> None:
    reads = next(line for line in SCRIPT.splitlines() if line.startswith("command=$("))
    result = subprocess.run(
        ["bash", "-c", f'{reads}\nprintf "%s\\n%s" "$command" "${{command% && *}}"'],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    whole, install = result.stdout.splitlines()
    assert whole == command("the tests")
    assert f"{install} && {shlex.join(steps('the tests')[-1])}" == whole


def test_ci_ends_with_the_tests() -> None:
    assert SCRIPT.rstrip().splitlines()[-1] == 'eval "$command"'
    assert steps("the tests")[-1] == [".venv/bin/python", "-m", "pytest"]


def test_ci_stops_at_the_first_failure() -> None:
    assert "set -euo pipefail" in SCRIPT.splitlines()


def test_ci_runs_every_check_before_the_tests() -> None:
    assert "nox --no-venv -s lint types layers docs" in SCRIPT


def test_what_is_installed_for_the_tests_is_declared() -> None:
    install = steps("the tests")[-2]
    assert install[install.index("--group") + 1] in PROJECT["dependency-groups"]
    assert "analyst" in PROJECT["project"]["optional-dependencies"]
    assert ".[analyst,jwt,llm,mcp]" in install


def test_the_first_command_is_one_that_chatcore_has() -> None:
    executable, *words = steps("try")[-1]
    assert Path(executable).name in PROJECT["project"]["scripts"]
    _, bound, _ = build_cli().parse_args(words, exit_on_error=False, print_error=False)
    assert bound.arguments["data"] == (SAMPLE,)


def groups(name: str) -> set[str]:
    """The names of the packages of a dependency group, and of those that it includes."""
    found = set()
    for entry in PROJECT["dependency-groups"][name]:
        found |= groups(entry["include-group"]) if isinstance(entry, dict) else {package(entry)}
    return found


def package(requirement: str) -> str:
    """The name in a requirement."""
    return re.split(r"[<>=\[]", requirement)[0]


def test_the_tests_have_what_they_need() -> None:
    installed = groups(steps("the tests")[-2][-1])
    assert {"pytest", "pytest-trio", "ruff", "mypy", "import-linter", "nox", "hypothesis"} <= installed


@pytest.mark.parametrize("kind", ["to run", "extra", "to develop"])
def test_every_dependency_has_its_reason(kind: str) -> None:
    declared = {
        "to run": {package(one) for one in PROJECT["project"]["dependencies"]},
        "extra": {package(one) for extra in PROJECT["project"]["optional-dependencies"].values() for one in extra},
        "to develop": set().union(*map(groups, PROJECT["dependency-groups"])),
    }[kind]
    rows = re.search(rf"^\| {kind} \| why \|\n.*?\n((?:\|.*\n)+)", CONTRIBUTING, re.MULTILINE)
    assert rows is not None
    reasons = {
        name.strip(" ,"): reason
        for names, reason in re.findall(r"^\| (.+?) \| (.+) \|$", rows[1], re.MULTILINE)
        for name in re.sub(r"\(.*?\)", "", names).split(",")
    }
    assert set(reasons) == declared
    assert all(reasons.values())


def test_the_licence_is_the_declared_one() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License\n" in (ROOT / "LICENSE").read_text(encoding="utf-8")

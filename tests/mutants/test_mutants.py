"""The test of the tests: defects planted in a copy of the sources, each of which a test must find.

A mutant is a textual patch. Where its text is no longer there, the mutant has to follow the code: its test says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mutant_catalogue import MUTANTS, SAMPLE, Mutant

import chatcore

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "chatcore"
PLAYED = MUTANTS if os.environ.get("ALL_MUTANTS") else SAMPLE
LIMIT_SECONDS = 120.0
"""For one run of a few quick tests; a mutant that makes them hang is found by it, too."""


@pytest.fixture
def copy(tmp_path: Path) -> Iterator[Path]:
    """A copy of the sources, to be patched."""
    shutil.copytree(SOURCE, tmp_path / "chatcore", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    yield tmp_path
    shutil.rmtree(tmp_path)


def plant(planted: Mutant, copy: Path) -> None:
    for patch in planted.patches:
        path = copy / "chatcore" / patch.file
        text = path.read_text(encoding="utf-8")
        if text.count(patch.old) != 1:
            pytest.fail(f"{patch.file} has changed: the text of this mutant stands in it {text.count(patch.old)} times")
        path.write_text(text.replace(patch.old, patch.new), encoding="utf-8")


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def run_tests(copy: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    nodes = (f"tests/{file}.py{colons}{test}" for file, colons, test in (each.partition("::") for each in tests))
    return run(copy, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", *nodes)


def test_the_copy_is_what_is_tested(copy: Path) -> None:
    """Otherwise every mutant would seem to live."""
    shown = run(copy, "-c", "import chatcore; print(chatcore.__file__)").stdout.strip()
    assert Path(shown) == copy / "chatcore" / "__init__.py" != Path(chatcore.__file__)


@pytest.mark.slow
def test_in_a_copy_without_a_defect_nothing_is_found(copy: Path) -> None:
    result = run_tests(copy, *sorted({planted.tests for planted in MUTANTS}))
    assert result.returncode == pytest.ExitCode.OK, result.stdout[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("planted", PLAYED, ids=lambda planted: planted.name.partition(":")[0].replace(" ", "_"))
def test_a_planted_defect_is_found(planted: Mutant, copy: Path) -> None:
    plant(planted, copy)
    try:
        result = run_tests(copy, planted.tests)
    except subprocess.TimeoutExpired:
        return  # it hangs, and so is found
    said = result.stdout[-3000:] + result.stderr[-1000:]
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, f"{planted.name}: not found by {planted.tests}\n{said}"


def test_every_mutant_has_its_place_in_the_sources() -> None:
    for planted in MUTANTS:
        for patch in planted.patches:
            assert (SOURCE / patch.file).read_text(encoding="utf-8").count(patch.old) == 1, (planted.name, patch.file)


def test_every_mutant_names_tests_that_are_there() -> None:
    for planted in MUTANTS:
        file, _, test = planted.tests.partition("::")
        text = (ROOT / "tests" / f"{file}.py").read_text(encoding="utf-8")
        assert not test or f"def {test}(" in text, planted.tests

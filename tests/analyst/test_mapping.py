"""What columns mean where a file says so: the file is checked, what it says is used, and shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatcore import cli
from chatcore.agents.analyst.columns import Meaning
from chatcore.agents.analyst.ledger import Ledger, open_ledger
from chatcore.agents.analyst.naming import mapping_for
from chatcore.agents.analyst.sources import find_sources, validate_sources
from chatcore.agents.analyst.toolbox import tools_for
from chatcore.context import UserExecutionContext
from chatcore.errors import ConfigurationError

from .conftest import RecordedRun, ask, write_csv

HEADER = ("wann", "wer", "kosten", "netto", "anfrage", "modell")
ROWS = [(1735689600 + 86400 * i, f"u{i % 2}", 0.5 + i, 0.25, 10 * i, "m") for i in range(4)]
MAPPING = """
[verbrauch]
wann = "time"
wer = "user"
kosten = "cost"
anfrage = "tokens in"
modell = "model"
"""


@pytest.fixture
def usage(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "verbrauch.csv", HEADER, ROWS)


@asynccontextmanager
async def mapped(file: Path, mapping: str) -> AsyncIterator[Ledger]:
    written = file.with_name("mapping.toml")
    written.write_text(mapping, encoding="utf-8")
    sources = find_sources([file])
    validate_sources(sources)
    async with open_ledger(sources, lambda part, words: None, mapping_for(sources, str(written))) as ledger:
        yield ledger


async def test_what_the_file_says_is_used_and_shown(usage: Path) -> None:
    async with mapped(usage, MAPPING) as ledger:
        told = await ask(ledger, "What did we spend by user?")
        run = RecordedRun("?", UserExecutionContext(user_id="tester"))
        described = await tools_for(ledger).call(run, "describe_table", table="verbrauch")
        (table,) = ledger.catalogue.tables
    assert told.answer.answered
    assert {row["wer"]: row["spend"] for row in told.sheet("wer", "spend")} == {"u0": 3.0, "u1": 5.0}
    assert "kosten: cost (as the mapping says)" in described.summary
    assert (table.covered_from, table.covered_to) == ("2025-01-01 00:00:00", "2025-01-04 00:00:00")
    assert table.named("netto").meaning is Meaning.UNKNOWN


async def test_what_the_file_does_not_say_is_guessed_and_a_guess_can_be_taken_back(tmp_path: Path) -> None:
    file = write_csv(tmp_path / "t.csv", ("cost", "price_paid", "user", "model"), [(1, 2.5, "a", "m")])
    async with mapped(file, '[t]\nprice_paid = "cost"\nuser = "not recognised"\n') as ledger:
        (table,) = ledger.catalogue.tables
    assert {column.name: (column.meaning, column.told) for column in table.columns} == {
        "cost": (Meaning.UNKNOWN, False),
        "price_paid": (Meaning.COST, True),
        "user": (Meaning.UNKNOWN, True),
        "model": (Meaning.MODEL, False),
    }


@pytest.mark.parametrize(
    ("mapping", "told"),
    [
        ('[verbrauhc]\nkosten = "cost"', "[verbrauhc]: there is no such table; did you mean 'verbrauch'?"),
        ('[verbrauch]\nkost = "cost"', "[verbrauch] kost: there is no such column; did you mean 'kosten'?"),
        ('[verbrauch]\nkosten = "costs"', "[verbrauch] kosten: 'costs' is no meaning; did you mean 'cost'?"),
        ("[verbrauch]\nkosten = 1", "[verbrauch] kosten: 1 is no meaning; there are 'time', 'model'"),
        ('verbrauch = "cost"', "verbrauch: this is no table of columns; write [verbrauch]"),
        ('[verbrauch]\nkosten = "cost"\nnetto = "cost"', "[verbrauch]: kosten and netto are both said to be the cost"),
        ('[verbrauch]\nwer = "cost"', "[verbrauch] wer: it is said to be the cost and holds text; name a column"),
        (
            '[verbrauch]\nkosten = "time"',
            "[verbrauch] kosten: it is said to be the time and holds numbers that are none",
        ),
        ("[verbrauch", "is not valid TOML"),
    ],
)
async def test_what_is_wrong_is_named_with_what_would_be_right(usage: Path, mapping: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        async with mapped(usage, mapping):
            raise AssertionError("it was loaded")
    assert raised.value.field == "mapping"
    assert told in str(raised.value)


async def test_the_columns_of_typed_files_are_checked_while_they_load(tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps({"kosten": 1.5}) + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"\[t\] kost: there is no such column; did you mean 'kosten'"):
        async with mapped(file, '[t]\nkost = "cost"'):
            raise AssertionError("it was loaded")


def run(command: list[str]) -> int:
    """The exit code of a command; one that returns a number ends by it."""
    try:
        return cli.run(command)
    except SystemExit as ended:
        return int(ended.code or 0)


def test_check_names_the_fault_and_starts_nothing(
    usage: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(usage.parent)
    mapping = usage.with_name("mapping.toml")
    mapping.write_text('[verbrauch]\nkost = "cost"\n', encoding="utf-8")
    command = ["check", "--data", str(usage), "--mapping", str(mapping)]
    assert run(command) == 2
    assert "mapping: [verbrauch] kost: there is no such column" in capsys.readouterr().err
    mapping.write_text(MAPPING, encoding="utf-8")
    assert run(command) == 0
    assert run([*command[:-1], str(usage.with_name("none.toml"))]) == 2
    assert "cannot be read" in capsys.readouterr().err
    assert run(["check", "--mapping", str(mapping)]) == 2
    assert "set data, too" in capsys.readouterr().err

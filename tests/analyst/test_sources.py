"""Which files are read, and what is wrong with those that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from chatcore.agents.analyst.sources import SAMPLE_BYTES, WHOLE_FILE_BYTES, Kind, find_sources, validate_sources
from chatcore.errors import ConfigurationError


def test_a_folder_is_its_data_files_sorted(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "c.parquet", "d.ndjson", "e.json", "F.CSV", "readme.md", ".hidden"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sub.csv").mkdir()
    found = find_sources([tmp_path])
    assert [source.path.name for source in found] == ["F.CSV", "a.jsonl", "b.csv", "c.parquet", "d.ndjson", "e.json"]
    assert [source.kind for source in found[:2]] == [Kind.CSV, Kind.JSON_LINES]


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert len(find_sources([tmp_path / "a.csv", tmp_path])) == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.csv", "no such file"), ("notes.txt", "not read"), ("empty", "no data file"), ("missing", "no such")],
)
def test_a_path_that_names_no_data_is_refused(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError) as refused:
        find_sources([tmp_path / name])
    assert refused.value.field == str(tmp_path / name)
    assert words in refused.value.problem
    assert refused.value.remedy


FAULTS = {
    "empty": ("a.csv", b"", "empty"),
    "header only": ("a.csv", b"a,b\n", "0 rows"),
    "header without line end": ("a.csv", b"a,b", "0 rows"),
    "not utf-8": ("a.csv", b"a,b\n1,2\n3,\xe9\n", "line 3 is not UTF-8"),
    "utf-16": ("a.csv", "a,b\n1,2\n".encode("utf-16"), "line 1 is not UTF-8"),
    "too few columns": ("a.csv", b"a,b\n1,2\n3\n", "line 3 has 1 column"),
    "too many columns": ("a.csv", b"a,b\n1,2\n3,4,5\n", "line 3 has 3 columns"),
    "too many after a value of two lines": ("a.csv", b'a,b\n1,"x\ny"\n3,4,5\n', "line 4 has 3 columns"),
    "duplicate names": ("a.csv", b"a,B,b\n1,2,3\n", "two columns are named 'b'"),
    "blank name": ("a.csv", b"a,,c\n1,2,3\n", "column 2 has a blank name"),
    "blank header": ("a.csv", b"\n1,2\n", "line 1 is blank"),
    "open quote": ("a.csv", b'a,b\n1,2\n3,"4\n5,6\n', "line 3 has a quote"),
    "stray quote": ("a.csv", b'a,b\n1,"2"x\n', "line 2 has a quote"),
    "overlong": ("a.csv", b'a,b\n1,"' + b"x" * 2_000_000 + b'"\n', "line 2 holds an overlong value"),
    "json broken": ("a.json", b'[{"a": 1},\n {"a": }]\n', "line 2 is not JSON"),
    "json cut off": ("a.json", b'[{"a": 1},\n', "is not JSON"),
    "json number": ("a.json", b"42", "does not begin with an object"),
    "json array of numbers": ("a.json", b"[1, 2]", "element 1 of the array is not an object"),
    "json empty array": ("a.json", b"[]", "0 rows"),
    "json empty objects": ("a.json", b"[{}, {}]", "no names"),
    "json lines in .json, broken": ("a.json", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
    "jsonl broken": ("a.jsonl", b'{"a": 1}\n{"a": 2\n{"a": 3}\n', "line 2 is not JSON"),
    "jsonl not objects": ("a.ndjson", b'{"a": 1}\n[1]\n', "line 2 is not an object"),
    "jsonl blank": ("a.jsonl", b"\n\n", "0 rows"),
    "parquet that is none": ("a.parquet", b"a,b\n1,2\n3,4\n5,6\n", "not a Parquet file"),
    "parquet cut off": ("a.parquet", b"PAR1" + bytes(200), "not a Parquet file"),
    "parquet too short": ("a.parquet", b"PAR1PAR1", "not a Parquet file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_names_file_line_and_remedy(tmp_path: Path, fault: str) -> None:
    name, content, words = FAULTS[fault]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        validate_sources(find_sources([tmp_path / name]))
    assert refused.value.field == str(tmp_path / name)
    assert words in refused.value.problem
    assert refused.value.remedy


SOUND = {
    "plain": ("a.csv", b"a,b\n1,2\n"),
    "no line end at the end": ("a.csv", b"a,b\n1,2"),
    "byte order mark": ("a.csv", b"\xef\xbb\xbfa,b\n1,2\n"),
    "windows line ends": ("a.csv", b"a,b\r\n1,2\r\n"),
    "blank lines": ("a.csv", b"a,b\n1,2\n\n3,4\n\n"),
    "quotes": ("a.csv", b'a,b\n"1,5","say ""hi""\nthere"\n'),
    "a quote within an unquoted value": ("a.csv", b'a,b\n1,he said "x"\n'),
    "semicolons": ("a.csv", b"a;b\n1,5;2\n"),
    "tabs": ("a.csv", b"a\tb\n1\t2\n"),
    "one column": ("a.csv", b"a\n1\n2\n"),
    "array": ("a.json", b'[{"a": 1}, {"b": [1, {"c": 2}]}]'),
    "object": ("a.json", b'{"a": 1}'),
    "lines in .json": ("a.json", b'{"a": 1}\n{"a": 2}\n'),
    "lines": ("a.jsonl", b'{"a": 1}\n\n{"b": null}\n'),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_files_pass(tmp_path: Path, name: str) -> None:
    file, content = SOUND[name]
    (tmp_path / file).write_bytes(content)
    validate_sources(find_sources([tmp_path / file]))


def test_a_sound_parquet_file_passes(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "a.parquet")
    validate_sources(find_sources([tmp_path / "a.parquet"]))


def test_of_a_large_file_only_the_beginning_is_checked(tmp_path: Path) -> None:
    line = b"1," + "é".encode() * 50 + b"\n"
    content = b"a,b\n" + line * (WHOLE_FILE_BYTES // len(line) + 2)
    (tmp_path / "a.csv").write_bytes(content + b"1,2,3\n")
    validate_sources(find_sources([tmp_path / "a.csv"]))
    (tmp_path / "a.csv").write_bytes(b"a,b\n1,2,3\n" + content)
    with pytest.raises(ConfigurationError, match="line 2 has 3 columns"):
        validate_sources(find_sources([tmp_path / "a.csv"]))


@pytest.mark.parametrize("shift", range(4))
def test_a_character_cut_at_the_end_of_the_sample_is_no_fault(tmp_path: Path, shift: int) -> None:
    content = b"a,b\n" + b"1,2\n" * (SAMPLE_BYTES // 4 - 3) + b"1," + b"x" * shift + "😀".encode() * 4 + b"\n"
    (tmp_path / "a.csv").write_bytes(content + b"1,2\n" * (WHOLE_FILE_BYTES // 4))
    validate_sources(find_sources([tmp_path / "a.csv"]))


def test_checking_does_not_load_the_database() -> None:
    code = "import sys, chatcore.agents.analyst.sources; sys.exit('duckdb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_shared_data_is_sound(shared: Path) -> None:
    found = find_sources([shared])
    assert len(found) == 8
    validate_sources(found)

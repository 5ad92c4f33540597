"""All files into one database, with one line of progress over them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from chatcore.agents.analyst.csv_loading import load_csv
from chatcore.agents.analyst.loading import Target, load_typed
from chatcore.agents.analyst.readings import identifier
from chatcore.agents.analyst.sources import Kind, Source
from chatcore.errors import ConfigurationError

if TYPE_CHECKING:
    import duckdb

READ_SHARE = 0.1
"""The part of a file's progress that finding its digest takes; loading it takes the rest."""

_BLOCK_BYTES = 4 * 1024 * 1024
_MEGABYTE = 1_000_000


@attrs.frozen
class Filled:
    """What was loaded.

    Args:
        tables: the file's name by the table's.
        data_version: of the names, sizes and contents of all files.
    """

    tables: dict[str, str]
    data_version: str


@attrs.define
class Meter:
    """Progress over all files, by bytes; it never falls."""

    progress: Callable[[float, str], None]
    total_bytes: int
    done_bytes: int = 0
    _highest: float = 0.0

    def report(self, source: Source, fraction: float) -> None:
        """Say how much of a file is done, from 0 to 1."""
        read = fraction * source.size_bytes
        words = f"{source.path.name}: {_megabytes(read)} of {_megabytes(source.size_bytes)} MB"
        self.say(min((self.done_bytes + read) / self.total_bytes, 1.0), words)

    def finish(self, source: Source, rows: int) -> None:
        """Say that a file is loaded."""
        self.done_bytes += source.size_bytes
        self.say(self.done_bytes / self.total_bytes, f"{source.path.name}: {rows:,} rows")

    def say(self, fraction: float, words: str) -> None:
        """Report, but never less than before."""
        self._highest = max(self._highest, fraction)
        self.progress(self._highest, words)


def _megabytes(count: float) -> str:
    return f"{count / _MEGABYTE:,.1f}"


async def fill(
    connection: duckdb.DuckDBPyConnection,
    directory: Path,
    sources: Sequence[Source],
    progress: Callable[[float, str], None],
) -> Filled:
    """Load each file into a table of its own, named after the file's stem.

    Raises:
        ConfigurationError: names the file and its fault.
    """
    meter = Meter(progress, sum(source.size_bytes for source in sources) or 1)
    names = table_names([source.path.stem for source in sources])
    contents = []
    for number, (source, name) in enumerate(zip(sources, names, strict=True)):
        meter.report(source, 0.0)
        try:
            digest = await _digest(source, meter)
            rows = await _load(connection, directory / f"input-{number}", source, name, meter)
        except OSError:
            raise ConfigurationError(source.shown, "the file can no longer be read", "check the disk") from None
        contents.append([source.path.name, source.size_bytes, digest])
        meter.finish(source, rows)
    version = hashlib.sha256(json.dumps(contents, separators=(",", ":")).encode()).hexdigest()
    return Filled({name: source.path.name for name, source in zip(names, sources, strict=True)}, version)


async def _load(connection: duckdb.DuckDBPyConnection, link: Path, source: Source, table: str, meter: Meter) -> int:
    await trio.to_thread.run_sync(lambda: link.symlink_to(source.path.resolve()))
    target = Target(
        connection, source, link, table, lambda part: meter.report(source, READ_SHARE + (1 - READ_SHARE) * part)
    )
    await (load_csv(target) if source.kind is Kind.CSV else load_typed(target))
    ((rows,),) = await target.fetch(f"SELECT count(*) FROM {identifier(table)}")
    if rows == 0:
        raise ConfigurationError(source.shown, "it has 0 rows", "it needs at least one row of data")
    return int(rows)


async def _digest(source: Source, meter: Meter) -> str:
    """The BLAKE2b digest of a file's content, read in blocks."""
    digest = hashlib.blake2b(digest_size=32)
    done = 0

    def read() -> int:
        block = file.read(_BLOCK_BYTES)
        digest.update(block)
        return len(block)

    with source.path.open("rb") as file:
        while count := await trio.to_thread.run_sync(read):
            done += count
            meter.report(source, READ_SHARE * min(done / source.size_bytes, 1.0))
    return digest.hexdigest()


def table_names(stems: Sequence[str]) -> list[str]:
    """A name for each stem: itself, without control characters; with a number where it was given before."""
    names: list[str] = []
    for stem in stems:
        plain = "".join(c if c.isprintable() and c != '"' else "_" for c in stem).strip() or "data"
        taken = {name.lower() for name in names}
        name, number = plain, 2
        while name.lower() in taken:
            name, number = f"{plain}_{number}", number + 1
        names.append(name)
    return names

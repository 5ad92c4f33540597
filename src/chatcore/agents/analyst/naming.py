"""A mapping file held against the data files that it is for, before anything is started."""

from __future__ import annotations

from collections.abc import Sequence

from chatcore.agents.analyst.csv_loading import header_of
from chatcore.agents.analyst.filling import table_names
from chatcore.agents.analyst.mapping import Meanings, check_columns, read_mapping
from chatcore.agents.analyst.sources import Kind, Source


def mapping_for(sources: Sequence[Source], file: str) -> dict[str, Meanings]:
    """The mapping in a file. The columns of CSV files are checked, by their headers; those of others while they load.

    Args:
        sources: found and validated.
        file: its path, as the user wrote it.

    Raises:
        ConfigurationError: names the table, the column or the meaning that is wrong, and what would be right.
    """
    names = table_names([source.path.stem for source in sources])
    mapping = read_mapping(file, names)
    for source, name in zip(sources, names, strict=True):
        if name in mapping and source.kind is Kind.CSV:
            check_columns(name, mapping[name], header_of(source).columns)
    return mapping

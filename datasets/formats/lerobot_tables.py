"""Tables of LeRobot's data sets with more columns, and their description for Hugging Face."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets.errors import DamagedDataError, require
from datasets.formats.lerobot_layout import COPY_AGAIN, EXTRA, readable

# Where Hugging Face's library describes the columns of a table.
_DESCRIPTION = b"huggingface"


def row_groups(file: Path) -> Iterator[Any]:
    """The parts of a table one after another, which may be larger than the memory together.

    Raises:
        DataError: When the table cannot be read.
    """
    parquet = require("pyarrow.parquet", EXTRA)
    with readable(file):
        opened = parquet.ParquetFile(file)
    with opened:
        for group in range(opened.num_row_groups):
            with readable(file):
                rows = opened.read_row_group(group)
            yield rows


def with_columns(file: Path, rows: Any, added: Mapping[str, Any], left_out: Collection[str]) -> Any:
    """Rows of a table with more columns at their end, and without some others.

    Args:
        file: The table, for messages.
        rows: The rows.
        added: Name of each new column to its values.
        left_out: Names of columns that are left out.

    Raises:
        DamagedDataError: When the description of the columns cannot be read.
    """
    rows = rows.drop_columns([name for name in rows.column_names if name in left_out])
    for name, values in added.items():
        rows = rows.append_column(name, values)
    described = dict(rows.schema.metadata or {})
    if _DESCRIPTION not in described:
        return rows
    try:
        content = json.loads(described[_DESCRIPTION])
        features = content["info"]["features"]
        kept = {name: feature for name, feature in features.items() if name not in left_out}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise DamagedDataError(
            f"{file}: Hugging Face's description of its columns cannot be read; {COPY_AGAIN}"
        ) from None
    more = {name: _described(values.type) for name, values in added.items()}
    content["info"]["features"] = kept | more
    return rows.replace_schema_metadata({**described, _DESCRIPTION: json.dumps(content)})


def _described(kind: Any) -> dict[str, Any]:
    """A column of numbers or lists of them in the words of Hugging Face's library."""
    lists = require("pyarrow", EXTRA).types
    if not (lists.is_fixed_size_list(kind) or lists.is_list(kind)):
        names = {"double": "float64", "float": "float32"}
        return {"dtype": names.get(str(kind), str(kind)), "_type": "Value"}
    length = kind.list_size if lists.is_fixed_size_list(kind) else -1
    return {"feature": _described(kind.value_type), "length": length, "_type": "Sequence"}

"""Tables with one row a frame, as NumPy's archive (.npz) or as Parquet, by the file's ending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datasets.errors import OptionError, require
from datasets.storage.atomic import atomic_path, require_writable

NPZ, PARQUET = ".npz", ".parquet"
# The extra that installs pyarrow.
_EXTRA = "lerobot-export"

Columns = Mapping[str, np.ndarray]


def require_table_path(path: Path) -> None:
    """Checks that a table could be written, before work that takes long.

    Raises:
        OptionError: When the ending names no known format.
        MissingLibraryError: When it names Parquet and pyarrow is not installed.
        OSError: When the file could not be made.
    """
    if path.suffix not in (NPZ, PARQUET):
        raise OptionError(f"--out {path} must end with {NPZ} or {PARQUET}, which say the format.")
    if path.suffix == PARQUET:
        require("pyarrow.parquet", _EXTRA)
    require_writable(path)


def require_new(path: Path) -> Path:
    """Checks that a file whose name was not chosen overwrites nothing; returns its path.

    Raises:
        OptionError: When it exists.
    """
    if path.exists():
        raise OptionError(
            f"{path} exists, and other videos or options may have made it: remove it, or name "
            "another file by --out."
        )
    return path


def write_table(path: Path, columns: Columns) -> None:
    """Writes columns of one length, whole or not at all.

    Args:
        path: A file that ends with .npz or .parquet.
        columns: Name to values, (rows,) or (rows, numbers).

    Raises:
        OptionError: When the ending names no known format.
        MissingLibraryError: When it names Parquet and pyarrow is not installed.
    """
    require_table_path(path)
    with atomic_path(path) as temporary:
        if path.suffix == PARQUET:
            _write_parquet(temporary, columns)
            return
        with temporary.open("wb") as file:  # given a name, NumPy would add its ending to it
            np.savez(file, **columns)  # type: ignore[arg-type]


def joined(tables: Sequence[Columns]) -> dict[str, np.ndarray]:
    """Tables of the same columns, one below the other."""
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def _write_parquet(path: Path, columns: Columns) -> None:
    pa, parquet = require("pyarrow", _EXTRA), require("pyarrow.parquet", _EXTRA)
    arrays = {}
    for name, values in columns.items():
        flat = pa.array(np.ascontiguousarray(values).ravel())
        wide = values.ndim == 2
        arrays[name] = pa.FixedSizeListArray.from_arrays(flat, values.shape[1]) if wide else flat
    parquet.write_table(pa.table(arrays), path)

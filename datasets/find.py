"""Finds the data set that a command means when none is named."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import DataError
from datasets.meta import MAKE_ONE, META_NAME, DatasetMeta


def newest_data_set(root: Path | str = Path("data")) -> Path:
    """The folder under `root` whose data set was written last; unfinished ones come after whole.

    An unfinished data set is only returned when there is no other, so that opening it tells how
    to finish it.

    Raises:
        DataError: When there is no data set under `root`, or a `meta.json` there is not valid.
    """
    root = Path(root)
    folders = [path.parent for path in root.glob(f"*/{META_NAME}")]
    if not folders:
        raise DataError(f"there is no data set under {root.absolute()}. {MAKE_ONE}")
    return max(folders, key=_finished_and_time)


def _finished_and_time(folder: Path) -> tuple[bool, float]:
    index = folder / DatasetMeta.load(folder).index_name
    finished = index.exists()
    return finished, (index if finished else folder / META_NAME).stat().st_mtime

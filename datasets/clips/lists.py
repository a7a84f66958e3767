"""Lists of clips as in the published code: one CSV file a split, one line a clip."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets.clips.base import ClipFormat, ClipInfo
from datasets.clips.files import read_text_file
from datasets.errors import FormatError, MismatchError, MissingDataError, shortened

logger = logging.getLogger(__name__)

FILES = {"train": "train.csv", "valid": "val.csv", "test": "test.csv"}
_HEADERS = {"video", "path", "video_path", "filename", "file", "name", "clip"}
# A clip may be in both of these splits: some published lists validate on the test clips.
_MAY_SHARE = {"valid", "test"}
# Number of shared clips that the warning names.
SHOWN = 5


@dataclass(frozen=True)
class ListedClip:
    """One line: the clip that the video's name describes, its pose file if given, its label."""

    clip: ClipInfo
    pose: Path | None
    label: int
    place: str
    """The list's file and the line number, for errors."""


def read_lists(
    folder: Path, root: Path, fmt: ClipFormat
) -> tuple[dict[str, list[ListedClip]], str, dict[Path, str]]:
    """Reads `train.csv`, `val.csv` and `test.csv`; a missing `val.csv` or `test.csv` is empty.

    Lines are `video,pose,label` or `video,label`, with commas or blanks between the fields; a
    line of column names is skipped. Paths are absolute, or relative to the folder of the lists or
    of the data set; whether the files exist is checked when they are read. A clip may be listed
    for both validation and test, with a warning, and not twice otherwise.

    Returns:
        The lines of each split, the protocol whose classes the labels index, and the videos of
        actions outside the data set's classes, which are left out, with the reason.

    Raises:
        DataError: When a list is not valid; names the list and the line.
    """
    if not (folder / FILES["train"]).is_file():
        raise MissingDataError(f"{folder} has no {FILES['train']}; name the folder of the lists.")
    rows = {
        part: _read_list(folder / name, root, fmt) if (folder / name).exists() else []
        for part, name in FILES.items()
    }
    left_out = {
        row.clip.video: fmt.outside(row.clip)
        for part in rows.values()
        for row in part
        if row.clip.label < 0
    }
    rows = {part: [row for row in of if row.clip.label >= 0] for part, of in rows.items()}
    if not rows["train"]:
        raise MissingDataError(f"{folder / FILES['train']} names no clip.")
    _require_apart(rows)
    return rows, _protocol_of([row for part in rows.values() for row in part], fmt), left_out


def _require_apart(rows: Mapping[str, Sequence[ListedClip]]) -> None:
    """Raises a DataError for a clip on two lines, unless one is for validation and one for test."""
    seen: dict[str, dict[str, str]] = defaultdict(dict)
    shared = []
    for part, listed in rows.items():
        for row in listed:
            before = seen[row.clip.name]
            for other, place in before.items():
                if {part, other} != _MAY_SHARE:
                    raise FormatError(
                        f"{row.place}: {row.clip.name} is listed before, in {place}; remove one "
                        "of the two lines."
                    )
                shared.append(row.clip.name)
            before[part] = row.place
    if shared:
        logger.warning(
            "%s and %s have %d clips in common, so that checkpoints are chosen on test clips: %s",
            FILES["valid"],
            FILES["test"],
            len(shared),
            shortened(shared, SHOWN),
        )


def _read_list(path: Path, root: Path, fmt: ClipFormat) -> list[ListedClip]:
    rows = []
    for number, line in enumerate(read_text_file(path).splitlines(), start=1):
        fields = _fields(line)
        if not fields or (number == 1 and fields[0].lower() in _HEADERS):
            continue
        rows.append(_parse(fields, f"{path}, line {number}", path.parent, root, fmt))
    return rows


def _fields(line: str) -> list[str]:
    fields = line.split(",") if "," in line else line.split()
    return [field.strip().strip('"') for field in fields]


def _parse(fields: list[str], place: str, folder: Path, root: Path, fmt: ClipFormat) -> ListedClip:
    if len(fields) not in (2, 3):
        raise FormatError(
            f"{place}: a line is `video,pose,label` or `video,label` (or blanks for commas)."
        )
    if any("\0" in field for field in fields):
        raise FormatError(f"{place}: a path has a zero byte; copy the list again.")
    if not re.fullmatch(r"\d{1,6}", fields[-1], re.ASCII):
        raise FormatError(f"{place}: {fields[-1][:30]!r} is no label; labels count from 0.")
    clip = fmt.identify(_resolve(fields[0], folder, root))
    if clip is None:
        raise FormatError(f"{place}: {fields[0][:200]!r} is not named as a clip of {fmt.title}.")
    pose = _resolve(fields[1], folder, root) if len(fields) == 3 and fields[1] else None
    return ListedClip(clip, pose, int(fields[-1]), place)


def _resolve(text: str, folder: Path, root: Path) -> Path:
    """An absolute path unchanged; a relative one beside the list, else in the data set's folder."""
    path = Path(text)
    if path.is_absolute():
        return path
    try:
        beside = (folder / path).exists()
    except OSError:  # the file system does not accept such a name
        beside = False
    return folder / path if beside else root / path


def _protocol_of(rows: list[ListedClip], fmt: ClipFormat) -> str:
    """The first protocol whose classes agree with the label and the video's name of every line."""
    for protocol in fmt.protocols:
        classes = fmt.classes_of(protocol)
        if all(row.label < len(classes) and classes[row.label] == row.clip.action for row in rows):
            return protocol
    classes = fmt.classes
    wrong = next(
        row for row in rows if row.label >= len(classes) or classes[row.label] != row.clip.action
    )
    raise MismatchError(
        f"{wrong.place}: label {wrong.label} does not mean {wrong.clip.action!r}, as the video is "
        f"named; labels count the classes of {fmt.title} from 0 in their published order."
    )

"""Folders of numbered pictures: the frames of one video, `000000.jpg`, `000001.jpg` and so on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.frames import LazyFrames, Picture
from datasets.pictures import read_picture

# A frame, with or without a word before the number.
_FRAME = re.compile(r"(?:[a-z]+[_-]?)?(\d+)\.(jpe?g|png)", re.IGNORECASE)
_READ = {".jpg", ".jpeg", ".png"}
# Pictures, for messages about those that are not read.
PICTURE_SUFFIXES = {*_READ, ".bmp", ".webp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}


def holds_frames(folder: Path) -> bool:
    """Whether a folder holds a picture with a number."""
    return folder.is_dir() and any(_FRAME.fullmatch(file.name) for file in folder.iterdir())


def holds_pictures(folder: Path) -> bool:
    """Whether a folder holds a picture of any name and kind."""
    return folder.is_dir() and any(_is_picture(file) for file in folder.iterdir())


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES and not file.name.startswith(".")


def _require_frame(file: Path) -> None:
    """Raises a FormatError for a picture that is none of the frames."""
    if not _is_picture(file):
        return
    if file.suffix.lower() not in _READ:
        raise FormatError(
            f"{file} is neither a JPEG nor a PNG picture. Convert the frames of its folder to "
            f"000000.png, 000001.png and so on, or remove {file.parent}."
        )
    raise FormatError(
        f"{file} is a picture whose name is not read: name frames 000000.jpg, 000001.jpg and so "
        "on (or .png)."
    )


def list_frames(folder: Path, gaps: bool = False) -> dict[int, Path]:
    """The frames by their numbers, in order.

    Args:
        folder: A folder of pictures.
        gaps: Whether numbers may begin anywhere and be missing.

    Raises:
        FormatError: When a picture has another name or kind, or two have one number.
        MissingDataError: When there is none, or a number from 0 or 1 on is missing.
    """
    numbered: dict[int, Path] = {}
    for file in sorted(folder.iterdir()):
        match = _FRAME.fullmatch(file.name)
        if match is None:
            _require_frame(file)
            continue
        number = int(match[1])
        if number in numbered:
            raise FormatError(f"{numbered[number]} and {file} are the same frame: remove one.")
        numbered[number] = file
    if not numbered:
        raise MissingDataError(f"{folder} has no frames 000000.jpg, 000001.jpg, … (or .png).")
    if not gaps:
        _require_no_gap(folder, numbered)
    return dict(sorted(numbered.items()))


def _require_no_gap(folder: Path, numbered: dict[int, Path]) -> None:
    first = min(min(numbered), 1)
    for expected, number in enumerate(sorted(numbered), first):
        if number != expected:
            raise MissingDataError(
                f"{folder} has no frame {expected:06d} but {numbered[number].name}: frames must be "
                "numbered from 0 or 1 without a gap. Restore it, or leave the episode out."
            )


def size_of(file: Path) -> tuple[int, int]:
    """Height and width of a picture.

    Raises:
        DataError: When it cannot be read.
    """
    height, width = read_picture(file, str(file)).shape[:2]
    return height, width


def lazy_pictures(files: Sequence[Path]) -> LazyFrames:
    """The pictures of a view, which are read as they are used, and must be of one size.

    Raises:
        DataError: When the first cannot be read.
    """
    height, width = size_of(files[0])

    def read(times: Sequence[int]) -> Iterator[Picture]:
        for time in times:
            frame = read_picture(files[time], str(files[time]))
            if frame.shape[:2] != (height, width):
                raise MismatchError(
                    f"{files[time]} is {frame.shape[1]} x {frame.shape[0]} pixels, "
                    f"{files[0].name} beside it {width} x {height}: the frames of a view must be "
                    "of one size."
                )
            yield frame

    return LazyFrames(str(files[0].parent), (len(files), height, width, 3), read)

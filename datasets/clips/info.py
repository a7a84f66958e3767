"""The report on an action data set: its clips, the sizes of its splits, and its bad files."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from datasets.clips.base import ClipInfo
from datasets.clips.checks import find_problems
from datasets.clips.identity import clip_seals
from datasets.clips.pose_survey import survey_poses
from datasets.clips.sets import LISTS, ClipSet, open_clip_set
from datasets.errors import DataError, counted
from datasets.storage.episode_file import SPLITS

# Number of clips that a list in the report names.
SHOWN = 20


def clip_info(
    folder: Path,
    format: str,
    lists: Path | None = None,
    workers: int = 1,
    trust_pickles: bool = False,
) -> tuple[ClipSet, dict[ClipInfo, DataError]]:
    """Prints counts of clips by split, class, subject and camera, and the missing files.

    Args:
        folder: Folder of the data set.
        format: `ntu`, `smarthome` or `nucla`.
        lists: Folder of the lists that name the clips; None finds clips in `folder`.
        workers: Number of processes that read the clips.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.

    Returns:
        The clips, and the reason for each clip that cannot be used.

    Raises:
        DataError: When the data set cannot be opened.
    """
    with _warnings_off():  # the report itself lists the clips that are left out
        clips = open_clip_set(folder, format, lists)
        problems = find_problems(clips.clips, workers, trust_pickles, again=True)
        print(describe_clips(clips))
        print(*_survey(clips.clips, trust_pickles), sep="\n", end="")
    return clips, problems


@contextmanager
def _warnings_off() -> Iterator[None]:
    logger = logging.getLogger("datasets")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def describe_clips(clips: ClipSet) -> str:
    """The report: counts, and lists of clips without poses, without videos, or of other classes."""
    without = [clip.name for clip in clips.clips if clip.skeleton is None]
    lines = [
        f"{clips.format.title} in {clips.root}: {counted(len(clips.clips), 'clip')}, "
        f"{len(clips.clips) - len(without)} with poses",
        "",
        *_splits(clips),
        "",
        *_counts("class", Counter(clip.action for clip in clips.clips), clips.classes),
        "",
        *_counts("subject", Counter(clip.subject for clip in clips.clips)),
        "",
        *_counts("camera", Counter(clip.camera for clip in clips.clips)),
    ]
    lines += _listing("no poses", without)
    lines += _listing("left out", [f"{path}: {why}" for path, why in clips.dropped.items()])
    return "\n".join(lines)


def _survey(clips: Sequence[ClipInfo], trust_pickles: bool) -> list[str]:
    """Lines on the poses, and on videos that several clips share."""
    found = survey_poses(clips, trust_pickles)
    lines = [] if found is None else ["", f"  {found}"]
    lines += [] if found is None else [f"  doubtful: {doubt}" for doubt in found.doubts()]
    names: dict[str, list[str]] = {}
    for name, seal in clip_seals(clips).items():
        names.setdefault(seal, []).append(name)
    lines += _listing("one video", [", ".join(same) for same in names.values() if len(same) > 1])
    return [*lines, ""] if lines else []


def _splits(clips: ClipSet) -> list[str]:
    lines = [f"  {'protocol':10}" + "".join(f"{part:>8}" for part in SPLITS)]
    for protocol in clips.protocols:
        # `clips.split` would raise for a protocol that leaves training or test empty.
        listed = clips.listed if protocol == LISTS else None
        parts = listed or clips.format.split(clips.clips, protocol)
        lines.append(f"  {protocol:10}" + "".join(f"{len(parts[part]):8}" for part in SPLITS))
    return lines


def _counts(title: str, counts: Mapping, order: Iterable | None = None) -> list[str]:
    keys = [key for key in (sorted(counts) if order is None else order) if counts[key]]
    width = max(len(str(key)) for key in [title, *keys])
    return [f"  {title:{width}}   clips", *(f"  {key!s:{width}}{counts[key]:8}" for key in keys)]


def _listing(title: str, items: list[str]) -> list[str]:
    if not items:
        return []
    more = [f"    … and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return ["", f"  {title}: {len(items)}", *(f"    {item}" for item in items[:SHOWN]), *more]

"""Clips that were found whole before, so that no start of a training reads them all again.

Also clips that broke in a training, whose videos one decoded frame tells too little of.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from pathlib import Path

from datasets.clips.base import ClipInfo
from datasets.storage.atomic import atomic_path
from datasets.storage.user_cache import user_cache

logger = logging.getLogger(__name__)

# Grows when the checks find more than before, so that what passed the old ones is read again.
_CHECKS = 2
_NAME, _BROKEN = "whole_clips.txt", "broken_clips.txt"
# Characters of a digest that are stored: two of 10⁸ files agree with a probability below 10⁻⁸.
_DIGITS = 24


def known_to_be_whole(
    clips: Iterable[ClipInfo], trust_pickles: bool, joints: bool = False, beside: bool = False
) -> set[ClipInfo]:
    """The clips whose files have the sizes and times of change that they had when they were read.

    `remember` stores them, with or without their `joints`, `beside` pixels or not. Without its
    file, or with one that cannot be read, there are none.
    """
    stored = _stored(_NAME)
    return {clip for clip in clips if _state(clip, trust_pickles, joints, beside) in stored}


def remember(
    clips: Iterable[ClipInfo], trust_pickles: bool, joints: bool = False, beside: bool = False
) -> None:
    """Stores that clips are whole; a cache that cannot be written is named and left as it was."""
    _store(_NAME, (_state(clip, trust_pickles, joints, beside) for clip in clips))


def known_to_break(clips: Iterable[ClipInfo]) -> set[ClipInfo]:
    """The clips that were given to `remember_break`, and whose files have not changed since."""
    stored = _stored(_BROKEN)
    return {clip for clip in clips if _state(clip, False) in stored} if stored else set()


def remember_break(clip: ClipInfo) -> None:
    """Stores that a clip could not be read beyond what checks read, so that they read all of it."""
    _store(_BROKEN, [_state(clip, False)])


def _stored(name: str) -> set[str]:
    try:
        return set((user_cache() / name).read_text(encoding="ascii").split())
    except (OSError, UnicodeDecodeError):
        return set()


def _store(name: str, states: Iterable[str | None]) -> None:
    path = user_cache() / name
    new = {state for state in states if state is not None}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        before = set(path.read_text(encoding="ascii").split()) if path.exists() else set()
        with atomic_path(path) as temporary:
            temporary.write_text("\n".join(sorted(before | new)) + "\n", encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        logger.warning("%s cannot be written (%s): clips are checked at every start", path, error)


def _state(
    clip: ClipInfo, trust_pickles: bool, joints: bool = False, beside: bool = False
) -> str | None:
    """Digest of the paths, sizes and times of change of a clip's files; None where one is gone."""
    files = [clip.video] if clip.skeleton is None else [clip.video, *_files(clip.skeleton)]
    parts = [str(_CHECKS), clip.format, str(trust_pickles)]
    if joints and clip.joints is not None:
        parts.append("joints beside" if beside else "joints")
        files += [] if clip.joints == clip.skeleton else [clip.joints]
    try:
        for file in files:
            found = file.stat()
            parts += [str(file.absolute()), str(found.st_size), str(found.st_mtime_ns)]
    except OSError:
        return None
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:_DIGITS]


def _files(skeleton: Path) -> list[Path]:
    """The files of a clip's poses, which may be a folder with one for each frame."""
    return sorted(skeleton.iterdir()) if skeleton.is_dir() else [skeleton]

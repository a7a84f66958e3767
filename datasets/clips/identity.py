"""The identity of action clips: which clips a run learned from, and whether a set is the same.

Clips have no seals, and reading all of a data set's videos would take hours. A video is
distinguished from others by its size and the bytes at both ends, where every container keeps its
tables.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from datasets.clips.base import ClipInfo

_END = 4096  # bytes read at either end


def clip_seals(clips: Iterable[ClipInfo]) -> dict[str, str]:
    """Clip to the digest of its video; a clip whose video cannot be read is left out."""
    return {clip.name: seal for clip in clips if (seal := _seal(clip.video)) is not None}


def clips_digest(parts: Mapping[str, Sequence[ClipInfo]], classes: Sequence[str]) -> str:
    """SHA-256 in hexadecimal over the clips of each split, their classes, videos and poses.

    Args:
        parts: Split to its clips.
        classes: Name of each label.
    """
    content = {
        split: sorted(
            (clip.name, classes[clip.label], _seal(clip.video) or "", _size(clip.skeleton))
            for clip in clips
        )
        for split, clips in parts.items()
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _seal(video: Path) -> str | None:
    try:
        with video.open("rb") as file:
            head = file.read(_END)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _END))
            return hashlib.sha256(b"%d\n" % size + head + file.read()).hexdigest()
    except OSError:
        return None  # the checks before training name it


def _size(skeleton: Path | None) -> int:
    """Bytes of a file of poses; -1 without one, and for a folder of files."""
    return skeleton.stat().st_size if skeleton is not None and skeleton.is_file() else -1

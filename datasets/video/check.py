"""The integrity of a video, without decoding all of it."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import DamagedDataError
from datasets.video.container import open_video, packets, video_shape
from datasets.video.declared import declared_size
from datasets.video.reading import MISCOUNT, read_frames


def check_video(video: Path) -> None:
    """Checks that a video is complete, by reading all of it and decoding its first frame.

    Raises:
        DataError: When the video is missing, damaged, or holds fewer or more frames than its header
            declares.
    """
    declared = video_shape(video).frames
    size, whole = video.stat().st_size, declared_size(video)
    if whole is not None and size < whole:
        raise DamagedDataError(f"{video} ends after {size} of {whole} bytes; copy it again.")
    with open_video(video) as (container, stream):
        held = sum(1 for _ in packets(container, stream))
    if held < declared - MISCOUNT:
        raise DamagedDataError(f"{video} ends after {held} of {declared} frames; copy it again.")
    if held > declared + MISCOUNT:
        raise DamagedDataError(
            f"{video} holds {held} frames, but its header declares {declared}. Write its header "
            "again: ffmpeg -i IN -c copy OUT"
        )
    read_frames(video, [0])

"""The integrity of a video, without decoding all of it."""

from __future__ import annotations

from pathlib import Path

from datasets.errors import DamagedDataError
from datasets.video.container import open_video, packets, require_as_declared, video_shape
from datasets.video.declared import declared_size
from datasets.video.reading import read_frames


def check_video(video: Path) -> None:
    """Checks that a video is complete, by reading all of it and decoding its first frame.

    Raises:
        DataError: When the video is missing, damaged, or holds fewer or more frames than its header
            declares.
    """
    video_shape(video)
    size, whole = video.stat().st_size, declared_size(video)
    if whole is not None and size < whole:
        raise DamagedDataError(f"{video} ends after {size} of {whole} bytes; copy it again.")
    held = 0
    with open_video(video) as (container, stream):
        for packet in packets(container, stream):
            if packet.is_corrupt:  # the file ends before the packet does, or bytes are lost
                raise DamagedDataError(
                    f"{video} lacks a part of its frame {held}; copy it again, or leave its clip "
                    "out."
                )
            held += 1
    require_as_declared(video, held)
    read_frames(video, [0])

"""An H.264 writer."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

from datasets.storage.atomic import atomic_path


def write_video(
    video: Path | str,
    frames: Iterable[UInt8[np.ndarray, "height width 3"]],
    fps: float,
    *,
    crf: int = 18,
    key_every: int = 12,
    preset: str = "veryfast",
) -> None:
    """Encodes RGB frames as H.264; the same frames give the same bytes.

    Args:
        video: The file to write; its suffix decides the container.
        frames: Frames of one size. An odd height or width keeps full colour resolution, which some
            players cannot show.
        fps: Frames a second.
        crf: x264's quality: 0 is lossless, 18 looks like the original, 51 is worst.
        key_every: Most frames from one key frame to the next; a player or reader can begin at each.
        preset: x264's effort: slower presets give smaller files.

    Raises:
        ValueError: When there are no frames.
    """
    video = Path(video)
    with atomic_path(video) as temporary:
        kind = {".mkv": "matroska"}.get(video.suffix, video.suffix[1:])
        # With the index at the front, players start before they have received all of an MP4.
        layout = {"movflags": "+faststart"} if kind == "mp4" else {}
        with av.open(str(temporary.absolute()), "w", format=kind, options=layout) as container:
            stream = None
            for picture in frames:
                if stream is None:
                    stream = container.add_stream("libx264", Fraction(fps).limit_denominator(1001))
                    stream.height, stream.width = picture.shape[:2]
                    stream.pix_fmt = pixel_format(stream.height, stream.width)
                    stream.gop_size = key_every
                    # AVI cannot store frames in an order that differs from the order of display.
                    stream.max_b_frames = 0
                    stream.codec_context.thread_count = 1
                    # x264's look-ahead by macroblocks (mbtree) sometimes gives different bytes for
                    # the same frames on processors with AVX-512.
                    stream.options = {
                        "crf": str(crf),
                        "preset": preset,
                        "x264-params": "mbtree=0",
                    }
                image = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
                container.mux(stream.encode(image))
            if stream is None:
                raise ValueError(f"there are no frames for {video}")
            container.mux(stream.encode())


def pixel_format(height: int, width: int) -> str:
    """FFmpeg's name of the pixel format: colours at half resolution where the size is even."""
    return "yuv444p" if height % 2 or width % 2 else "yuv420p"

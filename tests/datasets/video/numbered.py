"""Videos whose pictures show their own number, in blocks that survive any codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from jaxtyping import UInt8

Picture = UInt8[np.ndarray, "height width 3"]
BITS, BLOCK = 8, 16
HEIGHT, WIDTH = 48, BITS * BLOCK


def picture(number: int) -> Picture:
    """Eight blocks at the top, the lowest bit first; a bar below them moves from frame to frame."""
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for bit in range(BITS):
        image[:24, bit * BLOCK : (bit + 1) * BLOCK] = 230 if number >> bit & 1 else 20
    left = 2 * number % (WIDTH - 8)
    image[28:44, left : left + 8] = (200, 40, 40)
    return image


def number(frame: Picture) -> int:
    """The number that a picture shows."""
    grey = frame.astype(float).mean(axis=2)
    blocks = (grey[8:16, bit * BLOCK + 4 : bit * BLOCK + 12].mean() for bit in range(BITS))
    return sum(int(block > 110) << bit for bit, block in enumerate(blocks))


def write(
    path: Path,
    count: int = 30,
    codec: str = "libx264",
    *,
    fps: Fraction | int = 30,
    times: Sequence[float] | None = None,
    form: str | None = None,
    pixels: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 0,
    options: dict[str, str] | None = None,
    layout: dict[str, str] | None = None,
    turn: Callable[[Picture], Picture] = lambda image: image,
    rotation: int = 0,
) -> Path:
    """Writes a video of numbered pictures.

    Args:
        path: The file.
        count: How many frames.
        codec: FFmpeg's name of the encoder.
        fps: Frames a second.
        times: Seconds at which each frame is displayed; by default one every 1 / fps.
        form: FFmpeg's name of the container; by default that of the suffix.
        pixels: FFmpeg's name of the pixel format.
        gop: Most frames from one key frame to the next.
        b_frames: Most frames in a row that need a later one.
        options: Options of the encoder.
        layout: Options of the container.
        turn: Changes each picture before it is stored.
        rotation: Degrees against the clock by which players turn the stored pictures.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form, options=layout or {}) as container:
        stream = container.add_stream(codec, fps, options=options or {})
        stream.height, stream.width = turn(picture(0)).shape[:2]
        stream.pix_fmt, stream.gop_size, stream.max_b_frames = pixels, gop, b_frames
        if rotation:
            stream.set_display_rotation(rotation)
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 600)
        for i in range(count):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(turn(picture(i))), "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(times[i] * 600), Fraction(1, 600)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path

"""Videos beside each other, each showing the moment that the first one shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64, UInt8
from PIL import Image, ImageDraw

from align.videos.matching import EmbeddedVideo, VideoMatch
from datasets.draw import default_font
from datasets.errors import MismatchError
from datasets.frames import Picture
from datasets.video import lazy_frames, video_shape, write_video

Clock = Literal["auto", "offset", "dtw"]
# x264 stores colours at half resolution, so every length is even.
_STRIP, _GAP = 26, 4
_PAPER, _INK, _FAINT = "#16181d", "#f0f1f3", "#9aa0a8"
# Brightness of a picture where its camera does not run.
_DIMMED = 0.3


@dataclass(frozen=True)
class Panel:
    """A video of the picture.

    Attributes:
        path: The file.
        name: Its name beside other videos.
        frames: The frame to show at each frame of the first video; never decreases.
        times: Seconds of these frames by the video's own clock.
        missing: Where the camera does not run.
    """

    path: Path
    name: str
    frames: Int64[np.ndarray, " time"]
    times: Float[np.ndarray, " time"]
    missing: np.ndarray


def panel_of(first: EmbeddedVideo, match: VideoMatch, clock: Clock = "auto") -> Panel:
    """The panel of another video.

    Args:
        first: The video that the others follow.
        match: The other video's match to it.
        clock: offset: by the constant offset; dtw: by time warping; auto: by the offset where one
            fits.

    Raises:
        MismatchError: When the offset is to be taken, and too few frames match to have one.
    """
    own = match.other
    if not follows_offset(match, clock):
        nowhere = np.zeros(len(match.dtw), bool)
        return Panel(own.path, own.name, match.dtw, own.times[match.dtw], nowhere)
    if np.isnan(match.offset.seconds):
        raise MismatchError(
            f"{own.path} has no offset from {first.path} that could be taken "
            f"({match.offset.problem}): leave out --clock offset, or take --clock dtw."
        )
    frames = match.by_offset(first.times)
    wanted = first.times + match.offset.seconds
    # A frame stands until the next one, however long: phones leave out frames where nothing
    # changes. Before the first and after the last, half a period is the rounding to the nearest.
    period = float(np.median(np.diff(own.times)))
    outside = (wanted < own.times[0] - period) | (wanted > own.times[-1] + period)
    return Panel(own.path, own.name, frames, own.times[frames], outside)


def follows_offset(match: VideoMatch, clock: Clock) -> bool:
    """Whether a video is shown by its constant offset."""
    return clock == "offset" or (clock == "auto" and match.offset.fits)


def write_side_by_side(
    out: Path, first: EmbeddedVideo, others: Sequence[Panel], height: int = 240
) -> None:
    """Writes the video; one frame of each video is held at a time.

    Args:
        out: The file to write.
        first: The video that the others follow.
        others: Their panels.
        height: Height of each picture in pixels, an even number.

    Raises:
        DataError: When a video cannot be read.
    """
    length = len(first.times)
    own = Panel(first.path, first.name, np.arange(length), first.times, np.zeros(length, bool))
    panels = [own, *others]
    write_video(out, _pictures(panels, height), video_shape(first.path).fps)


def _pictures(panels: Sequence[Panel], height: int) -> Iterator[UInt8[np.ndarray, "rows cols 3"]]:
    streams = [iter(lazy_frames(panel.path, panel.frames)) for panel in panels]
    for step, frames in enumerate(zip(*streams, strict=True)):
        tiles = [
            _tile(frame, panel, step, height) for frame, panel in zip(frames, panels, strict=True)
        ]
        width = sum(tile.width for tile in tiles) + _GAP * (len(tiles) - 1)
        picture = Image.new("RGB", (width, height + _STRIP), _PAPER)
        left = 0
        for tile in tiles:
            picture.paste(tile, (left, 0))
            left += tile.width + _GAP
        yield np.asarray(picture)


def _tile(frame: Picture, panel: Panel, step: int, height: int) -> Image.Image:
    """A frame below its name and its time."""
    whole = Image.fromarray(frame)
    width = max(2, round(whole.width * height / whole.height / 2) * 2)
    small = whole.resize((width, height), Image.Resampling.LANCZOS)
    if panel.missing[step]:
        small = small.point(lambda value: round(value * _DIMMED))
    tile = Image.new("RGB", (width, height + _STRIP), _PAPER)
    tile.paste(small, (0, _STRIP))
    draw, middle = ImageDraw.Draw(tile), _STRIP / 2
    clock = "not recorded" if panel.missing[step] else f"{panel.times[step]:.2f} s"
    font = default_font(14)
    room = width - font.getlength(clock) - 20
    draw.text((6, middle), _fit(panel.name, room), _INK, font, anchor="lm")
    draw.text((width - 6, middle), clock, _FAINT, font, anchor="rm")
    return tile


def _fit(text: str, room: float) -> str:
    """The text, or its beginning where it is wider than the room."""
    font = default_font(14)
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text + "…"

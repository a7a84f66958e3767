"""An alignment as a video: frames of one view beside the frames picked for them."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageColor, ImageDraw, ImageFont

from align.report.episode import Example
from align.report.style import phase_colours
from datasets.video import write_video

# Half the speed of the robot, so that the eye can compare, where every time step is drawn.
SLOW_DOWN = 2
_TILE, _GAP, _HEADER, _FOOTER, _TIMELINE = 224, 12, 30, 26, 32
# Players draw their controls over the bottom of a video, so nothing is written there.
_CONTROLS = 44
# Top and bottom of the line of phases.
_LINE = (10, 26)
_PER_ROW = 6
_PAPER, _INK, _FAINT, _TRACK = "#16181d", "#f0f1f3", "#9aa0a8", "#3a3f47"


@dataclass(frozen=True)
class Layout:
    """Positions of the pictures in a frame of the video, in pixels; all sizes are even."""

    tiles: int

    @property
    def columns(self) -> int:
        """Number of pictures in a row."""
        return min(self.tiles, _PER_ROW)

    @property
    def width(self) -> int:
        """Width of the frame."""
        return self.columns * (_TILE + _GAP) + _GAP

    @property
    def height(self) -> int:
        """Height of the frame."""
        rows = -(-self.tiles // self.columns)
        return _TIMELINE + rows * (_HEADER + _TILE + _FOOTER) + _CONTROLS

    def corner(self, tile: int) -> tuple[int, int]:
        """Left and top of a picture."""
        row, column = divmod(tile, self.columns)
        top = _TIMELINE + row * (_HEADER + _TILE + _FOOTER) + _HEADER
        return _GAP + column * (_TILE + _GAP), top

    def crop(
        self, frame: UInt8[np.ndarray, "height width 3"], tile: int
    ) -> UInt8[np.ndarray, "tile tile 3"]:
        """Cuts one picture out of a frame of the video."""
        left, top = self.corner(tile)
        return frame[top : top + _TILE, left : left + _TILE]


def video_layout(example: Example) -> Layout:
    """Pictures: the query view, the target view at the same moment, then one for each method."""
    return Layout(2 + len(example.matches))


def video_speed(example: Example) -> str:
    """How fast the video is beside the robot, such as `2 times slower than the robot`."""
    speed = len(example) / len(example.times) / SLOW_DOWN
    if speed == 1:
        return "as fast as the robot"
    factor, word = (speed, "faster") if speed > 1 else (1 / speed, "slower")
    return f"{factor:.2g} times {word} than the robot"


def encode_video(example: Example, colours: Mapping[str, str]) -> bytes:
    """An H.264 video with a frame for each drawn step, which browsers play while loading."""
    frames = (np.asarray(picture) for picture in video_frames(example, colours))
    # A folder rather than a file object: `faststart` reopens the file by its name.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "aligned.mp4")
        fps = example.control_hz / SLOW_DOWN
        # A key frame every 20 frames, so that jumping on the time bar is quick.
        write_video(path, frames, fps, crf=23, key_every=20, preset="medium")
        return path.read_bytes()


def video_frames(
    example: Example, colours: Mapping[str, str], rows: Sequence[int] | None = None
) -> Iterator[Image.Image]:
    """The frames of the video.

    Args:
        example: The episode.
        colours: Label to colour.
        rows: Indices into the drawn steps of the query; by default all.
    """
    layout = video_layout(example)
    pictures = _Pictures(example)
    base = _video_base(example, layout, colours)
    small = _font(13)
    for row in range(len(example.times)) if rows is None else rows:
        frame = base.copy()
        draw = ImageDraw.Draw(frame)
        time = int(example.times[row])
        places = [time, time, *(int(m.picks[row]) for m in example.matches.values())]
        for tile, place in enumerate(places):
            left, top = layout.corner(tile)
            view = example.query if tile == 0 else example.target
            frame.paste(pictures(view, place), (left, top))
            middle = top + _TILE + _FOOTER // 2
            if tile < 2:
                text = f"step {time} of {len(example)}"
                draw.text((left, middle), text, _FAINT, small, anchor="lm")
            else:
                _draw_offset(draw, (left, middle), place - time, len(example), small)
        _draw_playhead(draw, layout, time, len(example))
        yield frame


def poster(example: Example, colours: Mapping[str, str]) -> bytes:
    """The frame of the video in the middle of the episode, as JPEG."""
    buffer = io.BytesIO()
    (middle,) = video_frames(example, colours, [len(example.times) // 2])
    middle.save(buffer, "jpeg", quality=80)
    return buffer.getvalue()


class _Pictures:
    """The frames of an example at the size of a tile, each resized once."""

    def __init__(self, example: Example) -> None:
        self._frames = example.frames
        self._made: dict[tuple[str, int], Image.Image] = {}

    def __call__(self, view: str, time: int) -> Image.Image:
        if (view, time) not in self._made:
            picture = Image.fromarray(self._frames[view][time])
            self._made[view, time] = picture.resize((_TILE, _TILE), Image.Resampling.LANCZOS)
        return self._made[view, time]


def _video_base(example: Example, layout: Layout, colours: Mapping[str, str]) -> Image.Image:
    # The part that is the same in all frames: titles and the line of phases.
    base = Image.new("RGB", (layout.width, layout.height), _PAPER)
    draw = ImageDraw.Draw(base)
    font, small = _font(15), _font(12)
    titles = [f"query: {example.query}", f"true match: {example.target}", *example.matches]
    for tile, title in enumerate(titles):
        left, top = layout.corner(tile)
        x = left
        if tile >= 2:
            draw.rounded_rectangle((x, top - 21, x + 11, top - 10), 3, colours[title])
            x += 18
        title = _fit(title, font, left + _TILE - x)
        draw.text((x, top - _HEADER / 2), title, _INK, font, anchor="lm")
    shades = phase_colours(len(example.phase_names))
    width, (top, bottom) = layout.width - 2 * _GAP, _LINE
    starts = [0, *(np.flatnonzero(np.diff(example.phases)) + 1).tolist(), len(example)]
    for start, stop in zip(starts, starts[1:], strict=False):
        left, right = (_GAP + round(width * step / len(example)) for step in (start, stop))
        phase = int(example.phases[start])
        draw.rectangle((left, top, right - 1, bottom), shades[phase])
        name = example.phase_names[phase]
        if small.getlength(name) + 10 < right - left:
            draw.text((left + 5, (top + bottom) / 2), name, _PAPER, small, anchor="lm")
    return base


def _draw_playhead(draw: ImageDraw.ImageDraw, layout: Layout, time: int, length: int) -> None:
    top, bottom = _LINE
    x = _GAP + round((layout.width - 2 * _GAP) * (time + 0.5) / length)
    draw.rectangle((x - 2, top - 4, x + 1, bottom + 4), _INK, _PAPER)


def _draw_offset(
    draw: ImageDraw.ImageDraw,
    left_middle: tuple[int, int],
    offset: int,
    length: int,
    font: ImageFont.FreeTypeFont,
) -> None:
    # A bar from the middle; half of its full width stands for the length of the episode.
    left, y = left_middle
    draw.text((left, y), _offset_text(offset), _INK if offset else _FAINT, font, anchor="lm")
    start, stop = left + 84, left + _TILE
    centre = (start + stop) // 2
    draw.rectangle((start, y - 3, stop - 1, y + 2), _TRACK)
    end = centre + round((stop - centre) * offset / length)
    # From green, nearly right, to orange, a third of the episode off or more.
    wrong = min(1.0, abs(offset) / (length / 3))
    mild, bad = (ImageColor.getrgb(name) for name in ("#5fbf8f", "#f08a3c"))
    colour = tuple(round(a + (b - a) * wrong) for a, b in zip(mild, bad, strict=True))
    draw.rectangle((min(centre, end) - 1, y - 5, max(centre, end), y + 4), colour)


def _offset_text(offset: int) -> str:
    if offset == 0:
        return "exact"
    return f"{offset:+d} step{'' if abs(offset) == 1 else 's'}"


def _fit(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; run `pip install -U pillow`.")
    return font

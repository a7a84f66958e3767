"""Pictures of episodes: a skeleton on a frame, and a contact sheet of every view over time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import count

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from PIL import Image, ImageDraw, ImageFont, ImageOps

from datasets.draw_streams import colour_map, depth_pictures, mask_pictures
from datasets.episodes import EpisodeDataset
from datasets.skeletons import Skeleton
from datasets.source import Source

# Pillow draws without anti-aliasing, so the overlay is drawn this many times larger and reduced.
_SUPERSAMPLING = 4
# Rows of a contact sheet: 12 of 224 pixels make 2,700 pixels, which a screen can still show.
MOST_ROWS = 12
# Names of the rows below a view's frames.
_DEPTH, _MASKS = "depth", "masks"
INK, FAINT, PAPER = (30, 34, 40), (110, 116, 124), (255, 255, 255)
_OUTLINE = (15, 15, 20, 230)


def draw_skeleton(
    image: UInt8[np.ndarray, "height width 3"],
    keypoints: Float[np.ndarray, "keypoints 2"],
    visible: Bool[np.ndarray, " keypoints"],
    skeleton: Skeleton,
    min_side: int = 224,
) -> UInt8[np.ndarray, "new_height new_width 3"]:
    """Draws a skeleton on a frame: visible keypoints filled, hidden ones hollow, bones as lines.

    Args:
        image: The frame.
        keypoints: Pixels of `image`, x right, y down; NaN keypoints are left out.
        visible: Which keypoints can be seen.
        skeleton: The skeleton that the keypoints follow.
        min_side: Smallest length of the shorter side of the result, in pixels. Smaller frames are
            enlarged by a whole factor, so that lines stay thinner than the parts that they mark.

    Returns:
        A new image of the frame's size or a whole multiple of it.

    Raises:
        ValueError: When the keypoints are not the skeleton's.
    """
    if keypoints.shape != (len(skeleton), 2) or visible.shape != (len(skeleton),):
        raise ValueError(
            f"the skeleton {skeleton.name!r} has {len(skeleton)} keypoints, got keypoints of shape "
            f"{keypoints.shape} and visible of shape {visible.shape}."
        )
    frame = enlarge(image, min_side)
    scale = frame.width / image.shape[1]
    overlay = _skeleton_overlay(frame.size, keypoints * scale, visible, skeleton)
    frame.paste(overlay, mask=overlay)
    return np.asarray(frame)


def enlarge(image: UInt8[np.ndarray, "height width 3"], min_side: int) -> Image.Image:
    """Enlarges a frame by a whole factor until its shorter side has `min_side` pixels."""
    height, width = image.shape[:2]
    scale = max(1, math.ceil(min_side / min(height, width)))
    return Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.BICUBIC)


def contact_sheet(
    dataset: EpisodeDataset | Source, i: int, columns: int = 6, cell: int = 224
) -> Image.Image:
    """Draw a contact sheet of an episode: one row per view, one column per moment.

    Below the frames of a view are its depth and masks, where the data set has them.

    Args:
        dataset: Data set of the episode. Of more than `MOST_ROWS` views, the sheet shows some that
            are evenly spread, with the first and the last; its title says so.
        i: Position of the episode in `dataset`.
        columns: Number of moments, evenly spread from the first time step to the last; if they miss
            a phase, the nearest moment moves into it.
        cell: Height and width of each picture in pixels.
    """
    streams = [_DEPTH] * dataset.meta.depth + [_MASKS] * bool(dataset.meta.masks)
    views = sheet_views(dataset.views, 1 + len(streams))
    names = [f"{view} {part}".strip() for view in views for part in ("", *streams)]
    phases = dataset.phases(i)
    times = _moments(phases, columns)
    with_skeleton = dataset.has_keypoints(i)
    font = default_font(max(11, round(cell / 14)))
    line, gap = round(font.size * 1.5), max(2, cell // 56)
    left = round(max(font.getlength(name) for name in names) + 2 * line / 1.5)
    top = round(line * 3.9)
    number = dataset.names[i].removeprefix("demo_")
    title = f"{dataset.meta.env}, episode {number}: {len(phases)} time steps"
    if len(views) < len(dataset.views):
        title += f", {len(views)} of {len(dataset.views)} views"
    titled = round(left + font.getlength(title) + line)
    size = (
        max(left + len(times) * (cell + gap) + 2 * gap, titled),
        top + len(names) * (cell + gap) + 2 * gap,
    )
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)

    draw.text((left, line * 0.7), title, INK, font, anchor="lm")
    # The legend is almost 10 lines wide; a sheet of one or two columns has no room for it.
    if with_skeleton and titled + 10 * line < size[0]:
        _draw_legend(sheet, (size[0] - 3 * gap, round(line * 0.7)), font)
    colours = _colours("Set2", len(dataset.meta.phases))
    for column, time in enumerate(times):
        x = left + column * (cell + gap)
        seconds = time / dataset.meta.control_hz
        draw.text((x, line * 2.0), f"step {time}", INK, font, anchor="lm")
        draw.text((x + cell - 2 * gap, line * 2.0), f"{seconds:.2f} s", FAINT, font, anchor="rm")
        phase = int(phases[time])
        box = (x, round(line * 2.6), x + cell - 1, round(line * 3.7))
        draw.rounded_rectangle(box, gap, colours[phase])
        middle = (x + cell / 2, line * 3.15)
        draw.text(middle, dataset.meta.phases[phase], INK, font, anchor="mm")

    rows = (row for view in views for row in _rows(dataset, i, view, times, cell))
    for y, (name, pictures) in zip(count(top, cell + gap), rows, strict=False):
        draw.text((left - line / 2, y + cell / 2), name, INK, font, anchor="rm")
        for column, frame in enumerate(pictures):
            lanczos, size = Image.Resampling.LANCZOS, (cell, cell)
            picture = ImageOps.pad(enlarge(frame, cell), size, lanczos, PAPER)
            sheet.paste(picture, (left + column * (cell + gap), y))
    return sheet


def _rows(
    dataset: EpisodeDataset | Source, i: int, view: str, times: Int[np.ndarray, " times"], cell: int
) -> Iterator[tuple[str, Sequence[np.ndarray]]]:
    """The rows of a view: its frames with the skeleton, then its depth and masks, with names."""
    frames = list(dataset.images(i, view, times))
    if dataset.has_keypoints(i):
        keypoints, visible = dataset.keypoints(i, view)[times], dataset.visible(i, view)[times]
        drawn = zip(frames, keypoints, visible, strict=True)
        frames = [draw_skeleton(*parts, dataset.skeleton, cell) for parts in drawn]
    yield view, frames
    if dataset.meta.depth:
        yield f"{view} {_DEPTH}", list(depth_pictures(dataset.depth(i, view, times)))
    if instances := dataset.meta.masks:
        masks = dataset.masks(i, view, times)
        yield f"{view} {_MASKS}", list(mask_pictures(masks, len(instances)))


def sheet_views(views: Sequence[str], rows_each: int = 1) -> list[str]:
    """Return the views of a contact sheet of at most `MOST_ROWS` rows, evenly spread."""
    most = max(1, MOST_ROWS // rows_each)
    rows = np.linspace(0, len(views) - 1, min(len(views), most)).round().astype(int)
    return [views[row] for row in rows]


def _moments(phases: UInt8[np.ndarray, " time"], columns: int) -> Int[np.ndarray, " columns"]:
    times = np.linspace(0, len(phases) - 1, min(columns, len(phases))).round().astype(int)
    for phase in np.unique(phases):
        shown = phases[times]
        # A time step may move when another one still shows its phase.
        spare = np.flatnonzero([np.count_nonzero(shown == other) > 1 for other in shown])
        if phase in shown or not len(spare):
            continue
        steps = np.flatnonzero(phases == phase)
        middle = steps[len(steps) // 2]
        times[spare[np.abs(times[spare] - middle).argmin()]] = middle
    return np.sort(times)


def default_font(size: int) -> ImageFont.FreeTypeFont:
    """Pillow's own font at a size in pixels.

    Raises:
        RuntimeError: When Pillow was built without FreeType.
    """
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("this Pillow was built without FreeType; run `pip install -U pillow`.")
    return font


def _colours(name: str, count: int) -> list[tuple[int, int, int]]:
    colours = colour_map(name)
    # A map of a few distinct colours is used in order. A continuous one is sampled evenly, without
    # its dark ends, which are hard to see on dark frames.
    few = colours.N < 32
    at = np.arange(count) % colours.N if few else np.linspace(0.1, 0.88, count)
    return [(int(r), int(g), int(b)) for r, g, b, _ in colours(at, bytes=True)]


def keypoint_colours(skeleton: Skeleton) -> list[tuple[int, int, int]]:
    """RGB of each keypoint; every picture of a skeleton uses the same."""
    return _colours("turbo", len(skeleton))


def _skeleton_overlay(
    size: tuple[int, int],
    points: Float[np.ndarray, "keypoints 2"],
    visible: Bool[np.ndarray, " keypoints"],
    skeleton: Skeleton,
) -> Image.Image:
    side, fine = min(size), _SUPERSAMPLING
    overlay = Image.new("RGBA", (size[0] * fine, size[1] * fine))
    draw = ImageDraw.Draw(overlay)
    # A point just in front of the camera may project millions of pixels away, where Pillow
    # overflows. Pillow counts from pixel centres, `Camera` from pixel edges: hence the half pixel.
    points = np.clip(points, -20 * side, 20 * side) * fine - 0.5
    drawn = np.isfinite(points).all(axis=1)
    colours = keypoint_colours(skeleton)
    thin, radius = max(1.5, side / 110) * fine, max(2.2, side / 60) * fine
    edge = max(1.0, side / 260) * fine
    bones = [(a, b) for a, b in skeleton.bones if drawn[a] and drawn[b]]
    # All outlines come first, so that none of them covers a bone.
    for outline in (True, False):
        for a, b in bones:
            alpha = 255 if visible[a] and visible[b] else 130
            colour = (*_OUTLINE[:3], alpha) if outline else (*colours[b], alpha)
            width = thin + 2 * edge if outline else thin
            draw.line([*points[a], *points[b]], colour, round(width))
    for point, colour, filled in zip(
        points[drawn], np.array(colours)[drawn].tolist(), visible[drawn], strict=True
    ):
        _draw_point(draw, point, radius, edge, tuple(colour), bool(filled))
    return overlay.reduce(fine)


def _draw_point(
    draw: ImageDraw.ImageDraw,
    point: Float[np.ndarray, 2],
    radius: float,
    edge: float,
    colour: tuple[int, ...],
    filled: bool,
) -> None:
    x, y = point.tolist()
    draw.circle((x, y), radius + edge, _OUTLINE)
    draw.circle((x, y), radius, colour)
    if not filled:
        draw.circle((x, y), radius * 0.68, _OUTLINE)
        draw.circle((x, y), radius * 0.68 - edge / 2, (0, 0, 0, 0))


def _draw_legend(
    sheet: Image.Image, right_middle: tuple[int, int], font: ImageFont.FreeTypeFont
) -> None:
    # The legend is right-aligned, so it is drawn from its last entry to its first.
    x, y = right_middle
    draw = ImageDraw.Draw(sheet)
    dot = Skeleton("dot", ("dot",), ())
    box = round(font.size * 1.2)
    for meaning, visible in (("hidden", False), ("visible keypoint", True)):
        draw.text((x, y), meaning, FAINT, font, anchor="rm")
        x -= round(font.getlength(meaning)) + box
        middle = np.array([[box / 2, box / 2]])
        # The dot's radius is a share of the picture's side: 18 times the box makes the dot fill it.
        overlay = _skeleton_overlay((box * 18,) * 2, middle, np.array([visible]), dot)
        overlay = overlay.crop((0, 0, box, box))
        sheet.paste(overlay, (x, y - box // 2), overlay)
        x -= box // 2

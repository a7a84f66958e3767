"""The contact sheet of an action data set: one row for each of several clips, with poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from datasets.clips.base import ClipInfo
from datasets.clips.samples import keypoints_at
from datasets.clips.sets import get_format, read_keypoints
from datasets.draw import FAINT, INK, PAPER, default_font, draw_skeleton, enlarge
from datasets.errors import MissingDataError
from datasets.video import read_frames, video_shape


def clip_sheet(
    clips: Sequence[ClipInfo],
    rows: int = 6,
    columns: int = 6,
    cell: int = 224,
    trust_pickles: bool = False,
) -> Image.Image:
    """Lays out clips as a table of pictures: one row a clip, one column a moment.

    Args:
        clips: Clips of one data set.
        rows: Largest number of clips. They differ in class and camera where possible, and have
            poses where their class has any.
        columns: Number of moments, evenly spread from the first frame to the last frame of the
            video or of the skeleton, whichever is shorter.
        cell: Height and width of each picture in pixels.
        trust_pickles: Whether NTU's `.skeleton.npy` files may be loaded.

    Raises:
        DataError: When a chosen clip cannot be read, or there is no clip.
    """
    if not clips:
        raise MissingDataError(
            "no whole clip to show on a contact sheet: fix one, or leave it out."
        )
    shown = _chosen(clips, rows)
    font = default_font(max(11, round(cell / 14)))
    gap, line = max(2, cell // 56), round(font.size * 1.5)
    labels = [(clip.action, f"camera {clip.camera}, subject {clip.subject}") for clip in shown]
    left = round(max(font.getlength(text) for pair in labels for text in pair)) + line
    size = (left + columns * (cell + gap) + gap, len(shown) * (cell + gap) + gap)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (clip, (action, seen)) in enumerate(zip(shown, labels, strict=True)):
        y = gap + row * (cell + gap)
        draw.text((left - line / 2, y + cell / 2 - line / 2), action, INK, font, anchor="rm")
        draw.text((left - line / 2, y + cell / 2 + line / 2), seen, FAINT, font, anchor="rm")
        for column, picture in enumerate(_pictures(clip, columns, cell, trust_pickles)):
            sheet.paste(picture, (left + column * (cell + gap), y))
    return sheet


def _chosen(clips: Sequence[ClipInfo], rows: int) -> list[ClipInfo]:
    """Clips of evenly spread classes, in order; neighbours differ in camera and subject."""
    by_class: dict[str, list[ClipInfo]] = {}
    for clip in sorted(clips, key=lambda clip: (clip.label, clip.subject, clip.camera)):
        by_class.setdefault(clip.action, []).append(clip)
    places = np.linspace(0, len(by_class) - 1, min(rows, len(by_class))).round().astype(int)
    groups = [_posed(list(by_class.values())[place]) for place in places]
    # A stride of 7 has no common factor with the small numbers of cameras and takes of a subject.
    return [group[7 * row % len(group)] for row, group in enumerate(groups)]


def _posed(clips: list[ClipInfo]) -> list[ClipInfo]:
    return [clip for clip in clips if clip.skeleton is not None] or clips


def _pictures(clip: ClipInfo, columns: int, cell: int, trust_pickles: bool) -> list[Image.Image]:
    keypoints, frames = read_keypoints(clip, trust_pickles), video_shape(clip.video).frames
    steps = min(len(keypoints), frames)  # a skeleton can be some frames longer
    times = np.linspace(0, steps - 1, columns).round().astype(int)
    skeleton = get_format(clip.format).skeleton
    pictures = []
    poses = keypoints_at(keypoints, times)
    for frame, pose in zip(read_frames(clip.video, times), poses, strict=True):
        drawn = draw_skeleton(frame, pose, np.isfinite(pose).all(axis=1), skeleton, cell)
        lanczos = Image.Resampling.LANCZOS
        pictures.append(ImageOps.pad(enlarge(drawn, cell), (cell, cell), lanczos, color=PAPER))
    return pictures

"""Pictures of the robot's silhouette and keypoints over the first episode, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.draw import draw_skeleton
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.silhouette import outline, silhouette
from datasets.kinematics.track import Motion
from datasets.skeletons import Skeleton
from datasets.storage.atomic import atomic_path
from datasets.storage.episode_file import Episode

_TINT = np.array([255, 60, 40])
# How strongly the silhouette colours the picture, so that the robot is seen through it.
_STRENGTH = 0.4


def write_preview(
    folder: Path,
    episode: Episode,
    views: Mapping[str, Motion],
    cameras: Mapping[str, RigCamera],
    skeleton: Skeleton,
    times: Sequence[int],
) -> list[Path]:
    """Draws a PNG for each view: frames at some time steps, side by side.

    Args:
        folder: Where they are written.
        episode: An episode with keypoints.
        views: View to how the robot moves at the moments of its pictures.
        cameras: View to its camera.
        skeleton: The skeleton of the keypoints.
        times: The time steps.
    """
    files = []
    for view, frames in episode.images.items():
        size = frames.shape[1], frames.shape[2]
        row = []
        for time in times:
            mask = silhouette(views[view], cameras[view], time, size, size)
            frame = frames[time].astype(np.float64)
            frame[mask] = (1 - _STRENGTH) * frame[mask] + _STRENGTH * _TINT
            frame[outline(mask)] = _TINT
            points, visible = episode.keypoints[view][time], episode.visible[view][time]
            row.append(draw_skeleton(frame.astype(np.uint8), points, visible, skeleton))
        files.append(folder / f"{view}.png")
        with atomic_path(files[-1]) as temporary:
            Image.fromarray(np.concatenate(row, axis=1)).save(temporary, "PNG")
    return files

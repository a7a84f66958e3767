"""Does the robot stand in the picture where its cameras and joints say? Its silhouette tells.

The residual is a share: of the pixels on the edge of the robot's silhouette, how many lie on an
edge of the picture, or beside one. It stands beside the share that would by chance: that of all
pixels of the picture which lie on an edge or beside one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy  # loads scipy.ndimage at its first use, which help texts do not need
from jaxtyping import Bool, Float, UInt8
from PIL import Image

from datasets.kinematics.rig import CONVENTIONS, Convention, RigCamera
from datasets.kinematics.track import Motion
from datasets.storage.episode_file import Episode

# The longest side at which silhouettes are compared: each pixel costs a ray.
_SIDE = 96
# The share of a picture's pixels with the steepest change of brightness that count as its edges.
_EDGES = 0.15
# In a picture of few edges, all of them are fewer: an edge is this steep, relative to the steepest.
_LEAST_STEEP = 0.2
# Changes are measured over this many pixels, which ignores noise and the texture of wood.
_SMOOTH = 1.0
# How much better another convention must fit before it is named. On rendered Lift and Pick, the
# right one is ahead by 0.79 and more.
CLEARLY_BETTER = 0.1
# Below this score, a silhouette hardly fits. On rendered Lift and Pick, right cameras reach 0.8 and
# more, those of another convention 0.02 at most.
_FITS = 0.3


@dataclass(frozen=True)
class Residual:
    """How a silhouette fits pictures.

    Attributes:
        share: Share of the silhouette's edge that lies on edges of the pictures.
        chance: Share of all pixels that do.
        pixels: Pixels on the silhouette's edge; 0 where the robot is in no picture.
    """

    share: float
    chance: float
    pixels: int

    @property
    def score(self) -> float:
        """1 where all of the edge fits, 0 where no more than by chance or nothing is seen."""
        return (self.share - self.chance) / (1 - self.chance) if self.pixels else 0.0

    @property
    def doubt(self) -> str:
        """A clause where the robot is in the pictures but hardly fits them; else empty."""
        if not self.pixels or self.score >= _FITS:
            return ""
        return (
            "the robot's silhouette hardly fits the pictures. Look at it with --preview, and check "
            "joints, --base and cameras: poses in metres, angles, and pixels of these pictures"
        )

    def __str__(self) -> str:
        """The residual as a clause."""
        if not self.pixels:
            return "the robot is in none of the pictures that were looked at"
        return (
            f"{self.share:.0%} of the silhouette's edge lies on edges of the picture, "
            f"{self.chance:.0%} would by chance"
        )


def silhouette(
    motion: Motion, camera: RigCamera, time: int, size: tuple[int, int], shape: tuple[int, int]
) -> Bool[np.ndarray, "height width"]:
    """Which pixels show the robot at a time step.

    Args:
        motion: How the robot moves.
        camera: The camera.
        time: Time step, at which the robot is placed.
        size: Height and width of the camera's pictures.
        shape: Height and width of the result, which covers the same picture.
    """
    motion.place(time)
    robot_to_camera = motion.world_to_camera(camera, time) @ motion.base
    rotation, translation = robot_to_camera[:3, :3], robot_to_camera[:3, 3]
    rows, columns = ((np.arange(n) + 0.5) * full / n for n, full in zip(shape, size, strict=True))
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    share, _ = motion.robot.hits(-rotation.T @ translation, camera.rays(pixels) @ rotation)
    return np.isfinite(share).reshape(shape)


def outline(mask: Bool[np.ndarray, "height width"]) -> Bool[np.ndarray, "height width"]:
    """The edge of a mask; where the picture cuts it off, there is none."""
    return mask & ~scipy.ndimage.binary_erosion(mask, border_value=1)


def residual(
    episode: Episode, motion: Motion, camera: RigCamera, view: str, times: Sequence[int]
) -> Residual:
    """The residual of a view over some time steps; see the module."""
    frames = episode.images[view]
    size = frames.shape[1], frames.shape[2]
    scale = min(1.0, _SIDE / max(size))
    shape = round(size[0] * scale), round(size[1] * scale)
    on_edge = pixels = 0
    near = []
    for time in times:
        edges = _near_edges(frames[time], shape)
        edge = outline(silhouette(motion, camera, time, size, shape))
        on_edge, pixels = on_edge + int((edge & edges).sum()), pixels + int(edge.sum())
        near.append(edges.mean())
    return Residual(on_edge / max(1, pixels), float(np.mean(near)), pixels)


def best_convention(
    episode: Episode,
    views: Mapping[str, Motion],
    cameras: Mapping[str, RigCamera],
    times: Sequence[int],
) -> dict[Convention, float]:
    """The mean score of all views where the poses are read in each convention."""
    return {
        convention: float(
            np.mean(
                [
                    residual(episode, motion, cameras[view].read_as(convention), view, times).score
                    for view, motion in views.items()
                ]
            )
        )
        for convention in CONVENTIONS
    }


def _near_edges(
    frame: UInt8[np.ndarray, "height width 3"], shape: tuple[int, int]
) -> Bool[np.ndarray, "new_height new_width"]:
    small = Image.fromarray(frame).convert("L").resize(shape[::-1], Image.Resampling.BOX)
    grey: Float[np.ndarray, "height width"] = np.asarray(small, np.float64)
    steepness = scipy.ndimage.gaussian_gradient_magnitude(grey, _SMOOTH)
    least = max(np.quantile(steepness, 1 - _EDGES), _LEAST_STEEP * steepness.max())
    edges = steepness > least
    return scipy.ndimage.binary_dilation(edges, np.ones((3, 3)))

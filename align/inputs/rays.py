"""Plücker rays of calibrated cameras: for each patch the line along which its middle is seen.

A ray is six numbers in the world's frame: its unit direction d, and its moment o x d in metres,
where o is the camera's centre. The moment is the same for every point o of the line (Plücker 1865;
as an input of networks: Sitzmann et al. 2021, Light Field Networks).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from align.config import TrainConfig
from align.inputs.ray_options import require_two_views
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError
from datasets.lens import Lens


def plucker_rays(
    intrinsics: Float[np.ndarray, "3 3"],
    world_to_camera: Float[np.ndarray, "poses 4 4"],
    size: int,
    rows: int,
    cols: int,
    lens: Lens | None = None,
) -> Float[np.ndarray, "poses rows cols 6"]:
    """The rays through the middles of an image's patches.

    Args:
        intrinsics: In pixels.
        world_to_camera: Poses in metres; x right, y down, z forward.
        size: Height and width in pixels of the images that the intrinsics belong to.
        rows: Rows of patches.
        cols: Columns of patches.
        lens: The distortion of the images; none by default.

    Returns:
        Directions of length 1 and, after them, moments in metres, in the world's frame. They are
        NaN for patches at whose middle the lens shows nothing, such as bars beside the picture.
    """
    y, x = np.meshgrid(*((np.arange(n) + 0.5) * size / n for n in (rows, cols)), indexing="ij")
    in_camera = np.stack([x, y, np.ones_like(x)], axis=-1) @ np.linalg.inv(intrinsics).T
    if lens is not None:
        in_camera[..., :2] = lens.straighten(in_camera[..., :2])
    rotations, translations = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    directions = np.einsum("pij,rci->prcj", rotations, in_camera)
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    centres = -np.einsum("pij,pi->pj", rotations, translations)
    moments = np.cross(centres[:, None, None], directions)
    return np.concatenate([directions, moments], axis=-1)


def exchanged_cameras(views: Sequence[str], seed: int, episode: str) -> dict[str, str]:
    """Each view's other view, whose camera it is given: along one circle through all views.

    Args:
        views: At least two views.
        seed: Seed of the run.
        episode: Name of the episode; each has a circle of its own.
    """
    rng = np.random.default_rng([seed, *episode.encode()])
    circle = [views[place] for place in rng.permutation(len(views))]
    return dict(zip(circle, [*circle[1:], circle[0]], strict=True))


@dataclass(frozen=True)
class EpisodeRays:
    """The rays of the patches of episodes' views.

    Attributes:
        rows: Rows of patches in a frame.
        cols: Columns of patches in a frame.
        shuffled_by: Seed by which the views of each episode have each other's cameras; None where
            each has its own.
    """

    rows: int
    cols: int
    shuffled_by: int | None = None

    def of(
        self, data: EpisodeDataset, i: int, view: str, times: np.ndarray | None = None
    ) -> Float[Tensor, "time rows cols 6"]:
        """The rays of a view of episode `i` at `times`, or at all of its time steps.

        Patches at whose middle the lens shows nothing have six zeros.

        Raises:
            DataError: When the episode has no camera, or there is no other view to take it from.
        """
        times = np.arange(data.lengths[i]) if times is None else times
        camera = self._camera(data, i, view)
        intrinsics, poses = data.intrinsics(i, camera), data.world_to_camera(i, camera)
        poses = poses if len(poses) == 1 else poses[times]
        lens, size = data.lens(i, camera), data.meta.image_size
        rays = plucker_rays(intrinsics, poses, size, self.rows, self.cols, lens)
        seen = np.isfinite(rays).all(axis=-1, keepdims=True)
        if not seen.any(axis=(1, 2)).all():
            raise FormatError(
                f"{data.paths[i]}: the camera of {camera} is not finite, or its lens ({lens}) "
                "shows nothing in the whole picture. Correct it, or leave the episode out."
            )
        rays = np.where(seen, rays, 0.0)
        return torch.from_numpy(rays.astype(np.float32)).expand(len(times), -1, -1, -1)

    def _camera(self, data: EpisodeDataset, i: int, view: str) -> str:
        """The view whose camera a view is given."""
        if self.shuffled_by is None:
            return view
        # All views of the data set, so that an episode's cameras do not depend on those in use.
        require_two_views(data.meta.views, f"{data.root}")
        return exchanged_cameras(data.meta.views, self.shuffled_by, data.names[i])[view]


def rays_of(config: TrainConfig, rows: int, cols: int) -> EpisodeRays | None:
    """The rays that a run with so many patches reads; None where it reads none."""
    if not config.needs_cameras:
        return None
    return EpisodeRays(rows, cols, config.seed if config.rays == "shuffled" else None)

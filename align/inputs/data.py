"""Batches for time-contrastive training: a few episodes, all views, many moments of each.

Item i is drawn from (seed, i) alone, so batches depend neither on the number of workers nor on the
step from which a run resumes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from align.engine.loading import order_of_pass
from align.inputs.augment import augment_view, frames_to_tensor, stack_channels
from align.inputs.motion import EpisodeMotion
from align.inputs.rays import EpisodeRays
from align.inputs.sampling import BatchConfig, TimeConfig, sample_times, views_a_step
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, OptionError
from datasets.skeletons import NO_SKELETON, mirror

Batch = Mapping[str, Tensor]
ONE_FRAME = TimeConfig()


class EpisodeSamples(Dataset[dict[str, Any]]):
    """Moments of episodes, seen from several views.

    Item i belongs to pass i // len(data) over the episodes; every pass has a different order.
    """

    def __init__(
        self,
        data: EpisodeDataset,
        config: BatchConfig,
        image_size: int,
        window: int,
        length: int,
        seed: int,
        time: TimeConfig = ONE_FRAME,
        motion: EpisodeMotion | None = None,
        rays: EpisodeRays | None = None,
    ) -> None:
        """Prepares the samples.

        Args:
            data: Episodes to draw from.
            config: Numbers of views and moments, and how they are drawn.
            image_size: Height and width of the frames, in pixels.
            window: Time-contrastive window.
            length: Number of items.
            seed: Seed of all draws.
            time: The frames that are seen for each moment.
            motion: Where the views change, for a model that reads it.
            rays: The rays of the views' patches, for a model that reads them.

        Raises:
            OptionError: When more views are asked for than the data set has, or options of the
                draws do not fit each other.
        """
        self.data, self.config, self.image_size, self.window = data, config, image_size, window
        self.length, self.seed = length, seed
        self.time, self.motion, self.rays = time, motion, rays
        self.lengths = data.lengths
        self.num_views = self._videos_a_step()
        self.num_times = min(config.times, *self.lengths)
        if config.triplets and config.spread:
            raise OptionError("--batch.triplets and --batch.spread: moments are drawn in one way")
        if motion is not None and config.augment.crop:
            raise OptionError(
                "--batch.augment.crop moves the picture, so that nothing in it stands still: leave "
                "it out with --backbone.keep-patches and --pose-source motion"
            )
        if config.triplets and self.num_times % 3:
            raise OptionError(f"--batch.times must be a multiple of 3, got {self.num_times}.")

    def __len__(self) -> int:
        """Number of items."""
        return self.length

    def _videos_a_step(self) -> int:
        return views_a_step(self.config, self.data.views, self.data.root)

    def episode_of(self, item: int) -> int:
        """Position of the episode that an item is drawn from."""
        passes, place = divmod(item, len(self.data))
        return int(order_of_pass(len(self.data), self.seed, passes)[place])

    def episodes_of(self, item: int) -> list[int]:
        """Positions of all episodes that an item shows."""
        return [self.episode_of(item)]

    def __getitem__(self, item: int) -> dict[str, Any]:
        """Draws one episode's moments.

        Returns:
            `frames` (views, times, channels, size, size) uint8, where the channels of several
            frames come one after the other, `keypoints` (views, times, K, 2) float32 pixels,
            `visible` (views, times, K) bool, `times` (times,) int64, `episode` int. Data made
            elsewhere may have no keypoints; K is then 0. With `motion` also `activity` (views,
            rows, cols) float32, see `align.inputs.motion.VideoMotion`, and where that of frames is
            asked for, the `change` of each moment (views, times, kinds, cell rows, cell cols);
            with `rays` also those of each moment's own frame (views, times, rows, cols, 6) float32.
        """
        i = self.episode_of(item)
        rng = np.random.default_rng([1, self.seed, item])
        times = self._times(i, rng)
        drawn = rng.permutation(len(self.data.views))[: self.num_views]
        views = [self._view(i, self.data.views[v], times, rng) for v in drawn]
        return {**default_collate(views), "times": torch.from_numpy(times), "episode": i}

    def _times(self, i: int, rng: np.random.Generator) -> np.ndarray:
        return sample_times(self.lengths[i], self.num_times, self.window, self.config, rng)

    def _view(
        self, i: int, view: str, times: np.ndarray, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """The part of an item that belongs to one view."""
        images = self.data.images(i, view, self.time.around(times, self.lengths[i]).flatten())
        points, seen = self._keypoints(i, view, times)
        motion = self._motion(i, view, images)
        rays = {} if self.rays is None else {"rays": self.rays.of(self.data, i, view, times)}
        # Drawn only with mirroring, so that other runs keep the draws of their seed.
        if self.config.flip and rng.random() < self.config.flip:
            images, points, seen = self._mirrored(images, points, seen)
            motion = {name: values.flip(-1) for name, values in motion.items()}
            # A mirrored patch stays on the ray along which its pixels were seen.
            rays = {name: values.flip(2) for name, values in rays.items()}
        moved_images, moved = augment_view(
            frames_to_tensor(images), points, self.image_size, self.config.augment, rng
        )
        return {
            "frames": stack_channels(moved_images, self.time.frames),
            "keypoints": torch.from_numpy(moved),
            "visible": torch.from_numpy(seen),
            **motion,
            **rays,
        }

    def _motion(
        self, i: int, view: str, images: UInt8[np.ndarray, "frames height width 3"]
    ) -> dict[str, Float[Tensor, ...]]:
        """Where a view and its moments change, in rows and columns; what nothing reads is absent.

        `images` are the frames of the moments, one moment after the other.
        """
        if self.motion is None:
            return {}
        motion = self.motion.of(i, view)
        if not self.motion.by_frame:
            return {"activity": motion.activity}
        frames = frames_to_tensor(images).unflatten(0, (-1, self.time.frames))
        return {
            "activity": motion.activity,
            "change": motion.change(frames, self.time.own),
        }

    def _keypoints(
        self, i: int, view: str, times: np.ndarray
    ) -> tuple[Float[np.ndarray, "time keypoints 2"], Bool[np.ndarray, "time keypoints"]]:
        if not self.data.with_keypoints:
            return np.empty((len(times), 0, 2), np.float32), np.empty((len(times), 0), bool)
        points, seen = self.data.keypoints(i, view)[times], self.data.visible(i, view)[times]
        # Reading all values of a large data set before training would take minutes.
        if not np.isfinite(points[seen]).all():
            raise FormatError(
                f"{self.data.paths[i]}: keypoints of {view} are not finite where they are visible. "
                "Correct it, or leave the episode out."
            )
        return points, seen

    def _mirrored(
        self, images: np.ndarray, points: np.ndarray, seen: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        skeleton = self.data.skeleton if self.data.with_keypoints else NO_SKELETON
        images, points = mirror(images, points, skeleton)
        return images, points, seen[:, skeleton.mirrored]

"""Sources of the page: the episodes of a data set, or plain videos as the views of one episode.

Nothing here needs torch at import time: pictures appear before a run is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from align.labels import labels
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError
from datasets.skeletons import NO_SKELETON, Skeleton
from datasets.storage.checks import check_episode
from datasets.video import read_frames, video_shape, video_times

if TYPE_CHECKING:
    from torch import Tensor

    from align.embedder import FrameEmbedder, Reader
    from align.models.encoder import SideInputs

# Frames of a view that are shown at most, evenly spread: its distances to another one are then
# 2 million at most, which a browser draws without a pause.
MOST_FRAMES = 1500


class ViewShape(NamedTuple):
    """One view of an episode: its name, its size in pixels, and the seconds of its frames."""

    name: str
    width: int
    height: int
    times: Float[np.ndarray, " time"]


class Pose(NamedTuple):
    """Keypoints of a view as shares of its width and height, and which of them can be seen."""

    points: Float[np.ndarray, "time keypoints 2"]
    visible: Bool[np.ndarray, "time keypoints"]


class Seen(NamedTuple):
    """A network's input from a view.

    Attributes:
        read: Reads frames at growing steps of its own.
        side: What comes beside the frames, for all of these steps.
        times: Those of the steps that are shown.
        length: How many steps there are.
    """

    read: Reader
    side: SideInputs
    times: Int[np.ndarray, " time"]
    length: int


class Shown(Protocol):
    """The source of a page."""

    @property
    def title(self) -> str:
        """Name of the data set or of the videos."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the episodes."""

    @property
    def synchronised(self) -> bool:
        """Whether frames of one number show one moment in all views."""

    @property
    def skeleton(self) -> Skeleton:
        """The thing that the keypoints follow."""

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the phases; empty where there are none."""

    def views(self, i: int) -> Sequence[ViewShape]:
        """The views of episode `i`."""

    def frames(
        self, i: int, view: int, times: np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Frames of a view at growing time steps."""

    def phases(self, i: int) -> UInt8[np.ndarray, " time"] | None:
        """Phase of each time step; None where there are none."""

    def pose(self, i: int, view: int) -> Pose | None:
        """Keypoints of a view; None where there are none."""

    def embed(self, embedder: FrameEmbedder, i: int) -> Sequence[Float[Tensor, "time dim"]]:
        """Embeddings of every frame of each view, as distances are measured."""

    def inputs(self, embedder: FrameEmbedder, i: int, view: int) -> Seen:
        """A network's input from a view."""


@dataclass
class ShownEpisodes:
    """The episodes of a data set.

    Attributes:
        data: The data set.
        most: Steps of an episode that are shown at most, evenly spread. All are embedded.
    """

    data: EpisodeDataset
    most: int = MOST_FRAMES
    _steps: dict[int, Int[np.ndarray, " time"]] = field(default_factory=dict)
    synchronised: ClassVar[bool] = True

    @property
    def title(self) -> str:
        """The world and the split."""
        return f"{self.data.meta.env}, {self.data.split or 'all episodes'}"

    @property
    def names(self) -> Sequence[str]:
        """Names of the episodes."""
        return self.data.names

    @property
    def skeleton(self) -> Skeleton:
        """The thing that the keypoints follow."""
        return self.data.skeleton

    @property
    def phase_names(self) -> Sequence[str]:
        """Names of the phases."""
        return self.data.meta.phases

    def views(self, i: int) -> Sequence[ViewShape]:
        """The views of episode `i`; an unpaired video is named after its viewpoint.

        Raises:
            DataError: When the file is damaged or lacks a view.
        """
        data = self.data
        check_episode(data.paths[i], data.meta, data.views, need_keypoints=False)
        times = self.steps(i) / data.meta.control_hz
        side = data.meta.image_size
        viewpoint = data.viewpoint(i)
        names = data.views if viewpoint is None else [viewpoint]
        return [ViewShape(name, side, side, times) for name in names]

    def steps(self, i: int) -> Int[np.ndarray, " time"]:
        """The time steps of episode `i` that are shown."""
        if i not in self._steps:
            # `data.lengths` would open every episode before the first picture appears.
            length = len(self.data.phases(i))
            self._steps[i] = np.arange(0, length, -(-length // self.most))
        return self._steps[i]

    def frames(
        self, i: int, view: int, times: np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Frames of a view at some of the shown steps."""
        return self.data.images(i, self.data.views[view], self.steps(i)[times])

    def phases(self, i: int) -> UInt8[np.ndarray, " time"] | None:
        """Phase of each shown step."""
        return self.data.phases(i)[self.steps(i)]

    def pose(self, i: int, view: int) -> Pose | None:
        """Keypoints of a view; None where the episode has none."""
        if not self.data.has_keypoints(i):
            return None
        name, steps = self.data.views[view], self.steps(i)
        points = self.data.keypoints(i, name)[steps] / self.data.meta.image_size
        return Pose(points, self.data.visible(i, name)[steps])

    def embed(self, embedder: FrameEmbedder, i: int) -> Sequence[Float[Tensor, "time dim"]]:
        """Embeddings of every shown frame of each view."""
        return [z[self.steps(i)] for z in embedder.embed_episode(self.data, i).values()]

    def inputs(self, embedder: FrameEmbedder, i: int, view: int) -> Seen:
        """A network's input from a view."""
        name = self.data.views[view]
        read, side = partial(self.data.images, i, name), embedder.view_inputs(self.data, i, name)
        return Seen(read, side, self.steps(i), self.data.lengths[i])


@dataclass
class ShownVideos:
    """Plain videos, which are the views of one episode and need not be synchronised."""

    paths: Sequence[Path]
    synchronised: ClassVar[bool] = False
    skeleton: ClassVar[Skeleton] = NO_SKELETON
    phase_names: ClassVar[Sequence[str]] = ()

    @property
    def title(self) -> str:
        """Names of the videos."""
        return ", ".join(labels(self.paths))

    @property
    def names(self) -> Sequence[str]:
        """The one episode."""
        return ["videos"]

    @cached_property
    def every(self) -> Mapping[Path, int]:
        """Every how many frames of each video one is shown."""
        return {path: -(-video_shape(path).frames // MOST_FRAMES) for path in self.paths}

    @cached_property
    def _shapes(self) -> Sequence[ViewShape]:
        return list(map(self._shape, self.paths, labels(self.paths)))

    def _shape(self, path: Path, name: str) -> ViewShape:
        _, height, width, _ = video_shape(path)
        times = video_times(path)[:: self.every[path]]
        if len(times) < 2:
            raise MissingDataError(f"{path} has one frame to align: name a video of two or more.")
        return ViewShape(name, width, height, times)

    def views(self, i: int) -> Sequence[ViewShape]:
        """The videos.

        Raises:
            DataError: When one cannot be read, or has a single frame.
        """
        return self._shapes

    def frames(
        self, i: int, view: int, times: np.ndarray
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """Frames of a video at some of its shown steps."""
        path = self.paths[view]
        return read_frames(path, np.asarray(times) * self.every[path])

    def phases(self, i: int) -> None:
        """Videos have no phases."""

    def pose(self, i: int, view: int) -> None:
        """Videos have no keypoints."""

    def embed(self, embedder: FrameEmbedder, i: int) -> Sequence[Float[Tensor, "time dim"]]:
        """Embeddings of every shown frame of each video."""
        from align.videos.matching import embed_video

        return [embed_video(embedder, path, self.every[path]).embeddings for path in self.paths]

    def inputs(self, embedder: FrameEmbedder, i: int, view: int) -> Seen:
        """A network's input from a video, of which it reads the shown frames alone."""
        from align.inputs.footage import network_frames

        path = self.paths[view]
        images = network_frames(path, embedder.image_size, self.every[path])
        length = len(images)
        return Seen(images.__getitem__, embedder.video_inputs(images), np.arange(length), length)

"""A trained run as the page asks for it: matches, distances, nearest moments, attention."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import permutations
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from align.embedder import EVALUATION_BATCH, FrameEmbedder
from align.metrics.alignment import distances
from align.metrics.decoding import dtw_picks, with_motion
from align.models.pose_aware import PoseAware
from align.probe import received_attention
from align.videos.offset import estimate_offset, mutual_pairs
from align.view.progress import nearest_progress
from align.view.shown import Shown
from datasets.errors import MismatchError, MissingDataError

# The strongest attention is clipped at this percentile, so that one patch does not dim all others.
_BRIGHTEST = 99


class NoReferenceError(MissingDataError):
    """Raised when nothing else is shown that progress could be read off."""


@dataclass
class Method:
    """A run, whose model is loaded when it is first needed, and what it has embedded so far.

    Attributes:
        run: A folder made by `align.train`, a checkpoint, or `zoo:NAME`.
        shown: What the page shows.
        embedded: Embeddings of each view by the number of the episode, as far as they are known.
    """

    run: Path
    shown: Shown
    embedded: dict[int, Sequence[Tensor]] = field(default_factory=dict)
    # The server answers several requests at once; a model answers one at a time.
    _lock: RLock = field(default_factory=RLock)

    @cached_property
    def _embedder(self) -> FrameEmbedder:
        return FrameEmbedder.load(self.run)

    def embeddings(self, i: int) -> Sequence[Float[Tensor, "time dim"]]:
        """Embeddings of each view of an episode, computed once.

        Raises:
            DataError: When the run or the episode cannot be used.
            CheckpointError: When the checkpoint is missing, truncated or of another model.
        """
        with self._lock:
            if i not in self.embedded:
                self.embedded[i] = self.shown.embed(self._embedder, i)
            return self.embedded[i]

    def picks(self, i: int) -> dict[str, Any]:
        """For each pair of views the frames of the second that match those of the first.

        Returns:
            `nearest`, `motion` and `dtw`, each a table of views by views of lists of frames, empty
            on its diagonal. For videos that are not synchronised also `offsets`: a table of the
            offset in seconds, its interval, and why none fits.
        """
        z = self.embeddings(i)
        moving = [with_motion(each) for each in z]
        tables: dict[str, list[list[Any]]] = {
            name: [[[] for _ in z] for _ in z] for name in ("nearest", "motion", "dtw")
        }
        offsets: list[list[Any]] = [[None for _ in z] for _ in z]
        times = [view.times for view in self.shown.views(i)]
        for a, b in permutations(range(len(z)), 2):
            cost = distances(z[a], z[b]).numpy()
            in_motion = distances(moving[a], moving[b]).numpy()
            tables["nearest"][a][b] = cost.argmin(axis=1).tolist()
            tables["motion"][a][b] = in_motion.argmin(axis=1).tolist()
            tables["dtw"][a][b] = dtw_picks(cost[None])[0].tolist()
            if not self.shown.synchronised:
                found = estimate_offset(times[a], times[b], mutual_pairs(in_motion))
                numbers = [found.seconds, found.low, found.high] if found.fits else [None] * 3
                offsets[a][b] = [*numbers, found.problem]
        return tables if self.shown.synchronised else {**tables, "offsets": offsets}

    def distances(self, i: int, a: int, b: int) -> Float[np.ndarray, "time1 time2"]:
        """Distances between all frames of two views."""
        z = self.embeddings(i)
        return distances(z[a], z[b]).numpy()

    def near(self, i: int, j: int) -> dict[str, Any]:
        """The moments of episode `j` that are nearest to those of episode `i`, in the same view.

        Returns:
            `frames` and `distances`, a list for each view.
        """
        least = [
            distances(a, b).min(dim=1)
            for a, b in zip(self.embeddings(i), self.embeddings(j), strict=True)
        ]
        return {
            "frames": [found.indices.tolist() for found in least],
            "distances": [np.round(found.values.numpy(), 4).tolist() for found in least],
        }

    def progress_of(self, i: int, references: Sequence[int]) -> list[list[float]]:
        """Progress of each frame of each view, by the same view of reference episodes.

        Without other episodes, the references are the other views.

        Raises:
            NoReferenceError: When there is no reference.
        """
        z = self.embeddings(i)
        curves = []
        for view, frames in enumerate(z):
            others = [self.embeddings(j)[view] for j in references]
            others = others or [other for k, other in enumerate(z) if k != view]
            if not others:
                raise NoReferenceError("progress needs a second episode or view as a reference.")
            curves.append(np.round(nearest_progress(frames, others), 4).tolist())
        return curves

    def attention(self, i: int, view: int) -> Float[np.ndarray, "time rows cols"]:
        """Attention that each patch receives, 1 for an equal share, clipped where it is brightest.

        Raises:
            MismatchError: When the method is no transformer.
        """
        with self._lock:
            network = self._embedder.model.backbone
            if not isinstance(network, PoseAware):
                raise MismatchError(f"{self.run} is no transformer, and only these have attention.")
            read, side, steps, length = self.shown.inputs(self._embedder, i, view)
            device = self._embedder.model.mean.device
            maps = []
            for some in torch.from_numpy(steps).split(EVALUATION_BATCH):
                times = some.numpy()
                frames = self._embedder.frames(read, times, length).to(device)
                given = side.at(times).to(device)
                forward = partial(self._embedder.model, frames, given)
                maps.append(received_attention(network, forward, given.kept))
        weights = torch.cat(maps).numpy()
        return weights.clip(0, float(np.percentile(weights, _BRIGHTEST)))

    def patches(self, i: int, view: int) -> UInt8[np.ndarray, "time rows cols"]:
        """Which patches are pose patches: those that the method is given, or those of keypoints.

        Raises:
            MissingDataError: When there are neither.
        """
        with self._lock:
            _, side, steps, _ = self.shown.inputs(self._embedder, i, view)
            given = side.pose_map
            pose_map = self._of_keypoints(i, view) if given is None else given[steps]
        rows = round(pose_map.shape[1] ** 0.5)  # frames are square
        return pose_map.reshape(len(pose_map), rows, rows).numpy().astype(np.uint8)

    def _of_keypoints(self, i: int, view: int) -> Tensor:
        pose = self.shown.pose(i, view)
        if pose is None:
            raise MissingDataError("these frames have no keypoints, so no patch holds one.")
        points = torch.from_numpy(pose.points).float() * self._embedder.image_size
        return self._embedder.pose_map(points, torch.from_numpy(pose.visible)).any(dim=-1)

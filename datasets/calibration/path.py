"""Paths of cameras: poses at given times, and between them the camera moves evenly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy  # loads scipy.spatial at its first use, which help texts do not need
from jaxtyping import Float

from datasets.errors import MismatchError

# A time step's time is a quotient, and may lie this far beyond the last given time, in seconds.
_WITHIN = 1e-6


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where a camera is at any time from the first to the last of its poses.

    Attributes:
        source: The file and the camera in it, for messages.
        times: Seconds since the start of an episode, increasing; at least two.
        poses: World to camera at these times, in metres.
    """

    source: str
    times: Float[np.ndarray, " poses"]
    poses: Float[np.ndarray, "poses 4 4"]

    def at(self, seconds: float) -> Float[np.ndarray, "4 4"]:
        """The pose at a time: the camera moves on straight lines and turns by slerp.

        Raises:
            MismatchError: When the path does not reach that far.
        """
        first, last = self.times[[0, -1]]
        if not first - _WITHIN <= seconds <= last + _WITHIN:
            raise MismatchError(
                f"{self.source} has a path from {first:g} to {last:g} s, and an episode is at "
                f"{seconds:g} s: add poses to the path, and choose another --out if there are "
                "episodes already."
            )
        time = np.clip(seconds, first, last)
        rotation = self._turning(time).as_matrix()
        pose = np.eye(4)
        centre = [np.interp(time, self.times, column) for column in self._centres.T]
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ centre
        return pose

    @cached_property
    def _turning(self) -> scipy.spatial.transform.Slerp:
        return scipy.spatial.transform.Slerp(
            self.times, scipy.spatial.transform.Rotation.from_matrix(self.poses[:, :3, :3])
        )

    @cached_property
    def _centres(self) -> Float[np.ndarray, "poses 3"]:
        return np.linalg.inv(self.poses)[:, :3, 3]

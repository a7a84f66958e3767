"""The options of `python -m datasets.keypoints`, and the robot and cameras that they name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from datasets.bounds import Pixels
from datasets.calibration.reading import read_cameras, whole_cameras
from datasets.command import optional
from datasets.kinematics.clocks import Clocks, Synchronised, as_stored, shown, synchronised
from datasets.kinematics.recording import RecordedRobot, RecordingOptions
from datasets.kinematics.rig import Convention, RigCamera, episode_cameras
from datasets.kinematics.track import Motion, add_keypoints
from datasets.source import Source
from datasets.square import FitName
from datasets.storage.episode_file import Episode

Target = Literal["episodes", "lerobot"]


@dataclass(frozen=True, kw_only=True)
class KeypointsConfig(RecordingOptions):
    """Add the keypoints of a robot to recordings.

    Attributes:
        out: Folder of the result. It must not exist.
        to: Format of the result. episodes: this project's format, which training reads. lerobot:
            the LeRobot data set that is read, with keypoints and cameras added to its tables; its
            videos and pictures stay as they are.
        convention: What the stored poses of cameras mean.
        preview: Folder for pictures of the robot's silhouette over the first episode.
        views: Views that are kept, such as those with cameras; front=ego calls the view front ego,
            and --cameras and --offset then name ego. By default all, under their own names. With
            --to lerobot, all are kept, and these get keypoints.
        size: Height and width of the written frames, in pixels; by default their present size.
        fit: How frames that are not square become square: pad puts black bars on two sides,
            squeeze distorts.
        split: Numbers of training, validation and test episodes, such as 10,5,5; by default those
            of the source.
    """

    out: Annotated[Path | None, optional("FOLDER")] = None
    to: Target = "episodes"
    convention: Convention = "world-to-camera"
    preview: Annotated[Path | None, optional("FOLDER")] = None
    views: Annotated[tuple[str, ...], optional("VIEW[=NAME]")] = ()
    size: Annotated[Pixels | None, optional("PIXELS")] = None
    fit: FitName = "pad"
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None


class KeypointMaker(RecordedRobot):
    """Adds keypoints to the episodes of one robot."""

    def __init__(self, config: KeypointsConfig, source: Source) -> None:
        """Loads the robot and the cameras.

        Raises:
            DataError: See `RecordedRobot` and `read_cameras`.
            OptionError: When --offset cannot be read.
        """
        super().__init__(config)
        self.config, self._source = config, source
        self._rig = read_cameras(config.cameras)
        self.clocks = Clocks(config.offset, source, self._moving, self.points)

    def cameras(self, episode: Episode, name: str) -> dict[str, RigCamera]:
        """The camera of each view.

        Raises:
            DataError: When a view has none, or one that does not fit its pictures.
        """
        if self._rig:
            found = whole_cameras(self._rig, episode, name)
        else:
            found = episode_cameras(episode, name)
        return {view: camera.read_as(self.config.convention) for view, camera in found.items()}

    def synchronised(self, episode: Episode, name: str) -> Synchronised:
        """The episode on one clock; errors as of `motion` and `synchronised`."""
        motion, _ = self.motion(episode, name)
        return synchronised(episode, motion, self.clocks.late, name)

    def __call__(self, episode: Episode, name: str) -> Episode:
        """The episode with keypoints; errors as of `synchronised` and `cameras`."""
        moved = self.synchronised(episode, name)
        cameras = self.cameras(moved.episode, name)
        return add_keypoints(moved.episode, moved.motion, cameras, self.points, moved.views)

    def as_stored(self, episode: Episode, name: str) -> Episode:
        """The episode with the keypoints of its pictures as they are stored.

        With --offset, keypoints of pictures from before or after the joints are NaN and not
        visible. Errors as of `motion` and `cameras`.
        """
        motion, _ = self.motion(episode, name)
        cameras, late = self.cameras(episode, name), self.clocks.late
        made = add_keypoints(episode, motion, cameras, self.points, as_stored(motion, late))
        for view, points in made.keypoints.items():
            unknown = ~shown(late[view], len(episode))
            points[unknown], made.visible[view][unknown] = np.nan, False
        return made

    def _moving(self, i: int) -> tuple[Episode, Motion]:
        episode = self._source.sound_episode(i)
        return episode, self.motion(episode, f"{self._source.root}: {self._source.names[i]}")[0]

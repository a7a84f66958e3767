"""Clicks on the links of a robot in recordings become the cameras of its views."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from datasets.calibration.clicks import Click, require_possible
from datasets.calibration.reading import read_cameras
from datasets.calibration.refine_offset import refine_offset
from datasets.calibration.solve import Solved, Start, solve_camera
from datasets.errors import MismatchError, MissingDataError, counted
from datasets.kinematics.clocks import Clocks
from datasets.kinematics.preview import write_preview
from datasets.kinematics.recording import RecordedRobot, RecordingOptions
from datasets.kinematics.rig import RigCamera
from datasets.kinematics.silhouette import residual
from datasets.kinematics.timing import ClockOffset
from datasets.kinematics.track import Motion, add_keypoints
from datasets.source import Source
from datasets.storage.episode_file import Episode

logger = logging.getLogger(__name__)

# Frames with clicks that are looked at again with the solved cameras.
_LOOKS = 4
# Above this share, the focal length is called uncertain. A pose along the line of sight makes up
# for most of an error in it, so keypoints suffer less than this.
_UNCERTAIN = 0.1


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The camera of a view.

    Attributes:
        view: The view.
        clicks: Its clicks.
        solved: The camera, and how well they fit it.
    """

    view: str
    clicks: Sequence[Click]
    solved: Solved

    def lines(self, focal: bool) -> Iterator[str]:
        """The result as sentences.

        Args:
            focal: Whether the focal length was solved, too.
        """
        solved, kept = self.solved, self.solved.errors[~self.solved.outliers]
        frames = len({(click.episode, click.frame) for click in self.clicks})
        line = (
            f"{self.view}: {counted(len(self.clicks), 'click')} in {counted(frames, 'frame')}, "
            f"reprojection error {np.median(kept):.1f} pixels (median), {kept.max():.1f} (largest)"
        )
        length = solved.camera.intrinsics[0, 0]
        yield f"{line}, focal length {length:.1f} pixels" if focal else line
        for i in np.flatnonzero(solved.outliers):
            click = self.clicks[i]
            yield (
                f"  left out: {click.link} in frame {click.frame}, {solved.errors[i]:.1f} pixels "
                f"off ({click.place})"
            )
        if focal and solved.focal_spread > _UNCERTAIN:
            yield (
                f"  the clicks tell the focal length to ±{solved.focal_spread:.0%} only: click "
                "links nearer to the camera and farther from it"
            )


class Calibrator(RecordedRobot):
    """Finds the cameras of a data set from clicks.

    Attributes:
        source: The data set.
        focal: Whether focal lengths are solved, too.
        clocks: What is known of the clocks of cameras and joints.
        late: View to the frames by which its pictures are taken to be late.
    """

    def __init__(self, options: RecordingOptions, source: Source, focal: bool = False) -> None:
        """Loads the robot and what is known of the cameras.

        Raises:
            DataError: See `RecordedRobot` and `read_cameras`.
            OptionError: When --offset cannot be read.
            MismatchError: When offsets are to be estimated, and cannot be.
        """
        super().__init__(options)
        self.source, self.focal = source, focal
        self._known = read_cameras(options.cameras)
        self._opened = lru_cache(maxsize=4)(self._open)
        self.clocks = Clocks(options.offset, source, self.episode, self.points)
        self.late = dict(self.clocks.late)
        first = self.episode(0)[0]
        self.size = {v: (f.shape[1], f.shape[2]) for v, f in first.images.items()}

    def episode(self, i: int) -> tuple[Episode, Motion]:
        """An episode and how the robot moves in it; errors as of `motion`."""
        return self._opened(i)

    def motion_in(self, view: str, i: int, late: float | None = None) -> Motion:
        """How the robot moves in the pictures of a view, time step by time step.

        Args:
            view: The view.
            i: Position of the episode.
            late: Frames by which the pictures are late; by default those of `late`.
        """
        motion = self.episode(i)[1]
        late = self.late[view] if late is None else late
        return motion.at(np.arange(len(motion.values)) - late) if late else motion

    def start(self, view: str) -> Start:
        """The known parts of a view's camera: from --cameras, or else from the recordings.

        Raises:
            MissingDataError: When its focal length is neither known nor to be solved.
        """
        size, parts = self.size[view], self._known.get(view)
        recorded = self.episode(0)[0]
        stored = recorded.intrinsics.get(view)
        if parts is not None and parts.intrinsics is not None:
            whole = RigCamera(parts.intrinsics, np.eye(4), "", parts.lens, parts.size)
            fitted = whole.of_frames(recorded.images[view], view)
            return Start(fitted.intrinsics, parts.lens, size)
        if stored is None and not self.focal:
            raise MissingDataError(
                f"{view} has no intrinsics. Give them: --cameras {view}=camera_info.yaml; or let "
                "the focal length be solved: --focal"
            )
        known = None if stored is None else np.asarray(stored, float)
        return Start(known, recorded.lens(view), size)

    def calibrate(self, clicks: Sequence[Click]) -> list[Calibrated]:
        """The camera of each view that has clicks.

        Raises:
            UserError: When a click cannot be, or those of a view do not tell its camera; names the
                lines.
        """
        if not clicks:
            raise MissingDataError("there are no clicks. Click links in some frames of each view.")
        require_possible(clicks, self.source.views, self.source.lengths, self.places, self.size)
        views = [view for view in self.source.views if any(c.view == view for c in clicks)]
        return [self.calibrate_view(view, [c for c in clicks if c.view == view]) for view in views]

    def calibrate_view(self, view: str, clicks: Sequence[Click]) -> Calibrated:
        """The camera of one view from its clicks, which must be possible.

        Raises:
            UserError: When they do not tell the camera; names the lines.
        """
        pixels = np.array([[click.x, click.y] for click in clicks])
        poses = self.episode(clicks[0].episode)[0].world_to_camera.get(view)
        if poses is not None and poses.ndim == 3:
            raise MismatchError(
                f"the camera of {view} moves in {self.source.root}, and clicks find cameras that "
                "stand still. Leave its clicks out: the recordings hold its poses, and "
                "datasets.keypoints reads them without --cameras."
            )
        name = f"{view} ({clicks[0].place} to {clicks[-1].place.rpartition(':')[2]})"
        start = self.start(view)
        return Calibrated(
            view, clicks, solve_camera(name, self._points(clicks), pixels, start, self.focal)
        )

    def offset(self, found: Calibrated) -> ClockOffset:
        """How late the pictures of a view are, by their motion and refined by clicks."""
        by_motion = self.clocks.estimates[found.view]
        if len({(click.episode, click.frame) for click in found.clicks}) < 2:
            return by_motion
        pixels = np.array([[click.x, click.y] for click in found.clicks])
        places = partial(self._points, found.clicks)
        return refine_offset(places, pixels, found.solved, self.late[found.view], by_motion)

    def _points(
        self, clicks: Sequence[Click], late: float | None = None
    ) -> Float[np.ndarray, "clicks 3"]:
        """Where the robot's kinematics put the clicked links, in the world."""
        places, found = self.places, []
        for click in clicks:
            self.motion_in(click.view, click.episode, late).place(click.frame)
            found.append(self.robot.positions([places[click.link]])[0])
        return np.array(found) @ self.base[:3, :3].T + self.base[:3, 3]

    def _open(self, i: int) -> tuple[Episode, Motion]:
        episode = self.source.sound_episode(i)
        motion, doubts = self.motion(episode, f"{self.source.root}: {self.source.names[i]}")
        if i == 0:  # the others have the same columns
            for doubt in doubts:
                logger.warning("%s", doubt)
        return episode, motion


def looks(calibrator: Calibrator, found: Sequence[Calibrated]) -> Iterator[str]:
    """How well the silhouette fits the pictures, a sentence for each view."""
    for one in found:
        first = one.clicks[0].episode
        times = sorted({c.frame for c in one.clicks if c.episode == first})[:_LOOKS]
        episode, motion = calibrator.episode(first)[0], calibrator.motion_in(one.view, first)
        fit = residual(episode, motion, one.solved.camera, one.view, times)
        yield f"{one.view}: {fit}"
        if fit.doubt:
            logger.warning("%s: %s", one.view, fit.doubt)


def write_looks(folder: Path, calibrator: Calibrator, found: Sequence[Calibrated]) -> list[Path]:
    """Draws silhouette and keypoints over frames with clicks of the first episode that has any.

    Raises:
        OSError: When a picture cannot be written.
    """
    first = min(click.episode for one in found for click in one.clicks)
    frames = {c.frame for one in found for c in one.clicks if c.episode == first}
    episode, motion = calibrator.episode(first)
    cameras = cameras_of(found)
    views = {view: calibrator.motion_in(view, first) for view in cameras}
    seen = replace(episode, images={view: episode.images[view] for view in cameras})
    drawn = add_keypoints(seen, motion, cameras, calibrator.points, views)
    times = sorted(frames)[:_LOOKS]
    return write_preview(folder, drawn, views, cameras, calibrator.skeleton, times)


def cameras_of(found: Sequence[Calibrated]) -> Mapping[str, RigCamera]:
    """View to its camera."""
    return {one.view: one.solved.camera for one in found}

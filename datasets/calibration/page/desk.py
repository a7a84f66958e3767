"""The clicks that a person has made, and the cameras that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.calibration.calibrator import Calibrated, Calibrator, cameras_of
from datasets.calibration.clicks import Click, read_clicks, require_possible, write_clicks
from datasets.calibration.own import write_rig
from datasets.calibration.solve import LEAST_CLICKS
from datasets.errors import MissingDataError, UserError
from datasets.kinematics.portrait import portrait
from datasets.kinematics.silhouette import silhouette

# The longest side of a silhouette: each pixel costs a ray.
_OUTLINE_SIDE = 120


class Answer(NamedTuple):
    """The camera of a view, or why there is none; neither where clicks are too few."""

    solved: Calibrated | None = None
    problem: str = ""


class Desk:
    """The clicks of a person and what follows from them. Several threads may ask at once.

    Attributes:
        calibrator: The recordings.
        rig: File of the cameras.
        table: File of the clicks, written at each change.
        clicks: The clicks so far.
    """

    def __init__(self, calibrator: Calibrator, rig: Path, table: Path) -> None:
        """Reads the clicks of `table` where it exists.

        Raises:
            UserError: When a view's focal length is neither known nor to be solved, or a click of
                the table cannot be.
        """
        self.calibrator, self.rig, self.table = calibrator, rig, table
        self.clicks: list[Click] = read_clicks(table) if table.exists() else []
        self._require_possible(self.clicks)
        for view in calibrator.source.views:
            calibrator.start(view)
        self._answers: dict[str, tuple[list[Click], Answer]] = {}
        # The robot has one state, which all threads would set.
        self._lock = RLock()

    def of_view(self, view: str) -> list[Click]:
        """The clicks of a view."""
        return [click for click in self.clicks if click.view == view]

    def add(self, click: Click) -> None:
        """Adds a click and writes the table.

        Raises:
            UserError: When the click cannot be.
            OSError: When the table cannot be written.
        """
        self._require_possible([click])
        with self._lock:
            self._keep([*self.clicks, click])

    def remove(self, number: int) -> None:
        """Removes a click, counted from 0, and writes the table.

        Raises:
            MissingDataError: When there is no such click.
        """
        with self._lock:
            if not 0 <= number < len(self.clicks):
                raise MissingDataError(f"there is no click {number}. Load the page again.")
            self._keep([*self.clicks[:number], *self.clicks[number + 1 :]])

    def answer(self, view: str) -> Answer:
        """The camera that the clicks of a view tell."""
        with self._lock:
            clicks = self.of_view(view)
            if len(clicks) < LEAST_CLICKS:
                return Answer()
            if view not in self._answers or self._answers[view][0] != clicks:
                self._answers[view] = (clicks, self._solve(view, clicks))
            return self._answers[view][1]

    def links(self, view: str, episode: int, time: int) -> Float[np.ndarray, "keypoints 2"] | None:
        """Where a view's camera sees the keypoints, in pixels; None without a camera."""
        if (solved := self.answer(view).solved) is None:
            return None
        camera, calibrator = solved.solved.camera, self.calibrator
        with self._lock:
            calibrator.motion_in(view, episode).place(time)
            local = calibrator.robot.positions(calibrator.points)
        return camera.project(local, camera.pose @ calibrator.base, calibrator.size[view])[0]

    def outline(
        self, view: str, episode: int, time: int
    ) -> Bool[np.ndarray, "height width"] | None:
        """Which pixels of a small picture show the robot; None without a camera."""
        if (solved := self.answer(view).solved) is None:
            return None
        size = self.calibrator.size[view]
        scale = min(1.0, _OUTLINE_SIDE / max(size))
        shape = round(size[0] * scale), round(size[1] * scale)
        with self._lock:
            motion = self.calibrator.motion_in(view, episode)
            return silhouette(motion, solved.solved.camera, time, size, shape)

    def portrait(
        self, side: int
    ) -> tuple[UInt8[np.ndarray, "side side 4"], Float[np.ndarray, "places 2"]]:
        """The robot as it begins the first episode, and every place that has a name."""
        with self._lock:
            self.calibrator.episode(0)[1].place(0)
            return portrait(self.calibrator.robot, list(self.calibrator.places.values()), side)

    def save(self) -> tuple[list[str], list[str]]:
        """Writes the cameras that are known.

        Returns:
            The views that have one, and a sentence on how late the pictures of each are.

        Raises:
            MissingDataError: When none is known.
            OSError: When the file cannot be written.
        """
        answers = [self.answer(view).solved for view in self.calibrator.source.views]
        found: Sequence[Calibrated] = [solved for solved in answers if solved is not None]
        if not found:
            raise MissingDataError(f"no view has a camera yet. Click {LEAST_CLICKS} links in one.")
        write_rig(self.rig, cameras_of(found))
        with self._lock:
            offsets = {one.view: self.calibrator.offset(one) for one in found}
            return list(offsets), list(self.calibrator.clocks.judged(offsets))

    def _solve(self, view: str, clicks: Sequence[Click]) -> Answer:
        placed = [replace(click, place=f"click {n + 1}") for n, click in enumerate(clicks)]
        try:
            return Answer(self.calibrator.calibrate_view(view, placed))
        except UserError as error:  # more clicks may be the remedy
            return Answer(problem=str(error))

    def _keep(self, clicks: list[Click]) -> None:
        write_clicks(self.table, clicks)
        self.clicks = clicks

    def _require_possible(self, clicks: Sequence[Click]) -> None:
        source, calibrator = self.calibrator.source, self.calibrator
        require_possible(clicks, source.views, source.lengths, calibrator.places, calibrator.size)

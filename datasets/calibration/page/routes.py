"""Requests of the page, and the changes that they make.

    about.json                    views, episodes, links, files
    clicks.json                   the clicks so far
    portrait.png, portrait.json   the robot by itself, and where its links are in that picture
    episodes/E.json               frames in which the robot stands differently
    views/V/answer.json           what to click next, and the camera's errors
    views/V/E/T.jpg               frame T of episode E
    views/V/E/T/links.json        where the camera sees the keypoints
    views/V/E/T/outline.png       the robot's silhouette

V, E and T are numbers. `click`, `remove` and `save` change something and are sent as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from datasets.calibration.clicks import Click
from datasets.calibration.page.advice import ENOUGH_CLICKS, advice, spread_times
from datasets.calibration.page.desk import Desk
from datasets.errors import FormatError
from datasets.pages.content import PNG, Content, NoContentError, as_jpeg, as_json, as_picture
from datasets.storage.episode_file import EGO

# Frames of an episode that are proposed. Four tell a camera; more leave a choice.
_PROPOSED = 6
# JPEG at this quality moves no edge by a visible amount.
_QUALITY = 95
_PORTRAIT_SIDE = 190  # pixels, as wide as its place on the page
_TINT = (255, 60, 40, 110)


class ClickRoutes:
    """Answers the page's questions and does what it asks for."""

    def __init__(self, desk: Desk, then: Callable[[Sequence[str]], str]) -> None:
        """Names the paths.

        Args:
            desk: The clicks.
            then: The command that comes after saving, for the views that have cameras where
                others have none; for no names where all have.
        """
        self.desk, self._then = desk, then
        table: dict[str, Callable[..., Content]] = {
            r"about\.json": self.about,
            r"clicks\.json": self.clicks,
            r"portrait\.png": lambda: as_picture(Image.fromarray(self._portrait[0]), PNG),
            r"portrait\.json": self.places,
            r"episodes/(\d+)\.json": self.episode,
            r"views/(\d+)/answer\.json": self.camera,
            r"views/(\d+)/(\d+)/(\d+)\.jpg": self.frame,
            r"views/(\d+)/(\d+)/(\d+)/links\.json": self.links,
            r"views/(\d+)/(\d+)/(\d+)/outline\.png": self.outline,
        }
        self._patterns = [(re.compile(pattern), answer) for pattern, answer in table.items()]

    def answer(self, path: str) -> Content:
        """The content of a path.

        Raises:
            NoContentError: When the path names nothing.
            UserError: When an episode cannot be used.
        """
        for pattern, answer in self._patterns:
            if found := pattern.fullmatch(path):
                return answer(*(int(number) for number in found.groups()))
        raise NoContentError(path)

    def act(self, path: str, asked: Any) -> Content:
        """Adds or removes a click, or saves the cameras.

        Raises:
            NoContentError: When the path names nothing that can be done.
            UserError: When it cannot be done.
        """
        if path == "click":
            self.desk.add(_click(asked))
        elif path == "remove":
            self.desk.remove(_number(asked, "number"))
        elif path == "save":
            views, clocks = self.desk.save()
            partly = len(views) < len(self.desk.calibrator.source.views)
            said = {"clocks": clocks, "then": self._then(views if partly else ())}
            files = {"rig": str(self.desk.rig), "table": str(self.desk.table)}
            return as_json({"views": views} | said | files)
        else:
            raise NoContentError(path)
        return self.clicks()

    def about(self) -> Content:
        """The content that stays the same."""
        calibrator = self.desk.calibrator
        source, skeleton = calibrator.source, calibrator.skeleton
        sizes = [calibrator.size[view] for view in source.views]
        return as_json(
            {
                "title": f"{source.root.name}: {calibrator.robot.name}",
                "views": [
                    {"name": view, "width": width, "height": height}
                    for view, (height, width) in zip(source.views, sizes, strict=True)
                ],
                "start": next((v for v, view in enumerate(source.views) if view != EGO), 0),
                "episodes": [
                    {"name": name, "length": int(length)}
                    for name, length in zip(source.names, source.lengths, strict=True)
                ],
                "keypoints": list(skeleton.keypoints),
                "bones": [list(bone) for bone in skeleton.bones],
                "links": [*skeleton.keypoints, *self._others()],
                "enough": ENOUGH_CLICKS,
                "rig": str(self.desk.rig),
                "table": str(self.desk.table),
            }
        )

    def clicks(self) -> Content:
        """The clicks so far."""
        names = ("view", "episode", "frame", "link", "x", "y")
        return as_json([{name: getattr(c, name) for name in names} for c in self.desk.clicks])

    def places(self) -> Content:
        """Where every link is in the portrait, in shares of its side."""
        names, pixels = self.desk.calibrator.places, self._portrait[1]
        return as_json(dict(zip(names, _listed(pixels / _PORTRAIT_SIDE, 4), strict=True)))

    def episode(self, i: int) -> Content:
        """Frames in which the robot stands differently."""
        self._require(0, i, 0)
        motion = self.desk.calibrator.episode(i)[1]
        return as_json({"proposed": spread_times(motion.values, _PROPOSED)})

    def camera(self, v: int) -> Content:
        """The next click, and how well the clicks fit; errors are in pixels."""
        view = self._require(v, 0, 0)
        clicks, calibrator = self.desk.of_view(view), self.desk.calibrator
        found, problem = self.desk.answer(view)
        answer: dict[str, Any] = {
            "advice": advice(clicks, calibrator.size[view], found),
            "problem": problem,
            "solved": found is not None,
        }
        if found is not None:
            solved = found.solved
            answer["lines"] = list(found.lines(calibrator.focal))[:1]
            answer["errors"] = solved.errors.round(2).tolist()
            answer["outliers"] = solved.outliers.tolist()
        return as_json(answer)

    def frame(self, v: int, i: int, time: int) -> Content:
        """A frame."""
        view = self._require(v, i, time)
        return as_jpeg(self.desk.calibrator.episode(i)[0].images[view][time], _QUALITY)

    def links(self, v: int, i: int, time: int) -> Content:
        """Where the camera sees the keypoints; an empty list without one."""
        pixels = self.desk.links(self._require(v, i, time), i, time)
        return as_json([] if pixels is None else _listed(pixels, 2))

    def outline(self, v: int, i: int, time: int) -> Content:
        """The silhouette as a picture that is transparent around it."""
        mask = self.desk.outline(self._require(v, i, time), i, time)
        if mask is None:
            raise NoContentError("camera of this view yet")
        drawn = np.zeros((*mask.shape, 4), np.uint8)
        drawn[mask] = _TINT
        return as_picture(Image.fromarray(drawn), PNG)

    @cached_property
    def _portrait(
        self,
    ) -> tuple[UInt8[np.ndarray, "side side 4"], Float[np.ndarray, "places 2"]]:
        return self.desk.portrait(_PORTRAIT_SIDE)

    def _others(self) -> list[str]:
        """Origins of links that are no keypoints."""
        known = set(self.desk.calibrator.skeleton.keypoints)
        return [place for place in self.desk.calibrator.places if place not in known]

    def _require(self, v: int, i: int, time: int) -> str:
        """The name of a view, of an episode and a frame that exist."""
        source = self.desk.calibrator.source
        if v >= len(source.views) or i >= len(source) or time >= source.lengths[i]:
            raise NoContentError(f"view {v}, episode {i} or frame {time}")
        return source.views[v]


def _listed(pixels: Float[np.ndarray, "points 2"], digits: int) -> list[list[float] | None]:
    """Pixels as lists; None behind the camera."""
    seen = np.isfinite(pixels).all(axis=1)
    return [
        place.round(digits).tolist() if there else None
        for place, there in zip(pixels, seen, strict=True)
    ]


def _click(asked: Any) -> Click:
    view, link = (_text(asked, name) for name in ("view", "link"))
    episode, frame = (_number(asked, name) for name in ("episode", "frame"))
    x, y = (_number(asked, name, whole=False) for name in ("x", "y"))
    return Click(view, int(frame), link, round(x, 2), round(y, 2), int(episode), "this click")


def _text(asked: Any, name: str) -> str:
    value = asked.get(name) if isinstance(asked, Mapping) else None
    if not isinstance(value, str):
        raise FormatError(f"{name} must be a name, got {value!r}. Load the page again.")
    return value


def _number(asked: Any, name: str, whole: bool = True) -> Any:
    value = asked.get(name) if isinstance(asked, Mapping) else None
    kinds = (int,) if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise FormatError(f"{name} must be a number, got {value!r}. Load the page again.")
    return value

"""Routes of the page: paths to content, for the server and for an exported page alike.

    about.json                                       runs, episodes, skeleton, phases
    episodes/I/about.json                            views with times, phases, whether keypoints
    episodes/I/frames/V/C.bin                        JPEGs of a view's frames C·CHUNK …
    episodes/I/frame/V/T.jpg                         one of them
    episodes/I/keypoints/V.json                      shares of width and height, visibility
    runs/R/episodes/I/picks.json                     matching frames between all views
    runs/R/episodes/I/distances/V/W.bin              distances between two views
    runs/R/episodes/I/near/J.json                    nearest moments in episode J
    runs/R/episodes/I/progress.json                  a curve for each view
    runs/R/episodes/I/attention/V.bin, patches/V.bin arrays (time, rows, cols)

Episodes I, J, views V, W, runs R, chunks C and frames T are numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from align.view.packing import CHUNK, jpeg, pack_array, pack_parts, rounded
from align.view.runs import RunAbout
from align.view.shown import Shown
from datasets.pages.content import BINARY, JPEG, Content, NoContentError, as_json
from datasets.storage.episode_file import EGO

if TYPE_CHECKING:
    from align.view.method import Method

# Chunks of JPEGs that are kept: a few episodes of five views.
_KEPT_CHUNKS = 128


@dataclass
class Routes:
    """Answers the page's questions.

    Attributes:
        shown: The episodes or videos.
        runs: The runs to compare.
        start: The episode to show first.
        references: Other episodes for nearest moments and progress, at most.
        methods: The runs themselves; by default, they are opened when they are first needed.
    """

    shown: Shown
    runs: Sequence[RunAbout]
    start: int = 0
    references: int = 4
    methods: Sequence[Method] = ()
    _patterns: list[tuple[re.Pattern[str], Callable[..., Content]]] = field(init=False)

    def __post_init__(self) -> None:
        """Names the paths."""
        run = r"runs/(\d+)/episodes/(\d+)"
        table: dict[str, Callable[..., Content]] = {
            r"about\.json": self.about,
            r"episodes/(\d+)/about\.json": self.episode,
            r"episodes/(\d+)/frames/(\d+)/(\d+)\.bin": lru_cache(_KEPT_CHUNKS)(self.frames),
            r"episodes/(\d+)/frame/(\d+)/(\d+)\.jpg": self.frame,
            r"episodes/(\d+)/keypoints/(\d+)\.json": self.keypoints,
            rf"{run}/picks\.json": self.picks,
            rf"{run}/distances/(\d+)/(\d+)\.bin": self.distances,
            rf"{run}/near/(\d+)\.json": self.near,
            rf"{run}/progress\.json": self.progress,
            rf"{run}/attention/(\d+)\.bin": self.attention,
            rf"{run}/patches/(\d+)\.bin": self.patches,
        }
        self._patterns = [(re.compile(pattern), answer) for pattern, answer in table.items()]

    def answer(self, path: str) -> Content:
        """The content of a path.

        Raises:
            NoContentError: When the path names nothing.
            UserError: When a run, an episode or a video cannot be used.
        """
        for pattern, answer in self._patterns:
            if found := pattern.fullmatch(path):
                return answer(*(int(number) for number in found.groups()))
        raise NoContentError(path)

    def about(self) -> Content:
        """The content of the page."""
        # matplotlib takes a moment to import, which the server's start need not wait for.
        from align.report.style import method_colours, phase_colours
        from datasets.draw import keypoint_colours

        skeleton, phases = self.shown.skeleton, list(self.shown.phase_names)
        colours = keypoint_colours(skeleton) if len(skeleton) else []
        of_runs = method_colours(_apart([run.method for run in self.runs], self.runs))
        return as_json(
            {
                "title": self.shown.title,
                "runs": [
                    {"label": run.label, "method": run.method, "colour": colour}
                    | {"transformer": run.transformer, "patches": run.patches}
                    for run, colour in zip(self.runs, of_runs.values(), strict=True)
                ],
                "episodes": list(self.shown.names),
                "start": self.start,
                "lead": self._lead(),
                "synchronised": self.shown.synchronised,
                "keypoints": list(skeleton.keypoints),
                "bones": [list(bone) for bone in skeleton.bones],
                "colours": [f"#{bytes(colour).hex()}" for colour in colours],
                "phases": phases,
                "phaseColours": phase_colours(len(phases)),
                "chunk": CHUNK,
            }
        )

    def _lead(self) -> int:
        """The view whose frames are matched first: a third-person one, as in reports."""
        names = [view.name for view in self.shown.views(self.start)]
        return next((k for k, name in enumerate(names) if name != EGO), 0)

    def episode(self, i: int) -> Content:
        """The views of an episode."""
        self._require_episode(i)
        phases = self.shown.phases(i)
        views = [
            {"name": view.name, "width": view.width, "height": view.height}
            | {"times": rounded(view.times, 3)}
            for view in self.shown.views(i)
        ]
        return as_json(
            {
                "name": self.shown.names[i],
                "views": views,
                "phases": None if phases is None else phases.tolist(),
                "posed": self.shown.pose(i, 0) is not None,
                "references": self.references_of(i),
            }
        )

    def references_of(self, i: int) -> list[int]:
        """The episodes that follow, from the first on again after the last."""
        count = len(self.shown.names)
        return [(i + step) % count for step in range(1, min(self.references + 1, count))]

    def frames(self, i: int, view: int, chunk: int) -> Content:
        """The JPEGs of CHUNK frames."""
        length = self._length(i, view)
        times = np.arange(chunk * CHUNK, min((chunk + 1) * CHUNK, length))
        if not len(times):
            raise NoContentError(f"chunk {chunk} of {length} frames")
        return Content(BINARY, pack_parts([jpeg(f) for f in self.shown.frames(i, view, times)]))

    def frame(self, i: int, view: int, time: int) -> Content:
        """One frame."""
        if time >= self._length(i, view):
            raise NoContentError(f"frame {time}")
        return Content(JPEG, jpeg(self.shown.frames(i, view, np.array([time]))[0]))

    def keypoints(self, i: int, view: int) -> Content:
        """Keypoints of all frames."""
        self._length(i, view)
        if (pose := self.shown.pose(i, view)) is None:
            raise NoContentError("these frames have no keypoints")
        visible = pose.visible.astype(int).tolist()
        return as_json({"points": rounded(pose.points, 4), "visible": visible})

    def picks(self, run: int, i: int) -> Content:
        """Matching frames between all views."""
        return as_json(self._method(run, i).picks(i))

    def distances(self, run: int, i: int, a: int, b: int) -> Content:
        """Distances between two views."""
        self._length(i, max(a, b))
        return Content(BINARY, pack_array(self._method(run, i).distances(i, a, b)))

    def near(self, run: int, i: int, j: int) -> Content:
        """Nearest moments in another episode."""
        self._require_episode(j)
        return as_json(self._method(run, i).near(i, j))

    def progress(self, run: int, i: int) -> Content:
        """Progress of each view."""
        return as_json(self._method(run, i).progress_of(i, self.references_of(i)))

    def attention(self, run: int, i: int, view: int) -> Content:
        """Attention of all frames of a view."""
        self._length(i, view)
        return Content(BINARY, pack_array(self._method(run, i).attention(i, view)))

    def patches(self, run: int, i: int, view: int) -> Content:
        """Pose patches of all frames of a view."""
        self._length(i, view)
        return Content(BINARY, pack_array(self._method(run, i).patches(i, view)))

    @cached_property
    def _methods(self) -> Sequence[Method]:
        if self.methods:
            return self.methods
        # It needs torch, whose import takes seconds: pictures appear before.
        from align.view.method import Method

        return [Method(run.path, self.shown) for run in self.runs]

    def _method(self, run: int, i: int) -> Method:
        self._require_episode(i)
        if run >= len(self.runs):
            raise NoContentError(f"run {run}")
        return self._methods[run]

    def _require_episode(self, i: int) -> None:
        if i >= len(self.shown.names):
            raise NoContentError(f"episode {i}")

    def _length(self, i: int, view: int) -> int:
        """Time steps of a view."""
        self._require_episode(i)
        views = self.shown.views(i)
        if view >= len(views):
            raise NoContentError(f"view {view}")
        return len(views[view].times)


def _apart(methods: Sequence[str], runs: Sequence[RunAbout]) -> Sequence[str]:
    """The names that colours stand for: methods, as in reports, or runs where methods repeat."""
    return methods if len(set(methods)) == len(methods) else [str(run.path) for run in runs]

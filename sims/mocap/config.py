"""The options of `sims.generate --env mocap`, and the takes that they come to."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from datasets.clips.base import ClipInfo
from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import FORMATS
from datasets.errors import require_known
from sims.config import require_folder
from sims.errors import OptionError
from sims.mocap.layouts import Layout, Slot, get_layout
from sims.mocap.motion import ACTIONS
from sims.mocap.take import Take

SUBJECTS = 12


class PlannedTake(NamedTuple):
    """A take, and the clips that it becomes.

    Attributes:
        take: What is performed.
        facing: The azimuth that the person faces, in radians.
        clips: By camera, in the order of the layout.
    """

    take: Take
    facing: float
    clips: tuple[ClipInfo, ...]


@dataclass(frozen=True)
class MocapConfig:
    """Render human motion capture from several cameras, filed as an action data set's clips.

    Attributes:
        env: mocap; see `python -m sims.generate --help` for the robots' worlds.
        layout: The data set whose names and file formats to write.
        views: Cameras, the first so many of the layout: 3, at 0, 45 and 90 degrees, as the
            protocols want them; up to 7 for smarthome. ntu begins with the one at 45.
        subjects: People; half of them train, or all but one of nucla's. 12 by default, or all 10
            of nucla.
        repetitions: Takes of each action by each of them. ntu turns the person from one to the
            next.
        actions: Which motions; by default as many of the 15 as the layout has classes for.
        size: Height and width of the videos, in pixels.
        seed: What people, rooms, cameras and takes are drawn from.
        out: Folder of the data set; data/mocap, or data/mocap_<layout> for others than ntu.
        workers: Processes that work side by side; one per core by default.
    """

    env: Literal["mocap"] = "mocap"
    layout: Literal["ntu", "smarthome", "nucla"] = "ntu"
    views: int = 3
    subjects: int | None = None
    repetitions: int = 2
    actions: tuple[str, ...] = ()
    size: int = 224
    seed: int = 0
    out: Path | None = None
    workers: int | None = None

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        name = "mocap" if self.layout == "ntu" else f"mocap_{self.layout}"
        return Path("data", name) if self.out is None else self.out

    @property
    def plan(self) -> Layout:
        """How clips are filed."""
        return get_layout(self.layout)

    @property
    def cameras(self) -> tuple[int, ...]:
        """Numbers of the cameras."""
        return tuple(self.plan.cameras)[: self.views]

    @property
    def num_subjects(self) -> int:
        """The number of people."""
        return min(SUBJECTS, len(self.plan.subjects)) if self.subjects is None else self.subjects

    @property
    def motions(self) -> tuple[str, ...]:
        """The motions, in the order of the classes that they are filed under."""
        return self.actions or ACTIONS[: len(self.plan.classes)]

    @property
    def takes(self) -> list[PlannedTake]:
        """All takes; every action is there early on."""
        return [
            self._plan_take(Slot(label, subject, repetition))
            for repetition in range(self.repetitions)
            for subject in self.plan.subjects[: self.num_subjects]
            for label in range(len(self.motions))
        ]

    def _plan_take(self, slot: Slot) -> PlannedTake:
        # Sets of one seed in several layouts show different people.
        seed = (self.seed, tuple(FORMATS).index(self.layout))
        take = Take(seed, self.motions[slot.label], slot.subject, slot.repetition)
        clips = tuple(self.plan.clip(slot, camera, self.root) for camera in self.cameras)
        return PlannedTake(take, self.plan.facing(slot.repetition), clips)

    @property
    def command(self) -> str:
        """The command line that makes the data set."""
        options = {
            "layout": self.layout,
            "views": self.views,
            "subjects": self.num_subjects,
            "repetitions": self.repetitions,
            "size": self.size,
            "seed": self.seed,
            "out": shlex.quote(str(self.root)),
        }
        words = [f"--{name} {value}" for name, value in options.items()]
        if self.actions:
            words.append("--actions " + " ".join(self.actions))
        return f"python -m sims.generate --env mocap {' '.join(words)}"

    @property
    def meta(self) -> MocapMeta:
        """What `mocap.json` says."""
        return MocapMeta(
            self.layout,
            dict(zip(self.plan.classes, self.motions, strict=False)),
            self.views,
            self.size,
            self.seed,
            self.command,
        )

    def check(self) -> None:
        """Raises an error that names the value at fault and what is valid.

        Raises:
            OptionError: For a number out of range, an action named twice, or a file for --out.
            UnknownNameError: For an action that is none of `sims.mocap.motion.ACTIONS`.
        """
        require_folder(self.root)
        plan = self.plan
        for name, value, most in (
            ("views", self.views, len(plan.cameras)),
            ("subjects", self.num_subjects, len(plan.subjects)),
            ("repetitions", self.repetitions, plan.repetitions),
            ("actions", len(self.motions), len(plan.classes)),
        ):
            if not 1 <= value <= most:
                raise OptionError(
                    f"--{name} must lie in 1 to {most} for {self.layout}, got {value}."
                )
        for name, number, least in (("size", self.size, 16), ("seed", self.seed, 0)):
            if number < least:
                raise OptionError(f"--{name} must be at least {least}, got {number}.")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers must be at least 1, got {self.workers}.")
        for action in self.motions:
            require_known("action", action, ACTIONS)
        if len(set(self.motions)) < len(self.motions):
            raise OptionError(f"--actions names one twice: {' '.join(self.motions)}.")

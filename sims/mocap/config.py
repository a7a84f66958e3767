"""The options of `sims.generate --env mocap`, and the takes that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import tyro

from datasets.bounds import NaturalInt, Pixels, PositiveInt, Processes, Seed
from datasets.clips.base import ClipInfo
from datasets.clips.mocap import MocapMeta
from datasets.command import command_line, optional
from datasets.errors import require_known
from sims.config import SPLIT, parse_split, require_folder, split_episodes
from sims.errors import OptionError

# What takes are made with is imported by the methods that plan them: the help text of
# `sims.generate` needs the options only, and must not wait for it.
if TYPE_CHECKING:
    from sims.mocap.layouts import Layout, Slot
    from sims.mocap.take import Take

SUBJECTS = 12
# In fewer pixels a person cannot be distinguished from the room.
LEAST_SIZE = 16


class PlannedTake(NamedTuple):
    """A take and its clips.

    Attributes:
        take: The performance.
        facing: Azimuth that the person faces, in radians.
        clips: One clip for each camera, in the order of the layout.
    """

    take: Take
    facing: float
    clips: tuple[ClipInfo, ...]


@dataclass(frozen=True)
class MocapConfig:
    """Render human motion capture from several cameras as the clips of an action data set.

    Attributes:
        env: mocap; robots: see --env lift --help.
        as_: clips; episodes, for alignment: see --as episodes --help.
        layout: Data set whose names and formats are written.
        views: Number of cameras, the first ones of the layout, up to 7 of smarthome. Protocols need
            three, at 0, 45 and 90 degrees; the first camera of ntu is at 45.
        subjects: Number of people, half of them for training, or all but one of nucla; by default
            as many as 12, or nucla's 10.
        repetitions: Number of takes of each action by each person. In ntu the person turns from one
            take to the next.
        test_repetitions: The same of people for test; by default as many.
        actions: Motions of one family, or a family: athletic (captured) or everyday.
        rooms: Rooms that all takes share; by default each has its own.
        size: Height and width of the videos, in pixels.
        seed: Seed of people, rooms, cameras and takes.
        out: Folder of the data set; by default data/mocap, or data/mocap_<layout>.
        workers: Number of processes; by default one per core.
    """

    env: Literal["mocap"] = "mocap"
    as_: Annotated[Literal["clips"], tyro.conf.arg(name="as")] = "clips"
    layout: Literal["ntu", "smarthome", "nucla"] = "ntu"
    views: PositiveInt = 3
    subjects: Annotated[NaturalInt | None, optional("INT")] = None
    repetitions: PositiveInt = 2
    test_repetitions: Annotated[PositiveInt | None, optional("INT")] = None
    actions: tuple[str, ...] = ("athletic",)
    rooms: Annotated[PositiveInt | None, optional("INT")] = None
    size: Pixels = 224
    seed: Seed = 0
    out: Annotated[Path | None, optional("FOLDER")] = None
    workers: Annotated[Processes | None, optional("INT")] = None

    @property
    def root(self) -> Path:
        """Folder of the data set."""
        name = "mocap" if self.layout == "ntu" else f"mocap_{self.layout}"
        return Path("data", name) if self.out is None else self.out

    @property
    def plan(self) -> Layout:
        """Layout of the clips on disk."""
        from sims.mocap.layouts import get_layout

        return get_layout(self.layout)

    @property
    def cameras(self) -> tuple[int, ...]:
        """Numbers of the cameras."""
        return tuple(self.plan.cameras)[: self.views]

    @property
    def num_subjects(self) -> int:
        """Number of people."""
        return min(SUBJECTS, len(self.plan.subjects)) if self.subjects is None else self.subjects

    @property
    def motions(self) -> tuple[str, ...]:
        """Names of the motions, in the order of their classes."""
        expanded = _expanded(self.actions)
        return self.actions if expanded == self.actions else expanded[: len(self.plan.classes)]

    @property
    def takes(self) -> list[PlannedTake]:
        """All takes, in an order in which the first ones show every action."""
        from sims.mocap.layouts import Slot

        return [
            self._plan_take(Slot(label, subject, repetition))
            for repetition in range(self.repetitions)
            for subject in self.plan.subjects[: self.num_subjects]
            if repetition < self._repetitions_of(subject)
            for label in range(len(self.motions))
        ]

    def _repetitions_of(self, subject: int) -> int:
        if self.test_repetitions is None or subject in self.plan.learners:
            return self.repetitions
        return self.test_repetitions

    def _plan_take(self, slot: Slot) -> PlannedTake:
        from datasets.clips.sets import FORMATS
        from sims.mocap.take import Take

        # The layout is part of the seed, so that data sets in two layouts show different people.
        seed = (self.seed, tuple(FORMATS).index(self.layout))
        action = self.motions[slot.label]
        take = Take(seed, action, slot.subject, slot.repetition, self.rooms)
        clips = tuple(self.plan.clip(slot, camera, self.root) for camera in self.cameras)
        return PlannedTake(take, self.plan.facing(slot.repetition), clips)

    @property
    def command(self) -> str:
        """Command line that makes the data set."""
        options = {
            "layout": self.layout,
            "views": self.views,
            "subjects": self.num_subjects,
            "repetitions": self.repetitions,
            "test-repetitions": self.test_repetitions,
            "rooms": self.rooms,
            "size": self.size,
            "seed": self.seed,
            "out": self.root,
        }
        given = {name: value for name, value in options.items() if value is not None}
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        words += ["--actions", *self.actions]
        return command_line("sims.generate", ["--env", self.env, *words])

    @property
    def meta(self) -> MocapMeta:
        """Description of the data set for its `mocap.json`."""
        return MocapMeta(
            self.layout,
            dict(zip(self.plan.classes, self.motions, strict=False)),
            self.views,
            self.size,
            self.seed,
            self.command,
            self.rooms,
        )

    def check(self) -> None:
        """Raise an error that names the invalid value and valid ones.

        Raises:
            OptionError: For a number out of range, an action named twice, actions of two families,
                or a file for --out.
            UnknownNameError: For an action that is in no family of `sims.mocap.families`.
        """
        require_folder(self.root)
        plan = self.plan
        for name, value, most in (
            ("views", self.views, len(plan.cameras)),
            ("subjects", self.num_subjects, len(plan.subjects)),
            ("repetitions", self.repetitions, plan.repetitions),
            ("test-repetitions", self.test_repetitions or 1, self.repetitions),
            ("actions", len(self.motions), len(plan.classes)),
        ):
            if not 1 <= value <= most:
                raise OptionError(
                    f"--{name} must be from 1 to {most} for {self.layout}, got {value}."
                )
        for name, number, least in (
            ("size", self.size, LEAST_SIZE),
            ("seed", self.seed, 0),
            ("rooms", 1 if self.rooms is None else self.rooms, 1),
        ):
            if number < least:
                raise OptionError(f"--{name} must be at least {least}, got {number}.")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"--workers must be at least 1, got {self.workers}.")
        require_motions(self.motions)


def require_motions(motions: Sequence[str]) -> None:
    """Raise an error that names an action that is unknown, named twice or of another family."""
    from sims.mocap.families import FAMILIES, family_of

    known = [name for names in FAMILIES.values() for name in names]
    for action in motions:
        require_known("action", action, (*known, *FAMILIES))
    if mixed := set(motions) & set(FAMILIES):
        raise OptionError(f"--actions names a family beside others: give {min(mixed)} alone.")
    if len(set(motions)) < len(motions):
        raise OptionError(f"--actions has a name twice: {' '.join(motions)}.")
    if len(families := {family_of(action) for action in motions}) > 1:
        raise OptionError(
            f"--actions has names of {' and '.join(sorted(families))} actions. Their rooms "
            "differ, so that a room would tell the class: make a data set of each."
        )


def _expanded(actions: tuple[str, ...]) -> tuple[str, ...]:
    """The actions of a family that is named alone; others as they are."""
    from sims.mocap.families import FAMILIES

    return FAMILIES.get(actions[0], actions) if len(actions) == 1 else actions


class Performance(NamedTuple):
    """Who does what in an episode.

    Attributes:
        action: Index of the motion among those of the data set.
        subject: Number of the person, from 1.
        repetition: Number of the person's earlier takes of this motion.
    """

    action: int
    subject: int
    repetition: int


@dataclass(frozen=True)
class MocapEpisodesConfig:
    """Render human motion capture as multi-view episodes, for alignment.

    A first-person camera is on the head; third-person cameras stand all around. Keypoints are the
    25 joints of NTU. The phase of an episode's frames is its action.

    Attributes:
        env: mocap; the robots' worlds have other options (see --env lift --help).
        as_: episodes; clips, for recognition, have other options (see --env mocap --help).
        views: Number of third-person views, in addition to the first-person view `ego`.
        subjects: Number of people.
        repetitions: Number of takes of each action by each person. A data set can grow by it.
        actions: Motions of one family, or a family: athletic (captured) or everyday.
        split: Shares of people for train, valid and test; they are counts when they sum to
            --subjects. By default 4,1,1.
        size: Height and width of the pictures, in pixels.
        seed: Seed of all random draws: people, rooms, cameras and takes.
        out: Folder of the data set; by default data/mocap_episodes.
        workers: Number of processes; by default one per core.
    """

    env: Literal["mocap"] = "mocap"
    as_: Annotated[Literal["episodes"], tyro.conf.arg(name="as")] = "episodes"
    views: PositiveInt = 4
    subjects: PositiveInt = SUBJECTS
    repetitions: PositiveInt = 1
    actions: tuple[str, ...] = ("athletic",)
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None
    size: Pixels = 224
    seed: Seed = 0
    out: Annotated[Path | None, optional("FOLDER")] = None
    workers: Annotated[Processes | None, optional("INT")] = None

    @property
    def root(self) -> Path:
        """Folder of the data set."""
        return Path("data", "mocap_episodes") if self.out is None else self.out

    @property
    def motions(self) -> tuple[str, ...]:
        """Names of the motions."""
        return _expanded(self.actions)

    @property
    def num_episodes(self) -> int:
        """Number of episodes of the whole data set."""
        return self.repetitions * self.subjects * len(self.motions)

    def place(self, index: int) -> Performance:
        """Who does what in an episode; further repetitions follow after all others."""
        rest, action = divmod(index, len(self.motions))
        repetition, subject = divmod(rest, self.subjects)
        return Performance(action, subject + 1, repetition)

    @property
    def split_of_people(self) -> dict[str, list[int]]:
        """Numbers of the people of each split."""
        dealt = split_episodes(self.subjects, parse_split(self.split or SPLIT))
        return {name: [person + 1 for person in people] for name, people in dealt.items()}

    def deal(self, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Which of these episodes are in each split: those of its people."""
        return {
            name: [number for number in numbers if self.place(number).subject in people]
            for name, people in self.split_of_people.items()
        }

    @property
    def parts(self) -> dict[str, list[int]]:
        """Numbers of the episodes of each split."""
        return self.deal(range(self.num_episodes))

    @property
    def command(self) -> str:
        """Command line that makes the data set."""
        options = {
            "env": self.env,
            "as": self.as_,
            "views": self.views,
            "subjects": self.subjects,
            "repetitions": self.repetitions,
            "split": self.split or SPLIT,
            "size": self.size,
            "seed": self.seed,
            "out": self.root,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        words += ["--actions", *self.actions]
        return command_line("sims.generate", words)

    def check(self) -> None:
        """Raise an error that names the invalid value and valid ones.

        Raises:
            OptionError: For a number out of range, an action named twice, or a file for --out.
            UnknownNameError: For an action that is in no family of `sims.mocap.families`.
        """
        require_folder(self.root)
        for name in ("views", "subjects", "repetitions"):
            if (value := getattr(self, name)) < 1:
                raise OptionError(f"--{name} must be at least 1, got {value}.")
        if self.size < LEAST_SIZE:
            raise OptionError(f"--size must be at least {LEAST_SIZE}, got {self.size}.")
        parse_split(self.split or SPLIT)
        require_motions(self.motions)

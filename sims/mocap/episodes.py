"""People as multi-view episodes, for alignment: `sims.generate --env mocap --as episodes`.

Each take of a motion is one episode, whose frames all have the motion as their phase. All episodes
of a person are in one split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from shlex import quote

import h5py
import numpy as np

from datasets.clips.sets import FORMATS
from datasets.command import command
from datasets.episodes import EpisodeWriter
from datasets.errors import counted, length_range
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from sims.arguments import view_names
from sims.bullet.client import BulletClient
from sims.mocap.config import MocapEpisodesConfig
from sims.mocap.families import number_of
from sims.mocap.filming import SKELETON, Film, film
from sims.mocap.motion import FPS
from sims.mocap.take import Take
from sims.production.run import RESUME, make_missing, progress, require_same_split, versions

ROBOMIMIC_GYM_TYPE = 2  # robomimic.envs.env_base.EnvType.GYM_TYPE
# Takes of episodes have other people than those of clips, whose layouts have the numbers before.
STREAM = len(FORMATS)


@dataclass(frozen=True)
class MocapEpisodes:
    """A data set of people's episodes, which workers make.

    Attributes:
        root: Folder of the data set.
        meta: Description of the data set.
        config: Options of the data set.
    """

    root: Path
    meta: DatasetMeta
    config: MocapEpisodesConfig

    def take(self, index: int) -> Take:
        """The take of an episode."""
        place = self.config.place(index)
        motion = self.config.motions[place.action]
        return Take((self.config.seed, STREAM), motion, place.subject, place.repetition)

    def seed(self, index: int) -> int:
        """The number that an episode stores for its take."""
        take = self.take(index)
        parts = [*take.seed, take.subject, number_of(take.action), take.repetition]
        return int(np.random.SeedSequence(parts).generate_state(1)[0])

    def make(self, index: int) -> None:
        """Renders and writes one episode."""
        config = self.config
        person, room = process_clients()
        shot = Film(person, room, self.take(index), config.views, config.size)
        episode = film(shot, config.place(index).action, self.seed(index))
        EpisodeWriter(self.root, self.meta).write(index, episode)

    def done(self) -> set[int]:
        """The episodes that are on disk."""
        return EpisodeWriter(self.root, self.meta).done()

    def stranger(self, index: int, file: h5py.File) -> str | None:
        """Why an undamaged file is not the episode of its name; None when it is."""
        seed = int(file.attrs["seed"])
        return None if seed == self.seed(index) else f"its seed is {seed}"


@lru_cache(maxsize=1)
def process_clients() -> tuple[BulletClient, BulletClient]:
    """The two simulations of this process, of a person and of the room around it."""
    return BulletClient("tiny"), BulletClient("tiny")


def describe(config: MocapEpisodesConfig) -> DatasetMeta:
    """The description of the data set for its `meta.json`."""
    return DatasetMeta(
        env=config.env,
        views=list(view_names(config.views)),
        skeleton=SKELETON.name,
        image_size=config.size,
        seed=config.seed,
        phases=list(config.motions),
        control_hz=float(FPS),
        env_args={
            "env_name": config.env,
            "type": ROBOMIMIC_GYM_TYPE,
            "env_kwargs": {"subjects": config.subjects},
        },
        versions=versions(),
        command=config.command,
        random_cameras=True,  # every room has its own
    )


def generate_episodes(config: MocapEpisodesConfig) -> Path:
    """Makes the episodes that are not on disk yet, then the index.

    Returns:
        The index file.

    Raises:
        OptionError: When an option has an invalid value.
        UnknownNameError: For an unknown action.
        DataError: When the folder holds a data set made with other options.
        SimulatorError: When PyBullet is missing.
        ProductionError: When workers are killed again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    root = config.root.absolute()
    meta = describe(config)
    require_same_split(root, meta, config.deal)
    job = MocapEpisodes(root, meta, config)
    writer = make_missing(job, range(config.num_episodes), config.workers)
    return writer.write_index(config.parts)


def summarize_episodes(config: MocapEpisodesConfig) -> str:
    """Describes the episodes on disk, and names the next commands."""
    lengths = [_length(config.root, index) for index in range(config.num_episodes)]
    folder = quote(str(config.root))
    return (
        f"{config.root}: {counted(len(lengths), 'episode')} of "
        f"{counted(len(config.motions), 'action')} by {config.subjects} people, "
        f"{length_range(lengths, 'frames')}, {_people(config)}.\n"
        f"Look at it:  python -m datasets.info {folder}\n"
        f"Train on it: python -m align.train --method paat --data {folder}"
    )


def _length(root: Path, index: int) -> int:
    meta = DatasetMeta.load(root)
    with open_episode(EpisodeWriter(root, meta).path(index)) as file:
        return int(file.attrs["num_samples"])


def _people(config: MocapEpisodesConfig) -> str:
    people = config.split_of_people
    parts = [
        f"{name} {len(config.parts[name])} of people {_numbers(who)}"
        for name, who in people.items()
        if who
    ]
    return ", ".join(parts)


def _numbers(people: Sequence[int]) -> str:
    first, last = people[0], people[-1]
    return str(first) if first == last else f"{first} to {last}"


def run(config: MocapEpisodesConfig) -> None:
    """Makes a data set as the command `sims.generate --env mocap --as episodes` does."""

    def progress_so_far() -> str:
        return progress(config.root, range(config.num_episodes))

    with command(resume=lambda: f"{config.root}: {progress_so_far()} {RESUME}"):
        generate_episodes(config)
        print(summarize_episodes(config))

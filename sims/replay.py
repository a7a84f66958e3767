"""Render recorded robosuite demonstrations as multi-view episodes with keypoints.

Examples:
    python -m sims.replay --demos lift_mh.hdf5 --views 4
    python -m sims.replay --demos can/ph/low_dim_v141.hdf5 --episodes 20 --out data/can_ph

It reads robomimic's HDF5 files, with or without pictures, and files that robosuite collected and
robomimic's convert_robosuite converted. The model and states of each episode are restored; its
actions are not repeated. So nothing drifts, and files of robosuite 1.4 work under robosuite 1.5.

It can be stopped with Ctrl-C, or killed, at any time: the same command resumes.

Phases are derived from the states, see `sims.robosuite.restore`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np

from datasets.bounds import NaturalInt, Pixels, Processes
from datasets.command import command, command_line, optional, parse
from datasets.episodes import EpisodeWriter
from datasets.errors import FormatError, MismatchError, MissingDataError, OptionError
from datasets.presets import usual_views
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from sims.config import SPLIT, Cluster, parse_split, require_folder, split_episodes
from sims.production.run import RESUME, make_missing, progress, require_same_split, versions
from sims.registry import make
from sims.robosuite.can import CanEnv
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.env import RobosuiteEnv
from sims.robosuite.lift import LiftEnv
from sims.robosuite.restore import Replay, opened, require_restorable

# robosuite's name of a task to the name of its environment.
WORLDS = {env.task: env.name for env in (LiftEnv, CanEnv)}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ReplayConfig:
    """Render recorded demonstrations as multi-view episodes.

    Attributes:
        demos: robomimic's HDF5 file.
        views: Number of third-person views, in addition to the first-person view `ego`; by default
            that of the environment.
        episodes: Number of demonstrations to render, the first ones; by default all.
        size: Height and width of the images, in pixels.
        out: Folder of the data set; by default data/<name of the file>.
        workers: Number of processes; by default one per core.
        cluster: Machines that the processes run on. local: this one; ray: the Ray cluster that
            RAY_ADDRESS names. The machines must share --demos and --out.
        split: Shares of train, valid and test; they are counts when they sum to the number of
            episodes. By default the file's own masks train, valid and test, or 4,1,1 if it has
            none.
    """

    demos: Path
    views: Annotated[NaturalInt | None, optional("INT")] = None
    episodes: Annotated[NaturalInt | None, optional("INT")] = None
    size: Pixels = 224
    out: Annotated[Path | None, optional("FOLDER")] = None
    workers: Annotated[Processes | None, optional("INT")] = None
    cluster: Cluster = "local"
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None

    @property
    def root(self) -> Path:
        """Folder of the data set."""
        return Path("data") / self.demos.stem if self.out is None else self.out

    @property
    def command(self) -> str:
        """Command line that makes this data set."""
        options: dict[str, object] = {"demos": self.demos, "size": self.size, "out": self.root}
        for name in ("views", "episodes", "split"):
            if (value := getattr(self, name)) is not None:
                options[name] = value
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return command_line("sims.replay", words)

    def check(self) -> None:
        """Raise an OptionError that names the invalid value and valid ones."""
        require_folder(self.root)
        for name in ("views", "episodes", "size", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name} must be at least 1, got {value}.")
        if self.split is not None:
            parse_split(self.split)

    def parts(self, file: DemonstrationFile) -> dict[str, list[int]]:
        """Return the numbers of the demonstrations of each split."""
        return self.deal(file, list(file.names)[: self.episodes])

    def deal(self, file: DemonstrationFile, numbers: Sequence[int]) -> dict[str, list[int]]:
        """Return which of these demonstrations are in each split."""
        if self.split is None and file.splits is not None:
            taken = set(numbers)
            return {
                name: [n for n in members if n in taken] for name, members in file.splits.items()
            }
        dealt = split_episodes(len(numbers), parse_split(self.split or SPLIT))
        return {name: [numbers[i] for i in members] for name, members in dealt.items()}


def describe(config: ReplayConfig, file: DemonstrationFile) -> DatasetMeta:
    """Return the description of the data set for its `meta.json`.

    The model of the first demonstration is loaded, so that errors appear before any work.

    Raises:
        DataError: When the task is unknown or the model cannot be loaded.
        SimulatorError: When robosuite or the graphics driver is missing.
    """
    task = file.env_args["env_name"]
    if task not in WORLDS:
        raise FormatError(
            f"{file.path} is of robosuite's {task}; only {', '.join(WORLDS)} can be replayed."
        )
    name = WORLDS[task]
    views = usual_views(name) if config.views is None else config.views
    env = make(name, views=views, size=config.size)
    assert isinstance(env, RobosuiteEnv)
    try:
        _compare_versions(file, env)
        number, first = next(iter(file.names.items()))
        require_restorable(env, file.read(number), f"{file.path}: {first}")
        return DatasetMeta(
            env=name,
            views=list(env.views),
            skeleton=env.skeleton.name,
            image_size=config.size,
            seed=0,
            phases=list(env.phases),
            control_hz=file.control_hz or env.control_hz,
            env_args=file.env_args,
            versions=versions(),
            command=config.command,
        )
    finally:
        env.close()


def _compare_versions(file: DemonstrationFile, env: RobosuiteEnv) -> None:
    recorded, installed = file.env_version, env.env_args()["env_version"]
    if recorded != installed:
        log.warning(
            "%s was recorded with robosuite %s, but %s is installed. States are restored exactly; "
            "textures, meshes, and observations and rewards that the file lacks, are those of %s.",
            file.path,
            recorded or "of an unknown version",
            installed,
            installed,
        )


def replay(config: ReplayConfig) -> Path:
    """Render the demonstrations that are not on disk yet, then write the index.

    Returns:
        The index file.

    Raises:
        OptionError: When an option has an invalid value.
        DataError: When the file cannot be replayed, or the folder holds another data set.
        SimulatorError: When robosuite or the graphics driver is missing.
        ProductionError: When workers are killed again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    # Workers of a cluster may have another current folder.
    demos, root = config.demos.absolute(), config.root.absolute()
    file = opened(demos)
    parts = config.parts(file)
    numbers = sorted(number for members in parts.values() for number in members)
    if not numbers:
        raise MissingDataError(
            f"{config.demos}: none of its first demonstrations are in its masks."
        )
    if repeated := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise MismatchError(
            f"{config.demos}: its masks train, valid and test share {repeated[:5]}. "
            "Choose another split: --split 4,1,1"
        )
    for number in numbers:
        if not np.isfinite(file.states(number)).all():
            raise FormatError(
                f"{config.demos}: the states of {file.names[number]} are not all finite numbers. "
                "Remove it from the file, or from its masks."
            )
    meta = describe(config, file)
    require_same_split(root, meta, lambda stored: config.deal(file, stored))
    writer = make_missing(Replay(root, meta, demos), numbers, config.workers, config.cluster)
    return writer.write_index(parts)


def summarize(config: ReplayConfig) -> str:
    """Describe the episodes on disk, and name the next commands."""
    file = opened(config.demos.absolute())
    parts = config.parts(file)
    writer = EpisodeWriter(config.root, DatasetMeta.load(config.root))
    lengths, solved = [], 0
    for members in parts.values():
        for number in members:
            with open_episode(writer.path(number)) as episode:
                lengths.append(int(episode.attrs["num_samples"]))
                solved += bool(episode.attrs["success"])
    left_out = len(list(file.names)[: config.episodes]) - len(lengths)
    masks = f"; {left_out} are in no mask and left out" if left_out else ""
    return (
        f"{config.root}: {len(lengths)} demonstrations, {solved} of them solved, "
        f"{min(lengths)} to {max(lengths)} steps (median {int(np.median(lengths))}), "
        f"{', '.join(f'{name} {len(members)}' for name, members in parts.items())}{masks}.\n"
        f"Look at it:  python -m datasets.info {config.root}\n"
        f"Train on it: python -m align.train --method paab --data {config.root}"
        + ("" if parts["test"] else "\nThe masks have no test split; to get one: --split 4,1,1")
    )


def _progress(config: ReplayConfig) -> str:
    parts = config.parts(opened(config.demos.absolute()))
    return progress(config.root, [number for members in parts.values() for number in members])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    config = parse(ReplayConfig, "python -m sims.replay", arguments, description=__doc__)
    with command(resume=lambda: f"{config.root}: {_progress(config)} {RESUME}"):
        replay(config)
        print(summarize(config))


if __name__ == "__main__":
    main()

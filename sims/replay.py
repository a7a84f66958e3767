"""Render recorded demonstrations of robosuite and MimicGen as multi-view episodes with keypoints.

Examples:
    python -m sims.replay --demos lift_mh.hdf5 --views 4
    python -m sims.replay --demos can/ph/low_dim_v141.hdf5 --episodes 20 --out data/can_ph
    python -m sims.replay --demos square_d0.hdf5 --camera front=front.json   (your own camera)

It reads robomimic's HDF5 files, with or without pictures, and files that robosuite collected and
robomimic's convert_robosuite converted. The model and states of each episode are restored; its
actions are not repeated. So nothing drifts, and files of robosuite 1.4 work under robosuite 1.5.

It can be stopped with Ctrl-C, or killed, at any time: the same command resumes.

Lift and Can are restored into robosuite's own environments. All other tasks, and other robots, need
nothing but the model in the file and the meshes that it names, see `sims.robosuite.recorded`.

Phases are derived from the states, see `sims.robosuite.restore`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Annotated

from datasets.bounds import NaturalInt, Pixels, Processes
from datasets.command import command, command_line, optional, parse
from datasets.episodes import EpisodeWriter
from datasets.errors import (
    MismatchError,
    MissingDataError,
    OptionError,
    counted,
    length_range,
)
from datasets.presets import usual_views
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from sims.config import SPLIT, Cluster, parse_split, require_folder, split_episodes
from sims.given_cameras import GivenCameras, moving_rig, read_additional, warn_of_blind_views
from sims.production.run import RESUME, make_missing, progress, require_same_split, versions
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.restore import Replay, require_restorable
from sims.robosuite.worlds import make_world, opened, world_name

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
        camera: Your own cameras, each NAME=FILE: a rig as JSON, or any file that
            `datasets.keypoints --cameras` reads. Each is one more view, or replaces that of its
            name, such as view_0. It stands still, or moves on a path in its file.
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
    camera: tuple[str, ...] = ()
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
        words += ["--camera", *self.camera] if self.camera else []
        return command_line("sims.replay", words)

    @cached_property
    def cameras(self) -> GivenCameras | None:
        """The cameras of --camera; errors as of `sims.given_cameras.read_additional`."""
        return read_additional(self.camera, self.size) if self.camera else None

    def own_views(self, file: DemonstrationFile) -> int:
        """Number of third-person views of the world's own."""
        return usual_views(world_name(file)) if self.views is None else self.views

    def check(self) -> None:
        """Raise an OptionError that names the invalid value and valid ones."""
        require_folder(self.root)
        for name in ("views", "episodes", "size", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name} must be at least 1, got {value}.")
        if self.split is not None:
            parse_split(self.split)
        _ = self.cameras  # raises before any work

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
        DataError: When the model cannot be loaded.
        SimulatorError: When robosuite or the graphics driver is missing.
    """
    env = make_world(file, config.own_views(file), config.size, config.cameras)
    try:
        _compare_versions(file)
        number, first = next(iter(file.names.items()))
        demo = file.read(number)
        require_restorable(env, demo, f"{file.path}: {first}")
        env.set_state(demo.states[0])
        if config.cameras is not None:
            warn_of_blind_views(env, config.cameras, "--camera", "demonstration")
        return DatasetMeta(
            env=env.name,
            views=list(env.views),
            skeleton=env.skeleton.name,
            image_size=config.size,
            seed=0,
            phases=list(env.phases),
            control_hz=file.control_hz or env.control_hz,
            env_args=file.env_args,
            versions=versions(),
            command=config.command,
            moving_cameras=moving_rig(config.cameras) is not None,
            rig="" if config.cameras is None else config.cameras.digest,
        )
    finally:
        env.close()


def _compare_versions(file: DemonstrationFile) -> None:
    recorded, installed = file.env_version, versions().get("robosuite")
    if recorded != installed:
        log.warning(
            "%s was recorded with robosuite %s, but %s is installed. States are restored exactly; "
            "textures, meshes, and observations and rewards that the file lacks, are those of %s.",
            file.path,
            recorded or "of an unknown version",
            installed or "not there",
            installed or "this machine",
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
    lengths = [len(file.read(number).states) for number in numbers]  # raises before any work
    meta = describe(config, file)
    _require_long_paths(config, lengths, meta.control_hz)
    require_same_split(root, meta, lambda stored: config.deal(file, stored))
    job = Replay(root, meta, demos, config.own_views(file), config.cameras)
    writer = make_missing(job, numbers, config.workers, config.cluster)
    return writer.write_index(parts)


def _require_long_paths(config: ReplayConfig, lengths: Sequence[int], hz: float) -> None:
    if config.cameras is not None:
        config.cameras.at((max(lengths) - 1) / hz)  # raises when a path ends before


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
        f"{config.root}: {counted(len(lengths), 'demonstration')}, {solved} of them solved, "
        f"{length_range(lengths, 'steps')}, "
        f"{', '.join(f'{name} {len(members)}' for name, members in parts.items())}{masks}.\n"
        f"Look at it:  python -m datasets.info {quote(str(config.root))}\n"
        f"Train on it: python -m align.train --method paab --data {quote(str(config.root))}"
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

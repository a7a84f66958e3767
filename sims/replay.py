"""Renders recorded robosuite demonstrations as multi-view episodes with keypoints.

Examples:
    python -m sims.replay --demos lift_mh.hdf5 --views 4
    python -m sims.replay --demos can/ph/low_dim_v141.hdf5 --episodes 20 --out data/can_ph

Takes robomimic's HDF5 files, low-dimensional or with pictures, and what robosuite has collected
after robomimic's convert_robosuite. Each episode's model and states are restored, not its actions
repeated: nothing drifts, and files of robosuite 1.4 work under robosuite 1.5.

It can be stopped with Ctrl-C, or killed, at any time: the same command goes on where it stopped.

Phases are told by the states, see `sims.robosuite.restore`.
"""

from __future__ import annotations

import logging
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from datasets.episodes import EpisodeWriter
from datasets.errors import DataError
from datasets.presets import usual_views
from datasets.storage.checks import open_episode
from datasets.storage.meta import DatasetMeta
from sims.config import SPLIT, Cluster, parse_split, require_folder, split_episodes
from sims.errors import OptionError
from sims.production.run import ending_in_words, make_missing, progress, talk, versions
from sims.registry import make
from sims.robosuite.can import CanEnv
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.env import RobosuiteEnv
from sims.robosuite.lift import LiftEnv
from sims.robosuite.restore import Replay, opened, require_restorable

# robosuite's name of a task to our environment.
WORLDS = {env.task: env.name for env in (LiftEnv, CanEnv)}

log = logging.getLogger("sims.replay")  # __name__ is __main__ where this is the command


@dataclass(frozen=True)
class ReplayConfig:
    """Render recorded demonstrations as multi-view episodes.

    Attributes:
        demos: robomimic's HDF5 file.
        views: Number of third-person views, besides the first-person view `ego`; by default the
            environment's own.
        episodes: Take only the first so many; all by default.
        size: Height and width of the images, in pixels.
        out: Folder of the data set; data/<name of the file> by default.
        workers: Processes that work side by side; one per core by default.
        cluster: Where the workers are: processes of this machine, or of the Ray cluster that
            RAY_ADDRESS names. The machines must share --demos and --out.
        split: Shares of train, valid and test; counts when they sum to the number of episodes. By
            default the file's own masks train, valid and test; 4,1,1 where it has none.
    """

    demos: Path
    views: int | None = None
    episodes: int | None = None
    size: int = 224
    out: Path | None = None
    workers: int | None = None
    cluster: Cluster = "local"
    split: str | None = None

    @property
    def root(self) -> Path:
        """The folder of the data set."""
        return Path("data") / self.demos.stem if self.out is None else self.out

    @property
    def command(self) -> str:
        """The command line that makes this data set."""
        options: dict[str, object] = {"demos": self.demos, "size": self.size, "out": self.root}
        for name in ("views", "episodes", "split"):
            if (value := getattr(self, name)) is not None:
                options[name] = value
        words = (f"--{name} {shlex.quote(str(value))}" for name, value in options.items())
        return f"python -m sims.replay {' '.join(words)}"

    def check(self) -> None:
        """Raises an OptionError that names the value at fault and what is valid."""
        require_folder(self.root)
        for name in ("views", "episodes", "size", "workers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"--{name} must be at least 1, got {value}.")
        if self.split is not None:
            parse_split(self.split)

    def parts(self, file: DemonstrationFile) -> dict[str, list[int]]:
        """The numbers of the demonstrations of each split."""
        numbers = list(file.names)[: self.episodes]
        if self.split is None and file.splits is not None:
            taken = set(numbers)
            return {
                name: [n for n in members if n in taken] for name, members in file.splits.items()
            }
        dealt = split_episodes(len(numbers), parse_split(self.split or SPLIT))
        return {name: [numbers[i] for i in members] for name, members in dealt.items()}


def describe(config: ReplayConfig, file: DemonstrationFile) -> DatasetMeta:
    """What `meta.json` says of the data set; the first demonstration's model is tried.

    Raises:
        DataError: When the task is not known or the model cannot be loaded.
        SimulatorError: When robosuite or the graphics driver is missing.
    """
    task = file.env_args["env_name"]
    if task not in WORLDS:
        raise DataError(
            f"{file.path} is of robosuite's {task}; what can be replayed is {', '.join(WORLDS)}."
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
            "%s was recorded with robosuite %s, %s is installed. States are restored exactly; "
            "textures and meshes are those of %s, and so are observations and rewards that the "
            "file does not hold.",
            file.path,
            recorded or "of an unknown version",
            installed,
            installed,
        )


def replay(config: ReplayConfig) -> Path:
    """Renders the demonstrations that are not on disk yet, then writes the index.

    Returns:
        The index file.

    Raises:
        OptionError: For an option that is not valid.
        DataError: When the file cannot be replayed, or the folder holds something else.
        SimulatorError: When robosuite or the graphics driver is missing, or workers are killed
            again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    demos, root = config.demos.absolute(), config.root.absolute()  # workers may be elsewhere
    file = opened(demos)
    parts = config.parts(file)
    numbers = sorted(number for members in parts.values() for number in members)
    if not numbers:
        raise DataError(f"{config.demos}: none of its first demonstrations are in its masks.")
    if repeated := sorted({number for number in numbers if numbers.count(number) > 1}):
        raise DataError(
            f"{config.demos}: its masks train, valid and test share {repeated[:5]}. "
            "Split it anew: --split 4,1,1"
        )
    for number in numbers:
        if not np.isfinite(file.states(number)).all():
            raise DataError(
                f"{config.demos}: the states of {file.names[number]} are not all finite numbers. "
                "Take it out of the file, or out of its masks."
            )
    writer = make_missing(
        Replay(root, describe(config, file), demos), numbers, config.workers, config.cluster
    )
    return writer.write_index(parts)


def summarize(config: ReplayConfig) -> str:
    """What is on disk, and what to run next."""
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
    masks = f"; {left_out} in no mask are left out" if left_out else ""
    return (
        f"{config.root}: {len(lengths)} demonstrations, {solved} of them solved, "
        f"{min(lengths)} to {max(lengths)} steps (median {int(np.median(lengths))}), "
        f"{', '.join(f'{name} {len(members)}' for name, members in parts.items())}{masks}.\n"
        f"Look at it:  python -m datasets.info {config.root}\n"
        f"Train on it: python -m align.train --method paab --data {config.root}"
        + ("" if parts["test"] else "\nIts masks leave no test split; for one: --split 4,1,1")
    )


def _progress(config: ReplayConfig) -> str:
    parts = config.parts(opened(config.demos.absolute()))
    return progress(config.root, [number for members in parts.values() for number in members])


def main() -> None:
    """Command line."""
    talk()
    config = tyro.cli(ReplayConfig, prog="python -m sims.replay")
    with ending_in_words(config.root, lambda: _progress(config)):
        replay(config)
    print(summarize(config))


if __name__ == "__main__":
    main()

"""Convert a data set of multi-view episodes from one format into another.

Examples:
    python -m datasets.convert data/lift out/lift_ftpv --to ftpv
    python -m datasets.convert data/lift out/lift_lerobot --to lerobot --lerobot.task "lift it"
    python -m datasets.convert data/lift out/lift.hdf5 --to robomimic
    python -m datasets.convert data/lift out/lift_videos --to mp4 --mp4.skeleton
    python -m datasets.convert data/lift out/lift_rerun --to rerun
    python -m datasets.convert ftpv/can_mh data/can_mh --to episodes --size 224
    python -m datasets.convert ftpv/mine data/mine --to episodes --split 10,5,5
    python -m datasets.convert takes data/takes --to episodes --size 224 --split 10,5,5 --hz 30
    python -m datasets.convert ae2/break_eggs data/break_eggs --to episodes --size 224
    python -m datasets.convert so100 data/so100 --to episodes --size 224 --views front=ego,wrist

The source may have any format that `python -m datasets.info` reads; the format is detected from its
files. The result appears only when it is complete, and no existing file is overwritten.
"""

from __future__ import annotations

import logging
import shlex
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from datasets.bounds import Hertz, Pixels, require_in_bounds
from datasets.command import command, command_line, optional, parse
from datasets.episodes import EpisodeWriter
from datasets.errors import MismatchError, OptionError, shortened
from datasets.formats.detect import open_source
from datasets.formats.ftpv import FtpvOptions, preset_splits, write_ftpv
from datasets.formats.lerobot_export import LeRobotOptions, write_lerobot
from datasets.formats.rerun import write_rerun
from datasets.formats.robomimic import write_robomimic
from datasets.formats.videos import VideoOptions, write_videos
from datasets.formats.views import choose_views
from datasets.progress import ProgressBar
from datasets.source import Source, deal, no_splits
from datasets.storage.atomic import atomic_folder, atomic_path, remove_leftovers
from datasets.storage.episode_file import SPLITS, STREAMS, Episode
from datasets.storage.index import find_repeated
from datasets.storage.meta import DatasetMeta

logger = logging.getLogger(__name__)

SHOWN = 10
Target = Literal["ftpv", "lerobot", "mp4", "rerun", "robomimic", "episodes"]
# What formats hold as it is of depth, masks and viewpoints. Videos would compress with loss.
_HELD: Mapping[Target, tuple[str, ...]] = {
    "episodes": (*STREAMS, "viewpoints"),
    "robomimic": (*STREAMS, "viewpoints"),
    "lerobot": ("depth",),
}
Writer = Callable[[Path, DatasetMeta, Iterable[tuple[str, Episode]]], None]


@dataclass(frozen=True)
class ConvertConfig:
    """Convert a data set of multi-view episodes into another format.

    Attributes:
        source: Data set to convert.
        out: Result: a folder, or a file for robomimic. It must not exist.
        to: Format of the result. ftpv: 3DTRL's folders of pictures. lerobot: LeRobot v3. mp4: one
            video per view. rerun: one recording per episode, with cameras, keypoints and the
            skeleton in 3D. robomimic: one HDF5 file. episodes: this project's format, which
            training reads.
        size: Height and width of the frames, in pixels; by default their present size. The format
            episodes has square frames, so --size squeezes wide ones.
        split: Numbers of training, validation and test episodes, in the order of the source, such
            as 10,5,5; by default the source's own split. Episodes in no split are left out, with a
            warning that names them.
        views: Views that are kept, in this order; front=ego calls the view front ego. By default
            all, under their own names.
        env: Name of the world, such as pick, which selects its preset; by default the source's own
            or that of its folder.
        hz: Time steps per second; by default the source's own, or 20 if it has none.
        ftpv: Options of --to ftpv.
        lerobot: Options of --to lerobot.
        mp4: Options of --to mp4.
    """

    source: tyro.conf.Positional[Annotated[Path, optional("SOURCE")]]
    out: tyro.conf.Positional[Annotated[Path, optional("OUT")]]
    to: Target
    size: Annotated[Pixels | None, optional("PIXELS")] = None
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None
    views: Annotated[tuple[str, ...], optional("VIEW[=NAME]")] = ()
    env: Annotated[str | None, optional("NAME")] = None
    hz: Annotated[Hertz | None, optional("HZ")] = None
    ftpv: FtpvOptions = field(default_factory=FtpvOptions)
    lerobot: LeRobotOptions = field(default_factory=LeRobotOptions)
    mp4: VideoOptions = field(default_factory=VideoOptions)


def convert(config: ConvertConfig, made_by: str = "") -> None:
    """Convert a data set; an unfinished result is removed on failure.

    Args:
        config: Source, target and their options.
        made_by: Command line that makes the result, stored in its `meta.json`.

    Raises:
        OptionError: When an option has an invalid value.
        DataError: When the source cannot be used, a library is missing, or `out` exists.
    """
    require_in_bounds(config)
    if config.out.exists():
        raise MismatchError(f"{config.out} exists already: choose another folder, or remove it.")
    source = choose_views(open_source(config.source), config.views)
    meta = _meta(source, config, made_by)
    order = _order(source, config)
    episodes = ProgressBar(
        _read(source, order, config), total=len(order), unit="episode", disable=None
    )
    writers: dict[Target, Writer] = {
        "ftpv": partial(write_ftpv, options=config.ftpv),
        "lerobot": partial(write_lerobot, options=config.lerobot),
        "mp4": partial(write_videos, options=config.mp4),
        "rerun": write_rerun,
        "robomimic": write_robomimic,
        "episodes": write_episodes,
    }
    remove_leftovers(config.out.parent, of=config.out.name)
    whole: Callable[[Path], AbstractContextManager[Path]] = (
        atomic_path if config.to == "robomimic" else atomic_folder
    )
    with whole(config.out) as temporary:
        writers[config.to](temporary, meta, episodes)


def write_episodes(out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]]) -> None:
    """Write a data set in this project's format.

    Args:
        out: An empty folder.
        meta: Description of the data set.
        episodes: Split and episode, in the order of the splits.
    """
    writer = EpisodeWriter(out, meta)
    splits: dict[str, list[int]] = {split: [] for split in SPLITS}
    for index, (split, episode) in enumerate(episodes):
        writer.write(index, episode)
        splits[split].append(index)
    for fault in find_repeated(writer.write_index(splits)).values():
        logger.warning("%s", fault)


def _meta(source: Source, config: ConvertConfig, made_by: str) -> DatasetMeta:
    if config.env is not None:
        _require_file_name(config.env)
    height, width = source.frame_size
    if config.to == "episodes" and config.size is None and height != width:
        raise MismatchError(
            f"{source.root} has frames of {width} x {height} pixels, but the format episodes has "
            "square frames. Choose their size: --size 224 squeezes them, as 3DTRL does."
        )
    return replace(
        _without_streams(source, config.to),
        image_size=config.size or height,
        env=config.env or source.meta.env,
        control_hz=config.hz or source.meta.control_hz,
        command=made_by or source.meta.command,
    )


def _require_file_name(env: str) -> None:
    """Raises an OptionError for the name of a world that cannot name the index."""
    if not env or env.startswith(".") or any(mark in env for mark in "/\\\0"):
        raise OptionError(f"--env {env!r} must be a name without slashes, such as lift.")


def _without_streams(source: Source, to: Target) -> DatasetMeta:
    """The source's metadata, without what the format of the result cannot hold."""
    absent: dict[str, Any] = {"depth": False, "masks": [], "viewpoints": []}
    lost = {part: none for part, none in absent.items() if part not in _HELD.get(to, ())}
    streams = [part for part in lost if getattr(source.meta, part)]
    if not streams:
        return source.meta
    logger.warning(
        "%s of %s are left out: --to %s has no place for them without loss; %s do.",
        " and ".join(streams),
        source.root,
        to,
        " and ".join(name for name in _HELD if set(streams) <= set(_HELD[name])),
    )
    return replace(source.meta, **lost)


def _order(source: Source, config: ConvertConfig) -> list[tuple[str, int]]:
    """Return the split and position of each episode to convert, split by split."""
    # The source's own splits are not looked at when others replace them: they may be wrong.
    splits = source.splits if config.split is None else read_split(config.split, len(source))
    if splits is None and config.env is not None:
        splits = preset_splits(config.env, len(source))
    if splits is None and config.to == "episodes":
        raise no_splits(source)
    if splits is None:
        splits = {"train": range(len(source))}
    order = [(split, i) for split in SPLITS for i in splits.get(split, ())]
    _warn_of_left_out(source, {i for _, i in order})
    return order


def _warn_of_left_out(source: Source, kept: Collection[int]) -> None:
    left_out = [name for i, name in enumerate(source.names) if i not in kept]
    if left_out:
        logger.warning(
            "%d of %d episodes of %s are in no split and left out: %s; --split sets how many "
            "episodes each split has",
            len(left_out),
            len(source),
            source.root,
            shortened(left_out, SHOWN),
        )


def read_split(text: str, episodes: int) -> Mapping[str, Sequence[int]]:
    """Return the positions of each split, from an option such as 10,5,5.

    Raises:
        OptionError: When it is not three numbers, or there are fewer episodes.
    """
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = []
    if len(counts) != len(SPLITS) or min(counts) < 0 or sum(counts) > episodes:
        raise OptionError(
            f"--split {text!r} must be three numbers of episodes for train, valid and test, such "
            f"as 10,5,5, of no more than {episodes} episodes in all."
        )
    return deal(counts)


def _read(
    source: Source, order: Sequence[tuple[str, int]], config: ConvertConfig
) -> Iterator[tuple[str, Episode]]:
    (height, width), size = source.frame_size, config.size
    for split, i in order:
        episode = source.sound_episode(i) if size is None else source.resized_episode(i, size)
        if size is None and config.to == "episodes":
            for view, frames in episode.images.items():
                if frames.shape[1:3] != (height, width):
                    raise MismatchError(
                        f"{source.root}: frames of {view} in {source.names[i]} are "
                        f"{frames.shape[2]} x {frames.shape[1]} pixels, others {width} x {height}. "
                        f"Make them equal: --size {height}"
                    )
        yield split, episode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    config = parse(
        ConvertConfig, prog="python -m datasets.convert", arguments=arguments, description=__doc__
    )
    with command(resume=f"{config.out} was not written."):
        convert(config, command_line("datasets.convert", arguments))
        look = (
            f"rerun {shlex.quote(str(config.out))}/*.rrd"
            if config.to == "rerun"
            else command_line("datasets.info", [str(config.out)])
        )
        print(f"{config.out}\nLook at it:  {look}")


if __name__ == "__main__":
    main()

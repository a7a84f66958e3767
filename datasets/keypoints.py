"""Add the keypoints of a robot to recordings, from its joints, its URDF or MJCF, and its cameras.

Examples:
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --preview look
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --base 0 0 0.9 --out OUT
    python -m datasets.keypoints DATA --robot arm.urdf --joints observation.state[:6] --out OUT
    python -m datasets.keypoints DATA --robot panda --joints q --to lerobot --out OUT

DATA may have any format that `python -m datasets.info` reads. Without --out nothing is written but
the pictures of --preview, which show the robot's silhouette over the first episode. With --to
lerobot, the result is DATA, a LeRobot data set, with keypoints and cameras in its tables.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from datasets.command import command, command_line, parse
from datasets.convert import read_split, write_episodes
from datasets.errors import MismatchError, OptionError
from datasets.formats.detect import open_source
from datasets.formats.lerobot import LeRobotSource
from datasets.formats.lerobot_poses import LeRobotPoses
from datasets.formats.views import choose_views
from datasets.kinematics.maker import KeypointMaker, KeypointsConfig, Target
from datasets.kinematics.preview import write_preview
from datasets.kinematics.rig import Convention
from datasets.kinematics.silhouette import CLEARLY_BETTER, best_convention, residual
from datasets.kinematics.track import add_keypoints
from datasets.progress import ProgressBar
from datasets.skeletons import BUILT_IN
from datasets.source import Source, in_memory, no_splits
from datasets.square import squared
from datasets.storage.atomic import atomic_folder, remove_leftovers, require_writable
from datasets.storage.episode_file import SPLITS, Episode
from datasets.storage.meta import DatasetMeta

logger = logging.getLogger(__name__)

# Frames of the first episode that are checked and drawn.
LOOKS = 4


def check_first(source: Source, maker: KeypointMaker) -> Iterator[str]:
    """Judges the first episode, and draws it where --preview asks for it.

    Yields:
        A sentence for each view; doubts are logged as warnings.

    Raises:
        MismatchError: When data are to be written, and the robot is in none of the pictures.
    """
    name = f"{source.root}: {source.names[0]}"
    recorded = source.sound_episode(0)
    _, doubts = maker.motion(recorded, name)
    for doubt in doubts:
        logger.warning("%s", doubt)
    yield from maker.clocks.judged(maker.clocks.estimates)
    moved = maker.synchronised(recorded, name)
    episode, steps = moved.episode, len(moved.episode)
    cameras = maker.cameras(episode, name)
    times = np.linspace(0, steps - 1, min(LOOKS, steps)).round().astype(int).tolist()
    seen = {v: residual(episode, m, cameras[v], v, times) for v, m in moved.views.items()}
    yield from (f"{view}: {found}" for view, found in seen.items())
    for view in (view for view, found in seen.items() if found.doubt):
        logger.warning("%s: %s", view, seen[view].doubt)
    scores = best_convention(episode, moved.views, cameras, times)
    _warn_of_convention(scores, maker.config.convention)
    drawn = add_keypoints(episode, moved.motion, cameras, maker.points, moved.views)
    _warn_of_hidden(drawn)
    if maker.config.preview is not None:
        for file in write_preview(
            maker.config.preview, drawn, moved.views, cameras, maker.skeleton, times
        ):
            yield str(file)
    if maker.config.out is not None and not any(found.pixels for found in seen.values()):
        raise MismatchError(
            f"{name}: the robot is in no picture of any view. Check --cameras: poses in metres, "
            "their --convention, and intrinsics of pictures of this size; --preview draws them."
        )


def _warn_of_hidden(episode: Episode) -> None:
    """Names the views that show no keypoint, from which nothing can be learned."""
    for view, seen in episode.visible.items():
        if not seen.any():
            logger.warning(
                "%s: no keypoint can be seen in the first episode. Look at it with --preview, and "
                "check --links, whose positions are in metres, and the cameras",
                view,
            )


def _warn_of_convention(scores: Mapping[Convention, float], used: Convention) -> None:
    """Names the convention in which the poses fit better than as they were read.

    `scores` speak of poses that were already turned from `used` into ours, so they are named from
    there: the two inversions of camera-to-world undo each other, and so do those of OpenGL.
    """
    best = max(scores, key=lambda convention: scores[convention])
    if scores[best] < scores["world-to-camera"] + CLEARLY_BETTER:
        return
    advice = f"try --convention {best}" if used == "world-to-camera" else "check --convention"
    logger.warning(
        "the silhouette fits the pictures better (%.2f against %.2f) where the cameras' poses are "
        "read as %s: %s",
        scores[best],
        scores["world-to-camera"],
        best,
        advice,
    )


def write_keypoints(source: Source, maker: KeypointMaker, out: Path, made_by: str = "") -> None:
    """Writes a data set of episodes with keypoints; an unfinished one is removed on failure.

    Raises:
        DataError: When `out` exists, the source has no splits, or an episode cannot be used.
    """
    config = maker.config
    splits = _splits_of(source, config, out)
    meta = replace(_meta(source, maker, made_by), image_size=config.size or max(source.frame_size))
    order = [(split, i) for split in SPLITS for i in splits.get(split, ())]
    remove_leftovers(out.parent, of=out.name)
    with atomic_folder(out) as temporary:
        progress = ProgressBar(order, unit="episode", disable=None)
        write_episodes(temporary, meta, _made(source, maker, progress, meta.image_size))


def add_to_lerobot(
    poses: LeRobotPoses, source: Source, maker: KeypointMaker, out: Path, made_by: str = ""
) -> None:
    """Writes a LeRobot data set with keypoints in its tables; an unfinished one is removed.

    Args:
        poses: The data set, to be copied.
        source: The same with the views that get keypoints.
        maker: The robot and the cameras.
        out: Folder of the result.
        made_by: Command line that makes the result, stored with it.

    Raises:
        DataError: When `out` exists, or an episode cannot be used.
    """
    _require_new(out)
    meta = _meta(poses.source, maker, made_by)
    remove_leftovers(out.parent, of=out.name)
    with atomic_folder(out) as temporary:
        episodes = ProgressBar(range(len(source)), unit="episode", disable=None)
        named = ((source.sound_episode(i), f"{source.root}: {source.names[i]}") for i in episodes)
        poses.write(temporary, meta, (maker.as_stored(*each) for each in named))


def _meta(source: Source, maker: KeypointMaker, made_by: str) -> DatasetMeta:
    """What the result's episodes have in common, with the source's size of pictures."""
    return replace(
        source.meta,
        skeleton=maker.skeleton.name,
        own_skeleton=None if maker.skeleton.name in BUILT_IN else maker.skeleton,
        command=made_by or source.meta.command,
    )


def _require_new(out: Path) -> None:
    """Checks that a result can be written; raises a MismatchError, or an OSError, if not."""
    if out.exists():
        raise MismatchError(f"{out} exists already: choose another folder, or remove it.")
    require_writable(out)


def _require_lerobot(source: Source, config: KeypointsConfig) -> LeRobotSource:
    """The source, where --to lerobot can be done.

    Raises:
        MismatchError: When it is in another format.
        OptionError: When an option would change the pictures, views or splits.
    """
    if not isinstance(source, LeRobotSource):
        out = config.out or "OUT"
        raise MismatchError(
            f"{source.root} is {source.title}, and --to lerobot adds keypoints to LeRobot's sets "
            f"alone. Leave out --to, with --out EPISODES, and convert the result: "
            f"{command_line('datasets.convert', ['EPISODES', str(out), '--to', 'lerobot'])}"
        )
    changing = {
        "--size": config.size is not None,
        "--fit": config.fit != "pad",
        "--split": config.split is not None,
        "VIEW=NAME in --views": any("=" in word for word in config.views),
    }
    if given := [option for option, is_given in changing.items() if is_given]:
        raise OptionError(
            f"--to lerobot keeps pictures, names of views and splits as they are: leave out "
            f"{', '.join(given)}, or give them to datasets.convert afterwards."
        )
    return source


def _splits_of(source: Source, config: KeypointsConfig, out: Path) -> Mapping[str, Sequence[int]]:
    """The splits of the result, where it can be written; errors as of `write_keypoints`."""
    _require_new(out)
    splits = source.splits if config.split is None else read_split(config.split, len(source))
    if splits is None:
        raise no_splits(source)
    return splits


def _made(
    source: Source, maker: KeypointMaker, order: Iterable[tuple[str, int]], size: int
) -> Iterator[tuple[str, Episode]]:
    for split, i in order:
        name = f"{source.root}: {source.names[i]}"
        episode = maker(source.sound_episode(i), name)
        if any(frames.shape[1:3] != (size, size) for frames in episode.images.values()):
            episode = squared(in_memory(episode), size, maker.config.fit)
        yield split, episode


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    config = parse(
        KeypointsConfig,
        prog="python -m datasets.keypoints",
        arguments=arguments,
        description=__doc__,
    )
    with command(resume="Nothing was written."):
        whole = open_source(config.data)
        poses_of = _require_lerobot(whole, config) if config.to == "lerobot" else None
        source = choose_views(whole, config.views)
        maker = KeypointMaker(config, source)
        write = _prepared(poses_of, source, maker, command_line("datasets.keypoints", arguments))
        for line in check_first(source, maker):
            print(line)
        if config.out is not None:
            write(config.out)
            print(f"{config.out}\n{_next_steps(config.out, config.to)}")
        else:
            again = command_line("datasets.keypoints", arguments)
            print(f"Where all fits, write the keypoints: {again} --out FOLDER")


def _prepared(
    whole: LeRobotSource | None, source: Source, maker: KeypointMaker, made_by: str
) -> Callable[[Path], None]:
    """What writes the result to a place, once all is checked that does not take long."""
    out = maker.config.out
    if whole is not None:
        if out is not None:
            _require_new(out)
        poses = LeRobotPoses(whole, source.views)
        return partial(add_to_lerobot, poses, source, maker, made_by=made_by)
    if out is not None:
        _splits_of(source, maker.config, out)
    return partial(write_keypoints, source, maker, made_by=made_by)


def _next_steps(out: Path, to: Target) -> str:
    look = f"Look at it:  {command_line('datasets.info', [str(out)])}"
    if to == "lerobot":
        return look
    train = command_line("align.train", ["--method", "paat", "--data", str(out)])
    return f"{look}\nTrain on it: {train}"


if __name__ == "__main__":
    main()

"""Add the keypoints of a robot to recordings, from its joints, its URDF or MJCF, and its cameras.

Examples:
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --preview look
    python -m datasets.keypoints DATA --robot panda --joints joint_pos --base 0 0 0.9 --out OUT
    python -m datasets.keypoints DATA --robot arm.urdf --joints observation.state[:6] --out OUT

DATA may have any format that `python -m datasets.info` reads. Without --out nothing is written but
the pictures of --preview, which show the robot's silhouette over the first episode.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np

from datasets.bounds import Pixels
from datasets.calibration.reading import read_cameras, whole_cameras
from datasets.command import command, command_line, optional, parse
from datasets.convert import read_split, write_episodes
from datasets.errors import MismatchError
from datasets.formats.detect import open_source
from datasets.formats.views import choose_views
from datasets.kinematics.clocks import Clocks, Synchronised, synchronised
from datasets.kinematics.preview import write_preview
from datasets.kinematics.recording import RecordedRobot, RecordingOptions
from datasets.kinematics.rig import Convention, RigCamera, episode_cameras
from datasets.kinematics.silhouette import CLEARLY_BETTER, best_convention, residual
from datasets.kinematics.track import Motion, add_keypoints
from datasets.progress import ProgressBar
from datasets.skeletons import BUILT_IN
from datasets.source import Source, in_memory, no_splits
from datasets.square import FitName, squared
from datasets.storage.atomic import atomic_folder, remove_leftovers, require_writable
from datasets.storage.episode_file import SPLITS, Episode

logger = logging.getLogger(__name__)

# Frames of the first episode that are checked and drawn.
LOOKS = 4


@dataclass(frozen=True, kw_only=True)
class KeypointsConfig(RecordingOptions):
    """Add the keypoints of a robot to recordings.

    Attributes:
        out: Folder of the result, a data set of episodes. It must not exist.
        convention: What the stored poses of cameras mean.
        preview: Folder for pictures of the robot's silhouette over the first episode.
        views: Views that are kept, such as those with cameras; front=ego calls the view front ego,
            and --cameras and --offset then name ego. By default all, under their own names.
        size: Height and width of the written frames, in pixels; by default their present size.
        fit: How frames that are not square become square: pad puts black bars on two sides,
            squeeze distorts.
        split: Numbers of training, validation and test episodes, such as 10,5,5; by default those
            of the source.
    """

    out: Annotated[Path | None, optional("FOLDER")] = None
    convention: Convention = "world-to-camera"
    preview: Annotated[Path | None, optional("FOLDER")] = None
    views: Annotated[tuple[str, ...], optional("VIEW[=NAME]")] = ()
    size: Annotated[Pixels | None, optional("PIXELS")] = None
    fit: FitName = "pad"
    split: Annotated[str | None, optional("TRAIN,VALID,TEST")] = None


class KeypointMaker(RecordedRobot):
    """Adds keypoints to the episodes of one robot."""

    def __init__(self, config: KeypointsConfig, source: Source) -> None:
        """Loads the robot and the cameras.

        Raises:
            DataError: See `RecordedRobot` and `read_cameras`.
            OptionError: When --offset cannot be read.
        """
        super().__init__(config)
        self.config, self._source = config, source
        self._rig = read_cameras(config.cameras)
        self.clocks = Clocks(config.offset, source, self._moving, self.points)

    def cameras(self, episode: Episode, name: str) -> dict[str, RigCamera]:
        """The camera of each view.

        Raises:
            DataError: When a view has none, or one that does not fit its pictures.
        """
        if self._rig:
            found = whole_cameras(self._rig, episode, name)
        else:
            found = episode_cameras(episode, name)
        return {view: camera.read_as(self.config.convention) for view, camera in found.items()}

    def synchronised(self, episode: Episode, name: str) -> Synchronised:
        """The episode on one clock; errors as of `motion` and `synchronised`."""
        motion, _ = self.motion(episode, name)
        return synchronised(episode, motion, self.clocks.late, name)

    def __call__(self, episode: Episode, name: str) -> Episode:
        """The episode with keypoints; errors as of `synchronised` and `cameras`."""
        moved = self.synchronised(episode, name)
        cameras = self.cameras(moved.episode, name)
        return add_keypoints(moved.episode, moved.motion, cameras, self.points, moved.views)

    def _moving(self, i: int) -> tuple[Episode, Motion]:
        episode = self._source.sound_episode(i)
        return episode, self.motion(episode, f"{self._source.root}: {self._source.names[i]}")[0]


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
    own = None if maker.skeleton.name in BUILT_IN else maker.skeleton
    meta = replace(
        source.meta,
        skeleton=maker.skeleton.name,
        own_skeleton=own,
        image_size=config.size or max(source.frame_size),
        command=made_by or source.meta.command,
    )
    order = [(split, i) for split in SPLITS for i in splits.get(split, ())]
    remove_leftovers(out.parent, of=out.name)
    with atomic_folder(out) as temporary:
        progress = ProgressBar(order, unit="episode", disable=None)
        write_episodes(temporary, meta, _made(source, maker, progress, meta.image_size))


def _splits_of(source: Source, config: KeypointsConfig, out: Path) -> Mapping[str, Sequence[int]]:
    """The splits of the result, where it can be written; errors as of `write_keypoints`."""
    if out.exists():
        raise MismatchError(f"{out} exists already: choose another folder, or remove it.")
    require_writable(out)
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
        source = choose_views(open_source(config.data), config.views)
        if config.out is not None:
            _splits_of(source, config, config.out)  # before the first episode is judged for long
        maker = KeypointMaker(config, source)
        for line in check_first(source, maker):
            print(line)
        if config.out is not None:
            write_keypoints(
                source, maker, config.out, command_line("datasets.keypoints", arguments)
            )
            look = command_line("datasets.info", [str(config.out)])
            train = command_line("align.train", ["--method", "paat", "--data", str(config.out)])
            print(f"{config.out}\nLook at it:  {look}\nTrain on it: {train}")
        else:
            again = command_line("datasets.keypoints", arguments)
            print(f"Where all fits, write the keypoints: {again} --out FOLDER")


if __name__ == "__main__":
    main()

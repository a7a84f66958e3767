"""Render a data set of human motions with the file names and formats of an action data set.

Examples:
    python -m sims.generate --env mocap --views 3
    python -m sims.generate --env mocap --layout smarthome --subjects 6 --repetitions 1
    python -m sims.generate --env mocap --layout nucla --actions walk run jump --out data/three
    python -m sims.generate --env mocap --actions everyday --out data/everyday

The athletic motions are part of PyBullet: one recording of a real person for each of 15 actions.
Everyday actions are composed of poses of these recordings and of inverse kinematics.
Every subject has an individual build, clothing, speed and style. Every take has its own noise,
room, light and camera positions, and all cameras record it at the same time.

It can be stopped at any time; the same command resumes. A larger number of --subjects or
--repetitions adds takes to a data set.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from shlex import quote

import joblib
import numpy as np

from datasets.clips.base import ClipInfo
from datasets.clips.checks import find_problems
from datasets.clips.mocap import MOCAP_NAME, MocapMeta
from datasets.command import command
from datasets.errors import MismatchError, counted
from datasets.progress import ProgressBar
from datasets.storage.atomic import remove_leftovers
from datasets.storage.meta import META_NAME
from datasets.video import write_video
from sims.bullet.client import BulletClient
from sims.mocap.config import MocapConfig, PlannedTake
from sims.mocap.motion import FPS
from sims.mocap.take import Stage
from sims.production.pool import make_episodes
from sims.production.run import RESUME

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MocapGeneration:
    """A data set of takes, which workers make.

    Attributes:
        config: Options of the data set.
    """

    config: MocapConfig

    @property
    def root(self) -> Path:
        """Folder of the data set."""
        return self.config.root

    @cached_property
    def takes(self) -> list[PlannedTake]:
        """The takes of the data set."""
        return self.config.takes

    def make(self, index: int) -> None:
        """Render and write the clips of one take."""
        planned, layout = self.takes[index], self.config.plan
        azimuths = [np.radians(layout.cameras[camera]) for camera in self.config.cameras]
        stage = Stage(process_client(), planned.take, azimuths, planned.facing, self.config.size)
        fmt = layout.format
        images, pixels, joints = [], [], []
        for views in stage.play():
            images.append([view.image for view in views])
            pixels.append(stage.pixels(fmt.skeleton))
            joints.append(layout.joints(stage.joints(fmt.joint_skeleton)))
        for camera, clip in enumerate(planned.clips):
            assert clip.skeleton is not None
            write_video(clip.video, (views[camera] for views in images), FPS)
            keypoints, points = (np.stack(poses)[:, camera] for poses in (pixels, joints))
            fmt.write_keypoints(clip.skeleton, keypoints, self.config.size, points)

    def files(self, clip: ClipInfo) -> list[Path]:
        """The files that a clip consists of: its video, its skeleton, and joints that lie apart."""
        assert clip.skeleton is not None
        joints = self.config.plan.format.joints_path(clip.skeleton)
        return [clip.video, clip.skeleton, *([] if joints is None else [joints])]

    def done(self) -> set[int]:
        """Return the takes whose files all exist."""
        return {
            index
            for index, planned in enumerate(self.takes)
            if all(path.exists() for clip in planned.clips for path in self.files(clip))
        }


@lru_cache(maxsize=1)
def process_client() -> BulletClient:
    """Return the one simulation of this process.

    It renders on the CPU, which is fast enough for the small images of a take.
    """
    return BulletClient("tiny")


def generate_mocap(config: MocapConfig) -> Path:
    """Make the takes that are not on disk yet.

    Returns:
        The folder of the data set.

    Raises:
        OptionError: When an option has an invalid value.
        UnknownNameError: For an unknown action.
        DataError: When the folder holds a data set made with other options.
        SimulatorError: When PyBullet is missing.
        ProductionError: When workers are killed again and again.
        OSError: When the disk is full or cannot be written.
    """
    config.check()
    meta, root = config.meta, config.root.absolute()
    if (root / META_NAME).exists():
        raise MismatchError(
            f"{root} holds episodes, for alignment. Choose another folder with --out."
        )
    job = MocapGeneration(replace(config, out=root))
    files = [path for take in job.takes for clip in take.clips for path in job.files(clip)]
    _require_same(root, meta, files)
    _require_no_more(job, files)
    for folder in {path.parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
    meta.save(root)
    _remove_damaged(job)
    done = job.done()
    todo = sorted(set(range(len(job.takes))) - done)
    with ProgressBar(
        total=len(job.takes), initial=len(done), unit="take", desc="mocap", smoothing=0.05
    ) as bar:
        make_episodes(job, todo, config.workers, "local", bar)
    return root


def _require_same(root: Path, meta: MocapMeta, planned: Iterable[Path]) -> None:
    """Raise a DataError when the folder has files of other options; a data set may only grow."""
    if not (root / MOCAP_NAME).exists():
        # Damaged clips are removed and made again, and these may be a recorded data set.
        if found := next((path for path in planned if path.exists()), None):
            raise MismatchError(
                f"{found} was not made by this command, as there is no {root / MOCAP_NAME}: "
                "choose another --out, or restore that file."
            )
        return
    there = MocapMeta.load(root)
    files = {path for path in root.rglob("[!.]*") if path.is_file()} - {root / MOCAP_NAME}
    if files and replace(there, command="") != replace(meta, command=""):
        raise MismatchError(
            f"{root} holds a data set made with `{there.command}`. Choose another folder with "
            "--out, or give the same options; only subjects and repetitions can grow."
        )


def _require_no_more(job: MocapGeneration, planned: Iterable[Path]) -> None:
    """Refuses options of fewer takes than there are, since training would use all of them."""
    fmt, known = job.config.plan.format, set(planned)
    clips = (path for path in sorted(job.root.rglob("[!.]*")) if fmt.identify(path) is not None)
    if more := next((path for path in clips if path not in known), None):
        raise MismatchError(
            f"{more} is of a take beyond those of these options: a data set can grow, not shrink. "
            "Give as many subjects and repetitions as before, or choose another folder with --out."
        )


def _remove_damaged(job: MocapGeneration) -> None:
    clips = [clip for index in job.done() for clip in job.takes[index].clips]
    for clip, problem in find_problems(
        clips, joblib.cpu_count() if len(clips) > 100 else 1
    ).items():
        log.warning("%s Its clip is made again.", problem)
        for path in job.files(clip):
            path.unlink()


def summarize_mocap(config: MocapConfig) -> str:
    """Describe the takes on disk, and name the next commands."""
    name = config.layout
    return (
        f"{config.root}: {counted(len(config.takes), 'take')} of "
        f"{counted(len(config.motions), 'action')} by {counted(config.num_subjects, 'subject')}, "
        f"each seen by {counted(config.views, 'camera')}, in the layout of "
        f"{config.plan.format.title}.\n"
        f"Look at it:  python -m datasets.info {quote(str(config.root))} --format {name}\n"
        "Train on it: python -m action.train --data mocap "
        f"--root {quote(str(config.root))} --method paab"
    )


def run(config: MocapConfig) -> None:
    """Make a data set as the command `python -m sims.generate --env mocap` does."""

    def progress() -> str:
        done = MocapGeneration(config).done()
        return f"{len(done)} of {len(config.takes)} takes are on disk."

    with command(resume=lambda: f"{config.root}: {progress()} {RESUME}"):
        generate_mocap(config)
        print(summarize_mocap(config))

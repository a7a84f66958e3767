"""From videos and joint states without calibration to an alignment, beside a simulator's keypoints.

    python -m sims.generate --env lift --views 3 --episodes 60 --split 40,5,15 --size 112
    python examples/real_recording.py data/lift --out data/recording

Rendered episodes play the part of a recording: they are stripped to one H.264 video of each
standing camera and a table of joint states, as a lab has them. A person's clicks are drawn beside
the true places, off by 2 pixels of 224. The cameras come from the clicks, the keypoints from
cameras and joints, and PAAT learns from them. The same is done with the simulator's keypoints, and
both alignment errors are printed.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import tyro
from calibrate_back import draw, stands
from keypoints_back import PARTS

from align.config import TrainConfig, recipe
from align.evaluate import evaluate
from align.train import make_trainer
from datasets.calibrate import CalibrateConfig, calibrate
from datasets.calibration.clicks import write_clicks
from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from datasets.formats.detect import open_source
from datasets.keypoints import write_keypoints
from datasets.kinematics.maker import KeypointMaker, KeypointsConfig
from datasets.storage.episode_file import SPLITS
from datasets.video import write_video

ROBOT, ARM_COLUMNS, FINGER_COLUMNS = "panda", "joints[:7]", "joints[7:]"
COLUMNS = [*(f"joint_{k}" for k in range(1, 8)), "finger_1", "finger_2"]
CLICKS, FRAMES = 12, 4  # in each view, and the frames that they are in
ERROR = 2.0  # standard deviation of a click in each direction, in pixels of 224


def main(
    data: tyro.conf.Positional[Path],
    out: Path,
    epochs: int = 4,
    epoch_steps: int = 120,
    depth: int = 4,
) -> None:
    """Calibrate a stripped recording by clicks, and train on the keypoints that follow.

    Args:
        data: Rendered episodes of a Panda.
        out: Folder of the recording, its data set and the runs.
        epochs: Epochs of each training.
        epoch_steps: Steps of an epoch.
        depth: Blocks of the transformer.
    """
    truth = EpisodeDataset(data)
    views = [view for view in truth.views if stands(truth, view)]
    videos = record(truth, views, out / "videos")
    clicks, rig = out / "clicks.csv", out / "rig.json"
    rng, first = np.random.default_rng(0), order(truth)[0]
    made = (draw(truth, v, rng, CLICKS, FRAMES, ERROR, episode=first) for v in views)
    write_clicks(clicks, chain.from_iterable(made))
    asked = CalibrateConfig(
        data=videos,
        robot=ROBOT,
        joints=ARM_COLUMNS,
        gripper=FINGER_COLUMNS,
        out=rig,
        focal=True,
    )
    for line in calibrate(asked, clicks):
        print(line)
    config = KeypointsConfig(
        data=videos,
        robot=ROBOT,
        joints=ARM_COLUMNS,
        gripper=FINGER_COLUMNS,
        cameras=(str(rig),),
        split=counts(data),
    )
    source = open_source(videos)
    write_keypoints(source, KeypointMaker(config, source), out / "episodes")
    print(f"keypoints: {distance(truth, out / 'episodes', views)}")
    for name, folder in (("the simulator's keypoints", data), ("clicks", out / "episodes")):
        run = out / f"run_{folder.name}"
        options = train_options(folder, run, views)
        backbone = replace(options.backbone, depth=depth)
        options = replace(options, epochs=epochs, epoch_steps=epoch_steps, backbone=backbone)
        make_trainer(options).fit()
        error = evaluate(run).metrics["alignment_error"]
        print(f"alignment error of PAAT with {name}: {error:.4f}")


def record(truth: EpisodeDataset, views: list[str], out: Path) -> Path:
    """Write the episodes, split by split, as videos with a table of joints beside them."""
    for number, i in enumerate(order(truth)):
        folder = out / f"{number:03d}"
        folder.mkdir(parents=True)
        episode, hz = truth.episode(i), truth.meta.control_hz
        for view in views:
            write_video(folder / f"{view}.mp4", episode.images[view], hz, crf=18)
        times = np.arange(len(episode))[:, None] / hz
        table = np.hstack([times, *(episode.observations[part] for part in PARTS)])
        names = ",".join(["time", *COLUMNS])
        np.savetxt(folder / "joints.csv", table, "%.6f", ",", header=names, comments="")
    return out


def order(truth: EpisodeDataset) -> list[int]:
    """Positions of the episodes, those for training first."""
    splits = open_source(truth.root).splits or {}
    return [i for split in SPLITS for i in splits[split]]


def counts(data: Path) -> str:
    """Numbers of episodes of the splits, as an option."""
    splits = open_source(data).splits or {}
    return ",".join(str(len(splits[split])) for split in SPLITS)


def distance(truth: EpisodeDataset, made: Path, views: list[str]) -> str:
    """How far keypoints are from the simulator's, in pixels."""
    found, apart = EpisodeDataset(made), []
    for k, i in enumerate(order(truth)):
        for view in views:
            expected = truth.keypoints(i, view)
            inside = ((expected >= 0) & (expected < truth.meta.image_size)).all(-1)
            apart.append(np.linalg.norm(found.keypoints(k, view) - expected, axis=-1)[inside])
    off = np.concatenate(apart)
    return f"{off.mean():.2f} pixels off in the mean, {np.quantile(off, 0.95):.2f} at 95 %"


def train_options(data: Path, out: Path, views: list[str]) -> TrainConfig:
    """PAAT on a few blocks."""
    return replace(recipe("small"), method="paat", data=data, out=out, views=tuple(views))


if __name__ == "__main__":
    with command():
        parse(main, "python examples/real_recording.py")

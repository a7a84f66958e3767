"""Take the cameras of rendered episodes away, click in a few frames, and compare keypoints.

    python examples/calibrate_back.py data/lift --base -0.56 0 0.912
    python examples/calibrate_back.py data/pick --robot panda_bullet --focal
    python examples/calibrate_back.py data/lift --base -0.56 0 0.912 --wrong 2

The clicks are the simulator's visible keypoints with errors as of a hand. Cameras are solved from
them, and the keypoints of all frames computed by these cameras and the robot's joints. It prints
how far they are from the simulator's, in pixels of a picture of 224 x 224.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from keypoints_back import PARTS

from datasets.calibration.calibrator import Calibrator, cameras_of
from datasets.calibration.clicks import Click
from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from datasets.formats.detect import open_source
from datasets.kinematics.recording import RecordingOptions
from datasets.kinematics.rig import RigCamera

SIDE = 224  # pixels in which errors are given, whatever the size of the pictures


def main(
    data: tyro.conf.Positional[Path],
    robot: str = "panda",
    base: tuple[float, ...] = (0.0, 0.0, 0.0),
    clicks: int = 12,
    frames: int = 4,
    error: float = 2.0,
    wrong: int = 0,
    focal: bool = False,
    repeats: int = 20,
) -> None:
    """Compare keypoints by clicked cameras with those of a simulator.

    Args:
        data: Rendered episodes with joints and keypoints; the first one is used.
        robot: The robot in them.
        base: Where its base is.
        clicks: Clicks in each view.
        frames: Frames in which they are.
        error: Their standard deviation in each direction, in pixels of 224.
        wrong: How many of them are 20 to 40 pixels off instead.
        focal: Solve the focal length, too.
        repeats: Times that all is repeated with other clicks.
    """
    truth = EpisodeDataset(data, episodes=1)
    views = [view for view in truth.views if stands(truth, view)]
    options = RecordingOptions(data=data, robot=robot, joints=PARTS[0], gripper=PARTS[1], base=base)
    rng = np.random.default_rng(0)
    calibrator = Calibrator(options, open_source(data), focal)
    rounds = []
    for _ in range(repeats):
        made = [c for v in views for c in draw(truth, v, rng, clicks, frames, error, wrong)]
        found = cameras_of(calibrator.calibrate(made))
        rounds.append([distances(truth, view, found[view]) for view in views])
    report(views, np.array(rounds))


def stands(data: EpisodeDataset, view: str) -> bool:
    """Whether a view's camera does not move."""
    return data.episode(0).world_to_camera[view].ndim == 2


def draw(
    data: EpisodeDataset,
    view: str,
    rng: np.random.Generator,
    clicks: int,
    frames: int,
    error: float,
    wrong: int = 0,
    episode: int = 0,
) -> list[Click]:
    """Clicks on visible keypoints of a few frames, each off by an error of its own."""
    points, visible = data.keypoints(episode, view), data.visible(episode, view)
    scale = scale_of(data)
    times = np.linspace(0, len(points) - 1, frames).round().astype(int)
    seen = [(t, k) for t in times for k in np.flatnonzero(visible[t])]
    chosen = [seen[i] for i in rng.permutation(len(seen))[:clicks]]
    made = []
    for number, (time, point) in enumerate(chosen):
        off = rng.normal(0, error, 2)
        if number < wrong:
            angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(20, 40)
            off = far * np.array([np.cos(angle), np.sin(angle)])
        x, y = np.clip(points[time, point] + off / scale, 0, data.meta.image_size)
        name = data.skeleton.keypoints[point]
        made.append(Click(view, int(time), name, float(x), float(y), place=f"clicks:{number}"))
    return made


def distances(data: EpisodeDataset, view: str, camera: RigCamera) -> tuple[float, float]:
    """Mean and largest distance over the keypoints in pictures of all frames, in pixels of 224."""
    world, size = data.episode(0).keypoints_world, data.meta.image_size
    expected = data.keypoints(0, view)
    flat = np.asarray(world, np.float64).reshape(-1, 3)
    pixels = camera.project(flat, camera.pose, (size, size))[0].reshape(expected.shape)
    inside = ((expected >= 0) & (expected < size)).all(-1)
    off = scale_of(data) * np.linalg.norm(pixels - expected, axis=-1)[inside]
    return off.mean(), off.max()


def scale_of(data: EpisodeDataset) -> float:
    """Pixels of 224 in a pixel of the data."""
    return SIDE / data.meta.image_size


def report(views: list[str], rounds: np.ndarray) -> None:
    """Print a line for each view: over the repeats, the mean and the worst of both distances."""
    for view, (means, largest) in zip(views, rounds.transpose(1, 2, 0), strict=True):
        print(
            f"{view}: keypoints are off by {means.mean():.2f} pixels in the mean over keypoints, "
            f"frames and {len(means)} repeats ({means.max():.2f} in the worst), the largest by "
            f"{largest.mean():.2f} ({largest.max():.2f})"
        )


if __name__ == "__main__":
    with command():
        parse(main, "python examples/calibrate_back.py")

"""Shift the pictures of rendered episodes against their joints, and estimate by how much.

    python examples/late_pictures.py data/lift --base -0.56 0 0.912
    python examples/late_pictures.py data/pick --robot panda_bullet --together 1

The pictures of each view come some frames late, or early. The offset is estimated from their motion
and the robot's speed, which joints and URDF tell, as `datasets.keypoints` does. For each view it
prints how far the estimates are from the truth, and how many of the intervals hold it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tyro
from keypoints_back import PARTS

from datasets.command import command, parse
from datasets.episodes import EpisodeDataset
from datasets.kinematics.clocks import synchronised
from datasets.kinematics.recording import RecordedRobot, RecordingOptions
from datasets.kinematics.timing import (
    ClockOffset,
    estimate_offset,
    motion_energy,
    robot_speed,
)


def main(
    data: tyro.conf.Positional[Path],
    robot: str = "panda",
    base: tuple[float, ...] = (0.0, 0.0, 0.0),
    shifts: tuple[int, ...] = (-7, -3, 0, 3, 7),
    episodes: int = 12,
    together: int = 4,
) -> None:
    """Compare estimated offsets with known ones.

    Args:
        data: Rendered episodes with joints.
        robot: The robot in them.
        base: Where its base is.
        shifts: Frames by which the pictures are made late; negative ones make them early.
        episodes: Episodes that are used.
        together: How many of them one estimate is from.
    """
    truth = EpisodeDataset(data, episodes=episodes)
    options = RecordingOptions(data=data, robot=robot, joints=PARTS[0], gripper=PARTS[1], base=base)
    recorded = RecordedRobot(options)
    found: dict[str, list[tuple[int, ClockOffset]]] = {view: [] for view in truth.views}
    for shift in shifts:
        pairs = [shifted(truth, recorded, i, shift) for i in range(len(truth))]
        for first in range(0, len(pairs), together):
            for view in truth.views:
                group = [each[view] for each in pairs[first : first + together]]
                found[view].append((shift, estimate_offset(group)))
    for view, estimates in found.items():
        print(f"{view}: {report(estimates)}")


def shifted(
    data: EpisodeDataset, recorded: RecordedRobot, i: int, shift: int
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """View to the robot's speed and the motion in pictures that come `shift` frames late."""
    episode = data.episode(i)
    motion, _ = recorded.motion(episode, f"episode {i}")
    # Putting right what was never wrong makes it wrong by as much.
    made = synchronised(episode, motion, dict.fromkeys(data.views, -float(shift)), f"episode {i}")
    speed = robot_speed(made.motion, recorded.points)
    return {view: (speed, motion_energy(f)) for view, f in made.episode.images.items()}


def report(estimates: list[tuple[int, ClockOffset]]) -> str:
    """How good estimates are, as a clause."""
    measured = [(shift, found) for shift, found in estimates if not found.problem]
    if not measured:
        return f"0 of {len(estimates)} measured"
    off = np.abs([found.frames - shift for shift, found in measured])
    held = np.mean([found.low <= shift <= found.high for shift, found in measured])
    half = np.mean([found.high - found.low for _, found in measured]) / 2
    return (
        f"{len(measured)} of {len(estimates)} measured, {off.mean():.2f} frames off in the mean, "
        f"{off.max():.2f} at most, intervals of ±{half:.2f} hold {held:.0%}"
    )


if __name__ == "__main__":
    with command():
        parse(main, "python examples/late_pictures.py")

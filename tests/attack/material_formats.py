"""Small recordings in the formats of others, and a robot with its cameras and clicks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

import datasets
from datasets.calibration.clicks import Click, write_clicks
from datasets.calibration.own import write_rig
from datasets.kinematics.rig import RigCamera
from tests.datasets.formats.test_image_folders import write as write_pictures
from tests.datasets.formats.test_maniskill import make as write_maniskill
from tests.datasets.formats.test_rosbag import record, usual
from tests.datasets.kinematics.arm import (
    SIZE,
    camera,
    joints,
    load_arm,
    make_motion,
    pictures,
    rig_camera,
)
from tests.datasets.lerobot_files import write_lerobot
from tests.datasets.unpaired_files import make_unpaired, write_table

# Kinds of bags, and what each is called.
BAGS = {"bag": "ros1", "bag2": "sqlite3", "mcap": "mcap"}
CLICKED = ("lower", "left_tip", "upper")


def write_formats(root: Path) -> None:
    """A recording in each format that `datasets.info` and `datasets.convert` read."""
    write_lerobot(root / "lerobot21", version="v2.1")
    write_lerobot(root / "lerobot_pictures", version="v2.1", kind="image")
    for name, kind in BAGS.items():
        (root / name).mkdir()
        record(root / name / "take", usual(kind), kind)
    (root / "maniskill").mkdir()
    write_maniskill(root / "maniskill/traj.h5")
    for take in range(3):
        for view in ("ego", "front"):
            write_pictures(root / f"pictures/take_{take}/{view}", range(4))
    counts = {"train": 1, "val": 1, "test": 1}
    make_unpaired(root / "ae2", counts, size=32, folders=True)
    make_unpaired(root / "ae2_table", counts, size=32)
    write_table(root / "ae2_table")


def write_recording_of_arm(root: Path) -> None:
    """An arm that moves before one camera: its URDF, pictures, joints, calibrations, and clicks."""
    arm, clicks = load_arm(root), []
    for i in range(3):
        values = joints() - 0.02 * i
        motion = make_motion(arm, values)
        frames = {"front": pictures(motion, rig_camera())}
        datasets.write_episode(root / "arm", frames, joints=values, hz=10)
        for frame in (0, 3, 5):
            motion.place(frame)
            for link in CLICKED:
                (x, y), _ = camera().project(arm.pose(link)[:3, 3])
                clicks.append(Click("front", frame, link, float(x), float(y), i))
    datasets.finish_data_set(root / "arm")
    write_clicks(root / "clicks.csv", clicks)
    lens, pose = camera().intrinsics, camera().world_to_camera
    write_rig(root / "rig.json", {"front": RigCamera(lens, pose, size=(SIZE, SIZE))})
    matrix = lens - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])  # ROS counts from the centre
    info = {"image_width": SIZE, "image_height": SIZE, "K": matrix.ravel().tolist()}
    (root / "front.yaml").write_text(json.dumps(info))

"""A recording of a small arm, and a camera that looks at it."""

from __future__ import annotations

from pathlib import Path

import pytest

import datasets
from tests.datasets.kinematics.arm import joints, load_arm, make_motion, pictures, rig_camera


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two episodes of the arm with pictures and joints; no cameras."""
    root, arm = tmp_path / "recording", load_arm(tmp_path)
    for i in range(2):
        values = joints() - 0.02 * i
        frames = {"front": pictures(make_motion(arm, values), rig_camera())}
        datasets.write_episode(root, frames, joints=values, hz=10)
    datasets.finish_data_set(root)
    return root

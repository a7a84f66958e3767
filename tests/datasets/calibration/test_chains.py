"""Chains of Kalibr: all cameras follow from the pose of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from datasets.calibration.reading import read_cameras
from datasets.errors import FormatError, MissingDataError


def pose(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(rng.normal(size=3)).as_matrix()
    matrix[:3, 3] = rng.normal(size=3)
    return matrix


# World to each camera, and what the chain stores.
POSES = [pose(k) for k in range(3)]
BETWEEN = [POSES[k] @ np.linalg.inv(POSES[k - 1]) for k in (1, 2)]


def chain(path: Path, **changes: dict[str, Any]) -> Path:
    camera = {
        "camera_model": "pinhole",
        "intrinsics": [600.0, 600.0, 320.0, 240.0],
        "resolution": [640, 480],
        "distortion_model": "radtan",
        "distortion_coeffs": [0.0, 0.0, 0.0, 0.0],
    }
    steps = [{}, *({"T_cn_cnm1": step.tolist()} for step in BETWEEN)]
    stored = {f"cam{k}": camera | step for k, step in enumerate(steps)}
    for name, parts in changes.items():
        stored[name] = {k: v for k, v in {**stored[name], **parts}.items() if v is not None}
    path.write_text(yaml.safe_dump(stored))
    return path


def rig(path: Path, view: str, k: int, **more: str) -> Path:
    path.write_text(json.dumps({view: {"pose": POSES[k].tolist(), **more}}))
    return path


@pytest.mark.parametrize("known", range(3))
def test_the_pose_of_any_camera_places_all(tmp_path: Path, known: int) -> None:
    file = chain(tmp_path / "chain.yaml")
    views = [f"v{k}={file}:cam{k}" for k in range(3)]
    found = read_cameras([*views, str(rig(tmp_path / "rig.json", f"v{known}", known, link="hand"))])
    for k in range(3):
        camera = found[f"v{k}"].camera(f"v{k}")
        np.testing.assert_allclose(camera.pose, POSES[k], atol=1e-9)
        assert camera.link == "hand"


def test_a_whole_chain_is_placed_by_a_file_beside_it(tmp_path: Path) -> None:
    chain(tmp_path / "chain.yaml")
    rig(tmp_path / "rig.json", "cam0", 0)
    found = read_cameras([str(tmp_path)])
    np.testing.assert_allclose(found["cam2"].camera("cam2").pose, POSES[2], atol=1e-9)


def test_the_imu_joins_cameras_that_name_no_step(tmp_path: Path) -> None:
    imu = pose(9)
    by_imu = {
        f"cam{k}": {"T_cn_cnm1": None, "T_cam_imu": (POSES[k] @ imu).tolist()} for k in range(3)
    }
    file = chain(tmp_path / "chain.yaml", **by_imu)
    found = read_cameras([str(file), str(rig(tmp_path / "rig.json", "cam0", 0))])
    np.testing.assert_allclose(found["cam2"].pose, POSES[2], atol=1e-9)


def test_without_any_pose_the_first_camera_is_named(tmp_path: Path) -> None:
    found = read_cameras([f"side={chain(tmp_path / 'chain.yaml')}:cam2"])
    with pytest.raises(MissingDataError, match="relative to cam0 of .*Give the pose of one camera"):
        found["side"].camera("side")


def test_a_gap_ends_the_chain(tmp_path: Path) -> None:
    file = chain(tmp_path / "chain.yaml", cam1={"T_cn_cnm1": None})
    found = read_cameras([str(file), str(rig(tmp_path / "rig.json", "cam0", 0))])
    np.testing.assert_allclose(found["cam0"].pose, POSES[0])
    for name in ("cam1", "cam2"):
        with pytest.raises(MissingDataError, match="does not say where the camera is"):
            found[name].camera(name)


def test_a_step_that_is_no_motion_is_named(tmp_path: Path) -> None:
    file = chain(tmp_path / "chain.yaml", cam1={"T_cn_cnm1": (2 * np.eye(4)).tolist()})
    with pytest.raises(FormatError, match="cam1: T_cn_cnm1: pose is no rotation"):
        read_cameras([str(file)])

"""Trajectories of ManiSkill 2 and 3 as episodes."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import DamagedDataError, DataError, MismatchError, MissingDataError
from datasets.formats.detect import open_source
from datasets.formats.maniskill import ManiSkillSource

STEPS = 5


def pictures(length: int = STEPS + 1) -> np.ndarray:
    """Pictures whose red is their number."""
    frames = np.zeros((length, 8, 8, 3), np.uint8)
    frames[..., 0] = np.arange(length)[:, None, None]
    return frames


def make(path: Path, version: int = 3, trajectories: int = 3) -> Path:
    images, cameras = {3: ("sensor_data", "sensor_param"), 2: ("image", "camera_param")}[version]
    with h5py.File(path, "w") as file:
        for number in range(trajectories):
            trajectory = file.create_group(f"traj_{number}")
            trajectory["actions"] = np.full((STEPS, 8), number, np.float32)
            trajectory["success"] = np.arange(STEPS) == STEPS - 1
            obs = trajectory.create_group("obs")
            obs["agent/qpos"] = np.arange((STEPS + 1) * 9.0).reshape(-1, 9)
            obs["extra/tcp_pose"] = np.ones((STEPS + 1, 7))
            for camera in ("base_camera", "hand_camera"):
                obs[f"{images}/{camera}/rgb"] = pictures()
                obs[f"{images}/{camera}/depth"] = np.zeros((STEPS + 1, 8, 8, 1), np.int16)
                moved = np.tile(np.eye(4)[:3], (STEPS + 1, 1, 1))
                moved[:, 2, 3] = 1 + np.arange(STEPS + 1)
                obs[f"{cameras}/{camera}/extrinsic_cv"] = moved.astype(np.float32)
                matrix = np.array([[8.0, 0, 4], [0, 8, 4], [0, 0, 1]], np.float32)
                obs[f"{cameras}/{camera}/intrinsic_cv"] = np.tile(matrix, (STEPS + 1, 1, 1))
    about = {"env_info": {"env_id": "PickCube-v1"}, "episodes": []}
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_a_trajectory_has_pictures_cameras_and_the_robots_state(
    tmp_path: Path, version: int
) -> None:
    source = open_source(make(tmp_path / "trajectory.h5", version))
    assert isinstance(source, ManiSkillSource)
    assert (source.views, source.lengths) == (["base_camera", "hand_camera"], [STEPS] * 3)
    assert source.meta.env == "PickCube-v1"
    episode = source.sound_episode(1)
    assert episode.images["hand_camera"][:, 0, 0, 0].tolist() == list(range(STEPS))
    assert (episode.actions == 1).all() and episode.success is True
    assert episode.observations["qpos"][2, 0] == 18
    assert episode.observations["tcp_pose"].shape == (STEPS, 7)
    # A point on the optical axis stays in the middle, farther away in every step.
    camera = episode.camera("base_camera", 3)
    pixels, depths = camera.project(np.zeros((1, 3)))
    assert pixels[0] == pytest.approx([4, 4]) and depths[0] == pytest.approx(4)
    assert episode.world_to_camera["base_camera"][:, 2, 3].tolist() == [1, 2, 3, 4, 5]


def test_it_becomes_a_data_set(tmp_path: Path) -> None:
    out = tmp_path / "episodes"
    convert(ConvertConfig(make(tmp_path / "trajectory.h5"), out, "episodes", split="1,1,1"))
    data = EpisodeDataset(out)
    assert data.lengths == [STEPS] * 3 and not data.has_keypoints(0)
    assert data.episode(0).observations["qpos"].shape == (STEPS, 9)


def test_states_alone_name_the_command_that_renders_them(tmp_path: Path) -> None:
    path = make(tmp_path / "trajectory.h5")
    with h5py.File(path, "a") as file:
        del file["traj_0/obs"]
        file["traj_0/obs"] = np.zeros((STEPS + 1, 42))
    with pytest.raises(MissingDataError, match="replay_trajectory --traj-path"):
        ManiSkillSource(path)


def test_the_file_beside_it_is_missed_by_name(tmp_path: Path) -> None:
    path = make(tmp_path / "trajectory.h5")
    path.with_suffix(".json").unlink()
    with pytest.raises(MissingDataError, match=r"trajectory\.json does not exist"):
        open_source(path)


def spoil_actions(file: h5py.File) -> None:
    del file["traj_1/actions"]
    file["traj_1/actions"] = np.zeros((STEPS - 1, 8))


def spoil_view(file: h5py.File) -> None:
    del file["traj_1/obs/sensor_data/hand_camera"]


def spoil_state(file: h5py.File) -> None:
    del file["traj_0/obs/agent/qpos"]
    file["traj_0/obs/agent/qpos"] = np.zeros((STEPS, 9))


def spoil_lens(file: h5py.File) -> None:
    file["traj_0/obs/sensor_param/base_camera/intrinsic_cv"][2, 0, 0] = 9


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (spoil_actions, DamagedDataError, "one more picture than actions"),
        (spoil_view, MismatchError, "the same views"),
        (spoil_lens, DataError, "changes in time"),
        (spoil_state, DamagedDataError, "agent/qpos has 5 time steps, the pictures 6"),
    ],
)
def test_what_does_not_fit_is_named(
    tmp_path: Path, spoil, error: type[DataError], message: str
) -> None:
    path = make(tmp_path / "trajectory.h5")
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(error, match=message):
        ManiSkillSource(path).episode(0)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(DataError):
        ManiSkillSource(path)

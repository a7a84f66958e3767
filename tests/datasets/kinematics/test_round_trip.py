"""Lift without its keypoints gets the simulator's keypoints back, also through LeRobot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datasets.convert import main as convert
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.keypoints import main
from datasets.skeletons import NO_SKELETON

pytestmark = pytest.mark.slow

# robosuite's tasks on a table put the Panda here; `robot0_base` in an episode's model_file.
BASE = ("--base", "-0.56", "0", "0.912")


@pytest.fixture(scope="module")
def bare(lift_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = EpisodeDataset(lift_dataset)
    root = tmp_path_factory.mktemp("bare") / "lift"
    writer = EpisodeWriter(root, replace(data.meta, skeleton=NO_SKELETON.name))
    for i in range(3):
        episode = replace(data.episode(i), keypoints={}, visible={}, keypoints_world=None)
        writer.write(i, episode)
    writer.write_index({"train": [0], "valid": [1], "test": [2]})
    return root


def require_same(lift_dataset, out):
    truth, back = EpisodeDataset(lift_dataset), EpisodeDataset(out)
    back.check(need_keypoints=True)
    assert back.skeleton == truth.skeleton
    agree = []
    for i in range(3):
        for view in truth.views:
            expected, found = truth.keypoints(i, view), back.keypoints(i, view)
            inside = ((expected >= 0) & (expected < truth.meta.image_size)).all(-1)
            assert np.linalg.norm(found - expected, axis=-1)[inside].max() < 0.5
            agree.append((truth.visible(i, view) == back.visible(i, view)).mean())
    assert np.mean(agree) >= 0.97


def test_keypoints_come_back(lift_dataset, bare, tmp_path):
    columns = ("--joints", "robot0_joint_pos", "--gripper", "robot0_gripper_qpos")
    main([str(bare), "--robot", "panda", *columns, *BASE, "--out", str(tmp_path / "out")])
    require_same(lift_dataset, tmp_path / "out")


def test_keypoints_come_back_through_lerobot(lift_dataset, bare, tmp_path):
    convert([str(bare), str(tmp_path / "lerobot"), "--to", "lerobot"])
    # All proprioception is one feature, in the order of the names of its parts.
    at, places = 0, {}
    for name, values in sorted(EpisodeDataset(bare).episode(0).observations.items()):
        places[name] = f"observation.state[{at}:{at + values.shape[1]}]"
        at += values.shape[1]
    columns = ("--joints", places["robot0_joint_pos"], "--gripper", places["robot0_gripper_qpos"])
    source, out = str(tmp_path / "lerobot"), str(tmp_path / "out")
    main([source, "--robot", "panda", *columns, *BASE, "--out", out])
    require_same(lift_dataset, out)

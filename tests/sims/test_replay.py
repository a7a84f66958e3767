"""Replay of files that robosuite and robomimic wrote, to the byte."""

import json
import shutil
import sys
from itertools import pairwise

import h5py
import numpy as np
import pytest

from datasets.episodes import EpisodeDataset
from datasets.errors import (
    MismatchError,
)
from sims.gl import import_mujoco
from sims.mujoco.renderer import ViewRenderer
from sims.replay import ReplayConfig, replay, summarize
from sims.robosuite.demos import DemonstrationFile
from sims.robosuite.restore import steady
from sims.robosuite.xml import with_present_names
from tests.sims.recorded import make_old
from tests.sims.runs import contents, finish

pytest.importorskip("robomimic")

OPTIONS = {"views": 2, "size": 64, "workers": 1}


@pytest.fixture(scope="module")
def replayed(demos, tmp_path_factory):
    """The options of the data set of their replay."""
    config = ReplayConfig(demos, **OPTIONS, out=tmp_path_factory.mktemp("replayed") / "lift")
    replay(config)
    return config


@pytest.mark.slow
def test_recorded_states_actions_and_masks_are_kept(demos, replayed):
    data = EpisodeDataset(replayed.root)
    data.check(window=2)
    assert data.names == ["demo_1", "demo_2", "demo_3"]
    with h5py.File(demos) as file:
        for i, name in enumerate(data.names):
            episode, demo = data.episode(i), file["data"][name]
            assert np.array_equal(episode.states, demo["states"])
            assert np.array_equal(episode.actions, demo["actions"])
            assert episode.success
            assert episode.rewards[-1] > 0
        assert data.meta.env_args == json.loads(file["data"].attrs["env_args"])
        for split in ("train", "valid"):
            names = sorted(name.decode() for name in file[f"mask/{split}"])
            assert EpisodeDataset(replayed.root, split).names == names
    assert len(EpisodeDataset(replayed.root, "train")) == 2


@pytest.mark.slow
def test_images_equal_those_of_the_recorded_model_and_state(demos, replayed):
    """MuJoCo alone renders the same bytes from the model and state in the file."""
    mujoco = import_mujoco()
    data = EpisodeDataset(replayed.root)
    renderer = ViewRenderer(64)
    for i, t in ((0, 5), (2, 30)):
        episode = data.episode(i)
        with h5py.File(demos) as file:
            demo = file["data"][data.names[i]]
            model = mujoco.MjModel.from_xml_string(demo.attrs["model_file"])
            state = demo["states"][t]
        physics = mujoco.MjData(model)
        physics.time = state[0]
        physics.qpos[:] = state[1 : 1 + model.nq]
        physics.qvel[:] = state[1 + model.nq :]
        mujoco.mj_forward(model, physics)
        renderer.load(model)
        images = renderer.render(physics, {view: episode.camera(view, t) for view in data.views})
        for view in data.views:
            assert np.array_equal(images[view], episode.images[view][t]), f"{view} of {i} at {t}"
            pixels, _ = episode.camera(view, t).project(episode.keypoints_world[t])
            assert np.allclose(pixels, episode.keypoints[view][t], atol=1e-3, equal_nan=True)
        fingers = [physics.body(f"gripper0_right_{side}finger").xpos for side in ("left", "right")]
        at = [data.skeleton.keypoints.index(f"{side}_finger") for side in ("left", "right")]
        offsets = np.linalg.norm(episode.keypoints_world[t][at] - fingers, axis=1)
        assert (offsets < 0.06).all()
        assert np.allclose(episode.observations["robot0_gripper_qpos"][t], state[8:10])
    renderer.close()


@pytest.mark.slow
def test_phases_follow_one_another(replayed):
    data = EpisodeDataset(replayed.root)
    for i in range(len(data)):
        phases = data.phases(i)
        assert phases[0] == 0
        assert phases[-1] == len(data.meta.phases) - 1
        changes = {(int(a), int(b)) for a, b in pairwise(phases) if a != b}
        assert changes <= {(0, 1), (1, 0), (1, 2), (2, 3), (3, 2)}


@pytest.mark.slow
def test_phases_derived_from_states_agree_with_those_of_the_expert(robosuite_world):
    env = robosuite_world
    env.reset(seed=5)
    states, meant = [], []
    for step in env.expert(np.random.default_rng(5)):
        states.append(env.state())
        meant.append(step.phase)
        env.step(step.action)
    seen = []
    env.load_episode(env.model_file())
    for state in states:
        env.set_state(state)
        seen.append(env.phase_now())
    phases = steady(np.array(seen, np.uint8))
    assert (phases == meant).mean() > 0.8
    assert (np.diff(phases.astype(int)) >= 0).all()
    assert set(phases) == set(range(len(env.phases)))


def test_a_phase_of_two_steps_is_removed():
    flickering = np.array([0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 1, 2, 2, 2], np.uint8)
    expected = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2]
    assert steady(flickering).tolist() == expected


@pytest.mark.slow
def test_the_command_makes_the_same_bytes_with_two_workers(demos, replayed, tmp_path):
    out = tmp_path / "lift"
    shutil.copytree(replayed.root, out)
    for name in ("000001", "000003"):
        (out / "episodes" / f"{name}.hdf5").unlink()
    words = ["--demos", demos, "--views", 2, "--size", 64, "--workers", 2, "--out", out]
    code, output = finish([sys.executable, "-m", "sims.replay", *map(str, words)])
    assert code == 0, output
    assert "3 demonstrations, 3 of them solved" in output
    assert "1 of 3 episodes are on disk. Making the missing ones: 1, 3." in output
    assert "to get one: --split 4,1,1" in output
    assert contents(out) == contents(replayed.root)


@pytest.mark.slow
def test_other_demonstrations_for_the_same_folder_are_an_error(copy, replayed):
    with h5py.File(copy, "a") as file:
        file["data/demo_2/states"][3, 4] += 0.01
    config = ReplayConfig(copy, **OPTIONS, out=replayed.root)
    with pytest.raises(MismatchError, match=r"000002\.hdf5 .*states"):
        replay(config)


@pytest.mark.slow
def test_a_given_split_of_the_first_episodes(demos, tmp_path):
    config = ReplayConfig(demos, views=1, size=32, episodes=2, split="1,1,0", out=tmp_path / "two")
    parts = config.parts(DemonstrationFile(demos))
    assert parts == {"train": [1], "valid": [2], "test": []}


@pytest.mark.slow
def test_a_file_of_robosuite_1_4_gives_the_same_episode(copy, replayed, tmp_path, caplog):
    make_old(copy)
    config = ReplayConfig(copy, **OPTIONS, episodes=1, split="1,0,0", out=tmp_path / "old")
    with caplog.at_level("WARNING", "sims"):
        replay(config)
    assert "was recorded with robosuite 1.4.1" in caplog.text
    assert "is installed" in caplog.text
    old, new = EpisodeDataset(config.root).episode(0), EpisodeDataset(replayed.root).episode(0)
    assert np.array_equal(old.phases, new.phases)
    assert np.array_equal(old.keypoints_world, new.keypoints_world)
    for view, images in new.images.items():
        assert np.array_equal(old.images[view], images)
    assert "1 demonstration, 1 of them solved" in summarize(config)


@pytest.mark.slow
def test_a_current_model_keeps_its_names(demos):
    with h5py.File(demos) as file:
        model = file["data/demo_1"].attrs["model_file"]
    assert with_present_names(model) == model


@pytest.mark.slow
def test_recorded_rewards_dones_and_observations_are_kept_but_not_images(copy, tmp_path):
    """robomimic's files with images have rewards, dones and observations."""
    with h5py.File(copy, "a") as file:
        del file["data/demo_2"], file["data/demo_3"]
        demo = file["data/demo_1"]
        steps = len(demo["states"])
        for name in ("states", "actions"):  # four steps, so that the test is fast
            kept = demo[name][steps - 4 :]
            del demo[name]
            demo[name] = kept
        demo["rewards"] = np.array([0.0, 0.0, 0.25, 1.0])
        demo["dones"] = np.array([0, 0, 1, 1])
        demo["obs/robot0_eef_pos"] = np.arange(12.0).reshape(4, 3)
        demo["obs/agentview_image"] = np.zeros((4, 8, 8, 3), np.uint8)
    config = ReplayConfig(copy, **OPTIONS, episodes=1, split="1,0,0", out=tmp_path / "image")
    replay(config)
    episode = EpisodeDataset(config.root).episode(0)
    assert episode.rewards.tolist() == [0.0, 0.0, 0.25, 1.0]
    assert episode.dones.tolist() == [0, 0, 1, 1]
    assert list(episode.observations) == ["robot0_eef_pos"]
    assert np.array_equal(episode.observations["robot0_eef_pos"], np.arange(12.0).reshape(4, 3))


@pytest.mark.slow
def test_generated_episodes_can_be_replayed_too(lift_dataset, tmp_path):
    """A generated data set is also a robomimic file, and can be rendered from other views."""
    config = ReplayConfig(
        lift_dataset / "lift.hdf5", views=1, size=32, episodes=1, split="1,0,0", out=tmp_path / "a"
    )
    replay(config)
    theirs, ours = EpisodeDataset(lift_dataset).episode(0), EpisodeDataset(config.root).episode(0)
    assert np.array_equal(ours.states, theirs.states)
    # The text of an MJCF model has rounded lengths.
    assert np.allclose(ours.keypoints_world, theirs.keypoints_world, atol=1e-6)

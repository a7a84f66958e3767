"""Gymnasium's environments on MuJoCo, by their ids."""

from dataclasses import replace

import numpy as np
import pytest

import sims
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError, UnknownNameError
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.errors import HookError, ProductionError, SimulatorError
from sims.generate import generate
from sims.production import worker
from sims.rollout import record
from tests.sims.runs import command, contents, finish

REACHER = "gymnasium:Reacher-v5"
HERE = "tests.sims.mujoco.test_gym_env"


def swing(env):
    """Turns the arm one way, then back."""
    for step in range(6):
        yield (np.full(2, 0.8), "out") if step < 3 else (np.full(2, -0.8), "back")


swing.phases = ("out", "back")


def lame(env):
    yield np.zeros(5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Reacher-v5", "HalfCheetah-v5"])
def test_environments_keep_every_promise(name, make):
    check_multi_view_env(make(sims.make, f"gymnasium:{name}", size=96), steps=6)


@pytest.mark.slow
def test_an_episode_has_the_environments_length_rewards_and_bodies(make):
    env = make(sims.make, REACHER)
    episode = record(env, seed=3)
    assert env.skeleton.keypoints == ("body0", "body1", "fingertip", "target")
    assert len(episode.actions) == 50 and (episode.rewards < 0).all()
    assert env.phases == ("act",) and env.control_hz == pytest.approx(50)


def test_keypoints_and_policies_are_chosen(make):
    env = make(sims.make, REACHER, policy=f"{HERE}:swing", points=("fingertip",))
    episode = record(env, seed=0)
    assert episode.keypoints["ego"].shape == (6, 1, 2)
    assert env.phases == ("out", "back") and episode.phases.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("name", "options", "error", "complaint"),
    [
        ("gymnasium:Raecher-v5", {}, UnknownNameError, "no environment 'Raecher-v5'"),
        ("gymnasium:CartPole-v1", {}, SimulatorError, "does not run on MuJoCo"),
        (REACHER, {"policy": "nowhere:act"}, UnknownNameError, "names no function"),
        (REACHER, {"policy": f"{HERE}:REACHER"}, UnknownNameError, "is not a function"),
        (REACHER, {"points": ("fingertpi",)}, UnknownNameError, "'fingertpi'.*'fingertip'"),
    ],
)
def test_what_does_not_exist_is_named(make, name, options, error, complaint):
    with pytest.raises(error, match=complaint):
        make(sims.make, name, **options)


def test_an_id_of_a_package_that_is_not_installed_has_its_remedy(make, monkeypatch):
    from sims.mujoco import gym_env

    monkeypatch.setattr(gym_env, "find_spec", lambda name: None)
    with pytest.raises(UnknownNameError, match="pip install gymnasium-robotics"):
        make(sims.make, "gymnasium:FetchPickAndPlace-v4")


def test_a_policy_of_another_shape_is_named(make):
    with pytest.raises(HookError, match=r"lame\(\), step 0: .* \(5,\); give 2 numbers"):
        record(make(sims.make, REACHER, policy=f"{HERE}:lame"), seed=0)


def test_its_options_are_refused_for_other_worlds():
    with pytest.raises(OptionError, match="--policy and --keypoints are for --env gymnasium:ID"):
        GenerateConfig(env="lift", policy="random").check()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (None, "random policy of .* --policy MODULE"),
        (f"{HERE}:swing", "expert of .* must solve the task"),
    ],
)
def test_what_never_solves_its_task_has_a_remedy(tmp_path, monkeypatch, policy, complaint):
    monkeypatch.setattr(worker, "record", lambda env, seed, *options, **more: None)
    config = GenerateConfig(
        env=REACHER, policy=policy, views=1, episodes=1, size=32, workers=1, out=tmp_path / "one"
    )
    with pytest.raises(ProductionError, match=complaint):
        generate(config)


@pytest.mark.slow
def test_a_command_generates_the_same_bytes_again(tmp_path):
    options = {"env": REACHER, "episodes": 3, "size": 32, "views": 1}
    policy, points = f"{HERE}:swing", ("body1", "fingertip")
    words = ["--policy", policy, "--keypoints", *points]
    code, output = finish(command(tmp_path / "one", 1, **options) + words)
    assert code == 0, output
    config = GenerateConfig(
        **options, policy=policy, keypoints=points, workers=1, out=tmp_path / "two"
    )
    generate(config)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert EpisodeDataset(tmp_path / "one").skeleton.keypoints == points
    assert f"--policy {policy} --keypoints body1 fingertip" in config.command
    other = r"env_args\.env_kwargs\.policy: '.*swing' on disk, 'random' asked for\)"
    with pytest.raises(MismatchError, match=other):
        generate(replace(config, policy="random"))

"""`BulletEnv`: files of PyBullet and a few lines are a world that keeps every promise."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError, UnknownNameError
from datasets.info import main as info
from sims import BulletEnv, MujocoEnv
from sims.bullet.files import Placed
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.generate import generate
from tests.sims.bullet.worlds import ARM, URDF, Arm, Planar, still
from tests.sims.runs import command, contents, finish


def run(env, seed, steps=None):
    env.reset(seed=seed)
    for number, step in enumerate(env.expert(np.random.default_rng(seed))):
        if number == steps:
            break
        env.step(step.action)
    return env.state()


@pytest.mark.slow
@pytest.mark.parametrize("world", [Arm, Planar])
def test_a_class_of_a_few_lines_keeps_every_promise(world, make):
    check_multi_view_env(make(world, size=64), steps=8)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is:UserWarning")
def test_gymnasium_accepts_it(make):
    check_env(make(Planar, size=32, views=1), skip_render_check=True)


def test_keypoints_are_where_mujoco_has_them(make):
    """Two simulators read one URDF alike."""
    bullet, mujoco = (make(kind, URDF, act=still) for kind in (BulletEnv, MujocoEnv))
    names = [name.rpartition("/")[2] for name in bullet.skeleton.keypoints]
    assert tuple(names) == mujoco.skeleton.keypoints
    assert bullet.skeleton.bones == mujoco.skeleton.bones
    for env in (bullet, mujoco):
        env.reset(seed=0)
    rng = np.random.default_rng(0)
    for angles in rng.uniform(-1.5, 1.5, (4, 2)):
        bullet.set_joints(angles)
        mujoco.data.qpos[:] = angles
        mujoco.refresh()
        np.testing.assert_allclose(bullet.keypoints(), mujoco.keypoints(), atol=1e-6)


def test_joints_follow_the_actions(make):
    goal = np.array([0.7, -1.0])
    env = make(BulletEnv, URDF, act=lambda env: iter([goal] * 40))
    assert env.action_space.low[0] == -2 and env.action_space.high[1] == pytest.approx(2 * np.pi)
    run(env, 1)
    np.testing.assert_allclose(env.joint_positions(), goal, atol=0.01)


def test_only_the_named_joints_are_driven(make):
    env = make(BulletEnv, URDF, joints=["arm/elbow"], act=still)
    assert env.action_space.shape == (1,)
    env.reset(seed=0)
    start = env.observe()["qpos"]
    for _ in range(10):
        env.step(env.joint_positions())
    moved = np.abs(env.observe()["qpos"] - start)
    assert moved[0] > 0.05, "the shoulder does not swing"
    assert moved[1] < 0.02, "the elbow does not hold"


@pytest.mark.slow
def test_looking_does_not_change_what_happens(make):
    env, ends = make(Arm), []
    for looks in (False, True):
        env.reset(seed=4)
        for step in env.expert(np.random.default_rng(4)):
            if looks:
                env.render_views()
            env.step(step.action)
        ends.append(env.state())
    np.testing.assert_array_equal(*ends)


@pytest.mark.slow
@pytest.mark.parametrize("scene", ["arm", "humanoid"])
def test_a_state_is_restored_and_goes_on_alike(make, scene):
    spherical = {"bodies": {"man": Placed("humanoid/humanoid.urdf", (0, 0, 4), scale=0.25)}}
    env = make(Arm) if scene == "arm" else make(BulletEnv, act=still, **spherical)
    run(env, 2, 2)
    state, points = env.state(), env.keypoints()
    action = env.joint_positions() + 0.1
    ends = []
    for disturbance in (3, 5):
        for _ in range(disturbance):
            env.step(env.action_space.low.clip(-1, 1))
        env.set_state(state)
        np.testing.assert_allclose(env.keypoints(), points, atol=1e-9)
        np.testing.assert_allclose(env.state(), state, atol=1e-9)
        env.step(action)
        ends.append(env.state())
    np.testing.assert_array_equal(*ends)
    assert not np.allclose(ends[0], state)


@pytest.mark.slow
def test_a_link_is_brought_where_it_shall_be(make):
    env = make(Arm, randomize=lambda env, rng: None)
    env.reset(seed=0)
    goal, turn = np.array([0.5, 0.2, 0.4]), (180.0, 0.0, 0.0)
    env.set_joints(env.reach_for("arm/lbr_iiwa_link_7", goal, turn))
    pose = env.body_pose("arm/lbr_iiwa_link_7")
    np.testing.assert_allclose(pose[:3, 3], goal, atol=0.01)
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=0.05)
    with pytest.raises(OptionError, match=r"goal of arm/lbr_iiwa_link_7 is .*: give 3 finite"):
        env.reach_for("arm/lbr_iiwa_link_7", (0.5, 0.2))
    with pytest.raises(OptionError, match="cube is not carried by joints"):
        env.reach_for("cube", goal)


@pytest.mark.slow
def test_a_body_is_placed_by_its_base(make):
    env = make(Arm)
    env.reset(seed=0)
    env.place("arm", (0.1, 0.2, 0.3), (0, 0, 90))  # whose centre of mass lies elsewhere
    pose = env.body_pose("arm")
    np.testing.assert_allclose(pose[:3, 3], [0.1, 0.2, 0.3], atol=1e-9)
    np.testing.assert_allclose(pose[:3, 0], [0, 1, 0], atol=1e-9)
    with pytest.raises(UnknownNameError, match="unknown body of .* 'cubes'; did you mean 'cube'"):
        env.place("cubes", (0, 0, 0))


@pytest.mark.slow
def test_a_command_generates_the_same_bytes_again(tmp_path, capsys):
    options = {"env": ARM, "episodes": 3, "size": 32, "views": 2}
    code, output = finish(command(tmp_path / "one", 1, **options))
    assert code == 0, output
    assert "3 episodes in 3 attempts" in output
    generate(GenerateConfig(**options, workers=1, out=tmp_path / "two"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    data = EpisodeDataset(tmp_path / "one")
    assert data.skeleton.keypoints[-1] == "arm/lbr_iiwa_link_7"
    assert set(data.phases(0)) == {0, 1}
    data.check(need_keypoints=True)
    info([str(tmp_path / "one")])
    shown = capsys.readouterr().out
    assert "Arm, 3 episodes of 3 views" in shown and "every episode is whole" in shown

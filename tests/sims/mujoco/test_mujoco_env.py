"""`MujocoEnv`: a scene file and a few lines are a world that keeps every promise."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError, UnknownNameError
from sims import MujocoEnv
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from sims.rollout import record
from sims.scenes.viewpoints import Viewpoint
from tests.sims.mujoco.worlds import ARM, SCENE, URDF, Arm, Filmed, still
from tests.sims.runs import command, contents, finish


@pytest.mark.slow
@pytest.mark.parametrize("world", [Arm, Filmed])
def test_a_class_of_a_few_lines_keeps_every_promise(world, make):
    check_multi_view_env(make(world, size=64))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*Box observation space m.*imum value is:UserWarning")
def test_gymnasium_accepts_it(make):
    check_env(make(Arm, size=32, views=1), skip_render_check=True)


@pytest.mark.slow
def test_a_urdf_gets_motors_that_follow_the_expert(make):
    goal = np.array([0.7, -1.0])

    def reach(env):
        for _ in range(40):
            yield goal

    env = make(MujocoEnv, URDF, act=reach)
    assert env.skeleton.keypoints == ("base", "upper", "fore")
    assert env.action_space.low[0] == -2 and env.action_space.high[1] == pytest.approx(2 * np.pi)
    check_multi_view_env(env, steps=4)
    env.reset(seed=1)
    for step in env.expert(np.random.default_rng(0)):
        env.step(step.action)
    np.testing.assert_allclose(env.data.qpos, goal, atol=0.01)


def test_the_collision_shapes_of_a_urdf_are_not_drawn(make):
    env = make(MujocoEnv, URDF, act=still)
    env.reset(seed=0)
    hidden = env.model.geom_group == 3
    assert hidden.sum() == 1 and env.model.geom_contype[hidden] == 1


@pytest.mark.slow
def test_a_scene_can_be_given_as_text(make):
    env = make(MujocoEnv, SCENE.read_text(), points=["tip"], act=still)
    assert "the scene of MujocoEnv" in env.scene_name
    assert record(env, seed=0).keypoints["view_0"].shape == (3, 1, 2)


def test_keypoints_are_where_the_model_has_them(make):
    env = make(Arm)
    env.reset(seed=3)
    expected = [*(env.data.body(body).xpos for body in env.points[:3]), env.data.site("tip").xpos]
    np.testing.assert_array_equal(env.keypoints(), expected)
    names = env.skeleton.keypoints
    assert [(names[a], names[b]) for a, b in env.skeleton.bones] == [
        ("base", "upper"),
        ("upper", "fore"),
        ("fore", "tip"),
    ]


def test_bones_can_be_given(make):
    env = make(Arm, bones=[("base", "tip")])
    assert env.skeleton.bones == ((0, 3),)
    with pytest.raises(UnknownNameError, match="unknown point 'tpi'.*'tip'"):
        make(Arm, bones=[("base", "tpi")])


@pytest.mark.slow
def test_the_scenes_cameras_agree_with_mujocos_own_pictures(make):
    """A small ball at the tip is drawn by `mujoco.Renderer` and found where it is projected."""
    env = make(Filmed, size=96)
    env.reset(seed=0)
    import mujoco

    env.model.geom_rgba[:] = (0, 0, 0, 1)
    env.model.mat_rgba[:] = (0, 0, 0, 1)
    env.model.site("tip").rgba[:] = (0, 1, 0, 1)
    env.model.site("tip").size[:] = 0.05
    with mujoco.Renderer(env.model, 96, 96) as renderer:
        for view, name in zip(env.views, ("wrist", "side", "front"), strict=True):
            renderer.update_scene(env.data, camera=name)
            image = renderer.render().astype(int)
            green = image[..., 1] - image[..., 0] - image[..., 2] > 30
            rows, columns = np.nonzero(green)
            middle = np.array([columns.mean(), rows.mean()]) + 0.5
            pixel, _ = env.cameras()[view].project(env.keypoints()[-1])
            assert np.abs(middle - pixel).max() < 1.5, view


@pytest.mark.slow
def test_hidden_points_are_not_visible(make):
    """From behind the base, it hides what is before it."""
    low = Viewpoint((-2.0, 0.0, 0.35), (0.0, 0.0, 0.35), 40.0)
    env = make(Arm, third_person=[low], views=1, randomize=lambda env, rng: None)
    env.reset(seed=0)
    env.data.qpos[:] = (1.5, 0.0)  # the arm hangs down before the base, seen from the front
    env.refresh()
    assert env.visible()["view_0"].tolist() == [True, True, False, False]


def test_the_first_person_camera_rides_on_its_body(make):
    env = make(Arm, ego="fore")
    env.reset(seed=0)
    before, pose = env.cameras()["ego"], env.body_pose("fore")
    env.step(np.array([1.0, -1.0]))
    after, moved = env.cameras()["ego"], env.body_pose("fore")
    assert not np.allclose(pose, moved)
    np.testing.assert_allclose(before.world_to_camera @ pose, after.world_to_camera @ moved)


def test_the_first_person_camera_may_stand_still(make):
    env = make(Arm, ego=((1.0, 1.0, 1.0), (0.0, 0.0, 0.5)))
    np.testing.assert_allclose(env.cameras()["ego"].position, 1)
    with pytest.raises(OptionError, match="is no camera"):
        make(Arm, ego=((0.0, 0.0, 1.0), (0.0, 0.0, 0.5)))


def test_named_cameras_decide_the_number_of_views():
    config = GenerateConfig(env="tests.sims.mujoco.worlds:Filmed")
    assert config.num_views == 2
    assert GenerateConfig(env=ARM).num_views == 4


def test_named_cameras_are_not_drawn_at_random(make):
    with pytest.raises(SimulatorError, match="cannot be moved"):
        make(Filmed).reset(seed=0, options={"random_cameras": True})


def test_the_rig_shows_the_points_wherever_the_joints_go(make):
    env = make(Arm, views=4)
    for seed in range(5):
        env.reset(seed=seed)
        env.data.qpos[:] = np.random.default_rng(seed).uniform(-1, 1, 2)
        env.refresh()
        for view in env.views[1:]:
            camera = env.cameras()[view]
            assert camera.contains(camera.project(env.keypoints())[0]).all(), view


def test_hooks_are_called_with_the_environment(make):
    def randomize(env, rng):
        env.data.qpos[0] = rng.uniform(0.2, 0.3)
        env.model.geom("floor").rgba[:] = (1, 0, 0, 1)

    env = make(
        Arm,
        randomize=randomize,
        solved=lambda env: env.data.qpos[0] > 0.25,
        control=lambda env, action: 0.5 * action,
    )
    started = [env.reset(seed=seed)[1]["success"] for seed in range(8)]
    assert len(set(started)) == 2
    env.step(np.ones(2))
    np.testing.assert_array_equal(env.data.ctrl, 0.5)
    env.randomize = lambda rng: None
    env.reset(seed=0)
    assert env.model.geom("floor").rgba[0] != 1, "another episode's colour has stayed"


@pytest.mark.slow
def test_an_episode_ends_after_max_steps(make):
    def forever(env):
        while True:
            yield np.zeros(2)

    assert len(record(make(Arm, act=forever, max_steps=5), seed=0).actions) == 5


def test_actions_beyond_the_actuators_are_clipped(make):
    env = make(Arm)
    env.reset(seed=0)
    env.step(np.array([9.0, -9.0]))
    np.testing.assert_array_equal(env.data.ctrl, [2.0, -2.4])


@pytest.mark.slow
def test_a_command_generates_the_same_bytes_again(tmp_path):
    options = {"env": ARM, "episodes": 3, "size": 32, "views": 2}
    code, output = finish(command(tmp_path / "one", 1, **options))
    assert code == 0, output
    assert "3 episodes in 3 attempts" in output
    generate(GenerateConfig(**options, workers=1, out=tmp_path / "two"))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    data = EpisodeDataset(tmp_path / "one")
    assert data.skeleton.keypoints == Arm.points
    assert set(data.phases(0)) == {0, 1}
    data.check(need_keypoints=True)

"""`MujocoEnv`: a scene file and a few lines are a world that keeps every promise."""

import re

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MissingDataError, OptionError, UnknownNameError
from sims import MujocoEnv
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.errors import HookError, SimulatorError
from sims.generate import generate
from sims.rollout import record
from sims.scenes.viewpoints import Viewpoint
from tests import REPOSITORY
from tests.sims.mujoco.worlds import Arm, Filmed
from tests.sims.runs import command, contents, finish

FOLDER = REPOSITORY / "tests" / "sims" / "mujoco"
SCENE, URDF = FOLDER / "arm.xml", FOLDER / "arm.urdf"
ARM = "tests.sims.mujoco.worlds:Arm"


def still(env):
    """An expert that stays where it is."""
    for _ in range(3):
        yield env.data.qpos[: env.action_space.shape[0]].copy()


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


# Faults in what a user writes.


def yielding(value):
    def act(env):
        yield np.zeros(2)
        yield value

    return act


@pytest.mark.slow
@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (np.zeros(3), r"step 1: an action has the shape \(3,\); give 2 numbers"),
        (None, r"step 1: an action has the shape \(\); give 2 numbers"),
        ("left", "step 1: 'left' is no action; give 2 numbers"),
        (np.array([0.0, np.nan]), r"step 1: the action \[ 0. nan\] is not finite"),
        ((np.zeros(2), "raech"), "unknown phase 'raech'; did you mean 'reach'"),
    ],
)
def test_a_wrong_action_is_named_with_its_function(make, value, complaint):
    act = yielding(value)
    with pytest.raises(HookError, match=complaint) as error:
        record(make(Arm, act=act), seed=0)
    line = act.__code__.co_firstlineno
    assert str(error.value).startswith(f"{__file__}:{line}, act()")


@pytest.mark.parametrize(
    ("act", "complaint"),
    [
        (lambda env: [np.zeros(2)], "must yield actions, but returns"),
        (lambda env: iter(()), "ended without an action"),
    ],
)
def test_an_expert_that_is_no_generator_or_does_nothing_is_named(make, act, complaint):
    with pytest.raises(HookError, match=complaint):
        record(make(Arm, act=act), seed=0)


def test_a_world_without_an_expert_is_named(make):
    with pytest.raises(HookError, match="MujocoEnv has no expert: write a generator method `act`"):
        record(make(MujocoEnv, SCENE), seed=0)


@pytest.mark.parametrize(
    ("settings", "error", "complaint"),
    [
        ({"points": ["bsae"]}, UnknownNameError, r"body or site of .*arm\.xml 'bsae'.*'base'"),
        ({"points": ["tip", "tip"]}, OptionError, "name one thing twice"),
        (
            {"third_person": ["sied"], "views": 1},
            UnknownNameError,
            r"camera of .*arm\.xml 'sied'.*'side'",
        ),
        (
            {"third_person": ["wrist"], "views": 1},
            OptionError,
            "'wrist' of .* moves.*ego = 'wrist'",
        ),
        ({"third_person": ["side"], "views": 2}, OptionError, "views: 2, but third_person has 1"),
        ({"ego": "wirst"}, UnknownNameError, r"camera or body of .*arm\.xml 'wirst'.*'wrist'"),
        ({"control_hz": 500.0}, OptionError, "control_hz is 500, .* steps of 0.01 s: .* most 100"),
        ({"control_hz": 0.0}, OptionError, "control_hz is 0.0: .* above 0"),
        ({"control_hz": "20"}, OptionError, "control_hz is '20'"),
        ({"control_hz": np.inf}, OptionError, "control_hz is inf"),
        ({"max_steps": 0}, OptionError, "max_steps is 0: .*at least 1"),
        ({"size": 0}, OptionError, "size is 0"),
        ({"points": "tip"}, OptionError, r"points is 'tip', .* \['tip'\]"),
        ({"phases": "reach"}, OptionError, "phases is 'reach'"),
        ({"phases": ()}, OptionError, "phases are none"),
        ({"phases": ("a", "a")}, OptionError, "phases are a, a: .* differ"),
        ({"phases": tuple(map(str, range(300)))}, OptionError, "1 to 256 names"),
        ({"action_range": ([1, 1], [-1, -1])}, OptionError, "action_range"),
        ({"solved": True}, OptionError, "solved is True: give a function"),
        ({"workspace": ((-900, -900, 0), (900, 900, 900))}, OptionError, "1800 m long.*in metres"),
        (
            {"third_person": [((3, 3, 1), (0, 0, 0.3)), ((2, 2, 1), (5, 5, 1))]},
            OptionError,
            "none of the points of .* in the picture of view_1 ",
        ),
        (
            {"third_person": ((1, 1, 1), (0, 0, 0)), "views": 1},
            OptionError,
            r"three finite numbers each\)\. Give a list of positions and targets",
        ),
        (
            {"third_person": [((1, np.nan, 1), (0, 0, 0))], "views": 1},
            OptionError,
            "three finite numbers each",
        ),
        ({"camera": "side"}, UnknownNameError, "unknown setting 'camera'"),
    ],
)
def test_a_wrong_setting_is_named(make, settings, error, complaint):
    with pytest.raises(error, match=complaint):
        make(MujocoEnv, SCENE, act=still, **settings)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "neither in .*correct `scene` of MujocoEnv"),
        ("<mujoco><worldbody>", "is not valid XML"),
        ("<mujoco><worldbody><bdy/></worldbody></mujoco>", "cannot be loaded .*bdy"),
        ("<mujoco><worldbody><body/></worldbody></mujoco>", "no body with a name"),
        ('<mujoco><worldbody><body name="a"/></worldbody></mujoco>', "no actuators"),
    ],
)
def test_a_scene_that_cannot_be_used_is_named(make, tmp_path, text, complaint):
    path = tmp_path / "broken.xml"
    if text is not None:
        path.write_text(text)
    with pytest.raises((MissingDataError, FormatError, OptionError), match=complaint) as error:
        make(MujocoEnv, path, act=still)
    assert "broken.xml" in str(error.value)


def test_a_world_without_a_scene_is_named(make):
    with pytest.raises(OptionError, match="MujocoEnv names no scene"):
        make(MujocoEnv)


CAMERA = '<camera name="other" pos="0 -2 1" xyaxes="1 0 0 0 1 1" {} />'


@pytest.mark.parametrize(
    "lens",
    [
        'projection="orthographic" fovy="1"',
        'focalpixel="99 99" principalpixel="9 0" sensorsize=".1 .1" resolution="64 64"',
    ],
)
def test_a_camera_of_the_scene_that_is_no_pinhole_is_refused(make, lens):
    scene = SCENE.read_text().replace("<worldbody>", f"<worldbody>{CAMERA.format(lens)}")
    with pytest.raises(OptionError, match=r"the camera 'other' .*give it a fovy"):
        make(MujocoEnv, scene, act=still, third_person=["other"], views=1)


def raising(*_):
    return {}["gripper"]


def ending(env):
    yield np.zeros(2)
    raise RuntimeError("the door\nis shut")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"randomize": raising}, r"raising\(\) raised KeyError: 'gripper'"),
        ({"solved": raising}, r"raising\(\) raised KeyError: 'gripper'"),
        ({"control": raising}, r"raising\(\) raised KeyError: 'gripper'"),
        ({"act": raising}, r"raising\(\) raised KeyError: 'gripper'"),
        ({"act": ending}, r"ending\(\) raised RuntimeError: the door is shut\."),
        ({"act": lambda: iter([])}, r"<lambda>\(\) raised TypeError"),
        ({"solved": lambda env: None}, r"<lambda>\(\): it gave None; return True or False"),
    ],
)
def test_what_a_users_function_raises_is_named_with_its_line(make, settings, complaint):
    with pytest.raises(HookError, match=complaint) as error:
        record(make(MujocoEnv, SCENE, **{"act": still} | settings), seed=0)
    assert re.match(re.escape(__file__) + r":\d+, ", str(error.value))
    line = int(str(error.value).removeprefix(f"{__file__}:").partition(",")[0])
    if settings.get("act") is ending:
        assert line == ending.__code__.co_firstlineno + 2


@pytest.mark.slow
def test_a_scene_that_breaks_down_is_named(make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes its warnings into a file there
    stiff = re.sub('kp="[0-9]+"', 'kp="1e12"', SCENE.read_text()).replace("implicitfast", "Euler")
    env = make(MujocoEnv, stiff, act=lambda env: iter([np.ones(2)] * 50))
    with pytest.raises(SimulatorError, match=r"became unstable at step \d+.*timestep"):
        record(env, seed=0)

    def lose(env, rng):
        env.data.qpos[:] = np.nan

    with pytest.raises(SimulatorError, match="unstable at the start, by .*lose"):
        make(Arm, randomize=lose).reset(seed=0)


def test_a_controller_that_gives_too_little_is_named(make):
    env = make(Arm, control=lambda env, action: action[:1])
    env.reset(seed=0)
    with pytest.raises(HookError, match="return 2 finite numbers, one for each actuator"):
        env.step(np.zeros(2))


@pytest.mark.slow
def test_a_fault_ends_the_command_in_one_line(tmp_path):
    wild = ARM.replace("Arm", "Wild")
    code, output = finish(command(tmp_path / "wild", 1, env=wild, episodes=1, size=32))
    assert code == 2
    assert "Traceback" not in output
    assert re.search(r"error: .*worlds\.py:\d+, act\(\), step 0: the action \[nan", output)

"""Faults in what a user writes for `MujocoEnv`, each named with its remedy."""

import re

import numpy as np
import pytest

from datasets.errors import FormatError, MissingDataError, OptionError, UnknownNameError
from sims import MujocoEnv
from sims.errors import HookError, SimulatorError
from sims.rollout import record
from tests.sims.mujoco.worlds import ARM, SCENE, Arm, still
from tests.sims.runs import command, finish


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

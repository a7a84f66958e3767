"""Columns of recordings become joints, and what cannot be joints is found."""

import numpy as np
import pytest

from datasets.errors import MismatchError, MissingDataError, OptionError, UnknownNameError
from datasets.kinematics.catalogue import find_robot
from datasets.kinematics.checks import check_joints
from datasets.kinematics.columns import (
    JointOptions,
    choose_joints,
    finger_values,
    joint_values,
    read_columns,
)
from datasets.kinematics.robot import Robot
from datasets.source import bare_episode
from tests.datasets.kinematics.arm import joints, load_arm, write_arm

STATE = np.arange(12.0).reshape(3, 4)


@pytest.fixture(scope="module")
def arm(tmp_path_factory):
    return load_arm(tmp_path_factory.mktemp("arm"))


@pytest.fixture
def episode():
    made = bare_episode({"v": np.zeros((3, 8, 8, 3), np.uint8)})
    made.observations = {"state": STATE, "grip": STATE[:, 0]}
    made.actions = -STATE
    return made


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("state", STATE),
        ("observation.state[:2]", STATE[:, :2]),
        ("obs/state[1:]", STATE[:, 1:]),
        ("state[2,0]", STATE[:, [2, 0]]),
        ("state[-1]", STATE[:, [3]]),
        ("grip", STATE[:, :1]),
        ("actions[1:3]", -STATE[:, 1:3]),
    ],
)
def test_columns_are_named_as_arrays_are(episode, columns, expected):
    np.testing.assert_array_equal(read_columns(episode, columns, "it"), expected)


@pytest.mark.parametrize(
    ("columns", "error", "message"),
    [
        ("joints", MissingDataError, r"no 'joints'; it has state \(4 columns\), grip \(1"),
        ("state[9]", OptionError, "names no columns; there are 4"),
        ("state[a:b]", OptionError, "names no columns"),
        ("state[", OptionError, "must be NAME or NAME"),
        ("state[0,1,0]", OptionError, r"'state\[0,1,0\]' names 0 twice"),
    ],
)
def test_columns_that_do_not_exist(episode, columns, error, message):
    with pytest.raises(error, match=message):
        read_columns(episode, columns, "it")


def test_joints_are_the_arms_or_all_or_those_that_are_named(arm):
    options = JointOptions("q")
    assert [j.name for j in choose_joints(arm, options, 2, 0)[0]] == ["shoulder", "elbow"]
    assert [j.name for j in choose_joints(arm, options, 3, 0)[0]][2] == "left_finger"
    named = JointOptions("q", joint_names=("elbow", "shoulder"))
    assert [j.name for j in choose_joints(arm, named, 2, 1)[0]] == ["elbow", "shoulder"]
    assert len(choose_joints(arm, options, 2, 1)[1]) == 2


def test_a_wrong_number_of_columns_names_the_joints(arm):
    with pytest.raises(MismatchError, match=r"has 7 columns, but arm has .* shoulder, elbow \(2\)"):
        choose_joints(arm, JointOptions("q"), 7, 0)
    with pytest.raises(MismatchError, match="has 3 columns, but arm has 2 joints of a gripper"):
        choose_joints(arm, JointOptions("q", gripper="g"), 2, 3)
    with pytest.raises(UnknownNameError, match="unknown joint of arm 'wrist'"):
        choose_joints(arm, JointOptions("q", joint_names=("wrist",)), 1, 0)
    with pytest.raises(OptionError, match="--joint-names names elbow twice"):
        choose_joints(arm, JointOptions("q", joint_names=("elbow", "elbow")), 2, 0)


def test_signs_offsets_and_degrees(arm):
    given = np.array([[90.0, 45.0]])
    options = JointOptions("q", degrees=True, signs=(1, -1), offsets=(-90, 0))
    np.testing.assert_allclose(joint_values(given, arm.arm, options), [[0, -np.pi / 4]])
    with pytest.raises(OptionError, match="--signs needs one number for each of the 2 joints"):
        joint_values(given, arm.arm, JointOptions("q", signs=(1,)))
    for wrong in (
        {"signs": (0, 1)},
        {"signs": (np.nan, 1)},
        {"offsets": (np.inf, 0)},
    ):
        with pytest.raises(OptionError, match=f"--{next(iter(wrong))}"):
            joint_values(given, arm.arm, JointOptions("q", **wrong))


def test_degrees_do_not_change_what_slides(arm):
    values = joint_values(np.full((1, 3), 0.02), arm.joints, JointOptions("q", degrees=True))
    assert values[0, 2] == 0.02


def test_one_column_opens_all_fingers(arm):
    fingers = arm.fingers
    options = JointOptions("q", gripper="g", gripper_range=(100, 0))
    opened = finger_values(np.array([[100.0], [0.0], [50.0], [-9.0]]), fingers, options)
    np.testing.assert_allclose(opened, [[0, 0], [0.04, 0.04], [0.02, 0.02], [0.04, 0.04]])
    with pytest.raises(OptionError, match="two equal ends"):
        finger_values(np.zeros((1, 1)), fingers, JointOptions("q", gripper_range=(1, 1)))
    with pytest.raises(OptionError, match="--gripper-range nan must be a finite number"):
        finger_values(np.zeros((1, 1)), fingers, JointOptions("q", gripper_range=(np.nan, 1)))


def judged(arm, given, **options):
    options = JointOptions("q", **options)
    return check_joints(joint_values(given, arm.arm, options), given, arm.arm, options)


def test_a_good_recording_raises_no_doubt(arm):
    assert judged(arm, joints()) == []
    assert judged(arm, np.degrees(joints()), degrees=True) == []


def test_degrees_and_radians_are_told_apart(arm):
    with pytest.raises(MismatchError, match="within it in degrees: add --degrees"):
        judged(arm, np.degrees(joints()))
    with pytest.raises(MismatchError, match="Leave out --degrees"):
        judged(arm, joints(), degrees=True)


def test_signs_order_and_still_columns_are_doubted(arm):
    turned = judged(arm, joints() * [1, -1])
    assert "elbow goes from 0.20 to 1.40 rad, beyond its range from -2.00 to 0.20 rad" in turned[0]
    assert "with the other sign it is within" in turned[0]
    swapped = judged(arm, joints()[:, ::-1])
    assert "in the reverse order, all columns are within" in swapped[-1]
    still = joints()
    still[:, 1] = -0.5
    assert judged(arm, still) == ["elbow never moves: check that its column is the right one"]


def test_values_that_are_not_numbers_are_refused(arm):
    with pytest.raises(MismatchError, match="not finite"):
        judged(arm, np.full((3, 2), np.nan))


@pytest.mark.parametrize("unit", [2048 / np.pi, 1000.0])
def test_values_that_no_joint_reaches_are_refused(arm, unit):
    with pytest.raises(MismatchError, match="elbow|shoulder .* convert encoder"):
        judged(arm, joints() * unit)


def test_joints_without_limits_may_turn_many_times(tmp_path):
    wheel = (
        '<link name="wheel"/><joint name="wheel" type="continuous"><parent link="foot"/>'
        '<child link="wheel"/><axis xyz="0 1 0"/></joint></robot>'
    )
    file = write_arm(tmp_path)
    file.write_text(file.read_text().replace("</robot>", wheel))
    arm = Robot(find_robot(str(file)))
    given = np.concatenate([joints(), np.linspace(0, 100 * np.pi, 6)[:, None]], axis=1)
    (doubt,) = judged(arm, given)
    assert "wheel, which has no limits, goes from 0.00 to 314.16 rad, 50.0 turns" in doubt
    assert judged(arm, np.degrees(given), degrees=True) == []
    with pytest.raises(MismatchError, match="add --degrees"):
        judged(arm, np.degrees(given))  # joints with limits tell the unit

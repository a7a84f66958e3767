"""A keypoint is visible on its own link, and hidden behind anything else."""

import numpy as np
import pytest

from datasets.cameras import Camera
from datasets.kinematics.points import MAX_DEPTH_IN_LINK
from sims.gl import import_mujoco
from sims.mujoco.visibility import visible_keypoints

# A link around the origin with a joint in its middle, seen from -y; group 1 is what is drawn.
LINK = """
<body name="link"><geom type="sphere" size="0.1" group="1"/></body>
<body name="other" pos="{other}"><geom type="box" size="0.1 0.1 0.1" group="{group}"/></body>
"""


def sees(other="5 5 5", group=1, keypoint=(0.0, 0.0, 0.0), own=("link",)):
    mujoco = import_mujoco()
    bodies = LINK.format(other=other, group=group)
    model = mujoco.MjModel.from_xml_string(f"<mujoco><worldbody>{bodies}</worldbody></mujoco>")
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    camera = Camera.look_at(np.array([0.0, -2, 0]), np.zeros(3), np.array([0.0, 0, 1]), 45, 64, 64)
    own_bodies = [frozenset(model.body(name).id for name in own)]
    return bool(visible_keypoints(model, data, camera, np.array([keypoint]), own_bodies)[0])


def test_a_joint_inside_its_own_link_is_visible():
    assert sees()


def test_a_joint_behind_another_body_is_hidden():
    assert not sees(other="0 -1 0")


def test_a_body_behind_the_joint_hides_nothing():
    assert sees(other="0 1 0")


def test_what_is_not_drawn_hides_nothing():
    assert sees(other="0 -1 0", group=0)


def test_either_link_of_a_joint_may_show_it():
    assert sees(other="0 -0.05 0", own=("link", "other"))
    assert not sees(other="0 -0.05 0", own=("link",))


def test_a_point_deep_behind_its_own_links_surface_is_hidden():
    assert sees(keypoint=(0.0, MAX_DEPTH_IN_LINK - 0.11, 0.0))
    assert not sees(keypoint=(0.0, MAX_DEPTH_IN_LINK - 0.09, 0.0))


def test_a_point_with_nothing_before_it_is_visible():
    assert sees(keypoint=(0.3, 0.0, 0.0))


@pytest.mark.parametrize("keypoint", [(3.0, 0.0, 0.0), (0.0, -3.0, 0.0)])
def test_a_point_beside_or_behind_the_camera_is_not_visible(keypoint):
    assert not sees(keypoint=keypoint)


@pytest.mark.slow
def test_the_hand_hides_the_far_finger_from_the_side(lift):
    """In Lift: seen along the line through both finger tips, only the near one is visible."""
    lift.reset(seed=0)
    names = lift.skeleton.keypoints
    left, right = names.index("left_finger"), names.index("right_finger")
    points = lift.keypoints()
    for near, far in ((left, right), (right, left)):
        position = points[near] + 0.5 * (points[near] - points[far]) / np.linalg.norm(
            points[near] - points[far]
        )
        camera = Camera.look_at(position, points[near], np.array([0.0, 0, 1]), 45, 112, 112)
        seen = visible_keypoints(lift._model, lift._data, camera, points, lift._own_bodies)
        assert seen[near]
        assert not seen[far]

"""The player's body: the game's proportions, its swing of the limbs, its angles."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sims.minecraft.player import (
    KEYPOINTS,
    PART_INDEX,
    PARTS,
    PlayerPose,
    from_game_angles,
    from_game_position,
    limb_angles,
    player_boxes,
    player_keypoints,
    to_game_angles,
    to_game_position,
)

ORIGIN = np.zeros(3)
angles = st.floats(-3.1, 3.1)
poses = st.builds(
    PlayerPose,
    position=st.tuples(*[st.floats(-20, 20)] * 3).map(np.array),
    yaw=angles,
    pitch=st.floats(-1.5, 1.5),
    swing=st.floats(0, 100),
    amplitude=st.floats(0, 1),
    strike=st.floats(0, 1),
    height=st.sampled_from([1.8, 1.875]),
)


def point(pose, name):
    return player_keypoints(pose)[list(KEYPOINTS).index(name)]


def test_a_resting_player_is_32_pixels_or_1_8_metres_high():
    boxes = player_boxes(PlayerPose(ORIGIN))
    pixels = boxes.sizes / 1.8 * 32
    assert np.allclose(pixels[PART_INDEX["head"]], [8, 8, 8])
    assert np.allclose(pixels[PART_INDEX["torso"]], [4, 8, 12])
    for limb in ("left_arm", "right_arm", "left_leg", "right_leg"):
        assert np.allclose(pixels[PART_INDEX[limb]], [4, 4, 12])
    assert np.isclose((boxes.centres[:, 2] + boxes.sizes[:, 2] / 2).max(), 1.8)
    assert np.isclose((boxes.centres[:, 2] - boxes.sizes[:, 2] / 2).min(), 0)
    assert np.allclose(PlayerPose(ORIGIN).eyes, [0, 0, 1.62])


def test_left_is_left_of_where_the_player_looks():
    for yaw in np.linspace(-3, 3, 7):
        pose = PlayerPose(ORIGIN, yaw=yaw)
        left = np.cross([0, 0, 1], pose.look)
        for name in KEYPOINTS:
            if name.startswith("left"):
                assert point(pose, name) @ left > 0
                assert point(pose, name.replace("left", "right")) @ left < 0


@pytest.mark.slow
@given(poses)
def test_keypoints_lie_in_the_box_that_carries_them(pose):
    boxes = player_boxes(pose)
    for keypoint, place in zip(player_keypoints(pose), KEYPOINTS.values(), strict=True):
        part = PART_INDEX[place.part]
        inside = boxes.rotations[part].T @ (keypoint - boxes.centres[part])
        assert (np.abs(inside) <= boxes.sizes[part] / 2 + 1e-9).all()


@pytest.mark.slow
@given(poses, angles)
def test_a_turn_of_the_player_turns_every_keypoint(pose, turn):
    turned = PlayerPose(**{**vars(pose), "yaw": pose.yaw + turn})
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    expected = (player_keypoints(pose) - pose.position) @ rotation.T + pose.position
    assert np.allclose(player_keypoints(turned), expected, atol=1e-9)


def test_limbs_swing_by_the_games_formula():
    pose = PlayerPose(ORIGIN, swing=2.5, amplitude=0.6)
    phase = 2.5 * 0.6662
    found = limb_angles(pose)
    assert np.isclose(found["right_leg"], np.cos(phase) * 1.4 * 0.6)
    assert np.isclose(found["left_leg"], np.cos(phase + np.pi) * 1.4 * 0.6)
    assert np.isclose(found["right_arm"], np.cos(phase + np.pi) * 2.0 * 0.5 * 0.6)
    assert np.isclose(found["left_arm"], np.cos(phase) * 2.0 * 0.5 * 0.6)


def test_a_leg_of_a_negative_angle_is_in_front():
    pose = PlayerPose(ORIGIN, swing=0.0, amplitude=1.0)
    assert limb_angles(pose)["left_leg"] < 0
    assert point(pose, "left_foot")[0] > 0.5 > 0 > point(pose, "right_foot")[0]


def test_a_stroke_raises_the_right_hand_in_front_and_nothing_else():
    rest, stroke = PlayerPose(ORIGIN), PlayerPose(ORIGIN, strike=0.2)
    moved = np.linalg.norm(player_keypoints(stroke) - player_keypoints(rest), axis=1) > 1e-9
    names = {name for name, m in zip(KEYPOINTS, moved, strict=True) if m}
    assert names == {"right_elbow", "right_hand"}
    hand = point(stroke, "right_hand")
    assert hand[0] > 0.3
    assert hand[2] > 1.0


def test_a_stroke_ends_where_it_began():
    for strike in (0.0, 1.0):
        assert np.isclose(limb_angles(PlayerPose(ORIGIN, strike=strike))["right_arm"], 0)


@pytest.mark.parametrize(
    ("yaw", "pitch", "look"),
    [  # game degrees; x east, y up, z south of the look
        (0, 0, (0, 0, 1)),
        (90, 0, (-1, 0, 0)),
        (180, 0, (0, 0, -1)),
        (-90, 0, (1, 0, 0)),
        (0, 90, (0, -1, 0)),
        (0, -90, (0, 1, 0)),
    ],
)
def test_the_games_angles_look_where_the_game_looks(yaw, pitch, look):
    ours = PlayerPose(ORIGIN, *from_game_angles(yaw, pitch)).look
    assert np.allclose(ours, from_game_position(np.array(look)), atol=1e-9)


@pytest.mark.slow
@given(angles, st.floats(-1.5, 1.5), st.tuples(*[st.floats(-99, 99)] * 3).map(np.array))
def test_game_coordinates_there_and_back(yaw, pitch, position):
    assert np.allclose(from_game_angles(*to_game_angles(yaw, pitch)), (yaw, pitch))
    assert np.allclose(from_game_position(to_game_position(position)), position)


def test_the_games_axes_keep_up_up_and_handedness():
    x, y, z = from_game_position(np.eye(3))
    assert np.allclose(y, [0, 0, 1])
    assert np.allclose(np.cross(x, y), z)


def test_every_keypoint_may_be_seen_on_its_own_part():
    for place in KEYPOINTS.values():
        assert set(place.own_parts) <= set(PARTS)
        assert place.part in place.own_parts

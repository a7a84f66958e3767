"""Joints in space of each action data set, and the second person of a clip."""

import json

import numpy as np
import pytest

from datasets.clips.checks import find_problem, find_problems
from datasets.clips.joints import joints_to_copy, read_joints
from datasets.clips.persons import without_bystanders
from datasets.clips.sets import FORMATS, open_clip_set, read_persons
from datasets.errors import FormatError, MissingDataError
from datasets.skeletons import NTU25, NUCLA20, SKELETONS, SMARTHOME15, Skeleton, mirror_joints
from datasets.video import write_video

FRAMES, SIZE = 4, 64
VIDEOS = {
    "ntu": "S001C001P001R001A058_rgb.avi",
    "smarthome": "Walk_p03_r00_v00_c01.mp4",
    "nucla": "a01/v01_s01_e00.avi",
}


def add_video(root, name):
    """The clip that a set finds, whose video is grey."""
    video = root / VIDEOS[name]
    video.parent.mkdir(parents=True, exist_ok=True)
    write_video(str(video), np.full((FRAMES, SIZE, SIZE, 3), 128, np.uint8), 30)
    return FORMATS[name].identify(video)


def ntu_body(number, x, y, z):
    """A body whose joint j stands at (x + j, y, z) in space and (10 j, y) in the picture."""
    joints = [f"{x + j} {y} {z} 0 0 {10 * j + 5} {100 * y + j} 0 0 0 0 2" for j in range(25)]
    return [f"{number} 0 0 0 0 0 0 0 0 2", "25", *joints]


def test_ntu_has_metres_of_both_bodies_and_who_moves_more_comes_first(tmp_path):
    clip = add_video(tmp_path, "ntu")
    lines = [str(FRAMES)]
    for t in range(FRAMES):
        lines += ["2", *ntu_body(1, 0.5, 1, 3), *ntu_body(2, 100 + t, 2, 4)]
    (tmp_path / f"{clip.name}.skeleton").write_text("\n".join(lines))
    [found] = open_clip_set(tmp_path, "ntu").clips
    points, valid = read_joints(found)
    assert points.shape == (FRAMES, 2, 25, 3) and valid.all() and points.dtype == np.float32
    assert points[3, 0, 2].tolist() == [105, 2, 4]  # the second body of the file, who walks
    assert points[3, 1, 2].tolist() == [2.5, 1, 3]


def test_a_joint_at_the_origin_and_an_absent_person_are_not_valid(tmp_path):
    clip = add_video(tmp_path, "ntu")
    body = ntu_body(1, 0.5, 1, 3)
    body[2] = "0 0 0" + body[2][len("0.5 1 3") :]
    lines = [str(FRAMES), *["1", *body] * (FRAMES - 1), "0"]
    (tmp_path / f"{clip.name}.skeleton").write_text("\n".join(lines))
    points, valid = read_joints(open_clip_set(tmp_path, "ntu").clips[0])
    assert valid[:3, 0, 1:].all() and not valid[:, 0, 0].any()
    assert not valid[3].any() and not valid[:, 1].any()
    assert (points[~valid] == 0).all()


def test_smarthome_has_pose3d_coordinate_by_coordinate_and_the_middles(tmp_path):
    clip = add_video(tmp_path, "smarthome")
    pose = {"pose2d": list(range(26)), "pose3d": list(range(1, 40))}
    content = {"njts": 13, "frames": [[pose]] * FRAMES}
    (tmp_path / f"{clip.name}_pose3d.json").write_text(json.dumps(content))
    points, valid = read_joints(open_clip_set(tmp_path, "smarthome").clips[0])
    assert valid[:, 0].all() and not valid[:, 1].any()
    at = dict(zip(SMARTHOME15.keypoints, points[0, 0].tolist(), strict=True))
    assert at["right_ankle"] == [1, 14, 27] and at["head"] == [13, 26, 39]
    # Shoulders are joints 10 and 11 of the file from 0, hips 4 and 5.
    assert at["spine"] == [11.5, 24.5, 37.5] and at["base_spine"] == [5.5, 18.5, 31.5]


def test_nucla_has_the_kinect_s_joints_in_files_of_their_own(tmp_path):
    add_video(tmp_path, "nucla")
    frames = np.arange(1, FRAMES * 60 + 1, dtype=float).reshape(FRAMES, 20, 3)
    path = tmp_path / "all_sqe" / "a01_s01_e00_v01.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"file_name": path.stem, "skeletons": frames.tolist(), "label": 1}))
    clips = open_clip_set(tmp_path, "nucla")
    assert clips.clips[0].joints == path and clips.clips[0].skeleton is None and not clips.dropped
    points, valid = read_joints(clips.clips[0])
    assert valid[:, 0].all() and not valid[:, 1].any()
    assert points[1, 0, NUCLA20.keypoints.index("left_hand")].tolist() == [82, 83, 84]
    path.write_text(json.dumps({"skeletons": [[[0, 1]] * 20]}))
    with pytest.raises(FormatError, match="frame 0: a body is no list of 20 joints"):
        read_joints(clips.clips[0])


def nucla_joints(root, frames):
    """The clip of N-UCLA with these bodies beside its video."""
    add_video(root, "nucla")
    path = root / "all_sqe" / "a01_s01_e00_v01.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"skeletons": frames}))
    return open_clip_set(root, "nucla").clips[0]


def test_a_frame_of_nucla_in_which_nobody_is_tracked_has_no_valid_joint(tmp_path):
    body = [[0.1, 0.2, 3.0]] * 20
    _, valid = read_joints(nucla_joints(tmp_path, [body, [], body, body]))
    assert valid[:, 0, 0].tolist() == [True, False, True, True]


def test_millimetres_are_refused_where_metres_are_meant(tmp_path):
    clip = nucla_joints(tmp_path, [[[100, 200, 3000]] * 20] * FRAMES)
    with pytest.raises(FormatError, match=r"a01_s01_e00_v01\.json has 3D joints up to 3e\+03"):
        read_joints(clip)


def test_joints_beside_pixels_are_as_long_as_these(tmp_path):
    clip = nucla_joints(tmp_path, [[[0.1, 0.2, 3.0]] * 20] * (FRAMES + 9))
    assert find_problem(clip, joints=True) is None  # a network on joints alone sees no pixels
    problem = find_problem(clip, joints=True, beside=True)
    assert str(clip.joints) in str(problem) and f"its video has {FRAMES}" in str(problem)
    # What is whole for one network may not be for another.
    assert not find_problems([clip], joints=True) and find_problems(
        [clip], joints=True, beside=True
    )


@pytest.mark.parametrize("name", FORMATS)
def test_written_joints_are_read_back(name, tmp_path):
    clip, fmt = add_video(tmp_path, name), FORMATS[name]
    rng = np.random.default_rng(0)
    pixels = rng.uniform(4, 60, (FRAMES, len(fmt.skeleton), 2))
    joints = rng.uniform(1, 2, (FRAMES, len(fmt.joint_skeleton), 3))
    if name == "smarthome":
        for middle, part in (("spine", "shoulder"), ("base_spine", "hip")):
            sides = [SMARTHOME15.keypoints.index(f"{s}_{part}") for s in ("left", "right")]
            place = SMARTHOME15.keypoints.index(middle)
            joints[:, place] = joints[:, sides].mean(axis=1)
    path = tmp_path / fmt.skeleton_name(clip)
    path.parent.mkdir()
    fmt.write_keypoints(path, pixels, SIZE, joints)
    [found] = open_clip_set(tmp_path, name).clips
    np.testing.assert_allclose(read_joints(found).points[:, 0], joints, atol=2e-3)
    np.testing.assert_allclose(joints_to_copy(found)[:, 0], joints, atol=2e-3)
    np.testing.assert_allclose(read_persons(found)[:, 0], pixels, atol=1e-2)


@pytest.mark.parametrize("name", FORMATS)
def test_a_set_without_joints_in_space_is_named(name, tmp_path):
    clip, fmt = add_video(tmp_path, name), FORMATS[name]
    path = tmp_path / fmt.skeleton_name(clip)
    path.parent.mkdir()
    fmt.write_keypoints(path, np.full((FRAMES, len(fmt.skeleton), 2), 9.0), SIZE)
    [found] = open_clip_set(tmp_path, name).clips
    with pytest.raises(MissingDataError, match=r"3D joints|joints in space"):
        read_joints(found)
    assert joints_to_copy(found) is None


def test_the_mirror_image_of_joints_negates_x_and_swaps_sides():
    joints = np.arange(75, dtype=np.float32).reshape(25, 3)
    mirrored = mirror_joints(joints, NTU25)
    left, right = (NTU25.keypoints.index(f"{side}_hand") for side in ("left", "right"))
    assert mirrored[left].tolist() == (joints[right] * (-1, 1, 1)).tolist()
    assert mirrored[0].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(mirror_joints(mirrored, NTU25), joints)


def test_skeletons_name_their_centre_joint():
    centres = {name: skeleton.centre for name, skeleton in SKELETONS.items() if skeleton.centre}
    assert centres.items() >= {"ntu25": "spine", "nucla20": "spine", "coco18": "neck"}.items()
    with pytest.raises(ValueError, match="its centre"):
        Skeleton("body", ("head",), (), centre="neck")


def pose(width, height, place):
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]], float)
    return np.broadcast_to(corners + place, (FRAMES, 4, 2))


@pytest.mark.parametrize(
    ("second", "furniture", "kept"),
    [
        (pose(10, 40, 100), True, True),
        (pose(39, 40, 100), True, False),  # a cupboard
        (pose(39, 40, 100), False, True),
        (pose(10, 40, 100) + np.array([0, np.nan, np.nan, np.nan])[:, None, None], False, False),
    ],
)
def test_the_second_person_is_kept_who_is_seen_and_no_furniture(second, furniture, kept):
    persons = np.stack([pose(12, 40, 0), second], axis=1)
    found = without_bystanders(persons, furniture)
    np.testing.assert_array_equal(found[:, 0], persons[:, 0])
    assert np.isfinite(found[:, 1]).any() == kept

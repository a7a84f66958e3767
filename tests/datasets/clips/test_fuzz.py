"""Damaged skeleton and list files: an error that names the file or valid keypoints, and soon."""

import io
import json
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datasets.clips.persons import choose_person, choose_persons, without_bystanders
from datasets.clips.sets import FORMATS, open_clip_set
from datasets.errors import DataError
from tests.datasets.clip_files import make_poses, ntu_text, pose_json

# 700 mutants show all but one of the messages that 2000 show. Pickles fail in many more ways.
MUTANTS, MUTANTS_OF_PICKLES = 700, 2000
SECONDS = 5.0
# What numbers, brackets and paths can turn into in the wild, and what a parser may trip over.
TOKENS = [
    *(b"", b" ", b"\n", b"\r\n", b"\0", b",", b",,", b"-1", b"0", b"25", b"1e999", b"-1e308"),
    *(b"nan", b"NaN", b"inf", b"-Infinity", b"null", b"true", b"{}", b"[]", b"[[", b"}", b'"'),
    *(b"99999999999999999999", b"9" * 400, b"0x10", b"1_0", b"\xff\xfe", b"\xef\xbb\xbf"),
    *("١٢".encode(), "é".encode(), b"../..", b"/dev/null", b"a" * 5000, b"[" * 3000),
]


def mutate(content, rng):
    """One to three random changes: bytes, slices, tokens, or the end cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(0, len(data) + 1))
        end = min(len(data), start + int(rng.integers(0, 40)))
        kind = rng.integers(0, 6)
        if kind == 0 and start < len(data):
            data[start] = int(rng.integers(0, 256))
        elif kind == 1:
            del data[start:end]
        elif kind == 2:
            data[start:start] = data[start:end]
        elif kind == 3:
            data[start:end] = TOKENS[rng.integers(0, len(TOKENS))]
        elif kind == 4:
            data[start:start] = TOKENS[rng.integers(0, len(TOKENS))]
        elif rng.random() < 0.3:
            del data[start:]
    return bytes(data)


def fuzz(path, content, use, mutants=MUTANTS):
    """Runs `use` on mutants of a file and counts those that are refused and those that are read."""
    rng = np.random.default_rng(0)
    outcomes = Counter()
    for number in range(mutants):
        path.write_bytes(mutate(content, rng))
        start = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                use()
            outcomes["read"] += 1
        except DataError as error:
            assert str(path) in str(error), f"mutant {number}"
            assert "\n" not in str(error), f"mutant {number}"
            outcomes["refused"] += 1
        assert time.process_time() - start < SECONDS, f"mutant {number}"
    return outcomes


def require_keypoints(fmt, path):
    persons = fmt.read_persons(path, 640, True)
    keypoints = choose_person(persons, len(fmt.skeleton))
    both = choose_persons(persons, len(fmt.skeleton), 2, fmt.furniture)
    assert without_bystanders(both, fmt.furniture).shape == both.shape
    assert keypoints.shape == (len(persons), len(fmt.skeleton), 2)
    assert not np.isinf(keypoints).any() and not (keypoints == 0).all(axis=-1).any()


def require_joints(fmt, path):
    bodies = fmt.read_bodies(path, True)
    joints = choose_persons(bodies, len(fmt.joint_skeleton), 2, most_motion=True, axes=3)
    assert joints.shape == (len(bodies), 2, len(fmt.joint_skeleton), 3)
    assert not np.isinf(joints).any()


def written_joints(name, folder):
    """The content of a file of joints in a set's own form."""
    fmt, joints = FORMATS[name], np.random.default_rng(0).uniform(1, 2, (2, 25, 3))
    skeleton = folder / "written" / fmt.skeleton_name(fmt.identify(Path(CLIPS[name])))
    skeleton.parent.mkdir(parents=True)
    pixels = np.full((2, len(fmt.skeleton), 2), 9.0)
    fmt.write_keypoints(skeleton, pixels, 640, joints[:, : len(fmt.joint_skeleton)])
    file = next((folder / "written").glob("all_sqe/*"), skeleton)
    return file.name, file.read_bytes()


CLIPS = {
    "ntu": "S001C001P001R001A001_rgb.avi",
    "smarthome": "Walk_p03_r00_v00_c01.mp4",
    "nucla": "a01/v01_s01_e00.avi",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_joints(tmp_path, name):
    file, content = written_joints(name, tmp_path)
    path, fmt = tmp_path / file, FORMATS[name]
    path.write_bytes(content)
    require_joints(fmt, path)
    outcomes = fuzz(path, content, lambda: require_joints(fmt, path), MUTANTS // 2)
    assert min(outcomes["refused"], outcomes["read"]) > MUTANTS / 100, outcomes


def pickled(poses):
    file = io.BytesIO()
    content = {"nbodys": [1] * len(poses), "njoints": 25, "rgb_body0": poses, "rgb_body1": poses}
    np.save(file, np.array(content, dtype=object), allow_pickle=True)
    return file.getvalue()


def openpose(pose):
    values = np.column_stack([pose, np.full(len(pose), 0.9)]).reshape(-1).tolist()
    return json.dumps({"version": 1.3, "people": [{"pose_keypoints_2d": values}]}).encode()


SKELETONS = {
    "ntu text": ("ntu", "a.skeleton", ntu_text(make_poses(25, 2)[:, None].tolist()).encode()),
    "ntu text crlf": (
        "ntu",
        "a.skeleton",
        ntu_text([make_poses(25, 2).tolist(), []], "\r\n").encode(),
    ),
    "ntu pickle": ("ntu", "a.skeleton.npy", pickled(make_poses(25, 2))),
    "smarthome": (
        "smarthome",
        "Walk_p03_r00_v00_c01_pose3d.json",
        pose_json([make_poses(13, 2), []], 13, K=[1.0]).encode(),
    ),
    "nucla json": (
        "nucla",
        "S01A01E01V01_skeleton2d.json",
        pose_json(make_poses(18, 2)[:, None], 18).encode(),
    ),
    "nucla openpose": (
        "nucla",
        "a01_v01_s01_e00/a01_v01_s01_e00_000000000000_keypoints.json",
        openpose(make_poses(18, 1)[0]),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SKELETONS)
def test_damaged_skeletons(tmp_path, kind):
    name, file, content = SKELETONS[kind]
    fmt = FORMATS[name]
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    place = fmt.skeleton_place(path)
    require_keypoints(fmt, place)
    mutants = MUTANTS_OF_PICKLES if "pickle" in kind else MUTANTS
    outcomes = fuzz(path, content, lambda: require_keypoints(fmt, place), mutants)
    assert min(outcomes["refused"], outcomes["read"]) > mutants / 50, outcomes


LISTS = {
    "ntu": "rgb/S001C001P00{n}R001A001_rgb.avi,skeletons/S001C001P00{n}R001A001.skeleton,0",
    "smarthome": "mp4/Walk_p0{n}_r00_v00_c01.mp4,skeletonv12/Walk_p0{n}_r00_v00_c01_pose3d.json,29",
    "nucla": "ucla_rgb/view_1/a01_s0{n}_e00.mp4 0",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_lists(tmp_path, name):
    path = tmp_path / "train.csv"
    content = "".join(LISTS[name].format(n=n) + "\n" for n in (1, 2, 3)).encode()
    path.write_bytes(content)
    assert len(open_clip_set(tmp_path, name, tmp_path).split("lists")["train"]) == 3

    def use():
        clips = open_clip_set(tmp_path, name, tmp_path)
        for clip in clips.split("lists")["train"]:
            assert clips.classes_of("lists")[clip.label] == clip.action

    outcomes = fuzz(path, content, use)
    assert min(outcomes["refused"], outcomes["read"]) > MUTANTS / 50, outcomes

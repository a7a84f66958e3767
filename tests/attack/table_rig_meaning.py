"""Joints, cameras and clicks of an arm that open but mean something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from tests.attack.edits import all_nan, in_json, put, replaced, without
from tests.attack.faults import Fault, in_hdf5
from tests.attack.rows import End, Row
from tests.attack.table_use_files import ARM, CALIBRATE, KEYPOINTS, ROBOT

JOINTS = "arm/episodes/000000.hdf5"


def rig_meaning_rows() -> Iterator[Row]:
    """All these rows."""
    yield from _joints()
    yield from _cameras()
    yield from _clicks()
    yield Row("datasets.keypoints", "an arm and its camera", KEYPOINTS, ARM, right=_on_the_arm)
    yield Row("datasets.calibrate", "clicks on an arm", CALIBRATE, ARM, right=_near_the_rig)


JOINT_FAULTS: Mapping[str, tuple[Callable[[h5py.File], object], str]] = {
    "joints of nan": (replaced("obs/joint_pos", all_nan), "joint_pos"),
    "joints of text": (replaced("obs/joint_pos", lambda v: v.astype("S8")), "joint_pos"),
    "joints of three dimensions": (replaced("obs/joint_pos", lambda v: v[..., None]), "joint_pos"),
    "one joint too few": (replaced("obs/joint_pos", lambda v: v[:, :1]), "joint_pos"),
    "joints that are too short": (replaced("obs/joint_pos", lambda v: v[:-2]), "joint_pos"),
    "joints in degrees": (replaced("obs/joint_pos", lambda v: np.degrees(v)), "--degrees"),
    "no joints": (without("obs/joint_pos"), "joint_pos"),
    "no frames": (replaced("obs/front_image", lambda v: v[:0]), "000000.hdf5"),
}


def _joints() -> Iterator[Row]:
    for command, words in (("datasets.keypoints", KEYPOINTS), ("datasets.calibrate", CALIBRATE)):
        for fault, (change, named) in JOINT_FAULTS.items():
            yield Row(command, fault, words, ARM, in_hdf5(JOINTS, change), (named,))
        for option, named in (
            ("--joints joint_vel", "joint_vel"),
            ("--joints joint_pos[9]", "joint_pos[9]"),
            ("--joints joint_pos[", "joint_pos["),
            ("--joint-names shoulder", "--joint-names"),
            ("--joint-names shoulder knee", "knee"),
            ("--joint-names shoulder shoulder", "shoulder"),
            ("--signs 1", "--signs"),
            ("--signs nan 1", "--signs"),
            ("--signs 0 1", "--signs"),
            ("--offsets 1 2 3", "--offsets"),
            ("--offsets nan 1", "--offsets"),
            ("--links knee", "knee"),
            ("--links upper:0,0", "upper:0,0"),
            ("--links upper:0,0,nan", "upper:0,0,nan"),
            ("--links upper upper", "upper"),
            ("--base 1 2", "--base"),
            ("--base nan 0 0", "--base"),
            ("--base 1e12 0 0", "--base"),
            ("--gripper joint_pos[0] --gripper-range 1 1", "--gripper-range"),
            ("--gripper joint_pos[0] --gripper-range nan 1", "--gripper-range"),
            ("--offset soon", "soon"),
            ("--offset side=0.1", "side"),
            ("--offset nan", "nan"),
            ("--offset 99", "--offset"),
            ("--degrees", "--degrees"),
            ("--robot nowhere.urdf", "nowhere.urdf"),
            ("--robot rig.json", "rig.json"),
        ):
            yield Row(command, option, f"{words} {option}", ARM, named=(named,))
    for option, named in (
        ("--size 0", "--size"),
        ("--size 99999", "--size"),
        ("--fit cut", "cut"),
        ("--split 9,9,9", "--split"),
        ("--split 1", "--split"),
        ("--convention opengl", "opengl"),
        ("--out arm", "arm"),
    ):
        yield Row("datasets.keypoints", option, f"{KEYPOINTS} {option}", ARM, named=(named,))
    for option, named in (("--port 99999", "--port"), ("--out rig.json", "rig.json")):
        yield Row("datasets.calibrate", option, f"{CALIBRATE} {option}", ARM, named=(named,))
    words = f"arm {ROBOT} --out new"
    yield Row("datasets.keypoints", "no cameras", words, ARM, named=("front",))
    words = f"arm {ROBOT} --clicks clicks.csv --out new.json"
    yield Row("datasets.calibrate", "no intrinsics", words, ARM, named=("front",))


def _first_camera(change: Callable[[dict[str, object]], object]) -> Fault:
    return in_json("rig.json", lambda rig: change(rig["front"]))


RIG_FAULTS: Mapping[str, Fault] = {
    "a pose of nan": _first_camera(put(pose=[[float("nan")] * 4] * 4)),
    "a pose of text": _first_camera(put(pose="here")),
    "a pose that is no rotation": _first_camera(put(pose=(2 * np.eye(4)).tolist())),
    "a mirrored pose": _first_camera(put(pose=np.diag([-1.0, 1, 1, 1]).tolist())),
    "intrinsics of nan": _first_camera(put(intrinsics=[[float("nan")] * 3] * 3)),
    "a focal length of 0": _first_camera(put(intrinsics=np.diag([0.0, 0, 1]).tolist())),
    "a negative focal length": _first_camera(put(intrinsics=np.diag([-9.0, -9, 1]).tolist())),
    "intrinsics of 2 x 2": _first_camera(put(intrinsics=[[1, 0], [0, 1]])),
    "no intrinsics": _first_camera(put(intrinsics=...)),
    "no pose": _first_camera(put(pose=...)),
    "a size of 0": _first_camera(put(size=[0, 0])),
    "a size of text": _first_camera(put(size="large")),
    "a size of pictures of another ratio": _first_camera(put(size=[64, 48])),
    "an unknown lens": _first_camera(put(lens="octopus")),
    "a distortion of nan": _first_camera(put(distortion=[float("nan")] * 4)),
    "a distortion of three": _first_camera(put(distortion=[0.1] * 3)),
    "an unknown entry": _first_camera(put(colour="red")),
    "a link that is not there": _first_camera(put(link="knee")),
    "a list": in_json("rig.json", lambda rig: rig.clear()),
    "another view": in_json("rig.json", lambda rig: rig.update(side=rig.pop("front"))),
}


def _cameras() -> Iterator[Row]:
    for fault, spoil in RIG_FAULTS.items():
        named = {"another view": "front", "a link that is not there": "knee"}.get(fault, "rig.json")
        if fault == "a size of pictures of another ratio":
            named = "front"
        yield Row("datasets.keypoints", f"rig.json: {fault}", KEYPOINTS, ARM, spoil, (named,))
    for fault, change in {
        "K of nan": put(K=[float("nan")] * 9),
        "K of eight": put(K=[1.0] * 8),
        "K that was never calibrated": put(K=[0.0] * 9),
        "an unknown distortion model": put(distortion_model="octopus"),
        "a width of text": put(image_width="wide"),
        "a size of another ratio": put(image_width=128),
    }.items():
        spoil = in_json("front.yaml", change)
        named = "front" if "ratio" in fault else "front.yaml"
        yield Row("datasets.calibrate", f"front.yaml: {fault}", CALIBRATE, ARM, spoil, (named,))
    words = f"arm {ROBOT} --cameras front=rig.json:side --out new"
    yield Row("datasets.keypoints", "a camera that is not there", words, ARM, named=("side",))
    words = f"arm {ROBOT} --cameras rig.json front=rig.json --out new"
    yield Row("datasets.keypoints", "a camera twice", words, ARM, named=("rig.json",))


def _cells(change: Callable[[list[str]], list[str]]) -> Fault:
    """Changes the lines of the table of clicks."""

    def edit(here: Path) -> None:
        lines = (here / "clicks.csv").read_text().splitlines()
        (here / "clicks.csv").write_text("\n".join(change(lines)) + "\n")

    return edit


CLICK_FAULTS: Mapping[str, Fault] = {
    "no clicks": _cells(lambda lines: lines[:1]),
    "two clicks": _cells(lambda lines: lines[:3]),
    "no column x": _cells(lambda lines: [lines[0].replace(",x", ",z"), *lines[1:]]),
    "a coordinate of text": _cells(lambda lines: [*lines, "front,0,0,upper,left,3"]),
    "a coordinate of nan": _cells(lambda lines: [*lines, "front,0,0,upper,nan,3"]),
    "a line that is too short": _cells(lambda lines: [*lines, "front,0"]),
    "a frame that is not there": _cells(lambda lines: [*lines, "front,0,99,upper,3,3"]),
    "half a frame": _cells(lambda lines: [*lines, "front,0,1.5,upper,3,3"]),
    "an episode that is not there": _cells(lambda lines: [*lines, "front,9,0,upper,3,3"]),
    "a negative frame": _cells(lambda lines: [*lines, "front,0,-1,upper,3,3"]),
    "a view that is not there": _cells(lambda lines: [*lines, "side,0,0,upper,3,3"]),
    "a link that is not there": _cells(lambda lines: [*lines, "front,0,0,knee,3,3"]),
    "a click beside the picture": _cells(lambda lines: [*lines, "front,0,0,upper,900,3"]),
    "clicks of one link alone": _cells(
        lambda lines: [lines[0], *(line for line in lines if ",upper," in line)]
    ),
    "clicks in one place": _cells(
        lambda lines: [
            lines[0],
            *(",".join([*line.split(",")[:4], "9", "9"]) for line in lines[1:]),
        ]
    ),
}


def _clicks() -> Iterator[Row]:
    for fault, spoil in CLICK_FAULTS.items():
        yield Row("datasets.calibrate", f"clicks.csv: {fault}", CALIBRATE, ARM, spoil, ("click",))


def _on_the_arm(here: Path, end: End) -> str:
    return "" if "100% of the silhouette's edge" in end.out else "keypoints are beside the arm"


def _near_the_rig(here: Path, end: End) -> str:
    return "" if "reprojection error 0.0 pixels" in end.out else "the camera is another one"

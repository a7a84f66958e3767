"""Files that are cut, emptied, overwritten, moved or locked, for the uses of trained runs, for
keypoints and cameras of recordings, and for recordings in the formats of others.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from unittest import mock

from tests.attack.reading import Read, rows_of
from tests.attack.rows import Row

# A run that needs frames alone, and its data.
ALONE = ("deit_run", "dots")
FIRST, SECOND = (f"videos/000001/{view}.mp4" for view in ("ego", "view_0"))
IMITATE = (
    "--env minecraft --views 1 --image-size 32 --steps 1 --envs 1 --episodes 1 --seeds 0 "
    "--reward alignment --run deit_run --out new"
)
CLONE = "--data cloned --seeds 0 --policy.steps 1 --policy.batch 4 --rollouts 1 --out new"
ROBOT = "--robot arm.urdf --joints joint_pos"
KEYPOINTS = f"arm {ROBOT} --cameras rig.json --out new"
CALIBRATE = f"arm {ROBOT} --cameras front=front.yaml --clicks clicks.csv --out new.json"
ARM = ("arm", "arm.urdf", "rig.json", "front.yaml", "clicks.csv")
CAMERAS = "--env tests.sims.mujoco.worlds:Arm --episodes 1 --size 32 --workers 1 --out new"

# Commands that use a run, how, and what they need.
OF_RUNS = {
    "align.embed": ("deit_run dots --out new.npz", ALONE),
    "align.progress": ("deit_run --out new.npz", ALONE),
    "align.videos": (f"deit_run {FIRST} {SECOND} --out new.mp4", (*ALONE, "videos")),
    "align.imitate": (IMITATE, ALONE),
    "align.clone": (f"{CLONE} --observe deit_run", (*ALONE, "cloned")),
    "align.zoo": ("new --export deit_run --out made", ALONE),
}
OF_VIDEOS = {
    "align.embed": f"deit_run {FIRST} {SECOND} --out new.npz",
    "align.progress": f"deit_run {FIRST} --reference {SECOND} --out new.npz",
    "align.videos": f"deit_run {FIRST} {SECOND} --out new.mp4",
    "align.view": f"deit_run {FIRST} {SECOND} --export page.html",
}

VIDEO_OF_AE2 = "ae2/train/ego/ego_0.mp4"
# A file of a recording, and the recording where it is no folder of the material.
RECORDINGS = {
    "lerobot21/meta/info.json": "",
    "lerobot21/meta/episodes.jsonl": "",
    "lerobot21/data/0.parquet": "",
    "lerobot21/videos/observation.images.front/000000.mp4": "",
    "lerobot_pictures/data/0.parquet": "",
    "bag/take.bag": "",
    "bag/take.bag ": "bag/take.bag",
    "bag2/take/metadata.yaml": "",
    "bag2/take/take.db3": "",
    "mcap/take/metadata.yaml": "",
    "mcap/take/take.mcap": "",
    "maniskill/traj.h5": "maniskill/traj.h5",
    "maniskill/traj.json": "maniskill/traj.h5",
    "pictures/take_0/ego/00001.png": "",
    "ae2/label.pickle": "",
    VIDEO_OF_AE2: "",
    "ae2_table/label.csv": "",
    "ae2_table/ego/train.csv": "",
    "ae2_table/ego/ego_0/00001.png": "",
}


def fetched_in(place: str) -> Callable[[Path], AbstractContextManager[object]]:
    """The user's folder of fetched models, below the row's folder."""
    return lambda here: mock.patch.dict(os.environ, {"POSEALIGN_ZOO": str(here / place)})


def use_file_rows() -> Iterator[Row]:
    """All these rows."""
    yield from rows_of(_of_uses())
    yield from rows_of(_of_the_zoo())
    yield from rows_of(_of_robots())
    yield from rows_of(_of_recordings())


def _of_uses() -> Iterator[Read]:
    for command, (words, needs) in OF_RUNS.items():
        for place in ("config.json", "checkpoints/best.safetensors"):
            yield Read(f"deit_run/{place}", command, words, needs)
    for command in ("align.embed", "align.progress"):
        words, needs = OF_RUNS[command]
        for place in ("meta.json", "dots.hdf5", "episodes/000003.hdf5"):
            yield Read(f"dots/{place}", command, words, needs)
    for command in ("align.progress", "align.imitate"):  # the references
        words, needs = OF_RUNS[command]
        yield Read("dots/episodes/000000.hdf5", command, words, needs)
    for command, words in OF_VIDEOS.items():
        for place in (FIRST, SECOND):
            yield Read(place, command, words, (*ALONE, "videos"))
    for place in ("meta.json", "lift.hdf5", "episodes/000000.hdf5"):
        words = f"{CLONE} --observe states"
        yield Read(f"cloned/{place}", "align.clone", words, ("cloned",))
    for place in (
        "meta/info.json",
        "meta/episodes.jsonl",
        "data/0.parquet",
        "videos/observation.images.front/000000.mp4",
    ):
        words, needs = "deit_run --lerobot lerobot21", (*ALONE, "lerobot21")
        yield Read(f"lerobot21/{place}", "align.progress", words, needs, named="lerobot21")


def _of_the_zoo() -> Iterator[Read]:
    words = "new --export deit_run --out made"
    place, gone = "deit_run/evaluation/test.json", ("missing",)
    yield Read(place, "align.zoo", words, ALONE, gone)
    for words, folder in (("--pull zoo", "fetched"), ("mine", "zoo"), ("", "zoo")):
        around = fetched_in(folder)
        gone = ("missing", "folder instead") if not words else ()
        named = "mine" if words == "mine" else "zoo"
        place = "zoo/mine.safetensors"
        yield Read(place, "align.zoo", words, ("zoo",), gone, named, around)


def _of_robots() -> Iterator[Read]:
    for place in ("arm.urdf", "rig.json", "arm/meta.json", "arm/episodes/000000.hdf5"):
        yield Read(place, "datasets.keypoints", KEYPOINTS, ARM)
    for place in ("clicks.csv", "front.yaml", "arm.urdf", "arm/episodes/000000.hdf5"):
        yield Read(place, "datasets.calibrate", CALIBRATE, ARM)
    words = f"{CAMERAS} --cameras view_0=rig.json:front"
    yield Read("rig.json", "sims.generate", words, ("rig.json",))


def _of_recordings() -> Iterator[Read]:
    for place, name in RECORDINGS.items():
        folder = place.partition("/")[0]
        source = name or folder
        words = f"{source} out --to episodes --split 1,1,1 --size 32"
        # A bag is named as a whole, and so is a list of no episodes.
        named = folder if "bag" in place or place.endswith(("mcap", "yaml", "jsonl")) else ""
        # A viewpoint may have no videos of a split, and a folder lists no video that is gone.
        gone = {"ae2_table/ego/train.csv": ("emptied",), VIDEO_OF_AE2: ("missing",)}.get(place, ())
        for command, line in (("datasets.convert", words), ("datasets.info", source)):
            yield Read(place.strip(), command, line, (folder,), gone, named)

"""Data in formats of others that open but mean something else."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pyarrow.parquet as pq

from tests.attack.edits import all_nan, in_json, put, removed, replaced, without
from tests.attack.faults import Fault, at, in_hdf5, missing
from tests.attack.rows import Row


def format_rows() -> Iterator[Row]:
    """All these rows."""
    for command, words in (
        ("datasets.convert", "{0} out --to episodes --split 1,1,1"),
        ("datasets.info", "{0}"),
    ):
        for source, fault, spoil, named in (
            (
                "lerobot",
                "another version",
                in_json("lerobot/meta/info.json", put(codebase_version="v9.9")),
                "v9.9",
            ),
            (
                "lerobot",
                "no features",
                in_json("lerobot/meta/info.json", put(features=...)),
                "info.json",
            ),
            ("lerobot", "a rate of 0", in_json("lerobot/meta/info.json", put(fps=0)), "info.json"),
            (
                "ftpv",
                "a frame is missing",
                lambda here: (here / "ftpv/tr_0000/fpv/000004.jpg").unlink(),
                "000004",
            ),
            (
                "ftpv",
                "views of two lengths",
                lambda here: (here / "ftpv/tr_0000/fpv/000011.jpg").unlink(),
                "fpv",
            ),
            ("ftpv", "no views", removed("ftpv/va_0001/fpv"), "va_0001"),
            (
                "videos",
                "a view is missing",
                lambda here: (here / "videos/000001/ego.mp4").unlink(),
                "000001",
            ),
            (
                "robomimic.hdf5",
                "no data",
                in_hdf5("robomimic.hdf5", without("data")),
                "robomimic.hdf5",
            ),
            (
                "robomimic.hdf5",
                "images of two sizes",
                in_hdf5(
                    "robomimic.hdf5",
                    replaced("data/demo_1/obs/ego_image", lambda v: v[:, :16, :16]),
                ),
                "robomimic.hdf5",
            ),
            (
                "robomimic.hdf5",
                "meta of no JSON",
                in_hdf5(
                    "robomimic.hdf5", lambda f: f["data"].attrs.__setitem__("posealign_meta", "{")
                ),
                "robomimic.hdf5",
            ),
        ):
            yield Row(
                command, f"{source}: {fault}", words.format(source), (source,), spoil, (named,)
            )
        if command == "datasets.convert":  # info reads the rows of the first episode alone
            fault = "lerobot: too few rows"
            yield Row(
                command, fault, words.format("lerobot"), ("lerobot",), _without_rows, ("lerobot",)
            )
        empty = lambda here: (here / "empty").mkdir()  # noqa: E731
        yield Row(command, "an empty folder", words.format("empty"), (), empty, ("empty",))
        yield Row(
            command,
            "a picture",
            words.format("run/analysis.png"),
            ("run",),
            named=("analysis.png",),
        )
    yield from _of_others()
    for layout, name in (("ntu", "dots"), ("smarthome", "squares"), ("nucla", "smarthome")):
        words = f"{name} --format {layout}"
        yield Row("datasets.info", f"{name} read as {layout}", words, (name,), named=(name,))
        words = f"{name} out --format {layout} --workers 1"
        yield Row("datasets.cache", f"{name} read as {layout}", words, (name,), named=(name,))
    yield Row("datasets.extract_poses", "no videos", "dots", ("dots",), named=("error",))
    yield Row("datasets.extract_poses", "no folder", "nowhere", (), named=("error",))


def _maniskill(change: Callable[[h5py.File], object]) -> Fault:
    return in_hdf5("maniskill/traj.h5", change)


def _labels(here: Path, labels: object) -> None:
    (here / "ae2/label.pickle").write_bytes(pickle.dumps(labels))


class _Harmful:
    """What runs a command where it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("rm -r ae2",)


def _harmful(here: Path) -> None:
    _labels(here, {"ego_0": _Harmful()})


def _without_exo(root: Path) -> None:
    for folder in root.glob("*/exo"):
        shutil.rmtree(folder)


OF_OTHERS: tuple[tuple[str, str, Fault, str], ...] = (
    ("lerobot21", "a rate of 0", in_json("lerobot21/meta/info.json", put(fps=0)), "info.json"),
    ("lerobot21", "no features", in_json("lerobot21/meta/info.json", put(features=...)), "info"),
    (
        "lerobot21",
        "a path that leads outside",
        in_json("lerobot21/meta/info.json", put(data_path="../../{episode_index}.parquet")),
        "lerobot21",
    ),
    ("maniskill/traj.h5", "no trajectories", _maniskill(lambda f: f.clear()), "traj.h5"),
    ("maniskill/traj.h5", "no pictures", _maniskill(without("traj_0/obs")), "traj.h5"),
    ("maniskill/traj.h5", "no actions", _maniskill(without("traj_0/actions")), "traj.h5"),
    (
        "maniskill/traj.h5",
        "a camera of nan",
        _maniskill(replaced("traj_0/obs/sensor_param/base_camera/extrinsic_cv", all_nan)),
        "traj",
    ),
    ("maniskill/traj.h5", "no name", in_json("maniskill/traj.json", put(env_info={})), "traj.json"),
    ("pictures", "a frame is missing", at("pictures/take_0/ego/00001.png", missing), "00001"),
    ("pictures", "views of two lengths", at("pictures/take_0/ego/00003.png", missing), "ego"),
    ("pictures", "a view is missing", removed("pictures/take_1/ego"), "take_1"),
    (
        "pictures",
        "times that go back",
        lambda here: [
            (here / f"pictures/take_0/{view}.csv").write_text("time\n0\n2\n1\n3\n")
            for view in ("ego", "front")
        ],
        "take_0",
    ),
    ("ae2", "no labels", at("ae2/label.pickle", missing), "ae2"),
    ("ae2", "labels that run code", _harmful, "label.pickle"),
    ("ae2", "labels of no videos", lambda here: _labels(here, {}), "label.pickle"),
    ("ae2", "labels of text", lambda here: _labels(here, {"ego_0": "pour"}), "label.pickle"),
    ("ae2", "no third person", lambda here: _without_exo(here / "ae2"), "exo"),
    (
        "ae2_table",
        "a phase of text for a frame",
        lambda here: (here / "ae2_table/label.csv").write_text("video,frame,phase\nego_0,a,b\n"),
        "label.csv",
    ),
    (
        "ae2_table",
        "a list that leads outside",
        lambda here: (here / "ae2_table/ego/train.csv").write_text("../../ego_0.mp4\n"),
        "train.csv",
    ),
)


def _of_others() -> Iterator[Row]:
    for source, fault, spoil, named in OF_OTHERS:
        needs = (source.partition("/")[0],)
        words = f"{source} out --to episodes --split 1,1,1 --size 32"
        name = f"{source}: {fault}"
        yield Row("datasets.convert", name, words, needs, spoil, (named,))
        yield Row("datasets.info", name, source, needs, spoil, (named,))


def _without_rows(here: Path) -> None:
    path = here / "lerobot/data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 20), path)

"""Episodes, metadata and demonstrations that open but mean something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import h5py
import numpy as np

from tests.attack.edits import all_nan, in_json, put, replaced, without
from tests.attack.faults import in_hdf5, swapped
from tests.attack.rows import Row
from tests.attack.table_files import CLIP_RUN, OF_CLIP_RUNS, OF_EPISODES, OF_RUNS, RUN

FIRST, TEST = "episodes/000000.hdf5", "episodes/000003.hdf5"


def meaning_rows() -> Iterator[Row]:
    """All these rows."""
    yield from _episodes()
    yield from _json()
    yield from _demonstrations()


EPISODE_FAULTS: dict[str, Callable[[h5py.File], object]] = {
    "images of float": replaced("obs/ego_image", lambda v: v.astype(np.float32) / 255),
    "images of uint16": replaced("obs/ego_image", lambda v: v.astype(np.uint16)),
    "images with channels first": replaced("obs/ego_image", lambda v: v.transpose(0, 3, 1, 2)),
    "images without colour": replaced("obs/ego_image", lambda v: v[..., 0]),
    "a view that is shorter": replaced("obs/view_0_image", lambda v: v[:-1]),
    "no images of a view": without("obs/view_0_image"),
    "no frames at all": replaced("obs/ego_image", lambda v: v[:0]),
    "phases of float": replaced("phases", lambda v: v.astype(np.float32)),
    "phases without a name": replaced("phases", lambda v: v + np.uint8(200)),
    "phases that are too short": replaced("phases", lambda v: v[:-2]),
    "no phases": without("phases"),
    "no length": lambda file: file.attrs.__delitem__("num_samples"),
    "another length": lambda file: file.attrs.__setitem__("num_samples", 99),
    "cameras of nan": replaced("cameras/view_0/intrinsics", all_nan),
}


def _episodes() -> Iterator[Row]:
    for fault, change in EPISODE_FAULTS.items():
        for command, words in OF_EPISODES.items():
            # Training looks at no camera.
            if command != "align.train" or "cameras" not in fault:
                spoil = in_hdf5(f"dots/{FIRST}", change)
                yield Row(command, fault, words, ("dots",), spoil, ("dots",))
    for fault, name, change in (
        ("keypoints of nan", "obs/view_0_keypoints", all_nan),
        ("keypoints of another skeleton", "obs/view_0_keypoints", lambda v: v[:, :4]),
        ("keypoints of whole numbers as text", "obs/view_0_keypoints", lambda v: v.astype("S8")),
        ("visibility as numbers", "obs/view_0_visible", lambda v: v.astype(np.float32) * 7),
    ):
        spoil = in_hdf5(f"dots/{FIRST}", replaced(name, change))
        words = f"{OF_EPISODES['align.train']} --method paab"
        yield Row("align.train", fault, words, ("dots",), spoil, ("000000.hdf5",))
        yield Row("datasets.info", fault, "dots", ("dots",), spoil, ("000000.hdf5",))
    for command, words in OF_RUNS.items():
        if command != "align.analyze":
            spoil = in_hdf5(f"dots/{TEST}", replaced("obs/ego_image", lambda v: v[:-2]))
            yield Row(command, "a changed episode", words, RUN, spoil, ("dots",))
    for command, words in OF_EPISODES.items():
        yield Row(
            command,
            "two episodes swapped by name",
            words,
            ("dots",),
            swapped(f"dots/{FIRST}", "dots/dots.hdf5"),
            ("dots",),
        )


META_FAULTS: dict[str, Callable[[Any], object]] = {
    "views are missing": put(views=...),
    "a view twice": put(views=["ego", "ego"]),
    "views of numbers": put(views=[1, 2]),
    "a view that is not there": put(views=["ego", "view_9"]),
    "no views": put(views=[]),
    "an unknown skeleton": put(skeleton="octopus"),
    "a size as text": put(image_size="large"),
    "another size": put(image_size=64),
    "a size below 1": put(image_size=-1),
    "a rate of 0": put(control_hz=0),
    "a rate as text": put(control_hz="fast"),
    "an environment of null": put(env=None),
    "an environment with a path": put(env="../../elsewhere"),
    "a list": lambda content: content.clear(),
}


def _json() -> Iterator[Row]:
    for fault, change in META_FAULTS.items():
        for command, words in OF_EPISODES.items():
            spoil = in_json("dots/meta.json", change)
            yield Row(command, f"meta.json: {fault}", words, ("dots",), spoil, ("dots",))
    for place, faults in {
        "run/config.json": {
            "an option of later": put(colour=3),
            "a method of nothing": put(method="octopus"),
            "epochs of null": put(epochs=None),
            "a list": lambda content: content.clear(),
        },
        "run/evaluation/test.json": {
            "no metrics": put(metrics=...),
            "metrics as text": put(metrics="good"),
            "pairs of another form": put(pairs=[{}]),
        },
    }.items():
        name = place.rpartition("/")[2]
        for fault, change in faults.items():
            for command, words in OF_RUNS.items():
                if name == "config.json" and command != "align.report":
                    yield Row(
                        command, f"{name}: {fault}", words, RUN, in_json(place, change), (name,)
                    )
            if name == "test.json":
                yield Row(
                    "align.report", f"{name}: {fault}", "run", RUN, in_json(place, change), (name,)
                )
    for fault, change in {
        "an option of later": put(colour=3),
        "another protocol": put(protocol="CVS9"),
        "a method of nothing": put(method="octopus"),
    }.items():
        named = {"another protocol": "CVS9"}.get(fault, "config.json")
        for command, words in OF_CLIP_RUNS.items():
            spoil = in_json("clip_run/config.json", change)
            yield Row(command, f"config.json: {fault}", words, CLIP_RUN, spoil, (named,))


def _demonstrations() -> Iterator[Row]:
    words = "--demos demos.hdf5 --out new"
    for fault, change in {
        "no data": without("data"),
        "no demonstrations": lambda f: [f["data"].__delitem__(n) for n in list(f["data"])],
        "no states": without("data/demo_0/states"),
        "no actions": without("data/demo_0/actions"),
        "states of nan": replaced("data/demo_0/states", all_nan),
        "states of text": replaced("data/demo_0/states", lambda v: v.astype("S4")),
        "fewer actions than states": replaced("data/demo_0/actions", lambda v: v[:-2]),
        "no model": lambda f: f["data/demo_0"].attrs.__delitem__("model_file"),
        "no env_args": lambda f: f["data"].attrs.__delitem__("env_args"),
        "env_args of no JSON": lambda f: f["data"].attrs.__setitem__("env_args", "{"),
        "an unknown task": lambda f: f["data"].attrs.__setitem__("env_args", '{"env_name": "Fly"}'),
        "a mask of nobody": lambda f: f.__setitem__("mask/train", np.array([b"demo_9"])),
    }.items():
        spoil = in_hdf5("demos.hdf5", change)
        yield Row("sims.replay", fault, words, ("demos.hdf5",), spoil, ("demos.hdf5",))

"""Files that open but mean something else, odd names and consoles, and inputs that are in order."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import h5py
import numpy as np
import pyarrow.parquet as pq

from tests.attack.faults import Fault, at, in_hdf5, swapped, truncated
from tests.attack.rows import End, Row
from tests.attack.table_files import CLIP_RUN, OF_CLIP_RUNS, OF_EPISODES, OF_RUNS, RUN

FIRST, TEST = "episodes/000000.hdf5", "episodes/000003.hdf5"
HELP = (
    *("datasets.info", "datasets.convert", "datasets.cache", "datasets.extract_poses"),
    *("sims.generate", "sims.replay", "align.train", "align.evaluate", "align.compare"),
    *("align.ablate", "align.analyze", "align.report", "action.train", "action.evaluate"),
    *("action.compare", "action.retrieve", "action.analyze"),
)


def meaning_rows() -> Iterator[Row]:
    """All these rows."""
    yield from _episodes()
    yield from _json()
    yield from _runs()
    yield from _demonstrations()
    yield from _formats()
    yield from _names()
    yield from _consoles()
    yield from _in_order()


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    """Changes an array of an HDF5 file."""

    def replace(file: h5py.File) -> None:
        value = change(file[name][()])
        del file[name]
        file[name] = value

    return replace


def without(name: str) -> Callable[[h5py.File], None]:
    """Removes a part of an HDF5 file."""
    return lambda file: file.__delitem__(name)


def _nan(value: np.ndarray) -> np.ndarray:
    return np.full(value.shape, np.nan, value.dtype)


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
    "cameras of nan": replaced("cameras/view_0/intrinsics", _nan),
}


def _episodes() -> Iterator[Row]:
    for fault, change in EPISODE_FAULTS.items():
        for command, words in OF_EPISODES.items():
            # Training looks at no camera.
            if command != "align.train" or "cameras" not in fault:
                spoil = in_hdf5(f"dots/{FIRST}", change)
                yield Row(command, fault, words, ("dots",), spoil, ("dots",))
    for fault, name, change in (
        ("keypoints of nan", "obs/view_0_keypoints", _nan),
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


def in_json(place: str, change: Callable[[Any], object]) -> Fault:
    """Changes a JSON file."""

    def edit(here: Path) -> None:
        content = json.loads((here / place).read_text())
        change(content)
        (here / place).write_text(json.dumps(content))

    return edit


def put(**values: object) -> Callable[[dict[str, Any]], None]:
    """Sets keys; those with the value `...` are removed."""

    def change(content: dict[str, Any]) -> None:
        content.update(values)
        for name, value in values.items():
            if value is ...:
                del content[name]

    return change


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


def _runs() -> Iterator[Row]:
    best, last = (f"run/checkpoints/{which}.safetensors" for which in ("best", "last"))
    other = "clip_run/checkpoints/best.safetensors"
    both = (*RUN, *CLIP_RUN)
    for command in ("align.evaluate", "align.analyze"):
        yield Row(command, "weights of another model", "run", both, swapped(best, other), (best,))
    for command in ("action.evaluate", "action.analyze", "action.retrieve"):
        spoil = swapped(best, other)
        yield Row(command, "weights of another model", "clip_run", both, spoil, (other,))
    for command in OF_RUNS:
        yield Row(command, "a run of the other package", "clip_run", both, named=("config.json",))
    for command in ("action.evaluate", "action.analyze", "action.retrieve"):
        yield Row(command, "a run of the other package", "run", both, named=("config.json",))
    for command, words in OF_RUNS.items():
        gone = _removed("dots")
        yield Row(command, "the data set is gone", words, RUN, gone, ("dots",))
    for command, words in OF_CLIP_RUNS.items():
        yield Row(
            command, "the data set is gone", words, CLIP_RUN, _removed("squares"), ("squares",)
        )
    for command, package in (("align.train", "run"), ("action.train", "clip_run")):
        words = f"--resume {package} --epochs 2"
        spoil = swapped(
            f"{package}/checkpoints/last.safetensors", f"{package}/checkpoints/best.safetensors"
        )
        needs = RUN if package == "run" else CLIP_RUN
        yield Row(command, "resumed from `best`", words, needs, spoil, ("last.safetensors",))
    for command in ("align.evaluate", "align.analyze", "align.report", "align.view"):
        yield Row(command, "no run is named", "", (), named=("name one or more folders",))
        yield Row(command, "a data set instead of a run", "dots", RUN, named=("dots",))
    yield Row(
        "align.videos",
        "a run that needs keypoints",
        "run videos/000001/ego.mp4 videos/000001/view_0.mp4",
        (*RUN, "videos"),
        named=("run", "deit"),
    )
    for command in ("action.evaluate", "action.analyze", "action.retrieve"):
        yield Row(command, "no run is named", "", (), named=("name one or more folders",))
        yield Row(command, "a data set instead of a run", "squares", CLIP_RUN, named=("squares",))
    yield Row(
        "align.train",
        "other options in a taken folder",
        "--data dots --out run",
        RUN,
        named=("run",),
    )
    yield Row(
        "action.train",
        "other options in a taken folder",
        "--data mocap --root squares --out clip_run",
        CLIP_RUN,
        named=("clip_run",),
    )


def _removed(name: str) -> Fault:
    return lambda here: shutil.rmtree(here / name)


def _demonstrations() -> Iterator[Row]:
    words = "--demos demos.hdf5 --out new"
    for fault, change in {
        "no data": without("data"),
        "no demonstrations": lambda f: [f["data"].__delitem__(n) for n in list(f["data"])],
        "no states": without("data/demo_0/states"),
        "no actions": without("data/demo_0/actions"),
        "states of nan": replaced("data/demo_0/states", _nan),
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


def _formats() -> Iterator[Row]:
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
            ("ftpv", "no views", _removed("ftpv/va_0001/fpv"), "va_0001"),
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
    for layout, name in (("ntu", "dots"), ("smarthome", "squares"), ("nucla", "smarthome")):
        words = f"{name} --format {layout}"
        yield Row("datasets.info", f"{name} read as {layout}", words, (name,), named=(name,))
        words = f"{name} out --format {layout} --workers 1"
        yield Row("datasets.cache", f"{name} read as {layout}", words, (name,), named=(name,))
    yield Row("datasets.extract_poses", "no videos", "dots", ("dots",), named=("error",))
    yield Row("datasets.extract_poses", "no folder", "nowhere", (), named=("error",))


def _without_rows(here: Path) -> None:
    path = here / "lerobot/data/chunk-000/file-000.parquet"
    pq.write_table(pq.read_table(path).slice(0, 20), path)


ODD_NAMES = {
    "a space": "my dots",
    "a colon": "a:b",
    "a control character": "red\x1b[31m",
    "a new line": "two\nlines",
    "bytes that are no UTF-8": "dots\udcff",
    "an emoji": "dots 🤖",
    "a quote": "it's",
    "a dollar": "$HOME",
}


def _names() -> Iterator[Row]:
    for fault, name in ODD_NAMES.items():
        quoted = shlex.quote(name)
        spoil = _renamed("dots", name)
        yield Row(
            "datasets.info",
            f"a folder named with {fault}",
            quoted,
            ("dots",),
            spoil,
            right=_counted,
        )
        yield Row(
            "datasets.convert",
            f"a target named with {fault}",
            f"plain {quoted} --to episodes",
            ("plain",),
            right=_named_in_command(name),
        )
    for command, words in OF_EPISODES.items():
        yield (
            Row(
                command,
                "names with control characters",
                words,
                ("dots",),
                in_json("dots/meta.json", put(phases=["\x1b[2J", "b", "c"], command="\x1b[31m")),
                right=None if command == "datasets.convert" else _no_escapes,
                named=("dots",),
            )
            if command == "datasets.info"
            else Row(
                command,
                "an index whose name has control characters",
                words,
                ("dots",),
                in_json("dots/meta.json", put(env="\x1b[31mred")),
                ("\\x1b",),
            )
        )


def _renamed(old: str, new: str) -> Fault:
    return lambda here: (here / old).rename(here / new)


def _counted(here: Path, end: End) -> str:
    return "" if "4 episodes" in end.out or "episodes: 4" in end.out else "the count is wrong"


def _named_in_command(name: str) -> Callable[[Path, End], str]:
    def check(here: Path, end: End) -> str:
        if any(not (c.isprintable() or c == "\n") for c in end.out):
            return "control characters are printed"
        if not (here / name / "meta.json").exists():
            return "the target is not there"
        if not name.isprintable():
            return ""
        words = shlex.split(end.out.partition("Look at it:")[2])
        return "" if name in words else "the printed command does not work"

    return check


def _no_escapes(here: Path, end: End) -> str:
    return "control characters are printed" if "\x1b" in end.out + end.err else ""


def _ascii() -> TextIO:
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii")


def _full() -> TextIO:
    return open("/dev/full", "w")


def _consoles() -> Iterator[Row]:
    for command in HELP:
        yield Row(command, "help on an ASCII console", "--help", stdout=_ascii, right=_fine)
    for command, words, needs in (
        ("datasets.info", "dots", ("dots",)),
        ("align.evaluate", "run", RUN),
        ("align.report", "run", RUN),
        ("action.evaluate", "clip_run", CLIP_RUN),
    ):
        yield Row(command, "results on an ASCII console", words, needs, stdout=_ascii, right=_fine)


def _fine(here: Path, end: End) -> str:
    return ""


def _in_order() -> Iterator[Row]:
    """Inputs that look odd and are right: refusing them would be a fault, too."""
    linked = lambda here: (here / "linked").symlink_to("dots")  # noqa: E731
    yield Row("datasets.info", "a link to a data set", "linked", ("dots",), linked, right=_counted)
    for source in ("ftpv", "lerobot", "videos", "robomimic.hdf5"):
        words = f"{source} out --to episodes --split 1,1,1"
        yield Row(
            "datasets.convert", f"{source} back", words, (source, "plain"), right=_same_frames
        )
    yield Row("align.evaluate", "a copied run", "run", RUN, right=_same_metrics)
    yield Row(
        "align.report",
        "test_attention.json truncated, which is left out",
        "run",
        RUN,
        at("run/analysis/test_attention.json", truncated),
        right=lambda here, end: "" if "test_attention.json" in end.err else "it is not named",
    )
    yield Row("align.report", "a copied run", "run", RUN, right=_page("run/report.html"))
    for part in (".thesis.tmp", ".report.tmp"):
        yield Row(
            "datasets.convert",
            f"the user's own {part} beside the target",
            "plain out --to ftpv",
            ("plain",),
            lambda here, part=part: _old(here / part),  # type: ignore[misc]
            right=lambda here, end, part=part: "" if (here / part).exists() else "it is gone",  # type: ignore[misc]
        )
    yield Row(
        "datasets.cache",
        "the user's own .tmp in the target",
        "squares out --format ntu --size 32 --workers 1",
        ("squares",),
        lambda here: _old(here / "out/rgb/.thesis.tmp"),
        right=lambda here, end: "" if (here / "out/rgb/.thesis.tmp").exists() else "it is gone",
    )


def _old(path: Path) -> None:
    import os

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    os.utime(path, (0, 0))


def _same_frames(here: Path, end: End) -> str:
    for number in range(3):
        with (
            h5py.File(here / f"plain/episodes/{number:06d}.hdf5") as one,
            h5py.File(here / f"out/episodes/{number:06d}.hdf5") as other,
        ):
            a, b = (file["obs/view_0_image"][()].astype(int) for file in (one, other))
        if a.shape != b.shape:
            return f"{b.shape} frames instead of {a.shape}"
        if (error := np.abs(a - b).mean()) > 6:
            return f"the frames differ by {error:.1f}"
    return ""


def _same_metrics(here: Path, end: End) -> str:
    metrics = json.loads((here / "run/evaluation/test.json").read_text())["metrics"]
    shown = f"{metrics['alignment_error']:.4f}"
    return "" if shown in end.out else f"{shown} is not printed"


def _page(place: str) -> Callable[[Path, End], str]:
    return lambda here, end: "" if (here / place).stat().st_size > 1000 else "the page is empty"

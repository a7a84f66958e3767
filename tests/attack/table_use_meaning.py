"""Runs, videos and references that open but mean something else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from datasets.video import write_video
from tests.attack.edits import all_nan, in_json, put, replaced, without
from tests.attack.faults import Fault, in_hdf5
from tests.attack.rows import End, Row
from tests.attack.table_files import CLIP_RUN, POSES, RUN, VIDEO
from tests.attack.table_use_files import (
    ALONE,
    CLONE,
    FIRST,
    IMITATE,
    OF_RUNS,
    OF_VIDEOS,
    SECOND,
)


def use_meaning_rows() -> Iterator[Row]:
    """All these rows."""
    yield from _runs()
    yield from _videos()
    yield from _demonstrations()
    yield from _in_order()


def weights(change: Callable[[np.ndarray], np.ndarray], place: str) -> Fault:
    """Changes all weights of a checkpoint."""

    def edit(here: Path) -> None:
        path = here / place / "checkpoints/best.safetensors"
        with safe_open(path, "np") as file:
            about = file.metadata()
        changed = {
            name: change(value) if value.dtype.kind == "f" else value
            for name, value in load_file(path).items()
        }
        save_file(changed, path, about)

    return edit


def _runs() -> Iterator[Row]:
    spoilt = weights(all_nan, "deit_run")
    fault, named = "weights of nan", ("best.safetensors",)
    for command, (words, needs) in OF_RUNS.items():
        yield Row(command, fault, words, needs, spoilt, named)
    yield Row("align.view", fault, "deit_run --export page.html", ALONE, spoilt, named)
    for command in ("align.evaluate", "align.analyze"):
        yield Row(command, fault, "deit_run", ALONE, spoilt, named)
    spoilt = weights(all_nan, "clip_run")
    for command in ("action.evaluate", "action.analyze", "action.retrieve"):
        yield Row(command, fault, "clip_run", CLIP_RUN, spoilt, named)
    words = f"clip_run {VIDEO} --poses {POSES}"
    yield Row("action.predict", fault, words, CLIP_RUN, spoilt, named)
    other = in_json("dots/meta.json", put(skeleton="player"))
    for command, words in (
        ("align.embed", "run dots --out new.npz"),
        ("align.progress", "run --data dots --out new.npz"),
        ("align.view", "run --data dots --export page.html"),
    ):
        yield Row(command, "data of another skeleton", words, RUN, other, ("dots",))


def _one_frame(here: Path) -> None:
    write_video(here / SECOND, np.zeros((1, 32, 32, 3), np.uint8), 20)


def _no_frames(here: Path) -> None:
    with av.open(str(here / SECOND), "w") as container:
        stream = container.add_stream("libx264", 20)
        stream.width = stream.height = 32
        container.start_encoding()


def _sound_alone(here: Path) -> None:
    with av.open(str(here / SECOND), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        silence.sample_rate = 8000
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))


def _videos() -> Iterator[Row]:
    for command, words in OF_VIDEOS.items():
        needs = (*ALONE, "videos")
        for fault, spoil in (
            ("a video without frames", _no_frames),
            ("a video of sound alone", _sound_alone),
            ("a folder for a video", lambda here: _folder(here / SECOND)),
        ):
            yield Row(command, fault, words, needs, spoil, ("view_0",))
        if command == "align.videos":
            yield Row(command, "a video of one frame", words, needs, _one_frame, ("view_0",))
    needs = (*ALONE, "videos")
    for command, option in (("align.videos", "--out"), ("align.view", "--export")):
        words = f"deit_run {FIRST} {SECOND} {option} {FIRST}"
        yield Row(command, f"{option} is a video to read", words, needs, named=(FIRST,))
    words = f"deit_run {FIRST} {SECOND} --out new.mp4 --pairs {FIRST}"
    yield Row("align.videos", "--pairs is a video to read", words, needs, named=(FIRST,))
    words = f"deit_run {FIRST} --data dots --export page.html"
    yield Row("align.view", "videos and a data set", words, needs, named=("--data",))
    words = f"deit_run {FIRST} --lerobot lerobot21 --out new.npz"
    needs = (*needs, "lerobot21")
    yield Row("align.progress", "videos and a LeRobot set", words, needs, named=("--lerobot",))
    words = f"deit_run {FIRST} --data dots --out new.npz"
    yield Row("align.progress", "videos and a data set", words, needs, named=("--data",))


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _demonstrations() -> Iterator[Row]:
    first = "cloned/episodes/000000.hdf5"
    for fault, change, named in (
        ("no actions", without("actions"), "actions"),
        ("actions of nan", replaced("actions", all_nan), "000000.hdf5"),
        ("fewer actions", replaced("actions", lambda v: v[:-2]), "000000.hdf5"),
        ("no object", without("obs/object"), "obs/object"),
        ("states of nan", replaced("obs/object", all_nan), "000000.hdf5"),
        ("fewer states", replaced("obs/object", lambda v: v[:-2]), "000000.hdf5"),
    ):
        words = f"{CLONE} --observe states"
        yield Row("align.clone", fault, words, ("cloned",), in_hdf5(first, change), (named,))
    for fault, change, named in (
        ("a world that is not there", put(env="dots"), "dots"),
        ("cameras that move", put(moving_cameras=True), "--moving-cameras"),
        ("people of motion capture", put(env="mocap"), "mocap"),
    ):
        spoil = in_json("cloned/meta.json", change)
        needs = ("cloned",)
        rename = lambda here, env=fault, spoil=spoil: _renamed(here, spoil)  # noqa: E731
        yield Row("align.clone", fault, CLONE, needs, rename, (named,))
    for words, named in (
        ("--observe states nowhere", "nowhere"),
        ("--observe states states", "states"),
        ("--policy.batch 9999", "--policy.batch"),
        ("--episodes 99", "99"),
        ("--views view_0 view_0", "view_0"),
    ):
        yield Row("align.clone", words, f"{CLONE} {words}", ("cloned",), named=(named,))
    taken = written("new/options.json", '{"views": ["ego"]}')
    yield Row("align.clone", "other options in its folder", CLONE, ("cloned",), taken, ("new",))
    spoilt = written("new/options.json", "{")
    yield Row("align.clone", "options of no JSON", CLONE, ("cloned",), spoilt, ("options.json",))
    yield Row("align.imitate", "options of no JSON", IMITATE, ALONE, spoilt, ("options.json",))
    for fault, text in (("of other columns", "a,b\n1,2\n"), ("without rows", "steps,success\n")):
        spoil = written("new/alignment/seed0/curve.csv", text)
        yield Row("align.imitate", f"a curve {fault}", IMITATE, ALONE, spoil, ("curve.csv",))
    for words, named in (
        ("--references demo_99", "demo_99"),
        ("--reference-views view_9", "view_9"),
        ("--reference-data nowhere", "nowhere"),
        ("--view view_9", "view_9"),
        ("--reward sparse alignment --run nowhere", "nowhere"),
        ("--reward sparse sparse", "sparse"),
        ("--run run", "run"),
    ):
        needs = (*ALONE, "run")
        yield Row("align.imitate", words, f"{IMITATE} {words}", needs, named=(named,))


def _renamed(here: Path, spoil: Fault) -> None:
    """Spoils the meta data, and names the index after the world as before."""
    spoil(here)
    from datasets.storage.meta import DatasetMeta

    index = DatasetMeta.load(here / "cloned").index_name
    if index != "lift.hdf5":
        (here / "cloned/lift.hdf5").rename(here / "cloned" / index)


def written(place: str, text: str) -> Fault:
    """Writes text into a file."""

    def write(here: Path) -> None:
        (here / place).parent.mkdir(parents=True, exist_ok=True)
        (here / place).write_text(text)

    return write


def _in_order() -> Iterator[Row]:
    yield Row("align.embed", "a run and its data", "deit_run dots --out new.npz", ALONE,
              right=_rows_of("new.npz"))  # fmt: skip
    yield Row("align.progress", "a run and its data", "deit_run --out new.npz", ALONE,
              right=_rows_of("new.npz"))  # fmt: skip


def _rows_of(name: str) -> Callable[[Path, End], str]:
    def check(here: Path, end: End) -> str:
        table = np.load(here / name)
        bad = [key for key in table if table[key].dtype.kind == "f" and np.isnan(table[key]).any()]
        return f"nan in {bad}" if bad else "" if len(table["frame"]) else "it is empty"

    return check

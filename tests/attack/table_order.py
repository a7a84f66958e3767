"""Odd names, odd consoles and odd inputs that are in order: to refuse them would be a fault."""

from __future__ import annotations

import io
import json
import os
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import h5py
import numpy as np

from tests.attack.edits import in_json, put
from tests.attack.faults import Fault, at, truncated
from tests.attack.rows import End, Row
from tests.attack.table_files import CLIP_RUN, OF_EPISODES, RUN

HELP = (
    *("datasets.info", "datasets.convert", "datasets.cache", "datasets.extract_poses"),
    *("sims.generate", "sims.replay", "align.train", "align.evaluate", "align.compare"),
    *("align.ablate", "align.analyze", "align.report", "action.train", "action.evaluate"),
    *("action.compare", "action.ablate", "action.retrieve", "action.analyze", "action.predict"),
)


def order_rows() -> Iterator[Row]:
    """All these rows."""
    yield from _names()
    yield from _consoles()
    yield from _in_order()


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

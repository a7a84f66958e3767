"""Runs that do not belong to the command, to their weights or to data that are there."""

from __future__ import annotations

from collections.abc import Iterator

from tests.attack.edits import removed
from tests.attack.faults import swapped
from tests.attack.rows import Row
from tests.attack.table_files import CLIP_RUN, OF_CLIP_RUNS, OF_RUNS, RUN, SMALL_CLIPS


def run_rows() -> Iterator[Row]:
    """All these rows."""
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
        gone = removed("dots")
        yield Row(command, "the data set is gone", words, RUN, gone, ("dots",))
    for command, words in OF_CLIP_RUNS.items():
        yield Row(
            command, "the data set is gone", words, CLIP_RUN, removed("squares"), ("squares",)
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
    begin = f"--data mocap --root squares {SMALL_CLIPS}"
    for fault, option, named in (
        ("start from nothing", "--init nowhere", "nowhere"),
        ("start from a run of the other package", "--init run", "best.safetensors"),
        ("start from a data set", "--init squares", "squares"),
        ("a run in place of published weights", "--backbone.weights clip_run", "--init clip_run"),
    ):
        yield Row("action.train", fault, f"{begin} {option}", both, named=(named,))

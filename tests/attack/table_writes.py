"""Targets that cannot be written, for every command that writes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.attack.faults import full_disk, read_only
from tests.attack.material import REPLAY
from tests.attack.rows import Row
from tests.attack.table_files import CLIP_RUN, RUN, SMALL, SMALL_CLIPS
from tests.attack.table_use_files import ALONE, ARM, CALIBRATE, CLONE, FIRST, IMITATE, SECOND
from tests.attack.table_use_files import KEYPOINTS as OF_ARM

LONG = "n" * 260


@dataclass(frozen=True)
class Write:
    """A command that writes.

    Attributes:
        command: The command.
        words: Its command line; `{0}` stands for the target.
        needs: Parts of the material.
        target: The folder that is full or read-only, with what the command writes in it.
        inside: What the command writes, in that folder.
    """

    command: str
    words: str
    needs: tuple[str, ...]
    target: str = "disk"
    inside: str = "new"


CONVERSIONS = [
    Write("datasets.convert", f"plain {{0}} --to {target}", ("plain",))
    for target in ("ftpv", "lerobot", "mp4", "robomimic", "episodes")
]
NEW = (
    *CONVERSIONS,
    Write("datasets.cache", "squares {0} --format ntu --size 32 --workers 1", ("squares",)),
    Write("datasets.info", "plain --contact-sheet {0}", ("plain",)),
    Write("align.train", f"--data dots {SMALL} --out {{0}}", ("dots",)),
    Write("action.train", f"--data mocap --root squares {SMALL_CLIPS} --out {{0}}", ("squares",)),
    Write("align.analyze", "run --out {0}", RUN),
    Write("align.report", "run --out {0}", RUN),
    Write("action.retrieve", "clip_run --pictured 0 --out {0}", CLIP_RUN),
    Write(
        "align.compare",
        f"--data dots --seeds 0 --jobs 1 --methods deit {SMALL} --out {{0}}",
        ("dots",),
    ),
    Write(
        "align.ablate",
        f"--data dots --seeds 0 --jobs 1 --studies noise {SMALL} --out {{0}}",
        ("dots",),
    ),
    Write(
        "action.compare", "--data mocap --root squares --seeds 0 --jobs 1 --out {0}", ("squares",)
    ),
    Write(
        "action.ablate",
        "--data mocap --root squares --seeds 0 --jobs 1 --studies noise --out {0}",
        ("squares",),
    ),
    Write("sims.generate", "--env tests.sims.toy:ToyEnv --episodes 3 --size 32 --out {0}", ()),
    Write("sims.generate", "--env mocap --subjects 1 --size 32 --actions walk --out {0}", ()),
    Write("sims.generate", "--env mocap --as episodes --subjects 3 --size 32 --out {0}", ()),
    Write("sims.replay", f"{REPLAY} --out {{0}}", ("recorded.hdf5",)),
    Write("align.embed", "deit_run dots --out {0}.npz", ALONE),
    Write("align.progress", "deit_run --out {0}.npz", ALONE),
    Write("align.videos", f"deit_run {FIRST} {SECOND} --out {{0}}.mp4", (*ALONE, "videos")),
    Write("align.view", "run --export {0}.html", RUN),
    Write("align.zoo", "new --export deit_run --out {0}", ALONE),
    Write("align.clone", f"{CLONE} --out {{0}}", ("cloned",)),
    Write("align.imitate", f"{IMITATE} --reward sparse --out {{0}}", ALONE),
    Write("datasets.keypoints", f"{OF_ARM} --out {{0}}", ARM),
    Write("datasets.calibrate", f"{CALIBRATE} --out {{0}}.json", ARM),
)
# A finished analysis is kept without its figure. The grids start processes that import torch, and
# end as their runs do.
FULL_LATE = ("align.analyze", "align.ablate", "action.compare", "action.ablate")
# What is there must stay.
AGAIN = (
    Write("align.evaluate", "run", RUN, "run", "evaluation"),
    Write("align.analyze", "run", RUN, "run", "analysis"),
    Write("align.report", "run", RUN, "run", "report.html"),
    Write("align.train", "--resume run --epochs 2", RUN, "run", ""),
    Write("action.evaluate", "clip_run", CLIP_RUN, "clip_run", "evaluation"),
    Write("action.analyze", "clip_run", CLIP_RUN, "clip_run", "analysis"),
    Write("action.retrieve", "clip_run", CLIP_RUN, "clip_run", "retrieval"),
    Write("action.train", "--resume clip_run --epochs 2", CLIP_RUN, "clip_run", ""),
    Write("align.embed", "deit_run dots", ALONE, "deit_run", ""),
    Write("align.progress", "deit_run", ALONE, "deit_run", ""),
    Write(
        "align.progress",
        "deit_run --lerobot lerobot21",
        (*ALONE, "lerobot21"),
        "lerobot21",
        "",
    ),
    Write("sims.replay", f"{REPLAY} --out replayed", ("recorded.hdf5", "replayed"), "replayed", ""),
)


def write_rows() -> Iterator[Row]:
    """A row for every command that writes and every reason why it cannot."""
    for write in NEW:
        words = write.words.format(f"disk/{write.inside}")
        full = Row(write.command, "a full disk", words, write.needs, named=("disk",))
        if write.command not in FULL_LATE:
            yield replace(full, around=full_disk("disk"))
        yield replace(full, fault="a read-only disk", around=read_only("disk"))
        below = write.words.format("file/new")
        yield Row(write.command, "a target below a file", below, write.needs, _a_file, ("file",))
        long = write.words.format(LONG)
        yield Row(write.command, "a name that is too long", long, write.needs, named=(LONG[:200],))
    for write in AGAIN:
        row = Row(write.command, "a full disk", write.words, write.needs, named=(write.target,))
        full = replace(row, fault="a full disk with results", around=full_disk(write.target))
        # A report makes its video in the system's folder of temporary files.
        yield replace(full, named=("disk",)) if write.command == "align.report" else full
        yield replace(row, fault="a read-only disk with results", around=read_only(write.target))
    for write in CONVERSIONS:
        taken = write.words.format("taken")
        yield Row(write.command, "a target that exists", taken, write.needs, _taken, ("taken",))


def _a_file(here: Path) -> None:
    (here / "file").write_text("mine")


def _taken(here: Path) -> None:
    (here / "taken").mkdir()
    (here / "taken" / "mine").write_text("mine")

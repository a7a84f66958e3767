"""Measure how the cost of each step from a simulator to training grows with the number of episodes.

Run: python tests/benchmarks/bench_scale.py
     python tests/benchmarks/bench_scale.py --counts 10 100 1000 --out data/scale

One data set of short episodes grows through the counts. Each step is one that users run; its cost
at the largest count, and what each further episode adds between the last two counts, are carried
on to a million episodes. `make bench` leaves this out: a thousand episodes take half an hour.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import tyro
from measuring import ROOT, Row, apart, note, one_thread

from align.config import BackboneConfig, TrainConfig
from align.plan import RunPlan
from align.task import AlignmentTask
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.storage.episode_file import SPLITS
from datasets.storage.index import demo_number, read_splits

MILLION = 1_000_000
SAMPLES = 100  # drawn from a data set to time a reader


@dataclass(frozen=True)
class Options:
    """Measure how costs grow with the number of episodes.

    Attributes:
        env: The world whose episodes are made.
        views: Third-person views.
        size: Height and width in pixels.
        counts: Numbers of episodes, growing.
        workers: Processes that generate.
        out: Folder of the data set; it goes on from what is there, whose making is then not timed.
    """

    env: str = "minecraft"
    views: int = 2
    size: int = 64
    counts: tuple[int, ...] = (10, 100, 1000)
    workers: int = 1
    out: Path | None = None


def main() -> None:
    """Print a table of seconds, a row a step and a column a count, and what a million comes to."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as folder:
        root = options.out or Path(folder) / options.env
        found = [measure(options, root, count) for count in options.counts]
    for step in found[0]:
        seconds = [each[step] for each in found]
        slope = max(0.0, (seconds[-1] - seconds[-2]) / (options.counts[-1] - options.counts[-2]))
        far = seconds[-1] + slope * (MILLION - options.counts[-1])
        figures = ", ".join(
            f"{spent:.3g} s at {count:,}"
            for count, spent in zip(options.counts, seconds, strict=True)
        )
        note(
            Row(
                f"{step}; {options.env}, {options.views + 1} views at {options.size}²",
                "",
                f"{1000 * slope:.3g} ms an episode more",
                f"{figures}; at a million {far / 3600:.2g} h",
            )
        )


def measure(options: Options, root: Path, count: int) -> dict[str, float]:
    """Seconds of every step at a number of episodes; generation's are of all episodes so far."""
    before = len(list((root / "episodes").glob("*.hdf5")))
    generate = ["-m", "sims.generate", "--env", options.env, "--views", str(options.views)]
    generate += ["--size", str(options.size), "--workers", str(options.workers)]
    generate += ["--episodes", str(count), "--out", str(root)]
    made = command(generate)
    return {
        "generate, from nothing": made * count / max(1, count - before),
        "generate, when all is there": command(generate),
        "write the index": apart(timed_index, root),
        "open": apart(timed_open, root),
        "check every file": apart(timed_check, root),
        "datasets.info": command(["-m", "datasets.info", str(root)]),
        "start of training": apart(timed_start, root, options.size),
        f"read {SAMPLES} samples": apart(timed_samples, root, options.size),
    }


def command(arguments: list[str]) -> float:
    """Seconds that Python takes for a command, which must succeed."""
    return timed(
        lambda: subprocess.run(
            [sys.executable, *arguments], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
        )
    )


def timed(form: Callable[[], object]) -> float:
    """Seconds of the clock: files are waited for as well."""
    start = time.perf_counter()
    form()
    return time.perf_counter() - start


def timed_index(root: Path) -> float:
    """Seconds to write the index of episodes that are all there."""
    data = EpisodeDataset(root)
    members = read_splits(data.index_path)
    splits = {split: [demo_number(name)[0] for name in members[split]] for split in SPLITS}
    return timed(lambda: EpisodeWriter(root, data.meta).write_index(splits))


def timed_open(root: Path) -> float:
    """Seconds until the data set can be used."""
    return timed(lambda: EpisodeDataset(root, "train"))


def timed_check(root: Path) -> float:
    """Seconds to read the structure of every episode."""
    return timed(EpisodeDataset(root).check)


def timed_start(root: Path, size: int) -> float:
    """Seconds from a configuration to what can be trained: data opened and checked, and a model."""
    return timed(lambda: small_task(root, size))


def timed_samples(root: Path, size: int) -> float:
    """Seconds to read samples, as a step of training does, from episodes drawn at random."""
    task = small_task(root, size)
    loader = task.loader(0, SAMPLES // task.config.batch.episodes)
    return timed(lambda: list(loader))


def small_task(root: Path, size: int) -> AlignmentTask:
    """A small model and the data it is trained on."""
    one_thread()
    logging.disable(logging.WARNING)
    config = TrainConfig(data=root, image_size=size, backbone=BackboneConfig(depth=2))
    return AlignmentTask(RunPlan.load(config))


if __name__ == "__main__":
    main()

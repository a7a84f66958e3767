"""Measure the peak memory of training and of evaluation, and how it grows.

Run: python tests/benchmarks/bench_memory.py

Each figure is measured in a separate process: four blocks of DeiT-Tiny at 112x112 on drawn episodes
that are read from disk, without the memory of the libraries themselves. A data set may be larger
than memory: the memory of a process that draws batches from many episodes does not grow.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
from measuring import Row, apart, note, one_thread, peak_resident

from align.config import BackboneConfig, TrainConfig
from align.inputs.data import BatchConfig, EpisodeSamples
from align.plan import RunPlan
from align.task import AlignmentTask
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from tests.datasets.synthetic import make_data_set

SIZE, MB = 112, 1e6
LONG_READS = 400  # samples drawn while the resident memory is measured


@dataclass(frozen=True)
class Case:
    """A training and an evaluation: the size of the data, and episodes a step."""

    views: int = 5
    length: int = 60
    batch: int = 2


CASES = {
    "as by default": Case(),
    "twice the episodes a step": Case(batch=4),
    "twice the views": Case(views=10),
    "four times as long": Case(length=240),
}


def main() -> None:
    """Print the peak of every case, and the memory of reading many episodes."""
    with tempfile.TemporaryDirectory() as folder:
        for index, (name, case) in enumerate(CASES.items()):
            root = Path(folder) / str(index)
            data = make_data_set(root / "dots", 4, case.views - 1, case.length, SIZE)
            step, evaluation = (apart(form, data, root, case) for form in (train, evaluate))
            note(
                Row(
                    f"peak memory, {case.views} views × {case.length} frames, {case.batch} "
                    f"episodes a step, {SIZE}² ({name})",
                    "",
                    f"{step / MB:.0f} MB in training",
                    f"{evaluation / MB:.0f} MB in evaluation",
                )
            )
        data = make_data_set(Path(folder) / "many", 40, 4, 60, SIZE)
        size = sum(path.stat().st_size for path in EpisodeDataset(data).paths)
        first, half, last = apart(read, data)
        note(
            Row(
                f"memory while {LONG_READS} samples are drawn from {size / MB:.0f} MB of episodes",
                "",
                f"{(last - half) / MB:+.1f} MB in the second half",
                f"{first / MB:.0f} MB after the first, {last / MB:.0f} MB at the end",
            )
        )


def config_of(data: Path, root: Path, case: Case) -> TrainConfig:
    """A run on the case's data."""
    return TrainConfig(
        data=data,
        out=root / "run",
        epochs=1,
        backbone=BackboneConfig(depth=4),
        batch=BatchConfig(episodes=case.batch),
    )


def train(data: Path, root: Path, case: Case) -> float:
    """Bytes that the model and two steps add to the process."""
    one_thread()
    logging.disable(logging.WARNING)
    before = peak_resident()
    trainer = make_trainer(config_of(data, root, case), progress=False)
    loader = trainer.task.loader(0, 2)
    trainer.model.train()
    for step, batch in enumerate(loader):
        trainer._step(step, batch)
    return peak_resident() - before


def evaluate(data: Path, root: Path, case: Case) -> float:
    """Bytes that the embeddings of an episode add."""
    one_thread()
    before = peak_resident()
    config = replace(config_of(data, root, case), out=None)
    task = AlignmentTask(RunPlan.load(config))
    task.model.eval()
    task.embedder.embed_episode(task.valid, 0)
    return peak_resident() - before


def read(data: Path) -> tuple[float, float, float]:
    """Resident bytes after the first sample, half-way, and at the end."""
    samples = EpisodeSamples(EpisodeDataset(data), BatchConfig(), SIZE, 2, LONG_READS, 0)
    process, resident = psutil.Process(), []
    for item in range(LONG_READS):
        samples[item]
        resident.append(process.memory_info().rss)
    return (
        resident[0],
        float(np.mean(resident[LONG_READS // 2 - 5 : LONG_READS // 2])),
        resident[-1],
    )


if __name__ == "__main__":
    main()

"""Measure the share of an epoch that training waits for data, with and without reading processes.

Run: python tests/benchmarks/bench_epoch.py

The trainer of `align.train` itself, one epoch of four blocks of DeiT-Tiny at 112x112 on drawn
episodes of five views, read from disk.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from measuring import Row, apart, note, one_thread

from align.config import BackboneConfig, TrainConfig
from align.train import make_trainer
from tests.datasets.synthetic import make_data_set

SIZE, EPISODES, STEPS, WORKERS = 112, 7, 60, (0, 1)


def main() -> None:
    """Print the share for each number of reading processes."""
    with tempfile.TemporaryDirectory() as folder:
        data = make_data_set(Path(folder) / "dots", EPISODES, views=4, size=SIZE, steps=STEPS)
        for workers in WORKERS:
            waiting, total, steps = apart(train, data, Path(folder) / str(workers), workers)
            note(
                Row(
                    f"waiting for data in an epoch, {SIZE}², 4 blocks, {workers} reading processes",
                    "",
                    f"{100 * waiting / total:.1f} %",
                    f"{waiting:.2f} of {total:.1f} s, {steps} steps of 120 frames",
                )
            )


def train(data: Path, out: Path, workers: int) -> tuple[float, float, int]:
    """Seconds of waiting and in all of the second of three epochs, and its steps."""
    one_thread()
    logging.disable(logging.WARNING)
    config = TrainConfig(
        data=data,
        out=out,
        epochs=3,
        validate_every=3,
        workers=workers,
        backbone=BackboneConfig(depth=4),
    )
    trainer = make_trainer(config, progress=False)
    trainer.fit()
    row = trainer.history[1]
    return row["seconds_waiting_for_data"], row["seconds"], trainer.task.steps_per_epoch


if __name__ == "__main__":
    main()

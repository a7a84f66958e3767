"""Measure the memory and time of evaluating and reporting long episodes and many views.

Run: python tests/benchmarks/bench_long.py
     python tests/benchmarks/bench_long.py --lengths 2000 8000 --views 2

The plain form holds all distances of an episode at once, four arrays of steps by steps for each
pair of views in float64 and float32; its memory is computed, not measured, because it exceeds that
of most machines. `make bench` leaves this out: 20,000 steps take some minutes.
"""

from __future__ import annotations

import logging
import tempfile
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import tyro
from measuring import Row, apart, note, one_thread, peak_resident

from align.config import BackboneConfig, TrainConfig
from align.evaluate import evaluate
from align.inputs.data import BatchConfig
from align.report.page import write_report
from align.train import make_trainer
from tests.datasets.synthetic import make_data_set

SIZE, GB = 64, 1e9


@dataclass(frozen=True)
class Options:
    """Measure the memory and time of long episodes and many views.

    Attributes:
        lengths: Time steps of the long episodes.
        views: Third-person views of the long episodes.
        many: Third-person views of an episode of 60 steps.
    """

    lengths: tuple[int, ...] = (2000, 8000, 20_000)
    views: int = 1
    many: int = 63


def main() -> None:
    """Print the peak memory of both commands for every case."""
    options = tyro.cli(Options)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = apart(trained, root)
        cases = [(length, options.views) for length in options.lengths] + [(60, options.many)]
        for length, views in cases:
            # Phases are learned on the training episode. Painting 20,000 steps takes minutes.
            splits = {"train": [0], "valid": [], "test": [1]}
            data = make_data_set(root / f"{length}_{views}", 2, views, length, SIZE, splits=splits)
            figures = [apart(form, run, data) for form in (measured, reported)]
            pairs = len(list(combinations(range(views + 1), 2)))
            plain = pairs * length**2 * (4 + 4 + 8 + 8)
            for (seconds, peak), what in zip(figures, ("evaluate", "report"), strict=True):
                note(
                    Row(
                        f"align.{what}, {views + 1} views × {length} steps",
                        f"{plain / GB:.1f} GB of distances held at once",
                        f"{peak / GB:.2f} GB at most",
                        f"{seconds:.0f} s",
                    )
                )


def trained(root: Path) -> Path:
    """A run of one step on short episodes of two views."""
    logging.disable(logging.WARNING)
    config = TrainConfig(
        data=make_data_set(root / "short", 3, 1, 20, SIZE),
        out=root / "run",
        epochs=1,
        backbone=BackboneConfig(depth=1),
        batch=BatchConfig(episodes=1),
    )
    make_trainer(config, progress=False).fit()
    return root / "run"


def measured(run: Path, data: Path) -> tuple[float, float]:
    """Seconds of `align.evaluate`, and bytes of its process at most."""
    one_thread()
    start = time.perf_counter()
    evaluate(run, data=data, progress=False)
    return time.perf_counter() - start, peak_resident()


def reported(run: Path, data: Path) -> tuple[float, float]:
    """Seconds of `align.report`, and bytes of its process at most."""
    one_thread()
    start = time.perf_counter()
    write_report([run], evaluation=f"test_on_{data.name}")
    return time.perf_counter() - start, peak_resident()


if __name__ == "__main__":
    main()

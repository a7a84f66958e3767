"""Runs as training and evaluation store them, with every number chosen by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import torch

from align.config import TrainConfig
from align.engine.run_folder import write_history
from align.metrics.alignment import episode_metrics, mean_metrics
from align.results.evaluation import Evaluation
from datasets.episodes import EpisodeDataset
from tests.datasets.synthetic import make_data_set

STEPS = 16
# For each frame of view_0 the ego frame that the hand-made embeddings pick.
PICKS = {
    "deit": [0, 0, 0, 9, 9, 5, 5, 7, 7, 9, 15, 11, 12, 12, 1, 15],
    "paab": list(range(STEPS)),
}


def make_data(root: Path) -> Path:
    return make_data_set(root, episodes=5, views=2, steps=STEPS, size=64)


def make_run(
    folder: Path,
    data: Path,
    config: TrainConfig,
    picks: Sequence[int],
    metrics: Mapping[str, float] | None = None,
    split: str = "test",
) -> Path:
    """Stores a run as training and evaluation would, with embeddings that make these picks."""
    config = replace(config, data=data, out=folder)
    config.save(folder)
    write_history(
        folder / "metrics.csv",
        [
            {
                "epoch": epoch,
                "train/loss": 2 / epoch,
                "train/time_contrastive": 1 / epoch,
                "seconds": 60.0,
                **({"valid/alignment_error": 0.3 / epoch} if epoch % 2 == 0 else {}),
            }
            for epoch in range(1, 5)
        ],
    )
    dataset = EpisodeDataset(data, split)
    clock = torch.arange(STEPS, dtype=torch.float32)[:, None]
    asked = torch.tensor(picks, dtype=torch.float32)[:, None]
    embeddings = {
        name: {"ego": clock, "view_0": asked, "view_1": clock + 0.25} for name in dataset.names
    }
    pairs = [pair for name, views in embeddings.items() for pair in episode_metrics(name, views)]
    means = mean_metrics(pairs) if metrics is None else dict(metrics)
    Evaluation(folder, split, config.method, data, config.seed, means, pairs).save(embeddings)
    return folder


def run_with_error(folder: Path, data: Path, method: str, seed: int, error: float) -> Path:
    metrics = {
        "alignment_error": error,
        "cycle_error": error / 2,
        "kendalls_tau": 1 - error,
        "kendalls_tau_b": float("nan"),
    }
    config = TrainConfig(method=method, seed=seed)
    return make_run(folder, data, config, PICKS.get(method, PICKS["deit"]), metrics)


def make_runs(root: Path, data: Path) -> list[Path]:
    """Three methods, one of them with a single seed; the second seed is the median one."""
    errors = {"deit": (0.1, 0.2, 0.3), "paab": (0.1, 0.12, 0.2), "paat": (0.25,)}
    return [
        run_with_error(root / f"{method}_{seed}", data, method, seed, error)
        for method, values in errors.items()
        for seed, error in enumerate(values)
    ]


class Elements(HTMLParser):
    """All start tags with their attributes, and each table's cells as text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.tables: dict[str, list[list[str]]] = {}
        self._rows: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.tags.append((tag, values))
        if tag == "table":
            self._rows = self.tables[values["id"]] = []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._in_cell = True
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, text: str) -> None:
        if self._in_cell:
            text = self._rows[-1][-1] + text.replace("\N{NO-BREAK SPACE}", " ")
            self._rows[-1][-1] = text.strip()


def decode(video: bytes) -> tuple[list[np.ndarray], av.VideoStream]:
    with av.open(io.BytesIO(video)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    return frames, stream

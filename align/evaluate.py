"""Measures how well a trained run lines up the views of held-out episodes.

    python -m align.evaluate runs/paab_lift_20260101-120000
    python -m align.evaluate runs/* --split valid

Writes `evaluation/<split>.json` (the means and every pair of views of every episode) and
`evaluation/<split>_embeddings.safetensors` (`<episode>/<view>` to (time, dim)) into the run.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import tyro
from safetensors.torch import load_file, save_file
from torch import Tensor
from tqdm import tqdm

from align.checkpoint import CheckpointError, load_checkpoint
from align.cli import set_up_logging, user_errors
from align.config import TrainConfig
from align.metrics import METRICS, PairResult, episode_metrics, mean_metrics
from align.task import FrameEmbedder
from datasets.atomic import atomic_path
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError

Checkpoint = Literal["best", "last"]
Split = Literal["test", "valid", "train"]


@dataclass(frozen=True)
class Evaluation:
    """Metrics and embeddings of one run on one split."""

    run: Path
    split: str
    method: str
    data: Path
    seed: int
    metrics: dict[str, float]
    pairs: list[PairResult]

    @property
    def path(self) -> Path:
        """Where it is stored."""
        return evaluation_path(self.run, self.split)

    def embeddings(self) -> dict[str, dict[str, Tensor]]:
        """Episode to view to embeddings (time, dim)."""
        stored: dict[str, dict[str, Tensor]] = {}
        for name, value in load_file(_embeddings_path(self.path)).items():
            episode, view = name.split("/")
            stored.setdefault(episode, {})[view] = value
        return stored

    def save(self, embeddings: dict[str, dict[str, Tensor]]) -> None:
        """Writes the embeddings, then the metrics: a metrics file means that both are there."""
        flat = {
            f"{e}/{v}": z.contiguous() for e, views in embeddings.items() for v, z in views.items()
        }
        with atomic_path(_embeddings_path(self.path)) as temporary:
            save_file(flat, temporary)
        stored = asdict(self) | {"run": str(self.run), "data": str(self.data)}
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(stored, indent=1) + "\n")


def evaluation_path(run: Path, split: str) -> Path:
    """Where the evaluation of a run on a split is stored."""
    return run / "evaluation" / f"{split}.json"


def _embeddings_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}_embeddings.safetensors")


def load_evaluation(run: Path, split: str = "test") -> Evaluation:
    """Reads the stored evaluation of a run.

    Raises:
        DataError: When the run has not been evaluated on the split.
    """
    path = evaluation_path(run, split)
    if not path.exists():
        raise DataError(
            f"{path} does not exist. Make it with `python -m align.evaluate {run} --split {split}`."
        )
    stored = json.loads(path.read_text())
    pairs = [PairResult(**pair) for pair in stored.pop("pairs")]
    # The folder may have been moved or copied since.
    return Evaluation(**stored | {"run": run, "data": Path(stored["data"]), "pairs": pairs})


def evaluate(
    run: Path, split: Split = "test", checkpoint: Checkpoint = "best", progress: bool = True
) -> Evaluation:
    """Embeds every frame of a split once and measures all pairs of views.

    Args:
        run: A folder made by `align.train`.
        split: Which episodes.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        progress: Whether to draw a progress bar.

    Raises:
        DataError: When the run or its data cannot be used.
        CheckpointError: When the checkpoint is missing, truncated or of another model.
    """
    config = TrainConfig.load(run)
    if config.data is None:
        raise DataError(f"{run}/config.json names no data set; train again.")
    data = EpisodeDataset(config.data, split, config.views or None)
    data.check(need_keypoints=config.uses_paab)
    if not len(data):
        raise DataError(f"{config.data} has no episodes in its {split} split.")
    embedder = FrameEmbedder(config, data)
    load_checkpoint(run / "checkpoints" / f"{checkpoint}.safetensors", embedder.model)
    embedder.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    embeddings: dict[str, dict[str, Tensor]] = {}
    pairs: list[PairResult] = []
    for i in tqdm(range(len(data)), desc=run.name, unit="episode", disable=not progress):
        embeddings[data.names[i]] = embedder.embed_episode(data, i)
        pairs += episode_metrics(data.names[i], embeddings[data.names[i]])
    evaluation = Evaluation(
        run, split, config.method, config.data, config.seed, mean_metrics(pairs), pairs
    )
    evaluation.save(embeddings)
    return evaluation


def main(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    split: Split = "test",
    checkpoint: Checkpoint = "best",
) -> None:
    """Measures how well trained runs line up the views of held-out episodes.

    Args:
        runs: Folders made by `python -m align.train`.
        split: Which episodes.
        checkpoint: best: lowest validation alignment error; last: the end of training.
    """
    set_up_logging()
    for run in runs:
        with user_errors(DataError, CheckpointError):
            evaluation = evaluate(run, split, checkpoint)
        print(f"{run} ({evaluation.method}, {split}, {len(evaluation.pairs)} pairs of views)")
        for name in METRICS:
            print(f"  {name:<16} {evaluation.metrics[name]:.4f}")
    print(f"next: python -m align.report {' '.join(str(run) for run in runs)}")


if __name__ == "__main__":
    tyro.cli(main, prog="python -m align.evaluate")

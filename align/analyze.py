"""Draws what the tokens of trained runs tell of the pose (paper section 4.6, Figures 7 and 10).

    python -m align.analyze runs/deit_lift runs/paab_lift runs/paat_lift

Writes the figure, and what it shows as `analysis/<split>.json` into each run's folder; beside it,
`<split>_attention.json`, where the runs look in an episode. `align.report` shows both.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Bool
from torch import Tensor
from tqdm import tqdm

from align.augment import frames_to_tensor, resize_frames
from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import CheckpointError, load_checkpoint
from align.engine.run_folder import Checkpoint
from align.evaluate import Split
from align.models.pose_aware import PoseAware
from align.plan import RunPlan
from align.probe import (
    AttentionMaps,
    FeatureAnalysis,
    FeatureProbe,
    analysis_path,
    attention_path,
    evenly,
    received_attention,
    save_analysis,
    save_maps,
)
from align.report.tokens import draw_analyses
from datasets.command import command, command_line, parse
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.storage.meta import DatasetMeta

# Moments of a view of an episode: neighbouring frames show next to nothing new.
_MOMENTS = 8
# Of the episode whose attention is drawn.
_SHOWN = 6


@torch.no_grad()
def analyze(
    run: Path,
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    episodes: int = 10,
    progress: bool = True,
) -> tuple[FeatureAnalysis, tuple[str, ...]]:
    """Analyses a run on moments of every view of some episodes, and stores the result.

    Returns:
        The analysis, and the names of its keypoints.

    Raises:
        DataError: When the run or its data cannot be used, or it is of no pose-aware transformer.
        CheckpointError: When its checkpoint cannot be used.
    """
    config = TrainConfig.load(run)
    if config.data is None:
        raise DataError(f"{run}/config.json names no data set; train again.")
    data = EpisodeDataset(config.data, split)
    data.check(need_keypoints=True)
    embedder = FrameEmbedder(RunPlan.of(config, DatasetMeta.load(config.training_data)))
    network = embedder.model.backbone
    if not isinstance(network, PoseAware):
        raise DataError(f"{run} ({config.method}) is no transformer, which alone has tokens.")
    load_checkpoint(run / "checkpoints" / f"{checkpoint}.safetensors", embedder.model)
    embedder.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    chosen = [(i, view) for i in evenly(len(data), episodes) for view in data.views]
    with FeatureProbe(network) as probe:
        for i, view in tqdm(chosen, run.name, unit="view", disable=not progress, leave=False):
            times = evenly(data.lengths[i], _MOMENTS)
            probe.take(_see(embedder, data, i, view, times).unsqueeze(1))
    result, times = probe.result(), evenly(data.lengths[0], _SHOWN)
    maps = {
        view: received_attention(network, partial(_see, embedder, data, 0, view, times)).tolist()
        for view in data.views[:2]
    }
    save_analysis(result, analysis_path(run, split))
    save_maps(AttentionMaps(data.names[0], times.tolist(), maps), attention_path(run, split))
    return result, data.skeleton.keypoints


def _see(
    embedder: FrameEmbedder, data: EpisodeDataset, i: int, view: str, times: np.ndarray
) -> Bool[Tensor, "time patches keypoints"]:
    """Shows a model frames of a view, and returns their P3D maps."""
    device, scale = embedder.model.mean.device, embedder.image_size / data.meta.image_size
    images = resize_frames(frames_to_tensor(data.images(i, view, times)), embedder.image_size)
    poses = (
        torch.from_numpy(data.keypoints(i, view)[times]) * scale,
        torch.from_numpy(data.visible(i, view)[times]),
    )
    given = embedder.view_pose_maps(data, i, view, times)
    embedder.model(images.to(device), None if given is None else given.to(device))
    return embedder.pose_map(*poses, torch.Generator().manual_seed(embedder.config.seed)).to(device)


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    episodes: int = 10,
    out: Path = Path("runs/analysis.png"),
) -> None:
    """Draws what the tokens of trained runs tell of the pose.

    Args:
        runs: Folders made by `python -m align.train` with a transformer, of one world.
        split: Which episodes.
        checkpoint: best: lowest validation error; last: the end of training.
        episodes: How many of them at most, spread evenly; 8 moments of every view of each.
        out: The figure, a PNG.
    """
    with command(CheckpointError, ValueError):
        results = {run: analyze(run, split, checkpoint, episodes) for run in runs}
        labels = {run: TrainConfig.load(run).method for run in runs}
        draw_analyses(results, labels, out)
        print(f"figure: {out}")
        print(f"next: {command_line('align.report', map(str, runs))}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m align.analyze", arguments)


if __name__ == "__main__":
    main()

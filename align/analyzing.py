"""The analysis of a trained run: distances of its tokens, and its attention in one episode."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from align.config import Split, TrainConfig
from align.embedder import FrameEmbedder
from align.engine.run_folder import Checkpoint, RunFolder
from align.models.feature_maps import FeatureMapBackbone
from align.models.kept_patches import keep_in_map
from align.models.pose_aware import PoseAware
from align.probe import FeatureProbe, evenly, received_attention
from align.results.analysis import AttentionMaps, FeatureAnalysis, save_analysis, save_maps
from align.results.evaluation import evaluation_name
from align.stored.data import find_test_data
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError
from datasets.progress import ProgressBar
from datasets.storage.atomic import require_writable

# Moments of a view that are analysed. Neighbouring frames are nearly the same.
_MOMENTS = 8
# Moments whose attention is drawn, in one episode.
_DRAWN_MOMENTS = 6


@torch.no_grad()
def analyze(
    run: Path,
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    episodes: int = 10,
    progress: bool = True,
    data: Path | None = None,
    relocate: bool = False,
) -> tuple[FeatureAnalysis, tuple[str, ...]]:
    """Analyses a run at moments of every view of some episodes, and stores the result.

    Args:
        run: A folder made by `align.train`.
        split: Split whose episodes are analysed.
        checkpoint: best: lowest validation error; last: the end of training.
        episodes: Largest number of episodes, spread evenly.
        progress: Whether to show a progress bar.
        data: Where the data lie; by default where the run found its own.
        relocate: Whether `data` is where the run's own data set lies now; the run then stores it.

    Returns:
        The analysis, and the names of its keypoints.

    Raises:
        DataError: When the run or its data cannot be used, or its method has no transformer.
        CheckpointError: When its checkpoint cannot be used.
    """
    config, folder = TrainConfig.load(run), RunFolder(run)
    require_writable(folder.analysis(split))
    root, own = find_test_data(run, config, data, relocate)
    shown = EpisodeDataset(root, split)
    shown.check(need_keypoints=True)
    embedder = FrameEmbedder.load(run, checkpoint)
    network = embedder.model.backbone
    if not isinstance(network, PoseAware) or isinstance(network.backbone, FeatureMapBackbone):
        raise MismatchError(
            f"{run} ({config.method}) is no transformer, and only these have tokens."
        )
    chosen = [(i, view) for i in evenly(len(shown), episodes) for view in shown.views]
    with FeatureProbe(network) as probe:
        for i, view in ProgressBar(
            chosen, run.name, unit="view", disable=not progress, leave=False
        ):
            times = evenly(shown.lengths[i], _MOMENTS)
            probe.take(_see(embedder, shown, i, view, times).unsqueeze(1))
    result, times = probe.result(), evenly(shown.lengths[0], _DRAWN_MOMENTS)
    maps = {
        view: received_attention(
            network,
            partial(_see, embedder, shown, 0, view, times),
            embedder.view_inputs(shown, 0, view, times).to(embedder.model.mean.device).kept,
        ).tolist()
        for view in shown.views[:2]
    }
    name = evaluation_name(config, split, None if own else root)
    save_analysis(result, folder.analysis(name))
    save_maps(AttentionMaps(shown.names[0], times.tolist(), maps), folder.attention(name))
    return result, shown.skeleton.keypoints


def _see(
    embedder: FrameEmbedder, data: EpisodeDataset, i: int, view: str, times: np.ndarray
) -> Bool[Tensor, "time patches keypoints"]:
    """Runs a model on frames of a view, and returns P3D maps of the patches that it sees."""
    device, scale = embedder.model.mean.device, embedder.image_size / data.meta.image_size
    images = embedder.frames(partial(data.images, i, view), times, data.lengths[i])
    poses = (
        torch.from_numpy(data.keypoints(i, view)[times]) * scale,
        torch.from_numpy(data.visible(i, view)[times]),
    )
    side = embedder.view_inputs(data, i, view, times).to(device)
    embedder.model(images.to(device), side)
    generator = torch.Generator().manual_seed(embedder.config.seed)
    pose_map = embedder.pose_map(*poses, generator).to(device)
    return pose_map if side.kept is None else keep_in_map(pose_map, side.kept)

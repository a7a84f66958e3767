"""The analysis of a trained run: distances and attention of its tokens."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from torch.utils.data import DataLoader

from action.config import ActionConfig
from action.evaluation import evaluation_name
from action.inputs.batches import TestingClips
from action.inputs.clips import open_own_data, usable
from action.recognizer import ClipRecognizer
from align.engine.loading import reading_processes
from align.engine.run_folder import Checkpoint, RunFolder
from align.models.pose_aware import PoseAware
from align.probe import FeatureProbe, evenly
from align.results.analysis import FeatureAnalysis, save_analysis
from datasets.errors import OptionError
from datasets.progress import ProgressBar
from datasets.storage.atomic import require_writable

# The attention weights of more clips than this need too much memory.
_CLIPS_AT_ONCE = 8


@torch.no_grad()
def analyze(
    run: Path,
    split: str = "test",
    checkpoint: Checkpoint = "best",
    clips: int = 64,
    progress: bool = True,
    root: Path | None = None,
    relocate: bool = False,
) -> tuple[FeatureAnalysis, tuple[str, ...]]:
    """Analyses a run on some clips of a split, spread evenly, and stores the result.

    Args:
        run: A folder made by `action.train`.
        split: Split whose clips are analysed.
        checkpoint: best: lowest validation error; last: the end of training.
        clips: Largest number of clips.
        progress: Whether to show a progress bar.
        root: Where the run's data set lies now; by default where the run finds it.
        relocate: Whether to store `root` in the run.

    Returns:
        The analysis, and the names of its keypoints.

    Raises:
        DataError: When the run or its data cannot be read.
        CheckpointError: When its checkpoint cannot be used.
        OptionError: When the run is not of TimeSformer.
    """
    config = ActionConfig.load(run)
    if config.model != ActionConfig.model:
        raise OptionError(
            f"{run} is of {config.model}, but only tokens and attention of {ActionConfig.model} "
            "can be analysed: name a run of that model."
        )
    require_writable(RunFolder(run).analysis(split))
    data = open_own_data(run, config, root, relocate)
    chosen = [data.parts[split][i] for i in evenly(len(data.parts[split]), clips)]
    recognizer = ClipRecognizer.load(run, checkpoint, root=data.clip_set.root)
    device = next(recognizer.model.parameters()).device
    loader = DataLoader(
        TestingClips(usable(chosen, config), recognizer.sample),
        batch_size=min(config.batch.clips, _CLIPS_AT_ONCE),
        num_workers=reading_processes(config.workers),
    )
    with FeatureProbe(cast(PoseAware, recognizer.model.backbone)) as probe:
        for batch in ProgressBar(loader, run.name, unit="batch", disable=not progress, leave=False):
            batch = {name: value.to(device) for name, value in batch.items()}
            pose_map = recognizer.pose_map(batch, config.seed)
            recognizer.model(*recognizer.inputs(batch, config.seed))
            probe.take(pose_map)
    result = probe.result()
    save_analysis(result, RunFolder(run).analysis(evaluation_name(data.protocol, split)))
    return result, data.clip_set.skeleton.keypoints

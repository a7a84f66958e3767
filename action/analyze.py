"""Draws what the tokens of trained runs tell of the pose (paper section 4.6, Figures 7 and 10).

    python -m action.analyze runs/baseline_mocap_CS runs/paab_mocap_CS runs/paat_mocap_CS

Writes the figure, and what it shows as `analysis/<protocol>_<split>.json` into each run's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
import tyro
from torch.utils.data import DataLoader
from tqdm import tqdm

from action.clips import TestingClips, open_data, usable
from action.config import ActionConfig
from action.features import load_recognizer
from align.engine.checkpoint import CheckpointError
from align.engine.loading import reading_processes
from align.engine.run_folder import Checkpoint
from align.probe import FeatureAnalysis, FeatureProbe, evenly, save_analysis
from align.report.tokens import draw_analyses
from datasets.command import command, parse


@torch.no_grad()
def analyze(
    run: Path,
    split: str = "test",
    checkpoint: Checkpoint = "best",
    clips: int = 64,
    progress: bool = True,
) -> tuple[FeatureAnalysis, tuple[str, ...]]:
    """Analyses a run on some clips of a split, spread evenly, and stores the result.

    Returns:
        The analysis, and the names of its keypoints.

    Raises:
        DataError: When the run or its data cannot be read.
        CheckpointError: When its checkpoint cannot be used.
    """
    config = ActionConfig.load(run)
    data = open_data(config)
    chosen = [data.parts[split][i] for i in evenly(len(data.parts[split]), clips)]
    recognizer = load_recognizer(run, checkpoint, data)
    device = next(recognizer.model.parameters()).device
    loader = DataLoader(
        TestingClips(usable(chosen, config), recognizer.sample),
        batch_size=min(config.batch.clips, 8),  # attention weights of a whole batch are many
        num_workers=reading_processes(config.workers),
    )
    with FeatureProbe(recognizer.model.backbone) as probe:
        for batch in tqdm(loader, run.name, unit="batch", disable=not progress, leave=False):
            batch = {name: value.to(device) for name, value in batch.items()}
            pose_map = recognizer.pose_map(batch, config.seed)
            recognizer.model(batch["frames"], recognizer.given_map(batch, config.seed))
            probe.take(pose_map)
    result = probe.result()
    save_analysis(result, run / "analysis" / f"{data.protocol}_{split}.json")
    return result, data.clip_set.skeleton.keypoints


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    split: Literal["test", "valid", "train"] = "test",
    checkpoint: Checkpoint = "best",
    clips: int = 64,
    out: Path = Path("runs/action_analysis.png"),
) -> None:
    """Draws what the tokens of trained runs tell of the pose.

    Args:
        runs: Folders made by `python -m action.train`, of one data set.
        split: Which clips.
        checkpoint: best: lowest validation error; last: the end of training.
        clips: How many of them at most, spread evenly.
        out: The figure, a PNG.
    """
    with command(CheckpointError, ValueError):
        results = {run: analyze(run, split, checkpoint, clips) for run in runs}
        labels = {run: ActionConfig.load(run).method for run in runs}
        draw_analyses(results, labels, out)
        print(f"figure: {out}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m action.analyze", arguments)


if __name__ == "__main__":
    main()

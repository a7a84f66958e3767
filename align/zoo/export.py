"""A trained run as a model of the zoo: half precision, without optimizer, with a card."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import save_checkpoint
from align.engine.run_folder import RunFolder
from align.results.evaluation import load_evaluation, require_pairs
from align.results.runs import train_command
from align.zoo.card import CARD, Card, Score
from align.zoo.store import SUFFIX
from datasets.errors import MissingDataError, OptionError

# Small enough to keep weights distinct after rounding, and half the bytes.
_WEIGHTS = torch.float16


def export(run: Path, name: str, folder: Path) -> Path:
    """Writes a trained and measured run as a model of the zoo.

    Args:
        run: A folder that `align.train` made and `align.evaluate` has measured.
        name: The model's name: lower-case letters, digits, dashes and underscores.
        folder: Where its file is written.

    Returns:
        The file.

    Raises:
        OptionError: When the name has other characters.
        DataError: When the folder is no run, or has not been measured.
        CheckpointError: When its checkpoint cannot be read.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise OptionError(
            f"a model of the zoo cannot be named {name!r}: use lower-case letters, digits, dashes "
            "and underscores."
        )
    if not run.is_dir():
        raise MissingDataError(f"{run} is no folder: name that of a trained and measured run.")
    scores = _scores(run)
    embedder = FrameEmbedder.load(run, device="cpu")
    card = _card(run, name, embedder, scores)
    _halve(embedder.model)
    path = folder / f"{name}{SUFFIX}"
    folder.mkdir(parents=True, exist_ok=True)
    save_checkpoint(path, embedder.model, {CARD: card.facts()}, about=_about(embedder))
    return path


def _about(embedder: FrameEmbedder) -> dict[str, Any]:
    """The network's description; its number format suits the machine that uses it."""
    about = embedder.about()
    return {**about, "config": {**about["config"], "precision": "auto"}}


def _card(run: Path, name: str, embedder: FrameEmbedder, scores: dict[str, Score]) -> Card:
    config, world = TrainConfig.load(run), embedder.plan.meta.env
    # Where the data and the run lay on the machine that trained it says nothing to others.
    placed = replace(config, data=Path("data") / world, out=None, init=_named(config.init))
    return Card(
        name=name,
        method=config.method,
        world=world,
        command=train_command(placed),
        seed=config.seed,
        parameters=sum(parameter.numel() for parameter in embedder.model.parameters()),
        image_size=embedder.image_size,
        needs_keypoints=config.needs_keypoints,
        scores=scores,
        needs_cameras=config.needs_cameras,
    )


def _named(init: Path | None) -> Path | None:
    return None if init is None else Path("runs") / init.name


def _scores(run: Path) -> dict[str, Score]:
    """The results of all evaluations of a run on test episodes."""
    names = [name for name in RunFolder(run).evaluations() if name.split("_")[0] == "test"]
    if not names:
        raise MissingDataError(
            f"{run} has not been measured on test episodes, which its card reports. Run "
            f"`python -m align.evaluate {run}` first."
        )
    return {name: _score(run, name) for name in names}


def _score(run: Path, name: str) -> Score:
    evaluation = load_evaluation(run, name)
    require_pairs(evaluation)
    views = dict.fromkeys(view for pair in evaluation.pairs for view in (pair.view1, pair.view2))
    episodes = {pair.episode for pair in evaluation.pairs}
    error = evaluation.metrics["alignment_error"]
    return Score(error, len(episodes), tuple(sorted(views)), evaluation.world)


def _halve(model: nn.Module) -> None:
    """Rounds all weights; statistics of normalisation stay as they are, as they may be large."""
    for parameter in model.parameters():
        parameter.data = parameter.data.to(_WEIGHTS)

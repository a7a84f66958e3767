"""Pre-training with PAAB or PAAT in place, and fine-tuning on other data (paper Figure 8).

Each method is fine-tuned from three starts: its random weights; the backbone of a pre-trained
baseline, with fresh modules; and a run of the method itself that was pre-trained with its modules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from action.config import ActionConfig, ActionMethod, DataName
from action.train import make_trainer
from align.engine.jobs import train_and_measure
from align.engine.run_folder import run_name

# Variants of the runs that are fine-tuned, and the starts that they stand for.
FRESH, PRETRAINED = "fresh", "pretrained"
STARTS: Mapping[str, str] = {
    "": "from scratch",
    FRESH: "backbone pre-trained, modules fresh",
    PRETRAINED: "pre-trained in place",
}
# Folder of the runs that are started from, beside those that are compared.
_FOLDER = "pretraining"
_BASELINE: ActionMethod = "baseline"


def plan_pretraining(
    runs: Sequence[ActionConfig], out: Path, data: DataName, root: Path
) -> list[ActionConfig]:
    """The runs to start from: of every method and of the baseline, one for each seed.

    Args:
        runs: The plain runs that are compared.
        out: Their folder.
        data: Name of the data set to pre-train on.
        root: Its folder.
    """
    first = replace(runs[0], data=data, root=root, protocol=None, lists=None, test_subjects=None)
    pairs = dict.fromkeys(pair for c in runs for pair in ((_BASELINE, c.seed), (c.method, c.seed)))
    return [
        replace(first, method=method, seed=seed, out=_start(out, method, seed))
        for method, seed in pairs
    ]


def plan_fine_tuning(runs: Sequence[ActionConfig], out: Path) -> list[ActionConfig]:
    """Every plain run, and beside it one from each pre-trained start that its method has.

    Args:
        runs: The plain runs that are compared.
        out: Their folder.
    """
    planned = []
    for config in runs:
        starts = {PRETRAINED: config.method}
        if config.method != _BASELINE:
            starts = {FRESH: _BASELINE, **starts}
        planned.append(config)
        for variant, method in starts.items():
            folder = out / run_name(f"{config.method}_{variant}", config.seed)
            planned.append(replace(config, out=folder, init=_start(out, method, config.seed)))
    return planned


def pretrain_one(config: ActionConfig, place: int) -> None:
    """Trains a run to start from to its end; `place` is its index among them."""
    train_and_measure(partial(make_trainer, config, False), [], place)


def _start(out: Path, method: str, seed: int) -> Path:
    return out / _FOLDER / run_name(method, seed)

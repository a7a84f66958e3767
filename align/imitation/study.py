"""Agents of several rewards and seeds, each trained once."""

from __future__ import annotations

import json
from pathlib import Path

from align.engine.stored_config import options_of
from align.imitation.config import OF_VIDEO, ImitateConfig
from align.imitation.results import Curve, save
from align.imitation.training import learn, load_curve
from datasets.errors import MismatchError, OptionError
from datasets.storage.atomic import atomic_path

_OPTIONS_NAME = "options.json"
# Options that may differ between agents of one folder.
_OF_THE_STUDY = ("reward", "seeds", "out")


def imitate(config: ImitateConfig) -> list[Curve]:
    """Trains every agent that has no curve yet.

    Raises:
        OptionError: When a reward needs a run and there is none.
        MismatchError: When the folder holds agents with other options.
        DataError: When the run or its references cannot be used.
    """
    if config.run is None and (needing := sorted(OF_VIDEO & set(config.reward))):
        raise OptionError(
            f"the reward {' and '.join(needing)} needs --run, whose embedding says how far the "
            "task has come; or name others: --reward sparse oracle"
        )
    _claim(config)
    curves: list[Curve] = []
    for seed in config.seeds:
        for reward in config.reward:
            folder = config.out / reward / f"seed{seed}"
            curve = load_curve(reward, seed, folder) or learn(config, reward, seed, folder)
            curves.append(curve)
            save(curves, config.out)
    return curves


def _claim(config: ImitateConfig) -> None:
    """Stores the options of the folder's agents, or compares them."""
    asked = {n: v for n, v in options_of(config).items() if n not in _OF_THE_STUDY}
    path: Path = config.out / _OPTIONS_NAME
    if path.exists():
        if json.loads(path.read_bytes()) != json.loads(json.dumps(asked)):
            raise MismatchError(f"{path} has other options. Choose another --out.")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(asked, indent=1) + "\n")

"""Agents of several rewards and seeds, each trained once."""

from __future__ import annotations

from align.engine.stored_config import claim_options
from align.imitation.config import OF_VIDEO, ImitateConfig, run_of
from align.imitation.results import Curve, save
from align.imitation.training import learn, load_curve

# Options that may differ between agents of one folder.
_OF_THE_STUDY = ("reward", "seeds", "out")


def imitate(config: ImitateConfig) -> list[Curve]:
    """Trains every agent that has no curve yet.

    Raises:
        OptionError: When a reward needs a run and there is none.
        MismatchError: When the folder holds agents with other options.
        DataError: When the run or its references cannot be used.
    """
    if OF_VIDEO & set(config.reward):
        run_of(config)
    claim_options(config.out, config, _OF_THE_STUDY)
    curves: list[Curve] = []
    for seed in config.seeds:
        for reward in config.reward:
            folder = config.out / reward / f"seed{seed}"
            curve = load_curve(reward, seed, folder) or learn(config, reward, seed, folder)
            curves.append(curve)
            save(curves, config.out)
    return curves

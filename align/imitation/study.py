"""Agents of several rewards and seeds, each trained once."""

from __future__ import annotations

from pathlib import Path

from align.engine.stored_config import claim_options, require_options
from align.imitation.config import OF_VIDEO, ImitateConfig, Reward, run_of
from align.imitation.results import Curve, save
from align.imitation.training import learn, load_curve, require_usable
from datasets.bounds import require_chosen

# Options that may differ between agents of one folder.
_OF_THE_STUDY = ("reward", "seeds", "out")


def imitate(config: ImitateConfig) -> list[Curve]:
    """Trains every agent that has no curve yet.

    Raises:
        OptionError: When a reward needs a run and there is none, or an option names nothing
            or something twice.
        MismatchError: When the folder holds agents with other options.
        DataError: When the run or its references cannot be used.
    """
    require_chosen(reward=config.reward, seeds=config.seeds)
    if OF_VIDEO & set(config.reward):
        run_of(config)
    require_options(config.out, config, _OF_THE_STUDY)
    agents = [(reward, seed) for seed in config.seeds for reward in config.reward]
    found = {agent: load_curve(*agent, _folder(config, *agent)) for agent in agents}
    require_usable(config, [reward for (reward, _), curve in found.items() if curve is None])
    claim_options(config.out, config, _OF_THE_STUDY)
    curves: list[Curve] = []
    for agent in agents:
        curves.append(found[agent] or learn(config, *agent, _folder(config, *agent)))
        save(curves, config.out)
    return curves


def _folder(config: ImitateConfig, reward: Reward, seed: int) -> Path:
    return config.out / reward / f"seed{seed}"

"""Trains agents on rewards from third-person videos, and on three rewards to compare with.

    python -m align.imitate --env minecraft --run runs/paat
    python -m align.imitate --env lift --run runs/causal --reward alignment sparse --seeds 0
    python -m align.imitate --env pick --reward sparse oracle        # no run is needed

An agent (Stable-Baselines3) sees states and is rewarded for success, and for progress: among
third-person videos in which the task is done (alignment), the same with their frames at random
times (shuffled), or by the simulator's own distances (oracle). It is tried in held-out episodes.
A run that looks at frames ahead, as zoo:lift does, cannot reward: train it with --time.causal.
Prints one table, and writes `results.csv` and `curves.png`; agents that are there are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from align.imitation.config import ImitateConfig
from datasets.command import command, parse


def run(config: Annotated[ImitateConfig, tyro.conf.arg(name="")]) -> None:
    """Trains agents on rewards from third-person videos, and on three rewards to compare with.

    Args:
        config: All options.
    """
    with command():
        from align.imitation.results import Row, as_markdown
        from align.imitation.study import imitate

        print(as_markdown(Row.of_all(imitate(config))))
        print(f"\nresults: {config.out / 'results.csv'}, {config.out / 'curves.png'}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.imitate", arguments)


if __name__ == "__main__":
    main()

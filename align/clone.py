"""Clones the experts of a data set with robomimic, and tries the policies from other cameras.

    python -m align.clone --data data/lift --observe states pixels runs/deit runs/paat
    python -m align.clone --data data/lift --observe runs/causal --views view_0 view_1 --seeds 0 1 2

A policy observes the arm's own state, and the simulator's object state (`states`), an image that
its own encoder learns to read (`pixels`), or a trained run's embedding of the image. It is tried
with its camera where it was (fixed), at one other place (moved), and at another place in every
rollout (drawn). Prints one table and writes `results.csv`; what is there already is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import tyro

from align.cloning.config import CloneConfig
from datasets.command import command, parse


def run(config: Annotated[CloneConfig, tyro.conf.arg(name="")]) -> None:
    """Clones the experts of a data set with robomimic, and tries the policies from other cameras.

    Args:
        config: All options.
    """
    with command():
        from align.cloning.study import clone_all
        from align.cloning.table import as_markdown

        print(as_markdown(clone_all(config)))
        print(f"\nresults: {config.out / 'results.csv'}")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parse(run, "python -m align.clone", arguments)


if __name__ == "__main__":
    main()

"""The options of a grid of runs: those of `align.train`, of which the grid sets some run by run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

from align.cli import parse_recipe
from align.config import Method, Protocol, TrainConfig, recipe


@dataclass(frozen=True)
class GridConfig(TrainConfig):
    """The options of `align.train`, of which a grid sets some run by run."""

    data: tuple[Path, ...] = ()  # type: ignore[assignment]
    """Folders of episodes; the newest under data/ by default."""
    out: Path = Path("runs")
    """Folder of all runs."""
    # A grid has options of its own for these.
    method: Annotated[Method, tyro.conf.Fixed, tyro.conf.Suppress] = "deit"
    seed: Annotated[int, tyro.conf.Fixed, tyro.conf.Suppress] = 0
    protocol: Annotated[Protocol, tyro.conf.Fixed, tyro.conf.Suppress] = "seen"

    @classmethod
    def defaults(cls, arguments: Sequence[str], out: Path) -> GridConfig:
        """The options of the recipe that a command line names, and a folder for the runs."""
        own: dict[str, Any] = {"data": (), "out": out, "method": "deit", "seed": 0}
        return cls(**_options(recipe(parse_recipe(arguments))) | own)

    def of_one_run(self) -> TrainConfig:
        """What all runs have in common."""
        return TrainConfig(**_options(self) | {"data": None, "out": None})

    def data_sets(self, env: Sequence[str]) -> tuple[Path, ...]:
        """The data sets: by folder, and by the names of their environments, data/<env>."""
        named = (Path("data") / name for name in env)
        return (*self.data, *named) or (self.usual_data(),)


def _options(config: TrainConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(TrainConfig)}

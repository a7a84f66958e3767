"""Policies of several observations and seeds, each trained and tried once."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from align.cloning.cameras import Cameras
from align.cloning.config import CloneConfig
from align.cloning.demonstrations import write_demonstrations
from align.cloning.observers import Observer, make_observer
from align.cloning.policy import train_policy
from align.cloning.rollouts import Rollouts, environment, roll_out
from align.cloning.table import Row, save
from align.engine.stored_config import options_of
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, first_fault, require_known
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

_RESULT, _DEMONSTRATIONS = "result.json", "demonstrations.hdf5"
# Options that may differ between policies of one folder.
_OF_THE_STUDY = ("observe", "seeds", "out")


@dataclass(frozen=True)
class _Stored:
    """The file of one policy's result: its options, and the outcomes for each place of a camera."""

    options: dict[str, Any]
    rollouts: dict[Cameras, tuple[bool, ...]]

    def save(self, path: Path) -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(TypeAdapter(_Stored).dump_json(self) + b"\n")

    @classmethod
    def load(cls, path: Path) -> _Stored:
        try:
            return TypeAdapter(cls).validate_json(path.read_bytes())
        except ValueError as error:  # no JSON, or invalid for pydantic
            raise FormatError(
                f"{path} cannot be read ({first_fault(error)}). Delete it, and clone again."
            ) from None


def clone_all(config: CloneConfig) -> list[Row]:
    """Trains and tries every policy that has no result yet.

    Returns:
        One row for each observation and place of the camera.

    Raises:
        DataError: When the data or a run cannot be used.
        MismatchError: When a stored result has other options.
    """
    data = EpisodeDataset(config.data, "train")
    for view in config.views:
        require_known("view", view, data.views)
    results: list[tuple[str, Rollouts]] = []
    for observed in config.observe:
        for seed in config.seeds:
            results += [(observed, tried) for tried in _one(config, data, observed, seed)]
            save(results, config.out / "results.csv")
    return Row.of_all(results)


def _one(config: CloneConfig, data: EpisodeDataset, observed: str, seed: int) -> Iterator[Rollouts]:
    """The result of one policy, from its folder or made now."""
    folder = config.out / _folder_name(observed) / f"seed{seed}"
    asked = {n: v for n, v in options_of(config).items() if n not in _OF_THE_STUDY}
    path = folder / _RESULT
    if not path.exists():
        # Before the first rendering: Mesa's compiler and the one that torch loads late do not get
        # along the other way round.
        import torch._dynamo  # noqa: F401

        tried = _train_and_try(config, data, make_observer(observed), folder, seed)
        _Stored(asked, {each.cameras: each.successes for each in tried}).save(path)
    stored = _Stored.load(path)
    if stored.options != json.loads(json.dumps(asked)):
        raise MismatchError(f"{path} was made with other options. Choose another --out.")
    for cameras, successes in stored.rollouts.items():
        yield Rollouts(cameras, successes)


def _train_and_try(
    config: CloneConfig, data: EpisodeDataset, observer: Observer, folder: Path, seed: int
) -> list[Rollouts]:
    demonstrations = folder.parent / _DEMONSTRATIONS
    if not demonstrations.exists():
        write_demonstrations(demonstrations, data, observer, config.views, config.episodes)
    policy = train_policy(demonstrations, observer, config.policy, seed, folder)
    with environment(data.meta) as env:
        return [
            roll_out(env, policy, observer, config.views[0], place, config.rollouts, seed)
            for place in config.cameras
        ]


def _folder_name(observed: str) -> str:
    """`runs_deit_seed0` for `runs/deit_seed0`."""
    return re.sub(r"[^\w.-]+", "_", observed).strip("_.")

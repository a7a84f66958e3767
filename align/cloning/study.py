"""Policies of several observations and seeds, each trained and tried once."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import TypeAdapter

from align.cloning.config import Cameras, CloneConfig
from align.cloning.demonstrations import (
    recorded_actions,
    require_same_observations,
    write_demonstrations,
)
from align.cloning.observers import make_observer
from align.cloning.policy import train_policy
from align.cloning.rollouts import Rollouts, environment, roll_out
from align.cloning.table import Row, save
from align.engine.device import import_compiler
from align.engine.origin import DataRecord, Origin
from align.engine.stored_config import claim_options, require_options
from align.stored.data import identify
from datasets.bounds import require_chosen
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, OptionError, first_fault, require_known
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

_RESULT = "result.json"
# Options that may differ between policies of one folder.
_OF_THE_STUDY = ("observe", "seeds", "out")
# The outcomes of a policy's rollouts for each place of its camera.
_OUTCOMES = TypeAdapter(dict[Cameras, tuple[bool, ...]])


def clone_all(config: CloneConfig) -> list[Row]:
    """Trains and tries every policy that has no result yet.

    Returns:
        One row for each observation and place of the camera.

    Raises:
        DataError: When the data or a run cannot be used.
        OptionError: When an option names nothing or something twice, or a batch is larger than the
            data.
        MismatchError: When the folder holds policies with other options, of other data or of a run
            that was trained again since, or the data set has fewer episodes.
    """
    require_chosen(
        observe=config.observe, views=config.views, seeds=config.seeds, cameras=config.cameras
    )
    data = EpisodeDataset(config.data, "train", episodes=config.episodes)
    for view in config.views:
        require_known("view", view, data.views)
    require_options(config.out, config, _OF_THE_STUDY)
    record = DataRecord.of(config.data, identify(config.data), config.out)
    origin = Origin({"data": record})
    if stored := Origin.load(config.out):
        stored.require_same(origin, config.out)
    _require_usable(config, data)
    # Before demonstrations are written, which all policies of an observation share.
    claim_options(config.out, config, _OF_THE_STUDY)
    if stored is None:
        origin.save(config.out)
    results: list[tuple[str, Rollouts]] = []
    for observed in config.observe:
        for seed in config.seeds:
            results += [(observed, tried) for tried in _one(config, data, observed, seed)]
            save(results, config.out / "results.csv")
    return Row.of_all(results)


def _require_usable(config: CloneConfig, data: EpisodeDataset) -> None:
    """Checks what every policy without a result needs, before the first one is trained for long."""
    folders: dict[str, str] = {}
    for observed in config.observe:
        other = folders.setdefault(_folder_name(observed), observed)
        if other != observed:
            raise OptionError(
                f"--observe {other} {observed} would be stored in one folder, "
                f"{config.out / _folder_name(observed)}: rename a run."
            )
    missing = [
        observed
        for observed in config.observe
        if not all((_folder(config, observed, seed) / _RESULT).exists() for seed in config.seeds)
    ]
    if not missing:
        return
    import_compiler()
    data.check(need_keypoints=False)
    for i in range(len(data)):
        recorded_actions(data, i)
    for observed in missing:
        seen = make_observer(observed).of_episode(data, 0, config.views[0])
        if (written := _demonstrations(config, observed)).exists():
            require_same_observations(written, seen)
    _require_a_batch(config, data)
    with environment(data.meta):
        pass  # raises where the world of the data cannot be made


def _require_a_batch(config: CloneConfig, data: EpisodeDataset) -> None:
    steps = sum(data.lengths) * len(config.views)
    if steps < config.policy.batch:
        raise OptionError(
            f"--policy.batch {config.policy.batch} is more than the {steps} time steps of the "
            "demonstrations: choose a smaller one, or more episodes."
        )


def _folder(config: CloneConfig, observed: str, seed: int) -> Path:
    return config.out / _folder_name(observed) / f"seed{seed}"


def _demonstrations(config: CloneConfig, observed: str) -> Path:
    return config.out / _folder_name(observed) / "demonstrations.hdf5"


def _one(config: CloneConfig, data: EpisodeDataset, observed: str, seed: int) -> Iterator[Rollouts]:
    """The result of one policy, from its folder or made now."""
    folder = _folder(config, observed, seed)
    path = folder / _RESULT
    if not path.exists():
        import_compiler()
        tried = _train_and_try(config, data, observed, seed)
        outcomes = {each.cameras: each.successes for each in tried}
        with atomic_path(path) as temporary:
            temporary.write_bytes(_OUTCOMES.dump_json(outcomes) + b"\n")
    for cameras, successes in _load(path).items():
        yield Rollouts(cameras, successes)


def _load(path: Path) -> dict[Cameras, tuple[bool, ...]]:
    try:
        return _OUTCOMES.validate_json(path.read_bytes())
    except ValueError as error:  # no JSON, or invalid for pydantic
        raise FormatError(
            f"{path} cannot be read ({first_fault(error)}). Delete it, and clone again."
        ) from None


def _train_and_try(
    config: CloneConfig, data: EpisodeDataset, observed: str, seed: int
) -> list[Rollouts]:
    observer, demonstrations = make_observer(observed), _demonstrations(config, observed)
    if not demonstrations.exists():
        write_demonstrations(demonstrations, data, observer, config.views)
    policy = train_policy(
        demonstrations, observer, config.policy, seed, _folder(config, observed, seed)
    )
    with environment(data.meta) as env:
        return [
            roll_out(env, policy, observer, config.views[0], place, config.rollouts, seed)
            for place in config.cameras
        ]


def _folder_name(observed: str) -> str:
    """`runs_deit_seed0` for `runs/deit_seed0`."""
    return re.sub(r"[^\w.-]+", "_", observed).strip("_.")

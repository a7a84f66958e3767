"""The data sets of a stored run: where they lie now, and whether they are still the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from align.config import TrainConfig
from align.engine.checkpoint_header import read_about
from align.engine.origin import find_data, find_places, find_same, is_own, relocate
from align.engine.run_folder import RunFolder
from align.plan import RunPlan
from datasets.command import command_line
from datasets.errors import MissingDataError, OptionError
from datasets.storage.identity import DataIdentity
from datasets.storage.meta import META_NAME, DatasetMeta


def identify(root: Path) -> str | None:
    """The digest of a data set; None where its episodes have no seals."""
    identity = DataIdentity.of(root)
    return identity.digest if identity else None


def find_own_data(run: Path, config: TrainConfig) -> TrainConfig:
    """The options of a run, with the paths at which its data sets lie now.

    Raises:
        MissingDataError: When a data set is not there.
        MismatchError: When there is another data set in its place.
    """
    if config.data is None:
        raise MissingDataError(f"{RunFolder(run).config} names no data set. Train again.")
    found: dict[str, Any] = {
        option: find_data(run, option, named, identify, _is_there, _as_other(run, named))
        for option in ("data", "train_on")
        if (named := getattr(config, option)) is not None
    }
    return replace(config, **found)


def learned_meta(run: Path, config: TrainConfig, weights: Path) -> DatasetMeta:
    """The meta data of a run's training data, from a checkpoint or, of earlier versions, from disk.

    Args:
        run: The run's folder.
        config: Its options.
        weights: One of its checkpoints.

    Raises:
        CheckpointError: When the checkpoint is missing or truncated.
        DataError: When it does not hold the meta data, and the data are missing.
    """
    if about := read_about(weights):
        return RunPlan.stored(about, weights).meta
    return DatasetMeta.load(find_own_data(run, config).training_data)


def find_test_data(
    run: Path, config: TrainConfig, data: Path | None = None, move: bool = False
) -> tuple[Path, bool]:
    """The data set to measure a run on, and whether it is the run's own.

    Args:
        run: The run's folder.
        config: The run's options as stored.
        data: A data set that the user names; the run's own by default.
        move: Whether the run's own data set is at `data` now, which is then stored in the run.

    Raises:
        MissingDataError: When the data set is not there.
        MismatchError: When another data set is in its place, or is to be stored in its place.
        OptionError: When a path is to be stored and none is named.
    """
    if data is None:
        if move:
            raise OptionError("--relocate stores the path of --data: name the data set's folder.")
        named = find_own_data(run, replace(config, train_on=None)).test_data
        return named, True
    if move:
        relocate(run, config, "data", data, identify)
        return data, True
    return data, is_own(run, "data", config.data, data, identify)


def find_measured_data(
    run: Path, named: Path, digest: str | None, data: Path | None = None
) -> Path:
    """The data set that a run was measured on.

    Args:
        run: The run's folder.
        named: The path that the evaluation stores.
        digest: The identity that the evaluation stores; None by earlier versions.
        data: Where the user says that it lies now.

    Raises:
        MissingDataError: When no data set is there.
        MismatchError: When the data set there is another.
    """
    places = [data] if data is not None else find_places(run, "data", named, _is_there)
    if digest is None:
        return places[0]
    remedy = f"Name the folder where it lies now: --data FOLDER{_as_other(run, places[0])}"
    return find_same(places, digest, identify, f"{run} was measured on", remedy)


def is_training_data(run: Path, config: TrainConfig, root: Path) -> bool:
    """Whether a data set is the one that a run was trained on, wherever it lies."""
    option = "data" if config.train_on is None else "train_on"
    return is_own(run, option, config.training_data, root, identify)


def _as_other(run: Path, root: Path) -> str:
    words = command_line("align.evaluate", [str(run), "--data", str(root)])
    return f", or measure on this as on other data: {words}"


def _is_there(root: Path) -> bool:
    return (root / META_NAME).exists()

"""A run's folder: configuration and history, read back only where every option is known.

An option that is added later must do by default what was done without it: runs from before then
stay readable.
"""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from datasets.errors import DataError, shortened
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

Checkpoint = Literal["best", "last"]


def write_history(path: Path, rows: Iterable[Mapping[str, float]]) -> None:
    """Writes one row an epoch as CSV; what an epoch did not measure stays empty."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path) -> list[dict[str, float]]:
    """Reads what `write_history` wrote."""
    with open(path, newline="") as file:
        return [
            {name: float(value) for name, value in row.items() if value}
            for row in csv.DictReader(file)
        ]


def run_name(name: str, seed: int) -> str:
    """The folder of a run, by its method, or its method and variant with `_` between them."""
    return f"{name.replace('+', '_')}_seed{seed}"


def checkpoint_path(run: Path, checkpoint: Checkpoint) -> Path:
    """Where a run stores its best or its last weights."""
    return run / "checkpoints" / f"{checkpoint}.safetensors"


CONFIG_NAME = "config.json"
Config = TypeVar("Config")

# Options that are gone, each with the value that asks for what is done now. Runs of before store
# them; with another value a run cannot be repeated.
REMOVED: Mapping[str, Any] = {"paat.gradients": "sum"}

_SHOWN = 5  # options that a warning names
_TRAIN_AGAIN = "Train again, or mend the file."


def save_config(config: object, folder: Path) -> None:
    """Writes a dataclass as `config.json` into a run's folder."""
    with atomic_path(folder / CONFIG_NAME) as temporary:
        temporary.write_bytes(TypeAdapter(type(config)).dump_json(config, indent=2) + b"\n")


def load_config(
    kind: type[Config],
    folder: Path,
    command: str,
    renamed: Mapping[str, Mapping[str, str]] | None = None,
) -> Config:
    """Reads the `config.json` of a run; options that are newer than it get their defaults.

    Args:
        kind: The dataclass that was saved.
        folder: The run's folder.
        command: The command that makes such runs, for messages.
        renamed: Options at the top level with values of earlier versions, and their names today.

    Raises:
        DataError: When the folder is no run, or has options that are not known.
    """
    path = folder / CONFIG_NAME
    if not path.exists():
        raise DataError(f"{path} does not exist: {folder} is no run of `{command}`.")
    adapter = TypeAdapter(kind)
    try:
        stored = _without_removed(json.loads(path.read_bytes()), path)
        for name, values in (renamed or {}).items():
            stored[name] = values.get(stored.get(name), stored.get(name))
        config = adapter.validate_python(stored)
    except ValueError as error:  # of JSON's and pydantic's
        raise DataError(f"{path} cannot be read: {error}. {_TRAIN_AGAIN}") from None
    known, given = options_of(config).keys(), _flat(stored).keys()
    # A name that is not known would be passed over.
    if unknown := sorted(given - known):
        raise DataError(
            f"{path} has options that this version does not know: {', '.join(unknown)}. "
            f"{_TRAIN_AGAIN}"
        )
    # An option that is off by default, as None says, changes nothing.
    defaults = options_of(config)
    if newer := sorted(name for name in known - given if defaults[name] is not None):
        log.warning(
            "%s is older than some options, which get their defaults: %s",
            path,
            shortened(newer, _SHOWN),
        )
    return config


def _without_removed(stored: Any, path: Path) -> Any:
    """Stored options but for those in `REMOVED`.

    Raises:
        DataError: When one of them asks for what can no longer be done.
    """
    for name, today in REMOVED.items():
        *sections, option = name.split(".")
        section = stored
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if not isinstance(section, dict) or option not in section:
            continue
        if (value := section.pop(option)) != today:
            raise DataError(
                f"{path} has {name} = {value!r}, an option that was removed: only {today!r} is "
                "left. Train again without it, or evaluate with the version that trained it."
            )
    return stored


def options_of(config: object) -> dict[str, Any]:
    """All options of a dataclass as JSON has them, by their names on the command line."""
    return _flat(TypeAdapter(type(config)).dump_python(config, mode="json"))


def _flat(options: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        inner = _flat(value, f"{section}{name}.") if isinstance(value, dict) else {}
        flat |= inner or {section + name: value}
    return flat

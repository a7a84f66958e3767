"""Stored configurations, which are read only where every option is known.

The default of an option that is added later must be what was done before the option existed, so
that the runs from before then stay readable.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    first_fault,
    shortened,
)
from datasets.storage.atomic import atomic_path

log = logging.getLogger(__name__)

Config = TypeVar("Config")

# Removed options, each with the value that means what is done today. Old runs store them; a run
# with another value cannot be repeated.
REMOVED: Mapping[str, Any] = {
    "paat.gradients": "sum",
    "paab.points": False,
    "paat.points": False,
}

# The options that all results of a study share.
_SHARED_NAME = "options.json"
_OFF = (None, "none")
_SHOWN = 5  # a warning names this many options
_TRAIN_AGAIN = "Train again, fix the file, or install the version that wrote it."


def write_config(config: object, path: Path) -> None:
    """Writes a dataclass as JSON, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(TypeAdapter(type(config)).dump_json(config, indent=2) + b"\n")


def read_config(
    kind: type[Config],
    path: Path,
    command: str,
    renamed: Mapping[str, Mapping[str, str]] | None = None,
) -> Config:
    """Reads a stored dataclass; options that are newer than the file get their defaults.

    Args:
        kind: The dataclass that was written.
        path: The file, in a run's folder.
        command: The command that makes such runs, for messages.
        renamed: Option at the top level to its values in earlier versions and their names today.

    Raises:
        DataError: When the folder holds no run, or the file has unknown options.
    """
    if not path.exists():
        raise MissingDataError(
            f"{path} does not exist: {path.parent} is no run of `{command}`. Name the folder "
            "of one."
        )
    try:
        stored = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedDataError(f"{path} cannot be read: {error}. {_TRAIN_AGAIN}") from None
    return parse_config(kind, stored, path, renamed)


def parse_config(
    kind: type[Config],
    stored: Any,
    path: Path,
    renamed: Mapping[str, Mapping[str, str]] | None = None,
) -> Config:
    """The dataclass of stored options; those that are newer than the file get their defaults.

    Args:
        kind: The dataclass that was written.
        stored: The options as JSON holds them.
        path: The file that holds them, for messages.
        renamed: Option at the top level to its values in earlier versions and their names today.

    Raises:
        DataError: When the options cannot be read, or are unknown.
    """
    if not isinstance(stored, dict):
        raise DamagedDataError(f"{path} holds no options. {_TRAIN_AGAIN}")
    stored = _without_removed(stored, path)
    try:
        for name, values in (renamed or {}).items():
            stored[name] = values.get(stored.get(name), stored.get(name))
        config = TypeAdapter(kind).validate_python(stored)
    except (TypeError, ValueError) as error:  # a list for a name, or invalid for pydantic
        raise DamagedDataError(
            f"{path} cannot be read: {first_fault(error)}. {_TRAIN_AGAIN}"
        ) from None
    options, given = options_of(config), _flat(stored).keys()
    # pydantic's `extra="forbid"` has to be set on each dataclass, and sections that lack it would
    # ignore unknown names. The names are compared here instead, which holds for every section.
    if unknown := sorted(given - options.keys()):
        raise FormatError(
            f"{path} has options that this version does not know: {', '.join(unknown)}. "
            f"{_TRAIN_AGAIN}"
        )
    # An option that is off does what runs did before it existed.
    if newer := sorted(name for name in options.keys() - given if options[name] not in _OFF):
        log.warning(
            "%s is older than some options, which get their defaults: %s",
            path,
            shortened(newer, _SHOWN),
        )
    return config


def _without_removed(stored: Any, path: Path) -> Any:
    """Stored options without those in `REMOVED`.

    Raises:
        DataError: When one of them has a value that is no longer supported.
    """
    for name, today in REMOVED.items():
        *sections, option = name.split(".")
        section = stored
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if not isinstance(section, dict) or option not in section:
            continue
        if (value := section.pop(option)) != today:
            raise FormatError(
                f"{path} has {name} = {value!r}, an option that was removed: only {today!r} is "
                "left. Train again without it, or evaluate with the version that trained it."
            )
    return stored


def options_of(config: object) -> dict[str, Any]:
    """All options of a dataclass by their names on the command line, with the values of JSON."""
    return _flat(TypeAdapter(type(config)).dump_python(config, mode="json"))


def claim_options(folder: Path, config: object, but: Collection[str]) -> None:
    """Stores the options that all results of a folder share, or compares them.

    The arguments and errors are those of `require_options`.
    """
    require_options(folder, config, but)
    path = folder / _SHARED_NAME
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(_shared(config, but), indent=1) + "\n")


def require_options(folder: Path, config: object, but: Collection[str]) -> None:
    """Compares the options that all results of a folder share, where it has any.

    Args:
        folder: The folder, which need not exist yet.
        config: A dataclass of options.
        but: Names of options in which results of the folder may differ.

    Raises:
        MismatchError: When the folder holds results with other options; names them.
        DamagedDataError: When the file of the options cannot be read.
    """
    path, asked = folder / _SHARED_NAME, _shared(config, but)
    if not path.exists():
        return
    try:
        stored = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedDataError(f"{path} cannot be read ({error}). Choose another --out.") from None
    known = stored if isinstance(stored, dict) else {}
    if differing := sorted(name for name in asked if asked[name] != known.get(name, ...)):
        raise MismatchError(
            f"{path} has other options ({shortened(differing, _SHOWN)}). Choose another --out."
        )


def _shared(config: object, but: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in options_of(config).items() if name not in but}


def _flat(options: Mapping[str, Any], section: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in options.items():
        inner = _flat(value, f"{section}{name}.") if isinstance(value, dict) else {}
        flat |= inner or {section + name: value}
    return flat

"""Faults inside of files that open: changed arrays, attributes and JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tests.attack.faults import Fault


def replaced(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[h5py.File], None]:
    """Changes an array of an HDF5 file."""

    def replace(file: h5py.File) -> None:
        value = change(file[name][()])
        del file[name]
        file[name] = value

    return replace


def without(name: str) -> Callable[[h5py.File], None]:
    """Removes a part of an HDF5 file."""
    return lambda file: file.__delitem__(name)


def all_nan(value: np.ndarray) -> np.ndarray:
    return np.full(value.shape, np.nan, value.dtype)


def in_json(place: str, change: Callable[[Any], object]) -> Fault:
    """Changes a JSON file."""

    def edit(here: Path) -> None:
        content = json.loads((here / place).read_text())
        change(content)
        (here / place).write_text(json.dumps(content))

    return edit


def put(**values: object) -> Callable[[dict[str, Any]], None]:
    """Sets keys; those with the value `...` are removed."""

    def change(content: dict[str, Any]) -> None:
        content.update(values)
        for name, value in values.items():
            if value is ...:
                del content[name]

    return change


def removed(name: str) -> Fault:
    return lambda here: shutil.rmtree(here / name)

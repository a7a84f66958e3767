"""The arrays of a recorded demonstration, and what they must be like."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py

from datasets.errors import FormatError, MismatchError, MissingDataError

# Axes of the arrays beside the observations. The first axis of each array is time.
AXES = {"states": 2, "actions": 2, "rewards": 1, "dones": 1}
NEEDED = ("states", "actions")
OBSERVATION = "obs/"
NUMBERS = "fiub"
MODEL = "model_file"
COPY_AGAIN = "Download or copy the file again."

# Name of an array to its shape after the first axis.
Layout = dict[str, tuple[int, ...]]


def arrays(demo: h5py.Group, where: str) -> dict[str, h5py.Dataset]:
    """The arrays of a demonstration that a replay keeps.

    Left out are observations that rendering makes again: pictures and depth have more axes, and
    this project's visibility is boolean.

    Args:
        demo: The demonstration.
        where: Its file and name, for messages.

    Raises:
        FormatError: When one of them is a group.
    """
    observations = demo.get("obs", {})
    if isinstance(observations, h5py.Dataset):
        raise FormatError(f"{where}: its obs must be a group of arrays. Rename or remove it.")
    found = {name: demo[name] for name in AXES if name in demo}
    found |= {f"{OBSERVATION}{name}": value for name, value in observations.items()}
    for name, value in found.items():
        if not isinstance(value, h5py.Dataset):
            raise FormatError(f"{where}: its {name} must be an array. Rename or remove it.")
    return {name: value for name, value in found.items() if name in AXES or not _is_seen(value)}


def _is_seen(observation: h5py.Dataset) -> bool:
    return observation.ndim > 2 or observation.dtype == bool


def require_alike(demos: Mapping[str, h5py.Group], path: Path) -> None:
    """Checks that all demonstrations can be restored, and hold the same arrays.

    Args:
        demos: Name to demonstration.
        path: The file, for messages.

    Raises:
        MissingDataError: When states, actions or the model are not there.
        FormatError: When an array does not hold numbers.
        MismatchError: When an array has another length or shape than the rest.
    """
    first, expected = "", Layout()
    for name, demo in demos.items():
        layout = _layout(demo, f"{path}: {name}")
        first, expected = (first, expected) if first else (name, layout)
        for array in sorted({*layout, *expected}):
            if (shape := layout.get(array)) != (usual := expected.get(array)):
                raise MismatchError(
                    f"{path}: demonstrations of one task hold the same arrays, but {name} has "
                    f"{_words(array, shape)}, and {first} has {_words(array, usual)}. Make them "
                    "alike, or split the file by task."
                )


def _words(array: str, shape: tuple[int, ...] | None) -> str:
    return f"no {array}" if shape is None else f"{array} of shape {shape} in each time step"


def _layout(demo: h5py.Group, where: str) -> Layout:
    found = arrays(demo, where) if isinstance(demo, h5py.Group) else {}
    for name in NEEDED:
        if name not in found:
            raise MissingDataError(
                f"{where} has no {name}, without which it cannot be replayed. Take the file "
                "that it was made from: robomimic's raw and low-dimensional files have them."
            )
    if MODEL not in demo.attrs:
        raise MissingDataError(
            f"{where} has no attribute {MODEL}, the model that its states are of. Take a file of "
            "robosuite's collection script, or of robomimic."
        )
    steps = len(found["states"]) if found["states"].ndim else 0
    for name, array in found.items():
        if array.dtype.kind not in NUMBERS:
            raise FormatError(f"{where}: its {name} must be numbers, but are {array.dtype}.")
        axes = AXES.get(name, max(1, array.ndim))
        if array.ndim != axes or len(array) != steps or not steps:
            raise MismatchError(
                f"{where} has states {found['states'].shape} and {name} {array.shape}; a "
                f"demonstration has {'one number' if axes == 1 else 'one row of numbers'} of each "
                "a time step. Download or copy it again."
            )
    return {name: array.shape[1:] for name, array in found.items()}


def model_text(demo: h5py.Group, where: str) -> str:
    """The model of a demonstration.

    Raises:
        FormatError: When the attribute is no text.
    """
    model = demo.attrs[MODEL]
    try:
        return model if isinstance(model, str) else bytes.decode(model)
    except (TypeError, UnicodeDecodeError):
        raise FormatError(
            f"{where}: its attribute {MODEL} is no text of a model. {COPY_AGAIN}"
        ) from None

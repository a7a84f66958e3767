"""The header of a checkpoint, read without torch, and the errors of checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from align.engine.tensor_files import open_tensors
from datasets.errors import FormatError, UserError

STATE, ABOUT = "state", "about"
_SUFFIX = ".safetensors"


class CheckpointError(UserError, ValueError):
    """Raised when a checkpoint cannot be read or written; names the file and the remedy."""


class MissingCheckpointError(CheckpointError):
    """Raised when a file of weights does not exist."""


class DamagedCheckpointError(CheckpointError):
    """Raised when a file of weights is truncated, or cannot be read as weights."""


class OtherModelError(CheckpointError):
    """Raised when weights do not fit the model; the message names what does not fit."""


def read_state(path: Path) -> dict[str, Any]:
    """The scalars of a checkpoint, without reading its tensors.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
    """
    return {name: value for name, value in _read_header(path).items() if name != ABOUT}


def read_about(path: Path) -> dict[str, Any]:
    """The facts about the model of a checkpoint; empty for those of earlier versions.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
    """
    return _read_header(path).get(ABOUT, {})


def is_described(about: Mapping[str, Any]) -> bool:
    """Whether the facts of a checkpoint describe its model; those of earlier versions do not."""
    return {"config", "data"} <= about.keys()


def require_described(about: Mapping[str, Any], path: Path) -> None:
    """Raises a FormatError unless the facts of a checkpoint, which `path` holds, describe it."""
    if not is_described(about):
        raise FormatError(
            f"{path} does not say how its model was built, as checkpoints of earlier versions: "
            "name the folder of its run instead of the file."
        )


def _read_header(path: Path) -> dict[str, Any]:
    with open_checkpoint(path, "np") as file:  # torch takes seconds to import
        try:
            return json.loads((file.metadata() or {}).get(STATE, "{}"))
        except ValueError as error:
            raise DamagedCheckpointError(
                f"{path}: `{STATE}` in its header is no JSON ({error}). Use another checkpoint of "
                "the run, or train again."
            ) from None


def open_checkpoint(path: Path, framework: str = "pt") -> Any:
    """Opens a checkpoint whose tensors are of this framework.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
    """
    try:
        return open_tensors(path, framework)
    except FileNotFoundError:
        raise MissingCheckpointError(_missing(path)) from None
    except SafetensorError as error:
        if path.suffix != _SUFFIX:  # perhaps published weights, or another file of the user's
            raise DamagedCheckpointError(
                f"{path} is no checkpoint of a run: name the run's folder, or a {_SUFFIX} file in "
                "its checkpoints."
            ) from None
        raise DamagedCheckpointError(
            f"{path} is no whole safetensors file ({error}). Delete it and use another "
            "checkpoint of the run, or train again."
        ) from None


def _missing(path: Path) -> str:
    """Why a checkpoint is missing, and what to do."""
    run = path.parent.parent
    if not run.exists():
        return f"{run} does not exist: name the folder of a run, or a checkpoint."
    others = sorted(other.stem for other in path.parent.glob(f"*{_SUFFIX}"))
    if others:
        return f"{path} does not exist. The run has another: --checkpoint {others[0]}"
    return (
        f"{path} does not exist: no run is there, or it has saved no checkpoint yet. Check the "
        "path, or train it first."
    )

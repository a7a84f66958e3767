"""Reads published weights from their files: pickles, safetensors, and folders of Hugging Face."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from align.engine.checkpoint import (
    DamagedCheckpointError,
    MissingCheckpointError,
    OtherModelError,
    read_state,
)
from align.engine.run_folder import RunFolder

_OWN_RUN = (
    "{0} holds weights of a run, not published ones: start from it with --init {0} in place of "
    "--backbone.weights."
)
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
# Keys under which files of training programs hold their weights.
_CONTAINERS = ("model_state", "model_state_dict", "state_dict", "model", "module", "model_ema")
# Prefixes that wrappers of the model put before every name.
_WRAPPERS = re.compile(r"^(?:(?:module|model|timesformer|backbone)\.)*")


def find_weights(path: Path) -> Path:
    """The file of weights that a path names: itself, or one in Hugging Face's folder.

    Raises:
        MissingCheckpointError: When there is no such file.
        OtherModelError: When it is the folder of a run.
    """
    if path.is_dir():
        if RunFolder(path).started:
            raise OtherModelError(_OWN_RUN.format(path))
        for name in FOLDER_FILES:
            if (path / name).exists():
                return path / name
        raise MissingCheckpointError(f"{path} holds neither {' nor '.join(FOLDER_FILES)}.")
    if not path.exists():
        raise MissingCheckpointError(
            f"{path} does not exist; name Facebook's .pyth file, Hugging Face's folder, or "
            "MMAction2's .pth file."
        )
    return path


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, without the prefixes of wrappers.

    Raises:
        DamagedCheckpointError: When the file is damaged or holds no weights.
        OtherModelError: When it is a checkpoint of a run.
    """
    if file.suffix == ".safetensors":
        try:
            stored = load_file(file)
        except (SafetensorError, OSError) as error:
            raise DamagedCheckpointError(
                f"{file} is no whole safetensors file ({error}); download it again."
            ) from None
        if read_state(file):
            raise OtherModelError(_OWN_RUN.format(file))
    else:
        stored = _read_pickle(file)
    _require_numbers(file, stored)
    return {_WRAPPERS.sub("", name): value for name, value in stored.items()}


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise DamagedCheckpointError(
            f"{file} cannot be read as weights ({type(error).__name__}); download it again. Files "
            "that hold more than weights, such as whole models, are not opened, since they can run "
            "any code: store the model's state_dict alone."
        ) from None
    for container in _CONTAINERS:
        if isinstance(stored, dict) and isinstance(stored.get(container), dict):
            stored = stored[container]
    if not isinstance(stored, dict) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise DamagedCheckpointError(
            f"{file} holds no weights: neither names and tensors, nor these under one of "
            f"{', '.join(_CONTAINERS)}."
        )
    return stored


def _require_numbers(file: Path, stored: Mapping[str, Tensor]) -> None:
    """Refuses weights that are not finite, which end in a loss that is none, and quantised ones."""
    for name, value in stored.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise DamagedCheckpointError(
                f"{file} has weights that are not finite numbers ({name}), as of a training that "
                "diverged; download it again, or take another checkpoint."
            )
        # Counters of batches are single integers.
        if value.ndim and not value.is_floating_point() and name.endswith(("weight", "bias")):
            raise DamagedCheckpointError(
                f"{file} has quantised weights ({name} is {value.dtype}); take the file of "
                "floating-point numbers that it was made of."
            )


def heads_beside(file: Path) -> dict[str, int]:
    """The attention heads in Hugging Face's config.json beside the weights, if there is one."""
    config = file.parent / "config.json"
    if file.name not in FOLDER_FILES or not config.exists():
        return {}
    try:
        heads = json.loads(config.read_bytes()).get("num_attention_heads")
    except (ValueError, AttributeError) as error:
        raise DamagedCheckpointError(
            f"{config} is no valid JSON ({error}); download it again."
        ) from None
    return {} if heads is None else {"heads": heads}

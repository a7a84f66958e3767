"""Checkpoints: one safetensors file each, with its scalars as JSON in the file's header.

The header also holds what its task says about the model, so that a checkpoint can be used without
the data that it was trained on.

One file rather than a folder of several, because a single rename then makes the whole checkpoint
appear at once: weights, optimizer and step can never come from different moments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from align.engine.checkpoint_header import ABOUT as ABOUT
from align.engine.checkpoint_header import STATE as STATE
from align.engine.checkpoint_header import CheckpointError as CheckpointError
from align.engine.checkpoint_header import DamagedCheckpointError as DamagedCheckpointError
from align.engine.checkpoint_header import MissingCheckpointError as MissingCheckpointError
from align.engine.checkpoint_header import OtherModelError as OtherModelError
from align.engine.checkpoint_header import is_described as is_described
from align.engine.checkpoint_header import open_checkpoint
from align.engine.checkpoint_header import read_about as read_about
from align.engine.checkpoint_header import read_state as read_state
from align.engine.checkpoint_header import require_described as require_described
from align.engine.run_folder import CONFIG_NAME, Checkpoint, RunFolder
from datasets.storage.atomic import atomic_path

_MODEL, _OPTIMIZER = "model.", "optimizer."


@contextmanager
def kept_when_unwritable(path: Path) -> Iterator[None]:
    """Explains that a file or folder of a run cannot be written, such as on a full disk.

    Raises:
        CheckpointError: When a write inside fails; names the path and how to resume. Files are
            written whole or not at all, so the previous ones are kept.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be written ({error}); what was written before is kept. Free some "
            "space on its disk, or fix its permissions, then continue with --resume."
        ) from error


def save_checkpoint(
    path: Path,
    model: nn.Module,
    state: Mapping[str, Any],
    optimizer: Optimizer | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        path: The file.
        model: Model whose parameters and buffers are saved.
        state: Scalars that JSON can hold, such as the epoch.
        optimizer: Optimizer whose state is saved too, so that training can be resumed.
        about: Facts that JSON can hold, from which the model can be built again.

    Raises:
        CheckpointError: When the disk is full or cannot be written; the previous checkpoint is
            kept.
    """
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    if optimizer is not None:
        for index, slots in optimizer.state_dict()["state"].items():
            for slot, value in slots.items():
                if value is not None:
                    tensors[f"{_OPTIMIZER}{index}.{slot}"] = torch.as_tensor(value)
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with kept_when_unwritable(path), atomic_path(path) as temporary:
        # One entry, because safetensors writes several in an order that changes with the process.
        stored = {**state, ABOUT: about} if about else state
        save_file(tensors, temporary, metadata={STATE: json.dumps(stored)})


def require_resumable(path: Path) -> None:
    """Checks that a run can be resumed from a checkpoint, without reading its tensors.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
        CheckpointError: When it holds no optimizer.
    """
    with open_checkpoint(path) as file:
        if not any(name.startswith(_OPTIMIZER) for name in file.keys()):  # noqa: SIM118
            raise CheckpointError(f"{path} holds no optimizer: resume from `last`, not `best`.")


def load_checkpoint(
    path: Path, model: nn.Module, optimizer: Optimizer | None = None
) -> dict[str, Any]:
    """Restores a model, and an optimizer when given, and returns the checkpoint's scalars.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
        OtherModelError: When it is of another architecture; nothing has been changed then.
        CheckpointError: When it holds no optimizer and one is to be restored.
    """
    with open_checkpoint(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    weights = _with_prefix(tensors, _MODEL)
    _require_same_architecture(path, weights, model.state_dict())
    if optimizer is not None:
        require_resumable(path)
        _restore_optimizer(_with_prefix(tensors, _OPTIMIZER), optimizer)
    model.load_state_dict(weights)
    return read_state(path)


def load_trained(
    model: nn.Module,
    run: Path,
    checkpoint: Checkpoint = "best",
    device: torch.device | str | None = None,
) -> None:
    """Gives a model the weights of its run, for inference: on its device, in evaluation mode.

    Args:
        model: Model that was built with the run's options.
        run: The run's folder, or a checkpoint.
        checkpoint: best: lowest validation error; last: the end of training; of a folder.
        device: Device to move the model to; by default the GPU where there is one.

    Raises:
        CheckpointError: When the checkpoint is missing, truncated or of another model, or its
            weights are not finite numbers.
    """
    path = weights_of(run, checkpoint)
    load_checkpoint(path, model)
    require_finite(path, model.state_dict())
    model.to(device or ("cuda" if torch.cuda.is_available() else "cpu")).eval()


def require_finite(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Checks the weights that a checkpoint holds.

    Raises:
        CheckpointError: When some are not finite numbers.
    """
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{path} has weights that are not finite numbers ({name}), as of a training that "
                "diverged. Train again with a smaller --optim.lr, or take another checkpoint."
            )


def weights_of(source: Path, checkpoint: Checkpoint = "best") -> Path:
    """The checkpoint of a run's folder; a file is a checkpoint itself."""
    return source if source.is_file() else RunFolder(source).checkpoint(checkpoint)


def model_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint's model by name.

    Raises:
        MissingCheckpointError: When the file does not exist.
        DamagedCheckpointError: When it is truncated.
    """
    with open_checkpoint(path) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return _with_prefix(tensors, _MODEL)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _require_same_architecture(
    path: Path, saved: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    problems = [f"lacks {name}" for name in wanted if name not in saved]
    problems += [f"has {name}, unknown to the model" for name in saved if name not in wanted]
    problems += [
        f"{name} has shape {tuple(saved[name].shape)}, the model asks for {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in saved and saved[name].shape != value.shape
    ]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise OtherModelError(
            f"{path} is of another model: {'; '.join(problems[:3])}{more}. "
            f"Use the {CONFIG_NAME} of the same run folder, and data with the same keypoints."
        )


def _restore_optimizer(saved: Mapping[str, Tensor], optimizer: Optimizer) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in saved.items():
        index, slot = name.split(".", 1)
        state.setdefault(int(index), {})[slot] = value
    # Hyper-parameters come from the run's configuration, moments from the checkpoint.
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )

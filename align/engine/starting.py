"""The start of a run from the weights of another one, which may be of other data or parts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from align.engine.checkpoint import model_weights, require_finite, weights_of
from align.engine.checkpoint_header import OtherModelError, read_about

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CarriedOver:
    """The weights that a task takes from another run, before shapes are compared.

    Attributes:
        weights: Name of each tensor that may be taken to the tensor.
        left_out: Name of each tensor that means something else in this task to the reason.
    """

    weights: Mapping[str, Tensor]
    left_out: Mapping[str, str] = field(default_factory=dict)


def start_from(
    source: Path,
    model: nn.Module,
    carry: Callable[[Mapping[str, Tensor], Mapping[str, Any]], CarriedOver],
) -> None:
    """Gives a model the weights of another run, as far as names, shapes and meanings agree.

    The log names every tensor of either that does not fit, and why.

    Args:
        source: A run's folder, whose best checkpoint is taken, or a checkpoint.
        model: The model that starts from it.
        carry: Chooses among its weights, by what its checkpoint says about its model.

    Raises:
        MissingCheckpointError: When the checkpoint does not exist.
        DamagedCheckpointError: When it is truncated.
        CheckpointError: When its weights are not finite numbers.
        OtherModelError: When it fits less than half of the model's weights.
    """
    path = weights_of(source)
    saved, wanted = model_weights(path), model.state_dict()
    require_finite(path, saved)
    carried = carry(saved, read_about(path))
    usable = {n: t for n, t in carried.weights.items() if n not in carried.left_out}
    fitting = {n: t for n, t in usable.items() if n in wanted and t.shape == wanted[n].shape}
    # A few norms of the same width fit by accident; then hardly anything would be carried over.
    if 2 * _elements(fitting) < _elements(wanted):
        raise OtherModelError(
            f"{path} fits only {_elements(fitting)} of the model's {_elements(wanted)} weights. "
            "Start from a run of the same method and model, with the same --backbone options."
        )
    model.load_state_dict(fitting, strict=False)
    log.info("started from %s: %d of %d tensors", path, len(fitting), len(wanted))
    _name_unfit(usable, wanted, carried.left_out)


def _name_unfit(
    usable: Mapping[str, Tensor], wanted: Mapping[str, Tensor], left_out: Mapping[str, str]
) -> None:
    reasons: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        log.info("left out, since %s: %s", reason, ", ".join(names))
    _name("in it alone, so left out", (n for n in usable if n not in wanted))
    _name(
        "of another shape, so at their random start",
        (
            f"{name} ({_shape(usable[name])} in it, {_shape(tensor)} here)"
            for name, tensor in wanted.items()
            if name in usable and usable[name].shape != tensor.shape
        ),
    )
    absent = (n for n in wanted if n not in usable and n not in left_out)
    _name("not in it, so at their random start", absent)


def _name(what: str, names: Iterable[str]) -> None:
    if listed := ", ".join(names):
        log.info("%s: %s", what, listed)


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _elements(tensors: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors.values())

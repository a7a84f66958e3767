"""The interface of a task, which the training loop learns by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from torch.utils.data import DataLoader

from align.engine.origin import Origin
from align.engine.starting import CarriedOver


class Task(Protocol):
    """The interface of a task."""

    @property
    def model(self) -> nn.Module:
        """The model to train."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Steps of one pass over the training data."""
        ...

    @property
    def metric(self) -> str:
        """Name of the validation metric that chooses the best checkpoint; lower is better."""
        ...

    def loader(self, start_step: int, stop_step: int) -> DataLoader:
        """The batches of the steps start_step … stop_step - 1, one each."""
        ...

    def loss(self, model: nn.Module, batch: Any, step: int) -> tuple[Tensor, Mapping[str, Tensor]]:
        """The loss of a batch, and other values to log."""
        ...

    def learners(self) -> Sequence[Sequence[nn.Parameter]]:
        """The parameters, in groups whose gradients are clipped apart."""
        ...

    def seen(self, step: int) -> str:
        """The data that the batch of a step is drawn from, for messages."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Metrics of the model, which is in evaluation mode, on the validation split."""
        ...

    def describe(self) -> Mapping[str, str]:
        """Data and model, a line each, which are shown before the first step."""
        ...

    def origin(self, run: Path) -> Origin:
        """The data of a run in this folder, which are stored beside its options."""
        ...

    def carry_over(self, weights: Mapping[str, Tensor], about: Mapping[str, Any]) -> CarriedOver:
        """Chooses among the weights of a run to start from, whose checkpoint says this about it."""
        ...

    def about(self) -> Mapping[str, Any]:
        """Facts that every checkpoint holds, from which the model can be built without the data."""
        ...

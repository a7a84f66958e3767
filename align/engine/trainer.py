"""The training loop: steps, schedule, validation, checkpoints, logs. It knows no task.

A task brings a model, its batches, a loss and a validation; see `Task`. The loop runs on a CPU, a
GPU or several through torchrun, by accelerate. Every step's randomness is a function of the seed
and the step alone, so a resumed run repeats an undisturbed one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from align.engine.checkpoint import (
    kept_when_unwritable,
    load_checkpoint,
    read_state,
    save_checkpoint,
)
from align.engine.device import Precision, uses_bf16
from align.engine.loading import reading_batches
from align.engine.optim import OptimConfig, build_optimizer, learning_rate_factor
from align.engine.run_folder import read_history, write_history

log = logging.getLogger(__name__)


class Task(Protocol):
    """What the loop needs to know of a task."""

    @property
    def model(self) -> nn.Module:
        """What is trained."""
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
        """The loss of a batch, and what else to log of it."""
        ...

    def seen(self, step: int) -> str:
        """What the batch of a step is drawn from, for messages."""
        ...

    def validate(self) -> Mapping[str, float]:
        """Metrics of the model, which is in evaluation mode, on the validation split."""
        ...


class NonFiniteLossError(FloatingPointError):
    """Raised when a loss or gradient is NaN or infinite; names the step and what it saw."""


class Trainer:
    """Trains one task in one run folder; `fit` starts, or goes on where the folder stopped."""

    def __init__(
        self,
        task: Task,
        folder: Path,
        optim: OptimConfig,
        *,
        epochs: int,
        seed: int,
        validate_every: int = 1,
        precision: Precision = "auto",
        progress: bool = True,
        on_step: Callable[[float], object] | None = None,
    ) -> None:
        """Prepares model and optimizer for the devices at hand.

        Args:
            task: What to train.
            folder: The run's folder.
            optim: Optimizer and schedule.
            epochs: Passes over the training data.
            seed: Of every step's randomness.
            validate_every: Epochs between validations; the last epoch always validates.
            precision: auto takes bf16 on a GPU that has it, fp32 elsewhere.
            progress: Whether to draw a progress bar.
            on_step: Called after each step with the share of all steps that are done.
        """
        self.accelerator = Accelerator(
            # Said outright: without a GPU, several processes would else each train alone.
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if uses_bf16(precision) else "no",
            # A step's batch is shared out among the processes, so that a step is the same step on
            # any number of them.
            dataloader_config=DataLoaderConfiguration(split_batches=True),
            step_scheduler_with_optimizer=False,
        )
        self.task, self.folder, self.optim, self.seed = task, folder, optim, seed
        self.epochs, self.validate_every, self.progress = epochs, validate_every, progress
        self.total_steps, self.on_step = epochs * task.steps_per_epoch, on_step
        self.model, self.optimizer = self.accelerator.prepare(
            task.model, build_optimizer(task.model, optim)
        )
        self.history: list[dict[str, float]] = []
        self.best = math.inf
        self.bad_validations = 0

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return self.folder / "checkpoints" / "last.safetensors"

    @property
    def best_path(self) -> Path:
        """The checkpoint with the lowest validation metric."""
        return self.folder / "checkpoints" / "best.safetensors"

    def fit(self) -> Path:
        """Trains to the end, or until patience runs out, and returns the best checkpoint.

        Raises:
            NonFiniteLossError: When the loss is no number; the last good checkpoint is kept.
            CheckpointError: When a checkpoint cannot be read or written; the last one is kept.
            DataError: When data turns unreadable, or a process that reads it dies.
        """
        start_epoch = self._resume() if self.last.exists() else 0
        main = self.accelerator.is_main_process
        writer = SummaryWriter(str(self.folder), purge_step=start_epoch) if main else None
        bar = tqdm(
            total=self.total_steps,
            initial=start_epoch * self.task.steps_per_epoch,
            desc=self.folder.name,
            unit="step",
            dynamic_ncols=True,
            disable=not (self.progress and main),
        )
        # One loader for all epochs: processes that read data start once, and read on meanwhile.
        steps = self.task.steps_per_epoch
        loader = self.accelerator.prepare(self.task.loader(start_epoch * steps, self.total_steps))
        with reading_batches(), bar, closing(batch for batch in loader) as batches:
            for epoch in range(start_epoch, self.epochs):
                if self._out_of_patience():
                    log.info("stopped early after epoch %d", epoch)
                    break
                started = time.perf_counter()
                row = self._train_epoch(epoch, batches, bar)
                if (epoch + 1) % self.validate_every == 0 or epoch + 1 == self.epochs:
                    row |= self._validate()
                    value = row[f"valid/{self.task.metric}"]
                    bar.set_postfix_str(f"valid {self.task.metric} {value:.4f}")
                row["seconds"] = time.perf_counter() - started
                self._record(epoch, row, writer)
        if writer is not None:
            writer.close()
        self.accelerator.wait_for_everyone()
        return self.best_path

    def _train_epoch(self, epoch: int, batches: Iterator[Any], bar: tqdm) -> dict[str, float]:
        self.model.train()
        steps = self.task.steps_per_epoch
        first = epoch * steps
        # Asking a GPU at every step would make it wait for the host.
        check_every = 1 if self.accelerator.device.type == "cpu" else steps
        unchecked: list[Tensor] = []
        sums: dict[str, Tensor] = {}
        waited, asked = 0.0, time.perf_counter()
        for step, batch in enumerate(islice(batches, steps), start=first):
            waited += time.perf_counter() - asked
            logs, norm = self._step(step, batch)
            unchecked.append(torch.stack([logs["loss"], norm]))
            if len(unchecked) == check_every:
                self._require_finite(unchecked, step + 1 - check_every)
                unchecked.clear()
            for name, value in logs.items():
                sums[name] = sums[name] + value if name in sums else value
            bar.update()
            if self.on_step is not None:
                self.on_step((step + 1) / self.total_steps)
            asked = time.perf_counter()
        # Each process has seen its share of the batches.
        sums = {name: self.accelerator.reduce(value, "mean") for name, value in sums.items()}
        means = {f"train/{name}": value.item() / steps for name, value in sums.items()}
        lr = self.optimizer.param_groups[0]["lr"]
        place = {"epoch": float(epoch + 1), "step": float(first + steps)}
        return place | means | {"lr": lr, "seconds_waiting_for_data": waited}

    def _step(self, step: int, batch: Any) -> tuple[dict[str, Tensor], Tensor]:
        """Learns from a batch; returns what to log of it and the norm of its gradient."""
        # Dropout and stochastic depth draw from the global generators: seeding them by the step
        # makes a resumed run draw what an undisturbed one does, without storing their state.
        torch.manual_seed(self.seed * 1_000_003 + step)
        for group in self.optimizer.param_groups:
            factor = learning_rate_factor(step, self.total_steps, self.optim)
            group["lr"] = self.optim.lr * factor
        sums: dict[str, Tensor] = {}
        parts = self._parts(batch)
        for part in parts:
            with self.accelerator.autocast():
                loss, logs = self.task.loss(self.model, part, step)
            self.accelerator.backward(loss / len(parts))
            for name, value in {"loss": loss, **logs}.items():
                sums[name] = sums.get(name, 0) + value.detach() / len(parts)
        limit = self.optim.clip_norm or math.inf
        norm = self.accelerator.clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return sums, norm.to(sums["loss"].dtype)

    def _parts(self, batch: Any) -> list[Any]:
        """A step's batch in `accumulate` parts of one size."""
        if self.optim.accumulate == 1:
            return [batch]
        sizes = {len(value) for value in batch.values()}
        if len(sizes) > 1 or min(sizes) % self.optim.accumulate:
            raise ValueError(
                f"--optim.accumulate {self.optim.accumulate} does not divide the {min(sizes)} "
                "samples of a process's batch."
            )
        return [
            {name: value[i :: self.optim.accumulate] for name, value in batch.items()}
            for i in range(self.optim.accumulate)
        ]

    def _require_finite(self, losses_and_norms: Sequence[Tensor], first: int) -> None:
        # Of all processes, so that none is left waiting for one that has stopped.
        values = self.accelerator.reduce(torch.stack(list(losses_and_norms)), "mean")
        bad = (~values.isfinite()).nonzero().tolist()
        if not bad:
            return
        row, column = bad[0]
        step, what = first + row, ("loss", "gradient")[column]
        kept = f"{self.last} from before it is kept" if self.last.exists() else "none was saved yet"
        raise NonFiniteLossError(
            f"the {what} became {values[row, column].item()} at step {step}, in epoch "
            f"{step // self.task.steps_per_epoch + 1}, on {self.task.seen(step)}. "
            f"Checkpoints: {kept}. Try a lower --optim.lr."
        )

    @torch.no_grad()
    def _validate(self) -> dict[str, float]:
        self.model.eval()
        metrics = self.task.validate()
        value = metrics[self.task.metric]
        better = value < self.best
        self.best = min(value, self.best)
        self.bad_validations = 0 if better else self.bad_validations + 1
        if better and self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model)
            save_checkpoint(self.best_path, model, {self.task.metric: value})
        return {f"valid/{name}": value for name, value in metrics.items()}

    def _out_of_patience(self) -> bool:
        return 0 < self.optim.patience <= self.bad_validations

    def _record(self, epoch: int, row: dict[str, float], writer: SummaryWriter | None) -> None:
        self.history.append(row)
        if writer is None:
            return
        with kept_when_unwritable(self.folder):
            for name, value in row.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()
            write_history(self.folder / "metrics.csv", self.history)
        state = {
            "epoch": epoch + 1,
            "best": self.best,
            "bad_validations": self.bad_validations,
            "finished": epoch + 1 == self.epochs or self._out_of_patience(),
        }
        model = self.accelerator.unwrap_model(self.model)
        # Last of all: what the checkpoint says is done is on disk already.
        save_checkpoint(self.last, model, state, self.optimizer)

    def _resume(self) -> int:
        model = self.accelerator.unwrap_model(self.model)
        state = load_checkpoint(self.last, model, self.optimizer)
        self.best, self.bad_validations = state["best"], state["bad_validations"]
        rows = read_history(self.folder / "metrics.csv")
        self.history = [row for row in rows if row["epoch"] <= state["epoch"]]
        log.info("resumed %s after epoch %d of %d", self.folder, state["epoch"], self.epochs)
        return state["epoch"]


def finished(folder: Path) -> bool:
    """Whether the run in a folder has trained to its end, early stops included."""
    path = folder / "checkpoints" / "last.safetensors"
    return path.exists() and read_state(path)["finished"]

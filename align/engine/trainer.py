"""The training loop: steps, schedule, validation, checkpoints, logs. It knows no task.

A task brings a model, its batches, a loss and a validation; see `Task`. The loop runs on a CPU, a
GPU or several through torchrun, by accelerate. Every step's randomness is a function of the seed
and the step alone, so a resumed run repeats an undisturbed one.
"""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import Accelerator, DataLoaderConfiguration
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from align.engine.checkpoint import (
    kept_when_unwritable,
    load_checkpoint,
    save_checkpoint,
)
from align.engine.claim import Claim
from align.engine.config import RunConfig
from align.engine.device import precision_hint, processor_of, uses_bf16
from align.engine.loading import reading_batches
from align.engine.optim import build_optimizer, learning_rate_factor
from align.engine.pace import Pace
from align.engine.run_folder import RunFolder
from align.engine.task import Task
from datasets.errors import OptionError, UserError, counted
from datasets.progress import ProgressBar

log = logging.getLogger(__name__)


class NonFiniteLossError(UserError, FloatingPointError):
    """Raised when a loss or gradient is NaN or infinite; names the step and its data."""

    exit_code: ClassVar[int] = 1


class Trainer:
    """Trains one task in one run folder; `fit` starts, or resumes what the folder holds."""

    def __init__(
        self,
        task: Task,
        config: RunConfig,
        *,
        progress: bool = True,
        on_step: Callable[[float], object] | None = None,
        claim: Claim | None = None,
    ) -> None:
        """Prepares model and optimizer for the devices at hand.

        Args:
            task: The task to train.
            config: Options of the run, with its folder as `out`.
            progress: Whether to show a progress bar and what the run does.
            on_step: Called after each step with the share of all steps that are done.
            claim: The claim on the run's folder, which ends with `fit`.

        Raises:
            ValueError: When the run has no folder.
        """
        if config.out is None:
            raise ValueError("a run needs its folder as `out`; `resolve` names one.")
        self.accelerator = Accelerator(
            # Without this, several processes on a machine without a GPU would each train alone.
            cpu=not torch.cuda.is_available(),
            mixed_precision="bf16" if uses_bf16(config.precision) else "no",
            # The processes share a step's batch, so that a step is the same on any number of them.
            dataloader_config=DataLoaderConfiguration(split_batches=True),
            step_scheduler_with_optimizer=False,
        )
        self.task, self.config, self.folder = task, config, config.out
        self.progress, self.on_step, self.claim = progress, on_step, claim
        # What comes before the first step, such as the training of what the task learns from.
        self.before: Callable[[], object] | None = None
        self.total_steps = config.epochs * task.steps_per_epoch
        self.model, self.optimizer = self.accelerator.prepare(
            task.model, build_optimizer(task.model, config.optim)
        )
        self.history: list[dict[str, float]] = []
        self.processors = [processor_of(self.accelerator.device, config.precision)]
        self.best = math.inf
        self.bad_validations = 0

    @property
    def last(self) -> Path:
        """The checkpoint to resume from."""
        return RunFolder(self.folder).checkpoint("last")

    @property
    def best_path(self) -> Path:
        """The checkpoint with the lowest validation metric."""
        return RunFolder(self.folder).checkpoint("best")

    @property
    def metric_name(self) -> str:
        """The validation metric, as messages name it."""
        return self.task.metric.replace("_", " ")

    def fit(self) -> Path:
        """Trains to the end, or until patience runs out, and returns the best checkpoint.

        Raises:
            NonFiniteLossError: When the loss is no number; the last good checkpoint is kept.
            CheckpointError: When a checkpoint cannot be read or written; the last one is kept.
            DataError: When data turns unreadable, or a process that reads it dies.
        """
        try:
            if self.before is not None:
                self.before()
            return self._fit()
        finally:
            if self.claim is not None:
                self.claim.release()

    def _fit(self) -> Path:
        start_epoch = self._resume() if self.last.exists() else 0
        main = self.accelerator.is_main_process
        if main and self.progress:
            for name, value in self.describe().items():
                log.info("%-8s %s", name, value)
        writer = SummaryWriter(str(self.folder), purge_step=start_epoch) if main else None
        bar = ProgressBar(
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
        pace = Pace(self.total_steps - start_epoch * steps)
        with reading_batches(), bar, closing(batch for batch in loader) as batches:
            for epoch in range(start_epoch, self.config.epochs):
                if self._out_of_patience():
                    log.info("stopped early after epoch %d", epoch)
                    break
                started, worked = time.perf_counter(), time.process_time()
                row = self._train_epoch(epoch, batches, bar, pace)
                # Other work on the machine lengthens seconds, not these.
                row["core_seconds"] = time.process_time() - worked
                if (epoch + 1) % self.config.validate_every == 0 or epoch + 1 == self.config.epochs:
                    row |= self._validate()
                row["seconds"] = time.perf_counter() - started
                self._record(epoch, row, writer)
        if writer is not None:
            writer.close()
        self.accelerator.wait_for_everyone()
        return self.best_path

    def describe(self) -> dict[str, str]:
        """Data, model, device and steps of the run, a line each."""
        parts = [self.processors[-1], counted(torch.get_num_threads(), "thread")]
        if self.accelerator.num_processes > 1:
            parts.append(f"{self.accelerator.num_processes} processes")
        epochs = counted(self.config.epochs, "epoch")
        steps = f"{self.total_steps} ({epochs} of {self.task.steps_per_epoch})"
        described = {
            **self.task.describe(),
            "device": ", ".join(parts),
            "steps": steps,
            "run": str(self.folder),
        }
        hint = precision_hint(self.accelerator.device, self.config.precision)
        return described if hint is None else described | {"hint": hint}

    def _train_epoch(
        self, epoch: int, batches: Iterator[Any], bar: ProgressBar, pace: Pace
    ) -> dict[str, float]:
        self.model.train()
        steps = self.task.steps_per_epoch
        first = epoch * steps
        # A GPU waits for the host whenever a value is read from it.
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
                self._show_loss(bar, logs["loss"])
            for name, value in logs.items():
                sums[name] = sums[name] + value if name in sums else value
            bar.update()
            if (estimate := pace.step()) and not bar.disable:
                bar.write(estimate, file=sys.stderr)
            if self.on_step is not None:
                self.on_step((step + 1) / self.total_steps)
            asked = time.perf_counter()
        # Each process has summed over its own share of the batches.
        sums = {name: self.accelerator.reduce(value, "mean") for name, value in sums.items()}
        means = {f"train/{name}": value.item() / steps for name, value in sums.items()}
        lr = self.optimizer.param_groups[0]["lr"]
        place = {"epoch": float(epoch + 1), "step": float(first + steps)}
        return place | means | {"lr": lr, "seconds_waiting_for_data": waited}

    def _show_loss(self, bar: ProgressBar, loss: Tensor) -> None:
        if bar.disable:
            return
        shown = f"loss {loss.item():.3f}"
        if self.best < math.inf:
            shown += f", best valid {self.metric_name} {self.best:.4f}"
        bar.set_postfix_str(shown, refresh=False)

    def _step(self, step: int, batch: Any) -> tuple[dict[str, Tensor], Tensor]:
        """Learns from a batch; returns the values to log and the norm of the gradient."""
        # Dropout and stochastic depth draw from the global generators: seeding them by the step
        # makes a resumed run draw what an undisturbed one does, without storing their state.
        # The factor is a prime, so that seeds and steps of different runs do not meet.
        torch.manual_seed(self.config.seed * 1_000_003 + step)
        optim = self.config.optim
        for group in self.optimizer.param_groups:
            group["lr"] = optim.lr * learning_rate_factor(step, self.total_steps, optim)
        sums: dict[str, Tensor] = {}
        parts = self._parts(batch)
        for part in parts:
            with self.accelerator.autocast():
                loss, logs = self.task.loss(self.model, part, step)
            self.accelerator.backward(loss / len(parts))
            for name, value in {"loss": loss, **logs}.items():
                sums[name] = sums.get(name, 0) + value.detach().float() / len(parts)
        limit = optim.clip_norm or math.inf
        # The norm of a group without gradients, such as a frozen trunk's, lies on the CPU.
        norms = [
            self.accelerator.clip_grad_norm_(parameters, limit).to(self.accelerator.device)
            for parameters in self.task.learners()
        ]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return sums, torch.stack(norms).max().to(sums["loss"].dtype)

    def _parts(self, batch: Any) -> list[Any]:
        """A step's batch in `accumulate` parts of one size."""
        count = self.config.optim.accumulate
        if count == 1:
            return [batch]
        sizes = {len(value) for value in batch.values()}
        if len(sizes) > 1 or min(sizes) % count:
            raise OptionError(
                f"--optim.accumulate {count} does not divide the {min(sizes)} samples of a "
                "process's batch."
            )
        return [{name: value[i::count] for name, value in batch.items()} for i in range(count)]

    def _require_finite(self, losses_and_norms: Sequence[Tensor], first: int) -> None:
        # All processes check the mean of all, so that none waits for one that has stopped.
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
            state = {self.task.metric: value}
            save_checkpoint(self.best_path, model, state, about=self.task.about())
        return {f"valid/{name}": value for name, value in metrics.items()}

    def _out_of_patience(self) -> bool:
        return 0 < self.config.optim.patience <= self.bad_validations

    def _record(self, epoch: int, row: dict[str, float], writer: SummaryWriter | None) -> None:
        self.history.append(row)
        if writer is None:
            return
        with kept_when_unwritable(self.folder):
            for name, value in row.items():
                writer.add_scalar(name, value, epoch)
            writer.flush()
            RunFolder(self.folder).save_history(self.history)
        state = {
            "epoch": epoch + 1,
            "best": self.best,
            "bad_validations": self.bad_validations,
            "finished": epoch + 1 == self.config.epochs or self._out_of_patience(),
            "threads": torch.get_num_threads(),
            "processors": self.processors,
        }
        model = self.accelerator.unwrap_model(self.model)
        # Last of all: what the checkpoint says is done is on disk already.
        save_checkpoint(self.last, model, state, self.optimizer, self.task.about())

    def _resume(self) -> int:
        model = self.accelerator.unwrap_model(self.model)
        state = load_checkpoint(self.last, model, self.optimizer)
        self.best, self.bad_validations = state["best"], state["bad_validations"]
        self.processors = list(dict.fromkeys(state.get("processors", []) + self.processors))
        threads = state.get("threads", torch.get_num_threads())
        if threads != torch.get_num_threads():
            # Sums over another number of threads round in another order.
            log.info("%d threads again, as the run began, for the same bits", threads)
            torch.set_num_threads(threads)
        rows = RunFolder(self.folder).load_history()
        self.history = [row for row in rows if row["epoch"] <= state["epoch"]]
        log.info("resumed %s after epoch %d of %d", self.folder, state["epoch"], self.config.epochs)
        return state["epoch"]

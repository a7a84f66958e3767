"""Trains the run of a folder and writes the loss of every step, as each process sees it.

torchrun --standalone --nproc_per_node=2 -m tests.repository.step_losses align RUN
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from action.config import ActionConfig
from align.config import TrainConfig
from tests.repository.tiny_runs import TinyConfig, trainer_of

CONFIGS = {"align": TrainConfig, "action": ActionConfig}


def step_losses(config: TinyConfig) -> list[float]:
    """This process's loss at each step of a run."""
    trainer, losses = trainer_of(config), []
    loss = trainer.task.loss

    def noted(model, batch, step):  # type: ignore[no-untyped-def]
        value, logs = loss(model, batch, step)
        losses.append(value.item())
        return value, logs

    trainer.task.loss = noted  # type: ignore[method-assign]
    trainer.fit()
    rank = trainer.accelerator.process_index
    (trainer.folder / f"losses_{rank}.json").write_text(json.dumps(losses))
    return losses


if __name__ == "__main__":
    run = Path(sys.argv[2])
    step_losses(replace(CONFIGS[sys.argv[1]].load(run), out=run))

"""The loss of every step of a run, trained by one process or by several at once."""

from __future__ import annotations

import json
import os
import socket

import torch

from tests.repository.processes import exit_code, start_process
from tests.repository.tiny_runs import TinyConfig, trainer_of


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
    return losses


def process_losses(config: TinyConfig, processes: int) -> list[list[float]]:
    """The losses of each of several processes that train one run together."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    started = [
        start_process(_take_part, config, rank, processes, port) for rank in range(processes)
    ]
    assert [exit_code(process) for process in started] == [0] * processes
    files = [config.out / f"losses_{rank}.json" for rank in range(processes)]
    return [json.loads(file.read_text()) for file in files]


def _take_part(config: TinyConfig, rank: int, processes: int, port: int) -> None:
    """Trains as one of several processes, with the variables that torchrun sets."""
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    losses = step_losses(config)
    (config.out / f"losses_{rank}.json").write_text(json.dumps(losses))

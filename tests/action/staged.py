"""Runs with stages, at a size that trains in seconds, and what tests look at in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from action.config import JointsConfig, TimeSformerConfig
from action.training.stages import stages_of
from action.training.task import ActionTask
from tests.action.inputs.test_joints import joint_run

SMALL = TimeSformerConfig(image_size=64, frames=4, stride=1)
# Of networks that take any size.
SMALLEST = replace(SMALL, image_size=32, frames=2)
JOINTS = JointsConfig(persons=1, frames=8, stride=1)


def staged_run(root, out, model="vpnpp", **options):
    usual = {"backbone": SMALL, "joints": JOINTS, "epochs": 1}
    return joint_run(root, out, model, **(usual | options))


def fresh_stages(config):
    """The networks of a run's stages before they have learned."""
    out = config.out or Path("nowhere")
    stages = stages_of(replace(config, out=out))
    return {s.name: ActionTask(s.config).model.requires_grad_(False).eval() for s in stages}


def ready(config):
    """A task that has taken over the networks of its stages, and these."""
    task, networks = ActionTask(config), fresh_stages(replace(config, seed=1))
    task.learn_from(networks)
    task.model.train()
    return task, networks


def learners(task):
    """Which parts of a network get a gradient from a batch, and what is logged."""
    loss, logs = task.loss(task.model, next(iter(task.loader(0, 1))), 0)
    loss.backward()
    named = task.model.network.named_parameters()
    return {n.split(".")[0] for n, p in named if p.grad is not None}, set(logs)

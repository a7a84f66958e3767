"""The stages of a run: networks that are trained before, each as a run of its own.

    runs/vpnpp_mocap_20260101-120000/stages/pose/       a run of 2s-AGCN
    runs/vpnpp_mocap_20260101-120000/stages/teacher/    a run of VPN++'s teacher
    runs/vpnpp_mocap_20260101-120000/                   the student, which learns from both

A stage's options say all: its model, which learns from the model's loss, and its epochs. So stages
are stopped, resumed, measured and extended as any run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from action.config import ActionConfig, JointStream, ModelName, StagesConfig
from action.training.recipes import action_recipe
from align.engine.run_folder import RunFolder
from datasets.errors import MismatchError, OptionError


@dataclass(frozen=True)
class Stage:
    """A run that comes before another one.

    Attributes:
        name: Name of its folder.
        config: Its options.
        models: Models of which a finished run can take its place.
    """

    name: str
    config: ActionConfig
    models: tuple[ModelName, ...]

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        assert self.config.out is not None
        return self.config.out

    def accepts(self, config: ActionConfig) -> bool:
        """Whether a run of these options can take its place."""
        return config.model in self.models and config.joints.stream == self.config.joints.stream


def stages_of(config: ActionConfig) -> tuple[Stage, ...]:
    """The stages before a run, in order; none for most.

    Args:
        config: The run's options, with `out` set.
    """
    if config.uses_3d:
        return (_pose_stage(config),)
    match config.model:
        case "vpnpp":
            return _pose_stage(config), _stage(config, "teacher", "vpnpp_teacher")
        case "mmnet":
            return _stream(config, "joints"), _stream(config, "bones")
        case "glimpse_clouds":
            return (_stage(config, "cnn", "glimpse_cnn"),)
        case _:
            return ()


def trained_stages(
    config: ActionConfig, train: Callable[[ActionConfig, float, float], object]
) -> dict[str, Path]:
    """Trains the stages of a run that have not ended, and returns the runs of all by name.

    Args:
        config: The run's options.
        train: Trains a run to its end. It is called with the stage's options, and with the shares
            of all stages and the run itself that are done before and after it.

    Raises:
        DataError: See `given_stages`.
        OptionError: See `given_stages`.
    """
    stages, given, found = stages_of(config), given_stages(config), {}
    for number, stage in enumerate(stages):
        found[stage.name] = given.get(stage.name, stage.folder)
        if stage.name not in given and not RunFolder(stage.folder).finished:
            train(stage.config, number / (len(stages) + 1), (number + 1) / (len(stages) + 1))
    return found


def given_stages(config: ActionConfig) -> dict[str, Path]:
    """The finished runs that the options name, each by the name of the stage whose place it takes.

    Raises:
        MismatchError: When one has not ended.
        MissingDataError: When one is no run.
        OptionError: When one can take the place of no stage.
    """
    stages, given = stages_of(config), dict[str, Path]()
    for run in config.stages.runs:
        own = ActionConfig.load(run)
        name = next((s.name for s in stages if s.accepts(own) and s.name not in given), None)
        if name is None:
            needed = ", ".join(f"{s.name} ({' or '.join(s.models)})" for s in stages) or "none"
            raise OptionError(
                f"--stages.runs {run} is a run of {own.model} on {own.joints.stream}, which takes "
                f"the place of no stage. Stages of this run: {needed}."
            )
        if not RunFolder(run).finished:
            raise MismatchError(
                f"--stages.runs {run} has not trained to its end: resume it first, with "
                f"`python -m action.train --resume {run}`."
            )
        given[name] = run
    return given


def _stage(
    config: ActionConfig,
    name: str,
    model: ModelName,
    stream: JointStream = "joints",
    models: tuple[ModelName, ...] = (),
) -> Stage:
    """A stage with the run's options, or with those of its own recipe where that is the paper's."""
    assert config.out is not None
    wanted, batch = config.stages, config.batch
    # The CNN is what ImageNet's weights are for; other stages are other networks than the run.
    weights = config.backbone.weights if model == "glimpse_cnn" else None
    own = replace(
        config,
        method="baseline",
        model=model,
        out=RunFolder(config.out).stage(name),
        init=None,
        backbone=replace(config.backbone, weights=weights),
        joints=replace(config.joints, stream=stream),
        stages=StagesConfig(),
    )
    if config.recipe == "paper":
        recipe = action_recipe("paper", config.data, model)
        batch = replace(recipe.batch, inside=batch.inside, persons=batch.persons)
        own = replace(own, epochs=recipe.epochs, optim=recipe.optim)
    batch = replace(batch, clips=wanted.clips or batch.clips)
    return Stage(
        name, replace(own, epochs=wanted.epochs or own.epochs, batch=batch), models or (model,)
    )


def _of_joints(stage: Stage) -> Stage:
    """A stage on joints alone, which sees as many frames of them as the run sees beside pixels."""
    config = stage.config
    frames, stride = config.joints.frames, config.joints.stride
    backbone = replace(config.backbone, frames=frames, stride=stride)
    return replace(stage, config=replace(config, backbone=backbone))


def _pose_stage(config: ActionConfig) -> Stage:
    models: tuple[ModelName, ...] = ("st_gcn", "agcn")
    return _of_joints(_stage(config, "pose", config.stages.pose, models=models))


def _stream(config: ActionConfig, stream: JointStream) -> Stage:
    return _of_joints(_stage(config, stream, "st_gcn", stream))

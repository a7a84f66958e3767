"""The settings that the names of recipes stand for, by model and data set."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from typing_extensions import assert_never

from action.config import (
    ActionConfig,
    ActionRecipe,
    ClipBatchConfig,
    DataName,
    JointsConfig,
    ModelName,
    TimeSformerConfig,
)
from align.config import PaatLossConfig
from align.engine.config import OptimConfig

# Paper section 4.2 and appendix B.
_PAPER = ActionConfig(
    recipe="paper",
    whiten=False,
    epochs=15,
    seed=42,
    backbone=TimeSformerConfig(
        image_size=224,
        frames=None,
        dim=768,
        depth=12,
        heads=12,
        drop_path=0.1,
        readout="class",
    ),
    paat_loss=PaatLossConfig(weight=1.6, reduction="mean"),
    optim=OptimConfig(
        name="sgd",
        lr=0.005,
        weight_decay=1e-4,
        momentum=0.9,
        warmup=0,
        schedule="steps",
        clip_norm=0,
    ),
)
# One core learns six motions from a thousand clips with it in half an hour: a person in 64 pixels
# spans several patches of 8, and convolutions need fewer steps than patches (docs/results).
_SMALL_TRANSFORMER = TimeSformerConfig(
    image_size=64, patch_size=8, frames=4, stride=8, stem="conv", dim=128, depth=4, heads=4
)
# Clips a step; the rendered set, which the paper does not know, has the fewest.
_PAPER_CLIPS: dict[DataName, int] = {"smarthome": 32, "ntu": 64, "nucla": 64, "mocap": 32}
# From ST-GCN's configuration for NTU and 2s-AGCN's for Smarthome: epochs, clips of a step, and the
# epochs after which the learning rate falls to a tenth.
_PAPER_JOINTS: dict[str, tuple[int, int, tuple[int, int]]] = {
    "st_gcn": (80, 64, (10, 50)),
    "agcn": (60, 16, (30, 40)),
}
# VPN's: the rate never falls, since the published code does not pass its schedule on. VPN++'s falls
# on a plateau, which no schedule here waits for.
_PAPER_VPN = OptimConfig(
    name="sgd", lr=0.01, weight_decay=0, warmup=0, schedule="constant", clip_norm=0
)
_PAPER_GLIMPSES = OptimConfig(
    name="adam", lr=1e-4, weight_decay=0, warmup=0, schedule="constant", clip_norm=0
)


class _Published(NamedTuple):
    """Published settings of a network on pixels and poses; a stride of None is the data set's."""

    epochs: int
    clips: int
    frames: int
    stride: int | None
    optim: OptimConfig


_PAPER_PIXELS: dict[str, _Published] = {
    "vpn": _Published(_PAPER.epochs, 4, 16, None, _PAPER_VPN),
    "vpnpp_teacher": _Published(100, 8, 64, 2, _PAPER_VPN),
    "vpnpp": _Published(100, 8, 64, 2, _PAPER_VPN),
    # A frame of each eighth of four seconds, at 30 frames a second.
    "glimpse_cnn": _Published(10, 10, 8, 15, _PAPER_GLIMPSES),
    "glimpse_clouds": _Published(10, 32, 8, 15, _PAPER_GLIMPSES),
}
# Those that see the joints of all persons; VPN sees the first one's, and most see none.
_OF_BOTH_PERSONS = ("st_gcn", "agcn", "vpnpp_teacher", "vpnpp", "mmnet")
# The longest skeletons of NTU.
_PAPER_JOINT_FRAMES = 300


def action_recipe(
    name: ActionRecipe, data: DataName = "mocap", model: ModelName = "timesformer"
) -> ActionConfig:
    """The settings that a recipe's name stands for with a model on a data set."""
    config = replace(_recipe(name, data), model=model)
    if model in _OF_BOTH_PERSONS:
        config = replace(config, joints=JointsConfig(persons=config.batch.persons))
    if name == "small" and config.is_transformer:
        config = replace(config, backbone=_SMALL_TRANSFORMER, optim=OptimConfig(lr=1e-3))
    if model == "motionformer":
        backbone = replace(config.backbone, attention="trajectory", tubelet=2, stem="patch")
        return replace(config, backbone=backbone)
    if model in ("st_gcn", "agcn"):
        return _joint_recipe(config)
    if name == "paper":
        return _paper_recipe(config)
    return config


def _recipe(name: ActionRecipe, data: DataName) -> ActionConfig:
    """A recipe's settings of TimeSformer."""
    batch = ClipBatchConfig(inside=True, persons=1 if data == "mocap" else 2)
    match name:
        case "small":
            return ActionConfig(data=data, batch=batch)
        case "paper":
            batch = replace(batch, clips=_PAPER_CLIPS[data], short="hold")
            return replace(_PAPER, data=data, batch=batch)
        case _:
            assert_never(name)


def _joint_recipe(config: ActionConfig) -> ActionConfig:
    """The settings of a network that sees joints alone."""
    joints = config.joints
    if config.recipe == "small":
        backbone = replace(config.backbone, frames=joints.frames, stride=joints.stride)
        return replace(config, backbone=backbone)
    epochs, clips, falls = _PAPER_JOINTS[config.model]
    milestones = tuple(epoch / epochs for epoch in falls)
    return replace(
        config,
        epochs=epochs,
        batch=replace(config.batch, clips=clips, flip=0),
        joints=replace(joints, origin="camera"),
        optim=replace(config.optim, lr=0.1, milestones=milestones),
    )


def _paper_recipe(config: ActionConfig) -> ActionConfig:
    """The published settings of a network on pixels, or on pixels and joints."""
    joints = replace(config.joints, origin="camera", frames=_PAPER_JOINT_FRAMES, stride=1)
    if config.model == "mmnet":  # as its stages on joints, but for mirroring
        alone = _joint_recipe(replace(config, model="st_gcn"))
        return replace(alone, model="mmnet", batch=replace(config.batch, clips=64), joints=joints)
    if (published := _PAPER_PIXELS.get(config.model)) is None:
        return config
    frames, stride = published.frames, published.stride
    return replace(
        config,
        epochs=published.epochs,
        backbone=replace(config.backbone, frames=frames, stride=stride),
        batch=replace(config.batch, clips=published.clips),
        joints=joints if config.model in _OF_BOTH_PERSONS else config.joints,
        optim=published.optim,
    )

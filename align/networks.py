"""The network and the encoder of a plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch

from align.inputs.motion import num_points
from align.models.backbones import TimmBackbone, pretrained_statistics
from align.models.disentangle import Disentangler
from align.models.encoder import FrameEncoder, LateEncoder, Network
from align.models.pose_aware import PoseAware, build_model
from align.models.tcn import TcnNetwork
from align.plan import RunPlan
from datasets.errors import OptionError, counted

Normalisation = Mapping[str, list[float]]
ConvolutionalNetwork = TypeVar("ConvolutionalNetwork", TcnNetwork, Disentangler)


def build_network(plan: RunPlan) -> Network:
    """The network of a run.

    Raises:
        ValueError: Options of the model that do not fit each other.
        MissingWeightsError: Pretrained weights that cannot be loaded.
    """
    config, pretrained = plan.config, plan.config.backbone.pretrained
    match plan.parts.encoder:
        case "tcn":
            network = TcnNetwork(
                config.tcn, pretrained, plan.paat, plan.num_keypoints, config.time.frames
            )
            return _channels_last(network)
        case "disentangle":
            if config.time.frames > 1:
                raise OptionError("disentangle decodes single frames: leave out --time.frames")
            return _channels_last(Disentangler(config.disentangle, pretrained))
        case "vit":
            return build_model(plan.model)


def build_encoder(plan: RunPlan, network: Network) -> FrameEncoder:
    """The encoder of a run around its network."""
    config, late = plan.config, plan.parts.late
    if late is None:
        return FrameEncoder(network, config.head)
    keypoints = 0 if config.pose_source == "motion" else plan.num_keypoints
    points = 0 if config.pose_source == "keypoints" else num_points(config.time)
    return LateEncoder(
        network, config.head, keypoints, config.late, late, config.time.frames, points
    )


def expected_statistics(plan: RunPlan) -> Normalisation:
    """The statistics that the pretrained weights of a run expect."""
    match plan.parts.encoder:
        case "vit":
            return pretrained_statistics(plan.config.backbone.name)
        case "disentangle":
            return pretrained_statistics(plan.config.disentangle.encoder)
        case "tcn":
            return {}  # torchvision's Inception expects ImageNet's, the default


def describe_network(plan: RunPlan, model: FrameEncoder) -> str:
    """Network, size of its frames and number of its parameters, as text."""
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    name = plan.config.network
    inner = model.backbone.backbone if isinstance(model.backbone, PoseAware) else None
    if isinstance(inner, TimmBackbone) and plan.config.backbone.depth is not None:
        name += f", {counted(len(inner.blocks), 'block')}"
    return f"{name}, {plan.image_size} x {plan.image_size} pixels, {millions:.1f} M parameters"


def patch_size(network: Network) -> int:
    """Side in pixels of the square patches that pose maps mark for a network.

    Raises:
        ValueError: A network without patches, which has no pose map.
    """
    if isinstance(network, Disentangler):
        raise ValueError(f"{type(network).__name__} has no patches that a pose map could mark.")
    return network.patch_size[0]


def _channels_last(network: ConvolutionalNetwork) -> ConvolutionalNetwork:
    """The network with its weights in the memory order in which convolutions are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

"""From a method's name to its network."""

from __future__ import annotations

from typing import TypeVar

import torch

from align.config import TrainConfig
from align.disentangle import Disentangler
from align.encoder import Network
from align.models import build_model
from align.tcn import TcnNetwork

ConvolutionalNetwork = TypeVar("ConvolutionalNetwork", TcnNetwork, Disentangler)


def build_network(config: TrainConfig, image_size: int, num_keypoints: int) -> Network:
    """The network of a method, for frames of a size and a skeleton of so many keypoints.

    Raises:
        ValueError: Options of the model that do not fit each other.
        RuntimeError: Pretrained weights that cannot be had.
    """
    if config.has("tcn"):
        pretrained, paat = config.backbone.pretrained, config.method_paat
        return _channels_last(TcnNetwork(config.tcn, pretrained, paat, num_keypoints))
    if config.has("disentangle"):
        return _channels_last(Disentangler(config.disentangle, config.backbone.pretrained))
    return build_model(config.model_config(image_size, num_keypoints))


def patch_size(network: Network) -> int:
    """Side in pixels of the square patches that pose maps mark for a network.

    Raises:
        ValueError: A network without patches, which has no pose map.
    """
    if isinstance(network, Disentangler):
        raise ValueError(f"{type(network).__name__} has no patches that a pose map could mark.")
    return network.patch_size[0]


def _channels_last(network: ConvolutionalNetwork) -> ConvolutionalNetwork:
    """With weights in the order of memory that convolutions are fastest in."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

"""Trained models that come along, or are fetched: `align.zoo.load("lift")`.

A model of the zoo is one file: weights in half precision, what its network is, and a card that says
what it was trained on and how well it aligns. Every command that takes a run to embed videos with
takes `zoo:NAME` as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from align.zoo.store import PREFIX, find, names, resolve

if TYPE_CHECKING:
    import torch

    from align.embedder import FrameEmbedder

__all__ = ["PREFIX", "find", "load", "names", "resolve"]


def load(name: str, device: torch.device | str | None = None) -> FrameEmbedder:
    """A ready encoder of frames, in evaluation mode and single precision.

    Args:
        name: Name of the model, such as `lift`; `python -m align.zoo` lists them.
        device: Device to move the model to; by default the GPU where there is one.

    Raises:
        UnknownNameError: When no model has this name.
        CheckpointError: When its file is damaged.
    """
    from align.embedder import FrameEmbedder

    return FrameEmbedder.load(find(name), device=device)

"""Distances and attention of the tokens of a pose-aware transformer (paper section 4.6).

These are the measurements of the paper's Figures 7 and 10. They work on any `PoseAware`, image or
video, by hooks on its blocks; the model has no code for them. All distances are 1 - cosine, so that
models whose tokens differ in length can be compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from align.layout import TokenLayout
from align.models.pose_aware import PoseAware
from align.results.analysis import ATTENTION_BINS, FeatureAnalysis


class NothingProbedError(ValueError):
    """Raised when results are asked for before the model has run, or a batch was measured."""


class FeatureProbe:
    """Collects a `FeatureAnalysis` while a model runs.

        with FeatureProbe(model) as probe:
            for images, pose_map in batches:
                model(images, pose_map.any(-1))
                probe.take(pose_map)
        result = probe.result()

    The tokens of a layer are the input of the next layer, after PAAB where there is one.
    """

    def __init__(self, model: PoseAware) -> None:
        """Prepares hooks, which are on the model only inside `with`.

        Raises:
            ValueError: When the backbone's blocks are not an attention followed by an MLP.
        """
        self.model = model
        for block in model.backbone.blocks:
            if not all(hasattr(block, name) for name in ("attn", "norm2")):
                raise ValueError(f"{type(block).__name__} is not a block of attention and MLP")
        self._tokens: dict[int, Tensor] = {}
        self._before: dict[int, Tensor] = {}
        self._ffn: dict[int, list[Tensor]] = defaultdict(list)
        self._attention: dict[int, Tensor] = {}
        self._pose: dict[int, list[Tensor]] = defaultdict(list)
        self._keypoints: dict[int, list[Tensor]] = defaultdict(list)
        self._hooks: list[Any] = []

    def __enter__(self) -> FeatureProbe:
        """Adds the hooks."""
        for index, block in enumerate(self.model.backbone.blocks):
            self._hooks += [
                block.get_submodule("attn").register_forward_pre_hook(self._on_attention(index)),
                block.get_submodule("norm2").register_forward_pre_hook(self._on_ffn(index)),
                block.register_forward_hook(self._on_block(index)),
            ]
            if (place := str(index + 1)) in self.model.paab:
                last = list(self.model.paab[place].children())[-1]
                self._hooks.append(last.register_forward_hook(self._on_paab(index)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Removes the hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @torch.no_grad()
    def take(self, pose_map: Bool[Tensor, "batch frames patches keypoints"]) -> None:
        """Measures the batch that the model has just processed.

        Args:
            pose_map: P3D maps of the batch.

        Raises:
            NothingProbedError: When the model has not run.
        """
        if not self._tokens:
            raise NothingProbedError("run the model inside `with` before `take`")
        # Kept patches have an order and no rows and columns, on which distances do not depend.
        frames, patches = pose_map.shape[1:3]
        layout = TokenLayout(frames, 1, patches, self.model.layout.prefix)
        inside = layout.one_frame() if self.model.backbone.frames_apart else layout
        for index, tokens in self._tokens.items():
            grid = inside.to_grid(inside.split(tokens)[1]).reshape(*pose_map.shape[:3], -1)
            pose, keypoints = token_distances(grid.float(), pose_map)
            self._pose[index].append(pose.flatten())
            self._keypoints[index].append(keypoints.flatten(0, 1))
        self._tokens.clear()

    def result(self) -> FeatureAnalysis:
        """The means over all batches.

        Raises:
            NothingProbedError: When no batch has been measured.
        """
        if not self._pose:
            raise NothingProbedError("no batch has been analysed")
        layers = sorted(self._pose)
        return FeatureAnalysis(
            [torch.cat(self._pose[i]).nanmean().item() for i in layers],
            [torch.cat(self._keypoints[i]).nanmean(dim=0).tolist() for i in layers],
            [(self._attention[i] / self._attention[i].sum()).tolist() for i in layers],
            [torch.cat(self._ffn[i]).mean().item() for i in layers],
        )

    def _on_attention(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(attention: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            counts = attention_counts(attention_weights(attention, inputs[0]))
            self._attention[index] = self._attention.get(index, 0) + counts

        return hook

    def _on_ffn(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            self._before[index] = inputs[0].detach()

        return hook

    def _on_block(self, index: int) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            output = output.detach()
            change = 1 - F.cosine_similarity(self._before.pop(index), output, dim=-1)
            self._ffn[index].append(change.float().flatten().cpu())
            self._tokens[index] = output

        return hook

    def _on_paab(self, index: int) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_: nn.Module, __: Any, output: Tensor) -> None:
            self._tokens[index] = output.detach()

        return hook


def token_distances(
    tokens: Float[Tensor, "batch frames patches dim"],
    pose_map: Bool[Tensor, "batch frames patches keypoints"],
) -> tuple[Float[Tensor, "batch frames"], Float[Tensor, "batch frames keypoints"]]:
    """Mean distance in each frame over all pairs of tokens of two groups.

    Returns:
        The distance between pose tokens and the other patches, and the distance between the tokens
        of each keypoint and the pose tokens without it. NaN for a frame where a group is empty.
    """
    unit = F.normalize(tokens, dim=-1)
    pose = pose_map.any(-1, keepdim=True)
    # The mean cosine of all pairs equals the dot product of the groups' mean unit vectors.
    of_keypoints, of_others = _means(unit, pose_map), _means(unit, pose & ~pose_map)
    of_pose, of_rest = _means(unit, pose), _means(unit, ~pose)
    return (
        1 - (of_pose * of_rest).sum(-1)[..., 0],
        1 - (of_keypoints * of_others).sum(-1),
    )


def attention_weights(
    attention: nn.Module, tokens: Float[Tensor, "sequences tokens dim"]
) -> Float[Tensor, "sequences heads tokens tokens"]:
    """The weights of timm's `Attention`, which its fused kernel does not return."""
    parts: Any = attention
    qkv = parts.qkv(tokens).unflatten(-1, (3, parts.num_heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    scores = parts.q_norm(query) @ parts.k_norm(key).transpose(-2, -1)
    return (scores * parts.scale).softmax(dim=-1)


def attention_counts(weights: Tensor) -> Float[Tensor, " bins"]:
    """Number of weights in each of `ATTENTION_BINS`."""
    at_least = [weights.numel(), *((weights >= edge).sum().item() for edge in ATTENTION_BINS[1:])]
    return -torch.diff(torch.tensor([*at_least, 0], dtype=torch.float64))


def _means(
    unit: Float[Tensor, "batch frames patches dim"],
    chosen: Bool[Tensor, "batch frames patches groups"],
) -> Float[Tensor, "batch frames groups dim"]:
    weights = chosen.to(unit.dtype)
    weights = weights / weights.sum(dim=2, keepdim=True)  # NaN for an empty group
    return weights.transpose(-2, -1) @ unit


def evenly(count: int, most: int) -> Int[np.ndarray, " chosen"]:
    """At most `most` of `count` indices, spread evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


@torch.no_grad()
def received_attention(
    model: PoseAware,
    forward: Callable[[], object],
    kept: Int[Tensor, "batch kept"] | None = None,
) -> Float[Tensor, "batch rows cols"]:
    """Attention that each patch receives in the backbone's last block, mean over heads.

    The attention comes from the class token where that is the embedding, else from all patches,
    whose mean is the embedding. The unit is an equal share among the patches.

    Args:
        model: A model of images.
        forward: Runs the model once.
        kept: The patches that the model sees, by row-major index; the others receive nothing.
    """
    seen: list[Tensor] = []

    def hook(attention: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(attention_weights(attention, inputs[0]).mean(dim=1))

    handle = model.backbone.blocks[-1].get_submodule("attn").register_forward_pre_hook(hook)
    try:
        forward()
    finally:
        handle.remove()
    prefix = model.layout.prefix
    asking = seen[0][:, :1] if model.readout == "class" else seen[0][:, prefix:]
    received = asking.mean(dim=1)[:, prefix:]
    shares = received / received.mean(dim=1, keepdim=True)
    if kept is not None:
        shares = shares.new_zeros(len(shares), model.layout.patches).scatter(1, kept, shares)
    return rearrange(shares.float().cpu(), "b (row col) -> b row col", row=model.layout.rows)

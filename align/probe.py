"""What the tokens of a pose-aware transformer tell of the pose (paper section 4.6, Figures 7, 10).

Works on any `PoseAware`, image or video, by hooks on its blocks: nothing in the model knows of it.
All distances are 1 - cosine, so that models whose tokens differ in length can be compared.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from pydantic import TypeAdapter
from torch import Tensor, nn

from align.models.pose_aware import PoseAware
from datasets.storage.atomic import atomic_path

# The least attention of each bin of the histogram; the last one ends at 1.
ATTENTION_BINS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class FeatureAnalysis:
    """Means over frames, layer by layer; NaN where no frame shows what is measured.

    Attributes:
        pose_distance: Between the pose tokens and the other patches of a frame (Fig. 7a).
        keypoint_distance: Between the tokens of a keypoint and those of the other keypoints of a
            frame (Fig. 7b).
        attention: Shares of attention weights in each of `ATTENTION_BINS` (Fig. 7c); with divided
            attention, of those in space.
        ffn_distance: Between each token before and after the feed-forward network (Fig. 10).
    """

    pose_distance: list[float]
    keypoint_distance: list[list[float]]
    attention: list[list[float]]
    ffn_distance: list[float]


class FeatureProbe:
    """Collects a `FeatureAnalysis` while a model runs.

        with FeatureProbe(model) as probe:
            for images, pose_map in batches:
                model(images, pose_map.any(-1))
                probe.take(pose_map)
        result = probe.result()

    The tokens of a layer are those that the next layer sees, after PAAB where there is one.
    """

    def __init__(self, model: PoseAware) -> None:
        """Prepares hooks; they are on the model within `with` alone.

        Raises:
            ValueError: For a backbone whose blocks are not attention and then an MLP.
        """
        self.model = model
        for block in model.backbone.blocks:
            if not all(hasattr(block, name) for name in ("attn", "norm2")):
                raise ValueError(f"{type(block).__name__} is no block of attention and MLP")
        self._tokens: dict[int, Tensor] = {}
        self._before: dict[int, Tensor] = {}
        self._ffn: dict[int, list[Tensor]] = defaultdict(list)
        self._attention: dict[int, Tensor] = {}
        self._pose: dict[int, list[Tensor]] = defaultdict(list)
        self._keypoints: dict[int, list[Tensor]] = defaultdict(list)
        self._hooks: list[Any] = []

    def __enter__(self) -> FeatureProbe:
        """Puts the hooks on."""
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
        """Takes the hooks off."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @torch.no_grad()
    def take(self, pose_map: Bool[Tensor, "batch frames patches keypoints"]) -> None:
        """Measures what the model has just seen, whose P3D map this is.

        Raises:
            ValueError: When the model has not run.
        """
        if not self._tokens:
            raise ValueError("run the model within `with` before its tokens are taken")
        layout = replace(self.model.layout, frames=pose_map.shape[1])
        inside = layout.one_frame() if self.model.backbone.frames_apart else layout
        for index, tokens in self._tokens.items():
            grid = inside.to_grid(inside.split(tokens)[1]).reshape(*pose_map.shape[:3], -1)
            pose, keypoints = token_distances(grid.float(), pose_map)
            self._pose[index].append(pose.flatten())
            self._keypoints[index].append(keypoints.flatten(0, 1))
        self._tokens.clear()

    def result(self) -> FeatureAnalysis:
        """The means over everything taken.

        Raises:
            ValueError: When nothing has been taken.
        """
        if not self._pose:
            raise ValueError("nothing has been analysed")
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
    """Mean distance, frame by frame, over pairs of tokens of two groups.

    Returns:
        Between pose tokens and the other patches; and between the tokens of each keypoint and the
        pose tokens without it. NaN for a frame where a group is empty.
    """
    unit = F.normalize(tokens, dim=-1)
    pose = pose_map.any(-1, keepdim=True)
    # The mean of all pairs' cosines is the product of the groups' mean unit vectors.
    of_keypoints, of_others = _means(unit, pose_map), _means(unit, pose & ~pose_map)
    of_pose, of_rest = _means(unit, pose), _means(unit, ~pose)
    return (
        1 - (of_pose * of_rest).sum(-1)[..., 0],
        1 - (of_keypoints * of_others).sum(-1),
    )


def attention_weights(
    attention: nn.Module, tokens: Float[Tensor, "sequences tokens dim"]
) -> Float[Tensor, "sequences heads tokens tokens"]:
    """The weights with which timm's `Attention` would add up its values."""
    parts: Any = attention
    qkv = parts.qkv(tokens).unflatten(-1, (3, parts.num_heads, -1))
    query, key, _ = qkv.permute(2, 0, 3, 1, 4)
    scores = parts.q_norm(query) @ parts.k_norm(key).transpose(-2, -1)
    return (scores * parts.scale).softmax(dim=-1)


def attention_counts(weights: Tensor) -> Float[Tensor, " bins"]:
    """How many weights each of `ATTENTION_BINS` holds."""
    at_least = [weights.numel(), *((weights >= edge).sum().item() for edge in ATTENTION_BINS[1:])]
    return -torch.diff(torch.tensor([*at_least, 0], dtype=torch.float64))


def bin_names() -> Sequence[str]:
    """The bins of `FeatureAnalysis.attention` in words."""
    ends = [*(f"{edge:g}" for edge in ATTENTION_BINS), "1"]
    return [f"{low} to {high}" for low, high in zip(ends, ends[1:], strict=False)]


def _means(
    unit: Float[Tensor, "batch frames patches dim"],
    chosen: Bool[Tensor, "batch frames patches groups"],
) -> Float[Tensor, "batch frames groups dim"]:
    weights = chosen.to(unit.dtype)
    weights = weights / weights.sum(dim=2, keepdim=True)  # NaN for an empty group
    return weights.transpose(-2, -1) @ unit


def evenly(count: int, most: int) -> Int[np.ndarray, " chosen"]:
    """At most `most` of `count` places, spread evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def save_analysis(analysis: FeatureAnalysis, path: Path) -> None:
    """Writes an analysis as JSON; what is not known is null."""
    text = TypeAdapter(FeatureAnalysis).dump_json(analysis, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text + b"\n")


def load_analysis(path: Path) -> FeatureAnalysis:
    """Reads what `save_analysis` wrote."""
    return TypeAdapter(FeatureAnalysis).validate_python(_with_nan(json.loads(path.read_bytes())))


def _with_nan(stored: Any) -> Any:
    """Numbers in nested lists and objects, NaN for null."""
    if isinstance(stored, dict):
        return {name: _with_nan(value) for name, value in stored.items()}
    if isinstance(stored, list):
        return [_with_nan(value) for value in stored]
    return math.nan if stored is None else stored


def analysis_path(run: Path, split: str) -> Path:
    """Where the analysis of a run is stored."""
    return run / "analysis" / f"{split}.json"


def attention_path(run: Path, split: str) -> Path:
    """Where the attention maps of a run are stored."""
    return run / "analysis" / f"{split}_attention.json"


@dataclass(frozen=True)
class AttentionMaps:
    """Attention in one episode at a few moments.

    Attributes:
        episode: Its name.
        times: The moments.
        views: View to one map a moment, rows of patches; in multiples of what each patch would
            receive if all received the same.
    """

    episode: str
    times: Sequence[int]
    views: Mapping[str, Sequence[Sequence[Sequence[float]]]]


@torch.no_grad()
def received_attention(
    model: PoseAware, forward: Callable[[], object]
) -> Float[Tensor, "batch rows cols"]:
    """What each patch receives in the backbone's last block, mean over heads.

    From the class token where that is the embedding, else from all patches, which the embedding is
    the mean of. In multiples of equal shares among the patches.

    Args:
        model: Of images.
        forward: Runs it once.
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
    return rearrange(shares.float().cpu(), "b (row col) -> b row col", row=model.layout.rows)


def save_maps(maps: AttentionMaps, path: Path) -> None:
    """Writes the maps as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(TypeAdapter(AttentionMaps).dump_json(maps) + b"\n")


def load_maps(path: Path) -> AttentionMaps:
    """Reads what `save_maps` wrote."""
    return TypeAdapter(AttentionMaps).validate_json(path.read_bytes())

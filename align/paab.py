"""PAAB, the pose-aware attention block: pose tokens attend to each other and to the class token.

Tokens outside the attention set stay unchanged, so the block runs on the pose tokens alone: it
gathers them, padded to the frame with the most, applies attention and MLP, and scatters them back.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple, get_args

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Bool, Float, Int
from timm.layers import Attention, DropPath, Mlp, trunc_normal_
from torch import Tensor, nn

from align.layout import ClassTokenError, TokenLayout
from align.models.config import PaabVariant
from datasets.errors import OptionError

_VARIANTS: tuple[PaabVariant, ...] = get_args(PaabVariant)


class PoseAwareAttentionBlock(nn.Module):
    """A pre-norm transformer block over the class token and the pose tokens (paper Eq. 5-6).

    Tokens without a pose, and prefix tokens other than the class token, stay bit-identical. In a
    frame without any pose token the class token attends to itself.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads, as many as the host block has.
        variant: "spatial" attends within each frame, the class token once per frame and its
            outputs averaged (Eq. 6); "spatiotemporal" first attends over time at each patch
            position (Eq. 2); "joint" attends over the pose tokens of all frames at once (Eq. 5).
        mlp_ratio: Width of the MLP's hidden layer over ``dim``.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability of dropping a residual path, the same as in the host block.
        capacity: Upper bound of pose tokens in a frame, for example the number of keypoints. None
            reads the bound off each pose map, which on a GPU waits for the device. A number does
            not wait; a frame with more pose tokens then raises a RuntimeError.

    Raises:
        OptionError: An unknown variant, a ``dim`` that the heads do not divide, a capacity below 1.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        variant: PaabVariant = "spatial",
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.0,
        capacity: int | None = None,
    ) -> None:
        """Make the layers: truncated normal weights of 0.02, zero biases."""
        super().__init__()
        if variant not in _VARIANTS:
            raise OptionError(f"variant must be one of {', '.join(_VARIANTS)}, not {variant!r}")
        if dim % num_heads:
            raise OptionError(f"{num_heads} heads do not divide a width of {dim}")
        if capacity is not None and capacity < 1:
            raise OptionError(f"capacity must be at least 1 or None, not {capacity}")
        # The epsilon of timm's vision transformers, which are the hosts.
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.variant = variant
        self.capacity = capacity
        if variant == "spatiotemporal":
            self.temporal_norm1 = norm(dim)
            self.temporal_attn = Attention(dim, num_heads, qkv_bias=qkv_bias)
            self.temporal_fc = nn.Linear(dim, dim)
        self.norm1 = norm(dim)
        self.attn = Attention(dim, num_heads, qkv_bias=qkv_bias)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.apply(_init_linear)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        pose_map: Bool[Tensor, "batch frames patches"],
        layout: TokenLayout,
    ) -> Float[Tensor, "batch tokens dim"]:
        """Update the class token and the pose tokens.

        Raises:
            ValueError: Tokens or pose map of another shape than the layout's, or a layout without
                a class token.
        """
        self._check(tokens, pose_map, layout)
        if self.variant == "joint":
            layout = TokenLayout(1, layout.frames, layout.patches, layout.prefix)
            capacity = None if self.capacity is None else self.capacity * layout.rows
            chosen = _choose(layout.flatten_map(pose_map).unsqueeze(1), capacity)
        else:
            chosen = _choose(pose_map, self.capacity)
        index = _with_class(_token_index(chosen.patch, layout))
        valid = rearrange(chosen.valid, "b t l -> b (t l)")
        before = _gather(tokens, index)
        if self.variant == "spatiotemporal":
            patches = self._attend_in_time(tokens, pose_map, chosen, layout)
        else:
            patches = before[:, 1:]
        # Padding must hold numbers: the mask weights it with zero, and zero times NaN is NaN.
        patches = patches.masked_fill(~valid.unsqueeze(-1), 0.0)
        after = torch.cat([before[:, :1], patches], dim=1)
        after = after + self._attend_in_space(after, chosen.valid)
        after = after + self.drop_path(self.mlp(self.norm2(after)))
        # Padding indexes tokens without a pose, each once; scatter writes their old values back.
        keep = torch.cat([valid.new_ones(valid.shape[0], 1), valid], dim=1)
        after = torch.where(keep.unsqueeze(-1), after.to(tokens.dtype), before)
        return tokens.scatter(1, index.unsqueeze(-1).expand_as(after), after)

    def _check(self, tokens: Tensor, pose_map: Tensor, layout: TokenLayout) -> None:
        layout.check(tokens)
        if layout.prefix < 1:
            raise ClassTokenError("PAAB needs a class token, and this model has none")
        expected = (tokens.shape[0], layout.frames, layout.patches)
        if tuple(pose_map.shape) != expected or pose_map.dtype != torch.bool:
            raise ValueError(
                f"the pose map must be a boolean (batch, frames, patches) = {expected}, "
                f"but is {pose_map.dtype} of {tuple(pose_map.shape)}"
            )

    def _attend_in_space(
        self, tokens: Float[Tensor, "batch tokens dim"], valid: Bool[Tensor, "batch frames slots"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Residual of the attention within each frame, the class token's averaged over frames."""
        frames, slots = valid.shape[1:]
        tokens = self.norm1(tokens)
        sequences = torch.cat(
            [
                repeat(tokens[:, :1], "b 1 d -> (b t) 1 d", t=frames),
                rearrange(tokens[:, 1:], "b (t l) d -> (b t) l d", t=frames, l=slots),
            ],
            dim=1,
        )
        # The class token is a key for all: a mask row without keys would make the softmax NaN.
        keys = torch.cat([valid.new_ones(*valid.shape[:2], 1), valid], dim=2)
        mask = rearrange(keys, "b t l -> (b t) 1 1 l")
        residual = self.drop_path(self.attn(sequences, attn_mask=mask))
        class_token = reduce(residual[:, :1], "(b t) 1 d -> b 1 d", "mean", t=frames)
        patches = rearrange(residual[:, 1:], "(b t) l d -> b (t l) d", t=frames)
        return torch.cat([class_token, patches], dim=1)

    def _attend_in_time(
        self, tokens: Tensor, pose_map: Tensor, chosen: Chosen, layout: TokenLayout
    ) -> Float[Tensor, "batch slots dim"]:
        """Pose tokens after ordinary attention over time (Eq. 2), where any frame has one."""
        capacity = None if self.capacity is None else self.capacity * layout.frames
        position = _choose(pose_map.any(dim=1, keepdim=True), capacity)
        count = position.patch.shape[-1]
        index = _token_index(position.patch.expand(-1, layout.frames, -1), layout)
        columns = rearrange(_gather(tokens, index), "b (t p) d -> (b p) t d", t=layout.frames)
        unused = rearrange(~position.valid, "b 1 p -> (b p) 1 1")
        columns = columns.masked_fill(unused, 0.0)
        residual = self.drop_path(self.temporal_attn(self.temporal_norm1(columns)))
        columns = columns + self.temporal_fc(residual)
        # The slot of each patch position among the gathered ones, to look up the chosen tokens.
        place = torch.empty_like(pose_map[:, 0], dtype=torch.long).zero_()
        slots = torch.arange(count, device=tokens.device).expand(len(tokens), -1)
        place = place.scatter(1, position.patch[:, 0], slots)
        place = place.unsqueeze(1).expand(-1, layout.frames, -1).gather(2, chosen.patch)
        frame = torch.arange(layout.frames, device=tokens.device).unsqueeze(-1)
        lookup = rearrange(frame * count + place, "b t l -> b (t l)")
        columns = rearrange(columns, "(b p) t d -> b (t p) d", b=len(tokens), p=count)
        return _gather(columns, lookup)


class Chosen(NamedTuple):
    """Pose patches of each frame, padded with other patches of the frame, none twice."""

    patch: Int[Tensor, "batch frames slots"]
    valid: Bool[Tensor, "batch frames slots"]


def _choose(pose_map: Bool[Tensor, "batch frames patches"], capacity: int | None) -> Chosen:
    count = pose_map.sum(dim=-1, keepdim=True)
    if capacity is None:
        slots = int(count.max()) if count.numel() else 0
    else:
        slots = min(capacity, pose_map.shape[-1])
        torch._assert_async((count <= slots).all(), "a frame has more pose tokens than capacity")
    order = pose_map.to(torch.uint8).argsort(dim=-1, descending=True, stable=True)
    slot = torch.arange(slots, device=pose_map.device)
    return Chosen(order[..., :slots], slot < count)


def _token_index(
    patch: Int[Tensor, "batch frames slots"], layout: TokenLayout
) -> Int[Tensor, "batch slots_of_all"]:
    frame = torch.arange(patch.shape[1], device=patch.device).unsqueeze(-1)
    return rearrange(layout.token_index(frame, patch), "b t l -> b (t l)")


def _with_class(index: Int[Tensor, "batch slots"]) -> Int[Tensor, "batch slots_and_class"]:
    return torch.cat([index.new_zeros(index.shape[0], 1), index], dim=1)


def _gather(
    tokens: Float[Tensor, "batch tokens dim"], index: Int[Tensor, "batch slots"]
) -> Float[Tensor, "batch slots dim"]:
    return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


def _init_linear(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)

"""TimeSformer: attention over space and time, divided, joint, or over space alone.

Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", ICML 2021.
With attention along trajectories and tubelets it is Motionformer, see `action.models.trajectory`.
Parameters have the names of the published checkpoints. Tokens are in the order of
`align.layout.TokenLayout`, which differs from the published order without changing results.
"""

from __future__ import annotations

from functools import partial
from typing import cast, get_args

import torch
import torch.nn.functional as F
from einops import rearrange, reduce, repeat
from jaxtyping import Float
from timm.layers import Attention, DropPath, Mlp, PatchEmbed, to_2tuple, trunc_normal_
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from action.config import AttentionType, Stem, TrajectoryValues
from action.models.conv_stem import ConvStem
from action.models.trajectory import TrajectoryAttention, TubeletEmbed
from align.layout import TokenLayout
from datasets.errors import OptionError

_ATTENTION_TYPES: tuple[AttentionType, ...] = get_args(AttentionType)


class Block(nn.Module):
    """A pre-norm transformer block; with ``divided`` attention first over time, then over space.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads.
        mlp_ratio: Width of the MLP's hidden layer over ``dim``.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Probability of dropping a residual path.
        attention_type: See `TimeSformer`.
        values: Values of trajectory attention, see `action.models.trajectory`.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        mlp_ratio: float,
        qkv_bias: bool,
        drop_path: float,
        attention_type: AttentionType,
        values: TrajectoryValues,
    ) -> None:
        """Make the layers."""
        super().__init__()
        norm = partial(nn.LayerNorm, eps=1e-6)
        self.divided = attention_type == "divided_space_time"
        self.along_trajectories = attention_type == "trajectory"
        self.norm1 = norm(dim)
        self.attn: nn.Module = (
            TrajectoryAttention(dim, num_heads, qkv_bias, values)
            if self.along_trajectories
            else Attention(dim, num_heads, qkv_bias=qkv_bias)
        )
        if self.divided:
            self.temporal_norm1 = norm(dim)
            self.temporal_attn = Attention(dim, num_heads, qkv_bias=qkv_bias)
            self.temporal_fc = nn.Linear(dim, dim)
        self.drop_path = DropPath(drop_path) if drop_path > 0 else nn.Identity()
        self.norm2 = norm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch tokens dim"]:
        """Tokens after attention and MLP."""
        if self.divided:
            tokens = self._attend_divided(tokens, layout)
        elif self.along_trajectories:
            tokens = tokens + self.drop_path(self.attn(self.norm1(tokens), layout))
        else:
            tokens = tokens + self.drop_path(self.attn(self.norm1(tokens)))
        return tokens + self.drop_path(self.mlp(self.norm2(tokens)))

    def _attend_divided(
        self, tokens: Float[Tensor, "batch tokens dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch tokens dim"]:
        class_token, patches = layout.split(tokens)
        in_time = self.temporal_attn(self.temporal_norm1(layout.to_positions(patches)))
        patches = patches + self.temporal_fc(layout.from_positions(self.drop_path(in_time)))
        frames = torch.cat(
            [repeat(class_token, "b 1 d -> (b t) 1 d", t=layout.frames), layout.to_frames(patches)],
            dim=1,
        )
        in_space = self.drop_path(self.attn(self.norm1(frames)))
        # The class token gets one residual per frame; their mean updates the one class token.
        class_residual = reduce(in_space[:, :1], "(b t) 1 d -> b 1 d", "mean", t=layout.frames)
        patches = patches + layout.from_frames(in_space[:, 1:])
        return torch.cat([class_token + class_residual, patches], dim=1)


class TimeSformer(nn.Module):
    """A vision transformer for clips, which `align.models.pose_aware.PoseAware` wraps.

    Clips may have another number of frames or another size than the model was built for: position
    and time embeddings are then interpolated (nearest; bicubic in space with "trajectory").

    Args:
        image_size: Side, or height and width, in pixels.
        patch_size: Side of a square patch in pixels.
        frames: Frames of a clip.
        num_classes: Classes of the head; 0 leaves the class token as the output.
        embed_dim: Width of the tokens.
        depth: Number of blocks.
        num_heads: Attention heads.
        mlp_ratio: Width of the MLPs' hidden layer over ``embed_dim``.
        qkv_bias: Whether queries, keys and values have a bias.
        drop_path: Stochastic depth at the last block, growing linearly from zero.
        attention_type: "divided_space_time" (over time, then over space), "joint_space_time"
            (over all tokens at once), "space_only" (each frame alone, averaged at the end), or
            "trajectory" (Motionformer's, whose feature also passes a linear map and tanh).
        checkpointing: Recompute the blocks' activations in the backward pass, to save memory.
        tubelet: Frames that a token holds.
        trajectory_values: Values of trajectory attention: "projected", or "points" as
            published.
        stem: What makes tokens of pixels: "patch", a linear map, or "conv", see
            `action.models.conv_stem`.

    Raises:
        OptionError: An unknown attention type, or a size that is no multiple of the patch, or
            frames that are no multiple of the tubelet, or a convolutional stem that cannot be.
    """

    def __init__(
        self,
        image_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        frames: int = 8,
        num_classes: int = 0,
        embed_dim: int = 768,
        depth: int = 12,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path: float = 0.1,
        attention_type: AttentionType = "divided_space_time",
        checkpointing: bool = False,
        tubelet: int = 1,
        trajectory_values: TrajectoryValues = "projected",
        stem: Stem = "patch",
    ) -> None:
        """Make the layers: truncated normal weights of 0.02, zero biases."""
        super().__init__()
        if attention_type not in _ATTENTION_TYPES:
            raise OptionError(
                f"attention_type must be one of {', '.join(_ATTENTION_TYPES)}, "
                f"not {attention_type!r}"
            )
        if embed_dim % num_heads:
            raise OptionError(
                f"--backbone.heads {num_heads} does not divide the width {embed_dim}."
            )
        self.attention_type = attention_type
        self.resize_mode = "bicubic" if attention_type == "trajectory" else "nearest"
        self.checkpointing = checkpointing
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.patch_size = (patch_size, patch_size)
        self.tubelet = tubelet
        self.frames_apart = attention_type == "space_only"
        self.default_layout = self._layout(frames, *to_2tuple(image_size))
        self.stem = stem
        self.patch_embed = _patch_embedding(stem, patch_size, embed_dim, tubelet)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + self.default_layout.patches, embed_dim))
        # With attention over space alone, frames do not interact, and their times do not matter.
        self.time_embed = (
            None
            if self.frames_apart
            else nn.Parameter(torch.zeros(1, self.default_layout.frames, embed_dim))
        )
        self.blocks = nn.ModuleList(
            Block(
                embed_dim,
                num_heads,
                mlp_ratio,
                qkv_bias,
                drop_path * i / max(depth - 1, 1),
                attention_type,
                trajectory_values,
            )
            for i in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim, eps=1e-6)
        self.pre_logits = (
            nn.Sequential(nn.Linear(embed_dim, embed_dim), nn.Tanh())
            if attention_type == "trajectory"
            else nn.Identity()
        )
        self.head = nn.Linear(embed_dim, num_classes) if num_classes else nn.Identity()
        self._init_weights()

    def forward(
        self, clips: Float[Tensor, "batch 3 frames height width"]
    ) -> Float[Tensor, "batch classes"]:
        """Class logits, or the class token's embedding for a model without a head."""
        layout = self.layout(clips)
        tokens = self.embed(clips)
        inside = layout.one_frame() if self.frames_apart else layout
        for index in range(len(self.blocks)):
            tokens = self.run_block(index, tokens, inside)
        return self.head(self.pool_norm(self.finish(tokens, layout)[:, 0]))

    def layout(self, images: Tensor) -> TokenLayout:
        """Token order for clips (B, 3, T, H, W) or images (B, 3, H, W) of this size."""
        if images.ndim not in (4, 5):
            raise ValueError(f"clips are (batch, 3, frames, height, width), not {images.ndim}-D")
        frames = images.shape[2] if images.ndim == 5 else self.tubelet
        return self._layout(frames, images.shape[-2], images.shape[-1])

    def embed(
        self, images: Float[Tensor, "batch 3 *frames height width"]
    ) -> Float[Tensor, "sequences tokens dim"]:
        """Tokens before the first block: one sequence a clip, or a frame with "space_only"."""
        layout = self.layout(images)
        clips = (
            images.unsqueeze(2).expand(-1, -1, self.tubelet, -1, -1) if images.ndim == 4 else images
        )
        position = self._position_embedding(layout)
        tubelets = rearrange(clips, "b c (t f) h w -> (b t) c f h w", f=self.tubelet)
        patches = self.patch_embed(tubelets.squeeze(2) if self.tubelet == 1 else tubelets)
        patches = patches + position[:, 1:]
        class_token = self.cls_token + position[:, :1]
        if self.time_embed is None:
            return torch.cat([class_token.expand(len(patches), -1, -1), patches], dim=1)
        time = rearrange(self._time_embedding(layout.frames), "1 t d -> 1 t 1 d")
        patches = layout.from_grid(layout.to_grid(layout.from_frames(patches)) + time)
        return torch.cat([class_token.expand(len(patches), -1, -1), patches], dim=1)

    def run_block(self, index: int, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Tokens after block ``index`` (from 0)."""
        if self.checkpointing and self.training and torch.is_grad_enabled():
            return checkpoint(self.blocks[index], tokens, layout, use_reentrant=False)
        return self.blocks[index](tokens, layout)

    def finish(
        self, tokens: Float[Tensor, "sequences tokens dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch tokens dim"]:
        """Tokens after the final norm; frames apart are joined, their class tokens averaged."""
        if self.frames_apart:
            class_token, patches = layout.one_frame().split(tokens)
            class_token = reduce(class_token, "(b t) 1 d -> b 1 d", "mean", t=layout.frames)
            tokens = torch.cat([class_token, layout.from_frames(patches)], dim=1)
        return self.norm(tokens)

    def pool_norm(self, embedding: Tensor) -> Tensor:
        """The embedding, whose final norm came before pooling, after Motionformer's last map."""
        return self.pre_logits(embedding)

    def drop_path(self, index: int) -> float:
        """Stochastic depth of block ``index`` (from 0)."""
        return getattr(self.blocks[index].drop_path, "drop_prob", 0.0)

    def _layout(self, frames: int, height: int, width: int) -> TokenLayout:
        rows, row_rest = divmod(height, self.patch_size[0])
        cols, col_rest = divmod(width, self.patch_size[1])
        if frames % self.tubelet:
            raise OptionError(
                f"{frames} frames cannot be cut into tubelets of {self.tubelet}: choose a multiple "
                "for --backbone.frames"
            )
        if row_rest or col_rest:
            raise OptionError(
                f"an image of {height} x {width} pixels cannot be cut into patches of "
                f"{self.patch_size[0]}: resize it to a multiple of the patch size"
            )
        return TokenLayout(frames // self.tubelet, rows, cols)

    def _position_embedding(self, layout: TokenLayout) -> Float[Tensor, "1 tokens dim"]:
        rows = self.default_layout.rows
        return resized_in_space(self.pos_embed, rows, layout, self.resize_mode)

    def _time_embedding(self, frames: int) -> Float[Tensor, "1 frames dim"]:
        assert self.time_embed is not None
        return resized_in_time(self.time_embed, frames)

    def _init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        trunc_normal_(self.pos_embed, std=0.02)
        trunc_normal_(self.cls_token, std=0.02)
        # As published: in all blocks but the first, attention over time starts as the identity, so
        # that an image model's weights work from the first step.
        if self.attention_type == "divided_space_time":
            for block in list(self.blocks)[1:]:
                for parameter in cast(nn.Linear, block.temporal_fc).parameters():
                    nn.init.zeros_(parameter)


def resized_in_space(
    position: Float[Tensor, "1 tokens dim"],
    rows: int,
    layout: TokenLayout,
    mode: str = "nearest",
) -> Float[Tensor, "1 new_tokens dim"]:
    """A position embedding of ``rows`` rows of patches for the patches of ``layout``."""
    cols = (position.shape[1] - 1) // rows
    if (layout.rows, layout.cols) == (rows, cols):
        return position
    grid = rearrange(position[:, 1:], "1 (r c) d -> 1 d r c", r=rows)
    grid = F.interpolate(grid, size=(layout.rows, layout.cols), mode=mode)
    return torch.cat([position[:, :1], rearrange(grid, "1 d r c -> 1 (r c) d")], dim=1)


def resized_in_time(
    time: Float[Tensor, "1 frames dim"], frames: int
) -> Float[Tensor, "1 new_frames dim"]:
    """A time embedding for another number of frames (nearest)."""
    if frames == time.shape[1]:
        return time
    along_time = rearrange(time, "1 t d -> 1 d t")
    return rearrange(F.interpolate(along_time, size=frames, mode="nearest"), "1 d t -> 1 t d")


def _patch_embedding(stem: Stem, patch_size: int, dim: int, tubelet: int) -> nn.Module:
    """What makes tokens of frames, or of tubelets.

    Raises:
        OptionError: For a convolutional stem of tubelets, or one that `ConvStem` cannot be.
    """
    if stem == "conv":
        if tubelet > 1:
            raise OptionError(
                f"--backbone.stem conv sees single frames, not --backbone.tubelet {tubelet}: use "
                "--backbone.tubelet 1, or --backbone.stem patch."
            )
        return ConvStem(patch_size, dim)
    if tubelet > 1:
        return TubeletEmbed(tubelet, patch_size, dim)
    return PatchEmbed(None, patch_size, embed_dim=dim, strict_img_size=False)

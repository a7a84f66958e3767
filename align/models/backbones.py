"""The parts of a backbone that `PoseAware` wraps, and timm's vision transformers in these parts."""

from __future__ import annotations

from typing import Any, Protocol, cast

import timm
import torch.nn.functional as F
from jaxtyping import Float
from timm.layers import DropPath, PatchEmbed, to_2tuple
from timm.models import get_pretrained_cfg, is_model_in_modules
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from align.layout import TokenLayout
from datasets.errors import MissingWeightsError, OptionError, UnknownNameError, nearest

# timm's modules whose models are plain sequences of blocks, which can be taken apart.
PLAIN = ("vision_transformer", "vision_transformer_hybrid", "deit")


class Backbone(Protocol):
    """A transformer in parts: the embedding, each block, and the end after the last block.

    Where ``frames_apart`` is True, the blocks treat each frame as a separate sequence: ``embed``
    returns B·T sequences, and ``finish`` joins them again.
    """

    embed_dim: int
    num_heads: int
    patch_size: tuple[int, int]
    frames_apart: bool
    default_layout: TokenLayout

    @property
    def blocks(self) -> nn.ModuleList | nn.Sequential:
        """The transformer blocks, in order."""

    @property
    def norm(self) -> nn.Module:
        """The norm after the last block."""

    def layout(self, images: Tensor) -> TokenLayout:
        """Token order for images of this shape; a ValueError when they do not fit."""

    def embed(self, images: Tensor) -> Tensor:
        """Tokens before the first block."""

    def run_block(self, index: int, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Tokens after block ``index`` (from 0)."""

    def finish(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Tokens after the final norm."""

    def pool_norm(self, embedding: Tensor) -> Tensor:
        """The norm of models that apply it to the pooled embedding instead; else the identity."""

    def drop_path(self, index: int) -> float:
        """Stochastic depth of block ``index`` (from 0)."""


class TimmBackbone(nn.Module):
    """A timm vision transformer in parts, whose output stays bit-identical.

    All prefix tokens (class, distillation, registers) stay before the patches, class token first.

    Args:
        vit: The model, made with ``num_classes=0``.
        name: The model's name, for messages.

    Raises:
        OptionError: A model that does not run its blocks as a plain sequence.
    """

    frames_apart = False

    def __init__(self, vit: nn.Module, name: str = "model") -> None:
        """Check that the model is a plain sequence of blocks."""
        super().__init__()
        if not (
            isinstance(vit, VisionTransformer)
            and type(vit).forward_features is VisionTransformer.forward_features
        ):
            raise OptionError(_not_plain(name))
        self.name = name
        parts: Any = vit
        self.vit = parts
        self.embed_dim: int = parts.embed_dim
        self.num_heads: int = next(
            module.num_heads for module in parts.blocks[0].modules() if hasattr(module, "num_heads")
        )
        patch_embed = parts.patch_embed
        self.patch_size: tuple[int, int] = to_2tuple(patch_embed.feat_ratio(as_scalar=False))
        self.image_size: tuple[int, int] = to_2tuple(patch_embed.img_size)
        rows, cols = patch_embed.grid_size
        self.default_layout = TokenLayout(1, rows, cols, parts.num_prefix_tokens)

    @property
    def blocks(self) -> nn.Sequential:
        """The transformer blocks, in order."""
        return self.vit.blocks

    @property
    def norm(self) -> nn.Module:
        """The norm after the last block."""
        return self.vit.norm

    def layout(self, images: Tensor) -> TokenLayout:
        """The one layout of this model; a ValueError for images of another shape."""
        if images.ndim != 4:
            raise ValueError(
                f"{self.name} takes single images (batch, 3, height, width), not "
                f"{tuple(images.shape)}: fold time into the batch, or use a video model"
            )
        if tuple(images.shape[-2:]) != tuple(self.image_size):
            raise ValueError(
                f"{self.name} was built for {self.image_size[0]} x {self.image_size[1]} pixels, "
                f"but the images have {images.shape[-2]} x {images.shape[-1]}: "
                "resize them, or build the model with that image_size"
            )
        return self.default_layout

    def embed(self, images: Float[Tensor, "batch 3 height width"]) -> Tensor:
        """Tokens before the first block."""
        tokens = self.vit._pos_embed(self.vit.patch_embed(images))
        return self.vit.norm_pre(self.vit.patch_drop(tokens))

    def position_embedding(self) -> Float[Tensor, "1 tokens dim"] | None:
        """The position embedding that `embed` adds to the tokens; None for a model without one."""
        embedding = self.vit.pos_embed
        missing = 0 if embedding is None else self.default_layout.tokens - embedding.shape[1]
        return F.pad(embedding, (0, 0, missing, 0)) if missing else embedding

    def run_block(self, index: int, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Tokens after block ``index`` (from 0)."""
        return self.blocks[index](tokens)

    def finish(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """Tokens after the final norm."""
        return self.norm(tokens)

    def pool_norm(self, embedding: Tensor) -> Tensor:
        """The norm of models that pool first; else the identity."""
        return self.vit.fc_norm(embedding)

    def drop_path(self, index: int) -> float:
        """Stochastic depth of block ``index`` (from 0)."""
        rates = (m.drop_prob for m in self.blocks[index].modules() if isinstance(m, DropPath))
        return next(rates, 0.0)


def create_timm_backbone(
    name: str,
    image_size: int | tuple[int, int],
    depth: int | None = None,
    pretrained: bool = False,
    drop_path: float = 0.0,
    patch: int | None = None,
    frames: int = 1,
) -> TimmBackbone:
    """Any timm vision transformer by name, at any multiple of its patch size.

    Args:
        name: timm's name, with or without a tag of weights.
        image_size: Side, or height and width, in pixels.
        depth: Number of blocks to keep; None keeps all.
        pretrained: Load weights from the hub or its local cache.
        drop_path: Stochastic depth at the last block, growing linearly from zero.
        patch: Side of a patch in pixels; None keeps the named model's. Pretrained weights of the
            projection are resampled to it.
        frames: Frames whose channels an image stacks. Pretrained weights are repeated for each.

    Raises:
        UnknownNameError: A name that timm does not have.
        OptionError: A model that is no plain sequence of blocks, a size that is no multiple of the
            patch, a depth that the model does not have, or another value that timm refuses.
        MissingWeightsError: The weights cannot be loaded.
    """
    if not timm.is_model(name):
        raise UnknownNameError(_unknown_name(name))
    if not is_model_in_modules(name, PLAIN):
        raise OptionError(_not_plain(name))
    if depth is not None and depth < 1:
        raise OptionError(f"depth must be at least 1, not {depth}")
    size = to_2tuple(image_size)
    arguments = {"img_size": size, "num_classes": 0, "drop_path_rate": drop_path}
    if not pretrained and depth is not None:
        arguments["depth"] = depth
    if patch is not None:
        arguments["patch_size"] = patch
    if frames > 1:
        arguments["in_chans"] = 3 * frames
    try:
        vit = timm.create_model(name, pretrained=pretrained, **arguments)
    except AssertionError as error:  # a hybrid whose feature map is no multiple of the patch
        raise OptionError(
            f"{name} cannot cut {size[0]} x {size[1]} pixels into its patches: choose another "
            "--image-size or --backbone.patch"
        ) from error
    except (OSError, RuntimeError, ValueError) as error:
        if not pretrained:
            if isinstance(error, ValueError):
                raise OptionError(f"timm cannot build {name!r}: {error}") from error
            raise
        raise missing_weights(name, error) from error
    if min(cast(PatchEmbed, vit.patch_embed).grid_size) < 1:
        raise OptionError(f"--image-size {min(size)} is smaller than a patch of {name}")
    backbone = TimmBackbone(vit, name)
    if any(side % patch for side, patch in zip(size, backbone.patch_size, strict=True)):
        raise OptionError(
            f"--image-size {size[0]} x {size[1]} is no multiple of the patch of {name}, "
            f"{backbone.patch_size[0]} x {backbone.patch_size[1]} pixels"
        )
    if depth is not None:
        if depth > len(backbone.blocks):
            raise OptionError(f"{name} has {len(backbone.blocks)} pretrained blocks, not {depth}")
        backbone.vit.blocks = backbone.blocks[:depth]
    # Attention pooling belongs to the head, which no readout uses: its weights would not train.
    backbone.vit.attn_pool = None
    return backbone


def missing_weights(name: str, error: Exception) -> MissingWeightsError:
    """The error of pretrained weights that timm cannot fetch."""
    return MissingWeightsError(
        f"no weights for {name!r}: {type(error).__name__}. Run once where huggingface.co can be "
        "reached (they stay in the cache, HF_HOME), or train without --backbone.pretrained"
    )


def pretrained_statistics(name: str) -> dict[str, list[float]]:
    """Mean and standard deviation of the pixels, from 0 to 1, that pretrained weights expect.

    Args:
        name: timm's name, with or without a tag of weights. Weights under one name but with other
            tags may expect others.

    Raises:
        UnknownNameError: A name that timm does not have.
    """
    published = get_pretrained_cfg(name)
    if published is None:
        raise UnknownNameError(_unknown_name(name))
    return {"mean": list(published.mean), "std": list(published.std)}


def _unknown_name(name: str) -> str:
    known = [model for module in PLAIN for model in timm.list_models(module=module)]
    return (
        f"timm has no model {name!r}; did you mean {nearest(name, known)!r}? "
        "timm.list_models('*vit*') lists them."
    )


def _not_plain(name: str) -> str:
    return (
        f"{name!r} is neither a plain vision transformer nor convolutional; choose a name that "
        "timm.list_models(module='vision_transformer') gives, or one such as 'convnext_atto'"
    )

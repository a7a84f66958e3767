"""Transformers on some patches of each image: the others are left out before the first block.

With a camera that stands still, most patches show the same background in every frame of a video.
`align.inputs.motion` chooses the patches that change.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int
from timm.layers import PatchEmbed
from torch import Tensor

from align.layout import TokenLayout
from align.models.backbones import TimmBackbone


def cut_patches(
    backbone: TimmBackbone, images: Tensor, kept: Int[Tensor, "batch kept"]
) -> Float[Tensor, "batch 3 height width"]:
    """The part of images, of any number type, that `embed_kept` needs: the kept patches in a row.

    Whole images where the patches are not projected one by one, as in hybrids with a convolutional
    stem.

    Args:
        backbone: The transformer.
        images: (B, 3, H, W).
        kept: Row-major indices of the patches to keep.
    """
    if not _projects_patches_apart(backbone):
        return images
    height, width = backbone.patch_size
    patches = rearrange(images, "b c (r h) (k w) -> b (r k) c h w", h=height, w=width)
    chosen = patches[torch.arange(len(images), device=images.device).unsqueeze(1), kept]
    return rearrange(chosen, "b k c h w -> b c h (k w)")


def embed_kept(
    backbone: TimmBackbone,
    images: Float[Tensor, "batch 3 height width"],
    kept: Int[Tensor, "batch kept"],
) -> Float[Tensor, "batch kept_tokens dim"]:
    """Tokens before the first block of the kept patches, each at its position in the whole image.

    Args:
        backbone: The transformer.
        images: What `cut_patches` gave, normalised.
        kept: Row-major indices of these patches.
    """
    vit, layout = backbone.vit, backbone.default_layout
    if not _projects_patches_apart(backbone):
        return layout.keep(backbone.embed(images), kept)
    embed = vit.patch_embed
    patches = embed.norm(embed.proj(images).flatten(2).transpose(1, 2))
    # timm adds the embedding of positions to whole sequences, in a way that depends on the model.
    whole = patches.new_zeros(len(patches), layout.patches, patches.shape[-1])
    whole = whole.scatter(1, kept.unsqueeze(-1).expand_as(patches), patches)
    return layout.keep(vit.norm_pre(vit.patch_drop(vit._pos_embed(whole))), kept)


def keep_in_map(pose_map: Tensor, kept: Int[Tensor, "batch kept"]) -> Tensor:
    """The entries of the kept patches in a map (B, N) or (B, N, K) over all patches of an image."""
    index = kept if pose_map.ndim == 2 else kept.unsqueeze(-1).expand(-1, -1, pose_map.shape[-1])
    return pose_map.gather(1, index)


def kept_layout(layout: TokenLayout, kept: Int[Tensor, "batch kept"]) -> TokenLayout:
    """The order of the tokens that `embed_kept` gives: the kept patches as one row."""
    return TokenLayout(1, 1, kept.shape[1], layout.prefix)


def _projects_patches_apart(backbone: TimmBackbone) -> bool:
    return type(backbone.vit.patch_embed) is PatchEmbed

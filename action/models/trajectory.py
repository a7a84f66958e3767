"""Trajectory attention: each patch follows its likeness through the frames, then attends to time.

Patrick et al., "Keeping Your Eye on the Ball: Trajectory Attention in Video Transformers",
NeurIPS 2021 (Motionformer).
"""

from __future__ import annotations

import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, cat, einsum, nn

from action.config import TrajectoryValues
from align.layout import TokenLayout


class TrajectoryAttention(nn.Module):
    """Attention of Motionformer, with the published names of parameters.

    Args:
        dim: Width of the tokens.
        num_heads: Attention heads.
        qkv_bias: Whether queries, keys and values have a bias.
        values: What attention along a trajectory sums up: "projected" values, as the paper says, or
            the trajectory's "points" themselves, as the code does. Released weights need the
            latter.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        qkv_bias: bool = True,
        values: TrajectoryValues = "projected",
    ) -> None:
        """Make the maps."""
        super().__init__()
        self.num_heads = num_heads
        self.values: TrajectoryValues = values
        self.scale = (dim // num_heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj_q = nn.Linear(dim, dim, bias=qkv_bias)
        self.proj_kv = nn.Linear(dim, 2 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(
        self, tokens: Float[Tensor, "batch tokens dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch tokens dim"]:
        """Tokens after attention; those before the patches attend to all tokens at once."""
        layout.check(tokens)
        q, k, v = rearrange(self.qkv(tokens), "b n (p h d) -> p b h n d", p=3, h=self.num_heads)
        prefix = F.scaled_dot_product_attention(q[:, :, : layout.prefix], k, v)
        q, k, v = (x[:, :, layout.prefix :] for x in (q, k, v))
        patches = self._along(self.points(q, k, v, layout), layout)
        return self.proj(cat([rearrange(prefix, "b h n d -> b n (h d)"), patches], dim=1))

    def points(
        self,
        q: Float[Tensor, "batch heads patches head_dim"],
        k: Float[Tensor, "batch heads patches head_dim"],
        v: Float[Tensor, "batch heads patches head_dim"],
        layout: TokenLayout,
    ) -> Float[Tensor, "batch patches frames dim"]:
        """The points of each patch's trajectory: what it attends to in every frame apart."""
        k, v = (rearrange(x, "b h (t n) d -> b (h t) n d", t=layout.frames) for x in (k, v))
        queries = q.repeat_interleave(layout.frames, dim=1)
        points = F.scaled_dot_product_attention(queries, k, v)
        return rearrange(points, "b (h t) s d -> b s t (h d)", t=layout.frames)

    def frame_weights(
        self, points: Float[Tensor, "batch patches frames dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch heads patches frames"]:
        """How much each patch attends to the points of its trajectory; they sum to 1."""
        # The query is the point in the patch's own frame.
        by_frame = rearrange(points, "b (s n) t d -> b s n t d", s=layout.frames)
        own = rearrange(by_frame.diagonal(dim1=1, dim2=3), "b n d s -> b (s n) d")
        q = rearrange(self.proj_q(own), "b s (h d) -> b h s d", h=self.num_heads)
        k = rearrange(self._projected(points, 0), "b s t (h d) -> b h s t d", h=self.num_heads)
        return (einsum("bhsd,bhstd->bhst", q, k) * self.scale).softmax(dim=-1)

    def _along(
        self, points: Float[Tensor, "batch patches frames dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch patches dim"]:
        values = points
        if self.values == "projected":
            values = self._projected(points, 1)
        values = rearrange(values, "b s t (h d) -> b h s t d", h=self.num_heads)
        patches = einsum("bhst,bhstd->bhsd", self.frame_weights(points, layout), values)
        return rearrange(patches, "b h s d -> b s (h d)")

    def _projected(
        self, points: Float[Tensor, "batch patches frames dim"], half: int
    ) -> Float[Tensor, "batch patches frames dim"]:
        """The keys (half 0) or the values (half 1) of points; the other half is not computed."""
        bias = self.proj_kv.bias
        weight = self.proj_kv.weight.chunk(2)[half]
        return F.linear(points, weight, None if bias is None else bias.chunk(2)[half])


class TubeletEmbed(nn.Module):
    """One linear map of the pixels of each patch over a tubelet's frames.

    Args:
        tubelet: Frames of a tubelet.
        patch_size: Side of a patch in pixels.
        dim: Width of the tokens.
    """

    def __init__(self, tubelet: int, patch_size: int, dim: int) -> None:
        """Make the map."""
        super().__init__()
        kernel = (tubelet, patch_size, patch_size)
        self.proj = nn.Conv3d(3, dim, kernel, stride=kernel)

    def forward(
        self, tubelets: Float[Tensor, "tubelets 3 frames height width"]
    ) -> Float[Tensor, "tubelets patches dim"]:
        """A token for each patch, row by row."""
        return rearrange(self.proj(tubelets), "n d 1 r c -> n (r c) d")


def tubelet_map(
    pose_map: Bool[Tensor, "batch frames *patches"], tubelet: int
) -> Bool[Tensor, "batch tubelets *patches"]:
    """The pose map of tubelets: a patch is marked where it is marked in any of their frames.

    Args:
        pose_map: P2D or P3D of a clip's frames.
        tubelet: Frames of a tubelet, which divide the clip.
    """
    return pose_map.unflatten(1, (-1, tubelet)).any(dim=2)

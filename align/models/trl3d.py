"""3DTRL (Shang et al. 2022): patch tokens in space, from a pseudo-depth and a pseudo-camera.

Nothing supervises depth or camera. Their units are arbitrary: only the layer that embeds the
recovered points depends on them.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from timm.layers import Mlp
from torch import Tensor, nn

from align.layout import ClassTokenError, TokenLayout

# Width of the camera's hidden layer, as published.
CAMERA_WIDTH = 32


class Geometry(NamedTuple):
    """The recovered geometry; the camera frame is x right, y down, z forward, in patch units."""

    depth: Float[Tensor, "batch frames patches"]
    rotation: Float[Tensor, "batch 3 3"]
    translation: Float[Tensor, "batch 3"]
    world: Float[Tensor, "batch frames patches 3"]


class TokenRepresentation3d(nn.Module):
    """The 3DTRL layer: adds to every patch token an embedding of its recovered world point.

    Args:
        dim: Width of the tokens.
    """

    def __init__(self, dim: int) -> None:
        """Make the layers."""
        super().__init__()
        self.depth = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, 1))
        self.camera_class = nn.Sequential(
            nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, dim), nn.ReLU()
        )
        self.camera_patch = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.camera_mean = nn.Sequential(nn.Linear(dim, dim), nn.ReLU())
        self.camera = nn.Sequential(
            nn.Linear(dim, CAMERA_WIDTH), nn.ReLU(), nn.Linear(CAMERA_WIDTH, CAMERA_WIDTH)
        )
        self.angles = nn.Linear(CAMERA_WIDTH, 3)
        self.translation = nn.Linear(CAMERA_WIDTH, 3)
        nn.init.ones_(self.translation.weight)
        nn.init.zeros_(self.translation.bias)
        self.class_embedding = nn.Parameter(torch.zeros(1, 1, dim))
        nn.init.trunc_normal_(self.class_embedding, std=0.02)
        self.point_embedding = Mlp(3, dim, dim)

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        layout: TokenLayout,
        position_embedding: Float[Tensor, "1 tokens dim"] | None = None,
    ) -> tuple[Float[Tensor, "batch tokens dim"], Geometry]:
        """Add the embeddings of world points, then the position embedding again.

        Every frame has its own depth map, a clip has one camera. Prefix tokens other than the class
        token get no embedding of a point.

        Raises:
            ValueError: Tokens that do not fit the layout.
            ClassTokenError: A layout without a class token.
        """
        if not layout.prefix:
            raise ClassTokenError(
                "3DTRL reads the camera off a class token, and this model has none"
            )
        prefix, patches = layout.split(tokens)
        grid = layout.to_grid(patches)
        depth = self.depth(grid).squeeze(-1)
        shared = self.camera_mean(self.camera_patch(patches).mean(dim=1))
        hidden = self.camera(self.camera_class(prefix[:, 0]) + shared)
        # Half precision is too coarse for angles and coordinates, which cost little.
        with torch.autocast(tokens.device.type, enabled=False):
            depth = depth.float()
            rotation = rotation_matrix(self.angles(hidden.float()))
            translation = self.translation(hidden.float())
            points = unproject(depth, layout.rows, layout.cols)
            world = to_world(points, rotation, translation)
        embedded = layout.from_grid(self.point_embedding(world))
        class_embedding = self.class_embedding.expand(len(tokens), -1, -1)
        rest = torch.zeros_like(prefix[:, 1:])
        tokens = tokens + torch.cat([class_embedding, rest, embedded], dim=1)
        if position_embedding is not None:
            tokens = tokens + position_embedding
        return tokens, Geometry(depth, rotation, translation, world)


def unproject(
    depth: Float[Tensor, "batch frames patches"], rows: int, cols: int
) -> Float[Tensor, "batch frames patches 3"]:
    """Points (u d, v d, d) in camera coordinates.

    u and v are a patch's column and row (row-major), counted from the middle of the image.
    """
    row = torch.arange(rows, device=depth.device, dtype=depth.dtype) - (rows - 1) / 2
    col = torch.arange(cols, device=depth.device, dtype=depth.dtype) - (cols - 1) / 2
    u = repeat(col, "c -> (r c)", r=rows)
    v = repeat(row, "r -> (r c)", c=cols)
    return torch.stack([u * depth, v * depth, depth], dim=-1)


def rotation_matrix(angles: Float[Tensor, "batch 3"]) -> Float[Tensor, "batch 3 3"]:
    """R = Rz Ry Rx of angles (x, y, z) in radians."""
    sin, cos = angles.sin(), angles.cos()
    zero, one = torch.zeros_like(sin[:, 0]), torch.ones_like(sin[:, 0])

    def matrix(*entries: Tensor) -> Tensor:
        return rearrange(torch.stack(entries, dim=-1), "b (i j) -> b i j", i=3)

    (sx, sy, sz), (cx, cy, cz) = sin.unbind(-1), cos.unbind(-1)
    about_x = matrix(one, zero, zero, zero, cx, -sx, zero, sx, cx)
    about_y = matrix(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    about_z = matrix(cz, -sz, zero, sz, cz, zero, zero, zero, one)
    return about_z @ about_y @ about_x


def to_world(
    points: Float[Tensor, "batch frames patches 3"],
    rotation: Float[Tensor, "batch 3 3"],
    translation: Float[Tensor, "batch 3"],
) -> Float[Tensor, "batch frames patches 3"]:
    """World points q = p R + t, points as row vectors."""
    return torch.einsum("btni,bij->btnj", points, rotation) + translation[:, None, None]

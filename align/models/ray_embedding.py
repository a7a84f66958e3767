"""The rays of patches as an addition to their tokens."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from align.layout import TokenLayout

# A unit direction and a moment, see `align.inputs.rays`.
RAY_SIZE = 6


class RayEmbedding(nn.Module):
    """A linear layer on Plücker rays that starts at zero, so that a model starts as without it.

    It draws no random numbers: a seed gives all other weights the values that they have without it.

    Args:
        dim: Width of the tokens.
    """

    def __init__(self, dim: int) -> None:
        """Make the layer; the tokens have biases already."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(dim, RAY_SIZE))

    def forward(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        rays: Float[Tensor, "batch patches 6"],
        layout: TokenLayout,
    ) -> Float[Tensor, "batch tokens dim"]:
        """The tokens before the first block, with their rays added; prefix tokens have none.

        Args:
            tokens: Tokens of images.
            rays: Rays of the tokens' patches, in the tokens' order.
            layout: Order of the tokens.

        Raises:
            ValueError: Rays of other patches than the tokens'.
        """
        prefix, patches = layout.split(tokens)
        if rays.shape != (*patches.shape[:2], RAY_SIZE):
            raise ValueError(
                f"{tuple(rays.shape)} are no rays of {patches.shape[1]} patches in {len(patches)} "
                f"images: pass {RAY_SIZE} numbers for each"
            )
        # Neighbouring rays differ by little more than half precision can tell.
        with torch.autocast(tokens.device.type, enabled=False):
            embedded = F.linear(rays.float(), self.weight.float())
        return torch.cat([prefix, patches + embedded.to(patches.dtype)], dim=1)

"""A convolutional stem in place of the linear map of each patch.

Xiao et al., "Early Convolutions Help Transformers See Better", NeurIPS 2021: a few strided
convolutions, then a linear map. From scratch and on few clips, a transformer learns with it in a
fraction of the steps.
"""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float
from timm.models.levit import Stem8, Stem16
from torch import Tensor, nn

from datasets.errors import OptionError

_STEMS = {8: Stem8, 16: Stem16}


class ConvStem(nn.Module):
    """Tokens of patches of 8 or 16 pixels, each of which has seen a little beyond its patch.

    Args:
        patch_size: Side of a patch in pixels.
        dim: Width of the tokens, a multiple of 8.

    Raises:
        OptionError: For another size of patches or width.
    """

    def __init__(self, patch_size: int, dim: int) -> None:
        """Make the layers, with PyTorch's usual weights."""
        super().__init__()
        if patch_size not in _STEMS or dim % 8:
            raise OptionError(
                "--backbone.stem conv needs patches of 8 or 16 pixels and a width that 8 divides, "
                f"not --backbone.patch-size {patch_size} with --backbone.dim {dim}: change these, "
                "or use --backbone.stem patch."
            )
        self.convolutions = _STEMS[patch_size](3, dim, nn.ReLU)
        self.activation = nn.ReLU()
        self.proj = nn.Conv2d(dim, dim, 1)

    def forward(
        self, frames: Float[Tensor, "frames 3 height width"]
    ) -> Float[Tensor, "frames patches dim"]:
        """The tokens of each frame, row by row."""
        maps = self.proj(self.activation(self.convolutions(frames)))
        return rearrange(maps, "b d rows cols -> b (rows cols) d")

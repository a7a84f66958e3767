"""timm's convolutional networks as backbones: the cells of a feature map are the tokens."""

from __future__ import annotations

from typing import Any

import timm
import torch
from einops import rearrange
from jaxtyping import Float
from timm.layers import to_2tuple
from timm.models import get_pretrained_cfg, is_model_in_modules
from torch import Tensor, nn

from align.layout import TokenLayout
from align.models.backbones import PLAIN, missing_weights
from datasets.errors import OptionError

# The stride of most vision transformers, so that maps have as many cells as those have patches.
USUAL_STRIDE = 16


class FeatureMapBackbone(nn.Module):
    """A convolutional network up to one of its feature maps, as `PoseAware` takes its backbone.

    The network counts as one block, so that PAAT follows its last map. There is no class token:
    the readout is the mean over the map, as in global average pooling, and PAAB cannot be inserted.

    Args:
        name: timm's name of a network that gives feature maps, such as `convnext_atto`.
        image_size: Side, or height and width, in pixels.
        stride: Pixels between two cells of the map.
        pretrained: Load weights from the hub or its local cache.
        frames: Frames whose channels an image stacks.

    Raises:
        OptionError: A network without maps, without a map of this stride, or a size that is no
            multiple of it.
        MissingWeightsError: The weights cannot be loaded.
    """

    frames_apart = False
    num_heads = 1  # it has no attention

    def __init__(
        self,
        name: str,
        image_size: int | tuple[int, int],
        stride: int = USUAL_STRIDE,
        pretrained: bool = False,
        frames: int = 1,
    ) -> None:
        """Build the network up to the map."""
        super().__init__()
        self.name = name
        self.image_size: tuple[int, int] = to_2tuple(image_size)
        self.patch_size = (stride, stride)
        if any(side % stride for side in self.image_size):
            height, width = self.image_size
            raise OptionError(
                f"--image-size {height} x {width} is no multiple of {stride} pixels, the stride of "
                f"the map that is read of {name}: choose another, or another --backbone.patch"
            )
        self.network = _network_up_to(name, stride, pretrained, frames)
        # Convolutions are fastest in this memory order.
        self.network = self.network.to(memory_format=torch.channels_last)
        self.embed_dim, rows, cols = self._shape_of_map(3 * frames)
        self.default_layout = TokenLayout(1, rows, cols, prefix=0)
        self.blocks = nn.ModuleList([nn.Identity()])
        self.norm = nn.Identity()

    @torch.no_grad()
    def _shape_of_map(self, channels: int) -> tuple[int, int, int]:
        training = self.network.training
        self.network.eval()  # normalisation learns nothing of an empty picture
        (found,) = self.network(torch.zeros(1, channels, *self.image_size))
        self.network.train(training)
        return found.shape[1], found.shape[2], found.shape[3]

    def layout(self, images: Tensor) -> TokenLayout:
        """The one layout of this network; a ValueError for images of another shape."""
        if images.ndim != 4 or tuple(images.shape[-2:]) != self.image_size:
            raise ValueError(
                f"{self.name} was built for images (batch, 3, {self.image_size[0]}, "
                f"{self.image_size[1]}), not {tuple(images.shape)}"
            )
        return self.default_layout

    def embed(
        self, images: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """The cells of the map, in row-major order."""
        (found,) = self.network(images.contiguous(memory_format=torch.channels_last))
        return rearrange(found, "b c h w -> b (h w) c")

    def run_block(self, index: int, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """The tokens as they are: the network has run in `embed`."""
        return tokens

    def finish(self, tokens: Tensor, layout: TokenLayout) -> Tensor:
        """The tokens as they are."""
        return tokens

    def pool_norm(self, embedding: Tensor) -> Tensor:
        """The embedding as it is."""
        return embedding

    def drop_path(self, index: int) -> float:
        """No stochastic depth."""
        return 0.0


def is_convolutional(name: str) -> bool:
    """Whether timm's network of this name gives maps of channels first, as convolutions do."""
    if not timm.is_model(name) or is_model_in_modules(name, PLAIN):
        return False
    published = get_pretrained_cfg(name)
    # Convolutional networks alone say which map their pooling expects.
    return published is not None and published.pool_size is not None


def _network_up_to(name: str, stride: int, pretrained: bool, frames: int) -> nn.Module:
    try:
        whole: Any = timm.create_model(name, features_only=True)
    except (RuntimeError, AttributeError, TypeError, AssertionError) as error:
        raise OptionError(f"timm gives no feature maps of {name!r} ({error})") from error
    strides = whole.feature_info.reduction()
    if stride not in strides or getattr(whole, "output_fmt", "NCHW") != "NCHW":
        raise OptionError(
            f"{name} has no convolutional map of stride {stride}: choose --backbone.patch from "
            f"{', '.join(map(str, strides))}"
        )
    index = len(strides) - 1 - strides[::-1].index(stride)
    options: dict[str, Any] = {"in_chans": 3 * frames} if frames > 1 else {}
    try:
        return timm.create_model(
            name, pretrained=pretrained, features_only=True, out_indices=(index,), **options
        )
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise missing_weights(name, error) from error

"""The order of tokens in a sequence. No other module rearranges tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from datasets.errors import OptionError


class ClassTokenError(OptionError):
    """Raised when a model without a class token gets a part that needs one."""


class KeptPatchesError(ValueError):
    """Raised when some patches alone are given where all are needed, or for other images."""


@dataclass(frozen=True)
class TokenLayout:
    """Token order of a clip: ``[class; other prefix tokens; (frame, row, col)]``, col fastest.

    An image is a clip of one frame. ``prefix`` counts the tokens before the patches: 1 for a class
    token alone, 0 for a model without one, more with register or distillation tokens (the class
    token is the first of them).

    Raises:
        OptionError: A size below one, or a negative ``prefix``.
    """

    frames: int
    rows: int
    cols: int
    prefix: int = 1

    def __post_init__(self) -> None:
        """Refuse sizes below one."""
        for name in ("frames", "rows", "cols"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.prefix < 0:
            raise OptionError(f"prefix must not be negative, but is {self.prefix}")

    @property
    def patches(self) -> int:
        """Patches of one frame, N."""
        return self.rows * self.cols

    @property
    def tokens(self) -> int:
        """Tokens of a whole sequence, prefix included."""
        return self.prefix + self.frames * self.patches

    def one_frame(self) -> TokenLayout:
        """The layout of a single frame of the clip."""
        return replace(self, frames=1)

    def split(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> tuple[Float[Tensor, "batch prefix dim"], Float[Tensor, "batch patches dim"]]:
        """Split into the prefix (class token first) and the patch tokens of all frames."""
        self.check(tokens)
        return tokens[:, : self.prefix], tokens[:, self.prefix :]

    def check(self, tokens: Tensor) -> None:
        """Raise a ValueError unless ``tokens`` has as many tokens as this layout."""
        if tokens.shape[1] != self.tokens:
            raise ValueError(
                f"{tokens.shape[1]} tokens do not fit {self}: it has {self.prefix} prefix tokens "
                f"and {self.frames} x {self.rows} x {self.cols} patches, {self.tokens} in all"
            )

    def to_grid(
        self, patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "batch frames patches_per_frame dim"]:
        """Patch tokens by frame and position in the frame (row-major)."""
        return rearrange(patches, "b (t n) d -> b t n d", t=self.frames)

    def from_grid(
        self, grid: Float[Tensor, "batch frames patches_per_frame dim"]
    ) -> Float[Tensor, "batch patches dim"]:
        """Undo ``to_grid``."""
        return rearrange(grid, "b t n d -> b (t n) d", t=self.frames)

    def to_frames(
        self, patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "sequences patches_per_frame dim"]:
        """One sequence per frame, for attention in space."""
        return rearrange(patches, "b (t n) d -> (b t) n d", t=self.frames)

    def from_frames(
        self, sequences: Float[Tensor, "sequences patches_per_frame dim"]
    ) -> Float[Tensor, "batch patches dim"]:
        """Undo ``to_frames``."""
        return rearrange(sequences, "(b t) n d -> b (t n) d", t=self.frames)

    def to_positions(
        self, patches: Float[Tensor, "batch patches dim"]
    ) -> Float[Tensor, "sequences frames dim"]:
        """One sequence per patch position, for attention in time."""
        return rearrange(patches, "b (t n) d -> (b n) t d", t=self.frames)

    def from_positions(
        self, sequences: Float[Tensor, "sequences frames dim"]
    ) -> Float[Tensor, "batch patches dim"]:
        """Undo ``to_positions``."""
        return rearrange(sequences, "(b n) t d -> b (t n) d", n=self.patches)

    def keep(
        self, tokens: Float[Tensor, "batch tokens dim"], patches: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch kept_tokens dim"]:
        """The prefix and some of the patch tokens of images, in the order of ``patches``.

        Args:
            tokens: Tokens of images, in this layout.
            patches: Row-major indices of the patches to keep, the same number in each image.

        Raises:
            ValueError: Tokens that do not fit.
            KeptPatchesError: More than one frame, or indices for other images.
        """
        self.check(tokens)
        if self.frames > 1 or len(patches) != len(tokens):
            raise KeptPatchesError(
                f"patches are kept image by image, but {len(tokens)} sequences of {self.frames} "
                f"frames have indices for {len(patches)} images"
            )
        prefix = torch.arange(self.prefix, device=patches.device).expand(len(patches), -1)
        index = torch.cat([prefix, self.token_index(0, patches)], dim=1)
        return tokens.gather(1, index.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))

    def token_index(
        self, frame: Int[Tensor, ...] | int, patch: Int[Tensor, ...]
    ) -> Int[Tensor, ...]:
        """Place in the sequence of patch ``patch`` (row-major) of frame ``frame``."""
        return self.prefix + frame * self.patches + patch

    def flatten_map(
        self, pose_map: Bool[Tensor, "batch frames patches_per_frame"]
    ) -> Bool[Tensor, "batch patches"]:
        """A pose map in the order of the patch tokens."""
        return rearrange(pose_map, "b t n -> b (t n)")

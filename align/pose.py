"""Pose maps: which patches of an image hold a keypoint (paper section 3.1, Eq. 3-4)."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from datasets.errors import OptionError


def pose_map_3d(
    keypoints: Float[Tensor, "... keypoints 2"],
    image_size: tuple[int, int],
    patch_size: int,
    visible: Bool[Tensor, "... keypoints"] | None = None,
    *,
    noise: int = 0,
    dilation: int = 0,
    random: bool = False,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "... patches keypoints"]:
    """Mark for every patch which keypoints lie in it (the paper's P3D).

    A keypoint that is NaN, infinite, outside the image, or not ``visible`` marks nothing. Data
    sets that write missing keypoints as (0, 0) must say so through ``visible``.

    Args:
        keypoints: Pixels, x right and y down; the image spans [0, width) x [0, height).
        image_size: Height and width in pixels, multiples of ``patch_size``.
        patch_size: Side of a square patch in pixels.
        visible: False where a keypoint is missing or hidden.
        noise: Adds a uniform random integer in [0, noise] to each coordinate first (Fig. 4).
        dilation: Marks the square of patches up to this many steps around the keypoint's own.
        random: Instead marks, for each keypoint, as many patches as it would, at random (Table 2).
        generator: Source of all randomness; needed with ``noise`` or ``random``.

    Returns:
        The map, patches row-major: ``n = row * columns + column``.

    Raises:
        ValueError: A size that is no multiple of the patch, shapes that do not fit, or randomness
            without a generator.
        OptionError: A negative control.
    """
    rows, cols = _grid(image_size, patch_size)
    if keypoints.shape[-1] != 2:
        raise ValueError(f"keypoints must end in (x, y), but have shape {tuple(keypoints.shape)}")
    if noise < 0 or dilation < 0:
        raise OptionError(f"noise and dilation must not be negative, got {noise} and {dilation}")
    points = keypoints.float()
    if noise:
        points = points + _integers(noise, points, generator)
    limit = points.new_tensor([image_size[1], image_size[0]])
    inside = ((points >= 0) & (points < limit)).all(dim=-1)
    if visible is not None:
        if visible.shape != inside.shape:
            raise ValueError(
                f"visible has shape {tuple(visible.shape)}, keypoints {tuple(keypoints.shape)}"
            )
        inside = inside & visible.bool()
    # No conversion to integers: that of NaN is undefined and could fall into any patch.
    col, row = torch.div(points, patch_size, rounding_mode="floor").unbind(dim=-1)
    patch = torch.arange(rows * cols, device=points.device).unsqueeze(-1)
    near_row = (torch.div(patch, cols, rounding_mode="floor") - row.unsqueeze(-2)).abs() <= dilation
    near_col = (patch % cols - col.unsqueeze(-2)).abs() <= dilation
    pose_map = near_row & near_col & inside.unsqueeze(-2)
    return _shuffle_patches(pose_map, generator) if random else pose_map


def pose_map_2d(
    keypoints: Float[Tensor, "... keypoints 2"],
    image_size: tuple[int, int],
    patch_size: int,
    visible: Bool[Tensor, "... keypoints"] | None = None,
    *,
    noise: int = 0,
    dilation: int = 0,
    random: bool = False,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, "... patches"]:
    """Mark the patches that hold any keypoint (the paper's P2D).

    Arguments and errors are those of ``pose_map_3d``; ``random`` keeps the number of marked
    patches.
    """
    pose_map = pose_map_3d(
        keypoints,
        image_size,
        patch_size,
        visible,
        noise=noise,
        dilation=dilation,
        generator=generator,
    ).any(dim=-1)
    if random:
        return _shuffle_patches(pose_map.unsqueeze(-1), generator).squeeze(-1)
    return pose_map


def soft_pose_map(
    keypoints: Float[Tensor, "... keypoints 2"],
    image_size: tuple[int, int],
    patch_size: int,
    visible: Bool[Tensor, "... keypoints"] | None = None,
) -> Float[Tensor, "... patches keypoints"]:
    """Spread every keypoint over the patches around it, so that their weighted mean is its place.

    The weights are bilinear in the distance to the patches' centres and sum to 1; a keypoint beyond
    the centres of the outermost patches counts as at their centre. This is not in the paper, whose
    P3D resolves a keypoint's place only to a patch.

    Args:
        keypoints: Pixels, as for ``pose_map_3d``; a keypoint that marks nothing there has no weight
            here.
        image_size: Height and width in pixels, multiples of ``patch_size``.
        patch_size: Side of a square patch in pixels.
        visible: False where a keypoint is missing or hidden.

    Raises:
        ValueError: A size that is no multiple of the patch, or shapes that do not fit.
    """
    rows, cols = _grid(image_size, patch_size)
    held = pose_map_3d(keypoints, image_size, patch_size, visible).any(dim=-2)
    x, y = (keypoints.float() / patch_size - 0.5).unbind(dim=-1)
    near_col, near_row = _nearness(x, cols), _nearness(y, rows)
    weights = near_row.unsqueeze(-1) * near_col.unsqueeze(-2)
    weights = weights.flatten(-2).masked_fill(~held.unsqueeze(-1), 0.0)
    return weights.transpose(-1, -2)


def _nearness(place: Float[Tensor, ...], count: int) -> Float[Tensor, "... count"]:
    """Weights of indices around a place: 1 at distance 0, falling linearly to 0 at distance 1."""
    place = place.clamp(0, count - 1).unsqueeze(-1)
    return (1 - (place - torch.arange(count, device=place.device)).abs()).clamp(min=0)


def _grid(image_size: tuple[int, int], patch_size: int) -> tuple[int, int]:
    """Rows and columns of patches in an image."""
    height, width = image_size
    if patch_size < 1 or height < 1 or width < 1 or height % patch_size or width % patch_size:
        raise ValueError(
            f"an image of {height} x {width} pixels cannot be cut into patches of {patch_size}: "
            "resize it to a multiple of the patch size"
        )
    return height // patch_size, width // patch_size


def _source(generator: torch.Generator | None) -> torch.Generator:
    if generator is None:
        raise ValueError("noise and random pose maps need a torch.Generator: pass generator=…")
    return generator


def _integers(
    largest: int, like: Tensor, generator: torch.Generator | None
) -> Int[Tensor, "... keypoints 2"]:
    source = _source(generator)
    return torch.randint(0, largest + 1, like.shape, generator=source, device=source.device).to(
        like.device
    )


def _shuffle_patches(
    pose_map: Bool[Tensor, "... patches keypoints"], generator: torch.Generator | None
) -> Bool[Tensor, "... patches keypoints"]:
    """The same number of marks per keypoint, on patches drawn without replacement."""
    source = _source(generator)
    scores = torch.rand(pose_map.shape, generator=source, device=source.device)
    rank = scores.to(pose_map.device).argsort(dim=-2).argsort(dim=-2)
    return rank < pose_map.sum(dim=-2, keepdim=True)

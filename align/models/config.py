"""What makes a pose-aware image model: its backbone, PAAB, PAAT and 3DTRL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from align.models.gradients import AuxiliaryGradient
from align.models.predicted_pose import PoseFreeConfig
from align.models.trl3d import Trl3dConfig
from align.paab import PaabVariant
from align.paat import PoseTarget

Readout = Literal["class", "mean", "class+mean"]


@dataclass(frozen=True)
class PaabConfig:
    """Where and how PAAB is inserted; the defaults are the paper's (section 4.2)."""

    positions: tuple[int, ...] = (-1,)
    """After which blocks, counted from 1; -1 is the last block."""
    variant: PaabVariant = "spatial"
    """Pose tokens attend within a frame, over time too (spatiotemporal), or all at once (joint)."""
    blocks: int = 1
    """PAABs at each position, one on top of the other."""
    capacity: int | None = None
    """Upper bound of pose tokens in a frame; None reads it off each pose map."""
    points: bool = False
    """The given keypoints become part of the embedding; the pose map must tell them apart."""


@dataclass(frozen=True)
class PaatConfig:
    """Where and how PAAT is inserted; the defaults are the paper's (section 4.2)."""

    positions: tuple[int, ...] = (1,)
    """After which blocks, counted from 1; -1 is the last block."""
    bottleneck: int = 256
    """Width between the classifier's two layers."""
    target: PoseTarget = "p3d"
    """Predict which keypoint a patch holds (p3d), whether it holds any (p2d), or how near each
    keypoint is to its middle (soft), from which its place follows to less than a patch."""
    gradients: AuxiliaryGradient = "sum"
    """What the backbone sees of PAAT's gradient: all of it (sum, the paper's), what does not point
    against the primary one (pcgrad projects, cosine drops whole images), or nothing (detach)."""
    points: bool = False
    """The last PAAT's predicted keypoints become part of the embedding, at inference too."""

    def __post_init__(self) -> None:
        """Refuse points of a target that does not tell keypoints apart."""
        if self.points and self.target == "p2d":
            raise ValueError("--paat.points needs keypoints told apart: --paat.target soft or p3d")


@dataclass(frozen=True)
class ModelConfig:
    """An image model: a backbone of timm's with PAAB, PAAT, 3DTRL, or none of them."""

    backbone: str = "deit_tiny_patch16_224"
    """Name of any vision transformer of timm's."""
    image_size: int | tuple[int, int] = 224
    """Side, or height and width, in pixels; a multiple of the patch size."""
    depth: int | None = None
    """Blocks to keep; None keeps all of the named model."""
    pretrained: bool = False
    """Start from the hub's weights."""
    drop_path: float = 0.0
    """Stochastic depth at the last block."""
    readout: Readout = "class"
    """What becomes the embedding: the class token, the mean of the patch tokens, or both."""
    freeze_patches: bool = False
    """Leave the projection of patches at its random start, as MoCo v3 does (Chen et al. 2021);
    pretrained ones are trained anyway."""
    paab: PaabConfig | None = None
    """Pose-aware attention blocks."""
    paat: PaatConfig | None = None
    """Pose-aware auxiliary tasks."""
    num_keypoints: int | None = None
    """Keypoints of the skeleton, which PAAT predicts."""
    pose_free: PoseFreeConfig | None = None
    """PAAB takes PAAT's predicted pose map at inference."""
    trl3d: Trl3dConfig | None = None
    """3DTRL."""

"""Options of all networks; nothing heavy is imported here, so `--help` does not wait for torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from align.losses.config import LossName
from datasets.bounds import (
    Depth,
    NaturalInt,
    NonNegativeFloat,
    OptionalWidth,
    Pixels,
    Position,
    PositiveInt,
    Share,
    ShareBelowOne,
    Width,
)
from datasets.errors import OptionError

Readout = Literal["class", "mean", "class+mean"]
PaabVariant = Literal["spatial", "spatiotemporal", "joint"]
PoseTarget = Literal["p3d", "p2d", "soft"]
Late = Literal["given", "predicted", "distilled"]
LateKind = Literal["coordinates", "tokens"]

# torchvision's name of the network whose first layers are the trunk of `TcnNetwork`.
TRUNK = "inception_v3"


@dataclass(frozen=True)
class PaabConfig:
    """Where and how PAAB is inserted; the defaults are the paper's (section 4.2)."""

    positions: tuple[Position, ...] = (-1,)
    """After which blocks, counted from 1; -1 is the last block."""
    variant: PaabVariant = "spatial"
    """Pose tokens attend within a frame, over time too (spatiotemporal), or all at once (joint)."""
    blocks: Depth = 1
    """PAABs at each position, one on top of the other."""
    capacity: PositiveInt | None = None
    """Upper bound of pose tokens in a frame; None reads it off each pose map."""


@dataclass(frozen=True)
class PaatConfig:
    """Where and how PAAT is inserted; the defaults are the paper's (section 4.2)."""

    positions: tuple[Position, ...] = (1,)
    """After which blocks, counted from 1; -1 is the last block."""
    bottleneck: Width = 256
    """Width between the classifier's two layers."""
    # soft locates a keypoint to less than a patch.
    target: PoseTarget = "p3d"
    """p3d: which keypoint a patch holds; p2d: whether it holds any; soft: how near each is."""


@dataclass(frozen=True)
class PoseFreeConfig:
    """Which patches PAAB takes as pose patches when PAAT predicts the pose map."""

    threshold: Share = 0.5
    """Least probability that a patch holds any keypoint."""
    top_k: PositiveInt | None = None
    """Take this number of patches of each frame instead, the likeliest ones."""
    mix: Share = 0.0
    """Probability for a training image that PAAB uses the predicted map, as at inference."""

    def __post_init__(self) -> None:
        """Refuse probabilities outside [0, 1] and numbers of patches below 1."""
        for name in ("threshold", "mix"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"--pose-free.{name} must be 0 to 1, not {getattr(self, name)}")
        if self.top_k is not None and self.top_k < 1:
            raise OptionError(f"--pose-free.top-k must be at least 1, not {self.top_k}")


@dataclass(frozen=True)
class Trl3dConfig:
    """Where 3DTRL is inserted."""

    position: Position = 4
    """Before which block, counted from 0; before the last one of a backbone with fewer."""


@dataclass(frozen=True)
class ModelConfig:
    """An image model: a vision transformer of timm with PAAB, PAAT, 3DTRL, or none of them."""

    backbone: str = "deit_tiny_patch16_224"
    """timm's name of any plain vision transformer."""
    image_size: int | tuple[int, int] = 224
    """Side, or height and width, in pixels; a multiple of the patch size."""
    depth: Depth | None = None
    """Blocks to keep; None keeps all of the named model."""
    patch: Pixels | None = None
    """Side of a patch in pixels; None: the named model's."""
    pretrained: bool = False
    """Start from the hub's weights."""
    drop_path: ShareBelowOne = 0.0
    """Stochastic depth at the last block."""
    readout: Readout = "class"
    """The embedding: the class token, the mean of the patch tokens, or both side by side."""
    freeze_patches: bool = False
    """Keep the patch projection at its random start (MoCo v3); pretrained ones are trained."""
    paab: PaabConfig | None = None
    """Pose-aware attention blocks."""
    paat: PaatConfig | None = None
    """Pose-aware auxiliary tasks."""
    num_keypoints: NaturalInt | None = None
    """Keypoints of the skeleton, which PAAT predicts."""
    pose_free: PoseFreeConfig | None = None
    """PAAB takes PAAT's predicted pose map at inference."""
    trl3d: Trl3dConfig | None = None
    """3DTRL."""
    frames: PositiveInt = 1
    """Frames whose channels an image stacks."""
    rays: bool = False
    """Rays of the patches are added to their tokens."""


@dataclass(frozen=True)
class TcnConfig:
    """The convolutional baselines, tcn and tcn-single."""

    # TCN published n_pairs with --loss.temperature 1 and a head without whiten, center and unit.
    loss: LossName = "margin_triplet"
    """Loss of tcn in place of --loss.name; n_pairs is TCN's other one."""
    single_window: Share = 0.2
    """tcn-single: positives lie within this many seconds, negatives beyond twice as many."""
    channels: Width = 512
    """Channels of the two convolutions after the trunk."""
    hidden: Width = 2048
    """Width of the layer before the embedding."""
    dim: Width = 32
    """Width of the embedding."""


@dataclass(frozen=True)
class DisentangleConfig:
    """Encoders, decoder and the weight of the reconstruction losses."""

    # About as large and as fast as four blocks of DeiT-Tiny.
    encoder: str = "regnetx_002"
    """Convolutional network of timm, used twice."""
    state: Width = 128
    """Width of the state code, which is the embedding."""
    viewpoint: Width = 32
    """Width of the viewpoint code; narrow, so that it has no room for the state."""
    image: Pixels = 64
    """Side of the decoded images in pixels: 4 times a power of 2."""
    channels: Width = 128
    """Channels of the decoder's first map; halved at every doubling of the size."""
    # Errors of pixels in [0, 1] are small where most of an image is background.
    weight: NonNegativeFloat = 100.0
    """Weight of both mean squared errors of pixels."""


@dataclass(frozen=True)
class LateConfig:
    """Late pose: an encoder of keypoints beside the trunk, with a loss of its own."""

    weight: NonNegativeFloat | None = None
    """Weight of the keypoints' embedding; the best on validation episodes by default."""
    freeze_trunk: bool = False
    """Keep the trunk as --init gives it, and train the rest alone."""
    encoder: LateKind = "coordinates"
    """coordinates: layers on the keypoints alone; tokens: PAABs on tokens of the keypoints."""
    hidden: Width = 512
    """coordinates: width of the layers."""
    blocks: Depth = 2
    """tokens: number of PAABs."""
    dim: Width = 192
    """Width of the keypoints' embedding."""
    # About the error of the keypoint detector, a pixel at 112.
    noise: NonNegativeFloat = 0.01
    """Standard deviation of the noise on training coordinates, in half images."""
    channels: Width = 48
    """late-predicted: channels of the keypoint detector."""
    distill: NonNegativeFloat = 1.0
    """late-distilled: weight of the loss that draws the trunk to the joint embedding."""


@dataclass(frozen=True)
class HeadConfig:
    """How the backbone's embedding of a frame becomes the one that is compared."""

    # What all frames share is most of an embedding at initialisation. It keeps a network that is
    # trained from scratch at chance.
    whiten: bool = True
    """Batch norm without affine, which removes what all frames share."""
    dim: OptionalWidth = 0
    """Width of a linear projection after it; 0 has none."""
    # What all frames of a video share, its view and its scene, says nothing about time, yet it is
    # by far the largest part of an embedding at initialisation. Centring needs the whole video, as
    # alignment does.
    center: bool = True
    """Subtract the mean over a video's frames from its embeddings."""
    unit: bool = True
    """Scale embeddings to length 1, so that distances rank as cosine similarities do."""

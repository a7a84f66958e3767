"""Frames to comparable embeddings: encode, whiten, project to the unit sphere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn

from align.layout import KeptPatchesError
from align.models.config import HeadConfig, Late, LateConfig
from align.models.disentangle import Codes, Disentangler
from align.models.keypoint_tokens import KeypointTokens
from align.models.late_pose import DetectedKeypoints, KeypointDetector, KeypointEncoder
from align.models.pose_aware import PoseAware, PoseAwareOutput
from align.models.shared_norm import SharedBatchNorm
from align.models.tcn import TcnNetwork, TcnOutput
from datasets.errors import OptionError

Network = PoseAware | TcnNetwork | Disentangler
Output = PoseAwareOutput | TcnOutput | Codes

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# Names of the losses of an embedding's parts, in the log of a training.
PIXEL_LOSS, KEYPOINT_LOSS = "time_contrastive", "keypoint_contrastive"


class SideInputs(NamedTuple):
    """The inputs of an encoder beside the frames, each None where it needs none.

    Attributes:
        pose_map: P2D maps for PAAB, (batch, patches).
        keypoints: Described keypoints for late pose, see `describe_keypoints`.
        points: Points of motion for late pose, in the same form, see `align.inputs.motion`.
        kept: Row-major indices of the patches that a transformer sees; all by default.
        rays: The ray of each patch, see `align.inputs.rays`.
    """

    pose_map: Tensor | None = None
    keypoints: Float[Tensor, "batch keypoints 3"] | None = None
    points: Float[Tensor, "batch points 3"] | None = None
    kept: Int[Tensor, "batch kept"] | None = None
    rays: Float[Tensor, "batch patches 6"] | None = None

    def at(self, times: np.ndarray) -> SideInputs:
        """Those of some frames."""
        return SideInputs(*(None if value is None else value[times] for value in self))

    def to(self, device: torch.device) -> SideInputs:
        """The same on a device."""
        return SideInputs(*(None if value is None else value.to(device) for value in self))


FRAMES_ALONE = SideInputs()


class Encoded(NamedTuple):
    """The output of an encoder.

    Attributes:
        parts: The parts of the embeddings, before `compare`, by the names of their losses. They
            learn apart. In training, a frozen trunk has none.
        network: The complete output of the network; None where a frozen one had no turn.
        found: The keypoints that late pose has detected, or None.
    """

    parts: Mapping[str, Float[Tensor, "batch dim"]]
    network: Output | None
    found: DetectedKeypoints | None = None

    @property
    def embedding(self) -> Float[Tensor, "batch dim"]:
        """Embeddings of the frames, before `compare`."""
        return torch.cat(list(self.parts.values()), dim=-1)


class FrameEncoder(nn.Module):
    """A network on uint8 frames, with the embedding head of alignment."""

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Network, head: HeadConfig) -> None:
        """Wraps `backbone` with the layers that `head` asks for."""
        super().__init__()
        self.backbone = backbone
        dim = backbone.embed_dim
        self.whiten = SharedBatchNorm(dim, affine=False) if head.whiten else nn.Identity()
        self.project = nn.Linear(dim, head.dim) if head.dim else nn.Identity()
        self.center, self.unit = head.center, head.unit
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def forward(
        self, frames: UInt8[Tensor, "batch channels height width"], side: SideInputs = FRAMES_ALONE
    ) -> Encoded:
        """Embeds frames one by one; `compare` then makes those of one video comparable.

        Args:
            frames: RGB; channels of several frames one after the other, see `TimeConfig`.
            side: What the method needs beside the frames.
        """
        return self.encode(frames, side)

    def normalised(self, frames: UInt8[Tensor, "batch channels height width"]) -> Tensor:
        """Pixels as the network receives them."""
        stacked = frames.shape[1] // 3
        mean, std = (values.repeat(stacked, 1, 1) for values in (self.mean, self.std))
        # In place, which gives the same numbers without two more copies of all pixels.
        return (frames / 255).sub_(mean).div_(std)

    def encode(self, frames: UInt8[Tensor, "batch 3 height width"], side: SideInputs) -> Encoded:
        """Embeds frames by the network and its head alone."""
        # Convolutional networks take images alone.
        given = {}
        if side.pose_map is not None:
            given["pose_map"] = side.pose_map
        if side.kept is not None:
            # Cut first: the pixels of patches that are left out need not be normalised.
            frames, given["kept"] = self._cut(frames, side.kept), side.kept
        if side.rays is not None:
            given["rays"] = side.rays
        output = self.backbone(self.normalised(frames), **given)
        # Distances between neighbouring frames are too small for half precision.
        with torch.autocast(frames.device.type, enabled=False):
            embedding = self.project(self.whiten(output.embedding.float()))
        return Encoded({PIXEL_LOSS: embedding}, output)

    def learners(self) -> list[list[nn.Parameter]]:
        """The parameters, in groups that learn apart."""
        return [list(self.parameters())]

    def _cut(self, frames: Tensor, kept: Int[Tensor, "batch kept"]) -> Tensor:
        if not isinstance(self.backbone, PoseAware):
            raise KeptPatchesError("a convolutional network needs whole frames: pass no `kept`")
        return self.backbone.cut(frames, kept)

    def compare(
        self,
        embedding: Float[Tensor, "*batch time dim"],
        centre: Float[Tensor, " dim"] | None = None,
    ) -> Float[Tensor, "*batch time dim"]:
        """Centred and scaled embeddings, between which distances are measured.

        Args:
            embedding: All frames of a video, or in training the moments drawn from it.
            centre: What is subtracted where the head centres; the mean of `embedding` by default.
                With a centre that is known before, a frame's result depends on it alone.
        """
        return self.compare_part(embedding, centre)

    def compare_part(
        self,
        embedding: Float[Tensor, "*batch time dim"],
        centre: Float[Tensor, " dim"] | None = None,
    ) -> Float[Tensor, "*batch time dim"]:
        """`compare` of one part of the embedding."""
        if self.center:
            mean = embedding.mean(dim=-2, keepdim=True) if centre is None else centre
            embedding = embedding - mean
        return F.normalize(embedding, dim=-1) if self.unit else embedding


# The output of a trunk that had no turn.
NOT_ENCODED = Encoded({}, None)


class LateEncoder(FrameEncoder):
    """A trunk on pixels and an encoder of keypoints, whose embeddings are concatenated.

    The trunk has the names and the initial weights of the same `FrameEncoder`.

    Args:
        backbone: The trunk's network.
        head: The trunk's head.
        num_keypoints: Keypoints of the skeleton; 0 where points of motion take their place.
        config: Options of late pose.
        late: given: keypoints are given at inference; predicted: a detector finds them;
            distilled: the trunk, which learns from the joint embedding, is used alone.
        stacked: Frames whose channels an image stacks.
        num_points: Points of motion, which are embedded with the keypoints.
    """

    weight: Tensor

    def __init__(
        self,
        backbone: Network,
        head: HeadConfig,
        num_keypoints: int,
        config: LateConfig,
        late: Late,
        stacked: int = 1,
        num_points: int = 0,
    ) -> None:
        """Make the trunk first, so that a seed gives it the weights that it has alone."""
        super().__init__(backbone, head)
        self.late, self.frozen = late, config.freeze_trunk
        self.trunk_dim = head.dim or backbone.embed_dim
        if self.frozen:
            self.requires_grad_(False)
        self.num_described = num_keypoints + num_points
        self.keypoints = _keypoint_encoder(backbone, self.num_described, config)
        self.detector: KeypointDetector | None = None
        if late == "predicted":
            self.detector = KeypointDetector(num_keypoints, config.channels, stacked)
        weight = 1.0 if config.weight is None else config.weight
        self.register_buffer("weight", torch.tensor(weight))

    def train(self, mode: bool = True) -> LateEncoder:
        """Training mode, except for a frozen trunk."""
        super().train(mode)
        if self.frozen:
            for module in (self.backbone, self.whiten, self.project):
                module.eval()
        return self

    def forward(
        self, frames: UInt8[Tensor, "batch channels height width"], side: SideInputs = FRAMES_ALONE
    ) -> Encoded:
        """Embeds frames; the keypoints in `side` are needed in training, and by the given form."""
        trunk = self._encode_trunk(frames, side)
        if self.late == "distilled" and not self.training:
            return trunk
        found = None if self.detector is None else self.detector(self.normalised(frames))
        keypoints = side.keypoints
        if found is not None and not self.training:
            keypoints = found.described()
        described = self._joined(keypoints, side.points)
        with torch.autocast(frames.device.type, enabled=False):
            if isinstance(self.keypoints, KeypointTokens):
                late = self.keypoints(described, self._patches(trunk.network))
            else:
                late = self.keypoints(described)
        if self.frozen and self.training:
            trunk = NOT_ENCODED
        return Encoded({**trunk.parts, KEYPOINT_LOSS: late}, trunk.network, found)

    def _joined(
        self, keypoints: Tensor | None, points: Tensor | None
    ) -> Float[Tensor, "batch described 3"]:
        """Keypoints and points of motion, where the encoder reads both."""
        given = [each for each in (keypoints, points) if each is not None]
        count = sum(each.shape[1] for each in given)
        if count != self.num_described:
            raise ValueError(
                f"late pose embeds {self.num_described} keypoints and points of motion of every "
                f"frame, not {count}: pass side.keypoints, side.points or both, as in training"
            )
        return torch.cat([each.float() for each in given], dim=1)

    def _encode_trunk(
        self, frames: UInt8[Tensor, "batch channels height width"], side: SideInputs
    ) -> Encoded:
        if not (self.frozen and self.training):
            return self.encode(frames, side)
        if not isinstance(self.keypoints, KeypointTokens):
            return NOT_ENCODED  # nothing would learn from its pass
        with torch.no_grad():
            return self.encode(frames, side)

    def _patches(self, output: Output | None) -> Float[Tensor, "batch dim rows cols"]:
        """The trunk's patch tokens in their places."""
        network = self.backbone
        if not (isinstance(network, PoseAware) and isinstance(output, PoseAwareOutput)):
            raise TypeError("keypoint tokens need the tokens of a transformer")
        _, patches = network.layout.split(output.tokens)
        return rearrange(patches, "b (r c) d -> b d r c", r=network.layout.rows)

    def learners(self) -> list[list[nn.Parameter]]:
        """Trunk, keypoint encoder and detector, which have no loss in common."""
        late = (self.keypoints, self.detector)
        apart = [list(module.parameters()) for module in late if module is not None]
        known = {id(parameter) for parameters in apart for parameter in parameters}
        return [[p for p in self.parameters() if id(p) not in known], *apart]

    def compare(
        self,
        embedding: Float[Tensor, "*batch time dim"],
        centre: Float[Tensor, " dim"] | None = None,
    ) -> Float[Tensor, "*batch time dim"]:
        """Both parts centred and scaled apart, then side by side at the chosen weight."""
        trunk, late = embedding.tensor_split([self.trunk_dim], dim=-1)
        of_trunk = of_late = None
        if centre is not None:
            of_trunk, of_late = centre.tensor_split([self.trunk_dim], dim=-1)
        trunk = self.compare_part(trunk, of_trunk)
        if not late.shape[-1]:
            return trunk
        weight = self.weight.item()
        joint = torch.cat([trunk, weight * self.compare_part(late, of_late)], dim=-1)
        return joint / math.hypot(1, weight) if self.unit else joint


def _keypoint_encoder(
    network: Network, num_keypoints: int, config: LateConfig
) -> KeypointEncoder | KeypointTokens:
    """The encoder of keypoints that the options name.

    Raises:
        OptionError: When it needs the tokens of a transformer, and the trunk is none.
    """
    if config.encoder == "coordinates":
        return KeypointEncoder(num_keypoints, config)
    if not isinstance(network, PoseAware):
        raise OptionError("--late.encoder tokens needs a transformer: choose a pose of deit")
    host = network.backbone
    return KeypointTokens(num_keypoints, config, host.embed_dim, host.num_heads)

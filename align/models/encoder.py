"""Frames to comparable embeddings: encode, whiten, project to the unit sphere."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from align.models.config import HeadConfig
from align.models.disentangle import Codes, Disentangler
from align.models.pose_aware import PoseAware, PoseAwareOutput
from align.models.shared_norm import SharedBatchNorm
from align.models.tcn import TcnNetwork, TcnOutput

Network = PoseAware | TcnNetwork | Disentangler
Output = PoseAwareOutput | TcnOutput | Codes

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
        self,
        frames: UInt8[Tensor, "batch 3 height width"],
        pose_map: Bool[Tensor, "batch patches"] | None = None,
        kept: Int[Tensor, "batch kept"] | None = None,
    ) -> tuple[Float[Tensor, "batch dim"], Output]:
        """Embeds frames one by one; `compare` then makes those of one video comparable.

        Args:
            frames: RGB.
            pose_map: P2D, where the network has PAAB and needs one.
            kept: Patches that a transformer sees, by row-major index; all by default.

        Returns:
            The embeddings, and the complete output of the network.
        """
        # Convolutional networks take images alone.
        given = {}
        if pose_map is not None:
            given["pose_map"] = pose_map
        if kept is not None:
            # Cut first: the pixels of patches that are left out need not be normalised.
            frames, given["kept"] = self._cut(frames, kept), kept
        output = self.backbone((frames / 255 - self.mean) / self.std, **given)
        # Distances between neighbouring frames are too small for half precision.
        with torch.autocast(frames.device.type, enabled=False):
            return self.project(self.whiten(output.embedding.float())), output

    def _cut(self, frames: Tensor, kept: Int[Tensor, "batch kept"]) -> Tensor:
        if not isinstance(self.backbone, PoseAware):
            raise ValueError("a convolutional network needs whole frames: pass no `kept`")
        return self.backbone.cut(frames, kept)

    def compare(
        self, embedding: Float[Tensor, "*batch time dim"]
    ) -> Float[Tensor, "*batch time dim"]:
        """Centred and scaled embeddings, between which distances are measured.

        Args:
            embedding: All frames of a video, or in training the moments drawn from it.
        """
        if self.center:
            embedding = embedding - embedding.mean(dim=-2, keepdim=True)
        return F.normalize(embedding, dim=-1) if self.unit else embedding

"""VPN: poses weigh the positions and moments of I3D's last map.

Das et al., "VPN: Learning Video-Pose Embedding for Activities of Daily Living", ECCV 2020.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from action.models.graphs import NTU25, SkeletonGraph
from action.models.i3d import I3D_WIDTH, I3dTrunk

Layout = Literal["described", "published"]
# Moments of a clip at which the pose is read.
VPN_STEPS = 16
# Keras's, as published.
_EPS = 1e-3
_BONE, _PAIR = 5.0, 2.0
# VPN hangs the tips of hands on the hands, and joins these far joints (from 0).
_NTU_TIPS = {21: 7, 22: 7, 23: 11, 24: 11}
_NTU_PAIRS = ((11, 18), (9, 17), (5, 13), (7, 14), (11, 7), (9, 5))


def weighted_filter(graph: SkeletonGraph) -> Float[Tensor, "joints joints"]:
    """The filter of VPN's graph convolutions: weighted bones, normalised on both sides.

    Bones weigh five times as much as a joint itself; on NTU25, six pairs of far joints twice.
    """
    weights = torch.eye(graph.joints)
    tips, pairs = (_NTU_TIPS, _NTU_PAIRS) if graph == NTU25 else ({}, ())
    for child, parent in graph.bones:
        other = tips.get(child, parent)
        weights[child, other] = weights[other, child] = _BONE
    for a, b in pairs:
        weights[a, b] = weights[b, a] = _PAIR
    scale = weights.sum(dim=1).rsqrt()
    return scale[:, None] * weights * scale[None, :]


class PoseCode(nn.Module):
    """Graph convolutions on the joints of each step, then convolutions over time and joints.

    Args:
        graph: The skeleton.
        dropout: Before and after the dense layers.
    """

    filter: Tensor

    def __init__(self, graph: SkeletonGraph = NTU25, dropout: float = 0.5) -> None:
        """Make the layers; each step has a graph convolution of its own, as published."""
        super().__init__()
        self.register_buffer("filter", weighted_filter(graph), persistent=False)
        self.graph_convs = nn.ModuleList(nn.Linear(6, 64) for _ in range(VPN_STEPS))
        self.convs = nn.Sequential(
            *_norm_conv(67, 64),
            *_norm_conv(64, 64),
            nn.MaxPool2d(2),
            *_norm_conv(64, 128),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(128, eps=_EPS),
            nn.Dropout(dropout),
        )
        places = (VPN_STEPS // 4) * (graph.joints // 4)
        self.dense = nn.Sequential(
            *(nn.Linear(places * 128, 256), nn.ReLU()),
            *(nn.Linear(256, 128), nn.ReLU(), nn.Dropout(dropout)),
        )

    def forward(self, joints: Float[Tensor, "batch 16 joints 3"]) -> Float[Tensor, "batch 128"]:
        """A code of the pose's motion."""
        image = rearrange(self.pose_map(joints), "b t v c -> b c t v")
        return self.dense(rearrange(self.convs(image), "b c t v -> b (t v c)"))

    def pose_map(
        self, joints: Float[Tensor, "batch 16 joints 3"]
    ) -> Float[Tensor, "batch 16 joints 67"]:
        """Each joint's features from itself and its neighbours, and its coordinates."""
        gathered = torch.cat([joints, torch.einsum("vw,btwc->btvc", self.filter, joints)], dim=-1)
        steps = [F.elu(conv(gathered[:, i])) for i, conv in enumerate(self.graph_convs)]
        return torch.cat([torch.stack(steps, dim=1), joints], dim=-1)


def _norm_conv(width_in: int, width: int) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(width_in, width, 3, padding=1)
    return nn.BatchNorm2d(width_in, eps=_EPS), conv, nn.ReLU()


class VpnOutput(NamedTuple):
    """Logits, and what VPN's losses need."""

    logits: Float[Tensor, "batch classes"]
    spatial: Float[Tensor, "batch places"]
    temporal: Float[Tensor, "batch steps"]
    video_embedding: Float[Tensor, "batch 256"]
    pose_embedding: Float[Tensor, "batch 256"]
    embedding: Float[Tensor, "batch 1024"]


def _even(hidden: int, width: int) -> nn.Sequential:
    """A small network on a pose code whose outputs start equal."""
    last = nn.Linear(hidden, width)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return nn.Sequential(nn.Linear(128, hidden), nn.Tanh(), last)


class VpnCoupler(nn.Module):
    """Everything after I3D's map: the pose's attention, the classifier and the embedding.

    Args:
        num_classes: Classes.
        graph: The skeleton.
        grid: Steps, rows and columns of I3D's map.
        layout: "described" lays the spatial weights on the map. "published" spreads them over the
            steps in storage order, as the code does.
    """

    def __init__(
        self,
        num_classes: int,
        graph: SkeletonGraph = NTU25,
        grid: tuple[int, int, int] = (2, 7, 7),
        layout: Layout = "described",
    ) -> None:
        """Make the layers; attention starts even."""
        super().__init__()
        self.grid, self.layout = grid, layout
        steps, places = grid[0], grid[1] * grid[2]
        self.pose = PoseCode(graph)
        self.spatial, self.temporal = _even(256, places), _even(128, steps)
        self.embed_video = nn.Linear(steps * places * I3D_WIDTH, 256)
        self.embed_pose = nn.Linear(places, 256)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(I3D_WIDTH, num_classes)
        # Published: a second linear map stands between the first and the softmax.
        self.second_head = nn.Linear(num_classes, num_classes)

    def forward(
        self,
        features: Float[Tensor, "batch 1024 steps rows cols"],
        joints: Float[Tensor, "batch 16 joints 3"],
    ) -> VpnOutput:
        """Logits from I3D's map, weighed by the pose."""
        code = self.pose(joints)
        spatial, temporal = self.spatial(code).sigmoid(), self.temporal(code).softmax(dim=-1)
        weighed = self.weigh(features, self.attention(spatial, temporal))
        flat = rearrange(features, "b c t h w -> b (t h w c)")
        return VpnOutput(
            self.second_head(self.head(self.dropout(weighed))),
            spatial,
            temporal,
            self.embed_video(flat).sigmoid(),
            self.embed_pose(spatial).sigmoid(),
            weighed,
        )

    def attention(
        self, spatial: Float[Tensor, "batch places"], temporal: Float[Tensor, "batch steps"]
    ) -> Float[Tensor, "batch steps rows cols"]:
        """The weight of each place of the map."""
        steps, rows, cols = self.grid
        if self.layout == "published":
            spread = spatial.repeat_interleave(steps, dim=1).unflatten(1, self.grid)
            return temporal[:, :, None, None] * spread
        return temporal[:, :, None, None] * spatial.unflatten(1, (1, rows, cols))

    @staticmethod
    def weigh(
        features: Float[Tensor, "batch 1024 steps rows cols"],
        attention: Float[Tensor, "batch steps rows cols"],
    ) -> Float[Tensor, "batch 1024"]:
        """The mean of the map and the weighed map."""
        return (features * (1 + attention[:, None])).mean(dim=(2, 3, 4))


class Vpn(nn.Module):
    """I3D and VPN's coupler; poses are needed at inference, too.

    Args:
        num_classes: Classes.
        graph: The skeleton.
        frames: Frames of a clip.
        image_size: Side of the frames in pixels.
        layout: See `VpnCoupler`.
    """

    def __init__(
        self,
        num_classes: int,
        graph: SkeletonGraph = NTU25,
        frames: int = 16,
        image_size: int = 224,
        layout: Layout = "described",
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = I3dTrunk()
        side = -(-image_size // 32)
        self.coupler = VpnCoupler(num_classes, graph, (-(-frames // 8), side, side), layout)

    def forward(
        self,
        clips: Float[Tensor, "batch 3 frames height width"],
        joints: Float[Tensor, "batch 3 16 joints persons"],
    ) -> VpnOutput:
        """Logits and what the losses need; the first person's pose is read.

        Args:
            clips: Pixels from -1 to 1.
            joints: Joints in space at 16 moments, see `sample_moments`.
        """
        first = rearrange(joints[..., 0], "b c t v -> b t v c")
        return self.coupler(self.trunk(clips), first)


def vpn_loss(output: VpnOutput, labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Cross-entropy, the distance of the embeddings, and how far attention is from a sum of 1."""
    recognition = F.cross_entropy(output.logits, labels)
    regulariser = attention_regulariser(output.spatial) + attention_regulariser(output.temporal)
    return 99.9 * recognition + 0.1 * embedding_loss(output) + regulariser.mean()


def embedding_loss(output: VpnOutput) -> Float[Tensor, ""]:
    """Squared L1 distance of the video's embedding from the pose's."""
    distance = (output.video_embedding - output.pose_embedding).abs().sum(dim=1)
    return distance.square().mean()


def attention_regulariser(weights: Float[Tensor, "batch places"]) -> Float[Tensor, " batch"]:
    """How far each clip's weights are from a sum of 1; the published code sums over the batch."""
    return 1e-5 * (1 - weights.sum(dim=1)).square()


def sample_moments(
    joints: Float[Tensor, "frames joints 3"],
    generator: torch.Generator | None = None,
    origin: int = 1,
) -> Float[Tensor, "16 joints 3"]:
    """A random frame of each of 16 equal parts of a sequence, about a joint of the first frame.

    A rest of fewer than eight frames is cut off; a longer one is filled up with zeros.

    Args:
        joints: Joints in space.
        generator: Randomness; None takes the middle of each part.
        origin: Joint that becomes the origin; NTU25's is the middle of the spine.
    """
    joints = joints - joints[:1, origin : origin + 1]
    whole, rest = divmod(len(joints), VPN_STEPS)
    length = whole + 1 if rest >= VPN_STEPS // 2 or whole == 0 else whole
    missing = max(0, length * VPN_STEPS - len(joints))
    parts = F.pad(joints, (0, 0, 0, 0, 0, missing))[: length * VPN_STEPS]
    within = (
        torch.full((VPN_STEPS,), length // 2)
        if generator is None
        else torch.randint(length, (VPN_STEPS,), generator=generator)
    )
    return parts[torch.arange(VPN_STEPS) * length + within]

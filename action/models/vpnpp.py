"""VPN++: a student on RGB learns the attention and the features of networks that see poses.

Das et al., "VPN++: Rethinking Video-Pose Embeddings for Understanding Activities of Daily Living",
T-PAMI 2021. Train the teacher first, then the student: the published loop never trains it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from action.models.agcn import AdaptiveTrunk
from action.models.graphs import NTU25, SkeletonGraph
from action.models.i3d import I3D_WIDTH, I3dTrunk

# Width of the space in which a clip's and a pose's features are compared.
EMBEDDING = 4096
# The map after I3D of 64 frames of 224 pixels: steps, rows, columns.
_GRID = (8, 7, 7)


def grid_of(frames: int, image_size: int) -> tuple[int, int, int]:
    """Steps, rows and columns of I3D's map."""
    side = -(-image_size // 32)
    return -(-frames // 8), side, side


class PoseAttention(nn.Module):
    """Weights of the places of I3D's map, from two adaptive graph units.

    Args:
        graph: The skeleton.
        persons: Persons of a clip.
        grid: Steps, rows and columns of the map.
    """

    def __init__(
        self,
        graph: SkeletonGraph = NTU25,
        persons: int = 2,
        grid: tuple[int, int, int] = _GRID,
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.grid = grid
        self.trunk = AdaptiveTrunk(graph, persons, units=((64, 1), (64, 1)))
        self.spatial = nn.Linear(self.trunk.width, grid[1] * grid[2])
        self.temporal = nn.Linear(self.trunk.width, grid[0])

    def forward(
        self, joints: Float[Tensor, "batch 3 frames joints persons"]
    ) -> Float[Tensor, "batch steps rows cols"]:
        """The product of weights over time, whose sum is 1, and over space, each below 1."""
        code = self.trunk(joints)
        spatial, temporal = self.spatial(code).sigmoid(), self.temporal(code).softmax(dim=-1)
        return temporal[:, :, None, None] * spatial.unflatten(1, (1, *self.grid[1:]))


class MapHead(nn.Module):
    """Classifies I3D's map: each pair of steps, then all of them together.

    Args:
        num_classes: Classes.
        grid: Steps, rows and columns of the map.
    """

    def __init__(self, num_classes: int, grid: tuple[int, int, int] = _GRID) -> None:
        """Make the layers."""
        super().__init__()
        self.kernel = (min(2, grid[0]), grid[1], grid[2])
        self.steps = grid[0] - self.kernel[0] + 1
        self.dropout = nn.Dropout(0.5)
        self.classify = nn.Conv3d(I3D_WIDTH, num_classes, 1)
        self.join = nn.Linear(num_classes * self.steps, num_classes)

    def pool(
        self, features: Float[Tensor, "batch 1024 steps rows cols"]
    ) -> Float[Tensor, "batch 1024 pairs 1 1"]:
        """Means over two steps and all positions."""
        return F.avg_pool3d(features, self.kernel, 1)

    def forward(
        self, features: Float[Tensor, "batch 1024 steps rows cols"]
    ) -> Float[Tensor, "batch classes"]:
        """Logits."""
        return self.join(self.classify(self.dropout(self.pool(features))).flatten(1))


class TeacherOutput(NamedTuple):
    """The teacher's logits, its attention, which the student learns, and the weighed map's mean."""

    logits: Float[Tensor, "batch classes"]
    attention: Float[Tensor, "batch steps rows cols"]
    embedding: Float[Tensor, "batch 1024"]


class VpnppTeacher(nn.Module):
    """I3D whose map the pose weighs.

    Args:
        num_classes: Classes.
        graph: The skeleton.
        persons: Persons of a clip.
        frames: Frames of a clip.
        image_size: Side of the frames in pixels.
    """

    def __init__(
        self,
        num_classes: int,
        graph: SkeletonGraph = NTU25,
        persons: int = 2,
        frames: int = 64,
        image_size: int = 224,
    ) -> None:
        """Make the layers."""
        super().__init__()
        grid = grid_of(frames, image_size)
        self.trunk = I3dTrunk()
        self.attention = PoseAttention(graph, persons, grid)
        self.head = MapHead(num_classes, grid)

    def forward(
        self,
        clips: Float[Tensor, "batch 3 frames height width"],
        joints: Float[Tensor, "batch 3 moments joints persons"],
    ) -> TeacherOutput:
        """Logits and attention.

        Args:
            clips: Pixels from -1 to 1.
            joints: Joints in space.
        """
        attention = self.attention(joints)
        features = weighed(self.trunk(clips), attention)
        return TeacherOutput(self.head(features), attention, features.mean(dim=(2, 3, 4)))


def weighed(
    features: Float[Tensor, "batch 1024 steps rows cols"],
    attention: Float[Tensor, "batch steps rows cols"],
) -> Float[Tensor, "batch 1024 steps rows cols"]:
    """A map, and the map times its attention, added."""
    return features * (1 + attention[:, None])


class SelfAttention(nn.Module):
    """Every place of the map attends to a quarter of them, and adds what it finds.

    Args:
        width: Channels of the map; half as many are compared.
    """

    def __init__(self, width: int = I3D_WIDTH) -> None:
        """Make the layers; what is added starts at zero."""
        super().__init__()
        self.theta = nn.Conv3d(width, width // 2, 1)
        self.phi = nn.Conv3d(width, width // 2, 1)
        self.g = nn.Conv3d(width, width // 2, 1)
        self.out = nn.Conv3d(width // 2, width, 1)
        self.norm = nn.BatchNorm3d(width)
        nn.init.zeros_(self.norm.weight)

    def forward(
        self, features: Float[Tensor, "batch width steps rows cols"]
    ) -> tuple[Float[Tensor, "batch width steps rows cols"], Float[Tensor, "batch places keys"]]:
        """The map after attention, and the attention, whose rows sum to 1."""
        queries = self.theta(features)
        keys, values = (
            F.max_pool3d(convolve(features), (1, 2, 2)).flatten(2)
            for convolve in (self.phi, self.g)
        )
        scores = rearrange(queries, "b c t h w -> b (t h w) c") @ keys
        # Published without the usual scale.
        attention = scores.softmax(dim=-1)
        found = (attention @ values.transpose(1, 2)).transpose(1, 2)
        return features + self.norm(self.out(found.reshape(queries.shape))), attention


class StudentOutput(NamedTuple):
    """The student's logits, and the embeddings that learn from the teacher and from a pose."""

    logits: Float[Tensor, "batch classes"]
    attention: Float[Tensor, "batch places"]
    feature: Float[Tensor, "batch embedding"]


class StudentHead(nn.Module):
    """Everything of the student after I3D's map.

    Args:
        num_classes: Classes.
        grid: Steps, rows and columns of the map.
    """

    def __init__(self, num_classes: int, grid: tuple[int, int, int] = _GRID) -> None:
        """Make the layers."""
        super().__init__()
        places = grid[0] * grid[1] * grid[2]
        keys = grid[0] * (grid[1] // 2) * (grid[2] // 2)
        self.self_attention = SelfAttention()
        self.embed_attention = nn.Linear(places * keys, places)
        self.head = MapHead(num_classes, grid)
        self.embed_feature = nn.Linear(I3D_WIDTH * self.head.steps, EMBEDDING)

    def forward(self, features: Float[Tensor, "batch 1024 steps rows cols"]) -> StudentOutput:
        """Logits and embeddings."""
        attended, attention = self.self_attention(features)
        return StudentOutput(
            self.head(attended),
            self.embed_attention(attention.flatten(1)),
            self.embed_feature(self.head.pool(features).flatten(1)),
        )


class VpnppStudent(nn.Module):
    """I3D with self-attention, which needs no pose at inference.

    Args:
        num_classes: Classes.
        frames: Frames of a clip.
        image_size: Side of the frames in pixels; 64 or more.
    """

    def __init__(self, num_classes: int, frames: int = 64, image_size: int = 224) -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = I3dTrunk()
        self.head = StudentHead(num_classes, grid_of(frames, image_size))

    def forward(self, clips: Float[Tensor, "batch 3 frames height width"]) -> StudentOutput:
        """Logits and embeddings.

        Args:
            clips: Pixels from -1 to 1.
        """
        return self.head(self.trunk(clips))


def attention_loss(
    student: Float[Tensor, "batch places"], teacher: Float[Tensor, "batch steps rows cols"]
) -> Float[Tensor, ""]:
    """Squared difference of the attentions, summed over places and clips."""
    return (student - teacher.flatten(1)).square().sum()


def contrastive_loss(
    video: Float[Tensor, "pairs embedding"],
    pose: Float[Tensor, "pairs embedding"],
    positive: Bool[Tensor, " pairs"],
    published: bool = False,
) -> Float[Tensor, ""]:
    """Cross-entropy of telling a clip's own pose from another clip's.

    Args:
        video: The student's embeddings.
        pose: Embeddings of poses.
        positive: Whether the pose is the clip's own.
        published: Score pairs by the exponential of the product, as the code does: a negative pair
            then never costs less than ln 2, and wide features overflow.
    """
    product = (video * pose).sum(dim=1)
    score = product.exp() if published else product
    return F.binary_cross_entropy_with_logits(score, positive.to(score.dtype))


class PosePairs(NamedTuple):
    """Clips and poses, each clip once with its own pose and once with another's."""

    clip: Int[Tensor, " pairs"]
    pose: Float[Tensor, "pairs embedding"]
    positive: Bool[Tensor, " pairs"]


def pose_pairs(poses: Float[Tensor, "batch embedding"]) -> PosePairs:
    """Each clip with its own pose, and with that of the clip before it in the batch.

    That may be of the same class, as published.
    """
    clips = torch.arange(len(poses), device=poses.device)
    own = torch.ones_like(clips, dtype=torch.bool)
    return PosePairs(clips.repeat(2), torch.cat([poses, poses.roll(1, 0)]), torch.cat([own, ~own]))


def vpnpp_loss(
    student: StudentOutput,
    teacher: TeacherOutput,
    pairs: PosePairs,
    labels: Int[Tensor, " batch"],
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Cross-entropy of both networks, and what the student learns from the poses.

    Returns:
        The loss, and its contrastive part before it is weighed.
    """
    contrast = contrastive_loss(student.feature[pairs.clip], pairs.pose, pairs.positive)
    total = (
        0.9 * F.cross_entropy(student.logits, labels)
        + 0.1 * F.cross_entropy(teacher.logits, labels)
        + 0.001 * attention_loss(student.attention, teacher.attention)
        + 0.001 * contrast
    )
    return total, contrast

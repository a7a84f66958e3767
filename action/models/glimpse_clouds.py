"""Glimpse Clouds: glimpses of the last map, shared out among recurrent workers.

Baradel et al., "Glimpse Clouds: Human Activity Recognition from Unstructured Feature Points",
CVPR 2018. Poses are needed in training alone, see `action.models.glimpse_losses`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from action.models.inflated_resnet import RESNET_WIDTH, InflatedResNet50, Maps

GLIMPSES, WORKERS = 3, 3
# Side of a glimpse in places of the last map.
_SIDE = 7
# Glimpses start almost as large as the frame.
_ZOOM_OFFSET = 3.0
_TEMPERATURE = 0.5
# Steps in which what a worker has seen loses a factor e of its weight.
_MEMORY = 4.0
_LARGEST_DISTANCE = 1e5
# The joints of NTU's skeletons.
_JOINTS = 25


class GlimpseOutput(NamedTuple):
    """Logits, and what the losses and the tests look at.

    ``points`` are x, y from -1 to 1 and the zoom along both.
    """

    logits: Float[Tensor, "batch classes"]
    pose: Float[Tensor, "batch frames 2 joints 2"]
    points: Float[Tensor, "batch frames glimpses 4"]
    features: Float[Tensor, "batch frames glimpses width"]
    assignment: Float[Tensor, "batch workers frames glimpses"]

    @property
    def embedding(self) -> Float[Tensor, "batch width"]:
        """The mean of the glimpses."""
        return self.features.mean(dim=(1, 2))


class Zoomer(nn.Module):
    """Places glimpses one after the other, each where the ones before suggest.

    Args:
        width: Channels of the last map; the pose map has half as many.
        hidden: Width of the recurrent states.
        embedding: Width inside the embedding of a place.
    """

    def __init__(self, width: int, hidden: int, embedding: int) -> None:
        """Make the layers."""
        super().__init__()
        self.locate = nn.Linear(width // 2 + hidden, 4)
        self.embed = nn.Sequential(nn.Linear(4, embedding), nn.ReLU(), nn.Linear(embedding, width))
        self.recur = nn.GRUCell(width + hidden, hidden)

    def forward(
        self,
        context: Float[Tensor, "batch half_width"],
        frame: Float[Tensor, "batch width rows cols"],
        seen: Float[Tensor, "batch hidden"],
        state: Float[Tensor, "batch hidden"],
    ) -> tuple[
        Float[Tensor, "batch 4"], Float[Tensor, "batch width"], Float[Tensor, "batch hidden"]
    ]:
        """A place, the features there, and the next state.

        Args:
            context: The mean of the pose map of the frame.
            frame: The last map of the frame.
            seen: The sum of the workers' states.
            state: The state after the glimpse before.
        """
        raw = self.locate(torch.cat([context, state], dim=1))
        point = torch.cat([raw[:, :2].tanh(), (raw[:, 2:] + _ZOOM_OFFSET).sigmoid()], dim=1)
        feature = cut_out(frame, point).mean(dim=(2, 3)) * self.embed(raw)
        return point, feature, self.recur(torch.cat([feature, seen], dim=1), state)


def cut_out(
    frame: Float[Tensor, "batch width rows cols"], point: Float[Tensor, "batch 4"]
) -> Float[Tensor, "batch width 7 7"]:
    """The part of a map at a place; no gradient flows to the place, as published."""
    x, y, zoom_x, zoom_y = point.detach().unbind(dim=1)
    zero = torch.zeros_like(x)
    affine = torch.stack([zoom_x, zero, x, zero, zoom_y, y], dim=1).unflatten(1, (2, 3))
    size = [*frame.shape[:2], _SIDE, _SIDE]
    grid = F.affine_grid(affine, size, align_corners=True)
    return F.grid_sample(frame, grid, align_corners=True)


def similarities(
    old: Float[Tensor, "batch steps glimpses width"],
    new: Float[Tensor, "batch glimpses width"],
    precision: Float[Tensor, "width width"],
    scale_over: Literal["clip", "batch"] = "clip",
) -> Float[Tensor, "batch steps glimpses glimpses"]:
    """How like each new glimpse is to each old one: 1 at no distance, 0 at the largest.

    Args:
        old: Glimpses of the frames before.
        new: Glimpses of this frame.
        precision: Inverse covariance of glimpses, in which distances are measured.
        scale_over: Where the largest distance is looked for. The published code looks in the whole
            batch, so that a clip's logits depend on the other clips.
    """
    apart = old[:, :, :, None] - new[:, None, None]
    distance = torch.einsum("btigd,de,btige->btig", apart, precision, apart)
    distance = distance.clamp(0, _LARGEST_DISTANCE)
    dims = (0, 1, 2, 3) if scale_over == "batch" else (1, 2, 3)
    largest = distance.amax(dims, keepdim=True)
    return 1 - distance / largest.clamp_min(torch.finfo(distance.dtype).tiny)


def pose_reader(joints: int, width: int = RESNET_WIDTH // 2) -> nn.Linear:
    """The layer that reads x and y of two persons' joints."""
    return nn.Linear(width, 2 * joints * 2)


def poses(
    reader: nn.Linear, pose_map: Float[Tensor, "batch half_width frames rows cols"]
) -> Float[Tensor, "batch frames 2 joints 2"]:
    """Two persons' joints from -1 to 1 in each frame."""
    numbers = reader(pose_map.mean(dim=(3, 4)).transpose(1, 2)).tanh()
    return numbers.unflatten(2, (2, -1, 2))


class GlimpseHead(nn.Module):
    """Everything after the CNN: glimpses, workers and the classifier.

    Args:
        num_classes: Classes.
        width: Channels of the last map.
        hidden: Width of the recurrent states.
        embedding: Width inside the embedding of a place.
        scale_over: See `similarities`.
        memory: What a worker's memory fades with: the steps since ("newest"), or, as published, the
            steps from the start ("oldest").
        shared_state: Whether all workers start each step from the first one's new state, as
            published.
        joints: Joints of a person.
    """

    precision: Tensor

    def __init__(
        self,
        num_classes: int,
        width: int = RESNET_WIDTH,
        hidden: int = 512,
        embedding: int = 256,
        scale_over: Literal["clip", "batch"] = "clip",
        memory: Literal["newest", "oldest"] = "newest",
        shared_state: bool = False,
        joints: int = _JOINTS,
    ) -> None:
        """Make the layers; distances are Euclidean until `measure_by` is called."""
        super().__init__()
        self.scale_over: Literal["clip", "batch"] = scale_over
        self.memory, self.shared_state = memory, shared_state
        self.hidden = hidden
        self.register_buffer("precision", torch.eye(width))
        self.read_pose = pose_reader(joints, width // 2)
        self.zoomer = Zoomer(width, hidden, embedding)
        self.first_assignment = nn.Parameter(torch.randn(WORKERS, GLIMPSES).abs())
        self.workers = nn.ModuleList(nn.GRUCell(width, hidden) for _ in range(WORKERS))
        self.heads = nn.ModuleList(nn.Linear(hidden, num_classes) for _ in range(WORKERS))

    def forward(self, maps: Maps) -> GlimpseOutput:
        """Logits of clips from their maps."""
        batch, frames = len(maps.final), maps.final.shape[2]
        contexts = maps.pose.mean(dim=(3, 4))
        zoom = contexts.new_zeros(batch, self.hidden)
        states = [contexts.new_zeros(batch, self.hidden) for _ in range(WORKERS)]
        points: list[Tensor] = []
        features: list[Tensor] = []
        assigned: list[Tensor] = []
        logits: list[Tensor] = []
        for t in range(frames):
            place, feature, zoom = self._glimpses(
                contexts[:, :, t], maps.final[:, :, t], torch.stack(states).sum(dim=0), zoom
            )
            points.append(place)
            assigned.append(self._assign(features, feature, assigned))
            features.append(feature)
            states = self._work(assigned[-1], feature, states)
            logits += [head(state) for head, state in zip(self.heads, states, strict=True)]
        return GlimpseOutput(
            torch.stack(logits).mean(dim=0),
            poses(self.read_pose, maps.pose),
            torch.stack(points, dim=1),
            torch.stack(features, dim=1),
            torch.stack(assigned, dim=2),
        )

    def measure_by(self, features: Float[Tensor, "clips frames glimpses width"]) -> None:
        """Measures distances in units of the spread of these glimpses, axis by axis.

        The published code inverts their whole covariance, which is singular for one batch.

        Args:
            features: Those of the first batch.
        """
        spread = features.detach().flatten(0, 2).var(dim=0)
        self.precision = torch.diag(1 / (spread + 0.1 * spread.mean()))

    def _glimpses(
        self, context: Tensor, frame: Tensor, seen: Tensor, state: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        points, features = [], []
        for _ in range(GLIMPSES):
            point, feature, state = self.zoomer(context, frame, seen, state)
            points.append(point)
            features.append(feature)
        return torch.stack(points, dim=1), torch.stack(features, dim=1), state

    def _assign(
        self, old: list[Tensor], new: Tensor, assigned: list[Tensor]
    ) -> Float[Tensor, "batch workers glimpses"]:
        """Which worker gets how much of each new glimpse."""
        if not old:
            return (self.first_assignment / _TEMPERATURE).softmax(-1).expand(len(new), -1, -1)
        alike = similarities(torch.stack(old, dim=1), new, self.precision, self.scale_over)
        steps = torch.arange(len(old), device=new.device, dtype=new.dtype)
        age = len(old) - steps if self.memory == "newest" else steps
        weight = (-age / _MEMORY).exp()
        had = torch.stack(assigned, dim=2)
        score = torch.einsum("t,bwti,btig->bwg", weight, had, alike) / GLIMPSES
        return (score / _TEMPERATURE).softmax(dim=-1)

    def _work(
        self, assigned: Float[Tensor, "batch workers glimpses"], new: Tensor, states: list[Tensor]
    ) -> list[Tensor]:
        inputs = torch.einsum("bwg,bgd->wbd", assigned, new)
        new_states: list[Tensor] = []
        for worker, x, state in zip(self.workers, inputs, states, strict=True):
            start = new_states[0] if self.shared_state and new_states else state
            new_states.append(worker(x, start))
        return new_states


class CnnOutput(NamedTuple):
    """Logits of the mean of the last map, poses, and that mean."""

    logits: Float[Tensor, "batch classes"]
    pose: Float[Tensor, "batch frames 2 joints 2"]
    embedding: Float[Tensor, "batch width"]


class GlimpseCnn(nn.Module):
    """The CNN before it has glimpses: it classifies the mean of its map, and reads poses.

    Args:
        num_classes: Classes.
        joints: Joints of a person.
    """

    def __init__(self, num_classes: int, joints: int = _JOINTS) -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = InflatedResNet50()
        self.head = nn.Linear(RESNET_WIDTH, num_classes)
        self.read_pose = pose_reader(joints)

    def forward(self, clips: Float[Tensor, "batch 3 frames height width"]) -> CnnOutput:
        """Logits and poses of clips, pixels normalised as for ImageNet."""
        maps = self.trunk(clips)
        mean = maps.final.mean(dim=(2, 3, 4))
        return CnnOutput(self.head(mean), poses(self.read_pose, maps.pose), mean)


class GlimpseClouds(nn.Module):
    """The CNN and the glimpses, which classify clips of RGB alone.

    The CNN is trained before, see `GlimpseCnn`, and is frozen while the glimpses learn.

    Args:
        num_classes: Classes.
        joints: Joints of a person.
    """

    def __init__(self, num_classes: int, joints: int = _JOINTS) -> None:
        """Make the layers."""
        super().__init__()
        self.trunk = InflatedResNet50()
        self.head = GlimpseHead(num_classes, joints=joints)

    def forward(self, clips: Float[Tensor, "batch 3 frames height width"]) -> GlimpseOutput:
        """Logits of clips, pixels normalised as for ImageNet."""
        return self.head(self.trunk(clips))

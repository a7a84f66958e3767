"""Skeletons as graphs: the bones along which a graph convolution passes features.

A graph's bones differ from those of `datasets.skeletons`, which are lines to draw: the published
networks were trained with the bones below.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from datasets import skeletons
from datasets.skeletons import Skeleton

Partition = Literal["published", "described"]


@dataclass(frozen=True)
class SkeletonGraph:
    """The joints of a body and the bones between them; the bones form a tree.

    Attributes:
        name: Name of the skeleton.
        bones: Pairs of child and parent, joints counted from 0.
        centre: The joint from which ST-GCN measures how far the others are.
    """

    name: str
    bones: tuple[tuple[int, int], ...]
    centre: int

    @property
    def joints(self) -> int:
        """Number of joints; a tree has one more than it has bones."""
        return len(self.bones) + 1

    @property
    def parents(self) -> tuple[int, ...]:
        """The parent of each joint; the root is its own parent."""
        parent_of = dict(self.bones)
        return tuple(parent_of.get(joint, joint) for joint in range(self.joints))

    def links(self) -> Float[Tensor, "joints joints"]:
        """1 at [child, parent] of each bone, 0 elsewhere."""
        links = torch.zeros(self.joints, self.joints)
        for child, parent in self.bones:
            links[child, parent] = 1
        return links

    def distances(self) -> list[int]:
        """Bones between each joint and the centre."""
        distances = {self.centre: 0}
        for joint in (queue := [self.centre]):
            for bone in self.bones:
                if joint in bone and (other := sum(bone) - joint) not in distances:
                    distances[other] = distances[joint] + 1
                    queue.append(other)
        return [distances[joint] for joint in range(self.joints)]

    def spatial_partition(
        self, partition: Partition = "published"
    ) -> Float[Tensor, "3 joints joints"]:
        """ST-GCN's adjacency at [part, from, to]: itself, not nearer to the centre, nearer.

        Args:
            partition: "described" compares true distances, as the paper says. "published" counts
                all joints beyond the centre's neighbours as equally far, as the code does. Released
                weights need it.
        """
        itself = torch.eye(self.joints)
        reach = normalised_columns(self.links() + self.links().T + itself)
        distance = torch.tensor(self.distances())
        if partition == "published":
            distance = distance.clamp(max=2)
        nearer = distance[:, None] < distance[None, :]
        others = reach * (1 - itself)
        return torch.stack([reach * itself, others * ~nearer, others * nearer])

    def directed_partition(self) -> Float[Tensor, "3 joints joints"]:
        """2s-AGCN's adjacency at [part, from, to]: itself, parent to child, child to parent."""
        links = self.links()
        parts = [torch.eye(self.joints), normalised_columns(links.T), normalised_columns(links)]
        return torch.stack(parts)


def bones_of(
    joints: Float[Tensor, "*batch channels frames joints persons"], graph: SkeletonGraph
) -> Float[Tensor, "*batch channels frames joints persons"]:
    """Each joint minus its parent; the root's bone is zero."""
    return joints - joints[..., list(graph.parents), :]


def normalised_columns(matrix: Float[Tensor, "rows cols"]) -> Float[Tensor, "rows cols"]:
    """A matrix whose columns are divided by their sums; columns of zeros stay."""
    sums = matrix.sum(dim=0)
    return matrix / sums.where(sums > 0, torch.ones_like(sums))


def _from_one(*pairs: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """Bones between joints that are counted from 1, as the Kinect's are."""
    return tuple((child - 1, parent - 1) for child, parent in pairs)


def _centre(skeleton: Skeleton) -> int:
    return skeleton.keypoints.index(skeleton.centre)


# Kinect v2, in the order of NTU RGB+D. The spine between the shoulders is the root.
NTU25 = SkeletonGraph(
    "ntu25",
    _from_one(
        *((1, 2), (2, 21), (3, 21), (4, 3)),
        *((5, 21), (6, 5), (7, 6), (8, 7), (22, 23), (23, 8)),
        *((9, 21), (10, 9), (11, 10), (12, 11), (24, 25), (25, 12)),
        *((13, 1), (14, 13), (15, 14), (16, 15)),
        *((17, 1), (18, 17), (19, 18), (20, 19)),
    ),
    _centre(skeletons.NTU25),
)
# OpenPose's 18 keypoints. The neck is the root, and hips hang on the shoulders, as published.
COCO18 = SkeletonGraph(
    "coco18",
    (
        *((0, 1), (14, 0), (15, 0), (16, 14), (17, 15)),
        *((2, 1), (3, 2), (4, 3), (5, 1), (6, 5), (7, 6)),
        *((8, 2), (9, 8), (10, 9), (11, 5), (12, 11), (13, 12)),
    ),
    _centre(skeletons.COCO18),
)
# Kinect v1, in the order of N-UCLA: from the hips to between the shoulders 0 to 2, head 3.
NUCLA20 = SkeletonGraph(
    "nucla20",
    (
        *((0, 1), (1, 2), (3, 2)),
        *((4, 2), (5, 4), (6, 5), (7, 6)),
        *((8, 2), (9, 8), (10, 9), (11, 10)),
        *((12, 0), (13, 12), (14, 13), (15, 14)),
        *((16, 0), (17, 16), (18, 17), (19, 18)),
    ),
    _centre(skeletons.NUCLA20),
)
# VPN++'s Smarthome skeleton: head 1, shoulders 2 and 3, hips 8 and 9, the middles of both 14 and
# 15 (from 1; its code names no joint). The head is the root.
SMARTHOME15 = SkeletonGraph(
    "smarthome15",
    _from_one(
        *((14, 1), (15, 14)),
        *((2, 14), (4, 2), (6, 4), (3, 14), (5, 3), (7, 5)),
        *((8, 15), (10, 8), (12, 10), (9, 15), (11, 9), (13, 11)),
    ),
    _centre(skeletons.SMARTHOME15),
)
GRAPHS = {graph.name: graph for graph in (NTU25, COCO18, NUCLA20, SMARTHOME15)}

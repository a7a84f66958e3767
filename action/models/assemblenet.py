"""AssembleNet++: streams of RGB, flow and objects, whose connections other nodes gate.

Ryoo et al., "AssembleNet++: Assembling Modality Representations via Attention Connections", ECCV
2020; `action.models.assemblenet_parts` has its parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from action.models.assemblenet_parts import (
    EXPANSION,
    Connection,
    FlowStem,
    Node,
    Peers,
    RgbStem,
    pool_same,
)
from action.models.representation_flow import representation_flow

# Units of a node, and the channels of its 3 × 3 convolutions, by level.
_UNITS, _MIDDLE = (3, 4, 6, 3), (64, 128, 256, 512)
# Channels of all stems together, but of those that pool object maps.
_STEM_WIDTH = 128


@dataclass(frozen=True)
class Stem:
    """A stem: what it reads, and its dilation in time, which RGB alone has."""

    reads: Literal["rgb", "flow", "objects"]
    dilation: int = 1


@dataclass(frozen=True)
class Block:
    """A node: its level, the stems and nodes that it reads, and the shape of its layers.

    ``shares`` says how much of each input counts, as learned on Charades; these learn by default.
    """

    level: int
    inputs: tuple[int, ...]
    filters: int
    dilation: int
    stride: int
    shares: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Structure:
    """The stems and nodes of a network; inputs count through both."""

    stems: tuple[Stem, ...]
    blocks: tuple[Block, ...]

    @property
    def reads_objects(self) -> bool:
        """Whether a stem reads object maps."""
        return any(stem.reads == "objects" for stem in self.stems)


# Found on Charades: the model of the paper's experiments, with its learned shares.
WITH_OBJECTS = Structure(
    (Stem("rgb", 2), Stem("rgb", 4), Stem("flow"), Stem("flow"), Stem("objects")),
    (
        Block(0, (0, 1, 2, 3, 4), 32, 1, 1, (0.614, 0.711, 0.194, 0.170, 0.718)),
        Block(0, (0, 1, 4), 32, 4, 1, (0.576, 0.564, 0.713)),
        Block(0, (2, 3, 4), 32, 8, 1, (0.266, 0.303, 0.824)),
        Block(0, (2, 3, 4), 32, 1, 1, (0.070, 0.079, 0.877)),
        Block(
            1,
            (0, 1, 2, 4, 5, 6, 7, 8),
            64,
            4,
            2,
            (0.501, 0.502, 0.498, 0.502, 0.499, 0.499, 0.499, 0.497),
        ),
        Block(1, (2, 3, 4, 7, 8), 64, 1, 2, (0.470, 0.469, 0.768, 0.554, 0.452)),
        Block(1, (0, 4, 5, 6, 7), 128, 8, 2, (0.277, 0.812, 0.597, 0.659, 0.592)),
        Block(2, (4, 11), 256, 8, 2, (0.501, 0.502)),
        Block(
            2,
            (2, 3, 4, 5, 6, 7, 8, 10, 11),
            256,
            4,
            2,
            (0.087, 0.085, 0.974, 0.058, 0.084, 0.103, 0.185, 0.239, 0.919),
        ),
        Block(3, (12, 13), 512, 2, 2, (0.417, 0.584)),
    ),
)
# AssembleNet-50's structure, which the published example without objects uses.
WITHOUT_OBJECTS = Structure(
    (Stem("rgb", 4), Stem("rgb", 4), Stem("flow"), Stem("flow")),
    (
        Block(0, (1,), 32, 1, 1),
        Block(0, (0,), 32, 4, 1),
        Block(0, (0, 1, 2, 3), 32, 1, 1),
        Block(0, (2, 3), 32, 2, 1),
        Block(1, (0, 4, 5, 6, 7), 64, 2, 2),
        Block(1, (0, 2, 4, 7), 64, 1, 2),
        Block(1, (0, 5, 7), 64, 4, 2),
        Block(1, (0, 5), 64, 1, 2),
        Block(2, (4, 8, 10, 11), 256, 1, 2),
        Block(2, (8, 9), 256, 4, 2),
        Block(3, (12, 13), 512, 2, 2),
    ),
)


class AssembleNetPlusPlus(nn.Module):
    """AssembleNet++ with 50 layers and peer attention.

    Args:
        num_classes: Classes.
        objects: Classes of object maps, such as ADE20K's 151; 0 takes the structure without them.
        structure: Stems and nodes; those of `objects` by default.
        dropout: Before the classifier.
    """

    def __init__(
        self,
        num_classes: int,
        objects: int = 0,
        structure: Structure | None = None,
        dropout: float = 0.5,
    ) -> None:
        """Make the layers."""
        super().__init__()
        self.structure = structure or (WITH_OBJECTS if objects else WITHOUT_OBJECTS)
        stems, blocks = self.structure.stems, self.structure.blocks
        width = _STEM_WIDTH // len(stems)
        self.stems = nn.ModuleList(_stem(stem, width) for stem in stems)
        self.widths = [objects if stem.reads == "objects" else width for stem in stems]
        self.widths += [block.filters * EXPANSION for block in blocks]
        self.peers, self.connections, self.nodes = (nn.ModuleList() for _ in range(3))
        for block in blocks:
            self._add(block)
        self.dropout = nn.Dropout(dropout)
        self.head: nn.Module = nn.Linear(self.widths[-1], num_classes)

    def forward(
        self,
        clips: Float[Tensor, "batch 3 frames height width"],
        objects: Float[Tensor, "batch objects frames height width"] | None = None,
    ) -> Float[Tensor, "batch classes"]:
        """Logits.

        Args:
            clips: RGB; flow is computed from it.
            objects: Maps of object classes, which the structure with objects needs.

        Raises:
            ValueError: When the structure reads objects and none are given.
        """
        maps = self._stem_maps(clips, objects)
        parts = zip(self.structure.blocks, self.peers, self.connections, self.nodes, strict=True)
        for block, peers, connection, node in parts:
            pooled = [maps[i].mean(dim=(3, 4)).transpose(1, 2) for i in self._lower(block)]
            inputs = [maps[i] for i in block.inputs]
            maps.append(node(connection(inputs, peers(pooled))))
        last = [maps[i] for i in self._last()]
        feature = torch.stack([x.mean(dim=(2, 3, 4)) for x in last]).mean(dim=0)
        return self.head(self.dropout(feature))

    def _add(self, block: Block) -> None:
        lower = self._lower(block)
        self.peers.append(peers := Peers([self.widths[i] for i in lower]))
        connection = Connection(
            [self.widths[i] for i in block.inputs],
            [self._is_objects(i) for i in block.inputs],
            len(lower),
            peers.width,
            block.shares,
        )
        self.connections.append(connection)
        units, middle = _UNITS[block.level], _MIDDLE[block.level]
        shape = (block.filters, middle, units, block.dilation, block.stride)
        self.nodes.append(Node(connection.width, *shape))

    def _stem_maps(self, clips: Tensor, objects: Tensor | None) -> list[Tensor]:
        if self.structure.reads_objects and objects is None:
            raise ValueError("this AssembleNet++ reads object maps: pass `objects`")
        inputs = {"rgb": clips, "flow": representation_flow(clips), "objects": objects}
        stems = zip(self.structure.stems, self.stems, strict=True)
        return [stem(inputs[description.reads]) for description, stem in stems]

    def _is_objects(self, index: int) -> bool:
        stems = self.structure.stems
        return index < len(stems) and stems[index].reads == "objects"

    def _lower(self, block: Block) -> list[int]:
        """The stems, and the nodes of lower levels, all of which gate a block's inputs."""
        stems = len(self.structure.stems)
        lower = [i for i, b in enumerate(self.structure.blocks, stems) if b.level < block.level]
        return [*range(stems), *lower]

    def _last(self) -> list[int]:
        """The nodes of the highest level, which are classified."""
        stems, blocks = len(self.structure.stems), self.structure.blocks
        highest = max(block.level for block in blocks)
        return [i for i, block in enumerate(blocks, stems) if block.level == highest]


class ObjectStem(nn.Module):
    """Pools object maps to a quarter of their size."""

    def forward(
        self, objects: Float[Tensor, "batch objects frames height width"]
    ) -> Float[Tensor, "batch objects frames rows cols"]:
        """Maxima of 4 × 4 pixels."""
        return pool_same(objects, 4, 4)


def _stem(stem: Stem, width: int) -> nn.Module:
    match stem.reads:
        case "rgb":
            return RgbStem(width, stem.dilation)
        case "flow":
            return FlowStem(width)
        case "objects":
            return ObjectStem()

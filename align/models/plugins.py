"""The modules between the blocks of a backbone: PAAT, PAAB and 3DTRL behind one signature.

A plug-in takes the tokens after a block and returns those that the next block reads. It leaves
results for other plug-ins and for the output in the `ForwardState` of the pass: PAAT leaves its
logits, which a pose-free PAAB reads, and 3DTRL its geometry.

Plug-ins hold modules that `PoseAware` has registered; they register none themselves, so that
parameters keep their names in checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from align.layout import TokenLayout
from align.models.backbones import TimmBackbone
from align.models.config import PoseFreeConfig
from align.models.kept_patches import keep_in_map, kept_layout
from align.models.predicted_pose import mixed_map, predicted_map
from align.models.trl3d import Geometry, TokenRepresentation3d
from align.paat import PoseAwareAuxiliaryTask


@dataclass
class ForwardState:
    """Everything beside the tokens that the plug-ins of one forward pass read and write.

    Attributes:
        layout: Order of the tokens between blocks, which is that of single frames where the blocks
            treat each frame as a sequence.
        pose_map: The given P2D map in that layout, or None.
        pose_logits: PAAT's logits in that layout by position, in the order of the blocks.
        geometry: The depth, camera and points that 3DTRL recovered, or None.
    """

    layout: TokenLayout
    pose_map: Bool[Tensor, "sequences frames patches"] | None = None
    pose_logits: dict[int, Float[Tensor, "sequences frames patches keypoints"]] = field(
        default_factory=dict
    )
    geometry: Geometry | None = None

    def keep(self, kept: Int[Tensor, "batch kept"]) -> ForwardState:
        """The state before the first block where only these patches of each image are kept."""
        pose_map = self.pose_map
        if pose_map is not None:
            pose_map = keep_in_map(pose_map.squeeze(1), kept).unsqueeze(1)
        return ForwardState(kept_layout(self.layout, kept), pose_map)

    @property
    def latest_logits(self) -> Float[Tensor, "sequences frames patches keypoints"] | None:
        """The logits of the last PAAT so far."""
        return next(reversed(self.pose_logits.values()), None)


class Plugin(Protocol):
    """A step between two blocks."""

    def __call__(
        self, tokens: Float[Tensor, "sequences tokens dim"], state: ForwardState
    ) -> Float[Tensor, "sequences tokens dim"]:
        """Tokens for the next block."""


@dataclass(frozen=True, eq=False)
class PosePrediction:
    """PAAT after a block: its logits go into the state, the tokens stay as they are (paper Eq. 7).

    Attributes:
        task: The patch-keypoint classifier.
        position: The block that it follows, counted from 1.
        at_inference: Whether it also predicts outside of training, for a plug-in or a readout that
            needs the prediction.
    """

    task: PoseAwareAuxiliaryTask
    position: int
    at_inference: bool

    def __call__(
        self, tokens: Float[Tensor, "sequences tokens dim"], state: ForwardState
    ) -> Float[Tensor, "sequences tokens dim"]:
        """Predict the pose map."""
        if self.task.training or self.at_inference:
            _, patches = state.layout.split(tokens)
            state.pose_logits[self.position] = self.task(state.layout.to_grid(patches))
        return tokens


@dataclass(frozen=True, eq=False)
class PoseAttention:
    """PAABs after a block, one on top of the other (paper Eq. 5-6).

    Attributes:
        blocks: `align.paab.PoseAwareAttentionBlock`s.
        pose_free: How PAAT's prediction becomes the pose map; None takes the given map.
    """

    blocks: nn.ModuleList
    pose_free: PoseFreeConfig | None

    def __call__(
        self, tokens: Float[Tensor, "sequences tokens dim"], state: ForwardState
    ) -> Float[Tensor, "sequences tokens dim"]:
        """Update the class token and the pose tokens."""
        pose_map = self._pose_map(state)
        for block in self.blocks:
            tokens = block(tokens, pose_map, state.layout)
        return tokens

    def _pose_map(self, state: ForwardState) -> Bool[Tensor, "sequences frames patches"] | None:
        if self.pose_free is None or state.latest_logits is None:
            return state.pose_map
        predicted = predicted_map(state.latest_logits, self.pose_free)
        if state.pose_map is None:
            return predicted
        return mixed_map(state.pose_map, predicted, self.pose_free.mix)


@dataclass(frozen=True, eq=False)
class Recovery3d:
    """3DTRL before a block (Shang et al. 2022): the geometry goes into the state.

    Attributes:
        layer: The layer itself.
        backbone: Its position embedding is added to the tokens once more.
    """

    layer: TokenRepresentation3d
    backbone: TimmBackbone

    def __call__(
        self, tokens: Float[Tensor, "sequences tokens dim"], state: ForwardState
    ) -> Float[Tensor, "sequences tokens dim"]:
        """Add embeddings of the recovered points."""
        position_embedding = self.backbone.position_embedding()
        tokens, state.geometry = self.layer(tokens, state.layout, position_embedding)
        return tokens

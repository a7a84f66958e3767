"""Networks that learn from earlier stages as classifiers of clips: VPN++, MMNet, Glimpse Clouds.

`action.training.stages` says what these stages are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, cast

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from typing_extensions import Self

from action.models.glimpse_clouds import CnnOutput, GlimpseClouds, GlimpseCnn, GlimpseOutput
from action.models.joint_model import JointClassifier, VpnClassifier
from action.models.mmnet import Mmnet, MmnetOutput
from action.models.normalisation import Normalisation
from action.models.vpnpp import EMBEDDING, StudentOutput, VpnppStudent, VpnppTeacher

# Width of the features of both networks on joints.
SKELETON_WIDTH = 256


class VpnppOutput(NamedTuple):
    """The outputs that VPN++'s losses need; the embedding of the pose in training alone."""

    student: StudentOutput
    pose: Float[Tensor, "batch embedding"] | None

    @property
    def embedding(self) -> Float[Tensor, "batch embedding"]:
        """The feature of a clip, which is compared with its pose's."""
        return self.student.feature


class VpnppClassifier(nn.Module):
    """VPN++'s student, which sees RGB alone at inference.

    Args:
        network: The student.
        normalisation: How pixels are normalised.
    """

    HEADS: ClassVar[tuple[str, ...]] = ("network.head.head.",)

    def __init__(self, network: VpnppStudent, normalisation: Normalisation) -> None:
        """Make the map of a pose's features into the space of the student's."""
        super().__init__()
        self.network, self.normalisation = network, normalisation
        # The published map is random and never learns.
        self.project = nn.Linear(SKELETON_WIDTH, EMBEDDING)

    def forward(
        self,
        frames: UInt8[Tensor, "batch 3 frames height width"],
        pose: Float[Tensor, "batch 256"] | None = None,
    ) -> tuple[Float[Tensor, "batch classes"], VpnppOutput]:
        """Logits, and what the losses need; the features of poses are given in training."""
        output = self.network(self.normalisation.apply(frames))
        projected = None if pose is None else self.project(pose)
        return output.logits, VpnppOutput(output, projected)

    def take(self, networks: Mapping[str, nn.Module]) -> None:
        """Starts I3D where the teacher's ended; published, both start from Kinetics weights."""
        teacher = cast(VpnppTeacher, cast(VpnClassifier, networks["teacher"]).network)
        self.network.trunk.load_state_dict(teacher.trunk.state_dict())


class PartlyFrozen(nn.Module):
    """A classifier with parts that do not learn and always run as in evaluation."""

    def freeze(self, parts: Sequence[nn.Module]) -> None:
        """Freezes parts of the classifier."""
        # A tuple, so that the parts are not registered once more.
        self._frozen = tuple(parts)
        for part in parts:
            part.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the mode of all parts that are not frozen."""
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self


class MmnetClassifier(PartlyFrozen):
    """MMNet, whose network on pictures learns while those on joints and bones are frozen.

    Args:
        network: The network.
    """

    HEADS: ClassVar[tuple[str, ...]] = tuple(
        f"network.{stream}.head." for stream in ("joints", "bones", "rgb")
    )

    def __init__(self, network: Mmnet) -> None:
        """Keep the network."""
        super().__init__()
        self.network = network
        self.freeze((network.joints, network.bones))

    def forward(
        self,
        pictures: Float[Tensor, "batch 3 225 225"],
        joints: Float[Tensor, "batch 3 frames joints persons"],
    ) -> tuple[Float[Tensor, "batch classes"], MmnetOutput]:
        """The summed logits, and those of each stream."""
        output = self.network(pictures, joints)
        return output.logits, output

    def take(self, networks: Mapping[str, nn.Module]) -> None:
        """Takes over the networks on joints and on bones."""
        for stream in ("joints", "bones"):
            trained = cast(JointClassifier, networks[stream]).network
            getattr(self.network, stream).load_state_dict(trained.state_dict())


class GlimpseCnnClassifier(nn.Module):
    """The CNN of Glimpse Clouds, before it has glimpses.

    Args:
        network: The network.
        normalisation: How pixels are normalised.
    """

    HEADS: ClassVar[tuple[str, ...]] = ("network.head.",)

    def __init__(self, network: GlimpseCnn, normalisation: Normalisation) -> None:
        """Keep the network."""
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(
        self, frames: UInt8[Tensor, "batch 3 frames height width"]
    ) -> tuple[Float[Tensor, "batch classes"], CnnOutput]:
        """Logits, and the poses."""
        output = self.network(self.normalisation.apply(frames))
        return output.logits, output


class GlimpseClassifier(PartlyFrozen):
    """Glimpse Clouds, whose CNN is frozen.

    Args:
        network: The network.
        normalisation: How pixels are normalised.
    """

    HEADS: ClassVar[tuple[str, ...]] = ("network.head.heads.",)

    def __init__(self, network: GlimpseClouds, normalisation: Normalisation) -> None:
        """Keep the network."""
        super().__init__()
        self.network, self.normalisation = network, normalisation
        self.freeze((network.trunk,))

    def forward(
        self, frames: UInt8[Tensor, "batch 3 frames height width"]
    ) -> tuple[Float[Tensor, "batch classes"], GlimpseOutput]:
        """Logits, and what the losses need."""
        output = self.network(self.normalisation.apply(frames))
        return output.logits, output

    def take(self, networks: Mapping[str, nn.Module]) -> None:
        """Takes over the CNN and the layer that reads poses."""
        cnn = cast(GlimpseCnnClassifier, networks["cnn"]).network
        self.network.trunk.load_state_dict(cnn.trunk.state_dict())
        self.network.head.read_pose.load_state_dict(cnn.read_pose.state_dict())

    @torch.no_grad()
    def measure_by(self, frames: UInt8[Tensor, "batch 3 frames height width"]) -> None:
        """Measures distances of glimpses by their spread in a first batch."""
        device = self.network.head.precision.device
        self.network.head.measure_by(self(frames.to(device))[1].features)

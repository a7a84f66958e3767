"""Networks that see joints in space as classifiers of clips: ST-GCN, 2s-AGCN and VPN."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from action.models.agcn import Agcn
from action.models.features import ClipFeature
from action.models.normalisation import Normalisation
from action.models.st_gcn import StGcn
from action.models.vpn import Vpn, VpnOutput
from action.models.vpnpp import TeacherOutput, VpnppTeacher


class JointClassifier(nn.Module):
    """Class logits of clips from their joints alone.

    Args:
        network: The network, whose classifier is its own.
    """

    HEADS: ClassVar[tuple[str, ...]] = ("network.head.",)

    def __init__(self, network: StGcn | Agcn) -> None:
        """Keep the network."""
        super().__init__()
        self.network = network

    def forward(
        self, joints: Float[Tensor, "batch 3 frames joints persons"]
    ) -> tuple[Float[Tensor, "batch classes"], ClipFeature]:
        """Logits, and the feature that they come from."""
        embedding = self.network.embed(joints)
        with torch.autocast(joints.device.type, enabled=False):
            return self.network.head(embedding.float()), ClipFeature(embedding, {})


class VpnClassifier(nn.Module):
    """Class logits of clips from pixels and joints, of VPN or of VPN++'s teacher.

    Args:
        network: The network.
        normalisation: How pixels are normalised.
    """

    HEADS: ClassVar[tuple[str, ...]] = (
        *("network.coupler.head.", "network.coupler.second_head."),
        "network.head.",
    )

    def __init__(self, network: Vpn | VpnppTeacher, normalisation: Normalisation) -> None:
        """Keep the network."""
        super().__init__()
        self.network, self.normalisation = network, normalisation

    def forward(
        self,
        frames: UInt8[Tensor, "batch 3 frames height width"],
        joints: Float[Tensor, "batch 3 moments joints persons"],
    ) -> tuple[Float[Tensor, "batch classes"], VpnOutput | TeacherOutput]:
        """Logits, and what the losses need."""
        output = self.network(self.normalisation.apply(frames), joints)
        return output.logits, output

"""RGB networks without their classifiers, in the place of a pose-aware TimeSformer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import assert_never

from action.config import ModelName, RgbModelName
from action.models.assemblenet import AssembleNetPlusPlus
from action.models.i3d import I3D_WIDTH, I3dTrunk
from action.models.wrapped import resnet50_3d, separable_3d, video_swin
from action.weights.files import read_weights
from action.weights.loading import SHOWN
from align.engine.checkpoint import MissingCheckpointError, OtherModelError
from datasets.errors import OptionError, counted, shortened

# How the published files name their classifiers, which are left out.
_HEADS = ("head.", "fc.", "classifier.", "logits.")
_COUNTER = ".num_batches_tracked"
# Frames, and their side in pixels: S3D halves time three times and space five times, rounded down;
# AssembleNet++ sees the flow from a frame to the next, and VPN++ attends to two places or more.
_LEAST: dict[ModelName, tuple[int, int]] = {
    "s3d": (8, 32),
    "assemblenet_pp": (2, 1),
    "vpnpp": (1, 64),
}
# The classes of a head that is thrown away.
_ONE = 1


class ClipFeature(NamedTuple):
    """A network's output for clips, without poses."""

    embedding: Float[Tensor, "batch dim"]
    pose_logits: dict[int, Tensor]


class FeatureNetwork(nn.Module):
    """A network whose output is a clip's feature.

    Args:
        network: Takes clips, gives features.
        embed_dim: Their width.
    """

    def __init__(self, network: nn.Module, embed_dim: int) -> None:
        """Keep the network."""
        super().__init__()
        self.network, self.embed_dim = network, embed_dim

    def forward(
        self,
        clips: Float[Tensor, "batch 3 frames height width"],
        pose_map: Tensor | None = None,
    ) -> ClipFeature:
        """Features of normalised clips; no pose is read."""
        return ClipFeature(self.network(clips), {})


def require_size(name: ModelName, frames: int, image_size: int) -> None:
    """Raises an OptionError for clips of which a network would leave nothing."""
    least_frames, least_side = _LEAST.get(name, (1, 1))
    if frames < least_frames or image_size < least_side:
        raise OptionError(
            f"{name} needs {counted(least_frames, 'frame')} of {least_side} pixels or more: raise "
            "--backbone.frames or --backbone.image-size."
        )


def feature_network(name: RgbModelName) -> FeatureNetwork:
    """One of the networks that are no sequence of tokens.

    Raises:
        OptionError: A network that is one.
    """
    match name:
        case "swin3d_t" | "swin3d_b":
            swin = video_swin(_ONE, base=name == "swin3d_b")
            width, swin.head = swin.num_features, nn.Identity()
            return FeatureNetwork(swin, width)
        case "s3d":
            separable = separable_3d(_ONE)
            separable.classifier = separable.classifier[:1]
            return FeatureNetwork(separable, I3D_WIDTH)
        case "r3d50":
            resnet = resnet50_3d(_ONE)
            width, resnet.fc = resnet.fc.in_features, nn.Identity()
            return FeatureNetwork(resnet, width)
        case "i3d":
            head = (nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(0.5))
            return FeatureNetwork(nn.Sequential(I3dTrunk(), *head), I3D_WIDTH)
        case "assemblenet_pp":
            assembled = AssembleNetPlusPlus(_ONE)
            width, assembled.head = assembled.widths[-1], nn.Identity()
            return FeatureNetwork(assembled, width)
        case "timesformer" | "motionformer":
            raise OptionError(f"{name} is built as a sequence of tokens, see TimeSformer")
        case _:
            assert_never(name)


def load_features(
    network: nn.Module,
    path: Path,
    adapted: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict,
) -> None:
    """Loads published weights, but for those of the classifier.

    Args:
        network: A network of torchvision, or one that takes over its weights.
        path: The file of weights.
        adapted: Makes weights by the network's names of those in the file.

    Raises:
        MissingCheckpointError: When there is no such file.
        DamagedCheckpointError: When it cannot be read, or holds no weights.
        OtherModelError: When it holds another network; ours is then unchanged.
    """
    if not path.exists():
        raise MissingCheckpointError(f"{path} does not exist; name torchvision's .pth file.")
    stored = adapted({n: v for n, v in read_weights(path).items() if not n.startswith(_HEADS)})
    # Files of torch before version 0.4 do not count batches.
    counted = network.state_dict().items()
    wanted = {n: v for n, v in counted if n in stored or not n.endswith(_COUNTER)}
    wrong = [n for n in wanted if n not in stored or stored[n].shape != wanted[n].shape]
    if wrong := wrong + [n for n in stored if n not in wanted]:
        raise OtherModelError(
            f"{path} holds another network: {shortened(wrong, SHOWN)} are missing, unknown or of "
            "another shape. Name torchvision's file for the same --model: there are some of "
            "swin3d_t, swin3d_b, s3d, and the ResNets in mmnet and glimpse_clouds. Other networks "
            "start from a run of theirs (--init)."
        )
    network.load_state_dict(stored, strict=False)

"""Networks on RGB as classifiers of clips: TimeSformer with PAAB and PAAT, and others."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from action.config import ActionConfig, ModelName
from action.models.features import ClipFeature, FeatureNetwork, feature_network, require_size
from action.models.graphs import NTU25, SkeletonGraph
from action.models.induction import InducedOutput, SkeletonInduction
from action.models.joint_model import JointClassifier, VpnClassifier
from action.models.normalisation import TIMESFORMER, Normalisation
from action.models.registry import Size, architecture
from action.models.staged_model import (
    GlimpseClassifier,
    GlimpseCnnClassifier,
    MmnetClassifier,
    VpnppClassifier,
)
from action.timesformer import TimeSformer
from align.models.pose_aware import PoseAware, PoseAwareOutput
from align.models.shared_norm import SharedBatchNorm
from datasets.errors import OptionError


class ClipClassifier(nn.Module):
    """Class logits of clips, from the feature of a network."""

    HEADS: ClassVar[tuple[str, ...]] = ("head.", "skeleton.classify.")

    def __init__(
        self,
        backbone: PoseAware | FeatureNetwork,
        num_classes: int,
        whiten: bool,
        normalisation: Normalisation = TIMESFORMER,
        induced: bool = False,
    ) -> None:
        """Puts a linear head on `backbone`, after a batch norm if features are whitened.

        Args:
            backbone: Network whose embedding is the feature of a clip.
            num_classes: Number of classes.
            whiten: Whether features are normalised over the clips of a batch, without affine.
            normalisation: How pixels are normalised.
            induced: Whether its tokens learn the features of a network on joints.
        """
        super().__init__()
        self.backbone = backbone
        self.normalisation = normalisation
        width = backbone.embed_dim
        self.whiten = SharedBatchNorm(width, affine=False) if whiten else nn.Identity()
        self.head = nn.Linear(backbone.embed_dim, num_classes)
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.skeleton: SkeletonInduction | None = None
        if induced and isinstance(backbone, PoseAware):
            self.skeleton = SkeletonInduction(backbone.backbone.embed_dim, num_classes)

    def forward(
        self,
        frames: UInt8[Tensor, "batch 3 frames height width"],
        pose_map: Bool[Tensor, "batch frames patches"] | None = None,
    ) -> tuple[Float[Tensor, "batch classes"], PoseAwareOutput | InducedOutput | ClipFeature]:
        """Classifies clips.

        Args:
            frames: RGB.
            pose_map: P2D, which only PAAB needs.

        Returns:
            Logits, and the output of the backbone, whose `embedding` is the clip's feature.
        """
        pixels = self.normalisation.apply(frames)
        output = self.backbone(pixels, pose_map)
        # At first, features of different clips differ too little for half precision.
        with torch.autocast(frames.device.type, enabled=False):
            logits = self.head(self.whiten(output.embedding.float()))
        if self.skeleton is None or not self.training:
            return logits, output
        transformer = cast(PoseAware, self.backbone).backbone
        _, patches = transformer.layout(pixels).split(output.tokens)
        induced = self.skeleton(patches)
        return logits, InducedOutput(output.embedding, output.pose_logits, *induced)


StagedClassifier = VpnppClassifier | MmnetClassifier | GlimpseClassifier
Classifier = (
    ClipClassifier | JointClassifier | VpnClassifier | GlimpseCnnClassifier | StagedClassifier
)


def build_classifier(
    config: ActionConfig,
    frames: int,
    num_keypoints: int,
    num_classes: int,
    normalisation: Normalisation = TIMESFORMER,
    graph: SkeletonGraph = NTU25,
) -> Classifier:
    """The model of a run; a seed gives the same backbone weights to all methods.

    Args:
        config: The run's options.
        frames: Frames of a clip.
        num_keypoints: Keypoints of the data set's skeleton.
        num_classes: Number of classes.
        normalisation: How pixels are normalised.
        graph: The skeleton of the joints in space.

    Raises:
        OptionError: Options of the model that do not fit each other.
    """
    require_fit(config)
    require_size(config.model, frames, config.backbone.image_size)
    torch.manual_seed(config.seed)
    match config.model:
        case "timesformer" | "motionformer":
            model: PoseAware | FeatureNetwork = _transformer(config, frames, num_keypoints)
        case "swin3d_t" | "swin3d_b" | "s3d" | "r3d50" | "i3d" | "assemblenet_pp":
            model = feature_network(config.model)
        case _:
            size = Size(
                *(num_classes, frames, config.backbone.image_size, graph),
                *(config.joints.persons, num_keypoints),
            )
            return _whole(config.model, architecture(config.model).make(size), normalisation)
    return ClipClassifier(model, num_classes, config.whiten, normalisation, config.uses_3d)


def _whole(name: ModelName, network: Any, normalisation: Normalisation) -> Classifier:
    """A network that has its own classifier."""
    match name:
        case "st_gcn" | "agcn":
            return JointClassifier(network)
        case "vpn" | "vpnpp_teacher":
            return VpnClassifier(network, normalisation)
        case "vpnpp":
            return VpnppClassifier(network, normalisation)
        case "mmnet":
            return MmnetClassifier(network)
        case "glimpse_cnn":
            return GlimpseCnnClassifier(network, normalisation)
        case _:
            return GlimpseClassifier(network, normalisation)


def _transformer(config: ActionConfig, frames: int, num_keypoints: int) -> PoseAware:
    options = config.backbone
    backbone = TimeSformer(
        image_size=options.image_size,
        patch_size=options.patch_size,
        frames=frames,
        embed_dim=options.dim,
        depth=options.depth,
        num_heads=options.heads,
        drop_path=options.drop_path,
        attention_type=options.attention,
        checkpointing=options.checkpointing,
        tubelet=options.tubelet,
        trajectory_values=options.trajectory_values,
        stem=options.stem,
    )
    return PoseAware(
        backbone,
        config.paab if config.uses_paab else None,
        config.paat if config.uses_paat else None,
        num_keypoints,
        options.readout,
    )


def require_fit(config: ActionConfig) -> None:
    """Checks that the model of a run can take its method and its attention.

    Raises:
        OptionError: When it cannot.
    """
    if not config.is_transformer and config.method != "baseline":
        raise OptionError(
            f"--method {config.method} needs tokens, which {config.model} has not: use --method "
            "baseline, or --model timesformer or motionformer."
        )
    along = config.backbone.attention == "trajectory"
    if config.is_transformer and along != (config.model == "motionformer"):
        raise OptionError(
            "--backbone.attention trajectory is what makes a TimeSformer a MotionFormer: use it "
            f"with --model motionformer alone, not with {config.model}, and no other with it."
        )

"""The options of a run about motion, checked against its network and its method."""

from __future__ import annotations

from align.config import PoseMapConfig, TrainConfig
from align.inputs.motion import MotionUse
from align.models.disentangle import Disentangler
from align.models.encoder import Network
from align.models.feature_maps import FeatureMapBackbone
from align.models.pose_aware import PoseAware
from datasets.errors import OptionError


def motion_use(network: Network, config: TrainConfig, image_size: int) -> MotionUse:
    """The inputs of a run's network from the motion of videos.

    Raises:
        OptionError: When patches are to be left out of a network that needs all of them, or the
            options of pose maps do not fit a map from motion.
    """
    if isinstance(network, Disentangler):
        return MotionUse(1, 1)
    side = image_size // network.patch_size[0]
    return MotionUse(side, side, _share(network, config), _threshold(config))


def _share(network: Network, config: TrainConfig) -> float | None:
    share = config.backbone.keep_patches
    if share == 1 or not isinstance(network, PoseAware):
        return None
    if isinstance(network.backbone, FeatureMapBackbone):
        raise OptionError(
            f"--backbone.keep-patches {share:g} leaves patches out, and {config.backbone.name}, a "
            "convolutional network, sees whole frames: leave the option out, or choose a "
            "--backbone.name such as deit_tiny_patch16_224"
        )
    tokens = config.parts.late is not None and config.late.encoder == "tokens"
    if network.places_matter or tokens:
        raise OptionError(
            f"--backbone.keep-patches {share:g} leaves patches out, but {config.method} reads them "
            "by their places: leave the option out, or use --method deit, paab or paat"
        )
    return share


def _threshold(config: TrainConfig) -> float | None:
    if config.pose_source == "keypoints" or not config.parts.trains_on_poses:
        return None
    late_alone = config.parts.late is not None and not (config.parts.paab or config.parts.paat)
    if config.pose_source == "both" and not late_alone:
        raise OptionError(
            "--pose-source both embeds keypoints and points of motion side by side, as late pose "
            "alone can: use --method late or late-predicted, or --pose-source keypoints or motion"
        )
    if config.pose_source == "motion" and config.parts.late == "predicted":
        raise OptionError(
            "--pose-source motion is read off the pixels, so that nothing is left to predict: use "
            f"--method {config.method.replace('-predicted', '')}, or --pose-source both"
        )
    if config.parts.paat and config.paat.target == "soft":
        raise OptionError(
            "--pose-source motion does not tell where single keypoints are: use --paat.target p2d, "
            "or --pose-source keypoints"
        )
    if config.pose_map != PoseMapConfig() and config.pose_source == "motion":
        raise OptionError(
            "--pose-map changes maps of keypoints: leave its options out with --pose-source motion"
        )
    return config.motion_threshold

"""Video networks of torchvision: Video Swin, S3D and a 3D ResNet-50."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import nn
from torchvision.models.video import S3D, VideoResNet, s3d, swin3d_b, swin3d_t
from torchvision.models.video.resnet import BasicStem, Bottleneck, Conv3DSimple
from torchvision.models.video.swin_transformer import SwinTransformer3d


def video_swin(num_classes: int, base: bool = False) -> SwinTransformer3d:
    """Video Swin T, or B; frames of any size that its patches of 2 × 4 × 4 can cut.

    Liu et al., "Video Swin Transformer", CVPR 2022. The paper does not say which size it used.

    Args:
        num_classes: Classes.
        base: B, three times as many parameters as T.
    """
    return (swin3d_b if base else swin3d_t)(num_classes=num_classes)


def separable_3d(num_classes: int) -> S3D:
    """S3D, whose pool goes over the whole map, so that small clips work.

    Xie et al., "Rethinking Spatiotemporal Feature Learning: Speed-Accuracy Trade-offs in Video
    Classification", ECCV 2018. torchvision's own pool is 2 × 7 × 7.

    Args:
        num_classes: Classes.
    """
    model = s3d(num_classes=num_classes)
    model.avgpool = nn.AdaptiveAvgPool3d(1)
    return model


def resnet50_3d(num_classes: int) -> VideoResNet:
    """A ResNet-50 whose 3 × 3 kernels are 3 × 3 × 3.

    Hara et al., "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR
    2018. torchvision has its parts, and weights of 18 layers only.

    Args:
        num_classes: Classes.
    """
    convolutions = cast("Sequence[type[Conv3DSimple]]", [Conv3DSimple] * 4)
    return VideoResNet(Bottleneck, convolutions, [3, 4, 6, 3], BasicStem, num_classes)

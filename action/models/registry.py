"""The recognisers of the paper's Tables 3 and 4: what each is, takes and needs.

python -m action.models.registry    # prints them as a table
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from action.config import ActionConfig, ModelName
from action.models.agcn import Agcn
from action.models.assemblenet import AssembleNetPlusPlus
from action.models.glimpse_clouds import GlimpseClouds, GlimpseCnn
from action.models.graphs import NTU25, SkeletonGraph
from action.models.i3d import I3d
from action.models.mmnet import Mmnet
from action.models.normalisation import (
    IMAGENET,
    KINETICS,
    SYMMETRIC,
    TIMESFORMER,
    UNIT,
    Normalisation,
)
from action.models.paper import PAPER
from action.models.st_gcn import StGcn
from action.models.vpn import Vpn
from action.models.vpnpp import VpnppStudent, VpnppTeacher
from action.models.wrapped import resnet50_3d, separable_3d, video_swin
from action.timesformer import TimeSformer
from align.results.text import NO_VALUE, markdown
from datasets.bounds import PositiveInt, require_values_in_bounds
from datasets.errors import require_known

# NTU RGB+D's classes: the sizes of its networks are published.
NTU_CLASSES = 60
# What a forward pass takes, in the order of its arguments.
Input = Literal["clips", "joints", "pictures"]
Pose = Literal["", "2D", "3D", "2D and 3D"]


@dataclass(frozen=True)
class Size:
    """The sizes for which a network is built.

    Attributes:
        classes: Classes.
        frames: Frames of a clip.
        image_size: Side of the frames in pixels.
        graph: The skeleton of the joints.
        persons: Persons of a clip.
        keypoints: Keypoints of a person in the frames.
    """

    classes: int
    frames: int
    image_size: int
    graph: SkeletonGraph
    persons: int
    keypoints: int


@dataclass(frozen=True)
class Architecture:
    """A recogniser.

    Attributes:
        title: Its name in print.
        source: Authors and place of publication.
        inputs: What a forward pass takes, in this order.
        normalisation: How pixels are normalised.
        frames: Frames of a clip, as published; of skeletons, the longest.
        image_size: Side of the frames in pixels, as published; 0 where no frames are seen.
        trained_with: Poses that training needs; PAAB and PAAT need 2D ones besides.
        recognises_with: Poses that inference needs.
        make: Builds the network.
    """

    title: str
    source: str
    inputs: tuple[Input, ...]
    normalisation: Normalisation
    frames: int
    image_size: int
    trained_with: Pose
    recognises_with: Pose
    make: Callable[[Size], nn.Module]

    @property
    def modality(self) -> str:
        """The modality that it sees at inference, as the paper's tables say it."""
        seen = ["RGB"] * (self.inputs != ("joints",))
        return " + ".join(seen + [f"{self.recognises_with} pose"] * bool(self.recognises_with))


def _timesformer(size: Size) -> nn.Module:
    return TimeSformer(size.image_size, frames=size.frames, num_classes=size.classes)


def _motionformer(size: Size) -> nn.Module:
    return TimeSformer(
        size.image_size,
        frames=size.frames,
        num_classes=size.classes,
        drop_path=0.2,
        attention_type="trajectory",
        tubelet=2,
    )


_RGB: tuple[Input, ...] = ("clips",)
_BOTH: tuple[Input, ...] = ("clips", "joints")
ARCHITECTURES: Mapping[ModelName, Architecture] = {
    "timesformer": Architecture(
        "TimeSformer",
        "Bertasius et al., ICML 2021",
        *(_RGB, TIMESFORMER, 8, 224, "", ""),
        _timesformer,
    ),
    "motionformer": Architecture(
        "MotionFormer",
        "Patrick et al., NeurIPS 2021",
        *(_RGB, SYMMETRIC, 16, 224, "", ""),
        _motionformer,
    ),
    "swin3d_t": Architecture(
        "Video Swin-T",
        "Liu et al., CVPR 2022",
        *(_RGB, IMAGENET, 32, 224, "", ""),
        lambda size: video_swin(size.classes),
    ),
    "swin3d_b": Architecture(
        "Video Swin-B",
        "Liu et al., CVPR 2022",
        *(_RGB, IMAGENET, 32, 224, "", ""),
        lambda size: video_swin(size.classes, base=True),
    ),
    "s3d": Architecture(
        "S3D",
        "Xie et al., ECCV 2018",
        *(_RGB, KINETICS, 64, 224, "", ""),
        lambda size: separable_3d(size.classes),
    ),
    "r3d50": Architecture(
        "3D ResNet-50",
        "Hara et al., CVPR 2018",
        *(_RGB, KINETICS, 16, 112, "", ""),
        lambda size: resnet50_3d(size.classes),
    ),
    "i3d": Architecture(
        "I3D",
        "Carreira and Zisserman, CVPR 2017",
        *(_RGB, SYMMETRIC, 64, 224, "", ""),
        lambda size: I3d(size.classes),
    ),
    "st_gcn": Architecture(
        "ST-GCN",
        "Yan et al., AAAI 2018",
        *(("joints",), UNIT, 300, 0, "3D", "3D"),
        lambda size: StGcn(size.classes, size.graph),
    ),
    "agcn": Architecture(
        "2s-AGCN",
        "Shi et al., CVPR 2019",
        *(("joints",), UNIT, 300, 0, "3D", "3D"),
        lambda size: Agcn(size.classes, size.graph, size.persons),
    ),
    "vpn": Architecture(
        "VPN",
        "Das et al., ECCV 2020",
        *(_BOTH, SYMMETRIC, 16, 224, "3D", "3D"),
        lambda size: Vpn(size.classes, size.graph, size.frames, size.image_size),
    ),
    "vpnpp_teacher": Architecture(
        "VPN++'s teacher",
        "Das et al., T-PAMI 2021",
        *(_BOTH, SYMMETRIC, 64, 224, "3D", "3D"),
        lambda size: VpnppTeacher(
            size.classes, size.graph, size.persons, size.frames, size.image_size
        ),
    ),
    "vpnpp": Architecture(
        "VPN++",
        "Das et al., T-PAMI 2021",
        *(_RGB, SYMMETRIC, 64, 224, "3D", ""),
        lambda size: VpnppStudent(size.classes, size.frames, size.image_size),
    ),
    "mmnet": Architecture(
        "MMNet",
        "Yu et al., T-PAMI 2022",
        *(("pictures", "joints"), IMAGENET, 300, 225, "2D and 3D", "2D and 3D"),
        lambda size: Mmnet(size.classes, size.graph),
    ),
    "glimpse_cnn": Architecture(
        "Glimpse Clouds' CNN",
        "Baradel et al., CVPR 2018",
        *(_RGB, IMAGENET, 8, 224, "2D", ""),
        lambda size: GlimpseCnn(size.classes, size.keypoints),
    ),
    "glimpse_clouds": Architecture(
        "Glimpse Clouds",
        "Baradel et al., CVPR 2018",
        *(_RGB, IMAGENET, 8, 224, "2D", ""),
        lambda size: GlimpseClouds(size.classes, size.keypoints),
    ),
    "assemblenet_pp": Architecture(
        "AssembleNet++",
        "Ryoo et al., ECCV 2020",
        *(_RGB, UNIT, 32, 224, "", ""),
        lambda size: AssembleNetPlusPlus(size.classes),
    ),
}


def architecture(name: str) -> Architecture:
    """A recogniser by its name.

    Raises:
        UnknownNameError: An unknown name.
    """
    require_known("model", name, ARCHITECTURES)
    return ARCHITECTURES[name]  # type: ignore[index]


def modality(config: ActionConfig) -> str:
    """The modality that a run's model sees at inference, in the words of the paper's tables."""
    return architecture(config.model).modality + " + 2D pose" * config.uses_paab


def build(
    name: str,
    classes: int,
    frames: int | None = None,
    image_size: int | None = None,
    graph: SkeletonGraph = NTU25,
    persons: int = 2,
    keypoints: int = 25,
) -> nn.Module:
    """A recogniser at its published size, with random weights.

    Args:
        name: Its name.
        classes: Classes.
        frames: Frames of a clip; as published by default.
        image_size: Side of the frames in pixels; as published by default.
        graph: The skeleton of the joints.
        persons: Persons of a clip.
        keypoints: Keypoints of a person in the frames.

    Raises:
        OptionError: When a number is below its least.
        UnknownNameError: An unknown name.
    """
    known = architecture(name)
    numbers = {"classes": classes, "frames": frames, "image_size": image_size}
    require_values_in_bounds(numbers, dict.fromkeys(numbers, PositiveInt), prefix="")
    frames, image_size = frames or known.frames, image_size or known.image_size
    return known.make(Size(classes, frames, image_size, graph, persons, keypoints))


def parameters(name: ModelName, classes: int = NTU_CLASSES) -> int:
    """How many numbers a recogniser learns at its published size."""
    with torch.device("meta"):
        model = build(name, classes)
    return sum(weights.numel() for weights in model.parameters() if weights.requires_grad)


def logits_of(output: Any) -> Tensor:
    """The logits in what any of the recognisers returns."""
    return output if isinstance(output, Tensor) else output.logits


def table() -> str:
    """All recognisers with their needs, and the paper's numbers, as Markdown."""
    header = ["name", "", "source", "clip", "poses in training", "at inference"]
    rows = [
        [
            f"`{name}`",
            known.title,
            known.source,
            _clip(known),
            known.trained_with or NO_VALUE,
            known.modality,
        ]
        for name, known in ARCHITECTURES.items()
    ]
    return markdown(header, rows)


def paper_table() -> str:
    """The paper's accuracies in percent, as Markdown."""
    columns = list(dict.fromkeys(key for numbers in PAPER.values() for key in numbers))
    rows = [
        [ARCHITECTURES[name].title, *(f"{numbers.get(c, NO_VALUE)}" for c in columns)]
        for name, numbers in ((name, PAPER[name]) for name in ARCHITECTURES if name in PAPER)
    ]
    return markdown(["", *columns], rows)


def _clip(known: Architecture) -> str:
    frames = f"{known.frames} frames"
    return f"{frames} of {known.image_size}²" if known.image_size else frames


if __name__ == "__main__":
    print(table(), paper_table(), sep="\n\n")

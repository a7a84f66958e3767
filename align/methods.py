"""The methods by their names: which network each trains, with which loss and pose modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from datasets.errors import OptionError, require_known

Method = Literal[
    "deit",
    "paab",
    "paat",
    "paab+paat",
    "paab-free",
    "paab-points",
    "paat-points",
    "tcn",
    "tcn-single",
    "tcn+paat",
    "tcn+paat-points",
    "disentangle",
    "3dtrl",
    "3dtrl+paab",
    "3dtrl+paat",
]
# The rows of the paper's Table 5.
PAPER_METHODS: tuple[Method, ...] = ("deit", "paab", "paat", "tcn", "disentangle", "3dtrl")
# Names that help texts list: the paper's rows, and the one with the lowest errors here.
SHOWN_METHODS: tuple[Method, ...] = (*PAPER_METHODS, "tcn+paat")
Pose = Literal["paab", "paat", "paab+paat", "paab-free", "paab-points", "paat-points"]
Encoder = Literal["vit", "tcn", "disentangle"]
Objective = Literal["chosen", "tcn", "tcn-single"]


@dataclass(frozen=True)
class Parts:
    """The parts of a method.

    Attributes:
        encoder: vit: the transformer of `--backbone`; tcn: TCN's network; disentangle: two
            encoders and a decoder.
        objective: chosen: the loss of `--loss`; tcn, tcn-single: TCN's own, of several views or
            of one.
        paab: Pose-aware attention blocks.
        paat: The pose-aware auxiliary task.
        pose_free: PAAB uses the pose map that PAAT predicts.
        points: The keypoints' coordinates become part of the embedding.
        trl3d: 3DTRL's recovered geometry.
    """

    encoder: Encoder = "vit"
    objective: Objective = "chosen"
    paab: bool = False
    paat: bool = False
    pose_free: bool = False
    points: bool = False
    trl3d: bool = False

    @property
    def trains_on_poses(self) -> bool:
        """Whether training needs keypoints."""
        return self.paab or self.paat

    @property
    def needs_poses(self) -> bool:
        """Whether inference needs keypoints too."""
        return self.paab and not self.pose_free


METHODS: Mapping[Method, Parts] = {
    "deit": Parts(),
    "paab": Parts(paab=True),
    "paat": Parts(paat=True),
    "paab+paat": Parts(paab=True, paat=True),
    "paab-free": Parts(paab=True, paat=True, pose_free=True),
    "paab-points": Parts(paab=True, points=True),
    "paat-points": Parts(paat=True, points=True),
    "tcn": Parts(encoder="tcn", objective="tcn"),
    "tcn-single": Parts(encoder="tcn", objective="tcn-single"),
    "tcn+paat": Parts(encoder="tcn", paat=True),
    "tcn+paat-points": Parts(encoder="tcn", paat=True, points=True),
    "disentangle": Parts(encoder="disentangle"),
    "3dtrl": Parts(trl3d=True),
    "3dtrl+paab": Parts(trl3d=True, paab=True),
    "3dtrl+paat": Parts(trl3d=True, paat=True),
}
assert METHODS.keys() == set(get_args(Method))


def compose(method: Method, pose: Pose | None) -> Method:
    """The method that adds pose modules to another: 3dtrl and paab make 3dtrl+paab.

    Raises:
        OptionError: When the method has pose modules already.
        UnknownNameError: When the two cannot be combined.
    """
    if pose is None:
        return method
    if METHODS[method].trains_on_poses:
        raise OptionError(f"--method {method} has pose modules already: leave out --pose {pose}")
    name = pose if method == "deit" else f"{method}+{pose}"
    require_known("combination of --method and --pose", name, METHODS)
    return name  # type: ignore[return-value]


def network_name(method: Method, backbone: str, disentangle_encoder: str) -> str:
    """Name in timm or torchvision of the network that a method's encoder is made of."""
    names: Mapping[Encoder, str] = {
        "vit": backbone,
        "tcn": "inception_v3",
        "disentangle": disentangle_encoder,
    }
    return names[METHODS[method].encoder]

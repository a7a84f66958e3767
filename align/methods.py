"""The methods by their names: which network each trains, with which loss and pose modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from align.models.config import Late
from datasets.errors import require_known

Method = Literal[
    "deit",
    "paab",
    "paat",
    "paab+paat",
    "paab-free",
    "tcn",
    "tcn-single",
    "tcn+paat",
    "disentangle",
    "3dtrl",
    "3dtrl+paab",
    "3dtrl+paat",
    "late",
    "late-predicted",
    "late-distilled",
    "paab+late",
    "paat+late",
    "paat+late-predicted",
    "tcn+late",
    "tcn+late-predicted",
    "tcn+paat+late",
    "tcn+paat+late-predicted",
    "3dtrl+late",
    "3dtrl+late-predicted",
]
# The rows of the paper's Table 5.
PAPER_METHODS: tuple[Method, ...] = ("deit", "paab", "paat", "tcn", "disentangle", "3dtrl")
# Names that help texts list: the paper's rows, and the one with the lowest errors here.
SHOWN_METHODS: tuple[Method, ...] = (*PAPER_METHODS, "tcn+paat")
Pose = Literal["paab", "paat", "paab+paat", "paab-free", "late", "late-predicted", "late-distilled"]
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
        trl3d: 3DTRL's recovered geometry.
        late: An encoder of keypoints beside the trunk; its keypoints are given or predicted at
            inference, or it teaches the trunk and is then left out (distilled).
    """

    encoder: Encoder = "vit"
    objective: Objective = "chosen"
    paab: bool = False
    paat: bool = False
    pose_free: bool = False
    trl3d: bool = False
    late: Late | None = None

    @property
    def trains_on_poses(self) -> bool:
        """Whether training needs keypoints."""
        return self.paab or self.paat or self.late is not None

    @property
    def needs_poses(self) -> bool:
        """Whether inference needs keypoints too."""
        return (self.paab and not self.pose_free) or self.late == "given"


METHODS: Mapping[Method, Parts] = {
    "deit": Parts(),
    "paab": Parts(paab=True),
    "paat": Parts(paat=True),
    "paab+paat": Parts(paab=True, paat=True),
    "paab-free": Parts(paab=True, paat=True, pose_free=True),
    "tcn": Parts(encoder="tcn", objective="tcn"),
    "tcn-single": Parts(encoder="tcn", objective="tcn-single"),
    "tcn+paat": Parts(encoder="tcn", paat=True),
    "disentangle": Parts(encoder="disentangle"),
    "3dtrl": Parts(trl3d=True),
    "3dtrl+paab": Parts(trl3d=True, paab=True),
    "3dtrl+paat": Parts(trl3d=True, paat=True),
    "late": Parts(late="given"),
    "late-predicted": Parts(late="predicted"),
    "late-distilled": Parts(late="distilled"),
    "paab+late": Parts(paab=True, late="given"),
    "paat+late": Parts(paat=True, late="given"),
    "paat+late-predicted": Parts(paat=True, late="predicted"),
    "tcn+late": Parts(encoder="tcn", objective="tcn", late="given"),
    "tcn+late-predicted": Parts(encoder="tcn", objective="tcn", late="predicted"),
    "tcn+paat+late": Parts(encoder="tcn", paat=True, late="given"),
    "tcn+paat+late-predicted": Parts(encoder="tcn", paat=True, late="predicted"),
    "3dtrl+late": Parts(trl3d=True, late="given"),
    "3dtrl+late-predicted": Parts(trl3d=True, late="predicted"),
}
assert METHODS.keys() == set(get_args(Method))


def compose(method: Method, pose: Pose | None) -> Method:
    """The method that adds pose modules to another: 3dtrl and paab make 3dtrl+paab.

    Raises:
        UnknownNameError: When the two cannot be combined.
    """
    if pose is None:
        return method
    name = pose if method == "deit" else f"{method}+{pose}"
    require_known("combination of --method and --pose", name, METHODS)
    return name  # type: ignore[return-value]


def trunk_of(method: Method) -> Method:
    """The method whose network is the trunk of a method with late pose; else the method itself."""
    parts = METHODS[method]
    if parts.late is None:
        return method
    return next(name for name, trunk in METHODS.items() if trunk == replace(parts, late=None))


def network_name(method: Method, backbone: str, disentangle_encoder: str) -> str:
    """Name in timm or torchvision of the network that a method's encoder is made of."""
    names: Mapping[Encoder, str] = {
        "vit": backbone,
        "tcn": "inception_v3",
        "disentangle": disentangle_encoder,
    }
    return names[METHODS[method].encoder]

"""The paper's ablations: each varies one option, named as on the command line.

Studies refer to options by name and to blocks by number, so that they fit any configuration with
`paab`, `paat`, `paat_loss` and `pose_map`, for images or for clips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

Config = TypeVar("Config")

StudyName = Literal[
    "paab-position",
    "paat-position",
    "paab-variant",
    "paab-blocks",
    "paat-target",
    "lambda",
    "bottleneck",
    "random-map",
    "noise",
    "dilation",
]
# Those of alignment also vary the number of training episodes, which clips do not have.
AlignmentStudy = Literal[StudyName, "episodes"]


@dataclass(frozen=True)
class Study:
    """One option that is varied while all others stay fixed.

    Attributes:
        title: The question of the study.
        option: Name of the option, such as `paab.positions`.
        methods: Methods that have the option; each is a curve.
        values: Values of the option, or a function from the number of blocks to the values.
        axis: Label of the values' axis.
        source: Table or figure of the paper with the same study.
        names: Value to its name, for values that do not explain themselves.
    """

    title: str
    option: str
    methods: Sequence[str]
    values: Sequence[Any] | Callable[[int], Sequence[Any]]
    axis: str
    source: str
    names: Mapping[Any, str] = field(default_factory=dict)

    def values_for(self, depth: int) -> Sequence[Any]:
        """The values for a backbone of `depth` blocks."""
        return self.values(depth) if callable(self.values) else self.values

    def label(self, value: Any, depth: int) -> str:
        """The text of a value; the last block is written as its number."""
        if isinstance(value, tuple):
            return ", ".join(str(resolved(position, depth)) for position in value)
        return self.names.get(value, f"{value:g}" if isinstance(value, float) else str(value))


@dataclass(frozen=True)
class Variant:
    """One method with one value of a study's option.

    Attributes:
        method: The method.
        label: Text of the value.
        name: Name that identifies the runs of this variant across all studies.
        config: Their options, except data, folder and seed.
    """

    method: str
    label: str
    name: str
    config: Any


def resolved(position: int, depth: int) -> int:
    """The number of a block, counted from 1; -1 is the last."""
    return depth if position == -1 else position


def insertion_points(depth: int) -> list[tuple[int, ...]]:
    """First, middle and last block, and the first with either: 1; 6; 12; 1, 6; 1, 12 of twelve."""
    middle = (depth + 1) // 2
    found: dict[frozenset[int], tuple[int, ...]] = {}
    for points in ((1,), (middle,), (-1,), (1, middle), (1, -1)):
        # In a shallow backbone some of these positions coincide.
        blocks = frozenset(resolved(point, depth) for point in points)
        if len(blocks) == len(points):
            found.setdefault(blocks, points)
    return list(found.values())


STUDIES: Mapping[StudyName, Study] = {
    "paab-position": Study(
        "Where to put PAAB",
        "paab.positions",
        ("paab",),
        insertion_points,
        "PAAB after block",
        "Table 1a",
    ),
    "paat-position": Study(
        "Where to put PAAT",
        "paat.positions",
        ("paat",),
        insertion_points,
        "PAAT after block",
        "Table 1a",
    ),
    # The third variant, joint attention, is spatial attention on single images.
    "paab-variant": Study(
        "Which attention PAAB has",
        "paab.variant",
        ("paab",),
        ("spatial", "spatiotemporal"),
        "attention",
        "Table 1b",
    ),
    "paab-blocks": Study(
        "How many PAABs",
        "paab.blocks",
        ("paab",),
        (1, 2, 3, 4),
        "PAABs, one on top of the other",
        "Table 1c",
    ),
    "paat-target": Study(
        "What PAAT predicts",
        "paat.target",
        ("paat",),
        ("p3d", "p2d"),
        "target",
        "Table 1d",
        {"p3d": "which keypoint (P3D)", "p2d": "whether any (P2D)"},
    ),
    "lambda": Study(
        "How much PAAT's loss weighs",
        "paat_loss.weight",
        ("paat",),
        (0.3, 0.6, 1.0, 1.3, 1.6, 2.0, 5.0),
        "weight λ of PAAT's loss",
        "Figure 9",
    ),
    "bottleneck": Study(
        "How wide PAAT's bottleneck is",
        "paat.bottleneck",
        ("paat",),
        (32, 64, 128, 256, 512),
        "width D_e of PAAT's bottleneck",
        "section 4.2",
    ),
    "random-map": Study(
        "Whether the poses are true",
        "pose_map.random",
        ("paab", "paat"),
        (False, True),
        "pose maps, in training and test",
        "Table 2",
        {False: "true", True: "random"},
    ),
    "noise": Study(
        "How exact the poses are",
        "pose_map.noise",
        ("paab", "paat"),
        (0, 8, 16, 32, 64),
        "noise ε on keypoints, in pixels of the frames that the model sees",
        "Figure 4",
    ),
    "dilation": Study(
        "How many patches around a keypoint count",
        "pose_map.dilation",
        ("paab", "paat"),
        (0, 1, 2),
        "steps around a keypoint's patch",
        "not in the paper; its published code takes 1",
    ),
}


def variants(study: Study, config: Any, depth: int) -> list[Variant]:
    """Every method of a study with every value.

    Args:
        study: The study.
        config: All other options. A variant whose value is the one in `config` is the plain
            method, whose runs all studies share.
        depth: Number of blocks of the backbone.
    """
    return [
        _variant(study, config, method, value, depth)
        for method in study.methods
        for value in study.values_for(depth)
    ]


def reference(config: Any, method: str) -> Variant:
    """The plain method that variants are compared with."""
    return Variant(method, "", method, replace(config, method=method))


def all_variants(studies: Iterable[Study], config: Any, baseline: str, depth: int) -> list[Variant]:
    """The plain method and the variants of all studies, those that studies share once.

    Args:
        studies: The studies.
        config: Options that all runs share.
        baseline: The plain method.
        depth: Number of blocks of the backbone.
    """
    of_studies = [v for study in studies for v in variants(study, config, depth)]
    found = [reference(config, baseline), *of_studies]
    return list({variant.name: variant for variant in found}.values())


def _variant(study: Study, config: Any, method: str, value: Any, depth: int) -> Variant:
    name, label = method, study.label(value, depth)
    if option(config, study.option) != value:
        values = "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
        # The name becomes a folder's name: `paab_positions1-2`, `paat_weight0.3`.
        name += f"_{study.option.split('.')[-1]}{values}"
    changed = with_option(replace(config, method=method), study.option, value)
    return Variant(method, label, name, changed)


def option(config: Any, name: str) -> Any:
    """The value of an option, `paab.positions`."""
    for part in name.split("."):
        config = getattr(config, part)
    return config


def with_option(config: Config, name: str, value: Any) -> Config:
    """A configuration with another value of an option, `paab.positions`."""
    part, _, rest = name.partition(".")
    inner = with_option(getattr(config, part), rest, value) if rest else value
    return replace(config, **{part: inner})  # type: ignore[type-var]

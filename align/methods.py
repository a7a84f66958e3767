"""From a method's name to its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

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
METHODS: tuple[Method, ...] = get_args(Method)
# The rows of the paper's Table 5.
PAPER_METHODS: tuple[Method, ...] = ("deit", "paab", "paat", "tcn", "disentangle", "3dtrl")
Part = Literal[
    "vit",
    "paab",
    "paat",
    "pose_free",
    "points",
    "3dtrl",
    "tcn",
    "multi_view",
    "single_view",
    "disentangle",
]
PARTS: Mapping[Method, frozenset[Part]] = {
    "deit": frozenset({"vit"}),
    "paab": frozenset({"vit", "paab"}),
    "paat": frozenset({"vit", "paat"}),
    "paab+paat": frozenset({"vit", "paab", "paat"}),
    "paab-free": frozenset({"vit", "paab", "paat", "pose_free"}),
    "paab-points": frozenset({"vit", "paab", "points"}),
    "paat-points": frozenset({"vit", "paat", "points"}),
    "tcn": frozenset({"tcn", "multi_view"}),
    "tcn-single": frozenset({"tcn", "single_view"}),
    "tcn+paat": frozenset({"tcn", "paat"}),
    "tcn+paat-points": frozenset({"tcn", "paat", "points"}),
    "disentangle": frozenset({"disentangle"}),
    "3dtrl": frozenset({"vit", "3dtrl"}),
    "3dtrl+paab": frozenset({"vit", "3dtrl", "paab"}),
    "3dtrl+paat": frozenset({"vit", "3dtrl", "paat"}),
}

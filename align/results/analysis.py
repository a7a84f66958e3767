"""Stored analyses of tokens: distances by layer, and attention maps of one episode."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from datasets.errors import FormatError
from datasets.storage.atomic import atomic_path

# The lowest attention weight of each bin of the histogram; the last bin ends at 1.
ATTENTION_BINS = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class FeatureAnalysis:
    """Means over frames for each layer; NaN where no frame has tokens of both groups.

    Attributes:
        pose_distance: Distance between the pose tokens and the other patches of a frame (Fig. 7a).
        keypoint_distance: Distance between the tokens of a keypoint and those of the other
            keypoints of a frame (Fig. 7b).
        attention: Shares of attention weights in each of `ATTENTION_BINS` (Fig. 7c); with divided
            attention, those in space.
        ffn_distance: Distance between each token before and after the feed-forward network
            (Fig. 10).
    """

    pose_distance: list[float]
    keypoint_distance: list[list[float]]
    attention: list[list[float]]
    ffn_distance: list[float]


@dataclass(frozen=True)
class AttentionMaps:
    """Attention in one episode at a few moments.

    Attributes:
        episode: Name of the episode.
        times: Time steps of the moments.
        views: View to one map for each moment, a list of rows of patches. The unit is the weight
            that each patch would receive if all received the same.
    """

    episode: str
    times: Sequence[int]
    views: Mapping[str, Sequence[Sequence[Sequence[float]]]]


def bin_names() -> Sequence[str]:
    """The ranges of `ATTENTION_BINS` as text."""
    ends = [*(f"{edge:g}" for edge in ATTENTION_BINS), "1"]
    return [f"{low} to {high}" for low, high in zip(ends, ends[1:], strict=False)]


def save_analysis(analysis: FeatureAnalysis, path: Path) -> None:
    """Writes an analysis as JSON; NaN becomes null."""
    text = TypeAdapter(FeatureAnalysis).dump_json(analysis, indent=1)
    with atomic_path(path) as temporary:
        temporary.write_bytes(text + b"\n")


def load_analysis(path: Path) -> FeatureAnalysis:
    """Reads what `save_analysis` wrote.

    Raises:
        FormatError: When the file is damaged.
    """
    with _analysis_again(path):
        stored = _with_nan(json.loads(path.read_bytes()))
        return TypeAdapter(FeatureAnalysis).validate_python(stored)


def _with_nan(stored: Any) -> Any:
    """Nested lists and objects with NaN in the place of null."""
    if isinstance(stored, dict):
        return {name: _with_nan(value) for name, value in stored.items()}
    if isinstance(stored, list):
        return [_with_nan(value) for value in stored]
    return math.nan if stored is None else stored


def save_maps(maps: AttentionMaps, path: Path) -> None:
    """Writes attention maps as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(TypeAdapter(AttentionMaps).dump_json(maps) + b"\n")


def load_maps(path: Path) -> AttentionMaps:
    """Reads what `save_maps` wrote.

    Raises:
        FormatError: When the file is damaged.
    """
    with _analysis_again(path):
        return TypeAdapter(AttentionMaps).validate_json(path.read_bytes())


@contextmanager
def _analysis_again(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:  # raised by json and by pydantic
        reason = " ".join(str(error).split())
        raise FormatError(
            f"{path} cannot be read: {reason}. Analyse again: `python -m align.analyze "
            f"{path.parent.parent}` (or action.analyze)."
        ) from None

"""Checks that a further episode is like those that its data set has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from datasets.errors import MismatchError
from datasets.storage.checks import open_episode
from datasets.storage.episode_file import VIEW_PARTS, Episode
from datasets.storage.meta import DatasetMeta
from datasets.storage.writer import EpisodeWriter


def require_same_facts(folder: Path, stored: DatasetMeta, meta: DatasetMeta) -> None:
    """Checks that an episode has the views, keypoints, size, rate and phases of its data set.

    Raises:
        MismatchError: When it has not.
    """
    for part, of in (
        ("views", lambda m: m.views),
        ("keypoints", lambda m: list(m.get_skeleton().keypoints)),
        ("size", lambda m: m.image_size),
        ("hz", lambda m: m.control_hz),
        ("phase_names", lambda m: m.phases),
    ):
        if of(stored) != of(meta):
            raise MismatchError(
                f"the episodes of {folder} have {part} {of(stored)}, this one {of(meta)}. Give the "
                "same, or write it to another folder."
            )


def require_same_columns(writer: EpisodeWriter, first: int, episode: Episode) -> None:
    """Checks that an episode has the measurements and cameras of an earlier one.

    Args:
        writer: The writer of the data set.
        first: Number of the earlier episode.
        episode: The episode.

    Raises:
        MismatchError: When it has not; names the first difference.
    """
    with open_episode(writer.path(first)) as file:
        of_views = {f"{view}_{part}" for view in writer.meta.views for part in VIEW_PARTS}
        stored = {n: v.shape[1:] for n, v in file["obs"].items() if n not in of_views}
        stored |= {"actions": file["actions"].shape[1:]} if "actions" in file else {}
        stored |= {f"camera of {view}": () for view in file.get("cameras", ())}
    given = {name: values.shape[1:] for name, values in episode.observations.items()}
    given |= {} if episode.actions is None else {"actions": episode.actions.shape[1:]}
    given |= {f"camera of {view}": () for view in episode.intrinsics}
    for name in sorted(stored.keys() | given.keys()):
        if stored.get(name) != given.get(name):
            raise MismatchError(
                f"the episodes of {writer.root} have {_columns(name, stored)}, this one "
                f"{_columns(name, given)}. Give the same, or write it to another folder."
            )


def _columns(name: str, shapes: Mapping[str, tuple[int, ...]]) -> str:
    if name not in shapes:
        return f"no {name}"
    return f"{name} of shape {('time', *shapes[name])}" if shapes[name] else f"a {name}"

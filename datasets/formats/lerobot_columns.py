"""An episode's arrays over time under LeRobot's names, and the episode from such arrays."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from datasets.errors import FormatError, MismatchError, require
from datasets.formats.lerobot_layout import EXTRA
from datasets.frames import Frames
from datasets.lens import LENSES, Lens, distorting
from datasets.source import bare_episode
from datasets.storage.episode_file import Episode
from datasets.storage.meta import DatasetMeta


def episode_columns(episode: Episode, meta: DatasetMeta) -> dict[str, np.ndarray]:
    """An episode's arrays over time, without frames, under LeRobot's names: (T, D) each."""
    columns: dict[str, np.ndarray | None] = {"action": episode.actions}
    if proprioception := _proprioception(episode):
        columns["observation.state"] = np.concatenate(list(proprioception.values()), axis=1)
    columns |= {
        "next.reward": episode.rewards,
        "next.done": None if episode.dones is None else episode.dones.astype(bool),
        "next.success": _success(episode),
        "phase": episode.phases.astype(np.int64),
        "sim_state": episode.states,
    }
    return _over_time(columns, episode) | pose_columns(episode, meta.views)


def pose_columns(episode: Episode, views: Sequence[str]) -> dict[str, np.ndarray]:
    """The keypoints and cameras of some views under our names in LeRobot's sets: (T, D) each."""
    columns: dict[str, np.ndarray | None] = {"keypoints_world": episode.keypoints_world}
    for view in views:
        columns[f"keypoints.{view}"] = episode.keypoints.get(view)
        columns[f"visible.{view}"] = episode.visible.get(view)
        if view in episode.intrinsics:
            for part in ("intrinsics", "world_to_camera"):
                matrices = getattr(episode, part)[view]
                size = matrices.shape[-1]
                columns[f"camera.{view}.{part}"] = np.broadcast_to(
                    matrices, (len(episode), size, size)
                )
        if view in distorting(episode.lenses):
            lens = episode.lenses[view]
            columns[f"camera.{view}.{lens.name}"] = np.tile(lens.coefficients, (len(episode), 1))
    return _over_time(columns, episode)


def pose_names(views: Sequence[str]) -> set[str]:
    """Every name that a column of `pose_columns` can have."""
    parts = ("intrinsics", "world_to_camera", *LENSES)
    names = {f"{kind}.{view}" for kind in ("keypoints", "visible") for view in views}
    names |= {f"camera.{view}.{part}" for view in views for part in parts}
    return names | {"keypoints_world"}


def _over_time(columns: Mapping[str, np.ndarray | None], episode: Episode) -> dict[str, np.ndarray]:
    return {
        name: _stored(value).reshape(len(episode), -1)
        for name, value in columns.items()
        if value is not None
    }


def _stored(values: np.ndarray) -> np.ndarray:
    # LeRobot and the policies trained on it compute in single precision.
    return values.astype(np.float32) if values.dtype.kind == "f" else values


def _proprioception(episode: Episode) -> dict[str, np.ndarray]:
    return {
        name: value.reshape(len(episode), -1)
        for name, value in sorted(episode.observations.items())
        if value.dtype.kind == "f" and value.ndim <= 2
    }


def _success(episode: Episode) -> np.ndarray | None:
    if episode.success is None:
        return None
    reached = np.zeros(len(episode), bool)
    reached[-1] = episode.success
    return reached


def feature_names(episode: Episode, meta: DatasetMeta) -> dict[str, list[str]]:
    """Names of the components of those features whose components have names."""
    points = meta.get_skeleton().keypoints
    names = {f"keypoints.{view}": [f"{p}.{c}" for p in points for c in "xy"] for view in meta.views}
    names |= {f"visible.{view}": list(points) for view in meta.views}
    names["keypoints_world"] = [f"{point}.{c}" for point in points for c in "xyz"]
    names["observation.state"] = [
        f"{name}.{i}"
        for name, value in _proprioception(episode).items()
        for i in range(value.shape[1])
    ]
    return names


def vector_feature(values: np.ndarray, names: list[str] | None) -> dict[str, Any]:
    """The entry of a column, (T, D), in `meta/info.json`."""
    return {"dtype": values.dtype.name, "shape": [values.shape[1]], "names": names}


def vector_array(values: np.ndarray) -> Any:
    """A column, (T, D), as it lies in the tables: lists of D numbers, or numbers where D is 1."""
    arrow = require("pyarrow", EXTRA)
    flat, size = arrow.array(np.ascontiguousarray(values).ravel()), values.shape[1]
    return flat if size == 1 else arrow.FixedSizeListArray.from_arrays(flat, size)


def episode_from_columns(
    images: Mapping[str, Frames],
    columns: Mapping[str, np.ndarray],
    meta: DatasetMeta,
    table: str,
) -> Episode:
    """The inverse of `episode_columns`, for data sets by others too.

    All proprioception becomes one observation, `state`. Columns that `meta` does not describe are
    ignored.

    Args:
        images: Frames of each view.
        columns: Name of each column to its values, (T, D).
        meta: Facts that the episodes have in common.
        table: Name of the table for messages.

    Raises:
        MismatchError: When a column has another size than `meta` asks for.
        FormatError: When a phase is not one of `meta`.
    """
    episode = bare_episode(images)
    steps, count = len(episode), len(meta.get_skeleton())

    def column(name: str) -> np.ndarray | None:
        return columns.get(name)

    def scalar(name: str) -> np.ndarray | None:
        return None if name not in columns else columns[name].ravel()

    def of_views(pattern: str, *shape: int) -> dict[str, np.ndarray]:
        names = {view: pattern.format(view) for view in images}
        found = {view: columns[name] for view, name in names.items() if name in columns}
        return {view: shaped(names[view], value, *shape) for view, value in found.items()}

    def shaped(name: str, value: np.ndarray, *shape: int) -> np.ndarray:
        if value.size != steps * prod(shape):
            raise MismatchError(
                f"{table}: {name} has {value.shape[1]} numbers a row, not {prod(shape)}; "
                "copy the data set again."
            )
        return value.reshape(steps, *shape)

    success, dones, phases = scalar("next.success"), scalar("next.done"), scalar("phase")
    poses = of_views("camera.{}.world_to_camera", 4, 4)
    in_space = column("keypoints_world") if count else None
    return replace(
        episode,
        phases=episode.phases
        if phases is None or len(meta.phases) < 2
        else _phases(phases, meta, table),
        keypoints=of_views("keypoints.{}", count, 2) if count else {},
        visible=of_views("visible.{}", count) if count else {},
        intrinsics={v: k[0] for v, k in of_views("camera.{}.intrinsics", 3, 3).items()},
        world_to_camera={v: p[0] if (p == p[0]).all() else p for v, p in poses.items()},
        lenses=_lenses(list(images), columns, table),
        keypoints_world=None if in_space is None else shaped("keypoints_world", in_space, count, 3),
        actions=column("action"),
        states=column("sim_state"),
        rewards=scalar("next.reward"),
        dones=episode.dones if dones is None else dones.astype(np.int64),
        observations={"state": columns["observation.state"]}
        if "observation.state" in columns
        else {},
        success=None if success is None else bool(success.any()),
    )


def _lenses(views: Sequence[str], columns: Mapping[str, np.ndarray], table: str) -> dict[str, Lens]:
    """The lens of each view with one, whose model is in the name of its column."""
    found = {}
    for view, model in itertools.product(views, LENSES):
        if (name := f"camera.{view}.{model}") in columns:
            try:
                found[view] = Lens(model, tuple(columns[name][0].tolist()))
            except FormatError as error:
                raise FormatError(f"{table}: {name}: {error}") from None
    return found


def _phases(values: np.ndarray, meta: DatasetMeta, table: str) -> np.ndarray:
    if not np.isin(values, np.arange(len(meta.phases))).all():
        raise FormatError(
            f"{table}: its phases go from {values.min()} to {values.max()}, but there are only "
            f"{len(meta.phases)}; copy the data set again."
        )
    return values.astype(np.uint8)

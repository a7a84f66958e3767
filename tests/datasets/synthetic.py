"""Tiny data sets of moving dots: made in a moment, the same at every call, and learnable.

An arm reaches from a base to a cube while a glowing blob in its hand changes its colour. All of it
is a set of 3-D points that real cameras project, so keypoints, pixels and cameras agree. Each
episode goes through the same motion at a speed of its own, with a pause, so that the time cannot
be read off a clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from datasets.cameras import Camera
from datasets.episodes import Episode, EpisodeWriter
from datasets.skeletons import Skeleton, get_skeleton
from datasets.storage.meta import DatasetMeta

PHASES = ("reach", "grasp", "lift")
BLOB_RADIUS = 0.08  # metres
FOVY = 50.0  # degrees
TARGET = np.array([0.5, 0.25, 0.05])  # the cube, in metres


def make_data_set(
    root: Path | str,
    episodes: int = 5,
    views: int = 2,
    steps: int | tuple[int, int] = (18, 28),
    size: int = 48,
    skeleton: str = "panda",
    splits: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
) -> Path:
    """Writes a data set of moving dots and returns its folder.

    Args:
        root: Where to write.
        episodes: How many.
        views: Number of third-person views, in addition to `ego`.
        steps: Time steps of each episode, or the shortest and longest.
        size: Height and width in pixels.
        skeleton: Name of the skeleton.
        splits: Split to episode indices; a fifth each (at least one) for `valid` and `test` by
            default, the rest for `train`.
        seed: The same seed gives the same bytes.
    """
    meta = make_meta(views, size, skeleton, seed)
    writer = EpisodeWriter(root, meta)
    for index in range(episodes):
        writer.write(index, make_episode(meta, index, steps))
    writer.write_index(default_splits(episodes) if splits is None else splits)
    return writer.root


def default_splits(episodes: int) -> dict[str, list[int]]:
    """Splits `episodes` indices: a fifth (at least one) each to `valid` and `test`."""
    held_out = max(1, episodes // 5)
    order = list(range(episodes))
    train = episodes - 2 * held_out
    return {
        "train": order[:train],
        "valid": order[train : train + held_out],
        "test": order[train + held_out :],
    }


def make_meta(
    views: int = 2, size: int = 48, skeleton: str = "panda", seed: int = 0
) -> DatasetMeta:
    """The meta data of a data set of moving dots."""
    return DatasetMeta(
        env="dots",
        views=["ego", *(f"view_{i}" for i in range(views))],
        skeleton=skeleton,
        image_size=size,
        seed=seed,
        phases=list(PHASES),
        control_hz=20.0,
        env_args={"env_name": "Dots", "type": 1, "env_kwargs": {}},
        versions={"numpy": np.__version__},
        command=f"make_data_set(views={views}, size={size}, seed={seed})",
    )


def make_episode(meta: DatasetMeta, index: int, steps: int | tuple[int, int] = (18, 28)) -> Episode:
    """One episode; the meta's seed and the index fix it."""
    rng = np.random.default_rng([meta.seed, index])
    low, high = (steps, steps) if isinstance(steps, int) else steps
    count = int(rng.integers(low, high + 1))
    progress = _progress(count, rng)
    body = get_skeleton(meta.skeleton)
    hand = _hand_path(progress)
    keypoints_world = _arm(hand, body)
    phases = np.digitize(progress, [0.5, 0.7]).astype(np.uint8)
    cameras = {view: _cameras(view, meta, hand) for view in meta.views}

    images, keypoints, visible = {}, {}, {}
    for view, over_time in cameras.items():
        projected = [
            camera.project(p) for camera, p in zip(over_time, keypoints_world, strict=True)
        ]
        pixels = np.stack([p for p, _ in projected])
        depth = np.stack([d for _, d in projected])
        keypoints[view] = pixels.astype(np.float32)
        inside = np.stack([camera.contains(p) for camera, p in zip(over_time, pixels, strict=True)])
        visible[view] = inside & ~_behind_blob(over_time, pixels, depth, hand)
        images[view] = _paint(view, over_time, pixels, visible[view], hand, progress)
    velocity = np.gradient(hand, axis=0)
    return Episode(
        images=images,
        keypoints=keypoints,
        visible=visible,
        intrinsics={view: over_time[0].intrinsics for view, over_time in cameras.items()},
        world_to_camera={
            view: np.stack([camera.world_to_camera for camera in over_time])
            if view == "ego"
            else over_time[0].world_to_camera
            for view, over_time in cameras.items()
        },
        keypoints_world=keypoints_world,
        actions=np.concatenate([velocity, np.zeros((count, 3)), progress[:, None] > 0.6], axis=1),
        states=np.concatenate([hand, progress[:, None]], axis=1),
        rewards=(progress >= 1).astype(np.float64),
        dones=(np.arange(count) == count - 1).astype(np.int64),
        phases=phases,
        observations={
            "robot0_eef_pos": hand,
            "robot0_gripper_qpos": np.stack([1 - progress, progress - 1], axis=1) * 0.04,
        },
        seed=int(rng.integers(2**31)),
        success=True,
    )


def assert_same_episode(one: Episode, other: Episode) -> None:
    """Fails with the name of the first field that differs."""
    for field in fields(Episode):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, dict):
            assert a.keys() == b.keys(), field.name
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=f"{field.name} {key}")
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def _progress(count: int, rng: np.random.Generator) -> Float[np.ndarray, " time"]:
    # Random speed, smoothed, with one pause: monotone from 0 to 1 and different in each episode.
    speed = np.convolve(rng.uniform(0.1, 1.0, count + 4), np.ones(5) / 5, mode="valid")
    start = int(rng.integers(0, max(1, count - count // 6)))
    speed[start : start + count // 6] *= 0.05
    speed[0] = 0.0
    return np.cumsum(speed) / max(speed.sum(), 1e-9)


def _hand_path(progress: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time 3"]:
    # To the cube until 0.6 of the way, then straight up.
    reach = np.clip(progress / 0.6, 0, 1)[:, None]
    lift = np.clip((progress - 0.6) / 0.4, 0, 1)[:, None]
    start = np.array([0.25, -0.4, 0.45])
    return start + reach * (TARGET + [0, 0, 0.06] - start) + lift * np.array([-0.1, 0, 0.4])


def _arm(hand: Float[np.ndarray, "time 3"], body: Skeleton) -> Float[np.ndarray, "time K 3"]:
    # A bow from the base at the origin over a raised elbow to the hand.
    elbow = hand / 2 + np.array([0.0, 0.0, 0.5])
    s = np.linspace(0, 1, len(body))[:, None]
    points = 2 * s * (1 - s) * elbow[:, None] + s**2 * hand[:, None]
    for left, right in body.flip_pairs:
        middle = points[:, [left, right]].mean(axis=1)
        points[:, left] = middle + [0, 0.05, 0]
        points[:, right] = middle - [0, 0.05, 0]
    return points


def _cameras(view: str, meta: DatasetMeta, hand: Float[np.ndarray, "time 3"]) -> list[Camera]:
    up, size = np.array([0.0, 0.0, 1.0]), meta.image_size
    if view == "ego":
        offset = np.array([-0.3, 0.0, 0.25])
        return [Camera.look_at(h + offset, TARGET, up, 80.0, size, size) for h in hand]
    i = int(view.removeprefix("view_"))
    azimuth = 2 * np.pi * (i + 0.3) / (len(meta.views) - 1)
    centre = np.array([0.25, 0.0, 0.25])
    position = centre + 1.1 * np.array([np.cos(azimuth), np.sin(azimuth), 0.35 + 0.3 * (i % 2)])
    return [Camera.look_at(position, centre, up, FOVY, size, size)] * len(hand)


def _behind_blob(
    cameras: list[Camera],
    pixels: Float[np.ndarray, "time K 2"],
    depth: Float[np.ndarray, "time K"],
    hand: Float[np.ndarray, "time 3"],
) -> np.ndarray:
    hidden = np.zeros(depth.shape, bool)
    for t, camera in enumerate(cameras):
        centre, centre_depth = camera.project(hand[t])
        radius = camera.intrinsics[0, 0] * BLOB_RADIUS / centre_depth
        near = np.linalg.norm(pixels[t] - centre, axis=-1) < radius
        hidden[t] = near & (depth[t] > centre_depth + 0.01)
    return hidden


def _paint(
    view: str,
    cameras: list[Camera],
    pixels: Float[np.ndarray, "time K 2"],
    visible: np.ndarray,
    hand: Float[np.ndarray, "time 3"],
    progress: Float[np.ndarray, " time"],
) -> UInt8[np.ndarray, "time H W 3"]:
    size = cameras[0].width
    grid = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), axis=-1)
    # Every view has a background of its own, as a room seen from elsewhere.
    phase = sum(view.encode())
    shade = 45 + 15 * np.sin(grid[..., 0] / size * 3 + phase) + 15 * grid[..., 1] / size
    frames = np.repeat(np.repeat(shade[None, ..., None], len(cameras), 0), 3, -1)
    for t, camera in enumerate(cameras):
        scale = camera.intrinsics[0, 0]
        cube, cube_depth = camera.project(TARGET)
        blob, blob_depth = camera.project(hand[t])
        frames[t][np.abs(grid - cube).max(-1) < 0.04 * scale / cube_depth] = (210, 180, 60)
        colour = (255 * (1 - progress[t]), 60, 255 * progress[t])
        frames[t][np.linalg.norm(grid - blob, axis=-1) < BLOB_RADIUS * scale / blob_depth] = colour
        for point in pixels[t][visible[t]]:
            frames[t][np.linalg.norm(grid - point, axis=-1) < size / 90 + 0.4] = (190, 190, 190)
    return frames.astype(np.uint8)

"""Trajectories of ManiSkill with pictures: `traj_0/obs/sensor_data/base_camera/rgb` in one file.

    trajectory.rgb.pd_joint_pos.physx_cpu.h5
        traj_0/actions                                  (T, A)
        traj_0/success                                  (T,)
        traj_0/obs/agent/qpos, qvel                     (T + 1, J)
        traj_0/obs/sensor_data/CAMERA/rgb, depth        (T + 1, H, W, C)
        traj_0/obs/sensor_param/CAMERA/extrinsic_cv     (T + 1, 3, 4), world to camera (OpenCV)
        traj_0/obs/sensor_param/CAMERA/intrinsic_cv     (T + 1, 3, 3), pixels

ManiSkill 2 calls the last two folders `image` and `camera_param`. The observation after the last
action is left out, so that each time step has an action.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote

import h5py
import numpy as np
from jaxtyping import Float

from datasets.errors import DamagedDataError, FormatError, MismatchError, MissingDataError
from datasets.formats.robomimic import open_demonstrations
from datasets.pictures import frames_shape, read_frames
from datasets.source import Source, bare_episode, bare_meta
from datasets.storage.episode_file import Episode
from datasets.storage.inside import require_plain_name
from datasets.storage.meta import short_name

_PICTURES = ("sensor_data", "image")
_CAMERAS = ("sensor_param", "camera_param")
_COLOURS = ("rgb", "Color")


class ManiSkillSource(Source):
    """One HDF5 file of trajectories with pictures."""

    title = "ManiSkill HDF5"
    looks_like = "trajectory.rgb.pd_joint_pos.physx_cpu.h5 with trajectory….json beside it"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` is an HDF5 file of trajectories, or has a JSON file beside it."""
        if path.suffix != ".h5" or not h5py.is_hdf5(path):
            return False
        return path.with_suffix(".json").is_file() or _holds_trajectories(path)

    def __init__(self, path: Path) -> None:
        """Reads the shapes of every trajectory's pictures.

        Raises:
            DataError: When the file has no trajectories, or their pictures are missing or differ.
        """
        self.root = path
        with open_demonstrations(path) as file:
            numbered = {int(n[5:]): n for n in file if re.fullmatch(r"traj_\d+", n)}
            if not numbered:
                raise MissingDataError(f"{path} holds no trajectories traj_0, traj_1, …")
            self.names = [numbered[number] for number in sorted(numbered)]
            shapes = [self._shapes(file[name]) for name in self.names]
        first = shapes[0]
        for name, found in zip(self.names, shapes, strict=True):
            if {view: shape[1:] for view, shape in found.items()} != {
                view: shape[1:] for view, shape in first.items()
            }:
                raise MismatchError(
                    f"{path}: {name} has pictures {found}, {self.names[0]} {first}; all "
                    "trajectories need the same views and sizes. Record it again."
                )
        # One more picture than actions.
        self.lengths = [next(iter(found.values()))[0] - 1 for found in shapes]
        self.frame_size = next(iter(first.values()))[1:]
        self.meta = bare_meta(_environment(path), list(first), self.frame_size[0])

    def _shapes(self, trajectory: h5py.Group) -> dict[str, tuple[int, int, int]]:
        """Number, height and width of the pictures of each view."""
        shapes = {}
        for view, pictures in _pictures(trajectory):
            require_plain_name(view, self.root)
            shapes[view] = frames_shape(pictures, f"{self.root}: {pictures.name}")
        if not shapes:
            raise MissingDataError(
                f"{self.root} has no pictures in {trajectory.name}/obs. Render them: "
                "python -m mani_skill.trajectory.replay_trajectory --traj-path "
                f"{quote(str(self.root))} -o rgb --save-traj"
            )
        steps = len(trajectory["actions"]) if "actions" in trajectory else -1
        if any(shape[0] != steps + 1 for shape in shapes.values()):
            raise DamagedDataError(
                f"{self.root}: {trajectory.name} has {steps} actions and pictures {shapes}; every "
                "view needs one more picture than actions. Record it again."
            )
        return shapes

    def has_keypoints(self, i: int) -> bool:
        """Trajectories have no keypoints."""
        return False

    def episode(self, i: int) -> Episode:
        """Reads a trajectory: pictures, cameras, actions, success, and the robot's state."""
        length = self.lengths[i]
        with open_demonstrations(self.root) as file:
            trajectory = file[self.names[i]]
            images = {
                view: read_frames(pictures, f"{self.root}: {pictures.name}")[:length]
                for view, pictures in _pictures(trajectory)
            }
            intrinsics, poses = {}, {}
            for view in images:
                if (found := self._camera(trajectory["obs"], view)) is not None:
                    intrinsics[view], poses[view] = found
            success = trajectory["success"][-1:] if "success" in trajectory else []
            return replace(
                bare_episode(images),
                intrinsics=intrinsics,
                world_to_camera={view: matrices[:length] for view, matrices in poses.items()},
                actions=trajectory["actions"][:],
                observations=dict(self._states(trajectory["obs"], length)),
                success=bool(success[0]) if len(success) else None,
            )

    def _states(self, obs: h5py.Group, length: int) -> Iterator[tuple[str, np.ndarray]]:
        """Measurements of each time step, such as `qpos` and `tcp_pose`.

        Raises:
            DamagedDataError: When one has not a value for each observation.
        """
        for folder in ("agent", "extra"):
            for name, values in obs.get(folder, {}).items():
                if not isinstance(values, h5py.Dataset) or not values.ndim:
                    continue
                if len(values) != length + 1:
                    raise DamagedDataError(
                        f"{self.root}: {values.name} has {len(values)} time steps, the pictures "
                        f"{length + 1}. Record it again."
                    )
                yield name, values[:length]

    def _camera(
        self, obs: h5py.Group, view: str
    ) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "time 4 4"]] | None:
        """Intrinsics in pixels and world_to_camera of a view; None where there are none."""
        folder = _first(obs, _CAMERAS)
        if view not in folder or "intrinsic_cv" not in folder[view]:
            return None
        matrices = folder[view]["intrinsic_cv"][:]
        if not np.allclose(matrices, matrices[0]):
            raise FormatError(
                f"{self.root}: {folder[view].name}/intrinsic_cv changes in time, as of a lens that "
                "zooms. Record it with a fixed one."
            )
        extrinsics = folder[view]["extrinsic_cv"][:].astype(np.float64)
        poses = np.tile(np.eye(4), (len(extrinsics), 1, 1))
        poses[:, :3] = extrinsics[:, :3]
        return matrices[0].astype(np.float64), poses


def _pictures(trajectory: h5py.Group) -> Iterator[tuple[str, h5py.Dataset]]:
    """Name and colour pictures of each camera."""
    obs = trajectory.get("obs")
    if not isinstance(obs, h5py.Group):  # states alone are one array
        return
    for view, camera in _first(obs, _PICTURES).items():
        for name in _COLOURS:
            if name in camera:
                yield view, camera[name]


def _first(group: h5py.Group, names: Sequence[str]) -> Mapping[str, h5py.Group]:
    """The first of several subgroups that exists; an empty mapping without any."""
    return next((group[name] for name in names if name in group), {})


def _holds_trajectories(path: Path) -> bool:
    with open_demonstrations(path) as file:
        return "traj_0" in file


def _environment(path: Path) -> str:
    """The name of the environment, from the JSON file beside the trajectories."""
    beside = path.with_suffix(".json")
    if not beside.exists():
        raise MissingDataError(
            f"{beside} does not exist, which names the environment of {path}. Copy it there, too."
        )
    try:
        name = json.loads(beside.read_bytes())["env_info"]["env_id"]
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{beside} does not name its environment, env_info.env_id ({error}). Copy it again."
        ) from error
    require_plain_name(short_name(str(name)), beside)
    return str(name)

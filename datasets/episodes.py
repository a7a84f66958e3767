"""Episodes on disk: one HDF5 file each, joined by an index in robomimic's layout.

A data set is a folder:

    lift.hdf5                 data/demo_0 … link to the episode files; mask/{train,valid,test}
    episodes/000000.hdf5 …    one episode each, at the root of its file
    meta.json                 what all episodes have in common
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
from jaxtyping import Bool, Float, UInt8

from datasets.atomic import atomic_path, remove_leftovers
from datasets.cameras import Camera
from datasets.checks import OVER_TIME, check_episode, open_episode, require_fit
from datasets.errors import DataError
from datasets.index import read_index, read_split_sizes, write_index
from datasets.meta import META_NAME, DatasetMeta
from datasets.seal import SEAL_SIZE, seal

SPLITS = ("train", "valid", "test")
EPISODE_FOLDER = "episodes"
_VIEW_PARTS = ("image", "keypoints", "visible")


@dataclass
class Episode:
    """One execution of a task: T synchronized time steps seen from several views.

    Attributes:
        images: View to (T, H, W, 3) uint8 RGB.
        keypoints: View to (T, K, 2) float32 pixels, x right, y down; NaN behind the camera.
        visible: View to (T, K) bool: inside the image and not hidden.
        intrinsics: View to (3, 3).
        world_to_camera: View to (4, 4), or (T, 4, 4) for a camera that moves.
        keypoints_world: (T, K, 3) in metres.
        actions: (T, A).
        states: (T, S), what the simulator needs to restore each time step.
        rewards: (T,).
        dones: (T,).
        phases: (T,) uint8, indices into `DatasetMeta.phases`.
        observations: Name to (T, …): proprioception and the like.
        seed: The seed that reproduces this episode.
        success: Whether the task was solved.
        model_file: The simulator's model as text, where it has one.
    """

    images: dict[str, UInt8[np.ndarray, "time height width 3"]]
    keypoints: dict[str, Float[np.ndarray, "time keypoints 2"]]
    visible: dict[str, Bool[np.ndarray, "time keypoints"]]
    intrinsics: dict[str, np.ndarray]
    world_to_camera: dict[str, np.ndarray]
    keypoints_world: Float[np.ndarray, "time keypoints 3"]
    actions: np.ndarray
    states: np.ndarray
    rewards: np.ndarray
    dones: np.ndarray
    phases: UInt8[np.ndarray, " time"]
    observations: dict[str, np.ndarray]
    seed: int
    success: bool
    model_file: str | None = None

    def __len__(self) -> int:
        """Number of time steps."""
        return len(self.actions)

    def camera(self, view: str, time: int = 0) -> Camera:
        """The camera of a view at a time step."""
        extrinsics = self.world_to_camera[view]
        height, width = self.images[view].shape[1:3]
        return Camera(
            self.intrinsics[view],
            extrinsics[time] if extrinsics.ndim == 3 else extrinsics,
            width,
            height,
        )


class EpisodeWriter:
    """Writes the episodes and the index of one data set, each file whole or not at all."""

    def __init__(self, root: Path | str, meta: DatasetMeta) -> None:
        """Opens or makes the data set under `root`.

        Raises:
            DataError: When `root` holds episodes made with other options.
        """
        self.root = Path(root)
        self.meta = meta
        if (self.root / META_NAME).exists():
            DatasetMeta.load(self.root).require_same_data_set(meta, self.root)
        else:
            meta.save(self.root)

    def path(self, index: int) -> Path:
        """The file of an episode."""
        return self.root / EPISODE_FOLDER / f"{index:06d}.hdf5"

    def done(self) -> set[int]:
        """Indices of the whole episodes on disk."""
        files = self.path(0).parent.glob("*.hdf5")
        return {int(path.stem) for path in files if path.stem.isdecimal()}

    def remove_leftovers(self) -> None:
        """Removes temporary files of killed runs; what a live one is writing stays."""
        for folder in (self.root, self.path(0).parent):
            remove_leftovers(folder)

    def write(self, index: int, episode: Episode) -> Path:
        """Writes one episode; the same episode gives the same bytes.

        Raises:
            ValueError: When the episode lacks a view of the data set, or has the wrong shapes.
        """
        require_fit(index, episode, self.meta)
        path = self.path(index)
        # Made in memory: when a disk is full, HDF5 may neither finish nor close a file on it.
        content = io.BytesIO()
        with h5py.File(content, "w", userblock_size=SEAL_SIZE) as file:
            file.attrs["num_samples"] = len(episode)
            file.attrs["seed"] = episode.seed
            file.attrs["success"] = episode.success
            if episode.model_file is not None:
                file.attrs["model_file"] = episode.model_file
            for name in OVER_TIME:
                file[name] = getattr(episode, name)
            for name, value in sorted(episode.observations.items()):
                file[f"obs/{name}"] = value
            for view in self.meta.views:
                images = episode.images[view]
                # One frame a chunk, so that reading a frame decodes a frame.
                file.create_dataset(
                    f"obs/{view}_image",
                    data=images,
                    chunks=(1, *images.shape[1:]),
                    compression="gzip",
                    compression_opts=1,
                )
                file[f"obs/{view}_keypoints"] = episode.keypoints[view].astype(np.float32)
                file[f"obs/{view}_visible"] = episode.visible[view].astype(bool)
                camera = file.create_group(f"cameras/{view}")
                camera["intrinsics"] = episode.intrinsics[view]
                camera["world_to_camera"] = episode.world_to_camera[view]
        with atomic_path(path) as temporary:
            temporary.write_bytes(seal(content.getvalue()))
        return path

    def write_index(self, splits: Mapping[str, Sequence[int]]) -> Path:
        """Writes the index that joins the episodes named in `splits`.

        Args:
            splits: `train`, `valid` and `test` to episode indices.

        Raises:
            ValueError: When an episode is in two splits.
            DataError: When an episode is missing or not whole.
        """
        path = self.root / self.meta.index_name
        write_index(path, self.path, splits, self.meta.env_args)
        return path


class EpisodeDataset:
    """Reads a data set of episodes; opens one file per episode, and only while it reads."""

    def __init__(
        self,
        root: Path | str,
        split: str | None = None,
        views: Sequence[str] | None = None,
        episodes: int | None = None,
    ) -> None:
        """Opens the data set under `root`.

        Args:
            root: Folder with `meta.json` and the index.
            split: `train`, `valid`, `test`, or None for all episodes.
            views: The views to read; all of the data set by default.
            episodes: How many to read, the first ones; all of the split by default.

        Raises:
            DataError: When the index, a file it names, the split, a view or so many episodes do
                not exist.
        """
        self.root = Path(root)
        self.meta = DatasetMeta.load(self.root)
        self.skeleton = self.meta.get_skeleton()
        self.views = list(self.meta.views if views is None else views)
        if unknown := [view for view in self.views if view not in self.meta.views]:
            raise DataError(f"{self.root} has no views {unknown}; it has {self.meta.views}.")
        self.split = split
        self.index_path = self.root / self.meta.index_name
        if not self.index_path.exists():
            raise DataError(
                f"{self.index_path} does not exist: generation has not finished. Run the command "
                f"in {self.root / META_NAME} again; it goes on where it stopped."
            )
        names, paths = read_index(self.index_path, split)
        if episodes is not None and not 0 < episodes <= len(names):
            raise DataError(
                f"{self.root} has {len(names)} episodes in the split {split or 'all'}, "
                f"{episodes} were asked for."
            )
        self.names, self.paths = names[:episodes], paths[:episodes]

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.paths)

    @cached_property
    def lengths(self) -> list[int]:
        """Number of time steps of each episode."""
        lengths = []
        for path in self.paths:
            with open_episode(path) as file:
                lengths.append(int(file.attrs["num_samples"]))
        return lengths

    def split_sizes(self) -> dict[str, int]:
        """Number of episodes in each split of the data set."""
        sizes = read_split_sizes(self.index_path)
        return {split: sizes[split] for split in SPLITS if split in sizes}

    def check(self, window: int = 0, need_keypoints: bool = True) -> None:
        """Reads every file's structure and raises at the first that cannot be trained on.

        Args:
            window: The time-contrastive window; an episode needs 2 * window + 2 time steps.
            need_keypoints: Whether the method draws on keypoints.

        Raises:
            DataError: Naming the file and the remedy.
        """
        if not self.paths:
            raise DataError(
                f"{self.root} has no episodes in the split {self.split or 'all'}; "
                "generate more episodes, or another --split."
            )
        count = len(self.skeleton) if need_keypoints else None
        for path in self.paths:
            check_episode(path, self.views, self.meta.image_size, count, window)

    def images(
        self, i: int, view: str, times: Sequence[int] | np.ndarray | None = None
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """The frames of a view, all or those at `times` (repeats allowed)."""
        with open_episode(self.paths[i]) as file:
            return read_frames(file[f"obs/{view}_image"], times)

    def keypoints(self, i: int, view: str) -> Float[np.ndarray, "time keypoints 2"]:
        """Keypoints of a view in pixels, x right, y down; NaN behind the camera."""
        return self._read(i, f"obs/{view}_keypoints")

    def visible(self, i: int, view: str) -> Bool[np.ndarray, "time keypoints"]:
        """Which keypoints are inside the image and not hidden."""
        return self._read(i, f"obs/{view}_visible")

    def has_keypoints(self, i: int) -> bool:
        """Whether every view of an episode has keypoints; data made elsewhere may have none."""
        names = [f"obs/{view}_{part}" for view in self.views for part in ("keypoints", "visible")]
        with open_episode(self.paths[i]) as file:
            return all(name in file for name in names)

    def phases(self, i: int) -> UInt8[np.ndarray, " time"]:
        """Phase of each time step, an index into `meta.phases`."""
        return self._read(i, "phases")

    def _read(self, i: int, name: str) -> np.ndarray:
        with open_episode(self.paths[i]) as file:
            return file[name][:]

    def episode(self, i: int) -> Episode:
        """Reads a whole episode into memory."""
        with open_episode(self.paths[i]) as file:
            views = self.views
            per_view = {f"{v}_{part}" for v in self.meta.views for part in _VIEW_PARTS}
            return Episode(
                images={v: read_frames(file[f"obs/{v}_image"]) for v in views},
                keypoints={v: file[f"obs/{v}_keypoints"][:] for v in views},
                visible={v: file[f"obs/{v}_visible"][:] for v in views},
                intrinsics={v: file[f"cameras/{v}/intrinsics"][:] for v in views},
                world_to_camera={v: file[f"cameras/{v}/world_to_camera"][:] for v in views},
                keypoints_world=file["keypoints_world"][:],
                actions=file["actions"][:],
                states=file["states"][:],
                rewards=file["rewards"][:],
                dones=file["dones"][:],
                phases=file["phases"][:],
                observations={k: v[:] for k, v in file["obs"].items() if k not in per_view},
                seed=int(file.attrs["seed"]),
                success=bool(file.attrs["success"]),
                model_file=file.attrs.get("model_file"),
            )


def read_frames(
    frames: h5py.Dataset, times: Sequence[int] | np.ndarray | None = None
) -> UInt8[np.ndarray, "time height width 3"]:
    """Reads frames one by one: h5py's list indexing is hundreds of times slower."""
    if times is None:
        return frames[:]
    out = np.empty((len(times), *frames.shape[1:]), frames.dtype)
    for slot, time in enumerate(times):
        frames.read_direct(out, np.s_[int(time)], np.s_[slot])
    return out

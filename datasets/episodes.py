"""Episodes on disk: one HDF5 file each, joined by an index in robomimic's layout.

A data set is a folder:

    lift.hdf5                 data/demo_0 … link to the episode files; mask/{train,valid,test}
    episodes/000000.hdf5 …    one episode each, at the root of its file
    meta.json                 facts that all episodes have in common
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from datasets.errors import (
    FormatError,
    MismatchError,
    MissingDataError,
    OptionError,
    counted,
    require_known,
)
from datasets.lens import Lens
from datasets.storage.arrays import read_array
from datasets.storage.checks import (
    WRITE_INDEX_AGAIN,
    check_episode,
    open_episode,
)
from datasets.storage.episode_file import (
    FAILURE,
    SPLITS,
    STREAMS,
    Episode,
    read_episode,
    read_frames,
    read_lens,
    whole_number,
)
from datasets.storage.index import (
    find_repeated,
    read_index,
    read_splits,
    require_disjoint,
)
from datasets.storage.meta import DatasetMeta
from datasets.storage.writer import EPISODE_FOLDER, EpisodeWriter

__all__ = ["EPISODE_FOLDER", "Episode", "EpisodeDataset", "EpisodeWriter"]


class EpisodeDataset:
    """Reads a data set of episodes; an episode's file is open only while it is read."""

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
            views: The views to read; by default all views of the data set.
            episodes: Number of episodes to read, from the first on; by default all of the split.

        Raises:
            DataError: When the index, a file it names, the split or a view does not exist, or when
                the split has fewer episodes.
            OptionError: When a view is named twice.
        """
        self.root = Path(root)
        self.meta = DatasetMeta.load(self.root)
        self.skeleton = self.meta.get_skeleton()
        self.views = list(self.meta.views if views is None else views)
        if len(set(self.views)) < len(self.views):
            raise OptionError(f"the views {self.views} name one twice; name each view once.")
        for view in self.views:
            self._require_view(view)
        self.split = split
        self.index_path = self.root / self.meta.index_name
        if not self.index_path.exists():
            raise MissingDataError(
                f"{self.index_path} does not exist: generation has not finished. "
                f"{WRITE_INDEX_AGAIN}"
            )
        names, paths = read_index(self.index_path, split)
        if episodes is not None and not 0 < episodes <= len(names):
            raise MismatchError(
                f"{self.root} has {counted(len(names), 'episode')} in the split {split or 'all'}, "
                f"but {episodes} were requested."
            )
        self.names, self.paths = names[:episodes], paths[:episodes]

    def __len__(self) -> int:
        """Number of episodes."""
        return len(self.paths)

    def _require_view(self, view: str) -> None:
        """Raises an UnknownNameError for a view that the data set does not have."""
        require_known(f"view of {self.root}", view, self.meta.views)

    @cached_property
    def lengths(self) -> list[int]:
        """Number of time steps of each episode."""
        lengths = []
        for path in self.paths:
            with open_episode(path) as file:
                lengths.append(whole_number(file, "num_samples"))
        return lengths

    def split_sizes(self) -> dict[str, int]:
        """Number of episodes in each split of the data set, failures last.

        Raises:
            MismatchError: When an episode is in two splits.
        """
        members = read_splits(self.index_path)
        require_disjoint(members, self.index_path, WRITE_INDEX_AGAIN)
        return {split: len(members[split]) for split in (*SPLITS, FAILURE) if split in members}

    def check(
        self, window: int = 0, need_keypoints: bool = True, need_cameras: bool = False
    ) -> None:
        """Reads every file's structure and raises at the first file that cannot be trained on.

        Args:
            window: The time-contrastive window; an episode needs 2 * window + 2 time steps.
            need_keypoints: Whether the method uses keypoints.
            need_cameras: Whether it uses calibrated cameras, of any view of the data set.

        Raises:
            DataError: When a file cannot be trained on; names the file and the remedy.
        """
        if not self.paths:
            raise MissingDataError(
                f"{self.root} has no episodes in the split {self.split or 'all'}; "
                "generate more episodes, or another --split."
            )
        for fault in find_repeated(self.index_path).values():
            raise MismatchError(f"{self.index_path}: {fault}")
        # Training asks for these next. This pass over the files already knows them.
        self.lengths = [
            check_episode(path, self.meta, self.views, need_keypoints, window, need_cameras)
            for path in self.paths
        ]
        if need_keypoints:
            self.with_keypoints = True

    def require_visible_keypoint(self) -> None:
        """Checks that the views show a keypoint in any frame.

        Raises:
            FormatError: When none is ever visible; names the data set and the remedy.
        """
        # One is found in the first arrays that are read, unless there is none at all.
        every = ((i, view) for i in range(len(self)) for view in self.views)
        if not any(self.visible(i, view).any() for i, view in every):
            raise FormatError(
                f"{self.root}: no keypoint of {', '.join(self.views)} is visible in any frame of "
                f"the split {self.split or 'all'}, so there are no poses to learn from. Write "
                "`visible` with true where a keypoint is seen, or use --method deit or "
                "--pose-source motion."
            )

    def images(
        self, i: int, view: str, times: Sequence[int] | np.ndarray | None = None
    ) -> UInt8[np.ndarray, "time height width 3"]:
        """The frames of a view: all of them, or those at `times` (repeats allowed).

        Raises:
            UnknownNameError: When the data set has no such view.
            DataError: When the file cannot be read.
        """
        self._require_view(view)
        with open_episode(self.paths[i]) as file:
            return read_frames(file[f"obs/{view}_image"], times)

    def depth(
        self, i: int, view: str, times: Sequence[int] | np.ndarray | None = None
    ) -> UInt16[np.ndarray, "time height width"]:
        """Depth in millimetres along the optical axis, 0 where no surface is nearer than 65.536 m.

        Arguments and errors are those of `images`.

        Raises:
            MissingDataError: When the data set has no depth.
        """
        return self._read_stream(i, view, "depth", times)

    def masks(
        self, i: int, view: str, times: Sequence[int] | np.ndarray | None = None
    ) -> UInt8[np.ndarray, "time height width"]:
        """The instance at each pixel, an index into `meta.masks`; arguments as of `images`.

        Raises:
            MissingDataError: When the data set has no masks.
        """
        return self._read_stream(i, view, "masks", times)

    def _read_stream(
        self, i: int, view: str, part: str, times: Sequence[int] | np.ndarray | None
    ) -> np.ndarray:
        self._require_view(view)
        if not getattr(self.meta, part):
            raise MissingDataError(
                f"{self.root} has no {part}. Use data that `sims.generate --{part}` made."
            )
        with open_episode(self.paths[i]) as file:
            return read_frames(file[f"obs/{view}_{STREAMS[part][0]}"], times)

    def keypoints(self, i: int, view: str) -> Float[np.ndarray, "time keypoints 2"]:
        """Keypoints of a view in pixels, x right, y down; NaN behind the camera.

        Raises:
            UnknownNameError: When the data set has no such view.
            MissingDataError: When the episode has no keypoints.
        """
        return self._read_pose(i, view, "keypoints")

    def visible(self, i: int, view: str) -> Bool[np.ndarray, "time keypoints"]:
        """Whether each keypoint is inside the image and not hidden; errors as of `keypoints`."""
        return self._read_pose(i, view, "visible")

    def _read_pose(self, i: int, view: str, part: str) -> np.ndarray:
        remedy = "Use data with keypoints, or what needs none, such as --method deit."
        return self._read_of_view(i, view, f"obs/{view}_{part}", part, remedy)

    def _read_of_view(self, i: int, view: str, name: str, what: str, remedy: str) -> np.ndarray:
        self._require_view(view)
        with open_episode(self.paths[i]) as file:
            if name not in file:
                raise MissingDataError(f"{self.paths[i]} has no {what} of {view}. {remedy}")
            return read_array(file, name)

    def intrinsics(self, i: int, view: str) -> Float[np.ndarray, "3 3"]:
        """Intrinsics of a view's camera, in pixels of its frames.

        Raises:
            UnknownNameError: When the data set has no such view.
            MissingDataError: When the episode has no cameras.
        """
        remedy = "Use data with cameras, or what needs none, such as runs without --rays."
        return self._read_of_view(i, view, f"cameras/{view}/intrinsics", "camera", remedy)

    def world_to_camera(self, i: int, view: str) -> Float[np.ndarray, "poses 4 4"]:
        """Poses of a view's camera: one if it stands still, one a time step if it moves.

        The array is empty where the episode has no cameras.
        """
        name = f"cameras/{view}/world_to_camera"
        with open_episode(self.paths[i]) as file:
            return read_array(file, name).reshape(-1, 4, 4) if name in file else np.empty((0, 4, 4))

    def lens(self, i: int, view: str) -> Lens:
        """The lens of a view's camera, which distorts nothing unless the episode says so."""
        with open_episode(self.paths[i]) as file:
            return read_lens(file, view) or Lens()

    def has_keypoints(self, i: int) -> bool:
        """Whether every view of an episode has keypoints; data made elsewhere may have none."""
        names = [f"obs/{view}_{part}" for view in self.views for part in ("keypoints", "visible")]
        with open_episode(self.paths[i]) as file:
            return all(name in file for name in names)

    @cached_property
    def with_keypoints(self) -> bool:
        """Whether every view of every episode has keypoints."""
        return all(self.has_keypoints(i) for i in range(len(self)))

    def phases(self, i: int) -> UInt8[np.ndarray, " time"]:
        """Phase of each time step, an index into `meta.phases`."""
        return self._read(i, "phases")

    def actions(self, i: int) -> Float[np.ndarray, "time action"]:
        """Action of each time step.

        Raises:
            MissingDataError: When the episode has none, as recordings of people.
        """
        return self._read_recorded(i, "actions")

    def observation(self, i: int, name: str) -> Float[np.ndarray, "time ..."]:
        """A low-dimensional observation of each time step, such as `robot0_eef_pos`.

        Raises:
            MissingDataError: When the episode has none of that name.
        """
        return self._read_recorded(i, f"obs/{name}")

    def _read_recorded(self, i: int, name: str) -> np.ndarray:
        with open_episode(self.paths[i]) as file:
            if name not in file:
                raise MissingDataError(
                    f"{self.paths[i]} has no {name}. Use episodes that `sims.generate` made."
                )
            return read_array(file, name)

    def viewpoint(self, i: int) -> str | None:
        """Of an unpaired video, one of `meta.viewpoints`; None for synchronized views."""
        with open_episode(self.paths[i]) as file:
            return file.attrs.get("viewpoint")

    def success(self, i: int) -> bool | None:
        """Whether the task was solved; None where the episode does not say."""
        with open_episode(self.paths[i]) as file:
            stored = file.attrs.get("success")
        return None if stored is None else bool(np.all(stored))

    def _read(self, i: int, name: str) -> np.ndarray:
        with open_episode(self.paths[i]) as file:
            return read_array(file, name)

    def episode(self, i: int) -> Episode:
        """Reads a whole episode into memory."""
        with open_episode(self.paths[i]) as file:
            return read_episode(file, self.views, self.meta.views)

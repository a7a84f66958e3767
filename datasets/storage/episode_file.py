"""One episode, in memory and in an HDF5 group of robomimic's layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import h5py
import numpy as np
from jaxtyping import Bool, Float, UInt8, UInt16

from datasets.cameras import Camera
from datasets.errors import FormatError, require_known
from datasets.frames import Frames, LazyFrames
from datasets.lens import LENSES, Lens, distorting
from datasets.storage.arrays import own_array, read_array

# The first-person view; third-person views are called view_0, view_1, …
EGO = "ego"
# The viewpoint of unpaired third-person videos; that of first-person ones is EGO.
EXO = "exo"
# The splits of a data set, as robomimic's masks name them.
SPLITS = ("train", "valid", "test")
# The split of the episodes in which the expert was made to fail. It is none of SPLITS, so that
# nothing trains on it unless it is named.
FAILURE = "failure"
# Arrays with one entry a time step that do not belong to a view.
OVER_TIME = ("actions", "states", "rewards", "dones", "phases", "keypoints_world")
# Attributes of an episode as a whole.
_OVERALL = ("seed", "success", "model_file", "viewpoint", "task")
VIEW_PARTS = ("image", "keypoints", "visible")
# Parts of a view that simulators can measure beside the pictures, and their numbers: the field of
# `Episode`, the ending in the file, and the type.
STREAMS = {"depth": ("depth", np.dtype(np.uint16)), "masks": ("mask", np.dtype(np.uint8))}


@dataclass
class Episode:
    """One execution of a task: T synchronized time steps seen from several views.

    Frames and phases are always present. Data that a recording by others lacks are None or an
    empty mapping.

    Attributes:
        images: View to (T, H, W, 3) uint8 RGB; those of videos may be read as they are used.
        phases: (T,) uint8, indices into `DatasetMeta.phases`.
        keypoints: View to (T, K, 2) float32 pixels, x right, y down; NaN behind the camera.
        visible: View to (T, K) bool: inside the image and not hidden.
        depth: View to (T, H, W) uint16: millimetres along the optical axis, 0 where no surface is,
            or none nearer than 65.536 m.
        masks: View to (T, H, W) uint8: the instance that a pixel shows, an index into
            `DatasetMeta.masks`.
        intrinsics: View to (3, 3).
        world_to_camera: View to (4, 4), or (T, 4, 4) for a camera that moves.
        lenses: View to the lens of its camera, where it distorts.
        keypoints_world: (T, K, 3) in metres.
        actions: (T, A).
        states: (T, S), from which the simulator restores each time step.
        rewards: (T,).
        dones: (T,).
        observations: Name to (T, …), such as proprioception.
        seed: The seed that reproduces this episode.
        success: Whether the task was solved.
        model_file: The simulator's model as text; None for simulators without one.
        viewpoint: Viewpoint of an unpaired video, one of `DatasetMeta.viewpoints`.
        task: The task as a sentence, for policies that read one.
    """

    images: Mapping[str, Frames]
    phases: UInt8[np.ndarray, " time"]
    keypoints: dict[str, Float[np.ndarray, "time keypoints 2"]] = field(default_factory=dict)
    visible: dict[str, Bool[np.ndarray, "time keypoints"]] = field(default_factory=dict)
    depth: dict[str, UInt16[np.ndarray, "time height width"]] = field(default_factory=dict)
    masks: dict[str, UInt8[np.ndarray, "time height width"]] = field(default_factory=dict)
    intrinsics: dict[str, np.ndarray] = field(default_factory=dict)
    world_to_camera: dict[str, np.ndarray] = field(default_factory=dict)
    lenses: dict[str, Lens] = field(default_factory=dict)
    keypoints_world: Float[np.ndarray, "time keypoints 3"] | None = None
    actions: np.ndarray | None = None
    states: np.ndarray | None = None
    rewards: np.ndarray | None = None
    dones: np.ndarray | None = None
    observations: dict[str, np.ndarray] = field(default_factory=dict)
    seed: int | None = None
    success: bool | None = None
    model_file: str | None = None
    viewpoint: str | None = None
    task: str | None = None

    def __len__(self) -> int:
        """Number of time steps."""
        return len(self.phases)

    def camera(self, view: str, time: int = 0) -> Camera:
        """The camera of a view at a time step."""
        extrinsics = self.world_to_camera[view]
        height, width = self.images[view].shape[1:3]
        return Camera(
            self.intrinsics[view],
            extrinsics[time] if extrinsics.ndim == 3 else extrinsics,
            width,
            height,
            self.lens(view),
        )

    def lens(self, view: str) -> Lens:
        """The lens of a view's camera, which distorts nothing unless the episode says so."""
        return self.lenses.get(view, Lens())


def write_episode(group: h5py.Group, episode: Episode, views: Sequence[str]) -> None:
    """Fills an empty group with an episode; data that the episode lacks are left out."""
    group.attrs["num_samples"] = len(episode)
    for name in _OVERALL:
        if (value := getattr(episode, name)) is not None:
            group.attrs[name] = value
    for name in OVER_TIME:
        if (value := getattr(episode, name)) is not None:
            group[name] = value
    for name, value in sorted(episode.observations.items()):
        group[f"obs/{name}"] = value
    for view in views:
        images = episode.images[view]
        # One frame a chunk, so that reading one frame decodes no other. Level 1 decodes at about
        # 8,000 frames a second at 224 x 224.
        lazy = isinstance(images, LazyFrames)
        dataset = group.create_dataset(
            f"obs/{view}_image",
            images.shape,
            images.dtype,
            None if lazy else images,
            chunks=(1, *images.shape[1:]),
            compression="gzip",
            compression_opts=1,
        )
        # Frames written one by one take other places in the file, so those in memory are not.
        for time, frame in enumerate(images if lazy else ()):
            dataset[time] = frame
        _write_streams(group, episode, view)
        if view in episode.keypoints:
            group[f"obs/{view}_keypoints"] = episode.keypoints[view].astype(np.float32)
            group[f"obs/{view}_visible"] = episode.visible[view].astype(bool)
        if view in episode.intrinsics:
            camera = group.create_group(f"cameras/{view}")
            camera["intrinsics"] = episode.intrinsics[view]
            camera["world_to_camera"] = episode.world_to_camera[view]
            # Files of cameras that do not distort are as they were before lenses were stored.
            if view in distorting(episode.lenses):
                lens = episode.lenses[view]
                camera["distortion"] = np.array(lens.coefficients, np.float64)
                camera["distortion"].attrs["lens"] = lens.name


def _write_streams(group: h5py.Group, episode: Episode, view: str) -> None:
    for part, (ending, _) in STREAMS.items():
        if view in (values := getattr(episode, part)):
            group.create_dataset(
                f"obs/{view}_{ending}",
                data=values[view],
                chunks=(1, *values[view].shape[1:]),
                compression="gzip",
                compression_opts=1,
                # Neighbouring depths differ in their low bytes alone.
                shuffle=values[view].itemsize > 1,
            )


def read_frames(
    frames: h5py.Dataset, times: Sequence[int] | np.ndarray | None = None
) -> np.ndarray:
    """Reads pictures, depth or masks one by one: h5py's list indexing is hundreds of times slower.

    Raises:
        DataError: When the frames are in other files, or the file does not hold all of them.
    """
    own_array(frames)
    if times is None:
        return frames[:]
    out = np.empty((len(times), *frames.shape[1:]), frames.dtype)
    for slot, time in enumerate(times):
        frames.read_direct(out, np.s_[int(time)], np.s_[slot])
    return out


def read_episode(
    group: h5py.Group,
    views: Sequence[str],
    all_views: Sequence[str],
    phases: UInt8[np.ndarray, " time"] | None = None,
    frames: Callable[[h5py.Dataset], np.ndarray] | None = read_frames,
    streams: bool = True,
) -> Episode:
    """Reads a whole episode into memory.

    Args:
        group: A group that `write_episode` filled, or a demonstration in robomimic's layout.
        views: The views to read.
        all_views: The views that the group holds; their parts do not count as observations.
        phases: Phases to use instead of the group's own; a demonstration by others has none.
        frames: Function that reads a view's frames; None leaves `images`, `depth` and `masks`
            empty.
        streams: Whether depth and masks are ours. Those of others, of unknown units, are
            observations.

    Raises:
        KeyError: When the frames of a view or the phases are missing.
        FormatError: When an array or a number has another form.
    """
    endings = [ending for ending, _ in STREAMS.values()] if streams else []
    per_view = {f"{view}_{part}" for view in all_views for part in (*VIEW_PARTS, *endings)}

    def of_views(pattern: str) -> dict[str, np.ndarray]:
        names = {view: pattern.format(view) for view in views}
        return {view: read_array(group, name) for view, name in names.items() if name in group}

    def streams_of(part: str) -> dict[str, np.ndarray]:
        return of_views(f"obs/{{}}_{STREAMS[part][0]}") if streams and frames is not None else {}

    return Episode(
        images={view: frames(group[f"obs/{view}_image"]) for view in views if frames is not None},
        phases=read_array(group, "phases") if phases is None else phases,
        keypoints=of_views("obs/{}_keypoints"),
        visible=of_views("obs/{}_visible"),
        depth=streams_of("depth"),
        masks=streams_of("masks"),
        intrinsics=of_views("cameras/{}/intrinsics"),
        world_to_camera=of_views("cameras/{}/world_to_camera"),
        lenses={view: lens for view in views if (lens := read_lens(group, view)) is not None},
        **{
            name: read_array(group, name)
            for name in OVER_TIME
            if name in group and name != "phases"
        },
        observations={
            name: read_array(group["obs"], name) for name in group["obs"] if name not in per_view
        },
        seed=whole_number(group, "seed") if "seed" in group.attrs else None,
        success=_read_success(group),
        model_file=group.attrs.get("model_file"),
        viewpoint=group.attrs.get("viewpoint"),
        task=read_task(group),
    )


def read_task(group: h5py.Group) -> str | None:
    """The task of an episode as a sentence; None where none is stored.

    Raises:
        FormatError: When it is no text; names the file.
    """
    task = group.attrs.get("task")
    if task is not None and not isinstance(task, str):
        raise FormatError(
            f"{group.file.filename}: `task` of {group.name} must be text, got {task!r}. Write it "
            "as a string."
        )
    return task


def _read_success(group: h5py.Group) -> bool | None:
    """Whether the task was solved; None where that is not stored.

    Raises:
        FormatError: When it is no truth value; names the file.
    """
    success = group.attrs.get("success")
    if success is None:
        return None
    if np.asarray(success).dtype.kind not in "biuf":
        raise FormatError(
            f"{group.file.filename}: `success` of {group.name} must be true or false, got "
            f"{success!r}. Write it as a bool."
        )
    return bool(np.all(success))


def read_lens(group: h5py.Group, view: str) -> Lens | None:
    """The lens of a view's camera; None where none is stored, so that it does not distort.

    Raises:
        FormatError: When it cannot be; names the file.
    """
    name = f"cameras/{view}/distortion"
    if name not in group:
        return None
    coefficients, where = read_array(group, name), f"{group.file.filename}: {name}"
    model = group[name].attrs.get("lens")
    require_known(f"lens of {where}", str(model), LENSES, FormatError)
    if coefficients.ndim != 1 or coefficients.dtype.kind not in "fiu":
        raise FormatError(
            f"{where} is {coefficients.dtype} of shape {coefficients.shape}, but must be a list of "
            "numbers. Correct it, or leave the episode out."
        )
    try:
        return Lens(model, tuple(coefficients.tolist()))
    except FormatError as error:
        raise FormatError(f"{where}: {error}") from None


def whole_number(group: h5py.Group, name: str) -> int:
    """An attribute that is one whole number.

    Raises:
        FormatError: When it is something else.
        KeyError: When it does not exist.
    """
    value = np.asarray(group.attrs[name])
    if value.shape != () or value.dtype.kind not in "iu":
        raise FormatError(
            f"{group.file.filename}: `{name}` of {group.name} must be a whole number, got "
            f"{group.attrs[name]!r}. Write it as an integer."
        )
    return int(value)

"""The summary of a data set, as numbers and as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from jaxtyping import Float

from datasets.cameras import optical_axes
from datasets.console.streams import printable
from datasets.episodes import EpisodeDataset
from datasets.errors import counted, length_range
from datasets.lens import Lens
from datasets.progress import ProgressBar
from datasets.source import Source
from datasets.storage.arrays import read_array
from datasets.storage.checks import open_episode
from datasets.storage.episode_file import read_lens, read_task, whole_number
from datasets.storage.meta import DatasetMeta

# A camera that moves by less than this, in metres and radians, counts as fixed.
FIXED_WITHIN = 1e-3
# Tasks that the text shows; sets of many robots have thousands.
MOST_TASKS = 5


@dataclass(frozen=True)
class CameraPlace:
    """The position of a view's camera.

    Attributes:
        azimuth: Direction from the point that the camera looks at to the camera, in degrees from
            the world's +x towards +y; None where it differs between time steps or episodes.
        moves: Whether the camera moves during an episode.
        heights: Lowest and highest z of the camera's centre, in world metres.
    """

    azimuth: float | None
    moves: bool
    heights: tuple[float, float]


@dataclass(frozen=True)
class Summary:
    """Numbers about a data set's complete episodes.

    Attributes:
        lengths: Time steps of each episode.
        phase_shares: Share of all time steps, by phase.
        cameras: Position of the camera, by view; only views that have a camera.
        lenses: The lenses that distort, by view.
        visible: By view, the share of time steps in which each keypoint is visible; empty when an
            episode has no keypoints.
        size_on_disk: Bytes of the episode files.
        tasks: Number of episodes of each task, most frequent first; without those that have none.
    """

    lengths: list[int]
    phase_shares: dict[str, float]
    cameras: dict[str, CameraPlace]
    lenses: dict[str, set[Lens]]
    visible: dict[str, Float[np.ndarray, " keypoints"]]
    size_on_disk: int
    tasks: dict[str, int]


def summarize(dataset: EpisodeDataset, whole: Sequence[int], with_keypoints: bool) -> Summary:
    """Summarizes the episodes at the positions `whole`; frames are not read.

    Args:
        dataset: The data set.
        whole: Positions of the episodes that can be read; at least one.
        with_keypoints: Whether the episodes have keypoints.
    """
    views, phases = dataset.views, dataset.meta.phases
    lengths: list[int] = []
    phase_counts = np.zeros(len(phases), int)
    poses: dict[str, list[np.ndarray]] = defaultdict(list)
    lenses: dict[str, set[Lens]] = defaultdict(set)
    tasks: Counter[str] = Counter()
    visible_counts = {view: np.zeros(len(dataset.skeleton), int) for view in views}
    # `disable=None` shows the bar on a terminal only: in a log it would be noise.
    for i in ProgressBar(whole, unit="episode", disable=None, leave=False):
        with open_episode(dataset.paths[i]) as file:
            lengths.append(whole_number(file, "num_samples"))
            if (task := read_task(file)) is not None:
                tasks[task] += 1
            phase_counts += np.bincount(read_array(file, "phases"), minlength=len(phases))
            for view in views:
                if view in file.get("cameras", ()):
                    poses[view].append(_poses(file, view))
                    if (lens := read_lens(file, view)) is not None:
                        lenses[view].add(lens)
                if with_keypoints:
                    visible_counts[view] += read_array(file, f"obs/{view}_visible").sum(0)
    steps = sum(lengths)
    return Summary(
        lengths,
        dict(zip(phases, (phase_counts / steps).tolist(), strict=True)),
        {view: _place(seen) for view, seen in poses.items()},
        dict(lenses),
        {view: visible_counts[view] / steps for view in views} if with_keypoints else {},
        sum(path.stat().st_size for path in dataset.paths),
        dict(tasks.most_common()),
    )


def _poses(file: h5py.File, view: str) -> Float[np.ndarray, "time 4 4"]:
    return read_array(file, f"cameras/{view}/world_to_camera").reshape(-1, 4, 4)


def _place(episodes: Sequence[Float[np.ndarray, "poses 4 4"]]) -> CameraPlace:
    world_to_camera = np.concatenate(episodes)
    azimuth = None
    if _stands_still(world_to_camera):
        towards_x, towards_y = -optical_axes(world_to_camera)[0, :2]
        azimuth = float(np.degrees(np.arctan2(towards_y, towards_x)))
    heights = _centres(world_to_camera)[:, 2]
    moves = not all(_stands_still(poses) for poses in episodes)
    return CameraPlace(azimuth, moves, (float(heights.min()), float(heights.max())))


def _stands_still(world_to_camera: Float[np.ndarray, "poses 4 4"]) -> bool:
    changes = (np.ptp(of(world_to_camera), axis=0).max() for of in (_centres, optical_axes))
    return bool(max(changes) < FIXED_WITHIN)


def _centres(world_to_camera: Float[np.ndarray, "poses 4 4"]) -> Float[np.ndarray, "poses 3"]:
    rotation, translation = world_to_camera[:, :3, :3], world_to_camera[:, :3, 3]
    return -np.einsum("pji,pj->pi", rotation, translation)


def describe(dataset: EpisodeDataset, summary: Summary) -> str:
    """The summary as text for a terminal."""
    meta = dataset.meta
    facts = {
        "made by": meta.command,
        "splits": ", ".join(f"{name} {n}" for name, n in dataset.split_sizes().items()),
        "lengths": _lengths(summary.lengths),
        "images": f"{meta.image_size} x {meta.image_size} pixels",
        "phases": ", ".join(f"{name} {_percent(s)}" for name, s in summary.phase_shares.items()),
        "skeleton": f"{meta.skeleton}, {len(dataset.skeleton)} keypoints",
        **_streams(meta),
        **_lenses(summary.lenses),
        **_tasks([f"{printable(task, keep='')} ({n})" for task, n in summary.tasks.items()]),
        "on disk": f"{_bytes(summary.size_on_disk)}, "
        f"{_bytes(summary.size_on_disk / len(dataset))} an episode",
    }
    head = f"{dataset.root}: {meta.env}, {_counts(dataset, summary.lengths)}"
    return "\n".join([*_page(head, facts), *_view_table(dataset, summary)])


def describe_source(source: Source) -> str:
    """The summary of data in another format as text for a terminal; frames are not read."""
    height, width = source.frame_size
    splits = source.splits or {}
    files = [source.root] if source.root.is_file() else source.root.rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    facts = {
        "splits": ", ".join(f"{name} {len(members)}" for name, members in splits.items())
        or "none stored",
        "lengths": _lengths(source.lengths),
        "images": f"{width} x {height} pixels",
        "views": ", ".join(source.views),
        "phases": ", ".join(source.meta.phases),
        "skeleton": f"{source.meta.skeleton}, {len(source.skeleton)} keypoints",
        **_tasks([printable(task, keep="") for task in source.tasks]),
        **_streams(source.meta),
        "on disk": f"{_bytes(size)}, {_bytes(size / len(source))} an episode",
    }
    return "\n".join(
        _page(f"{source.root}: {source.title}, {_counts(source, source.lengths)}", facts)
    )


def _streams(meta: DatasetMeta) -> dict[str, str]:
    """The streams beside colour, how pictures were drawn, and whether videos are unpaired."""
    facts = {"depth": "millimetres along the optical axis, 0 for none"} if meta.depth else {}
    if meta.masks:
        facts["masks"] = ", ".join(meta.masks)
    if meta.random_scenes:
        facts["scenes"] = "textures, colours and lights drawn for each episode"
    if meta.rig:
        facts["cameras"] = "third-person ones from a file"
    if meta.viewpoints:
        facts["unpaired"] = f"videos of {' and '.join(meta.viewpoints)}"
    return facts


def _lenses(lenses: Mapping[str, set[Lens]]) -> dict[str, str]:
    """Model and coefficients of the lenses that distort."""
    found = [
        f"{view} {next(iter(several)) if len(several) == 1 else 'differs between episodes'}"
        for view, several in lenses.items()
    ]
    return {"lenses": ", ".join(found)} if found else {}


def _tasks(tasks: Sequence[str]) -> dict[str, str]:
    """The first few tasks, and how many others there are."""
    if len(tasks) > MOST_TASKS:
        tasks = [*tasks[:MOST_TASKS], f"and {len(tasks) - MOST_TASKS} more"]
    return {"tasks": ", ".join(tasks)} if tasks else {}


def _counts(data: EpisodeDataset | Source, lengths: Sequence[int]) -> str:
    steps, hz = sum(lengths), data.meta.control_hz
    return (
        f"{counted(len(data), 'episode')} of {counted(len(data.views), 'view')}, "
        f"{steps:,} time steps ({steps / hz / 60:.1f} min at {hz:g} Hz)"
    )


def _lengths(lengths: Sequence[int]) -> str:
    return (
        f"{length_range(lengths, 'time steps')}; "
        f"long enough for a window of {min(lengths) // 2 - 1}"
    )


def _page(head: str, facts: Mapping[str, str]) -> list[str]:
    return [head, "", *(f"  {name:<9} {fact}" for name, fact in facts.items()), ""]


def _view_table(dataset: EpisodeDataset, summary: Summary) -> list[str]:
    width = max(4, *(len(view) for view in dataset.views))
    row = f"  {{:<{width}}}  {{:>8}}  {{:>12}}  {{:>14}}  {{}}"
    lines = [row.format("view", "azimuth", "height", "keypoints seen", "seen least").rstrip()]
    for view in dataset.views:
        azimuth, height, seen, least = "-", "-", "-", "-"
        if view in summary.cameras:
            place = summary.cameras[view]
            low, high = (f"{height:.2f}" for height in place.heights)
            azimuth = "moves" if place.moves else "differs"
            azimuth = azimuth if place.azimuth is None else f"{place.azimuth:.0f}°"
            height = f"{low} m" if low == high else f"{low}-{high} m"
        if view in summary.visible:
            shares = summary.visible[view]
            worst = int(shares.argmin())
            seen = _percent(float(shares.mean()))
            least = f"{dataset.skeleton.keypoints[worst]} {_percent(float(shares[worst]))}"
        lines.append(row.format(view, azimuth, height, seen, least))
    return lines


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"

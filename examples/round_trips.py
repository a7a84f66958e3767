"""Convert rendered episodes to each format and back, and list what comes back as it was.

    python examples/round_trips.py data/lift

It prints a table: the mean difference of the frames in steps of 255, the largest distance of
keypoints and of points by the cameras in pixels, and which other parts come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

import numpy as np
import tyro

from datasets.command import command, parse
from datasets.convert import ConvertConfig, Target, convert
from datasets.episodes import EpisodeDataset
from datasets.formats.detect import open_source
from datasets.lens import Lens
from datasets.source import Source
from datasets.storage.episode_file import Episode

# Nothing reads rerun's recordings back.
FORMATS = [name for name in get_args(Target) if name != "rerun"]
PARTS = (
    *("phases", "actions", "states", "rewards", "observations", "success"),
    *("depth", "masks", "lenses", "task"),
)


@dataclass
class Trip:
    """The parts of a data set that came back from a format.

    Attributes:
        frames: Mean absolute difference of the pictures.
        times: Time steps a second.
        keypoints: Largest distance in pixels; None without keypoints.
        cameras: The same of points that the cameras project.
        splits: Whether the splits are those of the source.
        kept: Other parts that are equal.
        lost: Other parts that are missing, or differ by more than single precision.
    """

    frames: float
    times: float
    keypoints: float | None
    cameras: float | None
    splits: bool
    kept: list[str]
    lost: list[str]

    def row(self, name: str) -> str:
        """A row of the table."""
        cells = [name, f"{self.frames:.2f}", f"{self.times:g}", number(self.keypoints)]
        cells += [number(self.cameras), "kept" if self.splits else "lost"]
        return (
            f"| {' | '.join([*cells, ', '.join(self.kept) or '–', ', '.join(self.lost) or '–'])} |"
        )


def main(data: tyro.conf.Positional[Path], formats: tuple[str, ...] = tuple(FORMATS)) -> None:
    """Convert episodes to each format and back.

    Args:
        data: Rendered episodes; all of them are converted.
        formats: The formats.
    """
    print("| format | frames | Hz | keypoints | cameras | splits | kept | lost |")
    print("|---|---:|---:|---:|---:|---|---|---|")
    with TemporaryDirectory() as folder:
        for name in formats:
            out = Path(folder) / (f"{name}.hdf5" if name == "robomimic" else name)
            convert(ConvertConfig(data, out, name))  # type: ignore[arg-type]
            print(compare(EpisodeDataset(data), open_source(out)).row(name))


def compare(before: EpisodeDataset, after: Source) -> Trip:
    """The result for the first episode of each split, which conversion puts in their order."""
    order = open_source(before.root).splits or {}
    places = [i for split in order.values() for i in split]
    at = {i: k for k, i in enumerate(places)}
    chosen = [split[0] for split in order.values() if split]
    pairs = [(before.episode(i), after.sound_episode(at[i])) for i in chosen]
    differences = [
        np.abs(np.asarray(back.images[v]).astype(int) - first.images[v]).mean()
        for first, back in pairs
        for v in before.views
    ]
    parts = [part for part in PARTS if holds(pairs[0][0], part)]
    kept = [part for part in parts if all(same(*pair, part) for pair in pairs)]
    wanted = {s: [at[i] for i in members] for s, members in order.items()}
    splits = {s: list(members) for s, members in (after.splits or {}).items()}
    return Trip(
        float(np.mean(differences)),
        after.meta.control_hz,
        farthest([keypoints(*pair) for pair in pairs]),
        farthest([projections(*pair) for pair in pairs]),
        splits == wanted,
        kept,
        [part for part in parts if part not in kept],
    )


def holds(episode: Episode, part: str) -> bool:
    """Whether an episode has a part, which others leave out or have no view of."""
    found = getattr(episode, part)
    return bool(found) if isinstance(found, dict) else found is not None


def keypoints(first: Episode, back: Episode) -> float | None:
    """Largest distance of keypoints in pixels; NaN where there were none."""
    if not first.keypoints:
        return np.nan
    if not back.keypoints:
        return None
    apart = [np.abs(back.keypoints[v] - first.keypoints[v]) for v in first.keypoints]
    return float(np.nanmax(apart))


def projections(first: Episode, back: Episode) -> float | None:
    """Largest distance between the keypoints in space as both cameras see them in the picture.

    NaN where there were no such points.
    """
    if first.keypoints_world is None:
        return np.nan
    if not back.intrinsics:
        return None
    apart = [0.0]
    for view, frames in first.images.items():
        size = frames.shape[1]
        for t in range(0, len(first), 10):
            ours, theirs = (
                e.camera(view, t).project(first.keypoints_world[t]) for e in (first, back)
            )
            # A point beside the camera has a place far outside, where rounding is many pixels.
            inside = ((ours[0] >= 0) & (ours[0] < size)).all(axis=1)
            apart.extend(np.abs(ours[0] - theirs[0])[inside].ravel())
    return float(np.max(apart))


def same(first: Episode, back: Episode, part: str) -> bool:
    """Whether a part is equal, up to single precision."""
    ours, theirs = getattr(first, part), getattr(back, part)
    if ours is None or theirs is None:
        return False
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(alike(ours[k], theirs[k]) for k in ours)
    return alike(ours, theirs)


def alike(ours: object, theirs: object) -> bool:
    """Whether two arrays, sentences or lenses are equal, arrays up to single precision."""
    if isinstance(ours, str):
        return ours == theirs
    if isinstance(ours, Lens) and isinstance(theirs, Lens):
        return ours.name == theirs.name and alike(ours.coefficients, theirs.coefficients)
    a, b = np.asarray(ours, float), np.asarray(theirs, float)
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-6)


def farthest(found: list[float | None]) -> float | None:
    """The largest number; None where one is missing."""
    known = [value for value in found if value is not None]
    return max(known) if len(known) == len(found) else None


def number(value: float | None) -> str:
    """A distance as a cell of the table; a dash where the source holds nothing to compare."""
    if value is None or np.isnan(value):
        return "lost" if value is None else "–"
    return f"{value:.0e}" if 0 < value < 1e-3 else f"{value:.3g}"


if __name__ == "__main__":
    with command():
        parse(main, "python examples/round_trips.py")

"""Small sets of unpaired videos in AE2's layouts: moving dots, each filmed from one viewpoint."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.episodes import Episode
from datasets.video import write_video
from tests.datasets.synthetic import PHASES, make_episode, make_meta

# Viewpoint to the view of the dots that stands for it.
VIEWS = {"ego": "ego", "exo": "view_0"}
COUNTS = {"train": 4, "val": 2, "test": 2}


def make_unpaired(
    root: Path, counts: Mapping[str, int] = COUNTS, size: int = 48, folders: bool = False
) -> Path:
    """Writes videos that are listed, one folder of pictures each, and their labels as a pickle.

    Args:
        root: Where to write.
        counts: Videos of each viewpoint in each split.
        size: Height and width in pixels.
        folders: Whether the splits are folders of MP4 videos instead.
    """
    labels, number = {}, 0
    for split, count in counts.items():
        for viewpoint, view in VIEWS.items():
            for _ in range(count):
                episode = make_episode(make_meta(1, size), number, (16, 24))
                name = f"{viewpoint}_{number}"
                labels[name] = episode.phases.astype(np.int64)
                if folders:
                    _write_video(root / split / viewpoint / f"{name}.mp4", episode, view)
                else:
                    _write_pictures(root / viewpoint / name, episode, view)
                    with (root / viewpoint / f"{split}.csv").open("a") as listed:
                        listed.write(f"{name}.mp4\n")
                number += 1
    (root / "label.pickle").write_bytes(pickle.dumps(labels))
    return root


def write_table(root: Path) -> None:
    """The phases as a table in place of the pickle."""
    labels = pickle.loads((root / "label.pickle").read_bytes())
    (root / "label.pickle").unlink()
    rows = ["video,frame,phase"]
    for video, phases in labels.items():
        starts = [0, *(np.flatnonzero(np.diff(phases)) + 1)]
        rows += [f"{video},{start},{PHASES[phases[start]]}" for start in starts]
    (root / "label.csv").write_text("\n".join(rows) + "\n")


def _write_pictures(folder: Path, episode: Episode, view: str) -> None:
    folder.mkdir(parents=True)
    for time, frame in enumerate(episode.images[view], 1):
        Image.fromarray(frame).save(folder / f"{time:05d}.png")


def _write_video(path: Path, episode: Episode, view: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, episode.images[view], 30)

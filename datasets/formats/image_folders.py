"""Folders of pictures: an episode a folder, a camera a folder in it, a frame a numbered picture.

    take_1/front/00001.png …    take_1/wrist/0.jpg …
    take_1/front.csv            the times of the frames of `front`, by a clock that all views share
    take_1/joints.csv           measurements with times by the same clock

The folder of one episode alone is read too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from datasets.errors import MismatchError
from datasets.formats.layout import find_episodes, tell_doubts
from datasets.formats.numbered import (
    holds_frames,
    holds_pictures,
    lazy_pictures,
    list_frames,
    size_of,
)
from datasets.formats.pairing import Steps, one_rate, pair_by_clock
from datasets.formats.time_tables import stamps_of, tables_beside
from datasets.source import USUAL_HZ, Source, bare_episode, bare_meta, in_memory
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.own_files import own_files

Views = dict[str, list[Path]]


class ImageFolderSource(Source):
    """A folder of episodes, each with a folder of numbered pictures for every camera."""

    title = "folders of pictures"
    looks_like = "take_1/front/00001.png, take_1/wrist/00001.png (or those of one episode alone)"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether a folder in `path`, or in one of its folders, holds numbered pictures."""
        return bool(find_episodes(path, _views))

    def __init__(self, path: Path) -> None:
        """Lists the pictures of every view, and reads the CSV files beside their folders.

        Without the times of its frames, an episode has one time step for each number, which are
        from 0 or 1 on in all of its views. With them, views are paired by time as those of videos
        are, and numbers may be missing.

        Raises:
            DataError: When a number is missing, pictures are of another kind or name, views differ
                in length without times to pair them by, or episodes differ in their views or rate.
        """
        self.root = path
        folders = find_episodes(path, _views)
        self.names = list(folders)
        self._steps: list[Steps] = []
        self._files: list[Views] = []
        for name, cameras in folders.items():
            _require_all_read(cameras)
            files, steps = _read_episode(cameras, f"{path}: {name}")
            self._files.append(files)
            self._steps.append(steps)
        views = list(self._files[0])
        for name, found in zip(self.names, self._files, strict=True):
            if list(found) != views:
                raise MismatchError(
                    f"{path}: {name} has the views {list(found)}, {self.names[0]} {views}; all "
                    "episodes need the same. Remove it, or add the missing views."
                )
        tell_doubts(path, _views, views, "folders of pictures")
        self.lengths = [len(steps.picks[views[0]]) for steps in self._steps]
        self.frame_size = size_of(self._files[0][views[0]][0])
        rates = {n: steps.rate for n, steps in zip(self.names, self._steps, strict=True)}
        rate = one_rate(path, rates)
        self.meta = bare_meta(path.resolve().name, views, self.frame_size[0], rate)

    def episode(self, i: int) -> Episode:
        """Reads the pictures of an episode."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """The pictures of an episode, which are read as they are used."""
        files, steps = self._files[i], self._steps[i]
        images = {
            view: lazy_pictures([files[view][k] for k in steps.picks[view]]) for view in self.views
        }
        return replace(bare_episode(images), observations=steps.measured)

    def has_keypoints(self, i: int) -> bool:
        """Pictures have no keypoints."""
        return False


def _require_all_read(folders: Mapping[str, Path]) -> None:
    """Checks that no view is left out because all of its pictures have names that are not read."""
    for inside in own_files(next(iter(folders.values())).parent.iterdir()):
        if inside.name not in folders and holds_pictures(inside):
            list_frames(inside)  # names the first of them


def _read_episode(folders: Mapping[str, Path], name: str) -> tuple[Views, Steps]:
    """The pictures of each view, and the time steps that they make."""
    tables = tables_beside(next(iter(folders.values())).parent, folders)
    gaps = all(view in tables for view in folders)
    numbered = {view: list_frames(folder, gaps) for view, folder in folders.items()}
    files = {view: list(frames.values()) for view, frames in numbered.items()}
    counts = {view: len(frames) for view, frames in files.items()}
    if stamps := stamps_of(tables, counts, name):
        picks, grid = pair_by_clock(stamps, name)
    else:
        _require_alike(folders, numbered)
        steps = np.arange(next(iter(counts.values())))
        picks, grid = dict.fromkeys(folders, steps), steps / USUAL_HZ
    rate = 1 / float(grid[1] - grid[0]) if len(grid) > 1 else USUAL_HZ
    measured = {
        stem: table.at(grid, 1 / rate) for stem, table in tables.items() if stem not in files
    }
    return files, Steps(picks, rate, measured)


def _require_alike(folders: Mapping[str, Path], numbered: Mapping[str, dict[int, Path]]) -> None:
    """Checks that the views of an episode have the same numbers."""
    (first, numbers), *others = numbered.items()
    for view, other in others:
        if len(other) != len(numbers):
            raise MismatchError(
                f"{folders[view]} has {len(other)} frames, {folders[first]} {len(numbers)}. Write "
                f"the times of the frames to {first}.csv and {view}.csv beside these folders, so "
                "that views can be paired, or cut the longer one. Videos that were not filmed "
                "together need their label.csv."
            )
        if min(other) != min(numbers):
            raise MismatchError(
                f"{folders[view]} begins with frame {min(other)}, {folders[first]} with "
                f"{min(numbers)}: number the views of an episode alike."
            )


def _views(folder: Path) -> dict[str, Path]:
    """The folders of pictures, the first-person view first; by length, cam_10 follows cam_9."""
    found = [inside for inside in own_files(folder.iterdir()) if holds_frames(inside)]
    found.sort(key=lambda inside: (inside.name != EGO, len(inside.name), inside.name))
    return {inside.name: inside for inside in found}

"""Folders of pictures as 3DTRL published its first- and third-person-view (FTPV) sets.

    tr_0000/fpv/000000.jpg               the first-person view, `ego`
    tr_0000/tpv/view_0000/000000.jpg     a third-person view, `view_0`

Folders such as `tpv/0`, frames numbered from 1, and names such as `img_00000.jpg` are read too. The
published sets name every episode `tr_…` and split them by the counts that the preset `ftpv`
holds. Where folders are named `va_…` or `te_…`, they are the validation and test episodes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from datasets.bounds import Quality
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.numbered import lazy_pictures, list_frames, size_of
from datasets.presets import PRESETS
from datasets.source import Source, bare_episode, bare_meta, deal, in_memory
from datasets.storage.episode_file import EGO, Episode
from datasets.storage.meta import DatasetMeta
from datasets.storage.own_files import own_files

PREFIXES = {"train": "tr", "valid": "va", "test": "te"}
# The published sets' folders, and this project's names for their worlds.
PUBLISHED = {
    "Pandav1_Train_Frame": "pick",
    "MineRLReachGoalGroundStatic-v0_Frame": "minecraft",
    "can_mh": "can",
    "lift_mh": "lift",
}
_EPISODE = re.compile(rf"({'|'.join(PREFIXES.values())})_(\d+)")
# A third-person view, with or without a word before the number.
_VIEW = re.compile(r"(?:view|cam|camera)?_?(\d+)")
_PILLOW = {"jpg": "JPEG", "png": "PNG"}


@dataclass(frozen=True)
class FtpvOptions:
    """Options of written FTPV folders.

    Attributes:
        image: File format of the frames. 3DTRL's own loader reads jpg; png is lossless.
        quality: JPEG quality, 1 to 100.
        split_prefixes: Name validation and test episodes va_ and te_; otherwise all are tr_, in
            the order train, valid, test, as in the published sets.
    """

    image: Literal["jpg", "png"] = "jpg"
    quality: Quality = 95
    split_prefixes: bool = True


class FtpvSource(Source):
    """An FTPV folder: frames only, without keypoints, cameras or actions."""

    title = "FTPV folders"
    looks_like = "tr_0000/fpv/000000.jpg, tr_0000/tpv/view_0000/000000.jpg"

    @classmethod
    def recognizes(cls, path: Path) -> bool:
        """Whether `path` holds folders tr_0000 … with first- or third-person views."""
        return any(
            any((episode / v).is_dir() for v in ("fpv", "tpv")) for episode in _folders(path)
        )

    def __init__(self, path: Path) -> None:
        """Lists the frames of every view of every episode and checks that none is missing.

        Raises:
            DataError: When views differ in length or number, or a frame is missing.
        """
        self.root = path
        folders = _folders(path)
        _require_distinct(folders)
        _require_known(path)
        self.names = [folder.name for folder in folders]
        self._frames = [_list_views(folder) for folder in folders]
        views = list(self._frames[0])
        for name, found in zip(self.names, self._frames, strict=True):
            if list(found) != views:
                raise MismatchError(
                    f"{path / name} has the views {list(found)}, but {path / self.names[0]} has "
                    f"{views}: all episodes need the same. Remove it, or add the missing views."
                )
        self.lengths = [len(found[views[0]]) for found in self._frames]
        self.frame_size = height, _ = size_of(self._frames[0][views[0]][0])
        env = PUBLISHED.get(path.resolve().name, path.resolve().name)
        self.meta = bare_meta(env, views, height)
        self.splits = _splits_by_prefix(self.names) or preset_splits(env, len(self.names))

    def episode(self, i: int) -> Episode:
        """Reads the frames of an episode."""
        return in_memory(self.lazy_episode(i))

    def lazy_episode(self, i: int) -> Episode:
        """The pictures of an episode, which are read as they are used."""
        views = self._frames[i].items()
        return bare_episode({view: lazy_pictures(files) for view, files in views})


def write_ftpv(
    out: Path, meta: DatasetMeta, episodes: Iterable[tuple[str, Episode]], options: FtpvOptions
) -> None:
    """Writes episodes as FTPV folders, which keep frames only.

    Args:
        out: An empty folder.
        meta: Facts that the episodes have in common.
        episodes: Pairs of split and episode, in the order of the splits.
        options: Format of the files.
    """
    saving: dict[str, Any] = {"quality": options.quality} if options.image == "jpg" else {}
    for index, (split, episode) in enumerate(episodes):
        prefix = PREFIXES[split if options.split_prefixes else "train"]
        for view in meta.views:
            folder = out / f"{prefix}_{index:04d}" / _view_folder(view)
            folder.mkdir(parents=True)
            for time, frame in enumerate(episode.images[view]):
                # Pillow's own writing into a file does not notice that only a part of it fitted.
                content = io.BytesIO()
                Image.fromarray(frame).save(content, _PILLOW[options.image], **saving)
                (folder / f"{time:06d}.{options.image}").write_bytes(content.getvalue())


def _view_folder(view: str) -> str:
    if view == EGO:
        return "fpv"
    if number := re.fullmatch(r"view_(\d+)", view):
        return f"tpv/view_{int(number[1]):04d}"
    raise MismatchError(
        f"FTPV folders have no place for the view {view!r}, only for ego, view_0, view_1, …: name "
        f"it by --views {view}=view_0"
    )


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    found = [folder for folder in path.iterdir() if _EPISODE.fullmatch(folder.name)]
    order = list(PREFIXES.values())
    return sorted(found, key=lambda folder: (order.index(folder.name[:2]), int(folder.name[3:])))


def _require_distinct(episodes: list[Path]) -> None:
    """Checks that no two episodes are one folder, by a link."""
    seen: dict[Path, Path] = {}
    for episode in episodes:
        other = seen.setdefault(episode.resolve(), episode)
        if other != episode:
            raise MismatchError(f"{other} and {episode} are one folder, by a link. Remove one.")


def _require_known(path: Path) -> None:
    """Checks that no episode is left out because its folder has another name."""
    for folder in path.iterdir():
        known = _EPISODE.fullmatch(folder.name) or folder.name.startswith(".")
        if not known and any((folder / view).is_dir() for view in ("fpv", "tpv")):
            raise FormatError(
                f"{folder} has views, but its name is not read: rename it tr_NUMBER, va_NUMBER or "
                "te_NUMBER."
            )


def _list_views(episode: Path) -> dict[str, list[Path]]:
    folders = {EGO: episode / "fpv"} if (episode / "fpv").is_dir() else {}
    numbered: dict[int, Path] = {}
    for path in own_files(episode.glob("tpv/*")):
        match = _VIEW.fullmatch(path.name)
        if not match or not path.is_dir():
            raise FormatError(
                f"{path} is no view: tpv/ holds a folder of frames for each view. Name it "
                "tpv/view_0000, tpv/view_0001 and so on, or remove it."
            )
        other = numbered.setdefault(int(match[1]), path)
        if other != path:
            raise FormatError(f"{other} and {path} are both view_{int(match[1])}: rename one.")
    folders |= {f"view_{number}": path for number, path in sorted(numbered.items())}
    if not folders:
        raise MissingDataError(f"{episode} has no fpv/ or tpv/view_0000/: remove or complete it.")
    views = {view: list_frames(folder) for view, folder in folders.items()}
    first, *others = views
    for view in others:
        if len(views[view]) != len(views[first]):
            raise MismatchError(
                f"{folders[view]} has {len(views[view])} frames, {folders[first]} "
                f"{len(views[first])}: views of one episode must be of one length. "
                "Cut the longer one, or leave the episode out."
            )
        if min(views[view]) != min(views[first]):
            raise MismatchError(
                f"{folders[view]} begins with frame {min(views[view])}, {folders[first]} with "
                f"{min(views[first])}: number the views of an episode alike."
            )
    return {view: list(frames.values()) for view, frames in views.items()}


def preset_splits(env: str, episodes: int) -> dict[str, list[int]] | None:
    """The preset `ftpv`'s split of a world's episodes; None when their number is another."""
    preset = PRESETS["ftpv"].get(env)
    return deal(preset.split) if preset and preset.episodes == episodes else None


def _splits_by_prefix(names: list[str]) -> dict[str, list[int]] | None:
    by_prefix = {
        split: [i for i, name in enumerate(names) if name.startswith(prefix)]
        for split, prefix in PREFIXES.items()
    }
    return by_prefix if by_prefix["valid"] or by_prefix["test"] else None

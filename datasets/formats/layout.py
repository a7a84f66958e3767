"""Folders of episodes, each with a video or a folder of pictures for every view.

The folder of one episode alone is read too. What is left out is named in warnings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

from datasets.errors import shortened
from datasets.storage.own_files import own_files

logger = logging.getLogger(__name__)

Views = TypeVar("Views")
# Names left out that a warning lists.
_SHOWN = 5
# Names that number episodes. Serial numbers of cameras do not begin with 0.
_EPISODE = re.compile(r"(0\d+|(ep|episode|demo|take|trial|traj|trajectory|rollout)[ _-]?\d+)", re.I)
_CAMERA = re.compile(r"\D+|(cam|camera|view)[ _-]?\d+", re.I)


def find_episodes(path: Path, views_of: Callable[[Path], Views]) -> dict[str, Views]:
    """Name of each episode to its views.

    Args:
        path: A folder that holds views, which is one episode, or folders that do.
        views_of: The views that a folder holds; empty where it holds none.
    """
    if not path.is_dir():
        return {}
    if views := views_of(path):
        return {path.resolve().name: views}
    found = {folder.name: views_of(folder) for folder in _folders(path)}
    return {name: views for name, views in found.items() if views}


def tell_doubts(
    path: Path,
    views_of: Callable[[Path], Views],
    views: Iterable[str],
    kind: str,
    used: Collection[str] = (),
) -> None:
    """Warns of folders that are left out, and where folders seem to be of cameras.

    Args:
        path: See `find_episodes`.
        views_of: See `find_episodes`.
        views: Names of the views that were found.
        kind: What a view is, such as `videos`.
        used: Names of folders that are read for something else.
    """
    folders = [folder for folder in _folders(path) if folder.name not in used]
    holding = [folder.name for folder in folders if views_of(folder)]
    empty = [folder.name for folder in folders if folder.name not in holding]
    alone = bool(views_of(path))
    if alone and holding:
        logger.warning(
            "%s holds %s itself, so that it is one episode, and its folders are left out: %s. Move "
            "its own %s elsewhere to read the folders as episodes.",
            *(path, kind, shortened(holding, _SHOWN), kind),
        )
        return
    if empty and not alone:
        logger.warning(
            "%s: folders without %s are left out: %s", path, kind, shortened(empty, _SHOWN)
        )
    names, episodes = list(views), [path.resolve().name] if alone else holding
    if all(map(_EPISODE.fullmatch, names)) and all(map(_CAMERA.fullmatch, episodes)):
        logger.warning(
            "%s: %s is read as an episode, and %s as its views. Where cameras hold episodes, "
            "exchange the two: an episode is a folder with its views, such as 000000/front.",
            *(path, episodes[0], shortened(names, _SHOWN)),
        )


def _folders(path: Path) -> list[Path]:
    return [folder for folder in own_files(path.iterdir()) if folder.is_dir()]

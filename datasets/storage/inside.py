"""Checks that the files which a data set names lie in its own folder.

A data set from an untrusted source could make us read other files: an index can name any file, a
link can lead anywhere, and HDF5 itself follows links into other files and reads arrays out of any
file that a header names.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import h5py

from datasets.errors import OutsideFolderError

REMEDY = "Make the data set again, or, where you trust it, copy what it names into the folder."


def path_inside(folder: Path, name: str, source: Path, may_link: bool = False) -> Path:
    """The path of a file that `source` names, checked to lie in `folder`.

    Args:
        folder: The data set's folder.
        name: The path relative to the folder, as `source` gives it.
        source: The file that names the path, for the message.
        may_link: Whether the file may be a symbolic link that leads outside.

    Raises:
        OutsideFolderError: When the path is absolute, or leads outside by `..` or a link.
    """
    relative = PurePosixPath(name)
    path = folder / relative
    outside = relative.is_absolute() or ".." in relative.parts or "\0" in name
    if not outside and not may_link:
        # Unlike `Path.resolve`, it takes links that lead in a circle.
        outside = not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    if outside:
        raise OutsideFolderError(f"{source} names {name}, outside its own folder. {REMEDY}")
    return path


def require_plain_name(name: object, source: Path) -> None:
    """Checks that a name which becomes part of a file's name is not a path.

    Raises:
        OutsideFolderError: When the name is empty, begins with a dot, or has a separator.
    """
    text = str(name)
    if not text or text.startswith(".") or any(mark in text for mark in "/\\\0"):
        raise OutsideFolderError(
            f"{source} has the name {name!r}, which would be a path of its own. {REMEDY}"
        )


def require_own_content(file: h5py.File, path: Path, links_in: str | None = None) -> None:
    """Checks that an HDF5 file has no links into other files.

    Args:
        file: The open file.
        path: Path of the file.
        links_in: Group whose members may be links; the caller must not follow them.

    Raises:
        OutsideFolderError: When there is such a link; names it.
    """
    status = os.stat(path)
    version = (status.st_ino, status.st_mtime_ns, status.st_size)
    link = _link_elsewhere(str(path), links_in, version)
    if link is not None:
        target = file.get(link, getlink=True).filename
        raise OutsideFolderError(f"{path} names {target}, outside itself, as its {link}. {REMEDY}")


def require_links_inside(file: h5py.File, path: Path, group: str) -> None:
    """Checks that links in a group lead to files of the same folder, which have no links further.

    Linked files that are missing are ignored.

    Raises:
        OutsideFolderError: When a link leads outside; names it.
    """
    members = file[group]
    for name in members:
        link = members.get(name, getlink=True)
        if not isinstance(link, h5py.ExternalLink):
            continue
        target = path_inside(path.parent, link.filename, path)
        if target.exists():
            with h5py.File(target, "r", locking=False) as linked:
                require_own_content(linked, target)


@lru_cache(maxsize=1 << 16)
def _link_elsewhere(path: str, links_in: str | None, version: tuple[int, ...]) -> str | None:
    """The first external link in a file outside of `links_in`, None without any.

    The result is cached by the file's version: training opens a file many times, and this search
    takes as long as opening it.
    """

    def see(name: bytes, info: Any) -> str | None:
        place = name.decode(errors="replace")  # an error in this callback would crash HDF5
        if info.type != h5py.h5l.TYPE_EXTERNAL or place.rpartition("/")[0] == links_in:
            return None
        return place

    with h5py.File(path, "r", locking=False) as file:
        return file.id.links.visit(see, info=True)

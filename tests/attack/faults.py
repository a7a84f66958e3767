"""Faults of files and disks."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import h5py

Fault = Callable[[Path], object]


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def wrong_magic(path: Path) -> None:
    """Overwrites the beginning, the seal of an episode included."""
    with path.open("r+b") as file:
        file.write(b"\x7fELF" + bytes(600))


def text_instead(path: Path) -> None:
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")


def folder_instead(path: Path) -> None:
    path.unlink()
    path.mkdir()


def links_in_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def missing(path: Path) -> None:
    path.unlink()


def unreadable(path: Path) -> None:
    path.chmod(0)


FILE_FAULTS: dict[str, Fault] = {
    fault.__name__.replace("_", " "): fault
    for fault in (
        truncated,
        emptied,
        wrong_magic,
        text_instead,
        folder_instead,
        links_in_a_circle,
        missing,
        unreadable,
    )
}


def at(place: str, fault: Fault) -> Fault:
    """A fault of one file below the row's folder."""
    return lambda here: fault(here / place)


def swapped(one: str, other: str) -> Fault:
    """Exchanges two files."""

    def swap(here: Path) -> None:
        (here / one).rename(here / "third")
        (here / other).rename(here / one)
        (here / "third").rename(here / other)

    return swap


def in_hdf5(place: str, change: Callable[[h5py.File], object]) -> Fault:
    """Changes an HDF5 file and takes its seal away, as a user's own tool would."""

    def edit(here: Path) -> None:
        path = here / place
        content = path.read_bytes()
        start = content.index(b"\x89HDF")
        path.write_bytes(content[start:])  # HDF5's addresses count from the user block's end
        with h5py.File(path, "r+") as file:
            change(file)

    return edit


@contextmanager
def as_a_plain_user() -> Iterator[None]:
    """Takes root's right to read and write every file from this thread, where it runs as root."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    held, fewer = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    if os.geteuid() or libc.capget(header, held):
        yield
        return
    fewer[:] = held[:]
    fewer[0] &= ~(1 << 1 | 1 << 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH, effective
    libc.capset(header, fewer)
    try:
        yield
    finally:
        libc.capset(header, held)


def full_disk(place: str) -> Callable[[Path], AbstractContextManager[None]]:
    """A folder on a disk without room; where mounting is not allowed, files may not grow."""

    @contextmanager
    def full(here: Path) -> Iterator[None]:
        with mounted(here / place, "size=256m") as works:
            if works:
                _fill(here / place)
                yield
                return
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    return full


def _fill(folder: Path) -> None:
    (folder / "filler").write_bytes(bytes(4096))  # a size of 0 would be none at all
    room = os.statvfs(folder)
    used = (room.f_blocks - room.f_bfree) * room.f_frsize
    subprocess.run(["mount", "-o", f"remount,size={used}", str(folder)], check=True)


def read_only(place: str) -> Callable[[Path], AbstractContextManager[None]]:
    """A folder on a read-only disk; where mounting is not allowed, one without permission."""

    @contextmanager
    def fixed(here: Path) -> Iterator[None]:
        with mounted(here / place, "size=256m") as works:
            if works:
                subprocess.run(["mount", "-o", "remount,ro", str(here / place)], check=True)
                yield
                return
        folders = [here / place, *(path for path in (here / place).rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            yield
        finally:
            for folder in folders:
                folder.chmod(0o755)

    return fixed


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[bool]:
    """Mounts a disk in memory with a copy of a folder's content; yields whether that worked."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() or not shutil.which("mount"):
        yield False
        return
    copy = folder.with_name(f"{folder.name}.copy")
    shutil.copytree(folder, copy)
    words = ["mount", "-t", "tmpfs", "-o", options, "attack", str(folder)]
    works = not subprocess.run(words, capture_output=True).returncode
    if works:
        shutil.copytree(copy, folder, dirs_exist_ok=True)
    shutil.rmtree(copy)
    try:
        yield works
    finally:
        if works:
            # Lazily, because HDF5 or a loader may keep a file open.
            subprocess.run(["umount", "-l", str(folder)], check=True)

"""Material that takes long to make: the workers of pytest-xdist make it once and share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder of this name, which is made by the first worker that asks for it.

    Tests only read it.

    Args:
        factory: pytest's factory of folders.
        name: Name of the folder, which is that of the fixture.
        make: Fills the folder, which is there and empty.
    """
    shared = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # the session's folder; each worker has one of its own in it
    root, whole = shared / name, shared / f"{name}.made"
    with FileLock(shared / f"{name}.lock"):
        if not whole.exists():
            root.mkdir()
            make(root)
            whole.touch()
    return root

"""Shared parts of several packages' tests: material that takes long to make, and runs made here."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from filelock import FileLock

from align.engine.jobs import Outcome


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


def all_here(
    configs: Sequence[Any],
    jobs: int,
    after_each: Callable[[], object],
    work: Callable[[Any, int], None],
) -> list[Outcome]:
    """As `align.engine.jobs.run_all`, in this process: importing torch in another takes seconds."""
    outcomes = []
    for place, config in enumerate(configs):
        try:
            with mock.patch("align.engine.jobs._shares", None):  # no bar follows these runs
                work(config, place)
            outcomes.append(Outcome(config))
        except Exception as error:
            outcomes.append(Outcome(config, error))
        after_each()
    return outcomes

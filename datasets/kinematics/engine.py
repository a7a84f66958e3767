"""The import of MuJoCo, which computes where a robot's links are and what a ray hits."""

from __future__ import annotations

import ctypes.util
import os
import sys
from typing import Any

from datasets.errors import require

# Back ends of MuJoCo that draw without a screen, and the library that each needs.
HEADLESS = {"egl": "EGL", "osmesa": "OSMesa"}


def headless_backend() -> str | None:
    """The first back end of Linux that draws without a screen and has its library, or None."""
    if not sys.platform.startswith("linux"):
        return None
    found = (name for name, library in HEADLESS.items() if ctypes.util.find_library(library))
    return next(found, None)


def import_mujoco() -> Any:
    """Imports MuJoCo.

    Nothing here draws. But MuJoCo chooses its back end when it is first imported, and a simulator
    of the same process may draw later.

    Raises:
        MissingLibraryError: When it is not installed; names the command that installs it.
    """
    if "mujoco" not in sys.modules and (backend := headless_backend()) is not None:
        chosen = os.environ.setdefault("MUJOCO_GL", backend)
        if chosen in HEADLESS:
            os.environ.setdefault("PYOPENGL_PLATFORM", chosen)
    return require("mujoco", "robosuite")

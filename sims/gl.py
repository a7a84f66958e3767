"""The choice of MuJoCo's graphics back end, before MuJoCo is imported.

MuJoCo and PyOpenGL read their environment variables once, at import. Without a driver they fail
late and with unclear errors (a missing attribute, or no `mujoco.Renderer` at all), so this module
searches for the libraries first.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from types import ModuleType

from datasets.kinematics.engine import HEADLESS, headless_backend
from sims.errors import SimulatorError

INSTALL_DRIVER = (
    "sudo apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0   "
    "(or libosmesa6, then set MUJOCO_GL=osmesa)"
)
INSTALL_ROBOSUITE = "pip install 'posealign[robosuite]'"


@lru_cache(maxsize=1)  # remembers the first choice, as importing robosuite overwrites MUJOCO_GL
def choose_backend() -> str | None:
    """The back end for MUJOCO_GL: the user's own choice, else EGL, else OSMesa.

    Returns:
        The name, or None where MuJoCo has only its default (macOS, Windows).

    Raises:
        SimulatorError: When no library for off-screen rendering is installed.
    """
    if chosen := os.environ.get("MUJOCO_GL"):
        return chosen
    if not sys.platform.startswith("linux"):
        return None
    if (backend := headless_backend()) is not None:
        return backend
    raise SimulatorError(f"No library for off-screen rendering found. Run: {INSTALL_DRIVER}")


def import_mujoco(rasterizer_threads: int | None = None) -> ModuleType:
    """Imports MuJoCo with a back end that works without a screen.

    Args:
        rasterizer_threads: Number of threads of Mesa's software rasterizer; 0 draws in the calling
            thread, which suits one worker per core. None leaves the choice to Mesa.

    Raises:
        SimulatorError: When MuJoCo or the graphics driver is missing.
    """
    backend = choose_backend()
    if backend is not None:
        if not os.environ.get("MUJOCO_GL"):  # MuJoCo takes an empty name for its own choice
            os.environ["MUJOCO_GL"] = backend
        if backend in HEADLESS:
            os.environ.setdefault("PYOPENGL_PLATFORM", backend)
    if rasterizer_threads is not None:
        os.environ.setdefault("LP_NUM_THREADS", str(rasterizer_threads))
    try:
        import mujoco
    except ImportError as error:
        if error.name == "mujoco":
            raise SimulatorError(f"MuJoCo is not installed. Run: {INSTALL_ROBOSUITE}") from None
        raise SimulatorError(
            f"MuJoCo cannot use the graphics back end {backend!r} ({error}). Run: {INSTALL_DRIVER}"
        ) from error
    # PyOpenGL without its library raises the first, MuJoCo with an unknown back end the second.
    except (AttributeError, RuntimeError) as error:
        raise SimulatorError(
            f"The graphics back end {backend!r} does not load ({error}). Run: {INSTALL_DRIVER}"
        ) from error
    if not hasattr(mujoco, "Renderer"):  # MuJoCo hides the error of a display that fails to open
        raise SimulatorError(
            f"MuJoCo cannot open a display with the back end {backend!r}. Run: {INSTALL_DRIVER}"
        )
    used = mujoco.GLContext.__module__.removeprefix("mujoco.").split(".")[-1]
    if backend in HEADLESS and used != backend:
        raise SimulatorError(
            f"MuJoCo was imported before sims and took the back end {used!r}, which needs a "
            f"screen. Make the environment before importing mujoco or robosuite, or set "
            f"MUJOCO_GL={backend} in the shell."
        )
    return mujoco


def renderer_name() -> str:
    """Name of the current OpenGL context's renderer, such as `llvmpipe (LLVM 15.0.6, 256 bits)`.

    Call it after a first frame, when a context is current.
    """
    from OpenGL import GL

    name = GL.glGetString(GL.GL_RENDERER)
    if name is None:
        raise SimulatorError("No OpenGL context is current; render a frame first.")
    return name.decode()


def is_software(name: str) -> bool:
    """Whether the renderer of this name runs on the CPU."""
    return any(word in name.lower() for word in ("llvmpipe", "softpipe", "swrast", "software"))

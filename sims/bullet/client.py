"""PyBullet: its import, one physics server for each environment, and the choice of renderer."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any
from weakref import WeakSet

from datasets.errors import require_known
from sims.errors import CLOSED, OneAtATimeError, SimulatorError

INSTALL_PYBULLET = "pip install 'posealign[pybullet]'"
RENDERERS = ("tiny", "egl", "auto")
EGL_MODULE, EGL_ENTRY = "eglRenderer", "_eglRendererPlugin"
GPU_DEVICES = ("/dev/nvidiactl", "/dev/dri/renderD128")


@lru_cache
def import_pybullet() -> Any:
    """Imports PyBullet and suppresses the line that it prints.

    Raises:
        SimulatorError: When PyBullet is not installed; gives the command that installs it.
    """
    try:
        with captured():
            import pybullet
    except ImportError as error:
        raise SimulatorError(
            f"PyBullet does not import ({error}). Run: {INSTALL_PYBULLET}"
        ) from error
    return pybullet


def data_folder() -> Path:
    """The folder of pybullet_data, which holds PyBullet's own robots and things.

    Raises:
        SimulatorError: When PyBullet is not installed.
    """
    import_pybullet()
    import pybullet_data

    return Path(pybullet_data.getDataPath())


@contextmanager
def captured() -> Iterator[IO[str]]:
    """Redirects output of compiled code, such as on its build or the driver, into a file."""
    with tempfile.TemporaryFile("w+") as file:
        kept = {}
        _flush()
        try:
            for descriptor in (1, 2):
                kept[descriptor] = os.dup(descriptor)
                os.dup2(file.fileno(), descriptor)
            yield file
        finally:
            _flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)


def text_of(output: IO[str]) -> str:
    """The output that was redirected so far into a file of `captured`."""
    _flush()
    output.seek(0)
    return output.read()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.name == "posix":
        ctypes.CDLL(None).fflush(None)  # C buffers its output separately from Python


def choose_renderer(name: str) -> str:
    """The renderer, `tiny` or `egl`; `auto` means `egl` on a machine with a GPU that works.

    Raises:
        UnknownNameError: When the name is not one of `RENDERERS`.
        SimulatorError: When the name is `egl` and EGL gives no picture.
    """
    require_known("renderer", name, RENDERERS)
    import_pybullet()
    if name == "tiny" or (name == "auto" and not any(map(os.path.exists, GPU_DEVICES))):
        return "tiny"
    complaint = _egl_complaint()
    if complaint is None:
        return "egl"
    if name == "auto":
        return "tiny"
    raise SimulatorError(
        f"PyBullet's EGL renderer does not work here ({complaint}). Install the graphics driver "
        "with its EGL library (libEGL.so.1), or take renderer='tiny'."
    )


@lru_cache
def _egl_complaint() -> str | None:
    """The reason why EGL gives no picture, or None when it gives one.

    The test runs in a separate process, since the plugin ends its process when the driver fails.
    """
    program = "from sims.bullet.client import BulletClient; BulletClient('egl').close()"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"it ends with exit code {done.returncode}"


# The driver's context belongs to the process: a second client would take over the first one's.
_egl_clients: WeakSet[BulletClient] = WeakSet()


class BulletClient:
    """A separate physics server with its renderer.

    Attributes:
        api: The module `pybullet`; its functions take `id` as physicsClientId.
        id: Number of the server.
        renderer: `tiny`, which needs no graphics driver, or `egl`, for a GPU.
        driver: Name of the renderer, from the library or the graphics driver.
    """

    def __init__(self, renderer: str) -> None:
        """Starts the server.

        Raises:
            SimulatorError: When PyBullet or its renderer is missing.
        """
        self.api = import_pybullet()
        self.renderer = renderer
        self.id: int = self.api.connect(self.api.DIRECT)
        self.driver = "PyBullet's TinyRenderer, a software renderer"
        self._plugin: int | None = None
        if renderer == "egl":
            self._load_egl()

    def _load_egl(self) -> None:
        if any(client.id >= 0 for client in _egl_clients):
            self.close()
            raise OneAtATimeError(
                "PyBullet's EGL renderer serves one environment at a time in a process: close the "
                "other one first, or take renderer='tiny'."
            )
        spec = find_spec(EGL_MODULE)
        if spec is None or spec.origin is None:
            self.close()
            raise SimulatorError(f"PyBullet came without its plugin {EGL_MODULE}.")
        with captured() as output:
            plugin = self.call("loadPlugin", spec.origin, EGL_ENTRY)
            # The plugin prints with its first pictures; draw them while output is redirected.
            for _ in range(2 if plugin >= 0 else 0):
                self.call("getCameraImage", 8, 8, renderer=self.api.ER_BULLET_HARDWARE_OPENGL)
            said = text_of(output)
        if plugin < 0:
            self.close()
            raise SimulatorError(f"PyBullet's plugin {spec.origin} does not load: {said.strip()}")
        self._plugin = plugin
        _egl_clients.add(self)
        named = re.search(r"GL_RENDERER=(.*)", said)
        self.driver = f"PyBullet's EGL renderer, {named[1] if named else 'driver unknown'}"

    def call(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a function of PyBullet on this server.

        Raises:
            SimulatorError: After `close`.
        """
        if self.id < 0:
            raise SimulatorError(CLOSED)
        return getattr(self.api, function)(*args, physicsClientId=self.id, **kwargs)

    def close(self) -> None:
        """Stops the server; a second call does nothing."""
        if self.id < 0:
            return
        with captured():
            if self._plugin is not None:
                self.call("unloadPlugin", self._plugin)
            self.call("disconnect")
        self.id = -1

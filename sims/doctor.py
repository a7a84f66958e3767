"""Check whether episodes can be made here: graphics, simulators, versions, speed.

Example:
    python -m sims.doctor

The exit code is 0 when Lift can be simulated and rendered, else 1.
"""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version

from datasets.command import command, parse
from sims.bullet.client import INSTALL_PYBULLET
from sims.errors import SimulatorError
from sims.gl import INSTALL_ROBOSUITE, import_mujoco, is_software
from sims.minecraft.blocks.nodes import INSTALL_PANDA3D
from sims.minecraft.minerl.process import probe
from sims.registry import ENVIRONMENTS, make

# The purpose of each package, and the command that installs it.
PACKAGES = {
    "mujoco": ("physics and rendering of Lift", INSTALL_ROBOSUITE),
    "robosuite": ("Lift", INSTALL_ROBOSUITE),
    "trimesh": ("lighter meshes", INSTALL_ROBOSUITE),
    "fast_simplification": ("lighter meshes", INSTALL_ROBOSUITE),
    "panda3d": ("Minecraft, back end blocks", INSTALL_PANDA3D),
    "pybullet": ("Pick", INSTALL_PYBULLET),
    "robomimic": (
        "reading data sets with robomimic, optional",
        "pip install 'posealign[robomimic]'",
    ),
}
REQUIRED = "lift"
SIZE = 224
VIEWS = 4
ROUNDS = 5


def examine() -> Iterator[tuple[str, bool, str]]:
    """Yield each item, whether it works, and its version or the remedy."""
    yield "python", True, f"{platform.python_version()} on {platform.platform()}"
    for package, (purpose, remedy) in PACKAGES.items():
        try:
            yield package, True, f"{version(package)} ({purpose})"
        except PackageNotFoundError:
            yield package, False, f"missing ({purpose}). Run: {remedy}"
    try:
        import_mujoco(rasterizer_threads=0)
        yield "graphics", True, f"back end {os.environ.get('MUJOCO_GL', 'of the system')}"
    except SimulatorError as error:
        yield "graphics", False, str(error)
    for name in ENVIRONMENTS:
        yield (name, *examine_environment(name))
    yield ("minerl", *examine_minerl())


def examine_environment(name: str) -> tuple[bool, str]:
    """Render an environment a few times; return whether it works, and with what and how fast."""
    try:
        env = make(name, views=VIEWS, size=SIZE)
        env.reset(seed=0)
        env.render_views()
    except SimulatorError as error:
        return False, str(error)
    start = time.perf_counter()
    for _ in range(ROUNDS):
        env.render_views()
    milliseconds = 1000 * (time.perf_counter() - start) / (ROUNDS * len(env.views))
    driver = env.renderer()
    kind = "software, on the CPU" if is_software(driver) else "hardware"
    env.close()
    return True, f"{milliseconds:.1f} ms per frame of {SIZE}x{SIZE}, drawn by {driver} ({kind})"


def examine_minerl() -> tuple[bool, str]:
    """Return whether the real game can start, which needs more than importing minerl."""
    try:
        lacks, found = probe()
    except SimulatorError as error:
        return False, f"Minecraft, back end minerl, optional. {error}"
    if lacks:
        return False, f"Minecraft, back end minerl, optional: {'; '.join(lacks)}"
    return True, f"Minecraft, back end minerl {found['minerl']} with java {found['java']}"


def doctor() -> None:
    """Check graphics, simulators, versions and speed, and print what is missing."""
    well = {}
    for name, fine, found in examine():
        well[name] = fine
        print(f"{'ok' if fine else 'MISSING':8}{name:22}{found}", flush=True)
    if not well[REQUIRED]:
        sys.exit(f"{REQUIRED} cannot be made here; the lines marked MISSING name the remedy.")
    print("Next: python -m sims.generate --env lift --views 4")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""

    def run() -> None:
        with command():
            doctor()

    parse(run, "python -m sims.doctor", arguments, description=__doc__)


if __name__ == "__main__":
    main()

"""Simulators, camera rigs and scripted experts that make multi-view episodes.

Importing this registers every world with Gymnasium, as in
`gymnasium.make("posealign/Lift-v0", views=4)`, and imports no simulator.
"""

from typing import TYPE_CHECKING

import lazy_loader

import posealign  # noqa: F401  checks that `datasets` is this project's package
from datasets.errors import UnknownNameError
from sims.errors import SimulatorError
from sims.registry import ENVIRONMENTS, make, register_gymnasium

if TYPE_CHECKING:
    from sims.bullet.env import BulletEnv
    from sims.mujoco.env import MujocoEnv

__all__ = [
    "ENVIRONMENTS",
    "BulletEnv",
    "MujocoEnv",
    "SimulatorError",
    "UnknownNameError",
    "make",
]

# These classes are imported when they are first used.
__getattr__, _, _ = lazy_loader.attach(
    __name__, submod_attrs={"bullet.env": ["BulletEnv"], "mujoco.env": ["MujocoEnv"]}
)


def __dir__() -> list[str]:
    return __all__


register_gymnasium()

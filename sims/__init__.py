"""Simulators, camera rigs and scripted experts that make multi-view episodes.

Importing this registers every world with Gymnasium, as in
`gymnasium.make("posealign/Lift-v0", views=4)`, and imports no simulator.
"""

import posealign  # noqa: F401  checks that `datasets` is this project's package
from datasets.errors import UnknownNameError
from sims.errors import SimulatorError
from sims.registry import ENVIRONMENTS, make, register_gymnasium

__all__ = ["ENVIRONMENTS", "SimulatorError", "UnknownNameError", "make"]

register_gymnasium()

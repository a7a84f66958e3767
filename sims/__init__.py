"""Simulators, camera rigs and scripted experts that make multi-view episodes."""

import posealign  # noqa: F401  checks that `datasets` is ours
from sims.errors import SimulatorError, UnknownNameError
from sims.registry import ENVIRONMENTS, make

__all__ = ["ENVIRONMENTS", "SimulatorError", "UnknownNameError", "make"]

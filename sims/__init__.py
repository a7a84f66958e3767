"""Simulators, camera rigs and scripted experts that make multi-view episodes."""

import posealign  # noqa: F401  checks that `datasets` is ours
from datasets.errors import UnknownNameError
from sims.errors import SimulatorError
from sims.registry import ENVIRONMENTS, make

__all__ = ["ENVIRONMENTS", "SimulatorError", "UnknownNameError", "make"]

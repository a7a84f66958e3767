"""Errors of the simulators, each with its remedy."""

from __future__ import annotations

from typing import ClassVar

from datasets.errors import OptionError, UserError

__all__ = [
    "ContractError",
    "HookError",
    "OneAtATimeError",
    "OptionError",
    "ProductionError",
    "SimulatorError",
]

CLOSED = "the environment was closed: make a new one."


class SimulatorError(UserError, RuntimeError):
    """Raised when a simulator or graphics driver cannot be used; the message names the remedy."""


class HookError(UserError, ValueError):
    """Raised when a user's own expert or hook gives what cannot be used; names its file."""


class ContractError(UserError, AssertionError):
    """Raised when a world breaks a promise of `MultiViewEnv`; the message names it."""


class OneAtATimeError(SimulatorError):
    """Raised when a renderer that serves one environment a process is asked to serve two."""


class ProductionError(SimulatorError):
    """Raised when episodes could not be made, although the simulator could be started."""

    exit_code: ClassVar[int] = 1

"""Errors of the simulators, each with its remedy."""

from __future__ import annotations


class SimulatorError(RuntimeError):
    """A simulator or the graphics driver cannot be used; the message says what to install."""


class UnknownNameError(ValueError):
    """A name that is not registered; the message names the nearest and all valid ones."""

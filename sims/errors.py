"""Errors of the simulators, each with its remedy."""

from __future__ import annotations


class SimulatorError(RuntimeError):
    """A simulator or the graphics driver cannot be used; the message says what to install."""


class OptionError(ValueError):
    """A value of an option that is not valid; the message names it and what is."""

"""Environments by public name; a simulator is imported when its environment is made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from sims.errors import UnknownNameError

if TYPE_CHECKING:
    from sims.env import MultiViewEnv

ENVIRONMENTS = {"lift": "sims.lift:LiftEnv", "minecraft": "sims.minecraft:MinecraftEnv"}


def make(name: str, **options: Any) -> MultiViewEnv:
    """Makes an environment by name.

    Args:
        name: One of `ENVIRONMENTS`.
        **options: What the environment takes, such as `views` and `size`.

    Raises:
        UnknownNameError: For an unknown name; the message names the nearest one.
        SimulatorError: When the simulator is not installed; the message says how to install it.
    """
    require_known("environment", name, ENVIRONMENTS)
    module, attribute = ENVIRONMENTS[name].split(":")
    return getattr(import_module(module), attribute)(**options)


def require_known(kind: str, name: str, valid: Iterable[str]) -> None:
    """Raises an UnknownNameError that names the nearest valid name and all of them."""
    valid = list(valid)
    if name not in valid:
        nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.0)[0]
        raise UnknownNameError(
            f"unknown {kind} {name!r}; did you mean {nearest!r}? Valid: {', '.join(valid)}."
        )

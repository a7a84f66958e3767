"""Environments by public name; a simulator is imported when its environment is made."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from sims.errors import UnknownNameError

if TYPE_CHECKING:
    from sims.env import MultiViewEnv

ENVIRONMENTS = {
    "lift": "sims.lift:LiftEnv",
    "can": "sims.can:CanEnv",
    "pick": "sims.pick:PickEnv",
    "minecraft": "sims.minecraft:MinecraftEnv",
}


def make(name: str, **options: Any) -> MultiViewEnv:
    """Makes an environment by name.

    Args:
        name: One of `ENVIRONMENTS`, or a `MultiViewEnv` of your own as `package.module:Class`.
        **options: What the environment takes, such as `views` and `size`.

    Raises:
        UnknownNameError: For an unknown name; the message names the nearest one.
        SimulatorError: When the simulator is not installed; the message says how to install it.
    """
    require_environment(name)
    if ":" in name:
        return _own_class(name)(**options)
    module, attribute = ENVIRONMENTS[name].split(":")
    return getattr(import_module(module), attribute)(**options)


def require_environment(name: str) -> None:
    """Raises an UnknownNameError when `make` knows no such environment."""
    if ":" in name:
        _own_class(name)
    else:
        require_known("environment", name, ENVIRONMENTS)


def own_views(name: str) -> int | None:
    """How many third-person views `package.module:Class` has by default; None: it does not say."""
    views = signature(_own_class(name)).parameters.get("views")
    return views.default if views is not None and isinstance(views.default, int) else None


def _own_class(name: str) -> type[MultiViewEnv]:
    from sims.env import MultiViewEnv  # brings gymnasium, which naming an environment needs not

    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(
            f"{name!r} names no class ({error}); it must be importable from where you are, as "
            "`package.module:Class`."
        ) from error
    if not (isinstance(found, type) and issubclass(found, MultiViewEnv)):
        raise UnknownNameError(f"{name!r} is no subclass of sims.env.MultiViewEnv.")
    return found


def require_known(kind: str, name: str, valid: Iterable[str]) -> None:
    """Raises an UnknownNameError that names the nearest valid name and all of them."""
    valid = list(valid)
    if name not in valid:
        nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.0)[0]
        raise UnknownNameError(
            f"unknown {kind} {name!r}; did you mean {nearest!r}? Valid: {', '.join(valid)}."
        )

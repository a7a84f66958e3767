"""Environments by public name; a simulator is imported when its environment is made."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

from datasets.errors import UnknownNameError, require_known

if TYPE_CHECKING:
    from sims.env import MultiViewEnv

ENVIRONMENTS = {
    "lift": "sims.robosuite.lift:LiftEnv",
    "can": "sims.robosuite.can:CanEnv",
    "pick": "sims.bullet.pick:PickEnv",
    "minecraft": "sims.minecraft.env:MinecraftEnv",
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

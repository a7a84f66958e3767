"""Environments by public name; a simulator is imported only when its environment is made."""

from __future__ import annotations

from importlib import import_module
from inspect import signature
from typing import TYPE_CHECKING, Any

import gymnasium

from datasets.errors import UnknownNameError, require_known
from sims.errors import ContractError
from sims.named import find_named

if TYPE_CHECKING:
    from sims.env import MultiViewEnv

ENVIRONMENTS = {
    "lift": "sims.robosuite.lift:LiftEnv",
    "can": "sims.robosuite.can:CanEnv",
    "pick": "sims.bullet.pick:PickEnv",
    "minecraft": "sims.minecraft.env:MinecraftEnv",
}

# Names of Gymnasium's own environments begin with this, as in `gymnasium:Reacher-v5`.
GYMNASIUM = "gymnasium:"


def gymnasium_id(name: str) -> str:
    """Return the id of an environment in Gymnasium, such as `posealign/Lift-v0`."""
    return f"posealign/{name.capitalize()}-v0"


def register_gymnasium() -> None:
    """Register all environments with Gymnasium, which imports a class only when it makes it."""
    for name, entry_point in ENVIRONMENTS.items():
        if gymnasium_id(name) not in gymnasium.registry:
            gymnasium.register(gymnasium_id(name), entry_point)


def make(name: str, **options: Any) -> MultiViewEnv:
    """Make an environment by name.

    Args:
        name: One of `ENVIRONMENTS`, your own `MultiViewEnv` class as `package.module:Class`, or an
            environment of Gymnasium on MuJoCo as `gymnasium:ID`.
        **options: Arguments of the environment, such as `views` and `size`.

    Raises:
        UnknownNameError: For an unknown name; the message names the nearest one.
        SimulatorError: When the simulator is not installed; the message names the command that
            installs it.
        ContractError: When your own class lacks methods or arguments.
    """
    require_environment(name)
    if name.startswith(GYMNASIUM):
        from sims.mujoco.gym_env import GymnasiumEnv

        return GymnasiumEnv(name.removeprefix(GYMNASIUM), **options)
    if ":" in name:
        return _made(name, _own_class(name), options)
    module, attribute = ENVIRONMENTS[name].split(":")
    return getattr(import_module(module), attribute)(**options)


def require_environment(name: str) -> None:
    """Raise an UnknownNameError for a name that `make` does not accept."""
    if name.startswith(GYMNASIUM):
        return  # Gymnasium itself names what is wrong when it makes the environment
    if ":" in name:
        _own_class(name)
    else:
        require_known("environment", name, ENVIRONMENTS)


def own_views(name: str) -> int | None:
    """Return the default number of third-person views of `package.module:Class`, if it has one."""
    return None if name.startswith(GYMNASIUM) else _own_class(name).usual_views()


def _made(name: str, own: type[MultiViewEnv], options: dict[str, Any]) -> MultiViewEnv:
    """A world of a user's own class.

    Raises:
        ContractError: When it lacks methods, or does not take the number of views and the size.
    """
    from sims.contract import require, require_whole

    require_whole(own)
    try:
        signature(own).bind(**options)
    except TypeError as error:
        wanted = ", ".join(options)
        raise ContractError(
            f"{name} cannot be made with {wanted} ({error}): let its __init__ take these arguments."
        ) from None
    made = own(**options)
    number = options.get("views", len(made.views) - 1)
    require(len(made.views) == number + 1, f"{name} has the views {made.views}, not {number}")
    size = options.get("size", made.size)
    require(made.size == size, f"{name} has pictures of {made.size} pixels, not of {size}")
    return made


def _own_class(name: str) -> type[MultiViewEnv]:
    from sims.env import MultiViewEnv

    remedy = "it must be importable from the current folder, as `package.module:Class`."
    found = find_named(name, "class", remedy)
    if not (isinstance(found, type) and issubclass(found, MultiViewEnv)):
        raise UnknownNameError(f"{name!r} is not a subclass of sims.env.MultiViewEnv.")
    return found

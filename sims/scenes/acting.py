"""The actions and phases that a user's own expert yields, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from traceback import extract_tb
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from jaxtyping import Float

from datasets.errors import UserError, unknown_name
from sims.env import Step
from sims.errors import HookError


def source_of(function: Callable[..., Any]) -> str:
    """Where a user's function stands, for messages: its file, line and name."""
    function = getattr(function, "func", function)  # of a partial one
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    name = getattr(function, "__name__", repr(function))
    return f"{code.co_filename}:{code.co_firstlineno}, {name}()" if code is not None else name


@contextmanager
def user_code(function: Callable[..., Any]) -> Iterator[None]:
    """Names the place of what a user's function raises.

    Raises:
        HookError: In place of any exception but those of this project, whose messages say enough.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        place = source_of(function)
        file = place.rpartition(":")[0]
        for frame in extract_tb(error.__traceback__):  # the last one is the innermost
            if frame.filename == file:
                place = f"{file}:{frame.lineno}, {frame.name}()"
        reason = " ".join(str(error).split()).rstrip(".")
        raise HookError(f"{place} raised {type(error).__name__}: {reason}. Correct it.") from error


def checked_action(action: Any, space: Box, place: str) -> Float[np.ndarray, " action"]:
    """An action as an array of its space; numbers beyond its bounds become the bounds.

    Args:
        action: As many numbers as the space has.
        space: The space of actions.
        place: What gave the action, for messages.

    Raises:
        HookError: When it has another number of values, or values that are not finite.
    """
    try:
        values = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        raise HookError(
            f"{place}: {action!r} is no action; give {space.shape[0]} numbers."
        ) from None
    if values.shape != space.shape:
        raise HookError(
            f"{place}: an action has the shape {values.shape}; give {space.shape[0]} numbers, one "
            "for each actuator of the scene."
        )
    if not np.isfinite(values).all():
        raise HookError(f"{place}: the action {values} is not finite; give finite numbers.")
    return np.clip(values, space.low, space.high).astype(space.dtype)


def read_steps(act: Callable[[], Any], phases: Sequence[str], space: Box) -> Iterator[Step]:
    """The steps of a user's expert, each checked before it is used.

    Args:
        act: Generator function that yields an action, or an action and the name of its phase.
        phases: Names of all phases. An action without a name belongs to the phase of the action
            before it, the first one at the beginning.
        space: The space of actions.

    Raises:
        HookError: When the function is no generator, yields something else, or raises an exception.
    """
    place, phase, count = source_of(act), 0, 0
    with user_code(act):
        steps = act()
    if not isinstance(steps, Iterator):
        raise HookError(f"{place}: it must yield actions, but returns {steps!r}; write `yield`.")
    for count, step in enumerate(_named(steps, act), 1):  # noqa: B007  its last value is used below
        action = step
        if isinstance(step, tuple) and len(step) == 2 and isinstance(step[1], str):
            action, name = step
            if name not in phases:
                raise HookError(f"{place}: {unknown_name('phase', name, phases)} See `phases`.")
            phase = phases.index(name)
        yield Step(checked_action(action, space, f"{place}, step {count - 1}"), phase)
    if count == 0:
        raise HookError(f"{place}: it ended without an action; yield at least one.")


def _named(steps: Iterator[Any], act: Callable[..., Any]) -> Iterator[Any]:
    with user_code(act):
        yield from steps

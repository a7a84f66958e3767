"""Checks of what callers give an environment: views, the size of pictures, options and actions."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from gymnasium.spaces import Space
from jaxtyping import Float

from datasets.bounds import Pixels, describe, intervals
from datasets.storage.episode_file import EGO
from sims.errors import OptionError


def view_names(num_third_person: int) -> tuple[str, ...]:
    """Return `ego`, then `view_0` … for a number of third-person cameras.

    Raises:
        OptionError: For what is no whole number, or is below 1.
    """
    if not isinstance(num_third_person, Integral) or num_third_person < 1:
        raise OptionError(f"views must be at least 1 third-person view, got {num_third_person!r}.")
    return (EGO, *(f"view_{i}" for i in range(int(num_third_person))))


def picture_size(size: int) -> int:
    """Return the height and width of square pictures as a plain integer.

    Raises:
        OptionError: For what is no whole number, or out of the bounds of the option --size.
    """
    (bounds,) = intervals(Pixels)
    if not isinstance(size, Integral) or not bounds.ge <= size <= bounds.le:
        raise OptionError(f"size is {size!r}, but {describe(bounds)}, in whole pixels.")
    return int(size)


def require_render_mode(mode: str | None) -> None:
    """Raise an OptionError for another render mode of Gymnasium than None and `rgb_array`."""
    if mode not in (None, "rgb_array"):
        raise OptionError(f"render_mode is {mode!r}, but pictures are arrays: give 'rgb_array'.")


def finite_action(action: Any, space: Space[np.ndarray]) -> Float[np.ndarray, " action"]:
    """Return an action of a world's own space as an array; its bounds are not applied.

    Raises:
        OptionError: When it has another shape, or values that are not finite numbers.
    """
    try:
        values = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != space.shape or not np.isfinite(values).all():
        raise OptionError(
            f"an action must be finite numbers of the shape {space.shape}, got {action!r}."
        )
    return values

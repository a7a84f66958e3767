"""The one error family for data on disk."""

import difflib
import importlib
from collections.abc import Iterable, Sequence
from typing import Any


class DataError(ValueError):
    """Raised when data on disk cannot be used; the message names the file and the remedy."""


class UnknownNameError(ValueError):
    """A name that is not registered; the message names the nearest and all valid ones."""


def require_known(kind: str, name: str, valid: Iterable[str]) -> None:
    """Raises an UnknownNameError that names the nearest valid name and all of them."""
    valid = list(valid)
    if name not in valid:
        nearest = difflib.get_close_matches(name, valid, n=1, cutoff=0.0)[0]
        raise UnknownNameError(
            f"unknown {kind} {name!r}; did you mean {nearest!r}? Valid: {', '.join(valid)}."
        )


def require(module: str, extra: str) -> Any:
    """Imports a library.

    Args:
        module: What to import.
        extra: The extra of ours that installs it.

    Raises:
        DataError: When it is not installed, or not for this environment's other libraries; names
            the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"this needs {module.split('.')[0]} ({error}): pip install 'posealign[{extra}]'"
        ) from error


def shortened(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first ones, and how many more there are: `a, b and 4 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + more


def counted(number: int, noun: str) -> str:
    """A number and its noun in the singular or plural: `1 epoch`, `2 epochs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

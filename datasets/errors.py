"""Errors that a user can fix, and the suggestion of the nearest valid name."""

import difflib
import importlib
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any, ClassVar


class UserError(Exception):
    """An error that the user can fix; a command prints it in one line, without a traceback.

    Attributes:
        exit_code: Exit code of a command that ends with this error.
    """

    exit_code: ClassVar[int] = 2


class DataError(UserError, ValueError):
    """Raised when data on disk cannot be used; the message names the file and the remedy."""


class MissingDataError(DataError):
    """Raised when a file, folder, array or value that is needed does not exist."""


class DamagedDataError(DataError):
    """Raised when a file is truncated or cannot be decoded, or changed after it was written."""


class FormatError(DataError):
    """Raised when a file can be read but does not have the form or values that it must have."""


class MismatchError(DataError):
    """Raised when data does not fit other data, the options, or what the folder already holds."""


class OutsideFolderError(DataError):
    """Raised when a link or path of a data set leads outside its folder."""


class MissingLibraryError(DataError):
    """Raised when an optional library is missing; the message names the command to install it."""


class MissingWeightsError(UserError, RuntimeError):
    """Raised when pretrained weights cannot be loaded; the message names where to get them."""


class OptionError(UserError, ValueError):
    """Raised for an invalid value of an option; the message names the value and valid ones."""


class UnknownNameError(UserError, ValueError):
    """Raised for an unknown name; the message names the nearest valid name and the others."""


class TooFewViewsError(ValueError):
    """Raised when a loss or metric that compares views gets fewer than two."""


def first_fault(error: Exception) -> str:
    """The first fault that pydantic found, in one line, or the text of another error."""
    faults = getattr(error, "errors", None)
    if faults is None:
        return str(error)
    fault = faults()[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]


# A list of more valid names than this is cut short, so that the message stays readable.
LISTED_NAMES = 20


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that is spelt most like `name`, whatever its case.

    Raises:
        ValueError: When there are no valid names.
    """
    names = list(valid)
    if not names:
        raise ValueError(f"there is no valid name to suggest for {name!r}.")
    word = name.casefold()

    def likeness(other: str) -> tuple[float, float]:
        # The second number decides between equals, for letters that are swapped: paba is paab
        # rather than paat.
        other = other.casefold()
        return (
            difflib.SequenceMatcher(None, other, word).ratio(),
            difflib.SequenceMatcher(None, sorted(other), sorted(word)).ratio(),
        )

    return max(names, key=likeness)


def require_known(
    kind: str, name: str, valid: Iterable[str], error: type[Exception] = UnknownNameError
) -> None:
    """Check that a name is one of the valid ones.

    Args:
        kind: What the name stands for, such as `environment`.
        name: The name to check.
        valid: All valid names, in the order in which the message lists them.
        error: Class of the error to raise.

    Raises:
        UnknownNameError: Or the class `error`, when the name is not valid; the message names the
            nearest valid name and lists the valid ones.
    """
    valid = list(valid)
    if name not in valid:
        raise error(unknown_name(kind, name, valid))


def unknown_name(kind: str, name: str, valid: Sequence[str]) -> str:
    """Return the message on an unknown name, with the nearest valid name and a list of them."""
    return (
        f"unknown {kind} {name!r}; did you mean {nearest(str(name), valid)!r}? "
        f"Valid: {shortened(valid, LISTED_NAMES)}."
    )


def require(module: str, extra: str) -> Any:
    """Import an optional library.

    Args:
        module: Name of the module to import.
        extra: The extra of `posealign` that installs the library.

    Raises:
        MissingLibraryError: When the library is not installed, or does not fit other libraries of
            the environment; the message names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingLibraryError(
            f"this needs {module.split('.')[0]} ({error}): pip install 'posealign[{extra}]'"
        ) from error


def shortened(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """Join the first items and count the others, as in `a, b and 4 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + more


def length_range(lengths: Sequence[int], noun: str) -> str:
    """Lengths in words: `20 steps each`, or `42 to 113 steps (median 60)`."""
    shortest, longest = min(lengths), max(lengths)
    if shortest == longest:
        return f"{shortest} {noun} each"
    return f"{shortest} to {longest} {noun} (median {median(lengths):g})"


def counted(number: int, noun: str) -> str:
    """A number and its noun in the singular or plural: `1 epoch`, `2 epochs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

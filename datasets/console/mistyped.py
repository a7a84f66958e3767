"""Explanations of mistakes on a command line, in one line that names the nearest valid word."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from typing import Any

import tyro

from datasets.errors import nearest, unknown_name


def explained(
    kind: Callable[..., Any], arguments: Sequence[str], options: Mapping[str, Any]
) -> str | None:
    """Return one line on the first misspelt option or value; None when the mistake is another."""
    known = _options(kind, options)
    see = f"See {options['prog']} --help"
    for place, word in enumerate(arguments):
        if word == "--":
            return None
        name, equals, value = word.partition("=")
        if not name.startswith("--") or name == "--help":
            continue
        name = name.replace("_", "-")  # tyro takes both
        if name not in known:
            return f"error: unknown option {name}; did you mean {nearest(name, known)}? {see}"
        option = known[name]
        given = [value] if equals else _values(option, arguments[place + 1 :])
        choices = option.choices or given
        if wrong := [each for each in given if each not in choices]:
            return f"error: {unknown_name(name, wrong[0], _choices(option))}"
    return None


# Box-drawing characters, and what an ASCII console shows instead of them.
_FRAME = re.compile(r"[\u2500-\u257f]|-{3,}")
# The option's help text, which can be several lines long, and which --help shows.
_HELP_TEXT = re.compile(r" Argument helptext:.*(?= For full helptext)")


# What tyro says about a value, and what a user has to know of it.
_PLAINLY = {
    r"Value error Error parsing (--\S+): .*invalid literal for int\(\) with base 10: ('.*?')": (
        r"\1 takes a whole number, got \2."
    ),
    r"Value error Error parsing (--\S+): .*could not convert string to float: ('.*?')": (
        r"\1 takes a number such as 0.5, got \2."
    ),
    r"Value error Error parsing (--\S+): Could not find valid parse for arguments: \[(.*?)\]": (
        r"\1 takes values with blanks between them, got \2."
    ),
    r"(?:Unrecognized options:? ){2}(.*)(?= For full helptext)": (
        r"not expected: \1. Words that belong to no option come before all options."
    ),
}


def without_frame(explanation: str) -> str:
    """The message of tyro about a mistake, without the frame that it draws around its lines."""
    text = " ".join(_FRAME.sub(" ", explanation).split())
    for words, plain in _PLAINLY.items():
        text = re.sub(words, plain, text)
    return "error: " + _HELP_TEXT.sub("", text)


def _options(kind: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, argparse.Action]:
    """Return the options of a command by name; none where tyro does not list them."""
    if not hasattr(tyro.extras, "get_parser"):
        return {}
    with warnings.catch_warnings():
        # It is the only public way to the list of options, and tyro announces its end.
        warnings.simplefilter("ignore", DeprecationWarning)
        parser = tyro.extras.get_parser(kind, **options)
    return {name: action for action in parser._actions for name in action.option_strings}


def _values(option: argparse.Action, words: Sequence[str]) -> list[str]:
    """Return the words after an option that are its values."""
    given = list(takewhile(lambda word: not word.startswith("-"), words))
    if isinstance(option.nargs, int):
        return given[: option.nargs]
    return given if option.nargs in ("*", "+") else given[:1]


def _choices(option: argparse.Action) -> list[str]:
    # tyro lists them in no fixed order; the metavar, such as {ftpv,mp4}, has the order of the type.
    # None stands for leaving the option out, which nobody types.
    choices = {str(choice) for choice in option.choices or ()} - {"None"}
    return sorted(choices, key=lambda choice: (str(option.metavar).find(choice), choice))

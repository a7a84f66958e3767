"""Paths of the user's home folder: shells leave the `~` of `--out=~/data` as it is."""

from __future__ import annotations

import functools
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from datasets.errors import OptionError


def expanded(value: Any) -> Any:
    """The options with the home folder in place of a `~` at the beginning of their paths.

    Args:
        value: A dataclass of options, a path, or a tuple or list of these; anything else is
            returned as it is.

    Raises:
        OptionError: When a path such as `~anna/data` names a user that does not exist.
    """
    if isinstance(value, Path):
        return _at_home(value)
    if type(value) in (tuple, list):
        return type(value)(map(expanded, value))
    if not is_dataclass(value) or isinstance(value, type):
        return value
    before = {field.name: getattr(value, field.name) for field in fields(value) if field.init}
    after = {name: expanded(part) for name, part in before.items()}
    return value if after == before else replace(value, **after)


def expanded_arguments(call: functools.partial[Any]) -> functools.partial[Any]:
    """The call with `expanded` arguments."""
    keywords = {name: expanded(value) for name, value in call.keywords.items()}
    return functools.partial(call.func, *map(expanded, call.args), **keywords)


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:
        raise OptionError(
            f"{path} names the home folder of a user that does not exist. Correct the name, or "
            f"write ./{path} where a folder is called so."
        ) from None

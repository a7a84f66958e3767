"""Reads what users name as `package.module:name`: their own worlds and policies."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from datasets.errors import UnknownNameError


def find_named(name: str, kind: str, remedy: str) -> Any:
    """The object that `package.module:name` names.

    Args:
        name: The name; what is before the colon is imported.
        kind: What it should name, for the message: `class` or `function`.
        remedy: What to give instead, which ends the message.

    Raises:
        UnknownNameError: When there is none.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UnknownNameError(f"{name!r} names no {kind} ({error}); {remedy}") from error

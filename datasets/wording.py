"""Long lists in messages."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(items: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first ones, and how many more there are: `a, b and 4 more`."""
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return separator.join(items[:most]) + more

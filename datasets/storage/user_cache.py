"""Where files go that can be made again at any time."""

from __future__ import annotations

import os
from pathlib import Path


def user_cache() -> Path:
    """The folder of this project in the user's cache, `$XDG_CACHE_HOME` or `~/.cache`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posealign"

"""Progress bars that suit a terminal as well as a log file."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

# Seconds between two states of a bar in a file. A day of training then takes about 300 kB of it,
# where a terminal's ten states a second would take 80 MB.
LOG_SECONDS = 30.0


class ProgressBar(tqdm):
    """tqdm's bar, which writes a state every half minute where no terminal shows it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Takes the arguments of `tqdm.tqdm`."""
        if not (options.get("file") or sys.stderr).isatty():
            # tqdm's monitor would otherwise ask for a state after `maxinterval`.
            options = {"mininterval": LOG_SECONDS, "maxinterval": 2 * LOG_SECONDS} | options
        super().__init__(*args, **options)

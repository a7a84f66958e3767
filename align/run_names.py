"""Names of the folders in which grids keep their runs: `<method>[_<variant>]_seed<seed>`."""

from __future__ import annotations

"""Libraries that only some conversions need: imported when needed, named when missing."""

from __future__ import annotations

import importlib
from typing import Any

from datasets.errors import DataError


def require(module: str, extra: str) -> Any:
    """Imports a library.

    Args:
        module: What to import.
        extra: The extra of ours that installs it.

    Raises:
        DataError: When it is not installed; names the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0]:
            raise
        raise DataError(
            f"this needs {error.name}, which is not installed: pip install 'posealign[{extra}]'"
        ) from None

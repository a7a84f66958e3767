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
        DataError: When it is not installed, or not for this environment's other libraries; names
            the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise DataError(
            f"this needs {module.split('.')[0]} ({error}): pip install 'posealign[{extra}]'"
        ) from error

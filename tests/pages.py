"""Local pages that commands serve, and pages in a browser."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import REPOSITORY


@contextmanager
def served(module: str, *words: object, cwd: Path = REPOSITORY) -> Iterator[str]:
    """Serves a page by a command, as a user does, and gives its address."""
    command = [sys.executable, "-m", module, *map(str, words), "--port", "0"]
    # A shell's background jobs ignore SIGINT, and their processes inherit it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None and process.stderr is not None
    try:
        found = re.match(r"(http://\S+/) ", process.stdout.readline())
        assert found, process.stderr.read()
        yield found[1]
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and said.splitlines()[-1].startswith("stopped."), said


def watch(page: Any, address: str, faults: list[str]) -> None:
    """Notes in `faults` each script that fails, and each request to elsewhere."""
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda said: said.type == "error" and faults.append(said.text))
    page.on(
        "request",
        lambda request: (
            request.url.startswith((address, "data:", "blob:")) or faults.append(request.url)
        ),
    )

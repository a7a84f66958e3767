"""A row of the attack: one command on one bad input, and what must come of it."""

from __future__ import annotations

import importlib
import io
import logging
import os
import shlex
import socket
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import (
    AbstractContextManager,
    ExitStack,
    contextmanager,
    nullcontext,
    redirect_stderr,
    redirect_stdout,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO
from unittest import mock

from align.engine.claim import CLAIM_NAME
from datasets.storage.atomic import SUFFIX
from tests.attack.faults import as_a_plain_user

Verdict = Literal["right", "clear error", "unclear error", "silent", "traceback", "touched"]
GOOD: tuple[Verdict, ...] = ("right", "clear error")
BAD: tuple[Verdict, ...] = ("unclear error", "silent", "traceback", "touched")
ERROR_CODES = (1, 2)


@dataclass(frozen=True)
class End:
    """How a command ended.

    Attributes:
        code: Its exit code.
        out: What it printed on stdout.
        err: What it printed on stderr.
        fault: The traceback of an exception that no command may let through.
    """

    code: int
    out: str
    err: str
    fault: str = ""

    @property
    def errors(self) -> list[str]:
        """The lines of error, without progress bars and the log."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


@dataclass(frozen=True)
class Row:
    """One command on one bad input.

    Attributes:
        command: Module of the command, such as `datasets.info`.
        fault: What is wrong with the input.
        words: The command line, as for a shell, run in the row's own folder.
        needs: Files and folders of the material that are copied into that folder.
        spoil: Makes the fault, in that folder.
        named: Words that the line of error must contain: the file or option, and the remedy.
        right: For inputs that are in order: checks the folder and the output, and returns what is
            wrong. None where an error is due.
        around: What surrounds the command, such as a full disk; entered after `spoil`.
        stdout: The stream that the command prints to.
    """

    command: str
    fault: str
    words: str
    needs: tuple[str, ...] = ()
    spoil: Callable[[Path], object] = lambda here: None
    named: tuple[str, ...] = ()
    right: Callable[[Path, End], object] | None = None
    around: Callable[[Path], AbstractContextManager[object]] = nullcontext
    stdout: Callable[[], TextIO] = io.StringIO

    def __str__(self) -> str:
        """The row as a person reads it."""
        return f"{self.command}: {self.fault}  [{self.words}]"


def run(row: Row, here: Path) -> End:
    """Runs a row's command in this process, with `here` as the current folder."""
    module = importlib.import_module(row.command)
    if not hasattr(module, "main"):  # a package, which is started by its own module
        module = importlib.import_module(f"{row.command}.__main__")
    out, err, code, fault = row.stdout(), io.StringIO(), 0, ""
    before = Path.cwd()
    with ExitStack() as stack:
        stack.enter_context(fresh_logging())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(mock.patch.object(sys, "argv", [row.command]))
        stack.enter_context(no_network())
        os.chdir(here)
        stack.callback(os.chdir, before)
        stack.enter_context(as_a_plain_user())
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        try:
            module.main(shlex.split(row.words))
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            if isinstance(end.code, str):
                err.write(f"{end.code}\n")
        except BaseException:
            fault = traceback.format_exc()
    printed = out.getvalue() if isinstance(out, io.StringIO) else ""
    return End(code, printed, err.getvalue(), fault)


@contextmanager
def fresh_logging() -> Iterator[None]:
    """Gives the command a log of its own, whose handler writes to its stderr."""
    root = logging.getLogger()
    with mock.patch.object(root, "handlers", []):
        yield


@contextmanager
def no_network() -> Iterator[None]:
    """Refuses every connection, so that the rows are the same everywhere."""

    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    # Between its attempts, the hub's client waits for a network that comes back.
    with (
        mock.patch.object(socket, "getaddrinfo", refuse),
        mock.patch.object(time, "sleep", _briefly),
    ):
        yield


def _briefly(seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    sleep(min(seconds, 0.01))


def judge(row: Row, here: Path) -> tuple[Verdict, str]:
    """Makes a row's fault, runs its command and judges the end; says what is wrong with it."""
    row.spoil(here)
    with row.around(here):
        before = contents(here)
        end = run(row, here)
        after = contents(here)
    if end.fault:
        return "traceback", end.fault
    if leftovers := [path for path in after if path.name.endswith(SUFFIX)]:
        return "touched", f"temporary files stay: {leftovers}"
    if row.right is not None:
        if end.code:
            return "unclear error", f"exit code {end.code}\n{end.err}"
        wrong = row.right(here, end)
        return ("silent", f"{wrong}\n{end.out}") if wrong else ("right", "")
    if end.code not in ERROR_CODES:
        return "silent", f"exit code {end.code}\n{end.out}{end.err}"
    if changed := [path for path in before if before[path] != after.get(path)]:
        return "touched", f"changed or gone: {changed}\n{end.err}"
    told = [line for line in end.errors if all(word in line for word in row.named)]
    if not told or len(end.errors) != len(set(end.errors)):
        return "unclear error", f"no line of error names {row.named}\n{end.err}"
    return "clear error", ""


def contents(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of every file below a folder, without locks."""
    found = {}
    for above, _, names in os.walk(folder):
        for name in set(names) - {CLAIM_NAME}:
            about = os.lstat(os.path.join(above, name))
            found[Path(above, name)] = (about.st_size, about.st_mtime_ns)
    return found

"""The client of the game's process, which runs under a separate Python: see `server.py`."""

from __future__ import annotations

import json
import os
import queue
import struct
import subprocess
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

from sims.errors import SimulatorError

PYTHON_VARIABLE = "POSEALIGN_MINERL_PYTHON"
SERVER = Path(__file__).with_name("server.py")
FALLBACK = "Without the game, backend='blocks' draws a Minecraft-style world on any machine."
INSTALL_MINERL = (
    "install minerl 0.4.4 with Java 8 into an environment of its own (Python 3.8, setuptools 65.5, "
    f"wheel 0.38, gym 0.19, numpy < 1.24) and set {PYTHON_VARIABLE} to its python"
)
# Longest time of each answer, in seconds. The first episode starts an instance of the game for each
# agent, which takes minutes each; minerl itself gives up on a time step after four minutes.
ANSWER_SECONDS = {"probe": 120.0, "make": 120.0, "reset": 1800.0, "step": 300.0}
# Longest time in seconds for the game to end on request, and for a process to end on a signal.
CLOSE_SECONDS, SIGNAL_SECONDS = 60.0, 15.0


class Answer(NamedTuple):
    """An answer of the server.

    Attributes:
        header: The named values.
        data: Raw bytes.
    """

    header: dict[str, Any]
    data: bytes


class MinerlProcess:
    """The server's process, which ends with `close`, after a failure, or with this process."""

    def __init__(self, python: str | None = None, seconds: dict[str, float] | None = None) -> None:
        """Starts the server, but not the game.

        Args:
            python: Python of minerl's environment; by default the one in POSEALIGN_MINERL_PYTHON.
            seconds: Longest times of answers; by default ANSWER_SECONDS.

        Raises:
            SimulatorError: When no Python is given, or it does not start.
        """
        python = python or os.environ.get(PYTHON_VARIABLE)
        if not python:
            raise SimulatorError(f"For the game itself, {INSTALL_MINERL}. {FALLBACK}")
        self._seconds = seconds or ANSWER_SECONDS
        # minerl copies the game for each instance and leaves the copies behind when it crashes, so
        # they go into a folder that `close` removes.
        self._copies = tempfile.TemporaryDirectory(prefix="minerl-", ignore_cleanup_errors=True)
        self._said = tempfile.TemporaryFile("w+b")  # noqa: SIM115 it lives as long as the process
        try:
            self._process = subprocess.Popen(
                [python, "-u", str(SERVER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                env={**os.environ, "TMPDIR": self._copies.name},
                # In its own session, the server gets no Ctrl-C: this process ends it in good order.
                start_new_session=True,
            )
        except OSError as error:
            self._said.close()
            self._copies.cleanup()
            raise SimulatorError(
                f"{PYTHON_VARIABLE}={python} does not start ({error}): {INSTALL_MINERL}. {FALLBACK}"
            ) from error
        self._answers: queue.Queue[Answer | None] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, do: str, **values: Any) -> Answer:
        """Sends a request and waits for its answer.

        Args:
            do: Name of the request, one of `sims.minecraft.minerl.server`'s.
            **values: Values of the request.

        Raises:
            SimulatorError: When the game reports an error, ends, or takes too long; this ends the
                process.
        """
        text = json.dumps({"do": do, **values}).encode()
        try:
            stdin = self._process.stdin
            assert stdin is not None
            stdin.write(struct.pack("!I", len(text)) + text)
            stdin.flush()
            answer = self._answers.get(timeout=self._seconds[do])
        except (OSError, ValueError):  # a broken or a closed pipe
            answer = None
        except queue.Empty:
            raise self._failure(
                f"did not answer {do!r} within {self._seconds[do]:g} seconds"
            ) from None
        if answer is None:
            raise self._failure(f"ended at {do!r}")
        if "error" in answer.header:
            raise self._failure(f"failed at {do!r} with {answer.header['error']}")
        return answer

    def _failure(self, what: str) -> SimulatorError:
        self._stop()
        return SimulatorError(f"The game {what}. {FALLBACK}{self._last_words()}")

    def _last_words(self) -> str:
        if self._said.closed:
            return ""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        return "\n".join(["", "Its last words:", *lines[-8:]]) if lines else ""

    def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        # Bytes that are not an answer come from another program, and end the conversation too.
        with stdout, suppress(ValueError):
            while (answer := _receive(stdout)) is not None:
                self._answers.put(answer)
        self._answers.put(None)

    def close(self) -> None:
        """Ends the game and its process; a second call does nothing."""
        assert self._process.stdin is not None
        with suppress(OSError):  # the server ended before it read everything
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        except subprocess.TimeoutExpired:
            self._stop()
        self._said.close()
        self._copies.cleanup()

    def _stop(self) -> None:
        # Only the process needs a signal: minerl's own watcher then ends the game.
        for end in (self._process.terminate, self._process.kill):
            end()
            try:
                self._process.wait(SIGNAL_SECONDS)
                return
            except subprocess.TimeoutExpired:
                continue


def _receive(stream: IO[bytes]) -> Answer | None:
    """The next message; None at the end of the stream."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    text = stream.read(struct.unpack("!I", length)[0])
    if not text:
        return None
    header = json.loads(text)
    data = stream.read(header["bytes"])
    return Answer(header, data) if len(data) == header["bytes"] else None


def probe() -> tuple[list[str], dict[str, Any]]:
    """The reasons why the game cannot run here, and the server's findings.

    Raises:
        SimulatorError: When minerl's Python is not given or does not start.
    """
    process = MinerlProcess()
    try:
        found = process.ask("probe").header
    finally:
        process.close()
    return shortcomings(found), found


def shortcomings(found: dict[str, Any]) -> list[str]:
    """The reasons why the game cannot run, from a probe's findings; empty when it can."""
    lacks = []
    if found["minerl"] is None:
        lacks.append(f"minerl does not import ({found['minerl_error']})")
    elif not found["minerl"].startswith("0.4."):
        lacks.append(f"minerl is {found['minerl']}, whose server knows no further agents, not 0.4")
    elif found["jar"] is None:
        lacks.append(
            f"minerl {found['minerl']} imports, but its game was not built "
            f"({found['jar_place']} is missing)"
        )
    if not str(found["java"]).startswith("1.8"):
        lacks.append(f"java is {found['java'] or 'missing'}, not 1.8")
    if found["display"] is None:
        lacks.append("there is no display (set DISPLAY, or MINERL_HEADLESS=1 with xvfb-run)")
    return lacks

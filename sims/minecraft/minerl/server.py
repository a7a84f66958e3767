"""The server that runs the game for `backend.py`, under a separate Python with minerl 0.4.4.

This script is started by its client, which talks to it over stdin and stdout. A message in either
direction is the length of a header (4 bytes, most significant first), the header (JSON), then the
number of raw bytes that the header's `bytes` gives. A request's `do` is one of:

    probe     reports the installed parts of the game
    make      sets the game up from `size`, `places` of all agents, player first, and `fov_degrees`
    reset     begins an episode from `seed`, `start` (the player's place) and `goal`, and observes
    step      advances by a time step under the player's `action`, and observes
    close     ends the game and this process, as does the end of stdin

An answer has an `error` or the requested values. An observation is `places` and `seen` for each
agent (x, y, z, yaw, pitch in the game's axes and degrees: the agent's own, and those of the player
as the agent's game draws it) and the pictures, upright RGB, as raw bytes.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, BinaryIO

JAR = Path("build", "libs", "MalmoMod-0.37.0-fat.jar")
# Time steps at the start of an episode, until the land is loaded and cameras are at rest.
SETTLING_STEPS = 20


def probe() -> dict[str, Any]:
    """The installed parts of the game; the value of a missing part is None."""
    found: dict[str, Any] = {"python": sys.version.split()[0], "display": _display()}
    try:
        from importlib.metadata import version

        from minerl.env.malmo import InstanceManager

        found["minerl"] = version("minerl")
        jar = Path(InstanceManager.MINECRAFT_DIR).resolve() / JAR
        found["jar"], found["jar_place"] = str(jar) if jar.exists() else None, str(jar)
    except Exception as error:  # an old package breaks in many ways on a newer machine
        found["minerl"], found["minerl_error"] = None, repr(error)
    found["java"] = _java()
    return found


def _display() -> str | None:
    """The X server on which the game opens its window; None without one."""
    if os.environ.get("MINERL_HEADLESS") == "1":
        return shutil.which("xvfb-run")
    return os.environ.get("DISPLAY") or None


def _java() -> str | None:
    """The version of the Java that the game would use; None without one."""
    try:
        # The game too uses the java on the path.
        command = ["java", "-version"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    named = re.search(r'version "([^"]+)"', done.stderr)
    return named.group(1) if named else None


def lend_settings(fov_degrees: float) -> None:
    """Makes the game's instances start with the given vertical field of view.

    minerl's options have 130 degrees. minerl copies its folder of the game for each instance, so
    this function gives it another folder to copy, with links to the same files but its own options.
    """
    from minerl.env.malmo import InstanceManager

    source = Path(InstanceManager.MINECRAFT_DIR).resolve()
    own = Path(tempfile.mkdtemp(prefix="minerl-"))
    atexit.register(shutil.rmtree, str(own), True)
    lent, working = own / "Minecraft", own / "working"
    lent.mkdir()
    working.mkdir()
    # minerl writes logs into the current folder.
    os.chdir(str(working))
    for entry in source.iterdir():
        if entry.name != "run":
            (lent / entry.name).symlink_to(entry)
    shutil.copytree(str(source / "run"), str(lent / "run"))
    options = lent / "run" / "options.txt"
    # The game's option is 0 at 70 degrees and 1 at 110.
    line = f"fov:{(fov_degrees - 70) / 40:g}"
    text, count = re.subn(r"(?m)^fov:.*$", line, options.read_text())
    options.write_text(text if count else text + line + "\n")
    InstanceManager.MINECRAFT_DIR = str(lent)


class Game:
    """The game with one mission at a time and all of its agents."""

    def __init__(self, size: int, places: list[Any], fov_degrees: float) -> None:
        """Specifies the task; the game itself starts with the first episode."""
        lend_settings(fov_degrees)
        from spec import ReachGoalSpec

        self._spec = ReachGoalSpec(size, places, goal=places[0][:3])
        self._env = self._spec.make()

    def reset(self, seed: int, start: list[float], goal: list[float]) -> tuple[dict, bytes]:
        """Begins an episode."""
        self._spec.places = [start, *self._spec.places[1:]]
        self._spec.goal = goal
        self._env.seed(seed)
        self._env.reset()
        for _ in range(SETTLING_STEPS):
            seen = self._step({})
        return self._look(seen)

    def step(self, action: dict[str, Any]) -> tuple[dict, bytes]:
        """Advances by a time step."""
        return self._look(self._step(action))

    def _step(self, action: dict[str, Any]) -> dict[str, Any]:
        actions = self._env.action_space.no_op()
        actions[self._spec.agent_names[0]].update(action)
        seen, _, done, info = self._env.step(actions)
        # Where minerl lost an instance, it invents observations and reports an error.
        errors = [report["error"] for report in info.values() if "error" in report]
        if errors:
            raise RuntimeError(f"the game was lost: {errors[0]}")
        if done:
            raise RuntimeError("the game ended the mission by itself")
        return seen

    def _look(self, seen: dict[str, Any]) -> tuple[dict, bytes]:
        agents = [seen[name] for name in self._spec.agent_names]
        keys = ("xpos", "ypos", "zpos", "yaw", "pitch")
        header = {
            "places": [[float(a["location_stats"][key]) for key in keys] for a in agents],
            "seen": [[float(value) for value in a["seen_player"]] for a in agents],
        }
        return header, b"".join(a["pov"].tobytes() for a in agents)

    def close(self) -> None:
        """Ends all instances of the game."""
        self._env.close()


def read(stream: BinaryIO) -> dict[str, Any] | None:
    """The next request; None at the end of the stream."""
    length = stream.read(4)
    if len(length) < 4:
        return None
    return json.loads(stream.read(struct.unpack("!I", length)[0]).decode())


def write(stream: BinaryIO, header: dict[str, Any], data: bytes = b"") -> None:
    """Sends an answer."""
    text = json.dumps({**header, "bytes": len(data)}).encode()
    stream.write(struct.pack("!I", len(text)) + text + data)
    stream.flush()


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answers requests until `close` or the end of the stream."""
    game: Game | None = None
    try:
        while True:
            request = read(requests)
            if request is None or request["do"] == "close":
                return
            do = request.pop("do")
            try:
                if do == "probe":
                    write(answers, probe())
                elif do == "make":
                    game = Game(**request)
                    write(answers, {})
                else:
                    write(answers, *getattr(game, do)(**request))
            except Exception as error:
                traceback.print_exc()
                write(answers, {"error": f"{type(error).__name__}: {error}"})
    finally:
        if game is not None:
            game.close()


def main() -> None:
    """Serves requests, with stdout for answers only: output of the game goes to stderr."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Exiting on the signal runs the clean-up, so the game ends with this process.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()

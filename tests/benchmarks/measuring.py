"""Shared by all benchmarks: alternating measurements, and rows of the table of `make bench`.

Importing it puts the checkout on Python's path.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

# File to which rows are added, one JSON object a line; `run.py` sets it.
ROWS_VARIABLE = "POSEALIGN_BENCH_ROWS"


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was measured.
        against: Its baseline, measured in the same run; empty where there is none.
        ratio: How many times as good as the baseline, or what there is to say without one.
        figures: The medians behind it, with their units.
    """

    what: str
    against: str
    ratio: str
    figures: str


def note(row: Row) -> None:
    """Prints a row, and adds it to the table when one is being made."""
    versus = f" against {row.against}" if row.against else ""
    print(f"=> {row.what}{versus}: {row.ratio} ({row.figures})", flush=True)
    if path := os.environ.get(ROWS_VARIABLE):
        with open(path, "a") as file:
            file.write(json.dumps(asdict(row)) + "\n")


def times(ratio: float) -> str:
    """A ratio as the table has it: two digits, more where there are more before the point."""
    return f"{ratio:.3g}×" if ratio < 100 else f"{ratio:.0f}×"


def in_turns(
    forms: Mapping[str, Callable[[], object]],
    rounds: int,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Median seconds of each form; they take turns, after a round that warms up.

    Args:
        forms: What to time, by name.
        rounds: Rounds that count.
        clock: Seconds; the processor's own time by default, so that other work on the machine
            matters little. See `clock_of` for a GPU.
    """
    spent: dict[str, list[float]] = {name: [] for name in forms}
    for index in range(rounds + 1):
        for name, form in forms.items():
            start = clock()
            form()
            if index:
                spent[name].append(clock() - start)
    return {name: statistics.median(each) for name, each in spent.items()}


def note_rendering(
    what: str, baseline: str, spent: Mapping[str, Sequence[tuple[float, float]]], frames: int
) -> None:
    """Notes how much faster forms of rendering are than a baseline, by wall and processor time.

    Args:
        what: What is rendered; a form's own name follows it.
        baseline: Name of the form that the others are held against.
        spent: Of each form, for every round, seconds of the processor and of the clock.
        frames: Frames of a round.
    """
    medians = {
        name: [statistics.median(column) for column in zip(*rounds, strict=True)]
        for name, rounds in spent.items()
    }
    base_cpu, base_wall = medians.pop(baseline)
    for name, (cpu, wall) in medians.items():
        note(
            Row(
                f"{what}, {name}",
                baseline,
                f"{times(base_wall / wall)} (processor: {times(base_cpu / cpu)})",
                f"{frames / wall:.1f} against {frames / base_wall:.1f} frames/s; "
                f"{1000 * cpu / frames:.1f} against {1000 * base_cpu / frames:.1f} ms a frame",
            )
        )


def apart(function: Callable[..., Any], *arguments: Any) -> Any:
    """Calls a function in a fresh process: neither caches nor memory are carried into the next."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        return executor.submit(function, *arguments).result()


def peak_resident() -> float:
    """Bytes that this process has had in memory at most; `getrusage` counts its parent's too."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        raise RuntimeError("the kernel does not tell a process's peak memory.")
    return 1024.0 * int(found[1])


def one_thread() -> None:
    """Keeps torch to one thread, whose processor time is what forms are compared by."""
    import torch

    torch.set_num_threads(1)


def clock_of(device: str) -> Callable[[], float]:
    """Processor time for a CPU; for a GPU the time of day once it has done its work."""
    if device == "cpu":
        return time.process_time
    import torch

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def machine() -> str:
    """Processor, cores, GPU, versions and load, for the head of a table."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines() if os.name == "posix" else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return (
        f"{names[0] if names else 'unknown processor'}, {os.cpu_count()} cores, {gpu}; "
        f"Python {sys.version.split()[0]}, torch {torch.__version__}; "
        f"load {os.getloadavg()[0]:.1f}"
    )

"""Runs the benchmarks one after the other and writes one table of their ratios.

Run: python tests/benchmarks/run.py
     python tests/benchmarks/run.py --only bench_paab bench_evaluation

The table, `runs/bench.md`, is written after each benchmark, so that what is done is kept; a
benchmark that is run again takes the place of its earlier rows. What each prints goes to
`runs/bench/<name>.log`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro
from measuring import ROOT, ROWS_VARIABLE, machine

from align.results.text import NO_VALUE, markdown
from datasets.storage.atomic import atomic_path

HERE = Path(__file__).resolve().parent
# Without a data set of their own, these have nothing to measure, or they take long.
ON_REQUEST = (
    "bench_time_to_error",
    "bench_kept_patches",
    "bench_pose_source",
    "bench_recognisers",
    "bench_scale",
    "bench_long",
)
NAMES = tuple(path.stem for path in sorted(HERE.glob("bench_*.py")))


@dataclass(frozen=True)
class Options:
    """Run the benchmarks and write one table.

    Attributes:
        only: Which; by default all but those that need data or take long (bench_time_to_error,
            bench_kept_patches, bench_pose_source, bench_recognisers, bench_scale, bench_long).
        out: The table; its rows are kept beside it, as JSON.
    """

    only: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")] = tuple(
        name for name in NAMES if name not in ON_REQUEST
    )
    out: Path = ROOT / "runs" / "bench.md"


def main() -> None:
    """Runs what is asked for; exits with 1 when a benchmark failed."""
    options = tyro.cli(Options, prog="tests/benchmarks/run.py")
    if unknown := [name for name in options.only if name not in NAMES]:
        sys.exit(f"error: no benchmark is called {unknown[0]}; there are {', '.join(NAMES)}.")
    logs = options.out.with_suffix("")
    logs.mkdir(parents=True, exist_ok=True)
    stored = options.out.with_suffix(".json")
    results: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    failed = []
    for name in options.only:
        print(f"== {name}", flush=True)
        rows, code, seconds = run(name, logs / f"{name}.log")
        if code:
            failed.append(name)
            print(f"failed with {code}; see {logs / name}.log", flush=True)
            continue
        results[name] = {"rows": rows, "seconds": seconds, "machine": machine()}
        with atomic_path(stored) as temporary:
            temporary.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
        with atomic_path(options.out) as temporary:
            temporary.write_text(table(results))
    print(f"\n{table(results)}\ntable: {options.out}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(name: str, log: Path) -> tuple[list[dict[str, str]], int, float]:
    """Runs a benchmark in a process of its own: its rows, its exit code, and its seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, log.open("w") as output:
        rows = Path(folder) / "rows"
        rows.touch()
        code = subprocess.run(
            [sys.executable, str(HERE / f"{name}.py")],
            env=os.environ | {ROWS_VARIABLE: str(rows)},
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode
        lines = rows.read_text().splitlines()
    return [json.loads(line) for line in lines], code, time.perf_counter() - start


def table(results: dict[str, Any]) -> str:
    """All rows as Markdown, and on which machine they were measured."""
    rows = [
        [row["what"], row["against"] or NO_VALUE, row["ratio"], row["figures"]]
        for name in sorted(results)
        for row in results[name]["rows"]
    ]
    machines = sorted({result["machine"].rpartition(";")[0] for result in results.values()})
    total = sum(result["seconds"] for result in results.values())
    return "\n".join(
        [
            markdown(["what", "against", "ratio", "medians"], rows),
            "",
            *machines,
            "",
            f"{len(results)} benchmarks, {total / 60:.0f} minutes.",
            "",
        ]
    )


if __name__ == "__main__":
    main()

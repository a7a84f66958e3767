"""Attacks every command with bad inputs and faults, and counts how each ends.

    python -m tests.attack.run                       # all rows, then docs/results/attack.md
    python -m tests.attack.run --command align.train # some rows; writes nothing

Every row is either right or ends in one line of error that names the file or option. Exits with 1
when any row does neither.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from datasets.command import parse
from tests import REPOSITORY
from tests.attack.material import copy, make
from tests.attack.rows import BAD, GOOD, Row, Verdict, judge
from tests.attack.table import rows

MOST_MEMORY = 12 << 30  # bytes of addresses, of which torch alone takes a few billion
PAGE = REPOSITORY / "docs" / "results" / "attack.md"
HEAD = """# Bad inputs and faults

`make attack` runs every command on files that are cut, emptied, overwritten, swapped or locked, on
data that means something else, on options out of range, and on disks that are full or read-only.
Each row must be right, or end in one line of error that names the file or option and the remedy,
and what was there before must stay. The table counts the rows of each command.

"""


@dataclass(frozen=True)
class Options:
    """Attack every command with bad inputs and faults.

    Attributes:
        command: Only rows of this command.
        fault: Only rows whose fault has this in its name.
        verbose: Print the end of every row that fails in full.
        slowest: Print this many of the slowest rows.
    """

    command: str = ""
    fault: str = ""
    verbose: bool = False
    slowest: int = 0


def attack(chosen: Sequence[Row], verbose: bool) -> tuple[dict[str, Counter[Verdict]], list[float]]:
    """Runs rows; returns how often each command ended in each way, and the seconds of each row."""
    torch.set_num_threads(1)
    # A fault that takes all memory shall end its own row, not the machine.
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    counts: dict[str, Counter[Verdict]] = {}
    seconds = []
    with tempfile.TemporaryDirectory() as root:
        material = make(Path(root) / "made" / "material")
        for number, row in enumerate(tqdm(chosen, unit="row", disable=None, file=sys.__stderr__)):
            here = Path(root) / f"{number:04d}"
            here.mkdir()
            copy(material, row.needs, here)
            begun = time.perf_counter()
            verdict, why = judge(row, here)
            seconds.append(time.perf_counter() - begun)
            counts.setdefault(row.command, Counter())[verdict] += 1
            if verdict in BAD:
                lines = why.strip().splitlines() or [""]
                tqdm.write(
                    f"{verdict}: {row}\n    " + "\n    ".join(lines if verbose else lines[-1:])
                )
    return counts, seconds


def page(counts: dict[str, Counter[Verdict]]) -> str:
    """The table of counts as Markdown, a row for each command."""
    columns = (*GOOD, *BAD)
    lines = ["| command | rows | " + " | ".join(columns) + " |"]
    lines.append("|---|" + "--:|" * (1 + len(columns)))
    total: Counter[Verdict] = Counter()
    for command in sorted(counts):
        lines.append(_line(f"`{command}`", counts[command], columns))
        total += counts[command]
    return "\n".join([*lines, _line("all", total, columns)])


def _line(name: str, count: Counter[Verdict], columns: Sequence[Verdict]) -> str:
    numbers = [sum(count.values()), *(count[column] for column in columns)]
    return f"| {name} | " + " | ".join(map(str, numbers)) + " |"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    options = parse(Options, "python -m tests.attack.run", arguments)
    chosen = [r for r in rows() if options.command in r.command and options.fault in r.fault]
    begun = time.perf_counter()
    counts, seconds = attack(chosen, options.verbose)
    table = page(counts)
    print(table)
    print(f"{len(chosen)} rows in {time.perf_counter() - begun:.0f} s")
    for place in sorted(range(len(chosen)), key=lambda i: -seconds[i])[: options.slowest]:
        print(f"{seconds[place]:6.2f} s  {chosen[place]}")
    if not (options.command or options.fault):
        PAGE.write_text(HEAD + table + "\n")
    failed = sum(count[verdict] for count in counts.values() for verdict in BAD)
    sys.stdout.flush()
    # Workers of the rows' own pools must not keep the program alive.
    os._exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""Time from the start of `align.view` to its first picture, and where it goes.

Run: python tests/benchmarks/bench_view.py

An episode of 100 steps and 5 views of 112 pixels. A fresh process serves the page, and a plain
client asks for what the browser needs for its first picture: the page, its scripts, the episode and
the first frames of every view. Against it stands the import of torch, which the page does not wait
for. With a Chromium on the machine, the time until all five pictures are drawn is measured, too.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import psutil
from measuring import ROOT, Row, note, times

VIEWS, STEPS, SIZE, ROUNDS = 4, 100, 112, 3
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    """Prints seconds from start to first picture, beside those of importing torch."""
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder))
        rounds = [first_picture(run) for _ in range(ROUNDS)]
        listening, pictures, spent = map(statistics.median, zip(*rounds, strict=True))
        torch = statistics.median(import_torch() for _ in range(ROUNDS))
        what = f"first pictures of {VIEWS + 1} views × {STEPS} steps, start of the command included"
        figures = (
            f"processor {spent:.2f} against {torch:.2f} s; wall {pictures:.2f} s, "
            f"{listening:.2f} s of them until it listens"
        )
        note(Row(what, "importing torch alone", times(torch / spent), figures))
        if browser := next(filter(None, map(shutil.which, BROWSERS)), None):
            drawn = statistics.median(in_browser(run, browser) for _ in range(ROUNDS))
            note(Row("the same, drawn in Chromium that runs already", "", f"{drawn:.2f} s", "wall"))


def make_run(root: Path) -> Path:
    """A data set and a run of it, trained for a step, by the project's own commands."""
    from align.config import BackboneConfig, TrainConfig
    from align.inputs.data import BatchConfig
    from align.train import make_trainer
    from tests.datasets.synthetic import make_data_set

    data = make_data_set(root / "dots", episodes=3, views=VIEWS, steps=STEPS, size=SIZE)
    small, few = BackboneConfig(depth=1), BatchConfig(episodes=1, times=4)
    config = TrainConfig(data=data, out=root / "run", epochs=1, backbone=small, batch=few)
    make_trainer(config, progress=False).fit()
    return root / "run"


@contextmanager
def served(run: Path) -> Iterator[tuple[str, int]]:
    """The address of a page that a fresh process serves, and the process."""
    command = [sys.executable, "-m", "align.view", str(run), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0], process.pid
        finally:
            process.terminate()


def first_picture(run: Path) -> tuple[float, float, float]:
    """Seconds until the server listens, until all views have pictures, and of the processor."""
    start = time.perf_counter()
    with served(run) as (address, process):
        listening = time.perf_counter() - start
        for path in ("", "static/main.js", "static/style.css", "api/about.json"):
            urlopen(address + path).read()
        views = json.load(urlopen(f"{address}api/episodes/0/about.json"))["views"]
        for view in range(len(views)):
            urlopen(f"{address}api/episodes/0/frames/{view}/0.bin").read()
        pictures = time.perf_counter() - start
        spent = psutil.Process(process).cpu_times()
        return listening, pictures, spent.user + spent.system


def import_torch() -> float:
    """Seconds of the processor in a fresh process that imports torch."""
    print_time = "import time, torch; print(time.process_time())"
    return float(subprocess.check_output([sys.executable, "-c", print_time]))


def in_browser(run: Path, browser: str) -> float:
    """Seconds from the start of the command until every view is drawn in a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page()
        start = time.perf_counter()
        with served(run) as (address, _):
            page.goto(address)
            every = f"() => document.querySelectorAll('.view[data-drawn]').length === {VIEWS + 1}"
            page.wait_for_function(every, timeout=120_000)
            seconds = time.perf_counter() - start
        chromium.close()
    return seconds


if __name__ == "__main__":
    main()

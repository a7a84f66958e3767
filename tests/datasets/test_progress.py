"""Bars in a terminal and in a log file."""

import io

import pytest

from datasets.progress import ProgressBar


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Returns True."""
        return True


@pytest.mark.parametrize(
    ("stream", "least", "most"), [(Terminal(), 50, 102), (io.StringIO(), 2, 2)]
)
def test_a_log_file_gets_the_first_and_the_last_state_of_short_work(
    stream: io.StringIO, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100_000))
    # A fifth of a second passes whenever the bar looks, which it does at every step of a log file.
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock) / 5)
    bar = ProgressBar(total=100, file=stream)
    for _ in range(100):
        bar.update()
    bar.close()
    states = [part for part in stream.getvalue().split("\r") if "/100" in part]
    assert "100/100" in states[-1]
    assert least <= len(states) <= most


def test_a_log_file_gets_a_state_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    stream = io.StringIO()
    with ProgressBar(total=100, file=stream, miniters=1) as bar:
        for _ in range(100):
            now[0] += 3.0
            bar.update()
    shown = [part for part in stream.getvalue().split("\r") if "/100" in part]
    assert len(shown) == 1 + 300 // 30 + 1

"""One process at a time trains in a folder, or compares runs in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import action.ablate
import action.compare
import align.ablate
import align.compare
from align.engine.claim import CLAIM_NAME, Claim, is_claimed
from datasets.errors import MismatchError
from tests.action.conftest import write_squares
from tests.datasets.synthetic import make_data_set

COMPARISONS = (
    *(align.compare.main, align.ablate.main),
    *(action.compare.main, action.ablate.main),
)
HOLD = (
    "import sys; from pathlib import Path; from align.engine.claim import Claim;"
    "claim = Claim(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that has claimed `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_process_is_refused_until_the_first_has_died(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(MismatchError, match=f"process {holder.pid} on "):
        Claim(run)
    assert is_claimed(run)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert not is_claimed(run)
    claim = Claim(run)
    assert str(os.getpid()) in (run / CLAIM_NAME).read_text()
    claim.release()


def test_an_abandoned_claim_leaves_no_empty_folder(tmp_path: Path) -> None:
    Claim(tmp_path / "empty").abandon()
    assert not (tmp_path / "empty").exists()
    claim = Claim(tmp_path / "run")
    (tmp_path / "run" / "config.json").write_text("{}")
    claim.abandon()
    assert (tmp_path / "run" / "config.json").exists()


@pytest.mark.slow
def test_a_claim_ends_with_the_command_that_holds_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Claim(tmp_path / "empty"):
        raise KeyError
    assert not (tmp_path / "empty").exists()
    with Claim(tmp_path / "runs"):
        (tmp_path / "runs" / "runs.csv").write_text("")
        assert is_claimed_elsewhere(tmp_path / "runs")
    assert not is_claimed_elsewhere(tmp_path / "runs")


def is_claimed_elsewhere(folder: Path) -> bool:
    """Whether a folder is claimed, as another process sees it."""
    code = "import sys; from pathlib import Path; from align.engine.claim import is_claimed;"
    code += "print(is_claimed(Path(sys.argv[1])))"
    command = [sys.executable, "-c", code, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", COMPARISONS)
def test_a_second_comparison_is_refused_before_it_writes(
    command: Callable[[list[str]], None],
    holder: subprocess.Popen[bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command in (action.compare.main, action.ablate.main):
        root = write_squares(tmp_path / "squares", replications=1)
        words = ["--data", "mocap", "--root", str(root)]
    else:
        words = ["--data", str(make_data_set(tmp_path / "dots", 3, size=32, steps=12))]
    with pytest.raises(SystemExit) as end:
        command([*words, "--out", str(tmp_path / "run"), "--jobs", "2", "--seeds", "0"])
    assert end.value.code == 2
    assert f"is in use: process {holder.pid} on " in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "run").iterdir()] == [CLAIM_NAME]


def test_the_other_processes_of_one_training_claim_nothing(
    holder: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    Claim(tmp_path / "run").release()

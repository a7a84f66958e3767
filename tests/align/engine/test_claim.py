"""One process at a time trains in a folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from align.engine.claim import CLAIM_NAME, Claim, is_claimed
from datasets.errors import MismatchError

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


def test_the_other_processes_of_one_training_claim_nothing(
    holder: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    Claim(tmp_path / "run").release()

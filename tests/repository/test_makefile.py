"""`make check` distinguishes a vulnerable package from a database that cannot be reached."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import REPOSITORY

TABLE = "Name Version ID Fix Versions\npip 24.0 PYSEC-1 25.3"
# How pip-audit answers about pip 24.0, which has known flaws: its text and its exit code.
REACHED = (f"{TABLE}\nFound 1 known vulnerability in 1 package", 1)
LEAKY = ("leaky 2.0 CVE-1 2.1\nFound 1 known vulnerability in 1 package", 1)
CLEAN = ("No known vulnerabilities found", 0)
NO_NETWORK = ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org')", 1)
EMPTY_PROXY = ("pip Dependency not found on PyPI and could not be audited: pip (24.0)", 0)
BROKEN = ("pip-audit: error: unrecognized arguments: --requirement", 2)

Answer = tuple[str, int]
Check = Callable[[Answer, Answer], subprocess.CompletedProcess[str]]
MAKE = shutil.which("make") or pytest.skip("make is not installed", allow_module_level=True)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Runs `make check` with stand-ins for all that it calls.

    The stand-in for pip-audit gives the first answer about pip and the second about the packages
    that are installed.
    """

    def write(name: str, script: str) -> None:
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)

    for name in ("ruff", "mypy", "bandit"):
        write(name, "exit 0")

    def run(probe: Answer, installed: Answer) -> subprocess.CompletedProcess[str]:
        asks = {"*--requirement*": probe, "*--local*": installed}
        cases = "".join(
            f'{ask}) echo "{text}" >&2; exit {code};;\n' for ask, (text, code) in asks.items()
        )
        write("pip-audit", f'case "$*" in\n{cases}esac')
        # The environment's own mark is old, so that nothing is installed.
        command = [MAKE, "--old-file", ".venv/.installed", "check", f"BIN={tmp_path}"]
        environment = {name: os.environ[name] for name in ("PATH", "HOME")}  # no flags of a make
        return subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True
        )

    return run


def test_a_finding_fails(check: Check) -> None:
    done = check(REACHED, LEAKY)
    assert done.returncode != 0
    assert "leaky 2.0 CVE-1 2.1" in done.stderr
    assert "NOT CHECKED" not in done.stdout


def test_no_finding_passes(check: Check) -> None:
    done = check(REACHED, CLEAN)
    assert done.returncode == 0, done.stderr
    assert "No known vulnerabilities found" in done.stderr
    assert "PYSEC-1" not in done.stdout + done.stderr  # the flaws of pip 24.0 are no finding


@pytest.mark.parametrize("probe", [NO_NETWORK, EMPTY_PROXY])
def test_a_database_out_of_reach_is_reported_and_passes(probe: Answer, check: Check) -> None:
    done = check(probe, LEAKY)
    assert done.returncode == 0, done.stderr
    assert "NOT CHECKED" in done.stdout


def test_another_error_of_pip_audit_fails(check: Check) -> None:
    done = check(BROKEN, CLEAN)
    assert done.returncode != 0
    assert "unrecognized arguments" in done.stdout

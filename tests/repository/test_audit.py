"""What `.ci/audit.py` makes of pip-audit's answers, given by a stand-in for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests import REPOSITORY

AUDIT = REPOSITORY / ".ci" / "audit.py"
EXPLAINED = "CVE-0000-0001"

STAND_IN = """
import os, sys
asked = [{"name": "pip", "version": "24.0", "vulns": []}]
answer = os.environ["ANSWER"]
if answer == "unreachable":
    sys.exit("requests.exceptions.ConnectionError: no route to host")
import json
found = asked if "--requirement" in sys.argv else json.loads(answer)
print(json.dumps({"dependencies": found}))
sys.exit(1)
"""


@pytest.fixture
def audit(tmp_path):
    """Runs a copy of the script whose project explains one finding; gives what came of it."""
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.posealign.audit]\n{EXPLAINED} = "only its server is at risk"\n'
    )
    (tmp_path / ".ci").mkdir()
    script = tmp_path / ".ci" / "audit.py"
    script.write_text(AUDIT.read_text())
    package = tmp_path / "stand_in" / "pip_audit"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(STAND_IN)

    def run(answer: object) -> subprocess.CompletedProcess[str]:
        text = answer if isinstance(answer, str) else json.dumps(answer)
        return subprocess.run(
            [sys.executable, script],
            env=os.environ | {"PYTHONPATH": str(package.parent), "ANSWER": text},
            capture_output=True,
            text=True,
        )

    return run


def package_with(*findings: str) -> dict[str, object]:
    """A package as pip-audit reports it."""
    vulns = [{"id": name, "fix_versions": ["2.1"], "aliases": []} for name in findings]
    return {"name": "leaky", "version": "2.0", "vulns": vulns}


def test_an_unexplained_finding_fails(audit):
    done = audit([package_with("CVE-0000-0009", EXPLAINED)])
    assert done.returncode == 1
    assert "leaky 2.0: CVE-0000-0009, fixed in 2.1\n" in done.stdout
    assert "1 packages looked up, 1 findings to mend" in done.stdout


def test_an_explained_finding_is_told_and_passes(audit):
    done = audit([package_with(EXPLAINED), {"name": "odd", "skip_reason": "not on PyPI"}])
    assert done.returncode == 0
    assert "accepted: only its server is at risk" in done.stdout
    assert "unknown to the database: odd" in done.stdout


def test_an_alias_explains_too(audit):
    finding = {"id": "GHSA-1", "aliases": [EXPLAINED], "fix_versions": []}
    done = audit([{"name": "leaky", "version": "2.0", "vulns": [finding]}])
    assert done.returncode == 0
    assert "fixed in no version yet; accepted" in done.stdout


def test_no_database_is_said_and_is_no_finding(audit):
    done = audit("unreachable")
    assert done.returncode == 0
    assert "NOT CHECKED" in done.stdout

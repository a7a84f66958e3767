"""Looks up every installed package in the database of known vulnerabilities, with pip-audit.

    python .ci/audit.py

Ends with 1 where there is a finding that `[tool.posealign.audit]` of pyproject.toml does not
explain. Where the database cannot be reached, says so and ends with 0: nothing was looked up then.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"
# In the database whenever the database answers, so that not finding it means no answer.
KNOWN = "pip==24.0"


class UnreachableError(RuntimeError):
    """Raised when the database gives no answer."""


def audit(*options: str) -> list[dict[str, Any]]:
    """What pip-audit says of each package.

    Raises:
        UnreachableError: When it could not ask.
    """
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off"]
    done = subprocess.run([*command, *options], capture_output=True, text=True)
    try:
        # It ends with 1 for findings as for anything that went wrong; only findings are JSON.
        return json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        if "ConnectionError" in done.stderr or "Connection" in last or "timed out" in last:
            raise UnreachableError(last) from None
        sys.exit(f"pip-audit failed:\n{done.stderr}")


def require_reachable() -> None:
    """Asks for one package: that is quick, while all of them take a minute to be in vain.

    Raises:
        UnreachableError: When there is no answer for it.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "requirements.txt")
        asked.write_text(f"{KNOWN}\n")
        (answer,) = audit("--requirement", str(asked), "--no-deps", "--disable-pip")
    if "skip_reason" in answer:
        raise UnreachableError(answer["skip_reason"])


def main() -> None:
    """Tells of findings, and ends as the module says."""
    explained = tomllib.loads(PYPROJECT.read_text())["tool"]["posealign"]["audit"]
    try:
        require_reachable()
        packages = audit("--local", "--skip-editable")
    except UnreachableError as error:
        print(f"pip-audit: NOT CHECKED, the database of vulnerabilities is out of reach ({error})")
        return
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    found = [(p, v) for p in packages for v in p.get("vulns", ())]
    bad = 0
    for package, finding in found:
        names = {finding["id"], *finding.get("aliases", ())}
        reason = next((explained[name] for name in sorted(names) if name in explained), None)
        bad += reason is None
        fixed = ", ".join(finding["fix_versions"]) or "no version yet"
        print(
            f"pip-audit: {package['name']} {package['version']}: {finding['id']}, fixed in {fixed}"
            + (f"; accepted: {reason}" if reason else "")
        )
    print(f"pip-audit: {len(packages) - len(skipped)} packages looked up, {bad} findings to mend")
    if skipped:
        print(f"pip-audit: unknown to the database: {', '.join(skipped)}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

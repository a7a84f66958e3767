"""A run that is killed at any moment and resumed ends bit by bit as an undisturbed run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.repository.kills import require_exact_resumes
from tests.repository.tiny_runs import RUNS

# `POSEALIGN_KILLS=10 pytest tests/repository/test_resume.py -s` kills ten runs of each package.
KILLS = int(os.environ.get("POSEALIGN_KILLS", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("package", RUNS)
def test_killed_at_any_moment_it_ends_as_if_undisturbed(package: str, tmp_path: Path) -> None:
    moments = require_exact_resumes(
        RUNS[package](tmp_path), tmp_path, KILLS, np.random.default_rng(KILLS)
    )
    print(f"{package}: killed at the moments {moments}")

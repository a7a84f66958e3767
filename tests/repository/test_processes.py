"""A step is the same step on any number of processes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.engine.config import OptimConfig
from tests.repository.step_losses import process_losses, step_losses
from tests.repository.tiny_runs import RUNS


@pytest.mark.slow
@pytest.mark.parametrize("package", RUNS)
def test_two_processes_have_the_losses_of_one(package: str, tmp_path: Path) -> None:
    config = RUNS[package](tmp_path)
    # Drop path draws for each process's own samples; everything else is equal.
    config = replace(
        config,
        epochs=10,
        validate_every=10,
        backbone=replace(config.backbone, drop_path=0.0),
        optim=OptimConfig(name="sgd", lr=0.01),
    )
    one = step_losses(config)
    shares = process_losses(replace(config, out=tmp_path / "two"), processes=2)
    assert len(one) >= 20
    assert one[-1] != pytest.approx(one[0], abs=1e-2)  # it does learn
    assert shares[0] != shares[1]
    np.testing.assert_allclose(np.mean(shares, axis=0), one, rtol=0, atol=1e-5)

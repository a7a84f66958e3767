"""Generation over a cluster: a Ray of this machine, whose workers and driver are killed."""

import sys
from contextlib import suppress

import psutil
import pytest

from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from tests.sims.runs import (
    TOY,
    command,
    contents,
    descendants,
    episodes,
    started,
    wait_for_episodes,
)
from tests.sims.toy import PAUSE

OPTIONS = {"env": TOY, "views": 1, "episodes": 10, "size": 32}


@pytest.mark.slow
def test_ray_makes_the_same_bytes_though_its_workers_and_driver_are_killed(tmp_path):
    pytest.importorskip("ray", reason="pip install 'posealign[ray]'")
    plain, root = tmp_path / "plain", tmp_path / "ray"
    generate(GenerateConfig(**OPTIONS, workers=1, out=plain))
    words = command(root, cluster="ray", **OPTIONS)
    with started(words, **{PAUSE: 0.05}) as process:
        wait_for_episodes(root, process)
        workers, everyone = descendants(process, "ray::PoolActor"), descendants(process)
        assert len(workers) == 2
        process.kill()
        process.wait()
        _, alive = psutil.wait_procs(workers, timeout=60)
        for each in everyone:  # agents of Ray's own, which take their time
            with suppress(psutil.NoSuchProcess):
                each.kill()
        assert not alive, "workers have outlived the run"
    assert not (root / "ToyEnv.hdf5").exists()
    with started(words, **{PAUSE: 0.05}) as process:
        wait_for_episodes(root, process, len(episodes(root)) + 1)
        descendants(process, "ray::PoolActor")[0].kill()
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "A worker was killed; workers start anew." in output
    assert contents(root) == contents(plain)


def test_a_missing_ray_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SimulatorError, match=r"pip install 'posealign\[ray\]'"):
        generate(GenerateConfig(**OPTIONS, cluster="ray", out=tmp_path / "toy"))

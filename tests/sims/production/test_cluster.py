"""Generation on a cluster: a Ray on this machine, whose workers and driver are killed."""

import sys
from contextlib import suppress
from types import ModuleType, SimpleNamespace

import joblib
import psutil
import pytest
from joblib.parallel import ThreadingBackend

from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from sims.production import worker
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
def test_ray_makes_the_same_bytes_after_its_workers_and_driver_are_killed(tmp_path):
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
        for each in everyone:  # Ray's own agents, which would end later
            with suppress(psutil.NoSuchProcess):
                each.kill()
        assert not alive, "workers have outlived the run"
    assert not (root / "ToyEnv.hdf5").exists()
    with started(words, **{PAUSE: 0.05}) as process:
        wait_for_episodes(root, process, len(episodes(root)) + 1)
        descendants(process, "ray::PoolActor")[0].kill()
        output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    assert "A worker was killed; the workers are restarted." in output
    assert contents(root) == contents(plain)


class OneProcessor(ThreadingBackend):
    """A back end that rejects more processes than there are CPUs, as Ray's pool does."""

    def configure(self, n_jobs=1, **options):
        if n_jobs > 1:
            raise ValueError(f"Tried to start a pool with {n_jobs} processes, there is 1 CPU.")
        return super().configure(n_jobs, **options)


class OutOfMemoryError(Exception):
    """A stand-in for Ray's error after its memory monitor killed a worker."""


@pytest.fixture
def small_ray(monkeypatch):
    """A stand-in for Ray with one CPU, for environments without Ray."""
    ray, util = ModuleType("ray"), ModuleType("ray.util.joblib")
    ray.exceptions = SimpleNamespace(RayActorError=OSError, OutOfMemoryError=OutOfMemoryError)
    ray.is_initialized, ray.put = lambda: True, lambda value: None
    ray.cluster_resources = lambda: {"CPU": 1.0}
    util.register_ray = lambda: joblib.register_parallel_backend("ray", OneProcessor)
    for name, module in {"ray": ray, "ray.util": ray, "ray.util.joblib": util}.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.slow
@pytest.mark.usefixtures("small_ray")
def test_one_cpu_that_runs_out_of_memory_makes_all_episodes(tmp_path, monkeypatch, caplog):
    record, failures = worker.record, [OutOfMemoryError("95 % of the memory is used")]

    def record_in_little_memory(*options, **more):
        if failures:
            raise failures.pop()
        return record(*options, **more)

    monkeypatch.setattr(worker, "record", record_in_little_memory)
    config = GenerateConfig(**{**OPTIONS, "episodes": 3}, cluster="ray", out=tmp_path / "toy")
    generate(config)
    assert "A worker was killed; the workers are restarted." in caplog.text
    assert len(episodes(config.root)) == 3


def test_a_missing_ray_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SimulatorError, match=r"pip install 'posealign\[ray\]'"):
        generate(GenerateConfig(**OPTIONS, cluster="ray", out=tmp_path / "toy"))

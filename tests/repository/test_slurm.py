"""The batch scripts of `examples/slurm/` run, with a stand-in for Slurm's own commands."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import pytest

from datasets.episodes import EpisodeDataset
from tests import REPOSITORY
from tests.datasets.synthetic import make_data_set

SCRIPTS = REPOSITORY / "examples" / "slurm"

# Runs what it is given once for every node, side by side, as the real one does.
SRUN = """#!/bin/bash
pids=()
for node in $(seq "$SLURM_NNODES"); do "$@" & pids+=($!); done
for pid in "${pids[@]}"; do wait "$pid" || exit 1; done
"""


@pytest.fixture
def submit(tmp_path):
    """Runs a script in a folder that looks like a checkout, as a job with these variables."""
    commands = tmp_path / "slurm"
    commands.mkdir()
    for name, text in {"srun": SRUN, "scontrol": "#!/bin/sh\necho localhost\n"}.items():
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name, line in {
        "python": f'exec "{sys.executable}" "$@"',
        "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
    }.items():
        (binaries / name).write_text(f"#!/bin/sh\n{line}\n")
        (binaries / name).chmod(0o755)

    def run(script: str, *arguments: str, **variables: str) -> None:
        done = subprocess.run(
            ["bash", SCRIPTS / script, *arguments],
            cwd=tmp_path,
            env=os.environ
            | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
            | {"OMP_NUM_THREADS": "1"}
            | variables,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr

    return run


@pytest.mark.slow
def test_shares_are_made_and_joined(submit, tmp_path):
    options = ["--env", "minecraft", "--views", "1", "--size", "32", "--episodes", "3"]
    options += ["--split", "1,1,1", "--out", "world"]
    job = {"SLURM_CPUS_PER_TASK": "1"}
    submit("generate.sbatch", *options, **job, SLURM_ARRAY_TASK_ID="1")
    made = sorted((tmp_path / "world" / "episodes").glob("*.hdf5"))
    assert [path.stem for path in made] == ["000001"]
    submit("generate.sbatch", *options, **job, SLURM_ARRAY_TASK_ID="0", JOIN="1")
    assert len(EpisodeDataset(tmp_path / "world")) == 3


@pytest.mark.slow
def test_two_nodes_train_one_run(submit, tmp_path):
    make_data_set(tmp_path / "dots", episodes=4, views=1, size=32, steps=12)
    options = ["--method", "paab", "--data", "dots", "--out", "run", "--epochs", "2"]
    options += ["--backbone.depth", "2", "--batch.times", "8"]
    job = {"SLURM_NNODES": "2", "SLURM_GPUS_ON_NODE": "1", "SLURM_JOB_ID": str(os.getpid())}
    submit("train.sbatch", "align.train", *options, **job, SLURM_JOB_NODELIST="node[1-2]")
    with open(tmp_path / "run" / "metrics.csv") as file:
        epochs = [float(row["epoch"]) for row in csv.DictReader(file)]
    assert epochs == [1.0, 2.0]
    assert (tmp_path / "run" / "checkpoints" / "last.safetensors").exists()

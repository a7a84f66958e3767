"""3D-SIM: tokens learn from a network on joints, trained before in the same command."""

from dataclasses import replace

import pytest
import torch

from action import compare
from action.config import ActionConfig, StagesConfig
from action.evaluate import evaluate
from action.results import measured_runs, result_rows, table
from action.train import main, make_trainer
from action.training.stages import stages_of
from action.training.task import ActionTask
from align.engine.run_folder import RunFolder, newest_runs
from align.results.chance import RANDOM_LABEL
from datasets.errors import OptionError
from tests.action.staged import fresh_stages, staged_run
from tests.action.test_train import TINY
from tests.shared import all_here


@pytest.fixture(scope="module")
def induced(bodies, tmp_path_factory):
    """A run of paat+3d after two passes, and one like it that was stopped in its first stage."""
    runs = [tmp_path_factory.mktemp("induced") / name for name in ("whole", "stopped")]
    configs = [induced_run(bodies, run) for run in runs]
    make_trainer(configs[0], progress=False).fit()
    trainer = make_trainer(configs[1], progress=False, on_step=_stop_after(3))
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()
    return runs


def induced_run(root, out):
    stages = StagesConfig(pose="st_gcn")
    options = {"backbone": TINY, "method": "paat+3d", "epochs": 2, "stages": stages}
    return staged_run(root, out, "timesformer", **options)


def _stop_after(steps):
    done = []

    def on_step(share):
        done.append(share)
        if len(done) == steps:
            raise KeyboardInterrupt

    return on_step


@pytest.mark.slow
def test_a_run_that_was_stopped_in_a_stage_goes_on_as_if_it_had_not(bodies, induced):
    whole, stopped = map(RunFolder, induced)
    stage = RunFolder(stages_of(induced_run(bodies, stopped.path))[0].folder)
    assert stage.started and not stage.finished and not stopped.started
    main(["--resume", str(stopped.path)])
    assert stage.finished and stopped.finished
    assert whole.checkpoint("last").read_bytes() == stopped.checkpoint("last").read_bytes()


@pytest.mark.slow
def test_induction_sees_joints_in_training_alone(bodies, induced):
    run = induced[0]
    result = evaluate(run, progress=False)
    assert result.sees == "RGB" and result.method == "paat+3d"
    history = RunFolder(run).load_history()[-1]
    assert {"train/paat", "train/skeleton", "train/skeleton_recognition"} <= set(history)
    task = ActionTask(induced_run(bodies, run))
    task.learn_from(fresh_stages(task.config))
    batch = next(iter(task.loader(0, 1)))
    task.loss(task.model.train(), batch, 0)[0].backward()
    assert all(p.grad is not None for p in task.model.parameters())
    plain = ActionTask(replace(task.config, method="baseline")).model.eval()
    plain.load_state_dict(task.model.state_dict(), strict=False)
    assert torch.equal(plain(batch["frames"])[0], task.model.eval()(batch["frames"])[0])


def test_induction_needs_tokens(bodies):
    with pytest.raises(OptionError, match="--method baseline"):
        ActionTask(replace(staged_run(bodies, None, "i3d"), method="3d"))


@pytest.mark.slow
def test_a_comparison_trains_the_stages_of_its_runs(bodies, tmp_path, monkeypatch):
    out = tmp_path / "compared"
    small = ("--backbone.image-size", "32", "--backbone.dim", "24", "--backbone.depth", "1")
    small += ("--backbone.heads", "2", "--backbone.frames", "2", "--joints.frames", "8")
    small += ("--backbone.stride", "1", "--joints.persons", "1", "--stages.pose", "st_gcn")
    monkeypatch.setattr(compare, "run_all", all_here)
    command = ["--root", str(bodies), "--out", str(out), "--seeds", "0", "--epochs", "1", *small]
    compare.main([*command, "--jobs", "1", "--no-controls", "--methods", "baseline", "3d"])
    assert RunFolder(RunFolder(out / "3d_seed0").stage("pose")).finished
    assert newest_runs(ActionConfig, tmp_path) == [out / "3d_seed0", out / "baseline_seed0"]
    header, *rows = table(result_rows(measured_runs(out, ["CS"])))
    sees = {row[1]: row[header.index("at inference")] for row in rows}
    assert sees == {"baseline": "RGB", "3d": "RGB", RANDOM_LABEL: ""}

"""Comparisons under several protocols: which runs there are, and the table of all of them."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from action import compare
from action.compare import main
from action.comparing import comparison, grid
from action.comparing.grid import ActionGridConfig, require_learnable, run_one
from action.comparing.protocols import accuracies, groups_of, means_of, write_protocols
from action.config import ActionConfig
from action.results import ActionRun
from align.engine.jobs import Outcome
from align.engine.run_folder import RunFolder
from datasets.errors import MissingDataError, OptionError, UnknownNameError
from tests.action.test_compare import evaluation, run_of


@pytest.fixture
def nucla(tmp_path: Path) -> Path:
    """Names of N-UCLA, without videos: two actions by ten subjects from three views."""
    root = tmp_path / "N-UCLA"
    for action in ("a01", "a02"):
        (root / action).mkdir(parents=True)
        for subject in range(1, 11):
            for view in (1, 2, 3):
                (root / action / f"v{view:02}_s{subject:02}_e00.avi").touch()
    return root


def names_of_ntu(root: Path) -> Path:
    """Names of NTU, without videos: an action by three subjects, seen from all angles."""
    for name in ("rgb", "skeletons"):
        (root / name).mkdir(parents=True)
    for camera, subject, take in itertools.product((1, 2, 3), (1, 2, 3), (1, 2)):
        clip = f"S001C00{camera}P00{subject}R00{take}A001"
        (root / "rgb" / f"{clip}_rgb.avi").touch()
        (root / "skeletons" / f"{clip}.skeleton").write_text("32\n")  # its number of frames
    return root


def grid_of(nucla: Path, **options: object) -> ActionGridConfig:
    return ActionGridConfig(**{"data": "nucla", "root": nucla, "out": Path("out")} | options)


def test_each_protocol_has_runs_of_its_own(nucla: Path) -> None:
    found = groups_of(grid_of(nucla, test_subjects=(9,)), ("CS", "CV"), ())
    assert [(g.config.protocol, g.tested, g.config.out) for g in found] == [
        (name, (name,), Path("out", name)) for name in ("CS", "CV1", "CV2", "CV3")
    ]
    # The cross-view protocols fix their test clips.
    assert [g.config.test_subjects for g in found] == [(9,), None, None, None]


def test_one_training_is_tested_on_several_protocols(tmp_path: Path) -> None:
    config = grid_of(names_of_ntu(tmp_path / "NTU"), data="ntu", protocol="CVS1")
    (group,) = groups_of(config, (), ("CVS2", "CVS3"))
    assert (group.config.out, group.tested) == (Path("out"), ("CVS2", "CVS3"))


def test_what_is_trained_on_is_not_tested_on(nucla: Path) -> None:
    with pytest.raises(OptionError, match=r"--test CV3: .* 20 of its 20 .* --protocol CV3"):
        groups_of(grid_of(nucla, protocol="CV2", valid_share=0), (), ("CV2", "CV3"))


def test_methods_that_learn_from_poses_are_refused_before_the_others_train(nucla: Path) -> None:
    config = grid_of(nucla, protocol="CV1")
    require_learnable(config.plan(("baseline",), (0,)))
    with pytest.raises(MissingDataError, match=r"S01A01E01V02_skeleton2d\.json.*baseline"):
        require_learnable(config.plan(("baseline", "paab"), (0,)))
    with pytest.raises(MissingDataError, match=r"a01_s01_e00_v02\.json"):
        require_learnable(config.plan(("3d",), (0,)))


def test_protocols_are_named_once(nucla: Path) -> None:
    for config, test in ((grid_of(nucla, protocol="CS"), ()), (grid_of(nucla), ("CS",))):
        with pytest.raises(OptionError, match="leave out --protocol and --test"):
            groups_of(config, ("CV1",), test)
    with pytest.raises(UnknownNameError, match="CV4"):
        groups_of(grid_of(nucla), ("CV1", "CV4"), ())
    with pytest.raises(OptionError, match="--protocols names CV1 twice"):
        groups_of(grid_of(nucla), ("CV1", "CV1"), ())
    with pytest.raises(OptionError, match="--test names CS twice"):
        groups_of(grid_of(nucla), (), ("CS", "CS"))


def test_protocols_with_the_same_training_clips_are_refused(tmp_path: Path) -> None:
    config = grid_of(names_of_ntu(tmp_path / "NTU"), data="ntu")
    with pytest.raises(OptionError, match="--protocol CVS1 --test CVS1 CVS2 CVS3"):
        groups_of(config, ("CVS1", "CVS2", "CVS3"), ())
    assert len(groups_of(config, ("CS", "CVS1"), ())) == 2


def test_a_published_mean_stands_for_its_parts() -> None:
    assert means_of("nucla", ("CS", "CV1", "CV2", "CV3")) == {"CV": ("CV1", "CV2", "CV3")}
    assert means_of("nucla", ("CV1", "CV2")) == {"mean": ("CV1", "CV2")}
    assert means_of("smarthome", ("CS", "CV1", "CV2")) == {"mean": ("CS", "CV1", "CV2")}
    assert means_of("smarthome", ("CS",)) == {}


def run_under(protocol: str, method: str, seed: int, right: int) -> ActionRun:
    run = run_of(method, seed, [i < right for i in range(4)])
    found = replace(run.evaluations["CVS3"], protocol=protocol, trained_on=protocol)
    return replace(run, evaluations={protocol: found})


RUNS = {
    "CV1": [run_under("CV1", "paat", 0, 4), run_under("CV1", "paat", 1, 2)],
    "CV2": [run_under("CV2", "paat", 0, 2), run_under("CV2", "paat", 1, 2)],
    "CV3": [run_under("CV3", "paat", 0, 0), run_under("CV3", "paat", 2, 4)],
}


def test_a_mean_is_over_seeds_that_all_its_protocols_have() -> None:
    values = accuracies(RUNS, means_of("nucla", list(RUNS)), "top1")["paat"]
    assert values["CV1"] == {0: 100, 1: 50}
    assert values["CV"] == {0: 50}
    assert accuracies(RUNS | {"CV3": []}, {"CV": tuple(RUNS)}, "top1")["paat"]["CV"] == {}


def test_the_table_has_each_protocol_and_the_mean(tmp_path: Path) -> None:
    table = write_protocols(tmp_path, RUNS, "nucla").read_text()
    assert table.splitlines()[0] == "| method | CV1 | CV2 | CV3 | CV |"
    assert table.splitlines()[2] == "| paat | 75.0 ± 35.4 | 50.0 ± 0.0 | 50.0 ± 70.7 | 50.0 |"
    assert "CV: over CV1, CV2, CV3" in table and table.count("top-1") == 1
    with open(tmp_path / "protocols.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["protocol"], float(row["mean"]), row["seeds"]) for row in rows] == [
        *(("CV1", 75, "2"), ("CV2", 50, "2"), ("CV3", 50, "2"), ("CV", 50, "1"))
    ]
    assert "mean class accuracy" in write_protocols(tmp_path, RUNS, "smarthome").read_text()


def test_a_run_is_measured_on_its_own_protocol(
    nucla: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = []
    monkeypatch.setattr(grid, "train_and_measure", lambda _, found, place: wanted.extend(found))
    config = ActionConfig(data="nucla", root=nucla, protocol="CV2", out=Path("run"))
    run_one(config, 0, protocols=(), galleries=(), num_clips=1, ensemble="mean")
    assert [w.path for w in wanted] == [RunFolder(Path("run")).evaluation("CV2_test")]


@pytest.mark.slow
def test_one_command_compares_under_all_protocols(
    nucla: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured_at_once(configs, jobs, after_each, work):
        assert work.keywords["protocols"] == ()
        for config in configs:
            config.save(config.out)
            RunFolder(config.out).save_history([{"epoch": 1.0, "seconds": 60.0}])
            right = [config.protocol != "CV3", True]
            found = evaluation(config.method, config.seed, right, config.out)
            replace(found, protocol=config.protocol).save()
            after_each()
        return [Outcome(config) for config in configs]

    monkeypatch.setattr(compare, "run_all", measured_at_once)
    monkeypatch.setattr(comparison, "write_report", lambda runs, out, controls: out)
    out = tmp_path / "out"
    words = ["--data", "nucla", "--root", str(nucla), "--out", str(out), "--jobs", "1"]
    main([*words, "--protocols", "CV", "--methods", "baseline", "--seeds", "0", "--no-controls"])
    assert [run.path for run in RunFolder.all_in(out / "CV3")] == [out / "CV3" / "baseline_seed0"]
    assert (out / "CV1" / "table.md").exists() and not (out / "CV1" / "controls.csv").exists()
    printed = capsys.readouterr().out
    assert "| baseline | 100.0 | 100.0 | 50.0 | 83.3 |" in printed
    assert (out / "protocols.md").read_text() in printed

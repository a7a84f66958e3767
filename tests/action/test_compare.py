"""Comparing methods of action recognition: the numbers by hand, and a whole small comparison."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from action import compare
from action.compare import main
from action.comparing.grid import ActionGridConfig
from action.comparing.pretraining import plan_fine_tuning, plan_pretraining
from action.comparing.pretraining_results import write_pretraining
from action.config import ActionConfig, TimeSformerConfig
from action.evaluation import ActionEvaluation, find_evaluation, load_evaluation
from action.report import finding, retrieval_table, typical
from action.results import ActionRun, measured_runs, notes, result_rows, setting, table
from align.engine.run_folder import RunFolder
from align.models.config import PaabConfig
from datasets.errors import MissingDataError, OptionError
from tests.shared import all_here

SMALL = (
    *("--backbone.image-size", "48", "--backbone.dim", "24", "--backbone.depth", "1"),
    *("--backbone.heads", "2", "--backbone.frames", "2", "--backbone.stride", "4"),
    *("--batch.clips", "12", "--epochs", "1", "--paab.positions", "1"),
)


def evaluation(method: str, seed: int, right: list[bool], run: Path = Path()) -> ActionEvaluation:
    clips = {f"clip{i}": ("a", "a" if is_right else "b") for i, is_right in enumerate(right)}
    share = float(np.mean(right))
    metrics = {"top1": share, "mean_class_accuracy": share}
    how = ("best", 1, "mean")
    return ActionEvaluation(
        *(run, method, seed, "mocap", "CVS1", "CVS3", "test", *how, metrics, {"a": share}, clips)
    )


def run_of(method: str, seed: int, right: list[bool], folder: Path = Path()) -> ActionRun:
    history = [{"epoch": 1.0, "seconds": 90.0}]
    evaluations = {"CVS3": evaluation(method, seed, right, folder)}
    return ActionRun(folder, ActionConfig(method=method, seed=seed), history, evaluations)


def test_rows_are_means_over_seeds_and_gains_over_common_seeds():
    runs = [
        run_of("baseline", 0, [True, False, False, False]),
        run_of("baseline", 1, [True, True, False, False]),
        run_of("paat", 0, [True, True, True, False]),
        run_of("paat", 1, [False, False, True, False]),
        run_of("paat", 7, [False, False, False, False]),
    ]
    baseline, paat = result_rows(runs)
    assert baseline.mean["top1"] == pytest.approx(37.5)
    assert baseline.std["top1"] == pytest.approx(np.std([25, 50], ddof=1))
    assert baseline.gain is None
    # Seed 7 of paat has no baseline to compare with.
    assert paat.gain is not None
    assert paat.gain.points == pytest.approx(12.5)
    assert paat.gain.low < 12.5 < paat.gain.high
    header, first, second, random = table([baseline, paat])
    assert header == [
        *("protocol", "method", "at inference", "top-1 ↑", "mean class accuracy ↑", "seeds"),
        "against baseline",
    ]
    # The hand-made clips have a single class.
    assert random == ["CVS3", "random, about", "", "100.0", "100.0", "", ""]
    assert first[2:4] == ["RGB", "37.5 ± 17.7"]
    assert second[-1].startswith("+12.5 [")
    assert finding(runs).startswith("CVS3: baseline has the highest top-1 accuracy, 37.5 %")


def test_networks_of_several_kinds_have_rows_that_say_what_they_see():
    runs = [run_of("baseline", 0, [True, False]), run_of("paab", 0, [True, True])]
    skeleton = run_of("baseline", 0, [False, False])
    config = ActionConfig(model="st_gcn")
    runs.append(replace(skeleton, config=config, kind="baseline, model st_gcn"))
    header, *lines = table(result_rows(runs))
    seen = [line[header.index("at inference")] for line in lines]
    assert seen == ["RGB", "RGB + 2D pose", "3D pose", ""]
    assert setting(runs).startswith("TimeSformer, ST-GCN, 6 blocks of width 192, 112 pixels")


def test_methods_are_compared_with_the_baseline_of_their_own_processor(tmp_path):
    runs = []
    for method, processor, right in (
        ("baseline", "Xeon, fp32", 1),
        ("paab", "Xeon, fp32", 2),
        ("baseline", "EPYC, fp32", 3),
        ("paab", "EPYC, fp32", 4),
        ("paat", "H200, bf16", 4),
    ):
        run = run_of(method, 0, [i < right for i in range(4)])
        run.evaluations["CVS3"] = replace(run.evaluations["CVS3"], processor=processor)
        runs.append(replace(run, processor=processor))
    gains = {row.method: row.gain and row.gain.points for row in result_rows(runs)}
    assert gains == {
        "baseline, on Xeon, fp32": None,
        "paab, on Xeon, fp32": 25,
        "baseline, on EPYC, fp32": None,
        "paab, on EPYC, fp32": 25,
        "paat, on H200, bf16": None,
    }
    assert notes(runs)[0].startswith(
        "Not compared with baseline: paat, on H200, bf16, since no run"
    )


def stored_run(out: Path, method: str, seed: int, right: int, name: str = "", **options) -> None:
    """A measured run in a folder of runs, which recognises this many of four clips."""
    folder = out / (name or f"{method}_seed{seed}")
    ActionConfig(method=method, seed=seed, out=Path("elsewhere"), **options).save(folder)
    RunFolder(folder).save_history([{"epoch": 1.0, "seconds": 90.0}])
    evaluation(method, seed, [i < right for i in range(4)], folder).save()


@pytest.mark.slow
def test_runs_of_other_options_are_not_averaged_as_seeds(tmp_path):
    for seed in (0, 1):
        stored_run(tmp_path, "baseline", seed, 1, root=tmp_path / str(seed))
    stored_run(tmp_path, "paab", 0, 2, epochs=5)
    stored_run(tmp_path, "paab", 1, 3, epochs=5)
    stored_run(tmp_path, "paab", 2, 4, epochs=9)
    rows = result_rows(measured_runs(tmp_path, ("CVS3",)))
    assert {row.method: (row.seeds, row.mean["top1"]) for row in rows} == {
        "baseline": ((0, 1), 25),
        "paab, epochs 5": ((0, 1), 62.5),
        "paab, epochs 9": ((2,), 100),
    }


def test_a_copied_run_is_no_second_seed(tmp_path, caplog):
    stored_run(tmp_path, "baseline", 0, 1)
    shutil.copytree(tmp_path / "baseline_seed0", tmp_path / "baseline_seed0_copy")
    (run,) = measured_runs(tmp_path, ("CVS3",))
    assert run.folder == tmp_path / "baseline_seed0"
    assert "baseline_seed0_copy" in caplog.text and "seed 0" in caplog.text


@pytest.mark.slow
def test_a_variant_is_compared_with_the_baseline_of_its_own(tmp_path):
    wide = TimeSformerConfig(dim=384)
    for method, variant, right, options in (
        ("baseline", "", 1, {}),
        ("paab", "", 2, {}),
        ("baseline", "_wide", 2, {"backbone": wide}),
        ("paab", "_wide", 4, {"backbone": wide}),
        ("paab", "_late", 3, {"paab": PaabConfig(positions=(5,))}),
    ):
        stored_run(tmp_path, method, 0, right, f"{method}{variant}_seed0", **options)
    runs = measured_runs(tmp_path, ("CVS3",))
    assert {row.method: row.gain and row.gain.points for row in result_rows(runs)} == {
        "baseline": None,
        "baseline, wide": 25,
        "paab": 25,
        "paab, late": 50,
        "paab, wide": 50,
    }
    assert notes(runs)[:3] == [
        "baseline, wide: backbone.dim 384.",
        "paab, late: positions 5.",
        "paab, wide: backbone.dim 384.",
    ]
    assert "6 blocks of width 192 to 384" in setting(runs)


@pytest.mark.slow
def test_the_run_that_each_seed_starts_from_is_one_option(tmp_path):
    for seed in (0, 1):
        stored_run(tmp_path, "paab", seed, 2, init=Path("before", f"paab_seed{seed}"))
    stored_run(tmp_path, "paab", 2, 2, init=Path("other/paab_seed2/checkpoints/last.safetensors"))
    assert {row.method: row.seeds for row in result_rows(measured_runs(tmp_path, ("CVS3",)))} == {
        "paab, init before/paab_seed*": (0, 1),
        "paab, init other/paab_seed*/checkpoints/last.safetensors": (2,),
    }


def test_a_variant_is_a_part_of_the_folder_s_name():
    grid = ActionGridConfig(out=Path("out"))
    assert [c.out for c in grid.plan(("paab+paat",), (3,), "wide")] == [
        Path("out/paab_paat_wide_seed3")
    ]
    with pytest.raises(OptionError, match="--variant"):
        grid.plan(("paab",), (0,), "a/b")


def test_the_typical_run_is_the_one_in_the_middle():
    runs = [
        run_of("paab", seed, [i < right for i in range(4)]) for seed, right in enumerate((4, 1, 2))
    ]
    assert typical(runs, "paab", "CVS3").seed == 2


def test_retrievals_are_averaged_over_seeds(tmp_path):
    runs = []
    for seed, value in enumerate((0.2, 0.4)):
        folder = tmp_path / str(seed)
        (folder / "retrieval").mkdir(parents=True)
        (folder / "retrieval" / "a_in_b.json").write_text(
            json.dumps({"metrics": {"recall@5": value, "map": value}, "classes": ["a", "b"]})
        )
        runs.append(run_of("paat", seed, [True], folder))
    assert retrieval_table(runs) == [
        ["search", "method", "recall@5 ↑", "mAP ↑"],
        ["a in b", "paat", "30.0 ± 14.1", "30.0 ± 14.1"],
        # With two classes, five random clips miss the query's class once in 2⁵.
        ["a in b", "random, about", "96.9", "50.0"],
    ]
    assert retrieval_table([run_of("paat", 0, [True], tmp_path / "none")]) == []


def test_a_run_that_was_not_measured_is_named(tmp_path):
    with pytest.raises(MissingDataError, match=r"python -m action\.evaluate"):
        load_evaluation(tmp_path, "CVS3")


@pytest.mark.parametrize(
    "other", [{"checkpoint": "last"}, {"num_clips": 10}, {"ensemble": "max"}], ids=str
)
def test_an_evaluation_counts_where_it_was_measured_as_asked(tmp_path, other):
    assert find_evaluation(tmp_path, "CVS3") is None
    stored = evaluation("paat", 0, [True, False], tmp_path)
    stored.save()
    assert find_evaluation(tmp_path, "CVS3") == stored
    assert find_evaluation(tmp_path, "CVS3", num_clips=2) is None
    replace(stored, **other).save()
    assert find_evaluation(tmp_path, "CVS3") is None


def test_an_evaluation_that_does_not_say_its_checkpoint_is_measured_again(tmp_path):
    path = evaluation("paat", 0, [True], tmp_path).save()
    stored = json.loads(path.read_bytes())
    del stored["checkpoint"]
    path.write_text(json.dumps(stored))
    assert find_evaluation(tmp_path, "CVS3") is None


@pytest.mark.slow
def test_methods_are_compared_once_and_more_are_added(squares, tmp_path, capsys, monkeypatch):
    out = tmp_path / "compared"
    command = ["--data", "mocap", "--root", str(squares), "--out", str(out), "--jobs", "1"]
    command += ["--retrieve", str(squares), "--seeds", "0", *SMALL, "--methods"]
    main([*command, "baseline"])
    first = (out / "baseline_seed0" / "checkpoints" / "last.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(compare, "run_all", all_here)
    main([*command, "baseline", "paat"])
    assert (out / "baseline_seed0" / "checkpoints" / "last.safetensors").stat().st_mtime_ns == first
    printed = capsys.readouterr().out
    assert "| CS | paat |" in printed
    assert [run.label for run in measured_runs(out, ("CS",))] == ["baseline", "paat"]
    with open(out / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows] == ["baseline", "paat"]
    assert all(0 <= float(row["top1"]) <= 1 and int(row["clips"]) == 12 for row in rows)
    page = (out / "report.html").read_text()
    assert "| CS | keypoints alone |" in (out / "table.md").read_text()
    for part in ("<svg", "recall@1", "paat", "data:image/png;base64,", "keypoints alone"):
        assert part in page
    assert 'src="http' not in page
    main([*command, "paat", "--num-clips", "2", "--ensemble", "max"])
    again = load_evaluation(out / "paat_seed0", "CS")
    assert (again.num_clips, again.ensemble, again.checkpoint) == (2, "max", "best")
    assert "| CS | baseline |" not in capsys.readouterr().out, "it was measured with one sample"
    assert "samples of each: 2 (max)" in (out / "table.md").read_text()
    assert [run.label for run in measured_runs(out, ("CS",))] == ["baseline"]


def test_every_method_is_fine_tuned_from_three_starts():
    out = Path("out")
    plain = ActionGridConfig(out=out, protocol="CS").plan(("paab",), (3,))
    before = plan_pretraining(plain, out, "ntu", Path("first"))
    assert [(c.method, c.seed, c.data, c.root, c.protocol, str(c.out)) for c in before] == [
        (m, 3, "ntu", Path("first"), None, f"out/pretraining/{m}_seed3")
        for m in ("baseline", "paab")
    ]
    tuned = plan_fine_tuning(plain, out)
    assert [(str(c.out), c.init) for c in tuned] == [
        ("out/paab_seed3", None),
        ("out/paab_fresh_seed3", before[0].out),
        ("out/paab_pretrained_seed3", before[1].out),
    ]
    baseline = plan_fine_tuning(ActionGridConfig(out=out).plan(("baseline",), (0,)), out)
    assert [c.out.name for c in baseline if c.out] == [
        "baseline_seed0",
        "baseline_pretrained_seed0",
    ]


@pytest.mark.slow
def test_the_table_of_pretraining_has_a_column_for_each_start(tmp_path):
    for seed, right in ((0, 1), (1, 2)):
        stored_run(tmp_path, "paab", seed, right)
        stored_run(tmp_path, "paab", seed, 3, f"paab_fresh_seed{seed}", init=Path("a"))
    stored_run(tmp_path, "baseline", 0, 4, "baseline_pretrained_seed0", init=Path("a"))
    stored_run(tmp_path, "paab", 0, 4, "paab_other_seed0", epochs=2)
    table, picture = write_pretraining(tmp_path, measured_runs(tmp_path, ("CVS3",)))
    lines = table.read_text().splitlines()
    assert lines[2] == "| baseline | – | – | 100.0 |"
    assert lines[3] == "| paab | 37.5 ± 17.7 | 75.0 ± 0.0 | – |"
    assert Image.open(picture).format == "PNG"


@pytest.mark.slow
def test_pretraining_has_variants_of_its_own(squares, tmp_path, capsys):
    words = ["--root", str(squares), "--out", str(tmp_path / "out")]
    words += ["--pretrain-on", str(squares)]
    for more, remedy in (("--variant wide", "--variant wide"), ("--protocols CS", "--protocols")):
        with pytest.raises(SystemExit):
            main([*words, *more.split()])
        assert f"leave out {remedy}" in capsys.readouterr().err


@pytest.mark.slow
def test_methods_are_pretrained_once_and_fine_tuned(squares, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(compare, "run_all", all_here)
    out = tmp_path / "compared"
    command = ["--root", str(squares), "--out", str(out), "--jobs", "1", "--seeds", "0", *SMALL]
    command += ["--backbone.depth", "2", "--methods", "paab", "--pretrain-on", str(squares)]
    main(command)
    checkpoint = out / "pretraining" / "paab_seed0" / "checkpoints" / "last.safetensors"
    made = checkpoint.stat().st_mtime_ns
    main(command)
    assert checkpoint.stat().st_mtime_ns == made
    printed = capsys.readouterr().out
    for label in ("paab", "paab, fresh", "paab, pretrained"):
        assert f"| CS | {label} |" in printed
    assert (out / "pretraining_CS.md").exists() and (out / "pretraining_CS.png").exists()


def test_a_method_that_the_model_cannot_take_is_refused_before_any_training():
    with pytest.raises(OptionError, match="--method paab needs tokens"):
        ActionGridConfig(out=Path("c"), model="s3d").plan(("baseline", "paab"), (0,))

"""Comparing methods: what is planned, what is kept, what fails, what comes out."""

from __future__ import annotations

import csv
import multiprocessing
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from align import compare
from align.compare import main
from align.comparing.grid import plan, run_one
from align.config import BackboneConfig, TrainConfig
from align.engine.csv_files import read_csv
from align.engine.jobs import start_worker
from align.engine.run_folder import RunFolder
from align.methods import Method
from align.metrics.collapse import Collapse, Kind
from align.report.grid_page import as_html, as_markdown
from align.results.cells import group_tables
from align.results.evaluation import load_evaluation
from align.results.labels import label_runs, variant_of, variant_options
from align.results.paper import paper_error
from align.results.tables import measured_runs, result_tables, run_row, write_episodes, write_runs
from datasets.errors import OptionError
from datasets.storage.episode_file import EGO
from tests.align.conftest import tiny_config
from tests.align.hand_made_runs import PICKS, make_run, run_with_error
from tests.datasets.synthetic import make_data_set
from tests.shared import all_here


def test_an_unfinished_grid_has_all_methods_on_seen_views_first(tmp_path: Path) -> None:
    data = (Path("data/lift"), Path("elsewhere/can"))
    methods = ("deit", "paab+paat")
    configs = plan(TrainConfig(epochs=7), data, ("seen", "unseen"), methods, (3, 4), tmp_path)
    assert [(c.protocol, c.seed, str(c.data), c.method) for c in configs[:5]] == [
        ("seen", 3, "data/lift", "deit"),
        ("seen", 3, "data/lift", "paab+paat"),
        ("seen", 3, "elsewhere/can", "deit"),
        ("seen", 3, "elsewhere/can", "paab+paat"),
        ("seen", 4, "data/lift", "deit"),
    ]
    assert len({c.out for c in configs}) == len(configs) == 16
    assert configs[-1].out == tmp_path / "can_unseen" / "paab_paat_seed4"
    assert {c.epochs for c in configs} == {7}


def test_a_variant_stands_beside_the_plain_runs(tmp_path: Path) -> None:
    places = (Path("data/lift"),), ("seen",), ("paab+paat",), (0,), tmp_path
    plain, other = (plan(TrainConfig(), *places, variant)[0].out for variant in ("", "last-2.5"))
    assert plain is not None and other is not None
    assert plain.parent == other.parent == tmp_path / "lift_seen"
    assert (plain.name, other.name) == ("paab_paat_seed0", "paab_paat_last-2.5_seed0")
    with pytest.raises(OptionError, match="--variant"):
        plan(TrainConfig(), *places, "a/b")
    named = [
        variant_of(plan(TrainConfig(), *places, variant)[0]) for variant in ("", "last-2.5", "a_b")
    ]
    assert named == ["", "last-2.5", "a_b"]
    assert variant_of(TrainConfig(out=Path("mine"))) == variant_of(TrainConfig()) == ""


@pytest.fixture(scope="module")
def grid(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `align.compare` leaves it, with errors chosen by hand."""
    out = tmp_path_factory.mktemp("grid")
    for method, errors in {"deit": (0.2, 0.3), "paab": (0.1, 0.2)}.items():
        for seed, error in enumerate(errors):
            run_with_error(out / "dots_seen" / f"{method}_seed{seed}", data, method, seed, error)
    return out


@pytest.mark.slow
def test_csv_has_a_row_a_run(grid: Path, data: Path) -> None:
    write_runs(grid / "runs.csv", measured_runs(grid))
    with open(grid / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["method"], r["seed"], r["alignment_error"]) for r in rows] == [
        ("deit", "0", "0.2"),
        ("deit", "1", "0.3"),
        ("paab", "0", "0.1"),
        ("paab", "1", "0.2"),
    ]
    # Four epochs of a minute; no tau-b, no phases, in hand-made runs.
    assert {r["seconds"] for r in rows} == {"240.0"}
    assert {r["kendalls_tau_b"] + r["phase_f1"] for r in rows} == {""}
    assert {(r["data"], r["trained_on"]) for r in rows} == {(str(data), str(data))}


def test_csv_has_a_row_an_episode(data: Path, tmp_path: Path) -> None:
    config = TrainConfig(method="deit", seed=3, data=data)
    make_run(tmp_path / "out" / "dots_seen" / "deit_seed3", data, config, PICKS["deit"])
    runs = measured_runs(tmp_path / "out")
    write_episodes(tmp_path / "episodes.csv", runs)
    rows = read_csv(tmp_path / "episodes.csv")
    evaluation = runs[0].evaluation
    pairs = evaluation.pairs
    assert [row["episode"] for row in rows] == sorted({pair.episode for pair in pairs})
    for row in rows:
        assert (row["method"], row["seed"], row["protocol"]) == ("deit", "3", "seen")
        assert row["data_identity"] == (evaluation.identity or "")
        assert row["processor"] == evaluation.processor
        own = [pair for pair in pairs if pair.episode == row["episode"]]
        third = [pair for pair in own if EGO not in (pair.view1, pair.view2)]
        for column, some in (("alignment_error", own), ("alignment_error_third", third)):
            errors = [pair.metrics["alignment_error"] for pair in some]
            assert float(row[column]) == pytest.approx(np.mean(errors))


@pytest.mark.slow
def test_csv_tells_what_was_learned_from_where_that_is_another_data_set(
    data: Path, tmp_path: Path
) -> None:
    config = TrainConfig(method="deit", train_on=tmp_path / "drawn")
    make_run(tmp_path / "out" / "dots_seen" / "deit_seed0", data, config, PICKS["deit"])
    (row,) = map(run_row, measured_runs(tmp_path / "out"))
    assert (row["data"], row["trained_on"]) == (str(data), str(tmp_path / "drawn"))


@pytest.mark.slow
def test_table_has_change_interval_and_p(grid: Path) -> None:
    (table,) = result_tables(measured_runs(grid))
    deit, paab = table.rows
    assert deit.test is None and paab.test is not None
    assert paab.test.seeds == 2
    text = as_markdown([table])
    header, _, first, second, random = [line for line in text.splitlines() if line.startswith("|")]
    assert header.startswith("| method | alignment error ↓ | against deit | p |")
    assert first.startswith("| deit | 0.250 ± 0.071 | – | – |")
    # Embeddings of paab are perfect in these runs, whatever means were written.
    assert second.startswith("| paab | 0.150 ± 0.071 | −100.0 % (–) |")
    assert random == "| random, about | 0.333 |  |  |  |"
    assert "Holm" in text and "over seeds and test episodes" in text
    page = as_html([table], grid)
    assert "dots_seen/report.html" in page and "0.250 ± 0.071" in page


@pytest.mark.slow
def test_a_variant_has_its_name_as_label_and_its_options_in_a_note(grid: Path, data: Path) -> None:
    runs = measured_runs(grid)
    (own,) = [run for run in runs if (run.label, run.config.seed) == ("paab", 1)]
    quick = replace(own.config, epochs=5, batch=replace(own.config.batch, spread=True))
    configs = [run.config for run in runs]
    # The variant's number of passes is that of one of the others, so it is not what makes it.
    configs[0] = replace(configs[0], epochs=5)
    variant = replace(quick, out=grid / "dots_seen" / "paab_quick_seed1")
    labels = label_runs([*configs, variant])
    assert labels == ["deit, epochs 5", f"deit, epochs {own.config.epochs}", *["paab"] * 2] + [
        "paab, quick"
    ]
    differing = [
        replace(run, label=label, config=config)
        for run, label, config in zip([*runs, own], labels, [*configs, variant], strict=True)
    ]
    assert variant_options(differing) == {"paab, quick": "batch.spread True"}
    alone = replace(own, label="paab, quick", config=variant)
    assert variant_options([alone]) == {}
    tables = result_tables(differing)
    assert "Variants: paab, quick: batch.spread True." in as_markdown(tables)
    assert "Variants: paab, quick: batch.spread True." in as_html(tables, grid)


@pytest.mark.slow
def test_papers_numbers_stand_beside_ours_on_its_worlds_alone(grid: Path) -> None:
    assert paper_error("lift", "seen", "deit") == 0.095
    assert paper_error("lift", "unseen", "deit") is None
    assert paper_error("can", "seen", "tcn") is None
    runs = measured_runs(grid)
    assert "paper" not in as_markdown(result_tables(runs)).splitlines()[4]
    lift = [replace(r, evaluation=replace(r.evaluation, world="lift")) for r in runs]
    lines = as_markdown(result_tables(lift)).splitlines()
    assert "| p | paper |" in lines[4]
    assert "| 0.095 |" in lines[6]
    # The paper's runs learned from the world that they were tested on.
    elsewhere = [replace(r, config=replace(r.config, train_on=Path("data/can"))) for r in lift]
    assert "| paper |" not in as_markdown(result_tables(elsewhere))


@pytest.mark.slow
def test_chance_is_told_apart_from_collapse(grid: Path) -> None:
    kinds: dict[tuple[str, int], Kind] = {
        ("deit", 0): "chance",
        ("deit", 1): "chance",
        ("paab", 0): "none",
        ("paab", 1): "line",
    }
    runs = [
        replace(
            run,
            evaluation=replace(
                run.evaluation,
                collapse=Collapse(kinds[run.label, run.config.seed], 2.0, 1.0, 0.3, 0.49),
            ),
        )
        for run in measured_runs(grid)
    ]
    tables = result_tables(runs)
    for page in (as_markdown(tables), as_html(tables, grid)):
        assert "Collapsed: paab seed 1." in page
        assert "No better than random: deit seed 0 1." in page


@pytest.mark.slow
def test_runs_measured_on_other_views_than_most_are_told_and_left_out(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    group = tmp_path / "dots_seen"
    folders = [run_with_error(group / name, data, "deit", i, 0.2) for i, name in enumerate("abc")]
    # The first by name is the odd one.
    odd = load_evaluation(folders[0])
    replace(odd, pairs=[p for p in odd.pairs if p.view2 != "view_1"]).save(odd.embeddings())
    assert [run.folder for run in measured_runs(tmp_path)] == folders[1:]
    assert (
        f"left out: {folders[1]} and {folders[0]} differ in the episodes and views" in caplog.text
    )


@pytest.mark.slow
def test_convolutional_methods_name_their_own_network(data: Path, tmp_path: Path) -> None:
    methods: tuple[Method, ...] = ("deit", "disentangle", "tcn+paat")
    for method in methods:
        config = TrainConfig(method=method, backbone=BackboneConfig(depth=4))
        make_run(tmp_path / "dots_seen" / method, data, config, PICKS["deit"])
    runs = measured_runs(tmp_path)
    rows = {row["method"]: (row["backbone"], row["depth"]) for row in map(run_row, runs)}
    assert rows == {
        "deit": ("deit_tiny_patch16_224", 4),
        "disentangle": ("regnetx_002", ""),
        "tcn+paat": ("inception_v3", ""),
    }
    (table,) = result_tables(runs)
    assert table.setting.startswith(
        "deit_tiny_patch16_224, inception_v3, regnetx_002; transformers cut to 4 blocks; "
    )


@pytest.mark.slow
def test_runs_of_another_version_are_told_and_left_out(
    grid: Path, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept = run_with_error(tmp_path / "dots_seen" / "a", data, "deit", 0, 0.2)
    old = run_with_error(tmp_path / "dots_seen" / "b", data, "deit", 1, 0.2)
    path = old / "config.json"
    path.write_text(path.read_text().replace('"epochs"', '"epoch"'))
    assert [run.folder for run in measured_runs(tmp_path)] == [kept]
    assert f"left out: {path}" in caplog.text


@pytest.mark.slow
def test_random_embeddings_stand_beside_the_decodings(grid: Path) -> None:
    runs = measured_runs(grid)
    known = {"alignment_error_dtw": 0.1, "alignment_error_window": 0.05}
    runs = [
        replace(r, evaluation=replace(r.evaluation, metrics=r.evaluation.metrics | known))
        for r in runs
    ]
    (table,) = result_tables(runs)
    titles = [group.title for group, _ in group_tables(table)]
    assert titles == ["Alignment", "Alignment error by decoding", "Against deit by kinds of views"]
    lines = group_tables(table)[1][1]
    assert lines[1] == ["deit", "0.250 ± 0.071", "0.100 ± 0.000", "0.050 ± 0.000"]
    assert lines[-1][:2] == ["random, about", "0.333"]


@pytest.mark.slow
def test_a_run_tells_its_steps_and_is_measured_once(dots: Path, tmp_path: Path) -> None:
    config = tiny_config(dots, tmp_path / "run", epochs=1)
    done = multiprocessing.get_context("spawn").Array("d", 2)
    start_worker(done, threads=1)
    run_one(config, 1)
    assert done[:] == [0.0, 1.0]
    stored = tmp_path / "run" / "evaluation" / "test.json"
    written = stored.stat().st_mtime_ns
    run_one(config, 0)
    assert done[0] == 1.0 and stored.stat().st_mtime_ns == written
    # What another version stored is measured again.
    stored.write_text('{"split": "test"}')
    run_one(config, 0)
    assert load_evaluation(tmp_path / "run").metrics["phase_f1"] > 0


@pytest.mark.slow
def test_bad_input_is_refused_before_anything_is_trained(
    dots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one_view = make_data_set(tmp_path / "one", episodes=3, views=1, steps=12, size=32)
    arguments = ["--data", str(dots), str(one_view), "--out", str(tmp_path / "runs")]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--protocols", "unseen"])
    assert stopped.value.code == 2 and not (tmp_path / "runs").exists()
    assert "--protocol seen" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--data", str(dots), "--out", str(tmp_path / "runs"), "--batch.views", "9"])
    assert "--batch.views is 9" in capsys.readouterr().err and not (tmp_path / "runs").exists()
    with pytest.raises(SystemExit):
        main([*arguments, "--method", "paab"])
    assert "--methods" in capsys.readouterr().err


@pytest.mark.slow
def test_a_grid_without_a_measured_run_says_why(
    dots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "run_all", all_here)
    arguments = ["--data", str(dots), "--out", str(tmp_path), "--methods", "paab", "--seeds", "0"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--paab.positions", "9", "--backbone.depth", "1", "--jobs", "1"])
    assert stopped.value.code == 1
    assert "PAAB cannot come after block 9" in capsys.readouterr().err
    assert not (tmp_path / "overview.png").exists()


@pytest.mark.slow
def test_grid_outlives_a_run_that_fails_and_grows(
    dots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blind = make_data_set(tmp_path / "blind", episodes=3, steps=20, size=48)
    for path in (blind / "episodes").glob("*.hdf5"):
        with h5py.File(path, "a") as file:
            del file["obs/ego_keypoints"]
    out = tmp_path / "runs"
    seen = out / f"{dots.name}_seen"
    run_one(tiny_config(dots, seen / "deit_seed0", epochs=1), 0)
    arguments = ["--out", str(out), "--epochs", "1", "--backbone.depth", "1", "--jobs", "2"]
    arguments += ["--backbone.name", "test_vit", "--batch.times", "8"]
    arguments += ["--seeds", "0", "--methods", "paab"]
    with pytest.raises(SystemExit) as stopped:
        main([*arguments, "--data", str(dots), str(blind)])
    printed = capsys.readouterr()
    assert stopped.value.code == 1
    assert "failed" in printed.err and "ego" in printed.err and "--method deit" in printed.err
    assert RunFolder(seen / "paab_seed0").finished
    # The table is of all runs in the folder, also of those that this command did not make.
    for method in ("deit", "paab"):
        error = load_evaluation(seen / f"{method}_seed0").metrics["alignment_error"]
        assert f"| {method} | {error:.3f} |" in printed.out
    assert (seen / "report.html").exists()
    assert len((out / "runs.csv").read_text().splitlines()) == 3
    assert (out / "table.md").read_text().strip() in printed.out

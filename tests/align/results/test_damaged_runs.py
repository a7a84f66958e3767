"""One damaged file of one run is named, and the other runs go on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from align.config import TrainConfig
from align.engine.command import for_each
from align.engine.run_folder import RunFolder
from align.report.attention import _analysed
from align.report.grid_page import as_markdown
from align.results.cells import warnings
from align.results.evaluation import load_evaluation
from align.results.runs import load_runs
from align.results.tables import measured_runs, result_tables, run_row
from datasets.errors import DataError, MissingDataError
from tests.align.hand_made_runs import run_with_error

DAMAGES: dict[str, Callable[[Path], object]] = {
    "metrics.csv": lambda path: path.write_text("epoch,seconds\none,two\n"),
    "evaluation/test.json": lambda path: path.write_text('{"run": '),
    "evaluation/test_embeddings.safetensors": lambda path: path.write_bytes(path.read_bytes()[:99]),
    "config.json": lambda path: path.write_text("[]"),
}


@pytest.fixture
def grid(data: Path, tmp_path: Path) -> Path:
    for method in ("deit", "paab"):
        run_with_error(tmp_path / "dots_seen" / f"{method}_seed0", data, method, 0, 0.1)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("name", DAMAGES)
def test_the_other_runs_are_tabulated_and_reported(
    grid: Path, name: str, gone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [run.path for run in RunFolder.all_in(grid / "dots_seen")]
    damaged = grid / "dots_seen" / "paab_seed0" / name
    if gone:
        damaged.unlink()
    else:
        DAMAGES[name](damaged)
    with caplog.at_level(logging.WARNING, logger="align"):
        found = measured_runs(grid)
    assert [run.folder.name for run in found] == ["deit_seed0"]
    assert len(result_tables(found)[0].rows) == 1
    if gone and damaged.name in ("test.json", "config.json"):
        return  # such a folder is no measured run
    assert str(damaged) in caplog.text
    assert [run.folder.name for run in load_runs(runs)] == ["deit_seed0"]
    with pytest.raises(DataError, match=damaged.name):
        load_runs(runs[1:])


@pytest.mark.slow
def test_rows_of_other_processors_are_named_apart(grid: Path) -> None:
    runs = [run.path for run in RunFolder.all_in(grid / "dots_seen")]
    for run, processor in zip(runs, ("cpu, fp32", "NVIDIA H200, bf16"), strict=True):
        path = RunFolder(run).evaluation("test")
        stored = json.loads(path.read_text()) | {"processor": processor, "identity": "a" * 64}
        path.write_text(json.dumps(stored))
    found = load_runs(runs)
    assert [run.label for run in found] == ["deit, on cpu, fp32", "paab, on NVIDIA H200, bf16"]
    assert run_row(found[0])["data_identity"] == "a" * 64


@pytest.mark.slow
def test_rows_are_compared_with_the_baseline_of_their_own_processor(
    data: Path, tmp_path: Path
) -> None:
    errors = {
        ("deit", "Xeon, fp32"): 0.2,
        ("paab", "Xeon, fp32"): 0.1,
        ("deit", "EPYC, fp32"): 0.4,
        ("paab", "EPYC, fp32"): 0.3,
        ("paat", "H200, bf16"): 0.1,
        ("paat", "cpu, fp32"): 0.1,
    }
    for i, ((method, processor), error) in enumerate(errors.items()):
        run = tmp_path / "dots_seen" / f"{method}_{i}"
        run_with_error(run, data, method, 0, error)
        path = RunFolder(run).evaluation("test")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"processor": processor}))
    (table,) = result_tables(measured_runs(tmp_path))
    change = {row.summary.label: row.summary.change for row in table.rows}
    assert change == {
        "deit, on Xeon, fp32": None,
        "deit, on EPYC, fp32": None,
        "paab, on Xeon, fp32": pytest.approx(-50),
        "paab, on EPYC, fp32": pytest.approx(-25),
        "paat, on H200, bf16": None,
        "paat, on cpu, fp32": None,
    }
    assert {row.summary.label for row in table.rows if row.test} == {
        *("paab, on Xeon, fp32", "paab, on EPYC, fp32")
    }
    alone = [text for text in warnings(table) if text.startswith("Not compared")]
    assert alone == [
        "Not compared with deit: paat, on H200, bf16, since no run of deit was measured on H200, "
        "bf16.",
        "Not compared with deit: paat, on cpu, fp32, since an earlier version measured it, which "
        "stored no name of the processor. Measure it again with `python -m align.evaluate`.",
    ]
    assert all(text in as_markdown([table]) for text in alone)


def test_a_damaged_analysis_is_left_out(grid: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = RunFolder(grid / "dots_seen" / "deit_seed0")
    for path in (run.analysis("test"), run.attention("test")):
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    with caplog.at_level(logging.WARNING, logger="align"):
        assert not _analysed(run, "test")
    assert str(run.analysis("test")) in caplog.text


def test_each_run_has_its_turn(grid: Path, caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    def work(run: Path) -> None:
        load_evaluation(run)
        seen.append(run.name)

    missing = [grid / "a", grid / "b"]
    runs = [missing[0], grid / "dots_seen" / "deit_seed0", missing[1]]
    with pytest.raises(MissingDataError, match="/b/"):
        for_each(runs, work)
    assert seen == ["deit_seed0"] and "/a/" in caplog.text


@pytest.mark.slow
def test_measurements_of_other_data_are_in_no_common_table(
    grid: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(TrainConfig.load(grid / "dots_seen" / "paab_seed0"), method="paat")
    for method, identity in (("deit", "a"), ("paab", "b")):
        path = RunFolder(grid / "dots_seen" / f"{method}_seed0").evaluation("test")
        path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": identity * 64}))
    assert config.data is not None
    run_with_error(grid / "dots_seen" / "paat_seed0", config.data, "paat", 0, 0.1)
    path = RunFolder(grid / "dots_seen" / "paat_seed0").evaluation("test")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": "a" * 64}))
    with caplog.at_level(logging.WARNING, logger="align"):
        found = measured_runs(grid)
    assert [run.folder.name for run in found] == ["deit_seed0", "paat_seed0"]
    assert "paab_seed0" in caplog.text and "identity" in caplog.text

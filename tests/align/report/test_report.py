"""The report against runs whose every number is known."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from align.config import TrainConfig
from align.engine.run_folder import RunFolder
from align.metrics.alignment import METRICS
from align.metrics.collapse import Collapse
from align.metrics.phases import PhaseResult
from align.report.__main__ import run as run_command
from align.report.header import backbone, finding
from align.report.page import default_path, write_report
from align.results.analysis import (
    AttentionMaps,
    FeatureAnalysis,
    save_analysis,
    save_maps,
)
from align.results.evaluation import load_evaluation
from align.results.summary import SummaryRow
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError, OptionError
from tests.align.hand_made_runs import (
    PICKS,
    STEPS,
    Elements,
    decode,
    make_data,
    make_run,
    run_with_error,
)
from tests.datasets.synthetic import make_data_set

HOSTILE = "<script>alert('run')</script> & $x^2$"


@pytest.fixture(scope="module")
def page(runs: list[Path]) -> str:
    return write_report(runs).read_text(encoding="utf-8")


@pytest.mark.slow
def test_page_needs_no_other_file(page: str) -> None:
    fetched = {"src", "href", "xlink:href", "poster", "srcset", "data", "action"}
    tags = Elements(page).tags
    addresses = [v for _, values in tags for name, v in values.items() if name in fetched]
    assert len(addresses) > 3
    for address in addresses:
        assert address.startswith(("data:", "#")), address[:80]
    assert not {"script", "object", "embed", "base"} & {tag for tag, _ in tags}
    assert "@import" not in page
    assert all(target.startswith(("#", "data:")) for target in re.findall(r"url\(([^)]*)\)", page))
    assert len(page) < 6e6


@pytest.mark.slow
def test_table_has_a_row_a_method_with_mean_and_spread_over_seeds(page: str) -> None:
    rows = Elements(page).tables["summary"]
    # Deviations of 0.1, 0.12, 0.2 from their mean 0.14: -0.04, -0.02, 0.06; squares 0.0056 / 2.
    assert rows[1] == ["deit", "0.200 ± 0.100", "0.100 ± 0.050", "0.800 ± 0.100", "–", "3", "–"]
    assert rows[2][:4] == ["paab", "0.140 ± 0.053", "0.070 ± 0.026", "0.860 ± 0.053"]
    assert rows[2][-1] == "−30.0 %"
    assert rows[3] == ["paat", "0.250", "0.125", "0.750", "–", "1", "+25.0 %"]
    assert rows[4][:5] == ["perfect", "0.000", "0.000", "1.000", "1.000"]
    # All frames of 16 alike: (16 - 1) / (2 * 16).
    assert rows[6][:5] == ["collapsed to a point", "0.469", "0.469", "−1.000", "–"]
    assert len(rows) == 7


def test_page_lists_every_run_with_its_command(page: str, runs: list[Path]) -> None:
    rows = Elements(page).tables["runs"]
    assert [row[0] for row in rows[1:]] == [str(run) for run in runs]
    assert [row[6] for row in rows[1:]][:3] == ["0.100", "0.200", "0.300"]
    for run in runs:
        assert f"--out {run}" in page
    assert "Runs differ only in method and seed." in page
    assert "3 train, 1 valid, 1 test" in page


def test_every_table_says_what_is_better_what_chance_is_and_what_a_dash_means(page: str) -> None:
    for name, rows in Elements(page).tables.items():
        metrics = [cell for cell in rows[0] if "error" in cell or "τ" in cell]
        assert metrics and all(cell[-1] in "↓↑" for cell in metrics), name
    assert page.count("A dash (–): no value.") >= 1
    rows = Elements(page).tables["summary"]
    assert [row[0] for row in rows[-3:]] == ["perfect", "random, about", "collapsed to a point"]


@pytest.mark.slow
def test_header_counts_blocks_and_epochs(data: Path, tmp_path: Path, page: str) -> None:
    assert "<dd>deit_tiny_patch16_224</dd>" in page and "<dd>4 epochs; seeds 0, 1, 2</dd>" in page
    cut = replace(TrainConfig(), backbone=replace(TrainConfig().backbone, depth=4))
    folder = make_run(tmp_path / "cut", data, cut, PICKS["deit"])
    RunFolder(folder).save_history([{"epoch": 1, "train/time_contrastive": 1, "seconds": 1}])
    text = write_report([str(folder)]).read_text(encoding="utf-8")
    assert "<dd>deit_tiny_patch16_224, 4 of 12 blocks</dd>" in text
    assert "<dd>1 epoch; seed 0</dd>" in text
    unknown = replace(cut, backbone=replace(cut.backbone, name="my_network"))
    assert backbone(unknown) == "my_network, the first 4 blocks"


def test_finding_says_when_a_difference_is_within_the_spread(page: str) -> None:
    assert "paab has the lowest alignment error, 0.140 ± 0.053, 30.0 % below deit" in page
    assert "less than the spread over seeds" in page
    assert "With one seed of a method" in page


def test_finding_names_the_methods_that_the_best_one_hardly_beats() -> None:
    def row(label: str, error: float, change: float | None) -> SummaryRow:
        return SummaryRow(
            label, (0, 1), {"alignment_error": error}, {"alignment_error": 0.01}, change
        )

    rows = [row("deit", 0.3, None), row("paat", 0.305, 1.7), row("paab", 0.32, 6.7)]
    assert finding(rows) == (
        "deit has the lowest alignment error, 0.300 ± 0.010, "
        "lower than paat by less than the spread over seeds."
    )
    assert "less than" not in finding([rows[0], rows[2]])


@pytest.mark.slow
def test_hostile_names_are_escaped(data: Path, tmp_path: Path) -> None:
    # A folder cannot hold a slash, so the closing tag makes it a path of two.
    folder = make_run(tmp_path / HOSTILE, data, TrainConfig(), PICKS["deit"])
    other = replace(TrainConfig(), backbone=replace(TrainConfig().backbone, name=HOSTILE))
    second = make_run(tmp_path / "b", data, other, PICKS["deit"])
    text = write_report([folder, second], tmp_path / "out.html").read_text(encoding="utf-8")
    assert "script" not in {tag for tag, _ in Elements(text).tags}
    assert "&lt;script&gt;alert(" in text
    assert any(HOSTILE in row[1] for row in Elements(text).tables["runs"])


@pytest.mark.slow
def test_runs_of_a_method_with_other_options_are_rows_of_their_own(
    data: Path, tmp_path: Path
) -> None:
    config = TrainConfig(method="paab")
    longer = replace(config, epochs=80, seed=1)
    folders = [
        make_run(tmp_path / "a", data, config, PICKS["deit"]),
        make_run(tmp_path / "b", data, longer, PICKS["paab"]),
    ]
    text = write_report(folders).read_text(encoding="utf-8")
    rows = Elements(text).tables["summary"]
    assert [row[0] for row in rows[1:3]] == ["paab, epochs 40", "paab, epochs 80"]
    assert "runs differ in: epochs" in " ".join(text.split())


@pytest.mark.slow
def test_page_says_what_was_learned_from_where_that_is_another_data_set(
    data: Path, tmp_path: Path, page: str
) -> None:
    learned = TrainConfig(method="paat", train_on=tmp_path / "drawn_cameras")
    text = write_report([make_run(tmp_path / "a", data, learned, PICKS["paab"])]).read_text("utf-8")
    assert f"<dt>Training data</dt><dd>{tmp_path / 'drawn_cameras'}</dd>" in text
    assert "Training data" not in page


@pytest.mark.slow
def test_phases_decodings_and_collapse_are_shown_where_they_are_known(
    page: str, data: Path, tmp_path: Path
) -> None:
    assert "alignment-error-by-decoding" not in Elements(page).tables
    assert "collapsed (" not in page
    run = make_run(tmp_path / "run", data, TrainConfig(), PICKS["deit"])
    stored = load_evaluation(run)
    known = {"alignment_error_dtw": 0.125, "phase_f1": 0.75, "across_phase_f1": 0.5}
    phases = [
        PhaseResult(first, second, {"phase_f1": 0.75 if first == second else 0.5})
        for first in ("ego", "view_0")
        for second in ("ego", "view_0")
    ]
    collapse = Collapse("point", 1.5, 0.25, 0.47, 0.469)
    replace(stored, metrics=stored.metrics | known, phases=phases, collapse=collapse).save(
        stored.embeddings()
    )
    elements = Elements(text := write_report([run]).read_text(encoding="utf-8"))
    error = f"{stored.metrics['alignment_error']:.3f}"
    decoded = elements.tables["alignment-error-by-decoding"]
    assert decoded[:2] == [
        ["method", "nearest frame ↓", "monotone (DTW) ↓"],
        ["deit", error, "0.125"],
    ]
    assert decoded[2][:2] == ["random, about", "0.333"]
    assert 0 < float(decoded[2][2]) < 0.333
    header, row, chance = elements.tables["phases-of-the-task-across-views"]
    assert (header, row) == (["method", "phase F1 ↑"], ["deit", "0.500"])
    # All frames of the phase with the most frames: its share is the precision, its recall is 1.
    test_phases = np.concatenate([EpisodeDataset(data, "test").phases(0)])
    share = np.bincount(test_phases).max() / len(test_phases)
    assert chance == ["random, about", f"{2 * share**2 / (1 + share):.3f}"]
    assert "Phase F1 from each view to each view" in text
    assert "effective rank 1.5, spread 0.250" in text and "--head.whiten" in text


@pytest.mark.slow
def test_errors_of_phases_are_shown_with_their_share_of_the_frames(page: str, data: Path) -> None:
    header, *rows = Elements(page).tables["phase-errors"]
    dataset = EpisodeDataset(data, "test")
    phases = np.concatenate([dataset.phases(i) for i in range(len(dataset))])
    shares = [f"{np.mean(phases == k):.0%}" for k in range(len(dataset.meta.phases))]
    named = zip(dataset.meta.phases, shares, strict=True)
    errors_in = [f"error in {name} ({share}) ↓" for name, share in named]
    assert header == ["method", "pairs of views", *errors_in]
    pairs = {kind for _, kind, *_ in rows}
    assert pairs == {"with the first-person view", "among third-person views"}
    assert all(f"<h3>Pairs {kind}</h3>" in page for kind in pairs)
    errors = {(label, kind): [float(value) for value in values] for label, kind, *values in rows}
    for kind in pairs:  # paab's picks are all right
        assert not any(errors["paab", kind]) and all(errors["deit", kind])
    assert "share of frames" in page


@pytest.mark.slow
def test_what_tokens_tell_is_shown_of_runs_that_have_been_analysed(
    page: str, data: Path, tmp_path: Path
) -> None:
    assert "Pose information in the tokens" not in page
    folders = [
        make_run(tmp_path / method, data, TrainConfig(method=method), PICKS[method])
        for method in ("deit", "paab")
    ]
    keypoints = len(EpisodeDataset(data, "test").skeleton)
    shares = [0.0, 0.5, 0.5, 0.0, 0.0]
    analysis = FeatureAnalysis([0.1, 0.2], [[0.3] * keypoints] * 2, [shares] * 2, [0.4, 0.5])
    save_analysis(analysis, RunFolder(folders[0]).analysis("test"))
    maps = AttentionMaps("demo_4", [0, 9], {"ego": [[[1.0, 3.0], [0.0, 0.0]]] * 2})
    save_maps(maps, RunFolder(folders[0]).attention("test"))
    text = write_report(folders).read_text(encoding="utf-8")
    assert "Pose information in the tokens" in text and "Attention in demo_4" in text
    assert "t = 9" in text
    assert f"python -m align.analyze {folders[1]}<" in text
    # Trained on since: what was analysed is no longer what is reported.
    checkpoint = folders[0] / "checkpoints" / "best.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.touch()
    late = RunFolder(folders[0]).analysis("test").stat().st_mtime + 10
    os.utime(checkpoint, (late, late))
    assert "Pose information" not in write_report(folders).read_text(encoding="utf-8")


def test_default_place_is_the_run_or_what_runs_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert default_path([Path("runs/a")]) == Path("runs/a/report.html")
    assert default_path([Path("runs/a"), Path("runs/b")]) == Path("runs/report.html")
    assert default_path([Path("runs/x/a"), Path("runs/y/b")]) == Path("runs/report.html")


def test_page_names_the_command_that_shows_its_episode(page: str, data: Path) -> None:
    (command,) = re.findall(r"<code>(python -m align\.view [^<]*)</code>", page)
    episode = EpisodeDataset(data, "test").names[0]
    assert command.endswith(f"--data {data} --split test --episode {episode}")


def test_page_holds_the_video_and_its_poster(page: str) -> None:
    tags = Elements(page).tags
    (video,) = [values for tag, values in tags if tag == "video"]
    assert {"controls", "loop", "muted", "playsinline"} <= video.keys()
    frames, _ = decode(base64.b64decode(video["src"].removeprefix("data:video/mp4;base64,")))
    assert len(frames) == STEPS
    assert frames[0].shape[:2] == (int(video["height"]), int(video["width"]))
    content = base64.b64decode(video["poster"].removeprefix("data:image/jpeg;base64,"))
    poster = np.asarray(Image.open(io.BytesIO(content)), np.float32)
    assert np.abs(poster - frames[STEPS // 2]).mean() < 4


def test_page_holds_the_episode_with_every_view_as_it_was_measured(page: str) -> None:
    (frame,) = [values for tag, values in Elements(page).tags if tag == "iframe"]
    (found,) = re.findall(r'<script[^>]*id="inlined"[^>]*>(.*?)</script>', frame["srcdoc"])
    shown = json.loads(found)
    about = shown["about.json"]
    (i,) = [int(path.split("/")[1]) for path in shown if re.match(r"episodes/\d+/about", path)]
    assert [run["label"] for run in about["runs"]] == ["deit", "paab", "paat"]
    views = [view["name"] for view in shown[f"episodes/{i}/about.json"]["views"]]
    for r, label in enumerate(("deit", "paab")):
        picks = shown[f"runs/{r}/episodes/{i}/picks.json"]["nearest"]
        assert picks[views.index("view_0")][views.index("ego")] == list(PICKS[label])


@pytest.mark.slow
def test_unknown_episode_or_view_names_those_there_are(runs: list[Path]) -> None:
    with pytest.raises(OptionError, match="--episode.*demo_4"):
        write_report(runs, episode="demo_99")
    with pytest.raises(OptionError, match="view_7.*view_0.*view_1"):
        write_report(runs, view="view_7")


@pytest.mark.slow
def test_unmeasured_run_names_the_command(
    runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TrainConfig(out=tmp_path).save(tmp_path)
    with pytest.raises(SystemExit) as error:
        run_command((runs[0], tmp_path))
    assert error.value.code == 2
    assert f"python -m align.evaluate {tmp_path} --split test" in capsys.readouterr().err


@pytest.mark.slow
def test_runs_of_different_data_or_views_do_not_compare(
    runs: list[Path], data: Path, tmp_path: Path
) -> None:
    elsewhere = make_data(tmp_path / "data")
    config = TrainConfig(method="paab", seed=9)
    other = make_run(tmp_path / "other", elsewhere, config, PICKS["deit"])
    with pytest.raises(MismatchError, match="the data set"):
        write_report([runs[0], other])
    valid = make_run(tmp_path / "valid", data, config, PICKS["deit"], split="valid")
    with pytest.raises(MissingDataError, match="--split test"):
        write_report([runs[0], valid])
    with pytest.raises(MismatchError, match=r"_0.*_0 .*deit .*seed 0"):
        copy = run_with_error(tmp_path / "deit_0", data, "deit", 0, 0.1)
        write_report([runs[0], copy])


@pytest.mark.slow
def test_data_set_that_moved_or_changed_is_named(data: Path, tmp_path: Path) -> None:
    root = make_data(tmp_path / "data")
    run = make_run(tmp_path / "run", root, TrainConfig(), PICKS["deit"])
    os.rename(root, tmp_path / "moved")
    with pytest.raises(MissingDataError, match=str(root)):
        write_report([run])
    make_data_set(root, episodes=5, views=2, steps=STEPS + 4, size=64)
    with pytest.raises(MismatchError, match=run.name):
        write_report([run])


@pytest.mark.slow
def test_command_prints_markdown_and_writes_csv(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path / "run", data, TrainConfig(), PICKS["paab"])
    run_command((run,))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| method | alignment error ↓ | cycle error ↓ | Kendall's τ")
    assert lines[2].startswith("| deit | 0.000 | 0.000 |")
    assert lines[4].startswith("| random, about | 0.333 |")
    assert "lower is better" in lines[6] and "A dash" in lines[6]
    assert lines[-1] == f"report: {run / 'report.html'}"
    assert (run / "report.html").exists()
    csv = (run / "summary.csv").read_text().splitlines()
    assert csv[0].split(",")[:3] == ["method", "seeds", f"{METRICS[0]}_mean"]
    assert csv[1].startswith("deit,0,0.0,,")

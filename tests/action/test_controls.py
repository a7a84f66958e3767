"""Controls without a picture of the person: their clues by hand, what they recognise, the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from action.comparing import controls
from action.comparing.controls import CONTROLS_NAME, Control, border_widths, find_controls, timeline
from action.config import ActionConfig, ClipBatchConfig
from action.results import notes, result_rows, table
from datasets.clips.samples import Crop
from tests.action.test_compare import run_of


def test_a_border_is_a_share_of_the_cut() -> None:
    # A cut of 50 pixels in a picture 40 high and 60 wide: 10 rows below it are not in the picture.
    assert border_widths(Crop(5, 0, 50), 40, 60) == pytest.approx([0, 0, 0, 0.2])
    assert border_widths(Crop(-5, -4, 50), 40, 60) == pytest.approx([0.1, 0.08, 0, 0.12])
    assert not border_widths(Crop(5, 5, 20), 40, 60).any()


def test_missing_keypoints_are_interpolated_over_time() -> None:
    keypoints = np.full((31, 2, 2), np.nan, np.float32)
    keypoints[0, 0], keypoints[30, 0] = (0, 1), (15, 1)
    x, y, *never = timeline(keypoints).reshape(4, 16)
    assert x == pytest.approx(np.arange(16))
    assert y == pytest.approx(np.ones(16))
    assert np.isnan(never).all()


def config_of(squares: Path, inside: bool = True) -> ActionConfig:
    return ActionConfig(root=squares, batch=ClipBatchConfig(inside=inside))


@pytest.mark.slow
def test_keypoints_tell_motions_apart_and_the_border_only_where_there_is_one(
    squares: Path, tmp_path: Path
) -> None:
    within = {c.control: c for c in find_controls(config_of(squares), ("CS",), tmp_path)}
    assert list(within) == ["border", "cut", "keypoints"]
    assert within["keypoints"].top1 > 0.9
    # All clips are equal then, so that all 12 are taken for one class of three.
    assert within["border"].top1 == pytest.approx(1 / 3)
    assert (within["border"].clips, within["border"].top5) == (12, None)
    # A square that moves makes the cut larger than the picture, one that stands still does not.
    beyond = find_controls(config_of(squares, inside=False), ("CS",), tmp_path / "beyond")
    assert beyond[0].top1 > 0.5


def control(name: str, protocol: str, top1: float) -> Control:
    return Control(name, "CVS1", protocol, top1, top1, 4, "digest")


def test_controls_are_kept_for_the_same_clips_and_cut(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    measured = []

    def fake(config, train, tests, identities):
        measured.append([data.protocol for data in tests])
        return [
            Control("border", train.protocol, name, 0.5, 0.5, 12, identity)
            for name, identity in identities.items()
        ]

    monkeypatch.setattr(controls, "_measure", fake)
    config, path = config_of(squares), tmp_path / CONTROLS_NAME
    first = find_controls(config, ("CS",), tmp_path)
    assert find_controls(config, ("CS",), tmp_path) == first
    assert measured == [["CS"]]
    # The controls of another protocol, which other runs in the folder were measured on, stay.
    other = control("border", "CVS1", 0.25)
    controls._save(path, [*first, other])
    assert find_controls(config_of(squares, inside=False), ("CS",), tmp_path) != first
    assert [c.protocol for c in controls._load(path)] == ["CS", "CVS1"]
    assert controls._load(path)[1] == other
    path.write_text("control,protocol\nborder\n")
    assert find_controls(config, ("CS",), tmp_path) == first
    assert measured == [["CS"]] * 3
    assert "measured again" in caplog.text


def test_controls_stand_below_chance() -> None:
    runs = [run_of("baseline", 0, [True, False])]
    found = [control("keypoints", "CVS3", 0.75), control("border", "CVS1", 0.5)]
    lines = table(result_rows(runs), found)
    assert [line[:2] for line in lines[1:]] == [
        ["CVS3", "baseline"],
        ["CVS3", "random, about"],
        ["CVS3", "keypoints alone"],
    ]
    assert lines[3][2:] == ["", "75.0", "75.0", "", ""]
    assert "Border alone" in notes(runs, found)[-1] and "Border" not in notes(runs)[-1]

"""The protocols that split action data sets."""

import logging
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from datasets.clips.sets import FORMATS, protocol_parts


def all_ntu(tmp_path, frames=32):
    """A clip of every camera and replication for subjects 1 (trained on) and 3 (tested on)."""
    skeleton = tmp_path / "any.skeleton"
    skeleton.write_text(f"{frames}\n")
    return [
        replace(
            FORMATS["ntu"].identify(Path(f"S001C00{c}P00{p}R00{r}A005_rgb.avi")), skeleton=skeleton
        )
        for c, p, r in product((1, 2, 3), (1, 3), (1, 2))
    ]


def seen(clips):
    return {(clip.subject, clip.camera, clip.replication) for clip in clips}


def test_ntu_protocols(tmp_path):
    clips = all_ntu(tmp_path)
    parts = FORMATS["ntu"].split(clips, "CS")
    assert {clip.subject for clip in parts["train"]} == {1}
    assert {clip.subject for clip in parts["test"]} == {3}
    parts = FORMATS["ntu"].split(clips, "CV")
    assert {clip.camera for clip in parts["train"]} == {2, 3}
    assert {clip.camera for clip in parts["test"]} == {1}
    assert parts["valid"] == []


def test_ntu_s_subjects_are_split_as_published(tmp_path):
    first = all_ntu(tmp_path)[:6]  # a subject in all cameras, which the CVS protocols ask for
    clips = [replace(clip, subject=subject) for clip in first for subject in range(1, 41)]
    train = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
    for protocol in ("CS", "CVS1", "CVS2", "CVS3"):
        parts = FORMATS["ntu"].split(clips, protocol)
        assert {clip.subject for clip in parts["train"]} == train
        assert {clip.subject for clip in parts["test"]} == set(range(1, 41)) - train
        assert parts["valid"] == []


@pytest.mark.parametrize(
    ("protocol", "test"),
    [
        ("CVS1", {(3, 2, 2), (3, 3, 1)}),
        ("CVS2", {(3, 1, 1), (3, 1, 2)}),
        ("CVS3", {(3, 2, 1), (3, 3, 2)}),
    ],
)
def test_ntu_cross_view_subject(tmp_path, protocol, test):
    parts = FORMATS["ntu"].split(all_ntu(tmp_path), protocol)
    assert seen(parts["train"]) == {(1, 2, 2), (1, 3, 1)}
    assert seen(parts["test"]) == test


def test_cross_view_subject_wants_all_three_views_with_32_frames(tmp_path, caplog):
    clips = all_ntu(tmp_path)
    missing = [clip for clip in clips if (clip.subject, clip.camera, clip.replication) != (3, 1, 2)]
    with caplog.at_level(logging.WARNING):
        parts = FORMATS["ntu"].split(missing, "CVS3")
    # The whole performance is left out, though its 90 degree view is there.
    assert seen(parts["test"]) == {(3, 2, 1)}
    assert "leave out 1 of 4 performances" in caplog.text
    poseless = [replace(clip, skeleton=None) if clip.camera == 2 else clip for clip in clips]
    assert FORMATS["ntu"].split(poseless, "CVS1")["train"] == []
    assert FORMATS["ntu"].split(all_ntu(tmp_path, frames=31), "CVS1")["train"] == []


def smarthome_clips():
    return [
        FORMATS["smarthome"].identify(Path(f"{action}_p{p:02d}_r00_v00_c0{c}.mp4"))
        for action, p, c in product(("Walk", "WatchTV"), range(1, 26), range(1, 8))
    ]


def test_smarthome_cross_subject():
    parts = FORMATS["smarthome"].split(smarthome_clips(), "CS")
    assert {p: {clip.subject for clip in parts[p]} for p in parts} == {
        "train": {3, 4, 6, 7, 9, 12, 13, 15, 17},
        "valid": {19, 25},
        "test": {2, 10, 11, 14, 16, 18, 20},
    }
    assert {clip.label for clip in parts["train"]} == {29, 30}


@pytest.mark.parametrize(("protocol", "train"), [("CV1", {1}), ("CV2", {1, 3, 4, 6, 7})])
def test_smarthome_cross_view_has_classes_of_its_own(protocol, train):
    parts = FORMATS["smarthome"].split(smarthome_clips(), protocol)
    cameras = {part: {clip.camera for clip in parts[part]} for part in parts}
    assert cameras == {"train": train, "valid": {5}, "test": {2}}
    classes = FORMATS["smarthome"].classes_of(protocol)
    assert len(classes) == 19
    clips = [clip for part in parts.values() for clip in part]
    assert {(clip.label, classes[clip.label]) for clip in clips} == {(18, "Walk")}


def nucla_clips():
    return [
        FORMATS["nucla"].identify(Path(f"a01/v0{v}_s{s:02d}_e00.avi"))
        for v, s in product((1, 2, 3), range(1, 11))
    ]


@pytest.mark.parametrize("view", [1, 2, 3])
def test_nucla_tests_on_the_view_of_the_protocol_s_name(view):
    parts = FORMATS["nucla"].split(nucla_clips(), f"CV{view}")
    assert {clip.camera for clip in parts["test"]} == {view}
    assert {clip.camera for clip in parts["train"]} == {1, 2, 3} - {view}


def test_protocols_that_average_others():
    assert protocol_parts("nucla", "CV") == ("CV1", "CV2", "CV3")
    assert protocol_parts("nucla", "CV3") == ("CV3",)
    assert protocol_parts("ntu", "CV") == ("CV",)
    for name, fmt in FORMATS.items():
        parts = {part for protocol in fmt.protocols for part in protocol_parts(name, protocol)}
        assert parts == set(fmt.protocols)

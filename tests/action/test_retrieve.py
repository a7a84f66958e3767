"""Search by features: known answers, a naive loop, and whole runs across data sets."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from action.config import ClipSource
from action.features import ClipFeatures, clip_features
from action.retrieval import describe, retrieve_clips
from action.retrieve import main
from action.retrieve import run as run_command
from action.search import average_precision, common_labels, retrieve
from action.train import make_trainer
from align.engine.run_folder import RunFolder
from datasets.clips.mocap import MocapMeta
from datasets.clips.sets import get_format
from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    UnknownNameError,
)
from datasets.video import write_video
from tests.action.conftest import FRAMES, write_squares
from tests.action.test_train import config_for


def on_a_line(places) -> np.ndarray:
    return np.array(places, np.float32)[:, None]


def test_known_answers():
    # Class 0 is found at ranks 2 and 4, class 1 at ranks 1 and 3, class 2 nowhere.
    gallery, labels = on_a_line([1, 2, 3, 4]), np.array([1, 0, 1, 0])
    found = retrieve(on_a_line([0, 0, 0]), gallery, np.array([0, 1, 2]), labels, "euclidean")
    assert found.queries.tolist() == [0, 1]
    assert found.nearest.tolist() == [[0, 1, 2, 3]] * 2
    assert found.metrics["recall@1"] == 0.5
    assert found.metrics["recall@5"] == found.metrics["recall@10"] == 1
    assert found.metrics["map"] == pytest.approx(((1 / 2 + 2 / 4) / 2 + (1 / 1 + 2 / 3) / 2) / 2)


def test_a_clip_does_not_find_itself():
    features, labels = on_a_line([0, 1, 3, 7]), np.array([0, 1, 0, 2])
    found = retrieve(features, features, labels, labels, "euclidean", np.arange(4))
    assert found.queries.tolist() == [0, 2]  # the others are alone in their classes
    assert found.nearest.tolist() == [[1, 2, 3], [1, 0, 3]]
    assert found.metrics["recall@1"] == 0
    assert found.metrics["map"] == 0.5


def test_a_small_gallery_is_ranked_whole_also_when_some_queries_are_in_it():
    gallery, labels = on_a_line([0, 1, 3]), np.array([0, 1, 2])
    # The first query is the first clip; the second one's only match is the farthest clip.
    queries, own = on_a_line([0, 0]), np.array([0, -1])
    found = retrieve(queries, gallery, np.array([1, 2]), labels, "euclidean", own)
    assert found.metrics["recall@1"] == 0.5
    assert found.metrics["recall@5"] == found.metrics["recall@10"] == 1


def test_cosine_sees_angles_alone():
    gallery = np.array([[10.0, 0.0], [0.1, 0.1]], np.float32)
    query = np.array([[0.5, 0.4]], np.float32)
    assert retrieve(query, gallery, np.zeros(1), np.zeros(2)).nearest.tolist() == [[1, 0]]
    assert retrieve(-query, gallery, np.zeros(1), np.zeros(2)).nearest.tolist() == [[0, 1]]


def naive(queries, gallery, query_labels, gallery_labels, own) -> dict[str, float]:
    recalls, precisions = [], []
    for query, label, place in zip(queries, query_labels, own, strict=True):
        rest = [i for i in range(len(gallery)) if i != place]
        rest.sort(key=lambda i, q=query: float(((gallery[i] - q) ** 2).sum()))
        hits = [gallery_labels[i] == label for i in rest]
        if any(hits):
            recalls.append([any(hits[:k]) for k in (1, 5, 10)])
            at = [rank for rank, hit in enumerate(hits, 1) if hit]
            precisions.append(np.mean([n / rank for n, rank in enumerate(at, 1)]))
    means = np.mean(recalls, axis=0)
    return {
        **dict(zip(("recall@1", "recall@5", "recall@10"), means, strict=True)),
        "map": np.mean(precisions),
    }


@pytest.mark.parametrize("at_once", [1, 300, 10_000])
def test_agrees_with_a_naive_loop(monkeypatch, at_once):
    monkeypatch.setattr("action.search._AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    queries, gallery = (rng.normal(size=(n, 3)).astype(np.float32) for n in (40, 60))
    gallery[:20] = queries[:20]
    own = np.concatenate([np.arange(20), np.full(20, -1)])
    labels = rng.integers(0, 25, 40), rng.integers(0, 25, 60)
    found = retrieve(queries, gallery, *labels, "euclidean", own).metrics
    assert found == pytest.approx(naive(queries, gallery, *labels, own))


def test_average_precision_counts_kept_clips_alone():
    same = torch.tensor([[False, True, False, True]])
    keep = torch.tensor([[False, True, True, True]])
    assert average_precision(same, keep).item() == pytest.approx((1 + 2 / 3) / 2)


def test_classes_are_matched_by_name():
    common, asked, searched = common_labels(["Sit down", "drop", "throw"], ["throw", "sit down"])
    assert common == ("sit down", "throw")
    assert asked.tolist() == [0, -1, 1]
    assert searched.tolist() == [1, 0]


def test_a_metric_is_known_and_features_are_numbers():
    one, label = on_a_line([1]), np.array([0])
    with pytest.raises(UnknownNameError, match="unknown metric 'dot'"):
        retrieve(one, one, label, label, "dot")
    with pytest.raises(FormatError, match="not finite"):
        retrieve(on_a_line([np.nan]), one, label, label)


def test_widths_that_differ_are_named():
    with pytest.raises(MismatchError, match="3.* 4"):
        retrieve(np.zeros((1, 3)), np.zeros((1, 4)), np.zeros(1), np.zeros(1))


@pytest.fixture(scope="module")
def run(squares, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "paab"
    make_trainer(config_for(squares, folder, "paab", epochs=1), progress=False).fit()
    return folder


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> Path:
    """Moving squares again, in N-UCLA's layout, and an action that the run does not know."""
    root, fmt = tmp_path_factory.mktemp("other"), get_format("nucla")
    for subject in (1, 10):
        for action, name in ((1, "down"), (2, "right"), (3, "jump")):
            clip = fmt.identify(Path(f"a{action:02}/v01_s{subject:02}_e00.avi"))
            assert clip is not None
            rng = np.random.default_rng([subject, action])
            frames = np.full((12, 64, 64, 3), 60, np.uint8)
            points = np.full((12, len(fmt.skeleton), 2), 32.0, np.float32)
            for t in range(12):
                x, y = 20 + 2 * t * (name == "right"), 20 + 2 * t * (name == "down")
                frames[t, y : y + 12, x : x + 12] = 200
                points[t] = (x + 6, y + 6) + rng.uniform(-6, 6, points[t].shape)
            for path in (root / fmt.video_name(clip), root / fmt.skeleton_name(clip)):
                path.parent.mkdir(parents=True, exist_ok=True)
            write_video(root / fmt.video_name(clip), frames, 30)
            fmt.write_keypoints(root / fmt.skeleton_name(clip), points, 64)
    motions = dict(zip(get_format("nucla").classes, ("down", "right", "jump"), strict=False))
    MocapMeta("nucla", motions, views=1, size=64, seed=0, command="tests").save(root)
    return root


@pytest.mark.slow
def test_test_clips_are_sought_among_training_clips(run, capsys):
    run_command((run,), pictured=2)
    stored = json.loads((run / "retrieval" / "test_in_train.json").read_text())
    assert stored["classes"] == ["down", "right", "still"]
    assert (stored["query_clips"], stored["gallery_clips"]) == (12, 18)
    assert all(len(found) == 10 for found in stored["found"].values())
    assert Image.open(run / "retrieval" / "test_in_train.png").format == "PNG"
    assert "recall@1" in capsys.readouterr().out


@pytest.mark.slow
def test_queries_of_another_data_set_are_matched_by_class_name(run, other):
    source = ClipSource("test", root=other)
    query = clip_features(run, source, progress=False)
    gallery = clip_features(run, ClipSource("train"), progress=False)
    assert len(query.clips) == 3
    result, rows = retrieve_clips(query, gallery)
    assert result.classes == ("down", "right")
    assert (result.query_clips, result.gallery_clips) == (2, 12)
    assert result.left_out == (1, 6)
    assert "left out 1 queries and 6 clips" in describe(result)
    assert {row[0].name for row in rows} == {"down", "right"}


@pytest.mark.slow
def test_features_are_made_once_until_the_weights_change(run, squares, other, monkeypatch):
    sources = [ClipSource("test"), ClipSource("test", root=other)]
    made = [clip_features(run, source, progress=False) for source in sources]
    monkeypatch.setattr(
        "action.recognizer.ClipRecognizer.recognize",
        lambda *_: pytest.fail("features are made again"),
    )
    for source, first in zip(sources, made, strict=True):
        again = clip_features(run, source, progress=False)
        assert np.array_equal(again.features, first.features)
        assert again.clips == first.clips
    with pytest.raises(pytest.fail.Exception, match="again"):
        clip_features(run, ClipSource("test"), num_clips=2, progress=False)
    monkeypatch.setattr("action.features.fingerprint", lambda path: "other weights")
    with pytest.raises(pytest.fail.Exception, match="again"):
        clip_features(run, ClipSource("test"), progress=False)


def test_a_query_does_not_find_its_own_video(run):
    test = clip_features(run, ClipSource("test"), progress=False)
    result, _ = retrieve_clips(test, test)
    assert all(name not in found for name, found in result.found.items())


def test_features_alone_are_searched(run, tmp_path, capsys):
    for split in ("test", "train"):
        clip_features(run, ClipSource(split), progress=False)
    files = [
        ClipSource(features=RunFolder(run).features(f"CS_{split}")) for split in ("test", "train")
    ]
    run_command(query=files[0], gallery=files[1], pictured=0, out=tmp_path)
    assert (tmp_path / "CS_test_in_CS_train.json").exists()
    with pytest.raises(SystemExit):
        run_command(query=files[0])
    assert "folders of runs" in capsys.readouterr().err


@pytest.mark.slow
def test_the_picture_trusts_the_pickles_that_the_run_trusts(tmp_path, capsys):
    root, run = write_squares(tmp_path / "pickled", 1), tmp_path / "run"
    for text in root.rglob("*.skeleton"):
        points = np.full((FRAMES, 25, 2), 960.0)  # the middle of a video 1920 pixels wide
        bodies = np.array({"rgb_body0": points}, dtype=object)
        np.save(text.with_name(f"{text.name}.npy"), bodies, allow_pickle=True)
        text.unlink()
    config = config_for(root, run, epochs=1, trust_pickles=True)
    make_trainer(config, progress=False).fit()
    run_command((run,), pictured=1)
    picture = run / "retrieval" / "test_in_train.png"
    assert Image.open(picture).format == "PNG"
    for split in ("test", "train"):
        clip_features(run, ClipSource(split), progress=False)
    files = [
        ClipSource(features=RunFolder(run).features(f"CS_{split}")) for split in ("test", "train")
    ]
    # The features' folder is no run: what is trusted must be said.
    with pytest.raises(SystemExit):
        run_command(query=files[0], gallery=files[1], out=tmp_path)
    assert "is a pickle" in capsys.readouterr().err
    run_command(query=files[0], gallery=files[1], out=tmp_path, trust_pickles=True)
    assert (tmp_path / "CS_test_in_CS_train.png").exists()


def test_features_that_cannot_be_compared_are_refused(run, tmp_path):
    test = clip_features(run, ClipSource("test"), progress=False)
    others = ClipFeatures(test.features, test.clips, test.classes, "other", 1)
    with pytest.raises(MismatchError):
        retrieve_clips(test, others)
    renamed = ClipFeatures(test.features, test.clips, ("a", "b", "c"), test.model, 1)
    with pytest.raises(MismatchError, match="a, b, c"):
        retrieve_clips(test, renamed)
    (tmp_path / "half.safetensors").write_bytes(
        RunFolder(run).features("CS_test").read_bytes()[:99]
    )
    for name, error in (("half", DamagedDataError), ("nowhere", MissingDataError)):
        with pytest.raises(error, match=name):
            ClipFeatures.load(tmp_path / f"{name}.safetensors")


def test_one_folder_does_not_take_the_results_of_two_runs(run, tmp_path, capsys):
    other = shutil.copytree(run, tmp_path / "other")
    with pytest.raises(SystemExit) as end:
        main([str(run), str(other), "--out", str(tmp_path / "out"), "--pictured", "0"])
    assert end.value.code == 2 and "one run's results" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_split_without_clips_is_named(run, other):
    source = ClipSource("valid", root=other)
    with pytest.raises(MissingDataError, match=f"{other} has no valid clips under CS"):
        clip_features(run, source, progress=False)

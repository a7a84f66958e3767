"""The command on moving dots: tables, measures, references, and runs that cannot be causal."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from align.config import BackboneConfig
from align.inputs.sampling import TimeConfig
from align.progress.__main__ import main
from align.train import make_trainer
from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.storage.episode_file import FAILURE
from datasets.storage.meta import DatasetMeta
from datasets.video import write_video
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set, make_episode, make_meta


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Moving dots, with two episodes that stop half-way and count as failures."""
    splits = {"train": range(4), "valid": [4], "test": [5, 6]}
    root = make_data_set(tmp_path_factory.mktemp("world"), 7, 1, (20, 28), 32, splits=splits)
    writer = EpisodeWriter(root, make_meta(1, 32))
    for index in (7, 8):
        episode = make_episode(writer.meta, index, (20, 28))
        for view, images in episode.images.items():
            images[len(images) // 2 :] = images[len(images) // 2]  # type: ignore[index]
            episode.images[view] = images  # type: ignore[index]
        episode.success = False
        writer.write(index, episode)
    writer.write_index({**splits, FAILURE: [7, 8]})
    return root


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "deit"
    make_trainer(tiny_config(world, folder, epochs=4), progress=False).fit()
    return folder


@pytest.mark.slow
def test_every_frame_gets_a_progress_and_every_method_its_measures(
    run: Path, world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(run), "--form", "both"])
    table = np.load(run / "progress" / "test.npz")
    data, failures = EpisodeDataset(world, "test"), EpisodeDataset(world, FAILURE)
    assert len(table["frame"]) == 2 * (sum(data.lengths) + sum(failures.lengths))
    names = [f"{form}_{m}" for form in ("offline", "causal") for m in ("nearest", "dtw", "goal")]
    assert list(table) == ["view", "episode", "frame", "time", *names]
    for name in names:
        assert table[name].min() >= 0 and table[name].max() <= 1
    of_all = json.loads((run / "progress" / "test.json").read_text())["views"]["all"]
    assert (of_all["videos"], of_all["failures"]) == (4, 4)
    # Dots are easy: their colour tells the time.
    assert of_all["order"]["offline_nearest"]["spearman_time"] > 0.9
    assert of_all["auc"]["causal_nearest"] > 0.9
    shown = capsys.readouterr().out
    assert "| causal_dtw |" in shown and f"{run / 'progress' / 'test.npz'}: " in shown


@pytest.mark.slow
@pytest.mark.parametrize(("centre", "warned"), [("references", True), ("start", False)])
def test_drawn_cameras_call_for_the_centre_of_their_start(
    run: Path,
    world: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    centre: str,
    warned: bool,
) -> None:
    drawn = tmp_path / "drawn"
    shutil.copytree(world, drawn)
    meta = DatasetMeta.load(drawn)
    replace(meta, random_cameras=True).save(drawn)
    data, out = ["--data", str(drawn)], ["--out", str(tmp_path / "out.npz")]
    main([str(run), *data, "--episodes", "1", "--form", "causal", "--centre", centre, *out])
    assert ("--centre start" in caplog.text) == warned


@pytest.mark.slow
def test_videos_have_progress_by_videos(
    run: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = EpisodeDataset(world, "train", ["view_0"])
    videos = [tmp_path / f"{i}.mp4" for i in range(3)]
    for i, video in enumerate(videos):
        write_video(video, data.images(i, "view_0"), 10.0, crf=0)
    out = tmp_path / "out.npz"
    named = [str(video) for video in videos[1:]]
    main([str(run), str(videos[0]), "--reference", *named, "--out", str(out), "--nearest", "1"])
    table = np.load(out)
    assert set(table["episode"]) == {str(videos[0])}
    assert np.corrcoef(table["offline_nearest"], table["frame"])[0, 1] > 0.8
    assert (np.diff(table["offline_dtw"]) >= 0).all()
    assert not out.with_suffix(".json").exists()
    # A name that the command chose itself may be that of other videos.
    chosen = run / "progress" / "0.npz"
    main([str(run), str(videos[0]), "--reference", *named])
    written = chosen.read_bytes()
    with pytest.raises(SystemExit) as end:
        main([str(run), str(videos[0]), "--reference", *named, "--form", "causal"])
    assert end.value.code == 2
    assert f"{chosen} exists, and other videos" in capsys.readouterr().err
    assert chosen.read_bytes() == written


@pytest.mark.slow
def test_a_checkpoint_alone_knows_no_data_and_has_no_folder(
    run: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = str(run / "checkpoints" / "best.safetensors")
    video = tmp_path / "video.mp4"
    write_video(video, EpisodeDataset(world, "train").images(0, "view_0"), 10.0)
    reference, out = ["--reference", str(video)], ["--out", str(tmp_path / "out.npz")]
    for words, message in (
        ([str(video), *reference], "name the file to write: --out"),
        ([*out, *reference], "name a data set by --data"),
        ([str(video), *reference, "--reference-data", str(world), *out], "videos alone"),
    ):
        with pytest.raises(SystemExit):
            main([weights, *words])
        assert message in capsys.readouterr().err
    main([weights, "--data", str(world), "--episodes", "1", "--views", "ego", *reference, *out])
    assert set(np.load(tmp_path / "out.npz")["episode"]) == {"demo_5", "demo_7"}


@pytest.mark.slow
def test_a_video_that_is_its_own_reference_or_of_another_world_is_told(
    run: Path, world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = ["--episodes", "1", "--views", "ego", "--out", str(tmp_path / "out.npz")]
    main([str(run), *words])
    assert not caplog.text
    main([str(run), *words, "--split", "train"])
    assert "demo_0: among the references of its own progress" in caplog.text
    other = tmp_path / "other"
    shutil.copytree(world, other)
    meta = DatasetMeta.load(other)
    replace(meta, env="elsewhere").save(other)
    (other / meta.index_name).rename(other / replace(meta, env="elsewhere").index_name)
    main([str(run), *words, "--data", str(other)])
    assert f"the references show {meta.env}, and the episodes elsewhere" in caplog.text
    main([str(run), *words, "--reference-data", str(other)])
    assert f"has learned from {meta.env}, and the references show elsewhere" in caplog.text


@pytest.mark.slow
def test_named_references_and_views(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npz"
    words = ["--reference", "demo_1", "--reference-views", "view_0", "--views", "ego"]
    main([str(run), *words, "--episodes", "1", "--out", str(out)])
    table = np.load(out)
    assert set(table["view"]) == {"ego"} and set(table["episode"]) == {"demo_5", "demo_7"}
    main([str(run), *words, "--episodes", "1", "--out", str(out), "--shuffled"])
    assert not np.allclose(np.load(out)["offline_nearest"], table["offline_nearest"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--reference", "demo_99"], "unknown episode of .*, nor a video 'demo_99'"),
        (["--reference", "nowhere.mp4"], "nowhere.mp4 does not exist: check its path"),
        (["--reference", "demo_1", "demo_1"], "--reference names demo_1 twice"),
        (["--reference", "demo_7"], "demo_7 of .* is a failure"),
        (["--reference-views", "view_7"], "unknown view"),
        (["--method", "goal"], "--method would change nothing: only --lerobot needs it"),
        (["a.mp4", "--views", "ego"], "--views would change nothing: videos have none"),
        (["--lerobot", "b", "--out", "a.npz"], "--out would change nothing"),
        (["--nearest", "0"], "out of range"),
        (["--out", "table.txt"], "must end with .npz or .parquet"),
        (["--data", "a", "--lerobot", "b"], "--data and --lerobot exclude each other"),
        (["a.mp4", "--data", "b"], "videos and --data exclude each other"),
    ],
)
def test_what_cannot_be_used_is_named(
    run: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(run), *words])
    assert end.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": TimeConfig(3, 2)}, "sees 3 frames around each moment"),
        ({"backbone": BackboneConfig(depth=2, keep_patches=0.5)}, "reads the motion of the whole"),
    ],
)
def test_a_run_that_sees_the_future_has_no_causal_progress(
    world: Path,
    tmp_path: Path,
    changes: dict[str, object],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    make_trainer(tiny_config(world, run, epochs=1, **changes), progress=False).fit()
    with pytest.raises(SystemExit) as end:
        main([str(run), "--form", "causal"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert message in error and "take --form offline" in error
    main([str(run), "--episodes", "1", "--views", "ego"])
    assert "offline_goal" in np.load(run / "progress" / "test.npz")


@pytest.mark.slow
def test_frames_before_a_moment_are_causal(world: Path, tmp_path: Path) -> None:
    run, time = tmp_path / "run", TimeConfig(2, 2, causal=True)
    make_trainer(tiny_config(world, run, epochs=1, time=time), progress=False).fit()
    main([str(run), "--form", "causal", "--episodes", "1", "--views", "ego"])
    assert "causal_dtw" in np.load(run / "progress" / "test.npz")


@pytest.mark.slow
def test_a_lerobot_data_set_gets_its_progress_beside_it(
    run: Path, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "lerobot"
    convert(ConvertConfig(world, out, "lerobot"))
    main([str(run), "--lerobot", str(out)])
    assert capsys.readouterr().out == f"{out / 'sarm_progress.parquet'}\n"
    progress = parquet.read_table(out / "sarm_progress.parquet").to_pydict()
    rows = parquet.read_table(next(out.glob("data/*/*.parquet"))).to_pydict()
    for name in ("index", "episode_index", "frame_index"):
        assert progress[name] == rows[name]
    values, frame = np.array(progress["progress_sparse"]), np.array(progress["frame_index"])
    own = np.array(progress["episode_index"]) == 2
    assert np.corrcoef(values[own], frame[own])[0, 1] > 0.9
    assert list(progress) == ["index", "episode_index", "frame_index", "progress_sparse"]
    assert parquet.read_schema(out / "sarm_progress.parquet").field(3).type == "float"
    with pytest.raises(SystemExit):
        main([str(run), "--lerobot", str(out), "--form", "both"])
    assert "stores one progress" in capsys.readouterr().err

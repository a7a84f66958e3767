"""Embeddings of videos and data sets in tables with one row a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from align.embed import embed, main
from align.embedder import FrameEmbedder
from align.inputs.footage import require_frames
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, MissingDataError, OptionError
from datasets.video import write_video
from tests.align.conftest import tiny_config


@pytest.fixture(scope="module")
def run(dots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "deit"
    make_trainer(tiny_config(dots, folder, epochs=1), progress=False).fit()
    return folder


@pytest.mark.slow
def test_a_data_set_has_one_row_a_frame(run: Path, dots: Path, tmp_path: Path) -> None:
    rows = embed(str(run), [str(dots)], str(tmp_path / "out.npz"), "test", progress=False)
    table = np.load(tmp_path / "out.npz")
    data = EpisodeDataset(dots, "test")
    assert rows == 3 * sum(data.lengths) == len(table["frame"])
    own = (table["episode"] == data.names[1]) & (table["view"] == "view_0")
    assert table["frame"][own].tolist() == list(range(data.lengths[1]))
    assert table["time"][own] == pytest.approx(np.arange(data.lengths[1]) / 20)
    wanted = FrameEmbedder.load(run).embed_episode(data, 1)["view_0"]
    torch.testing.assert_close(torch.from_numpy(table["embedding"][own]), wanted)


@pytest.mark.slow
def test_raw_embeddings_depend_on_their_own_frame_alone(
    run: Path, dots: Path, tmp_path: Path
) -> None:
    data = EpisodeDataset(dots, "test", ["view_0"])
    frames = data.images(0, "view_0")
    for name, length in (("whole", len(frames)), ("half", 9)):
        write_video(tmp_path / f"{name}.mp4", frames[:length], 10.0, crf=0)
    videos = [tmp_path / "whole.mp4", tmp_path / "half.mp4"]
    for raw in (True, False):
        embed(run, videos, tmp_path / "out.npz", raw=raw, progress=False)
        table = np.load(tmp_path / "out.npz")
        whole, half = (table["embedding"][table["episode"] == str(video)] for video in videos)
        assert len(whole) == data.lengths[0] and len(half) == 9
        assert np.allclose(whole[:9], half, atol=1e-5) == raw
    assert set(table["view"]) == {"video"}
    assert table["time"][:3] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.slow
def test_what_embeddings_cannot_be_of_is_named(run: Path, dots: Path, tmp_path: Path) -> None:
    video, out = tmp_path / "one.mp4", tmp_path / "out.npz"
    write_video(video, EpisodeDataset(dots, "test").images(0, "view_0")[:1], 10.0)
    with pytest.raises(MissingDataError, match=r"one\.mp4 has 1 frame"):
        embed(run, [video], out, progress=False)
    assert embed(run, [video], out, raw=True, progress=False) == 1
    with pytest.raises(OptionError, match="leave out --split and --views"):
        embed(run, [video], out, "test", ["ego"], progress=False)
    with pytest.raises(OptionError, match="is named twice"):
        embed(run, [dots, dots / "."], out, progress=False)
    weights = run / "checkpoints" / "best.safetensors"
    with pytest.raises(OptionError, match="leave out --checkpoint last"):
        embed(weights, [video], out, checkpoint="last", raw=True, progress=False)
    with pytest.raises(FormatError, match=f"{tmp_path} is a folder: name a video"):
        require_frames(tmp_path)


@pytest.mark.slow
def test_episodes_of_several_data_sets_are_told_apart(
    run: Path, dots: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").symlink_to(dots)
    embed(run, [dots, tmp_path / "other"], tmp_path / "out.npz", "valid", ["ego"], progress=False)
    names = set(np.load(tmp_path / "out.npz")["episode"])
    assert names == {f"{root}/demo_{i}" for root in (dots, tmp_path / "other") for i in (6, 7)}


@pytest.mark.slow
def test_parquet_holds_the_same(run: Path, dots: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for name in ("out.npz", "out.parquet"):
        embed(run, [dots], tmp_path / name, "test", ["ego"], progress=False)
    table, wanted = parquet.read_table(tmp_path / "out.parquet"), np.load(tmp_path / "out.npz")
    assert table.column_names == ["view", "episode", "frame", "time", "embedding"]
    for name in table.column_names:
        assert np.array_equal(np.array(table[name].to_pylist(), wanted[name].dtype), wanted[name])


@pytest.mark.slow
def test_the_command_names_its_file(
    run: Path, dots: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(run), str(dots), "--split", "valid", "--views", "ego"])
    path = run / "embeddings" / f"{dots.name}_valid.npz"
    assert f"{path}: {len(np.load(path)['frame'])} frames" in capsys.readouterr().out
    written = path.read_bytes()
    with pytest.raises(SystemExit) as end:
        main([str(run), str(dots), "--split", "valid", "--views", "view_0"])
    assert end.value.code == 2
    assert f"{path} exists, and other videos or options" in capsys.readouterr().err
    assert path.read_bytes() == written


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "x.csv"], "must end with .npz or .parquet"),
        (["--views", "view_9"], "unknown view"),
        (["--split", "failure"], "no split 'failure'"),
    ],
)
def test_what_cannot_be_written_is_named(
    run: Path, dots: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([str(run), str(dots), *words])
    assert end.value.code == 2
    assert message in capsys.readouterr().err


def test_nothing_to_embed_is_an_error(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(run)])
    assert "name one or more videos or data sets" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_alone_embeds_where_the_file_is_named(
    run: Path, dots: Path, tmp_path: Path
) -> None:
    weights = run / "checkpoints" / "best.safetensors"
    assert embed(weights, [dots], tmp_path / "out.npz", "valid", ["ego"], progress=False)
    with pytest.raises(SystemExit):
        main([str(weights), str(dots)])


@pytest.mark.slow
def test_videos_hold_no_keypoints(dots: Path, tmp_path: Path) -> None:
    make_trainer(tiny_config(dots, tmp_path / "run", "paab", epochs=1), progress=False).fit()
    with pytest.raises(MismatchError, match=r"\(paab\) needs the keypoints of every frame"):
        embed(tmp_path / "run", [tmp_path / "a.mp4"], tmp_path / "out.npz", progress=False)

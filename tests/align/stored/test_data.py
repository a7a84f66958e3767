"""A run knows its data: moved, made again, grown, of another name, or learned from."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from align.comparing.grid import group_folder
from align.config import TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import read_about, read_state
from align.engine.origin import Origin
from align.evaluate import evaluate
from align.results.summary import difference
from align.stored.data import identify
from align.train import main as train
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, MissingDataError, OptionError
from tests.datasets.synthetic import make_data_set
from tests.repository.tiny_runs import align_run

SHAPE = {"views": 1, "size": 32, "steps": 12}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data set `dots` and the finished run `run`."""
    root = tmp_path_factory.mktemp("trained")
    make_trainer(align_run(root, epochs=1), progress=False).fit()
    return root


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy of that folder, whose run names the data by a relative path that leads nowhere."""
    shutil.copytree(trained, tmp_path / "place")
    config = replace(TrainConfig.load(trained / "run"), data=Path("nowhere/dots"))
    config.save(tmp_path / "place" / "run")
    origin = json.loads((tmp_path / "place/run/data.json").read_text())
    origin["data"]["data"]["path"] = str(tmp_path / "nowhere")
    (tmp_path / "place/run/data.json").write_text(json.dumps(origin))
    return tmp_path / "place"


def measured(run: Path, **options: object) -> tuple[str, str | None]:
    result = evaluate(run, progress=False, labelled_episodes=0, **options)  # type: ignore[arg-type]
    return result.name, result.identity


@pytest.mark.slow
def test_a_run_stores_its_data_and_the_episodes_it_learned_from(trained: Path) -> None:
    origin = Origin.load(trained / "run")
    assert origin is not None
    record = origin.data["data"]
    assert (record.path, record.relative) == (trained / "dots", "../dots")
    assert record.digest == identify(trained / "dots")
    assert list(origin.learned) == EpisodeDataset(trained / "dots", "train").names


@pytest.mark.slow
def test_data_that_moved_with_the_run_are_found(place: Path) -> None:
    assert measured(place / "run") == ("test", identify(place / "dots"))


@pytest.mark.slow
def test_data_that_moved_alone_are_named_and_stored(place: Path, tmp_path: Path) -> None:
    run, moved = place / "run", tmp_path / "moved"
    shutil.move(place / "dots", moved)
    with pytest.raises(MissingDataError, match="--data FOLDER, with --relocate"):
        measured(run)
    assert measured(run, data=moved)[0] == "test"
    with pytest.raises(OptionError, match="--relocate"):
        measured(run, relocate=True)
    assert measured(run, data=moved, relocate=True)[0] == "test"
    assert TrainConfig.load(run).data == moved
    assert measured(run)[0] == "test"


@pytest.mark.slow
def test_data_made_again_in_the_same_place_are_noticed(place: Path) -> None:
    run, data = place / "run", place / "dots"
    shutil.rmtree(data)
    make_data_set(data, episodes=4, seed=5, **SHAPE)
    with pytest.raises(MismatchError, match=f"align.evaluate {run} --data"):
        measured(run)
    with pytest.raises(MismatchError, match="identity.* leave out --relocate"):
        measured(run, data=data, relocate=True)
    assert measured(run, data=data) == ("test_on_dots", identify(data))
    with pytest.raises(MismatchError, match="choose another --out"):
        make_trainer(replace(TrainConfig.load(run), out=run, data=data), progress=False)


@pytest.mark.slow
def test_the_split_is_part_of_the_identity(tmp_path: Path) -> None:
    splits = {"train": [0, 1], "valid": [2], "test": [3]}
    one = make_data_set(tmp_path / "one", episodes=4, splits=splits, **SHAPE)
    same = make_data_set(tmp_path / "same", episodes=4, splits=splits, **SHAPE)
    other = make_data_set(
        tmp_path / "other", episodes=4, splits=splits | {"train": [0, 3], "test": [1]}, **SHAPE
    )
    assert identify(one) == identify(same) != identify(other)


@pytest.mark.slow
def test_episodes_that_were_learned_from_are_no_test(place: Path, tmp_path: Path) -> None:
    data = EpisodeDataset(place / "dots")
    learned = [data.names.index(n) for n in EpisodeDataset(place / "dots", "train").names]
    rest = [i for i in range(len(data)) if i not in learned]
    other = make_data_set(
        tmp_path / "dealt",
        episodes=4,
        splits={"train": rest[:1], "valid": rest[1:], "test": learned},
        **SHAPE,
    )
    with pytest.raises(MismatchError, match="demo_0"):
        measured(place / "run", data=other)
    assert measured(place / "run", data=other, split="train")[0] == "train_on_dealt"
    assert measured(place / "run", split="train")[0] == "train"


@pytest.mark.slow
def test_other_data_in_folders_of_one_name_have_evaluations_of_their_own(
    place: Path, tmp_path: Path
) -> None:
    one, two = (
        make_data_set(tmp_path / str(seed) / "more", episodes=3, seed=seed, **SHAPE)
        for seed in (5, 6)
    )
    first, second = (measured(place / "run", data=data)[0] for data in (one, two))
    assert first == "test_on_more" and second.startswith("test_on_more-")
    assert measured(place / "run", data=one)[0] == first


@pytest.mark.slow
def test_measurements_of_other_data_are_not_compared(place: Path) -> None:
    own = evaluate(place / "run", progress=False, labelled_episodes=0)
    assert difference(own, replace(own, data=place / "elsewhere")) is None
    assert "identity" in str(difference(own, replace(own, identity="0" * 64)))
    # Earlier versions stored a path alone.
    assert difference(own, replace(own, identity=None)) is None


@pytest.mark.slow
def test_a_checkpoint_stands_by_itself(place: Path, tmp_path: Path) -> None:
    other = make_data_set(tmp_path / "other", episodes=3, seed=9, **SHAPE)
    frames = EpisodeDataset(place / "dots").images(0, "view_0")
    poses = FrameEmbedder.load(place / "run").view_inputs(EpisodeDataset(place / "dots"), 0, "ego")
    expected = FrameEmbedder.load(place / "run").embed_frames(frames, poses)
    shutil.rmtree(place / "dots")
    about = read_about(place / "run/checkpoints/best.safetensors")
    assert about["data"]["views"] == ["ego", "view_0"] and about["data"]["env"] == "dots"
    assert about["data"]["own_skeleton"]["keypoints"]
    assert about["config"]["image_size"] == 32 and about["config"]["loss"]["window"] > 0
    assert np.allclose(about["normalisation"]["mean"], [0.485, 0.456, 0.406])
    assert str(tmp_path) not in json.dumps(about)
    assert measured(place / "run", data=other)[0] == "test_on_other"
    alone = shutil.copy(place / "run/checkpoints/best.safetensors", tmp_path / "alone.safetensors")
    for source in (alone, str(alone), str(place / "run")):
        assert torch.equal(FrameEmbedder.load(source).embed_frames(frames, poses), expected)


@pytest.mark.slow
def test_a_damaged_record_of_the_data_is_named(place: Path) -> None:
    (place / "run/data.json").write_text("{")
    with pytest.raises(FormatError, match=r"data\.json"):
        measured(place / "run")


@pytest.mark.slow
def test_a_moved_run_is_resumed_and_stores_where_its_data_lie(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(["--resume", str(place / "run"), "--epochs", "2"])
    assert TrainConfig.load(place / "run").data == place / "run" / "../dots"
    origin = Origin.load(place / "run")
    assert origin is not None and origin.data["data"].path == place / "dots"


@pytest.mark.slow
def test_a_resumed_run_has_the_threads_that_it_began_with(place: Path) -> None:
    run, before = place / "run", torch.get_num_threads()
    assert read_state(run / "checkpoints/last.safetensors")["threads"] == before
    torch.set_num_threads(before + 1)
    try:
        config = replace(TrainConfig.load(run), out=run, data=place / "dots", epochs=2)
        make_trainer(config, progress=False, resumed=True).fit()
        assert torch.get_num_threads() == before
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_grids_keep_data_sets_of_one_folder_name_apart(place: Path, tmp_path: Path) -> None:
    one, two = (
        make_data_set(tmp_path / str(seed) / "dots", episodes=3, seed=seed, **SHAPE)
        for seed in (5, 6)
    )
    sets = (one, two)
    folders = [group_folder(tmp_path / "grid", data, "seen", sets) for data in sets]
    assert folders[0].name == "dots_seen" and folders[1].name.startswith("dots-")
    # A later command without the first data set finds the folder of its runs.
    config = replace(TrainConfig(), data=one)
    config.save(folders[0] / "deit_seed0")
    assert group_folder(tmp_path / "grid", two, "seen") == folders[1]
    assert group_folder(tmp_path / "grid", one, "seen") == folders[0]
    same = make_data_set(tmp_path / "copy" / "dots", episodes=3, seed=5, **SHAPE)
    assert group_folder(tmp_path / "new", same, "seen", (one, same)).name == "dots_seen"

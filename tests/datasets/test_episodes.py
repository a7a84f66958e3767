import dataclasses
import json
import os
import time

import h5py
import numpy as np
import pytest

from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import default_splits, make_data_set, make_episode, make_meta


def assert_same(one, other):
    for field in dataclasses.fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if isinstance(a, dict):
            assert list(sorted(a)) == list(sorted(b)), field.name
            for name in a:
                np.testing.assert_array_equal(a[name], b[name], err_msg=f"{field.name} {name}")
        else:
            np.testing.assert_array_equal(a, b, err_msg=field.name)


def test_what_is_written_is_read(tmp_path):
    meta = make_meta(size=16)
    episode = make_episode(meta, 3)
    # robosuite's models are larger than an HDF5 attribute of fixed length can be.
    episode.model_file = "<mujoco>" + "x" * 200_000 + "</mujoco>"
    episode.keypoints["ego"][0, 0], episode.visible["ego"][0, 0] = np.nan, False
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(3, episode)
    writer.write_index({"train": [3], "valid": [], "test": []})

    dataset = EpisodeDataset(tmp_path)
    assert dataset.meta == meta
    assert (len(dataset), dataset.lengths, dataset.names) == (1, [len(episode)], ["demo_3"])
    assert_same(dataset.episode(0), episode)
    dataset.check()


def test_parts_read_alone_equal_the_whole(dots):
    dataset = EpisodeDataset(dots)
    whole = dataset.episode(1)
    for view in dataset.views:
        np.testing.assert_array_equal(dataset.images(1, view), whole.images[view])
        np.testing.assert_array_equal(dataset.keypoints(1, view), whole.keypoints[view])
        np.testing.assert_array_equal(dataset.visible(1, view), whole.visible[view])
    np.testing.assert_array_equal(dataset.phases(1), whole.phases)
    assert whole.visible["ego"].dtype == bool and whole.phases.dtype == np.uint8
    assert whole.keypoints["ego"].dtype == np.float32 and whole.images["ego"].dtype == np.uint8


@pytest.mark.parametrize("times", [[0], [3, 1, 1, 7], [-1], np.array([2, 5]), []])
def test_frames_read_by_list_equal_those_read_whole(dots, times):
    dataset = EpisodeDataset(dots)
    whole = dataset.images(0, "view_0")
    np.testing.assert_array_equal(
        dataset.images(0, "view_0", times), whole[np.asarray(times, dtype=int)]
    )


def test_a_frame_beyond_the_end_is_an_error(dots):
    dataset = EpisodeDataset(dots)
    with pytest.raises((IndexError, ValueError)):
        dataset.images(0, "view_0", [dataset.lengths[0]])


def test_cameras_of_an_episode_project_its_keypoints(dots):
    dataset = EpisodeDataset(dots)
    episode = dataset.episode(2)
    assert episode.world_to_camera["ego"].ndim == 3 and episode.world_to_camera["view_0"].ndim == 2
    for view in dataset.views:
        for step in (0, len(episode) - 1):
            pixels, _ = episode.camera(view, step).project(episode.keypoints_world[step])
            np.testing.assert_allclose(pixels, episode.keypoints[view][step], atol=1e-3)


@pytest.mark.slow
def test_splits_hold_the_episodes_they_were_given(tmp_path):
    splits = {"train": [4, 0], "valid": [1], "test": [2, 3]}
    root = make_data_set(tmp_path, episodes=5, size=8, views=1, splits=splits)
    for split, members in splits.items():
        names = EpisodeDataset(root, split).names
        assert names == [f"demo_{i}" for i in sorted(members)]
    dataset = EpisodeDataset(root)
    assert [path.name for path in dataset.paths] == [f"{i:06d}.hdf5" for i in range(5)]
    assert dataset.split_sizes() == {"train": 2, "valid": 1, "test": 2}


@pytest.mark.slow
def test_numbers_above_nine_keep_their_order(tmp_path):
    root = make_data_set(tmp_path, episodes=12, size=8, views=1, steps=4)
    assert EpisodeDataset(root).names == [f"demo_{i}" for i in range(12)]


def test_only_the_views_asked_for_are_read(dots):
    dataset = EpisodeDataset(dots, views=["view_1"])
    assert list(dataset.episode(0).images) == ["view_1"]
    # What belongs to the other views is not taken for proprioception.
    assert set(dataset.episode(0).observations) == {"robot0_eef_pos", "robot0_gripper_qpos"}


@pytest.mark.slow
def test_the_same_episodes_give_the_same_bytes(tmp_path):
    one = make_data_set(tmp_path / "one", episodes=3, size=16)
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    other = make_data_set(tmp_path / "other", episodes=3, size=16)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert len(files) == 5
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


@pytest.mark.slow
def test_the_order_of_writing_does_not_change_the_bytes(tmp_path):
    meta = make_meta(size=16)
    for root, order in ((tmp_path / "one", [0, 1, 2]), (tmp_path / "other", [2, 0, 1])):
        writer = EpisodeWriter(root, meta)
        for index in order:
            writer.write(index, make_episode(meta, index))
        writer.write_index(default_splits(3))
    for name in ("dots.hdf5", *(f"episodes/{i:06d}.hdf5" for i in range(3))):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_the_index_follows_robomimics_layout(dots):
    lengths = EpisodeDataset(dots).lengths
    with h5py.File(dots / "dots.hdf5") as file:
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "Dots"
        assert file["data"].attrs["total"] == sum(lengths)
        assert [name.decode() for name in file["mask/train"][:]] == ["demo_0", "demo_1", "demo_2"]
        link = file["data"].get("demo_4", getlink=True)
        assert (link.filename, link.path) == ("episodes/000004.hdf5", "/")
        demo = file["data/demo_4"]
        steps = demo.attrs["num_samples"]
        assert steps == lengths[4]
        assert demo["actions"].shape == (steps, 7)
        assert demo["states"].shape[0] == demo["rewards"].shape[0] == demo["dones"].shape[0]
        assert demo["obs/robot0_eef_pos"].shape == (steps, 3)
        image = demo["obs/ego_image"]
        assert (image.shape, image.dtype) == ((steps, 48, 48, 3), np.uint8)
        assert (image.chunks, image.compression) == ((1, 48, 48, 3), "gzip")
        assert demo["cameras/ego/world_to_camera"].shape == (steps, 4, 4)
        assert demo["cameras/view_0/intrinsics"].shape == (3, 3)


def test_an_index_moved_with_its_folder_still_finds_its_episodes(own_dots, tmp_path):
    moved = own_dots.rename(tmp_path / "elsewhere")
    assert EpisodeDataset(moved).lengths


def test_an_episode_in_two_splits_is_refused(tmp_path):
    meta = make_meta(size=8)
    writer = EpisodeWriter(tmp_path, meta)
    writer.write(0, make_episode(meta, 0))
    with pytest.raises(ValueError, match=r"episodes \[0\]"):
        writer.write_index({"train": [0], "test": [0]})
    assert not (tmp_path / "dots.hdf5").exists()


def test_an_index_of_an_episode_that_is_not_there_is_refused(tmp_path):
    writer = EpisodeWriter(tmp_path, make_meta(size=8))
    with pytest.raises(MissingDataError, match=r"000007\.hdf5"):
        writer.write_index({"train": [7]})
    assert not (tmp_path / "dots.hdf5").exists()


BAD_EPISODES = {
    "missing view": (lambda e: e.images.pop("ego"), r"lacks images of the views \['ego'\]"),
    "missing camera": (
        lambda e: e.intrinsics.pop("view_0"),
        r"lacks intrinsics of the views \['view_0'\]",
    ),
    "views of different length": (
        lambda e: e.images.update(ego=e.images["ego"][:-1]),
        r"images of ego must have shape",
    ),
    "another size": (
        lambda e: e.images.update(ego=e.images["ego"][:, :4]),
        r"images of ego must have shape",
    ),
    "keypoints of another skeleton": (
        lambda e: e.keypoints.update(ego=e.keypoints["ego"][:, :5]),
        r"keypoints of ego must have shape \(\d+, 11, 2\), got \(\d+, 5, 2\)",
    ),
    "rewards of another length": (
        lambda e: setattr(e, "rewards", e.rewards[1:]),
        r"rewards has \d+ time steps, the episode \d+",
    ),
    "proprioception of another length": (
        lambda e: e.observations.update(robot0_eef_pos=e.observations["robot0_eef_pos"][1:]),
        r"robot0_eef_pos has \d+ time steps, the episode \d+",
    ),
    "a phase without a name": (lambda e: e.phases.__setitem__(0, 9), r"has phase 9; phases are"),
}


@pytest.mark.parametrize(("spoil", "message"), BAD_EPISODES.values(), ids=BAD_EPISODES.keys())
def test_an_episode_that_does_not_fit_the_data_set_is_not_written(tmp_path, spoil, message):
    meta = make_meta(size=8)
    episode = make_episode(meta, 5)
    spoil(episode)
    writer = EpisodeWriter(tmp_path, meta)
    with pytest.raises(ValueError, match=r"episode 5.*" + message):
        writer.write(5, episode)
    assert writer.done() == set()


def test_done_counts_whole_episodes_only(tmp_path):
    meta = make_meta(size=8)
    writer = EpisodeWriter(tmp_path, meta)
    assert writer.done() == set()
    writer.write(12, make_episode(meta, 12))
    (tmp_path / "episodes" / "notes.hdf5").touch()
    (tmp_path / "episodes" / ".000001.hdf5.99@machine.posealign.tmp").touch()
    assert writer.done() == {12}


def test_writing_goes_on_with_the_same_options(tmp_path):
    meta = make_meta()
    EpisodeWriter(tmp_path, meta)
    # JSON knows no tuples; versions and command may differ.
    again = dataclasses.replace(meta, views=tuple(meta.views), command="again", versions={})
    assert EpisodeWriter(tmp_path, again).done() == set()
    assert DatasetMeta.load(tmp_path).command == meta.command


def test_other_options_into_an_existing_folder_are_refused(tmp_path):
    EpisodeWriter(tmp_path, make_meta(seed=0))
    with pytest.raises(MismatchError, match="seed: 0 .* 1 .*--out") as error:
        EpisodeWriter(tmp_path, make_meta(seed=1))
    assert str(tmp_path) in str(error.value)


def test_a_run_begins_with_other_options_while_there_are_no_episodes(tmp_path):
    first, other = make_meta(seed=0, size=8), make_meta(seed=1, size=8)
    EpisodeWriter.begin(tmp_path, first)
    writer = EpisodeWriter.begin(tmp_path, other)
    assert DatasetMeta.load(tmp_path) == other
    writer.write(5, make_episode(other, 5))
    with pytest.raises(MismatchError, match="seed: 1 .* 0 "):
        EpisodeWriter.begin(tmp_path, first)
    assert DatasetMeta.load(tmp_path) == other


def test_another_program_s_meta_json_is_not_replaced(tmp_path):
    (tmp_path / "meta.json").write_text('{"title": "holidays"}')
    with pytest.raises(FormatError):
        EpisodeWriter.begin(tmp_path, make_meta())
    assert "holidays" in (tmp_path / "meta.json").read_text()


def test_a_check_leaves_nothing_else_to_ask_the_files(tmp_path):
    root = make_data_set(tmp_path / "dots", episodes=3, views=1, steps=8)
    data, checked = EpisodeDataset(root), EpisodeDataset(root)
    checked.check(window=2)
    expected = (data.lengths, data.with_keypoints)
    for path in checked.paths:
        path.unlink()
    assert (checked.lengths, checked.with_keypoints) == expected == ([8, 8, 8], True)


def test_files_of_others_are_no_episodes_of_a_data_set_that_begins(tmp_path):
    mine = tmp_path / "episodes" / "000000.hdf5"
    mine.parent.mkdir()
    with h5py.File(mine, "w") as file:
        file["recording"] = np.arange(3)
    with pytest.raises(MismatchError, match="000000.hdf5 was not made by this command"):
        EpisodeWriter.begin(tmp_path, make_meta())
    assert os.listdir(tmp_path) == ["episodes"]


def test_poses_are_learned_from_data_that_show_a_keypoint(tmp_path):
    root = make_data_set(tmp_path / "dots", size=16)
    for path in sorted((root / "episodes").glob("*.hdf5")):
        with h5py.File(path, "r+") as file:
            for name in [name for name in file["obs"] if name.endswith("_visible")]:
                file[f"obs/{name}"][...] = False
    with pytest.raises(FormatError, match=r"ego, .*split train.*--method deit") as raised:
        EpisodeDataset(root, "train").require_visible_keypoint()
    assert str(root) in str(raised.value)
    EpisodeDataset(root).check()  # measuring asks for no visible one
    # One that is visible anywhere is enough: a first-person view may show none.
    with h5py.File(root / "episodes/000000.hdf5", "r+") as file:
        file["obs/view_0_visible"][3, 0] = True
    EpisodeDataset(root).require_visible_keypoint()

"""Conversion to and from robomimic's HDF5 files, those by others included."""

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.episodes import EpisodeDataset
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.detect import open_source
from tests.datasets.synthetic import assert_same_episode


@pytest.mark.slow
def test_a_robomimic_file_has_everything_that_the_episodes_have(dots, one_file, tmp_path):
    convert(ConvertConfig(one_file, tmp_path / "back", "episodes"))
    original, back = EpisodeDataset(dots), EpisodeDataset(tmp_path / "back")
    assert back.split_sizes() == original.split_sizes()
    assert back.skeleton == original.skeleton and back.meta.phases == original.meta.phases
    for i in range(len(original)):
        assert_same_episode(back.episode(i), original.episode(i))


def test_robomimic_reads_sequences_of_the_file(one_file):
    obs_utils = pytest.importorskip("robomimic.utils.obs_utils")
    from robomimic.utils.dataset import SequenceDataset

    image, proprioception = "view_0_image", "robot0_eef_pos"
    obs_utils.initialize_obs_utils_with_obs_specs(
        {"obs": {"low_dim": [proprioception], "rgb": [image]}}
    )
    data = SequenceDataset(
        hdf5_path=str(one_file),
        obs_keys=(image, proprioception),
        dataset_keys=("actions", "rewards", "dones"),
        load_next_obs=False,
        seq_length=3,
        filter_by_attribute="train",
    )
    assert len(data) == sum(open_source(one_file).lengths[:3])
    assert data[0]["obs"][image].shape == (3, 48, 48, 3)
    assert data[0]["actions"].shape == (3, 7)


def write_demonstrations(path, images=True, frames=5):
    """Write a file as robomimic's own tools do."""
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = '{"env_name": "Can", "env_kwargs": {"control_freq": 10}}'
        for number in (0, 1, 2, 10):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = frames
            demo["actions"] = np.full((frames, 7), number, float)
            demo["obs/robot0_eef_pos"] = np.zeros((frames, 3))
            if images:
                demo["obs/agentview_image"] = np.full((frames, 8, 8, 3), number, np.uint8)
                demo["obs/robot0_eye_in_hand_image"] = np.zeros((frames, 8, 8, 3), np.uint8)
    return path


def test_a_robomimic_file_by_others(tmp_path):
    source = open_source(str(write_demonstrations(tmp_path / "can.hdf5")))
    assert source.names == ["demo_0", "demo_1", "demo_2", "demo_10"]
    assert source.views == ["agentview", "robot0_eye_in_hand"]
    assert (source.meta.env, source.meta.control_hz, source.splits) == ("Can", 10.0, None)
    convert(ConvertConfig(source.root, tmp_path / "can", "episodes", split="2,1,1", env="can"))
    episode = EpisodeDataset(tmp_path / "can").episode(3)
    assert (episode.images["agentview"] == 10).all()
    assert (episode.actions == 10).all() and "robot0_eef_pos" in episode.observations
    assert not episode.keypoints


def test_the_error_on_a_file_without_images_names_the_command_that_renders_it(tmp_path):
    path = write_demonstrations(tmp_path / "low_dim.hdf5", images=False)
    with pytest.raises(MissingDataError, match=r"/data/demo_0/obs.*sims\.replay --demos"):
        open_source(path)


@pytest.mark.parametrize("name", ["agentview_rgb", "images/agentview"])
def test_images_of_other_names_are_named(tmp_path, name):
    path = write_demonstrations(tmp_path / "libero.hdf5", images=False)
    with h5py.File(path, "r+") as file:
        for demo in file["data"].values():
            demo[f"obs/{name}"] = np.zeros((5, 8, 8, 3), np.uint8)
    with pytest.raises(MissingDataError, match=rf"'obs/{name}', 'obs/agentview_image'"):
        open_source(path)


def test_what_is_no_demonstration_is_named(tmp_path):
    path = write_demonstrations(tmp_path / "more.hdf5")
    with h5py.File(path, "r+") as file:
        file["data/timestamps"] = np.zeros(3)
    with pytest.raises(MissingDataError, match="/data/timestamps is no demonstration. Remove"):
        open_source(path)


def test_an_hdf5_file_of_another_layout_is_named(tmp_path):
    with h5py.File(tmp_path / "episode_0.hdf5", "w") as file:
        file["observations/images/cam_high"] = np.zeros((5, 8, 8, 3), np.uint8)
        file["action"] = np.zeros((5, 14))
    with pytest.raises(MissingDataError, match="but action, observations. Write other arrays by"):
        open_source(tmp_path / "episode_0.hdf5")


def test_demonstrations_with_different_views_are_an_error(tmp_path):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/obs/agentview_image"]
    with pytest.raises(MismatchError, match="demo_2"):
        open_source(path)


def test_views_of_different_length_in_a_file_are_an_error(tmp_path):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/obs/agentview_image"]
        file["data/demo_2/obs/agentview_image"] = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(MismatchError, match=r"demo_2 .*\[4, 5\]"):
        open_source(path)


def test_episodes_in_no_split_are_named(tmp_path, caplog):
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        file["mask/train"] = np.array([b"demo_0", b"demo_2"])
        file["mask/valid"] = np.array([b"demo_1"])
    convert(ConvertConfig(path, tmp_path / "masked.hdf5", "robomimic"))
    assert "1 of 4 episodes" in caplog.text and "left out: demo_10;" in caplog.text
    assert len(open_source(tmp_path / "masked.hdf5")) == 3
    caplog.clear()
    convert(ConvertConfig(path, tmp_path / "counted.hdf5", "robomimic", split="1,1,0"))
    assert "2 of 4 episodes" in caplog.text and "left out: demo_2, demo_10;" in caplog.text
    caplog.clear()
    convert(ConvertConfig(path, tmp_path / "all.hdf5", "robomimic", split="2,1,1"))
    assert not caplog.text


@pytest.mark.parametrize("to", ["robomimic", "lerobot", "episodes"])
def test_actions_and_frames_of_different_length_are_not_written(tmp_path, to):
    if to == "lerobot":
        pytest.importorskip("pyarrow")
    path = write_demonstrations(tmp_path / "can.hdf5")
    with h5py.File(path, "r+") as file:
        del file["data/demo_2/actions"]
        file["data/demo_2/actions"] = np.zeros((4, 7))
    config = ConvertConfig(path, tmp_path / "out", to, split="4,0,0")
    with pytest.raises(FormatError, match="demo_2: actions has 4 time steps, the episode 5"):
        convert(config)
    assert not (tmp_path / "out").exists()

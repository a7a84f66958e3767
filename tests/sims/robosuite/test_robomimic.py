"""robomimic itself opens our index and makes batches of pictures and proprioception."""

import json

import h5py
import pytest
import torch

ObsUtils = pytest.importorskip("robomimic.utils.obs_utils")
from robomimic.utils.dataset import SequenceDataset  # noqa: E402
from robomimic.utils.file_utils import get_env_metadata_from_dataset  # noqa: E402

IMAGE, PROPRIOCEPTION = "view_0_image", "robot0_eef_pos"


@pytest.mark.slow
@pytest.mark.parametrize("cache", [None, "low_dim", "all"])
def test_batches_of_the_training_split(lift_dataset, cache):
    ObsUtils.initialize_obs_utils_with_obs_specs(
        {"obs": {"low_dim": [PROPRIOCEPTION, "object"], "rgb": [IMAGE]}}
    )
    data = SequenceDataset(
        hdf5_path=str(lift_dataset / "lift.hdf5"),
        obs_keys=(IMAGE, PROPRIOCEPTION, "object"),
        dataset_keys=("actions", "rewards", "dones"),
        load_next_obs=False,
        seq_length=5,
        pad_seq_length=True,
        hdf5_cache_mode=cache,
        hdf5_use_swmr=True,
        filter_by_attribute="train",
    )
    with h5py.File(lift_dataset / "lift.hdf5") as index:
        demos = [name.decode() for name in index["mask/train"]]
        assert len(data) == sum(index[f"data/{name}"].attrs["num_samples"] for name in demos)
    batch = next(iter(torch.utils.data.DataLoader(data, batch_size=3)))
    assert batch["obs"][IMAGE].shape == (3, 5, 64, 64, 3)
    assert batch["obs"][PROPRIOCEPTION].shape == (3, 5, 3)
    assert batch["actions"].shape == (3, 5, 7)
    processed = ObsUtils.process_obs(batch["obs"][IMAGE], obs_key=IMAGE)
    assert processed.shape == (3, 5, 3, 64, 64)
    assert 0 <= processed.min() < processed.max() <= 1


@pytest.mark.slow
def test_environment_arguments_are_robomimics_own(lift_dataset):
    metadata = get_env_metadata_from_dataset(str(lift_dataset / "lift.hdf5"))
    assert metadata["env_name"] == "Lift"
    assert metadata["type"] == 1
    assert metadata["env_kwargs"]["robots"] == ["Panda"]
    assert metadata == json.loads((lift_dataset / "meta.json").read_text())["env_args"]

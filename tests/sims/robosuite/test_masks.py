"""Masks of a recorded file, and `--split`, which replaces them."""

import json

import h5py
import numpy as np
import pytest

from datasets.errors import MismatchError
from sims.replay import ReplayConfig
from sims.robosuite.demos import DemonstrationFile


@pytest.fixture
def first_two(tmp_path):
    """The first two demonstrations of a file, with the masks of all of them."""
    path = tmp_path / "first_two.hdf5"
    with h5py.File(path, "w") as file:
        for i in range(2):
            demo = file.create_group(f"data/demo_{i}")
            demo["states"], demo["actions"] = np.zeros((4, 32)), np.zeros((4, 7))
            demo.attrs["model_file"] = "<mujoco/>"
        env = {"type": 1, "env_name": "Lift", "env_kwargs": {"robots": ["Panda"]}}
        file["data"].attrs["env_args"] = json.dumps(env)
        file["mask/train"] = np.array([f"demo_{i}" for i in range(9)], "S")
        file["mask/valid"] = np.array([b"demo_9"])
    return path


def test_masks_of_demonstrations_that_are_not_there_are_an_error(first_two):
    with pytest.raises(MismatchError, match=r"mask train .*demo_2.*--split"):
        ReplayConfig(first_two).parts(DemonstrationFile(first_two))


def test_the_named_option_replaces_such_masks(first_two):
    parts = ReplayConfig(first_two, split="1,0,1").parts(DemonstrationFile(first_two))
    assert parts == {"train": [0], "valid": [], "test": [1]}

"""A body of the user's own: named in code, carried by its data sets, known to who reads them."""

import json

import pytest

from datasets.episodes import EpisodeDataset
from datasets.skeletons import SKELETONS, Skeleton, add_skeleton
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import make_data_set, make_meta

DERRICK = Skeleton("derrick", ("base", "elbow", "hook"), ((0, 1), (1, 2)), ((0, 2),))


@pytest.fixture
def forgotten(tmp_path):
    """A data set of derricks, where nobody has heard of derricks."""
    add_skeleton(DERRICK)
    try:
        return make_data_set(tmp_path / "derricks", skeleton="derrick", episodes=3, size=16)
    finally:
        del SKELETONS["derrick"]


@pytest.mark.slow
def test_a_data_set_brings_its_skeleton_along(forgotten):
    data = EpisodeDataset(forgotten)
    assert data.skeleton == DERRICK
    assert data.keypoints(0, "ego").shape[1:] == (len(DERRICK), 2)
    data.check(need_keypoints=True)


@pytest.mark.slow
def test_reading_teaches_no_names(forgotten):
    assert "derrick" not in SKELETONS
    EpisodeDataset(forgotten)
    assert "derrick" not in SKELETONS


@pytest.mark.slow
def test_what_was_read_is_written_again(forgotten, tmp_path):
    DatasetMeta.load(forgotten).save(tmp_path)
    assert DatasetMeta.load(tmp_path) == DatasetMeta.load(forgotten)


def test_our_own_skeletons_are_stored_by_name_alone(tmp_path):
    make_meta().save(tmp_path)
    assert json.loads((tmp_path / "meta.json").read_text())["own_skeleton"] is None

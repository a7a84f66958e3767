"""Views of a data set that are kept, and their names."""

import dataclasses

import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.convert import main as convert_command
from datasets.episodes import EpisodeDataset
from datasets.errors import OptionError
from datasets.formats.detect import open_source
from datasets.formats.views import choose_views
from datasets.storage.episode_file import Episode


def test_views_keep_their_data_under_their_new_names(dots, tmp_path):
    words = [str(dots), str(tmp_path / "out"), "--to", "episodes"]
    convert_command([*words, "--views", "view_1=ego,view_0"])
    before, after = EpisodeDataset(dots), EpisodeDataset(tmp_path / "out")
    assert after.views == ["ego", "view_0"]
    assert after.split_sizes() == before.split_sizes()
    for old, new in (("view_1", "ego"), ("view_0", "view_0")):
        np.testing.assert_array_equal(after.images(1, new), before.images(1, old))
        np.testing.assert_array_equal(after.keypoints(1, new), before.keypoints(1, old))
        np.testing.assert_array_equal(after.visible(1, new), before.visible(1, old))
        poses = (
            data.episode(1).world_to_camera[view] for data, view in ((after, new), (before, old))
        )
        np.testing.assert_array_equal(*poses)


def test_no_part_of_an_episode_keeps_other_views(dots):
    source = open_source(dots)
    whole = source.episode(0)
    everywhere = {view: np.zeros(1) for view in source.views}
    parts = {
        field.name: everywhere
        for field in dataclasses.fields(Episode)
        if isinstance(getattr(whole, field.name), dict) and field.name != "observations"
    }
    assert {"depth", "masks", "lenses"} <= parts.keys()
    source.episode = lambda i: dataclasses.replace(whole, **parts)
    kept = choose_views(source, ["ego=front"]).episode(0)
    assert all(getattr(kept, name).keys() == {"front"} for name in parts)


def test_all_views_are_kept_by_default(dots):
    source = open_source(dots)
    assert choose_views(source, []) is source


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["view_00"], "unknown view of --views 'view_00'; did you mean 'view_0'"),
        (["ego", "ego=front"], "has the view ego twice"),
        (["ego=front", "view_0=front"], "has the name front twice"),
        (["ego="], "has the name ''"),
        (["ego=a/b"], "has the name 'a/b'"),
    ],
)
def test_views_that_cannot_be_are_named(dots, tmp_path, words, message):
    out = tmp_path / "out"
    with pytest.raises(OptionError, match=message):
        convert(ConvertConfig(dots, out, "episodes", views=tuple(words)))
    assert not out.exists()

"""The numbers of the published protocol, and the errors on unknown names."""

import json

import pytest

from datasets.errors import UnknownNameError
from datasets.presets import PRESETS, get_preset, usual_views, usual_window
from datasets.storage.meta import DatasetMeta
from tests.datasets.synthetic import make_data_set


def test_ftpv_has_the_four_sets_of_the_paper():
    assert {env: (p.views, p.split, p.window) for env, p in PRESETS["ftpv"].items()} == {
        "pick": (9, (10, 5, 5), 3),
        "minecraft": (8, (4, 2, 2), 3),
        "can": (4, (200, 50, 50), 2),
        "lift": (4, (200, 50, 50), 2),
    }
    assert get_preset("ftpv", "lift").episodes == 300


@pytest.mark.parametrize("env", PRESETS["ftpv"])
def test_training_and_testing_share_no_unseen_view(env):
    preset = get_preset("ftpv", env)
    assert preset.env == env
    assert preset.train_views + preset.test_views == preset.views == usual_views(env)
    assert preset.window == usual_window(env)
    assert min(preset.train_views, preset.test_views) >= 1


def test_errors_on_unknown_names_list_valid_ones():
    with pytest.raises(UnknownNameError, match="'ftvp'.* 'ftpv'"):
        get_preset("ftvp", "lift")
    with pytest.raises(UnknownNameError, match="'door'.* pick, minecraft"):
        get_preset("ftpv", "door")
    assert usual_views("door") == 4
    assert usual_window("door") == 2


@pytest.mark.slow
def test_the_preset_is_stored_with_the_data_set_and_may_be_missing(tmp_path):
    root = make_data_set(tmp_path / "dots", episodes=1)
    path = root / "meta.json"
    stored = json.loads(path.read_text())
    path.write_text(json.dumps({**stored, "preset": "ftpv"}))
    assert DatasetMeta.load(root).preset == "ftpv"
    del stored["preset"]
    path.write_text(json.dumps(stored))
    assert DatasetMeta.load(root).preset == ""

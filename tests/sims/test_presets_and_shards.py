"""Presets of published protocols, shards, and a user's own simulators."""

import json
import math
import shlex
from importlib import import_module

import pytest

import sims
from datasets.episodes import EpisodeDataset
from datasets.errors import MissingDataError, OptionError, UnknownNameError
from datasets.presets import ALIKE, PRESETS, Preset, usual_views, usual_window
from datasets.storage.meta import DatasetMeta
from sims.checker import check_multi_view_env
from sims.config import GenerateConfig
from sims.generate import generate, main, summarize
from sims.production.run import as_ranges
from tests.sims.runs import TOY, contents
from tests.sims.toy import ToyEnv

OPTIONS = {"env": TOY, "views": 1, "episodes": 7, "size": 32}


@pytest.mark.parametrize(("env", "preset"), PRESETS["ftpv"].items())
def test_a_preset_sets_views_episodes_and_split(env, preset):
    config = GenerateConfig(env=env, preset="ftpv")
    assert config.num_views == preset.views == GenerateConfig(env=env).num_views
    assert config.num_episodes == preset.episodes
    assert tuple(map(len, config.parts.values())) == preset.split


@pytest.mark.parametrize("env", PRESETS["ftpv"])
def test_fewer_episodes_keep_the_shares_and_one_episode_per_split(env):
    parts = GenerateConfig(env=env, preset="ftpv", episodes=4).parts
    assert [len(members) for members in parts.values()] == [2, 1, 1]


def test_defaults_without_a_preset():
    config = GenerateConfig()
    assert (config.num_views, config.num_episodes) == (4, 60)
    assert [len(members) for members in config.parts.values()] == [40, 10, 10]


def test_a_users_own_class_has_its_own_default_views():
    assert GenerateConfig(env=TOY).num_views == len(ToyEnv().views) - 1 == 2
    assert GenerateConfig(env=TOY, views=7).num_views == 7
    assert GenerateConfig(env="tests.sims.test_presets_and_shards:AnyViews").num_views == 4


class AnyViews(ToyEnv):
    """An environment without a default number of views."""

    def __init__(self, **options):
        super().__init__(**options)


@pytest.mark.parametrize(("env", "stand_in"), ALIKE.items())
def test_the_real_game_has_the_preset_of_its_stand_in(env, stand_in):
    module, name = env.split(":")
    assert getattr(import_module(module), name).name == stand_in
    assert GenerateConfig(env=env).num_views == usual_views(env) == usual_views(stand_in)
    assert usual_window(env) == usual_window(stand_in) == 3


@pytest.mark.parametrize(
    ("options", "error", "complaint"),
    [
        ({"preset": "ftvp"}, OptionError, "'ftvp'.* 'ftpv'"),
        ({"preset": "ftpv", "env": TOY}, OptionError, f"'{TOY}'.* pick"),
        ({"preset": "ftpv", "views": 3}, OptionError, "--views 3"),
        ({"preset": "ftpv", "split": "4,1,1"}, OptionError, "--split"),
        ({"shard": "4/4"}, OptionError, "--shard '4/4'"),
        ({"shard": "1"}, OptionError, "--shard '1'"),
        ({"shard": "-1/4"}, OptionError, "--shard '-1/4'"),
        ({"env": "tests.sims.toy:NoEnv"}, UnknownNameError, "NoEnv"),
        ({"env": "no.such.module:Env"}, UnknownNameError, "'no'"),
        ({"env": "tests.sims.toy:BEAD"}, UnknownNameError, r"sims\.env\.MultiViewEnv"),
    ],
)
def test_an_invalid_option_is_named_before_any_work(tmp_path, options, error, complaint):
    with pytest.raises(error, match=complaint):
        generate(GenerateConfig(**options, out=tmp_path / "none"))
    assert not (tmp_path / "none").exists()


def test_the_preset_is_logged_and_stored_with_a_command_that_repeats_it(
    tmp_path, monkeypatch, capsys, caplog
):
    small = Preset(TOY, 3, train=6, valid=3, test=3, window=2, train_views=2, test_views=1)
    monkeypatch.setitem(PRESETS, "ftpv", {TOY: small})
    words = ["--env", TOY, "--preset", "ftpv", "--episodes", "4", "--size", "32", "--workers", "1"]
    monkeypatch.setattr("sys.argv", ["generate", *words, "--out", str(tmp_path / "toy")])
    main()
    assert "train 2, valid 1, test 1" in capsys.readouterr().out
    assert (
        "3 third-person views, 4 episodes (train 2, valid 1, test 1) in the same shares as the "
        "protocol's 12 (6/3/3)." in caplog.text
    )
    meta = DatasetMeta.load(tmp_path / "toy")
    assert meta.preset == "ftpv"
    assert meta.views == ["ego", "view_0", "view_1", "view_2"]
    before = contents(tmp_path / "toy")
    monkeypatch.setattr("sys.argv", shlex.split(meta.command)[2:])
    main()
    assert contents(tmp_path / "toy") == before


@pytest.mark.slow
def test_shards_make_their_episodes_and_the_last_run_joins_them(tmp_path):
    plain = GenerateConfig(**OPTIONS, workers=1, out=tmp_path / "plain")
    generate(plain)
    joined = GenerateConfig(**OPTIONS, workers=1, out=tmp_path / "joined")
    for i, expected in enumerate([(0, 3, 6), (1, 4), (2, 5)]):
        shard = GenerateConfig(**OPTIONS, workers=1, shard=f"{i}/3", out=joined.root)
        assert generate(shard) is None
        assert tuple(shard.share) == expected
        assert f"shard {i}/3 is complete, {len(expected)} episodes" in summarize(shard)
        assert f"join them: {plain.command.replace('plain', 'joined')}" in summarize(shard)
    assert "7 of 7 episodes are on disk" in summarize(shard)
    with pytest.raises(MissingDataError, match=r"ToyEnv\.hdf5"):
        EpisodeDataset(joined.root)
    generate(joined)
    assert contents(joined.root) == contents(plain.root)


def test_episodes_that_shards_left_out_are_logged_and_made_by_the_join(tmp_path, caplog):
    config = GenerateConfig(**OPTIONS, workers=1, out=tmp_path / "toy")
    generate(GenerateConfig(**OPTIONS, workers=1, shard="0/3", out=config.root))
    with caplog.at_level("INFO", "sims"):
        generate(config)
    assert "3 of 7 episodes are on disk. Making the missing ones: 1-2, 4-5." in caplog.text
    assert len(EpisodeDataset(config.root)) == 7


def test_with_more_shards_than_episodes_some_are_empty(tmp_path):
    shard = GenerateConfig(**OPTIONS, workers=1, shard="9/10", out=tmp_path / "toy")
    assert generate(shard) is None
    assert "shard 9/10 is complete, 0 episodes. 0 of 7" in summarize(shard)


def test_the_last_command_is_stored_when_episodes_are_added(tmp_path):
    few, more = (
        GenerateConfig(**{**OPTIONS, "episodes": n}, workers=1, out=tmp_path / "toy")
        for n in (1, 2)
    )
    generate(few)
    generate(more)
    stored = json.loads((tmp_path / "toy" / "meta.json").read_text())
    assert stored["command"] == more.command
    assert len(EpisodeDataset(tmp_path / "toy")) == 2


def test_numbers_as_ranges():
    assert as_ranges([]) == ""
    assert as_ranges([4]) == "4"
    assert as_ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert as_ranges(list(range(0, 40, 2)), most=2) == "0, 2 and 18 more"


@pytest.mark.slow
def test_a_users_own_simulator_is_made_by_its_path(tmp_path):
    env = sims.make(TOY, views=2, size=48)
    assert isinstance(env, ToyEnv)
    check_multi_view_env(env)
    assert GenerateConfig(env=TOY).root.as_posix() == "data/ToyEnv"
    generate(GenerateConfig(**OPTIONS, workers=1, out=tmp_path / "toy"))
    data = EpisodeDataset(tmp_path / "toy")
    assert data.index_path.name == "ToyEnv.hdf5"
    assert math.isclose(data.meta.control_hz, ToyEnv.control_hz)


def test_a_skeleton_that_readers_do_not_know_is_an_error(tmp_path, monkeypatch):
    unknown = type(ToyEnv.skeleton)("beads", ToyEnv.skeleton.keypoints, ToyEnv.skeleton.bones)
    monkeypatch.setattr(ToyEnv, "skeleton", unknown)
    with pytest.raises(UnknownNameError, match="'beads'.*panda"):
        generate(GenerateConfig(**OPTIONS, out=tmp_path / "toy"))

"""Depth and masks beside the pictures: right to the pixel, and whole on disk."""

from __future__ import annotations

from dataclasses import replace

import h5py
import numpy as np
import pytest

from datasets.convert import ConvertConfig, convert
from datasets.draw import contact_sheet
from datasets.episodes import EpisodeDataset, EpisodeWriter
from datasets.errors import FormatError, MismatchError, MissingDataError
from datasets.formats.detect import open_source
from datasets.info import InfoConfig, info
from datasets.storage.checks import check_episode
from sims.bullet.pick_scene import FLOOR_HEIGHT
from sims.config import GenerateConfig
from sims.errors import SimulatorError
from sims.generate import generate
from sims.gl import import_mujoco
from sims.survey import millimetres
from tests.sims.mujoco.worlds import Arm
from tests.sims.runs import TOY

OPTIONS = {"env": "tests.sims.mujoco.worlds:Arm", "episodes": 1, "views": 1, "size": 32}
ONE = {"split": "1,0,0", "workers": 1}
STREAMS = {"depth": True, "masks": True}


@pytest.fixture(scope="module")
def with_streams(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "with"
    generate(GenerateConfig(**OPTIONS, **ONE, **STREAMS, out=root))
    return root


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "plain"
    generate(GenerateConfig(**OPTIONS, **ONE, out=root))
    return root


def rays(camera):
    """Directions of the middles of all pixels in the world, of depth 1."""
    y, x = np.indices((camera.height, camera.width)) + 0.5
    pixels = np.stack([x, y, np.ones_like(x)], axis=-1)
    return pixels @ np.linalg.inv(camera.intrinsics).T @ camera.world_to_camera[:3, :3]


def plane_depth(camera, height):
    """Depth of the horizontal plane at a height, pixel by pixel."""
    return (height - camera.position[2]) / rays(camera)[..., 2]


def test_depth_and_masks_of_mujoco_are_where_its_own_rays_meet_the_scene():
    env = Arm(views=2, size=48)
    try:
        env.reset(seed=4)
        names, surveys = env.instances(), env.survey_views()
        engine, geom = import_mujoco(), np.zeros(1, np.int32)
        agree, off = [], []
        for view, camera in env.cameras().items():
            directions = rays(camera)
            for row, column in np.ndindex(48, 48):
                origin, ray = camera.position, directions[row, column]
                met = engine.mj_ray(env.model, env.data, origin, ray, None, True, -1, geom)
                expected = env.model.geom_bodyid[geom[0]] > 0 if met >= 0 else False
                seen = surveys[view].instances[row, column]
                agree.append(seen == (names.index("robot") if expected else 0))
                off.append(abs(surveys[view].depth[row, column] - max(met, 0)))
            robot = surveys[view].instances == names.index("robot")
            assert np.array_equal(robot, env.actor_masks()[view])
        # A pixel on an edge may show either side, since a ray has no width.
        assert np.mean(agree) > 0.99
        assert np.quantile(off, 0.98) < 2e-3
    finally:
        env.close()


@pytest.mark.slow
def test_the_table_of_pick_lies_at_its_height(pick):
    pick.reset(seed=2)
    names, surveys = pick.instances(), pick.survey_views()
    for view, camera in pick.cameras().items():
        depth, masks = surveys[view]
        assert np.array_equal(masks == names.index("robot"), pick.actor_masks()[view])
        expected = plane_depth(camera, 0.0)
        table = (masks == names.index("table")) & (expected > 0)
        top = table & (np.abs(depth - expected) < 0.005)
        assert table.sum() == 0 or top.sum() / table.sum() > 0.8
        floor = plane_depth(camera, FLOOR_HEIGHT)
        far = (masks == 0) & (depth > 0)
        assert np.abs(depth - floor)[far].max(initial=0) < 0.02
    assert {"cube", "spot"} <= set(names)
    shown = [set(np.unique(survey.instances)) for survey in surveys.values()]
    assert set(range(len(names))) == set.union(*shown)


@pytest.mark.slow
def test_the_table_of_lift_lies_at_its_height_and_the_cube_at_its_place(lift):
    lift.reset(seed=2)
    names, surveys = lift.instances(), lift.survey_views()
    assert names == ("background", "robot", "table", "cube")
    cube, _ = lift.cube_pose()
    for view in lift.views[1:]:
        camera, (depth, masks) = lift.cameras()[view], surveys[view]
        assert not (lift.actor_masks()[view] & (masks != names.index("robot"))).any()
        table = masks == names.index("table")
        expected = plane_depth(camera, lift._env.model.mujoco_arena.table_offset[2])
        assert np.median(np.abs(depth - expected)[table]) < 0.003
        middle, distance = camera.project(cube)
        shown = masks == names.index("cube")
        if shown.sum() > 10:
            rows, columns = np.nonzero(shown)
            assert np.hypot(columns.mean() - middle[0], rows.mean() - middle[1]) < 3
            assert np.abs(depth[shown] - distance).max() < 0.06


def test_millimetres_say_zero_for_nothing_and_for_what_is_too_far():
    metres = np.array([[0.0, 0.0014, 1.0, 65.535, 65.54, 1e6]])
    assert millimetres(metres).tolist() == [[0, 1, 1000, 65535, 0, 0]]


def test_without_the_options_an_episode_is_the_same_to_the_byte(with_streams, plain):
    stored, usual = EpisodeDataset(with_streams), EpisodeDataset(plain)
    with h5py.File(stored.paths[0]) as one, h5py.File(usual.paths[0]) as other:
        more = {f"{view}_{part}" for view in stored.views for part in ("depth", "mask")}
        assert set(one["obs"]) - set(other["obs"]) == more
        for name in other["obs"]:
            assert np.array_equal(one["obs"][name][()], other["obs"][name][()], equal_nan=True)
        for name in more:
            assert one["obs"][name].chunks == (1, 32, 32)
    text = (plain / "meta.json").read_text()
    assert "depth" not in text
    assert "masks" not in text
    with pytest.raises(MismatchError, match="depth: False on disk, True asked for"):
        generate(GenerateConfig(**OPTIONS, **ONE, depth=True, out=plain))
    with pytest.raises(MissingDataError, match="no depth.*--depth"):
        usual.depth(0, "ego")


def test_what_is_stored_is_read_back_shown_and_drawn(with_streams, tmp_path, capsys):
    data = EpisodeDataset(with_streams)
    assert data.meta.masks[:2] == ["background", "robot"]
    assert "--depth --masks" in data.meta.command
    depth, masks = data.depth(0, "view_0"), data.masks(0, "view_0")
    assert (depth.dtype, masks.dtype) == (np.uint16, np.uint8)
    assert np.array_equal(data.depth(0, "view_0", [2, 2]), depth[[2, 2]])
    assert (depth[masks == 1] > 0).all()
    assert (masks == 1).any()
    episode = data.episode(0)
    assert np.array_equal(episode.depth["view_0"], depth)
    assert not {"view_0_depth", "view_0_mask"} & set(episode.observations)
    sheet = tmp_path / "sheet.png"
    assert info(InfoConfig(with_streams, contact_sheet=sheet)) == []
    said = capsys.readouterr().out
    assert "millimetres" in said
    assert "background, robot" in said
    plain = EpisodeDataset(with_streams)
    plain.meta = replace(plain.meta, depth=False, masks=[])
    with_rows, without = (contact_sheet(d, 0, 2, 32).height for d in (data, plain))
    assert with_rows > 2.5 * (without - 60)


def test_copies_keep_them_where_the_format_can_and_say_so_where_not(with_streams, tmp_path, caplog):
    first = EpisodeDataset(with_streams)
    for to in ("robomimic", "episodes"):
        convert(ConvertConfig(with_streams, tmp_path / to, to=to))
        copy = open_source(tmp_path / to)
        assert np.array_equal(copy.episode(0).depth["ego"], first.depth(0, "ego"))
        assert np.array_equal(copy.masks(0, "ego", [1]), first.masks(0, "ego", [1]))
    convert(ConvertConfig(with_streams, tmp_path / "small", to="episodes", size=16))
    small = EpisodeDataset(tmp_path / "small").masks(0, "view_0")
    assert small.shape[1:] == (16, 16)
    assert set(np.unique(small)) <= set(np.unique(first.masks(0, "view_0")))
    assert not caplog.records
    pytest.importorskip("pyarrow")
    convert(ConvertConfig(with_streams, tmp_path / "lerobot", to="lerobot"))
    assert "left out: --to lerobot" in caplog.text and caplog.text.count("masks of") == 1
    copy = open_source(tmp_path / "lerobot")
    assert (copy.meta.depth, copy.meta.masks) == (True, [])
    assert np.array_equal(copy.episode(0).depth["ego"], first.depth(0, "ego"))


def test_damage_and_values_that_cannot_be_are_named(with_streams, tmp_path):
    data = EpisodeDataset(with_streams)
    episode, meta = data.episode(0), data.meta
    writer = EpisodeWriter(tmp_path / "other", meta)
    with pytest.raises(MismatchError, match="lacks depth of the views"):
        writer.write(0, replace(episode, depth={}))
    with pytest.raises(FormatError, match="instance 9; instances are"):
        writer.write(0, replace(episode, masks={v: m * 9 for v, m in episode.masks.items()}))
    with pytest.raises(FormatError, match="must be uint16"):
        shallow = {v: d.astype(np.int32) for v, d in episode.depth.items()}
        writer.write(0, replace(episode, depth=shallow))
    with pytest.raises(MismatchError, match="has masks, and meta.json does not"):
        bare = EpisodeWriter(tmp_path / "bare", replace(meta, masks=[]))
        bare.write(0, episode)
    path = writer.write(0, episode)
    with h5py.File(path, "r+") as file:
        del file["obs/view_0_mask"]
    with pytest.raises(MissingDataError, match="no masks of view_0"):
        check_episode(path, meta, meta.views, need_keypoints=True)


@pytest.mark.parametrize("stream", ["depth", "masks"])
def test_a_world_that_measures_none_says_so_before_any_work(stream, tmp_path):
    with pytest.raises(SimulatorError, match="leave out --depth and --masks"):
        generate(GenerateConfig(**OPTIONS | {"env": TOY}, out=tmp_path / "toy", **{stream: True}))
    assert not (tmp_path / "toy").exists()

"""People as multi-view episodes: what is in them, and who is in which split."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from align.config import BackboneConfig, TrainConfig
from align.inputs.data import BatchConfig
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError, UnknownNameError
from datasets.info import main as info
from datasets.skeletons import NTU25
from sims.bullet.client import BulletClient
from sims.generate import main
from sims.mocap.config import MocapConfig, MocapEpisodesConfig
from sims.mocap.episodes import generate_episodes, summarize_episodes
from sims.mocap.filming import Film
from sims.mocap.generate import generate_mocap
from sims.mocap.motion import FPS
from sims.mocap.take import Take
from sims.upright import Sightings
from tests.sims.runs import contents

MASKS = 200  # pixels of a person at least


def tiny(out: Path, **options) -> MocapEpisodesConfig:
    usual = {"subjects": 3, "actions": ("walk",), "views": 2, "split": "1,1,1", "workers": 1}
    return MocapEpisodesConfig(out=out, size=32, **usual | options)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """Three people who walk."""
    return generate_episodes(tiny(tmp_path_factory.mktemp("mocap") / "people")).parent


@pytest.fixture(scope="module")
def films():
    """Two takes from their middle, seen by two cameras at 128 pixels."""
    clients = BulletClient("tiny"), BulletClient("tiny")

    def frames(action, subject, every=20):
        film = Film(*clients, Take((7, 3), action, subject, 0), 2, 128)
        for number, _ in enumerate(film.play()):
            if number % every == 0:
                yield film

    yield frames
    for client in clients:
        client.close()


@pytest.mark.slow
def test_visible_keypoints_lie_on_the_person_in_every_view(films):
    near, seen, hidden = {}, {}, 0
    for action, subject in (("punch", 1), ("cartwheel", 2)):
        for film in films(action, subject):
            masks, visible, points = film.person_masks(), film.visible(), film.keypoints()
            for view, camera in film.cameras().items():
                inside = camera.contains(camera.project(points)[0])
                assert not (visible[view] & ~inside).any()
                hidden += int((inside & ~visible[view]).sum())
                pixels = camera.project(points[visible[view]])[0].astype(int)
                far = distance_transform_edt(~masks[view])[pixels[:, 1], pixels[:, 0]]
                near[view] = near.get(view, 0) + int((far <= 1).sum())
                seen[view] = seen.get(view, 0) + len(far)
    assert near == seen and seen["view_0"] > 100 and seen["ego"] > 5
    assert hidden > 20, "nothing ever hides a joint"


@pytest.mark.slow
def test_pictures_are_upright_and_the_room_is_not_the_person(films):
    sightings = Sightings()
    for film in films("jump", 3, every=10):
        images, masks = film.render_views(), film.person_masks()
        sightings.add(images, masks)
        for view in film.views[1:]:
            assert MASKS < masks[view].sum() < 0.3 * masks[view].size
    assert [sightings.fault(view) for view in film.views] == [None] * len(film.views)


@pytest.mark.slow
def test_the_eyes_look_ahead_and_down_from_the_head(films):
    for film in films("walk", 1):
        camera, points = film.cameras()["ego"], film.keypoints()
        named = dict(zip(NTU25.keypoints, points, strict=True))
        assert np.linalg.norm(camera.position - named["head"]) < 0.25
        right, down, front = camera.world_to_camera[:3, :3]
        assert right @ (named["right_shoulder"] - named["left_shoulder"]) > 0.1
        assert down[2] < -0.5 and front[2] < -0.1, "it does not stand upright, or looks up"


@pytest.mark.slow
def test_episodes_hold_what_a_data_set_needs(people, capsys):
    data = EpisodeDataset(people)
    data.check(need_keypoints=True)
    assert list(data.views) == ["ego", "view_0", "view_1"]
    assert data.skeleton == NTU25 and data.meta.control_hz == FPS
    assert data.meta.phases == ["walk"] and set(data.phases(0)) == {0}
    episode = data.episode(0)
    assert episode.world_to_camera["ego"].shape == (len(episode), 4, 4)
    assert episode.world_to_camera["view_0"].shape == (4, 4)
    for time in (0, len(episode) - 1):
        pixels, _ = episode.camera("view_1", time).project(episode.keypoints_world[time])
        np.testing.assert_allclose(episode.keypoints["view_1"][time], pixels, atol=1e-3)
    info([str(people)])
    assert "every episode is whole" in capsys.readouterr().out


def test_the_splits_are_by_person():
    config = MocapEpisodesConfig(subjects=6, repetitions=2)
    people = {
        name: {config.place(number).subject for number in numbers}
        for name, numbers in config.parts.items()
    }
    assert people == {"train": {1, 2, 3, 4}, "valid": {5}, "test": {6}}
    places = [config.place(number) for number in range(config.num_episodes)]
    assert len(set(places)) == config.num_episodes == 2 * 6 * 15


@pytest.mark.slow
def test_a_data_set_grows_by_repetitions_and_damage_is_repaired(people, tmp_path):
    config = tiny(tmp_path / "again")
    root = shutil.copytree(people, config.root)
    (root / "episodes" / "000001.hdf5").write_bytes(b"damaged")
    generate_episodes(config)
    assert contents(root) == contents(people)
    generate_episodes(replace(config, repetitions=2))
    data = EpisodeDataset(root)
    assert len(data) == 6
    assert not np.array_equal(data.keypoints(0, "view_0")[:40], data.keypoints(3, "view_0")[:40])
    assert "6 episodes of 1 action by 3 people" in summarize_episodes(
        replace(config, repetitions=2)
    )


def test_another_split_or_other_people_are_refused(people):
    for change in ({"split": "2,1,0"}, {"subjects": 4}, {"seed": 1}, {"actions": ("run",)}):
        with pytest.raises(MismatchError, match="--out"):
            generate_episodes(replace(tiny(people), **change))


def test_an_episode_of_another_set_is_named(people, tmp_path):
    root = shutil.copytree(people, tmp_path / "mixed")
    first, second = (root / "episodes" / f"00000{i}.hdf5" for i in (0, 1))
    shutil.copy(first, second)
    with pytest.raises(MismatchError, match="not episode 1 of this data set: its seed is"):
        generate_episodes(tiny(root))
    with h5py.File(first) as file:
        assert file.attrs["success"]


def test_clips_and_episodes_do_not_share_a_folder(people, tmp_path):
    with pytest.raises(MismatchError, match="holds episodes, for alignment.*--out"):
        generate_mocap(MocapConfig(out=people))
    (tmp_path / "mocap.json").write_text("{}")
    with pytest.raises(MismatchError, match="holds people as clips.*--out"):
        generate_episodes(tiny(tmp_path))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"size": 8}, OptionError, "--size must be at least 16"),
        ({"views": 0}, OptionError, "--views must be at least 1"),
        ({"split": "half"}, OptionError, "--split 'half' is not three shares"),
        ({"actions": ("walk", "walk")}, OptionError, "--actions has a name twice"),
        ({"actions": ("wlak",)}, UnknownNameError, "'wlak'; did you mean 'walk'"),
    ],
)
def test_bad_options_are_named(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        replace(tiny(tmp_path), **options).check()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--env mocap --as episodes --layout ntu", "leave out --layout, or choose another --as"),
        (
            "--env mocap --split 1,1,1",
            "split by the protocols of their --layout: leave out --split",
        ),
        ("--env mocap --as episdes", "unknown --as 'episdes'; did you mean 'episodes'"),
        ("--env mocap --as episodes --random-scenes", "unknown option --random-scenes"),
        ("--env lift --as episodes", "--as is for --env mocap: lift is always episodes"),
    ],
)
def test_options_that_mean_nothing_are_refused(capsys, words, message):
    with pytest.raises(SystemExit) as end:
        main(words.split())
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_paat_learns_on_people(people, tmp_path):
    config = TrainConfig(
        method="paat",
        data=people,
        out=tmp_path / "run",
        epochs=1,
        backbone=BackboneConfig("test_vit", depth=2),
        batch=BatchConfig(episodes=1, times=8),
    )
    make_trainer(config, progress=False).fit()
    assert (tmp_path / "run" / "checkpoints" / "best.safetensors").exists()

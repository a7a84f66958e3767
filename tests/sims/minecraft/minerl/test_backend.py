"""The back end `minerl` through its real subprocess and protocol; the game is a STAND-IN."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

import sims
from sims import doctor
from sims.errors import SimulatorError
from sims.minecraft.minerl import process as minerl_process
from sims.minecraft.minerl.backend import Key
from sims.minecraft.minerl.process import PYTHON_VARIABLE, MinerlProcess, shortcomings
from sims.rollout import record

STANDIN = Path(__file__).with_name("minerl_standin.py")
JAR = "Minecraft/build/libs/MalmoMod-0.37.0-fat.jar"
SIZE = 96


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def write_java(folder, version):
    java = write(folder / "bin/java", f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A folder with what an installed game consists of, and the variables that lead to it."""
    shutil.copy(STANDIN, tmp_path / "minerl.py")
    write(tmp_path / "minerl-0.4.4.dist-info/METADATA", "Name: minerl\nVersion: 0.4.4\n")
    write(tmp_path / "Minecraft/run/options.txt", "version:922\nfov:1.5\nbobView:false\n")
    write(tmp_path / JAR)
    write_java(tmp_path, "1.8.0_402")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("MINERL_HEADLESS", raising=False)
    monkeypatch.setenv(PYTHON_VARIABLE, sys.executable)
    return tmp_path


@pytest.fixture
def game(installed):
    env = sims.make("sims.minecraft.minerl.env:MinerlEnv", views=3, size=SIZE)
    yield env
    env.close()


def middle_of(image, colour):
    """x and y of the middle of what has a colour, None where nothing does."""
    rows, columns = np.nonzero((image == colour).all(axis=-1))
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5]) if len(rows) else None


def check_dots(env):
    """Cameras and body against where the stand-in drew them; returns how many dots there were."""
    shown, checked = env._backend.shown_player(), 0
    body = shown.position + [0, 0, shown.height / 2]
    images, cameras = env.render_views(), env.cameras()
    for view, image in images.items():
        for colour, point in (((250, 40, 40), body), ((40, 250, 40), env.goal())):
            dot, (expected, _) = middle_of(image, colour), cameras[view].project(point)
            if dot is None or not ((expected > 3) & (expected < env.size - 3)).all():
                continue
            assert np.abs(dot - expected).max() < 1, f"{view}: {dot} instead of {expected}"
            checked += 1
    return checked


@pytest.mark.slow
def test_an_episode_is_walked_and_seen_from_every_view(game):
    game.reset(seed=5)
    assert game._backend.shown_player().amplitude < 0.01
    checked, late, on_body = 0, [], []
    for i, step in enumerate(game.expert(np.random.default_rng(5))):
        *_, info = game.step(step.action)
        late.append(np.linalg.norm(game.player().position - game._backend.shown_player().position))
        if i % 10:
            continue
        checked += check_dots(game)
        points, masks = game.keypoints(), game.actor_masks()
        for view, seen in game.visible().items():
            x, y = np.floor(game.cameras()[view].project(points[seen])[0]).astype(int).T
            on_body += masks[view][y, x].tolist()
    assert info["success"]
    assert checked > 20
    # A full walk is shown about half a metre late, and whoever stands is shown where he stands.
    assert max(late) > 0.2 and late[-1] < 0.02
    assert len(on_body) > 50 and np.mean(on_body) > 0.95
    assert not game.visible()["ego"].any() and not game.actor_masks()["ego"].any()


@pytest.mark.slow
def test_pictures_are_upright_and_belong_to_their_views(game):
    game.reset(seed=1)
    images = game.render_views()
    assert tuple(images) == game.views == tuple(game.cameras())
    for i, image in enumerate(images.values()):
        assert image.shape == (SIZE, SIZE, 3) and image.dtype == np.uint8
        assert (image[-1] == 255).all()
        assert (image[0, 0] == 20 * i).all()


@pytest.mark.slow
def test_the_body_obeys(game):
    game.reset(seed=3)

    def after(*action):
        before = game.player()
        game.step(np.array(action, float))
        pose = game.player()
        turn = np.degrees((pose.yaw - before.yaw + np.pi) % (2 * np.pi) - np.pi)
        cos, sin = np.cos(pose.yaw), np.sin(pose.yaw)
        x, y = (pose.position - before.position)[:2]
        tilt = np.degrees(pose.pitch - before.pitch)
        return [cos * x + sin * y, -sin * x + cos * y, turn, tilt]

    full = 4.317 / 20
    assert np.allclose(after(1, 0, 0, 0, -1), [full, 0, 0, 0], atol=1e-6)
    assert np.allclose(after(-1, 0, 0, 0, -1), [-full, 0, 0, 0], atol=1e-6)
    assert np.allclose(after(0, 1, 0, 0, -1), [0, full, 0, 0], atol=1e-6)
    assert np.allclose(after(0, -1, 0, 0, -1), [0, -full, 0, 0], atol=1e-6)
    assert np.allclose(after(0, 0, 0.5, 0, -1), [0, 0, 9, 0], atol=1e-4)
    assert np.allclose(after(0, 0, 0, -1, -1), [0, 0, 0, -9], atol=1e-4)
    for _ in range(12):
        game.step(np.array([0, 0, 0, -1, -1.0]))
    # Straight down, a camera's picture would have no upper edge.
    assert np.isclose(np.degrees(game.player().pitch), -85)
    game.cameras()


@pytest.mark.slow
def test_a_stroke_lasts_and_a_second_one_waits_for_its_end(game):
    game.reset(seed=3)
    strikes = []
    for _ in range(8):
        game.step(np.array([0, 0, 0, 0, 1.0]))
        strikes.append(round(6 * game._backend.shown_player().strike))
    assert strikes == [1, 2, 3, 4, 5, 1, 2, 3]
    assert not game.success()


@pytest.mark.parametrize("share", [0.0, 0.3, -0.45, 0.8, 1.0, -1.0])
def test_keys_are_down_for_a_share_of_the_time(share):
    key = Key()
    pressed = [key.press(share) for _ in range(100)]
    assert abs(sum(pressed) - 100 * share) <= 0.5
    assert set(pressed) <= {0, int(np.sign(share))}


@pytest.mark.slow
def test_a_seed_makes_the_episode_and_another_one_another(game):
    episodes = [record(game, seed) for seed in (11, 11, 12)]
    first, again, other = episodes
    assert first.success and np.array_equal(first.states, again.states)
    assert np.array_equal(first.images["view_0"], again.images["view_0"])
    assert not np.array_equal(first.states[0], other.states[0])
    assert first.world_to_camera["view_0"].shape == (4, 4)
    assert np.array_equal(first.world_to_camera["view_2"], other.world_to_camera["view_2"])
    assert game.env_args()["minerl"] == "0.4.4"


@pytest.mark.slow
def test_a_live_games_spectators_stay_where_they_joined(game):
    with pytest.raises(SimulatorError, match="--random-cameras.*`blocks`"):
        game.reset(seed=1, options={"random_cameras": True})
    game.reset(seed=1)
    with pytest.raises(SimulatorError, match="--moving-cameras.*`blocks`"):
        game.move_cameras({view: game.cameras()[view] for view in game.views[1:]})


@pytest.mark.slow
def test_a_live_game_cannot_go_back(game):
    game.reset(seed=1)
    with pytest.raises(SimulatorError, match="'blocks'"):
        game.set_state(game.state())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("launch", "failed at 'reset' with EOFError: .*process finished unexpectedly"),
        ("crash", "ended at 'step'"),
        ("hang", "did not answer 'step' within 2 seconds"),
        ("lost", "the game was lost: Connection timed out!"),
        ("over", "ended the mission by itself"),
        ("fall", "moved the camera view_0 by 1.00 m"),
        ("unseen", "In view_0, the game shows no player"),
    ],
)
def test_a_failing_game_says_so_names_blocks_and_is_ended(game, monkeypatch, fault, said):
    monkeypatch.setitem(minerl_process.ANSWER_SECONDS, "step", 2.0)
    game.close()
    monkeypatch.setenv("MINERL_STANDIN", fault)
    broken = sims.make("minecraft", backend="minerl", views=1, size=16)
    with pytest.raises(SimulatorError, match=f"(?s){said}.*backend='blocks'"):
        broken.reset(seed=0)
        for _ in range(12):
            broken.step(np.zeros(5))
    process = broken._backend._process
    broken.close()
    assert process._process.poll() is not None
    assert not Path(process._copies.name).exists()


@pytest.mark.slow
def test_a_failed_game_stays_ended(installed, monkeypatch):
    monkeypatch.setenv("MINERL_STANDIN", "launch")
    broken = sims.make("minecraft", backend="minerl", views=1, size=16)
    for said in ("EOFError", "ended at 'reset'"):
        with pytest.raises(SimulatorError, match=said):
            broken.reset(seed=0)
    broken.close()
    broken.close()


@pytest.mark.slow
def test_the_game_ends_with_its_client(installed):
    env = sims.make("minecraft", backend="minerl", views=1, size=16)
    env.reset(seed=0)
    process = env._backend._process._process
    assert process.poll() is None
    env.close()
    assert process.poll() == 0
    assert (installed / "closed").exists()


@pytest.mark.slow
def test_options_of_the_installed_game_stay_as_they_were(installed):
    sims.make("minecraft", backend="minerl", views=1, size=16).close()
    assert "fov:1.5" in (installed / "Minecraft/run/options.txt").read_text()


def test_without_a_python_for_it_the_error_says_what_to_do(monkeypatch):
    monkeypatch.delenv(PYTHON_VARIABLE, raising=False)
    with pytest.raises(SimulatorError, match=f"(?s)minerl 0.4.4.*{PYTHON_VARIABLE}.*'blocks'"):
        sims.make("minecraft", backend="minerl")
    monkeypatch.setenv(PYTHON_VARIABLE, "/no/such/python")
    with pytest.raises(SimulatorError, match="/no/such/python"):
        sims.make("minecraft", backend="minerl")


def test_a_program_that_is_no_server_is_found_out(monkeypatch):
    with pytest.raises(SimulatorError, match="ended at 'probe'"):
        MinerlProcess(shutil.which("echo")).ask("probe")


def lose_jar(folder, monkeypatch):
    (folder / JAR).unlink()


def lose_java(folder, monkeypatch):
    write_java(folder, "17.0.15")


def lose_display(folder, monkeypatch):
    monkeypatch.delenv("DISPLAY")


def lose_minerl(folder, monkeypatch):
    (folder / "minerl.py").unlink()


def grow_old(folder, monkeypatch):
    write(folder / "minerl-0.4.4.dist-info/METADATA", "Name: minerl\nVersion: 1.0.2\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lose", "said"),
    [
        (lose_jar, "minerl 0.4.4 imports, but its game was not built"),
        (lose_java, "java is 17.0.15, not 1.8"),
        (lose_display, "there is no display"),
        (lose_minerl, "minerl does not import"),
        (grow_old, "minerl is 1.0.2"),
    ],
)
def test_importable_differs_from_usable(installed, monkeypatch, lose, said):
    lose(installed, monkeypatch)
    with pytest.raises(SimulatorError, match=f"(?s){said}.*'blocks'"):
        sims.make("minecraft", backend="minerl")
    fine, found = doctor.examine_minerl()
    assert not fine and said in found


@pytest.mark.slow
def test_the_doctor_knows_a_usable_game_and_one_that_is_not_set_up(installed, monkeypatch):
    fine, found = doctor.examine_minerl()
    assert fine and "minerl 0.4.4" in found and "java 1.8.0_402" in found
    monkeypatch.delenv(PYTHON_VARIABLE)
    fine, found = doctor.examine_minerl()
    assert not fine and PYTHON_VARIABLE in found


def test_a_game_without_java_lacks_java():
    found = {"minerl": "0.4.4", "jar": "a.jar", "java": None, "display": ":0"}
    assert shortcomings(found) == ["java is missing, not 1.8"]

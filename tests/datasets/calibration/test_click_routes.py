"""Requests of the page of clicks and their changes, without a browser."""

import http.client
import io
import json
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import datasets
from datasets.calibrate import CalibrateConfig, main
from datasets.calibration.calibrator import Calibrator
from datasets.calibration.clicks import Click, read_clicks, write_clicks
from datasets.calibration.page.advice import advice, spread_times
from datasets.calibration.page.desk import Desk
from datasets.calibration.page.routes import ClickRoutes
from datasets.calibration.reading import read_cameras
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError, MismatchError, UnknownNameError
from datasets.formats.detect import open_source
from datasets.pages.content import NoContentError
from tests.datasets.kinematics.arm import SIZE, camera, joints, load_arm, make_motion, write_arm
from tests.pages import served

pytest.importorskip("cv2")
LINKS = ("lower", "left_tip", "upper")


def desk_of(recording, tmp_path, views=("front",)):
    known = tmp_path / "known.json"
    intrinsics = {"intrinsics": camera().intrinsics.tolist()}
    known.write_text(json.dumps({view: intrinsics for view in views}))
    config = CalibrateConfig(
        data=recording,
        robot=str(write_arm(tmp_path)),
        joints="joint_pos",
        cameras=(str(known),),
    )
    made = Calibrator(config, open_source(recording))
    return Desk(made, tmp_path / "rig.json", tmp_path / "rig_clicks.csv")


@pytest.fixture
def desk(recording, tmp_path):
    return desk_of(recording, tmp_path)


def routes_of(desk):
    return ClickRoutes(desk, lambda views: " ".join(["the next command", *views]))


@pytest.fixture
def routes(desk):
    return routes_of(desk)


def asked(routes, path):
    return json.loads(routes.answer(path).body)


def places(folder, frame, names=LINKS):
    """Where the camera sees links of the first episode."""
    motion = make_motion(load_arm(folder), joints())
    motion.place(frame)
    return {name: camera().project(motion.robot.pose(name)[:3, 3])[0] for name in names}


def click(routes, folder, frames=(0, 1, 3, 5), error=0.3):
    rng = np.random.default_rng(0)
    for frame in frames:
        for link, place in places(folder, frame).items():
            x, y = (place + rng.normal(0, error, 2)).tolist()
            sent = {"view": "front", "episode": 0, "frame": frame, "link": link, "x": x, "y": y}
            routes.act("click", sent)


@pytest.mark.slow
def test_a_whole_calibration(routes, desk, tmp_path):
    click(routes, tmp_path)
    answer = asked(routes, "views/0/answer.json")
    assert answer["solved"] and len(answer["errors"]) == 12 and max(answer["errors"]) < 2
    assert answer["advice"].startswith("Enough")
    keypoints = asked(routes, "about.json")["keypoints"]
    seen = dict(zip(keypoints, asked(routes, "views/0/0/2/links.json"), strict=True))
    expected = places(tmp_path, 2, ("lower",))["lower"]
    assert np.linalg.norm(np.array(seen["lower"]) - expected) < 1
    saved = json.loads(routes.act("save", {}).body)
    assert saved["clocks"][0].startswith("front: ")
    assert saved["views"] == ["front"] and saved["then"] == "the next command"
    assert list(read_cameras([saved["rig"]])) == ["front"]
    assert len(read_clicks(Path(saved["table"]))) == 12


@pytest.mark.slow
def test_the_next_command_leaves_out_views_without_clicks(recording, tmp_path):
    both = tmp_path / "both"
    for i in range(2):
        frames = EpisodeDataset(recording).images(i, "front")
        datasets.write_episode(both, {"front": frames, "side": frames}, joints=joints(), hz=10)
    datasets.finish_data_set(both)
    routes = routes_of(desk_of(both, tmp_path, ("front", "side")))
    click(routes, tmp_path)
    saved = json.loads(routes.act("save", {}).body)
    assert saved["views"] == ["front"] and saved["then"] == "the next command front"


@pytest.mark.slow
def test_the_outline_lies_over_the_robot(routes, tmp_path):
    click(routes, tmp_path, error=0.1)
    outline = Image.open(io.BytesIO(routes.answer("views/0/0/2/outline.png").body))
    frame = Image.open(io.BytesIO(routes.answer("views/0/0/2.jpg").body))
    robot, drawn = np.asarray(frame.convert("L")) > 140, np.asarray(outline)[..., 3] > 0
    assert (robot & drawn).sum() > 0.85 * (robot | drawn).sum() > 0


def test_clicks_are_on_the_disk_at_once_and_taken_up_again(routes, desk, tmp_path):
    click(routes, tmp_path, frames=(0,))
    assert [(c.link, c.frame) for c in read_clicks(desk.table)] == [(link, 0) for link in LINKS]
    again = Desk(desk.calibrator, desk.rig, desk.table)
    again.remove(1)
    assert [c.link for c in read_clicks(desk.table)] == [LINKS[0], LINKS[2]]


@pytest.mark.slow
def test_a_wrong_click_is_left_out_until_it_is_removed(routes, tmp_path):
    click(routes, tmp_path, error=0.1)
    wrong = {"view": "front", "episode": 0, "frame": 0, "link": "lower", "x": 3, "y": 60}
    routes.act("click", wrong)
    answer = asked(routes, "views/0/answer.json")
    assert answer["outliers"] == [False] * 12 + [True] and "1 click left out" in answer["advice"]
    routes.act("remove", {"number": 12})
    assert not any(asked(routes, "views/0/answer.json")["outliers"])


def test_a_problem_of_the_solver_is_told(routes, tmp_path):
    for k in range(6):
        sent = {"view": "front", "episode": 0, "frame": 0, "link": "lower", "x": 5.0 + k, "y": 9}
        routes.act("click", sent)
    answer = asked(routes, "views/0/answer.json")
    assert "lie on one line on the robot" in answer["problem"] and not answer["solved"]
    with pytest.raises(DataError, match="no view has a camera yet"):
        routes.act("save", {})


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"link": "lowr"}, UnknownNameError),
        ({"frame": 99}, MismatchError),
        ({"x": 99.0}, MismatchError),
        ({"x": float("nan")}, MismatchError),
        ({"x": "1"}, DataError),
        ({"frame": True}, DataError),
        ({"view": None}, DataError),
    ],
)
def test_a_click_that_cannot_be_is_refused(routes, desk, changed, error):
    sent = {"view": "front", "episode": 0, "frame": 0, "link": "lower", "x": 1, "y": 1} | changed
    with pytest.raises(error):
        routes.act("click", sent)
    assert not desk.clicks and not desk.table.exists()


@pytest.mark.parametrize("path", ["views/1/answer.json", "views/0/0/9.jpg", "episodes/2.json", "x"])
def test_what_does_not_exist_is_not_found(routes, path):
    with pytest.raises(NoContentError):
        routes.answer(path)
    with pytest.raises(NoContentError):
        routes.act(path, {})


def test_every_link_is_in_the_portrait(routes):
    drawn = np.asarray(Image.open(io.BytesIO(routes.answer("portrait.png").body)))
    assert 0.03 < (drawn[..., 3] > 0).mean() < 0.6
    inside = np.array(list(asked(routes, "portrait.json").values()))
    assert ((inside > 0) & (inside < 1)).all()


def test_the_advice_follows_the_clicks(desk):
    made = [Click("front", 0, "lower", 3.0 * k, 20.0 * (k % 2)) for k in range(12)]
    said = [advice(made[:k], (SIZE, SIZE), None) for k in (0, 2, 6)]
    assert said[0].startswith("Click where the chosen link is")
    assert said[1] == "4 more clicks for a first camera, spread over the picture."
    assert said[2] == "6 clicks do not tell the camera yet."


@pytest.mark.slow
def test_the_advice_wants_frames_then_clicks_then_spread(routes, desk, tmp_path):
    click(routes, tmp_path)
    found, size = desk.answer("front").solved, (SIZE, SIZE)
    made = desk.of_view("front")
    assert "robot stands differently" in advice([replace(c, frame=0) for c in made], size, found)
    assert advice(made[:8] + made[9:10], size, found).startswith("3 more clicks, ")
    near = [replace(c, x=30.0 + k / 9, y=30.0) for k, c in enumerate(made[:9])]
    assert "all of them are in one part" in advice(near, size, found)


def test_proposed_frames_are_those_that_differ():
    values = np.array([[0.0, 0], [0.01, 0], [1, 0], [1, 0.01], [1, 1], [0.5, 0.5]])
    assert spread_times(values, 3) == [0, 2, 4] or spread_times(values, 3) == [0, 3, 4]
    assert spread_times(np.zeros((5, 2)), 3) == [0]


def test_a_focal_length_that_is_not_known_is_named_before_the_page_opens(recording, capsys):
    words = [str(recording), "--robot", str(write_arm(recording.parent)), "--joints", "joint_pos"]
    with pytest.raises(SystemExit) as end:
        main([*words, "--out", str(recording.parent / "rig.json")])
    assert end.value.code == 2 and "--focal" in capsys.readouterr().err


@pytest.mark.slow
def test_only_the_page_itself_may_change_something(recording, tmp_path):
    words = [recording, "--robot", write_arm(tmp_path), "--joints", "joint_pos", "--focal"]
    with served("datasets.calibrate", *words, "--out", tmp_path / "rig.json") as address:
        place = urlsplit(address)
        assert place.hostname == "127.0.0.1"

        def post(kind, body="{}", host=place.netloc):
            connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
            connection.request("POST", "/do/save", body, {"Content-Type": kind, "Host": host})
            return connection.getresponse().status

        # What a form of another page can send without asking.
        assert post("text/plain") == post("application/x-www-form-urlencoded") == 415
        assert post("application/json", host="evil.example") == 400
        assert post("application/json", body="{") == 400
        assert post("application/json") == 422  # it has no clicks yet


@pytest.mark.slow
def test_the_page_opens_again_after_its_cameras_were_saved(recording, tmp_path, capsys):
    words = [recording, "--robot", write_arm(tmp_path), "--joints", "joint_pos", "--focal"]
    words += ["--out", tmp_path / "rig.json"]
    (tmp_path / "rig.json").write_text("{}")
    with pytest.raises(SystemExit):
        main([*map(str, words), "--port", "0"])
    assert "rig.json exists already" in capsys.readouterr().err
    write_clicks(tmp_path / "rig_clicks.csv", [Click("front", 0, "upper", 9.0, 9.0, 0)])
    with served("datasets.calibrate", *words) as address:
        assert address

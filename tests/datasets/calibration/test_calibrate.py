"""`python -m datasets.calibrate`: clicks on a recording become the cameras of its views."""

import json
import shlex

import numpy as np
import pytest
from PIL import Image

import datasets
from datasets.calibrate import main
from datasets.calibration.clicks import Click, write_clicks
from datasets.cameras import Camera
from datasets.episodes import EpisodeDataset
from datasets.keypoints import main as keypoints
from datasets.video import write_video
from tests.datasets.kinematics.arm import (
    SIZE,
    camera,
    joints,
    load_arm,
    make_motion,
    pictures,
    rig_camera,
    write_arm,
)

pytest.importorskip("cv2")
LINKS = ("lower", "left_tip", "upper")


def clicks(recording, error=0.6, **changed):
    """12 clicks on three links in four frames of both episodes, as a table."""
    arm, rng, made = load_arm(recording.parent), np.random.default_rng(0), []
    for episode, frame in ((0, 0), (0, 3), (1, 1), (1, 5)):
        motion = make_motion(arm, joints() - 0.02 * episode)
        motion.place(frame)
        for link in LINKS:
            pixel, _ = camera().project(arm.pose(link)[:3, 3])
            x, y = (pixel + rng.normal(0, error, 2)).tolist()
            made.append(Click("front", frame, link, x, y, episode))
    made[4] = Click(**(made[4].__dict__ | changed))
    write_clicks(recording.parent / "clicks.csv", made)
    return recording.parent / "clicks.csv"


def run(recording, *options):
    arm = write_arm(recording.parent)
    main([str(recording), "--robot", str(arm), "--joints", "joint_pos", *map(str, options)])


def info(folder):
    matrix = (camera().intrinsics - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]).tolist()
    (folder / "info.yaml").write_text(json.dumps({"K": sum(matrix, [])}))
    return f"front={folder / 'info.yaml'}"


def require_near(recording, rig, tmp_path, most):
    """The keypoints by a rig are near those by the true camera, in the mean."""
    words = [str(recording), "--robot", str(tmp_path / "arm.urdf"), "--joints", "joint_pos"]
    words += ["--links", *LINKS, "--split", "1,1,0", "--cameras", str(rig), "--out"]
    keypoints([*words, str(tmp_path / "out")])
    data = EpisodeDataset(tmp_path / "out")
    expected = camera().project(data.episode(0).keypoints_world.astype(float))[0]
    off = np.linalg.norm(data.keypoints(0, "front") - expected, axis=-1)
    assert off.mean() < most


@pytest.mark.slow
@pytest.mark.parametrize("focal", [False, True])
def test_a_written_rig_gives_the_keypoints(recording, tmp_path, capsys, focal):
    options = ["--focal"] if focal else ["--cameras", info(tmp_path)]
    table = clicks(recording)
    run(recording, "--clicks", table, *options, "--out", tmp_path / "rig.json")
    printed = capsys.readouterr().out
    assert "front: 12 clicks in 4 frames, reprojection error 0." in printed
    assert "of the silhouette's edge lies on edges" in printed
    assert ("focal length" in printed) == focal
    require_near(recording, tmp_path / "rig.json", tmp_path, 3 * SIZE / 224)


@pytest.mark.slow
def test_the_next_command_works_where_views_and_splits_are_missing(recording, tmp_path, capsys):
    videos = tmp_path / "videos"
    for i, episode in enumerate(map(EpisodeDataset(recording).episode, range(2))):
        (videos / str(i)).mkdir(parents=True)
        for view in ("front", "hand"):
            write_video(videos / str(i) / f"{view}.mp4", episode.images["front"], 10, crf=18)
        values = episode.observations["joint_pos"]
        table = np.column_stack([np.arange(len(values)) / 10, values])
        names = ",".join(["time", *"abcdefgh"[: values.shape[1]]])
        np.savetxt(videos / str(i) / "joint_pos.csv", table, "%.6f", ",", header=names, comments="")
    run(videos, "--clicks", clicks(recording), "--focal", "--out", tmp_path / "rig.json")
    printed = capsys.readouterr().out.splitlines()[-1]
    words = shlex.split(printed.partition("datasets.keypoints ")[2].replace("FOLDER", "made"))
    assert words[-6:] == ["--views", "front", "--split", "2,0,0", "--out", "made"]
    keypoints([*words[:-1], str(tmp_path / "made")])
    assert EpisodeDataset(tmp_path / "made").views == ["front"]


@pytest.mark.slow
def test_a_wrong_click_is_named(recording, tmp_path, capsys):
    table = clicks(recording, error=0.1, x=5.0)
    run(recording, "--clicks", table, "--cameras", info(tmp_path))
    assert "left out: left_tip in frame 3" in (printed := capsys.readouterr().out)
    assert f"({table}:6)" in printed


def test_a_camera_that_moves_is_not_sought_by_clicks(tmp_path, capsys):
    recording, arm = tmp_path / "recording", load_arm(tmp_path)
    for i in range(2):
        values = joints() - 0.02 * i
        frames = {"front": pictures(make_motion(arm, values), rig_camera())}
        poses = np.repeat(camera().world_to_camera[None], len(values), axis=0)
        poses[1:, 2, 3] += 0.1
        cameras = {"front": (camera().intrinsics, poses)}
        datasets.write_episode(recording, frames, joints=values, cameras=cameras, hz=10)
    datasets.finish_data_set(recording)
    with pytest.raises(SystemExit):
        run(recording, "--clicks", clicks(recording))
    assert "the camera of front moves" in capsys.readouterr().err


@pytest.mark.slow
def test_the_preview_shows_the_clicked_frames(recording, tmp_path):
    options = ("--cameras", info(tmp_path), "--preview", tmp_path / "look")
    run(recording, "--clicks", clicks(recording), *options)
    with Image.open(tmp_path / "look" / "front.png") as picture:
        assert picture.width == 2 * picture.height
    assert not (tmp_path / "rig.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"view": "frnt"}, [], "clicks.csv:6: 'frnt'; did you mean 'front'"),
        ({"link": "lowr"}, [], "clicks.csv:6: 'lowr'; did you mean 'lower'"),
        ({"x": 99.0}, [], "clicks.csv:6: (99, "),
        ({"frame": 99}, [], "clicks.csv:6: there is no frame 99"),
        ({}, ["none"], "front has no intrinsics. Give them: --cameras front=camera_info.yaml"),
        ({}, ["--out", "clicks.csv"], "exists already"),
    ],
)
def test_mistakes_are_one_line(recording, tmp_path, capsys, changed, options, message):
    table, known = clicks(recording, **changed), ["--cameras", info(tmp_path)]
    known = [] if options == ["none"] else known
    words = [str(tmp_path / word) if word == "clicks.csv" else word for word in options]
    with pytest.raises(SystemExit) as end:
        run(recording, "--clicks", table, *known, *(w for w in words if w != "none"))
    assert end.value.code == 2
    assert message in capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.slow
def test_rendered_lift_within_three_pixels(lift_dataset, tmp_path, capsys):
    """Clicks off by 2 pixels of 224 on the simulator's keypoints, without stored cameras."""
    data, rng = EpisodeDataset(lift_dataset), np.random.default_rng(0)
    points, visible = data.keypoints(0, "view_0"), data.visible(0, "view_0")
    side, made = data.meta.image_size, []
    times = np.linspace(0, len(points) - 1, 4).round().astype(int)
    seen = [(int(t), int(k)) for t in times for k in np.flatnonzero(visible[t])]
    for time, k in [seen[i] for i in rng.permutation(len(seen))[:12]]:
        x, y = np.clip(points[time, k] + rng.normal(0, 2 * side / 224, 2), 0, side).tolist()
        made.append(Click("view_0", time, data.skeleton.keypoints[k], x, y))
    write_clicks(tmp_path / "clicks.csv", made)
    columns = ["--joints", "robot0_joint_pos", "--gripper", "robot0_gripper_qpos"]
    words = [str(lift_dataset), "--robot", "panda", *columns, "--base", "-0.56", "0", "0.912"]
    files = ["--clicks", str(tmp_path / "clicks.csv"), "--out", str(tmp_path / "rig.json")]
    main([*words, *files])
    rig = json.loads((tmp_path / "rig.json").read_text())["view_0"]
    world = data.episode(0).keypoints_world.astype(float)
    seen_by = Camera(np.array(rig["intrinsics"]), np.array(rig["pose"]), side, side)
    off = np.linalg.norm(seen_by.project(world)[0] - points, axis=-1)
    assert off.mean() < 3 * side / 224

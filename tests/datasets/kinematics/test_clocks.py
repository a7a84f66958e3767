"""How late pictures are against joints: measured by motion, and put right."""

import numpy as np
import pytest

import datasets
from datasets.calibrate import main as calibrate
from datasets.calibration.clicks import Click, write_clicks
from datasets.calibration.own import write_rig
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, OptionError, UnknownNameError
from datasets.frames import LazyFrames
from datasets.keypoints import main as keypoints
from datasets.kinematics.clocks import read_offsets, synchronised
from datasets.kinematics.timing import ClockOffset, estimate_offset, motion_energy, robot_speed
from datasets.storage.episode_file import Episode
from tests.datasets.kinematics.arm import (
    SIZE,
    camera,
    load_arm,
    make_motion,
    pictures,
    rig_camera,
    write_arm,
)

LINKS = ("upper", "lower", "left_tip")
HZ = 10


def waving(steps=70):
    """Joints that start and stop."""
    times = np.arange(steps)
    along = sum(
        1 / (1 + np.exp(-(times - at) / 1.5)) * by
        for at, by in ((8, 0.5), (20, -0.8), (37, 0.9), (52, -0.4))
    )
    return np.stack([0.3 + 0.6 * along, -0.9 * along], axis=1)


def filmed(arm, values, late):
    """Pictures that show the joints of `late` time steps before."""
    motion = make_motion(arm, values)
    return pictures(motion.at(np.arange(len(values)) - late), rig_camera())


def signal(seed, steps=120):
    rng = np.random.default_rng(seed)
    return np.convolve(rng.random(steps + 8), np.ones(9) / 9, "valid") ** 4


@pytest.mark.parametrize("late", [-7, -3, 0, 3, 7])
def test_a_shift_is_found(late):
    long = signal(0, 140)
    speed, energy = long[10:130], long[10 - late : 130 - late] * 50 + 0.001
    found = estimate_offset([(speed, energy)])
    assert not found.problem and abs(found.frames - late) < 0.2
    assert found.low <= found.frames <= found.high and found.high - found.low < 2


def test_a_part_of_a_frame_is_found():
    fine = np.interp(np.arange(0, 120, 0.5), np.arange(120), signal(1))
    found = estimate_offset([(fine[10:200:2], fine[5:195:2])])
    assert found.frames == pytest.approx(2.5, abs=0.2)


def test_recordings_are_taken_together():
    pairs = [(signal(k, 40)[5:35], signal(k, 40)[3:33]) for k in range(4)]
    assert estimate_offset(pairs).frames == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize(
    ("speed", "energy", "problem"),
    [
        (np.ones(9), np.ones(9), "9 frames are too few"),
        (np.ones(50), signal(0, 50), "do not change"),
        (signal(0), signal(1), "does not follow the joints|may be"),
        (signal(0)[40:100], signal(0)[:60], "may be|does not follow"),
    ],
)
def test_what_cannot_be_told_is_said(speed, energy, problem):
    found = estimate_offset([(speed, energy)])
    with pytest.raises(AssertionError, match=problem):
        assert not found.problem, found.problem
    assert "cannot be measured" in found.sentence("front", 10)


@pytest.mark.slow
def test_the_robot_and_its_pictures_move_together(tmp_path):
    arm = load_arm(tmp_path)
    motion, (_, points) = make_motion(arm, waving()), arm.keypoints(LINKS)
    energy = motion_energy(filmed(arm, waving(), 3))
    found = estimate_offset([(robot_speed(motion, points), energy)])
    assert abs(found.frames - 3) < 0.5 and found.low < 3 < found.high + 0.3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {}),
        (("0.1",), {"a": 0.1, "b": 0.1}),
        (("a=-0.2",), {"a": -0.2}),
        (("0.1", "b=0"), {"a": 0.1, "b": 0.0}),
    ],
)
def test_offsets_are_read(words, expected):
    assert read_offsets(words, ["a", "b"]) == expected


def test_offsets_that_cannot_be_are_named():
    with pytest.raises(OptionError, match="--offset a=nan must be estimated, seconds"):
        read_offsets(["a=nan"], ["a"])
    with pytest.raises(UnknownNameError, match="did you mean 'front'"):
        read_offsets(["frnt=1"], ["front"])


@pytest.mark.parametrize("lazy", [False, True])
def test_each_time_step_gets_the_nearest_picture(tmp_path, lazy):
    frames = np.zeros((10, 2, 2, 3), np.uint8) + np.arange(10, dtype=np.uint8)[:, None, None, None]
    held = frames
    if lazy:
        held = LazyFrames("x", frames.shape, lambda times: (frames[time] for time in times))
    arm = load_arm(tmp_path)
    depth = {"a": frames[..., 0].astype(np.uint16)}
    episode = Episode({"a": held, "b": frames}, np.arange(10, dtype=np.uint8), depth=depth)
    values = np.arange(20.0).reshape(10, 2) / 100
    moved = synchronised(episode, make_motion(arm, values), {"a": 2.3, "b": -1.0}, "x")
    assert moved.episode.phases.tolist() == list(range(1, 8))
    assert [frame[0, 0, 0] for frame in moved.episode.images["a"]] == list(range(3, 10))
    assert moved.episode.depth["a"][:, 0, 0].tolist() == list(range(3, 10))
    assert moved.episode.images["b"][:, 0, 0, 0].tolist() == list(range(0, 7))
    # Frame 3 of `a` shows the joints of step 0.7.
    assert moved.views["a"].values[0] == pytest.approx(values[0] * 0.3 + values[1] * 0.7)
    assert moved.views["b"].values == pytest.approx(values[1:8])
    with pytest.raises(MismatchError, match="x has 10 frames, and --offset shifts"):
        synchronised(episode, make_motion(arm, values), {"a": 20.0}, "x")


@pytest.fixture
def late_recording(tmp_path):
    """One episode of the arm whose pictures are 3 frames late, with a rig beside it."""
    arm = load_arm(tmp_path)
    frames = {"front": filmed(arm, waving(), 3)}
    datasets.write_episode(tmp_path / "late", frames, joints=waving(), hz=HZ)
    datasets.finish_data_set(tmp_path / "late", train=1, valid=0, test=0)
    write_rig(tmp_path / "rig.json", {"front": rig_camera()})
    return tmp_path / "late"


def words(recording, *more):
    arm = write_arm(recording.parent)
    options = ["--robot", arm, "--joints", "joint_pos", "--links", *LINKS, *more]
    return [str(recording), *map(str, options)]


@pytest.mark.slow
def test_keypoints_follow_late_pictures(late_recording, tmp_path, capsys, caplog):
    rig = ("--cameras", tmp_path / "rig.json")
    keypoints(words(late_recording, *rig))
    assert "late against the joints" in capsys.readouterr().out
    assert "Add --offset estimated, or --offset front=0." in caplog.text
    caplog.clear()
    options = (*rig, "--offset", "estimated", "--out", tmp_path / "out")
    keypoints(words(late_recording, *options))
    assert "frames apart" not in caplog.text
    data, arm = EpisodeDataset(tmp_path / "out"), load_arm(tmp_path)
    motion = make_motion(arm, waving())
    for time in (5, 20, 38):  # picture 3 + time, which shows the joints of that time
        motion.place(time)
        expected = camera().project(np.array([arm.pose(n)[:3, 3] for n in LINKS]))[0]
        off = np.linalg.norm(data.keypoints(0, "front")[time] - expected, axis=-1)
        assert off.max() < 1.5
    assert data.lengths[0] == 67


@pytest.mark.slow
def test_clicks_refine_the_offset(late_recording, tmp_path, capsys):
    arm, rng, made = load_arm(tmp_path), np.random.default_rng(0), []
    motion = make_motion(arm, waving()).at(np.arange(70) - 3)
    for frame in (6, 11, 24, 40, 55):
        motion.place(frame)
        for link in LINKS:
            x, y = camera().project(arm.pose(link)[:3, 3])[0] + rng.normal(0, 0.2, 2)
            made.append(Click("front", frame, link, float(x), float(y)))
    write_clicks(tmp_path / "clicks.csv", made)
    known = ("--cameras", tmp_path / "rig.json", "--clicks", tmp_path / "clicks.csv")
    calibrate(
        words(late_recording, *known, "--offset", "estimated", "--out", tmp_path / "new.json")
    )
    printed = capsys.readouterr().out
    found = float(printed.split("its pictures are ")[1].split()[0])
    assert abs(found - 3) < 0.3
    used = float(printed.split("--offset front=")[1].split()[0])
    assert abs(used * HZ - found) < 0.05


def test_an_offset_that_cannot_be_estimated_is_refused(tmp_path, capsys):
    frames = {"front": np.zeros((6, SIZE, SIZE, 3), np.uint8)}
    datasets.write_episode(tmp_path / "still", frames, joints=waving(6), hz=HZ)
    datasets.finish_data_set(tmp_path / "still", train=1, valid=0, test=0)
    write_rig(tmp_path / "rig.json", {"front": rig_camera()})
    asked = words(tmp_path / "still", "--cameras", tmp_path / "rig.json", "--offset", "estimated")
    with pytest.raises(SystemExit) as end:
        keypoints(asked)
    assert end.value.code == 2
    assert "are too few, 30 are needed. Say how many seconds" in capsys.readouterr().err


def test_the_sentence_has_frames_and_seconds():
    said = ClockOffset(3.0, 2.5, 3.4).sentence("front", 20.0)
    assert said.startswith("front: its pictures are +3.00 frames (+0.150 s) late against")

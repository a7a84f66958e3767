"""Rendered motion capture: its motions, its people, and files that the clip readers open."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from datasets.clips.checks import find_problems
from datasets.clips.joints import read_joints
from datasets.clips.mocap import MocapMeta
from datasets.clips.ntu import ANGLES, missing_skeletons
from datasets.clips.sets import open_clip_set, read_keypoints
from datasets.errors import MismatchError, OptionError, UnknownNameError
from datasets.skeletons import COCO18, NTU25, NUCLA20, SMARTHOME13, SMARTHOME15
from datasets.video import video_shape
from sims.bullet.client import BulletClient
from sims.mocap.body import PLACES
from sims.mocap.config import MocapConfig
from sims.mocap.generate import MocapGeneration, generate_mocap, summarize_mocap
from sims.mocap.layouts import get_layout
from sims.mocap.motion import ACTIONS, FPS, MAX_TRAVEL, MIN_FRAMES, Style, load_motion, perform
from sims.mocap.room import Room
from sims.mocap.take import Stage, Take

SIZE = 48
# Largest distance of a keypoint from the pixels of the person, in pixels of a 160-pixel image.
NEAR = 3


def tiny(layout: str, out: Path, **options) -> MocapConfig:
    defaults = {"subjects": 2, "repetitions": 1, "actions": ("walk", "kick"), "workers": 1}
    return MocapConfig(layout=layout, out=out, size=SIZE, **{**defaults, **options})


@pytest.fixture(scope="module")
def ntu_set(tmp_path_factory) -> Path:
    return generate_mocap(tiny("ntu", tmp_path_factory.mktemp("mocap") / "ntu", repetitions=2))


@pytest.fixture(scope="module")
def client():
    client = BulletClient("tiny")
    yield client
    client.close()


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != "mocap.json"
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_every_motion_is_performed_within_the_room(action):
    style = Style.draw(np.random.default_rng(0))
    take = perform(load_motion(action), style, np.random.default_rng(1))
    assert len(take) >= MIN_FRAMES
    assert np.allclose(np.diff(take.times), 1 / FPS)
    assert np.allclose(np.linalg.norm(take.rotations, axis=-1), 1)
    assert np.linalg.norm(np.ptp(take.root[:, [0, 2]], axis=0)) <= MAX_TRAVEL + 1e-6
    # No joint jumps: a person turns no joint by a quarter turn in a thirtieth of a second.
    steps = Rotation.from_quat(take.rotations[1:].reshape(-1, 4)).inv() * Rotation.from_quat(
        take.rotations[:-1].reshape(-1, 4)
    )
    assert steps.magnitude().max() < np.pi / 2


def test_repetitions_differ_and_one_repetition_is_reproducible():
    motion, style = load_motion("punch"), Style.draw(np.random.default_rng(0))
    first, again, other = (perform(motion, style, np.random.default_rng(n)) for n in (1, 1, 2))
    assert np.array_equal(first.rotations, again.rotations)
    assert not np.allclose(first.rotations[:30], other.rotations[:30], atol=0.01)


def test_a_left_handed_person_moves_like_a_mirror_image(client):
    motion = load_motion("kick")
    calm = Style(1.0, 1.0, np.zeros((13, 3)), left_handed=False)
    pair = [
        perform(motion, replace(calm, left_handed=left), np.random.default_rng(0))
        for left in (False, True)
    ]
    assert np.allclose(pair[0].root * (1, 1, -1), pair[1].root)
    stage = Stage(client, Take((0,), "kick", 1, 0), [0.0], 0.0, SIZE)
    points = []
    for take in pair:
        stage.person.pose(
            np.zeros(3), Rotation.from_quat(take.rotations[20, 0]), take.rotations[20]
        )
        points.append(stage.person.keypoints(NTU25))
    swapped = np.arange(len(NTU25))
    for left, right in NTU25.flip_pairs:
        swapped[[left, right]] = right, left
    assert np.allclose(points[0][swapped] * (1, 1, -1), points[1], atol=1e-4)


def test_unknown_motions_are_named():
    with pytest.raises(UnknownNameError, match="walk"):
        load_motion("wlak")


def test_every_keypoint_of_every_skeleton_has_a_place_on_the_body():
    for skeleton in (NTU25, SMARTHOME13, COCO18, NUCLA20, SMARTHOME15):
        assert set(skeleton.keypoints) <= set(PLACES), skeleton.name


def test_takes_of_captured_clips_stay_as_they_were(client):
    """Pixels of the first frame of a take, as the first version of this world drew it."""
    stage = Stage(client, Take((0, 0), "kick", 1, 1), [0.0, np.pi / 2], 0.0, SIZE)
    next(stage.play())
    head, hand, foot = (NTU25.keypoints.index(name) for name in ("head", "left_hand", "left_foot"))
    expected = [
        [[23.87, 14.94], [27.96, 19.14], [26.27, 36.68]],
        [[30.86, 14.81], [28.36, 19.17], [27.69, 38.71]],
    ]
    np.testing.assert_allclose(stage.pixels(NTU25)[:, [head, hand, foot]], expected, atol=0.01)


def test_takes_share_rooms_that_do_not_tell_their_actions():
    def walls(action: str, subject: int, repetition: int, rooms: int | None = 2) -> list:
        take = Take((0, 0), action, subject, repetition, rooms)
        own = np.random.default_rng([subject, repetition, len(action)])
        room = Room.draw(take.rng_of_room(own), np.array([0.0, np.pi / 2]))
        return [box.color for box in room.boxes]

    assert walls("kick", 1, 0) == walls("jump", 1, 0) == walls("kick", 1, 0)
    assert walls("kick", 1, 0, None) != walls("punch", 1, 0, None)
    takes = [(subject, repetition) for subject in range(1, 7) for repetition in range(2)]
    assert len({str(walls("kick", *take)) for take in takes}) == 2
    # The rooms of subjects who come later are the same ones.
    assert str(walls("jump", 40, 3)) in {str(walls("kick", *take)) for take in takes}


@pytest.mark.slow
def test_keypoints_lie_on_the_person(client):
    """Keypoints are near the pixels that the renderer shows of the body."""
    near, total = 0, 0
    for action, subject in (("walk", 1), ("cartwheel", 2), ("spinkick", 3)):
        stage = Stage(client, Take((7,), action, subject, 0), [0.0, np.pi / 2], 0.0, 160)
        for number, views in enumerate(stage.play()):
            if number % 25:
                continue
            for view, pixels in zip(views, stage.pixels(NTU25), strict=True):
                far = distance_transform_edt(~view.mask(stage.person.body))
                columns, rows = pixels[np.isfinite(pixels).all(axis=1)].astype(int).T
                near += int((far[rows, columns] <= NEAR).sum())
                total += len(rows)
    assert total > 400
    assert near / total > 0.97


@pytest.mark.slow
def test_cross_view_subject_sees_the_person_from_its_angles(ntu_set):
    """The shoulders are far apart in a frontal view and close together in a side view."""
    clips = open_clip_set(ntu_set, "ntu")
    parts = clips.split("CVS3")
    assert {clip.subject for clip in parts["train"]} == {1}
    assert {clip.subject for clip in parts["test"]} == {3}
    widths = {0: [], 45: [], 90: []}
    left, right = (NTU25.keypoints.index(f"{side}_shoulder") for side in ("left", "right"))
    for clip in clips.clips:
        if clip.action == "drink water":  # the class of the motion walk
            keypoints = read_keypoints(clip)
            apart = np.abs(keypoints[:, left, 0] - keypoints[:, right, 0])
            widths[ANGLES[clip.camera, clip.replication]].append(np.nanmean(apart))
    # Shoulders differ in width between people, but the order of the angles holds for everybody.
    assert np.mean(widths[0]) > np.mean(widths[45]) > np.mean(widths[90])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "protocols"),
    [("smarthome", ("CS", "CV1", "CV2")), ("nucla", ("CS", "CV1", "CV2", "CV3"))],
)
def test_other_layouts_are_read_by_their_readers(layout, protocols, tmp_path):
    config = tiny(layout, tmp_path / layout)
    root = generate_mocap(config)
    clips = open_clip_set(root, layout)
    assert len(clips.clips) == 2 * 2 * 3
    assert not clips.dropped
    assert not find_problems(clips.clips)
    for protocol in protocols:
        parts = clips.split(protocol)
        assert parts["train"] and parts["test"], protocol
        renamed, motions = MocapMeta.load(root).relabel(parts, clips.classes_of(protocol))
        assert motions == ("walk", "kick")
        assert {clip.label for part in renamed.values() for clip in part} == {0, 1}
    keypoints = read_keypoints(clips.clips[0])
    assert keypoints.shape == (video_shape(clips.clips[0].video).frames, len(clips.skeleton), 2)
    assert np.isfinite(keypoints).mean() > 0.9
    points, valid = read_joints(clips.clips[0])
    assert valid[:, 0].all() and 1 < np.ptp(points[0, 0, :, 1]) < 2.5  # metres from head to feet
    assert f"--root {root}" in summarize_mocap(replace(config, out=root))


@pytest.mark.slow
def test_joints_in_space_lie_where_the_keypoints_are_seen(ntu_set):
    """A pinhole camera's pixels are affine in x / z and y / z; y points up."""
    for clip in open_clip_set(ntu_set, "ntu").clips[:2]:
        points, valid = read_joints(clip)
        assert valid[:, 0].all() and not valid[:, 1].any()
        pixels, joints = read_keypoints(clip).astype(float), points[:, 0].astype(float)
        seen = np.isfinite(pixels).all(axis=-1)
        for axis, sign in ((0, 1), (1, -1)):
            ratio = joints[seen][:, axis] / joints[seen][:, 2]
            slope, start = np.polyfit(ratio, pixels[seen][:, axis], 1)
            assert sign * slope > 0 and start == pytest.approx(SIZE / 2, abs=0.1)
            assert np.abs(slope * ratio + start - pixels[seen][:, axis]).max() < 0.2


@pytest.mark.slow
def test_no_clip_has_the_name_of_one_that_is_known_to_lack_a_skeleton():
    layout = get_layout("ntu")
    config = MocapConfig(subjects=len(layout.subjects), repetitions=4)
    names = [clip.name for planned in config.takes for clip in planned.clips]
    assert len(set(names)) == len(names) == 40 * 4 * 15 * 3
    assert missing_skeletons().isdisjoint(names)


@pytest.mark.slow
def test_two_workers_damage_and_growth_give_the_same_bytes(ntu_set, tmp_path):
    config = tiny("ntu", tmp_path / "ntu", subjects=1, repetitions=2, workers=2)
    root = generate_mocap(config)
    videos = sorted(root.rglob("*.avi"))
    videos[0].unlink()
    videos[1].write_bytes(videos[1].read_bytes()[:2000])
    next(root.rglob("*.skeleton")).write_text("3\n1\n")
    generate_mocap(replace(config, subjects=2, workers=1))
    assert contents(root) == contents(ntu_set)


def test_takes_with_other_options_are_an_error(ntu_set):
    config = tiny("ntu", ntu_set, repetitions=2)
    for change in ({"seed": 1}, {"actions": ("walk", "run")}, {"size": 64}):
        with pytest.raises(MismatchError, match="--out"):
            generate_mocap(replace(config, **change))


@pytest.mark.slow
def test_a_run_stopped_before_its_first_clip_does_not_claim_the_folder(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    config = tiny("ntu", tmp_path / "ntu", subjects=1, views=1, actions=("walk",))
    with monkeypatch.context() as patched:
        patched.setattr(MocapGeneration, "make", stop)
        with pytest.raises(KeyboardInterrupt):
            generate_mocap(replace(config, seed=1))
    generate_mocap(config)
    assert MocapMeta.load(config.root).seed == 0
    with pytest.raises(MismatchError, match="--out"):
        generate_mocap(replace(config, seed=1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 4}, "--views .*1 to 3 "),
        ({"subjects": 41}, "--subjects .*1 to 40"),
        ({"actions": ("walk", "walk")}, "--actions .*walk walk"),
        ({"size": 4}, "--size .*16"),
        ({"workers": 0}, "--workers"),
        ({"layout": "nucla", "actions": ACTIONS}, "--actions .*1 to 10"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(OptionError, match=message):
        MocapConfig(**options).check()


def test_a_take_is_done_only_with_all_its_files(ntu_set):
    job = MocapGeneration(tiny("ntu", ntu_set, repetitions=2))
    assert job.done() == set(range(8))


def test_a_set_of_clips_does_not_shrink(ntu_set):
    config = tiny("ntu", ntu_set, repetitions=2)
    before = MocapMeta.load(ntu_set)
    for fewer in ({"subjects": 1}, {"repetitions": 1}, {"test_repetitions": 1}):
        with pytest.raises(MismatchError, match="can grow, not shrink"):
            generate_mocap(replace(config, **fewer))
    assert MocapMeta.load(ntu_set) == before


def test_joints_that_lie_apart_are_a_part_of_a_take(tmp_path):
    config = tiny("nucla", tmp_path / "nucla", subjects=1, views=1, actions=("kick",))
    root = generate_mocap(config)
    [joints] = root.rglob("all_sqe/*.json")
    content = joints.read_bytes()
    joints.unlink()
    assert not MocapGeneration(config).done()
    generate_mocap(config)
    assert joints.read_bytes() == content

"""`python -m datasets.keypoints --to lerobot`: the same set, with keypoints in its tables."""

import json
import shutil

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

import datasets  # noqa: E402
from datasets.calibration.own import write_rig  # noqa: E402
from datasets.cameras import Camera  # noqa: E402
from datasets.convert import ConvertConfig, convert  # noqa: E402
from datasets.episodes import EpisodeDataset  # noqa: E402
from datasets.formats.detect import open_source  # noqa: E402
from datasets.formats.lerobot_stats import vector_stats  # noqa: E402
from datasets.info import main as info  # noqa: E402
from datasets.keypoints import main  # noqa: E402
from datasets.kinematics.rig import RigCamera  # noqa: E402
from tests.datasets.kinematics.arm import (  # noqa: E402
    camera,
    joints,
    load_arm,
    make_motion,
    pictures,
    rig_camera,
    write_arm,
)
from tests.datasets.lerobot_files import (  # noqa: E402
    FPS,
    KEY,
    SIZE,
    number_of,
    read_list,
    write_lerobot,
    write_list,
)

LENGTHS = (5, 4, 6)
STATES = [joints(steps) for steps in LENGTHS]
VIEWS = {"front": 1.0, "back": -1.0}
# Small pictures that are wider than high.
WIDE = Camera.look_at(
    np.array([0.2, -1.8, 0.6]), np.array([0.2, 0, 0.35]), np.array([0, 0, 1.0]), 50, *SIZE[::-1]
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Two views of an arm as this project exports them, with cameras and without keypoints."""
    folder = tmp_path_factory.mktemp("exported")
    arm = load_arm(folder)
    for i in range(3):
        motion = make_motion(arm, joints() - 0.02 * i)
        frames = {view: pictures(motion, rig_camera(side)) for view, side in VIEWS.items()}
        seen = {view: camera(side) for view, side in VIEWS.items()}
        datasets.write_episode(
            folder / "episodes", frames, cameras=seen, joints=motion.values, hz=10
        )
    datasets.finish_data_set(folder / "episodes")
    convert(ConvertConfig(folder / "episodes", folder / "set", "lerobot"))
    return folder / "set"


def other(tmp_path, **options):
    """A set by others, whose pictures are not square, and the camera of it."""
    write_rig(tmp_path / "rig.json", {"front": RigCamera(WIDE.intrinsics, WIDE.world_to_camera)})
    state = np.concatenate(STATES)
    return write_lerobot(tmp_path / "set", LENGTHS, state=state, **options)


def run(root, out, *options, joints="observation.state"):
    words = [root, "--robot", write_arm(out.parent), "--joints", joints, "--out", out]
    main([*map(str, (*words, *options))])


def add(root, out, *options):
    run(root, out, "--to", "lerobot", *options)


def add_to_other(root, out, *options):
    add(root, out, "--cameras", root.parent / "rig.json", *options)


def refused(capsys, *arguments, by=add):
    with pytest.raises(SystemExit) as end:
        by(*arguments)
    assert end.value.code == 2
    out = arguments[1]
    assert not out.exists() and not list(out.parent.glob(".*"))
    return capsys.readouterr().err.strip().splitlines()[-1]


def tables(root):
    return {f.relative_to(root): pq.read_table(f) for f in sorted(root.glob("data/**/*.parquet"))}


def elbows(states):
    """Where the elbow is, in metres."""
    return 0.4 * np.stack([np.sin(states[:, 0]), 0 * states[:, 0], np.cos(states[:, 0])], axis=1)


def test_an_exported_set_gets_what_episodes_get(exported, tmp_path):
    """The copy reads as the episodes do that the same command writes by default."""
    add(exported, tmp_path / "out")
    run(exported, tmp_path / "episodes")
    found, expected = open_source(tmp_path / "out"), EpisodeDataset(tmp_path / "episodes")
    before = open_source(exported)
    assert found.skeleton == expected.skeleton and len(found.skeleton) == 2
    assert (found.splits, found.views) == (before.splits, ["front", "back"])
    for i in range(3):
        ours, theirs = found.sound_episode(i), expected.episode(i)
        assert ours.keypoints.keys() == ours.visible.keys() == VIEWS.keys()
        for view in VIEWS:
            np.testing.assert_array_equal(ours.keypoints[view], theirs.keypoints[view])
            np.testing.assert_array_equal(ours.visible[view], theirs.visible[view])
            for part in ("intrinsics", "world_to_camera"):
                stored, asked = getattr(ours, part)[view], getattr(theirs, part)[view]
                np.testing.assert_allclose(stored, asked, atol=1e-5)
        np.testing.assert_array_equal(ours.keypoints_world, theirs.keypoints_world)
        np.testing.assert_array_equal(ours.actions is None, before.episode(i).actions is None)


def test_the_rest_of_the_set_stays_as_it_is(exported, tmp_path):
    add(exported, tmp_path / "out")
    before, after = tables(exported), tables(tmp_path / "out")
    assert before.keys() == after.keys()
    for name, rows in before.items():
        kept = [column for column in rows.column_names if not column.startswith("camera.")]
        assert after[name].select(kept).equals(rows.select(kept))
    videos = sorted(exported.glob("videos/**/*.mp4"))
    assert len(videos) == 6
    for video in videos:
        copied = tmp_path / "out" / video.relative_to(exported)
        assert copied.samefile(video) or copied.read_bytes() == video.read_bytes()
    for name in ("meta/info.json", "meta/stats.json"):
        assert not (tmp_path / "out" / name).samefile(exported / name)


def test_names_and_statistics_are_those_of_an_export(exported, tmp_path):
    """Episodes with keypoints, exported, have the same features with the same statistics."""
    add(exported, tmp_path / "out")
    run(exported, tmp_path / "episodes")
    convert(ConvertConfig(tmp_path / "episodes", tmp_path / "export", "lerobot"))
    for name, part in (("info", "features"), ("stats", None)):
        ours, theirs = (
            json.loads((tmp_path / root / f"meta/{name}.json").read_text())
            for root in ("out", "export")
        )
        ours, theirs = (ours[part], theirs[part]) if part else (ours, theirs)
        assert ours.keys() == theirs.keys()
        for key in theirs:
            if not key.startswith(("observation.", "camera")):
                assert ours[key] == theirs[key]
    rows, columns = read_list(tmp_path / "out"), read_list(tmp_path / "export")[0].keys()
    assert rows[0].keys() == columns and len(rows) == 3
    points = open_source(tmp_path / "out").keypoints(1, "back")
    assert rows[1]["stats/keypoints.back/max"] == vector_stats(points.reshape(6, -1))["max"]


@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
@pytest.mark.parametrize("kind", ["video", "image"])
def test_keypoints_are_pixels_of_the_stored_pictures(tmp_path, version, kind):
    """Pictures that are not square stay so, in the tables or in a video of several episodes."""
    root = other(tmp_path, version=version, kind=kind)
    add_to_other(root, tmp_path / "out")
    source = open_source(tmp_path / "out")
    assert source.frame_size == SIZE and source.skeleton.keypoints == ("upper", "lower")
    for i, states in enumerate(STATES):
        episode = source.sound_episode(i)
        expected, _ = WIDE.project(elbows(states))
        np.testing.assert_allclose(episode.keypoints["front"][:, 1], expected, atol=1e-3)
        assert episode.visible["front"][:, 1].all()
        assert number_of(np.asarray(episode.images["front"])) == episode.actions.ravel().tolist()
    for name, rows in tables(root).items():
        after = pq.read_table(tmp_path / "out" / name)
        assert after.column_names[: len(rows.column_names)] == rows.column_names
        assert after.select(rows.column_names).equals(rows)
    info([str(tmp_path / "out"), "--contact-sheet", str(tmp_path / "sheet.png")])
    convert(
        ConvertConfig(tmp_path / "out", tmp_path / "square", "episodes", size=32, split="1,1,1")
    )
    wide, square = source.keypoints(2, "front"), EpisodeDataset(tmp_path / "square")
    np.testing.assert_allclose(square.keypoints(2, "front"), wide * [1, 2], atol=1e-3)


def test_statistics_of_each_episode_in_the_old_format(tmp_path):
    root = other(tmp_path, version="v2.1")
    own = {"min": [0.0], "max": [4.0], "mean": [2.0], "std": [1.0], "count": [5]}
    lines = [{"episode_index": i, "stats": {"action": own}} for i in (2, 0, 1)]
    (root / "meta/episodes_stats.jsonl").write_text("\n".join(map(json.dumps, lines)))
    add_to_other(root, tmp_path / "out")
    text = (tmp_path / "out/meta/episodes_stats.jsonl").read_text()
    written = [json.loads(line) for line in text.splitlines()]
    assert [line["episode_index"] for line in written] == [2, 0, 1]
    points = open_source(tmp_path / "out").keypoints(2, "front").reshape(6, -1)
    assert written[0]["stats"]["action"] == own
    assert written[0]["stats"]["keypoints.front"] == vector_stats(points)
    assert not (tmp_path / "out/meta/stats.json").exists()


def test_a_view_called_image_gets_no_statistics(tmp_path):
    """LeRobot would take them for those of pictures, and refuse the set."""
    root = other(tmp_path, kind="image")
    (root / "meta/stats.json").write_text('{"action": {"min": [NaN]}}')
    renamed = {"front": "image", KEY: "observation.images.image"}
    facts = json.loads((root / "meta/info.json").read_text())
    facts["features"] = {renamed.get(k, k): v for k, v in facts["features"].items()}
    (root / "meta/info.json").write_text(json.dumps(facts))
    file = next(root.glob("data/**/*.parquet"))
    rows = pq.read_table(file)
    pq.write_table(rows.rename_columns([renamed.get(n, n) for n in rows.column_names]), file)
    write_rig(tmp_path / "rig.json", {"image": RigCamera(WIDE.intrinsics, WIDE.world_to_camera)})
    add_to_other(root, tmp_path / "out")
    stats = json.loads((tmp_path / "out/meta/stats.json").read_text())
    assert stats.keys() == {"action", "keypoints_world"}
    assert open_source(tmp_path / "out").visible(0, "image").any()


def test_the_description_of_columns_is_extended(tmp_path):
    root = other(tmp_path)
    file = next(root.glob("data/**/*.parquet"))
    rows = pq.read_table(file)
    described = {"info": {"features": {"action": {"dtype": "float32", "_type": "Value"}}}}
    pq.write_table(rows.replace_schema_metadata({"huggingface": json.dumps(described)}), file)
    add_to_other(root, tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / file.relative_to(root))
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert features["action"] == described["info"]["features"]["action"]
    assert features["visible.front"] == {
        "feature": {"dtype": "bool", "_type": "Value"},
        "length": 2,
        "_type": "Sequence",
    }


def test_tables_of_several_parts(tmp_path):
    """Parts may end within an episode, as those of large tables do."""
    root = other(tmp_path)
    file = next(root.glob("data/**/*.parquet"))
    pq.write_table(pq.read_table(file), file, row_group_size=4)
    add_to_other(root, tmp_path / "out")
    assert pq.read_metadata(tmp_path / "out" / file.relative_to(root)).num_row_groups == 4
    source = open_source(tmp_path / "out")
    for i, states in enumerate(STATES):
        expected, _ = WIDE.project(elbows(states))
        np.testing.assert_allclose(source.keypoints(i, "front")[:, 1], expected, atol=1e-3)


def test_late_pictures_are_not_shifted(tmp_path):
    """Keypoints are where the robot was two frames before; nothing is known of the first two."""
    root = other(tmp_path)
    add_to_other(root, tmp_path / "out", "--offset", 2 / FPS)
    episode = open_source(tmp_path / "out").sound_episode(2)
    expected, _ = WIDE.project(elbows(STATES[2]))
    np.testing.assert_allclose(episode.keypoints["front"][2:, 1], expected[:-2], atol=1e-3)
    assert np.isnan(episode.keypoints["front"][:2]).all()
    assert episode.visible["front"].any(1).tolist() == [False] * 2 + [True] * 4
    np.testing.assert_allclose(episode.keypoints_world[:, 1], elbows(STATES[2]), atol=1e-5)


def test_views_without_cameras_stay_without_keypoints(exported, tmp_path, capsys):
    write_rig(tmp_path / "rig.json", {"front": rig_camera()})
    add(exported, tmp_path / "out", "--views", "front", "--cameras", tmp_path / "rig.json")
    source = open_source(tmp_path / "out")
    episode = source.sound_episode(0)
    assert source.views == ["front", "back"] and list(episode.keypoints) == ["front"]
    assert not source.has_keypoints(0)
    info([str(tmp_path / "out"), "--contact-sheet", str(tmp_path / "sheet.png")])
    convert(ConvertConfig(tmp_path / "out", tmp_path / "square", "episodes", views=("front",)))
    assert EpisodeDataset(tmp_path / "square").with_keypoints

    message = refused(capsys, tmp_path / "out", tmp_path / "no", "--views", "back")
    assert "has keypoints of front, and all views must show" in message
    assert "--views back front" in message
    add(tmp_path / "out", tmp_path / "both", "--views", "back", "front")
    assert open_source(tmp_path / "both").has_keypoints(0)


def test_keypoints_of_before_are_replaced(tmp_path, caplog):
    """Of another camera with a lens, and of another skeleton."""
    root = other(tmp_path)
    bent = {"lens": "plumb_bob", "distortion": [1.0, 0.0, 0.0, 0.0]}
    places = {"intrinsics": WIDE.intrinsics.tolist(), "pose": WIDE.world_to_camera.tolist()}
    rig = tmp_path / "rig.json"
    straight = rig.read_text()
    rig.write_text(json.dumps({"front": places | bent}))
    add_to_other(root, tmp_path / "bent", "--links", "upper")
    assert not open_source(tmp_path / "bent").episode(0).lens("front").is_straight
    rig.write_text(straight)
    add_to_other(root, tmp_path / "fresh")
    assert "has keypoints" not in caplog.text
    add_to_other(tmp_path / "bent", tmp_path / "again")
    assert "bent has keypoints of front already" in caplog.text
    facts, fresh = (
        json.loads((tmp_path / name / "meta/info.json").read_text()) for name in ("again", "fresh")
    )
    assert facts == fresh
    assert tables(tmp_path / "again") == tables(tmp_path / "fresh")


@pytest.mark.parametrize("links", [True, False])
def test_links_to_files_elsewhere(tmp_path, links, monkeypatch):
    """Hugging Face's cache consists of them; a disk without hard links gets copies."""
    root = other(tmp_path)
    shutil.move(root / "videos", tmp_path / "store")
    (root / "videos").symlink_to(tmp_path / "store")
    (root / "loop").symlink_to(root)
    (root / ".cache").mkdir()
    video = next((tmp_path / "store").rglob("*.mp4"))
    blob = tmp_path / "blob"
    video.rename(blob)
    video.symlink_to(blob)
    if not links:

        def fails(*_):
            raise OSError(95, "Operation not supported")

        monkeypatch.setattr("os.link", fails)
    add_to_other(root, tmp_path / "out")
    copied = next((tmp_path / "out/videos").rglob("*.mp4"))
    assert not copied.is_symlink() and copied.samefile(blob) == links
    assert copied.read_bytes() == blob.read_bytes()
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["data", "meta", "videos"]


def break_table(root):
    file = next(root.glob("data/**/*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])


def break_column(root):
    """The pages of a column that only the copy reads."""
    file = next(root.glob("data/**/*.parquet"))
    rows = pq.read_table(file).append_column("note", pa.array(["a note to be broken"] * 15))
    pq.write_table(rows, file, use_dictionary=False, compression="none", write_statistics=False)
    at = pq.read_metadata(file).row_group(0).column(rows.num_columns - 1).data_page_offset
    content = bytearray(file.read_bytes())
    content[at : at + 12] = b"\xff" * 12
    file.write_bytes(content)


def add_rows(root):
    file = next(root.glob("data/**/*.parquet"))
    rows = pq.read_table(file)
    numbers = pa.array(np.full(4, 7))
    more = rows.slice(5, 4).set_column(
        rows.column_names.index("episode_index"), "episode_index", numbers
    )
    pq.write_table(pa.concat_tables([rows, more]), file)


def add_table(root):
    file = next(root.glob("data/**/*.parquet"))
    shutil.copy(file, file.with_name("f-9.parquet"))


def write(name, text):
    def change(root):
        (root / name).write_text(text)

    return change


def break_description(root):
    file = next(root.glob("data/**/*.parquet"))
    pq.write_table(pq.read_table(file).replace_schema_metadata({"huggingface": "{"}), file)


def cut_episode(root):
    rows = read_list(root)
    rows[1]["length"] = 3
    write_list(root, rows)


DAMAGES = {
    "a table": (break_table, "f-0.parquet cannot be read as a Parquet table"),
    "a column": (break_column, "f-0.parquet cannot be read as a Parquet table"),
    "rows of no episode": (add_rows, "f-0.parquet has rows of episode 7"),
    "a table of no episode": (add_table, "f-9.parquet is of no episode of the data set. Remove it"),
    "statistics": (write("meta/stats.json", "{"), "stats.json is not valid JSON"),
    "other statistics": (write("meta/stats.json", "[]"), "stats.json holds no JSON object"),
    "lines": (write("meta/episodes_stats.jsonl", '{"episode_index": 9, "stats": {}}'), "a line"),
    "a description": (break_description, "f-0.parquet: Hugging Face's description"),
    "an episode": (cut_episode, "f-0.parquet has 4 rows of episode 1, which has 3 time steps"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_sets_are_named_and_nothing_is_written(tmp_path, capsys, name):
    root = other(tmp_path)
    change, message = DAMAGES[name]
    change(root)
    assert message in refused(capsys, root, tmp_path / "out", by=add_to_other)


def test_other_formats_and_options_are_refused(exported, tmp_path, capsys):
    message = refused(capsys, exported.parent / "episodes", tmp_path / "out")
    assert "episodes is a data set of episodes, and --to lerobot adds" in message
    assert f"python -m datasets.convert EPISODES {tmp_path / 'out'} --to lerobot" in message
    options = ["--size", 32, "--fit", "squeeze", "--split", "1,1,1", "--views", "front=ego"]
    message = refused(capsys, exported, tmp_path / "out", *options)
    assert "leave out --size, --fit, --split, VIEW=NAME in --views" in message


def test_what_exists_stays(exported, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    with pytest.raises(SystemExit):
        add(exported, tmp_path / "out")
    assert "exists already: choose another folder" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


def test_episodes_with_other_parts_are_refused(exported, tmp_path, capsys):
    """A lens in some of the episodes alone, which no column can say."""
    root = tmp_path / "set"
    shutil.copytree(exported, root)
    facts = json.loads((root / "meta/info.json").read_text())
    name = "camera.front.plumb_bob"
    facts["features"][name] = {"dtype": "float32", "shape": [4], "names": None}
    (root / "meta/info.json").write_text(json.dumps(facts))
    file = next(root.glob("data/**/*.parquet"))
    rows = pq.read_table(file)
    bent = np.outer(np.array(rows["episode_index"]) == 1, [1, 0, 0, 0]).astype(np.float32)
    pq.write_table(rows.append_column(name, pa.array(list(bent))), file)
    message = refused(capsys, root, tmp_path / "out")
    assert "000001 and the first episode differ in camera.front.plumb_bob" in message

"""LeRobot v3 as it is written: LeRobot itself reads it where it is installed.

Set POSEALIGN_LEROBOT_PYTHON to the Python of an environment with `lerobot` for the latter. It needs
one of its own: LeRobot brings another package called `datasets`.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

pq = pytest.importorskip("pyarrow.parquet")

from datasets.convert import ConvertConfig, convert  # noqa: E402
from datasets.episodes import EpisodeDataset  # noqa: E402
from datasets.errors import (  # noqa: E402
    # noqa: E402
    # noqa: E402
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    OutsideFolderError,
)
from datasets.formats.detect import open_source  # noqa: E402
from datasets.formats.lerobot_export import LeRobotOptions  # noqa: E402
from datasets.video import video_shape  # noqa: E402
from tests.datasets.formats.test_ftpv import make_published  # noqa: E402

PYTHON = "POSEALIGN_LEROBOT_PYTHON"


@pytest.fixture(scope="module")
def exported(dots, tmp_path_factory):
    out = tmp_path_factory.mktemp("lerobot") / "dots"
    options = LeRobotOptions(task="carry the blob to the cube")
    convert(ConvertConfig(dots, out, "lerobot", lerobot=options))
    return out


@pytest.fixture
def own_info(exported, tmp_path):
    """A copy of the metadata, and a function that writes changed metadata back."""
    root = tmp_path / "copy"
    (root / "meta").mkdir(parents=True)
    for name in ("data", "videos", "meta/episodes"):
        (root / name).symlink_to(exported / name)
    info = json.loads((exported / "meta/info.json").read_text())

    def write():
        (root / "meta/info.json").write_text(json.dumps(info))
        return root

    return info, write


@pytest.mark.slow
def test_the_metadata_count_what_is_there(dots, exported):
    data = EpisodeDataset(dots)
    info = json.loads((exported / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"]) == (5, sum(data.lengths))
    assert info["fps"] == 20 and isinstance(info["fps"], int)
    assert info["splits"] == {"train": "0:3", "valid": "3:4", "test": "4:5"}
    rows = pq.read_table(exported / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [row["length"] for row in rows] == data.lengths
    ends = np.cumsum(data.lengths).tolist()
    assert [row["dataset_to_index"] for row in rows] == ends
    assert [row["dataset_from_index"] for row in rows] == [0, *ends[:-1]]
    for row in rows:
        assert row["tasks"] == ["carry the blob to the cube"]
        for view in data.views:
            key = f"observation.images.{view}"
            video = info["video_path"].format(
                video_key=key,
                chunk_index=row[f"videos/{key}/chunk_index"],
                file_index=row[f"videos/{key}/file_index"],
            )
            assert video_shape(exported / video).frames == row["length"]
            assert row[f"videos/{key}/to_timestamp"] == pytest.approx(row["length"] / 20)
    tasks = pq.read_table(exported / "meta/tasks.parquet").to_pylist()
    assert tasks == [{"task_index": 0, "task": "carry the blob to the cube"}]


@pytest.mark.slow
def test_the_table_has_every_feature_in_its_type(dots, exported):
    features = json.loads((exported / "meta/info.json").read_text())["features"]
    table = pq.read_table(exported / "data/chunk-000/file-000.parquet")
    vectors = {name: f for name, f in features.items() if f["dtype"] != "video"}
    assert set(table.column_names) == set(vectors)
    for name, feature in vectors.items():
        kind = {"float32": "float", "bool": "bool", "int64": "int64"}[feature["dtype"]]
        size = feature["shape"][0]
        expected = kind if size == 1 else f"fixed_size_list<element: {kind}>[{size}]"
        assert str(table.schema.field(name).type) == expected
        if feature["names"]:
            assert len(feature["names"]) == size
    data = EpisodeDataset(dots)
    episodes = [data.episode(i) for i in range(len(data))]
    np.testing.assert_allclose(
        np.stack(table["action"].to_pylist()),
        np.concatenate([episode.actions for episode in episodes]),
        rtol=1e-6,
    )
    assert table["frame_index"].to_pylist() == [t for n in data.lengths for t in range(n)]
    assert table["index"].to_pylist() == list(range(sum(data.lengths)))
    np.testing.assert_allclose(
        table["timestamp"].to_numpy(), table["frame_index"].to_numpy() / 20, atol=1e-6
    )
    names = features["observation.state"]["names"]
    assert names[:3] == [f"robot0_eef_pos.{i}" for i in range(3)]
    assert features["keypoints.ego"]["names"][:2] == ["base.x", "base.y"]


@pytest.mark.slow
def test_what_was_exported_comes_back(dots, exported, tmp_path):
    convert(ConvertConfig(exported, tmp_path / "back", "episodes"))
    original, back = EpisodeDataset(dots), EpisodeDataset(tmp_path / "back")
    back.check(window=3)
    assert back.split_sizes() == original.split_sizes()
    for i in range(len(original)):
        a, b = original.episode(i), back.episode(i)
        for name in ("actions", "states", "rewards", "dones", "phases", "keypoints_world"):
            np.testing.assert_allclose(getattr(b, name), getattr(a, name), atol=1e-6, err_msg=name)
        assert b.success is True
        for view in original.views:
            np.testing.assert_allclose(b.keypoints[view], a.keypoints[view])
            np.testing.assert_array_equal(b.visible[view], a.visible[view])
            np.testing.assert_allclose(b.intrinsics[view], a.intrinsics[view], rtol=1e-6)
            assert b.world_to_camera[view].shape == a.world_to_camera[view].shape
            np.testing.assert_allclose(b.world_to_camera[view], a.world_to_camera[view], atol=1e-6)
            error = (b.images[view].astype(float) - a.images[view]) ** 2
            assert 10 * np.log10(255**2 / error.mean()) > 25  # dB


@pytest.mark.slow
def test_frames_alone_can_be_exported(tmp_path):
    root = make_published(tmp_path / "frames", 3, size=(16, 16))
    convert(ConvertConfig(root, tmp_path / "out", "lerobot", hz=12.5))
    info = json.loads((tmp_path / "out/meta/info.json").read_text())
    assert info["fps"] == 12.5 and info["robot_type"] is None
    assert "action" not in info["features"] and "keypoints.ego" not in info["features"]
    source = open_source(tmp_path / "out")
    assert source.lengths == [6, 6, 6] and source.splits is None


@pytest.mark.parametrize("version", ["v1.6", "v4.0", None])
def test_another_version_of_the_format_is_named(own_info, version):
    info, write = own_info
    info["codebase_version"] = version
    with pytest.raises(FormatError, match=str(version)):
        open_source(write())


def test_a_set_by_others_needs_no_posealign_file(dots, own_info):
    info, write = own_info
    info["splits"] = {"train": "0:5"}
    source = open_source(write())
    assert source.views == EpisodeDataset(dots).views
    assert source.meta.skeleton == "none" and source.splits is None
    episode = source.episode(2)
    assert episode.actions.shape == (source.lengths[2], 7) and not episode.keypoints


def test_damaged_metadata_are_named(own_info):
    _, write = own_info
    root = write()
    (root / "meta/info.json").write_text('{"codebase_version": ')
    with pytest.raises(DamagedDataError, match=r"info\.json"):
        open_source(root)


@pytest.mark.parametrize("name", ["features", "fps", "data_path", "video_path"])
def test_metadata_that_lack_an_entry(own_info, name):
    info, write = own_info
    del info[name]
    with pytest.raises(FormatError, match=rf"info\.json.* {name}"):
        open_source(write())


@pytest.fixture
def own_table(own_info):
    """The data set without our metadata, and a table in it that may be damaged."""
    _, write = own_info
    root = write()

    def table(folder):
        target = (root / folder).resolve()
        (root / folder).unlink()
        return next(Path(shutil.copytree(target, root / folder)).rglob("*.parquet"))

    return root, table


@pytest.mark.parametrize("folder", ["data", "meta/episodes"])
def test_a_table_that_is_cut_short(own_table, folder):
    root, table = own_table
    file = table(folder)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(DamagedDataError, match=str(file)):
        open_source(root).episode(0)


def test_a_table_that_is_missing(own_table):
    root, table = own_table
    file = table("data")
    file.unlink()
    with pytest.raises(MissingDataError, match=str(file)):
        open_source(root).episode(0)


@pytest.mark.parametrize(
    ("folder", "column"),
    [
        ("meta/episodes", "length"),
        ("meta/episodes", "videos/observation.images.ego/from_timestamp"),
        ("data", "episode_index"),
        ("data", "timestamp"),
    ],
)
def test_a_table_without_a_column(own_table, folder, column):
    root, table = own_table
    file = table(folder)
    pq.write_table(pq.read_table(file).drop_columns([column]), file)
    with pytest.raises(FormatError, match=f"{file}.*{column}") as raised:
        open_source(root).episode(0)
    assert "\n" not in str(raised.value)


def test_an_episode_that_lacks_its_last_rows_is_not_read(dots, own_table):
    root, table = own_table
    file, steps = table("data"), EpisodeDataset(dots).lengths
    pq.write_table(pq.read_table(file)[:-3], file)
    source = open_source(root)
    assert len(source.episode(0).actions) == steps[0]
    message = f"{file}.* {steps[4] - 3} .*episode 4\\D.* {steps[4]} "
    with pytest.raises(MismatchError, match=message):
        source.episode(4)


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ([40, 48, 3], ["height", "width", "channels"]),
        ([3, 40, 48], ["channels", "height", "width"]),
        ([40, 48, 3], None),
    ],
)
def test_the_size_of_frames_follows_the_names_of_their_axes(own_info, shape, names):
    info, write = own_info
    for feature in info["features"].values():
        if feature["dtype"] == "video":
            feature |= {"shape": shape, "names": names}
    source = open_source(write())
    assert source.frame_size == (40, 48) and source.meta.image_size == 40


@pytest.mark.parametrize("path", ["video_path", "data_path"])
@pytest.mark.parametrize("target", ["/etc/{chunk_index}", "videos/../../../{video_key}"])
def test_metadata_that_lead_outside_the_folder(own_info, path, target):
    info, write = own_info
    info[path] = target
    with pytest.raises(OutsideFolderError, match=r"info\.json"):
        open_source(write()).episode(0)


LOAD = """
import json, sys
import numpy as np
from lerobot.datasets.compute_stats import get_feature_stats
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.datasets.utils import dataset_to_policy_features

root, out = sys.argv[1:]
data = LeRobotDataset("local/dots", root=root, video_backend="pyav",
                      delta_timestamps={"action": [0.0, 0.05, 0.1]})
items = [data[i] for i in range(len(data))]
keys = ["observation.images.ego", "observation.images.view_1", "keypoints.view_0",
        "observation.state", "next.done", "episode_index"]
found = {key: np.stack([item[key].numpy() for item in items]) for key in keys}
found["chunks"] = np.stack([item["action"].numpy() for item in items])
actions = np.stack(data.hf_dataset["action"])
for name, value in get_feature_stats(actions, axis=0, keepdims=False).items():
    found[f"own/{name}"] = value
    found[f"stored/{name}"] = data.meta.stats["action"][name]
np.savez(out, **found)
features = dataset_to_policy_features(data.meta.features)
print(json.dumps({"tasks": sorted({item["task"] for item in items}), "episodes": data.num_episodes,
                  "features": {name: feature.type.value for name, feature in features.items()}}))
"""


@pytest.mark.skipif(PYTHON not in os.environ, reason=f"{PYTHON} names no Python with lerobot")
def test_lerobot_itself_reads_it(dots, exported, tmp_path):
    result = subprocess.run(
        [os.environ[PYTHON], "-c", LOAD, str(exported), str(tmp_path / "found.npz")],
        cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["tasks"] == ["carry the blob to the cube"] and found["episodes"] == 5
    # A policy takes frames and state as its input, actions as its output, and no poses.
    assert found["features"] == {
        "action": "ACTION",
        "observation.state": "STATE",
        **{f"observation.images.{view}": "VISUAL" for view in ("ego", "view_0", "view_1")},
    }
    found = np.load(tmp_path / "found.npz")
    data = EpisodeDataset(dots)
    episodes = [data.episode(i) for i in range(len(data))]
    for view in ("ego", "view_1"):
        frames = np.concatenate([episode.images[view] for episode in episodes]) / 255
        error = (found[f"observation.images.{view}"].transpose(0, 2, 3, 1) - frames) ** 2
        assert 10 * np.log10(1 / error.mean(axis=(1, 2, 3)).max()) > 22  # dB, of the worst frame
    keypoints = np.concatenate([episode.keypoints["view_0"] for episode in episodes])
    np.testing.assert_allclose(found["keypoints.view_0"], keypoints.reshape(len(keypoints), -1))
    assert found["next.done"].sum() == 5
    actions = episodes[0].actions
    np.testing.assert_allclose(found["chunks"][4], actions[4:7], rtol=1e-5)
    for name in ("min", "max", "mean", "std", "count"):
        np.testing.assert_allclose(
            found[f"stored/{name}"], found[f"own/{name}"], rtol=1e-4, atol=1e-6, err_msg=name
        )

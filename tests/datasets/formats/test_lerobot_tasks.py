"""The tasks of episodes, as sentences, from LeRobot's sets and back."""

import json

import h5py
import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

import datasets  # noqa: E402
from datasets.convert import ConvertConfig, convert  # noqa: E402
from datasets.episodes import EpisodeDataset  # noqa: E402
from datasets.errors import DamagedDataError, FormatError, MismatchError  # noqa: E402
from datasets.formats.detect import open_source  # noqa: E402
from datasets.info import main as info  # noqa: E402
from datasets.summary import describe_source  # noqa: E402
from tests.datasets.lerobot_files import write_lerobot  # noqa: E402

TEXTS = ("open the drawer", "lift the cube")


def add_tasks(root, numbers, listed=TEXTS, column="__index_level_0__"):
    """Gives each row of a set a task, and lists their texts as LeRobot's version does."""
    done = 0
    for file in sorted((root / "data").rglob("*.parquet")):
        table = pq.read_table(file)
        own = pa.array(np.array(numbers[done : (done := done + len(table))]))
        pq.write_table(table.append_column("task_index", own), file)
    facts = json.loads((root / "meta/info.json").read_text())
    facts["features"]["task_index"] = {"dtype": "int64", "shape": [1], "names": None}
    (root / "meta/info.json").write_text(json.dumps(facts))
    rows = [{"task_index": i, "task": text} for i, text in enumerate(listed)]
    if facts["codebase_version"].startswith("v2"):
        lines = "\n".join(map(json.dumps, rows))
        (root / "meta/tasks.jsonl").write_text(lines)
    else:
        columns = {"task_index": [*range(len(listed))], column: list(listed)}
        pq.write_table(pa.table(columns), root / "meta/tasks.parquet")
    return root


def tasks_of(data):
    return [data.episode(i).task for i in range(len(data))]


@pytest.mark.parametrize("column", ["__index_level_0__", "task"])
@pytest.mark.parametrize("version", ["v2.1", "v3.0"])
def test_each_episode_has_its_task(tmp_path, version, column):
    root = write_lerobot(tmp_path / "set", version=version)
    source = open_source(add_tasks(root, [1] * 5 + [0] * 4 + [1] * 6, column=column))
    assert tasks_of(source) == [TEXTS[1], TEXTS[0], TEXTS[1]]


def test_a_set_without_a_list_of_tasks_has_none(tmp_path):
    assert tasks_of(open_source(write_lerobot(tmp_path / "set"))) == [None] * 3


def test_the_description_lists_tasks(tmp_path):
    root = add_tasks(write_lerobot(tmp_path / "set"), [0] * 15)
    assert "  tasks     open the drawer, lift the cube\n" in describe_source(open_source(root))
    assert "  tasks " not in describe_source(open_source(write_lerobot(tmp_path / "none")))


def test_tasks_come_through_episodes_and_back(tmp_path, capsys):
    root = add_tasks(write_lerobot(tmp_path / "set"), [1] * 5 + [0] * 4 + [1] * 6)
    convert(ConvertConfig(root, tmp_path / "episodes", "episodes", size=16, split="1,1,1"))
    assert tasks_of(EpisodeDataset(tmp_path / "episodes")) == [TEXTS[1], TEXTS[0], TEXTS[1]]
    info([str(tmp_path / "episodes")])
    assert f"{TEXTS[1]} (2), {TEXTS[0]} (1)" in " ".join(capsys.readouterr().out.split())
    convert(ConvertConfig(tmp_path / "episodes", tmp_path / "back", "lerobot"))
    assert tasks_of(open_source(tmp_path / "back")) == [TEXTS[1], TEXTS[0], TEXTS[1]]
    facts = json.loads((tmp_path / "back/meta/info.json").read_text())
    listed = pq.read_table(tmp_path / "back/meta/tasks.parquet").to_pylist()
    assert facts["total_tasks"] == 2 and [row["task"] for row in listed] == [TEXTS[1], TEXTS[0]]


def test_an_export_of_episodes_without_tasks_brings_none_back(tmp_path):
    root = write_lerobot(tmp_path / "set")
    convert(ConvertConfig(root, tmp_path / "episodes", "episodes", size=16, split="1,1,1"))
    convert(ConvertConfig(tmp_path / "episodes", tmp_path / "back", "lerobot"))
    (listed,) = pq.read_table(tmp_path / "back/meta/tasks.parquet").to_pylist()
    assert listed["task"] == "set" and tasks_of(open_source(tmp_path / "back")) == [None] * 3


def test_of_several_tasks_in_an_episode_the_first_is_kept_and_said(tmp_path, caplog):
    root = add_tasks(write_lerobot(tmp_path / "set"), [1, 1, 0, 0, 0] + [0] * 10)
    assert open_source(root).episode(0).task == TEXTS[1]
    assert "episode 0 has 2 tasks" in caplog.text


def test_a_task_that_is_not_listed_is_an_error(tmp_path):
    root = add_tasks(write_lerobot(tmp_path / "set"), [0] * 5 + [7] * 10)
    with pytest.raises(MismatchError, match="episode 1 has the task 7"):
        open_source(root).episode(1)


@pytest.mark.parametrize(
    ("content", "error"), [("{", DamagedDataError), ('{"task_index": 0}', FormatError)]
)
def test_a_damaged_list_is_named(tmp_path, content, error):
    root = add_tasks(write_lerobot(tmp_path / "set", version="v2.1"), [0] * 15)
    (root / "meta/tasks.jsonl").write_text(content)
    with pytest.raises(error, match=r"tasks\.jsonl"):
        open_source(root)


def test_an_episode_from_arrays_has_a_task(tmp_path):
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    for task in (TEXTS[0], None, TEXTS[1]):
        datasets.write_episode(tmp_path / "mine", {"front": frames}, task=task)
    datasets.finish_data_set(tmp_path / "mine", train=1, valid=1, test=1)
    data = EpisodeDataset(tmp_path / "mine")
    assert tasks_of(data) == [TEXTS[0], None, TEXTS[1]]
    with h5py.File(data.paths[1]) as file:
        assert "task" not in file.attrs
    with h5py.File(data.paths[0], "a") as file:
        file.attrs["task"] = 3
    with pytest.raises(FormatError, match="`task` .* must be text, got"):
        data.episode(0)

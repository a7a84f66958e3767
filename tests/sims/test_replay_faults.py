"""Errors of replay on bad files: each is found before any work and names the file."""

import json
import sys

import h5py
import numpy as np
import pytest

from datasets.errors import (
    DamagedDataError,
    FormatError,
    MismatchError,
    MissingDataError,
    OptionError,
    OutsideFolderError,
)
from sims.replay import ReplayConfig, replay
from tests.sims.runs import finish

pytest.importorskip("robomimic")

STILL_ROBOT = (
    '<mujoco><worldbody><body name="robot0_base"><geom size="0.1"/></body></worldbody></mujoco>'
)
OPTIONS = {"views": 2, "size": 64, "workers": 1}


def edit_env_args(file, **changes):
    env_args = {**json.loads(file["data"].attrs["env_args"]), **changes}
    file["data"].attrs["env_args"] = json.dumps(env_args)


def edit_models(file, change):
    """Changes the models of a task that is none of ours."""
    edit_env_args(file, env_name="Elsewhere")
    for demo in file["data"].values():
        demo.attrs["model_file"] = change(demo.attrs["model_file"])


def put(group, name, value):
    del group[name]
    group[name] = value


def rename_demo(file):
    file["data"].move("demo_2", "second")


def put_in_all(file, name, change):
    for demo in file["data"].values():
        steps = len(demo["actions"])
        put(demo, name, change(steps)) if name in demo else demo.create_dataset(
            name, data=change(steps)
        )


def each_model(file, model):
    for demo in file["data"].values():
        demo.attrs["model_file"] = model


BROKEN = {
    "no data": (lambda f: f.move("data", "other"), MissingDataError, "data/demo_0"),
    "no env_args": (
        lambda f: f["data"].attrs.pop("env_args"),
        MissingDataError,
        "convert_robosuite --dataset",
    ),
    "no JSON": (lambda f: f["data"].attrs.create("env_args", "{"), FormatError, "env_args"),
    "no kwargs": (
        lambda f: f["data"].attrs.create("env_args", '{"type": 1}'),
        FormatError,
        "env_name",
    ),
    "gym": (lambda f: edit_env_args(f, type=2, env_name="Hopper"), FormatError, "Hopper"),
    "no robot": (
        lambda f: edit_models(f, lambda model: model.replace('"robot0_', '"arm0_')),
        MismatchError,
        "demo_1: .*robot0_",
    ),
    "a path for a task": (
        lambda f: edit_env_args(f, env_name="../Lift"),
        OutsideFolderError,
        "../Lift",
    ),
    "no states": (
        lambda f: f["data/demo_2"].pop("states"),
        MissingDataError,
        "demo_2 .* no states",
    ),
    "no model": (
        lambda f: f["data/demo_3"].attrs.pop("model_file"),
        MissingDataError,
        "demo_3 .*model_file",
    ),
    "lengths": (
        lambda f: put(f["data/demo_1"], "actions", np.zeros((3, 7))),
        MismatchError,
        r"demo_1 .*\(3, 7\)",
    ),
    "names": (rename_demo, FormatError, "demo_NUMBER.*rename or remove second"),
    "width": (
        lambda f: put(f["data/demo_2"], "states", np.zeros((len(f["data/demo_2/actions"]), 9))),
        MismatchError,
        r"demo_2 has states of shape \(9,\).* demo_1 .*\(32,\)",
    ),
    "other model": (
        lambda f: [
            put(demo, "states", np.zeros((len(demo["actions"]), 30))) for demo in f["data"].values()
        ],
        MismatchError,
        " 30 .* 32 ",
    ),
    "not a number": (
        lambda f: f["data/demo_2/states"].write_direct(np.full((1, 32), np.nan), None, np.s_[:1]),
        FormatError,
        "demo_2: its states",
    ),
    "stranger in a mask": (
        lambda f: put(f["mask"], "valid", np.array([b"demo_9"])),
        MismatchError,
        "valid.*demo_9",
    ),
    "shared masks": (
        lambda f: put(f["mask"], "valid", f["mask/train"][:]),
        MismatchError,
        "--split",
    ),
    "mesh": (
        lambda f: f["data/demo_1"].attrs.modify(
            "model_file", f["data/demo_1"].attrs["model_file"].replace("link0.stl", "none.stl")
        ),
        MismatchError,
        r"demo_1: .*none\.stl",
    ),
    "mesh of a task that is not ours": (
        lambda f: edit_models(f, lambda model: model.replace("link0.stl", "none.stl")),
        MismatchError,
        r"demo_1: .*none\.stl.*mimicgen",
    ),
    "model of numbers": (lambda f: each_model(f, 3.0), FormatError, "demo_1: .*model_file"),
    "model of bytes": (
        lambda f: each_model(f, np.void(b"\xff")),
        FormatError,
        "demo_1: .*model_file",
    ),
    "robot that stands still": (
        lambda f: edit_models(f, lambda _: STILL_ROBOT),
        MismatchError,
        "demo_1: no joint",
    ),
    "another task": (
        lambda f: edit_env_args(f, env_name="PickPlaceCan"),
        MismatchError,
        "demo_1: .*PickPlaceCan.*env_args[.]$",
    ),
    "robots of numbers": (
        lambda f: edit_env_args(f, env_kwargs={"robots": [3]}),
        FormatError,
        "robots",
    ),
    "no task": (lambda f: edit_env_args(f, env_name=None), FormatError, "env_name"),
    "actions without an axis": (
        lambda f: put_in_all(f, "actions", np.zeros),
        MismatchError,
        "demo_1 .*row of numbers",
    ),
    "other actions": (
        lambda f: put(f["data/demo_3"], "actions", f["data/demo_3/actions"][:, :6]),
        MismatchError,
        r"demo_3 has actions of shape \(6,\)",
    ),
    "words for actions": (
        lambda f: put_in_all(f, "actions", lambda n: np.full((n, 7), b"x")),
        FormatError,
        "demo_1: its actions",
    ),
    "actions that are no numbers": (
        lambda f: put_in_all(f, "actions", lambda n: np.full((n, 7), np.nan)),
        FormatError,
        "demo_1: its actions",
    ),
    "rewards of another length": (
        lambda f: put_in_all(f, "rewards", lambda n: np.zeros(n - 1)),
        MismatchError,
        "rewards",
    ),
    "rewards in a column": (
        lambda f: put_in_all(f, "rewards", lambda n: np.zeros((n, 1))),
        MismatchError,
        "rewards.*one number",
    ),
    "observations that end early": (
        lambda f: put_in_all(f, "obs/x", lambda n: np.zeros((n - 1, 3))),
        MismatchError,
        "obs/x",
    ),
    "observations that begin early": (
        lambda f: put_in_all(f, "obs/x", lambda n: np.zeros((n + 1, 3))),
        MismatchError,
        "obs/x",
    ),
    "observations that are no numbers": (
        lambda f: put_in_all(f, "obs/x", lambda n: np.full((n, 3), np.inf)),
        FormatError,
        "demo_1: its obs/x",
    ),
    "observations of one demonstration": (
        lambda f: f["data/demo_2"].create_dataset(
            "obs/x", data=np.zeros(len(f["data/demo_2/actions"]))
        ),
        MismatchError,
        "demo_2 has obs/x .* demo_1 has no obs/x",
    ),
    "observations in groups": (
        lambda f: put_in_all(f, "obs/x/y", np.zeros),
        FormatError,
        "demo_1: its obs/x must be an array",
    ),
    "an array for observations": (
        lambda f: put_in_all(f, "obs", np.zeros),
        FormatError,
        "demo_1: its obs must be a group",
    ),
    "an array for a demonstration": (
        lambda f: f["data"].create_dataset("demo_8", data=np.zeros(3)),
        MissingDataError,
        "demo_8 has no states",
    ),
    "a mask of numbers": (
        lambda f: put(f["mask"], "valid", np.arange(2)),
        FormatError,
        "valid .*--split",
    ),
    "no training": (
        lambda f: put(f["mask"], "train", np.array([], "S6")),
        MismatchError,
        "train has none.*--split",
    ),
    "no rate": (
        lambda f: edit_env_args(f, env_kwargs={"control_freq": 0}),
        FormatError,
        "control_freq 0",
    ),
    "no rotation": (
        lambda f: put_in_all(f, "states", lambda steps: np.zeros((steps, 32))),
        FormatError,
        "state 0, the quaternion of cube_main has the length 0",
    ),
    "no XML": (
        lambda f: f["data/demo_1"].attrs.modify("model_file", "<mujoco>"),
        MismatchError,
        "demo_1: ",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", BROKEN)
def test_the_error_on_a_bad_file_names_it_before_any_work(copy, tmp_path, damage):
    breaks, error, complaint = BROKEN[damage]
    with h5py.File(copy, "a") as file:
        breaks(file)
    config = ReplayConfig(copy, **OPTIONS, out=tmp_path / "none")
    with pytest.raises(error, match=complaint) as raised:
        replay(config)
    assert str(copy) in str(raised.value)
    assert not config.root.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "error"),
    [(None, MissingDataError), (b"no HDF5", DamagedDataError), (0.5, DamagedDataError)],
)
def test_a_missing_or_damaged_file_is_an_error(copy, tmp_path, content, error):
    if content is None:
        copy.unlink()
    elif isinstance(content, bytes):
        copy.write_bytes(content)
    else:
        copy.write_bytes(copy.read_bytes()[: int(copy.stat().st_size * content)])
    with pytest.raises(error, match=str(copy)):
        replay(ReplayConfig(copy, out=tmp_path / "none"))


@pytest.mark.slow
def test_the_error_on_a_collected_file_names_its_conversion(collected, tmp_path):
    with pytest.raises(MissingDataError, match=f"convert_robosuite --dataset {collected}"):
        replay(ReplayConfig(collected, out=tmp_path / "none"))


@pytest.mark.slow
@pytest.mark.parametrize("option", ["views", "episodes", "size", "workers"])
def test_an_option_below_one_is_named(demos, option):
    with pytest.raises(OptionError, match=f"--{option}"):
        replay(ReplayConfig(demos, **{option: 0}))


@pytest.mark.slow
def test_the_command_ends_in_one_line_on_a_bad_file(tmp_path):
    code, output = finish([sys.executable, "-m", "sims.replay", "--demos", str(tmp_path)])
    assert code == 2
    assert output.strip() == f"error: {tmp_path} is a folder; --demos takes an HDF5 file."

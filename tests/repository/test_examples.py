"""Every script of `examples/` runs as its docstring says, on data of a few frames."""

import json
import re
import runpy
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from align.config import BackboneConfig, TrainConfig
from align.inputs.data import BatchConfig
from align.train import make_trainer
from datasets import finish_data_set, write_episode
from datasets.episodes import EpisodeDataset
from datasets.lens import Lens
from tests import REPOSITORY
from tests.datasets.synthetic import make_data_set

EXAMPLES = REPOSITORY / "examples"
SCRIPTS = [path for path in EXAMPLES.glob("*.py") if "__main__" in path.read_text()]
FRAMES = (10, 20)  # at least and at most, of a video


@pytest.fixture
def run_example(monkeypatch, capsys):
    """Run a script with arguments, as `python examples/NAME.py …`, and return its output."""

    def run(name, *arguments):
        monkeypatch.syspath_prepend(str(EXAMPLES))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_every_example_explains_its_options(run_example, script, capsys):
    with pytest.raises(SystemExit) as end:
        run_example(script.stem, "--help")
    assert end.value.code == 0
    assert "usage" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("vit", "dim"), [("test_vit", 64), ("deit_tiny_distilled_patch16_224", 192)]
)
def test_own_backbone(run_example, vit, dim):
    shown = run_example("own_backbone", "--vit", vit, "--image-size", 32)
    losses = re.search(r"contrastive loss (\S+), PAAT's loss (\S+)\n", shown)
    assert all(0 < float(loss) < 100 for loss in losses.groups())
    assert f"embeddings (8, {dim}), one per frame" in shown


@pytest.mark.parametrize(
    ("words", "named"),
    [(("--vit", "vit_tin"), "vit_tiny"), (("--image-size", 65), "no multiple of the patch")],
)
def test_own_backbone_refuses_what_timm_cannot_build(run_example, capsys, words, named):
    with pytest.raises(SystemExit) as end:
        run_example("own_backbone", *words)
    assert end.value.code == 2
    assert named in capsys.readouterr().err


@pytest.mark.slow
def test_own_simulator(run_example, tmp_path):
    out = tmp_path / "crane"
    shown = run_example("own_simulator", "--out", out, "--episodes", 3, "--size", 32)
    assert f"python -m align.train --method paab --data {out}" in shown
    data = EpisodeDataset(out)
    assert data.skeleton.keypoints == ("base", "elbow", "wrist", "hook")
    assert len(data) == 3 and set(data.phases(0)) == {0, 1}
    data.check(need_keypoints=True)


@pytest.mark.slow
def test_own_bullet_scene(run_example, tmp_path):
    out = tmp_path / "reach"
    words = ("--out", out, "--episodes", 3, "--views", 2, "--size", 48)
    shown = run_example("own_bullet_scene", *words)
    assert f"python -m align.train --method paab --data {out}" in shown
    data = EpisodeDataset(out)
    assert data.skeleton.keypoints[0] == "arm/lbr_iiwa_link_0" and len(data.skeleton) == 8
    assert len(data) == 3 and set(data.phases(0)) == {0, 1}
    data.check(need_keypoints=True)


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    return make_data_set(tmp_path_factory.mktemp("own") / "dots", 3, 1, steps=FRAMES, size=32)


@pytest.mark.slow
def test_keypoints_alone(run_example, dots):
    def error(steps):
        shown = run_example("keypoints_alone", "--data", dots, "--steps", steps)
        assert re.search(r"^(with|among) .* views? 0\.\d+$", shown, re.MULTILINE)
        return float(re.search(r"^alignment error (\S+)$", shown, re.MULTILINE)[1])

    # The points follow time exactly, so a trained network aligns them well.
    assert error(300) < 0.6 * error(1)


def trained(dots, out, method):
    config = TrainConfig(
        method=method,
        data=dots,
        out=out,
        epochs=1,
        backbone=BackboneConfig("test_vit", depth=2),
        batch=BatchConfig(episodes=1, times=8),
    )
    make_trainer(config, progress=False).fit()
    return out


@pytest.mark.slow
def test_reward_from_video(run_example, dots, tmp_path):
    run = trained(dots, tmp_path / "run", "deit")
    toy = ("--env", "tests.sims.toy:ToyEnv", "--view", "view_1", "--reference", "demo_0")
    shown = run_example("reward_from_video", run, *toy, "--steps", 5, "--every", 2)
    for name in ("expert", "random actions"):
        lines = re.findall(rf"^{name} +(\d+): progress (0\.\d+|1\.00), reward", shown, re.MULTILINE)
        assert [int(time) for time, _ in lines] == [0, 2, 4]
        assert re.search(rf"^{name} end: progress ", shown, re.MULTILINE)


def robomimic_file(path, pictures):
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        kwargs = {"robots": ["Panda"], "control_freq": 20}
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "type": 1, "env_kwargs": kwargs})
        for number, steps in ((10, 5), (2, 4)):
            demo = data.create_group(f"demo_{number}")
            demo.attrs["num_samples"] = steps
            demo.attrs["model_file"] = "<mujoco/>"
            demo["states"], demo["actions"] = np.zeros((steps, 32)), np.zeros((steps, 7))
            demo["obs/robot0_eef_pos"] = np.zeros((steps, 3))
            if pictures:
                grey = np.arange(steps, dtype=np.uint8)[:, None, None, None] * 10
                demo["obs/agentview_image"] = np.broadcast_to(grey, (steps, 16, 16, 3))
    return path


def test_a_robomimic_file_with_pictures(run_example, tmp_path):
    demos, picture = robomimic_file(tmp_path / "image.hdf5", True), tmp_path / "first.png"
    shown = run_example("own_robomimic_file", demos, "--picture", picture)
    assert shown.index("demo_2\n") < shown.index("demo_10\n")
    assert "robot0_eef_pos (5, 3)" in shown and "agentview_image (4, 16, 16, 3)" in shown
    assert (np.asarray(Image.open(picture)) == 20).all(), "not the middle of the first one"
    assert f"python -m datasets.convert {demos} data/image --to episodes" in shown


def test_a_robomimic_file_without_pictures(run_example, tmp_path):
    demos = robomimic_file(tmp_path / "low_dim.hdf5", False)
    shown = run_example("own_robomimic_file", demos)
    assert "Lift without pictures" in shown
    assert f"python -m sims.replay --demos {demos} --views 4" in shown


def test_a_file_of_states_alone(run_example, tmp_path):
    demos = robomimic_file(tmp_path / "demo.hdf5", False)
    with h5py.File(demos, "a") as file:
        for demo in file["data"].values():
            del demo["obs"]
    shown = run_example("own_robomimic_file", demos)
    assert "demo_2" in shown and "python -m sims.replay" in shown


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "does not exist"), (b"\x89HDF\r\n\x1a\n", "cannot be read as HDF5")],
)
def test_no_whole_robomimic_file(run_example, tmp_path, capsys, content, message):
    demos = tmp_path / "lift.hdf5"
    if content is not None:
        demos.write_bytes(content)
    # The message must not advise to delete or generate: recordings exist only once.
    with pytest.raises(SystemExit) as end:
        run_example("own_robomimic_file", demos)
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert re.fullmatch(rf"error: .*lift\.hdf5 {message}.* copy it again\.\n", shown)


@pytest.mark.parametrize("script", [path for path in SCRIPTS if "data: " in path.read_text()])
def test_a_missing_data_set_is_one_line(run_example, tmp_path, capsys, script):
    named = [] if "Positional" in script.read_text() else ["--data"]
    out = ["--out", tmp_path / "out"] if "    out: Path" in script.read_text() else []
    with pytest.raises(SystemExit) as end:
        run_example(script.stem, *named, tmp_path / "none", *out)
    assert end.value.code == 2
    assert re.fullmatch(r"error: .*none.* does not exist.*\n", capsys.readouterr().err)


@pytest.mark.slow
def test_round_trips(run_example, dots):
    printed = run_example("round_trips", dots, "--formats", "episodes", "ftpv")
    kept, pictures = (line.split(" | ") for line in printed.strip().splitlines()[-2:])
    assert kept[0] == "| episodes" and kept[1] == "0.00" and kept[3] == "0"
    assert "phases" in kept[6] and "phases" in pictures[7] and pictures[3] == "lost"
    assert "depth" not in kept[6] and "depth" not in pictures[7]  # which the episodes do not have


def test_round_trips_of_lenses_and_tasks(run_example, tmp_path):
    frames = {"front": np.zeros((4, 16, 16, 3), np.uint8)}
    camera = (np.array([[20.0, 0, 8], [0, 20, 8], [0, 0, 1]]), np.eye(4))
    lens = Lens("plumb_bob", (-0.3, 0.1, 0, 0))
    for _ in range(3):
        shown = {"front": (*camera, lens)}
        write_episode(tmp_path / "few", frames, cameras=shown, task="lift it", joints=np.eye(4))
    finish_data_set(tmp_path / "few")
    printed = run_example("round_trips", tmp_path / "few", "--formats", "episodes", "mp4")
    kept, videos = (line.split(" | ") for line in printed.strip().splitlines()[-2:])
    assert {"lenses", "task"} <= set(kept[6].split(", "))
    assert "lenses" in videos[7] and "task" in videos[7]


@pytest.mark.slow
def test_keypoints_back(run_example, lift_dataset):
    base = ("--base", "-0.56", "0", "0.912")
    printed = run_example("keypoints_back", lift_dataset, *base, "--episodes", 1)
    error, agree = re.search(r"largest error ([\d.]+) .* agrees on ([\d.]+)%", printed).groups()
    assert float(error) < 0.5
    assert float(agree) >= 97


@pytest.mark.slow
def test_calibrate_back(run_example, lift_dataset):
    base = ("--base", "-0.56", "0", "0.912")
    printed = run_example("calibrate_back", lift_dataset, *base, "--repeats", 2)
    means = re.findall(r"off by ([\d.]+) pixels in the mean", printed)
    assert len(means) >= 2
    assert np.mean([float(mean) for mean in means]) < 3


@pytest.mark.slow
def test_late_pictures(run_example, lift_dataset):
    words = ("--base", "-0.56", "0", "0.912", "--shifts", "-3", "3", "--episodes", 3)
    printed = run_example("late_pictures", lift_dataset, *words, "--together", 3)
    errors = re.findall(r"view_\d: 2 of 2 measured, .* mean, ([\d.]+) at most", printed)
    assert len(errors) == 2 and max(map(float, errors)) < 1


@pytest.mark.slow
def test_real_recording(run_example, lift_dataset, tmp_path):
    words = ("--epochs", 1, "--epoch-steps", 2, "--depth", 1)
    printed = run_example("real_recording", lift_dataset, "--out", tmp_path / "out", *words)
    off = float(re.search(r"keypoints: ([\d.]+) pixels off in the mean", printed)[1])
    assert off < 3 * 64 / 224
    errors = re.findall(r"alignment error of PAAT with .*: ([\d.]+)", printed)
    assert len(errors) == 2 and all(0 < float(error) < 0.6 for error in errors)

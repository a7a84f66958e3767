"""How a command ends when something is wrong: in words where the user can act on it."""

from pathlib import Path

import pytest

from datasets.episodes import EpisodeDataset
from datasets.storage.meta import DatasetMeta
from sims.config import GenerateConfig
from sims.errors import OptionError
from sims.generate import main
from sims.mocap.config import MocapConfig
from sims.production import worker
from sims.replay import ReplayConfig
from tests.sims.runs import TOY
from tests.sims.toy import ToyEnv


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command in this process, given its options."""

    def run(**options):
        options = {"env": TOY, "episodes": 2, "size": 32, "workers": 1, "out": tmp_path} | options
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        monkeypatch.setattr("sys.argv", ["generate", *words])
        main()

    return run


def test_options_that_are_not_valid_end_in_words(run):
    for options, complaint in (
        ({"size": 0}, "error: --size must be at least 1, got 0"),
        ({"shard": "4/4"}, "error: --shard '4/4'"),
        ({"split": "1,2"}, "error: --split '1,2'"),
        ({"preset": "ftvp"}, "error: unknown preset 'ftvp'"),
        ({"env": "lfit"}, "error: unknown environment 'lfit'"),
    ):
        with pytest.raises(SystemExit, match=complaint):
            run(**options)


@pytest.mark.parametrize("where", ["begin", "__init__"])
def test_a_fault_of_a_simulator_keeps_its_traceback(run, monkeypatch, where):
    def broken(self, *args, **kwargs):
        raise ValueError("beads do not add up")

    monkeypatch.setattr(ToyEnv, where, broken)
    with pytest.raises(ValueError, match="beads do not add up"):
        run()


def test_what_was_stopped_before_its_first_episode_does_not_hold_the_folder(
    run, tmp_path, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(worker, "record", stop)
        with pytest.raises(SystemExit, match="Stopped. 0 of 2 episodes"):
            run(size=48)
    run(size=32)
    assert EpisodeDataset(tmp_path).meta.image_size == 32
    with pytest.raises(SystemExit, match="image_size: 32 on disk, 48 asked for"):
        run(size=48)


def test_going_on_under_other_versions_is_said_and_stored(run, tmp_path, monkeypatch, caplog):
    def installed(**versions):
        monkeypatch.setattr("sims.generate.versions", lambda: versions)

    installed(mujoco="3.3.0", numpy="2.4.0")
    run(episodes=1)
    installed(mujoco="3.9.0", numpy="2.4.0", pybullet="3.2.7")
    run(episodes=1)
    assert "made under" not in caplog.text, "nothing was made"
    for episodes in (2, 3):
        run(episodes=episodes)
        said = [message for message in caplog.messages if "made under" in message]
        assert len(said) == 1, "said again, though both versions are known"
    assert f"{tmp_path} holds episodes made under mujoco 3.3.0 (3.9.0 is installed)." in said[0]
    stored = DatasetMeta.load(tmp_path).versions
    assert stored == {"mujoco": "3.3.0, 3.9.0", "numpy": "2.4.0"}


@pytest.mark.parametrize("below", ["", "toy"])
def test_a_file_in_the_place_of_the_folder_is_named(run, tmp_path, below):
    file = tmp_path / "notes.txt"
    file.write_text("not a data set")
    with pytest.raises(SystemExit, match=r"error: --out .*: .*notes.txt is a file; name a folder"):
        run(out=file / below)
    for config in (
        GenerateConfig(out=file / below),
        MocapConfig(out=file / below),
        ReplayConfig(demos=Path("lift.hdf5"), out=file / below),
    ):
        with pytest.raises(OptionError, match="notes.txt is a file"):
            config.check()
    assert file.read_text() == "not a data set"

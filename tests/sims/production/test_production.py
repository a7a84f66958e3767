"""The end of a command: one line for errors that a user can fix, a traceback for faults."""

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
def run(tmp_path):
    """Run the command in this process with the given options."""

    def run(**options):
        options = {"env": TOY, "episodes": 2, "size": 32, "workers": 1, "out": tmp_path} | options
        main([word for name, value in options.items() for word in (f"--{name}", str(value))])

    return run


@pytest.fixture
def failure(run, capsys):
    """Run the command, which exits; return its exit code and what it printed on stderr."""

    def failure(**options):
        with pytest.raises(SystemExit) as end:
            run(**options)
        return end.value.code, capsys.readouterr().err

    return failure


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--size 0", "--size 0 "),
        ("--shard 4/4", "--shard '4/4'"),
        ("--split 1,2", "--split '1,2'"),
        ("--preset ftvp", "unknown preset 'ftvp'; did you mean 'ftpv'?"),
        ("--env lfit", "unknown environment 'lfit'; did you mean 'lift'?"),
        ("--env mocp --layout nucla", "unknown environment 'mocp'; did you mean 'mocap'?"),
        ("--env mocap --layout nucl", "unknown --layout 'nucl'; did you mean 'nucla'?"),
        ("--env mocap --subjets 4", "unknown option --subjets; did you mean --subjects?"),
        ("--env mocap --actions wlak", "unknown action 'wlak'; did you mean 'walk'?"),
        ("--sed 0", "unknown option --sed; did you mean --seed?"),
        ("--cluster locl", "unknown --cluster 'locl'; did you mean 'local'?"),
    ],
)
def test_an_invalid_option_ends_in_one_line(tmp_path, capsys, words, message):
    with pytest.raises(SystemExit) as end:
        main([*words.split(), "--out", str(tmp_path / "none")])
    printed = capsys.readouterr().err
    assert end.value.code == 2
    assert printed.startswith(f"error: {message}") and len(printed.splitlines()) == 1
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("where", ["begin", "__init__"])
def test_a_fault_of_a_simulator_keeps_its_traceback(run, monkeypatch, where):
    def broken(self, *args, **kwargs):
        raise ValueError("beads do not add up")

    monkeypatch.setattr(ToyEnv, where, broken)
    with pytest.raises(ValueError, match="beads do not add up"):
        run()


@pytest.mark.slow
def test_a_run_stopped_before_its_first_episode_does_not_claim_the_folder(
    run, failure, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(worker, "record", stop)
        code, printed = failure(size=48)
    assert code == 130
    assert f"stopped. {tmp_path}: 0 of 2 episodes are on disk. Run the same command" in printed
    run(size=32)
    assert EpisodeDataset(tmp_path).meta.image_size == 32
    code, printed = failure(size=48)
    assert code == 2 and "image_size: 32 on disk, 48 asked for" in printed


@pytest.mark.slow
def test_resuming_under_other_versions_is_logged_and_stored(run, tmp_path, monkeypatch, caplog):
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
        assert len(said) == 1, "logged again, although both versions are stored"
    assert f"{tmp_path} holds episodes made under mujoco 3.3.0 (3.9.0 is installed)." in said[0]
    stored = DatasetMeta.load(tmp_path).versions
    assert stored == {"mujoco": "3.3.0, 3.9.0", "numpy": "2.4.0"}


@pytest.mark.parametrize("below", ["", "toy"])
def test_a_file_in_the_place_of_the_folder_is_named(failure, tmp_path, below):
    file = tmp_path / "notes.txt"
    file.write_text("not a data set")
    code, printed = failure(out=file / below)
    assert code == 2 and f"error: --out {file / below}: {file} is a file" in printed
    for config in (
        GenerateConfig(out=file / below),
        MocapConfig(out=file / below),
        ReplayConfig(demos=Path("lift.hdf5"), out=file / below),
    ):
        with pytest.raises(OptionError, match=r"--out .*notes\.txt "):
            config.check()
    assert file.read_text() == "not a data set"

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from align.cloning.demonstrations import write_demonstrations
from align.cloning.observers import (
    PROPRIOCEPTION,
    EmbeddingObserver,
    Observer,
    PixelObserver,
    StateObserver,
    make_observer,
)
from align.train import make_trainer
from datasets.episodes import EpisodeDataset
from datasets.errors import MismatchError, MissingDataError
from tests.align.conftest import tiny_config


@pytest.mark.slow
def test_each_episode_and_view_is_a_demonstration(
    lift_dataset: Path, deit: Path, tmp_path: Path
) -> None:
    data, path = EpisodeDataset(lift_dataset, "train"), tmp_path / "demos.hdf5"
    observer = EmbeddingObserver(deit)
    write_demonstrations(path, data, observer, ["view_0", "view_1"])
    with h5py.File(path) as file:
        assert sorted(file["data"]) == [f"demo_{i}" for i in range(4)]
        assert file["data"].attrs["total"] == 2 * sum(data.lengths)
        second = file["data/demo_1"]
        np.testing.assert_array_equal(second["actions"], data.actions(0))
        np.testing.assert_allclose(
            second["obs/robot0_eef_pos"], data.observation(0, "robot0_eef_pos"), atol=1e-6
        )
        expected = observer.embedder.encode_view(data, 0, "view_1")
        np.testing.assert_allclose(second["obs/embedding"], expected, atol=1e-6)


@pytest.mark.parametrize(
    ("observer", "names"),
    [(StateObserver(), {*PROPRIOCEPTION, "object"}), (PixelObserver(), {*PROPRIOCEPTION, "image"})],
)
def test_a_moment_is_observed_as_its_recording(
    lift_dataset: Path, observer: Observer, names: set[str]
) -> None:
    data = EpisodeDataset(lift_dataset, "train")
    recorded = observer.of_episode(data, 0, "view_0")
    state = {name: data.observation(0, name)[3] for name in (*PROPRIOCEPTION, "object")}
    now = observer.of_moment(state, list(data.images(0, "view_0")[:4]))
    assert set(now) == set(recorded) == names
    for name in names:
        np.testing.assert_array_equal(now[name], recorded[name][3])


@pytest.mark.slow
def test_an_embedding_is_the_same_before_the_episode_has_ended(
    lift_dataset: Path, deit: Path
) -> None:
    data, observer = EpisodeDataset(lift_dataset, "train"), EmbeddingObserver(deit)
    whole = observer.of_episode(data, 0, "view_0")["embedding"]
    state = {name: data.observation(0, name)[5] for name in PROPRIOCEPTION}
    now = observer.of_moment(state, list(data.images(0, "view_0")[:6]))
    np.testing.assert_allclose(now["embedding"], whole[5], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [("paab", {}), ("deit", {"time_frames": 3})],
)
def test_a_run_that_a_policy_cannot_use_is_refused(
    dots: Path, tmp_path: Path, method: str, options: dict[str, int]
) -> None:
    from align.inputs.sampling import TimeConfig

    time = TimeConfig(frames=options.get("time_frames", 1))
    config = tiny_config(dots, tmp_path / "run", method, epochs=1, time=time)  # type: ignore[arg-type]
    make_trainer(config, progress=False).fit()
    with pytest.raises(MismatchError):
        make_observer(str(tmp_path / "run"))


def test_episodes_without_an_observation_are_named(dots: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="robot0_eef_quat"):
        write_demonstrations(
            tmp_path / "demos.hdf5", EpisodeDataset(dots, "train"), StateObserver(), ["view_0"]
        )
    assert not list(tmp_path.iterdir())

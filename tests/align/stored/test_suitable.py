"""Data sets of frames alone, as the published ones: some methods train, others say why not."""

from pathlib import Path

import pytest

from align.evaluate import evaluate
from align.methods import METHODS, Method
from align.train import make_trainer
from datasets.convert import ConvertConfig, convert
from datasets.errors import MissingDataError
from tests.align.conftest import tiny_config
from tests.datasets.synthetic import make_data_set


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FTPV folders, taken in as episodes."""
    root = tmp_path_factory.mktemp("frames")
    splits = {"train": [0, 1], "valid": [2], "test": [3]}
    make_data_set(root / "dots", episodes=4, views=1, steps=12, size=32, splits=splits)
    convert(ConvertConfig(root / "dots", root / "ftpv", "ftpv"))
    convert(ConvertConfig(root / "ftpv", root / "episodes", "episodes"))
    return root / "episodes"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["deit", "tcn", "3dtrl"])
def test_methods_that_need_no_poses_train(frames: Path, tmp_path: Path, method: Method) -> None:
    config = tiny_config(frames, tmp_path / "run", method, epochs=1)
    make_trainer(config, progress=False).fit()
    evaluation = evaluate(tmp_path / "run", "test", progress=False)
    # Before training it is about 0.2. Statistics of TCN's batch norms take more steps than these.
    assert evaluation.metrics["alignment_error"] < (0.12 if METHODS[method].encoder == "vit" else 1)
    assert not evaluation.phases


@pytest.mark.slow
@pytest.mark.parametrize("method", ["paab", "paat"])
def test_methods_that_need_poses_say_so(frames: Path, tmp_path: Path, method: Method) -> None:
    config = tiny_config(frames, tmp_path / "run", method)
    with pytest.raises(MissingDataError, match=r"000000\.hdf5 .*ego: .*--method deit"):
        make_trainer(config, progress=False)

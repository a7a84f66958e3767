"""The analysis of runs of action recognition."""

import json

import pytest
from PIL import Image

from action.analyze import run as run_command
from action.train import make_trainer
from tests.action.test_train import config_for


@pytest.mark.slow
def test_runs_are_analysed_and_drawn(squares, tmp_path, capsys):
    for method in ("baseline", "paab+paat"):
        run = tmp_path / method
        make_trainer(config_for(squares, run, method, epochs=1), progress=False).fit()
    run_command((tmp_path / "baseline", tmp_path / "paab+paat"), clips=5, out=tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").format == "PNG"
    stored = json.loads((tmp_path / "baseline" / "analysis" / "CS_test.json").read_text())
    assert [len(values) for values in stored.values()] == [2, 2, 2, 2]
    with pytest.raises(SystemExit):
        run_command((tmp_path,), out=tmp_path / "b.png")
    assert f"there is no {tmp_path / 'config.json'}" in capsys.readouterr().err

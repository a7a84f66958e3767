from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import align.zoo
from align.embedder import FrameEmbedder
from align.engine.run_folder import RunFolder
from align.zoo.__main__ import main
from align.zoo.card import Card
from align.zoo.export import export
from align.zoo.hub import HubError, pull, push
from align.zoo.store import BUNDLED
from datasets.errors import (
    FormatError,
    MissingDataError,
    OptionError,
    UnknownNameError,
    UserError,
)
from tests.align.zoo.golden import GOLDEN, NAMES, embedding_of
from tests.align.zoo.hub_stand_in import running_hub


def frames(size: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (6, size, size, 3), dtype=np.uint8)


def embed(embedder: FrameEmbedder) -> torch.Tensor:
    points = 5 + 7 * torch.arange(6.0).view(6, 1, 1).expand(6, embedder.plan.num_keypoints, 2)
    visible = torch.ones(points.shape[:2], dtype=torch.bool)
    return embedder.embed_frames(frames(), embedder.pose_inputs(points, visible))


@pytest.mark.slow
def test_an_exported_model_embeds_as_its_run_does(measured: Path, zoo: Path) -> None:
    path = export(measured, "dots", zoo)
    torch.testing.assert_close(
        embed(align.zoo.load("dots")), embed(FrameEmbedder.load(measured)), atol=5e-3, rtol=0
    )
    torch.testing.assert_close(embed(FrameEmbedder.load("zoo:dots")), embed(align.zoo.load("dots")))
    whole = RunFolder(measured).checkpoint().stat().st_size
    assert path.stat().st_size < 0.6 * whole


@pytest.mark.slow
def test_only_weights_are_rounded(measured: Path, zoo: Path) -> None:
    with safe_open(export(measured, "dots", zoo), "pt") as file:
        types = {name: file.get_tensor(name).dtype for name in file.keys()}  # noqa: SIM118
    assert types["model.whiten.running_var"] == torch.float32
    assert {t for n, t in types.items() if n.endswith("qkv.weight")} == {torch.float16}


@pytest.mark.slow
def test_a_card_says_how_the_run_was_trained_and_what_it_reached(measured: Path, zoo: Path) -> None:
    card = Card.of(export(measured, "dots", zoo))
    assert (card.method, card.needs_keypoints, card.image_size) == ("late", True, 48)
    assert card.scores["test"].episodes == 2
    assert card.scores["test"].views == ("ego", "view_0", "view_1")
    assert "--method late" in card.command
    assert str(measured.parent) not in card.markdown()
    assert f"{card.scores['test'].alignment_error:.4f}" in card.markdown()


def test_a_run_that_was_not_measured_is_no_model(measured: Path, zoo: Path) -> None:
    unmeasured = zoo.parent / "run"
    shutil.copytree(measured, unmeasured)
    shutil.rmtree(unmeasured / "evaluation")
    with pytest.raises(MissingDataError, match=r"align\.evaluate"):
        export(unmeasured, "dots", zoo)


@pytest.mark.parametrize("name", ["../lift", "Lift", "", "zoo:lift"])
def test_a_name_that_is_no_file_name_is_refused(measured: Path, zoo: Path, name: str) -> None:
    with pytest.raises(OptionError):
        export(measured, name, zoo)
    assert not zoo.exists()


@pytest.mark.slow
def test_an_unknown_model_is_named_with_the_nearest_one(measured: Path, zoo: Path) -> None:
    export(measured, "dots", zoo)
    with pytest.raises(UnknownNameError, match="dots"):
        align.zoo.find("dotz")


@pytest.mark.slow
def test_a_folder_is_pulled_whole_or_by_name(measured: Path, zoo: Path, tmp_path: Path) -> None:
    offered = tmp_path / "offered"
    for name in ("one", "two"):
        export(measured, name, offered)
    assert [path.name for path in pull(str(offered), ["two"])] == ["two.safetensors"]
    assert align.zoo.find("two").parent == zoo
    pull(str(offered))
    assert {"one", "two"} <= set(align.zoo.names())
    with pytest.raises(UnknownNameError):
        pull(str(offered), ["three"])


@pytest.mark.slow
def test_an_ordinary_checkpoint_is_not_pulled(measured: Path, zoo: Path, tmp_path: Path) -> None:
    export(measured, "dots", zoo)
    before = align.zoo.find("dots").read_bytes()
    offered = tmp_path / "offered"
    offered.mkdir()
    shutil.copy(RunFolder(measured).checkpoint(), offered / "dots.safetensors")
    with pytest.raises(FormatError, match="card"):
        pull(str(offered))
    assert align.zoo.find("dots").read_bytes() == before


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_comes_back(
    measured: Path, zoo: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = export(measured, "dots", zoo)
    sent = path.read_bytes()
    with running_hub() as hub:
        use(hub.address, monkeypatch, tmp_path)
        push("me/models", ["dots"])
        assert b"late" in hub.repositories["me/models"]["README.md"]
        path.unlink()
        assert pull("me/models") == [path]
        assert path.read_bytes() == sent
        with pytest.raises(HubError, match="me/nothing"):
            pull("me/nothing")
    with pytest.raises(HubError, match="me/models"):
        push("me/models", ["dots"])


def use(address: str, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    """Lets huggingface_hub talk to a stand-in; it reads its settings when it is imported."""
    from huggingface_hub import constants, hf_api

    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache / "hub"))
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        address + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(hf_api.api, "endpoint", address)
    monkeypatch.setenv("HF_TOKEN", "hf_test")


@pytest.mark.slow
def test_the_command_lists_exports_and_shows(
    measured: Path, zoo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["dots", "--export", str(measured)])
    main([])
    main(["dots"])
    printed = capsys.readouterr().out
    assert str(zoo / "dots.safetensors") in printed
    assert "| zoo:dots | late |" in printed
    assert "## dots" in printed


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_model_embeds_fixed_frames_as_when_it_was_made(name: str) -> None:
    assert Card.of(align.zoo.find(name)).name == name
    expected = np.array(json.loads(GOLDEN.read_text())[name])
    np.testing.assert_allclose(embedding_of(name)[:, : expected.shape[1]], expected, atol=1e-3)


def test_pictures_that_are_no_bytes_are_refused() -> None:
    embedder = align.zoo.load("lift")
    wrong = (frames() / 255.0, frames().astype(np.uint16), frames()[0], frames()[..., :1])
    for images in wrong:
        with pytest.raises(FormatError, match="images must be uint8 RGB"):
            embedder.embed_frames(images)
    with pytest.raises(MissingDataError, match="no frames"):
        embedder.embed_frames(frames()[:0])
    listed = embedder.embed_frames(list(frames()))  # type: ignore[arg-type]
    torch.testing.assert_close(listed, embedder.embed_frames(frames()))


def test_a_model_is_found_with_its_prefix_and_told_without() -> None:
    assert align.zoo.find("zoo:lift") == align.zoo.find("lift") == align.zoo.resolve("zoo:lift")
    with pytest.raises(UnknownNameError, match="did you mean zoo:lift"):
        align.zoo.resolve("lift")


def test_a_renamed_model_has_the_name_that_finds_it(
    zoo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    offered = tmp_path / "offered"
    offered.mkdir()
    shutil.copy(BUNDLED / "lift.safetensors", offered / "other.safetensors")
    main(["--pull", str(offered)])
    main([])
    assert "| zoo:other | deit | lift |" in capsys.readouterr().out


def test_a_model_that_hides_a_bundled_one_is_told(
    zoo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    main(["pick", "--pull", str(BUNDLED)])
    assert "zoo:pick is now this model" in caplog.text


def test_a_model_of_a_newer_version_is_not_pulled(zoo: Path, tmp_path: Path) -> None:
    source, offered = BUNDLED / "lift.safetensors", tmp_path / "offered"
    with safe_open(source, "pt") as file:
        facts = json.loads(file.metadata()["state"])
    facts["about"]["config"]["newer"] = 1
    offered.mkdir()
    save_file(load_file(source), offered / "lift.safetensors", {"state": json.dumps(facts)})
    with pytest.raises(UserError, match="newer.* install the version that wrote it"):
        pull(str(offered))
    assert not zoo.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--pull", str(BUNDLED / "lift.safetensors")], "is a file. Name its folder"),
        (["lift", "--out", "there"], "--out there is for an exported model"),
        (["mine", "--export", "zoo:lift"], "zoo:lift is no folder"),
    ],
)
def test_options_that_mean_nothing_are_named(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2 and message in capsys.readouterr().err


def test_bundled_models_are_small_together() -> None:
    assert sum(path.stat().st_size for path in BUNDLED.glob("*.safetensors")) < 28e6

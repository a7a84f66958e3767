"""Published weights: agreement with Hugging Face's TimeSformer, and files that do not fit."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from einops import rearrange
from safetensors.torch import save_file
from transformers import TimesformerConfig, TimesformerForVideoClassification

from action.config import TimeSformerConfig
from action.timesformer import TimeSformer
from action.train import make_trainer
from action.training.task import ActionTask
from action.weights import load_pretrained
from action.weights.files import FOLDER_FILES
from align.engine.checkpoint import DamagedCheckpointError, MissingCheckpointError, OtherModelError
from align.engine.run_folder import RunFolder
from align.models.pose_aware import PoseAware
from tests.action.test_train import TINY, config_for

SIZE, FRAMES, CLASSES = 32, 3, 5
KINDS = ["divided_space_time", "joint_space_time", "space_only"]


def ours(seed: int = 1, **options) -> TimeSformer:
    torch.manual_seed(seed)
    defaults = dict(
        image_size=SIZE,
        patch_size=8,
        frames=FRAMES,
        num_classes=CLASSES,
        embed_dim=24,
        depth=2,
        num_heads=3,
    )
    return TimeSformer(**(defaults | options)).eval()


def theirs(kind: str = "divided_space_time") -> TimesformerForVideoClassification:
    """Hugging Face's model of that size, every parameter random."""
    torch.manual_seed(0)
    config = TimesformerConfig(
        image_size=SIZE,
        patch_size=8,
        num_frames=FRAMES,
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=96,
        attention_type=kind,
        num_labels=CLASSES,
    )
    model = TimesformerForVideoClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model


def clips() -> torch.Tensor:
    return torch.randn(2, 3, FRAMES, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def published(model: TimeSformer) -> dict:
    """The contents of a file as Facebook publishes it."""
    weights = {f"model.{name}": value for name, value in model.state_dict().items()}
    return {"epoch": 14, "model_state": weights, "cfg": "MODEL: ..."}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_tokens_and_logits_agree_with_hugging_face(tmp_path, kind):
    model, expected = ours(attention_type=kind), theirs(kind)
    expected.save_pretrained(tmp_path)
    load_pretrained(model, tmp_path)
    given = clips()
    logits = expected(given.transpose(1, 2)).logits
    tokens = expected.timesformer(given.transpose(1, 2)).last_hidden_state
    if kind == "space_only":  # theirs gives logits frame by frame
        given = rearrange(given, "b c t h w -> (b t) c 1 h w")
    else:  # and their tokens have time fastest
        patches = rearrange(tokens[:, 1:], "b (n t) d -> b (t n) d", t=FRAMES)
        tokens = torch.cat([tokens[:, :1], patches], dim=1)
    assert logits.std() > 0.1
    assert (PoseAware(model)(given).tokens - tokens).abs().max() < 1e-4
    assert (model(given) - logits).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["pytorch_model.bin", "weights.pt"])
def test_all_of_hugging_faces_files_are_read(tmp_path, name):
    expected = theirs().state_dict()
    torch.save(expected, tmp_path / name)
    model = ours()
    load_pretrained(model, tmp_path if name in FOLDER_FILES else tmp_path / name)
    assert torch.equal(model.head.weight, expected["classifier.weight"])
    qkv = expected["timesformer.encoder.layer.1.temporal_attention.attention.qkv.weight"]
    assert torch.equal(model.blocks[1].temporal_attn.qkv.weight, qkv)


@torch.no_grad()
def test_facebooks_file_is_read(tmp_path):
    source, model = ours(seed=0), ours(seed=1)
    torch.save(published(source), tmp_path / "TimeSformer_divST_8x32_224_K400.pyth")
    load_pretrained(model, tmp_path / "TimeSformer_divST_8x32_224_K400.pyth")
    assert torch.equal(model(clips()), source(clips()))


# Parts of the published names and of MMAction2's; the temporal attention comes before the spatial.
MMACTION = (
    ("patch_embed.proj.", "patch_embed.projection."),
    ("blocks.", "transformer_layers.layers."),
    ("temporal_norm1.", "attentions.0.norm."),
    ("temporal_attn.qkv.", "attentions.0.attn.in_proj_"),
    ("temporal_attn.proj.", "attentions.0.attn.out_proj."),
    ("temporal_fc.", "attentions.0.temporal_fc."),
    ("norm1.", "attentions.1.norm."),
    (".attn.qkv.", ".attentions.1.attn.in_proj_"),
    (".attn.proj.", ".attentions.1.attn.out_proj."),
    ("norm2.", "ffns.0.norm."),
    ("mlp.fc1.", "ffns.0.layers.0.0."),
    ("mlp.fc2.", "ffns.0.layers.1."),
)


@torch.no_grad()
def test_mmaction2s_file_is_read(tmp_path):
    source, model = ours(seed=0), ours(seed=1)
    weights = {}
    for name, value in source.state_dict().items():
        for published_part, theirs_part in MMACTION:
            name = name.replace(published_part, theirs_part)
        prefix = "" if name.startswith("head.") else "backbone."
        weights[prefix + name.replace("head.", "cls_head.fc_cls.")] = value
    torch.save({"meta": {}, "state_dict": weights}, tmp_path / "timesformer.pth")
    load_pretrained(model, tmp_path / "timesformer.pth")
    assert torch.equal(model(clips()), source(clips()))


@pytest.mark.parametrize(
    ("container", "prefix"),
    [
        ("model_state_dict", "module."),
        ("state_dict", "model.backbone."),
        ("module", ""),
        ("model_ema", "module.timesformer."),
    ],
)
@torch.no_grad()
def test_files_of_other_trainers_are_read(tmp_path, container, prefix):
    source, model = ours(seed=0), ours(seed=1)
    weights = {prefix + name: value for name, value in source.state_dict().items()}
    torch.save({"epoch": 3, container: weights}, tmp_path / "a.pt")
    load_pretrained(model, tmp_path / "a.pt")
    assert torch.equal(model(clips()), source(clips()))


def test_a_head_of_other_classes_is_left_out(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    torch.save(published(ours(num_classes=7)), tmp_path / "a.pyth")
    model = ours()
    head = model.head.weight.clone()
    load_pretrained(model, tmp_path / "a.pyth")
    assert torch.equal(model.head.weight, head)
    load_pretrained(ours(num_classes=0), tmp_path / "a.pyth")
    assert [record.getMessage() for record in caplog.records] == [
        f"left out the head of 7 classes of {tmp_path / 'a.pyth'}"
    ] * 2


def test_embeddings_are_resized_to_other_frames_and_sizes(tmp_path):
    source = ours(frames=2, image_size=16)
    torch.save(published(source), tmp_path / "a.pyth")
    model = ours(frames=4, image_size=32)
    load_pretrained(model, tmp_path / "a.pyth")
    assert torch.equal(model.time_embed, source.time_embed.repeat_interleave(2, dim=1))
    grid = rearrange(source.pos_embed[:, 1:], "1 (r c) d -> 1 r c d", r=2)
    doubled = grid.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.equal(model.pos_embed[:, 1:], rearrange(doubled, "1 r c d -> 1 (r c) d"))
    assert torch.equal(model.pos_embed[:, 0], source.pos_embed[:, 0])


def test_weights_that_do_not_fit_are_named(tmp_path):
    stored = published(ours())
    weights = stored["model_state"]
    del weights["model.norm.weight"], weights["model.norm.bias"]
    weights["model.blocks.7.norm1.weight"] = weights["model.surprise"] = torch.zeros(24)
    weights["model.cls_token"] = torch.zeros(1, 1, 23)
    for name in ("qkv.bias", "proj.weight", "proj.bias"):
        del weights[f"model.blocks.0.attn.{name}"]
    torch.save(stored, tmp_path / "a.pyth")
    model = ours()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(OtherModelError) as raised:
        load_pretrained(model, tmp_path / "a.pyth")
    listed = ", ".join(f"blocks.0.attn.{name}" for name in ("qkv.bias", "proj.weight", "proj.bias"))
    for part in (
        "a.pyth",
        f"missing: {listed} and 2 more",
        "unknown: blocks.7.norm1.weight, surprise",
        "of another shape: cls_token (1, 1, 23) for (1, 1, 24)",
    ):
        assert part in str(raised.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.slow
def test_facebooks_file_beside_the_small_model_asks_for_the_paper_s(tmp_path):
    file = tmp_path / "a.pyth"
    torch.save(published(ours(embed_dim=768, depth=12, num_heads=12, patch_size=16)), file)
    small = TimeSformerConfig()
    model = ours(
        embed_dim=small.dim, depth=small.depth, num_heads=small.heads, patch_size=small.patch_size
    )
    # The heads are named too: 3 of them would fit the weights' shapes.
    remedy = "use --recipe paper, or --backbone.dim 768 --backbone.depth 12 --backbone.heads 12: "
    with pytest.raises(OtherModelError) as raised:
        load_pretrained(model, file)
    assert str(raised.value).startswith(f"{remedy}{file} holds another TimeSformer")


@pytest.mark.parametrize(
    ("stored", "remedy"),
    [
        ({"embed_dim": 48}, "--backbone.dim 48"),
        ({"depth": 3}, "--backbone.depth 3"),
        ({"patch_size": 16}, "--backbone.patch-size 16"),
        ({"attention_type": "joint_space_time"}, "--backbone.attention joint_space_time"),
        ({"attention_type": "space_only"}, "--backbone.attention space_only"),
        ({"embed_dim": 48, "depth": 1}, "--backbone.dim 48 --backbone.depth 1"),
    ],
)
def test_another_model_is_refused_by_the_options_that_fit(tmp_path, stored, remedy):
    torch.save(published(ours(**stored)), tmp_path / "a.pyth")
    with pytest.raises(OtherModelError, match=rf"^\w+ {remedy}: "):
        load_pretrained(ours(), tmp_path / "a.pyth")
    load_pretrained(ours(**stored), tmp_path / "a.pyth")


def test_weights_of_patches_do_not_fit_convolutions(tmp_path):
    torch.save(published(ours()), tmp_path / "a.pyth")
    with pytest.raises(OtherModelError, match=r"^\w+ --backbone.stem patch: "):
        load_pretrained(ours(stem="conv"), tmp_path / "a.pyth")


def test_another_number_of_heads_is_refused(tmp_path):
    theirs().save_pretrained(tmp_path)
    with pytest.raises(OtherModelError, match=r"^\w+ --backbone.heads 3: "):
        load_pretrained(ours(num_heads=4), tmp_path)


def test_heads_that_a_file_does_not_say_and_that_are_unusual_are_named(tmp_path, caplog):
    torch.save(published(ours(embed_dim=128, num_heads=2)), tmp_path / "weights.pth")
    load_pretrained(ours(embed_dim=128, num_heads=2), tmp_path / "weights.pth")
    assert not caplog.text
    load_pretrained(ours(embed_dim=128, num_heads=4), tmp_path / "weights.pth")
    assert "this model has 4" in caplog.text and "--backbone.heads 2" in caplog.text


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("evil"),)


def test_files_that_are_no_weights_are_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model_state": Evil()}, "evil.pyth")
    torch.save({"epoch": 3}, "epoch.pyth")
    torch.save(published(ours()), "whole.pyth")
    Path("half.pyth").write_bytes(Path("whole.pyth").read_bytes()[:5000])
    Path("page.pyth").write_text("<html>too many downloads</html>")
    save_file({"cls_token": torch.zeros(1, 1, 24)}, "whole.safetensors")
    Path("half.safetensors").write_bytes(Path("whole.safetensors").read_bytes()[:20])
    Path("empty").mkdir()
    for name in ("evil", "epoch", "half", "page"):
        with pytest.raises(DamagedCheckpointError, match=f"{name}.pyth"):
            load_pretrained(ours(), Path(f"{name}.pyth"))
    with pytest.raises(DamagedCheckpointError, match="half.safetensors"):
        load_pretrained(ours(), Path("half.safetensors"))
    with pytest.raises(MissingCheckpointError, match="empty"):
        load_pretrained(ours(), Path("empty"))
    with pytest.raises(MissingCheckpointError, match="nowhere.pyth"):
        load_pretrained(ours(), Path("nowhere.pyth"))
    assert not Path("evil").exists()


@pytest.mark.parametrize("method", ["baseline", "paab+paat"])
def test_training_starts_from_the_weights(squares, tmp_path, method):
    plain = ActionTask(config_for(squares, tmp_path, method))
    backbone = ours(
        image_size=32, patch_size=8, frames=8, num_classes=400, embed_dim=32, num_heads=2
    )
    torch.save(published(backbone), tmp_path / "a.pyth")
    options = replace(TINY, weights=tmp_path / "a.pyth")
    task = ActionTask(config_for(squares, tmp_path, method, backbone=options))
    loaded = task.model.state_dict()
    name = "backbone.backbone.blocks.1.mlp.fc1.weight"
    assert torch.equal(loaded[name], backbone.blocks[1].mlp.fc1.weight)
    assert torch.equal(loaded["head.weight"], plain.model.head.weight)


@pytest.mark.slow
def test_a_run_goes_on_without_the_weights_that_it_started_from(squares, tmp_path):
    file, run = tmp_path / "a.pyth", tmp_path / "run"
    torch.save(published(ours(patch_size=8, frames=8, embed_dim=32, num_heads=2)), file)
    config = config_for(squares, run, backbone=replace(TINY, weights=file))
    trainer = make_trainer(config, progress=False)
    trainer.epochs = 1
    trainer.fit()
    file.unlink()
    make_trainer(config, progress=False).fit()
    assert RunFolder(run).finished
    with pytest.raises(MissingCheckpointError, match="a.pyth"):
        make_trainer(replace(config, out=tmp_path / "new"), progress=False)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda value: torch.full_like(value, float("nan")), "not finite"),
        (lambda value: (10 * value).to(torch.int8), "quantised"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(tmp_path, change, complaint):
    weights = ours().state_dict()
    name = "blocks.1.norm2.weight"
    torch.save({"model_state": weights | {name: change(weights[name])}}, tmp_path / "a.pyth")
    with pytest.raises(DamagedCheckpointError, match=f"{complaint}.*{name}"):
        load_pretrained(ours(), tmp_path / "a.pyth")


def test_half_precision_is_read(tmp_path):
    weights = {name: value.half() for name, value in ours().state_dict().items()}
    torch.save({"model_state": weights, "optimizer_state": {"step": 3}}, tmp_path / "a.pyth")
    model = ours(seed=2)
    load_pretrained(model, tmp_path / "a.pyth")
    assert torch.equal(model.norm.weight, weights["norm.weight"].float())


def test_another_kind_of_network_is_another_model(tmp_path):
    torch.save(ours().state_dict(), tmp_path / "timesformer.pyth")
    motionformer = {"frames": 4, "attention_type": "trajectory", "tubelet": 2}
    torch.save(ours(**motionformer).state_dict(), tmp_path / "motionformer.pyth")
    with pytest.raises(OtherModelError, match="use --model timesformer: "):
        load_pretrained(ours(**motionformer), tmp_path / "timesformer.pyth")
    with pytest.raises(OtherModelError, match="use --model motionformer: "):
        load_pretrained(ours(frames=4), tmp_path / "motionformer.pyth")

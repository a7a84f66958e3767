"""Loads the public Kinetics weights of TimeSformer from the files in which they are published.

Facebook publishes `.pyth` files; Hugging Face publishes folders with `model.safetensors` or
`pytorch_model.bin`; MMAction2 publishes `.pth` files. All hold the same network, with different
parameter names. Facebook publishes Motionformer's weights in `.pyth` files, too.
"""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from action.timesformer import TimeSformer, resized_in_space, resized_in_time
from action.training.recipes import action_recipe
from align.engine.checkpoint import (
    DamagedCheckpointError,
    MissingCheckpointError,
    OtherModelError,
    read_state,
)
from align.engine.run_folder import RunFolder
from datasets.errors import shortened

logger = logging.getLogger(__name__)

_OWN_RUN = (
    "{0} holds weights of a run, not published ones: start from it with --init {0} in place of "
    "--backbone.weights."
)
# Names of weights that an error message lists before it is shortened.
SHOWN = 3
FOLDER_FILES = ("model.safetensors", "pytorch_model.bin")
# Keys under which files of training programs hold their weights.
_CONTAINERS = ("model_state", "model_state_dict", "state_dict", "model", "module", "model_ema")
# Prefixes that wrappers of the model put before every name.
_WRAPPERS = re.compile(r"^(?:(?:module|model|timesformer|backbone)\.)*")
_HUGGING_FACE, _MMACTION = "encoder.layer.", "transformer_layers.layers."
_MOTIONFORMER = "patch_embed_3d."
_IN_BLOCK = re.compile(r"blocks\.\d+\.attn\.qkv\.weight")
# Parts of other names and of the published ones, by the part that tells whose they are. The order
# matters, since some parts contain others: "attention.output.dense." contains "output.dense.".
_RENAMED = {
    _HUGGING_FACE: (
        ("embeddings.cls_token", "cls_token"),
        ("embeddings.position_embeddings", "pos_embed"),
        ("embeddings.time_embeddings", "time_embed"),
        ("embeddings.patch_embeddings.projection.", "patch_embed.proj."),
        (_HUGGING_FACE, "blocks."),
        ("attention.attention.qkv.", "attn.qkv."),
        ("attention.output.dense.", "attn.proj."),
        ("temporal_layernorm.", "temporal_norm1."),
        ("temporal_dense.", "temporal_fc."),
        ("layernorm_before.", "norm1."),
        ("layernorm_after.", "norm2."),
        ("intermediate.dense.", "mlp.fc1."),
        ("output.dense.", "mlp.fc2."),
        ("layernorm.", "norm."),
        ("classifier.", "head."),
    ),
    _MMACTION: (
        ("patch_embed.projection.", "patch_embed.proj."),
        (_MMACTION, "blocks."),
        ("attentions.0.norm.", "temporal_norm1."),
        ("attentions.0.attn.in_proj_", "temporal_attn.qkv."),
        ("attentions.0.attn.out_proj.", "temporal_attn.proj."),
        ("attentions.0.temporal_fc.", "temporal_fc."),
        ("attentions.1.norm.", "norm1."),
        ("attentions.1.attn.in_proj_", "attn.qkv."),
        ("attentions.1.attn.out_proj.", "attn.proj."),
        ("ffns.0.norm.", "norm2."),
        ("ffns.0.layers.0.0.", "mlp.fc1."),
        ("ffns.0.layers.1.", "mlp.fc2."),
        ("cls_head.fc_cls.", "head."),
    ),
    _MOTIONFORMER: (
        (_MOTIONFORMER, "patch_embed."),
        ("temp_embed", "time_embed"),
        ("pre_logits.fc.", "pre_logits.0."),
    ),
}


def load_pretrained(backbone: TimeSformer, path: Path) -> None:
    """Loads published weights into a TimeSformer.

    Position and time embeddings are resized (nearest) where frames have another size or number. The
    head is loaded if the model has one with the same number of classes, and left out otherwise.

    Args:
        backbone: Before PAAB and PAAT are put in, which no published file holds.
        path: Facebook's `.pyth` or `.pt` file, Hugging Face's folder or file, or MMAction2's file.

    Raises:
        MissingCheckpointError: When there is no such file.
        DamagedCheckpointError: When it cannot be read, or holds no weights.
        OtherModelError: When it holds another model; the message names the options that fit, or
            else the first weights that do not fit. The model is then unchanged.
    """
    file = _find(path)
    weights = published_names(read_weights(file))
    _require_same_options(file, weights, backbone)
    wanted = backbone.state_dict()
    _leave_out_head(file, weights, wanted)
    weights |= resized_embeddings(file, weights, backbone)
    _require_same_weights(file, weights, wanted)
    backbone.load_state_dict(weights, strict=False)  # the head alone may be missing


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, without the prefixes of wrappers.

    Raises:
        DamagedCheckpointError: When the file is damaged or holds no weights.
        OtherModelError: When it is a checkpoint of a run.
    """
    if file.suffix == ".safetensors":
        try:
            stored = load_file(file)
        except (SafetensorError, OSError) as error:
            raise DamagedCheckpointError(
                f"{file} is no whole safetensors file ({error}); download it again."
            ) from None
        if read_state(file):
            raise OtherModelError(_OWN_RUN.format(file))
    else:
        stored = _read_pickle(file)
    _require_numbers(file, stored)
    return {_WRAPPERS.sub("", name): value for name, value in stored.items()}


def _require_numbers(file: Path, stored: Mapping[str, Tensor]) -> None:
    """Refuses weights that are not finite, which end in a loss that is none, and quantised ones."""
    for name, value in stored.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise DamagedCheckpointError(
                f"{file} has weights that are not finite numbers ({name}), as of a training that "
                "diverged; download it again, or take another checkpoint."
            )
        # Counters of batches are single integers.
        if value.ndim and not value.is_floating_point() and name.endswith(("weight", "bias")):
            raise DamagedCheckpointError(
                f"{file} has quantised weights ({name} is {value.dtype}); take the file of "
                "floating-point numbers that it was made of."
            )


def published_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights under the published names, which are those of `TimeSformer`."""
    for mark, parts in _RENAMED.items():
        if any(name.startswith(mark) for name in weights):
            return {_renamed(name, parts): value for name, value in weights.items()}
    return dict(weights)


def _renamed(name: str, parts: Sequence[tuple[str, str]]) -> str:
    for theirs, ours in parts:
        name = name.replace(theirs, ours)
    return name


def _find(path: Path) -> Path:
    if path.is_dir():
        if RunFolder(path).started:
            raise OtherModelError(_OWN_RUN.format(path))
        for name in FOLDER_FILES:
            if (path / name).exists():
                return path / name
        raise MissingCheckpointError(f"{path} holds neither {' nor '.join(FOLDER_FILES)}.")
    if not path.exists():
        raise MissingCheckpointError(
            f"{path} does not exist; name Facebook's .pyth file, Hugging Face's folder, or "
            "MMAction2's .pth file."
        )
    return path


def _read_pickle(file: Path) -> dict[str, Tensor]:
    try:
        stored = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can fail in any way
        raise DamagedCheckpointError(
            f"{file} cannot be read as weights ({type(error).__name__}); download it again. Files "
            "that hold more than weights, such as whole models, are not opened, since they can run "
            "any code: store the model's state_dict alone."
        ) from None
    for container in _CONTAINERS:
        if isinstance(stored, dict) and isinstance(stored.get(container), dict):
            stored = stored[container]
    if not isinstance(stored, dict) or not all(isinstance(v, Tensor) for v in stored.values()):
        raise DamagedCheckpointError(
            f"{file} holds no weights: neither names and tensors, nor these under one of "
            f"{', '.join(_CONTAINERS)}."
        )
    return stored


def _require_same_options(file: Path, weights: Mapping[str, Tensor], backbone: TimeSformer) -> None:
    """Refuses weights of another model by the options `--backbone.…` that would fit them."""
    model = {
        "dim": backbone.embed_dim,
        "depth": len(backbone.blocks),
        "heads": backbone.num_heads,
        "patch_size": backbone.patch_size[0],
        "stem": backbone.stem,
        "attention": backbone.attention_type,
        "tubelet": backbone.tubelet,
    }
    stored = _options_in(weights) | _heads_beside(file)
    if all(model[name] == value for name, value in stored.items()):
        return
    paper = {name: getattr(action_recipe("paper").backbone, name) for name in model}
    if (stored.get("dim"), stored.get("depth")) == (paper["dim"], paper["depth"]):
        # No weight's shape depends on the heads. If all else is as published, so are they.
        stored = {"heads": paper["heads"]} | stored
    _require_same_kind(file, stored, backbone)
    options = [
        f"--backbone.{name.replace('_', '-')} {value}"
        for name in model
        if (value := stored.get(name, model[name])) != model[name]
    ]
    raise OtherModelError(
        f"use {'--recipe paper, or ' * (stored == paper)}{' '.join(options)}: {file} holds another "
        f"TimeSformer than one with {', '.join(f'{name} {value}' for name, value in model.items())}"
    )


def _require_same_kind(file: Path, stored: Mapping[str, Any], backbone: TimeSformer) -> None:
    """Refuses a Motionformer in place of a TimeSformer and the reverse, which are two --model."""
    along = "trajectory"
    if "attention" in stored and (stored["attention"] == along) != (
        backbone.attention_type == along
    ):
        name = "motionformer" if stored["attention"] == along else "timesformer"
        raise OtherModelError(f"use --model {name}: {file} holds weights of that network.")


def _options_in(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Options of a model that follow from the names and shapes of its weights."""
    options: dict[str, Any] = {}
    projection = weights.get("patch_embed.proj.weight")
    if projection is not None and projection.ndim in (4, 5):
        tubelet = projection.shape[2] if projection.ndim == 5 else 1
        options |= {"dim": projection.shape[0], "patch_size": projection.shape[-1]}
        options |= {"tubelet": tubelet, "stem": "patch"}
    blocks = {name.split(".")[1] for name in weights if _IN_BLOCK.fullmatch(name)}
    if blocks:
        options["depth"] = len(blocks)
        if any(".attn.proj_kv." in name for name in weights):
            options["attention"] = "trajectory"
        elif "time_embed" not in weights:
            options["attention"] = "space_only"
        else:
            divided = any(".temporal_attn." in name for name in weights)
            options["attention"] = "divided_space_time" if divided else "joint_space_time"
    return options


def _heads_beside(file: Path) -> dict[str, int]:
    """The attention heads in Hugging Face's config.json beside the weights, if there is one."""
    config = file.parent / "config.json"
    if file.name not in FOLDER_FILES or not config.exists():
        return {}
    try:
        heads = json.loads(config.read_bytes()).get("num_attention_heads")
    except (ValueError, AttributeError) as error:
        raise DamagedCheckpointError(
            f"{config} is no valid JSON ({error}); download it again."
        ) from None
    return {} if heads is None else {"heads": heads}


def _leave_out_head(file: Path, weights: dict[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    head = {name: weights[name] for name in weights if name.startswith("head.")}
    if any(name not in wanted or wanted[name].shape != v.shape for name, v in head.items()):
        logger.info("left out the head of %d classes of %s", len(next(iter(head.values()))), file)
        for name in head:
            del weights[name]


def resized_embeddings(
    file: Path, weights: Mapping[str, Tensor], backbone: TimeSformer
) -> dict[str, Tensor]:
    """The embeddings of places and times among weights, for the frames of a backbone (nearest).

    Args:
        file: Where the weights come from, for messages.
        weights: Tensors by their published names.
        backbone: The TimeSformer that they are for.

    Returns:
        `pos_embed` and `time_embed`, where the weights have them.

    Raises:
        OtherModelError: When the patches of the weights are no square, and others than here.
    """
    fitted = {}
    position, time = weights.get("pos_embed"), weights.get("time_embed")
    if position is not None and position.ndim == 3:
        fitted["pos_embed"] = _resized_places(file, position, backbone)
    if time is not None and time.ndim == 3 and backbone.time_embed is not None:
        fitted["time_embed"] = resized_in_time(time, backbone.time_embed.shape[1])
    return fitted


def _resized_places(file: Path, position: Tensor, backbone: TimeSformer) -> Tensor:
    layout, patches = backbone.default_layout, position.shape[1] - 1
    if patches == layout.patches:
        return position
    rows = math.isqrt(patches)
    if rows**2 != patches:
        raise OtherModelError(
            f"{file} has {patches} patches, which are no square: build the model for frames of "
            "the same size to take its position embedding as it is."
        )
    return resized_in_space(position, rows, layout, backbone.resize_mode)


def _require_same_weights(
    file: Path, weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    problems = {
        "missing": [n for n in wanted if n not in weights and not n.startswith("head.")],
        "unknown": [name for name in weights if name not in wanted],
        "of another shape": [
            f"{name} {tuple(weights[name].shape)} for {tuple(value.shape)}"
            for name, value in wanted.items()
            if name in weights and weights[name].shape != value.shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(
            f"{what}: {shortened(names, SHOWN)}" for what, names in problems.items() if names
        )
        raise OtherModelError(
            f"{file} holds no whole TimeSformer under the names of Facebook, Hugging Face or "
            f"MMAction2; name a file of one of these. {listed}."
        )

"""Loads the public Kinetics weights of TimeSformer from the files in which they are published.

Facebook publishes `.pyth` files; Hugging Face publishes folders with `model.safetensors` or
`pytorch_model.bin`; MMAction2 publishes `.pth` files. All hold the same network, with different
parameter names. Facebook publishes Motionformer's weights in `.pyth` files, too.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from action.timesformer import TimeSformer, resized_in_space, resized_in_time
from action.training.recipes import action_recipe
from action.weights.files import find_weights, heads_beside, read_weights
from action.weights.names import published_names
from align.engine.checkpoint import OtherModelError
from datasets.errors import shortened

logger = logging.getLogger(__name__)

# Channels of an attention head in all published sizes of vision transformers.
_HEAD_WIDTH = 64
# Names of weights that an error message lists before it is shortened.
SHOWN = 3
_IN_BLOCK = re.compile(r"blocks\.\d+\.attn\.qkv\.weight")


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
    file = find_weights(path)
    weights = published_names(read_weights(file))
    _require_same_options(file, weights, backbone)
    _name_unusual_heads(file, backbone)
    wanted = backbone.state_dict()
    _leave_out_head(file, weights, wanted)
    weights |= resized_embeddings(file, weights, backbone)
    _require_same_weights(file, weights, wanted)
    backbone.load_state_dict(weights, strict=False)  # the head alone may be missing


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
    stored = _options_in(weights) | heads_beside(file)
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


def _name_unusual_heads(file: Path, backbone: TimeSformer) -> None:
    """Says that the heads may be wrong: weights fit any number of them, and mean another model."""
    usual, rest = divmod(backbone.embed_dim, _HEAD_WIDTH)
    if rest == 0 and backbone.num_heads != usual and not heads_beside(file):
        logger.warning(
            "%s does not say its attention heads, and this model has %d: vision transformers of "
            "width %d usually have %d (--backbone.heads %d).",
            file,
            backbone.num_heads,
            backbone.embed_dim,
            usual,
            usual,
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

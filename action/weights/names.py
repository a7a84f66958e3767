"""The names of weights in published files, brought to Facebook's, which are `TimeSformer`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

_HUGGING_FACE, _MMACTION = "encoder.layer.", "transformer_layers.layers."
_MOTIONFORMER = "patch_embed_3d."
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

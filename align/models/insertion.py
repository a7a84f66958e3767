"""The modules that the options of PAAB, PAAT and 3DTRL insert into a backbone, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from torch import nn

from align.layout import ClassTokenError
from align.models.backbones import Backbone, TimmBackbone
from align.models.config import PaabConfig, PaatConfig, PoseFreeConfig, Trl3dConfig
from align.models.plugins import Plugin, PoseAttention, PosePrediction, Recovery3d
from align.models.ray_embedding import RayEmbedding
from align.models.trl3d import TokenRepresentation3d
from align.paab import PoseAwareAttentionBlock
from align.paat import PoseAwareAuxiliaryTask
from datasets.errors import OptionError


def paab_stacks(config: PaabConfig | None, backbone: Backbone) -> dict[str, nn.ModuleList]:
    """PAABs by the position that they follow, with the heads and stochastic depth of its block."""
    if config is None:
        return {}
    if config.blocks < 1:
        raise OptionError(f"PAAB needs at least one block a position, not {config.blocks}")
    return {
        str(position): nn.ModuleList(
            PoseAwareAttentionBlock(
                backbone.embed_dim,
                backbone.num_heads,
                variant=config.variant,
                drop_path=backbone.drop_path(position - 1),
                capacity=config.capacity,
            )
            for _ in range(config.blocks)
        )
        for position in _positions("PAAB", config.positions, len(backbone.blocks))
    }


def paat_tasks(
    config: PaatConfig | None, backbone: Backbone, num_keypoints: int | None
) -> dict[str, PoseAwareAuxiliaryTask]:
    """PAATs by the position that they follow."""
    if config is None:
        return {}
    return {
        str(position): PoseAwareAuxiliaryTask(
            backbone.embed_dim, num_keypoints, config.bottleneck, config.target
        )
        for position in _positions("PAAT", config.positions, len(backbone.blocks))
    }


def trl3d_layers(
    config: Trl3dConfig | None, backbone: Backbone
) -> dict[str, TokenRepresentation3d]:
    """3DTRL by the number of blocks before it."""
    if config is None:
        return {}
    if not isinstance(backbone, TimmBackbone) or not backbone.default_layout.prefix:
        raise ClassTokenError("3DTRL needs a timm vision transformer with a class token")
    if config.position < 0:
        raise OptionError(f"3DTRL comes before a block counted from 0, not {config.position}")
    position = min(config.position, len(backbone.blocks) - 1)
    return {str(position): TokenRepresentation3d(backbone.embed_dim)}


def ray_embedding(wanted: bool, backbone: Backbone) -> RayEmbedding | None:
    """The layer that adds rays to the tokens of images, where it is wanted."""
    if not wanted:
        return None
    if not isinstance(backbone, TimmBackbone):
        raise OptionError(
            "--rays are added before the blocks of a vision transformer of timm: leave the option "
            "out, or choose a --backbone.name such as deit_tiny_patch16_224"
        )
    return RayEmbedding(backbone.embed_dim)


def plugins_by_position(
    backbone: Backbone,
    stacks: Mapping[str, nn.ModuleList],
    tasks: Mapping[str, PoseAwareAuxiliaryTask],
    layers: Mapping[str, TokenRepresentation3d],
    pose_free: PoseFreeConfig | None,
) -> list[list[Plugin]]:
    """The plug-ins that follow 0, 1, … blocks of a backbone, in the order in which they run.

    Args:
        backbone: The transformer.
        stacks: PAABs, see `paab_stacks`.
        tasks: PAATs, see `paat_tasks`.
        layers: 3DTRL, see `trl3d_layers`.
        pose_free: How PAAT's prediction becomes PAAB's pose map, at inference too; None takes the
            given map.
    """
    plugins: list[list[Plugin]] = [[] for _ in range(len(backbone.blocks) + 1)]
    # PAAT comes first: after PAAB, the tokens would give away the pose map that it predicts.
    for name, task in tasks.items():
        plugins[int(name)].append(PosePrediction(task, int(name), pose_free is not None))
    for name, blocks in stacks.items():
        plugins[int(name)].append(PoseAttention(blocks, pose_free))
    for name, layer in layers.items():
        plugins[int(name)].append(Recovery3d(layer, cast(TimmBackbone, backbone)))
    return plugins


def require_a_prediction_for_every_paab(
    stacks: Mapping[str, nn.ModuleList], tasks: Mapping[str, PoseAwareAuxiliaryTask]
) -> None:
    """Raise an OptionError unless a PAAT stands at or before the first PAAB."""
    if not stacks or not tasks:
        raise OptionError("a pose-free model needs both PAAB and PAAT")
    first_paab, first_paat = (min(map(int, modules)) for modules in (stacks, tasks))
    if first_paat > first_paab:
        raise OptionError(
            f"PAAB after block {first_paab} has no predicted pose map: put PAAT, which comes "
            f"after block {first_paat}, there or before"
        )


def _positions(module: str, positions: Sequence[int], depth: int) -> list[int]:
    """Positions counted from 1, in ascending order."""
    resolved = [depth if position == -1 else position for position in positions]
    for position in resolved:
        if not 1 <= position <= depth:
            raise OptionError(
                f"{module} cannot come after block {position} of a backbone with {depth} blocks: "
                f"choose 1 to {depth}, or -1 for the last"
            )
    if not resolved or len(set(resolved)) < len(resolved):
        raise OptionError(f"{module} needs positions, each once, but has {tuple(positions)}")
    return sorted(resolved)

"""`PoseAware`: a transformer with PAAB and PAAT after any of its blocks (paper section 3).

Two things lead beyond the paper. PAAB can take its pose map from PAAT's own prediction, so that no
poses are needed at inference; and PAAT's gradient can be kept from working against the primary one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from align.layout import TokenLayout
from align.models.backbones import Backbone, TimmBackbone, create_timm_backbone
from align.models.config import (
    ModelConfig,
    PaabConfig,
    PaatConfig,
    PoseFreeConfig,
    Readout,
    Trl3dConfig,
)
from align.models.gradients import AuxiliaryGradient, branch
from align.models.predicted_pose import PosePoints, mixed_map, predicted_map
from align.models.trl3d import Geometry, TokenRepresentation3d
from align.paab import PoseAwareAttentionBlock
from align.paat import PoseAwareAuxiliaryTask

_READOUTS: tuple[Readout, ...] = get_args(Readout)


class PoseAwareOutput(NamedTuple):
    """What `PoseAware` gives.

    ``pose_logits`` maps PAAT's positions to logits, and is empty in evaluation mode, but for a
    model that goes by PAAT's prediction there too. ``geometry`` is what 3DTRL recovered.
    """

    embedding: Float[Tensor, "batch embed_dim"]
    tokens: Float[Tensor, "batch tokens dim"]
    pose_logits: dict[int, Float[Tensor, "batch frames patches keypoints"]]
    geometry: Geometry | None = None


class PoseAware(nn.Module):
    """A backbone with PAAB and PAAT inserted; without them its tokens are bit-identical.

    Args:
        backbone: A transformer in parts, see `align.models.backbones.Backbone`.
        paab: Pose-aware attention blocks, or None.
        paat: Pose-aware auxiliary tasks, or None.
        num_keypoints: Keypoints of the skeleton, which PAAT with target p3d needs.
        readout: "class" token, "mean" of the patch tokens, or "class+mean", the two side by side
            (twice as wide); all after the final norm.
        pose_free: PAAB takes PAAT's predicted map at inference; needs both, PAAT first.
        trl3d: 3DTRL, or None; of timm's backbones only.

    Raises:
        ValueError: A position that the backbone does not have, or options that do not fit.
    """

    def __init__(
        self,
        backbone: Backbone,
        paab: PaabConfig | None = None,
        paat: PaatConfig | None = None,
        num_keypoints: int | None = None,
        readout: Readout = "class",
        pose_free: PoseFreeConfig | None = None,
        trl3d: Trl3dConfig | None = None,
    ) -> None:
        """Insert the modules; the backbone keeps its weights."""
        super().__init__()
        if readout not in _READOUTS:
            raise ValueError(f"readout must be one of {', '.join(_READOUTS)}, not {readout!r}")
        if not backbone.default_layout.prefix and (paab is not None or readout != "mean"):
            raise ValueError("the backbone has no class token: use readout='mean', and no PAAB")
        self.backbone = backbone
        self.readout = readout
        self.paab = nn.ModuleDict()
        self.paat = nn.ModuleDict()
        self.trl3d = nn.ModuleDict()
        self.gradients: AuxiliaryGradient = "sum" if paat is None else paat.gradients
        self.pose_free = pose_free
        depth = len(backbone.blocks)
        if paab is not None:
            if paab.blocks < 1:
                raise ValueError(f"PAAB needs at least one block a position, not {paab.blocks}")
            for position in _positions("PAAB", paab.positions, depth):
                stack = (self._make_paab(paab, position) for _ in range(paab.blocks))
                self.paab[str(position)] = nn.ModuleList(stack)
        if paat is not None:
            for position in _positions("PAAT", paat.positions, depth):
                self.paat[str(position)] = PoseAwareAuxiliaryTask(
                    backbone.embed_dim, num_keypoints, paat.bottleneck, paat.target
                )
        self.given_points = paab is not None and paab.points
        self.points: PosePoints | None = None
        if self.given_points or (paat is not None and paat.points):
            if num_keypoints is None or backbone.default_layout.frames > 1:
                raise ValueError("points in the embedding need images, and a skeleton's keypoints")
            self.points = PosePoints(num_keypoints, backbone.embed_dim)
        if pose_free is not None:
            self._require_a_prediction_for_every_paab()
        if trl3d is not None:
            place = _trl3d_place(trl3d.position, backbone)
            self.trl3d[str(place)] = TokenRepresentation3d(backbone.embed_dim)

    @property
    def layout(self) -> TokenLayout:
        """Token order for inputs of the size the backbone was built for."""
        return self.backbone.default_layout

    @property
    def patch_size(self) -> tuple[int, int]:
        """Height and width of a patch in pixels."""
        return self.backbone.patch_size

    @property
    def embed_dim(self) -> int:
        """Width of the embedding."""
        parts = len(self.readout.split("+")) + (self.points is not None)
        return self.backbone.embed_dim * parts

    @property
    def predicts_pose(self) -> bool:
        """Whether the forward pass asks PAAT at inference too."""
        return self.pose_free is not None or (self.points is not None and not self.given_points)

    @property
    def needs_pose(self) -> bool:
        """Whether the forward pass needs a pose map, at inference too."""
        return len(self.paab) > 0 and self.pose_free is None

    def forward(
        self,
        images: Float[Tensor, "batch 3 *frames height width"],
        pose_map: Tensor | None = None,
    ) -> PoseAwareOutput:
        """Embed images (B, 3, H, W) or clips (B, 3, T, H, W).

        Args:
            images: Normalised pixels.
            pose_map: The P2D map, (B, N) for images or (B, T, N), or with keypoints told apart, P3D
                or its soft form, (B, N, K) or (B, T, N, K), as PAAB with points needs it; only
                PAAB reads it, and with `pose_free` only in training.

        Raises:
            ValueError: Images or a pose map that do not fit the model, or a missing pose map.
        """
        layout = self.backbone.layout(images)
        reads_map = self.needs_pose or (len(self.paab) > 0 and self.training)
        given = pose_map
        pose_map = self._fit_pose_map(given, layout) if reads_map else None
        held = given.flatten(0, -3) if self.given_points and given is not None else None
        tokens = self.backbone.embed(images)
        inside = layout.one_frame() if self.backbone.frames_apart else layout
        if self.backbone.frames_apart and pose_map is not None:
            pose_map = rearrange(pose_map, "b t n -> (b t) 1 n")
        pose_logits: dict[int, Tensor] = {}
        logits, geometry = None, None
        for index in range(len(self.backbone.blocks)):
            if str(index) in self.trl3d:
                where = cast(TimmBackbone, self.backbone).position_embedding()
                tokens, geometry = self.trl3d[str(index)](tokens, inside, where)
            tokens = self.backbone.run_block(index, tokens, inside)
            position = str(index + 1)
            # PAAT comes first: after PAAB, the tokens know the pose map that it should predict.
            if position in self.paat and (self.training or self.predicts_pose):
                tokens, seen = branch(tokens, self.gradients)
                logits = self.paat[position](inside.to_grid(inside.split(seen)[1]))
                pose_logits[index + 1] = logits.reshape(-1, layout.frames, *logits.shape[2:])
            if position in self.paab:
                attended = self._attended(pose_map, logits)
                for block in cast(nn.ModuleList, self.paab[position]):
                    tokens = block(tokens, attended, inside)
        tokens = self.backbone.finish(tokens, layout)
        if self.points is not None and logits is not None and not self.given_points:
            held = logits.squeeze(1).sigmoid()
        embedding = self._embedding(tokens, layout, held)
        return PoseAwareOutput(embedding, tokens, pose_logits, geometry)

    def _attended(self, pose_map: Tensor | None, logits: Tensor | None) -> Tensor | None:
        """The pose map that a PAAB goes by: as given, or as the PAAT before it predicts."""
        if self.pose_free is None or logits is None:
            return pose_map
        predicted = predicted_map(logits, self.pose_free)
        if pose_map is None:
            return predicted
        return mixed_map(pose_map, predicted, self.pose_free.mix)

    def _require_a_prediction_for_every_paab(self) -> None:
        if not self.paab or not self.paat:
            raise ValueError("a pose-free model needs both PAAB and PAAT")
        first_paab, first_paat = (min(map(int, m)) for m in (self.paab, self.paat))
        if first_paat > first_paab:
            raise ValueError(
                f"PAAB after block {first_paab} has no prediction to go by: put PAAT, which comes "
                f"after block {first_paat}, there or before"
            )

    def _make_paab(self, config: PaabConfig, position: int) -> PoseAwareAttentionBlock:
        return PoseAwareAttentionBlock(
            self.backbone.embed_dim,
            self.backbone.num_heads,
            variant=config.variant,
            drop_path=self.backbone.drop_path(position - 1),
            capacity=config.capacity,
        )

    def _fit_pose_map(
        self, pose_map: Tensor | None, layout: TokenLayout
    ) -> Bool[Tensor, "batch frames patches"]:
        if pose_map is None:
            when = "at inference too" if self.needs_pose else "in training"
            raise ValueError(
                f"PAAB needs the pose map of every image, {when}: pass "
                "pose_map=pose_map_2d(keypoints, image_size, patch_size)"
            )
        of_clips = (layout.frames, layout.patches)
        told_apart = pose_map.ndim > 2 and tuple(pose_map.shape[1:]) != of_clips
        if self.given_points and not told_apart:
            raise ValueError("PAAB with points needs a pose map with keypoints told apart")
        pose_map = pose_map if pose_map.dtype == torch.bool else pose_map > 0
        pose_map = pose_map.any(-1) if told_apart else pose_map
        return pose_map.unsqueeze(1) if pose_map.ndim == 2 and layout.frames == 1 else pose_map

    def _embedding(
        self, tokens: Float[Tensor, "batch tokens dim"], layout: TokenLayout, held: Tensor | None
    ) -> Float[Tensor, "batch embed_dim"]:
        prefix, patches = layout.split(tokens)
        pooled = []
        if self.readout != "mean":
            pooled.append(self.backbone.pool_norm(prefix[:, 0]))
        if self.readout != "class":
            pooled.append(self.backbone.pool_norm(patches.mean(dim=1)))
        if self.points is not None and held is not None:
            pooled.append(self.points(held, layout.rows, layout.cols))
        return torch.cat(pooled, dim=-1) if len(pooled) > 1 else pooled[0]


def build_model(config: ModelConfig) -> PoseAware:
    """Build an image model; the same seed gives the same backbone with and without PAAB or PAAT.

    Raises:
        ValueError: An unknown backbone, a size or a position that it does not have.
        RuntimeError: Pretrained weights that cannot be had.
    """
    backbone = create_timm_backbone(
        config.backbone, config.image_size, config.depth, config.pretrained, config.drop_path
    )
    if config.freeze_patches and not config.pretrained:
        backbone.vit.patch_embed.proj.requires_grad_(False)
    return PoseAware(
        backbone,
        config.paab,
        config.paat,
        config.num_keypoints,
        config.readout,
        config.pose_free,
        config.trl3d,
    )


def _trl3d_place(position: int, backbone: Backbone) -> int:
    """Index of the block that 3DTRL comes before."""
    if not isinstance(backbone, TimmBackbone) or not backbone.default_layout.prefix:
        raise ValueError("3DTRL needs a vision transformer of timm's with a class token")
    if position < 0:
        raise ValueError(f"3DTRL comes before a block counted from 0, not {position}")
    return min(position, len(backbone.blocks) - 1)


def _positions(module: str, positions: Sequence[int], depth: int) -> list[int]:
    """Positions counted from 1, in ascending order."""
    resolved = [depth if position == -1 else position for position in positions]
    for position in resolved:
        if not 1 <= position <= depth:
            raise ValueError(
                f"{module} cannot come after block {position} of a backbone with {depth} blocks: "
                f"choose 1 to {depth}, or -1 for the last"
            )
    if not resolved or len(set(resolved)) < len(resolved):
        raise ValueError(f"{module} needs positions, each once, but has {tuple(positions)}")
    return sorted(resolved)

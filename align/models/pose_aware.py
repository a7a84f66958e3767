"""`PoseAware`: a transformer with PAAB, PAAT and 3DTRL between its blocks (paper section 3).

Two options lead beyond the paper: PAAB can take its pose map from PAAT's prediction, so that
inference needs no poses; and the keypoints' places can become part of the embedding.
"""

from __future__ import annotations

from typing import NamedTuple, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from align.layout import ClassTokenError, KeptPatchesError, TokenLayout
from align.models.backbones import Backbone, TimmBackbone, create_timm_backbone
from align.models.config import (
    ModelConfig,
    PaabConfig,
    PaatConfig,
    PoseFreeConfig,
    Readout,
    Trl3dConfig,
)
from align.models.feature_maps import USUAL_STRIDE, FeatureMapBackbone, is_convolutional
from align.models.insertion import (
    paab_stacks,
    paat_tasks,
    plugins_by_position,
    ray_embedding,
    require_a_prediction_for_every_paab,
    trl3d_layers,
)
from align.models.kept_patches import cut_patches, embed_kept, keep_in_map
from align.models.plugins import ForwardState
from align.models.trl3d import Geometry
from datasets.errors import OptionError

_READOUTS: tuple[Readout, ...] = get_args(Readout)


class PoseAwareOutput(NamedTuple):
    """The output of `PoseAware`.

    ``pose_logits`` maps PAAT's positions to logits. It is empty in evaluation mode, unless the
    embedding depends on PAAT's prediction. ``geometry`` is what 3DTRL recovered.
    """

    embedding: Float[Tensor, "batch embed_dim"]
    tokens: Float[Tensor, "batch tokens dim"]
    pose_logits: dict[int, Float[Tensor, "batch frames patches keypoints"]]
    geometry: Geometry | None = None


class PoseAware(nn.Module):
    """A backbone with PAAB and PAAT inserted; without them its tokens are bit-identical.

    ``plugins[i]`` is the list of plug-ins that follow i blocks: ``plugins[0]`` comes before the
    first block, ``plugins[-1]`` after the last.

    Args:
        backbone: A transformer in parts, see `align.models.backbones.Backbone`.
        paab: Pose-aware attention blocks, or None.
        paat: Pose-aware auxiliary tasks, or None.
        num_keypoints: Keypoints of the skeleton, which PAAT needs unless its target is p2d.
        readout: "class" token, "mean" of the patch tokens, or "class+mean", the two side by side
            (twice as wide); all after the final norm.
        pose_free: PAAB takes PAAT's predicted map at inference; needs both, PAAT first.
        trl3d: 3DTRL, or None; only for backbones of timm.
        rays: Rays of the patches are added to their tokens; only for transformers of timm.

    Raises:
        OptionError: A position that the backbone does not have, or options that do not fit.
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
        rays: bool = False,
    ) -> None:
        """Insert the modules; the backbone keeps its weights."""
        super().__init__()
        if readout not in _READOUTS:
            raise OptionError(f"readout must be one of {', '.join(_READOUTS)}, not {readout!r}")
        if not backbone.default_layout.prefix and (paab is not None or readout != "mean"):
            raise ClassTokenError(
                "the backbone has no class token: use readout='mean', and no PAAB"
            )
        self.backbone = backbone
        self.readout = readout
        self.pose_free = pose_free
        # The order in which modules are made is the order in which they draw their weights, and
        # the order of registration is that of the optimizer's state: a seed and a checkpoint give
        # the same run only if both stay.
        stacks = paab_stacks(paab, backbone)
        tasks = paat_tasks(paat, backbone, num_keypoints)
        layers = trl3d_layers(trl3d, backbone)
        if pose_free is not None:
            require_a_prediction_for_every_paab(stacks, tasks)
        self.paab, self.paat = nn.ModuleDict(stacks), nn.ModuleDict(tasks)
        self.trl3d = nn.ModuleDict(layers)
        self.rays = ray_embedding(rays, backbone)
        self.plugins = plugins_by_position(backbone, stacks, tasks, layers, pose_free)

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
        return self.backbone.embed_dim * len(self.readout.split("+"))

    @property
    def places_matter(self) -> bool:
        """Whether the network reads patches by row and column, so that none can be left out."""
        return len(self.trl3d) > 0

    @property
    def needs_pose(self) -> bool:
        """Whether the forward pass needs a pose map, at inference too."""
        return len(self.paab) > 0 and self.pose_free is None

    def forward(
        self,
        images: Float[Tensor, "batch 3 *frames height width"],
        pose_map: Tensor | None = None,
        kept: Int[Tensor, "batch kept"] | None = None,
        rays: Float[Tensor, "batch patches 6"] | None = None,
    ) -> PoseAwareOutput:
        """Embed images (B, 3, H, W) or clips (B, 3, T, H, W).

        Args:
            images: Normalised pixels.
            pose_map: The P2D map, (B, N) for images or (B, T, N); or one map per keypoint, P3D or
                its soft form, (B, N, K) or (B, T, N, K). Only PAAB reads it, and with `pose_free`
                only in training.
            kept: Row-major indices of the patches of each image that the blocks see; all by
                default. `images` are then what `cut` gave, and tokens, logits and the mean readout
                are those of these patches, in this order.
            rays: The ray of every patch of each image, see `align.inputs.rays`.

        Raises:
            ValueError: Images, a pose map or rays that do not fit the model, or are missing.
        """
        layout = self.backbone.layout(images) if kept is None else self.layout
        state = self._state(pose_map, layout)
        if kept is None:
            tokens = self.backbone.embed(images)
        else:
            tokens = self._embed_kept(images, kept)
            state = state.keep(kept)
            layout = state.layout
            rays = rays if rays is None else keep_in_map(rays, kept)
        tokens = self._run_plugins(0, self._with_rays(tokens, rays, layout), state)
        for index in range(len(self.backbone.blocks)):
            tokens = self.backbone.run_block(index, tokens, state.layout)
            tokens = self._run_plugins(index + 1, tokens, state)
        tokens = self.backbone.finish(tokens, layout)
        embedding = self._read_out(tokens, layout)
        pose_logits = {
            position: logits.reshape(-1, layout.frames, *logits.shape[2:])
            for position, logits in state.pose_logits.items()
        }
        return PoseAwareOutput(embedding, tokens, pose_logits, state.geometry)

    def cut(self, images: Tensor, kept: Int[Tensor, "batch kept"]) -> Tensor:
        """The part of images (B, 3, H, W) that `forward` takes with these `kept` patches."""
        return cut_patches(self._images_alone(), images, kept)

    def _embed_kept(
        self, images: Float[Tensor, "batch 3 height width"], kept: Int[Tensor, "batch kept"]
    ) -> Float[Tensor, "batch kept_tokens dim"]:
        if self.places_matter:
            raise KeptPatchesError("3DTRL reads patches by row and column: pass no `kept`")
        return embed_kept(self._images_alone(), images, kept)

    def _images_alone(self) -> TimmBackbone:
        if not isinstance(self.backbone, TimmBackbone):
            raise ValueError(
                "patches can be left out of images, of vision transformers alone: pass no `kept`"
            )
        return self.backbone

    def _with_rays(self, tokens: Tensor, rays: Tensor | None, layout: TokenLayout) -> Tensor:
        if self.rays is None and rays is None:
            return tokens
        if self.rays is None or rays is None:
            raise ValueError(
                "a model made with rays needs those of every image, and another takes none"
            )
        return self.rays(tokens, rays, layout)

    def _run_plugins(self, position: int, tokens: Tensor, state: ForwardState) -> Tensor:
        for plugin in self.plugins[position]:
            tokens = plugin(tokens, state)
        return tokens

    def _state(self, pose_map: Tensor | None, layout: TokenLayout) -> ForwardState:
        """The state before the first block, with the pose map where PAAB reads the given one."""
        reads_map = self.needs_pose or (len(self.paab) > 0 and self.training)
        fitted = self._fit_pose_map(pose_map, layout) if reads_map else None
        if not self.backbone.frames_apart:
            return ForwardState(layout, fitted)
        if fitted is not None:
            fitted = rearrange(fitted, "b t n -> (b t) 1 n")
        return ForwardState(layout.one_frame(), fitted)

    def _fit_pose_map(
        self, pose_map: Tensor | None, layout: TokenLayout
    ) -> Bool[Tensor, "batch frames patches"]:
        """The P2D map of a given map of any of the forms that `forward` takes."""
        if pose_map is None:
            when = "at inference too" if self.needs_pose else "in training"
            raise ValueError(
                f"PAAB needs the pose map of every image, {when}: pass "
                "pose_map=pose_map_2d(keypoints, image_size, patch_size)"
            )
        per_keypoint = pose_map.ndim > 2 and pose_map.shape[1:] != (layout.frames, layout.patches)
        pose_map = pose_map if pose_map.dtype == torch.bool else pose_map > 0
        pose_map = pose_map.any(-1) if per_keypoint else pose_map
        return pose_map.unsqueeze(1) if pose_map.ndim == 2 and layout.frames == 1 else pose_map

    def _read_out(
        self, tokens: Float[Tensor, "batch tokens dim"], layout: TokenLayout
    ) -> Float[Tensor, "batch embed_dim"]:
        prefix, patches = layout.split(tokens)
        pooled = []
        if self.readout != "mean":
            pooled.append(self.backbone.pool_norm(prefix[:, 0]))
        if self.readout != "class":
            pooled.append(self.backbone.pool_norm(patches.mean(dim=1)))
        return torch.cat(pooled, dim=-1) if len(pooled) > 1 else pooled[0]


def build_model(config: ModelConfig) -> PoseAware:
    """Build an image model; the same seed gives the same backbone with and without PAAB or PAAT.

    Raises:
        UnknownNameError: An unknown backbone.
        OptionError: A size or a position that the backbone does not have, or options that do not
            fit each other.
        MissingWeightsError: Pretrained weights that cannot be loaded.
    """
    backbone = _build_backbone(config)
    return PoseAware(
        backbone,
        config.paab,
        config.paat,
        config.num_keypoints,
        config.readout,
        config.pose_free,
        config.trl3d,
        config.rays,
    )


def _build_backbone(config: ModelConfig) -> TimmBackbone | FeatureMapBackbone:
    if is_convolutional(config.backbone):
        return FeatureMapBackbone(
            config.backbone,
            config.image_size,
            config.patch or USUAL_STRIDE,
            config.pretrained,
            config.frames,
        )
    backbone = create_timm_backbone(
        config.backbone,
        config.image_size,
        config.depth,
        config.pretrained,
        config.drop_path,
        config.patch,
        config.frames,
    )
    if config.freeze_patches and not config.pretrained:
        backbone.vit.patch_embed.proj.requires_grad_(False)
    return backbone

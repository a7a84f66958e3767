"""Initial weights from other runs: all that mean the same, or a whole stage's network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from action.model import Classifier
from action.recognizer import ClipRecognizer
from action.timesformer import TimeSformer
from action.weights.loading import resized_embeddings
from align.engine.checkpoint import OtherModelError
from align.engine.starting import CarriedOver
from align.models.pose_aware import PoseAware
from datasets.errors import MismatchError

_BACKBONE = "backbone.backbone."
_PAAT, _CLASSIFY = "backbone.paat.", ".classify."


def carried_over(
    recognizer: ClipRecognizer, weights: Mapping[str, Tensor], about: Mapping[str, Any]
) -> CarriedOver:
    """The weights of another run, and which of them mean something else to a recogniser.

    The classifier stays only where the classes are the same in the same order, and PAAT's only
    where the keypoints are. A checkpoint that does not say what it was trained on keeps neither.

    Args:
        recognizer: The recogniser that starts.
        weights: Tensors of the other run's model by name.
        about: What the other run's checkpoint says about its model.
    """
    here, there = recognizer.plan.learned, about.get("data", {})
    classes, skeleton = tuple(there.get("classes", ())), there.get("skeleton")
    _require_same_heads(recognizer, about)
    reasons: dict[str, str] = {}
    if classes != here.classes:
        why = f"it tells other classes apart ({len(classes)}, here {len(here.classes)})"
        reasons |= dict.fromkeys(_names(weights, recognizer.model.HEADS), why)
    # A run of align names its skeleton.
    keypoints = tuple(skeleton["keypoints"]) if isinstance(skeleton, dict) else ()
    # P2D asks whether a patch holds any keypoint at all.
    if keypoints != here.skeleton.keypoints and recognizer.config.paat.target != "p2d":
        why = f"its skeleton has other keypoints ({len(keypoints)}, here {len(here.skeleton)})"
        reasons |= dict.fromkeys(_names(weights, _PAAT, _CLASSIFY), why)
    return CarriedOver(_resized(recognizer, weights), reasons)


def _require_same_heads(recognizer: ClipRecognizer, about: Mapping[str, Any]) -> None:
    """Refuses attention of other heads: its weights would fit, and mean something else."""
    config = recognizer.config
    theirs = about.get("config", {})
    if not config.is_transformer or theirs.get("model", config.model) != config.model:
        return
    heads = theirs.get("backbone", {}).get("heads", config.backbone.heads)
    if heads != config.backbone.heads:
        raise OtherModelError(
            f"{config.init} has {heads} attention heads: use --backbone.heads {heads}."
        )


def network_of(run: Path, recognizer: ClipRecognizer) -> Classifier:
    """The network of a stage's run, frozen, in evaluation mode, on the CPU.

    Args:
        run: The run's folder.
        recognizer: The recogniser that learns from it.

    Raises:
        MismatchError: When the run has learned from clips that are split or labelled otherwise, or
            sees other joints.
        CheckpointError: When its checkpoint cannot be used.
    """
    stage = ClipRecognizer.load(run, device="cpu")
    here, there = recognizer.plan.learned, stage.plan.learned
    if here != there:
        raise MismatchError(
            f"{run} has learned {len(there.classes)} classes of {there.format}, {there.protocol}; "
            f"this run learns {len(here.classes)} of {here.format}, {here.protocol}. Name a run on "
            "the same clips with --stages.runs, or leave it out."
        )
    ours, theirs = (each.config.joints for each in (recognizer, stage))
    if stage.joints is not None and (ours.origin, ours.persons) != (theirs.origin, theirs.persons):
        raise MismatchError(
            f"{run} sees joints of {theirs.persons} from the {theirs.origin}: use --joints.persons "
            f"{theirs.persons} --joints.origin {theirs.origin}, or leave it out of --stages.runs."
        )
    return stage.model.requires_grad_(False)


def _names(
    weights: Mapping[str, Tensor], start: str | tuple[str, ...], part: str = ""
) -> list[str]:
    return [name for name in weights if name.startswith(start) and part in name]


def _resized(recognizer: ClipRecognizer, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, with the embeddings of a TimeSformer as large as the recogniser's."""
    network = getattr(recognizer.model, "backbone", None)
    if not isinstance(network, PoseAware) or not isinstance(network.backbone, TimeSformer):
        return dict(weights)
    inner = {n.removeprefix(_BACKBONE): t for n, t in weights.items() if n.startswith(_BACKBONE)}
    fitted = resized_embeddings(Path(str(recognizer.config.init)), inner, network.backbone)
    return {**weights, **{_BACKBONE + name: tensor for name, tensor in fitted.items()}}

"""The measurement of a trained run: embeds every frame of a split, and measures the embeddings."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from torch import Tensor

from align.config import Protocol, Split, TrainConfig
from align.embedder import FrameEmbedder
from align.engine.device import keep_freed_memory, processor_of
from align.engine.origin import Origin
from align.engine.run_folder import Checkpoint, RunFolder
from align.inputs.protocols import evaluation_views, require_known_body
from align.metrics.alignment import PairResult, episode_metrics, mean_metrics, view_errors
from align.metrics.collapse import Collapse, diagnose
from align.metrics.decoding import episode_decodings
from align.metrics.phases import PhaseEpisode, PhaseResult, mean_phase_metrics, phase_metrics
from align.metrics.unpaired import UnpairedVideo, unpaired_metrics
from align.plan import RunPlan
from align.results.evaluation import Evaluation, evaluation_name, load_evaluation
from align.stored.data import find_test_data, is_training_data
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.progress import ProgressBar
from datasets.storage.atomic import require_writable
from datasets.storage.episode_file import EGO
from datasets.storage.identity import DataIdentity, short
from datasets.storage.meta import DatasetMeta

log = logging.getLogger(__name__)

LABELLED_EPISODES = 10


def measure(
    run: Path,
    split: Split,
    checkpoint: Checkpoint,
    data: Path | None,
    protocol: Protocol | None,
    labelled_episodes: int | None,
    progress: bool,
    move: bool = False,
) -> Evaluation:
    """Measures a run and stores the result; see `align.evaluate.evaluate`."""
    keep_freed_memory()  # a quarter more frames a second on a CPU
    config = TrainConfig.load(run)
    require_writable(RunFolder(run).evaluation(split))
    root, own = find_test_data(run, config, data, move)
    embedder = FrameEmbedder.load(run, checkpoint)
    identity = DataIdentity.of(root)
    measured = _open_episodes(run, embedder.plan, split, root, protocol or config.protocol)
    if split != "train" and identity is not None:
        _require_unseen(run, measured, identity)
    embeddings = {
        measured.names[i]: embedder.embed_episode(measured, i)
        for i in ProgressBar(
            range(len(measured)), desc=run.name, unit="episode", disable=not progress
        )
    }
    of = _unpaired if measured.meta.viewpoints else _synchronized
    found = of(measured, embeddings, embedder, labelled_episodes, progress)
    if found.collapse is not None and found.collapse.message:
        log.warning("%s: %s", run, found.collapse.message)
    digest = identity.digest if identity else None
    name = evaluation_name(config, split, None if own else root, protocol, checkpoint)
    evaluation = Evaluation(
        run=run,
        split=split,
        method=config.method,
        data=measured.root,
        seed=config.seed,
        metrics=found.metrics,
        pairs=found.pairs,
        protocol=protocol or config.protocol,
        name=_free_name(run, name, digest),
        world=measured.meta.env,
        phases=found.phases,
        labelled_episodes=found.labelled,
        collapse=found.collapse,
        parameters=sum(parameter.numel() for parameter in embedder.model.parameters()),
        identity=digest,
        processor=processor_of(embedder.model.mean.device, config.precision),
        trained_on=RunFolder(run).processors,
        core_seconds=_core_seconds(RunFolder(run)),
    )
    evaluation.save(embeddings)
    return evaluation


class _Found(NamedTuple):
    """The measurement; see `Evaluation`."""

    metrics: dict[str, float]
    pairs: list[PairResult]
    phases: list[PhaseResult]
    labelled: int
    collapse: Collapse | None


def _synchronized(
    measured: EpisodeDataset,
    embeddings: Mapping[str, Mapping[str, Tensor]],
    embedder: FrameEmbedder,
    labelled: int | None,
    progress: bool,
) -> _Found:
    """Measures views of the same moments, by default with LABELLED_EPISODES labelled episodes."""
    pairs = [p for name, views in embeddings.items() for p in _episode_pairs(name, views)]
    metrics = mean_metrics(pairs) | view_errors(pairs)
    count = LABELLED_EPISODES if labelled is None else labelled
    phases = _phases(measured, embeddings, embedder, count, progress)
    collapse = diagnose(embeddings.values(), metrics["alignment_error"])
    metrics |= mean_phase_metrics(phases)
    return _Found(metrics, pairs, phases, count if phases else 0, collapse)


def _unpaired(
    measured: EpisodeDataset,
    embeddings: Mapping[str, Mapping[str, Tensor]],
    embedder: FrameEmbedder,
    labelled: int | None,
    progress: bool,
) -> _Found:
    """Measures unpaired videos by AE2's protocol, by default with all training videos' labels."""
    train = EpisodeDataset(measured.root, "train")
    chosen = range(min(len(train) if labelled is None else labelled, len(train)))
    bar = ProgressBar(chosen, desc="labelled", unit="video", leave=False, disable=not progress)
    learned = [_video(train, i, embedder.embed_episode(train, i)) for i in bar]
    test = [_video(measured, i, embeddings[name]) for i, name in enumerate(measured.names)]
    return _Found(unpaired_metrics(learned, test), [], [], len(learned), None)


def _video(data: EpisodeDataset, i: int, views: Mapping[str, Tensor]) -> UnpairedVideo:
    (embedding,) = views.values()
    return UnpairedVideo(str(data.viewpoint(i)), embedding, data.phases(i).astype(np.int64))


def _core_seconds(run: RunFolder) -> float:
    """Seconds of processors that a training took; 0 where it does not say."""
    rows = run.load_history() if run.history.exists() else []
    return sum(row.get("core_seconds", 0.0) for row in rows)


def _require_unseen(run: Path, measured: EpisodeDataset, identity: DataIdentity) -> None:
    if (origin := Origin.load(run)) is not None:
        seals = {name: identity.seals[name] for name in measured.names}
        origin.require_unseen(seals, run, measured.root)


def _free_name(run: Path, name: str, digest: str | None) -> str:
    """The name of an evaluation, distinct from one on other data in a folder of that name."""
    if "_on_" not in name or digest is None or not RunFolder(run).evaluation(name).exists():
        return name
    try:
        stored = load_evaluation(run, name).identity
    except DataError:
        return name  # it cannot be read, so nothing is lost
    return name if stored in (None, digest) else f"{name}-{short(digest)}"


def _open_episodes(
    run: Path, plan: RunPlan, split: Split, root: Path, protocol: Protocol
) -> EpisodeDataset:
    """The episodes to measure a run on, which must fit the data set that it was trained on."""
    config, learned_from = plan.config, plan.meta
    data = EpisodeDataset(root, split, evaluation_views(config, DatasetMeta.load(root), protocol))
    data.check(need_keypoints=config.needs_keypoints, need_cameras=config.needs_cameras)
    known = set(data.views) & set(plan.views) - {EGO}
    if protocol == "unseen" and known and is_training_data(run, config, root):
        log.warning(
            "%s was also trained on %s, so this is no test on unseen views. Train with "
            "--protocol unseen.",
            run,
            ", ".join(sorted(known)),
        )
    who = f"{run} ({config.method})"
    require_known_body(who, config, learned_from.get_skeleton(), data.skeleton, root)
    if data.meta.image_size < plan.image_size:
        log.warning(
            "%s is stored at %d pixels and enlarged to the %d that %s was trained at; generate it "
            "with --size %d for sharp frames.",
            root,
            data.meta.image_size,
            plan.image_size,
            run,
            plan.image_size,
        )
    return data


def _episode_pairs(name: str, views: Mapping[str, Tensor]) -> list[PairResult]:
    decoded = episode_decodings(views)
    return [
        replace(pair, metrics={**pair.metrics, **decoded[pair.view1, pair.view2]})
        for pair in episode_metrics(name, views)
    ]


def _phases(
    data: EpisodeDataset,
    embeddings: Mapping[str, Mapping[str, Tensor]],
    embedder: FrameEmbedder,
    count: int,
    progress: bool,
) -> list[PhaseResult]:
    """Phase metrics, learned on the first `count` training episodes of the same data set.

    Empty when `count` is 0, when the test episodes have only one phase, and, with a warning, when
    the data set has no training episodes.
    """
    phases = np.unique(np.concatenate([data.phases(i) for i in range(len(data))]))
    if not count or len(phases) < 2:
        return []
    train = EpisodeDataset(data.root, "train", data.views)
    if not len(train):
        log.warning("%s has no training episodes, so phases are not measured", data.root)
        return []
    chosen = range(min(count, len(train)))
    bar = ProgressBar(chosen, desc="labelled", unit="episode", leave=False, disable=not progress)
    labelled = [PhaseEpisode(embedder.embed_episode(train, i), train.phases(i)) for i in bar]
    test = [PhaseEpisode(embeddings[name], data.phases(i)) for i, name in enumerate(data.names)]
    # Every run draws the same labels, so that results differ only by the embeddings.
    return phase_metrics(labelled, test, np.random.default_rng(0))

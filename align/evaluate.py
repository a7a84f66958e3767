"""Measures how well a trained run lines up the views of held-out episodes.

    python -m align.evaluate runs/paab_lift_20260101-120000
    python -m align.evaluate runs/* --split valid
    python -m align.evaluate runs/… --protocol unseen     # ego and the last third-person views
    python -m align.evaluate runs/… --data data/can       # another world

Writes `evaluation/<name>.json` (the means and every pair of views of every episode) and
`evaluation/<name>_embeddings.safetensors` (`<episode>/<view>` to (time, dim)) into the run; the
name is the split, then the protocol and the data set where they are not those of the run, then the
checkpoint where it is not the best.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import tyro
from torch import Tensor
from tqdm import tqdm

from align.config import Protocol, TrainConfig
from align.embedder import FrameEmbedder
from align.engine.checkpoint import CheckpointError, load_checkpoint
from align.engine.run_folder import Checkpoint
from align.metrics.alignment import PairResult, episode_metrics, mean_metrics, view_errors
from align.metrics.collapse import diagnose
from align.metrics.decoding import episode_decodings
from align.metrics.names import GROUPS
from align.metrics.phases import PhaseEpisode, PhaseResult, mean_phase_metrics, phase_metrics
from align.plan import RunPlan
from align.protocols import evaluation_views, require_known_body, training_views
from align.results.evaluation import Evaluation
from datasets.command import command_line, parse, set_up_logging, user_errors
from datasets.episodes import EpisodeDataset
from datasets.errors import DataError
from datasets.storage.episode_file import EGO
from datasets.storage.meta import DatasetMeta

log = logging.getLogger(__name__)

Split = Literal["test", "valid", "train"]
LABELLED_EPISODES = 10


def evaluation_name(
    config: TrainConfig,
    split: Split,
    data: Path | None = None,
    protocol: Protocol | None = None,
    checkpoint: Checkpoint = "best",
) -> str:
    """Under which name an evaluation of a run with this configuration is stored."""
    name: str = split
    if protocol not in (None, config.protocol):
        name += f"_{protocol}"
    if data is not None and (config.data is None or data.resolve() != config.data.resolve()):
        name += f"_on_{data.resolve().name}"
    return name if checkpoint == "best" else f"{name}_{checkpoint}"


def evaluate(
    run: Path,
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    progress: bool = True,
    *,
    data: Path | None = None,
    protocol: Protocol | None = None,
    labelled_episodes: int = LABELLED_EPISODES,
) -> Evaluation:
    """Embeds every frame of a split once, measures all pairs of views, and stores the result.

    Args:
        run: A folder made by `align.train`.
        split: Which episodes.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        progress: Whether to draw a progress bar.
        data: Another data set than the run's own.
        protocol: Which views to test on; the run's own by default.
        labelled_episodes: Training episodes that the phase metrics learn from, the first ones; 0
            leaves these metrics out.

    Raises:
        DataError: When the run or its data cannot be used, or do not fit each other.
        CheckpointError: When the checkpoint is missing, truncated or of another model.
    """
    config = TrainConfig.load(run)
    tested_on, embedder = _open(run, config, split, data, protocol or config.protocol)
    load_checkpoint(run / "checkpoints" / f"{checkpoint}.safetensors", embedder.model)
    embedder.model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    embeddings = {
        tested_on.names[i]: embedder.embed_episode(tested_on, i)
        for i in tqdm(range(len(tested_on)), desc=run.name, unit="episode", disable=not progress)
    }
    pairs = [p for name, views in embeddings.items() for p in _episode_pairs(name, views)]
    metrics = mean_metrics(pairs) | view_errors(pairs)
    phases = _phases(tested_on, embeddings, embedder, labelled_episodes, progress)
    metrics |= mean_phase_metrics(phases)
    collapse = diagnose(embeddings.values(), metrics["alignment_error"])
    if collapse.message:
        log.warning("%s: %s", run, collapse.message)
    evaluation = Evaluation(
        run=run,
        split=split,
        method=config.method,
        data=tested_on.root,
        seed=config.seed,
        metrics=metrics,
        pairs=pairs,
        protocol=protocol or config.protocol,
        name=evaluation_name(config, split, data, protocol, checkpoint),
        world=tested_on.meta.env,
        phases=phases,
        labelled_episodes=labelled_episodes if phases else 0,
        collapse=collapse,
        parameters=sum(parameter.numel() for parameter in embedder.model.parameters()),
    )
    evaluation.save(embeddings)
    return evaluation


def _open(
    run: Path, config: TrainConfig, split: Split, root: Path | None, protocol: Protocol
) -> tuple[EpisodeDataset, FrameEmbedder]:
    """The episodes to measure on, and the run's model, which is made for those it trained on."""
    if config.data is None:
        raise DataError(f"{run}/config.json names no data set; train again.")
    trained_on = EpisodeDataset(config.training_data, "train")
    root = root or config.data
    data = EpisodeDataset(root, split, evaluation_views(config, DatasetMeta.load(root), protocol))
    data.check(need_keypoints=config.parts.needs_poses)
    known = set(data.views) & set(training_views(config, trained_on.meta)) - {EGO}
    if protocol == "unseen" and known and root.resolve() == trained_on.root.resolve():
        log.warning(
            "%s was trained on %s, too: what follows is no test on unseen views. Train with "
            "--protocol unseen.",
            run,
            ", ".join(sorted(known)),
        )
    who = f"{run} ({config.method})"
    require_known_body(who, config, trained_on.skeleton, data.skeleton, root)
    size = config.image_size or trained_on.meta.image_size
    if data.meta.image_size < size:
        log.warning(
            "%s is stored at %d pixels and enlarged to the %d that %s was trained at; generate it "
            "with --size %d for sharp frames.",
            root,
            data.meta.image_size,
            size,
            run,
            size,
        )
    return data, FrameEmbedder(RunPlan.of(replace(config, image_size=size), trained_on.meta))


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

    None of them where nothing is learned from, or where only one phase is ever told.
    """
    told = np.unique(np.concatenate([data.phases(i) for i in range(len(data))]))
    if not count or len(told) < 2:
        return []
    train = EpisodeDataset(data.root, "train", data.views)
    chosen = range(min(count, len(train)))
    bar = tqdm(chosen, desc="labelled", unit="episode", leave=False, disable=not progress)
    labelled = [PhaseEpisode(embedder.embed_episode(train, i), train.phases(i)) for i in bar]
    test = [PhaseEpisode(embeddings[name], data.phases(i)) for i, name in enumerate(data.names)]
    # The same few-shot draws for every run, so that runs differ in their embeddings alone.
    return phase_metrics(labelled, test, np.random.default_rng(0))


def run(
    runs: tyro.conf.Positional[tuple[Path, ...]],
    split: Split = "test",
    checkpoint: Checkpoint = "best",
    data: Path | None = None,
    protocol: Protocol | None = None,
    labelled_episodes: int = LABELLED_EPISODES,
) -> None:
    """Measures how well trained runs line up the views of held-out episodes.

    Args:
        runs: Folders made by `python -m align.train`.
        split: Which episodes.
        checkpoint: best: lowest validation alignment error; last: the end of training.
        data: Another data set than the run's own: how well what was learned carries over.
        protocol: seen: all views; unseen: ego and the last third-person views, which a run trained
            with that protocol has not seen. The run's own by default.
        labelled_episodes: Training episodes whose phases the classifiers and regressions learn
            from, the first ones; 0 leaves the phase metrics out.
    """
    set_up_logging()
    measured: dict[str, list[str]] = {}
    for folder in runs:
        with user_errors(DataError, CheckpointError):
            evaluation = evaluate(
                folder,
                split,
                checkpoint,
                data=data,
                protocol=protocol,
                labelled_episodes=labelled_episodes,
            )
        print(_as_text(evaluation))
        measured.setdefault(evaluation.name, []).append(str(folder))
    for name, folders in measured.items():
        words = [*folders, *([] if name == "test" else ["--evaluation", name])]
        print(f"next: {command_line('align.report', words)}")


def _as_text(evaluation: Evaluation) -> str:
    lines = [
        f"{evaluation.run} ({evaluation.method}, {evaluation.name}, {evaluation.protocol} views, "
        f"{len(evaluation.pairs)} pairs)"
    ]
    for group in GROUPS:
        known = {n: t for n, t in group.metrics.items() if n in evaluation.metrics}
        lines += [f"  {group.title}"] if known else []
        lines += [f"    {title:<28} {evaluation.metrics[n]:.4f}" for n, title in known.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parse(run, "python -m align.evaluate", arguments)


if __name__ == "__main__":
    main()

"""Runs of a grid of recognisers: their options, and how each is trained and measured.

Finished runs are kept and stopped ones resumed. A measurement is made again where it was made in
another way, for example with other samples of a clip, or of other clips.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import tyro

from action.config import ActionConfig, ActionMethod, ClipSource, Ensemble
from action.evaluate import evaluate
from action.train import make_trainer
from align.engine.jobs import Measurement, train_and_measure
from align.engine.run_folder import RunFolder, run_name
from align.results.labels import variant_suffix
from datasets.bounds import Seed, require_distinct
from datasets.clips.base import ClipInfo
from datasets.errors import OptionError


@dataclass(frozen=True)
class ActionGridConfig(ActionConfig):
    """The options of `action.train`, of which a grid sets some run by run."""

    out: Path = Path("runs/compare_action")  # type: ignore[assignment]
    """Folder of all runs."""
    # The options of a grid set these for each run.
    method: Annotated[ActionMethod, tyro.conf.Fixed, tyro.conf.Suppress] = "baseline"
    seed: Annotated[Seed, tyro.conf.Fixed, tyro.conf.Suppress] = 0

    def of_one_run(self) -> ActionConfig:
        """The options that all runs share."""
        return ActionConfig(**vars(self) | {"out": None})

    def plan(
        self, methods: Sequence[ActionMethod], seeds: Sequence[int], variant: str = ""
    ) -> list[ActionConfig]:
        """One configuration for each run, with one seed of every method before any second seed.

        Args:
            methods: Methods to compare.
            seeds: Seeds; every method gets one run for each.
            variant: Name of these options in the folders' names.

        Raises:
            OptionError: When the variant cannot be part of a folder's name, or the model cannot
                take a method.
        """
        from action.model import require_fit

        named, common = variant_suffix(variant), self.of_one_run()
        for method in methods:
            require_fit(replace(common, method=method))
        return [
            replace(common, method=method, seed=seed, out=self.out / run_name(method + named, seed))
            for seed in seeds
            for method in methods
        ]


def tested_protocols(config: ActionConfig, test: Sequence[str]) -> tuple[str, ...]:
    """The protocols whose test clips to measure on: those of `test`, or the one trained with.

    Raises:
        DataError: When the data set cannot be opened.
        OptionError: When a protocol is named twice, or tests on clips that are trained on.
        UnknownNameError: An unknown protocol.
    """
    from action.inputs.clips import open_data

    require_distinct("--test", test)
    own = open_data(config)
    learned = {clip.name for clip in own.parts["train"]}
    for name in test:
        data = open_data(replace(config, protocol=name), own.clip_set)
        if seen := [clip.name for clip in data.parts["test"] if clip.name in learned]:
            raise OptionError(
                f"--test {name}: training under {own.protocol} learns from {len(seen)} of its "
                f"{len(data.parts['test'])} test clips, such as {seen[0]}. Leave it out, or train "
                f"for it: --protocol {name}."
            )
    return tuple(test) or (own.protocol,)


def require_learnable(planned: Iterable[ActionConfig]) -> None:
    """Checks that clips have the poses and joints that runs learn from, before any run trains.

    Raises:
        MissingDataError: When a run needs some, and no clip has them.
    """
    from action.inputs.clips import open_data
    from action.inputs.joints import learns_joints, with_joints
    from action.inputs.poses import require_any_poses

    kinds = {(config.protocol, config.model, config.method): config for config in planned}
    opened: dict[str | None, tuple[ClipInfo, ...]] = {}
    for config in kinds.values():
        if config.protocol not in opened:
            opened[config.protocol] = open_data(config).parts["train"]
        clips = opened[config.protocol]
        require_any_poses(clips, config, learning=True)
        if learns_joints(config):
            with_joints(clips, config)


def run_one(
    config: ActionConfig,
    place: int,
    protocols: Sequence[str],
    galleries: Sequence[Path],
    num_clips: int,
    ensemble: Ensemble,
) -> None:
    """Trains a run to its end, measures it, and searches across data sets.

    Finished training and measurements of the same kind are not repeated.

    Args:
        config: Options of the run.
        place: Index of the run among those that are made.
        protocols: Protocols whose test clips to measure on; by default the run's own.
        galleries: Folders of rendered data sets, whose test clips are searched in their training
            clips.
        num_clips: Samples of each test clip.
        ensemble: How the scores of the samples are combined.
    """
    from action.evaluation import evaluation_name
    from action.retrieval import search

    if config.out is None:
        raise ValueError("a run of a grid needs its folder as `out`.")
    run = config.out
    measurements = [
        Measurement(
            RunFolder(run).evaluation(evaluation_name(protocol, "test")),
            partial(_is_measured, config, protocol, num_clips, ensemble),
            partial(evaluate, run, "test", protocol, "best", num_clips, ensemble, False),
        )
        for protocol in protocols or tested_protocols(config, ())
    ]
    train_and_measure(partial(make_trainer, config, False), measurements, place)
    for gallery in galleries:
        asked, searched = ClipSource("test", root=gallery), ClipSource("train", root=gallery)
        search(run, asked, searched, progress=False)


def _is_measured(config: ActionConfig, protocol: str, num_clips: int, ensemble: Ensemble) -> bool:
    """Whether a run was measured in this way on a protocol's clips as they are now."""
    from action.evaluation import find_evaluation
    from action.inputs.clips import open_data

    assert config.out is not None
    identity = open_data(replace(config, protocol=protocol)).digest
    return find_evaluation(config.out, protocol, num_clips, ensemble, identity) is not None

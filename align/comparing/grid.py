"""A grid of runs: data sets × protocols × seeds × methods, several at a time.

    <out>/<data>_<protocol>/<method>[_<variant>]_seed<seed>/

Finished runs are kept and stopped ones resumed. A run that fails is named and left out, and the
others continue.

A run of late pose with `--late.freeze-trunk` takes the trunk of its seed from the run beside it:
late_seed0 that of deit_seed0.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from align.config import Protocol, TrainConfig
from align.engine.jobs import Measurement, train_and_measure
from align.engine.origin import is_own
from align.engine.run_folder import RunFolder, run_name
from align.evaluate import evaluate
from align.inputs.sampling import views_a_step
from align.methods import Method, trunk_of
from align.plan import RunPlan, for_data, usual_data
from align.results.labels import variant_suffix
from align.stored.data import identify
from align.train import default_options, make_trainer
from datasets.bounds import Seed
from datasets.errors import DataError, MismatchError
from datasets.storage.identity import short

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GridConfig(TrainConfig):
    """The options of `align.train`, of which a grid sets some run by run."""

    data: tuple[Path, ...] = ()  # type: ignore[assignment]
    """Folders of episodes; the newest under data/ by default."""
    out: Path = Path("runs")
    """Folder of all runs."""
    # The options of a grid set these for each run.
    method: Annotated[Method, tyro.conf.Fixed, tyro.conf.Suppress] = "deit"
    seed: Annotated[Seed, tyro.conf.Fixed, tyro.conf.Suppress] = 0
    protocol: Annotated[Protocol, tyro.conf.Fixed, tyro.conf.Suppress] = "seen"

    @classmethod
    def defaults(cls, arguments: Sequence[str], out: Path) -> GridConfig:
        """The options of the recipe that a command line names, with a folder for the runs."""
        own: dict[str, Any] = {"data": (), "out": out, "method": "deit", "seed": 0}
        return cls(**_options(default_options(arguments)) | own)

    def of_one_run(self) -> TrainConfig:
        """The options that all runs share."""
        return TrainConfig(**_options(self) | {"data": None, "out": None})

    def data_sets(self, env: Sequence[str]) -> tuple[Path, ...]:
        """The data sets: the folders of `--data`, and data/<env> for each environment."""
        named = (Path("data") / name for name in env)
        return (*self.data, *named) or (usual_data(self),)


def _options(config: TrainConfig) -> dict[str, Any]:
    return {field.name: getattr(config, field.name) for field in fields(TrainConfig)}


def plan(
    config: TrainConfig,
    data_sets: Sequence[Path],
    protocols: Sequence[Protocol],
    methods: Sequence[Method],
    seeds: Sequence[int],
    out: Path,
    variant: str = "",
) -> list[TrainConfig]:
    """One configuration for each run, in an order that makes an unfinished grid useful.

    All runs of the first protocol come first. Every method gets its first seed on every data set
    before any method gets its second.

    Args:
        config: Options that all runs share.
        data_sets: Folders of episodes.
        protocols: Protocols, which select the views to test on.
        methods: Methods to compare.
        seeds: Seeds; every method gets one run for each.
        out: Folder of all runs.
        variant: Name of these options in the folders' names, so that runs of a method with other
            options can stand beside these: letters, digits, dots, dashes and underscores.

    Raises:
        OptionError: When the variant has other characters.
    """
    named = variant_suffix(variant)
    configs = [
        placed(replace(config, method=method), out, data, protocol, method + named, seed, data_sets)
        for protocol in protocols
        for seed in seeds
        for data in data_sets
        for method in methods
    ]
    return [_with_trunk(config, named) for config in configs]


def _with_trunk(config: TrainConfig, named: str) -> TrainConfig:
    """A run of late pose that starts from the trunk beside it; other runs as they are."""
    frozen = config.parts.late is not None and config.late.freeze_trunk
    if not frozen or config.init is not None:
        return config
    trunk = run_name(trunk_of(config.method) + named, config.seed)
    return replace(config, init=_require_out(config).parent / trunk)


def placed(
    config: TrainConfig,
    out: Path,
    data: Path,
    protocol: Protocol,
    name: str,
    seed: int,
    data_sets: Sequence[Path] = (),
) -> TrainConfig:
    """One run of a grid: its data set, protocol and seed, and the folder that they determine."""
    folder = group_folder(out, data, protocol, data_sets) / run_name(name, seed)
    return for_data(replace(config, seed=seed, protocol=protocol, out=folder), data)


def group_folder(out: Path, data: Path, protocol: Protocol, data_sets: Sequence[Path] = ()) -> Path:
    """The folder of the runs of one data set and protocol.

    Its name is that of the data set's folder. A data set in another folder of that name, which
    comes later or was not the one that runs were made of, is distinguished by its identity.

    Args:
        out: Folder of all runs.
        data: The data set.
        protocol: The protocol.
        data_sets: All data sets of the grid, in their order.
    """
    name = data.resolve().name
    plain = out / f"{name}_{protocol}"
    before = data_sets[: data_sets.index(data)] if data in data_sets else ()
    twins = any(each.resolve().name == name and not _same_data(each, data) for each in before)
    others = twins or _is_of_other_data(plain, data)
    if not others and not any(out.glob(f"{name}-*_{protocol}")):
        return plain
    apart = out / f"{name}-{short(identify(data) or _hash(data))}_{protocol}"
    return apart if others or apart.exists() else plain


def _is_of_other_data(folder: Path, data: Path) -> bool:
    """Whether a folder holds runs of a data set that lies elsewhere and is another."""
    for run in RunFolder.all_in(folder):
        try:
            config = TrainConfig.load(run.path)
            own = is_own(run.path, "data", config.data, data, identify)
        except DataError as error:
            log.warning("%s", error)
            continue
        # Data made again in the same place is an error, which the run itself raises.
        return not own and config.data is not None and config.data.resolve() != data.resolve()
    return False


def _same_data(one: Path, other: Path) -> bool:
    digest = identify(one)
    return one.resolve() == other.resolve() or (digest is not None and digest == identify(other))


def _hash(path: Path) -> str:
    return hashlib.sha256(str(path.resolve()).encode()).hexdigest()


def check_views(configs: Iterable[TrainConfig]) -> None:
    """Checks, before anything is trained, that every data set has the views of its runs.

    Raises:
        DataError: When a protocol does not fit a data set, or a run cannot be tested on its data.
        OptionError: When a step would draw more views than there are to train on.
    """
    for config in configs:
        plan = RunPlan.load(config)
        if plan.meta.viewpoints:
            raise MismatchError(
                f"{config.training_data} holds unpaired videos, which have no alignment error to "
                "compare: train and measure with align.train and align.evaluate."
            )
        views_a_step(config.batch, plan.views, config.training_data)


def run_one(config: TrainConfig, place: int) -> None:
    """Trains a run to its end and measures it on the test episodes, unless that has been done."""
    folder = RunFolder(_require_out(config))
    if config.parts.late is not None and config.late.freeze_trunk and config.init is not None:
        _require_finished(config.init)
    measured = Measurement(
        folder.evaluation("test"),
        lambda: _is_usable(folder, config.test_data),
        lambda: evaluate(folder.path, progress=False),
    )
    open_trainer = partial(make_trainer, config, False)
    train_and_measure(open_trainer, [measured], place)


def _require_finished(trunk: Path) -> None:
    from align.engine.command import resume_command

    if trunk.is_dir() and not RunFolder(trunk).finished:
        raise MismatchError(
            f"{trunk} is to be the trunk of a run with --late.freeze-trunk, but its training has "
            f"not ended. Train it first: {resume_command('align', trunk)}"
        )


def _require_out(config: TrainConfig) -> Path:
    if config.out is None:
        raise ValueError("a run of a grid needs its folder as `out`; see `placed`.")
    return config.out


def _is_usable(run: RunFolder, data: Path) -> bool:
    """Whether the stored evaluation is whole, and of the data set as it is now."""
    from align.results.evaluation import load_evaluation

    try:
        evaluation = load_evaluation(run.path, "test")
        evaluation.require_embeddings()
    except DataError as error:
        log.info("%s", error)
        return False
    return evaluation.identity in (None, identify(data))

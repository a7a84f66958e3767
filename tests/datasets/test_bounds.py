"""Every number among the options of a command has bounds, which are checked before work starts."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from datasets.bounds import (
    Crf,
    PositiveFloat,
    PositiveInt,
    Seed,
    ShareBelowOne,
    intervals,
    require_chosen,
    require_in_bounds,
)
from datasets.errors import OptionError

# Command to the dataclass of its options.
CONFIGS = {
    "datasets.info": "InfoConfig",
    "datasets.convert": "ConvertConfig",
    "datasets.cache": "CacheConfig",
    "datasets.extract_poses": "ExtractConfig",
    "sims.config": "GenerateConfig",
    "sims.mocap.config": "MocapConfig",
    "sims.replay": "ReplayConfig",
    "align.config": "TrainConfig",
    "align.comparing.grid": "GridConfig",
    "action.config": "ActionConfig",
    "action.comparing.grid": "ActionGridConfig",
}


def numbers(kind: type) -> Iterator[tuple[str, object]]:
    """The name and type of every field that may hold a number, also in nested options."""
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        parts = list(leaves(hint))
        for part in parts:
            if dataclasses.is_dataclass(part):
                yield from numbers(typing.cast(type, part))
        if int in parts or float in parts:
            yield f"{kind.__name__}.{name}", hint


def leaves(hint: object) -> Iterator[object]:
    if typing.get_origin(hint) is typing.Annotated:
        yield from leaves(typing.get_args(hint)[0])
    elif arguments := typing.get_args(hint):
        for argument in arguments:
            yield from leaves(argument)
    else:
        yield hint


@pytest.mark.parametrize("module", CONFIGS)
def test_every_number_has_bounds(module: str) -> None:
    found = dict(numbers(getattr(importlib.import_module(module), CONFIGS[module])))
    assert not {name for name, hint in found.items() if not list(intervals(hint))}


@dataclass(frozen=True)
class Inner:
    share: ShareBelowOne = 0.5
    rates: tuple[PositiveFloat, ...] = (1.0,)


@dataclass(frozen=True)
class Options:
    count: PositiveInt = 1
    seed: Seed = 0
    crf: Crf | None = None
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"count": 0}, "--count 0"),
        ({"seed": -1}, "--seed -1"),
        ({"seed": 2**63}, "--seed 9223372036854775808"),
        ({"crf": 52}, "--crf 52"),
        ({"inner": Inner(share=1.0)}, r"--inner\.share 1\.0"),
        ({"inner": Inner(share=float("nan"))}, r"--inner\.share nan"),
        ({"inner": Inner(rates=(1.0, float("inf")))}, r"--inner\.rates inf"),
        ({"inner": Inner(rates=(0.0,))}, r"--inner\.rates 0\.0"),
    ],
)
def test_a_number_out_of_bounds_is_named(changes: dict, named: str) -> None:
    require_in_bounds(Options())
    require_in_bounds(Options(crf=51, inner=Inner(share=0.0, rates=(2.0, 3.0))))
    with pytest.raises(OptionError, match=named):
        require_in_bounds(replace(Options(), **changes))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "option"),
    [
        ("align.train", "--optim.clip-norm -1"),
        ("align.train", "--batch.times 1"),
        ("align.train", "--epochs 0"),
        ("align.train", "--backbone.depth 1000000000"),
        ("align.compare", "--seeds 0 -1"),
        ("align.evaluate", "runs/none --labelled-episodes -1"),
        ("action.train", "--backbone.patch-size 0"),
        ("action.evaluate", "runs/none --num-clips 0"),
        ("sims.generate", "--seed -1"),
        ("datasets.cache", "none out --format ntu --crf 52"),
    ],
)
def test_commands_end_with_one_line_before_they_begin(
    module: str, option: str, capsys: pytest.CaptureFixture
) -> None:
    with pytest.raises(SystemExit) as end:
        importlib.import_module(module).main(option.split())
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: --") and "must be" in line
    assert "--config" not in line


def test_options_that_name_nothing_or_one_thing_twice_are_refused() -> None:
    require_chosen(methods=("deit", "paab"), seeds=(0, 1))
    with pytest.raises(OptionError, match=r"--seeds names nothing; name one or more"):
        require_chosen(methods=("deit",), seeds=())
    with pytest.raises(OptionError, match="--methods names deit twice"):
        require_chosen(methods=("deit", "deit"), seeds=(0,))

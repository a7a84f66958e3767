"""Types of numbers with bounds for options, and the check that options lie within them.

A bound stands in the type of an option alone: `--help` shows it, `require_in_bounds` checks it, and
pydantic checks it where a stored configuration is read.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from annotated_types import Interval
from tyro.constructors import PrimitiveConstructorSpec

from datasets.errors import OptionError

Number = TypeVar("Number", int, float)


def _shown(kind: type[Number], metavar: str) -> PrimitiveConstructorSpec[Number]:
    """How tyro reads a number, and shows its bounds in `--help`."""

    def is_instance(value: Any) -> bool:
        return type(value) is kind or (kind is float and type(value) is int)

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: kind(words[0]),
        is_instance=is_instance,
        str_from_instance=lambda value: [str(value)],
    )


# More than this many of anything is a slip of the keyboard, and would end in a lack of memory.
_MANY = 10**9

PositiveInt = Annotated[int, Interval(ge=1, le=_MANY), _shown(int, "INT>=1")]
NaturalInt = Annotated[int, Interval(ge=0, le=_MANY), _shown(int, "INT>=0")]
# numpy's generators, which robosuite uses, take seeds of 32 bits.
Seed = Annotated[int, Interval(ge=0, le=2**32 - 1), _shown(int, "INT>=0")]
# Moments of a time-contrastive batch: a loss between one moment and itself is 0.
Moments = Annotated[int, Interval(ge=2, le=_MANY), _shown(int, "INT>=2")]
Pixels = Annotated[int, Interval(ge=1, le=8192), _shown(int, "1..8192")]
# Blocks of a network; the deepest in use have about 50.
Depth = Annotated[int, Interval(ge=1, le=1000), _shown(int, "1..1000")]
# A block counted from 1, or from the end as -1.
Position = Annotated[int, Interval(ge=-1000, le=1000), _shown(int, "INT")]
Width = Annotated[int, Interval(ge=1, le=2**16), _shown(int, "1..65536")]
OptionalWidth = Annotated[int, Interval(ge=0, le=2**16), _shown(int, "0..65536")]
Processes = Annotated[int, Interval(ge=0, le=1024), _shown(int, "0..1024")]
Crf = Annotated[int, Interval(ge=0, le=51), _shown(int, "0..51")]
Quality = Annotated[int, Interval(ge=1, le=100), _shown(int, "1..100")]
# A port of this machine; 0 takes any free one.
Port = Annotated[int, Interval(ge=0, le=65535), _shown(int, "0..65535")]
Columns = Annotated[int, Interval(ge=1, le=100), _shown(int, "1..100")]

PositiveFloat = Annotated[float, Interval(gt=0, le=_MANY), _shown(float, "FLOAT>0")]
NonNegativeFloat = Annotated[float, Interval(ge=0, le=_MANY), _shown(float, "FLOAT>=0")]
Share = Annotated[float, Interval(ge=0, le=1), _shown(float, "0..1")]
PositiveShare = Annotated[float, Interval(gt=0, le=1), _shown(float, "0..1")]
# A share that leaves something over.
ShareBelowOne = Annotated[float, Interval(ge=0, lt=1), _shown(float, "0..1")]
Hertz = Annotated[float, Interval(ge=0.001, le=10_000), _shown(float, "0.001..10000")]


def require_in_bounds(options: Any, prefix: str = "--") -> None:
    """Checks every number of a dataclass of options, and of those in it.

    Raises:
        OptionError: When a number is out of its bounds; names the option, the value and the bounds.
    """
    require_values_in_bounds(
        {field.name: getattr(options, field.name) for field in dataclasses.fields(options)},
        get_type_hints(type(options), include_extras=True),
        prefix,
    )


def require_values_in_bounds(
    values: Mapping[str, Any], types: Mapping[str, Any], prefix: str = "--"
) -> None:
    """Checks values by their types; the same as `require_in_bounds` for arguments of a function."""
    for name, value in values.items():
        option = prefix + name.replace("_", "-")
        if dataclasses.is_dataclass(value):
            require_in_bounds(value, f"{option}.")
            continue
        for number in value if isinstance(value, tuple | list) else (value,):
            for bounds in intervals(types.get(name)):
                if isinstance(number, int | float) and not _within(number, bounds):
                    raise OptionError(f"{option} {number} is out of range: {describe(bounds)}.")


def require_finite(option: str, numbers: Iterable[float]) -> None:
    """Raises an OptionError when one of an option's numbers is infinite or NaN."""
    for number in numbers:
        if not math.isfinite(number):
            raise OptionError(f"{option} {number} must be a finite number.")


def require_distinct(option: str, names: Sequence[object]) -> None:
    """Raises an OptionError when an option names something twice."""
    for name in names:
        if names.count(name) > 1:
            raise OptionError(f"{option} names {name} twice; name each once.")


def require_chosen(**options: Sequence[object]) -> None:
    """Raises an OptionError when an option, such as `seeds`, names nothing or something twice."""
    for option, names in options.items():
        if not names:
            raise OptionError(f"--{option} names nothing; name one or more, or leave it out.")
        require_distinct(f"--{option}", names)


def intervals(kind: Any) -> Iterator[Interval]:
    """The bounds in a type, also within optional types and tuples."""
    if get_origin(kind) is Annotated:
        yield from (mark for mark in kind.__metadata__ if isinstance(mark, Interval))
    for part in get_args(kind):
        yield from intervals(part)


def describe(bounds: Interval) -> str:
    """The bounds as text, such as `it must be from 0 to 51`."""
    low, high = bounds.ge if bounds.ge is not None else bounds.gt, bounds.le or bounds.lt
    above = f"above {low}" if bounds.gt is not None else f"at least {low}"
    if high == _MANY:
        return f"it must be {above}"
    below = f"below {high}" if bounds.lt is not None else f"at most {high}"
    if bounds.gt is None and bounds.lt is None:
        return f"it must be from {low} to {high}"
    return f"it must be {above} and {below}"


def _within(number: float, bounds: Interval) -> bool:
    """Whether a number is finite and within its bounds."""
    return (
        math.isfinite(number)
        and (bounds.ge is None or number >= bounds.ge)  # type: ignore[operator]
        and (bounds.gt is None or number > bounds.gt)  # type: ignore[operator]
        and (bounds.le is None or number <= bounds.le)  # type: ignore[operator]
        and (bounds.lt is None or number < bounds.lt)  # type: ignore[operator]
    )

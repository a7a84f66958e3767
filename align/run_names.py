"""Names of the folders in which grids keep their runs: `<method>[_<variant>]_seed<seed>`."""

from __future__ import annotations

from align.config import TrainConfig


def run_name(name: str, seed: int) -> str:
    """The folder of a run, by its method, or its method and variant with `_` between them."""
    return f"{name.replace('+', '_')}_seed{seed}"


def variant_of(config: TrainConfig) -> str:
    """The variant that a run's folder is named by: `wide` of `runs/paab_wide_seed1`.

    Empty for plain runs, and for folders that were named in another way.
    """
    if config.out is None:
        return ""
    before, after = run_name(f"{config.method}_*", config.seed).split("*")
    name = config.out.name
    if not (name.startswith(before) and name.endswith(after)):
        return ""
    return name[len(before) : -len(after)]

"""The paper's own alignment errors, which tables show beside those of our runs."""

from __future__ import annotations

from collections.abc import Mapping

SOURCE = "Seeing the Pose in the Pixels, Table 5"
# World to method to alignment error, seen views; TCN and Disentangle have no Can and Lift.
PAPER_ERRORS: Mapping[str, Mapping[str, float]] = {
    "pick": {
        "tcn": 0.273,
        "disentangle": 0.155,
        "3dtrl": 0.116,
        "deit": 0.216,
        "paab": 0.165,
        "paat": 0.159,
    },
    "minecraft": {
        "tcn": 0.286,
        "disentangle": 0.233,
        "3dtrl": 0.202,
        "deit": 0.292,
        "paab": 0.151,
        "paat": 0.149,
    },
    "can": {"3dtrl": 0.060, "deit": 0.065, "paab": 0.053, "paat": 0.059},
    "lift": {"3dtrl": 0.081, "deit": 0.095, "paab": 0.075, "paat": 0.074},
}


def paper_error(world: str, protocol: str, method: str) -> float | None:
    """The paper's alignment error of a method on a world; None where it reports none."""
    return PAPER_ERRORS.get(world, {}).get(method) if protocol == "seen" else None

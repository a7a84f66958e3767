"""Cameras that were calibrated together, placed by the pose of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from datasets.calibration.parts import CameraParts


def placed_by_chains(found: Mapping[str, CameraParts]) -> dict[str, CameraParts]:
    """The cameras, of which those without a pose get it from another camera of their chain.

    Where several cameras of a chain have poses of their own, the first in `found` places the
    others.
    """
    known: dict[str, CameraParts] = {}
    for parts in found.values():
        if parts.in_chain is not None and parts.pose is not None:
            known.setdefault(parts.in_chain.source, parts)
    return {view: _placed(parts, known) for view, parts in found.items()}


def _placed(parts: CameraParts, known: Mapping[str, CameraParts]) -> CameraParts:
    chain = parts.in_chain
    if chain is None or parts.pose is not None or chain.source not in known:
        return parts
    other = known[chain.source]
    assert other.in_chain is not None and other.pose is not None  # as `known` was filled
    first = np.linalg.inv(other.in_chain.pose) @ other.pose
    return replace(parts, pose=chain.pose @ first, link=other.link)

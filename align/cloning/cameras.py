"""Where the camera of a policy stands when it is tried."""

from __future__ import annotations

from typing import Literal, get_args

# fixed: where it was in training; moved: at one other place; drawn: at another in each rollout.
Cameras = Literal["fixed", "moved", "drawn"]
CAMERAS: tuple[Cameras, ...] = get_args(Cameras)

"""Embeddings of fixed frames by each bundled model.

`python -m tests.align.zoo.golden` writes them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

import align.zoo
from align.zoo.store import BUNDLED

GOLDEN = Path(__file__).with_name("golden.json")
NAMES = sorted(path.stem for path in BUNDLED.glob("*.safetensors"))
# Numbers of each frame's embedding that are compared.
_SHOWN = 6


def fixed_frames(size: int = 112) -> UInt8[np.ndarray, "time size size 3"]:
    """A disc that moves over a gradient."""
    rows, columns = np.mgrid[:size, :size]
    frames = np.empty((8, size, size, 3), np.uint8)
    for time, frame in enumerate(frames):
        middle = size * (0.2 + 0.08 * time)
        inside = (rows - middle) ** 2 + (columns - size / 2) ** 2 < (size / 8) ** 2
        frame[:] = np.stack([rows, columns, 0 * rows + 60], axis=-1) % 256
        frame[inside] = (220, 40, 40)
    return frames


def embedding_of(name: str) -> Float[np.ndarray, "time dim"]:
    """The embeddings of these frames, in single precision."""
    torch.set_num_threads(1)
    embedder = align.zoo.load(name, "cpu")
    return embedder.embed_frames(fixed_frames(embedder.image_size)).numpy()


if __name__ == "__main__":
    found = {name: embedding_of(name)[:, :_SHOWN].astype(float).round(4).tolist() for name in NAMES}
    GOLDEN.write_text(json.dumps(found, indent=1) + "\n")

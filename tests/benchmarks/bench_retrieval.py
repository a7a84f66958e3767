"""Time exact search in torch against scikit-learn's and, where it is installed, faiss's.

Run: python tests/benchmarks/bench_retrieval.py

The ten nearest clips by angle, in a gallery of 50,000 clips of TimeSformer-Base's 768 features, in
one thread; and the whole ranking with Recall@k and mAP, which the others do not give.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import torch
import torch.nn.functional as F
from measuring import Row, in_turns, note, one_thread, times
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from action.search import retrieve

GALLERY, QUERIES, DIM, CLASSES, NEAREST = 50_000, 500, 768, 60, 10
ROUNDS = 3


def main() -> None:
    """Print the median milliseconds a query of each."""
    one_thread()
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, DIM), dtype=np.float32) for n in (QUERIES, GALLERY))
    labels = rng.integers(0, CLASSES, QUERIES), rng.integers(0, CLASSES, GALLERY)
    asked, searched = (F.normalize(torch.from_numpy(x), dim=1) for x in (queries, gallery))
    ways: dict[str, Callable[[], object]] = {
        "torch, nearest 10": lambda: (asked @ searched.T).topk(NEAREST, dim=1),
        "torch, ranking and metrics": lambda: retrieve(queries, gallery, *labels),
    }
    machine = NearestNeighbors(n_neighbors=NEAREST, algorithm="brute", n_jobs=1)
    machine.fit(searched.numpy())
    ways["scikit-learn, nearest 10"] = lambda: machine.kneighbors(asked.numpy())
    if find_spec("faiss"):
        import faiss

        index = faiss.IndexFlatIP(DIM)
        index.add(searched.numpy())
        ways["faiss, nearest 10"] = lambda: index.search(asked.numpy(), NEAREST)
    with threadpool_limits(1):
        took = in_turns(ways, ROUNDS)
    base = took.pop("scikit-learn, nearest 10")
    for name, seconds in took.items():
        note(
            Row(
                f"a query in {GALLERY:,} clips × {DIM}: {name}",
                "scikit-learn, nearest 10",
                times(base / seconds),
                f"{1000 * seconds / QUERIES:.2f} against {1000 * base / QUERIES:.2f} ms",
            )
        )


if __name__ == "__main__":
    main()

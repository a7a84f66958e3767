"""Time exact search in torch against scikit-learn's and, where it is installed, faiss's.

Run: python tests/benchmarks/bench_retrieval.py

The ten nearest clips by angle, in a gallery of 50,000 clips of TimeSformer-Base's 768 features, in
one thread; and the whole ranking with Recall@k and mAP, which the others do not give.
"""

import os
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from sklearn.neighbors import NearestNeighbors  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from action.search import retrieve  # noqa: E402

GALLERY, QUERIES, DIM, CLASSES, NEAREST = 50_000, 500, 768, 60, 10
ROUNDS = 3


def main() -> None:
    """Print the median milliseconds a query of each."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    queries, gallery = (rng.standard_normal((n, DIM), dtype=np.float32) for n in (QUERIES, GALLERY))
    labels = rng.integers(0, CLASSES, QUERIES), rng.integers(0, CLASSES, GALLERY)
    print(
        f"{QUERIES} queries in {GALLERY} clips x {DIM}, one thread, torch {torch.__version__}, "
        f"load {os.getloadavg()[0]:.1f}"
    )
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
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            times[name].append(1000 * (time.perf_counter() - start) / QUERIES)
    for name, each in times.items():
        print(f"{name:28}{np.median(each):8.2f} ms a query")


if __name__ == "__main__":
    main()

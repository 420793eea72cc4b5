"""UMAP (McInnes, Healy and Melville 2018) from our kNN graph: fuzzy graph in numpy, layout in one compiled loop.

umap-learn is the reference: tests hold this graph against its graph, benchmarks this map against its map. In its place
stands this because its first map in a process waits half a minute for compilation, and because with a seed it uses one
core. Repulsion is stronger than its default: over 10,000 words that keeps more neighbors (docs/benchmarks.md).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.space import Vectors

__all__ = ["curve", "fuzzy_graph", "layout", "place_new", "warm"]

THREADS = 2
REPULSION = 1.5
STEP = 0.5  # length of the first steps; it falls to 0
REPORT_EVERY = 10  # epochs


@lru_cache(maxsize=64)
def curve(min_dist: float, spread: float = 1.0) -> tuple[float, float]:
    """a, b for which 1 / (1 + a d^(2b)) comes nearest to 1 below min_dist and a falling exponential beyond it."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3 * spread, 300)
    wanted = np.where(d < min_dist, 1, np.exp(-(d - min_dist) / spread))
    a, b = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), d, wanted)[0]
    return float(a), float(b)


def _memberships(distances: Vectors, local: bool) -> Vectors:
    """Weights 0..1 of the k neighbors of each row, whose sum is log2 k (section 3.1 of the paper): (n, k).

    With `local` the nearest neighbor at a distance gets weight 1 whatever its distance.
    """
    d = distances.astype(np.float64)
    nearest = np.where(d > 0, d, np.inf).min(1) if local else np.zeros(len(d))
    nearest[~np.isfinite(nearest)] = 0.0
    gap = np.maximum(d - nearest[:, None], 0)
    counted = gap[:, 1:] if local else gap  # the row itself stands first and takes no part
    target = np.log2(d.shape[1])
    low, high, width = np.zeros(len(d)), np.full(len(d), np.inf), np.ones(len(d))
    for _ in range(64):
        large = np.exp(-counted / width[:, None]).sum(1) > target
        high, low = np.where(large, width, high), np.where(large, low, width)
        width = np.where(np.isinf(high), width * 2, (low + high) / 2)
    width = np.maximum(width, 1e-3 * np.where(nearest > 0, d.mean(1), d.mean()))
    return np.asarray(np.exp(-gap / np.maximum(width, 1e-12)[:, None]), np.float32)


def fuzzy_graph(indices: NDArray[np.int32], distances: Vectors) -> Any:
    """The symmetric weighted graph of UMAP, sparse (n, n), from neighbors that include each item itself first."""
    import scipy.sparse

    n, k = indices.shape
    weights = _memberships(distances, local=True)
    weights[:, 0] = 0
    own = np.repeat(np.arange(n), k)
    directed = scipy.sparse.csr_matrix((weights.ravel(), (own, indices.ravel())), shape=(n, n))
    directed.eliminate_zeros()
    back = directed.T.tocsr()
    return (directed + back - directed.multiply(back)).tocsr()


def layout(
    graph: Any,
    start: Vectors,
    *,
    epochs: int,
    min_dist: float,
    seed: int,
    report: Callable[[float], None] = lambda fraction: None,
) -> Vectors:
    """Coordinates (n, dims) after `epochs` passes of gradient descent from `start`; same seed, same bytes."""
    span = start.max(0) - start.min(0)
    begin = (10 * (start - start.min(0)) / np.where(span > 0, span, 1)).astype(np.float32, order="C")
    return _descend(graph, begin, None, epochs=epochs, step=STEP, min_dist=min_dist, seed=seed, report=report)


def place_new(rows: NDArray[np.int64], distances: Vectors, coords: Vectors, *, min_dist: float, seed: int) -> Vectors:
    """Coordinates (m, dims) of new points from their nearest rows (m, k): they settle, the map does not move."""
    import scipy.sparse

    weights = _memberships(distances, local=False)
    own = np.repeat(np.arange(len(rows)), rows.shape[1])
    graph = scipy.sparse.csr_matrix((weights.ravel(), (own, rows.ravel())), shape=(len(rows), len(coords)))
    total = np.asarray(graph.sum(1)).reshape(-1, 1)
    start = np.ascontiguousarray(graph @ coords / np.where(total > 0, total, 1), np.float32)
    fixed = np.array(coords, np.float32, order="C")  # a copy: compiled code takes no read-only arrays
    return _descend(graph, start, fixed, epochs=100, step=STEP / 4, min_dist=min_dist, seed=seed)


def _descend(
    graph: Any,
    start: Vectors,
    fixed: Vectors | None,
    *,
    epochs: int,
    step: float,
    min_dist: float,
    seed: int,
    report: Callable[[float], None] = lambda fraction: None,
) -> Vectors:
    """Run the passes; points move against each other, or against `fixed` ones."""
    from embedkit.umap_kernel import descend

    edges = graph.tocsr().copy()
    largest = edges.data.max(initial=0)
    edges.data[edges.data < largest / epochs] = 0  # an edge that would never be due
    edges.eliminate_zeros()
    edges.sort_indices()
    period = (largest / edges.data).astype(np.float32)
    due = period.copy()
    starts, tails = edges.indptr.astype(np.int32), edges.indices.astype(np.int32)
    state = np.random.default_rng(seed).integers(1, 2**63, len(start)).astype(np.uint64)
    a, b = (np.float32(value) for value in curve(min_dist))
    pulls = np.float32(2 if fixed is None else 1)
    cuts = np.searchsorted(starts, np.linspace(0, starts[-1], THREADS + 1))
    cuts[0], cuts[-1] = 0, len(start)
    old, new = start.copy(), start.copy()
    with ThreadPoolExecutor(THREADS) as pool:
        for epoch in range(epochs):
            if epoch % REPORT_EVERY == 0:
                report(epoch / epochs)
            alpha = np.float32(step * (1 - epoch / epochs))
            others = old if fixed is None else fixed
            parts = [
                pool.submit(
                    descend, old, new, others, starts, tails, period, due, state,
                    a, b, np.float32(REPULSION), pulls, alpha, np.float32(epoch), int(first), int(last),
                )
                for first, last in pairwise(cuts)
            ]  # fmt: skip
            for part in parts:
                part.result()
            old, new = new, old
    return old


def warm() -> None:
    """Compile, or read from disk, all that a first UMAP needs, on twelve points."""
    import embedkit.near_kernel  # noqa: F401  # its graph of some thousands

    start = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    distances = np.linalg.norm(start[:, None] - start[None], axis=-1).astype(np.float32)
    indices = np.argsort(distances, 1)[:, :5].astype(np.int32)
    near = np.take_along_axis(distances, indices.astype(np.int64), 1)
    coords = layout(fuzzy_graph(indices, near), start, epochs=5, min_dist=0.1, seed=0)
    place_new(indices[:2].astype(np.int64), near[:2], coords, min_dist=0.1, seed=0)

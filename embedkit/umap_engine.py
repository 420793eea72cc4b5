"""umap-learn's own steps, fed with our kNN graph, its compiled code kept on disk between processes.

Calling the steps in place of the UMAP class leaves out NN-descent, the spectral start and half of the compile time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.space import Vectors

__all__ = ["fuzzy_graph", "layout", "place_new", "warm"]


@lru_cache(maxsize=1)
def _umap() -> tuple[Any, Any]:
    """umap's two modules, with numba's on-disk cache switched on for the functions that leave it off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap warns at import that TensorFlow is absent
        import umap.layouts as layouts
        import umap.umap_ as umap
    for module in (umap, layouts):
        for function in vars(module).values():
            if type(function).__name__ == "CPUDispatcher":
                try:
                    function.enable_caching()
                except RuntimeError:  # no folder to write the cache to: compile in memory, as umap would
                    return umap, layouts
    return umap, layouts


@lru_cache(maxsize=64)
def _curve(min_dist: float) -> tuple[float, float]:
    a, b = _umap()[0].find_ab_params(1.0, min_dist)
    return float(a), float(b)


def fuzzy_graph(indices: NDArray[np.int32], distances: Vectors, seed: int) -> Any:
    """The symmetric weighted graph of UMAP, sparse (n, n), from neighbors that include each item itself first."""
    umap, _ = _umap()
    k = indices.shape[1]
    graph, _, _ = umap.fuzzy_simplicial_set(
        np.empty((len(indices), 1), np.float32),  # read only for its length once the neighbors are given
        k,
        np.random.RandomState(seed),
        "precomputed_knn",
        knn_indices=np.ascontiguousarray(indices, np.int32),
        knn_dists=np.ascontiguousarray(distances, np.float32),
    )
    return graph


class _Progress:
    """Stands in for tqdm's output file: each line it would print becomes a report."""

    def __init__(self, report: Callable[[float], None]) -> None:
        self.report = report
        self.bar: Any = None

    def write(self, text: str) -> None:
        percent = text.strip().split("%")[0].strip()
        if percent.isdigit():
            self.report(int(percent) / 100)

    def flush(self) -> None:
        """Nothing is kept back."""


def layout(
    graph: Any,
    start: Vectors,
    *,
    epochs: int,
    min_dist: float,
    seed: int,
    report: Callable[[float], None] = lambda fraction: None,
) -> Vectors:
    """Coordinates (n, dims) after `epochs` passes of UMAP's gradient descent; one thread, so the seed decides."""
    umap, layouts = _umap()
    graph = graph.tocoo()
    graph.sum_duplicates()
    weights = graph.data.copy()
    keep = weights >= weights.max(initial=0) / epochs
    head, tail, weights = graph.row[keep], graph.col[keep], weights[keep]
    a, b = _curve(min_dist)
    span = start.max(0) - start.min(0)
    coords = (10.0 * (start - start.min(0)) / np.where(span > 0, span, 1)).astype(np.float32, order="C")
    state = np.random.RandomState(seed).randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64)
    result = layouts.optimize_layout_euclidean(
        coords,
        coords,
        head,
        tail,
        epochs,
        len(coords),
        umap.make_epochs_per_sample(weights, epochs),
        a,
        b,
        state,
        parallel=False,
        move_other=True,
        tqdm_kwds={"disable": False, "file": _Progress(report), "mininterval": 0.2, "ncols": 0, "ascii": True},
    )
    return np.asarray(result, np.float32)


def place_new(rows: NDArray[np.int64], distances: Vectors, coords: Vectors, *, min_dist: float, seed: int) -> Vectors:
    """Coordinates (m, dims) of new points from their nearest rows (m, k): UMAP.transform with an exact search."""
    umap, layouts = _umap()
    import scipy.sparse

    indices = np.ascontiguousarray(rows, np.int32)
    distances = np.ascontiguousarray(distances, np.float32)
    sigmas, rhos = umap.smooth_knn_dist(distances, float(indices.shape[1]), local_connectivity=0.0)
    r, c, v, _ = umap.compute_membership_strengths(indices, distances, sigmas, rhos, bipartite=True)
    graph = scipy.sparse.coo_matrix((v, (r, c)), shape=(len(indices), len(coords)))
    csr = graph.tocsr()
    total = np.asarray(csr.sum(1))
    start = np.asarray(csr @ coords / np.where(total > 0, total, 1), np.float32)
    epochs = 100
    weights = graph.data.copy()
    keep = weights >= weights.max(initial=0) / epochs
    a, b = _curve(min_dist)
    state = np.random.RandomState(seed).randint(-(2**31) + 1, 2**31 - 2, 3).astype(np.int64)
    placed = layouts.optimize_layout_euclidean(
        np.ascontiguousarray(start),
        np.array(coords, np.float32),
        graph.row[keep],
        graph.col[keep],
        epochs,
        len(coords),
        umap.make_epochs_per_sample(weights[keep], epochs),
        a,
        b,
        state,
        initial_alpha=0.25,
        parallel=False,
        tqdm_kwds={"disable": True},
    )
    return np.asarray(placed, np.float32)


def warm() -> None:
    """Import and compile all that a first UMAP needs, on twelve points."""
    start = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    distances = np.linalg.norm(start[:, None] - start[None], axis=-1).astype(np.float32)
    indices = np.argsort(distances, 1)[:, :5].astype(np.int32)
    near = np.take_along_axis(distances, indices.astype(np.int64), 1)
    graph = fuzzy_graph(indices, near, 0)
    coords = layout(graph, start, epochs=5, min_dist=0.1, seed=0)
    place_new(indices[:2].astype(np.int64), near[:2], coords, min_dist=0.1, seed=0)

"""How far a projection can be believed: for the whole map and for each point, against the original space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.neighbors import KnnGraph, Metric, knn_graph, search
from embedkit.projection import Projection
from embedkit.space import Space, Vectors

__all__ = ["Quality", "lost_and_invented", "map_neighbors", "measure"]

SAMPLE = 2_000  # points whose ranks are counted; over all n^2 ranks of 22,000 points this would take a minute
PAIRS = 20_000  # pairs of points for the rank correlation of distances


@dataclass(frozen=True)
class Quality:
    """Figures from 0 (nothing kept) to 1 (all kept), for neighborhoods of k; `spearman` runs from -1 to 1.

    trustworthiness: are the map's neighbors real; continuity: are the real neighbors on the map (Venna and Kaski 2001);
    recall: share of the k true neighbors among the k on the map; spearman: rank correlation of pairwise distances;
    `point_recall` float32 (n,) is the recall of each point; `sampled` of the n points were used for the first two.
    """

    k: int
    trustworthiness: float
    continuity: float
    recall: float
    spearman: float
    point_recall: Vectors
    sampled: int


def map_neighbors(projection: Projection, k: int) -> NDArray[np.int32]:
    """The k nearest other points of each point on the map, int32 (n, k): to compare, never to answer from."""
    from scipy.spatial import cKDTree

    n = len(projection.coords)
    k = max(min(k, n - 1), 0)
    if k == 0:
        return np.empty((n, 0), np.int32)
    _, found = cKDTree(projection.coords).query(projection.coords, k + 1, workers=2)
    own = found == np.arange(n)[:, None]
    own[~own.any(1), -1] = True  # among many equal points one may miss itself
    near: NDArray[np.int32] = found[~own].reshape(n, k).astype(np.int32)
    return near


def measure(space: Space, projection: Projection, k: int = 10, metric: Metric = "cosine", seed: int = 0) -> Quality:
    """Measure a projection of `space`; k is cut to what n allows (2k < n).

    Up to 2,000 points all ranks are counted; beyond that for a seeded sample of 2,000 points against all n.
    """
    if len(projection.coords) != space.n:
        raise InputError(f"The map has {len(projection.coords):,} points, the space {space.n:,} items.")
    n, k = space.n, max(min(k, (space.n - 1) // 2), 0)
    if k == 0:
        return Quality(0, 1.0, 1.0, 1.0, 1.0, np.ones(n, np.float32), n)
    graph = knn_graph(space, k, metric)
    near = map_neighbors(projection, k)
    point_recall = _overlap(graph, near)
    rng = np.random.default_rng(seed)
    rows = np.arange(n) if n <= SAMPLE else np.sort(rng.choice(n, SAMPLE, replace=False))
    trust, keep = _rank_penalties(space, projection, graph, near, rows, metric)
    worst = len(rows) * k * (2 * n - 3 * k - 1) / 2
    return Quality(
        k=k,
        trustworthiness=1 - trust / worst,
        continuity=1 - keep / worst,
        recall=float(point_recall.mean()),
        spearman=_spearman(space, projection, metric, rng),
        point_recall=point_recall,
        sampled=len(rows),
    )


def _overlap(graph: KnnGraph, near: NDArray[np.int32]) -> Vectors:
    hits = (graph.indices[:, :, None] == near[:, None, :]).any(2).mean(1)
    share: Vectors = hits.astype(np.float32)
    share.flags.writeable = False
    return share


def _original_distances(space: Space, rows: NDArray[np.int64], metric: Metric) -> Vectors:
    from embedkit.neighbors import _scores

    return -_scores(space, space.vectors[rows], metric)


def _rank_penalties(
    space: Space,
    projection: Projection,
    graph: KnnGraph,
    near: NDArray[np.int32],
    rows: NDArray[np.int64],
    metric: Metric,
) -> tuple[float, float]:
    """Sums over the sampled rows of rank - k: original ranks of invented neighbors, map ranks of lost ones."""
    k, trust, keep = near.shape[1], 0.0, 0.0
    coords = projection.coords.astype(np.float64)
    for chunk in np.array_split(rows, max(1, len(rows) * space.n // 4_000_000)):
        original = _original_distances(space, chunk, metric)
        original[np.arange(len(chunk)), chunk] = -np.inf
        squares = ((coords[chunk, None, :] - coords[None, :, :]) ** 2).sum(2)
        squares[np.arange(len(chunk)), chunk] = -np.inf
        trust += _excess(original, near[chunk], graph.indices[chunk], k)
        keep += _excess(squares, graph.indices[chunk], near[chunk], k)
    return trust, keep


def _excess(distances: NDArray, listed: NDArray[np.int32], true: NDArray[np.int32], k: int) -> float:  # type: ignore[type-arg]
    """How far beyond k the listed points that are not among the true ones rank, summed."""
    total = 0.0
    for line, names, real in zip(distances, listed, true, strict=True):
        wrong = np.setdiff1d(names, real, assume_unique=True)
        if len(wrong):
            ranks = np.searchsorted(np.sort(line), line[wrong], side="left")  # the point itself is rank 0
            total += float(np.maximum(ranks - k, 0).sum())
    return total


def _spearman(space: Space, projection: Projection, metric: Metric, rng: np.random.Generator) -> float:
    from scipy.stats import spearmanr

    a, b = rng.integers(0, space.n, (2, PAIRS))
    a, b = a[a != b], b[a != b]
    if metric == "euclidean":
        original = np.linalg.norm(space.vectors[a] - space.vectors[b], axis=1)
    else:
        vectors = space.unit if metric == "cosine" else space.vectors
        original = -np.einsum("ij,ij->i", vectors[a], vectors[b])
    on_map = np.linalg.norm(projection.coords[a] - projection.coords[b], axis=1)
    if np.ptp(original) == 0 or np.ptp(on_map) == 0:
        return 1.0 if np.ptp(original) == np.ptp(on_map) else 0.0
    return float(spearmanr(original, on_map).statistic)


def lost_and_invented(
    space: Space, projection: Projection, item: str, k: int = 10, metric: Metric = "cosine"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of the k neighbors of an item: the true ones that its map neighborhood lacks, and those only the map shows."""
    row = space.row(item)
    true = [n.row for n in search(space, item, min(k, space.n - 1), metric) if not n.asked] if space.n > 1 else []
    shown = [int(i) for i in _map_row(projection, row, len(true))]
    lost = tuple(space.items[i] for i in true if i not in shown)
    invented = tuple(space.items[i] for i in shown if i not in true)
    return lost, invented


def _map_row(projection: Projection, row: int, k: int) -> NDArray[np.int64]:
    squares = ((projection.coords - projection.coords[row]) ** 2).sum(1).astype(np.float64)
    squares[row] = np.inf
    return np.argsort(squares, kind="stable")[:k]

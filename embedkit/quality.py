"""How far a projection can be believed: for the whole map and for each point, against the original space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.neighbors import EXACT_LIMIT, Metric, knn_graph, pair_distances, search
from embedkit.projection import Projection
from embedkit.space import Space, Vectors, frozen

__all__ = ["Quality", "lost_and_invented", "map_neighbors", "measure"]

SAMPLE = 2_000  # points whose ranks are counted; over all n^2 ranks of 22,000 points this would take a minute
SCORES, FEWEST = 40_000_000, 100  # beyond 50,000 points: distances that are taken, and the smallest sample
BLOCK = 4_000_000  # distances at once
PAIRS = 20_000  # pairs of points for the rank correlation of distances


@dataclass(frozen=True)
class Quality:
    """Figures from 0 (nothing kept) to 1 (all kept), for neighborhoods of k; `spearman` runs from -1 to 1.

    trustworthiness: are the map's neighbors real; continuity: are the real neighbors on the map (Venna and Kaski 2001);
    recall: share of the k true neighbors among the k on the map; spearman: rank correlation of pairwise distances;
    `point_recall` float32 (n,) is the recall of each point; `sampled` of the n points were used for the first two, and
    above EXACT_LIMIT points for the recall as well: the others have nan in `point_recall`.
    """

    k: int
    trustworthiness: float
    continuity: float
    recall: float
    spearman: float
    point_recall: Vectors
    sampled: int


def map_neighbors(projection: Projection, k: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.int32]:
    """The k nearest other points on the map of each point, or of some `rows`, int32 (m, k): to compare alone."""
    from scipy.spatial import cKDTree

    n = len(projection.coords)
    asked = np.arange(n) if rows is None else rows
    k = max(min(k, n - 1), 0)
    if k == 0:
        return np.empty((len(asked), 0), np.int32)
    _, found = cKDTree(projection.coords).query(projection.coords[asked], k + 1, workers=2)
    own = found == asked[:, None]
    own[~own.any(1), -1] = True  # among many equal points one may miss itself
    near: NDArray[np.int32] = found[~own].reshape(len(asked), k).astype(np.int32)
    return near


def measure(
    space: Space,
    projection: Projection,
    k: int = 10,
    metric: Metric = "cosine",
    seed: int = 0,
    most: int | None = None,
) -> Quality:
    """Measure a projection of `space`; k is cut to what n allows (2k < n).

    Up to 2,000 points all ranks are counted; beyond that for a seeded sample of 2,000 points against all n. Beyond
    50,000 the true neighbors are looked for, exactly, for the sample alone, which falls to 100 at 1,000,000.
    With `most` so it is for more points than that, and the sample is no larger: quick, as it takes no graph.
    """
    if len(projection.coords) != space.n:
        raise InputError(f"The map has {len(projection.coords):,} points, the space {space.n:,} items.")
    n, k = space.n, max(min(k, (space.n - 1) // 2), 0)
    if k == 0:
        return Quality(0, 1.0, 1.0, 1.0, 1.0, np.ones(n, np.float32), n)
    rng = np.random.default_rng(seed)
    limit = SAMPLE if n <= EXACT_LIMIT else int(min(SAMPLE, max(FEWEST, SCORES // n)))
    limit = limit if most is None else min(limit, most)
    rows = np.arange(n) if n <= limit else np.sort(rng.choice(n, limit, replace=False))
    if n <= EXACT_LIMIT and (most is None or n <= most):
        true = knn_graph(space, k, metric).indices
        near = map_neighbors(projection, k)
        point_recall = _overlap(true, near)
        true, near = true[rows], near[rows]
    else:
        true, near = _true_of(space, rows, k, metric), map_neighbors(projection, k, rows)
        whole = np.full(n, np.nan, np.float32)
        whole[rows] = _overlap(true, near)
        point_recall = frozen(whole)
    trust, keep = _rank_penalties(space, projection, true, near, rows, metric)
    worst = len(rows) * k * (2 * n - 3 * k - 1) / 2
    return Quality(
        k=k,
        trustworthiness=1 - trust / worst,
        continuity=1 - keep / worst,
        recall=float(np.nanmean(point_recall)),
        spearman=_spearman(space, projection, metric, rng),
        point_recall=point_recall,
        sampled=len(rows),
    )


def _true_of(space: Space, rows: NDArray[np.int64], k: int, metric: Metric) -> NDArray[np.int32]:
    """The k nearest others of some rows among all, exact, in blocks.  # (m, k)"""
    found = []
    for chunk in np.array_split(rows, max(1, len(rows) * space.n // BLOCK)):
        distances = _original_distances(space, chunk, metric)
        distances[np.arange(len(chunk)), chunk] = np.inf
        best = np.argpartition(distances, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(distances, best, 1), axis=1, kind="stable")
        found.append(np.take_along_axis(best, order, 1))
    return np.concatenate(found).astype(np.int32)


def _overlap(true: NDArray[np.int32], near: NDArray[np.int32]) -> Vectors:
    hits = (true[:, :, None] == near[:, None, :]).any(2).mean(1)
    share: Vectors = hits.astype(np.float32)
    share.flags.writeable = False
    return share


def _original_distances(space: Space, rows: NDArray[np.int64], metric: Metric) -> Vectors:
    from embedkit.neighbors import _scores

    return -_scores(space, space.vectors[rows], metric)


def _rank_penalties(
    space: Space,
    projection: Projection,
    true: NDArray[np.int32],
    near: NDArray[np.int32],
    rows: NDArray[np.int64],
    metric: Metric,
) -> tuple[float, float]:
    """Sums over the sampled rows of rank - k: original ranks of invented neighbors, map ranks of lost ones.

    `true` and `near` are the neighbors of these rows, (m, k) each.
    """
    k, trust, keep = near.shape[1], 0.0, 0.0
    coords = projection.coords.astype(np.float64)
    for places in np.array_split(np.arange(len(rows)), max(1, len(rows) * space.n // BLOCK)):
        chunk = rows[places]
        original = _original_distances(space, chunk, metric)
        original[np.arange(len(chunk)), chunk] = -np.inf
        squares = ((coords[chunk, None, :] - coords[None, :, :]) ** 2).sum(2)
        squares[np.arange(len(chunk)), chunk] = -np.inf
        trust += _excess(original, near[places], true[places], k)
        keep += _excess(squares, true[places], near[places], k)
    return trust, keep


def _excess(distances: NDArray, listed: NDArray[np.int32], true: NDArray[np.int32], k: int) -> float:  # type: ignore[type-arg]
    """How far beyond k the listed points that are not among the true ones rank, summed."""
    total = 0.0
    for line, names, real in zip(distances, listed, true, strict=True):
        wrong = np.setdiff1d(names, real, assume_unique=True)
        if len(wrong):
            if len(line) > EXACT_LIMIT:  # counting a few ranks costs less than sorting all
                ranks = np.array([(line < value).sum() for value in line[wrong]])
            else:
                ranks = np.searchsorted(np.sort(line), line[wrong], side="left")  # the point itself is rank 0
            total += float(np.maximum(ranks - k, 0).sum())
    return total


def _spearman(space: Space, projection: Projection, metric: Metric, rng: np.random.Generator) -> float:
    from scipy.stats import spearmanr

    a, b = rng.integers(0, space.n, (2, PAIRS))
    a, b = a[a != b], b[a != b]
    original = pair_distances(space, a, b, metric)
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
    if k < 1:
        return np.empty(0, np.int64)
    near = np.flatnonzero(squares <= np.partition(squares, k - 1)[k - 1])  # to sort a million takes too long
    return near[np.argsort(squares[near], kind="stable")][:k]

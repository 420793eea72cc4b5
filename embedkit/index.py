"""The k nearest of every item: each beside all, or above some tens of thousands each beside the cells that are near it.

The cells are those of k-means (an inverted file: Sivic and Zisserman 2003; Jegou, Douze and Schmid 2011). How many of
them an item must be held against is learned from items whose true neighbors were found, and what that gives is measured
on others. Where it takes most of them, as of vectors in no groups, all are compared: the worst case is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.space import Vectors

__all__ = ["Found", "every_pair", "near_cells"]

Rows = NDArray[np.int32]
Report = Callable[[float], None]

THREADS = 2
LINES, WIDTH = 512, 4096  # of one product: what a core's cache and an early kth best like
GROUP = 2048  # items that are held against cells at once
SAMPLE = 500  # items that choose how many cells, and as many others that measure
ENOUGH, AIM = 0.99, 0.996  # share of true neighbors; what the choice aims at, so that the measure rarely falls short
MOST = 0.4  # share of the cells beyond which to compare all costs hardly more
CELLS, A_CELL = 2.0, 40  # cells for each root of n, points for each cell that k-means learns from
ROUNDS = 10  # of k-means
NONE = np.iinfo(np.int32).max  # no row: the end of a list that is not full


@dataclass(frozen=True, eq=False)
class Found:
    """`rows` int32 (n, k) and their `scores` float32 (n, k), falling; `recall` on `sampled` items, or None: exact."""

    rows: Rows
    scores: Vectors
    recall: float | None = None
    sampled: int = 0


class _Points:
    """Vectors whose scores are products: as they are, or for Euclidean distances in double and from their middle."""

    def __init__(self, vectors: NDArray[np.floating], metric: str) -> None:
        self.n, self.metric = len(vectors), metric
        self.ceiling = np.float32(1 if metric == "cosine" else np.inf)  # where rounding carries a cosine
        self.vectors = vectors
        if metric == "euclidean":  # |a - b|^2 as a^2 - 2ab + b^2 loses its digits far from the origin
            self.vectors = vectors - vectors.mean(0, dtype=np.float64)
            self.squares = np.einsum("ij,ij->i", self.vectors, self.vectors)

    def taken(self, rows: Rows) -> _Points:
        """Some of the points, or all in another order."""
        found = copy(self)
        found.n, found.vectors = len(rows), self.vectors[rows]
        if self.metric == "euclidean":
            found.squares = self.squares[rows]
        return found

    def scores(self, lines: slice | Rows, columns: slice) -> Vectors:
        """Products of some points with others, or minus their squared distances, float32 (m, w)."""
        found = self.vectors[lines] @ self.vectors[columns].T
        if self.metric == "euclidean":
            found *= 2
            found -= self.squares[lines][:, None]
            found -= self.squares[columns]
        return np.asarray(found, np.float32)


def _nowhere(n: int, k: int) -> tuple[Vectors, Rows]:
    return np.full((n, k), -np.inf, np.float32), np.full((n, k), NONE, np.int32)


def _shared_out(work: Callable[[int], object], starts: Sequence[int], report: Report) -> None:
    """Do each part on two threads, with one thread a product; a `report` that raises ends the work."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(THREADS) as pool:
        parts = [pool.submit(work, start) for start in starts]
        try:
            for done, part in enumerate(parts):
                report(done / len(parts))
                part.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def every_pair(vectors: Vectors, k: int, metric: str, report: Report = lambda done: None) -> Found:
    """The k nearest others of all items by product, or by minus the squared distance; exact.

    For cosine give vectors of length 1.
    """
    return _every_pair(_Points(vectors, metric), k, report)


def _every_pair(points: _Points, k: int, report: Report, rows: Rows | None = None) -> Found:
    """The same of all items, or of some `rows`."""
    from embedkit.near_kernel import keep_best

    names = np.arange(points.n, dtype=np.int32)
    asked = names if rows is None else rows
    places = np.arange(len(asked), dtype=np.int32)
    best, found = _nowhere(len(asked), k)

    def fill(start: int) -> None:
        own, mine = asked[start : start + LINES], places[start : start + LINES]
        lines = slice(start, start + LINES) if rows is None else own
        for column in range(0, points.n, WIDTH):
            columns = slice(column, column + WIDTH)
            keep_best(points.scores(lines, columns), points.ceiling, mine, own, names[columns], best, found)

    _shared_out(fill, range(0, len(asked), LINES), report)
    return Found(found, best)


def near_cells(vectors: Vectors, k: int, metric: str, seed: int = 0, report: Report = lambda done: None) -> Found:
    """The k nearest others of all items by cosine (of vectors of length 1) or minus the squared distance.

    At least .99 of the true ones, as measured on 500 items that had no part in the choice; where that takes most of the
    cells, all are compared. Same seed, same bytes.
    """
    points, rng = _Points(vectors, metric), np.random.default_rng(seed)
    middles, cells = _cells(points, rng)
    report(0.05)
    sample = rng.choice(points.n, min(2 * SAMPLE, points.n), replace=False).astype(np.int32)
    true = _every_pair(points, k, lambda done: report(0.05 + 0.05 * done), sample)
    half = len(sample) // 2
    # To a zero vector all cosines are 0: its list is any, in any cells, and says nothing of where to look.
    telling = np.flatnonzero(true.scores[:half, 0] > true.scores[:half, -1])
    probes = _enough(_nearness(points, sample[telling], middles), cells, true.rows[telling]) if len(telling) else 1
    tested, least = sample[half:], true.scores[half:, -1:]
    # Among equals any is right, so what counts is how near it is; in another block a product has another last digit.
    least = least - 1e-6 * (np.abs(least) if metric == "euclidean" else 1)
    while probes <= MOST * len(middles):
        found = _among_cells(points, k, middles, cells, probes, lambda done: report(0.1 + 0.9 * done))
        recall = float((found.scores[tested] >= least).mean())
        if recall >= ENOUGH:
            return Found(found.rows, found.scores, recall, len(tested))
        probes *= 2
    return _every_pair(points, k, report)


def _nearness(points: _Points, lines: slice | Rows, middles: NDArray[np.floating]) -> Vectors:
    """How near some points are to the middles of the cells, larger is nearer.  # (m, cells)"""
    return np.asarray(points.vectors[lines] @ middles.T - (middles**2).sum(1) / 2, np.float32)


def _cells(points: _Points, rng: np.random.Generator) -> tuple[NDArray[np.floating], Rows]:
    """Middles (cells, d) by k-means on a sample, and the cell of every point (n,)."""
    count = int(CELLS * np.sqrt(points.n))
    some = points.taken(np.sort(rng.choice(points.n, min(points.n, A_CELL * count), replace=False)).astype(np.int32))
    middles = some.vectors[np.sort(rng.choice(some.n, count, replace=False))]
    for _ in range(ROUNDS):
        nearest = _assigned(some, middles)
        order = np.argsort(nearest, kind="stable")
        filled, sizes = np.unique(nearest, return_counts=True)
        sums = np.add.reduceat(some.vectors[order], np.cumsum(sizes) - sizes, axis=0)
        middles[filled] = sums / sizes[:, None]
    return middles, _assigned(points, middles)


def _assigned(points: _Points, middles: NDArray[np.floating]) -> Rows:
    nearest = np.empty(points.n, np.int32)

    def fill(start: int) -> None:
        lines = slice(start, start + WIDTH)
        nearest[lines] = _nearness(points, lines, middles).argmax(1)

    _shared_out(fill, range(0, points.n, WIDTH), lambda done: None)
    return nearest


def _enough(nearness: Vectors, cells: Rows, true: Rows) -> int:
    """How many of its nearest cells an item needs to be held against, for AIM of all the true neighbors (m, k)."""
    own = np.take_along_axis(nearness, cells[true].astype(np.int64), 1)
    ahead = np.stack([(nearness > column[:, None]).sum(1) for column in own.T], 1)
    return int(np.quantile(ahead, AIM, method="higher")) + 1


def _among_cells(
    points: _Points, k: int, middles: NDArray[np.floating], cells: Rows, probes: int, report: Report
) -> Found:
    """The k nearest of each point among those in its `probes` nearest cells, or among all where these hold fewer."""
    from embedkit.near_kernel import keep_best

    order = np.argsort(cells, kind="stable").astype(np.int32)
    starts = np.searchsorted(cells[order], np.arange(len(middles) + 1))
    by_cell = points.taken(order)  # so that a cell is one slice, and points that ask together ask the same cells
    best, found = _nowhere(points.n, k)

    def fill(start: int) -> None:
        nearness = _nearness(by_cell, slice(start, start + GROUP), middles)
        asked = nearness >= np.partition(nearness, -probes, axis=1)[:, -probes, None]
        for cell in np.flatnonzero(asked.any(0) & (np.diff(starts) > 0)):
            mine = (np.flatnonzero(asked[:, cell]) + start).astype(np.int32)
            own = order[mine]
            for first in range(starts[cell], starts[cell + 1], WIDTH):
                part = slice(first, min(first + WIDTH, starts[cell + 1]))
                keep_best(by_cell.scores(mine, part), points.ceiling, own, own, order[part], best, found)

    _shared_out(fill, range(0, points.n, GROUP), report)
    short = np.flatnonzero(found[:, -1] == NONE).astype(np.int32)
    if len(short):
        rest = _every_pair(points, k, lambda done: None, short)
        found[short], best[short] = rest.rows, rest.scores
    return Found(found, best)

"""What is near: exact search, the kNN graph, analogies, axes, odd one out. The one home of "near"."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal, overload
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import Space, Vectors, to_unit

__all__ = [
    "Analogy",
    "Axis",
    "KnnGraph",
    "Metric",
    "Neighbor",
    "OddOneOut",
    "analogy",
    "axis",
    "axis_between",
    "cosine",
    "extremes",
    "graph_at_hand",
    "knn_graph",
    "odd_one_out",
    "pair_distances",
    "search",
]

Metric = Literal["cosine", "dot", "euclidean"]
METRICS: tuple[Metric, ...] = ("cosine", "dot", "euclidean")

EXACT_LIMIT = 50_000  # rows; an exact graph costs n^2 d multiplications, beyond this an index finds nearly all sooner
COMPILED = 5_000  # rows from which an exact graph gains more by compiled code than it takes to load
LEAST = 15  # neighbors that a graph from an index holds, so that one of them serves most who ask
BLOCK_BYTES = 64 * 2**20  # one block of the distance matrix; the whole would be n x n
THREADS = 2


@dataclass(frozen=True)
class Neighbor:
    """One row of an answer: `score` is a similarity (cosine, dot) or a distance (euclidean), `rank` counts from 1 over
    all items, `asked` marks items that were part of the question."""

    item: str
    row: int
    score: float
    rank: int
    asked: bool


def cosine(a: Vectors, b: Vectors) -> float:
    """Cosine similarity of two vectors; 0 when one of them is zero."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0


def pair_distances(space: Space, a: NDArray[np.int64], b: NDArray[np.int64], metric: Metric) -> Vectors:
    """How far the items in rows `a` are from those in rows `b`, (m,): Euclidean, or minus cosine or dot product."""
    if metric == "euclidean":
        return np.asarray(np.linalg.norm(space.vectors[a] - space.vectors[b], axis=1))
    vectors = space.unit if metric == "cosine" else space.vectors
    return np.asarray(-np.einsum("ij,ij->i", vectors[a], vectors[b]))


def _scores(space: Space, queries: Vectors, metric: Metric) -> Vectors:
    """Similarity of each query to each item, larger is nearer (Euclidean: the negative distance).  # (q, n)"""
    if metric not in METRICS:
        raise InputError(f"There is no metric '{metric}'; use one of {', '.join(METRICS)}.")
    if metric == "cosine":
        scores: Vectors = to_unit(queries) @ space.unit.T
        return np.clip(scores, -1, 1, out=scores)
    if metric == "dot":
        return np.asarray(queries @ space.vectors.T)
    # |a - b|^2 as a^2 - 2ab + b^2 loses its digits far from the origin: move the middle there, count in double.
    middle = space.vectors.mean(0, dtype=np.float64)
    a, b = queries - middle, space.vectors - middle
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)[None, :]
    return np.asarray(-np.sqrt(np.maximum(squares, 0)), np.float32)


@overload
def search(space: Space, query: str, k: int = ..., metric: Metric = ...) -> tuple[Neighbor, ...]: ...  # type: ignore[overload-overlap]  # a str is a sequence of str
@overload
def search(space: Space, query: Vectors, k: int = ..., metric: Metric = ...) -> Any: ...
@overload
def search(space: Space, query: Sequence[str], k: int = ..., metric: Metric = ...) -> list[tuple[Neighbor, ...]]: ...
def search(
    space: Space, query: str | Vectors | Sequence[str], k: int = 10, metric: Metric = "cosine"
) -> tuple[Neighbor, ...] | list[tuple[Neighbor, ...]]:
    """The k nearest items of a query, exact.

    `query` is an item, a vector (d,), a list of items, or several vectors (q, d); the last two give one list a query.
    A queried item stays in its list, marked `asked`, and does not count toward k. Raises UnknownItem and InputError.
    """
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}.")
    if isinstance(query, str):
        return search(space, [query], k, metric)[0]
    if isinstance(query, np.ndarray):
        queries = np.asarray(query, np.float32)
        single = queries.ndim == 1
        queries = queries[None] if single else queries
        if queries.ndim != 2 or queries.shape[1] != space.d:
            raise InputError(f"A query of shape {query.shape} does not fit vectors of {space.d} numbers.")
        answers = [_nearest(space, row, k, ()) for row in _scores(space, queries, metric)]
        answers = [_as_distances(answer) for answer in answers] if metric == "euclidean" else answers
        return answers[0] if single else answers
    rows = [space.row(item) for item in query]
    if not rows:
        return []
    scores = _scores(space, space.vectors[rows], metric)
    answers = [_nearest(space, line, k, (row,)) for line, row in zip(scores, rows, strict=True)]
    return [_as_distances(answer) for answer in answers] if metric == "euclidean" else answers


def _nearest(space: Space, scores: Vectors, k: int, asked: tuple[int, ...]) -> tuple[Neighbor, ...]:
    """The k best rows that were not asked, and the asked ones at their true rank."""
    wanted = min(k + len(asked), space.n)
    least = np.partition(scores, space.n - wanted)[space.n - wanted]
    best = np.flatnonzero(scores >= least)  # all that tie with the last one, so that ties fall by row
    best = best[np.lexsort((best, -scores[best]))][:wanted]
    free = [int(row) for row in best if row not in asked][:k]
    chosen = sorted({*free, *asked}, key=lambda row: (-scores[row], row))
    place = {int(row): rank for rank, row in enumerate(best, start=1)}
    return tuple(
        Neighbor(space.items[r], r, float(scores[r]), place.get(r) or _rank(scores, r), r in asked) for r in chosen
    )


def _rank(scores: Vectors, row: int) -> int:
    ahead = (scores > scores[row]) | ((scores == scores[row]) & (np.arange(len(scores)) < row))
    return int(ahead.sum()) + 1


def _as_distances(answer: tuple[Neighbor, ...]) -> tuple[Neighbor, ...]:
    return tuple(Neighbor(n.item, n.row, -n.score, n.rank, n.asked) for n in answer)


@dataclass(frozen=True)
class Analogy:
    """a is to b as c is to ?: the raw point b - a + c and the items nearest to it, the asked ones marked."""

    a: str
    b: str
    c: str
    point: Vectors
    neighbors: tuple[Neighbor, ...]

    @property
    def answer(self) -> Neighbor | None:
        """The nearest item that was not asked, as the usual rule picks it."""
        return next((neighbor for neighbor in self.neighbors if not neighbor.asked), None)


def analogy(space: Space, a: str, b: str, c: str, k: int = 10) -> Analogy:
    """Solve a : b = c : ? by the point b - a + c of unit vectors and cosine (3CosAdd, Mikolov et al. 2013).

    The asked words stay in the list at their true ranks: often one of them is nearest, which the usual rule hides.
    """
    rows = tuple(space.row(item) for item in (a, b, c))
    unit = space.unit
    point: Vectors = unit[rows[1]] - unit[rows[0]] + unit[rows[2]]
    scores = _scores(space, point[None], "cosine")[0]
    return Analogy(a, b, c, point, _nearest(space, scores, k, rows))


@dataclass(frozen=True)
class Axis:
    """Coordinate of every item on a direction, and how much of each item the direction does not explain.

    `direction` has length 1 (d,); `coordinates` (n,) are the unit vectors projected on it, measured from the midpoint
    of the two sets, `middle` (d,); `residual` (n,) is the length of what is left, so coordinate^2 + residual^2 is the
    squared distance of the unit vector from the midpoint.
    """

    direction: Vectors
    coordinates: Vectors
    residual: Vectors
    ends: tuple[tuple[str, ...], tuple[str, ...]]
    middle: Vectors


def axis(space: Space, pairs: Sequence[tuple[str, str]]) -> Axis:
    """The direction from the first to the second words of the pairs, averaged; raises UnknownItem and InputError."""
    if not pairs:
        raise InputError("An axis needs at least one pair of words, such as man-woman.")
    low, high = zip(*pairs, strict=True)
    first, second = (np.array([space.row(item) for item in end]) for end in (low, high))
    return axis_between(space, first, second, (low, high))


def axis_between(
    space: Space, low: NDArray[np.int64], high: NDArray[np.int64], ends: tuple[tuple[str, ...], tuple[str, ...]]
) -> Axis:
    """The direction from the mean of the unit vectors in the rows `low` to that of those in `high`.

    `ends` says what the two are called. Raises InputError when both are the same point.
    """
    below = space.unit[low].mean(0, dtype=np.float64)
    above = space.unit[high].mean(0, dtype=np.float64)
    length = float(np.linalg.norm(above - below))
    if length < 1e-6:
        said = " and ".join(", ".join(end) for end in ends)
        raise InputError(f"The two ends of the axis, {said}, are the same point.")
    direction, middle = (above - below) / length, (above + below) / 2
    coordinates, residual = np.empty(space.n, np.float32), np.empty(space.n, np.float32)
    block = max(1, BLOCK_BYTES // (8 * space.d))  # in double, but not all at once
    for start in range(0, space.n, block):
        offsets = space.unit[start : start + block] - middle
        along = offsets @ direction
        coordinates[start : start + block] = along
        residual[start : start + block] = np.sqrt(np.maximum((offsets**2).sum(1) - along**2, 0))
    return Axis(direction.astype(np.float32), coordinates, residual, ends, middle.astype(np.float32))


def extremes(space: Space, column: int, k: int = 6) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The k items with the smallest and the k with the largest value of one number, the outermost first."""
    if not 0 <= column < space.d:
        raise InputError(f"The vectors have the numbers 0 to {space.d - 1}, not {column}.")
    order = np.argsort(space.vectors[:, column], kind="stable")
    return tuple(space.items[i] for i in order[:k]), tuple(space.items[i] for i in order[::-1][:k])


@dataclass(frozen=True)
class OddOneOut:
    """The item that fits least, and for every item its mean cosine with the others (the smallest is the odd one)."""

    item: str
    fits: tuple[tuple[str, float], ...]


def odd_one_out(space: Space, items: Sequence[str]) -> OddOneOut:
    """The item with the smallest mean cosine to the others; needs three different items."""
    unique = list(dict.fromkeys(items))
    if len(unique) < 3:
        raise InputError(f"Odd one out needs at least three different items, not {len(unique)}.")
    unit = space.unit[[space.row(item) for item in unique]].astype(np.float64)
    similar = unit @ unit.T
    fits = (similar.sum(1) - np.diag(similar)) / (len(unique) - 1)
    order = np.argsort(fits, kind="stable")
    return OddOneOut(unique[order[0]], tuple((unique[i], float(fits[i])) for i in order))


@dataclass(frozen=True)
class KnnGraph:
    """The k nearest other items of every item: `indices` int32 (n, k), `distances` float32 (n, k), nearest first.

    Distances are 1 - cosine, the Euclidean distance, or minus the dot product. `exact` is False when an index made it;
    `recall` is then the share of the true neighbors that it found of `sampled` items, by exact search, else None.
    """

    indices: NDArray[np.int32]
    distances: Vectors
    metric: Metric
    recall: float | None = None
    sampled: int = 0

    @property
    def exact(self) -> bool:
        """Whether all pairs were compared."""
        return self.recall is None

    @property
    def k(self) -> int:
        """Neighbors of each item."""
        return int(self.indices.shape[1])

    def first(self, k: int) -> KnnGraph:
        """The same graph with only the k nearest; its recall stays that of the longer lists."""
        if k >= self.k:
            return self
        return replace(self, indices=self.indices[:, :k], distances=self.distances[:, :k])


_graphs: WeakKeyDictionary[Space, dict[Metric, KnnGraph]] = WeakKeyDictionary()
_making: WeakKeyDictionary[Space, threading.Lock] = WeakKeyDictionary()
_graphs_lock = threading.Lock()


def knn_graph(
    space: Space, k: int = 15, metric: Metric = "cosine", *, report: Callable[[float], None] = lambda done: None
) -> KnnGraph:
    """The kNN graph of a space, computed once per space and metric; k is cut to n - 1.

    Exact up to 50,000 rows, and by the dot product at any size; beyond that from an index (`embedkit.index`) that finds
    at least .99 of the true neighbors, as `recall` says. `report` gets the share that is done, and may raise to stop.
    Same vectors, same bytes.
    """
    if metric not in METRICS:
        raise InputError(f"There is no metric '{metric}'; use one of {', '.join(METRICS)}.")
    k = max(min(k, space.n - 1), 0)
    with _graphs_lock:
        graphs, making = _graphs.setdefault(space, {}), _making.setdefault(space, threading.Lock())
    with making:  # people who ask at once wait for one graph
        known = graphs.get(metric)
        if known is None or known.k < k or (not known.exact and known.k > max(k, LEAST)):
            # Of a longer list by an index the first k are others, and what came before must not change a result.
            known = graphs[metric] = _made_graph(space, k, metric, report)
    return known.first(k)


def graph_at_hand(space: Space, metric: Metric = "cosine") -> KnnGraph | None:
    """The graph that was made last, if there is one: to say what a map was laid out from."""
    with _graphs_lock:
        return _graphs.get(space, {}).get(metric)


def _made_graph(space: Space, k: int, metric: Metric, report: Callable[[float], None]) -> KnnGraph:
    if space.n <= min(COMPILED, EXACT_LIMIT) or k == 0:
        return _exact_graph(space, k, metric)
    from embedkit.index import every_pair, near_cells

    vectors = space.unit if metric == "cosine" else space.vectors
    # The cells of an index are near in distance, which the dot product is not: that graph stays exact at any size.
    if space.n <= EXACT_LIMIT or metric == "dot":
        found = every_pair(vectors, k, metric, report)
    else:
        found = near_cells(vectors, min(max(k, LEAST), space.n - 1), metric, report=report)
    if metric == "euclidean":
        np.sqrt(np.maximum(-found.scores, 0), out=found.scores)
        np.negative(found.scores, out=found.scores)
    distances = _distance(found.scores, metric)
    return KnnGraph(_frozen(found.rows), _frozen(distances), metric, found.recall, found.sampled)


def _exact_graph(space: Space, k: int, metric: Metric) -> KnnGraph:
    from threadpoolctl import threadpool_limits

    indices = np.empty((space.n, k), np.int32)
    distances = np.empty((space.n, k), np.float32)
    block = max(1, BLOCK_BYTES // (4 * max(space.n, 1)))

    def fill(start: int) -> None:
        rows = np.arange(start, min(start + block, space.n))
        scores = _scores(space, space.vectors[rows], metric)
        scores[np.arange(len(rows)), rows] = -np.inf  # an item is not its own neighbor
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(scores, best, 1)
        for row in np.flatnonzero((scores >= near.min(1, keepdims=True)).sum(1) > k):  # ties at the border: by row
            best[row] = np.argsort(-scores[row], kind="stable")[:k]
            near[row] = scores[row, best[row]]
        order = np.lexsort((best, -near), axis=1)
        indices[rows] = np.take_along_axis(best, order, 1)
        distances[rows] = _distance(np.take_along_axis(near, order, 1), metric)

    if k > 0:
        with threadpool_limits(1), ThreadPoolExecutor(THREADS) as pool:  # one block a thread, one thread a product
            list(pool.map(fill, range(0, space.n, block)))
    return KnnGraph(_frozen(indices), _frozen(distances), metric)


def _distance(scores: Vectors, metric: Metric) -> Vectors:
    return np.maximum(1 - scores, 0) if metric == "cosine" else -scores


def _frozen(array: NDArray) -> NDArray:  # type: ignore[type-arg]
    array.flags.writeable = False
    return array

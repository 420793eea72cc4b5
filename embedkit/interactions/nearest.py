"""Items for a user vector by inner product: exactly, and with an approximate index; what each costs.

HNSW is a graph in layers that a search walks greedily (Malkov and Yashunin 2018), here by the package voyager. It
turns the largest inner product into the nearest point with one more dimension (Bachrach et al. 2014).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.interactions.evaluation import top_items
from embedkit.space import Vectors

__all__ = [
    "EFS",
    "ITEMS_LIMIT",
    "HnswIndex",
    "RetrievalRow",
    "exact_top",
    "retrieval_table",
    "retrieval_task",
    "simulated_vectors",
]

EFS = (10, 25, 50, 100, 200, 400)
ITEMS_LIMIT = 1_000_000  # 256 MB of vectors of 64 numbers and 0.5 GB of index
AT_ONCE = 4_000_000  # inner products held at a time, 16 MB
CHUNK = 2_000  # vectors that go into an index between two looks at the stop button, at most half a second
THREADS = 2
WITHIN = 0.7  # spread of a cluster in each direction, where that of the centers is 1

Found = tuple[NDArray[np.int64], Vectors]
Progress = Callable[[float, str], object]


def exact_top(item_vectors: Vectors, query_vectors: Vectors, k: int = 10) -> Found:
    """Item numbers and inner products (q, min(k, n)) of the k items with the largest inner product, best first.

    `item_vectors` (n, d) and `query_vectors` (q, d) are multiplied block by block; ties fall by item number.
    Raises InputError on shapes that do not fit, k below 1 and NaN.
    """
    items, queries = np.asarray(item_vectors, np.float32), np.asarray(query_vectors, np.float32)
    _check(queries, items.shape[-1] if items.ndim == 2 else -1, k)
    wanted = min(k, len(items))
    found, scores = np.empty((len(queries), wanted), np.int64), np.empty((len(queries), wanted), np.float32)
    step = max(1, AT_ONCE // max(len(items), 1))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        products = queries[part] @ items.T
        found[part] = top_items(products, k=wanted)
        scores[part] = np.take_along_axis(products, found[part], 1)
    return found, scores


class HnswIndex:
    """An HNSW graph over vectors of `d` numbers for the largest inner product; grows with `add`.

    `m` links an item has in each layer (twice as many in the lowest), `ef_construction` candidates looked at for each
    new item: more of either finds more, builds slower. With two `threads` the graph, and so what is missed, differs a
    little from run to run; with one the same seed gives the same graph. Raises InputError on numbers below 1.
    """

    def __init__(
        self, d: int, *, m: int = 16, ef_construction: int = 64, seed: int = 0, threads: int = THREADS
    ) -> None:
        from voyager import Index, Space

        if min(d, m - 1, ef_construction, threads) < 1:
            raise InputError(
                "An HNSW index needs d, ef_construction and threads from 1 and m from 2, not "
                f"{d}, {ef_construction}, {threads} and {m}."
            )
        self.d, self.threads = d, threads
        settings = {"M": m, "ef_construction": ef_construction, "random_seed": seed + 1}  # to voyager 0 is 1
        self._index = Index(Space.InnerProduct, d, **settings)

    def __len__(self) -> int:
        return int(self._index.num_elements)

    @property
    def nbytes(self) -> int:
        """Bytes of the index as it would be written to a file, vectors included; in memory it takes a quarter more."""
        counted = _Counted()
        self._index.save(counted)
        return counted.n

    def add(self, vectors: Vectors) -> None:
        """Add items (n, d), numbered on from those that are there. Raises InputError on shapes and on NaN."""
        given = np.ascontiguousarray(vectors, np.float32)
        _check(given, self.d)
        if len(given):
            at = len(self)
            if at + len(given) > self._index.max_elements:
                self._index.resize(max(at + len(given), 2 * at))
            self._index.add_items(given, ids=range(at, at + len(given)), num_threads=self.threads)

    def search(self, query_vectors: Vectors, k: int = 10, *, ef: int = 100, threads: int = 1) -> Found:
        """Item numbers and inner products (q, min(k, n)) of k items that are near the largest inner product.

        `ef` candidates are kept while walking, at least k: more find more, slower. Where the walk ends with fewer than
        k items, the row ends in -1 and -inf. Raises InputError as `exact_top`.
        """
        queries = np.ascontiguousarray(query_vectors, np.float32)
        _check(queries, self.d, k)
        wanted = min(k, len(self))
        if not wanted or not len(queries):
            return np.empty((len(queries), wanted), np.int64), np.empty((len(queries), wanted), np.float32)
        from voyager import RecallError

        try:
            found, distances = self._index.query(queries, k=wanted, num_threads=threads, query_ef=max(ef, wanted))
        except RecallError:
            rows = [self._fewer(query, wanted, ef) for query in queries]
            return np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows])
        return found.astype(np.int64), 1 - distances

    def _fewer(self, query: Vectors, k: int, ef: int) -> Found:
        """As many as one search gives, up to k."""
        from voyager import RecallError

        found, scores = np.full(k, -1, np.int64), np.full(k, -np.inf, np.float32)
        for wanted in range(k, 0, -1):
            try:
                ids, distances = self._index.query(query, k=wanted, query_ef=max(ef, k))
            except RecallError:
                continue
            found[:wanted], scores[:wanted] = ids, 1 - distances
            break
        return found, scores


class _Counted(io.RawIOBase):
    """A file that keeps the length of what is written, and nothing else."""

    n = 0

    def write(self, data: Any) -> int:
        self.n += len(data)
        return len(data)

    def tell(self) -> int:
        return self.n


@dataclass(frozen=True)
class RetrievalRow:
    """What one way of searching costs: `index` is "exact" or "hnsw", `ef` None for exact.

    `recall` is the share of the exact k that was found; `milliseconds` the mean for one query at a time on one thread;
    `build_seconds` that of the index on two threads, 0 for exact; `nbytes` the vectors, with the graph for hnsw.
    """

    index: str
    ef: int | None
    recall: float
    milliseconds: float
    build_seconds: float
    nbytes: int


def simulated_vectors(n: int, d: int = 64, *, seed: int = 0, part: int = 0, rows: int | None = None) -> Vectors:
    """Made-up item vectors (n, d): Gaussian clusters, one for each sqrt(n) items, around centers of their own.

    Directions weigh less and less, as 1 / sqrt(rank), as in vectors that were learned. Another `part` draws other
    `rows` around the same centers, for queries.
    """
    weights = np.arange(1, d + 1, dtype=np.float32) ** -0.5
    centers = np.random.default_rng([seed, 0]).standard_normal((max(1, round(n**0.5)), d), np.float32)
    rng = np.random.default_rng([seed, 1, part])
    vectors: Vectors = rng.standard_normal((n if rows is None else rows, d), np.float32)
    vectors *= WITHIN
    for start in range(0, len(vectors), CHUNK):
        one = vectors[start : start + CHUNK]
        one += centers[rng.integers(len(centers), size=len(one))]
        one *= weights
    return vectors


def retrieval_table(
    n_items: int = 10_000,
    d: int = 64,
    queries: int = 200,
    k: int = 10,
    seed: int = 0,
    report: Progress | None = None,
) -> tuple[RetrievalRow, ...]:
    """Exact search and HNSW with each ef of `EFS` over simulated item vectors (`simulated_vectors`).

    `report(fraction, text)` hears how far it is, and may raise to end it. 1,000,000 items take minutes
    and 1 GB. Raises InputError on sizes outside of 1..1,000,000 items and 1..1,000 queries, and on k above n_items.
    """
    from threadpoolctl import threadpool_limits

    tell = report or (lambda fraction, text: None)
    if not (1 <= n_items <= ITEMS_LIMIT and 1 <= queries <= 1_000 and 1 <= k <= n_items and d >= 1):
        raise InputError(
            f"The table takes 1 to {ITEMS_LIMIT:,} items, 1 to 1,000 queries, k from 1 to the items and d from 1, not "
            f"{n_items:,}, {queries:,}, {k:,} and {d:,}."
        )
    tell(0.0, "drawing vectors")
    vectors = simulated_vectors(n_items, d, seed=seed)
    asked = simulated_vectors(n_items, d, seed=seed, part=1, rows=queries)

    def timed(search: Callable[[Vectors], Found], begin: float, share: float, text: str) -> tuple[Any, float]:
        lists, spent = [], 0.0
        for at, query in enumerate(asked):
            tell(begin + share * at / queries, text)
            start = time.perf_counter()
            found, _ = search(query[None])
            spent += time.perf_counter() - start
            lists.append(found[0])
        return np.stack(lists), 1000 * spent / queries

    with threadpool_limits(1):
        truth, ms = timed(partial(exact_top, vectors, k=k), 0.02, 0.06, "searching exactly")
    rows = [RetrievalRow("exact", None, 1.0, ms, 0.0, vectors.nbytes)]
    index, built = HnswIndex(d, seed=seed), 0.0
    for start in range(0, n_items, CHUNK):
        tell(0.08 + 0.87 * start / n_items, f"building the index: {start:,} of {n_items:,} items")
        begun = time.perf_counter()
        index.add(vectors[start : start + CHUNK])
        built += time.perf_counter() - begun
    nbytes = index.nbytes
    for at, ef in enumerate(EFS):
        share = 0.05 / len(EFS)
        search = partial(index.search, k=k, ef=ef)
        lists, ms = timed(search, 0.95 + at * share, share, f"searching the index, ef {ef}")
        recall = float(np.mean([np.isin(one, other).mean() for one, other in zip(truth, lists, strict=True)]))
        rows.append(RetrievalRow("hnsw", ef, recall, ms, built, nbytes))
    return tuple(rows)


def retrieval_task(report: Progress, *, items: int, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: `retrieval_table` for so many items; the rows as dictionaries."""
    rows = retrieval_table(items, seed=seed, report=report)
    return {}, {"rows": [asdict(row) for row in rows]}


def _check(vectors: Vectors, d: int, k: int = 1) -> None:
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}.")
    if vectors.ndim != 2 or vectors.shape[1] != d:
        raise InputError(f"Vectors of shape {vectors.shape} do not fit: rows of {d} numbers are needed.")
    if not np.isfinite(vectors).all():
        raise InputError("Some vectors hold NaN or infinity, and nothing is near those. Look at the training.")

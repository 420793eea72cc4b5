"""How good lists of recommendations are: precision, recall, NDCG in both definitions, coverage, novelty.

The whole catalogue is ranked for each user, without what the user watched in training. Sampled candidates would put
methods into another order (Krichene and Rendle 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError

__all__ = ["Csr", "Ranking", "Rows", "Scores", "evaluate", "recall_at", "top_items"]

Csr: TypeAlias = Any  # scipy.sparse csr_array or csr_matrix
Rows: TypeAlias = NDArray[np.int64]
Scores: TypeAlias = NDArray[Any] | Callable[[Rows], NDArray[Any]]

AT_ONCE = 4_000_000  # scores that are ranked at a time, 16 MB as float32


@dataclass(frozen=True)
class Ranking:
    """What lists of `k` items are worth, as means over the `users` that have something held out.

    With rel(i) = 1 if the item at rank i was held out, else 0, and |H| the number of held-out items of a user:
    `precision` = sum rel(i) / k; `recall` = sum rel(i) / |H|;
    `ndcg` = DCG / ideal DCG of min(k, |H|) items, with DCG = sum rel(i) / log2(i + 1): a perfect list has 1;
    `ndcg_whole` = DCG / ideal DCG of all |H| items, as in Ferrari Dacrema et al. (TOIS 2021): a perfect list has less
    than 1 where |H| > k.
    `coverage` is the share of the catalogue that stands in at least one list; `novelty` the mean over all listed items
    of -log2(share of users who watched the item in training), in bits, where an item that nobody watched counts as
    watched by one; 0 where nothing is listed.
    """

    k: int
    precision: float
    recall: float
    ndcg: float
    ndcg_whole: float
    coverage: float
    novelty: float
    users: int


def evaluate(
    scores: Scores, seen: Csr, held: Csr, k: int = 10, popularity: NDArray[np.integer] | None = None
) -> Ranking:
    """Rank the catalogue by `scores` for each user with held-out items and compare the first k with these.

    `scores` (n_users, n_items), higher is better, or a function from user numbers (b,) to a block (b, n_items), for
    catalogues too large to hold; -inf keeps an item off the list, ties fall by item number. `seen` and `held` are csr
    (n_users, n_items): a stored entry says watched, whatever its value. `popularity` (n_items,) is the number of users
    who watched each item in training, by default that of `seen`.
    Raises InputError on shapes that differ, NaN, k below 1, pairs that are both seen and held, and nobody to count.
    """
    seen, held, users = _checked(scores, seen, held, k)
    n_users, n_items = seen.shape
    if both := _in_both(seen, held):
        raise InputError(
            f"{both:,} of {held.nnz:,} held-out pairs were seen in training too, and what was seen is never listed. "
            "Keep each pair in one part only."
        )
    watched = np.bincount(seen.indices, minlength=n_items) if popularity is None else np.asarray(popularity)
    if watched.shape != (n_items,) or watched.min(initial=0) < 0 or watched.max(initial=0) > n_users:
        raise InputError(f"popularity must hold {n_items:,} counts of users, each from 0 to {n_users:,}.")
    discounts = 1 / np.log2(np.arange(2, max(n_items, k) + 2))
    ideal = np.cumsum(discounts)
    listed = np.zeros(n_items, np.int64)
    sums = np.zeros(4)
    for rows, top in _lists(scores, seen, users, k):
        hits, size = _hits(top, held, rows), np.diff(held.indptr)[rows]
        found, gain = hits.sum(1), hits @ discounts[: top.shape[1]]
        terms = (found / k, found / size, gain / ideal[np.minimum(size, k) - 1], gain / ideal[size - 1])
        sums += [term.sum() for term in terms]
        listed += np.bincount(top[top >= 0], minlength=n_items)
    bits = -np.log2(np.maximum(watched, 1) / n_users)
    novelty = float(listed @ bits / max(listed.sum(), 1))
    precision, recall, ndcg, whole = (float(each) for each in sums / len(users))
    return Ranking(k, precision, recall, ndcg, whole, float((listed > 0).mean()), novelty, len(users))


def recall_at(scores: Scores, seen: Csr, held: Csr, k: int = 10) -> float:
    """The `recall` of `evaluate` alone, quick enough for every epoch; pairs both seen and held count as missed."""
    seen, held, users = _checked(scores, seen, held, k)
    size = np.diff(held.indptr)
    shares = (_hits(top, held, rows).sum(1) / size[rows] for rows, top in _lists(scores, seen, users, k))
    return float(sum(share.sum() for share in shares) / len(users))


def top_items(scores: NDArray[Any], seen: Csr | None = None, k: int = 10) -> NDArray[np.int64]:
    """The item numbers (b, min(k, n_items)) of the k highest `scores` (b, n_items) in each row, best first.

    Without those that the same row of `seen` (b, n_items) stores; -inf keeps an item off the list; ties fall by item
    number. A row with fewer items ends in -1. Raises InputError on NaN.
    """
    lost = -(scores if np.issubdtype(scores.dtype, np.floating) else scores.astype(np.float64))  # smallest first
    n, items = lost.shape
    k = min(k, items)
    top = np.full((n, k), -1, np.int64)
    if seen is not None:
        lost[np.repeat(np.arange(n), np.diff(seen.indptr)), seen.indices] = np.inf
    if not top.size:
        return top
    border = np.partition(lost, k - 1, axis=1)[:, k - 1 : k]
    if np.isnan(lost.max()):
        raise InputError("Some scores are not a number (NaN). Look at the training: a smaller learning rate helps.")
    rows, cols = np.nonzero((lost <= border) & (lost < np.inf))  # all that tie with the last one, by item number
    order = np.lexsort((lost[rows, cols], rows))  # stable
    rows, cols = rows[order], cols[order]
    ranks = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = ranks < k
    top[rows[kept], ranks[kept]] = cols[kept]
    return top


def _checked(scores: Scores, seen: Csr, held: Csr, k: int) -> tuple[Csr, Csr, Rows]:
    """Both matrices with sorted entries that occur once, and the users that count."""
    if k < 1:
        raise InputError(f"k must be at least 1, not {k}.")
    if seen.shape != held.shape or not (callable(scores) or np.shape(scores) == seen.shape):
        given = "" if callable(scores) else f"scores {np.shape(scores)}, "
        raise InputError(
            f"Rows are users and columns items in all of them: {given}seen {seen.shape}, held {held.shape} differ."
        )
    seen, held = _canonical(seen), _canonical(held)
    users = np.flatnonzero(np.diff(held.indptr))
    if not len(users):
        raise InputError(f"None of {seen.shape[0]:,} users has an item held out, so there is nothing to measure.")
    return seen, held, users


def _canonical(matrix: Csr) -> Csr:
    if matrix.has_canonical_format:
        return matrix
    matrix = matrix.copy()
    matrix.sum_duplicates()
    return matrix


def _codes(matrix: Csr) -> NDArray[np.int64]:
    """One number for each stored pair, ascending."""
    rows = np.repeat(np.arange(matrix.shape[0], dtype=np.int64), np.diff(matrix.indptr))
    codes: NDArray[np.int64] = rows * matrix.shape[1] + matrix.indices
    return codes


def _in_both(seen: Csr, held: Csr) -> int:
    return len(np.intersect1d(_codes(seen), _codes(held), assume_unique=True))


def _lists(scores: Scores, seen: Csr, users: Rows, k: int) -> Iterator[tuple[Rows, NDArray[np.int64]]]:
    """Users (b,) and their lists (b, k), block by block."""
    block = max(1, AT_ONCE // max(seen.shape[1], 1))
    for start in range(0, len(users), block):
        rows = users[start : start + block]
        found = np.asarray(scores(rows) if callable(scores) else scores[rows])
        if found.shape != (len(rows), seen.shape[1]):
            raise InputError(
                f"Scores of {len(rows)} users must have the shape {(len(rows), seen.shape[1])}, not {found.shape}."
            )
        yield rows, top_items(found, seen[rows], k)


def _hits(top: NDArray[np.int64], held: Csr, rows: Rows) -> NDArray[np.bool_]:
    """Which of the listed items were held out.  # (b, k)"""
    codes, own = _codes(held[rows]), np.arange(len(rows))[:, None] * held.shape[1] + top
    place = np.minimum(np.searchsorted(codes, own), len(codes) - 1)
    found: NDArray[np.bool_] = (codes[place] == own) & (top >= 0)
    return found

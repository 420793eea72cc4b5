"""Recommenders to beat: popularity, title vectors, item kNN, EASE, ALS and BPR. Each gives scores of all items.

`seen` is csr (n_users, n_items) everywhere; a stored entry says watched, whatever its value. Scores are float32
(n_users, n_items), higher is better; what was watched is scored too, and `evaluate` leaves it out. Baselines that are
set with care beat many published networks (Ferrari Dacrema et al., TOIS 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np

from embedkit.errors import InputError
from embedkit.interactions.evaluation import Csr, top_items
from embedkit.space import Vectors

__all__ = ["Baseline", "als", "baselines", "bpr", "ease", "item_knn", "popularity", "title_mean"]

Function: TypeAlias = Callable[..., Vectors]

EASE_LIMIT = 5_000  # items; 200 MB and seconds in double
KNN_LIMIT = 20_000  # items; the time grows with their square
SCORES_LIMIT = 200_000_000  # users times items: 800 MB
BLOCK = 500  # items whose similarities to all others are held at a time


@dataclass(frozen=True)
class Baseline:
    """A method of the table: `score(seen, **settings)` gives the scores, and `needs` is what else has to be passed."""

    name: str
    title: str
    source: str
    year: int
    score: Function
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    needs: tuple[str, ...] = ()


def popularity(seen: Csr) -> Vectors:
    """The number of users who watched an item, the same for everybody.  # (n_users, n_items)"""
    counts = _binary(seen).sum(0, dtype=np.float32)
    return np.tile(np.asarray(counts, np.float32).reshape(1, -1), (seen.shape[0], 1))


def title_mean(seen: Csr, *, vectors: Vectors) -> Vectors:
    """Dot product of the mean of the watched items' title vectors with each item's title vector.

    `vectors` is (n_items, d); a user without history scores 0 everywhere. Raises InputError on another number of rows.
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != seen.shape[1]:
        raise InputError(f"Title vectors must be (items, d) for {seen.shape[1]:,} items, not of shape {vectors.shape}.")
    watched = _binary(seen)
    means = (watched @ vectors) / np.maximum(np.diff(watched.indptr), 1)[:, None]
    return np.asarray(means @ vectors.T, np.float32)


def item_knn(seen: Csr, *, neighbors: int = 200, shrink: float = 30.0) -> Vectors:
    """Sum of an item's similarities to the watched items that are among its nearest (Sarwar et al. 2001).

    Similarity of items i and j, watched by n_i and n_j users and by n_ij of them together:
    n_ij / (sqrt(n_i n_j) + shrink), which is the cosine, held back where few users carry it. Each item keeps the
    `neighbors` most similar others; ties fall by item number. Raises InputError above 20,000 items.
    """
    from scipy.sparse import csr_array

    if neighbors < 1 or shrink < 0:
        raise InputError(f"Item kNN needs neighbors from 1 and a shrink from 0, not {neighbors} and {shrink:g}.")
    watched = _binary(seen)
    n_items = watched.shape[1]
    _refuse_large("Item kNN", n_items, KNN_LIMIT)
    lengths = np.sqrt(np.bincount(watched.indices, minlength=n_items).astype(np.float32))
    by_item, by_user = watched.T.tocsr(), watched.T.tocsc()
    scores = np.empty(watched.shape, np.float32)
    for start in range(0, n_items, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_items))
        similar = (by_item[rows] @ watched).toarray()  # n_ij  # (b, n_items)
        similar[np.arange(len(rows)), rows] = 0
        similar /= np.maximum(lengths[rows, None] * lengths + shrink, 1e-9)  # items that nobody watched stay at 0
        near = top_items(np.where(similar > 0, similar, -np.inf), k=neighbors)
        at, place = np.nonzero(near >= 0)
        kept = csr_array((similar[at, near[at, place]], (at, near[at, place])), shape=similar.shape)
        scores[:, rows] = (kept @ by_user).toarray().T
    return scores


def ease(seen: Csr, *, regularization: float = 458.0) -> Vectors:
    """EASE^R, the linear autoencoder with a zero diagonal, in closed form (Steck 2019).

    With X = `seen`, P = (X'X + regularization I)^-1 and B = I - P / diag(P) by columns: scores X B. The inverse is
    counted in double. Raises InputError above 5,000 items, as the time grows with their cube, and on a regularization
    that is not above 0.
    """
    from scipy.linalg import lapack
    from threadpoolctl import threadpool_limits

    if not regularization > 0:
        raise InputError(f"The regularization of EASE must be above 0, not {regularization:g}.")
    watched = _binary(seen)
    n_items = watched.shape[1]
    _refuse_large("EASE", n_items, EASE_LIMIT)
    gram = (watched.T @ watched).astype(np.float64).toarray(order="F")
    gram[np.diag_indices(n_items)] += regularization
    with threadpool_limits(1):  # a second thread gains little and waits by spinning where others work
        factor, _ = lapack.dpotrf(gram, lower=0, overwrite_a=1)  # positive definite: half the work of a general one
        upper, _ = lapack.dpotri(factor, lower=0, overwrite_c=1)
    weights = np.triu(upper) + np.triu(upper, 1).T
    weights /= -np.diag(weights)
    weights[np.diag_indices(n_items)] = 0
    return np.asarray(watched @ weights.astype(np.float32), np.float32)


def als(
    seen: Csr,
    *,
    factors: int = 24,
    regularization: float = 0.3,
    alpha: float = 3.0,
    iterations: int = 15,
    seed: int = 0,
) -> Vectors:
    """Weighted matrix factorization by alternating least squares (Hu et al. 2008), by the package implicit.

    A watched item has the confidence `alpha`, any other 1. `regularization` is in units of the mean number of watched
    items of a user, so that one value fits small and large tables.
    The same seed gives the same bytes on one machine, although it runs on two threads: each user and each item is
    solved alone. Raises InputError on fewer than one factor and when nobody watched anything.
    """
    from implicit.cpu.als import AlternatingLeastSquares

    weight = regularization * _binary(seen).nnz / max(seen.shape[0], 1)
    settings = {"factors": factors, "regularization": weight, "alpha": alpha, "iterations": iterations}
    return _factorized(AlternatingLeastSquares, seen, num_threads=2, random_state=seed, **settings)


def bpr(
    seen: Csr,
    *,
    factors: int = 16,
    learning_rate: float = 0.003,
    regularization: float = 0.01,
    iterations: int | None = None,
    seed: int = 0,
) -> Vectors:
    """Bayesian personalized ranking (Rendle et al. 2009), by the package implicit: SGD on pairs of items.

    `iterations` are passes over all pairs; None takes as many as give each user 6,800 steps on average, 300 at most.
    It runs on one thread, as two write into the same factors without a lock and the same seed then gives other bytes
    each time. Raises InputError on fewer than one factor and when nobody watched anything.
    """
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    if iterations is None:
        watched = _binary(seen)
        iterations = min(300, round(6_800 * watched.shape[0] / max(watched.nnz, 1)) + 1)
    settings = {"factors": factors, "learning_rate": learning_rate, "regularization": regularization}
    return _factorized(
        BayesianPersonalizedRanking, seen, num_threads=1, random_state=seed, iterations=iterations, **settings
    )


def _factorized(model: Any, seen: Csr, **settings: Any) -> Vectors:
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    if settings["factors"] < 1:
        raise InputError(f"A factorization needs at least 1 factor, not {settings['factors']}.")
    watched = _binary(seen)
    if not watched.nnz:
        raise InputError("A factorization needs at least one user who watched something; here nobody did.")
    with threadpool_limits(1, "blas"):  # implicit has threads of its own and warns otherwise
        fitted = model(**settings)
        fitted.fit(csr_matrix(watched), show_progress=False)
    return np.asarray(fitted.user_factors @ fitted.item_factors.T, np.float32)


def baselines() -> dict[str, Baseline]:
    """All baselines by name, in the order of the table, with the settings that they are measured with."""
    rows = (
        Baseline("popularity", "Popularity", "Cremonesi et al.", 2010, popularity),
        Baseline("titles", "Mean of title vectors", "Rocchio", 1971, title_mean, needs=("vectors",)),
        Baseline("knn", "Item kNN", "Sarwar et al.", 2001, item_knn, _frozen(neighbors=200, shrink=30.0)),
        Baseline("ease", "EASE", "Steck", 2019, ease, _frozen(regularization=458.0)),
        Baseline("als", "ALS", "Hu et al.", 2008, als, _frozen(factors=24, regularization=0.3, alpha=3.0)),
        Baseline("bpr", "BPR", "Rendle et al.", 2009, bpr, _frozen(factors=16, learning_rate=0.003)),
    )
    return {row.name: row for row in rows}


def _frozen(**settings: Any) -> Mapping[str, Any]:
    return MappingProxyType(settings)


def _refuse_large(what: str, n_items: int, limit: int) -> None:
    if n_items > limit:
        raise InputError(
            f"{what} takes at most {limit:,} items, as it compares each with each; here are {n_items:,}. "
            "Leave out the items that few users watched."
        )


def _binary(seen: Csr) -> Csr:
    """A csr_array with a 1 for each pair that is stored, once."""
    from scipy.sparse import csr_array

    n_users, n_items = seen.shape
    if n_users * n_items > SCORES_LIMIT:
        raise InputError(
            f"{n_users:,} users times {n_items:,} items are more than {SCORES_LIMIT:,} scores, which is what fits into "
            "memory. Leave out users and items with few rows."
        )
    watched = csr_array(seen, dtype=np.float32, copy=True)
    watched.sum_duplicates()
    watched.data[:] = 1
    return watched

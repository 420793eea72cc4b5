"""PaCMAP (Wang, Huang, Rudin and Shaposhnik, JMLR 2021) from our kNN graph: pairs in numpy, layout in a compiled loop.

Three kinds of pairs: neighbors pull, mid-near items pull at first and hold the large arrangement, further ones push.
The authors' package is the reference, and docs/explorer.md has its figures; in its place stands this because that wants
faiss (66 MB), can neither tell how far it is nor be stopped, and keeps its seed in a global of the process.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.neighbors import KnnGraph, Metric, pair_distances
from embedkit.space import Space, Vectors

__all__ = ["EXTRA", "Pairs", "layout", "near_pairs", "pairs_of", "phase", "place_new", "warm"]

THREADS = 2
STEPS = (100, 100, 250)  # of the three phases, as published
PLACING = 150  # steps in which new points settle
EXTRA = 50  # neighbors beyond those that are kept, of which the relatively nearest are taken
DRAWN = 6  # random items of which the second nearest is mid-near
REPORT_EVERY = 10  # steps
BLOCK = 32_000_000  # numbers of vectors that are compared at once

Rows = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Pairs:
    """For each of m items the rows it is paired with, int32: near (m, k), mid-near (m, c), further (m, f)."""

    near: Rows
    mid: Rows
    far: Rows


def phase(step: int) -> tuple[float, float, float]:
    """Weights of near, mid-near and further pairs at a step, counted from 0 (section 4 of the paper)."""
    first, second, _ = STEPS
    if step < first:
        return 2.0, 1_000 * (1 - step / first) + 3 * step / first, 1.0
    return (3.0, 3.0, 1.0) if step < first + second else (1.0, 0.0, 1.0)


def near_pairs(graph: KnnGraph, k: int) -> Rows:
    """The k of a graph's neighbors that are nearest by d_ij^2 / (s_i s_j), s the mean distance of the 4th to 6th."""
    squares = graph.distances - graph.distances.min(initial=0) if graph.metric == "dot" else graph.distances
    squares = squares**2 if graph.metric == "euclidean" else squares  # 1 - cosine is half a squared distance
    spread = np.maximum(np.sqrt(np.maximum(squares[:, 3:6], 0)).mean(1), 1e-10)
    scaled = squares / spread[:, None] / spread[graph.indices]
    order = np.argsort(scaled, axis=1, kind="stable")[:, :k]
    return np.ascontiguousarray(np.take_along_axis(graph.indices, order, 1), np.int32)


def pairs_of(space: Space, near: Rows, mid: int, far: int, metric: Metric, seed: int) -> Pairs:
    """The three kinds of pairs of a space, given its near ones (n, k); counts are cut to what n items allow."""
    from embedkit.pacmap_kernel import draw_others

    n, k = near.shape
    own = np.arange(n)
    state = np.random.default_rng(seed).integers(1, 2**63, n).astype(np.uint64)
    mids = np.empty((n, 0), np.int32)
    for _ in range(min(mid, n - 3)):
        drawn = np.empty((n, min(DRAWN, n - 1 - mids.shape[1])), np.int32)
        draw_others(drawn, mids, own, n, state)
        second = np.argsort(_distances(space, drawn, metric), axis=1, kind="stable")[:, 1:2]
        mids = np.ascontiguousarray(np.hstack([mids, np.take_along_axis(drawn, second, 1)]))
    fars = np.empty((n, max(min(far, n - 1 - k), 0)), np.int32)
    draw_others(fars, near, own, n, state)
    return Pairs(near, mids, fars)


def _distances(space: Space, rows: Rows, metric: Metric) -> Vectors:
    """How far item i is from those in row i, (n, c), in blocks."""
    found = np.empty(rows.shape, np.float32)
    for part in np.array_split(np.arange(len(rows)), max(1, rows.size * space.d // BLOCK)):
        own = np.repeat(part, rows.shape[1])
        found[part] = pair_distances(space, own, rows[part].ravel().astype(np.int64), metric).reshape(-1, rows.shape[1])
    return found


def _by_row(rows: Rows, n: int, both: bool) -> tuple[NDArray[np.int64], Rows]:
    """Pairs as one list: those of row j stand at starts[j]:starts[j + 1]; with `both`, each stands at both its ends."""
    own = np.repeat(np.arange(len(rows), dtype=np.int32), rows.shape[1])
    other = rows.ravel()
    if not both:
        return np.arange(len(rows) + 1, dtype=np.int64) * rows.shape[1], np.ascontiguousarray(other)
    ends, others = np.concatenate([own, other]), np.concatenate([other, own])
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(ends, minlength=n), out=starts[1:])
    return starts, others[np.argsort(ends, kind="stable")]


def layout(
    pairs: Pairs, start: Vectors, *, report: Callable[[float], None] = lambda fraction: None, steps: int = sum(STEPS)
) -> Vectors:
    """Coordinates (n, dims) after `steps` of the three phases from `start`; same pairs and start, same bytes."""
    return _descend(pairs, start, None, [(*phase(step), 1.0) for step in range(steps)], report)


def place_new(near: NDArray[np.int64], distances: Vectors, coords: Vectors, *, far: int, seed: int) -> Vectors:
    """Coordinates (m, dims) of new points from their nearest rows (m, k): they settle, the map does not move."""
    from embedkit.pacmap_kernel import draw_others

    rows = np.ascontiguousarray(near, np.int32)
    weights = 1 / (distances + 0.1 * distances.mean(1, keepdims=True) + 1e-12)
    begin = (coords[near] * (weights / weights.sum(1, keepdims=True))[:, :, None]).sum(1)
    fars = np.empty((len(rows), max(min(far, len(coords) - rows.shape[1]), 0)), np.int32)
    state = np.random.default_rng(seed).integers(1, 2**63, len(rows)).astype(np.uint64)
    draw_others(fars, rows, np.full(len(rows), -1), len(coords), state)
    pairs = Pairs(rows, np.empty((len(rows), 0), np.int32), fars)
    fixed = np.array(coords, np.float32, order="C")  # a copy: compiled code takes no read-only arrays
    weighed = [(*phase(sum(STEPS)), 0.2 * (1 - step / PLACING)) for step in range(PLACING)]
    return _descend(pairs, np.asarray(begin, np.float32), fixed, weighed, lambda fraction: None)


def _descend(
    pairs: Pairs,
    start: Vectors,
    fixed: Vectors | None,
    weighed: list[tuple[float, float, float, float]],
    report: Callable[[float], None],
) -> Vectors:
    """Run the steps, each with its three weights and its rate; points move with each other, or against `fixed` ones."""
    from embedkit.pacmap_kernel import descend

    step_of: Callable[..., None] = descend
    old = np.array(start, np.float32, order="C")
    new, mean, square = old.copy(), np.zeros_like(old), np.zeros_like(old)
    kinds = [_by_row(rows, len(old), fixed is None) for rows in (pairs.near, pairs.mid, pairs.far)]
    lists: list[Any] = [array for kind in kinds for array in kind]
    work = np.sum([starts for starts, _ in kinds], axis=0)
    cuts = np.searchsorted(work, np.linspace(0, work[-1], THREADS + 1))
    cuts[0], cuts[-1] = 0, len(old)
    with ThreadPoolExecutor(THREADS) as pool:
        for step, (pull, hold, push, rate) in enumerate(weighed):
            if step % REPORT_EVERY == 0:
                report(step / len(weighed))
            corrected = rate * (1 - 0.999 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
            weights = [np.float32(value) for value in (pull, hold, push, corrected)]
            given: list[Any] = [old, new, old if fixed is None else fixed, mean, square, *lists, *weights]
            parts = [pool.submit(step_of, *given, int(first), int(last)) for first, last in pairwise(cuts)]
            for part in parts:
                part.result()
            old, new = new, old
    return old


def warm() -> None:
    """Compile, or read from disk, all that a first PaCMAP needs, on twelve points."""
    start = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32)
    near = (np.arange(12)[:, None] + np.arange(1, 3)) % 12
    space = Space("warm", "Warm", tuple(map(str, range(12))), start)
    layout(pairs_of(space, near.astype(np.int32), 1, 4, "euclidean", 0), start, steps=2)

"""LSA: word vectors from the truncated SVD of a PPMI matrix (Deerwester et al. 1990; Levy, Goldberg and Dagan 2015).

A cell says how much more often than by chance a word and a context stand near each other:
max(0, log(X_ij T / (X_i X_j^smoothing))), T = sum of X_j^smoothing. It is brought to few numbers by M ~ U S V',
found by randomized subspace iteration (Halko, Martinsson and Tropp 2011); the vectors are U S^power.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus
from embedkit.space import Vectors, frozen
from embedkit.words.cooccurrence import PairCounts, count_pairs
from embedkit.words.learning import WordRecipe, WordStep

__all__ = ["PUBLISHED", "Ppmi", "lsa_steps", "truncated_svd"]

# What Levy, Goldberg and Dagan recommend: smoothed contexts, singular values at power 1/2 or 0, no shift of the PMI.
# Pairs count by distance as in word2vec, so that LSA sees the windows that skip-gram sees; the paper compares so too.
PUBLISHED = {"smoothing": 0.75, "power": 0.5}
WEIGHTING = "linear"

THREADS = 2
PORTION = 250_000_000  # multiplications between two heartbeats
SPARE = 20  # columns beyond those asked for, which take the error of a random start
PRECISION = 1e-3  # rounds end when no singular value moves by a larger part
MOST_ROUNDS = 30  # 13 were needed on 16 million words
COUNTING = 0.15  # share of the time

Beat = Callable[[float, str], None]


class Ppmi:
    """The PPMI matrix (n, n) of a table of counts, as something to multiply with."""

    def __init__(self, counts: PairCounts, smoothing: float) -> None:
        self.n = counts.n
        self.starts, self.cols, self.logs = counts.whole()  # all cells: rows can be shared among threads
        totals = np.zeros(self.n)
        met = np.diff(self.starts) > 0
        totals[met] = np.add.reduceat(self.logs, self.starts[:-1][met], dtype=np.float64)
        logs = np.log(np.where(met, totals, 1))
        smooth = np.log((totals[met] ** smoothing).sum())
        np.log(self.logs, out=self.logs)
        self.row_shift = (smooth - logs).astype(np.float32)
        self.col_shift = (-smoothing * logs).astype(np.float32)

    def times(self, block: Vectors, *, transposed: bool = False, beat: Callable[[], None] = lambda: None) -> Vectors:
        """M @ block, or with `transposed` M' @ block, (n, k); rows are shared among threads, which changes no byte."""
        return self._multiply(block, transposed, beat)[0]

    def squares(self, beat: Callable[[], None] = lambda: None) -> float:
        """The sum of all squared cells."""
        return self._multiply(np.zeros((self.n, 1), np.float32), False, beat)[1]

    def _multiply(self, block: Vectors, transposed: bool, beat: Callable[[], None]) -> tuple[Vectors, float]:
        from embedkit.words.lsa_kernel import multiply

        out = np.empty_like(block)
        row, col = (self.col_shift, self.row_shift) if transposed else (self.row_shift, self.col_shift)
        every = max(PORTION // block.shape[1], 1)
        cuts = np.searchsorted(self.starts, np.arange(every, self.starts[-1], every))
        parts = list(pairwise(np.unique(np.concatenate([[0], cuts, [self.n]])).tolist()))
        squares = 0.0
        with ThreadPoolExecutor(THREADS) as pool:
            for first in range(0, len(parts), THREADS):
                beat()
                running = [
                    pool.submit(multiply, self.starts, self.cols, self.logs, row, col, block, out, begin, end)
                    for begin, end in parts[first : first + THREADS]
                ]
                squares += sum(part.result() for part in running)
        return out, squares


def truncated_svd(
    matrix: Ppmi, k: int, *, seed: int, beat: Beat = lambda done, text: None
) -> tuple[Vectors, NDArray[np.float64]]:
    """The `k` largest singular values, falling, and their left vectors float32 (n, k); k up to n.

    Signs are fixed: the entry of a vector that lies furthest from 0 is positive. A value under 1e-5 of the largest
    comes back as 0, with a vector of zeros.
    """
    from threadpoolctl import threadpool_limits

    width = k + SPARE
    with threadpool_limits(1):  # so that the number of cores changes no byte
        if 2 * width >= matrix.n:
            full = matrix.times(np.eye(matrix.n, dtype=np.float32)).astype(np.float64)
            left, values, _ = np.linalg.svd(full)
        else:
            basis = _main_directions(matrix, k, width, seed, beat)
            squares, turn = _gram(matrix.times(basis, transposed=True))
            left, values = basis @ turn.astype(np.float32), np.sqrt(squares)
        left, values = left[:, :k], values[:k]
        values = np.where(values > 1e-5 * values[0], values, 0)
        furthest = left[np.abs(left).argmax(0), np.arange(len(values))]
        return np.asarray(left * np.sign(furthest) * (values > 0), np.float32), values


def _main_directions(matrix: Ppmi, k: int, width: int, seed: int, beat: Beat) -> Vectors:
    """An orthonormal basis (n, width) of what M mostly maps to, refined until its first k values stand still.

    Powers of M M' - shift in place of M M' need about half the rounds: the shift is half of the smallest square in
    the basis, and what is to fade lies between -shift and shift (Feng, Yu, Xie and Tang 2024).
    """
    start = np.random.default_rng(seed).standard_normal((matrix.n, width), np.float32)
    block = matrix.times(start, beat=lambda: beat(0.0, "singular value decomposition"))
    before, shift = np.zeros(k), 0.0
    for done in range(MOST_ROUNDS):

        def pulse(done: int = done) -> None:
            beat(1 - 0.8**done, f"singular value decomposition, round {done + 1}")  # how many it takes is not known

        squares, turn = _gram(block)
        values = np.sqrt(squares)
        sharp = values > 1e-6 * values[0]
        basis: Vectors = block @ (turn * (sharp / np.where(sharp, values, 1))).astype(np.float32)
        now = np.sqrt(values[:k] + shift)
        if done > 1 and np.all(np.abs(now - before) <= PRECISION * now):
            break
        if done:
            shift = max(shift, (shift + values[-1]) / 2)
        before = now
        powered = matrix.times(matrix.times(basis, transposed=True, beat=pulse), beat=pulse)
        block = powered - np.float32(shift) * basis
    return basis


def _gram(block: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Squared singular values of a block (n, k), falling, and its right vectors (k, k): much faster than a QR of it."""
    gram = np.zeros((block.shape[1], block.shape[1]))
    for first in range(0, len(block), 10_000):  # for memory
        part = block[first : first + 10_000].astype(np.float64)
        gram += part.T @ part
    squares, turn = np.linalg.eigh(gram)
    return np.maximum(squares[::-1], 0), turn[:, ::-1]


def lsa_steps(corpus: Corpus, recipe: WordRecipe, heartbeat: Beat = lambda done, text: None) -> Iterator[WordStep]:
    """Yield one step, vectors (n, dims); the same seed gives the same bytes.

    Of the recipe count dims, window, smoothing, power, min_count, most and seed. Dimensions beyond the rank of the
    matrix, as in a text of few words, are 0, which changes no cosine; so is the vector of a word that stands alone.
    `loss` is the share of the matrix's squares that the SVD leaves out. Raises InputError on a text in which nothing
    stands near anything, or nothing more often than by chance.
    """
    begin = time.perf_counter()
    size = corpus.size(recipe.min_count, recipe.most)
    counts = count_pairs(
        corpus,
        size,
        window=recipe.window,
        weighting=WEIGHTING,
        heartbeat=lambda done, text: heartbeat(COUNTING * done, text),
    )

    def pulse() -> None:
        heartbeat(COUNTING, "comparing with chance")

    pulse()
    tokens, matrix = counts.tokens, Ppmi(counts, recipe.smoothing)
    del counts
    squares = matrix.squares(pulse)
    if squares < 1e-10 * len(matrix.cols):  # what rounding leaves
        raise InputError(f"In {corpus.title} no two words stand together more often than by chance; give more text.")
    left, values = truncated_svd(
        matrix,
        min(recipe.dims, size),
        seed=recipe.seed,
        beat=lambda done, text: heartbeat(COUNTING + (1 - COUNTING) * done, text),
    )
    vectors = np.zeros((size, recipe.dims), np.float32)
    vectors[:, : len(values)] = left * values**recipe.power
    loss = max(0.0, 1 - float((values**2).sum()) / squares)
    yield WordStep(1, 1, frozen(vectors), loss, tokens, time.perf_counter() - begin)

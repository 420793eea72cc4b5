"""GloVe (Pennington, Socher and Manning 2014): inner products fitted to logarithms of how often words stand together.

The sum of f(X_ij) (w_i . c_j + b_i + b_j - log X_ij)^2 over all pairs that were met falls by AdaGrad, with
f(x) = min(1, (x / X_MAX)^ALPHA); the vector of a word is w + c. Steps are those of Stanford's own program: it adds up
the squares of rate * gradient, from 1 on, so the first steps are rate * gradient and later ones hardly depend on the
rate.

Two threads learn at once and the seed alone decides the bytes. Even and odd words are two halves of a table of four
parts, and two parts that share neither rows nor columns are learned side by side (Gemulla et al. 2011).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus
from embedkit.space import Vectors, frozen
from embedkit.words.cooccurrence import PairCounts, count_pairs
from embedkit.words.learning import BESIDE, WordRecipe, WordStep

__all__ = ["ALPHA", "PUBLISHED", "X_MAX", "glove_steps"]

# From the count X_MAX on a pair weighs no more. The paper's 100 is for a billion words and more; 10 is what the
# demonstration of its authors takes for text8, 17 million words, and a text here has twice that at most.
X_MAX = 10.0
ALPHA = 0.75
PUBLISHED = {"window": 10, "epochs": 25, "rate": 0.05}  # window of the paper, epochs of Stanford's program
THREADS = 2
BLOCK = 1_024  # pairs that stay together; their order changes with every epoch, and that of the blocks
ROUNDS = 8  # of an epoch, at least: parts with equal and with mixed halves take turns
PORTION = 25_000_000  # numbers moved between two heartbeats: a tenth of a second, more on busy cores
COUNTING = 1.5  # what counting takes, in epochs; for the share done


@dataclass(frozen=True, eq=False)
class _Pairs:
    """All pairs in a random order: even words from edges[0], odd ones from edges[1], mixed ones from edges[2]."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    logs: NDArray[np.float32]
    edges: NDArray[np.int64]
    cells: int  # of the table; a pair of different words has two


def _laid_out(counts: PairCounts, rng: np.random.Generator, beat: Callable[[], None]) -> _Pairs:
    from embedkit.words.glove_kernel import lay_out, shuffle

    rows = np.repeat(np.arange(counts.n, dtype=np.int32), np.diff(counts.starts))
    mixed, odd = np.count_nonzero((rows ^ counts.cols) & 1), np.count_nonzero(rows & counts.cols & 1)
    cells = int(2 * counts.m - np.count_nonzero(rows == counts.cols))
    del rows
    edges = np.cumsum([0, counts.m - mixed - odd, odd, mixed])
    left, right, logs = np.empty(counts.m, np.int32), np.empty(counts.m, np.int32), np.empty(counts.m, np.float32)
    beat()
    lay_out(counts.starts, counts.cols, counts.values, edges[:3].copy(), left, right, logs)
    state = rng.integers(1, 2**63, 1).astype(np.uint64)
    for low, high in pairwise(edges.tolist()):
        for first in range(low, high, 5_000_000):
            beat()
            shuffle(left, right, logs, low, first, min(first + 5_000_000, high), state)
    return _Pairs(left, right, logs, edges, cells)


def _epoch(
    vectors: Vectors,
    biases: Vectors,
    pairs: _Pairs,
    rate: float,
    rng: np.random.Generator,
    pool: ThreadPoolExecutor,
    beat: Callable[[float], None],
) -> float:
    """Learn from every pair once; the mean weighted squared error on the way."""
    from embedkit.words.glove_kernel import descend

    numbers = np.float32(ALPHA), np.float32(np.log(X_MAX)), np.float32(rate)
    rounds = max(ROUNDS, len(pairs.left) * vectors.shape[2] // PORTION)
    orders, seeds = [], []
    for length in np.diff(pairs.edges):
        blocks = -(-int(length) // BLOCK)
        orders.append(np.array_split(rng.permutation(blocks), rounds))
        seeds.append(rng.integers(1, 2**63, blocks).astype(np.uint64))

    def learn(part: int, k: int, forward: bool, backward: bool) -> Any:
        low, high = int(pairs.edges[part]), int(pairs.edges[part + 1])
        return pool.submit(
            descend, vectors, biases, pairs.left, pairs.right, pairs.logs, low, high, orders[part][k], seeds[part],
            BLOCK, forward, backward, *numbers,
        )  # fmt: skip

    total = 0.0
    for k in range(rounds):
        beat(k / rounds)
        # Even words with even contexts, odd with odd; then even words with odd contexts, odd with even.
        for both in ((0, True, True), (1, True, True)), ((2, True, False), (2, False, True)):
            running = [learn(part, k, forward, backward) for part, forward, backward in both]
            total += sum(part.result() for part in running)
    return total / pairs.cells


def glove_steps(
    corpus: Corpus, recipe: WordRecipe, heartbeat: Callable[[float, str], None] = lambda done, text: None
) -> Iterator[WordStep]:
    """Yield the vectors untrained and after each epoch; the same seed gives the same bytes.

    Of the recipe count dims, window, epochs, min_count, most, rate and seed. An epoch is a pass over the table, not
    over the text, and teaches less than one of word2vec: take 25 or more (PUBLISHED). `loss` is the mean weighted
    squared error over the cells of the table during the epoch; `seconds` of step 0 are those of counting. Raises
    InputError on a text with nothing to count, and when the rate is too large for the errors to stay finite.
    """
    size = corpus.size(recipe.min_count, recipe.most)
    counting = COUNTING / (COUNTING + recipe.epochs)
    begin = time.perf_counter()
    counts = count_pairs(
        corpus, size, window=recipe.window, heartbeat=lambda done, text: heartbeat(0.7 * counting * done, text)
    )
    rng = np.random.default_rng(recipe.seed)
    pairs = _laid_out(counts, rng, lambda: heartbeat(0.7 * counting, "mixing the pairs"))
    tokens = counts.tokens
    del counts
    vectors = np.ones((size, 4, recipe.dims), np.float32)  # word, context; below them the sums of squares
    biases = np.ones((size, 4), np.float32)
    width = 1 / (recipe.dims + 1)
    vectors[:, :2] = width * (rng.random((size, 2, recipe.dims), np.float32) - 0.5)
    biases[:, :2] = width * (rng.random((size, 2), np.float32) - 0.5)
    seconds = time.perf_counter() - begin

    def step(epoch: int, loss: float) -> WordStep:
        summed = frozen(vectors[:, 0] + vectors[:, 1])
        more = {"contexts": vectors[:BESIDE, 1], "biases": biases[:BESIDE, :2]}
        halves = {name: frozen(array.astype(np.float16)) for name, array in more.items()}
        return WordStep(epoch, recipe.epochs, summed, loss, epoch * tokens, seconds, halves)

    with ThreadPoolExecutor(THREADS) as pool:
        yield step(0, float("nan"))
        for epoch in range(1, recipe.epochs + 1):

            def beat(part: float, epoch: int = epoch) -> None:
                done = counting + (1 - counting) * (epoch - 1 + part) / recipe.epochs
                heartbeat(done, f"epoch {epoch} of {recipe.epochs}")

            begin = time.perf_counter()
            loss = _epoch(vectors, biases, pairs, recipe.rate, rng, pool, beat)
            seconds += time.perf_counter() - begin
            if not np.isfinite(loss):
                raise InputError(f"With a rate of {recipe.rate:g} the errors of GloVe grow without end; try 0.05.")
            yield step(epoch, loss)

"""How often two words stand near each other in a text: the table that GloVe and LSA learn from.

The table X is symmetric: X[i, j] sums a weight over all positions p of word i and q of word j, p != q, on one line
and at most `window` apart. So "a a" gives X[a, a] = 2, as in Stanford's GloVe. Half of it is counted and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus

__all__ = ["WEIGHTINGS", "PairCounts", "count_pairs"]

THREADS = 2
PORTION = 4_000_000  # neighbors looked at between two heartbeats: some hundredths of a second, and 32 MB at most

Ints = NDArray[np.int64]
WEIGHTINGS: dict[str, Callable[[Ints, int], NDArray[np.float64]]] = {
    "harmonic": lambda distance, window: 1 / distance,  # GloVe
    "linear": lambda distance, window: (window - distance + 1) / window,  # word2vec, which draws its windows by chance
    "flat": lambda distance, window: np.ones(len(distance)),
}


@dataclass(frozen=True, eq=False)
class PairCounts:
    """The lower half of the table: row i has columns cols[starts[i]:starts[i + 1]] <= i, rising, and their values.

    `starts` int64 (n + 1,), `cols` int32 (m,), `values` float32 (m,), all above 0. As words stand in falling order of
    frequency, a row is the rarer word of its pairs. `tokens`: running words of the text that are among the n.
    """

    starts: Ints
    cols: NDArray[np.int32]
    values: NDArray[np.float32]
    tokens: int

    @property
    def n(self) -> int:
        """Different words."""
        return len(self.starts) - 1

    @property
    def m(self) -> int:
        """Pairs of words that were met, (i, j) and (j, i) as one."""
        return len(self.cols)

    def whole(self) -> tuple[Ints, NDArray[np.int32], NDArray[np.float32]]:
        """`starts`, `cols` and `values` of all rows with all columns."""
        from embedkit.words.cooccurrence_kernel import mirror

        own = self.cols == np.repeat(np.arange(self.n, dtype=np.int32), np.diff(self.starts))
        lengths = np.diff(self.starts) + np.bincount(self.cols[~own], minlength=self.n)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        cols, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
        mirror(self.starts, self.cols, self.values, starts, cols, values)
        return starts, cols, values


def count_pairs(
    corpus: Corpus,
    size: int,
    *,
    window: int,
    weighting: str = "harmonic",
    heartbeat: Callable[[float, str], None] = lambda done, text: None,
) -> PairCounts:
    """Count pairs among the `size` most frequent words; rarer ones fall out of their lines before, as in word2vec.

    `weighting` is one of WEIGHTINGS: what a pair counts for by its distance, 1 for direct neighbors. `heartbeat` is
    called with the share done, and may raise. Raises InputError when no two words stand near each other.
    """
    heartbeat(0.0, "sorting the words by place")
    from embedkit.words.cooccurrence_kernel import count_rows, places_by_word

    weights = np.concatenate([[0.0], WEIGHTINGS[weighting](np.arange(1, window + 1), window)])
    ids, edges = corpus.head(size)
    spaced = np.full(len(ids) + len(edges), -1, np.int32)  # every line between two -1
    spaced[np.arange(len(ids)) + np.repeat(np.arange(1, len(edges)), np.diff(edges))] = ids
    occurrences = np.bincount(ids, minlength=size)
    tokens = len(ids)
    del ids, edges
    starts = np.concatenate([[0], np.cumsum(occurrences)]).astype(np.int64)
    places = np.empty(tokens, np.int32)
    places_by_word(spaced, starts, places)

    looks = 2 * window * occurrences
    most = np.minimum(looks, np.arange(1, size + 1))  # entries a row can have
    lengths = np.zeros(size, np.int64)

    def portion(rows: tuple[int, int]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        room = int(most[rows[0] : rows[1]].sum())
        cols, values = np.empty(room, np.int32), np.empty(room, np.float32)
        filled = count_rows(spaced, starts, places, weights, rows[0], rows[1], lengths, cols, values)
        return cols[:filled].copy(), values[:filled].copy()

    cuts = np.searchsorted(np.cumsum(looks), np.arange(PORTION, looks.sum(), PORTION)) + 1
    parts = list(pairwise(np.unique(np.concatenate([[0], cuts, [size]])).tolist()))
    found = []
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(parts), THREADS):
            heartbeat(first / len(parts), "counting pairs of words")
            found += list(pool.map(portion, parts[first : first + THREADS]))
    if not sum(len(cols) for cols, _ in found):
        raise InputError(
            f"No two of the {size:,} words stand within {window} of each other on a line of {corpus.title}; "
            "give longer lines, or let rarer words in."
        )
    cols = np.concatenate([cols for cols, _ in found])
    values = np.concatenate([values for _, values in found])
    heartbeat(1.0, "counting pairs of words")
    return PairCounts(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), cols, values, tokens)

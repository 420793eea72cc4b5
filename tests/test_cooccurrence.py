"""Pairs of words that stand near each other: by hand, by a naive double loop, and as a product of sparse matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus, lee, read_corpus
from embedkit.words import cooccurrence
from embedkit.words.cooccurrence import WEIGHTINGS, PairCounts, count_pairs


def dense(counts: PairCounts) -> np.ndarray:
    """The whole table (n, n) from its lower half."""
    half = np.zeros((counts.n, counts.n))
    half[np.repeat(np.arange(counts.n), np.diff(counts.starts)), counts.cols] = counts.values
    return half + np.tril(half, -1).T


def by_double_loop(corpus: Corpus, size: int, window: int, weighting: str) -> np.ndarray:
    table = np.zeros((size, size))
    for first, last in zip(corpus.starts[:-1], corpus.starts[1:], strict=True):
        line = [i for i in corpus.ids[first:last].tolist() if i < size]
        for p in range(len(line)):
            for q in range(max(p - window, 0), min(p + window + 1, len(line))):
                if p != q:
                    away = abs(p - q)
                    weight = {"harmonic": 1 / away, "linear": (window - away + 1) / window, "flat": 1.0}[weighting]
                    table[line[p], line[q]] += weight
    return table


def some_lines(count: int) -> Corpus:
    corpus = lee()
    text = "\n".join(
        " ".join(corpus.words[i] for i in corpus.ids[a:b])
        for a, b in zip(corpus.starts[:count], corpus.starts[1 : count + 1], strict=True)
    )
    return read_corpus(text.encode())


def test_two_lines_by_hand() -> None:
    corpus = read_corpus(b"a b c\nb a")
    assert corpus.words == ("a", "b", "c")
    counts = count_pairs(corpus, 3, window=2)
    assert dense(counts).tolist() == [[0, 2, 0.5], [2, 0, 1], [0.5, 1, 0]]
    assert (counts.n, counts.m, counts.tokens) == (3, 3, 5)
    assert dense(count_pairs(corpus, 3, window=1)).tolist() == [[0, 2, 0], [2, 0, 1], [0, 1, 0]]


def test_a_word_beside_itself_counts_from_both_ends() -> None:
    counts = count_pairs(read_corpus(b"a a b"), 2, window=2)
    assert dense(counts).tolist() == [[2, 1.5], [1.5, 0]]


def test_weights_by_distance() -> None:
    distance = np.arange(1, 5)
    assert WEIGHTINGS["harmonic"](distance, 4).tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
    assert WEIGHTINGS["linear"](distance, 4).tolist() == [1, 0.75, 0.5, 0.25]
    assert WEIGHTINGS["flat"](distance, 4).tolist() == [1, 1, 1, 1]


def test_rare_words_fall_out_before_distances_are_taken() -> None:
    corpus = read_corpus(b"a x b\na b\na y b")
    assert dense(count_pairs(corpus, 2, window=1)).tolist() == [[0, 3], [3, 0]]


@pytest.mark.parametrize("weighting", sorted(WEIGHTINGS))
@pytest.mark.parametrize("window", [1, 3, 20])
def test_equals_a_naive_double_loop(weighting: str, window: int) -> None:
    corpus = some_lines(6)
    for size in (len(corpus.words), 40):
        counts = count_pairs(corpus, size, window=window, weighting=weighting)
        np.testing.assert_allclose(dense(counts), by_double_loop(corpus, size, window, weighting), rtol=1e-6)


def test_equals_the_product_of_shifted_matrices_on_all_of_lee() -> None:
    corpus, window = lee(), 5
    size = corpus.size(5)
    ids, edges = corpus.head(size)
    line = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    expected = scipy.sparse.csr_matrix((size, size))
    for away in range(1, window + 1):
        near = line[:-away] == line[away:]
        one = scipy.sparse.coo_matrix((near / away, (ids[:-away], ids[away:])), shape=(size, size)).tocsr()
        expected = expected + one + one.T
    counts = count_pairs(corpus, size, window=window)
    np.testing.assert_allclose(dense(counts), expected.toarray(), rtol=1e-6, atol=1e-9)
    assert counts.m == (scipy.sparse.tril(expected) > 0).nnz


def test_rows_are_a_lower_half_in_rising_columns() -> None:
    corpus = some_lines(20)
    counts = count_pairs(corpus, len(corpus.words), window=5)
    for i in range(counts.n):
        row = counts.cols[counts.starts[i] : counts.starts[i + 1]]
        assert np.all(np.diff(row) > 0)
        assert row.max(initial=0) <= i
    assert counts.values.min() > 0
    assert (counts.starts.dtype, counts.cols.dtype, counts.values.dtype) == (np.int64, np.int32, np.float32)


def test_the_whole_table_is_the_half_and_its_mirror() -> None:
    corpus = some_lines(20)
    counts = count_pairs(corpus, len(corpus.words), window=5)
    starts, cols, values = counts.whole()
    whole = scipy.sparse.csr_matrix((values, cols, starts), shape=(counts.n, counts.n))
    assert whole.has_sorted_indices
    np.testing.assert_array_equal(whole.toarray(), dense(counts))


def test_neither_portions_nor_threads_change_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = some_lines(30)
    size = len(corpus.words)
    once = count_pairs(corpus, size, window=4)
    for portion, threads in ((1, 2), (977, 1), (5_000, 2)):
        monkeypatch.setattr(cooccurrence, "PORTION", portion)
        monkeypatch.setattr(cooccurrence, "THREADS", threads)
        again = count_pairs(corpus, size, window=4)
        for name in ("starts", "cols", "values"):
            assert getattr(again, name).tobytes() == getattr(once, name).tobytes()


def test_sums_are_taken_in_double_precision() -> None:
    counts = count_pairs(read_corpus(b"a x y b\n" * 300_000), 4, window=3)  # thirds in single precision would drift
    assert dense(counts)[0, 1] == 100_000


def test_a_text_in_which_nothing_stands_near_anything_is_refused() -> None:
    with pytest.raises(InputError, match="No two of the 2 words stand within 5"):
        count_pairs(read_corpus(b"a\nb\na\nb"), 2, window=5)


def test_the_share_done_rises_and_a_stop_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "PORTION", 1_000)
    corpus = some_lines(10)
    seen: list[float] = []
    count_pairs(corpus, len(corpus.words), window=5, heartbeat=lambda done, text: seen.append(done))
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0, 1)
    assert len(seen) > 5

    class Stop(Exception):
        pass

    def stop(done: float, text: str) -> None:
        if done > 0.3:
            raise Stop

    with pytest.raises(Stop):
        count_pairs(corpus, len(corpus.words), window=5, heartbeat=stop)

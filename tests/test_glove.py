"""GloVe: a step by hand, gradients by finite differences, an epoch by a plain port, and which bytes come out."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import subprocess
import sys
import time
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus, lee, read_corpus
from embedkit.space import to_unit
from embedkit.words import glove_kernel
from embedkit.words.cooccurrence import PairCounts, count_pairs
from embedkit.words.glove import ALPHA, PUBLISHED, X_MAX, _laid_out, glove_steps
from embedkit.words.glove_kernel import descend
from embedkit.words.learning import WordRecipe, WordStep, learn

ROOT = Path(__file__).resolve().parents[1]
glove = importlib.import_module("embedkit.words.glove")  # the package has a method of this name
MASK = 2**64 - 1


def steps_of(corpus: Corpus, **more: Any) -> list[WordStep]:
    return list(glove_steps(corpus, WordRecipe("GloVe", **more)))


def small_lee(**more: Any) -> list[WordStep]:
    return steps_of(lee(), **{"dims": 10, "epochs": 3, "most": 500, **more})


def run(
    vectors: np.ndarray,
    biases: np.ndarray,
    pairs: list[tuple[int, int, float]],
    *,
    rate: float = 0.05,
    seed: int = 1,
    forward: bool = True,
    backward: bool = False,
) -> float:
    """One block of pairs (i, j, X_ij) through the compiled loop; the arrays are changed in place."""
    left, right = (np.array(column, np.int32) for column in list(zip(*pairs, strict=True))[:2])
    logs = np.log(np.array([x for *_, x in pairs])).astype(np.float32)
    numbers = np.float32(ALPHA), np.float32(math.log(X_MAX)), np.float32(rate)
    return float(
        descend(
            vectors, biases, left, right, logs, 0, len(pairs), np.zeros(1, np.int64), np.array([seed], np.uint64),
            max(len(pairs), 1), forward, backward, *numbers,
        )
    )  # fmt: skip


def parameters(n: int, dims: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    vectors, biases = np.ones((n, 4, dims), np.float32), np.ones((n, 4), np.float32)
    vectors[:, :2], biases[:, :2] = rng.normal(size=(n, 2, dims)) / 2, rng.normal(size=(n, 2)) / 2
    return vectors, biases


def test_two_steps_of_adagrad_by_hand() -> None:
    """w = .5, c = .8, biases 0, X = 1: log X = 0, f = (1 / 10)^.75 = .177828, error = .4.

    The gradient of f error^2 / 2 is f error c = .0569050 for w and f error w = .0355656 for c; times .05 and over
    sqrt(1) they are the first steps. Their squares are added to 1, and the second steps are divided by the root.
    """
    vectors = np.array([[[0.5], [9], [1], [1]], [[9], [0.8], [1], [1]]], np.float32)
    biases = np.array([[0, 9, 1, 1], [9, 0, 1, 1]], np.float32)
    loss = run(vectors, biases, [(0, 1, 1.0)])
    assert loss == pytest.approx(0.177828 * 0.4**2, rel=1e-5)
    w, c, bias = 0.5 - 0.05 * 0.0569050, 0.8 - 0.05 * 0.0355656, -0.05 * 0.0711312
    assert vectors[0, 0, 0] == pytest.approx(w, rel=1e-6)
    assert vectors[1, 1, 0] == pytest.approx(c, rel=1e-6)
    assert (biases[0, 0], biases[1, 1]) == (pytest.approx(bias, rel=1e-5), pytest.approx(bias, rel=1e-5))
    assert vectors[0, 2, 0] == pytest.approx(1 + 0.00284525**2, rel=1e-7)
    assert biases[0, 2] == pytest.approx(1 + 0.00355656**2, rel=1e-7)
    assert vectors[[0, 1], [1, 0], 0].tolist() == [9, 9]  # the other role of each word stands still

    vectors[0, 2, 0] = 4  # as if much had been learned: half the step
    before, error = vectors.copy(), w * c + 2 * bias
    run(vectors, biases, [(0, 1, 1.0)])
    assert before[0, 0, 0] - vectors[0, 0, 0] == pytest.approx(0.05 * 0.177828 * error * c / 2, rel=1e-3)


def test_frequent_pairs_weigh_no_more_than_one() -> None:
    for count, weight in ((X_MAX / 2, 0.5**0.75), (X_MAX, 1), (50 * X_MAX, 1)):
        vectors, biases = np.ones((2, 4, 1), np.float32), np.ones((2, 4), np.float32)
        vectors[:, :2], biases[:, :2] = 0, 0
        assert run(vectors, biases, [(0, 1, count)]) == pytest.approx(weight * math.log(count) ** 2, rel=1e-5)


def test_steps_are_the_gradient_by_finite_differences() -> None:
    count, rate, dims = 3.7, 1e-2, 6
    vectors, biases = parameters(2, dims)
    before, before_biases = vectors.astype(np.float64), biases.astype(np.float64)
    run(vectors, biases, [(0, 1, count)], rate=rate)

    def half_error(v: np.ndarray, b: np.ndarray) -> float:
        error = v[0, 0] @ v[1, 1] + b[0, 0] + b[1, 1] - math.log(count)
        return float(min(1, (count / 10) ** 0.75) * error**2 / 2)

    def slope(array: np.ndarray, place: tuple[int, ...]) -> float:
        sides = []
        for way in (1e-5, -1e-5):
            moved = array.copy()
            moved[place] += way
            sides.append(half_error(moved, before_biases) if array.ndim == 3 else half_error(before, moved))
        return (sides[0] - sides[1]) / 2e-5

    for place in [(0, 0, c) for c in range(dims)] + [(1, 1, c) for c in range(dims)]:
        assert (before[place] - vectors[place]) / rate == pytest.approx(slope(before, place), abs=2e-4)
    for place in ((0, 0), (1, 1)):
        moved = before_biases[place] - biases[place]
        assert moved / rate == pytest.approx(slope(before_biases, place), abs=2e-4)


def next_random(state: int) -> int:
    state ^= state << 13 & MASK
    state ^= state >> 7
    return state ^ (state << 17 & MASK)


def test_an_epoch_is_that_of_a_plain_port_of_stanfords_program() -> None:
    counts = count_pairs(lee(), 60, window=3)
    rows = np.repeat(np.arange(counts.n), np.diff(counts.starts))
    pairs = list(zip(rows.tolist(), counts.cols.tolist(), counts.values.tolist(), strict=True))
    vectors, biases = parameters(60, 5)
    w, b = vectors.astype(np.float64), biases.astype(np.float64)
    got = run(vectors, biases, pairs, seed=77, backward=True)

    order: list[int] = []
    random = 77
    for k in range(len(pairs)):
        random = next_random(random)
        other = (random >> 32) * (k + 1) >> 32
        order.append(k)
        order[k], order[other] = order[other], order[k]
    assert sorted(order) == list(range(len(pairs)))
    assert order != sorted(order)
    cost = 0.0
    for k in order:
        i, j, x = pairs[k]
        for one, two in ((i, j), (j, i)) if i != j else ((i, j),):
            diff = w[one, 0] @ w[two, 1] + b[one, 0] + b[two, 1] - math.log(x)
            fdiff = diff if x > X_MAX else (x / X_MAX) ** ALPHA * diff
            cost += fdiff * diff
            fdiff *= 0.05
            first, second = fdiff * w[two, 1], fdiff * w[one, 0]
            w[one, 0] -= first / np.sqrt(w[one, 2])
            w[two, 1] -= second / np.sqrt(w[two, 3])
            w[one, 2] += first**2
            w[two, 3] += second**2
            b[one, 0] -= fdiff / np.sqrt(b[one, 2])
            b[two, 1] -= fdiff / np.sqrt(b[two, 3])
            b[one, 2] += fdiff**2
            b[two, 3] += fdiff**2
    assert got == pytest.approx(cost, rel=1e-4)
    np.testing.assert_allclose(vectors, w, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(biases, b, rtol=1e-3, atol=1e-4)


def laid_out(size: int = 300) -> tuple[PairCounts, Any]:
    counts = count_pairs(lee(), size, window=5)
    return counts, _laid_out(counts, np.random.default_rng(0), lambda: None)


def test_pairs_are_laid_out_once_each_by_halves_and_mixed() -> None:
    counts, pairs = laid_out()
    rows = np.repeat(np.arange(counts.n), np.diff(counts.starts))
    expected = {(i, j): x for i, j, x in zip(rows.tolist(), counts.cols.tolist(), counts.values.tolist(), strict=True)}
    found = {}
    for part, (low, high) in enumerate(pairwise(pairs.edges.tolist())):
        left, right = pairs.left[low:high], pairs.right[low:high]
        assert (left % 2 == (part == 1)).all()
        assert (right % 2 == (part > 0)).all()
        assert not np.all(np.diff(np.maximum(left, right)) >= 0)  # mixed, no more row by row
        for i, j, log in zip(left.tolist(), right.tolist(), pairs.logs[low:high].tolist(), strict=True):
            found[max(i, j), min(i, j)] = log
    assert pairs.edges[-1] == len(expected) == len(found)
    assert found == {pair: pytest.approx(math.log(x), abs=1e-6) for pair, x in expected.items()}
    shares = np.diff(pairs.edges) / counts.m
    np.testing.assert_allclose(shares, [0.25, 0.25, 0.5], atol=0.05)  # so that two threads have equal work


def test_an_epoch_reads_every_cell_of_the_table_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate of 0 the loss is the mean of f(X) (b_i + b_j + w_i . c_j - log X)^2 over all cells, in any order."""
    from concurrent.futures import ThreadPoolExecutor

    counts, pairs = laid_out()
    starts, cols, values = counts.whole()
    rows = np.repeat(np.arange(counts.n), np.diff(starts))
    vectors, biases = parameters(counts.n, 8)
    error = (vectors[rows, 0] * vectors[cols, 1]).sum(1) + biases[rows, 0] + biases[cols, 1] - np.log(values)
    expected = (np.minimum(1, (values / X_MAX) ** ALPHA) * error**2).mean()
    assert pairs.cells == len(cols)
    rng = np.random.default_rng(0)
    for block in (64, 1_024):
        monkeypatch.setattr(glove, "BLOCK", block)
        with ThreadPoolExecutor(2) as pool:
            loss = glove._epoch(vectors, biases, pairs, 0.0, rng, pool, lambda part: None)
        assert loss == pytest.approx(expected, rel=1e-4)


def test_loss_falls_and_steps_say_where_they_are() -> None:
    steps = small_lee(epochs=10)
    assert [step.epoch for step in steps] == list(range(11))
    assert {step.epochs for step in steps} == {10}
    losses = [step.loss for step in steps]
    assert math.isnan(losses[0])
    assert all(after < before for before, after in pairwise(losses[1:]))
    assert losses[-1] < 0.6 * losses[1]
    tokens = int(lee().counts[:500].sum())
    assert [step.words for step in steps] == [epoch * tokens for epoch in range(11)]
    assert all(after.seconds >= before.seconds for before, after in pairwise(steps))
    for step in steps:
        assert (step.vectors.shape, step.vectors.dtype) == ((500, 10), np.float32)
        assert not step.vectors.flags.writeable
        assert np.isfinite(step.vectors).all()
    assert len({step.vectors.tobytes() for step in steps}) == 11  # each a copy of its own


def test_a_vector_is_the_sum_of_word_and_context(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays: list[np.ndarray] = []

    def watched(*given: Any) -> float:
        arrays.append(given[0])
        return float(descend(*given))

    monkeypatch.setattr(glove_kernel, "descend", watched)
    steps = small_lee()
    np.testing.assert_array_equal(steps[-1].vectors, arrays[-1][:, 0] + arrays[-1][:, 1])
    assert 0.9 / 11 < np.abs(steps[0].vectors).max() <= 1 / 11  # each up to 1/2 through dimensions and bias


def test_many_epochs_fit_the_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    losses = [step.loss for step in steps_of(read_corpus(b"a b c d\nb a d e\n" * 20), dims=8, epochs=200, min_count=1)]
    assert losses[-1] < 1e-3


def test_words_of_one_subject_come_together() -> None:
    rng = np.random.default_rng(0)
    subjects = [["dog", "cat", "cow", "horse", "sheep", "goat"], ["red", "blue", "green", "white", "black", "gray"]]
    text = "\n".join(" ".join(rng.choice(subjects[k % 2], 8)) for k in range(400))
    corpus = read_corpus(text.encode())
    unit = to_unit(steps_of(corpus, dims=10, epochs=30)[-1].vectors)
    near = unit @ unit.T
    same = np.array([[(a in subjects[0]) == (b in subjects[0]) for a in corpus.words] for b in corpus.words])
    apart = ~np.eye(12, dtype=bool)
    assert near[same & apart].min() > near[~same].max()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    once = [step.vectors.tobytes() for step in small_lee(seed=3)]
    assert [step.vectors.tobytes() for step in small_lee(seed=3)] == once
    assert small_lee(seed=4)[-1].vectors.tobytes() != once[-1]
    monkeypatch.setattr(glove, "THREADS", 1)
    assert [step.vectors.tobytes() for step in small_lee(seed=3)] == once


def test_a_thread_that_is_late_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    once = small_lee(seed=3)[-1]

    def late(*given: Any) -> float:
        time.sleep(0.002 * (given[11] and not given[12]))
        return float(descend(*given))

    monkeypatch.setattr(glove_kernel, "descend", late)
    again = small_lee(seed=3)[-1]
    assert again.vectors.tobytes() == once.vectors.tobytes()
    assert again.loss == once.loss


def test_threads_that_learn_at_once_share_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[set[int], set[int]]] = []

    def watched(*given: Any) -> float:
        before = given[0].copy()
        loss = float(descend(*given))
        words, contexts = ((before[:, k] != given[0][:, k]).any(1) for k in (0, 1))
        calls.append((set(np.flatnonzero(words)), set(np.flatnonzero(contexts))))
        return loss

    monkeypatch.setattr(glove_kernel, "descend", watched)
    monkeypatch.setattr(glove, "THREADS", 1)  # one after the other, to be watched
    small_lee(epochs=1)
    assert len(calls) == 4 * glove.ROUNDS
    for one, two in zip(calls[::2], calls[1::2], strict=True):
        assert not one[0] & two[0]
        assert not one[1] & two[1]
    assert any(one[0] and two[0] for one, two in zip(calls[::2], calls[1::2], strict=True))


def test_another_process_gives_the_same_bytes() -> None:
    code = (
        "import hashlib; from embedkit.sources.corpora import lee; from embedkit.words.learning import *;"
        "*_, step = learn(lee(), WordRecipe('GloVe', dims=10, epochs=3, most=500, seed=3));"
        "print(hashlib.sha256(step.vectors.tobytes()).hexdigest())"
    )
    env = os.environ | {"NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    said = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == hashlib.sha256(small_lee(seed=3)[-1].vectors.tobytes()).hexdigest()


def test_the_order_of_pairs_changes_with_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks: list[list[int]] = []
    seeds: list[list[int]] = []

    def watched(*given: Any) -> float:
        blocks.append(given[7].tolist())
        seeds.append(given[8].tolist())
        return float(descend(*given))

    monkeypatch.setattr(glove_kernel, "descend", watched)
    monkeypatch.setattr(glove, "BLOCK", 64)
    small_lee(epochs=2)
    half = len(blocks) // 2
    assert sum(map(len, blocks[:half])) > 200
    assert blocks[:half] != blocks[half:]  # order of the blocks
    assert sorted(chain(*blocks[:half])) == sorted(chain(*blocks[half:]))
    assert all(len(set(one)) == len(one) for one in seeds)  # order within a block
    assert all(not set(one) & set(two) for one, two in zip(seeds[:half], seeds[half:], strict=True))


def test_two_words_are_enough() -> None:
    steps = steps_of(read_corpus(b"a b"), dims=100, min_count=1, epochs=2)
    assert steps[-1].vectors.shape == (2, 100)
    assert np.isfinite(steps[-1].vectors).all()
    assert np.isfinite(steps_of(read_corpus(b"a a b"), dims=2, min_count=1, rate=0.5, epochs=200)[-1].vectors).all()


@pytest.mark.parametrize(
    ("text", "said"), [(b"alone alone", "too short to learn from"), (b"a\nb", "No two of the 2 words")]
)
def test_texts_with_nothing_to_count_are_refused_in_one_sentence(text: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        steps_of(read_corpus(text), min_count=1)


def test_errors_that_grow_without_end_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glove_kernel, "descend", lambda *given: float("inf"))
    with pytest.raises(InputError, match=r"With a rate of 0\.5 the errors of GloVe grow without end"):
        small_lee(rate=0.5)


def test_the_share_done_rises_and_a_stop_is_heard_in_each_part() -> None:
    seen: list[float] = []
    recipe = WordRecipe("GloVe", dims=10, epochs=2, most=500)
    list(learn(lee(), recipe, heartbeat=lambda done, text: seen.append(done)))
    assert seen == sorted(seen)
    assert 0 <= seen[0] <= seen[-1] <= 1
    assert len(seen) > 2 * glove.ROUNDS

    class Stop(Exception):
        pass

    for part, kept in (("counting", 0), ("mixing", 0), ("epoch 2 of 2", 2)):

        def stop(done: float, text: str, part: str = part) -> None:
            if part in text:
                raise Stop

        steps = learn(lee(), recipe, heartbeat=stop)
        assert len(list(islice(steps, kept))) == kept
        with pytest.raises(Stop):
            next(steps)


def test_whoever_looks_away_early_stops_the_threads() -> None:
    assert len(list(islice(glove_steps(lee(), WordRecipe("GloVe", dims=10, most=500)), 2))) == 2


def test_published_settings_make_a_recipe() -> None:
    recipe = WordRecipe("GloVe", **PUBLISHED)  # type: ignore[arg-type]
    assert (recipe.window, recipe.epochs, recipe.rate, X_MAX, ALPHA) == (10, 25, 0.05, 10, 0.75)

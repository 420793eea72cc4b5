"""LSA: PPMI of two words by hand and of a news text in numpy, the SVD against numpy's own, small and odd texts."""

from __future__ import annotations

import hashlib
import importlib
import math
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus, lee, read_corpus, wikipedia
from embedkit.sources.gensim_data import test_data as gensim_file
from embedkit.space import to_unit
from embedkit.words.cooccurrence import count_pairs
from embedkit.words.learning import WordRecipe, WordStep, learn
from embedkit.words.lsa import PUBLISHED, Ppmi, lsa_steps, truncated_svd

ROOT = Path(__file__).resolve().parents[1]
lsa = importlib.import_module("embedkit.words.lsa")  # the package has a method of this name


def step_of(corpus: Corpus, **more: float) -> WordStep:
    (step,) = lsa_steps(corpus, WordRecipe("LSA", **more))  # type: ignore[arg-type]
    return step


@lru_cache(maxsize=1)
def lee_matrix() -> tuple[Ppmi, np.ndarray]:
    """The matrix of the 500 most frequent words of the Lee corpus as it is multiplied with, and by numpy."""
    counts = count_pairs(lee(), 500, window=5, weighting="linear")
    table = np.zeros((counts.n, counts.n))
    table[np.repeat(np.arange(counts.n), np.diff(counts.starts)), counts.cols] = counts.values
    table += np.tril(table, -1).T
    words, contexts = table.sum(1), table.sum(0) ** 0.75
    with np.errstate(divide="ignore"):
        pmi = np.log(table * contexts.sum() / np.outer(words, contexts))
    return Ppmi(counts, 0.75), np.maximum(pmi, 0)


@lru_cache(maxsize=1)
def lee_svd() -> tuple[np.ndarray, np.ndarray]:
    left, values, _ = np.linalg.svd(lee_matrix()[1])
    return left, values


def test_ppmi_of_two_words_by_hand() -> None:
    """ "a a b" within one word: X_aa 2, X_ab = X_ba 1, so X_a 3 and X_b 1; T = 3^.75 + 1."""
    matrix = Ppmi(count_pairs(read_corpus(b"a a b"), 2, window=1, weighting="linear"), 0.75)
    total = 3**0.75 + 1
    assert math.log(2 * total / (3 * 3**0.75)) < 0  # less often than by chance: 0
    expected = [[0, math.log(1 * total / (3 * 1))], [math.log(1 * total / (1 * 3**0.75)), 0]]
    np.testing.assert_allclose(matrix.times(np.eye(2, dtype=np.float32)), expected, atol=1e-6)
    np.testing.assert_allclose(
        matrix.times(np.eye(2, dtype=np.float32), transposed=True), np.transpose(expected), atol=1e-6
    )


def test_two_words_side_by_side() -> None:
    """X = ((0, 1), (1, 0)): M_ab = log(1 * 2 / (1 * 1)), so M M' = (log 2)^2 I, and U S U' = log 2 I."""
    step = step_of(read_corpus(b"a b"), dims=2, min_count=1, power=0.5)
    np.testing.assert_allclose(step.vectors @ step.vectors.T, math.log(2) * np.eye(2), atol=1e-6)
    assert (step.epoch, step.epochs, step.words) == (1, 1, 2)
    assert step.loss == pytest.approx(0, abs=1e-6)


def test_the_matrix_of_lee_is_numpys() -> None:
    matrix, expected = lee_matrix()
    block = np.random.default_rng(1).normal(size=(matrix.n, 7)).astype(np.float32)
    np.testing.assert_allclose(matrix.times(block), expected @ block, atol=2e-3)
    np.testing.assert_allclose(matrix.times(block, transposed=True), expected.T @ block, atol=2e-3)
    assert not np.allclose(expected, expected.T)  # smoothing is for contexts alone
    assert matrix.squares() == pytest.approx((expected**2).sum(), rel=1e-5)


def test_the_svd_of_lee_is_numpys() -> None:
    matrix, expected = lee_matrix()
    left, values = truncated_svd(matrix, 100, seed=0)
    their_left, theirs = lee_svd()
    np.testing.assert_allclose(values[:50], theirs[:50], rtol=1e-4)
    np.testing.assert_allclose(values, theirs[:100], rtol=5e-3)
    clear = np.flatnonzero(theirs[:20] - theirs[1:21] > 0.02 * theirs[:20])  # close values share their directions
    assert len(clear) > 3
    assert np.abs((left * their_left[:, :100]).sum(0))[clear].min() > 0.999
    np.testing.assert_allclose(left.T @ left, np.eye(100), atol=1e-4)
    kept = ((left.T @ expected) ** 2).sum()
    assert kept > 0.999 * (theirs[:100] ** 2).sum()


def test_a_small_matrix_is_taken_apart_as_it_is() -> None:
    corpus = read_corpus(" ".join(lee().words[i] for i in lee().ids[:200]).encode())
    size = corpus.size(1)
    matrix = Ppmi(count_pairs(corpus, size, window=5, weighting="linear"), 0.75)
    left, values = truncated_svd(matrix, size, seed=0)
    full = matrix.times(np.eye(size, dtype=np.float32)).astype(np.float64)
    np.testing.assert_allclose(values, np.linalg.svd(full, compute_uv=False), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(left @ (left.T @ full), full, atol=1e-3)


def test_the_power_stretches_directions() -> None:
    plain, half, whole = (step_of(lee(), most=500, dims=20, power=power).vectors for power in (0.0, 0.5, 1.0))
    lengths = np.sqrt((whole**2).sum(0))
    np.testing.assert_allclose(lengths, lee_svd()[1][:20], rtol=1e-3)
    np.testing.assert_allclose(plain.T @ plain, np.eye(20), atol=1e-4)
    np.testing.assert_allclose(half, plain * np.sqrt(lengths), rtol=1e-4, atol=1e-6)


def test_loss_is_the_share_of_squares_left_out() -> None:
    _, values = lee_svd()
    assert step_of(lee(), most=500, dims=20).loss == pytest.approx(
        1 - (values[:20] ** 2).sum() / (values**2).sum(), abs=1e-4
    )


def test_signs_are_fixed() -> None:
    vectors = step_of(lee(), most=500, dims=20).vectors
    assert (vectors[np.abs(vectors).argmax(0), np.arange(20)] > 0).all()


def test_the_same_seed_gives_the_same_bytes_whatever_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    once = step_of(lee(), most=500, dims=20, seed=3).vectors
    other = step_of(lee(), most=500, dims=20, seed=4).vectors
    assert once.tobytes() != other.tobytes()
    near, far = once @ once.T, other @ other.T
    assert np.linalg.norm(near - far) < 0.03 * np.linalg.norm(near)
    monkeypatch.setattr(lsa, "THREADS", 1)
    monkeypatch.setattr(lsa, "PORTION", 100_000)
    assert step_of(lee(), most=500, dims=20, seed=3).vectors.tobytes() == once.tobytes()


def test_another_process_with_one_core_gives_the_same_bytes() -> None:
    code = (
        "import hashlib; from embedkit.sources.corpora import lee; from embedkit.words.learning import *;"
        "(step,) = learn(lee(), WordRecipe('LSA', most=500, dims=20, seed=3));"
        "print(hashlib.sha256(step.vectors.tobytes()).hexdigest())"
    )
    few = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    said = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | few, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    here = step_of(lee(), most=500, dims=20, seed=3).vectors
    assert said.strip() == hashlib.sha256(here.tobytes()).hexdigest()


def test_dimensions_beyond_the_rank_are_zero() -> None:
    step = step_of(read_corpus(b"a b"), dims=100, min_count=1, power=0.0)
    assert step.vectors.shape == (2, 100)
    assert not step.vectors[:, 2:].any()
    assert np.isfinite(step.vectors).all()
    twins = step_of(read_corpus(b"a c\nb c\na d\nb d\na d\nb d"), dims=4, min_count=1, power=0.0)  # a as b: rank 2
    assert np.abs(twins.vectors).max(0).astype(bool).tolist() == [True, True, False, False]


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_a_word_that_stands_alone_has_a_vector_of_zeros(power: float) -> None:
    step = step_of(read_corpus(b"a b\nb a\nc\nc\nc"), dims=3, min_count=1, power=power)
    assert not step.vectors[0].any()  # c
    assert step.vectors[1:].any(1).all()
    assert not step.vectors.flags.writeable
    assert (step.vectors.dtype, step.vectors.flags.c_contiguous) == (np.float32, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"alone alone", "too short to learn from"),
        (b"a\nb", "No two of the 2 words"),
        (b"a a\nb b\na b\na b", "no two words stand together more often than by chance"),
        ("\n".join(f"{a} {b}" for a in "abc" for b in "abc" * 3).encode(), "more often than by chance"),  # but rounding
    ],
)
def test_texts_with_nothing_to_learn_are_refused_in_one_sentence(text: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        step_of(read_corpus(text), min_count=1, window=1)


def test_the_share_done_rises_and_a_stop_is_heard_in_each_part() -> None:
    seen: list[tuple[float, str]] = []
    recipe = WordRecipe("LSA", dims=20)
    list(learn(lee(), recipe, heartbeat=lambda done, text: seen.append((done, text))))
    shares = [done for done, _ in seen]
    assert shares == sorted(shares)
    assert 0 <= shares[0] <= shares[-1] <= 1

    class Stop(Exception):
        pass

    for part in ("counting", "round 3"):

        def stop(done: float, text: str, part: str = part) -> None:
            if part in text:
                raise Stop

        with pytest.raises(Stop):
            list(learn(lee(), recipe, heartbeat=stop))


def test_published_settings_make_a_recipe() -> None:
    recipe = WordRecipe("LSA", **PUBLISHED)
    assert (recipe.smoothing, recipe.power) == (0.75, 0.5)


def test_what_people_find_alike_is_near_after_a_second_of_learning() -> None:
    corpus = wikipedia()
    unit = to_unit(step_of(corpus, **PUBLISHED).vectors)
    rows = {word: i for i, word in enumerate(corpus.words[: len(unit)])}
    lines = gensim_file("wordsim353.tsv").read_text("utf-8").splitlines()
    judged = [line.lower().split("\t") for line in lines if not line.startswith("#")]
    known = [(unit[rows[a]] @ unit[rows[b]], float(score)) for a, b, score in judged if a in rows and b in rows]
    assert len(known) > 200
    assert spearmanr(*zip(*known, strict=True)).statistic > 0.4  # contexts not weighed by frequency: .29

"""Skip-gram, CBOW and fastText: numbers by hand, gensim alone as oracle, stopped within an epoch."""

import itertools
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus, lee, read_corpus
from embedkit.words import gensim_models
from embedkit.words.gensim_models import gensim_steps, unseen_vector
from embedkit.words.learning import WordRecipe, learn

SMALL = WordRecipe(dims=12, epochs=3, min_count=3, seed=4)
MODELS = ("skip-gram", "CBOW", "fastText")


def alone(corpus: Corpus, recipe: WordRecipe, path: Path, **more: Any) -> Any:
    """gensim without us: the same settings, one call of train()."""
    from gensim.models import FastText, Word2Vec

    size = corpus.size(recipe.min_count, recipe.most)
    kind = FastText if recipe.method == "fastText" else Word2Vec
    model = kind(
        vector_size=recipe.dims,
        window=recipe.window,
        negative=recipe.negatives,
        alpha=recipe.rate,
        min_alpha=1e-4,
        sample=recipe.sample,
        min_count=1,
        workers=1,
        seed=recipe.seed,
        sg=int(recipe.method != "CBOW"),
        sorted_vocab=0,
        **more,
    )
    model.build_vocab_from_freq(dict(zip(corpus.words[:size], corpus.counts[:size].tolist(), strict=True)))
    total = int(corpus.counts[:size].sum())
    model.train(corpus_file=str(corpus.write(path, size)), total_words=total, epochs=recipe.epochs)
    return model


@pytest.mark.parametrize("method", ["skip-gram", "CBOW"])
def test_the_bytes_are_those_of_gensim_alone(method: str, tmp_path: Path) -> None:
    recipe = replace(SMALL, method=method)
    steps = list(learn(lee(), recipe))
    model = alone(lee(), recipe, tmp_path / "text.txt")
    assert steps[-1].vectors.tobytes() == model.wv.vectors.tobytes()
    again = list(learn(lee(), recipe))
    assert [step.vectors.tobytes() for step in again] == [step.vectors.tobytes() for step in steps]
    assert [step.loss for step in again] == [step.loss for step in steps]
    other = list(learn(lee(), replace(recipe, seed=5)))
    assert not np.allclose(other[-1].vectors, steps[-1].vectors)


def test_fasttext_and_its_unseen_words_are_those_of_gensim(tmp_path: Path) -> None:
    recipe = replace(SMALL, method="fastText")
    *_, last = learn(lee(), recipe)
    buckets = len(last.more["pieces"])
    model = alone(lee(), recipe, tmp_path / "text.txt", bucket=buckets)
    np.testing.assert_allclose(last.vectors, model.wv.vectors, atol=1e-6)  # composed in another order of sums
    np.testing.assert_array_equal(last.more["pieces"], model.wv.vectors_ngrams)
    for word in ("unbelievably", "australianness", "zq", "é", "don'ts"):
        assert word not in model.wv.key_to_index
        np.testing.assert_array_equal(unseen_vector(word, last.more["pieces"]), model.wv[word])
    assert buckets == max(10_000, 10 * len(last.vectors))


def test_an_unseen_word_without_pieces_is_at_zero() -> None:
    np.testing.assert_array_equal(unseen_vector("", np.ones((10, 3), np.float32)), np.zeros(3))


@pytest.mark.parametrize("method", MODELS)
def test_steps_are_whole_and_fall_in_loss(method: str) -> None:
    steps = list(learn(lee(), replace(SMALL, method=method, epochs=4)))
    size = lee().size(3)
    total = int(lee().counts[:size].sum())
    assert [step.epoch for step in steps] == [0, 1, 2, 3, 4]
    assert {step.epochs for step in steps} == {4}
    assert [step.words for step in steps] == [total * n for n in range(5)]
    assert steps[0].seconds == 0
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(steps))
    assert all(a.loss > b.loss for a, b in itertools.pairwise(steps))
    for step in steps:
        assert (step.vectors.shape, step.vectors.dtype) == ((size, 12), np.float32)
        assert not step.vectors.flags.writeable
    assert not np.shares_memory(steps[1].vectors, steps[2].vectors)


def test_rows_are_the_words_of_the_corpus_also_among_ties() -> None:
    """Each word has a context of its own, so the vector that fits a context says whose row it is."""
    lines = "\n".join(" ".join([word, f"x{word}"] * 300) for word in ("delta", "alpha", "charlie", "bravo", "echo"))
    corpus = read_corpus(lines.encode())
    assert len(set(corpus.counts.tolist())) == 1
    *_, last = learn(corpus, WordRecipe(dims=8, window=2, epochs=20, min_count=1, sample=0))
    unit = last.vectors / np.linalg.norm(last.vectors, axis=1, keepdims=True)
    similar = unit @ unit.T - 2 * np.eye(len(unit))
    for row, word in enumerate(corpus.words):
        partner = word[1:] if word.startswith("x") else f"x{word}"
        assert corpus.words[int(similar[row].argmax())] == partner


def test_the_loss_before_training_is_known_by_hand() -> None:
    """All output vectors are 0, so each of 1 + negatives terms is ln 2; a negative that is the word counts nothing."""
    corpus = lee()
    recipe = replace(SMALL, negatives=7)
    first = next(gensim_steps(corpus, recipe))
    places = gensim_models.Places(corpus, recipe, corpus.size(3))
    same = (places.negatives == places.targets[:, None]).sum() / len(places.targets)
    assert first.loss == pytest.approx((8 - same) * np.log(2), rel=1e-6)
    assert len(places.targets) == 5_000


@pytest.mark.parametrize("method", ["skip-gram", "CBOW"])
def test_the_loss_by_hand(method: str) -> None:
    corpus, rng = lee(), np.random.default_rng(3)
    recipe = replace(SMALL, method=method, window=3)
    size = corpus.size(3)
    places = gensim_models.Places(corpus, recipe, size)
    vectors, outputs = rng.normal(size=(2, size, 12)).astype(np.float32)
    ids, starts = corpus.head(size)
    total = 0.0
    for target, context, share, negatives in zip(
        places.targets, places.context, places.share, places.negatives, strict=True
    ):
        read = [int(row) for row, weight in zip(context, share, strict=True) if weight]
        hidden = np.mean([vectors[row].astype(np.float64) for row in read], axis=0)
        total += np.log1p(np.exp(-outputs[target] @ hidden))
        total += sum(np.log1p(np.exp(outputs[row] @ hidden)) for row in negatives if row != target)
    assert places.loss(vectors, outputs) == pytest.approx(total / len(places.targets), rel=1e-5)
    assert places.share.sum(1) == pytest.approx(np.ones(len(places.targets)))
    near = {(int(ids[i]), int(ids[j])) for a, b in itertools.pairwise(starts) for i in range(a, b)
            for j in range(max(a, i - 3), min(b, i + 4)) if i != j}  # fmt: skip
    pairs = {(int(t), int(c)) for t, row, w in zip(places.targets, places.context, places.share, strict=True)
             for c, share in zip(row, w, strict=True) if share}  # fmt: skip
    assert pairs <= near


def test_a_text_without_pairs_has_no_loss() -> None:
    steps = list(learn(read_corpus(b"one\ntwo\none\ntwo\nthree"), WordRecipe(dims=2, epochs=2, min_count=1)))
    assert np.isnan([step.loss for step in steps]).all()
    assert steps[-1].vectors.shape == (3, 2)


@pytest.mark.parametrize("sample", [0.0, 1.0])
def test_nothing_is_thinned_without_a_threshold(sample: float) -> None:
    corpus = read_corpus(b"a b a b a b c\n" * 50)
    assert gensim_models._model(corpus, replace(SMALL, sample=sample), 3).wv.expandos["sample_int"].min() > 2**32 - 600


def test_two_threads_learn_as_well() -> None:
    one, two = ([*learn(lee(), replace(SMALL, epochs=5, threads=n))][-1] for n in (1, 2))
    assert two.loss == pytest.approx(one.loss, rel=0.1)


class Enough(Exception):
    pass


@pytest.mark.parametrize("threads", [1, 2])
def test_a_stop_within_an_epoch_ends_it_at_once(threads: int) -> None:
    """An epoch of two million words takes some ten seconds; nothing of it goes on after the stop."""
    text = (" ".join(lee().words[:500]) + "\n").encode() * 4_000
    corpus, began = read_corpus(text), 0.0
    seen: list[tuple[float, str]] = []

    def beat(done: float, said: str) -> None:
        nonlocal began
        seen.append((done, said))
        if len(seen) > 5 and "epoch 1" in said and done > 0:
            began = time.monotonic()
            raise Enough

    steps = gensim_steps(corpus, WordRecipe(dims=100, window=10, epochs=2, threads=threads, sample=0), beat)
    assert next(steps).epoch == 0
    before = threading.active_count()
    with pytest.raises(Enough):
        next(steps)
    assert time.monotonic() - began < 1
    assert threading.active_count() <= before
    assert 0 < seen[-1][0] < 0.5
    assert seen[-1][1].startswith("epoch 1 of 2")
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(seen))


def test_a_stop_is_heard_while_the_text_is_written() -> None:
    def beat(done: float, said: str) -> None:
        raise Enough

    with pytest.raises(Enough):
        next(gensim_steps(lee(), SMALL, beat))


def test_steps_that_nobody_takes_any_more_leave_no_thread() -> None:
    before = threading.active_count()
    steps = gensim_steps(lee(), replace(SMALL, epochs=50))
    assert [next(steps).epoch, next(steps).epoch] == [0, 1]
    steps.close()
    assert threading.active_count() == before


def test_an_error_in_gensim_is_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no more")

    monkeypatch.setattr("gensim.models.Word2Vec.train", broken)
    with pytest.raises(RuntimeError, match="no more"):
        list(gensim_steps(lee(), SMALL))


def test_a_text_too_short_is_said() -> None:
    with pytest.raises(InputError, match="too short to learn from"):
        next(gensim_steps(read_corpus(b"one two three"), SMALL))

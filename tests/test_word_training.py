"""Learning words as a job: steps and scores kept, stopped, killed, own texts, one map, and the same lines of Python."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.errors import InputError, JobDied, JobStopped
from embedkit.export import words_script
from embedkit.jobs import Job, Pool
from embedkit.sources.corpora import lee, read_corpus
from embedkit.space import Space
from embedkit.store import Store, default_store, step_key
from embedkit.words import word_training
from embedkit.words.gensim_models import unseen_vector
from embedkit.words.learning import METHODS, WordRecipe, learn
from embedkit.words.scores import pair_score, word_scores
from embedkit.words.word_training import (
    COLUMNS,
    HEAD,
    METHOD_KEYS,
    Text,
    keep_text,
    kept_epochs,
    kept_training,
    load_text,
    places_of,
    plane_of,
    recipe_of,
    request_training,
    seen_at,
    space_of,
    training_key,
    training_task,
)
from embedkit.worker import Report

LEE = Text("lee")
FEW = WordRecipe(dims=10, epochs=12, min_count=5, sample=1e-3)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(home))
        made = Pool(1, default_store(), threads=1)
        assert made.store.root == home
        yield made
        made.close()


def ended(job: Job) -> Job:
    assert job.wait(60), f"{job.title} is still {job.state}: {job.text}"
    return job


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


# Texts


def test_texts_by_name() -> None:
    assert load_text(LEE) is lee()
    assert load_text(Text()).key == "wikipedia"
    with pytest.raises(InputError, match="There is no text 'nope'; use one of: wikipedia, lee"):
        load_text(Text("nope"))


def test_an_own_text_is_kept_once_and_comes_back(pool: Pool) -> None:
    corpus = read_corpus("Ärger is one word. don't\nZwei\n".encode(), title="mine.txt")
    found = keep_text(corpus, pool.store)
    assert found.key == "own"
    assert Text(**found.params()) == found
    back = load_text(found)
    assert (back.words, back.digest, back.title) == (corpus.words, corpus.digest, "mine.txt")
    np.testing.assert_array_equal(back.ids, corpus.ids)
    np.testing.assert_array_equal(back.starts, corpus.starts)
    files = list(pool.store.root.glob("store/*/*.ek"))
    assert keep_text(corpus, pool.store) == found
    assert list(pool.store.root.glob("store/*/*.ek")) == files
    assert keep_text(read_corpus(b"another text"), pool.store) != found
    assert word_training.text_title(found, pool.store) == "mine.txt"
    for gone in (Text("own", "0" * 32), Text("own")):
        with pytest.raises(InputError, match="no longer kept here"):
            load_text(gone)


def test_an_own_text_needs_room(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no room on the disk"):
        keep_text(read_corpus(b"one two three"), Store(tmp_path, limit_bytes=100))


# A training as a job


def test_a_finished_training_has_steps_curve_and_scores(pool: Pool) -> None:
    job = request_training(LEE, FEW, pool)
    assert request_training(LEE, replace(FEW), pool) is job  # whoever asks shares it
    assert job.title == "Skip-gram on Lee corpus of news"
    entry = ended(job).result()
    assert job.key == training_key(LEE, FEW)
    steps = {step.epoch: step for step in learn(lee(), FEW)}
    words = lee().words[: len(steps[0].vectors)]
    assert job.steps == kept_epochs(12)
    assert entry.arrays["vectors"].tobytes() == steps[12].vectors.tobytes()
    assert entry.meta["scores"] == {n: asdict(score) for n, score in word_scores(words, steps[12].vectors).items()}
    assert entry.meta["scores"]["WordSim-353"]["asked"] > 50

    whole = seen_at(pool.store, job.key, 12)
    assert whole is not None
    assert [row[0] for row in whole.curve] == list(range(13))
    for row in whole.curve:
        at = dict(zip(COLUMNS, row, strict=True))
        step = steps[int(at["epoch"])]
        assert (at["loss"], at["words"]) == (pytest.approx(step.loss), step.words)
        assert at["WordSim-353"] == pytest.approx(pair_score("WordSim-353", words, step.vectors).value)
        assert at["SimLex-999"] == pytest.approx(pair_score("SimLex-999", words, step.vectors).value)
    assert (np.diff(whole.curve[:, COLUMNS.index("seconds")]) > 0).all()
    assert len(whole.questions) == 5
    unit = steps[12].vectors / np.linalg.norm(steps[12].vectors, axis=1, keepdims=True)
    for number, question in enumerate(whole.questions):
        a, b, c, d = (words.index(word) for word in question)
        near = (unit[b] - unit[a] + unit[c]) @ unit.T
        near[[a, b, c]] = -2
        assert whole.curve[-1, COLUMNS.index(f"question {number + 1}")] == (near > near[d]).sum() + 1

    for epoch in kept_epochs(12):
        seen = seen_at(pool.store, job.key, epoch)
        assert seen is not None
        assert (seen.epoch, seen.epochs, seen.n) == (epoch, 12, len(words))
        assert seen.space.items == words
        np.testing.assert_allclose(seen.space.vectors, steps[epoch].vectors, rtol=1e-3, atol=1e-4)  # float16
        assert seen.curve[-1, 0] == epoch
    assert seen_at(pool.store, job.key, 11) is None
    pool.store.remove(step_key(job.key, 12))
    last = seen_at(pool.store, job.key, 12)  # the result is that of the last step, with all its numbers
    assert last is not None
    assert last.space.vectors.tobytes() == steps[12].vectors.tobytes()


def test_another_recipe_or_text_has_another_key() -> None:
    others = [replace(FEW, seed=1), replace(FEW, window=2), replace(FEW, method="CBOW"), replace(FEW, min_count=2)]
    keys = {training_key(LEE, each) for each in (FEW, *others)} | {training_key(Text(), FEW)}
    assert len(keys) == 6


def test_a_stopped_training_keeps_its_last_step_with_all_its_words(pool: Pool) -> None:
    recipe = replace(FEW, epochs=200, seed=3)
    job = request_training(LEE, recipe, pool)
    eventually(lambda: len(job.steps) > 3)
    began = time.monotonic()
    job.stop()
    with pytest.raises(JobStopped, match="Skip-gram on Lee corpus of news was stopped"):
        ended(job).result()
    assert time.monotonic() - began < 2
    assert pool.store.get(job.key) is None
    last = job.steps[-1]
    seen = seen_at(pool.store, job.key, last)
    assert seen is not None
    for step in learn(lee(), recipe):
        if step.epoch == last:
            break
    assert seen.space.vectors.tobytes() == step.vectors.tobytes()
    entry = pool.store.get(step_key(job.key, last))
    assert entry is not None
    space = space_of(entry, LEE, recipe)
    assert space.items == lee().words[: space.n]
    assert space.meta["count"].tolist() == lee().counts[: space.n].tolist()


def test_wherever_it_is_stopped_the_step_that_was_reached_is_kept(tmp_path: Path) -> None:
    store, reached = Store(tmp_path), []
    for calls in (4, 12, 25):
        left = iter(range(calls))
        key = f"{calls:032}"
        report = Report(stopped=lambda left=left: next(left, None) is None, store=store, key=key)
        with pytest.raises(JobStopped):
            training_task(report, text=LEE.params(), recipe=asdict(replace(FEW, epochs=40)))
        if report.steps:
            reached.append(report.steps[-1])
            seen = seen_at(store, key, report.steps[-1])
            assert seen is not None
            assert seen.curve[:, 0].tolist() == list(range(reached[-1] + 1))
    assert reached == sorted(set(reached))
    assert len(reached) > 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are of POSIX")
def test_a_killed_training_is_begun_anew(pool: Pool) -> None:
    recipe = replace(FEW, epochs=30, seed=7)
    job = request_training(LEE, recipe, pool)
    eventually(lambda: job.steps)
    assert job._worker is not None
    os.kill(job._worker.process.pid, signal.SIGKILL)
    assert ended(job).state == "died"
    with pytest.raises(JobDied, match="Press run to try again"):
        job.result()
    again = ended(request_training(LEE, recipe, pool))
    assert again is not job
    *_, last = learn(lee(), recipe)
    assert again.result().arrays["vectors"].tobytes() == last.vectors.tobytes()


def test_a_text_too_short_is_one_sentence(pool: Pool) -> None:
    text = keep_text(read_corpus(b"to be or not to be"), pool.store)
    with pytest.raises(InputError, match="too short to learn from"):
        ended(request_training(text, FEW, pool)).result()


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_a_small_own_text(method: str, pool: Pool) -> None:
    lines = "the king eats bread\nthe queen eats bread\nthe cat drinks milk\nthe dog drinks milk\n" * 60
    text = keep_text(read_corpus(lines.encode()), pool.store)
    recipe = recipe_of(method, dims=4, epochs=1 if method == "LSA" else 3, min_count=1)
    entry = ended(request_training(text, recipe, pool)).result()
    seen = seen_at(pool.store, training_key(text, recipe), entry.meta["epoch"])
    assert seen is not None
    assert seen.space.items[0] == "the"
    assert seen.questions == ()
    assert np.isnan(seen.curve[:, -1]).all()
    assert entry.meta["scores"]["all"]["asked"] == 0
    space = space_of(entry, text, recipe)
    assert (space.key, space.n, space.origin.method) == (f"{METHOD_KEYS[method]}/own", 9, METHOD_KEYS[method])
    assert space.origin.seed == 0
    if method == "fastText":
        assert unseen_vector("kings", entry.arrays["pieces"]).any()


def test_steps_hold_the_most_frequent_words_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert HEAD == 20_000
    monkeypatch.setattr(word_training, "HEAD", 30)
    store = Store(tmp_path)
    made, meta = training_task(Report(store=store, key="a" * 32), text=LEE.params(), recipe=asdict(FEW))
    assert meta["n"] == len(made["vectors"]) > 30
    seen = seen_at(store, "a" * 32, 1)
    assert seen is not None
    assert (seen.space.n, seen.n, seen.space.items) == (30, meta["n"], lee().words[:30])


def test_kept_training_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    first = kept_training(LEE, FEW)
    monkeypatch.setattr(word_training, "training_task", None)
    assert kept_training(LEE, FEW).arrays["vectors"].tobytes() == first.arrays["vectors"].tobytes()


def test_methods_give_what_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    space = embedkit.load("words/word2vec", text="lee", model="CBOW", dims=8, epochs=2, seed=4)
    recipe = WordRecipe("CBOW", dims=8, window=10, epochs=2, sample=1e-4, rate=0.05, seed=4)
    *_, last = learn(lee(), recipe)
    assert space.vectors.tobytes() == last.vectors.tobytes()
    assert (space.title, space.origin.params["window"]) == ("CBOW on Lee corpus of news", 10)
    with pytest.raises(InputError, match="There is no method 'sg'"):
        embedkit.load("words/word2vec", text="lee", model="sg")
    with pytest.raises(InputError, match="There is no text 'nope'"):
        embedkit.load("words/fasttext", text="nope")


@pytest.mark.parametrize(
    ("key", "method"),
    [
        ("words/word2vec", "skip-gram"),
        ("words/fasttext", "fastText"),
        ("words/glove", "GloVe"),
        ("words/lsa", "LSA"),
    ],
)
def test_a_methods_defaults_are_those_of_the_page(key: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def kept(text: Text, recipe: WordRecipe) -> Any:
        asked.append((text, recipe))
        raise InputError("enough")

    monkeypatch.setattr(word_training, "kept_training", kept)
    with pytest.raises(InputError, match="enough"):
        embedkit.load(key)
    assert asked == [(Text(), recipe_of(method))]


# One map for all steps


def test_the_map_is_pca_of_directions_and_places_other_epochs_on_the_same_axes() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(50, 6)) * np.array([5, 3, 1, 1, 1, 1]) * rng.uniform(0.1, 9, (50, 1))
    last = Space("a", "A", tuple(f"w{i}" for i in range(50)), vectors)
    plane = plane_of(last, 40)
    unit = vectors[:40] / np.linalg.norm(vectors[:40], axis=1, keepdims=True)
    centered = unit - unit.mean(0)
    axes = np.linalg.svd(centered)[2][:2]
    np.testing.assert_allclose(np.abs(plane.coords), np.abs(centered @ axes.T), atol=1e-5)
    np.testing.assert_allclose(places_of(plane, last), plane.coords, atol=1e-5)
    other = Space("b", "B", last.items, rng.normal(size=(50, 6)))
    unit = other.vectors[:40] / np.linalg.norm(other.vectors[:40], axis=1, keepdims=True)
    signs = np.sign((centered @ axes.T)[0] * plane.coords[0])
    expected = (unit - (vectors[:40] / np.linalg.norm(vectors[:40], axis=1, keepdims=True)).mean(0)) @ axes.T * signs
    np.testing.assert_allclose(places_of(plane, other), expected, atol=1e-5)


# Taken home


def test_the_script_learns_the_same_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, Any] = {}
    exec(words_script("lee", "CBOW", {"dims": 8, "epochs": 2, "seed": 9, "method": "CBOW"}, "government"), scope)
    *_, last = learn(lee(), recipe_of("CBOW", dims=8, epochs=2, seed=9))
    assert scope["step"].vectors.tobytes() == last.vectors.tobytes()
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:3]] == ["0", "1", "2"]
    assert "government" in printed[3]
    assert printed[-1].startswith("all Score(value=")


def test_the_script_reads_an_own_text_from_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.txt").write_text("the king eats bread\nthe queen eats bread\n" * 50, "utf-8")
    scope: dict[str, Any] = {}
    exec(words_script("own", "skip-gram", {"dims": 3, "epochs": 1, "min_count": 1}, "king"), scope)
    assert scope["space"].items[:2] == ("bread", "eats")

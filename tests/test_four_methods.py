"""Five ways of learning words on one text: the same words, real counts, and who can answer an unseen word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError, JobStopped, UnknownItem
from embedkit.export import methods_script
from embedkit.sources.corpora import Corpus, lee, read_corpus
from embedkit.sources.gensim_data import word_pairs
from embedkit.store import Store, default_store, step_key
from embedkit.words.cooccurrence import count_pairs
from embedkit.words.four_methods import (
    EXAMPLES,
    HEAD,
    METHODS_TASK,
    TESTS,
    WITH_UNSEEN,
    Compared,
    Contest,
    MethodRow,
    compare_methods,
    compared_of,
    learning_bytes,
    mapped_words,
    maps_of,
    methods_task,
    pair_sums,
    rows_of,
)
from embedkit.words.gensim_models import _model, unseen_vector
from embedkit.words.glove import _laid_out
from embedkit.words.learning import METHODS, learn
from embedkit.words.lsa import Ppmi
from embedkit.words.scores import Score, word_scores
from embedkit.words.word_training import Text, keep_text, training_key
from embedkit.worker import Report

LEE = Contest(Text("lee"), dims=12, window=3)
SENTENCES = "the king eats bread\nthe queen eats bread\nthe cat drinks milk\nthe dog drinks milk\n" * 40


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(tmp_path_factory.mktemp("four-methods")))
        yield default_store()


@pytest.fixture(scope="module")
def found(home: Store) -> Compared:
    return compare_methods(LEE)


def training(home: Store, method: str) -> Any:
    entry = home.get(training_key(LEE.text, LEE.recipe(method)))
    assert entry is not None
    return entry


# --- one text, one set of words, each training kept where it belongs --------------------------------------------------


def test_all_share_text_words_window_and_size() -> None:
    recipes = [LEE.recipe(method) for method in METHODS]
    assert {(each.dims, each.window, each.min_count, each.seed) for each in recipes} == {(12, 3, 5, 0)}
    assert [each.method for each in recipes] == list(METHODS)
    with pytest.raises(InputError, match="dims must lie between"):
        Contest(dims=1).recipe("LSA")


def test_keys_tell_contests_apart() -> None:
    others = [
        replace(LEE, **{name: value}) for name, value in (("dims", 13), ("window", 4), ("min_count", 6), ("seed", 1))
    ]
    assert len({each.key for each in [LEE, Contest(), *others]}) == 6


def test_rows_are_those_of_the_kept_trainings(found: Compared, home: Store) -> None:
    assert [row.method for row in found.rows] == ["skip-gram", "CBOW", "fastText", WITH_UNSEEN, "GloVe", "LSA"]
    corpus = lee()
    for method in METHODS:
        entry, row = training(home, method), found.row(method)
        words = corpus.words[: len(entry.arrays["vectors"])]
        assert found.words == words
        assert dict(row.scores) == word_scores(words, entry.arrays["vectors"])
        assert set(row.scores) == set(TESTS)
        assert row.seconds == entry.meta["curve"][-1][3]
        np.testing.assert_array_equal(
            found.spaces[method].vectors, np.float32(np.float16(entry.arrays["vectors"][:HEAD]))
        )
        assert found.spaces[method].items == words[:HEAD]
    kept = json.loads(home.get_bytes(step_key(training_key(LEE.text, LEE.recipe("CBOW")), None)) or b"")
    assert kept[-1] == LEE.recipe("CBOW").epochs  # so the view of one method can step back


def test_a_kept_training_is_not_made_again(found: Compared, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("trained again")

    monkeypatch.setattr("embedkit.words.four_methods.training_task", never)
    _, meta = methods_task(Report(), **LEE.params())
    assert rows_of(json.loads(json.dumps(meta))) == found.rows
    assert compare_methods(LEE).rows == found.rows


def test_a_step_after_each_method_and_its_share(found: Compared, tmp_path: Path) -> None:
    said: list[tuple[float, str]] = []
    store = Store(tmp_path)

    class Listening(Report):
        def __call__(self, fraction: float | None = None, text: str = "", **data: Any) -> None:
            said.append((fraction or 0.0, text))

    report = Listening(store=store, key=LEE.key, title="five")
    methods_task(report, **LEE.params())
    assert report.steps == [0, 1, 2, 3, 4]
    lengths = [len(rows_of(entry.meta)) for n in range(5) if (entry := store.get(step_key(LEE.key, n)))]
    assert lengths == [1, 2, 4, 5, 6]
    small = Contest(keep_text(read_corpus(SENTENCES.encode()), default_store()), dims=4, window=2)
    methods_task(Listening(), **small.params())
    shares = [share for share, text in said if text.startswith("GloVe:")]
    assert 0.6 <= min(shares) <= max(shares) <= 0.8
    assert all(one <= two + 1e-9 for one, two in pairwise(share for share, text in said if text.startswith("CBOW:")))


def test_a_stop_reaches_the_training_and_keeps_what_is_done(home: Store) -> None:
    contest = Contest(Text("lee"), dims=5, window=2, seed=4)
    seen: list[str] = []

    class Stopping(Report):
        def __call__(self, fraction: float | None = None, text: str = "", **data: Any) -> None:
            seen.append(text)
            if text.startswith("CBOW: epoch 3"):
                raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        methods_task(Stopping(), **contest.params())
    assert home.get_meta(training_key(contest.text, contest.recipe("skip-gram"))) is not None
    assert home.get_meta(training_key(contest.text, contest.recipe("CBOW"))) is None
    assert not any(text.startswith("fastText") for text in seen)


def test_a_method_that_cannot_learn_is_left_out_with_its_reason(home: Store) -> None:
    # each line has one word, so no pair is ever met: GloVe and LSA have nothing to count
    text = keep_text(read_corpus(b"apple\npear\n" * 30, title="Lonely words"), default_store())
    found = compare_methods(Contest(text, dims=4))
    assert set(found.left_out) == {"GloVe", "LSA"}
    assert "stand within 10 of each other" in found.left_out["GloVe"]
    assert [row.method for row in found.rows] == ["skip-gram", "CBOW", "fastText", WITH_UNSEEN]
    with pytest.raises(InputError, match="stand within"):
        found.row("GloVe")


def test_a_text_too_short_for_all_says_so(home: Store) -> None:
    text = keep_text(read_corpus(b"one two three"), default_store())
    with pytest.raises(InputError, match="too short to learn from"):
        compare_methods(Contest(text))


def test_methods_without_fasttext_say_why_nobody_answers(found: Compared) -> None:
    spaces = {name: space for name, space in found.spaces.items() if name != "fastText"}
    with pytest.raises(InputError, match="too slow today"):
        replace(found, spaces=spaces, left_out={"fastText": "too slow today"}).unseen("kinglike")


# --- numbers equal the same numbers by hand ---------------------------------------------------------------------------


def test_neighbors_by_hand(found: Compared, home: Store) -> None:
    near = found.neighbors("war", 5)
    assert list(near) == list(METHODS)
    for method in METHODS:
        vectors = np.float64(np.float16(training(home, method).arrays["vectors"][:HEAD]))
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        row = found.words.index("war")
        order = [i for i in np.argsort(-(unit @ unit[row]), kind="stable") if i != row][:5]
        assert [each.item for each in near[method]] == [found.words[i] for i in order]
        assert [each.score for each in near[method]] == pytest.approx([unit[i] @ unit[row] for i in order], abs=1e-5)


def test_a_word_outside_is_told_from_one_that_is_only_rare(found: Compared) -> None:
    with pytest.raises(UnknownItem, match=r"'kinglike' is not among 1,776 words that have a vector"):
        found.neighbors("kinglike")
    rare = found.words[HEAD]
    with pytest.raises(UnknownItem, match=rf"'{rare}' is not among 1,500 most frequent words"):
        found.neighbors(rare)


def test_fasttext_with_unseen_words_is_asked_everything(found: Compared, home: Store) -> None:
    from scipy.stats import spearmanr

    arrays = training(home, "fastText").arrays
    vectors, pieces = arrays["vectors"], arrays["pieces"]
    rows = {word: row for row, word in enumerate(found.words)}

    def vector(word: str) -> Any:
        word = word.lower()
        return np.float64(vectors[rows[word]] if word in rows else unseen_vector(word, pieces))

    pairs = word_pairs("wordsim353")
    cosines = [u @ v / np.linalg.norm(u) / np.linalg.norm(v) for u, v in ((vector(a), vector(b)) for a, b, _ in pairs)]
    score = found.row(WITH_UNSEEN).scores["WordSim-353"]
    assert (score.asked, score.of) == (353, 353)
    assert score.value == pytest.approx(spearmanr([said for *_, said in pairs], cosines).statistic, abs=1e-3)
    assert found.row("fastText").scores["WordSim-353"].asked < 100


def test_the_best_is_the_best_of_the_five(found: Compared) -> None:
    values = {name: found.row(name).scores["SimLex-999"].value for name in METHODS}
    assert found.best("SimLex-999") == max(values, key=lambda name: values[name] or -9)
    only = [MethodRow(WITH_UNSEEN, {"all": Score(0.9, 9, 9)}), MethodRow("LSA", {"all": Score(None, 0, 9)})]
    assert replace(found, rows=tuple(only)).best("all") is None


def test_memory_is_that_of_the_arrays(found: Compared, home: Store) -> None:
    corpus, n = lee(), len(found.words)
    counts = count_pairs(corpus, n, window=LEE.window)
    cells = len(counts.whole()[1])
    given = {"pairs": counts.m, "cells": cells, "buckets": len(training(home, "fastText").arrays["pieces"])}
    real: dict[str, int] = {}
    for method in ("skip-gram", "fastText"):
        model = _model(corpus, LEE.recipe(method), n)
        real[method] = model.wv.vectors.nbytes + model.syn1neg.nbytes
        if method == "fastText":
            real[method] += model.wv.vectors_vocab.nbytes + model.wv.vectors_ngrams.nbytes
    real["CBOW"] = real["skip-gram"]
    pairs = _laid_out(counts, np.random.default_rng(0), lambda: None)
    real["GloVe"] = pairs.left.nbytes + pairs.right.nbytes + pairs.logs.nbytes + 4 * 4 * n * (LEE.dims + 1)
    matrix = Ppmi(counts, 0.75)
    real["LSA"] = matrix.cols.nbytes + matrix.logs.nbytes + 3 * 4 * n * (LEE.dims + 20)
    for method in METHODS:
        assert learning_bytes(LEE.recipe(method), n, **given) == real[method]
        assert found.row(method).learning_mb == pytest.approx(real[method] / 1e6)
        arrays = training(home, method).arrays
        kept = sum(arrays[name].nbytes for name in ("vectors", "pieces") if name in arrays)
        assert found.row(method).kept_mb == pytest.approx(kept / 1e6)


# --- a word that nobody has seen --------------------------------------------------------------------------------------


def test_an_unseen_word_is_the_mean_of_its_pieces(found: Compared, home: Store) -> None:
    pieces = training(home, "fastText").arrays["pieces"]
    space = found.spaces["fastText"]
    for word in ("kinglike", "zebracorn"):
        answer = found.unseen(word, pieces)
        assert answer is not None
        vector = np.float64(unseen_vector(word, pieces))
        cosines = np.float64(space.unit) @ vector / np.linalg.norm(vector)
        order = np.argsort(-cosines, kind="stable")[:8]
        assert [each.item for each in answer.near] == [space.items[i] for i in order]
        assert answer.near[0].score == pytest.approx(cosines.max(), abs=1e-5)
        assert sum(share for _, share in answer.pieces) == pytest.approx(answer.near[0].score, abs=1e-5)
        letters = f"<{word}>"
        expected = sorted(letters[i : i + k] for k in range(3, 7) for i in range(len(letters) - k + 1))
        assert sorted(piece for piece, _ in answer.pieces) == expected


def test_examples_are_answered_from_what_is_kept_beside_the_table(found: Compared, home: Store) -> None:
    whole = training(home, "fastText").arrays["pieces"]
    for word in EXAMPLES:
        kept, exact = found.unseen(word), found.unseen(word, whole)
        assert kept is not None
        assert exact is not None
        assert kept.near[0].score == pytest.approx(exact.near[0].score, abs=2e-3)  # 16-bit numbers
    assert found.unseen("zebracorn") is None  # its pieces are not at hand
    assert found.unseen("kinglikehood") is None  # some are


def test_a_word_too_short_for_pieces(found: Compared) -> None:
    with pytest.raises(InputError, match="has no piece of 3 letters"):
        found.unseen("")


# --- the arithmetic of a pair -----------------------------------------------------------------------------------------


def counted(corpus: Corpus, size: int, window: int, weight: Any) -> Any:
    """The table of counts by brute force."""
    table = np.zeros((size, size))
    for start, end in pairwise(corpus.starts.tolist()):
        line = [i for i in corpus.ids[start:end].tolist() if i < size]
        for p, a in enumerate(line):
            for q in range(max(0, p - window), p):
                table[a, line[q]] += weight(p - q)
                table[line[q], a] += weight(p - q)
    return table


def test_the_sums_of_a_pair_by_hand(found: Compared, home: Store) -> None:
    corpus, size = lee(), len(found.words)
    linear = counted(corpus, size, 3, lambda d: (3 - d + 1) / 3)
    harmonic = counted(corpus, size, 3, lambda d: 1 / d)
    glove, skip = (training(home, name).arrays for name in ("GloVe", "skip-gram"))
    for a, b in (("prime", "minister"), ("minister", "prime"), ("the", "the"), ("of", "the")):
        i, j = found.words.index(a), found.words.index(b)
        pair = pair_sums(found, corpus, a, b)
        totals = linear.sum(1)
        expected = np.log(linear[i, j] * (totals**0.75).sum() / (totals[i] * totals[j] ** 0.75))
        assert pair.linear == pytest.approx(linear[i, j], rel=1e-5)
        assert pair.pmi == pytest.approx(expected, abs=1e-4)
        assert pair.harmonic == pytest.approx(harmonic[i, j], rel=1e-5)
        weight = min(1, (harmonic[i, j] / 10) ** 0.75)
        contexts, biases = np.float64(glove["contexts"]), np.float64(glove["biases"])
        dot = (np.float64(glove["vectors"][i]) - contexts[i]) @ contexts[j]
        assert pair.dot == pytest.approx(dot, abs=0.01)  # 16-bit numbers
        error = weight * (dot + biases[i, 0] + biases[j, 1] - np.log(harmonic[i, j])) ** 2
        assert pair.error == pytest.approx(error, abs=0.02)
        output = np.float64(skip["vectors"][i]) @ np.float64(skip["outputs"][j])
        assert pair.output == pytest.approx(output, abs=0.01)


def test_what_is_kept_beside_a_training_is_the_trainings_own(found: Compared, home: Store) -> None:
    first, *_, last = learn(lee(), LEE.recipe("GloVe"))
    rng = np.random.default_rng(0)
    _laid_out(count_pairs(lee(), len(found.words), window=3), rng, lambda: None)
    start = (rng.random((len(found.words), 2, 12), np.float32) - 0.5) / 13  # words, then contexts
    np.testing.assert_allclose(np.float32(first.more["contexts"]), start[:HEAD, 1], atol=1e-4)
    np.testing.assert_array_equal(training(home, "GloVe").arrays["contexts"], last.more["contexts"])
    assert last.more["contexts"].shape == (HEAD, 12)
    assert last.more["biases"].shape == (HEAD, 2)
    assert float(np.abs(np.float32(last.more["contexts"]) - last.vectors[:HEAD]).max()) > 0.01


def test_a_pair_that_never_met(found: Compared) -> None:
    pair = pair_sums(found, lee(), found.words[HEAD - 1], found.words[HEAD - 2])
    assert (pair.linear, pair.harmonic, pair.pmi, pair.error) == (0, 0, None, None)
    with pytest.raises(UnknownItem, match="'kinglike' is not among"):
        pair_sums(found, lee(), "war", "kinglike")


# --- maps -------------------------------------------------------------------------------------------------------------


def test_maps_show_the_same_words_and_are_only_turned(found: Compared) -> None:
    from embedkit.projection import project
    from embedkit.quality import measure
    from embedkit.space import Space

    words, groups = mapped_words(found)
    assert len(words) == len(groups) == len(set(words)) == 300
    assert set(words) <= set(found.shown)
    assert 1 < len({group for group in groups if group}) <= 4
    maps = maps_of(found, words)
    assert list(maps) == list(METHODS)
    for method, (coords, recall) in maps.items():
        np.testing.assert_array_equal(coords, found.maps[method][0])
        assert recall == found.maps[method][1]
        space = found.spaces[method]
        unit = Space("by hand", "by hand", words, space.unit[[space.items.index(word) for word in words]])
        flat = project(unit, method="pca")
        apart = np.linalg.norm(flat.coords[:40, None] - flat.coords[None, :40], axis=2)
        turned = np.linalg.norm(coords[:40, None] - coords[None, :40], axis=2)
        np.testing.assert_allclose(turned, apart, atol=1e-4)
        assert recall == pytest.approx(measure(unit, flat, k=10).recall)
    first = maps["skip-gram"][0]
    apart = {method: float(((coords - first) ** 2).sum()) for method, (coords, _) in maps.items()}
    mirrored = {method: float(((coords * [-1, 1] - first) ** 2).sum()) for method, (coords, _) in maps.items()}
    assert all(apart[method] <= mirrored[method] for method in maps)


# --- what is taken away -----------------------------------------------------------------------------------------------


def test_the_python_lines_make_the_same(found: Compared, capsys: pytest.CaptureFixture[str]) -> None:
    changed = {name: value for name, value in asdict(LEE).items() if name in ("dims", "window")}
    exec(methods_script("lee", changed, "war", "kinglike"), {})
    said = capsys.readouterr().out
    for method, near in found.neighbors("war").items():
        assert f"{method} {[each.item for each in near]}" in said
    answer = found.unseen("kinglike")
    assert answer is not None
    assert str([each.item for each in answer.near]) in said


@pytest.mark.usefixtures("home")
def test_the_python_lines_of_an_own_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text(SENTENCES, "utf-8")
    monkeypatch.chdir(tmp_path)
    exec(methods_script("own", {"dims": 3, "window": 2}, "king", "kinglike"), {})
    assert "LSA [" in capsys.readouterr().out


def test_the_task_stands_where_its_name_says() -> None:
    assert f"{methods_task.__module__}:{methods_task.__name__}" == METHODS_TASK
    assert compared_of.__module__ == methods_task.__module__

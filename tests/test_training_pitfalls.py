"""What settings do to learned words: held-out text, windows, negatives, and how much another seed keeps."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError, JobStopped
from embedkit.export import pitfalls_script
from embedkit.neighbors import search
from embedkit.sources.corpora import Corpus, lee, read_corpus
from embedkit.space import Space
from embedkit.store import Entry, Store, default_store, step_key
from embedkit.words import training_pitfalls as pitfalls
from embedkit.words.gensim_models import Places, gensim_steps
from embedkit.words.learning import learn
from embedkit.words.scores import pair_score, word_scores
from embedkit.words.training_pitfalls import (
    EXPERIMENTS,
    Spread,
    dimension_results,
    dimension_task,
    experiment_key,
    held_out,
    kept_experiment,
    neighbors_in,
    portion,
    results_in,
    run_experiment,
    seeds_results,
    seeds_task,
    setting_results,
    settings_task,
    words_in,
)
from embedkit.words.word_training import Text, keep_text
from embedkit.worker import Report

LEE: dict[str, Any] = {"key": "lee", "own": ""}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings of a second on the Lee corpus."""
    monkeypatch.setattr(pitfalls, "BASE", replace(pitfalls.BASE, dims=8, epochs=1))
    monkeypatch.setattr(pitfalls, "LSA", replace(pitfalls.LSA, dims=8))
    monkeypatch.setattr(pitfalls, "_SETTINGS", {"window": [(2, 1), (5, 1), (2, 2)], "negatives": [(1, 1), (4, 1)]})
    monkeypatch.setattr(pitfalls, "DIMENSIONS", (2, 4))
    monkeypatch.setattr(pitfalls, "LONGER", (4,))
    monkeypatch.setattr(pitfalls, "LONG", 2)
    monkeypatch.setattr(pitfalls, "RUNS", 2)
    monkeypatch.setattr(pitfalls, "PAIRS", 300)


def lines_of(corpus: Corpus) -> list[str]:
    return [" ".join(corpus.words[i] for i in corpus.ids[a:b]) for a, b in pairwise(corpus.starts)]


def sorted_anew(corpus: Corpus) -> None:
    assert (np.diff(corpus.counts) <= 0).all()
    assert corpus.counts.min() > 0
    np.testing.assert_array_equal(corpus.counts, np.bincount(corpus.ids, minlength=len(corpus.words)))


# --- the text --------------------------------------------------------------------------------------------------------


def test_a_short_text_is_taken_whole_and_of_a_long_one_lines_are_drawn() -> None:
    corpus = lee()
    assert portion(corpus) is corpus
    part = portion(corpus, 10_000)
    assert 9_000 < part.n_tokens <= 10_000
    left = iter(lines_of(corpus))
    assert all(line in left for line in lines_of(part))  # in their order
    sorted_anew(part)
    assert lines_of(portion(corpus, 10_000)) == lines_of(part) != lines_of(portion(corpus, 10_000, seed=1))


def test_each_line_is_learned_from_or_held_out_and_words_keep_one_number() -> None:
    corpus = lee()
    rest, held = held_out(corpus)
    assert held.n_lines == round(0.1 * corpus.n_lines)
    sorted_anew(rest)
    assert held.words == rest.words
    np.testing.assert_array_equal(held.counts, rest.counts)  # the noise is that of the training
    known = set(rest.words)
    out = list(lines_of(corpus))
    for line in lines_of(rest):
        out.remove(line)
    assert lines_of(held) == [" ".join(word for word in line.split() if word in known) for line in out]
    assert lines_of(held) != lines_of(held_out(corpus, seed=1)[1])
    with pytest.raises(InputError, match=r"needs 20 lines; Your text has 3\.$"):
        held_out(read_corpus(b"a b\nc d\ne f\n"))


# --- window and negatives --------------------------------------------------------------------------------------------


def test_met_counts_the_pairs_that_stand_within_ten_words() -> None:
    rng = np.random.default_rng(0)
    text = "\n".join(" ".join(rng.choice(list("abcdefghijklmnopqrst"), 14)) for _ in range(3))
    corpus = read_corpus(text.encode())
    n = len(corpus.words)
    met = np.zeros((n, n), bool)
    for line in lines_of(corpus):
        words = [corpus.words.index(word) for word in line.split()]
        for p, a in enumerate(words):
            for q, b in enumerate(words):
                met[a, b] |= 0 < abs(p - q) <= 10
    near = np.array([rng.permutation(n)[:7] for _ in range(n)])
    share = pitfalls._Met(corpus, n, Report()).share(near)
    assert share == pytest.approx(np.take_along_axis(met, near, 1).mean())
    assert 0 < share < 1


def test_by_chance_each_word_has_the_list_of_another() -> None:
    near = np.arange(40).reshape(20, 2)
    found = pitfalls._shuffled(near, 0)
    assert sorted(found.ravel()) == sorted(near.ravel())
    assert not (found == near).any()
    assert found.tobytes() != pitfalls._shuffled(near, 1).tobytes()


def test_a_window_is_measured_as_by_hand(quick: None) -> None:
    entry = Entry.of(settings_task(Report(), text=LEE, setting="window", seed=4))
    two, five, again = setting_results(entry)
    assert [(each.value, each.epochs, each.runs) for each in (two, five, again)] == [(2, 1, 2), (5, 1, 2), (2, 2, 2)]
    corpus = lee()
    size = corpus.size(5)
    words = corpus.words[:size]
    tests = {}
    for seed in (4, 5):
        *_, last = learn(corpus, replace(pitfalls.BASE, window=5, seed=seed))
        tests[seed] = word_scores(words, last.vectors)
        if seed == 4:
            space = Space("x", "X", words, last.vectors)
            for word in ("the", "government", words[-1]):
                by_hand = [each.item for each in search(space, word, k=10) if not each.asked]
                assert list(neighbors_in(entry, "5.1", word)) == by_hand
    pair = [tests[seed]["WordSim-353"].value for seed in (4, 5)]
    assert five.wordsim == Spread(float(np.mean(pair)), min(pair), max(pair))
    assert five.syntactic.mean == np.mean([tests[seed]["syntactic"].value for seed in (4, 5)])
    assert (five.together.mean, five.seconds.mean) > (five.by_chance.mean, 0)
    assert words_in(entry) == words
    assert entry.arrays["near.2.1"].dtype == np.int16
    assert neighbors_in(entry, "5.1", "nosuchword") == neighbors_in(entry, "9.1", "the") == ()
    assert entry.meta["rows"][0].keys() == entry.meta["rows"][-1].keys()


def test_only_the_most_frequent_words_keep_their_lists(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitfalls, "LISTED", 50)
    entry = Entry.of(settings_task(Report(), text=LEE, setting="window"))
    assert entry.arrays["near.2.1"].shape == (50, 10)
    words = words_in(entry)
    assert neighbors_in(entry, "2.1", words[49])
    assert neighbors_in(entry, "2.1", words[50]) == ()
    assert entry.arrays["near.2.1"].max() >= 50  # but all words can be neighbors


def test_negatives_change_nothing_else(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    met = []
    real = pitfalls.learn

    def watching(corpus: Corpus, recipe: Any, **more: Any) -> Any:
        met.append(recipe)
        return real(corpus, recipe, **more)

    monkeypatch.setattr(pitfalls, "learn", watching)
    entry = Entry.of(settings_task(Report(), text=LEE, setting="negatives"))
    base = pitfalls.BASE
    assert met == [replace(base, negatives=k, seed=seed) for seed in (0, 1) for k in (1, 4)]
    assert dict(entry.arrays) == {}
    one, four = setting_results(entry)
    assert one.together.mean is None
    assert (one.runs, one.value, four.value) == (2, 1, 4)


def test_a_spread_leaves_out_what_was_not_measured() -> None:
    assert Spread.of([0.5, None, 0.1]) == Spread(0.3, 0.1, 0.5)
    assert Spread.of([None]) == Spread(None)


# --- dimension -------------------------------------------------------------------------------------------------------


def test_the_held_out_loss_is_that_of_lines_that_were_never_learned(
    quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    met = []

    def watching(corpus: Corpus, *args: Any, **more: Any) -> Any:
        met.append(corpus)
        return gensim_steps(corpus, *args, **more)

    monkeypatch.setattr(pitfalls, "gensim_steps", watching)
    entry = Entry.of(dimension_task(Report(), text=LEE, seed=2))
    found = dimension_results(entry)
    assert [(each.dims, each.epochs) for each in found] == [(2, 1), (4, 1), (4, 2)]
    rest, held = held_out(lee(), 2)
    assert {each.digest for each in met} == {rest.digest}
    assert (entry.meta["held_lines"], entry.meta["held_tokens"]) == (held.n_lines, held.n_tokens)
    size = rest.size(5)
    recipe = replace(pitfalls.BASE, dims=4, seed=2)
    *_, last = gensim_steps(rest, recipe, outputs=True)
    for part, loss in ((rest, found[1].train_loss), (held, found[1].held_loss)):
        assert Places(part, recipe, size, 300).loss(last.vectors, last.more["outputs"]) == loss
    tested = pair_score("WordSim-353", rest.words[:size], last.vectors)
    assert found[1].wordsim == tested.value
    assert entry.meta["asked"]["WordSim-353"] == [tested.asked, 353]


def test_too_many_epochs_are_learned_by_heart(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitfalls, "BASE", replace(pitfalls.BASE, epochs=4, rate=0.1, sample=0))
    monkeypatch.setattr(pitfalls, "DIMENSIONS", (30,))
    monkeypatch.setattr(pitfalls, "LONGER", (30,))
    monkeypatch.setattr(pitfalls, "LONG", 24)
    monkeypatch.setattr(pitfalls, "PAIRS", 4_000)
    few, many = dimension_results(Entry.of(dimension_task(Report(), text=LEE)))
    assert many.train_loss < few.train_loss - 0.05
    assert many.held_loss > few.held_loss + 0.03
    assert many.held_loss - many.train_loss > few.held_loss - few.train_loss + 0.1


def test_all_outputs_come_when_they_are_asked_for() -> None:
    recipe = replace(pitfalls.BASE, dims=4, epochs=1)
    first, last = gensim_steps(lee(), recipe, outputs=True)
    assert not first.more["outputs"].any()  # gensim's begin at zero
    assert last.more["outputs"].shape == last.vectors.shape
    assert last.more["outputs"].any()
    assert (last.more["outputs"].dtype, last.more["outputs"].flags.writeable) == (np.float32, False)


# --- seeds -----------------------------------------------------------------------------------------------------------


def test_what_another_seed_keeps_is_the_share_in_both_lists(quick: None) -> None:
    entry = Entry.of(seeds_task(Report(), text=LEE, seed=1))
    found = {(each.method, each.change, each.least): each for each in seeds_results(entry)}
    counts, words = entry.arrays["counts"], words_in(entry)
    for method in ("skip-gram", "LSA"):
        a, b = (entry.arrays[f"near.{method}.{run}"] for run in (0, 1))
        kept = np.array([len(set(x) & set(y)) / 10 for x, y in zip(a.tolist(), b.tolist(), strict=True)])
        assert found[method, "seed", 0].kept == pytest.approx(kept.mean())
        inside = (counts >= 10) & (counts < 20)
        band = found[method, "seed", 10]
        assert (band.words, band.most) == (inside.sum(), 20)
        assert band.kept == pytest.approx(kept[inside].mean())
        assert found[method, "seed", 200].words == (counts >= 200).sum()
        assert found[method, "text", 0].words < len(words)
        assert len(found[method, "text", 0].wordsim) == 2
    # the first seed's lists are those of a training with it
    *_, last = learn(lee(), replace(pitfalls.BASE, seed=1))
    space = Space("x", "X", words, last.vectors)
    near = [each.item for each in search(space, "minister", k=10) if not each.asked]
    assert list(neighbors_in(entry, "skip-gram.0", "minister")) == near
    assert found["LSA", "seed", 0].kept > found["skip-gram", "seed", 0].kept


def test_draws_take_lines_with_replacement() -> None:
    corpus = lee()
    one, two = pitfalls._draws(corpus, 0)
    for draw in (one, two):
        assert draw.n_lines == corpus.n_lines
        lines = lines_of(draw)
        assert set(lines) <= set(lines_of(corpus))
        assert 0.58 < len(set(lines)) / len(set(lines_of(corpus))) < 0.68  # 1 - 1/e
        sorted_anew(draw)
    assert lines_of(one) != lines_of(two)


def test_the_words_of_both_draws_are_compared_by_name() -> None:
    a = np.array([[1, 2, 3], [4, 5, 6]])
    b = np.array([[3, 9, 1], [7, 8, 9]])
    np.testing.assert_allclose(pitfalls._kept(a, b), [2 / 3, 0])


# --- jobs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_training_is_a_step_and_the_run_can_be_stopped(quick: None, name: str, tmp_path: Path) -> None:
    store, key = Store(tmp_path), "0" * 32
    whole = Entry.of(run_experiment(Report(store=store, key=key), name, Text("lee")))
    first = store.get(step_key(key, 0))
    assert first is not None
    assert results_in(name, first)
    assert len(first.meta["rows"]) < len(whole.meta["rows"])
    assert first.meta["rows"] == whole.meta["rows"][: len(first.meta["rows"])]
    stops = iter([False] * 5)
    with pytest.raises(JobStopped):
        run_experiment(Report(stopped=lambda: not next(stops, True)), name, Text("lee"))


def test_the_same_seed_gives_the_same_rows_but_for_the_time(quick: None) -> None:
    def timeless(seed: int) -> list[dict[str, Any]]:
        rows = run_experiment(Report(), "window", Text("lee"), seed)[1]["rows"]
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    assert timeless(0) == timeless(0) != timeless(1)


def test_keys_tell_experiments_texts_and_seeds_apart() -> None:
    cases = [(name, Text(text), seed) for name in EXPERIMENTS for text in ("lee", "wikipedia") for seed in (0, 1)]
    keys = {experiment_key(*case) for case in cases}
    assert len(keys) == 16


def test_a_text_of_few_words_is_refused_in_one_sentence(quick: None) -> None:
    few = keep_text(read_corpus(b"the king eats bread\nthe queen eats bread\n" * 10), default_store())
    for name in EXPERIMENTS:
        with pytest.raises(InputError, match=r"has 5 words that come often enough; lists of 10 need more\.$"):
            run_experiment(Report(), name, few)
    with pytest.raises(InputError, match=r"no experiment 'x'; use one of: window, negatives, dimension, seeds"):
        kept_experiment("x", Text("lee"))


def test_the_lines_of_python_measure_the_same(
    quick: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path))
    exec(pitfalls_script("window", "lee", 3, "minister"), {})
    said = capsys.readouterr().out
    entry = kept_experiment("window", Text("lee"), 3)  # now kept
    assert str(setting_results(entry)[0]) in said
    assert f"near.2.1 {' '.join(neighbors_in(entry, '2.1', 'minister'))}" in said
    text = "\n".join(lines_of(lee())[:60])
    (tmp_path / "mine.txt").write_text(text, "utf-8")
    monkeypatch.chdir(tmp_path)
    exec(pitfalls_script("dimension", "own", 0), {})
    assert "DimensionResult(dims=2" in capsys.readouterr().out

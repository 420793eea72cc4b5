"""Titles ranked for simulated readers: what they have read, what is unseen, and what each score is made of."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import embedkit
from embedkit.errors import InputError, JobStopped
from embedkit.export import reader_script
from embedkit.space import Space
from embedkit.store import Entry, Store, step_key
from embedkit.words import reader
from embedkit.words.documents import section_texts
from embedkit.words.reader import (
    RANKINGS,
    READ,
    Network,
    Reader,
    Titles,
    area_under_curve,
    article_topics,
    draw_readers,
    network_of,
    parts_of_score,
    reader_key,
    reader_results,
    reader_task,
    score,
    shared_titles,
    titles_of,
    train_network,
)
from embedkit.worker import Report

GIVEN: dict[str, Any] = {"words": "words/word2vec", "part": "title"}


@pytest.fixture(scope="module")
def titles() -> Titles:
    return shared_titles(**GIVEN)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment of a second."""
    monkeypatch.setattr(reader, "SPLITS", 2)
    monkeypatch.setattr(reader, "TESTED", 5)
    monkeypatch.setattr(reader, "TRAINED_ON", (4, 12))
    monkeypatch.setattr(reader, "READ", (1, 4))


def plane(vectors: Any, readable: list[bool], topics: list[int], names: tuple[str, ...] = ("x", "y", "z")) -> Titles:
    n = len(vectors)
    called = tuple(f"title {i}" for i in range(n))
    array = np.array(vectors, np.float32)
    return Titles(called, array, np.array(topics), called, np.array(readable), names, 0, 0)


# --- the titles ------------------------------------------------------------------------------------------------------


def test_every_article_with_a_topic_is_in_the_sample(titles: Titles) -> None:
    known = article_topics()
    assert set(titles.articles) == set(known)
    assert set(known.values()) == set(titles.topic_names)
    assert len(titles.topic_names) == 15
    assert not [article for article in known if "disambiguation" in article]


def test_no_article_stands_on_both_sides_and_each_topic_does(titles: Titles) -> None:
    read, unread = titles.readable, ~titles.readable
    articles = np.array(titles.articles)
    assert not set(articles[read]) & set(articles[unread])
    assert set(titles.topics[read]) == set(titles.topics[unread]) == set(range(15))
    known = article_topics()
    for row in range(0, len(titles.names), 97):
        assert titles.names[row].startswith(titles.articles[row])
        assert titles.topic_names[titles.topics[row]] == known[titles.articles[row]]
    other = titles_of(embedkit.load(GIVEN["words"]), "title", 1)
    assert (other.readable != titles.readable).any()


def test_vectors_are_means_of_words_at_one_scale(titles: Titles) -> None:
    table = embedkit.load(GIVEN["words"])
    assert (titles.vectors.astype(np.float64) ** 2).sum(1).mean() == pytest.approx(1, abs=1e-4)
    row = titles.names.index("Algae: Physiology")
    mean = (table.vector("algae") + table.vector("physiology")) / 2
    ratio = titles.vectors[row] / mean
    assert ratio == pytest.approx(ratio[0], abs=1e-4)
    np.testing.assert_allclose(titles.center, titles.vectors[titles.readable].mean(0), atol=1e-6)
    texts = {name for name in section_texts("title") if name.split(": ")[0] in article_topics()}
    assert titles.left_out == len(texts) - len(titles.names) > 0


def test_an_unknown_title_is_named(titles: Titles) -> None:
    with pytest.raises(InputError, match="no title 'Zebra' here"):
        titles.rows(["Algae", "Zebra"])


# --- the readers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [1, 3, 10, 30])
def test_a_reader_has_read_of_both_topics_and_only_what_can_be_read(titles: Titles, read: int) -> None:
    for each in draw_readers(titles, 40, read, tested=True):
        assert len(each.read) == len(set(each.read)) == read
        assert titles.readable[each.read].all()
        counts = [(titles.topics[each.read] == topic).sum() for topic in each.likes]
        assert sum(counts) == read
        there = [(titles.readable & (titles.topics == topic)).sum() for topic in each.likes]
        assert abs(counts[0] - counts[1]) <= 1 or min(there) == min(counts)  # one topic has no more


def test_nobody_to_learn_from_likes_the_two_topics_of_a_tested_reader(titles: Titles) -> None:
    tested = {tuple(sorted(each.likes)) for each in draw_readers(titles, 200, 1, tested=True)}
    others = {tuple(sorted(each.likes)) for each in draw_readers(titles, 200, None, tested=False)}
    assert not tested & others
    assert tested | others == set(combinations(range(15), 2))
    assert {topic for pair in others for topic in pair} == set(range(15))
    many = [len(each.read) for each in draw_readers(titles, 100, None, tested=False)]
    assert set(many) == set(READ)


def test_a_seed_draws_the_same_readers_again(titles: Titles) -> None:
    def drawn(**given: Any) -> list[list[int]]:
        return [each.read.tolist() for each in draw_readers(titles, 5, 10, tested=True, **given)]

    assert drawn() == drawn() != drawn(seed=1)
    assert drawn() != drawn(split=1)


# --- the scores ------------------------------------------------------------------------------------------------------


def test_scores_by_hand() -> None:
    shelf = plane([[1, 0], [3, 0], [0, 2], [1, 1], [0, -1]], [True, True, True, False, False], [0, 0, 1, 0, 1])
    read, asked = np.array([0, 1]), np.array([3, 4])  # u = (2, 0)
    np.testing.assert_allclose(score("dot product", shelf, read, asked), [2, 0])
    np.testing.assert_allclose(score("cosine", shelf, read, asked), [np.sqrt(0.5), 0], atol=1e-6)
    center = np.array([4 / 3, 2 / 3])
    by_hand = (np.array([[1, 1], [0, -1]]) - center) @ (np.array([2, 0]) - center)
    np.testing.assert_allclose(score("dot product, mean taken away", shelf, read, asked), by_hand, atol=1e-6)


def test_a_score_is_the_sum_of_what_each_title_read_adds(titles: Titles) -> None:
    read, asked = np.flatnonzero(titles.readable)[[3, 99, 500]], np.flatnonzero(~titles.readable)[:5]
    for name, centered in (("dot product", False), ("dot product, mean taken away", True)):
        scores = score(name, titles, read, asked)
        for place, row in enumerate(asked):
            parts = parts_of_score(titles, read, int(row), centered=centered)
            assert parts.sum() == pytest.approx(float(scores[place]), abs=1e-5)
    plain = parts_of_score(titles, read, int(asked[0]))
    assert plain[1] == pytest.approx(titles.vectors[read[1]] @ titles.vectors[asked[0]] / 3, abs=1e-6)


def test_a_score_that_cannot_be_says_why(titles: Titles) -> None:
    one, none = np.array([0]), np.zeros(0, np.int64)
    for name in RANKINGS:
        with pytest.raises(InputError, match="Nothing has been read"):
            score(name, titles, none, one)
    with pytest.raises(InputError, match="network has not been trained"):
        score("network", titles, one, one)
    with pytest.raises(InputError, match="no ranking 'magic'; use one of: dot product, cosine"):
        score("magic", titles, one, one)


def test_the_network_by_hand() -> None:
    w0 = np.array([[1, 0], [0, 0], [0, 0], [0, -1], [1, 2], [0, 0]], np.float32)
    w1 = np.array([[2], [-1]], np.float32)
    biases = (np.array([0.5, 0], np.float32), np.array([0.25], np.float32))
    net = Network(np.full(6, 1, np.float32), np.full(6, 2, np.float32), (w0, w1), biases)
    reader = np.array([3, 1], np.float32)
    # [u, d, u d] = (3, 1, -1, 3, -3, 3) -> (1, 0, -1, 1, -2, 1) -> (1 - 2 + 0.5, -1 - 4) -> (0, 0) -> 0.25
    assert net(reader, np.array([[-1, 3]], np.float32))[0] == pytest.approx(1 / (1 + np.exp(-0.25)))
    # (3, 1, 5, 3, 15, 3) -> (1, 0, 2, 1, 7, 1) -> (8.5, 13) -> 17 - 13 + 0.25
    assert net(reader, np.array([[5, 3]], np.float32))[0] == pytest.approx(1 / (1 + np.exp(-4.25)))


def toy_world(seed: int = 0, n: int = 300) -> Titles:
    """Titles of three topics, each around a direction of its own, and a large number that all share."""
    rng = np.random.default_rng(seed)
    topics = rng.integers(0, 3, n)
    vectors = 0.3 * rng.normal(size=(n, 6))
    vectors[np.arange(n), topics] += 1
    vectors[:, 5] += 3
    return plane(vectors, list(np.arange(n) % 2 == 0), topics.tolist())


def test_the_network_learns_what_readers_like_and_is_the_one_that_was_fitted(monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.neural_network

    made: list[Any] = []
    real = sklearn.neural_network.MLPClassifier

    def keeping(*args: Any, **given: Any) -> Any:
        made.append(real(*args, **given))
        return made[-1]

    monkeypatch.setattr(sklearn.neural_network, "MLPClassifier", keeping)
    shelf = toy_world()
    rng = np.random.default_rng(1)
    own = [np.flatnonzero(shelf.readable & (shelf.topics == topic)) for topic in range(3)]
    readers = [Reader((k % 3,), rng.permutation(own[k % 3])[:5]) for k in range(60)]
    net = train_network(shelf, readers)
    asked = np.flatnonzero(~shelf.readable)
    read = own[1][:5]
    found = score("network", shelf, read, asked, net)
    liked = shelf.topics[asked] == 1
    assert area_under_curve(liked, found) > 0.98
    mean, titles = shelf.vectors[read].mean(0), shelf.vectors[asked]
    table = np.hstack([np.tile(mean, (len(asked), 1)), titles, mean * titles])
    np.testing.assert_allclose(found, made[0].predict_proba((table - net.mean) / net.scale)[:, 1], atol=1e-4)


def test_the_network_never_sees_the_other_half(titles: Titles) -> None:
    readers = draw_readers(titles, 6, 3, tested=False)
    net = train_network(titles, readers)
    hidden = ~titles.readable
    changed = titles.vectors.copy()
    changed[hidden] = 7
    topics = titles.topics.copy()
    topics[hidden] = 0
    blind = Titles(titles.names, changed, topics, titles.articles, titles.readable, titles.topic_names, 0, 0)
    again = train_network(blind, readers)
    assert [a.tobytes() for a in (*net.weights, *net.biases, net.mean)] == [
        a.tobytes() for a in (*again.weights, *again.biases, again.mean)
    ]
    assert train_network(titles, readers, 1).weights[0].tobytes() != net.weights[0].tobytes()


def test_the_auc_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        liked, scores = rng.random(40) < 0.3, rng.integers(0, 9, 40) / 4  # with ties
        assert area_under_curve(liked, scores) == pytest.approx(roc_auc_score(liked, scores))
    with pytest.raises(InputError, match="titles that are liked and titles that are not"):
        area_under_curve(np.ones(3, bool), np.arange(3.0))


# --- the experiment --------------------------------------------------------------------------------------------------


def test_the_experiment_is_what_its_parts_give_by_hand(few: None) -> None:
    entry = Entry.of(reader_task(Report(), **GIVEN, seed=3))
    found = {(each.ranking, each.read, each.learned): each for each in reader_results(entry)}
    rules = [name for name in RANKINGS if name != "network"]
    assert set(found) == {(name, read, 0) for name in rules for read in (1, 4)} | {
        ("network", read, learned) for read in (1, 4) for learned in (4, 12)
    }
    by_split = []
    for split in (3, 4):
        shelf = titles_of(embedkit.load(GIVEN["words"]), "title", split)
        asked = np.flatnonzero(~shelf.readable)
        readers = draw_readers(shelf, 5, 4, tested=True, split=split)
        values = []
        for each in readers:
            scores = shelf.vectors[asked] @ shelf.vectors[each.read].mean(0)
            liked = np.isin(shelf.topics[asked], each.likes)
            top = liked[np.argsort(-scores, kind="stable")[:10]].mean()
            values.append((roc_auc_score(liked, scores), top, liked.mean()))
        by_split.append(np.mean(values, axis=0))
        net = train_network(shelf, draw_readers(shelf, 12, None, tested=False, split=split), split)
        if split == 3:
            np.testing.assert_array_equal(network_of(entry).weights[0], net.weights[0])
    auc, first, chance = np.array(by_split).T
    each = found["dot product", 4, 0]
    assert (each.auc.mean, each.auc.low, each.auc.high) == pytest.approx((auc.mean(), auc.min(), auc.max()), abs=1e-5)
    assert (each.first.mean, each.by_chance) == pytest.approx((first.mean(), chance.mean()), abs=1e-5)
    assert entry.meta["titles"] == len(shared_titles(**GIVEN).names)


def test_each_split_is_a_step_and_the_run_can_be_stopped(few: None, tmp_path: Path) -> None:
    store, key = Store(tmp_path), "0" * 32
    whole = Entry.of(reader_task(Report(store=store, key=key), **GIVEN))
    half = store.get(step_key(key, 0))
    assert half is not None
    assert half.meta["rows"] == whole.meta["rows"][: len(half.meta["rows"])]
    assert len(reader_results(half)) == len(reader_results(whole))
    again = Entry.of(reader_task(Report(), **GIVEN))
    assert again.meta == whole.meta
    assert {n: a.tobytes() for n, a in again.arrays.items()} == {n: a.tobytes() for n, a in whole.arrays.items()}
    stops = iter([False] * 8)
    with pytest.raises(JobStopped):
        reader_task(Report(stopped=lambda: not next(stops, True)), **GIVEN)


def test_only_known_words_are_taken() -> None:
    with pytest.raises(InputError, match="no words 'words/nope' here; use one of: words/word2vec"):
        reader_task(Report(), words="words/nope", part="title")
    assert reader_key("words/lsa", "title") != reader_key("words/lsa", "first") != reader_key("words/lsa", "first", 1)


def test_a_space_of_words_that_knows_few_titles_leaves_the_others_out() -> None:
    words = Space("w", "W", ("algae", "alaska"), np.eye(2, dtype=np.float32))
    shelf = titles_of(words, "title")
    assert set(shelf.articles) == {"Algae", "Alaska"}
    assert shelf.left_out > 1_000


def test_the_lines_of_python_rank_the_same(
    titles: Titles, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    picked = [titles.names[row] for row in np.flatnonzero(titles.readable)[[0, 200]]]
    monkeypatch.setattr(reader, "PASSES", 1)
    exec(reader_script("words/word2vec", "title", picked, "cosine", 0), {})
    said = capsys.readouterr().out.splitlines()
    unread = np.flatnonzero(~titles.readable)
    scores = score("cosine", titles, titles.rows(picked), unread)
    order = np.argsort(-scores, kind="stable")[:10]
    assert said[:10] == [f"cosine {titles.names[unread[k]]} {round(float(scores[k]), 4)}" for k in order]
    assert [line.split()[0] for line in said[10:]] == ["network"] * 10

"""The tests of word vectors: by hand, and equal to gensim's evaluate_*."""

from typing import Any

import numpy as np
import pytest

from embedkit.sources.gensim_data import google_analogies, word_pairs
from embedkit.sources.gensim_data import test_data as data_file
from embedkit.space import to_unit
from embedkit.words import analogies, scores
from embedkit.words.analogies import answer_ranks, frequent_questions, solve
from embedkit.words.minilm import minilm
from embedkit.words.scores import Score, analogy_scores, pair_score, word_scores


def keyed(words: tuple[str, ...], vectors: Any) -> Any:
    from gensim.models import KeyedVectors

    made = KeyedVectors(vectors.shape[1])
    made.add_vectors(list(words), vectors)
    return made


@pytest.fixture(scope="module")
def some() -> tuple[tuple[str, ...], Any]:
    """1,800 words of MiniLM with some in capitals, and one that comes in two spellings."""
    space = minilm()
    asked = [w for pairs in map(word_pairs, ("wordsim353", "simlex999")) for a, b, _ in pairs for w in (a, b)]
    asked += [word for questions in google_analogies().values() for question in questions for word in question]
    names = [word for word in dict.fromkeys([*asked[::2], *space.items[:3_000]]) if word in space][:1_799]
    words = tuple(word.capitalize() if row % 7 == 3 else word for row, word in enumerate(names))
    vectors = np.vstack([space.vectors[[space.rows[word] for word in names]], -space.vectors[:1]])
    return (*words, words[0].upper()), vectors


@pytest.mark.parametrize(("test", "file"), [("WordSim-353", "wordsim353.tsv"), ("SimLex-999", "simlex999.txt")])
def test_pairs_equal_gensims(test: str, file: str, some: Any) -> None:
    _, spearman, unknown = keyed(*some).evaluate_word_pairs(str(data_file(file)))
    found = pair_score(test, *some)
    assert found.value == pytest.approx(spearman.statistic, abs=2e-6)
    assert 1 - found.coverage == pytest.approx(unknown / 100)
    assert 0 < found.asked < found.of


@pytest.mark.parametrize("most", [1_200, 30_000])
def test_analogies_equal_gensims(most: int, some: Any) -> None:
    score, sections = keyed(*some).evaluate_word_analogies(str(data_file("questions-words.txt")), restrict_vocab=most)
    found = analogy_scores(*some, most)
    assert found["all"].value == pytest.approx(score)
    *parts, total = sections
    assert found["all"].asked == len(total["correct"]) + len(total["incorrect"]) > 100
    for kind in ("semantic", "syntactic"):
        own = [each for each in parts if each["section"].startswith("gram") == (kind == "syntactic")]
        right, wrong = (sum(len(each[name]) for each in own) for name in ("correct", "incorrect"))
        assert (found[kind].asked, found[kind].value) == (right + wrong, pytest.approx(right / (right + wrong)))
    assert found["all"].of == sum(map(len, google_analogies().values())) == 19_544


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> tuple[tuple[str, ...], Any]:
    """Four words in a plane: king, queen, man, woman as a parallelogram, and a fifth in the way."""
    pairs = (("king", "queen", 9.0), ("king", "man", 5.0), ("king", "apple", 1.0), ("king", "nowhere", 3.0))
    monkeypatch.setattr(scores, "word_pairs", lambda name: pairs)
    sets = {"family": (("man", "king", "woman", "queen"), ("man", "king", "woman", "prince")),
            "gram1-x": (("man", "woman", "king", "queen"),)}  # fmt: skip
    monkeypatch.setattr(scores, "google_analogies", lambda: sets)
    monkeypatch.setattr(analogies, "google_analogies", lambda: sets)
    angles = np.radians([0, 30, 40, 70, 200])  # man, king, woman, queen, apple
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)
    return ("man", "king", "woman", "queen", "apple"), vectors * np.float32(3)


def test_scores_by_hand(tiny: Any) -> None:
    """From king: man and 30 degrees, queen and 40, apple and 170; people say queen 9, man 5, apple 1."""
    found = word_scores(*tiny)
    assert found["WordSim-353"] == Score(pytest.approx(0.5), 3, 4)  # ranks 2, 1, 3 against 1, 2, 3
    assert found["semantic"] == Score(1.0, 1, 2)  # the other question's word is not known
    assert found["syntactic"] == Score(1.0, 1, 1)
    assert found["all"] == Score(1.0, 2, 3)
    assert found["all"].coverage == pytest.approx(2 / 3)


def test_ranks_of_the_answers_by_hand(tiny: Any) -> None:
    words, vectors = tiny
    rows = np.array(
        [
            [words.index(word) for word in question]
            for question in (("man", "king", "woman", "queen"), ("queen", "man", "king", "apple"))
        ]
    )
    unit = to_unit(vectors)
    assert answer_ranks(unit, rows).tolist() == [1, 2]  # man - queen + king: woman is nearer than apple
    free, ruled = solve(unit, rows)
    assert [words[row] for row in ruled] == ["queen", "woman"]
    assert all(a == b or row in question for a, b, row, question in zip(free, ruled, free, rows, strict=True))


def test_ranks_are_places_among_all_other_words(some: Any) -> None:
    words, unit = some[0], to_unit(some[1])
    rows = np.random.default_rng(0).permutation(len(words))[:1_600].reshape(400, 4)
    ranks = answer_ranks(unit, rows)
    for (a, b, c, d), rank in list(zip(rows, ranks, strict=True))[::40]:
        near = (unit[b] - unit[a] + unit[c]) @ unit.T
        order = [row for row in np.argsort(-near, kind="stable") if row not in (a, b, c)]
        assert order.index(d) + 1 == rank
    assert ((ranks == 1) == (solve(unit, rows)[1] == rows[:, 3])).all()


def test_frequent_questions_are_one_a_category(tiny: Any) -> None:
    rows = {word: row for row, word in enumerate(tiny[0])}
    assert frequent_questions(rows) == (("man", "king", "woman", "queen"), ("man", "woman", "king", "queen"))
    assert frequent_questions(rows, 1) == (("man", "king", "woman", "queen"),)
    assert frequent_questions({}) == ()


def test_frequent_questions_are_those_whose_rarest_word_is_most_frequent(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = {
        "x": (("a", "b", "c", "f"), ("a", "b", "c", "e")),
        "y": (("d", "c", "b", "a"),),
        "z": (("a", "b", "c", "?"),),
    }
    monkeypatch.setattr(analogies, "google_analogies", lambda: sets)
    rows = {word: row for row, word in enumerate("abcdef")}
    assert frequent_questions(rows) == (("d", "c", "b", "a"), ("a", "b", "c", "e"))
    assert frequent_questions(rows, 1) == (("d", "c", "b", "a"),)


@pytest.mark.parametrize("words", [(), ("king",), ("king", "queen", "man")])
def test_too_little_to_ask_is_no_score(words: tuple[str, ...]) -> None:
    found = word_scores(words, np.ones((len(words), 3), np.float32))
    assert all(score.value is None for score in found.values())
    assert found["all"].asked == 0


def test_vectors_that_are_all_the_same_have_no_correlation(some: Any) -> None:
    assert pair_score("WordSim-353", some[0], np.ones_like(some[1])).value is None


def test_asking_can_be_stopped(tiny: Any) -> None:
    def stop() -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        word_scores(*tiny, heartbeat=stop)

"""A text as the mean of its words' vectors."""

import numpy as np
import pytest

import embedkit
from embedkit.errors import InputError
from embedkit.sources.wikipedia_sections import wikipedia_sections
from embedkit.space import Space
from embedkit.words.documents import PARTS, mean_of_words, section_texts


@pytest.fixture
def words() -> Space:
    vectors = [[1, 0], [0, 1], [4, 4], [-1, 0]]
    return Space("words/few", "A few words", ("east", "north", "don't", "west"), np.array(vectors, np.float32))


def test_a_text_is_the_mean_of_its_words(words: Space) -> None:
    space = mean_of_words({"a": "East, north!", "b": "north north east", "c": "west"}, words)
    np.testing.assert_allclose(space.vectors, [[0.5, 0.5], [1 / 3, 2 / 3], [-1, 0]], atol=1e-7)
    assert (space.items, space.d) == (("a", "b", "c"), 2)
    assert space.meta["known"].tolist() == [2, 3, 1]
    assert space.meta["unknown"].tolist() == [0, 0, 0]
    assert space.origin == words.origin
    assert space.key.startswith("words/")


def test_unknown_words_are_left_out_and_counted(words: Space) -> None:
    space = mean_of_words({"a": "East of Eden, 1952: Don\u2019t go north."}, words, key="words/x", title="X")
    np.testing.assert_allclose(space.vectors[0], [5 / 3, 5 / 3], atol=1e-6)
    assert space.meta.iloc[0].to_dict() == {"known": 3, "unknown": 3}  # of, eden, go; figures are no words
    assert (space.key, space.title) == ("words/x", "X")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no words, so none is among"),
        ("  1984 ?!\n", "it has no words, so none is among"),
        ("up and down", "none of its 3 words is among"),
    ],
)
def test_a_text_without_a_known_word_is_named_in_one_sentence(words: Space, text: str, said: str) -> None:
    expected = rf"^'poem' has no vector: {said} the 4 of A few words\. Leave it out"
    with pytest.raises(InputError, match=expected) as caught:
        mean_of_words({"fine": "east", "poem": text}, words)
    assert "\n" not in str(caught.value)


def test_no_text_is_said(words: Space) -> None:
    with pytest.raises(InputError, match="There is no text to take a mean of"):
        mean_of_words({}, words)


def test_any_space_of_words_will_do() -> None:
    for key in ("words/minilm", "words/word2vec"):
        table = embedkit.load(key)
        space = mean_of_words({"x": "The river bank"}, table)
        by_hand = np.mean([table.vector(word) for word in ("the", "river", "bank")], axis=0)
        np.testing.assert_allclose(space.vectors[0], by_hand, atol=1e-5)


def test_what_is_read_of_a_section() -> None:
    texts = {part: section_texts(part) for part in PARTS}
    first = wikipedia_sections()[0]
    name = first.name
    assert texts["title"][name].split() == name.split()
    assert texts["whole"][name].endswith(first.text)
    sentence = texts["first"][name].split("\n", 1)[1]
    assert first.text.startswith(sentence)
    assert 10 < len(sentence) < len(first.text)
    for part in PARTS:
        assert len(texts[part]) == len(wikipedia_sections())  # what has one name twice got a number
    with pytest.raises(InputError, match="no part 'all' of a section; use one of: title, first, whole"):
        section_texts("all")


def test_sections_are_a_method() -> None:
    space = embedkit.load("words/mean", part="title")
    table = embedkit.load("words/word2vec")
    name = "Algae: Physiology"
    by_hand = (table.vector("algae") + table.vector("physiology")) / 2
    np.testing.assert_allclose(space.vector(name), by_hand, atol=1e-6)
    assert 1_500 < space.n < len(wikipedia_sections())  # some titles have no known word
    assert (space.meta["known"] > 0).all()
    assert space.origin.params == {"words": "words/word2vec", "part": "title"}
    near = [each.item for each in embedkit.search(embedkit.load("words/mean"), name, k=5)]
    assert sum(each.startswith("Alga") for each in near) >= 4
    with pytest.raises(InputError, match="items of words/mean are texts"):
        embedkit.load("words/mean", words="words/mean")

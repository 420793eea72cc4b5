"""Words in context: places found, layers read, figures by hand."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embedkit.contexts import (
    UNLABELLED,
    LayerFigures,
    Layers,
    Occurrence,
    figures_by_layer,
    find_occurrences,
    misplaced,
    parting_layer,
    read_layers,
    sense_means,
    sense_words,
    sentences_of,
)
from embedkit.contexts.reading import contexts_minilm, unique_names
from embedkit.contexts.senses import _silhouette
from embedkit.encoders.transformer import Transformer, load_transformer
from embedkit.errors import InputError


def places(word: str, *sentences: str) -> list[tuple[int, int]]:
    return [(o.start, o.end) for o in find_occurrences(word, sentences)]


@pytest.mark.parametrize(
    ("word", "sentence", "expected"),
    [
        ("apple", "I eat an apple.", [(9, 14)]),
        ("apple", "Apple, (apple) and APPLE!", [(0, 5), (8, 13), (19, 24)]),
        ("APPLE", "an apple", [(3, 8)]),
        ("apple", "apples pineapple an apple", [(20, 25)]),
        ("  apple ", "an apple", [(3, 8)]),
        ("C++", "I write C++, not C or C++11 or c++.", [(8, 11), (31, 34)]),
        (".net", "the .net and dot.net", [(4, 8)]),
        ("don't", "I don't and don’t", [(2, 7)]),
        ("new york", "In New York.", [(3, 11)]),
        ("naïve", "A NAÏVE idea", [(2, 7)]),
        ("a.b", "axb a.b", [(4, 7)]),
        ("apple", "🍎 apple", [(2, 7)]),
        ("apple", "apple's apple-tree", [(0, 5), (8, 13)]),
    ],
)
def test_words_are_found_whole(word: str, sentence: str, expected: list[tuple[int, int]]) -> None:
    assert places(word, sentence) == expected


def test_an_occurrence_knows_its_surroundings() -> None:
    one, two = find_occurrences("apple", ["An apple, an Apple."], ["fruit"])
    assert (one.before, one.after, one.sense, one.word) == ("An ", ", an Apple.", "fruit", "apple")
    assert two.before == "An apple, an "
    assert find_occurrences("apple", ["an apple"])[0].sense == UNLABELLED


def test_senses_follow_their_sentences_past_empty_ones() -> None:
    found = find_occurrences("apple", ["apple one", "", "  ", "apple two"], ["w", "x", "y", "z"])
    assert [o.sense for o in found] == ["w", "z"]
    assert find_occurrences("apple", []) == ()
    assert find_occurrences("apple", ["", " "]) == ()


def test_a_sentence_without_the_word_is_named() -> None:
    with pytest.raises(InputError) as caught:
        find_occurrences("apple", ["an apple", "", "two apples"])
    assert "sentence 3" in str(caught.value)
    assert '"two apples"' in str(caught.value)
    with pytest.raises(InputError, match=r'sentence 1: "x{57}\.\.\."'):
        find_occurrences("apple", ["x" * 200])
    for empty in ("", "  "):
        with pytest.raises(InputError, match="Type the word"):
            find_occurrences(empty, ["an apple"])


# The shipped sentences


def test_the_shipped_sentences_hold_their_word_once() -> None:
    words = sense_words()
    assert len(words) >= 12
    for word, senses in words.items():
        found = sentences_of(word)
        assert len(senses) >= 2
        assert min(Counter(o.sense for o in found).values()) >= 10
        assert len({o.sentence for o in found}) == len(found)
        for o in found:
            assert places(word, o.sentence) == [(o.start, o.end)], o.sentence
            assert o.sentence[o.start : o.end].lower() == word


def test_the_two_opening_sentences_come_first() -> None:
    first, second = sentences_of("apple")[:2]
    assert (first.sentence, first.sense) == ("I'd like to eat an apple.", "fruit")
    assert (second.sentence, second.sense) == ("Apple makes great products.", "company")
    assert next(iter(sense_words())) == "apple"
    assert sentences_of("Apple")[0].sentence == first.sentence


def test_a_word_without_sentences_names_those_with() -> None:
    with pytest.raises(InputError, match=r"no shipped sentences for 'zebra'.*apple, bank"):
        sentences_of("zebra")


# Reading


@pytest.fixture(scope="module")
def tiny(tiny_folder: Path) -> Transformer:
    return load_transformer(folder=str(tiny_folder))


def test_layers_have_one_vector_an_occurrence_and_layer(tiny: Transformer) -> None:
    found = find_occurrences("apple", ["I eat an apple.", "The apple, the apple of a river."], ["a", "b"])
    layers = read_layers(found, tiny)
    assert layers.vectors.shape == (3, 3, 16)
    assert layers.vectors.dtype == layers.static.dtype == np.float32
    assert layers.static.shape == (16,)
    assert (layers.depth, layers.word, layers.model, layers.senses) == (2, "apple", "tiny", ("a", "b", "b"))
    assert len(layers.readings) == 3
    assert layers.skipped == ()
    for row, o in enumerate(found):
        reading = tiny.read([o.sentence])[0]
        np.testing.assert_allclose(layers.vectors[:, row], reading.vectors_of(o.start, o.end), atol=1e-5)


def test_the_static_vector_is_constant_while_occurrences_differ(tiny: Transformer) -> None:
    one = read_layers(find_occurrences("apple", ["I eat an apple."]), tiny)
    two = read_layers(find_occurrences("apple", ["apple of the river", "i eat the bank of apple"]), tiny)
    assert one.static.tobytes() == two.static.tobytes()
    for layer in range(3):
        rows = np.vstack([one.vectors[layer], two.vectors[layer], one.static[None]])
        apart = np.linalg.norm(rows[:, None] - rows[None], axis=-1) + np.eye(4)
        assert apart.min() > 1e-3


def test_a_word_of_several_pieces_is_their_mean(tiny: Transformer) -> None:
    o = find_occurrences("rivers", ["the rivers"])
    states = tiny.read(["the rivers"])[0].states
    np.testing.assert_allclose(read_layers(o, tiny).vectors[:, 0], states[:, [2, 3]].mean(1), atol=1e-6)


def test_a_long_sentence_is_cut_and_told(tiny: Transformer) -> None:
    near, far = "apple " + "river " * 40, "river " * 40 + "apple"
    layers = read_layers(find_occurrences("apple", [near, far]), tiny)
    assert [o.sentence for o in layers.occurrences] == [near]
    assert layers.readings[0].cut
    assert near.startswith(near[: layers.readings[0].read_to])
    assert len(layers.skipped) == 1
    for part in ("was left out", "'apple' stands at character 240", "24 pieces", "131 characters"):
        assert part in layers.skipped[0]
    with pytest.raises(InputError, match="was left out"):
        read_layers(find_occurrences("apple", [far]), tiny)
    with pytest.raises(InputError, match="no sentence to read"):
        read_layers([], tiny)


def test_a_layer_is_a_space(tiny: Transformer) -> None:
    layers = read_layers(find_occurrences("apple", ["I eat an apple.", "apple , apple"], ["a", "b"]), tiny)
    space = layers.space(1)
    assert space.items == ("I eat an apple.", "apple , apple", "apple , apple (2)")
    np.testing.assert_array_equal(space.vectors, layers.vectors[1])
    assert list(space.meta.columns) == ["word", "sense", "sentence", "start", "layer"]
    assert space.meta["sense"].tolist() == ["a", "b", "b"]
    assert space.meta["start"].tolist() == [9, 0, 8]
    assert set(space.meta["layer"]) == {1}
    assert len({layers.space(layer).key for layer in range(3)}) == 3
    for layer in (-1, 3):
        with pytest.raises(InputError, match=rf"layers 0 \(input\) to 2, not {layer}"):
            layers.space(layer)


def test_names_stay_unique_whatever_is_typed() -> None:
    sentences = ["x", "x", "x (2)", "x", "y"]
    names = unique_names([Occurrence("x", sentence, 0, 1) for sentence in sentences])
    assert len(set(names)) == 5
    assert names[0] == "x"
    assert "x (2)" in names
    assert names[4] == "y"


def test_other_sentences_other_key(tiny: Transformer) -> None:
    def key(*sentences: str, senses: list[str] | None = None) -> str:
        return read_layers(find_occurrences("apple", sentences, senses), tiny).space(0).key

    assert key("an apple") == key("an apple")
    assert len({key("an apple"), key("the apple"), key("an apple", "the apple"), key("an apple", senses=["a"])}) == 4


def test_the_method_and_the_senses_of_minilm() -> None:
    space = contexts_minilm()
    assert space.d == 384
    assert space.n == len(sentences_of("apple"))
    layers = read_layers(sentences_of("apple"))
    assert layers.vectors.shape == (7, space.n, 384)
    np.testing.assert_allclose(layers.vectors[6], space.vectors, atol=1e-6)
    figures = figures_by_layer(layers)
    assert [f.layer for f in figures] == list(range(7))
    assert figures[0].gap < figures[6].gap
    assert figures[6].accuracy > 0.9
    assert parting_layer(figures) in range(1, 7)


# Figures by hand


def made(vectors: list[list[float]], senses: str) -> Layers:
    """One layer with these vectors, the senses one letter each."""
    occurrences = tuple(Occurrence("w", f"w {row}", 0, 1, sense) for row, sense in enumerate(senses))
    return Layers("w", "hand", occurrences, np.array([vectors], np.float32), np.zeros(2, np.float32), ())


def test_figures_of_two_senses_at_right_angles_by_hand() -> None:
    figures = figures_by_layer(made([[1, 0], [2, 0], [0, 1], [0, 3]], "aabb"))[0]
    assert (figures.layer, figures.accuracy) == (0, 1)
    assert (figures.within, figures.between, figures.gap) == pytest.approx((1, 0, 1))
    assert figures.silhouette == pytest.approx(1)


def test_figures_of_mixed_senses_by_hand() -> None:
    # cosines: a1-a2 .6, b1-b2 .6, a1-b1 1, a1-b2 .6, a2-b1 .6, a2-b2 1
    figures = figures_by_layer(made([[1, 0], [0.6, 0.8], [1, 0], [0.6, 0.8]], "aabb"))[0]
    assert figures.within == pytest.approx(0.6)
    assert figures.between == pytest.approx((1 + 0.6 + 0.6 + 1) / 4)
    assert figures.gap == pytest.approx(-0.2)
    # each: own distance .4, other (0 + .4)/2 = .2, so (.2 - .4)/.4
    assert figures.silhouette == pytest.approx(-0.5)
    assert figures.accuracy == 0


def test_a_sense_with_one_sentence_is_not_counted() -> None:
    with_one = figures_by_layer(made([[1, 0], [2, 0], [0, 1], [0, 3], [1, 1]], "aabbc"))[0]
    assert with_one == figures_by_layer(made([[1, 0], [2, 0], [0, 1], [0, 3]], "aabb"))[0]
    for senses in ("aaaa", "aaab", "abcd"):
        with pytest.raises(InputError, match=f"at least two senses.*a {senses.count('a')}"):
            figures_by_layer(made([[1, 0], [2, 0], [0, 1], [0, 3]], senses))


def unlabelled(layers: Layers, row: int) -> Layers:
    """The same layers, one occurrence without its label."""
    rows = [replace(o, sense=UNLABELLED) if i == row else o for i, o in enumerate(layers.occurrences)]
    return replace(layers, occurrences=tuple(rows))


def test_occurrences_without_a_label_take_no_part() -> None:
    labelled = made([[1, 0], [2, 0], [0, 1], [0, 3]], "aabb")
    more = unlabelled(made([[1, 0], [2, 0], [0, 1], [0, 3], [1, 1]], "aabba"), 4)
    assert figures_by_layer(more) == figures_by_layer(labelled)
    assert misplaced(unlabelled(made([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], "aaabb"), 2), 0) == ()
    nobody = tuple(replace(o, sense=UNLABELLED) for o in labelled.occurrences)
    with pytest.raises(InputError, match="none labelled"):
        figures_by_layer(replace(labelled, occurrences=nobody))


def test_mean_cosines_with_each_sense_by_hand() -> None:
    layers = unlabelled(made([[1, 0], [0.6, 0.8], [0, 1], [0, 1], [0, 1]], "aabbb"), 4)
    assert sense_means(layers, 0, 0) == pytest.approx({"a": 0.6, "b": 0})
    assert sense_means(layers, 0, 1) == pytest.approx({"a": 0.6, "b": 0.8})
    assert sense_means(layers, 0, 4) == pytest.approx({"a": 0.4, "b": 1})


def test_equal_and_zero_vectors_have_finite_figures() -> None:
    for vectors in ([[1.0, 0]] * 4, [[0.0, 0]] * 4):
        figures = figures_by_layer(made(vectors, "aabb"))[0]
        assert np.isfinite([figures.within, figures.between, figures.silhouette, figures.accuracy]).all()


def test_misplaced_by_hand() -> None:
    # row 2 is an a that stands with the b's: own (0 + 0)/2, other (1 + 1)/2; its presence pulls nobody over
    layers = made([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], "aaabb")
    (found,) = misplaced(layers, 0)
    assert (found.row, found.other_sense, found.occurrence) == (2, "b", layers.occurrences[2])
    assert (found.own, found.other) == pytest.approx((0, 1))
    assert misplaced(made([[1, 0], [1, 0], [0, 1], [0, 1]], "aabb"), 0) == ()


def test_misplaced_worst_first() -> None:
    layers = made([[1, 0], [1, 0], [1, 0], [0.6, 0.8], [0, 1], [0, 1], [0, 1]], "aaaabbb")
    (one,) = misplaced(layers, 0)
    assert (one.row, one.own, one.other) == (3, pytest.approx(0.6), pytest.approx(0.8))
    two = misplaced(made([[1, 0], [1, 0], [1, 0], [0.6, 0.8], [0, 1], [0, 1], [0, 1], [0, 1]], "aaaaabbb"), 0)
    assert [m.row for m in two] == [4, 3]


def test_an_occurrence_alone_in_its_sense_is_not_judged() -> None:
    assert [m.row for m in misplaced(made([[1, 0], [1, 0], [1, 0]], "aab"), 0)] == [0, 1]


def figure(layer: int, silhouette: float, accuracy: float = 0.9) -> LayerFigures:
    return LayerFigures(layer, 0, 0, silhouette, accuracy)


def test_the_parting_layer_by_hand() -> None:
    figures = tuple(figure(i, value) for i, value in enumerate([0.1, 0.29, 0.285, 0.3, 0.2]))
    assert parting_layer(figures) == 1  # .29 comes within .02 of .3
    assert parting_layer((figure(0, 0.1), figure(1, 0.27), figure(2, 0.3))) == 2
    assert parting_layer((figure(0, -0.5),)) is None
    assert parting_layer((figure(0, 0.09), figure(1, 0.08))) is None
    assert parting_layer((figure(0, 0.0), figure(1, 0.15, accuracy=0.5))) is None  # right half the time is chance


def test_a_word_without_a_piece_is_not_called_cut_off() -> None:
    with pytest.raises(InputError, match="has no piece for"):
        read_layers([Occurrence("\u200b", "a \u200b b", 2, 3)])


def test_silhouette_equals_scikit_learns() -> None:
    from sklearn.metrics import silhouette_score

    rng = np.random.default_rng(0)
    for sizes in ([5, 7], [3, 4, 9], [2, 20]):
        senses = np.repeat([f"sense {i}" for i in range(len(sizes))], sizes)
        points = rng.normal(size=(len(senses), 3)) + rng.normal(size=(len(sizes), 3)).repeat(sizes, 0)
        distances = np.linalg.norm(points[:, None] - points[None], axis=2)
        expected = silhouette_score(distances, senses, metric="precomputed")
        assert _silhouette(distances, senses) == pytest.approx(expected, abs=1e-9)

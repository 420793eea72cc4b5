"""CBOW and skip-gram by hand: golden numbers, finite differences, gensim as oracle, and texts that are refused."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError, UnknownItem
from embedkit.export import by_hand_script
from embedkit.figures import hand_loss, hand_map, hand_network
from embedkit.words.by_hand import (
    LIMITS,
    METHODS,
    OPENING_TEXT,
    OUTPUTS,
    Example,
    HandRecipe,
    HandText,
    HandWeights,
    examples,
    flat,
    forward,
    hand_space,
    moment,
    multiplications,
    noise,
    parse_sentences,
    run,
    running_mean,
    stand,
    start_weights,
    state_at,
    strangers,
    train_by_hand,
    update,
)

TEXT = parse_sentences(OPENING_TEXT)
BOTH = [HandRecipe(method, output) for method in METHODS for output in OUTPUTS]
NAMES = [f"{recipe.method}, {recipe.output}" for recipe in BOTH]


def bytes_of(weights: HandWeights) -> bytes:
    return weights.inputs.tobytes() + weights.outputs.tobytes()


def by_words(order: tuple[Example, ...], text: HandText) -> list[tuple[str, str]]:
    return [(" ".join(text.words[row] for row in each.inputs), text.words[each.target]) for each in order]


# --- golden numbers, by hand -----------------------------------------------------------------------------------------


def test_two_words_in_one_dimension_by_hand() -> None:
    start = HandWeights(np.array([[1.0], [5.0]]), np.zeros((2, 1)))
    found, after = update(start, Example((0,), 1, 0, 0, 0), rate=1.0)
    assert found.loss == pytest.approx(math.log(2), abs=1e-15)
    assert found.probabilities.tolist() == [0.5, 0.5]
    assert after.outputs.tolist() == [[-0.5], [0.5]]
    assert after.inputs.tolist() == [[1.0], [5.0]]  # output vectors of zero send nothing back
    assert start.outputs.tolist() == [[0.0], [0.0]], "the old weights were written to"


def test_two_words_in_one_dimension_with_one_negative_by_hand() -> None:
    start = HandWeights(np.array([[1.0], [5.0]]), np.zeros((2, 1)))
    found, after = update(start, Example((0,), 1, 0, 0, 0), rate=1.0, negatives=(0,))
    assert found.loss == pytest.approx(2 * math.log(2), abs=1e-15)
    assert after.outputs.tolist() == [[-0.5], [0.5]]


def test_a_bag_of_two_by_hand() -> None:
    start = HandWeights(np.array([[1.0, 0.0], [0.0, 1.0], [9.0, 9.0]]), np.array([[0.0, 0.0], [0.0, 0.0], [2.0, 0.0]]))
    found, after = update(start, Example((0, 1), 2, 0, 1, 0), rate=0.5)
    e = math.e  # h is (1/2, 1/2), the scores 0, 0, 1
    p = e / (2 + e)
    assert found.hidden.tolist() == [0.5, 0.5]
    assert found.loss == pytest.approx(-math.log(p))
    assert found.errors == pytest.approx([1 / (2 + e), 1 / (2 + e), p - 1])
    assert found.to_hidden == pytest.approx([2 * (p - 1), 0])
    assert after.inputs[0] == pytest.approx([1 - 0.5 * 2 * (p - 1) / 2, 0])
    assert after.inputs[2].tolist() == [9.0, 9.0]
    assert after.outputs[2] == pytest.approx([2 - 0.5 * (p - 1) / 2, -0.5 * (p - 1) / 2])


def test_nothing_known_costs_the_logarithm_of_the_vocabulary() -> None:
    n = len(TEXT.words)
    blank = HandWeights(np.ones((n, 3)), np.zeros((n, 3)))
    assert forward(blank, Example((0, 1), 2, 0, 0, 0)).loss == pytest.approx(math.log(n))
    assert forward(blank, Example((0, 1), 2, 0, 0, 0), (3, 4)).loss == pytest.approx(3 * math.log(2))


# --- gradients -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("negatives", [None, (0, 3, 3)], ids=["full softmax", "negative sampling"])
@pytest.mark.parametrize("inputs", [(1,), (1, 4, 1)], ids=["pair", "bag with a word twice"])
def test_moves_equal_finite_differences(inputs: tuple[int, ...], negatives: tuple[int, ...] | None) -> None:
    rng = np.random.default_rng(3)
    start = HandWeights(rng.normal(size=(6, 4)), rng.normal(size=(6, 4)))
    example = Example(inputs, 2, 0, 0, 0)
    _, after = update(start, example, rate=1.0, negatives=negatives)
    width = 1e-6
    for side in ("inputs", "outputs"):
        by_step = getattr(start, side) - getattr(after, side)  # the gradient, as the rate is 1
        for place in np.ndindex(6, 4):
            losses = []
            for sign in (1, -1):
                matrix = getattr(start, side).copy()
                matrix[place] += sign * width
                losses.append(forward(replace(start, **{side: matrix}), example, negatives).loss)
            assert by_step[place] == pytest.approx((losses[0] - losses[1]) / (2 * width), abs=1e-7), (side, place)


def test_large_scores_do_not_overflow() -> None:
    far = HandWeights(np.full((3, 1), 40.0), np.array([[40.0], [-40.0], [0.0]]))
    for negatives in (None, (0, 2)):
        found, after = update(far, Example((0,), 1, 0, 0, 0), rate=1.0, negatives=negatives)
        assert np.isfinite(found.loss)
        assert found.loss > 1_000
        assert np.isfinite(after.inputs).all()


# --- gensim as oracle ------------------------------------------------------------------------------------------------


def gensim_model(recipe: HandRecipe, sentences: Any, weights: HandWeights, text: HandText) -> Any:
    """A model with our weights, a fixed window and rate; every negative that it draws is its last word."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=recipe.dims, window=recipe.window, sg=int(recipe.method == "skip-gram"), hs=0, negative=1, sample=0,
        cbow_mean=1, shrink_windows=False, min_count=1, workers=1, epochs=1, alpha=recipe.rate, min_alpha=recipe.rate,
    )  # fmt: skip
    model.build_vocab([list(sentence) for sentence in sentences])
    order = [text.row(word) for word in model.wv.index_to_key]
    model.wv.vectors[:] = weights.inputs[order]
    model.syn1neg[:] = weights.outputs[order]
    model.cum_table[:-1] = 0
    return model, order


def trained(model: Any, sentences: Any) -> None:
    model.train([list(sentence) for sentence in sentences], total_examples=len(sentences), epochs=1)


def ours(
    text: HandText, recipe: HandRecipe, order: Any, weights: HandWeights, negative: int, times: Any
) -> HandWeights:
    for example in order:
        drawn = () if example.target == negative else (negative,)  # gensim leaves out a negative that is the target
        before = weights
        _, weights = update(weights, example, rate=recipe.rate, negatives=drawn)
        if times and len(example.inputs) > 1:  # gensim moves each word of a bag by the whole gradient, not by its share
            moved = before.inputs + len(example.inputs) * (weights.inputs - before.inputs)
            weights = HandWeights(moved, weights.outputs)
    return weights


@pytest.mark.parametrize("window", [1, 2])
@pytest.mark.parametrize("method", METHODS)
def test_one_pass_moves_the_vectors_as_gensim_does(method: Any, window: int) -> None:
    text = parse_sentences("we eat red apples. you eat green pears. we drink juice.")
    recipe = HandRecipe(method, "negative sampling", window=window, dims=4, rate=0.1)
    start = start_weights(text, recipe)
    model, rows = gensim_model(recipe, text.sentences, start, text)
    trained(model, text.sentences)
    order = examples(text, method, window)
    if method == "skip-gram":  # gensim reads the context word and guesses the middle one
        order = tuple(replace(each, inputs=(each.target,), target=each.inputs[0]) for each in order)
    after = ours(text, recipe, order, start, rows[-1], times=method == "CBOW")
    for theirs, mine, old in (
        (model.wv.vectors, after.inputs, start.inputs),
        (model.syn1neg, after.outputs, start.outputs),
    ):
        moved = np.abs(mine - old).max()
        # gensim counts in float32 and reads the sigmoid from a table, 0.003 too low at most
        assert np.abs(theirs - mine[rows]).max() < 0.03 * moved


def test_the_comparison_with_gensim_can_fail() -> None:
    text = parse_sentences("we eat red apples. you eat green pears. we drink juice.")
    recipe = HandRecipe("CBOW", "negative sampling", dims=4, rate=0.1)
    start = start_weights(text, recipe)
    model, rows = gensim_model(recipe, text.sentences, start, text)
    trained(model, text.sentences)
    after = ours(text, recipe, examples(text, "CBOW", 2), start, rows[-1], times=False)
    moved = np.abs(after.inputs - start.inputs).max()
    assert np.abs(model.wv.vectors - after.inputs[rows]).max() > 0.2 * moved


def test_probabilities_of_a_bag_equal_those_of_gensim() -> None:
    recipe = HandRecipe("CBOW", dims=5)
    weights = state_at(TEXT, recipe, 500)
    model, _ = gensim_model(recipe, TEXT.sentences, weights, TEXT)
    bag = ["we", "eat", "pears"]
    theirs = dict(model.predict_output_word(bag, topn=len(TEXT.words)))
    found = forward(weights, Example(tuple(TEXT.row(word) for word in bag), 0, 0, 0, 0))
    assert [theirs[word] for word in TEXT.words] == pytest.approx(found.probabilities.tolist(), abs=1e-6)


# --- examples --------------------------------------------------------------------------------------------------------


def test_examples_by_hand() -> None:
    text = parse_sentences("The cat drinks cold milk.\nYes!")
    assert by_words(examples(text, "skip-gram", 1), text) == [
        ("the", "cat"), ("cat", "the"), ("cat", "drinks"), ("drinks", "cat"), ("drinks", "cold"), ("cold", "drinks"),
        ("cold", "milk"), ("milk", "cold"),
    ]  # fmt: skip
    assert by_words(examples(text, "CBOW", 2), text) == [
        ("cat drinks", "the"), ("the drinks cold", "cat"), ("the cat cold milk", "drinks"), ("cat drinks milk", "cold"),
        ("drinks cold", "milk"),
    ]  # fmt: skip


def test_the_window_does_not_leave_its_sentence() -> None:
    text = parse_sentences("a b. c d.")
    assert by_words(examples(text, "skip-gram", 5), text) == [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")]


def test_both_methods_stand_on_the_same_window_at_every_step() -> None:
    pairs, bags = (examples(TEXT, method, 2) for method in ("skip-gram", "CBOW"))
    last = {"CBOW": 0, "skip-gram": 0}
    for step in range(1, 4 * len(pairs) * 2 + 9):
        at = moment(pairs, step)
        pair, bag = pairs[at["skip-gram"].done % len(pairs)], bags[at["CBOW"].done % len(bags)]
        assert (pair.sentence, pair.center, pair.window) == (bag.sentence, bag.center, bag.window)
        assert at["skip-gram"].phase == (step - 1) % 4 + 1
        assert at["CBOW"].waits == (at["CBOW"].phase == 4 and pair.other != bags_first(bag, TEXT))
        for name in at:
            done = at[name].done + (at[name].phase == 4)
            assert last[name] <= done <= last[name] + 1
            last[name] = done
    assert last["CBOW"] == 2 * len(bags) + 1


def bags_first(bag: Example, text: HandText) -> int:
    """Place of the first context word of a window."""
    return max(0, bag.center - 2) if bag.center else 1


# --- the same bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", BOTH, ids=NAMES)
def test_a_state_has_the_same_bytes_however_it_is_reached(recipe: HandRecipe) -> None:
    steps = [after for _, after in islice(train_by_hand(TEXT, recipe), 150)]
    assert bytes_of(state_at(TEXT, recipe, 149)) == bytes_of(steps[148])  # a step back from 150
    assert bytes_of(state_at(TEXT, recipe, 150)) == bytes_of(steps[149])
    part, losses = run(TEXT, recipe, state_at(TEXT, recipe, 70), 70, 150)  # from a kept state, across a pass
    assert bytes_of(part) == bytes_of(steps[149])
    assert len(losses) == 80
    assert len({bytes_of(each) for each in steps}) == 150
    assert bytes_of(state_at(TEXT, replace(recipe, seed=1), 150)) != bytes_of(steps[149])


def test_both_methods_start_alike() -> None:
    one, two = (start_weights(TEXT, HandRecipe(method)) for method in METHODS)
    assert bytes_of(one) == bytes_of(two)
    assert np.abs(one.inputs).max() <= 0.5
    with pytest.raises(ValueError, match="read-only"):
        one.inputs[0] = 1


@pytest.mark.parametrize("recipe", BOTH, ids=NAMES)
def test_what_stands_at_a_step_leads_to_the_next_state(recipe: HandRecipe) -> None:
    pairs, order = examples(TEXT, "skip-gram", 2), examples(TEXT, recipe.method, 2)
    for step in (0, 1, 4, 5, 4 * 130 + 2, 4 * 131):
        at = moment(pairs, step)[recipe.method]
        before = state_at(TEXT, recipe, at.done)
        here = stand(TEXT, recipe, order, before, at)
        assert bytes_of(here.before) == bytes_of(before)
        assert bytes_of(here.after) == bytes_of(state_at(TEXT, recipe, at.done + 1))
        assert here.weights is (here.after if at.phase == 4 else here.before)


# --- negatives and cost ----------------------------------------------------------------------------------------------


def test_negatives_are_never_the_target_and_follow_the_counts() -> None:
    text = parse_sentences("a a a a a a a a b b b b c c d")
    targets = [text.row(word) for word in "abcd" for _ in range(4_000)]
    recipe = HandRecipe(output="negative sampling", negatives=5)
    drawn = noise(text, recipe, targets, 0)
    assert drawn is not None
    assert not (drawn == np.array(targets)[:, None]).any()
    shares = np.array(text.counts) ** 0.75
    for place, word in enumerate("abcd"):
        row = text.row(word)
        counts = np.bincount(drawn[4_000 * place : 4_000 * (place + 1)].ravel(), minlength=4)
        expected = np.where(np.arange(4) == row, 0, shares)
        assert counts / counts.sum() == pytest.approx(expected / expected.sum(), abs=0.01)
    assert (noise(text, recipe, targets, 0) == drawn).all()
    assert (noise(text, recipe, targets, 1) != drawn).any()
    assert noise(text, replace(recipe, output="full softmax"), targets, 0) is None


def test_multiplications_by_hand() -> None:
    assert multiplications("full softmax", 21, dims=2) == 3 * 21 * 2
    assert multiplications("negative sampling", 21, dims=2, negatives=3) == 3 * 4 * 2
    ratio = multiplications("full softmax", 100_000, dims=100) / multiplications("negative sampling", 100_000, dims=100)
    assert ratio == 25_000


def test_only_scored_words_move() -> None:
    for recipe in BOTH:
        _, (found, after) = islice(train_by_hand(TEXT, recipe), 2)
        before = state_at(TEXT, recipe, 1)
        moved = set(np.flatnonzero((before.outputs != after.outputs).any(1)))
        assert moved == set(found.rows)
        assert set(np.flatnonzero((before.inputs != after.inputs).any(1))) == set(found.example.inputs)


# --- what the opening text shows -------------------------------------------------------------------------------------

KINDS = ("apples pears bread", "milk juice water", "king queen", "cats dogs", "mice birds", "we you")


def alike(vectors: Any) -> float:
    """For how many words the nearest vector is that of a word of the same kind."""
    hits = []
    for kind in KINDS:
        rows = {TEXT.row(word) for word in kind.split()}
        for row in rows:
            distances = np.linalg.norm(vectors - vectors[row], axis=1)
            distances[row] = np.inf
            hits.append(int(distances.argmin()) in rows)
    return float(np.mean(hits))


def measured(method: Any, output: Any, dims: int) -> float:
    at = moment(examples(TEXT, "skip-gram", 2), 16_000)[method]
    count = at.done + (at.phase == 4)
    return float(
        np.mean(
            [alike(state_at(TEXT, HandRecipe(method, output, dims=dims, seed=seed), count).inputs) for seed in range(8)]
        )
    )


@pytest.mark.parametrize(
    ("method", "output", "dims", "said"),
    [
        ("CBOW", "full softmax", 2, 0.94),
        ("skip-gram", "full softmax", 2, 0.88),
        ("CBOW", "negative sampling", 2, 0.65),
        ("skip-gram", "negative sampling", 2, 0.15),
        ("CBOW", "negative sampling", 5, 0.96),
        ("skip-gram", "negative sampling", 5, 0.97),
    ],
)
def test_what_the_page_and_the_docs_say_of_the_opening_text(method: str, output: str, dims: int, said: float) -> None:
    assert measured(method, output, dims) == pytest.approx(said, abs=0.03)


def test_strangers_never_met_and_end_near() -> None:
    assert strangers(TEXT) == ("apples", "pears")
    a, b = TEXT.row("apples"), TEXT.row("pears")
    assert not any({each.inputs[0], each.target} == {a, b} for each in examples(TEXT, "skip-gram", 2))
    assert strangers(parse_sentences("One two three.")) is None
    assert strangers(parse_sentences("Red wine stains. Red juice stains.")) == ("wine", "juice")


def test_the_loss_falls() -> None:
    for recipe in BOTH:
        _, losses = run(TEXT, recipe, start_weights(TEXT, recipe), 0, 2_000)
        ends, means = running_mean(losses, len(examples(TEXT, recipe.method, 2)))
        assert means[-1] < 0.8 * means[len(means) // 20]
        assert ends[-1] == 2_000
        assert means[-1] == pytest.approx(np.mean(losses[-len(examples(TEXT, recipe.method, 2)) :]))
        assert len(ends) <= 202


# --- texts and settings ----------------------------------------------------------------------------------------------


def test_how_a_text_is_read() -> None:
    text = parse_sentences("Don’t eat 3 red apples! 'Tis GOOD...\n\nEat; élan, eat?")
    assert text.sentences == (("don't", "eat", "red", "apples"), ("tis", "good"), ("eat", "élan", "eat"))
    assert text.words[:2] == ("eat", "don't")
    assert dict(zip(text.words, text.counts, strict=True))["eat"] == 3
    assert text.row("EAT") == 0
    with pytest.raises(UnknownItem, match=r"'aples' is not among 7 words of this text\. Did you mean 'apples'"):
        text.row("aples")


REFUSED = {
    "": "There are no words to read.",
    "  12 34 !!": "There are no words to read.",
    "🍎 🍐": "There are no words to read.",
    "a b. " * 201: "The text has 201 sentences; by hand at most 200 are read.",
    "a b " * 1_001: "The text has 2,002 words; by hand at most 2,000 are read.",
    "x" * 41 + " a": "'xxxxxxxxxxxxxxxxxxxx…' has 41 letters; a word may have 40.",
    "buffalo buffalo": "'buffalo' is the only word; there is nothing to tell apart.",
    "one. two. three.": "No sentence has two words",
    " ".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)}{'x' * (i // 676)}" for i in range(501)): "501 different words",
}


@pytest.mark.parametrize("typed", REFUSED, ids=range(len(REFUSED)))
def test_a_text_refused_in_one_sentence(typed: str) -> None:
    with pytest.raises(InputError) as raised:
        parse_sentences(typed)
    assert REFUSED[typed] in str(raised.value)
    assert len(str(raised.value)) < 150


@pytest.mark.parametrize("name", LIMITS)
def test_settings_beyond_their_limits_are_refused(name: str) -> None:
    low, high = LIMITS[name]
    for value in (low, high):
        HandRecipe(**{name: value if name == "rate" else int(value)})
    for value in (low - 1, high + 1, math.nan):
        with pytest.raises(InputError, match=rf"^{name} is .*; it goes from {low:g} to {high:g}\.$"):
            HandRecipe(**{name: value})
    if name != "rate":
        with pytest.raises(InputError, match="whole number"):
            HandRecipe(**{name: low + 0.5})


@pytest.mark.parametrize("recipe", BOTH, ids=NAMES)
def test_a_training_that_runs_away_says_so(recipe: HandRecipe) -> None:
    wild = replace(recipe, rate=1.0, dims=10, negatives=20)
    with pytest.raises(InputError, match=rf"learning rate 1 the vectors of {recipe.method} have grown beyond"):
        state_at(TEXT, wild, 10_000)
    assert np.isfinite(state_at(TEXT, replace(wild, rate=0.2), 10_000).inputs).all()


def test_unknown_methods_and_outputs_are_refused() -> None:
    with pytest.raises(InputError, match="no method 'GloVe'; use one of CBOW, skip-gram"):
        HandRecipe("GloVe")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no output 'tree'"):
        HandRecipe(output="tree")  # type: ignore[arg-type]


# --- figures and what is taken away ----------------------------------------------------------------------------------


def test_strips_show_the_weights_and_mark_the_words_at_hand() -> None:
    recipe = HandRecipe("CBOW", "negative sampling")
    found, after = next(iter(train_by_hand(TEXT, recipe)))
    figure = hand_network(
        TEXT.words, after.inputs, after.outputs, read=found.example.inputs, target=found.example.target,
        negatives=found.rows[1:].tolist(), hidden=found.hidden, rows=found.rows.tolist(),
        probabilities=found.probabilities, errors=found.errors,
    )  # fmt: skip
    inputs, outputs, chances, errors = figure.data
    assert np.asarray(inputs.z)[0] == pytest.approx(found.hidden)
    assert np.asarray(inputs.z)[1:] == pytest.approx(after.inputs)
    assert np.isnan(np.asarray(outputs.z)[0]).all()
    assert np.asarray(outputs.z)[1:] == pytest.approx(after.outputs)
    labels = dict(zip([None, *TEXT.words], figure.layout.yaxis.ticktext, strict=True))
    assert all("▶" in labels[TEXT.words[row]] for row in found.example.inputs)
    assert "●" in labels[TEXT.words[found.example.target]]
    assert all("×" in labels[TEXT.words[row]] for row in found.rows[1:])
    assert sum("<b>" in label for label in labels.values()) == len({*found.example.inputs, *found.rows.tolist()})
    assert dict(zip(errors.y, errors.x, strict=True))[found.example.target + 1] == pytest.approx(found.errors[0])
    assert len(chances.x) == len(set(found.rows.tolist()))


def test_the_map_shows_the_vectors_and_where_they_came_from() -> None:
    recipe = HandRecipe("CBOW")
    before = start_weights(TEXT, recipe)
    found, after = update(before, examples(TEXT, "CBOW", 2)[1], rate=0.2)
    figure = hand_map(
        TEXT.words, after.inputs, before=before.inputs, read=found.example.inputs, target=found.example.target,
        moved=found.example.inputs,
    )  # fmt: skip
    places = {}
    for trace in figure.data:
        if trace.text is not None:
            places |= {word: (x, y) for word, x, y in zip(trace.text, trace.x, trace.y, strict=True)}
    assert places == {word: tuple(row) for word, row in zip(TEXT.words, after.inputs.tolist(), strict=True)}
    arrows = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(arrows) == len(found.example.inputs)
    for row, arrow in zip(found.example.inputs, arrows, strict=True):
        assert (arrow.x[0], arrow.y[0]) == pytest.approx(before.inputs[row])
        assert (arrow.x[1], arrow.y[1]) == pytest.approx(after.inputs[row])


def test_at_most_sixty_words_are_drawn_and_always_those_at_hand() -> None:
    words = tuple(f"w{i}" for i in range(100))
    vectors = np.random.default_rng(0).normal(size=(100, 2))
    figure = hand_map(words, vectors, read=[80], target=99)
    drawn = [word for trace in figure.data if trace.text is not None for word in trace.text]
    assert len(drawn) == len(set(drawn)) == 62
    assert {"w80", "w99", "w59"} <= set(drawn)
    assert len(hand_map(words, vectors, origin=False).data) == len(hand_map(words, vectors).data) - 1
    assert len(hand_network(words, vectors, vectors, read=[80], target=99).layout.yaxis.ticktext) == 62


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
def test_any_number_of_numbers_lies_on_a_plane(dims: int) -> None:
    recipe, order = HandRecipe("CBOW", dims=dims), examples(TEXT, "CBOW", 2)
    here = stand(TEXT, recipe, order, state_at(TEXT, recipe, 30), moment(examples(TEXT, "skip-gram", 2), 4)["CBOW"])
    for side in ("inputs", "outputs"):
        now, before, said = flat(TEXT, here, side)  # type: ignore[arg-type]
        assert now.shape == before.shape == (len(TEXT.words), 2)
        assert said
        moved = (getattr(here.after, side) != getattr(here.before, side)).any(1)
        assert np.abs(now - before)[~moved].max(initial=0) < 1e-6
        assert (np.abs(now - before)[moved] > 0).any()
    if dims == 2:
        assert (flat(TEXT, here)[0] == here.after.inputs).all()


def test_the_loss_of_both_methods_has_a_line_each() -> None:
    figure = hand_loss(
        [("CBOW", np.array([1, 2]), np.array([3.0, 2.0])), ("skip-gram", np.array([1]), np.array([3.0]))]
    )
    assert [trace.name for trace in figure.data] == ["CBOW", "skip-gram"]
    assert [trace.line.dash for trace in figure.data] == ["solid", "dash"]


@pytest.mark.parametrize("output", OUTPUTS)
def test_the_script_makes_the_same_vectors(output: Any, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = HandRecipe("CBOW", output, window=1, dims=3, rate=0.1, seed=5)
    scope: dict[str, Any] = {}
    exec(by_hand_script(OPENING_TEXT, vars(recipe), {"CBOW": 40, "skip-gram": 77}, "apples"), scope)
    same = state_at(TEXT, replace(recipe, method="skip-gram"), 77)
    assert bytes_of(scope["weights"]) == bytes_of(same)
    assert (scope["space"].vectors == hand_space(TEXT, same, recipe).vectors).all()
    said = capsys.readouterr().out
    assert "CBOW 1 apples 1.0" in said
    assert "skip-gram 1 apples 1.0" in said

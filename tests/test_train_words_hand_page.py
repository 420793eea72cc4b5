"""CBOW and skip-gram by hand, the page without a browser: steps forward and back, numbers by hand, odd input."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit")

from pages_help import (
    by_hand,
    controls,
    figure,
    numbers,
    opened_box,
    parts,
    press,
    table,
    text,
    told,
    train_words,
    values,
)
from streamlit.testing.v1 import AppTest

from embedkit.words.by_hand import (
    METHODS,
    OPENING_TEXT,
    HandRecipe,
    Stand,
    examples,
    moment,
    parse_sentences,
    stand,
    state_at,
)

TEXT = parse_sentences(OPENING_TEXT)
PAIRS = examples(TEXT, "skip-gram", 2)


def standing(method: Any, step: int, **more: Any) -> Stand:
    """Where a method stands at a small step, without the page."""
    recipe = HandRecipe(method, **more)
    order, at = examples(TEXT, method, recipe.window), moment(examples(TEXT, "skip-gram", recipe.window), step)[method]
    return stand(TEXT, recipe, order, state_at(TEXT, recipe, at.done), at)


def drawn(at: AppTest, what: str, method: str) -> dict[str, Any]:
    """The network or the map of a method."""
    return figure(at, f"hand_{what}_{method.replace('-', '')}")


def strips(at: AppTest, method: str) -> tuple[Any, Any]:
    """Both matrices as they are drawn, without the row of h."""
    inputs, outputs = drawn(at, "network", method)["data"][:2]
    return tuple(np.asarray(trace["z"], float)[-len(TEXT.words) :] for trace in (inputs, outputs))  # type: ignore[return-value]


def places(at: AppTest, method: str) -> dict[str, tuple[float, float]]:
    """Where each word stands on the map."""
    found = {}
    for trace in drawn(at, "map", method)["data"]:
        if "text" in trace:
            found |= {word: (x, y) for word, x, y in zip(trace["text"], trace["x"], trace["y"], strict=True)}
    return found


def next_label(at: AppTest) -> str:
    return next(each.label for each in at.button if each.key == "hand_next")


def click(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click()
    return at.run()


# --- one small step after the other ----------------------------------------------------------------------------------


def test_the_button_names_every_small_step_and_takes_it() -> None:
    at = train_words()
    assert "Not begun." in text(at)
    said = []
    for _ in range(6):
        said.append(next_label(at))
        at = click(at, "hand_next")
        assert not at.exception
    assert said == [
        "Next: take the pair we → eat, the bag {eat, apples} → we",
        "Next: forward, from the vectors to probabilities",
        "Next: the error, probability less truth",
        "Next: move the vectors",
        "Next: take the pair we → apples",
        "Next: forward, from the vectors to probabilities",
    ]
    assert values(at)["hand_step"] == 6


@pytest.mark.parametrize(("label", "pairs"), [("1 pair", 1), ("20 pairs", 20), ("100 pairs", 100), ("500 pairs", 500)])
def test_buttons_go_to_the_end_of_a_pair(label: str, pairs: int) -> None:
    at = press(train_words(hand_step=6), label)
    assert values(at)["hand_step"] == 4 * (1 + pairs)
    inputs, outputs = strips(at, "skip-gram")
    assert inputs == pytest.approx(state_at(TEXT, HandRecipe("skip-gram"), 1 + pairs).inputs, abs=1e-15)
    assert outputs == pytest.approx(state_at(TEXT, HandRecipe("skip-gram"), 1 + pairs).outputs, abs=1e-15)


@pytest.mark.parametrize("step", [1, 4, 8, 500, 1_004])
def test_a_step_back_gives_the_same_bytes(step: int) -> None:
    at = train_words(hand_step=step)
    before = {name: [part.tobytes() for part in strips(at, name)] for name in METHODS}
    at = click(at, "hand_next")
    at = click(at, "hand_100")
    at = click(at, "hand_back")
    at.number_input(key="hand_step").set_value(float(step + 1)).run()
    at = click(at, "hand_back")
    assert values(at)["hand_step"] == step
    assert {name: [part.tobytes() for part in strips(at, name)] for name in METHODS} == before


def test_start_again_and_the_ends() -> None:
    at = train_words(hand_step=80_000)
    assert not at.exception
    assert not at.error
    assert at.button(key="hand_next").disabled
    assert next_label(at) == "The end: 20,000 pairs"
    at = press(at, "Start again")
    assert values(at)["hand_step"] == 0
    assert at.button(key="hand_back").disabled
    assert at.button(key="hand_start").disabled
    for name in METHODS:
        assert strips(at, name)[0] == pytest.approx(state_at(TEXT, HandRecipe(name), 0).inputs, abs=1e-15)


def test_cbow_waits_while_skip_gram_takes_the_other_pairs() -> None:
    first, later = train_words(hand_step=4), train_words(hand_step=7)
    assert "It waits" not in text(first)
    assert "It waits: skip-gram has more pairs in this window." in text(later)
    assert (strips(first, "CBOW")[0] == strips(later, "CBOW")[0]).all()


def test_the_window_marks_the_middle_word_its_context_and_the_pair() -> None:
    said = text(train_words(hand_step=9))  # the pair eat -> we
    assert ":blue-background[**→ we**] :orange-background[**[eat]**] :blue-background[apples]" in said
    assert "Pass 1, sentence 1 of 18, window 2 of 58, pair 3 of 124." in said


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("phase", [1, 2, 3, 4])
def test_what_is_shown_at_each_phase(method: str, phase: int) -> None:
    step = 4 * 4 + phase  # the first pair of a window, so that both are at work
    here = standing(method, step)
    at = train_words(hand_step=step)
    inputs, outputs, chances, errors = drawn(at, "network", method)["data"]
    rows = np.asarray(inputs["z"], float)
    assert (len(rows) > len(TEXT.words)) == (phase >= 2)
    if phase >= 2:
        assert rows[0] == pytest.approx(here.found.hidden)
        assert list(chances["x"]) == pytest.approx(here.found.probabilities.tolist())
        assert f"loss {here.found.loss:.3f}" in text(at) or phase > 2
    assert len(errors["x"]) == (len(TEXT.words) if phase >= 3 else 0)
    assert np.asarray(outputs["z"], float)[-len(TEXT.words) :] == pytest.approx(here.weights.outputs)
    arrows = [trace for trace in drawn(at, "map", method)["data"] if trace.get("name") == "moved"]
    assert len(arrows) == (len(set(here.example.inputs)) if phase == 4 else 0)


def test_the_map_holds_the_two_numbers_themselves() -> None:
    at = train_words(hand_step=403)
    for method in METHODS:
        vectors = standing(method, 403).weights.inputs
        found = places(at, method)
        assert {word: found[word] for word in TEXT.words} == {
            word: tuple(row) for word, row in zip(TEXT.words, vectors.tolist(), strict=True)
        }
    at = train_words(hand_step=403, hand_map="Output vectors")
    vectors = standing("CBOW", 403).weights.outputs
    assert places(at, "CBOW")["apples"] == tuple(vectors[TEXT.row("apples")].tolist())


@pytest.mark.parametrize("output", ["Full softmax", "Negative sampling"])
def test_sums_by_hand(output: str) -> None:
    at = opened_box(train_words(hand_step=17 * 4 + 1, hand_output=output), "hand_sums")
    assert not at.exception
    lines = [each.value for each in at.latex]
    assert len(lines) == 16
    for method, mine in (("CBOW", lines[:8]), ("skip-gram", lines[8:])):
        here = standing(method, 17 * 4 + 1, output=output.lower())
        found, number = here.found, r"(-?[\d.]+)"
        assert numbers(rf"=\({number}, {number}\)\s*\$*$", mine[0].strip()) == pytest.approx(
            found.hidden.tolist(), abs=6e-4
        )
        a, b, c, d, score = numbers(rf"=\({number}\)\({number}\)\+\({number}\)\({number}\)={number}", mine[1])
        assert a * b + c * d == pytest.approx(score, abs=5e-3)
        assert score == pytest.approx(found.scores[found.place], abs=6e-5)
        assert numbers(rf"={number}\s*\$*$", mine[2].strip()) == pytest.approx(
            [found.probabilities[found.place]], abs=6e-5
        )
        assert numbers(rf"={number}\s*\$*$", mine[3].strip()) == pytest.approx([found.loss], abs=6e-5)
        if method == "CBOW" and output == "Full softmax":
            top, total = numbers(rf"\\frac\{{{number}\}}\{{{number}\}}=", mine[2])
            assert top / total == pytest.approx(found.probabilities[found.place], abs=1e-4)
        moved = numbers(rf"=\({number}, {number}\)\s*\$*$", mine[7].strip())
        assert moved == pytest.approx(here.after.inputs[here.example.inputs[0]].tolist(), abs=6e-4)
        moved = numbers(rf"=\({number}, {number}\)\s*\$*$", mine[6].strip())
        assert moved == pytest.approx(here.after.outputs[here.example.target].tolist(), abs=6e-4)


def test_neighbors_by_hand() -> None:
    at = train_words(hand_step=4_000, hand_word="Apples")
    shown = table(at, "near apples in CBOW")
    for method in METHODS:
        vectors = standing(method, 4_000).weights.inputs
        row = TEXT.row("apples")
        cosines = {word: by_hand(vectors[i], vectors[row]) for i, word in enumerate(TEXT.words) if i != row}
        best = sorted(cosines, key=lambda word: -cosines[word])[:6]
        assert shown[f"cosine, {method}"].to_numpy(float) == pytest.approx([cosines[word] for word in best], abs=1e-5)
        assert shown[f"near apples in {method}"][0] in best[:2]


def test_costs_by_hand() -> None:
    at = train_words(hand_step=8_000, hand_negatives=5, hand_dims=3)
    shown = table(at, "words scored").set_index("output")
    full, negative = shown.loc["full softmax (in use)"], shown.loc["negative sampling"]
    assert (full["an example"], negative["an example"]) == (3 * 21 * 3, 3 * 6 * 3)
    assert (full["a pass of CBOW"], full["a pass of skip-gram"]) == (58 * 189, 124 * 189)
    assert negative["an example, 100,000 words x 100"] == 3 * 6 * 100
    metrics = {each.label: each.value for each in at.metric}
    assert metrics["skip-gram: pairs done"] == "2,000"
    assert metrics["skip-gram: multiplications"] == f"{2_000 * 189:,}"
    bags = int(metrics["CBOW: bags done"])
    assert bags == moment(PAIRS, 8_000)["CBOW"].done + 1
    assert metrics["CBOW: multiplications"] == f"{bags * 189:,}"


def test_the_loss_curve_by_hand() -> None:
    from embedkit.words.by_hand import run, start_weights

    at = train_words(hand_step=8_000)
    lines = {trace["name"]: trace for trace in figure(at, "hand_loss")["data"]}
    for method in METHODS:
        recipe = HandRecipe(method)
        done = moment(PAIRS, 8_000)[method].done + 1
        losses = run(TEXT, recipe, start_weights(TEXT, recipe), 0, done)[1]
        span = len(examples(TEXT, method, 2))
        assert lines[method]["y"][-1] == pytest.approx(np.mean(losses[-span:]))
    assert lines["skip-gram"]["x"][-1] == 2_000
    # the last bag was taken beside the first pair of its window
    assert PAIRS[(int(lines["CBOW"]["x"][-1]) - 1) % len(PAIRS)].window == PAIRS[(2_000 - 1) % len(PAIRS)].window


def test_the_guess_is_answered_by_what_was_measured() -> None:
    at = train_words(hand_guess="Far apart", hand_output="Negative sampling", hand_dims=5)
    found = numbers(r"cosine is (-?[\d.]+) in CBOW and (-?[\d.]+) in skip-gram", text(at))
    for method, cosine in zip(METHODS, found, strict=True):
        vectors = standing(method, 8_000, output="negative sampling", dims=5).weights.inputs
        assert cosine == pytest.approx(by_hand(*(vectors[TEXT.row(word)] for word in ("apples", "pears"))), abs=6e-3)
    assert "Not quite: Near." in text(at)
    assert "*apples* and *pears* never stand in one window here." in text(at)


def test_tries_set_the_controls() -> None:
    at = train_words()
    labels = [each.label for each in at.button if str(each.key).startswith("try_")]
    assert len(labels) == 3
    for label in labels:
        at = press(train_words(), label)
        assert not at.exception
        assert values(at) != values(train_words())


def test_taken_away_vectors_are_those_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import train_words_hand_more as page

    taken: dict[str, Any] = {}
    monkeypatch.setattr(page.st, "download_button", lambda label, data, *_, **__: taken.update({label: data}))
    assert not train_words(hand_step=803).exception
    shown = pd.read_csv(io.BytesIO(taken["Vectors of both (CSV)"]()))
    for method in METHODS:
        here = standing(method, 803).weights
        mine = shown[shown["method"] == method]
        assert tuple(mine["word"]) == TEXT.words
        assert mine[["input_1", "input_2"]].to_numpy() == pytest.approx(here.inputs)
        assert mine[["output_1", "output_2"]].to_numpy() == pytest.approx(here.outputs)
    sheet = taken["Worksheet (Markdown)"]()
    assert f"{standing('skip-gram', 803).found.loss:.3f}" in sheet.split("---")[-1]
    assert "ln 21 = 3.045" in sheet


def test_the_lines_of_python_run_and_make_the_vectors_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    at = opened_box(train_words(hand_step=803, hand_output="Negative sampling", hand_dims=3), "hand_code")
    (code,) = [each.value for each in at.code]
    scope: dict[str, Any] = {}
    exec(code, scope)
    here = standing("skip-gram", 803, output="negative sampling", dims=3)
    assert (scope["weights"].inputs == here.weights.inputs).all()
    assert len(re.findall("^CBOW", capsys.readouterr().out, re.MULTILINE)) == 6  # the asked word and five others


# --- settings, own texts, odd input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [1, 2, 3, 10])
@pytest.mark.parametrize("output", ["Full softmax", "Negative sampling"])
def test_any_number_of_numbers_can_be_drawn(dims: int, output: str) -> None:
    at = opened_box(train_words(hand_dims=dims, hand_output=output, hand_step=44, hand_window=5), "hand_sums")
    assert not at.exception
    assert not at.error
    assert strips(at, "CBOW")[0].shape == (21, dims)


def test_an_own_text_is_read_and_stays_in_the_link() -> None:
    at = train_words(hand_text="Don't eat 3 plums! Eat pears.", hand_step=3)
    assert not at.error
    assert "2 sentences, 5 words, 4 of them different." in text(at)
    assert "Which method gets more examples" in text(at) or "never stand in one window" in text(at)
    assert len(strips(at, "CBOW")[0]) <= 21


ODD = {
    "empty": ("", "There are no words to read."),
    "digits": ("1 2 3", "There are no words to read."),
    "one word": ("hello", "'hello' is the only word"),
    "lists": ("one\ntwo\nthree", "No sentence has two words"),
    "long word": ("x" * 5_000 + " a", "has 5,000 letters"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_text_that_cannot_be_read_is_one_sentence_and_the_page_stays(name: str) -> None:
    typed, said = ODD[name]
    at = train_words(hand_step=4)
    at.text_area(key="hand_text").set_value(typed).run()
    assert not at.exception
    (error,) = told(at)
    assert said in error
    assert error.endswith("Shown is the opening text.")
    assert "Why" in parts(at)
    assert places(at, "CBOW").keys() == set(TEXT.words)


@pytest.mark.parametrize(
    "typed",
    [
        "🍎 eat <b>apples</b> **now** $x$ [a](b)",
        "אני אוכל תפוח. אתה אוכל אגס.",
        "we " * 900 + "eat",
        "a b\n" * 200,
        "'a' b",
    ],
)
def test_odd_texts_are_survived(typed: str) -> None:
    at = opened_box(train_words(hand_text=typed, hand_step=9), "hand_sums")
    assert not at.exception
    assert not at.error


def test_a_large_vocabulary_draws_sixty_words() -> None:
    typed = ". ".join(f"{chr(97 + i // 26)}{chr(97 + i % 26)} eats bread" for i in range(400))[:5_900]
    at = train_words(hand_text=". ".join(typed.split(". ")[:190]), hand_step=700)
    assert not at.exception
    assert not at.error
    assert len(drawn(at, "network", "CBOW")["layout"]["yaxis"]["ticktext"]) <= 66
    assert "never stand in one window" in text(at)


def test_an_unknown_word_is_one_sentence_and_the_page_stays() -> None:
    at = train_words(hand_word="aples")
    assert told(at) == ["'aples' is not among 21 words of this text. Did you mean 'apples'?"]
    assert "Why" in parts(at)
    assert table(at, "near we in CBOW") is not None


def test_a_training_that_runs_away_is_one_sentence() -> None:
    at = train_words(hand_rate=1, hand_dims=10, hand_step=40_000)
    assert not at.exception
    (said,) = told(at)
    assert "have grown beyond all bounds" in said
    assert {"hand_rate", "hand_step"} <= set(controls(at))


@pytest.mark.parametrize("query", [{"hand_step": 80_001}, {"hand_dims": 11}, {"hand_rate": 0}, {"hand_negatives": 21}])
def test_settings_beyond_their_limits_fall_back(query: dict[str, Any]) -> None:
    at = train_words(**query)
    assert not at.exception
    assert not at.error
    assert values(at) == values(train_words())


def test_present_leaves_out_the_texts() -> None:
    at = train_words(present="true", hand_step=3)
    assert not at.exception
    assert not {"Why", "Try", "Take away"} & set(parts(at))
    assert not [each for each in at.expander if each.label.startswith("Arithmetic")]

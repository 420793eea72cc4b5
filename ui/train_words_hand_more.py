"""Beside the steps by hand: the guess, what is near, what a step costs, why, what to try, and what is taken away."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

import embedkit
from embedkit.errors import EmbedkitError
from embedkit.export import by_hand_script, safe_csv, worksheet
from embedkit.words.by_hand import OUTPUTS, HandText, Stand, hand_space, moment, multiplications, strangers
from ui import cache_train_words
from ui.controls import text
from ui.frame import arithmetic, ask, link_note, presenting, tries, why
from ui.train_words_hand_lesson import Lesson, in_words
from ui.train_words_hand_sums import sums

TRAINED = 2_000  # pairs, after which the guess is answered
NEAR = 0.7  # cosine
LARGE = "an example, 100,000 words x 100"


def guess(lesson: Lesson) -> None:
    """The question, and its answer as measured with the settings of now."""
    pair = strangers(lesson.text, lesson.recipes["CBOW"].window)
    if pair is None:
        few, many = (len(lesson.orders[name]) for name in ("CBOW", "skip-gram"))
        ask(
            "A window has one middle word and up to twice as many context words as its size. Which method gets more examples from this text?",
            ["CBOW", "Skip-gram", "Both the same"],
            "Skip-gram" if many > few else "Both the same",
            f"{few} windows give CBOW {few} bags and skip-gram {many} pairs.",
            key="hand_many",
        )
        return
    a, b = pair
    cosines = {}
    for name, at in moment(lesson.pairs, 4 * TRAINED).items():
        cosines[name] = cache_train_words.hand_cosine(
            lesson.typed, lesson.recipes[name], at.done + (at.phase == 4), a, b
        )
    found = ["Near" if cosine > NEAR else "Far apart" for cosine in cosines.values()]
    answer = found[0] if found[0] == found[1] else "It depends on the method"
    because = (
        f"After {TRAINED:,} pairs their cosine is {cosines['CBOW']:.2f} in CBOW and {cosines['skip-gram']:.2f} in skip-gram. "
        "A vector learns from the words around it: what stands in the same places becomes alike."
    )
    ask(
        f"*{a}* and *{b}* never stand in one window here. Where will the training put them?",
        ["Near", "Far apart", "It depends on the method"],
        answer,
        because,
        key="hand_guess",
    )


def near(lesson: Lesson, stands: dict[str, Stand]) -> str:
    """The neighbors of one word in both spaces, measured in all their numbers."""
    st.subheader("What is near now", anchor=False)
    typed = text(
        "A word of the text",
        "",
        key="hand_word",
        placeholder="the middle word of the window",
        help="Leave it empty to follow the window.",
    )
    row = stands["skip-gram"].example.inputs[0]
    try:
        row = lesson.text.row(typed) if typed else row
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
    word = lesson.text.words[row]
    columns: dict[str, list[object]] = {}
    for name, at in stands.items():
        found = embedkit.search(hand_space(lesson.text, at.weights, at.recipe), word, k=7)
        rest = [each for each in found if not each.asked][:6]
        columns[f"near {word} in {name}"] = [each.item for each in rest]
        columns[f"cosine, {name}"] = [each.score for each in rest]
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key="hand_near",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f") for name in columns if name.startswith("cosine")
        },
        alt=f"Nearest words of {word} in CBOW and in skip-gram, by cosine",
    )
    if lesson.recipes["CBOW"].dims <= 2:
        st.caption(
            "Cosines look at directions alone, and few directions fit into two numbers: words of different kinds can share one. The maps show the distances as well."
        )
    return word


def costs(lesson: Lesson) -> None:
    """Multiplications of an example and of a pass, here and for a vocabulary as in practice."""
    n, mine = len(lesson.text.words), lesson.recipes["CBOW"]
    rows = []
    for output in OUTPUTS:
        one = multiplications(output, n, dims=mine.dims, negatives=mine.negatives)
        rows.append(
            {
                "output": output + (" (in use)" if output == mine.output else ""),
                "words scored": n if output == "full softmax" else 1 + mine.negatives,
                "an example": one,
                "a pass of CBOW": one * len(lesson.orders["CBOW"]),
                "a pass of skip-gram": one * len(lesson.pairs),
                LARGE: multiplications(output, 100_000, dims=100, negatives=mine.negatives),
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="hand_costs",
        column_config={name: st.column_config.NumberColumn(format="localized") for name in list(rows[0])[1:]},
        alt="Multiplications of full softmax and of negative sampling, here and with a large vocabulary",
    )
    ratio = rows[0][LARGE] / rows[1][LARGE]
    st.caption(
        "Multiplications: for each word that is scored one product for its score, one for the way back to h and one to move its vector, so 3 x numbers a word x words scored. "
        f"With {n} words that is no matter; with 100,000 words of 100 numbers negative sampling needs {ratio:,.0f} times fewer."
    )


def explain(lesson: Lesson, stands: dict[str, Stand], word: str) -> None:
    """Why, the sums, three changes, and what is taken away."""
    few, many = (len(lesson.orders[name]) for name in ("CBOW", "skip-gram"))
    why(
        "Nobody tells these networks what a word means: they only guess words from their neighbors, and every wrong guess moves some vectors. "
        "CBOW reads the mean of the context and guesses the middle word, L = −log p(middle | context); skip-gram reads the middle word and guesses each context word, the sum of −log p(context word | middle). "
        "Words that stand in the same places are pushed the same way, so they end near each other without ever having met. "
        f"The window here gives CBOW {few} examples a pass and skip-gram {many}: skip-gram moves a word more often, at {many / few:.1f} times the cost. "
        "Two numbers a word are few: on the opening text, after 4,000 pairs and over eight seeds, the nearest word is one of the same kind for 9 words of 10 under full softmax, "
        "but under negative sampling for 6 of 10 in CBOW and 2 of 10 in skip-gram; with five numbers for more than 9 of 10 everywhere."
    )
    with arithmetic("hand_sums") as is_open:
        if is_open:
            sums(lesson.text, stands)
    tries(
        [
            ("2,000 pairs further than the start: which words have found each other?", {"hand_step": 8_000.0}),
            (
                "Negative sampling, with five numbers a word, after 4,000 pairs",
                {"hand_output": "Negative sampling", "hand_dims": 5.0, "hand_step": 16_000.0},
            ),
            ("A window of one word on each side", {"hand_window": 1}),
        ]
    )
    _take_away(lesson, stands, word)


def _take_away(lesson: Lesson, stands: dict[str, Stand], word: str) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "Vectors of both (CSV)",
            lambda: safe_csv(_vectors(lesson.text, stands)),
            "by-hand.csv",
            "text/csv",
            key="hand_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("CBOW and skip-gram by hand", _tasks(lesson, stands)),
            "worksheet-by-hand.md",
            "text/markdown",
            key="hand_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="hand_code", on_change="rerun") as box:
        if box.open:
            counts = {name: at.at.done + (at.at.phase == 4) for name, at in stands.items()}
            st.code(by_hand_script(lesson.typed, vars(lesson.recipes["CBOW"]), counts, word), language="python")


def _vectors(text: HandText, stands: dict[str, Stand]) -> pd.DataFrame:
    tables = []
    for name, at in stands.items():
        columns: dict[str, object] = {"method": name, "word": text.words, "count": text.counts}
        for side, matrix in (("input", at.weights.inputs), ("output", at.weights.outputs)):
            columns |= {f"{side}_{i + 1}": matrix[:, i] for i in range(matrix.shape[1])}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _tasks(lesson: Lesson, stands: dict[str, Stand]) -> list[tuple[str, str]]:
    bag, pair = stands["CBOW"], stands["skip-gram"]
    n = len(lesson.text.words)
    return [
        (
            f"The example of CBOW is {in_words(lesson.text, bag.example)}. Which vectors are averaged, and what is h?",
            "(" + ", ".join(f"{value:.3f}" for value in bag.found.hidden) + ")",
        ),
        (
            f"The example of skip-gram is {in_words(lesson.text, pair.example)}. What is the loss, given p = {pair.found.probabilities[pair.found.place]:.3f} for the word to be guessed?",
            f"{pair.found.loss:.3f}" + ("" if pair.recipe.output == "full softmax" else ", with the negatives"),
        ),
        (
            f"A network that knows nothing gives each of {n} words the same probability. What is its loss?",
            f"ln {n} = {math.log(n):.3f}",
        ),
        (
            "How many multiplications does one example cost under full softmax, and how many under negative sampling?",
            " and ".join(
                f"{multiplications(output, n, dims=bag.recipe.dims, negatives=bag.recipe.negatives):,}"
                for output in OUTPUTS
            ),
        ),
        ("Take 2,000 pairs. Which words stand together, and did they ever stand in one sentence?", "open"),
    ]

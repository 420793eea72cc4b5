"""What a setting does to learned words, one experiment at a time: window, dimension, negatives, another seed."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from embedkit.export import pitfalls_script, safe_csv, worksheet
from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    BASE,
    LONG,
    dimension_results,
    request_experiment,
    results_in,
    seeds_results,
    setting_results,
    words_in,
)
from embedkit.words.word_training import Text
from ui import (
    cache,
    train_words_pitfall_dimension,
    train_words_pitfall_negatives,
    train_words_pitfall_seeds,
    train_words_pitfall_window,
    train_words_setup,
)
from ui.controls import choice, text, whole_number
from ui.frame import arithmetic, link_note, presenting, tries, why
from ui.train_words_pitfall_cells import said
from ui.work import result_of

WORDS = ("king", "war", "music", "water")  # one of them is asked for at first, if the text knows it
HELP = {
    "Window": "words to each side that count as neighbors, 2 against 10",
    "Dimension": "10 to 600 numbers a word, on text that was not learned from",
    "Negatives": "1 to 30 drawn words to be told apart from each neighbor",
    "Seeds": "how much of a list of neighbors another seed keeps",
}


def view() -> None:
    """Draw the controls and the chosen experiment, as soon as it is measured."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        name = choice(
            "Experiment", {title: title.lower() for title in HELP}, key="tp_what", help=_sentence(HELP.items())
        )
        found = train_words_setup.text()
        seed = whole_number(
            "Seed", 0, 9_999, 0, key="tp_seed", help="Of the experiment; the trainings in it take this seed and the two after. 0 to 9,999."
        )  # fmt: skip
        word = ""
        if name in ("window", "seeds"):
            word = text(
                "A word", "", key="tp_word", help="Its neighbors stand side by side.", max_chars=60, placeholder="king"
            ).lower()
    with right:
        if found is not None:
            _experiment(name, found, seed, word)


def _sentence(pairs: object) -> str:
    return " ".join(f"{title}: {said}." for title, said in pairs)  # type: ignore[attr-defined]


def _experiment(name: str, given: Text, seed: int, word: str) -> None:
    entry = result_of((f"tp_{name}", given, seed), lambda: request_experiment(name, given, cache.pool(), seed))
    if entry is None or not entry.meta["rows"]:
        return
    if name in ("window", "seeds"):
        known = words_in(entry)
        word = word or next((each for each in WORDS if each in known), known[min(100, len(known) - 1)])
    draw = {
        "window": train_words_pitfall_window.draw,
        "dimension": train_words_pitfall_dimension.draw,
        "negatives": train_words_pitfall_negatives.draw,
        "seeds": train_words_pitfall_seeds.draw,
    }[name]
    draw(entry, word)
    _about_text(entry)
    why(_WHY[name])
    with arithmetic(f"tp_sums_{name}") as is_open:
        if is_open:
            {
                "window": train_words_pitfall_window.sums,
                "dimension": train_words_pitfall_dimension.sums,
                "negatives": train_words_pitfall_negatives.sums,
                "seeds": train_words_pitfall_seeds.sums,
            }[name](entry, word)
    tries(_TRY[name])
    _take_away(name, given, seed, word, entry)


def _about_text(entry: Entry) -> None:
    meta = entry.meta
    st.caption(
        f"{meta['title']}: {meta['tokens']:,} running words, {meta['n']:,} different ones that come {BASE.min_count} times or more. "
        f"Skip-gram, {BASE.dims} numbers a word, window {BASE.window}, {BASE.negatives} negatives, {BASE.epochs} epochs, where nothing else is said. "
        f"Tests: {', '.join(f'{asked} of {of} pairs of {test}' for test, (asked, of) in meta['asked'].items())} have both words in the text; other pairs would move the scores too. "
        "Of a text of more than 500,000 words, so many are drawn by the line."
    )


_WHY = {
    "window": "The rule of thumb: a narrow window gives words that can stand for each other, a wide one words of the same topic (Levy and Goldberg 2014). "
    "But a narrow window also meets fewer pairs, and on a small text words that were seen too seldom are noise, whatever the window. "
    "So the narrow one is learned a second time with as many pairs: only what is left between that and window 10 is the window's own doing. "
    "Read the table before you believe the rule; a rule found on billions of words need not hold on half a million.",
    "dimension": "A vector of few numbers cannot keep all differences, so its loss is high on both parts of the text. With more numbers and more epochs the loss falls on what is learned from, but on lines that were kept out it stops falling and then rises: that is learning by heart. "
    "Large vectors start with small numbers and move slowly, so after few epochs they have not yet learned by heart what they could. "
    "And the loss is not the goal: a test of word pairs may go on rising while the held-out loss gets worse.",
    "negatives": "Each pair is told apart from so many words drawn at random, and each of them costs as much as the pair itself; so the time grows in a straight line. "
    "More negatives say more about a pair that was seen once; the original paper takes 5 to 20 on small texts and 2 to 5 on large ones (Mikolov et al. 2013). "
    "What is gained beyond a few has to be larger than what another seed changes, and it has to be worth the time: see whether it is.",
    "seeds": "Training starts from random numbers and draws its negatives by chance. What the text says often comes out each time; where ten words are about equally near, chance orders them. So a list of neighbors is a draw, not a fact, while a score over hundreds of pairs hardly moves. "
    "LSA has one best answer; here its SVD begins at random and stops when it hardly changes, so a few places differ. "
    "That a method gives the same answer twice does not make the answer sure: take lines of the same text anew, and both change far more (Antoniak and Mimno 2018).",
}


_TRY = {
    "window": [
        ("Neighbors of 'red' by window", {"tp_word": "red"}),
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Does it hold with other seeds? (a minute or two)", {"tp_seed": 3.0}),
    ],
    "dimension": [
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Another tenth held out (two minutes)", {"tp_seed": 1.0}),
        ("Watch 600 numbers learn, epoch by epoch (a minute)", {"tw": "Train", "w_dims": 600.0, "w_go": True}),
    ],
    "negatives": [
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
        ("Does it hold with other seeds? (two to three minutes)", {"tp_seed": 3.0}),
        ("What a negative is, by hand", {"tw": "By hand", "hand_output": "Negative sampling"}),
    ],
    "seeds": [
        ("A frequent word: 'the'", {"tp_word": "the"}),
        ("A word of one topic: 'anarchism'", {"tp_word": "anarchism"}),
        ("A text a seventh as long: the Lee corpus (a minute)", {"w_text": "Lee news"}),
    ],
}  # fmt: skip


def _take_away(name: str, given: Text, seed: int, word: str, entry: Entry) -> None:
    """What was measured, a worksheet and the lines of Python."""
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "What was measured (CSV)",
            lambda: safe_csv(_flat(name, entry)),
            f"{name}.csv",
            "text/csv",
            key="tp_get_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet(f"Learned words: {name}", _tasks(name, entry)),
            f"worksheet-{name}.md",
            "text/markdown",
            key="tp_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="tp_code", on_change="rerun") as box:
        if box.open:
            st.code(pitfalls_script(name, given.key, seed, word), language="python")


def _flat(name: str, entry: Entry) -> pd.DataFrame:
    """A row for each result; a spread as three columns."""
    return pd.json_normalize([asdict(each) for each in results_in(name, entry)], sep="_")


def _tasks(name: str, entry: Entry) -> list[tuple[str, str]]:
    if name == "window":
        found = setting_results(entry)
        met = ", ".join(f"{train_words_pitfall_window.window_name(each)}: {said(each.together)}" for each in found)
        return [
            ("Before you look: which window will agree better with people on SimLex-999? Guess.", ", ".join(f"{train_words_pitfall_window.window_name(each)}: {said(each.simlex)}" for each in found)),
            ("Which share of a word's ten nearest stands near it in the text, at either window?", met),
            ("Why does window 2 need more epochs to meet as many pairs?", "3 pairs a running word against 11"),
            ("Pick a word. Mark in both lists what could stand in its place in a sentence. Where is more?", "open"),
        ]  # fmt: skip
    if name == "dimension":
        found_dims = dimension_results(entry)
        best = min((each for each in found_dims if each.epochs == BASE.epochs), key=lambda each: each.held_loss)
        return [
            ("Before you look: at how many numbers a word is the held-out loss lowest? Guess.", f"{best.dims}: {best.held_loss:.3f}"),
            (f"Compare {BASE.epochs} and {LONG} epochs. What happens to the loss on either part of the text?", "it falls where the text is learned from; see the table for the rest"),
            ("Does the test of word pairs follow the held-out loss?", "see the table"),
            ("How many numbers are learned with 600 a word, and from how many running words?", f"{2 * entry.meta['n'] * 600:,} from {entry.meta['tokens'] - entry.meta['held_tokens']:,}"),
        ]  # fmt: skip
    if name == "negatives":
        found = setting_results(entry)
        return [
            ("Before you look: how much longer do 30 negatives take than one? Guess.", f"{said(found[0].seconds)} s and {said(found[-1].seconds)} s"),
            ("Count the multiplications a pair for 1 and for 30 negatives.", f"{6 * BASE.dims:,} and {93 * BASE.dims:,}"),
            ("At how many negatives is WordSim-353 highest, and is that more than chance?", "; ".join(f"{each.value}: {said(each.wordsim)}" for each in found)),
        ]  # fmt: skip
    whole = {(each.method, each.change): each.kept for each in seeds_results(entry) if not each.least}
    return [
        ("Before you look: how many of ten neighbors does another seed keep? Guess.", "; ".join(f"{train_words_pitfall_seeds.CASES[case]}: {10 * kept:.1f}" for case, kept in whole.items())),
        ("Which words keep more of their neighbors, rare or frequent ones?", "see the table by occurrences"),
        ("LSA keeps nearly all with another seed. Does that make its lists sure?", "no: lines drawn anew change them as well"),
        ("You find that one word is nearer to another than to a third. What do you do before you publish it?", "train with several seeds and on several draws of the text"),
    ]  # fmt: skip

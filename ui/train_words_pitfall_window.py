"""Pitfalls of learned words: a window of 2 words against one of 10."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    BASE,
    NEAR,
    SettingResult,
    Spread,
    neighbors_in,
    setting_results,
)
from ui import train_words_pitfall_seeds
from ui.frame import ask
from ui.train_words_pitfall_cells import cell, said


def draw(entry: Entry, word: str) -> None:
    """Draw what both windows find near a word, and how they score."""
    found = setting_results(entry)
    names = [window_name(each) for each in found]
    plain = {each.value: each for each in found if each.epochs == BASE.epochs}
    if len(plain) == 2:
        low, high = plain[2], plain[10]
        ask(
            "SimLex-999 asks for words that can stand for each other (cup and mug, not cup and coffee). Which window agrees better with people there, on this text?",
            ["Window 2", "Window 10", "No difference beyond chance"],
            _winner(low.simlex, high.simlex),
            f"Measured: {said(low.simlex)} at 2, {said(high.simlex)} at 10, mean over {low.runs} seeds with the lowest and the highest. {_control(found)}",
            key="tp_guess_window",
        )
    columns = {
        "WordSim-353": [cell(each.wordsim) for each in found],
        "SimLex-999": [cell(each.simlex) for each in found],
        "neighbors met in the text": [cell(each.together, percent=True) for each in found],
        "by chance": [cell(each.by_chance, percent=True) for each in found],
        "analogies, semantic": [cell(each.semantic, percent=True) for each in found],
        "analogies, syntactic": [cell(each.syntactic, percent=True) for each in found],
        "seconds": [cell(each.seconds, digits=1) for each in found],
    }
    st.dataframe(
        pd.DataFrame(columns, index=names).T.rename_axis("measured"),
        key="tp_table_window",
        alt="Scores, shares of neighbors met in the text and seconds by window",
    )
    st.caption(
        f"Mean over {found[0].runs} {'seed' if found[0].runs == 1 else 'seeds'}, in brackets the lowest and the highest. "
        "WordSim-353 (related words) and SimLex-999 (words that can stand for each other): Spearman's correlation with people. "
        "Met in the text: share of a word's ten nearest that stand within ten words of it somewhere; by chance: the same for the list of another word. "
        "Seconds are the processor's."
    )
    lists = {window_name(each): neighbors_in(entry, f"{each.value}.{each.epochs}", word) for each in found}
    if len(found) == 3:
        st.caption(_reading(plain[2], found[2], plain[10]))
    train_words_pitfall_seeds.draw_lists(entry, word, lists, "tp_near_window", "most frequent words")


def _reading(few: SettingResult, many: SettingResult, wide: SettingResult) -> str:
    """What the three rows say of the rule of thumb, from their numbers alone."""
    said = []
    for name, of in (("WordSim-353", "wordsim"), ("SimLex-999", "simlex")):
        winner = _winner(getattr(many, of), getattr(wide, of))
        said.append(f"on {name} {'neither' if winner.startswith('No') else winner.lower()} is ahead")
    met = "more" if (wide.together.mean or 0) > (many.together.mean or 0) else "fewer"
    return (
        f"With as many pairs for both: {', '.join(said)}, and at window 10 {met} of the nearest were met near the word in the text. "
        f"At window 2 that share goes from {cell(few.together, percent=True)} to {cell(many.together, percent=True)} by the epochs alone, so it tells as much of the length of a training as of the window."
    )


def _control(found: Sequence[SettingResult]) -> str:
    longer = next((each for each in found if each.epochs != BASE.epochs), None)
    if longer is None:
        return ""
    return f"Window 2 meets fewer pairs; with as many, after {longer.epochs} epochs, it comes to {said(longer.simlex)}."


def window_name(each: SettingResult) -> str:
    """How a row is called."""
    plain = each.epochs == BASE.epochs
    return f"window {each.value}" if plain else f"window {each.value}, as many pairs ({each.epochs} epochs)"


def _winner(low: Spread, high: Spread) -> str:
    """Which of two is better; neither where the lowest of the better one is not above the highest of the other."""
    if low.mean is None or high.mean is None:
        return "No difference beyond chance"
    if low.low is not None and high.high is not None and low.low > high.high:
        return "Window 2"
    if high.low is not None and low.high is not None and high.low > low.high:
        return "Window 10"
    return "No difference beyond chance"


def sums(entry: Entry, word: str) -> None:
    """The same by hand, for one of the figures."""
    st.latex(r"\text{pairs a running word} = 2 \cdot \frac{1 + 2 + \dots + c}{c} = c + 1")
    st.latex(r"c = 2: \; 2 \cdot \frac{1 + 2}{2} = 3 \qquad c = 10: \; 2 \cdot \frac{1 + \dots + 10}{10} = 11")
    longer = next((each.epochs for each in setting_results(entry) if each.epochs != BASE.epochs), None)
    if longer:
        st.latex(
            rf"{BASE.epochs} \cdot \frac{{11}}{{3}} = {BASE.epochs * 11 / 3:.1f} \approx {longer} \text{{ epochs}}"
        )
    st.caption(
        "c is the window; word2vec draws the width from 1 to c anew for each word, so near words count more. Ends of lines take some pairs away."
    )
    lists = [set(neighbors_in(entry, f"{each.value}.{each.epochs}", word)) for each in setting_results(entry)[:2]]
    if len(lists) == 2 and all(lists):
        both = len(lists[0] & lists[1])
        st.latex(rf"\frac{{|A \cap B|}}{{{NEAR}}} = \frac{{{both}}}{{{NEAR}}} = {both / NEAR:.1f}")
        st.caption(f"A and B are the ten nearest of '{word}' at window 2 and at window 10.")

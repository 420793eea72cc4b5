"""Pitfalls of learned words: 1 to 30 drawn words beside each neighbor."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.figures import setting_lines
from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    BASE,
    setting_results,
)
from ui.frame import ask, chart
from ui.train_words_pitfall_cells import cell, said


def draw(entry: Entry, word: str) -> None:
    """Draw scores and time by the number of negatives."""
    found = setting_results(entry)
    values = [each.value for each in found]
    first, last = found[0], found[-1]
    if len(found) == 5 and first.seconds.mean and last.seconds.mean:
        times = last.seconds.mean / first.seconds.mean
        right = next(name for name, high in _TIMES.items() if times < high)
        ask(
            f"{last.value} negatives in place of {first.value}: how much longer does the training take?",
            list(_TIMES),
            right,
            f"Measured: {last.seconds.mean:.1f} s against {first.seconds.mean:.1f} s of the processor, {times:.1f} times. WordSim-353 goes from {said(first.wordsim)} to {said(last.wordsim)}; "
            f"the highest mean is at {max(found, key=lambda each: each.wordsim.mean or 0).value}.",
            key="tp_guess_negatives",
        )
    left, right_side = st.columns(2, gap="medium")
    with left:
        chart(
            setting_lines(values, {"seconds of the processor": [each.seconds.mean for each in found]}, x_title="negatives", y_title="seconds", log=False),
            key="tp_seconds",
            alt="Seconds of the processor by number of negatives",
        )  # fmt: skip
    with right_side:
        lines = {}
        for name, of in (("WordSim-353", "wordsim"), ("SimLex-999", "simlex")):
            lines[name] = [getattr(each, of).mean for each in found]
        chart(
            setting_lines(values, lines, x_title="negatives", y_title="Spearman's ρ"),
            key="tp_negative_scores",
            alt="WordSim-353 and SimLex-999 by number of negatives",
        )
    st.dataframe(
        pd.DataFrame(
            {
                "negatives": values,
                "seconds": [cell(each.seconds, digits=1) for each in found],
                "WordSim-353": [cell(each.wordsim) for each in found],
                "SimLex-999": [cell(each.simlex) for each in found],
                "analogies, semantic": [cell(each.semantic, percent=True) for each in found],
                "analogies, syntactic": [cell(each.syntactic, percent=True) for each in found],
            }
        ),
        hide_index=True,
        key="tp_table_negatives",
        alt="Seconds and scores by number of negatives",
    )
    st.caption(
        f"Mean over {first.runs} {'seed' if first.runs == 1 else 'seeds'}, in brackets the lowest and the highest: what lies within them may be chance. Losses with different numbers of negatives cannot be compared, so none is shown."
    )


_TIMES = {"Under 3 times": 3.0, "3 to 8 times": 8.0, "8 to 20 times": 20.0, "Over 20 times": float("inf")}


def sums(entry: Entry, word: str) -> None:
    """The same by hand, for one of the figures."""
    found = setting_results(entry)
    st.latex(r"\text{multiplications a pair} = 3 \, d \, (1 + k)")
    for each in (found[0], found[-1]):
        st.latex(
            rf"k = {each.value}: \quad 3 \cdot {BASE.dims} \cdot {1 + each.value} = {3 * BASE.dims * (1 + each.value):,}".replace(",", r"{,}")
        )  # fmt: skip
    if found[0].seconds.mean and found[-1].seconds.mean:
        ratio = (1 + found[-1].value) / (1 + found[0].value)
        measured = found[-1].seconds.mean / found[0].seconds.mean
        st.latex(
            rf"\frac{{1 + {found[-1].value}}}{{1 + {found[0].value}}} = {ratio:.1f}, \qquad \frac{{{found[-1].seconds.mean:.2f}\,\text{{s}}}}{{{found[0].seconds.mean:.2f}\,\text{{s}}}} = {measured:.1f}"
        )
    st.caption(
        "A product for the score, one for the way back, one for the move, for the neighbor and for each negative. Reading the text and drawing words costs the same for all."
    )

"""Pitfalls of learned words: 10 to 600 numbers, on text that was not learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.figures import setting_lines
from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    BASE,
    LONG,
    DimensionResult,
    dimension_results,
)
from ui.frame import ask, chart
from ui.train_words_pitfall_cells import THREE


def draw(entry: Entry, word: str) -> None:
    """Draw scores and loss by the number of dimensions."""
    found = dimension_results(entry)
    short = [each for each in found if each.epochs == BASE.epochs]
    longer = {each.dims: each for each in found if each.epochs == LONG}
    sizes = [each.dims for each in short]
    best = min(short, key=lambda each: each.held_loss)
    if longer:
        ask(
            f"Skip-gram learns nine tenths of the text for {BASE.epochs} epochs. At how many numbers a word is the loss on the other tenth lowest?",
            [str(size) for size in sizes],
            str(best.dims),
            f"Measured: {best.held_loss:.3f} at {best.dims}; {short[0].held_loss:.3f} at {short[0].dims}, {short[-1].held_loss:.3f} at {short[-1].dims}. {_over(short, longer)}",
            key="tp_guess_dimension",
        )
    left, right = st.columns(2, gap="medium")
    with left:
        lines = {
            f"learned from, {BASE.epochs} epochs": [each.train_loss for each in short],
            f"held out, {BASE.epochs} epochs": [each.held_loss for each in short],
        }
        if longer:
            lines |= {
                f"learned from, {LONG} epochs": [longer[size].train_loss if size in longer else None for size in sizes],
                f"held out, {LONG} epochs": [longer[size].held_loss if size in longer else None for size in sizes],
            }
        chart(
            _joined(setting_lines(sizes, lines, x_title="numbers a word", y_title="loss", floor=_floor(lines))),
            key="tp_loss",
            alt=f"Loss on text learned from and on held-out text by numbers a word, after {BASE.epochs} and {LONG} epochs",
        )
    with right:
        lines = {f"WordSim-353, {BASE.epochs} epochs": [each.wordsim for each in short]}
        if longer:
            lines[f"WordSim-353, {LONG} epochs"] = [longer[size].wordsim if size in longer else None for size in sizes]
        lines[f"SimLex-999, {BASE.epochs} epochs"] = [each.simlex for each in short]
        chart(
            _joined(setting_lines(sizes, lines, x_title="numbers a word", y_title="Spearman's ρ")),
            key="tp_scores",
            alt="WordSim-353 and SimLex-999 by numbers a word",
        )
    meta = entry.meta
    st.dataframe(
        _dimension_table(found),
        hide_index=True,
        key="tp_table_dimension",
        column_config=dict.fromkeys(("learned from", "held out", "gap", "WordSim-353", "SimLex-999"), THREE)
        | {"seconds": st.column_config.NumberColumn(format="%.1f")},
        alt="Losses, their gap, scores and seconds by numbers a word and epochs",
    )
    st.caption(
        f"Held out: {meta['held_lines']:,} of the lines, drawn ({meta['held_tokens']:,} running words); their articles have other lines among those learned from. "
        "Loss: the mean over the same places with the same negatives for all sizes; the axis does not begin at 0. One training each. Seconds are the processor's."
    )


def _over(short: Sequence[DimensionResult], longer: dict[int, DimensionResult]) -> str:
    worse = [each.dims for each in short if each.dims in longer and longer[each.dims].held_loss > each.held_loss]
    if not worse:
        return f"After {LONG} epochs the held-out loss is lower still."
    return f"After {LONG} epochs the held-out loss is higher at {', '.join(map(str, worse))}: too much is learned by heart."


def _floor(lines: dict[str, list[float | None]]) -> float:
    return float(np.floor(10 * min(value for line in lines.values() for value in line if value is not None)) / 10)


def _joined(figure):  # type: ignore[no-untyped-def]
    """Lines over what was not measured for every size."""
    return figure.update_traces(connectgaps=True)


def _dimension_table(found: Sequence[DimensionResult]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "numbers a word": [each.dims for each in found],
            "epochs": [each.epochs for each in found],
            "learned from": [each.train_loss for each in found],
            "held out": [each.held_loss for each in found],
            "gap": [each.held_loss - each.train_loss for each in found],
            "WordSim-353": [each.wordsim for each in found],
            "SimLex-999": [each.simlex for each in found],
            "seconds": [each.seconds for each in found],
        }
    )


def sums(entry: Entry, word: str) -> None:
    """The same by hand, for one of the figures."""
    k, meta = BASE.negatives, entry.meta
    st.latex(r"L = -\log\sigma(u \cdot v) - \sum_{i=1}^{k} \log\sigma(-u_i \cdot v)")
    st.latex(rf"\text{{untrained:}} \quad (1 + {k}) \ln 2 = {(1 + k) * np.log(2):.3f}")
    for each in dimension_results(entry):
        if each.dims in (10, 600) or each.epochs != BASE.epochs:
            st.latex(
                rf"d = {each.dims},\; {each.epochs} \text{{ epochs}}: \quad {each.held_loss:.3f} - {each.train_loss:.3f} = {each.held_loss - each.train_loss:.3f}"
            )
    many = dimension_results(entry)[-1 if len(dimension_results(entry)) < 7 else 6].dims
    st.latex(rf"2 \cdot n \cdot d = 2 \cdot {meta['n']:,} \cdot {many} = {2 * meta['n'] * many:,}".replace(",", r"{,}"))
    st.caption(
        f"Each word has an input and an output vector, so with {many} numbers a word so many numbers are learned, from {meta['tokens'] - meta['held_tokens']:,} running words."
    )

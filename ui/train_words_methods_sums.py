"""The arithmetic of one pair of words: LSA's PPMI, GloVe's error and skip-gram's sigmoid, with its real counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.neighbors import Neighbor
from embedkit.words.four_methods import Compared, PairSums
from embedkit.words.glove import ALPHA, X_MAX
from ui import cache_train_words
from ui.controls import text


def draw(found: Compared, word: str, near: Mapping[str, tuple[Neighbor, ...]]) -> None:
    """One pair, the word and another, in the three sums."""
    if not near:
        st.caption("Choose a word that is among the most frequent ones first.")
        return
    usual = near.get("GloVe", next(iter(near.values())))[0].item  # its sums bring words together that met
    typed = text(
        "A second word",
        "",
        key="f4_other",
        help=f"The pair is '{word}' with this word; at first its nearest by GloVe.",
        placeholder=usual,
        max_chars=60,
    ).lower()
    try:
        pair = cache_train_words.pair_sums(found.contest, word, typed or usual)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.markdown(f"**LSA** asks whether *{pair.a}* and *{pair.b}* stand together more often than by chance.")
    _ppmi(pair, found)
    if pair.dot is not None:
        st.markdown("**GloVe** wants an inner product with two biases to be the logarithm of the count.")
        _glove(pair)
    if pair.output is not None:
        st.markdown("**Skip-gram** wants the sigmoid of an inner product to tell real neighbors from drawn words.")
        _sigmoid(pair, found)


def _ppmi(pair: PairSums, found: Compared) -> None:
    power = found.contest.recipe("LSA").smoothing
    st.latex(
        rf"\text{{PPMI}}_{{ab}} = \max\Big(0, \log \frac{{X_{{ab}}\, T}}{{X_a\, X_b^{{{power:g}}}}}\Big), \quad T = \sum_j X_j^{{{power:g}}}"
    )
    if pair.pmi is None:
        st.markdown(f"The two never stand within {found.contest.window} words of each other: $X_{{ab}} = 0$, PPMI 0.")
        return
    st.latex(
        rf"\log \frac{{{pair.linear:.4g} \cdot {pair.smooth:.6g}}}{{{pair.total_a:.6g} \cdot {pair.total_b:.6g}^{{{power:g}}}}} = {pair.pmi:.4f} \;\Rightarrow\; {max(0.0, pair.pmi):.4f}"
    )
    st.caption(
        f"A pair at distance d counts for 1 - (d - 1)/{found.contest.window}. X_a and X_b are the sums over all neighbors."
    )


def _glove(pair: PairSums) -> None:
    st.latex(rf"f(x) = \min\big(1, (x / {X_MAX:g})^{{{ALPHA:g}}}\big), \quad f(X_{{ab}})\,(w_a \cdot c_b + b_a + b_b - \log X_{{ab}})^2")  # fmt: skip
    if pair.error is None:
        st.markdown("The count is 0: GloVe never looks at this pair, and learns nothing from it.")
        return
    assert pair.dot is not None
    assert pair.biases is not None
    st.latex(
        rf"{pair.weight:.4f} \cdot ({pair.dot:.4f} + {_signed(pair.biases)} - \log {pair.harmonic:.4f})^2 = {pair.weight:.4f} \cdot ({pair.dot + pair.biases:.4f} - {_signed(float(np.log(pair.harmonic)))})^2 = {pair.error:.4f}"
    )
    st.caption("A pair at distance d counts for 1/d.")


def _sigmoid(pair: PairSums, found: Compared) -> None:
    assert pair.output is not None
    k = found.contest.recipe("skip-gram").negatives
    chance = 1 / (1 + np.exp(-pair.output))
    st.latex(
        rf"\sigma(u_b \cdot v_a) = \frac{{1}}{{1 + e^{{{_signed(-pair.output)}}}}} = {chance:.4f}, \quad u_b \cdot v_a = {pair.output:.4f}"
    )
    if pair.pmi is not None:
        st.latex(
            rf"\text{{in the long run}} \quad u_b \cdot v_a \to \log\frac{{X_{{ab}}\, T}}{{X_a\, X_b^{{0.75}}}} - \log {k} = {pair.pmi:.4f} - {np.log(k):.4f} = {pair.pmi - np.log(k):.4f}"
        )
    st.caption(
        f"With {k} drawn words to each neighbor (Levy and Goldberg 2014). Where a text is small or has few numbers a word, skip-gram stays away from it; it also leaves out frequent words now and then. Vectors are kept with 16 bits, so the last figure may differ."
    )


def _signed(value: float) -> str:
    return f"({value:.4f})" if value < 0 else f"{value:.4f}"

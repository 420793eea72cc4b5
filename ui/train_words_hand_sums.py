"""The sums of one example of CBOW and of skip-gram, with their real numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import streamlit as st

from embedkit.words.by_hand import HandText, Stand

SHOWN = 3  # numbers of a vector


def sums(text: HandText, stands: dict[str, Stand]) -> None:
    """Both methods one under the other: h, score, probability, loss, error, and two vectors that move."""
    for name, at in stands.items():
        st.markdown(f"**{name}**")
        for line in _lines(text, at):
            st.latex(line)
    recipe = stands["CBOW"].recipe
    st.caption(
        "v are input vectors, u output vectors, e errors; log is the natural logarithm. "
        f"The learning rate is {recipe.rate:g}. Numbers are rounded here, not in the training."
        + (" Of longer vectors the first three numbers stand here." if recipe.dims > SHOWN else "")
    )


def _lines(text: HandText, at: Stand) -> list[str]:
    found, n, rate = at.found, len(at.example.inputs), at.recipe.rate
    read = [_word(text.words[row]) for row in at.example.inputs]
    target, first, place = _word(text.words[at.example.target]), at.example.inputs[0], found.place
    before, after = at.before, at.after
    u, h = before.outputs[at.example.target], found.hidden
    vectors = "+".join(_vector(before.inputs[row]) for row in at.example.inputs)
    mean = rf"\tfrac{{1}}{{{n}}}\big({vectors}\big)=" if n > 1 else rf"v_{{{read[0]}}}="
    score, p, error = found.scores[place], found.probabilities[place], found.errors[place]
    products = "+".join(f"({a:.3f})({b:.3f})" for a, b in list(zip(u, h, strict=True))[:SHOWN])
    lines = [
        rf"h={mean}{_vector(h)}",
        rf"u_{{{target}}}\cdot h={products}{_more(len(h))}={score:.4f}",
    ]
    if at.recipe.output == "full softmax":
        most = float(found.scores.max())
        less = most if most > 9 else 0.0  # the same probability, and numbers that can be read
        shift = rf"-{less:.4f}" if less else ""
        top, total = np.exp(score - less), np.exp(found.scores - less).sum()
        lines += [
            rf"p({target})=\frac{{e^{{{score:.4f}{shift}}}}}{{\sum_w e^{{u_w\cdot h{shift}}}}}=\frac{{{top:.4f}}}{{{total:.4f}}}={p:.4f}",
            rf"L=-\log p({target})=-\log {p:.4f}={found.loss:.4f}",
        ]
    else:
        terms = "+".join(f"{loss:.4f}" for loss in found.losses)
        lines += [
            rf"\sigma(u_{{{target}}}\cdot h)=\frac{{1}}{{1+e^{{-({score:.4f})}}}}={p:.4f}",
            rf"L=-\log\sigma(u_{{{target}}}\cdot h)-\sum_{{\text{{negatives}}}}\log\sigma(-u\cdot h)={terms}={found.loss:.4f}",
        ]
    return [
        *lines,
        rf"e_{{{target}}}=p-1={error:.4f}",
        rf"\frac{{\partial L}}{{\partial h}}=\sum_w e_w u_w={_vector(found.to_hidden)}",
        rf"u_{{{target}}}\leftarrow {_vector(u)}-{rate:g}\cdot({error:.4f})\cdot {_vector(h)}={_vector(after.outputs[at.example.target])}",
        rf"v_{{{read[0]}}}\leftarrow {_vector(before.inputs[first])}-{_rate(rate, n, at.example.inputs.count(first))}\cdot {_vector(found.to_hidden)}={_vector(after.inputs[first])}",
    ]


def _rate(rate: float, n: int, times: int) -> str:
    """The share of the gradient for one word of a bag of n; a word that stands in it twice moves twice."""
    return f"{rate:g}" if n == 1 else rf"\tfrac{{{rate * times:g}}}{{{n}}}"


def _vector(values: Iterable[float]) -> str:
    listed = [f"{value:.3f}" for value in values]
    return "(" + ", ".join(listed[:SHOWN]) + (r",\dots" if len(listed) > SHOWN else "") + ")"


def _more(n: int) -> str:
    return r"+\dots" if n > SHOWN else ""


def _word(word: str) -> str:
    return rf"\text{{{word}}}"

"""What the page of words in context says about the picked occurrences, where it fails, what it costs, and why."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.contexts import (
    UNLABELLED,
    Layers,
    compare,
    costs,
    misplaced,
    nearest_sentences,
    sense_means,
)
from embedkit.encoders.models import MINILM
from embedkit.errors import EmbedkitError
from embedkit.export import layers_script, parquet, safe_csv, worksheet
from ui import cache, cache_contexts
from ui.controls import BIND
from ui.explorer_open import send_button
from ui.frame import arithmetic, link_note, presenting, tries, why


def second_pick(layers: Layers) -> int:
    """Number of the first sentence with another sense than the first one's: what to compare with at the start."""
    return next(
        (i + 1 for i, sense in enumerate(layers.senses) if sense != layers.senses[0]), min(2, len(layers.senses))
    )


def picks(layers: Layers) -> tuple[int, int]:
    """The two sentences that are looked at, as rows; their boxes come before the figure that marks them is drawn."""
    labels = {i + 1: f"{i + 1}. {o.sentence[:90]}" for i, o in enumerate(layers.occurrences)}
    left, right = st.columns(2, gap="medium")
    with left:
        first = _pick("A: this occurrence", "pick", 1, labels)
    with right:
        second = _pick("B: compared with", "other", second_pick(layers), labels)
    return first - 1, second - 1


def see(layers: Layers, layer: int, pick: int, other: int, model: str, folder: str) -> None:
    """The picked occurrence, two compared, where it fails, what it costs."""
    left, right = st.columns(2, gap="medium")
    with left:
        _one(layers, layer, pick, model, folder)
    with right:
        _two(layers, layer, pick, other)
    _fails(layers, layer)
    _cost(layers, model, folder)


def _pick(label: str, key: str, start: int, labels: dict[int, str]) -> int:
    if st.session_state.get(key, start) not in labels:
        st.session_state[key] = start
    picked = st.selectbox(
        label, list(labels), start - 1, format_func=labels.get, key=key, bind=BIND, help="Or click a dot on the map."
    )
    return int(picked or start)


def _one(layers: Layers, layer: int, row: int, model: str, folder: str) -> None:
    o, reading = layers.occurrences[row], layers.readings[row]
    st.markdown(f"{_escaped(o.before)}**:blue[{_escaped(o.sentence[o.start : o.end])}]**{_escaped(o.after)}")
    pieces = [reading.pieces[i] for i in reading.pieces_of(o.start, o.end)]
    if o.sense == UNLABELLED and (means := sense_means(layers, layer, row)):
        ranked = sorted(means.items(), key=lambda pair: -pair[1])
        said = ", ".join(f"{sense} {mean:.3f}" for sense, mean in ranked)
        st.markdown(f"No sense was given. By mean cosine with the labelled sentences at layer {layer}: **{said}**.")
    st.caption(
        f"Sense: {o.sense}. Pieces of the word: {' · '.join(pieces)}. The sentence has {len(reading.pieces) - 2} pieces, and [CLS] and [SEP] around them."
    )
    if model == MINILM.key and not folder:
        st.markdown("**What does this one mean?** The nearest static words, from its last layer:")
        found = cache_contexts.meaning_of(layers, row)
        st.dataframe(
            pd.DataFrame(
                {
                    "nearest": [f"{word} {score:.2f}" for word, score in found.nearest],
                    "what this sentence adds": [f"{word} {gain:+.2f}" for word, gain in found.drawn],
                }
            ),
            hide_index=True,
            height="content",
            key="meaning",
            alt="Nearest static words of the picked occurrence",
        )
    st.markdown(f"**Nearest sentences** at layer {layer}:")
    st.dataframe(
        nearest_sentences(layers, layer, row),
        hide_index=True,
        height="content",
        key="near_sentences",
        alt="Nearest occurrences by cosine",
    )


def _escaped(words: str) -> str:
    return "".join("\\" + ch if ch in r"\`*_{}[]()#+-.!|<>$:~" else ch for ch in words)


def _two(layers: Layers, layer: int, a: int, b: int) -> None:
    found = compare(layers, layer, a, b)
    o = layers.occurrences[b]
    st.markdown(f"{_escaped(o.before)}**:orange[{_escaped(o.sentence[o.start : o.end])}]**{_escaped(o.after)}")
    st.caption(f"Sense: {o.sense}.")
    with st.container(horizontal=True):
        st.metric(
            "Cosine in context",
            f"{found.cosines[layer]:.3f}",
            f"layer {layer}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        st.metric("Static model", "1.000", "always", delta_color="off", delta_arrow="off", border=True)
    if found.same is not None and found.threshold is not None:
        said = "the same sense" if found.same else "different senses"
        truth = {True: "They are the same.", False: "They are different.", None: "No sense was given to compare with."}[
            found.truth
        ]
        st.markdown(
            f"Above {found.threshold:.3f}, the middle between *within* and *between*, counts as the same: **{said}**. {truth}"
        )
    with arithmetic("context_sums") as is_open:
        if is_open:
            st.latex(r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert\,\lVert b \rVert}")
            u, v = layers.vectors[layer, a], layers.vectors[layer, b]
            st.latex(
                rf"\frac{{{float(u @ v):.4f}}}{{{float(u @ u) ** 0.5:.4f} \times {float(v @ v) ** 0.5:.4f}}} = {found.cosines[layer]:.4f}"
            )
            table = pd.DataFrame({"layer": range(len(found.cosines)), "cosine": [round(c, 4) for c in found.cosines]})
            st.dataframe(table, hide_index=True, key="cosines", alt="Cosine of the two occurrences at every layer")


def _fails(layers: Layers, layer: int) -> None:
    st.subheader("Where it fails", anchor=False)
    if len(set(layers.senses) - {UNLABELLED}) < 2:
        st.caption("Without labelled senses nobody can tell. Give them with a bar: fruit | An apple fell.")
        return
    wrong = misplaced(layers, layer)
    if not wrong:
        st.success(
            f"At layer {layer} no sentence stands nearer to another sense than to its own.", icon=":material/check:"
        )
        return
    st.markdown(
        f"{len(wrong)} of {len(layers.occurrences)} sentences stand, on average, at least as near to another sense as to their own:"
    )
    table = pd.DataFrame(
        {
            "sentence": [m.occurrence.sentence for m in wrong],
            "its sense": [m.occurrence.sense for m in wrong],
            "cosine with it": [round(m.own, 4) for m in wrong],
            "nearer to": [m.other_sense for m in wrong],
            "cosine with that": [round(m.other, 4) for m in wrong],
        }
    )
    st.dataframe(table, hide_index=True, key="fails", alt="Sentences that stand nearer to another sense")


@st.fragment
def _cost(layers: Layers, model: str, folder: str) -> None:
    st.subheader("What it costs", anchor=False)
    st.markdown("A static vector is looked up; a contextual one is computed by reading the whole sentence.")
    if st.button("Measure on this machine", key="measure", icon=":material/timer:", help="About a second"):
        try:
            st.session_state["cost"] = (
                (model, folder),
                costs(
                    cache.space("words/minilm"),
                    cache_contexts.transformer(model, folder),
                    [o.sentence for o in layers.occurrences],
                ),
            )
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
    measured, cost = st.session_state.get("cost", (None, None))
    if cost is not None and measured == (model, folder):
        with st.container(horizontal=True):
            st.metric(
                "Static",
                f"{cost.static_us:.1f} µs",
                f"table of {cost.static_mb:.0f} MB",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
            st.metric(
                "In context",
                f"{cost.contextual_us / 1000:.1f} ms",
                f"model of {cost.contextual_mb:.0f} MB",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )
            st.metric(
                "Ratio",
                f"{cost.contextual_us / cost.static_us:,.0f} x",
                f"median of {cost.runs} sentences",
                delta_color="off",
                delta_arrow="off",
                border=True,
            )


def explain(layers: Layers, layer: int, model: str, folder: str) -> None:
    """Why, what to try, what to take away."""
    why(
        "At the input every *"
        + layers.word
        + "* is the same row of a table, the star, plus its place in the sentence. Each layer lets a word "
        "look at all others (attention), so its vector takes on what stands around it. Which layer parts the senses best differs from "
        "word to word: it is marked beside the map. The last layer of MiniLM is trained to sum up the sentence, not to tell senses apart. "
        "The static vector cannot part: it has to serve all senses at once."
    )
    tries(
        [
            ("*python*: snake or language, an easy one", {"of": "python"}),
            ("*crane*: the senses hardly part, see where it fails", {"of": "crane", "layer": 6}),
            ("*jaguar* from the input on: move the slider yourself", {"of": "jaguar", "layer": 0}),
        ],
    )
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    space = layers.space(layer)
    shared = cache_contexts.shared(layers)
    with st.container(horizontal=True):
        st.download_button(
            "Sentences and coordinates (CSV)",
            lambda: safe_csv(space.meta.assign(x=shared.coords[layer][:, 0], y=shared.coords[layer][:, 1])),
            f"{layers.word}-layer-{layer}.csv",
            "text/csv",
            key="get_sentences",
            on_click="ignore",
            icon=":material/table:",
        )
        send_button(lambda: space, "send_layer")
        st.download_button(
            "Vectors (Parquet)",
            lambda: parquet(space),
            f"{layers.word}-layer-{layer}.parquet",
            key="get_vectors",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet(f"{layers.word} in context", _tasks(layers, layer)),
            "worksheet-contexts.md",
            "text/markdown",
            key="get_csheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="ccode", on_change="rerun") as box:
        if box.open:
            pairs = [(o.sense, o.sentence) for o in layers.occurrences]
            st.code(layers_script(pairs, layers.word, layer, model, folder), language="python")


def _tasks(layers: Layers, layer: int) -> list[tuple[str, str]]:
    a, b = 0, second_pick(layers) - 1
    found = compare(layers, layer, a, b)
    wrong = misplaced(layers, layer)
    return [
        (
            f"How alike are the two vectors of “{layers.word}” in A and B? Guess a number from 0 to 1.",
            f"{found.cosines[layer]:.3f} at layer {layer}",
        ),
        ("And in a static model?", "1.000, always"),
        (
            "Move the slider from the input to the last layer. At which layer do the senses part?",
            "see the marked layer beside the map",
        ),
        (
            "Find a sentence that stands on the wrong side. Why there?",
            wrong[0].occurrence.sentence if wrong else "there is none at this layer",
        ),
        (f"Write a sentence with “{layers.word}” that fools the model.", "open"),
    ]

"""The page of words in context, part by part."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.contexts import (
    Layers,
    Occurrence,
    compare,
    concordance,
    concordance_in_wikipedia,
    costs,
    figures_by_layer,
    find_occurrences,
    misplaced,
    nearest_sentences,
    parting_layer,
    sense_words,
    sentences_of,
)
from embedkit.encoders.models import MINILM, cards
from embedkit.errors import EmbedkitError, InputError, NotInstalled
from embedkit.export import safe_csv
from embedkit.figures import layer_lines, layer_map
from ui import cache, work
from ui.controls import BIND, choice, text
from ui.frame import arithmetic, ask, chart, presenting, tries, why

PAGE = "pages/contexts.py"
SOURCES = {"Labelled sentences": "ours", "Wikipedia sample": "wikipedia", "Pasted text": "text"}
SAMPLE = "The river burst its bank after the storm. She works at a bank in the city. The bank closed at noon."


def guess() -> None:
    """The opening question."""
    ask(
        "“I'd like to eat an apple.” and “Apple makes great products.” In a model that reads the whole sentence, how alike are "
        "the two vectors of *apple*?",
        ["Identical", "Alike, not the same", "Unrelated"],
        "Alike, not the same",
        "Same word, same vector? Never: every sentence gives another one. The static model's answer is always 1.0.",
        key="cguess",
    )


def choose() -> tuple[tuple[Occurrence, ...], str, str]:
    """Occurrences, model and folder from the controls; what does not fit is said beside its field and left out."""
    words = list(sense_words())
    source = choice("Sentences from", SOURCES, key="from", help="All are real English sentences.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if source == "ours":
            word = st.selectbox("Word", words, key="of", bind=BIND, help=f"{len(words)} ambiguous words with labelled sentences.") or words[0]
        else:
            word = text("Word", "bank", key="cword", help="The form that stands in the text, in any case.")
        model, folder = _model()
    found = _sentences(source, word)
    found += _own(word)
    return found, model, folder


def _sentences(source: str, word: str) -> tuple[Occurrence, ...]:
    if source == "ours":
        return sentences_of(word)
    pasted = ""
    if source == "text":
        pasted = st.text_area("Text", SAMPLE, key="pasted", bind=BIND, max_chars=100_000, help="Any plain text.") or ""
    try:
        with st.spinner("Reading the sample ...") if source == "wikipedia" else st.container():
            return concordance(word, pasted) if source == "text" else concordance_in_wikipedia(word)
    except InputError as error:
        st.error(str(error), icon=":material/error:")
        return ()


def _own(word: str) -> tuple[Occurrence, ...]:
    typed = st.text_area(
        "Add your own sentences, one a line", "", key="mine", bind=BIND, height=80, max_chars=20_000,
        placeholder=f"A sentence with the word {word}", help="A sense can stand before a bar: fruit | An apple fell.",
    )  # fmt: skip
    found: tuple[Occurrence, ...] = ()
    for line in (typed or "").splitlines():
        sense, bar, sentence = line.rpartition("|")
        try:
            found += find_occurrences(word, [sentence.strip()], [sense.strip()[:30] or "own"] if bar else ["own"])
        except InputError as error:
            st.error(str(error), icon=":material/error:")
    return found


def _model() -> tuple[str, str]:
    with st.popover("Model", icon=":material/memory:", key="model_box"):
        names = cards()
        name = choice("Model", {card.title: key for key, card in names.items()}, key="model", help="MiniLM is here after the install; others once fetched.")
        folder = text("Or a folder on this machine", "", key="folder", help="A BERT-like model: config.json, tokenizer.json, *.safetensors.")
        st.caption(f"{names[name].note}; {names[name].megabytes} MB, {names[name].licence}, {names[name].year}.")
    return name, folder


def read(occurrences: tuple[Occurrence, ...], model: str, folder: str) -> Layers | None:
    """Every layer of every occurrence, or one sentence why not, with the button that helps."""
    if not occurrences:
        st.info("There is no sentence yet. Choose another word, or add a sentence of your own.", icon=":material/edit_note:")
        return None
    try:
        with st.spinner("Reading the sentences ...", show_time=True):
            layers = cache.layers(occurrences, model, folder)
    except NotInstalled as error:
        st.warning(str(error), icon=":material/cloud_download:")
        card = cards()[model]
        label = f"Fetch {card.title} ({card.megabytes} MB, {card.licence}, {card.year})"
        work.fetch_button(model, card.title, label, "From the hub, to its cache on this machine.")
        return None
    for sentence in layers.skipped:
        st.warning(sentence, icon=":material/content_cut:")
    cut = [reading for reading in dict.fromkeys(layers.readings) if reading.cut]
    if cut:
        st.caption(f"{len(cut)} sentences are longer than the model reads; not read: “{cut[0].cut[:80]} ...”")
    return layers


def _clicked() -> None:
    """A click becomes the first pick, the one before it the second."""
    for point in st.session_state["layer_event"].selection.points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int):
            before = st.session_state.get("pick", 1)
            if before != row + 1:
                st.session_state["other"] = before
            st.session_state["pick"] = row + 1
            return


def picture(layers: Layers) -> tuple[int, int, int]:
    """The slider over layers, the shared map and the lines beside it; returns layer and both picks (rows)."""
    shared = cache.shared(layers)
    figures = _figures(layers)
    parting = parting_layer(figures) if figures else layers.depth
    layer = int(
        st.slider(
            "Layer", 0, layers.depth, min(parting, layers.depth), key="layer", bind=BIND,
            help=f"0 is the input, {layers.depth} the last layer. The map does not change, the dots move.",
        )
    )  # fmt: skip
    n = len(layers.occurrences)
    pick, other = (_row(key, start, n) for key, start in (("pick", 1), ("other", _second(layers))))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chart(
            layer_map(
                shared.coords[layer], shared.star, layers.senses, [o.sentence for o in layers.occurrences],
                bounds=shared.bounds, word=layers.word, picks=(pick, other) if n > 1 else (pick,),
                trail=shared.coords[: layer + 1][:, [pick, other] if n > 1 else [pick]],
            ),
            key="layer_event", on_select=_clicked, selection_mode="points",
            alt=f"{n} occurrences of {layers.word} at layer {layer} on one projection of all layers; a star marks the static vector",
        )  # fmt: skip
        quality = shared.quality(layers, layer)
        st.caption(
            f"One PCA for all layers. At layer {layer} it keeps {quality.recall:.0%} of each dot's {quality.k} nearest; "
            f"rank correlation of distances {quality.spearman:.2f}. The figures beside it come from all {layers.vectors.shape[2]} numbers."
        )
    with right:
        if figures:
            chart(
                layer_lines(figures, layer=layer, parting=parting, height=400), key="lines",
                alt="Cosine within and between senses, silhouette and accuracy by layer",
            )  # fmt: skip
            at = figures[layer]
            st.caption(
                f"Layer {layer}: cosine within a sense {at.within:.3f}, between senses {at.between:.3f}, silhouette {at.silhouette:.3f}, "
                f"nearest sentence has the same sense {at.accuracy:.0%}. The senses have parted from layer {parting} on "
                "(first within 0.02 of the best silhouette)."
            )
        else:
            st.info("Give at least two senses with two sentences each to see how they part.", icon=":material/info:")
    return layer, pick, other


def _second(layers: Layers) -> int:
    """Number of the first sentence with another sense than the first one's: what to compare with at the start."""
    return next((i + 1 for i, sense in enumerate(layers.senses) if sense != layers.senses[0]), min(2, len(layers.senses)))


def _row(key: str, start: int, n: int) -> int:
    return min(max(int(st.session_state.get(key, start)), 1), n) - 1


def _figures(layers: Layers):  # noqa: ANN202
    try:
        return figures_by_layer(layers)
    except InputError:
        return ()


def see(layers: Layers, layer: int, model: str, folder: str) -> None:
    """The picked occurrence, two compared, where it fails, what it costs."""
    labels = {i + 1: f"{i + 1}. {o.sentence[:90]}" for i, o in enumerate(layers.occurrences)}
    left, right = st.columns(2, gap="medium")
    with left:
        first = _pick("A: this occurrence", "pick", 1, labels)
    with right:
        second = _pick("B: compared with", "other", _second(layers), labels)
    with left:
        _one(layers, layer, first - 1, model, folder)
    with right:
        _two(layers, layer, first - 1, second - 1)
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
    st.caption(f"Sense: {o.sense}. Pieces of the word: {' · '.join(pieces)}. The sentence has {len(reading.pieces)} pieces.")
    if model == MINILM.key and not folder:
        st.markdown("**What does this one mean?** The nearest static words, from its last layer:")
        found = cache.meaning_of(layers, row)
        st.dataframe(
            pd.DataFrame(
                {
                    "nearest": [f"{word} {score:.2f}" for word, score in found.nearest],
                    "what this sentence adds": [f"{word} {gain:+.2f}" for word, gain in found.drawn],
                }
            ),
            hide_index=True, height="content", key="meaning", alt="Nearest static words of the picked occurrence",
        )  # fmt: skip
    st.markdown(f"**Nearest sentences** at layer {layer}:")
    st.dataframe(nearest_sentences(layers, layer, row), hide_index=True, height="content", key="near_sentences", alt="Nearest occurrences by cosine")


def _escaped(words: str) -> str:
    return "".join("\\" + ch if ch in r"\`*_{}[]()#+-.!|<>$:~" else ch for ch in words)


def _two(layers: Layers, layer: int, a: int, b: int) -> None:
    found = compare(layers, layer, a, b)
    o = layers.occurrences[b]
    st.markdown(f"{_escaped(o.before)}**:orange[{_escaped(o.sentence[o.start : o.end])}]**{_escaped(o.after)}")
    st.caption(f"Sense: {o.sense}.")
    with st.container(horizontal=True):
        st.metric("Cosine in context", f"{found.cosines[layer]:.3f}", f"layer {layer}", delta_color="off", delta_arrow="off", border=True)
        st.metric("Static model", "1.000", "always", delta_color="off", delta_arrow="off", border=True)
    if found.same is not None and found.threshold is not None:
        said = "the same sense" if found.same else "different senses"
        truth = {True: "They are the same.", False: "They are different.", None: "No sense was given to compare with."}[found.truth]
        st.markdown(f"Above {found.threshold:.3f}, the middle between *within* and *between*, counts as the same: **{said}**. {truth}")
    with arithmetic("context_sums") as is_open:
        if is_open:
            st.latex(r"\cos(a, b) = \frac{a \cdot b}{\lVert a \rVert\,\lVert b \rVert}")
            u, v = layers.vectors[layer, a], layers.vectors[layer, b]
            st.latex(rf"\frac{{{float(u @ v):.4f}}}{{{float(u @ u) ** 0.5:.4f} \times {float(v @ v) ** 0.5:.4f}}} = {found.cosines[layer]:.4f}")
            table = pd.DataFrame({"layer": range(len(found.cosines)), "cosine": [round(c, 4) for c in found.cosines]})
            st.dataframe(table, hide_index=True, key="cosines", alt="Cosine of the two occurrences at every layer")


def _fails(layers: Layers, layer: int) -> None:
    st.subheader("Where it fails", anchor=False)
    wrong = misplaced(layers, layer)
    if not wrong:
        st.success(f"At layer {layer} no sentence stands nearer to another sense than to its own.", icon=":material/check:")
        return
    st.markdown(f"{len(wrong)} of {len(layers.occurrences)} sentences stand, on average, at least as near to another sense as to their own:")
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
            st.session_state["cost"] = costs(cache.space("words/minilm"), cache.transformer(model, folder), [o.sentence for o in layers.occurrences])
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
    cost = st.session_state.get("cost")
    if cost is not None:
        with st.container(horizontal=True):
            st.metric("Static", f"{cost.static_us:.1f} µs", f"table of {cost.static_mb:.0f} MB", delta_color="off", delta_arrow="off", border=True)
            st.metric("In context", f"{cost.contextual_us / 1000:.1f} ms", f"model of {cost.contextual_mb:.0f} MB", delta_color="off", delta_arrow="off", border=True)
            st.metric("Ratio", f"{cost.contextual_us / cost.static_us:,.0f} x", f"median of {cost.runs} sentences", delta_color="off", delta_arrow="off", border=True)


def explain(layers: Layers, layer: int) -> None:
    """Why, what to try, what to take away."""
    why(
        "At the input every *" + layers.word + "* is the same row of a table, the star, plus its place in the sentence. Each layer lets a word "
        "look at all others (attention), so its vector takes on what stands around it. In the middle layers the senses have parted; "
        "the last layer of this model is trained to sum up the whole sentence, and gives some of that up again. "
        "The static vector cannot part: it has to serve all senses at once."
    )
    tries(
        PAGE,
        [
            ("*python*: snake or language, an easy one", {"of": "python"}),
            ("*crane*: the senses hardly part, see where it fails", {"of": "crane", "layer": "6"}),
            ("*jaguar* from the input on: move the slider yourself", {"of": "jaguar", "layer": "0"}),
        ],
    )
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    space = layers.space(layer)
    shared = cache.shared(layers)
    with st.container(horizontal=True):
        st.download_button(
            "Sentences and coordinates (CSV)",
            lambda: safe_csv(space.meta.assign(x=shared.coords[layer][:, 0], y=shared.coords[layer][:, 1])),
            f"{layers.word}-layer-{layer}.csv", "text/csv", key="get_sentences", on_click="ignore", icon=":material/table:",
        )  # fmt: skip
        st.download_button(
            "Vectors (Parquet)", lambda: _parquet(space), f"{layers.word}-layer-{layer}.parquet", key="get_vectors",
            on_click="ignore", icon=":material/grid_on:",
        )  # fmt: skip
    st.caption("The address of this page holds the whole state: copy it to give somebody exactly this view.")
    with st.expander("The same in Python", icon=":material/code:", key="ccode", on_change="rerun") as box:
        if box.open:
            st.code(
                "import embedkit\nfrom embedkit.contexts import read_layers, sentences_of, figures_by_layer\n\n"
                f"layers = read_layers(sentences_of({layers.word!r}))\n"
                f"print(figures_by_layer(layers)[{layer}])\nspace = layers.space({layer})\n"
                "print(embedkit.search(space, space.items[0], k=5))\n",
                language="python",
            )


def _parquet(space) -> bytes:  # noqa: ANN001
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "space.parquet"
        space.to_parquet(path)
        return path.read_bytes()

"""The page of words in context, part by part."""

from __future__ import annotations

import streamlit as st

from embedkit.contexts import (
    UNLABELLED,
    Layers,
    Occurrence,
    concordance,
    concordance_in_wikipedia,
    figures_by_layer,
    find_occurrences,
    parting_layer,
    sense_words,
    sentences_of,
)
from embedkit.encoders.models import cards
from embedkit.errors import InputError, NotInstalled
from embedkit.figures import layer_lines, layer_map
from ui import cache_contexts, work
from ui.controls import BIND, choice, text
from ui.frame import ask, chart

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
            word = (
                st.selectbox(
                    "Word", words, key="of", bind=BIND, help=f"{len(words)} ambiguous words with labelled sentences."
                )
                or words[0]
            )
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
        "Add your own sentences, one a line",
        "",
        key="mine",
        bind=BIND,
        height=80,
        max_chars=20_000,
        placeholder=f"A sentence with the word {word}",
        help="A sense can stand before a bar: fruit | An apple fell.",
    )
    found: tuple[Occurrence, ...] = ()
    for number, line in enumerate((typed or "").splitlines(), start=1):
        sense, bar, sentence = line.partition("|") if "|" in line else ("", "", line)
        try:
            found += find_occurrences(word, [sentence.strip()], [sense.strip()[:30] or UNLABELLED] if bar else None)
        except InputError as error:
            st.error(str(error).replace("sentence 1", f"your line {number}"), icon=":material/error:")
    return found


def _model() -> tuple[str, str]:
    with st.popover("Model", icon=":material/memory:", key="model_box"):
        names = cards()
        name = choice(
            "Model",
            {card.title: key for key, card in names.items()},
            key="model",
            help="MiniLM is here after the install; others once fetched.",
        )
        folder = text(
            "Or a folder on this machine",
            "",
            key="folder",
            help="A BERT-like model: config.json, tokenizer.json, *.safetensors.",
        )
        st.caption(f"{names[name].note}; {names[name].megabytes} MB, {names[name].licence}, {names[name].year}.")
    return name, folder


def read(occurrences: tuple[Occurrence, ...], model: str, folder: str) -> Layers | None:
    """Every layer of every occurrence, or one sentence why not, with the button that helps."""
    if not occurrences:
        st.info(
            "There is no sentence yet. Choose another word, or add a sentence of your own.", icon=":material/edit_note:"
        )
        return None
    try:
        with st.spinner("Reading the sentences ...", show_time=True):
            layers = cache_contexts.layers(occurrences, model, folder)
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


def picture(layers: Layers, pick: int, other: int) -> int:
    """The slider over layers, the shared map with both picks (rows), and the lines beside it; returns the layer."""
    shared = cache_contexts.shared(layers)
    figures = _figures(layers)
    parting = parting_layer(figures) if figures else None
    layer = int(
        st.slider(
            "Layer",
            0,
            layers.depth,
            layers.depth,
            key="layer",
            bind=BIND,
            help=f"0 is the input, {layers.depth} the last layer. The map does not change, the dots move.",
        )
    )
    n = len(layers.occurrences)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chart(
            layer_map(
                shared.coords[layer],
                shared.star,
                layers.senses,
                [o.sentence for o in layers.occurrences],
                bounds=shared.bounds,
                word=layers.word,
                picks=(pick, other) if n > 1 else (pick,),
                trail=shared.coords[: layer + 1][:, [pick, other] if n > 1 else [pick]],
            ),
            key="layer_event",
            on_select=_clicked,
            selection_mode="points",
            alt=f"{n} occurrences of {layers.word} at layer {layer} on one projection of all layers; a star marks the static vector",
        )
        quality = shared.quality(layers, layer)
        st.caption(
            f"One PCA for all layers. At layer {layer} it keeps {quality.recall:.0%} of each dot's {quality.k} nearest; "
            f"rank correlation of distances {quality.spearman:.2f}. The figures beside it come from all {layers.vectors.shape[2]} numbers."
        )
    with right:
        if figures:
            chart(
                layer_lines(figures, layer=layer, parting=parting, height=400),
                key="lines",
                alt="Cosine within and between senses, silhouette and accuracy by layer",
            )
            at = figures[layer]
            said = "By these figures the senses do not part at any layer."
            if parting is not None:
                said = f"The senses part best from about layer {parting} (first within 0.02 of the best silhouette)."
            st.caption(
                f"Layer {layer}: cosine within a sense {at.within:.3f}, between senses {at.between:.3f}, silhouette {at.silhouette:.3f}, "
                f"nearest sentence has the same sense {at.accuracy:.0%}. " + said
            )
        else:
            st.info(
                "Label at least two senses with two sentences each to see how they part: fruit | An apple fell.",
                icon=":material/info:",
            )
    return layer


def _figures(layers: Layers):
    try:
        return figures_by_layer(layers)
    except InputError:
        return ()

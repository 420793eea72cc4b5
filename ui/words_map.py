"""The map of words: which words, how projected, the pick and what the map made of its neighbors."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from embedkit.errors import EmbedkitError, UnknownItem
from embedkit.export import coordinates_table, map_script, safe_csv, worksheet
from embedkit.figures import MapMarks, point_map, strips, trust_bars
from embedkit.jobs import Job
from embedkit.maps import MadeMap, Settings, map_key, request_map, result_of
from embedkit.neighbors import search
from embedkit.space import Space
from embedkit.words import OPENING, frequent, opening_topics, parse_words, topics
from embedkit.words.answers import Picked, cosine_steps, neighbor_table, picked
from ui import cache, work
from ui.controls import BIND, choice, map_settings, text
from ui.explorer_open import send_button
from ui.frame import MAP_NOTE, arithmetic, ask, chart, link_note, presenting, tries, why

SETS = {"Topics": "topics", "Around a word": "near", "Frequent": "frequent", "All": "all", "Own list": "own"}


def view(whole: Space) -> None:
    """Draw the whole view."""
    ask(
        "One of these three stands nearest to *apple*. Which?",
        ["pear", "fruit", "macintosh"],
        max(["pear", "fruit", "macintosh"], key=lambda word: cosine_steps(whole, "apple", word).cosine),
        "A static vector has to serve every sentence at once, so the fruit and the company share this one point.",
        key="guess",
    )
    left, right = st.columns([1, 3], gap="medium")
    with left:
        word = text("Find a word", "apple", key="word", help="Type any English word; its neighbors follow everywhere.")
        k = st.slider("How many neighbors", 5, 50, 10, 5, key="k", bind=BIND, help="5 to 50, from all words, exact.")
        kind = choice("Which words", SETS, key="set", help=f"Frequent: the 2,000 most frequent. All: {whole.n:,}.")
        with st.form("map", border=False):
            chosen, groups = _choose(whole, kind)
            with st.expander("Projection", icon=":material/tune:"):
                settings = map_settings("")
            st.form_submit_button("Draw the map", icon=":material/draw:", type="primary", width="stretch")
    with right:
        figure_place = st.container()
    shown = cache.subspace(whole.key, chosen) if len(chosen) < whole.n else whole
    made = _made(shown, settings, figure_place)
    answer = _answer(whole, made, word, k)
    drawn: go.Figure | None = None
    if made is not None:
        with figure_place:
            drawn = _figure(made, groups, answer)
            _trust_line(made)
    if answer is not None:
        _see(whole, made, answer)
        why(
            f"Each word is {whole.d} numbers, and near means a small angle between them (cosine). The list is exact and "
            f"comes from all {whole.d} numbers. The map squeezes them into two or three, so it must lose some neighbors (dotted lines) and "
            f"puts strangers side by side (rings). {MAP_NOTE}"
        )
        _arithmetic(whole, answer)
    tries(
        [
            (
                "Around *bank*: two meanings in one static point",
                {"set": "Around a word", "center": "bank", "word": "bank"},
            ),
            ("The same topics by PCA: straight, and crowded", {"method": "PCA"}),
            ("Another seed: what stays is the data, what changes is chance", {"seed": 1.0}),
        ],
    )
    if answer is not None:
        _take_away(whole, made, answer, settings, drawn)


def _choose(whole: Space, kind: str) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The words of the map and the group of each, from the controls; a bad list keeps the page and says why."""
    lists = topics()
    if kind == "topics":
        names = st.multiselect(
            "Topics",
            list(lists),
            list(OPENING),
            key="topics",
            bind=BIND,
            help="Each topic has its own color and shape.",
        )
        if not names:
            st.caption("No topic chosen: the six of the start are shown.")
        return opening_topics(whole, names or OPENING)
    if kind == "near":
        size = st.slider(
            "How many", 20, 500, 100, 10, key="many", bind=BIND, help="Nearest words by cosine, 20 to 500."
        )
        typed = text(
            "Around which word", "apple", key="center", help="The map is drawn around it; a click moves the pick."
        )
        center = typed if typed in whole else typed.lower()
        if center not in whole:
            said = UnknownItem(typed, whole.items, "words") if typed else "Type a word to draw its neighborhood."
            st.error(str(said), icon=":material/error:")
            center = "apple" if "apple" in whole else whole.items[0]
        return tuple(n.item for n in search(whole, center, size)), None
    if kind == "own":
        typed = st.text_area(
            "Your words",
            "apple, pear, plum, bus, train, car, king, queen",
            key="list",
            bind=BIND,
            max_chars=200_000,
            help="Separated by commas, spaces or lines; up to 20,000.",
        )
        try:
            parsed = parse_words(typed or "", whole)
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            return frequent(whole, 200), None
        if parsed.sentence():
            st.caption(parsed.sentence())
        return parsed.known, None
    return (frequent(whole, 2_000) if kind == "frequent" else whole.items), None


def _made(shown: Space, settings: Settings, place: st.delta_generator.DeltaGenerator) -> MadeMap | None:
    """The map, or its progress in its place; a run that was stopped or failed stays so until somebody says run again."""
    with place:
        try:
            held = st.session_state.get("map_job")
            if held is None or held.key != map_key(shown, settings):
                held = request_map(shown, settings, cache.pool())
            if not isinstance(held, Job):
                return held
            st.session_state["map_job"] = held
            with st.container(height="content" if held.finished else 620, border=False):  # the page below does not jump
                return result_of(held, shown, settings) if work.wait_for(held) else None
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            if st.button("Run again", icon=":material/refresh:", key="again", help="Start this run anew"):
                st.session_state.pop("map_job", None)
                st.rerun()
            return None


def _answer(whole: Space, made: MadeMap | None, word: str, k: int) -> Picked | None:
    """What is known of the picked word, or one sentence in its place."""
    try:
        return picked(whole, made, word if word in whole else word.lower(), k)
    except UnknownItem:
        said = UnknownItem(word, whole.items, "words") if word else "Type a word to see its neighbors."
        st.error(str(said), icon=":material/error:")
        return None


def _clicked() -> None:
    """A click on the map becomes the word, before the figure changes and forgets it."""
    points = st.session_state["map_event"].selection.points
    names = st.session_state.get("map_names", ())
    for point in points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int) and row < len(names):
            st.session_state["word"] = names[row]
            return


def _figure(made: MadeMap, groups: tuple[str, ...] | None, answer: Picked | None) -> go.Figure:
    space = made.projection.space
    assert space is not None
    st.session_state["map_names"] = space.items
    marks = MapMarks(answer.row, answer.near, answer.lost, answer.invented) if answer else MapMarks()
    figure = point_map(
        made.projection.coords,
        space.items,
        groups=groups,
        shade=None if groups else made.quality.point_recall,
        shade_title="neighbors kept",
        marks=marks,
    )
    chart(
        figure,
        key="map_event",
        on_select=_clicked,
        selection_mode="points",
        zoom=True,
        alt=f"Map of {space.n} words by {made.projection.method}; picked: {answer.word if answer else 'none'}",
    )
    return figure


def _trust_line(made: MadeMap) -> None:
    q = made.quality
    if q.k == 0:
        st.caption("With so few words there are no neighborhoods to keep or lose, so there is nothing to measure.")
        return
    sample = "" if q.sampled == len(q.point_recall) else f" (ranks of a sample of {q.sampled:,} words)"
    st.caption(
        f"How far to believe this map, {q.k} neighbors of each word{sample}: trustworthiness {q.trustworthiness:.3f}, "
        f"continuity {q.continuity:.3f}, kNN recall {q.recall:.3f}, rank correlation of distances {q.spearman:.2f}. "
        "1 is perfect. Click a word to see its own."
    )


def _see(whole: Space, made: MadeMap | None, answer: Picked) -> None:
    st.subheader(f"What is near “{answer.word}”", anchor=False)
    table, detail = st.columns([3, 2], gap="medium")
    with table:
        hide = st.toggle("Hide my word", key="hide", bind=BIND, help="The word you asked for is in the list, marked.")
        shown = made.projection.space if made else None
        st.dataframe(
            neighbor_table(answer, shown, hide),
            hide_index=True,
            height="content",
            key="neighbors",
            column_config={"cosine": st.column_config.ProgressColumn(min_value=0.0, max_value=1.0, format="%.4f")},
            alt=f"Neighbors of {answer.word} among all words by cosine",
        )
    with detail:
        if made is None:
            st.caption("The map is being made; the list beside is exact already.")
        elif answer.row is None:
            st.info(f"'{answer.word}' is not on this map. Draw the map *Around a word* to see it among its own.")
        elif answer.recall is not None:
            st.metric(
                f"Of the true neighbors of “{answer.word}” among the words on this map, kept near",
                f"{answer.recall:.0%}",
                border=True,
            )
            space = made.projection.space
            assert space is not None
            for label, rows in (("Lost by the map", answer.lost), ("Invented by the map", answer.invented)):
                st.markdown(f"**{label}:** {', '.join(space.items[row] for row in rows) or 'none'}")
            chart(trust_bars(made.quality.point_recall), key="trust", alt="How many words keep their neighbors")
    names = [n.item for n in answer.neighbors[:4]]
    chart(
        strips(whole.vectors[[whole.row(name) for name in names]], names),
        key="strip",
        alt=f"The first 64 numbers of {', '.join(names)} as colored strips",
    )


def _arithmetic(whole: Space, answer: Picked) -> None:
    with arithmetic("map_sums") as is_open:
        other = next((n.item for n in answer.neighbors if not n.asked), None)
        if is_open and other:
            s = cosine_steps(whole, answer.word, other)
            st.latex(r"\cos(u, v) = \frac{u \cdot v}{\lVert u \rVert\,\lVert v \rVert}")
            st.latex(rf"\frac{{{s.dot:.4f}}}{{{s.length_a:.4f} \times {s.length_b:.4f}}} = {s.cosine:.4f}")
            st.caption(f"u is the vector of '{s.a}', v that of '{s.b}': the same number as in the table.")


def _take_away(whole: Space, made: MadeMap | None, answer: Picked, settings: Settings, drawn: go.Figure | None) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        shown = made.projection.space if made else None
        st.download_button(
            "Neighbors (CSV)",
            lambda: safe_csv(neighbor_table(answer, shown)),
            f"neighbors-{answer.word}.csv",
            "text/csv",
            key="get_neighbors",
            on_click="ignore",
            icon=":material/table:",
        )
        send_button(lambda: shown or whole, "send_words")
        if made is not None and shown is not None:
            made_map = made
            st.download_button(
                "Coordinates (CSV)",
                lambda: safe_csv(coordinates_table(made_map)),
                "map.csv",
                "text/csv",
                key="get_map",
                on_click="ignore",
                icon=":material/grid_on:",
            )
            st.download_button(
                "Figure (HTML, works offline)",
                lambda: drawn.to_html(include_plotlyjs=True) if drawn is not None else "",
                "map.html",
                "text/html",
                key="get_figure",
                on_click="ignore",
                icon=":material/image:",
            )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("Words as points", _tasks(answer)),
            "worksheet-words.md",
            "text/markdown",
            key="get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="code", on_change="rerun") as box:
        if box.open:
            st.code(
                map_script(whole.key, answer.word, shown.items if shown is not None else (), settings),
                language="python",
            )


def _tasks(answer: Picked) -> list[tuple[str, str]]:
    near = [n for n in answer.neighbors if not n.asked]
    recall = "it is not on this map" if answer.recall is None else f"{answer.recall:.0%}"
    return [
        (f"Before you look: which three words are nearest to “{answer.word}”?", ", ".join(n.item for n in near[:3])),
        ("Look at the list. Which neighbor surprises you, and why is it there?", "open"),
        (f"Which share of the true neighbors does the map keep near “{answer.word}”?", recall),
        ("Open the arithmetic. Check the cosine with a pocket calculator.", f"{near[0].score:.4f}" if near else "none"),
        ("Change the seed. What stays the same, what changes?", "the list stays, the map changes"),
    ]

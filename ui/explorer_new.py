"""Points of a person's own on the explorer's map, which does not move: phrases, pictures, sums of items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.encoding import Encoded, encoder_of
from embedkit.errors import EmbedkitError
from embedkit.explore import sum_of
from embedkit.maps import MadeMap
from embedkit.neighbors import Metric, Neighbor, search
from embedkit.space import Vectors
from ui import cache_new
from ui.controls import BIND, text
from ui.explorer_answer import TITLES, thumbnails, with_pictures
from ui.explorer_open import Opened
from ui.own_picture import given_pictures, swapped

MOST = 20
SHOWN = 3  # neighbors of each in the table of all


@dataclass(frozen=True, eq=False)
class Own:
    """A point of a person's own: its name, its vector (d,), what is to be said of it, and the items that a sum names.

    `place` (dims,) is where it stands on the map, None where no map takes new points; `picture` as the model saw it.
    """

    name: str
    vector: Vectors
    note: str = ""
    named: tuple[str, ...] = ()
    picture: Vectors | None = None
    place: Vectors | None = None


def new_points(opened: Opened) -> tuple[Own, ...]:
    """The controls, folded away, and the points that they give; drawn before any map, as what is not drawn forgets."""
    began = st.session_state.setdefault("ex_new_began", not {"ex_phrases", "ex_sum"}.isdisjoint(st.query_params))
    with st.expander("Points of your own", expanded=began, icon=":material/add_location:", key="ex_new"):
        takes = getattr(encoder_of(opened.whole), "takes", "")
        left, right = st.columns(2, gap="medium")
        with left:
            yours = _phrases(opened) if takes == "text" else _pictures(opened) if takes == "picture" else _nothing()
        with right:
            yours += _sum(opened)
            if yours:
                st.button(
                    "Clear all",
                    icon=":material/clear_all:",
                    key="ex_clear",
                    help="Takes all points of your own off the map.",
                    on_click=_clear,
                )
    return tuple(yours)


def placed(made: MadeMap, yours: tuple[Own, ...]) -> tuple[Own, ...]:
    """The same points with their places on a map."""
    if not yours:
        return ()
    try:
        places = cache_new.places(made.projection, np.stack([each.vector for each in yours]))
    except EmbedkitError as error:
        st.caption(f":material/info: {error}")
        return yours
    return tuple(replace(each, place=place) for each, place in zip(yours, places, strict=True))


def _clear() -> None:
    st.session_state.update({"ex_phrases": "", "ex_sum": "", "ex_turn": st.session_state.get("ex_turn", 0) + 1})


def _nothing() -> list[Own]:
    st.info(
        "These vectors came without their model, so no phrase and no picture can be read into them; a sum of items can."
    )
    return []


def _phrases(opened: Opened) -> list[Own]:
    encoder = encoder_of(opened.whole)
    assert encoder is not None
    typed = st.text_area(
        "Phrases, one a line",
        key="ex_phrases",
        bind=BIND,
        height=100,
        help=f"Up to {MOST}. {encoder.says}",
        placeholder="a phrase\nanother one",
    )
    lines = list(dict.fromkeys(line.strip() for line in (typed or "").splitlines() if line.strip()))
    st.caption(encoder.says)
    if len(lines) > MOST:
        st.error(f"{len(lines)} phrases are typed; the first {MOST} are placed.", icon=":material/error:")
    found = []
    for line in lines[:MOST]:
        try:
            found.append(_own(line, cache_new.phrase(opened.whole, line)))
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
    return found


def _pictures(opened: Opened) -> list[Own]:
    encoder = encoder_of(opened.whole)
    assert encoder is not None
    gray = opened.pictures is not None and opened.pictures.shape[3] == 1
    given = given_pictures("ex_", gray, most=MOST, turn=st.session_state.get("ex_turn", 0))
    invert = swapped("ex_")
    st.caption(encoder.says)
    if len(given) > MOST:
        st.error(f"{len(given)} pictures are given; the first {MOST} are placed.", icon=":material/error:")
    found = []
    for name, data in given[:MOST]:
        try:
            found.append(_own(name, cache_new.picture(opened.whole, data, name, invert)))
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
    return found


def _own(name: str, made: Encoded) -> Own:
    return Own(name, made.vector, made.note, picture=made.picture)


def _sum(opened: Opened) -> list[Own]:
    typed = text(
        "Sum of items",
        "",
        key="ex_sum",
        help="Items with + and - between blanks: king - man + woman. Each is brought to length 1 before.",
        placeholder="a - b + c",
    )
    if not typed:
        return []
    try:
        vector, named = sum_of(opened.whole, typed)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return []
    return [Own(typed, vector, "", named)]


def answer_new(opened: Opened, yours: Sequence[Own], k: int, metric: Metric) -> None:
    """What is near each point of a person's own, from all numbers, among all vectors."""
    if not yours:
        return
    whole = opened.whole
    near = {each: _near(opened, each, k, metric) for each in yours}
    st.subheader(f"What is near “{yours[0].name}”" if len(yours) == 1 else "What is near yours", anchor=False)
    if len(yours) > 1:
        _all(yours, near, metric)
    tabs = st.tabs([each.name[:24] for each in yours]) if len(yours) > 1 else [st.container()]
    for number, (tab, each) in enumerate(zip(tabs, yours, strict=True)):
        with tab:
            _one(opened, each, near[each], number, metric)
    st.caption(f"By {TITLES[metric]}, exact, from all {whole.d} numbers, among all {whole.n:,} vectors.")


def _near(opened: Opened, own: Own, k: int, metric: Metric) -> list[Neighbor]:
    found = search(opened.whole, own.vector, min(k + len(own.named), opened.whole.n), metric)
    return [each for each in found if each.item not in own.named][:k]


def _all(yours: Sequence[Own], near: dict[Own, list[Neighbor]], metric: Metric) -> None:
    table = pd.DataFrame(
        {
            "yours": [each.name for each in yours],
            "nearest": [near[each][0].item if near[each] else "" for each in yours],
            f"its {TITLES[metric]}": [near[each][0].score if near[each] else np.nan for each in yours],
            "then": [", ".join(n.item for n in near[each][1 : 1 + SHOWN]) for each in yours],
            "on the map": [_where(each) for each in yours],
        }
    )
    if any(each.note for each in yours):
        table["note"] = [each.note for each in yours]
    st.dataframe(table, hide_index=True, key="ex_yours", alt="Each point of your own with its nearest items")


def _where(own: Own) -> str:
    return "" if own.place is None else f"({', '.join(f'{x:.2f}' for x in own.place)})"


def _one(opened: Opened, own: Own, near: list[Neighbor], number: int, metric: Metric) -> None:
    rows = [each.row for each in near]
    table = pd.DataFrame({"near": [each.item for each in near], TITLES[metric]: [each.score for each in near]})
    table = pd.concat([table, opened.whole.meta.iloc[rows].reset_index(drop=True)], axis=1)
    left, right = st.columns([3, 2], gap="medium") if own.picture is not None else (st.container(), None)
    with left:
        if own.note:
            st.caption(f":material/info: {own.note}")
        with_pictures(opened, table, rows, key=f"ex_sum_near_{number}", alt=f"Nearest to {own.name}")
        if own.place is not None:
            st.caption(f"On the map it lands at {_where(own)}; the map itself does not move.")
    if right is not None:
        right.image(thumbnails([own.picture])[0], width=96, caption="As the model saw it")

"""How the explorer's map is looked at: color, search, pick, and how many neighbors by which metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st

from embedkit.errors import InputError
from embedkit.explore import columns, matching
from embedkit.neighbors import Metric
from ui.controls import BIND, choice, text, whole_number
from ui.explorer_open import Opened

TRUST, GROUPS, NOTHING = "neighbors kept", "groups found", "nothing"
POINTS, NAMES, PICTURES = "points", "names", "pictures"


@dataclass(frozen=True, eq=False)
class Looked:
    """What the controls say: color, the rows that match the search, the picked item, k, metric, and what is drawn."""

    color: str
    match: np.ndarray
    pick: str | None
    k: int
    metric: Metric
    draw: str = POINTS


def look(opened: Opened, metric: Metric) -> Looked:
    space = opened.shown
    known = columns(space)
    kinds = [name for name, column in known.items() if column.kind != "texts"]
    left, middle, right, last = st.columns(4)
    with left:
        color = st.selectbox(
            "Color by",
            [*kinds, TRUST, GROUPS, NOTHING],
            key="ex_color",
            bind=BIND,
            help="A column, or what is measured.",
        )
    with middle:
        typed = text("Search", "", key="ex_search", help="In names and all columns; what does not match turns gray.")
    with right:
        pick = text("Pick", "", key="ex_pick", help="An item by its name, or click one. Its true neighbors answer.")
    with last:
        k = whole_number("How many neighbors", 1, 100, 10, key="ex_k", help="1 to 100, of all vectors, exact.")
    draw = choice(
        "Draw",
        [POINTS, NAMES] if opened.pictures is None else [POINTS, NAMES, PICTURES],
        key="ex_draw",
        help="What stands at the places: a closer view shows more names, and more pictures where the vectors are of some.",
    )
    match = matching(space, typed)
    if typed:
        st.caption(f"{int(match.sum()):,} of {space.n:,} match “{typed}”.")
    picked: str | None = pick or None
    if picked and picked not in opened.whole:
        try:
            opened.whole.row(picked)
        except InputError as error:
            st.error(str(error), icon=":material/error:")
            picked = None
    return Looked(color or NOTHING, match, picked, k, metric, draw)

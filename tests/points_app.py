"""A page of many points for the tests in a browser; what it shows follows from its address."""

import numpy as np
import streamlit as st

from embedkit.figures.thinning import group_rows, spread_rows
from ui.points import points


@st.cache_data
def places(n: int, turn: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    group = rng.integers(0, 5, n)
    angle = 2 * np.pi * group / 5 + 0.6 * turn
    return (rng.normal(size=(n, 2)) + 4 * np.c_[np.cos(angle), np.sin(angle)]).astype(np.float32)


n = int(st.query_params.get("n", 100_000))
turn = st.toggle("Other projection", key="turn")
filtered = st.toggle("Filter", key="filter")
st.button("Run again")
coords = places(n, int(turn))
codes = np.random.default_rng(0).integers(0, 5, n)
names = tuple(f"point {i}" for i in range(n))
gray = np.arange(n) % 2 == 1 if filtered else None
labels = [(row, f"group {i}", True) for i, row in enumerate(group_rows(coords, codes, 5)) if row is not None]
labels += [(int(row), names[row], False) for row in spread_rows(coords, gray=gray)]
common = {"codes": codes, "groups": [f"group {i}" for i in range(5)], "names": names, "gray": gray, "labels": labels}
if "two" in st.query_params:
    left, right = st.columns(2)

    def chosen(selection):
        st.session_state.both = selection.rows

    both = st.session_state.get("both", ())
    with left:
        points(coords, key="one", picked=both, on_pick=chosen, **common)
    with right:
        picked = points(places(n, 2), key="two", picked=both, on_pick=chosen, **common)
    st.text(f"both: {len(both)}")
else:
    if not st.toggle("Away", key="away"):
        picked = points(coords, key="one", **common)
        st.session_state.last = picked
    picked = st.session_state.last
    rows = picked.rows
    st.text(f"picked: {len(rows)} {picked.how} sum {int(rows.sum())} hash {abs(hash(rows.tobytes()))}")
    st.json({"polygon": [list(corner) for corner in picked.polygon]}, expanded=False)

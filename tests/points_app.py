"""A page of many points for the tests in a browser; how many and what follows from its address."""

import json
from typing import Any

import numpy as np
import streamlit as st

from embedkit.figures.maps import MapMarks
from embedkit.figures.thinning import group_rows, spread_rows
from embedkit.figures.thumbnails import thumbnail_rows, thumbnails
from ui import server
from ui.points import Selection, points

GROUPS = 5


def group_of(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, GROUPS, n)


def places(n: int, turn: int) -> np.ndarray:
    """Five heaps of points on a circle, turned a little."""
    angle = 2 * np.pi * group_of(n) / GROUPS + 0.6 * turn
    heaps = np.random.default_rng(1).normal(size=(n, 2)) + 4 * np.c_[np.cos(angle), np.sin(angle)]
    return heaps.astype(np.float32)


def marked(n: int) -> MapMarks:
    """Points in the middle of four heaps: the pick, a neighbor that is kept, one that is lost, one that is invented."""
    pick, kept, lost, invented, _ = group_rows(places(n, 0), group_of(n), GROUPS)
    assert not {pick, kept, lost, invented} & {None}
    return MapMarks(pick, (kept, lost), (lost,), (invented,))  # type: ignore[arg-type]


def tint(row: int) -> tuple[int, int, int]:
    """The one color of a point's picture, which no other point and no mark has."""
    return 20 + row % 100, 255 - 4 * (row // 100), 230


def told(selection: Selection) -> None:
    st.json({"how": selection.how, "count": len(selection.rows), "sum": int(selection.rows.sum())})
    st.html(f"<pre data-testid='outline' hidden>{json.dumps(selection.polygon)}</pre>")


def page() -> None:
    n = int(st.query_params.get("n", 100_000))
    turn, filtered = st.toggle("Other projection"), st.toggle("Filter")
    st.button("Run again")
    coords, names = places(n, int(turn)), tuple(f"point {i}" for i in range(n))
    gray = np.arange(n) % 2 == 1 if filtered else None
    labels = [
        (row, f"group {i}", True) for i, row in enumerate(group_rows(coords, group_of(n), GROUPS)) if row is not None
    ]
    labels += [(int(row), names[row], False) for row in spread_rows(coords, gray=gray)]
    extra: dict[str, Any] = {}
    if "marks" in st.query_params:
        labels, extra["marks"] = [], marked(n)
    if "pictures" in st.query_params:
        shown = thumbnail_rows(coords)
        tints = np.array([tint(row) for row in shown], np.uint8)
        labels, extra["pictures"] = [], thumbnails(np.tile(tints[:, None, None], (1, 8, 8, 1)), shown)
    if "names" in st.query_params:
        labels, extra["many_names"] = [], True
    if "axes" in st.query_params:
        extra |= {"axes": ("small to large", "cold to warm"), "placed": [("mine", np.zeros(2, np.float32))]}
    common = {"codes": group_of(n), "groups": [f"group {i}" for i in range(GROUPS)], "names": names, "gray": gray}
    if "two" in st.query_params:

        def chosen(selection: Selection) -> None:
            st.session_state.both = selection.rows

        both = st.session_state.get("both", ())
        for key, column, other in zip(("one", "two"), st.columns(2), (0, 2), strict=True):
            with column:
                points(places(n, other), key=key, picked=both, on_pick=chosen, **common)
        st.text(f"both: {len(both)}")
    elif not st.toggle("Away"):
        told(points(coords, key="one", labels=labels, **extra, **common))


if __name__ == "__main__":
    page()
else:
    app = st.App(__file__, middleware=server.MIDDLEWARE)

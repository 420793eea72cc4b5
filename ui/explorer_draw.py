"""The explorer's picture: points colored by a column, by trust or by groups; what is picked and what matches marked."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from embedkit.clusters import Clusters, clusters_now
from embedkit.errors import EmbedkitError
from embedkit.explore import Column, columns, groups_of
from embedkit.figures import MapMarks, point_map
from embedkit.figures.style import shade_colors
from embedkit.figures.thinning import spread_rows
from embedkit.jobs import Job
from embedkit.maps import MadeMap
from embedkit.neighbors import search
from embedkit.quality import lost_and_invented
from embedkit.space import Space
from ui import cache_explorer, work
from ui.controls import BIND, whole_number
from ui.explorer_look import GROUPS, TRUST, Looked
from ui.explorer_open import LIMIT, Opened
from ui.frame import chart
from ui.points import Selection, points

STEPS = 5  # colors of a column of numbers on a very large map


def figure_of(opened: Opened, made: MadeMap, looked: Looked) -> go.Figure | None:
    """Draw the map with what is picked, and return its figure where plotly drew it."""
    space = made.projection.space
    assert space is not None
    if space.n > LIMIT and made.projection.dims == 2:
        _many(made, looked)
        return None
    st.session_state["ex_names"] = space.items
    marks = MapMarks()
    if looked.pick is not None and looked.pick in space:
        row = space.row(looked.pick)
        lost, invented = lost_and_invented(space, made.projection, looked.pick, looked.k, looked.metric)
        near = [n.row for n in search(space, looked.pick, min(looked.k, space.n - 1), looked.metric) if not n.asked]
        marks = MapMarks(row, tuple(near), tuple(map(space.row, lost)), tuple(map(space.row, invented)))
    figure = point_map(
        made.projection.coords, space.items, gray=(~looked.match).tolist(), marks=marks, **_colored(made, looked)
    )  # type: ignore[arg-type]
    flat = made.projection.dims == 2
    options = {"selection_mode": ("points", "box", "lasso")} if flat else {"selection_mode": "points"}
    chart(
        figure,
        key="ex_event",
        on_select=_selected,
        zoom=True,
        alt=f"Map of {space.n:,} vectors by {made.projection.method}; picked: {looked.pick or 'none'}",
        **options,
    )
    return figure


def _selected() -> None:
    """A click becomes the pick, a lasso the selected rows, before the figure changes and forgets them."""
    names = st.session_state.get("ex_names", ())
    rows = []
    for point in st.session_state["ex_event"].selection.points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int) and row < len(names):
            rows.append(row)
    if len(rows) == 1:
        st.session_state["ex_pick"] = names[rows[0]]
    elif rows:
        st.session_state["ex_rows"] = tuple(names[row] for row in sorted(set(rows)))


def _many(made: MadeMap, looked: Looked) -> None:
    """A map of more points than plotly moves well: our own component."""
    space = made.projection.space
    assert space is not None
    colored = _colored(made, looked)
    groups: tuple[str, ...] = ()
    codes = None
    colors = None
    if "groups" in colored:
        named = np.asarray(colored["groups"])
        groups = tuple(dict.fromkeys(named.tolist()))
        places = {name: number for number, name in enumerate(groups)}
        codes = np.array([places[name] for name in named.tolist()], np.uint8)
    elif "shade" in colored:
        shade = np.nan_to_num(np.asarray(colored["shade"], np.float64))
        codes = np.minimum((shade * STEPS).astype(np.uint8), STEPS - 1)
        colors = shade_colors(STEPS)
        groups = tuple(f"{colored['shade_title']}: from {number / STEPS:g}" for number in range(STEPS))
    marked = []
    if looked.pick is not None and looked.pick in space:
        marked = [n.row for n in search(space, looked.pick, looked.k, looked.metric)]
    shown = points(
        made.projection.coords,
        key=f"ex_many:{space.digest[:12]}",
        codes=codes,
        groups=groups,
        colors=colors,
        names=space.items,
        gray=~looked.match,
        picked=marked or None,
        labels=[(int(row), space.items[row], False) for row in spread_rows(made.projection.coords, gray=~looked.match)],
        alt=f"Map of {space.n:,} vectors by {made.projection.method}",
        on_pick=lambda found: _picked(space, found),
    )
    if len(shown.rows):
        st.caption(f"{len(shown.rows):,} of {space.n:,} points are selected.")


def _picked(space: Space, found: Selection) -> None:
    """A click becomes the pick, a lasso the selected rows."""
    if found.how == "click" and len(found.rows) == 1:
        st.session_state["ex_pick"] = space.items[int(found.rows[0])]
    else:
        st.session_state["ex_rows"] = tuple(space.items[row] for row in found.rows.tolist())


def _colored(made: MadeMap, looked: Looked) -> dict[str, object]:
    space = made.projection.space
    assert space is not None
    if looked.color == TRUST:
        return {"shade": made.quality.point_recall, "shade_title": TRUST}
    if looked.color == GROUPS:
        found = groups_found(space)
        return {} if found is None else {"groups": _group_names(found)}
    column = columns(space).get(looked.color)
    if column is None:
        return {}
    if column.kind == "numbers":
        return _shade(column)
    first: tuple[str, ...] = ()
    if len(column.classes) > 12:
        names = [name for name, _ in column.classes]
        wanted = st.multiselect(
            f"Classes of {column.name} to color",
            names,
            key="ex_classes",
            bind=BIND,
            max_selections=12,
            help=f"{len(names):,} classes; the most frequent have a color, and those that you pick here.",
        )
        first = tuple(wanted)
    return {"groups": groups_of(column, first=first)}


def _shade(column: Column) -> dict[str, object]:
    assert column.values is not None
    low, high = np.nanmin(column.values), np.nanmax(column.values)
    share = (column.values - low) / (high - low) if high > low else np.zeros(len(column.values))
    return {
        "shade": np.nan_to_num(share).astype(np.float32),
        "shade_title": f"{column.name}, 0 = {low:g}, 1 = {high:g}",
    }


def groups_found(space: Space) -> Clusters | None:
    """The groups of a space, once they are found; their names come from a column of texts if there is one."""
    words = next((name for name, column in columns(space).items() if column.kind == "texts"), "")
    least = whole_number("Smallest group", 2, 1_000, max(5, space.n // 100), key="ex_least", help="Items, 2 to 1,000.")
    name = ("ex_groups", space.digest, least)
    try:
        found = work.held(name, lambda: cache_explorer.clusters_of(space, least, words))
        if isinstance(found, Job):
            found = clusters_now(found, space, words) if work.wait_for(found) else None
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    if found is not None:
        apart = "" if found.silhouette is None else f", silhouette {found.silhouette:.2f}"
        st.caption(
            f"{len(found.sizes)} groups, {found.outside:.0%} of the items in none. In the original space {found.purity:.0%} of a member's nearest 15 are in its group "
            f"(at random {found.chance:.0%}){apart}. HDBSCAN on a UMAP layout of five dimensions: an offer, not a truth."
        )
    return found


def _group_names(found: Clusters) -> tuple[str, ...]:
    names = [f"{number + 1}: {name}" for number, name in enumerate(found.names)]
    order = np.argsort(-np.asarray(found.sizes), kind="stable")[:11]
    shown = set(order.tolist())
    return tuple("in no group" if x < 0 else names[x] if x in shown else "smaller groups" for x in found.labels)

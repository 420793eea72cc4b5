"""The explorer's picture: points colored by a column, by trust or by groups; what is picked and what matches marked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from embedkit.clusters import Clusters, clusters_now
from embedkit.errors import EmbedkitError
from embedkit.explore import Column, columns, groups_of
from embedkit.figures import MapMarks, name_axes, point_map
from embedkit.figures.density import density_image
from embedkit.figures.style import COLORS, shade_colors
from embedkit.figures.thinning import spread_rows
from embedkit.figures.thumbnails import MOST, Thumbnails, thumbnail_rows, thumbnails
from embedkit.jobs import Job
from embedkit.maps import MadeMap
from embedkit.neighbors import search
from embedkit.own_axes import ends_of
from embedkit.quality import lost_and_invented
from embedkit.space import Space, Vectors
from ui import cache_explorer, cache_points, work
from ui.controls import BIND, whole_number
from ui.explorer_look import GROUPS, NAMES, PICTURES, POINTS, TRUST, Looked
from ui.explorer_open import LIMIT, Opened
from ui.frame import chart, presenting
from ui.points import Selection, points

STEPS = 5  # colors of a column of numbers on our own component

# the image is made when it is asked for, outside of the page's run, where no control can be read
_coloring: WeakKeyDictionary[Looked, dict[str, Any]] = WeakKeyDictionary()


def figure_of(
    opened: Opened, made: MadeMap, looked: Looked, yours: Sequence[tuple[str, Vectors]] = ()
) -> Callable[[], go.Figure] | None:
    """Draw the map with what is picked; return what makes its figure, for up to as many points as plotly moves well.

    `yours`: names and coordinates of points of a person's own.
    """
    space = made.projection.space
    assert space is not None
    flat = made.projection.dims == 2
    colored = _colored(made, looked)
    _coloring[looked] = colored
    marks = _marks(made, looked)
    many = flat and space.n > LIMIT
    if not flat and looked.draw != POINTS:
        st.caption(f"A map of three dimensions is drawn as points; {looked.draw} need two.")
    own = flat and (many or looked.draw != POINTS)
    ends = ends_of(space, made.projection.axes) if made.projection.axes else ()

    def plotted() -> go.Figure:
        figure = point_map(
            made.projection.coords, space.items, gray=(~looked.match).tolist(), marks=marks, placed=yours, **colored
        )
        if ends:
            name_axes(figure, ends)
        return figure

    if own:
        _component(opened, made, looked, colored, marks, yours, ends)
        return None if many else plotted
    figure = plotted()
    st.session_state["ex_names"] = space.items
    options = {"selection_mode": ("points", "box", "lasso")} if flat else {"selection_mode": "points"}
    chart(
        figure,
        key="ex_event",
        on_select=_selected,
        zoom=True,
        alt=f"Map of {space.n:,} vectors by {made.projection.method}; picked: {looked.pick or 'none'}",
        **options,
    )
    return lambda: figure


def _marks(made: MadeMap, looked: Looked) -> MapMarks:
    """The pick, its true neighbors, those that the map lost and those that it invented."""
    space = made.projection.space
    assert space is not None
    if looked.pick is None or looked.pick not in space:
        return MapMarks()
    lost, invented = lost_and_invented(space, made.projection, looked.pick, looked.k, looked.metric)
    near = [n.row for n in search(space, looked.pick, min(looked.k, space.n - 1), looked.metric) if not n.asked]
    return MapMarks(space.row(looked.pick), tuple(near), tuple(map(space.row, lost)), tuple(map(space.row, invented)))


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


def _component(
    opened: Opened,
    made: MadeMap,
    looked: Looked,
    colored: dict[str, Any],
    marks: MapMarks,
    yours: Sequence[tuple[str, Vectors]],
    ends: Sequence[tuple[str, str]],
) -> None:
    """Our own component: for more points than plotly moves well, and for pictures and names as points."""
    space = made.projection.space
    assert space is not None
    coords = made.projection.coords
    codes, groups, colors = _codes(colored)
    chosen = _selected_rows(space)
    pictures = None
    labels: list[tuple[int, str, bool]] = []
    if looked.draw == PICTURES and opened.pictures is not None:
        pictures = _pictures(opened, made, looked, marks)
    else:
        labels = [(int(row), space.items[row], False) for row in spread_rows(coords, gray=~looked.match)]
    points(
        coords,
        key=f"ex_many:{space.digest[:12]}",
        codes=codes,
        groups=groups,
        colors=colors,
        names=space.items,
        gray=~looked.match,
        picked=chosen,
        labels=labels,
        marks=marks,
        pictures=pictures,
        many_names=looked.draw == NAMES,
        placed=yours,
        axes=(f"← {ends[0][0]}      {ends[0][1]} →", f"← {ends[1][0]}      {ends[1][1]} →") if ends else None,
        height=775 if presenting() else 620,
        alt=f"Map of {space.n:,} vectors by {made.projection.method}{'' if looked.draw == POINTS else f', {looked.draw} as points'}",
        on_pick=lambda found: _picked(space, found),
    )
    if len(chosen):
        st.caption(f"{len(chosen):,} of {space.n:,} points are selected.")
    if pictures is not None and len(pictures.rows) < space.n:
        st.caption(
            f"{len(pictures.rows):,} of {space.n:,} pictures are on the map, spread over it; the others are points. A pick brings those of its neighbors."
        )


def _pictures(opened: Opened, made: MadeMap, looked: Looked, marks: MapMarks) -> Thumbnails:
    space, whole, pictures = made.projection.space, opened.whole, opened.pictures
    assert space is not None
    assert pictures is not None
    coords = made.projection.coords
    first = [row for row in (marks.pick, *marks.near, *marks.invented) if row is not None]

    def make() -> Thumbnails:
        rows = thumbnail_rows(coords, gray=~looked.match, first=first, most=MOST)
        return thumbnails(pictures[[whole.row(space.items[row]) for row in rows]], rows)

    asked = () if space.n <= MOST else (first, np.packbits(looked.match).tobytes())
    known = (whole.digest, space.digest, coords.shape, coords.tobytes(), asked)
    return cache_points.thumbnails(hashlib.blake2b(repr(known).encode(), digest_size=16).hexdigest(), make)


def _codes(colored: dict[str, Any]) -> tuple[NDArray[np.uint8] | None, tuple[str, ...], list[str] | None]:
    """Number of the color of each point, what the colors mean, and the colors where they are not the palette."""
    if "groups" in colored:
        named = colored["groups"]
        groups = tuple(dict.fromkeys(named))
        places = {name: number for number, name in enumerate(groups)}
        return np.array([places[name] for name in named], np.uint8), groups, [_paint(i) for i in range(len(groups))]
    if "shade" in colored:
        shade = np.nan_to_num(np.asarray(colored["shade"], np.float64))
        codes = np.minimum((shade * STEPS).astype(np.uint8), STEPS - 1)
        return (
            codes,
            tuple(f"{colored['shade_title']}: from {number / STEPS:g}" for number in range(STEPS)),
            shade_colors(STEPS),
        )
    return None, (), None


def _paint(number: int) -> str:
    """The color of a group: after those of the palette, darker ones, as points of WebGL have no other shapes."""
    color = COLORS[number % len(COLORS)]
    share = 0.55 ** (number // len(COLORS))
    return "#" + "".join(f"{round(int(color[i : i + 2], 16) * share):02x}" for i in (1, 3, 5))


def map_image(made: MadeMap, looked: Looked) -> bytes:
    """The map as PNG on white, in the colors in which it was last drawn; also for very many points."""
    codes, _, colors = _codes(_coloring.get(looked, {}))
    png, _ = density_image(
        made.projection.coords[:, :2],
        codes=codes,
        colors=colors or COLORS[:1],
        gray=~looked.match,
        longest=1_600,
        ground="#ffffff",
    )
    return png


def _selected_rows(space: Space) -> NDArray[np.int64]:
    """Rows of this space that are selected, also those that plotly's map selected."""
    names = st.session_state.get("ex_rows", ())
    known = st.session_state.get("ex_rows_known")
    if known is None or known[0] is not names or known[1] != space.digest:  # names of 600,000 rows take a while
        rows = np.array([space.rows[name] for name in names if name in space.rows], np.int64)
        known = st.session_state["ex_rows_known"] = (names, space.digest, rows)
    found: NDArray[np.int64] = known[2]
    return found


def _picked(space: Space, found: Selection) -> None:
    """A click becomes the pick, a lasso the selected rows; nothing is neither."""
    if found.how == "click" and len(found.rows) == 1:
        st.session_state["ex_pick"] = space.items[int(found.rows[0])]
        return
    names = tuple(space.items[row] for row in found.rows.tolist())
    st.session_state["ex_rows"] = names
    st.session_state["ex_rows_known"] = (names, space.digest, found.rows)
    if not found.how:
        st.session_state["ex_pick"] = ""


def _colored(made: MadeMap, looked: Looked) -> dict[str, Any]:
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


def _shade(column: Column) -> dict[str, Any]:
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

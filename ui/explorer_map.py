"""The explorer's map: settings first, then run; color, search, selection; how far it can be believed, point by point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from embedkit.clusters import Clusters, clusters_now
from embedkit.errors import EmbedkitError, InputError
from embedkit.explore import Column, columns, groups_of, matching, sum_of
from embedkit.figures import MapMarks, point_map, trust_bars
from embedkit.figures.style import shade_colors
from embedkit.figures.thinning import spread_rows
from embedkit.jobs import Job
from embedkit.maps import MadeMap, Settings, map_key, request_map, result_of
from embedkit.neighbors import Metric, search
from embedkit.quality import lost_and_invented
from embedkit.space import Space
from ui import cache, cache_explorer, work
from ui.controls import BIND, choice, map_settings, text, whole_number
from ui.explorer_open import LIMIT, Opened
from ui.explorer_take import take_away
from ui.frame import MAP_NOTE, arithmetic, ask, chart, tries, why
from ui.points import Selection, points

MOST_LAID_OUT = 200_000
STEPS = 5  # colors of a column of numbers on a very large map
TRUST, GROUPS, NOTHING = "neighbors kept", "groups found", "nothing"
METRICS: dict[str, Metric] = {"cosine": "cosine", "Euclidean": "euclidean", "dot product": "dot"}


@dataclass(frozen=True, eq=False)
class Looked:
    """What the controls say: color, the rows that match the search, the picked item, k and metric."""

    color: str
    match: np.ndarray
    pick: str | None
    k: int
    metric: Metric


def view(opened: Opened, settings: Settings) -> None:
    """Draw the map and all that follows from a pick."""
    space = opened.shown
    ask(
        "A map of many numbers in two. Of the ten true neighbors of a point, how many stand among its ten on the map, in the mean?",
        ["Nearly all", "About half", "One or two"],
        "About half" if (made := _now(space, settings)) is None else _band(made),
        "" if made is None else f"Measured on this map: {made.quality.recall:.0%} of {made.quality.k}.",
        key="ex_guess",
    )
    looked = _look(opened, settings.metric)
    if space.n > MOST_LAID_OUT and settings.method != "pca":
        st.error(
            f"{settings.method.upper()} of {space.n:,} points would take an hour or more; at most {MOST_LAID_OUT:,} are laid out. Take a sample, or PCA.",
            icon=":material/error:",
        )
        return
    made = made_map(space, settings)
    if made is None:
        return
    figure = _figure(made, looked, opened)
    _trust(made)
    _answer(opened, made, looked)
    _new_point(opened, made)
    why(
        f"Each point is {space.d} numbers; the map keeps two or three of them, so it has to lose neighbors (dotted lines) and to invent some (rings). "
        "Lists of neighbors come from all numbers, over all vectors, also those that are not on the map. "
        f"Before you believe a group, look at the same map of shuffled numbers (*Noise and settings*): would nothing look like this? {MAP_NOTE}"
    )
    _arithmetic(made, looked)
    tries(
        [
            ("The same by PCA: straight, crowded, and always the same", {"ex_method": "PCA"}),
            ("Color by how many neighbors the map keeps", {"ex_color": TRUST}),
            ("Would noise look like this?", {"ex": "Noise and settings"}),
        ]
    )
    take_away(opened, made, settings, looked.pick, looked.k, looked.metric, st.session_state.get("ex_rows", ()), figure)


def settings_form() -> Settings:
    """The projection's settings, sent together."""
    with st.form("ex_map", border=False):
        with st.expander("Projection", icon=":material/tune:"):
            found = map_settings("ex_")
        metric = choice(
            "Near by",
            METRICS,
            key="ex_metric",
            help="Cosine: the angle alone. Euclidean: the distance. Dot product: the angle and the lengths.",
        )
        st.form_submit_button("Draw the map", icon=":material/draw:", type="primary", width="stretch")
    return Settings(found.method, found.dims, found.seed, metric, found.params)


def _now(space: Space, settings: Settings) -> MadeMap | None:
    """The map if it needs no waiting."""
    try:
        found = request_map(space, settings, cache.pool())
    except EmbedkitError:
        return None
    if isinstance(found, Job):
        return result_of(found, space, settings) if found.finished and found.state == "done" else None
    return found


def _band(made: MadeMap) -> str:
    return "Nearly all" if made.quality.recall > 0.75 else "About half" if made.quality.recall > 0.25 else "One or two"


def _look(opened: Opened, metric: Metric) -> Looked:
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
    return Looked(color or NOTHING, match, picked, k, metric)


def made_map(space: Space, settings: Settings) -> MadeMap | None:
    """The map; while it is made its progress is drawn, and None returned."""
    name = ("ex_map", map_key(space, settings))
    try:
        found = work.held(name, lambda: request_map(space, settings, cache.pool()))
        if not isinstance(found, Job):
            return found
        return result_of(found, space, settings) if work.wait_for(found) else None
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Run again", icon=":material/refresh:", key=f"ex_again_{name[1][:8]}", help="Make this map anew"):
            work.forget(name)
            st.rerun()
        return None


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


def _figure(made: MadeMap, looked: Looked, opened: Opened) -> go.Figure | None:
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


def _trust(made: MadeMap) -> None:
    q = made.quality
    if q.k == 0:
        st.caption("With so few points there are no neighborhoods to keep or lose.")
        return
    st.caption(
        f"How far to believe this map, {q.k} neighbors of each point{'' if q.sampled == len(q.point_recall) else f' (ranks of a sample of {q.sampled:,})'}: trustworthiness {q.trustworthiness:.3f}, "
        f"continuity {q.continuity:.3f}, kNN recall {q.recall:.3f}, rank correlation of distances {q.spearman:.2f}. 1 is perfect."
    )


def _answer(opened: Opened, made: MadeMap, looked: Looked) -> None:
    if looked.pick is None:
        st.info("Click a point, or type a name under Pick: its true neighbors answer.", icon=":material/ads_click:")
        return
    whole, space = opened.whole, made.projection.space
    assert space is not None
    st.subheader(f"What is near “{looked.pick}”", anchor=False)
    table, detail = st.columns([3, 2], gap="medium")
    with table:
        st.dataframe(
            neighbors_table(whole, looked.pick, looked.k, looked.metric),
            hide_index=True,
            key="ex_neighbors",
            alt=f"Nearest to {looked.pick} among all {whole.n:,} vectors by {looked.metric}",
        )
        st.caption(f"Exact, from all {whole.d} numbers, among all {whole.n:,} vectors.")
    with detail:
        if looked.pick not in space:
            st.info("It is not in the sample on this map.", icon=":material/info:")
            return
        row = space.row(looked.pick)
        kept = made.quality.point_recall[row]
        if np.isnan(kept):
            st.info("On a map of so many points only a sample was measured; this one is not among it.")
            return
        st.metric("Of its true neighbors the map keeps near", f"{kept:.0%}", border=True)
        lost, invented = lost_and_invented(space, made.projection, looked.pick, looked.k, looked.metric)
        st.markdown(f"**Lost by the map:** {', '.join(lost) or 'none'}")
        st.markdown(f"**Invented by the map:** {', '.join(invented) or 'none'}")
        chart(trust_bars(made.quality.point_recall), key="ex_bars", alt="How many points keep their neighbors")


def neighbors_table(space: Space, item: str, k: int, metric: Metric) -> pd.DataFrame:
    """The nearest items of an item with their columns."""
    near = search(space, item, min(k, space.n), metric)
    title = {"cosine": "cosine", "euclidean": "distance", "dot": "dot product"}[metric]
    found = pd.DataFrame({"item": [each.item for each in near], title: [each.score for each in near]})
    return pd.concat([found, space.meta.iloc[[each.row for each in near]].reset_index(drop=True)], axis=1)


def _new_point(opened: Opened, made: MadeMap) -> None:
    with st.expander("A point of your own", icon=":material/add_location:", key="ex_new", on_change="rerun") as box:
        if not box.open:
            return
        typed = text(
            "Sum of items",
            "",
            key="ex_sum",
            help="Items with + and - between blanks: king - man + woman.",
            placeholder="a - b + c",
        )
        if not typed:
            return
        try:
            vector, named = sum_of(opened.whole, typed)
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            return
        near = [n for n in search(opened.whole, vector, 10) if n.item not in named]
        st.dataframe(
            pd.DataFrame({"near": [n.item for n in near], "cosine": [n.score for n in near]}),
            hide_index=True,
            key="ex_sum_near",
            alt=f"Nearest to {typed}",
        )
        space = made.projection.space
        assert space is not None
        place = made.projection.transform(vector[None])[0]
        st.caption(f"On the map it lands at ({', '.join(f'{x:.2f}' for x in place)}); the map itself does not move.")


def _arithmetic(made: MadeMap, looked: Looked) -> None:
    with arithmetic("ex_sums") as is_open:
        if not is_open:
            return
        q = made.quality
        st.latex(r"\text{kNN recall} = \frac{1}{n k}\sum_i |N_k(i) \cap M_k(i)|")
        st.caption(
            f"N are the k = {q.k} nearest in the original space, M those on the map; here {q.recall:.4f} over {len(q.point_recall):,} points."
        )
        space = made.projection.space
        if looked.pick is None or space is None or looked.pick not in space:
            st.caption("Pick a point to see its own sum.")
            return
        share = float(made.quality.point_recall[space.row(looked.pick)])
        st.latex(rf"\frac{{{round(share * q.k)}}}{{{q.k}}} = {share:.2f}")
        st.caption(f"{looked.pick}: of its {q.k} true neighbors, {round(share * q.k)} are among its {q.k} on the map.")

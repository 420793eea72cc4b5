"""Two to four spaces over the same items, compared in their original numbers; linked maps only for the eye."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.compare import Comparison, aligned, comparison_now, neighbors_in
from embedkit.errors import EmbedkitError, JobStopped
from embedkit.explore import columns, groups_of
from embedkit.export import safe_csv
from embedkit.figures import MapMarks, point_map
from embedkit.jobs import Job
from embedkit.neighbors import Metric
from embedkit.projection import project
from embedkit.space import Space
from ui import cache, cache_explorer, work
from ui.controls import BIND, choice, text, whole_number
from ui.explorer_map import METRICS
from ui.explorer_open import HERE, list_names, sent, titles
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why

MOST = 20_000


def view() -> None:
    """Draw the whole view: which spaces, their figures, the items that changed, one item in each, linked maps."""
    chosen = st.multiselect(
        "Spaces",
        list(HERE),
        ["Handwritten digits, pixels", "Handwritten digits, autoencoder"],
        key="ex_cmp",
        bind=BIND,
        max_selections=4,
        help="Two to four with those below; items are matched by their names.",
    )
    more = _more()
    left, right = st.columns(2)
    with left:
        k = whole_number("Neighbors to compare", 1, 100, 10, key="ex_ck", help="1 to 100.")
    with right:
        metric = choice("Near by", METRICS, key="ex_cmetric", help="The same for all spaces.")
    try:
        opened = tuple(map(cache_explorer.kept_space, more))
        spaces = (*(cache.space(HERE[name]) for name in chosen), *opened)
        made = _compared(cache_explorer.in_common(spaces), k, metric)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    if made is None:
        return
    names = _unique([*chosen, *(space.title for space in opened)])
    first = made.pairs[0]
    ask(
        f"Of an item's {made.k} nearest in *{names[0]}*, how many are also nearest in *{names[1]}*, in the mean?",
        ["under 20 %", "20 to 50 %", "50 to 80 %", "over 80 %"],
        _band(first.mean),
        f"Measured: {first.mean:.0%}; two unrelated lists would share {first.chance:.1%}.",
        key="ex_cguess",
    )
    _figures(made, names)
    _changed(made, names)
    pick = _one(made, names)
    _maps(made, names, pick)
    why(
        "Two models may put the same items into spaces that look nothing like each other and still agree on what is near what, so neighbors and distances are compared, not coordinates. "
        "Overlap looks at the nearest alone, the rank correlation at all distances, CKA at the whole arrangement up to rotation and scale. Which items changed says more than any mean."
    )
    with arithmetic("ex_csums") as is_open:
        if is_open:
            item = pick or made.items[0]
            lists = [{each.item for each in near} for near in neighbors_in(made, item)]
            st.latex(r"\text{overlap}(i) = \frac{|N_k^A(i) \cap N_k^B(i)|}{k}")
            st.latex(rf"\frac{{{len(lists[0] & lists[1])}}}{{{made.k}}} = {len(lists[0] & lists[1]) / made.k:.2f}")
            st.caption(f"{item}: common are {', '.join(sorted(lists[0] & lists[1])) or 'none'}.")
            st.latex(
                r"\text{CKA} = \frac{\lVert B^\top A\rVert_F^2}{\lVert A^\top A\rVert_F \lVert B^\top B\rVert_F} = "
                + f"{first.cka:.4f}"
            )
    tries(
        [
            (
                "Words of MiniLM against words trained here",
                {"ex_cmp": ["Words, from MiniLM", "Words, trained on Wikipedia"]},
            ),
            ("Only the nearest neighbor", {"ex_ck": 1.0}),
            ("By distance in place of the angle", {"ex_cmetric": "Euclidean"}),
        ]
    )
    if not presenting():
        st.subheader("Take away", anchor=False)
        st.download_button(
            "Every item's overlap (CSV)",
            lambda: safe_csv(_overlaps(made, names)),
            "overlap.csv",
            "text/csv",
            key="ex_get_overlap",
            on_click="ignore",
            icon=":material/table:",
        )
        link_note()


def _compared(cut: tuple[Space, ...], k: int, metric: Metric) -> Comparison | None:
    """The comparison; while it is made its progress is drawn, and None returned."""
    name = ("ex_compare", *(space.digest for space in cut), k, metric)
    try:
        found = work.held(name, lambda: cache_explorer.comparison(cut, k, metric))
        if not isinstance(found, Job):
            return found
        return comparison_now(found, cut, metric) if work.wait_for(found) else None
    except JobStopped as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Compare again", icon=":material/refresh:", key="ex_again_compare", help="Compare these anew"):
            work.forget(name)
            st.rerun()
        return None


def _more() -> list[str]:
    """Keys of opened vectors to compare: chosen by their titles, while the keys stand in the link."""
    if "ex_more" not in st.session_state and "ex_more" not in st.query_params:
        st.session_state["ex_more"] = " ".join(sent())
    keys = str(st.session_state.get("ex_more", "") or st.query_params.get("ex_more", "")).split()
    list_names(keys)
    listed = titles()
    if listed:
        st.session_state["ex_more_titles"] = [key for key in keys if key in listed]
        st.multiselect(
            "Opened in this visit",
            list(listed),
            format_func=lambda each: listed.get(each, each),
            key="ex_more_titles",
            on_change=_choose,
            max_selections=4,
            placeholder="Choose vectors",
            help="Files that you opened here, and vectors that you sent from other pages.",
        )
    with st.expander("Names in the link", icon=":material/link:"):
        return text(
            "Opened vectors, by their names",
            "",
            key="ex_more",
            help="What you opened as files here, or sent from another page, comes by itself; apart by blanks.",
            placeholder="open files under Map, or send vectors from another page",
        ).split()


def _choose() -> None:
    chosen = st.session_state["ex_more_titles"]
    listed = titles()
    foreign = [key for key in str(st.session_state.get("ex_more", "")).split() if key not in listed]
    st.session_state["ex_more"] = " ".join([*foreign, *chosen])


def _unique(names: list[str]) -> list[str]:
    """Titles as column names: the second of the same gets a number."""
    return [name if name not in names[:at] else f"{name} ({at + 1})" for at, name in enumerate(names)]


def _band(share: float) -> str:
    return (
        "under 20 %" if share < 0.2 else "20 to 50 %" if share < 0.5 else "50 to 80 %" if share <= 0.8 else "over 80 %"
    )


def _figures(made: Comparison, names: list[str]) -> None:
    rows = [
        {
            "spaces": f"{names[pair.a]} / {names[pair.b]}",
            f"common neighbors of {made.k}": pair.mean,
            "at random": pair.chance,
            "linear CKA": pair.cka,
            "rank correlation of distances": pair.spearman,
        }
        for pair in made.pairs
    ]
    table = pd.DataFrame(rows)
    percent = st.column_config.NumberColumn(format="percent")
    three = st.column_config.NumberColumn(format="%.3f")
    st.dataframe(
        table,
        hide_index=True,
        key="ex_pairs",
        column_config=dict.fromkeys(table.columns[1:3], percent) | dict.fromkeys(table.columns[3:], three),
        alt="Neighbor overlap, CKA and rank correlation of each pair of spaces",
    )
    st.caption(
        f"{len(made.items):,} common items, by their names; neighbors by {made.metric} among these.{_found(made, names)}"
    )


def _found(made: Comparison, names: list[str]) -> str:
    """What is said of overlaps that were counted in approximate graphs; "" where all are exact."""
    found = [f"{share:.1%} in {name}" for name, share in zip(names, made.recalls, strict=True) if share is not None]
    if not found:
        return ""
    return f" Common neighbors of so many are approximate: of the true ones an index found {', '.join(found)}, measured on {made.sampled} items. Lists below are exact."


def _changed(made: Comparison, names: list[str]) -> None:
    st.subheader("What changed, what stayed", anchor=False)
    pairs = {f"{names[pair.a]} / {names[pair.b]}": (pair.a, pair.b) for pair in made.pairs}
    a, b = made.pairs[0].a, made.pairs[0].b
    if len(pairs) > 1:
        a, b = pairs[
            st.selectbox("Between", list(pairs), key="ex_between", help="A pair of spaces.") or next(iter(pairs))
        ]
    for place, title, rows in zip(
        st.columns(2),
        ("Changed most", "Changed least"),
        (made.changed(a, b, 10), made.kept(a, b, 10)),
        strict=True,
    ):
        with place:
            st.markdown(f"**{title}**")
            lists = [neighbors_in(made, item, 4) for item, _ in rows]
            st.dataframe(
                pd.DataFrame(
                    {
                        "item": [item for item, _ in rows],
                        "kept": [share for _, share in rows],
                        names[a]: [", ".join(each.item for each in near[a]) for near in lists],
                        names[b]: [", ".join(each.item for each in near[b]) for near in lists],
                    }
                ),
                hide_index=True,
                key=f"ex_{title[-5:].strip()}",
                column_config={"kept": st.column_config.NumberColumn(format="percent")},
                alt=f"{title}: items with both neighbor lists",
            )


def _one(made: Comparison, names: list[str]) -> str | None:
    typed = text("One item in each", made.items[0], key="ex_cone", help="Its neighbors in every space, side by side.")
    if typed not in made.spaces[0]:
        st.error(_unknown(made, typed), icon=":material/error:")
        return None
    lists = neighbors_in(made, typed)
    every = [{each.item for each in near} for near in lists]
    common = set.intersection(*every)
    st.dataframe(
        pd.DataFrame(
            {
                name: [f"{'● ' if each.item in common else ''}{each.item}" for each in near]
                for name, near in zip(names, lists, strict=True)
            }
        ),
        hide_index=True,
        key="ex_lists",
        alt=f"Neighbors of {typed} in each space",
    )
    st.caption(f"● stands in all lists: {len(common)} of {made.k}.")
    return typed


def _unknown(made: Comparison, typed: str) -> str:
    try:
        made.spaces[0].row(typed)
    except EmbedkitError as error:
        return str(error)
    return ""


def _maps(made: Comparison, names: list[str], pick: str | None) -> None:
    if len(made.items) > MOST:
        st.caption(f"Maps are drawn for up to {MOST:,} common items; these are {len(made.items):,}.")
        return
    st.subheader("The same items, one map each", anchor=False)
    onto = None
    column = next((c for c in columns(made.spaces[0]).values() if c.kind == "groups"), None)
    groups = groups_of(column) if column is not None else None
    for place, name, space in zip(st.columns(len(names)), names, made.spaces, strict=True):
        coords = project(space, method="pca").coords
        onto = coords if onto is None else onto
        row = space.row(pick) if pick else None
        near = tuple(space.row(each.item) for each in neighbors_in(made, pick)[names.index(name)]) if pick else ()
        figure = point_map(
            aligned(coords, onto), space.items, groups=groups, marks=MapMarks(row, near), labels=0, height=360
        )
        figure.update_layout(showlegend=False)
        with place:
            st.markdown(f"**{name}**")
            chart(figure, key=f"ex_m{names.index(name)}", alt=f"PCA of {name}, turned onto the first")
    st.caption(
        "PCA of each, turned, mirrored and scaled as a whole onto the first, so that the eye can follow. Lists come from all numbers."
    )


def _overlaps(made: Comparison, names: list[str]) -> pd.DataFrame:
    found = {"item": made.items}
    for pair in made.pairs:
        found[f"{names[pair.a]} / {names[pair.b]}"] = pair.overlap
    return pd.DataFrame(found)

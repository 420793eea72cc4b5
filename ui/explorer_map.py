"""The explorer's map: settings first, then run; color, search, selection; how far it can be believed, point by point."""

from __future__ import annotations

from functools import partial

import numpy as np
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.jobs import Job
from embedkit.maps import MadeMap, Settings, kept_of, map_key, request_map, result_of
from embedkit.neighbors import Metric
from embedkit.projection import OWN_AXES, recipe_of
from embedkit.space import Space
from ui import cache, work
from ui.controls import choice, map_settings
from ui.explorer_answer import answer, graph_note
from ui.explorer_axes import WHY_AXES, axes_form, axes_note, axes_sums
from ui.explorer_draw import figure_of, map_image
from ui.explorer_look import TRUST, Looked, look
from ui.explorer_new import answer_new, new_points, placed
from ui.explorer_open import Opened
from ui.explorer_take import take_away
from ui.frame import MAP_NOTE, arithmetic, ask, tries, why

MOST_LAID_OUT = 200_000
METRICS: dict[str, Metric] = {"cosine": "cosine", "Euclidean": "euclidean", "dot product": "dot"}


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
    looked = look(opened, settings.metric)
    yours = new_points(opened)
    if space.n > MOST_LAID_OUT and settings.method not in ("pca", "axes"):
        st.error(
            f"{recipe_of(settings.method).title} of {space.n:,} points would take an hour or more; at most {MOST_LAID_OUT:,} are laid out. Take a sample, PCA, or own axes.",
            icon=":material/error:",
        )
        return
    made = made_map(space, settings)
    if made is None:
        return
    yours = placed(made, yours)
    figure = figure_of(opened, made, looked, [(each.name, each.place) for each in yours if each.place is not None])
    axes_note(made)
    _trust(made)
    answer(opened, made, looked)
    answer_new(opened, yours, looked.k, looked.metric)
    why(
        WHY_AXES
        if settings.method == "axes"
        else f"Each point is {space.d} numbers; the map keeps two or three of them, so it has to lose neighbors (dotted lines) and to invent some (rings). "
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
    rows = st.session_state.get("ex_rows", ())
    image = partial(map_image, made, looked)
    take_away(opened, made, settings, looked.pick, looked.k, looked.metric, rows, figure, image)


def settings_form(opened: Opened) -> Settings:
    """The projection's settings, sent together."""
    with st.form("ex_map", border=False):
        with st.expander("Projection", icon=":material/tune:"):
            found = map_settings("ex_", more={"axes": OWN_AXES})
        axes = axes_form(opened, found.dims) if found.method == "axes" else ()
        metric = choice(
            "Near by",
            METRICS,
            key="ex_metric",
            help="Cosine: the angle alone. Euclidean: the distance. Dot product: the angle and the lengths.",
        )
        st.form_submit_button("Draw the map", icon=":material/draw:", type="primary", width="stretch")
    return Settings(found.method, found.dims, found.seed, metric, found.params, axes)


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


def _trust(made: MadeMap) -> None:
    q = made.quality
    if q.k == 0:
        st.caption("With so few points there are no neighborhoods to keep or lose.")
        return
    st.caption(
        f"How far to believe this map, {q.k} neighbors of each point{'' if q.sampled == len(q.point_recall) else f' (ranks of a sample of {q.sampled:,})'}: trustworthiness {q.trustworthiness:.3f}, "
        f"continuity {q.continuity:.3f}, kNN recall {q.recall:.3f}, rank correlation of distances {q.spearman:.2f}. 1 is perfect."
    )
    if note := graph_note(made):
        st.caption(note)


def _arithmetic(made: MadeMap, looked: Looked) -> None:
    with arithmetic("ex_sums") as is_open:
        if not is_open:
            return
        axes_sums(made, looked.pick)
        q = made.quality
        st.latex(r"\text{kNN recall} = \frac{1}{n k}\sum_i |N_k(i) \cap M_k(i)|")
        st.caption(
            f"N are the k = {q.k} nearest in the original space, M those on the map; here {q.recall:.4f} over {int(np.isfinite(q.point_recall).sum()):,} points."
        )
        space = made.projection.space
        if looked.pick is None or space is None or looked.pick not in space:
            st.caption("Pick a point to see its own sum.")
            return
        share = kept_of(made, looked.pick)
        st.latex(rf"\frac{{{round(share * q.k)}}}{{{q.k}}} = {share:.2f}")
        st.caption(f"{looked.pick}: of its {q.k} true neighbors, {round(share * q.k)} are among its {q.k} on the map.")

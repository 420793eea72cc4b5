"""Before you believe a map: the same map of shuffled numbers, and the same vectors under other settings, side by side."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from embedkit.explore import columns, groups_of, sample_rows
from embedkit.figures import point_map
from embedkit.maps import MadeMap, Settings, map_key
from embedkit.projection import recipe_of
from embedkit.space import Space
from ui import cache_explorer
from ui.controls import BIND
from ui.explorer_map import made_map
from ui.explorer_open import Opened
from ui.frame import ask, chart, why

VALUES = {"n_neighbors": (5, 15, 50), "perplexity": (5, 30, 80), "min_dist": (0.0, 0.1, 0.8)}
VALUES |= {"MN_ratio": (0.0, 0.5, 2.0), "FP_ratio": (0.5, 2.0, 4.0)}
HEIGHT = 320
DRAWN = 800  # points of a small map


def view(opened: Opened, settings: Settings) -> None:
    """Draw the maps one beside the other, each as soon as it is made."""
    space = opened.shown
    groups, seen = _groups(space), dict[str, MadeMap | None]()
    st.subheader("Would noise look like this?", anchor=False)
    if space.n > DRAWN:
        st.caption(f"Of {space.n:,} points {DRAWN} are drawn on these small maps; the figures below are of all.")
    left, right = st.columns(2)
    with left:
        real = _small("Your vectors", space, settings, groups, "ex_real", seen)
    with right:
        noise = _small(
            "The same numbers, shuffled", cache_explorer.shuffled(space, 0), settings, groups, "ex_noise", seen
        )
    if real is not None and noise is not None:
        ask(
            "Shuffling takes every relation away and leaves each number's values as they are. Which figure tells real from noise?",
            ["how grouped it looks", "kNN recall of the map", "rank correlation of distances"],
            _telling(real, noise),
            f"kNN recall {real.quality.recall:.2f} against {noise.quality.recall:.2f}, rank correlation {real.quality.spearman:.2f} against {noise.quality.spearman:.2f}; looks deceive.",
            key="ex_noise_guess",
        )
    st.subheader("The same vectors, other settings", anchor=False)
    names = list(recipe_of(settings.method).bounds)
    if not names:
        title = recipe_of(settings.method).title
        st.caption(f"{title} has no settings: it is always the same. Choose UMAP, PaCMAP or t-SNE under Projection.")
    else:
        name = st.selectbox("Over which setting", names, key="ex_over", bind=BIND, help="The others stay as they are.")
        for place, value in zip(st.columns(3), VALUES[name or names[0]], strict=True):
            with place:
                changed = dict(settings.params) | {name or names[0]: float(value)}
                at = replace(settings, params=tuple(changed.items()))
                _small(f"{name} {value:g}", space, at, groups, f"ex_v{value:g}", seen)
    st.subheader("The same settings, other seeds", anchor=False)
    if not names:
        st.caption("Nor does it draw by chance, so every seed gives the map above.")
    else:
        for place, seed in zip(st.columns(3), (0, 1, 2), strict=True):
            with place:
                at = replace(settings, seed=seed)
                _small(f"seed {seed}", space, at, groups, f"ex_s{seed}", seen)
    why(
        "A projection draws something for any numbers, also for none that mean anything. What stays when seed and settings change belongs to the data; what changes does not. "
        "Groups in the map of shuffled numbers are the method's own. The figures below each map compare it with the original space, where there is no map at all."
    )


def _groups(space: Space) -> tuple[str, ...] | None:
    column = next((column for column in columns(space).values() if column.kind == "groups"), None)
    return groups_of(column) if column is not None else None


def _telling(real: MadeMap, noise: MadeMap) -> str:
    recall = real.quality.recall - noise.quality.recall
    rank = real.quality.spearman - noise.quality.spearman
    return "kNN recall of the map" if recall >= rank else "rank correlation of distances"


def _small(
    title: str,
    space: Space,
    settings: Settings,
    groups: tuple[str, ...] | None,
    key: str,
    seen: dict[str, MadeMap | None],
) -> MadeMap | None:
    """One small map with its figures; the one that stands twice on the page is waited for once."""
    st.markdown(f"**{title}**")
    name = map_key(space, settings)
    if name not in seen:
        seen[name] = made_map(space, settings)
    elif seen[name] is None:
        st.caption("The same map as one above; it is being made.")
    found = seen[name]
    if found is None:
        return None
    rows = sample_rows(space, DRAWN)  # few enough for SVG: browsers hold few WebGL figures at once
    names = [space.items[row] for row in rows]
    some = [groups[row] for row in rows] if groups else None
    figure = point_map(found.projection.coords[rows], names, groups=some, labels=0, height=HEIGHT)
    figure.update_layout(showlegend=False)
    chart(figure, key=key, alt=f"{title}: map of {space.n:,} vectors by {settings.method}")
    q = found.quality
    st.caption(f"kNN recall {q.recall:.2f}, trustworthiness {q.trustworthiness:.2f}, distances {q.spearman:.2f}")
    return found

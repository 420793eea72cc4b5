"""You are a user: pick films, see where you land and what is recommended, and why; and a film that nobody has seen."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from scipy.sparse import csr_matrix

from embedkit.errors import EmbedkitError
from embedkit.figures import towers_map
from embedkit.interactions.data import new_film
from embedkit.interactions.towers import Towers
from embedkit.interactions.training import Seen, reasons
from embedkit.neighbors import search
from ui import cache_interactions
from ui.controls import BIND, text, whole_number
from ui.frame import arithmetic, chart, tries, why
from ui.interactions_setup import Setup
from ui.interactions_train import finished

FIRST = 5
SHOWN = 10


def view(setup: Setup) -> None:
    """Draw the whole view, once the towers are trained."""
    job = finished(setup)
    if job is None:
        return
    try:
        towers = cache_interactions.towers(setup.watched, setup.recipe)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    shown = cache_interactions.towers_seen(job.key, setup.recipe.epochs)
    assert shown is not None
    items = list(setup.table.items)
    popular = [items[row] for row in np.argsort(-cache_interactions.popularity(setup.watched), kind="stable")[:FIRST]]
    picked = st.multiselect(
        "Films you liked",
        items,
        popular,
        key="liked",
        bind=BIND,
        help="Five or so; the list below follows at once.",
        max_selections=30,
    )
    rows = [items.index(name) for name in picked]
    if not setup.recipe.history:
        st.warning(
            "These towers do not read what somebody watched, so your picks change nothing: the list is that of the most watched films. Switch on the films watched under More settings.",
            icon=":material/block:",
        )
    elif not rows:
        st.info(
            "Pick a film: without one there is nothing to go by, and the list is that of the most watched films.",
            icon=":material/movie:",
        )
    you = towers.users(_watched(rows, len(items)))[0]
    _map(setup, job.key, shown, job.steps, you, rows)
    _list(setup, towers, you, rows)
    _new(setup, towers, shown)
    why(
        "Your vector is a sum over the films you picked, so every score is a sum over them too: the reason named is the pick that adds most. "
        "Nobody has trained on you: the user's tower reads films, so it can place a new person at once. A new film has no history, "
        "but its genres, year and title put it somewhere; an item that is only an id would have no place at all."
    )
    _sums(setup, towers, you, rows)
    tries(
        [
            ("Only old science fiction", {"liked": [name for name in items if "Sci-Fi" in _genres(setup, name)][:5]}),
            ("Only musicals", {"liked": [name for name in items if "Musical" in _genres(setup, name)][:5]}),
            ("Items by id alone: what becomes of a new film?", {"reads": ["id"]}),
        ]
    )


def _genres(setup: Setup, name: str) -> str:
    return str(setup.table.films["genres"].iloc[setup.table.items.index(name)])


def _watched(rows: list[int], n: int) -> csr_matrix:
    return csr_matrix((np.ones(len(rows), np.float32), ([0] * len(rows), rows)), shape=(1, n))


def _map(setup: Setup, key: str, shown: Seen, steps: tuple[int, ...], you: np.ndarray, rows: list[int]) -> None:
    users, places, _ = cache_interactions.towers_plane(key, shown.epoch, steps)
    groups = [str(genres).split("|")[0] or "unknown" for genres in setup.table.films["genres"]]
    star = cache_interactions.on_plane(key, shown.epoch, steps, you[None])[0]
    chart(
        towers_map(
            users,
            places,
            setup.table.items,
            groups,
            popularity=cache_interactions.popularity(setup.watched),
            you=star,
            marked=rows,
            height=420,
        ),
        key="you_map",
        zoom=True,
        alt=f"Where you land among {len(users)} users and {len(places)} films",
    )


def _list(setup: Setup, towers: Towers, you: np.ndarray, rows: list[int]) -> None:
    st.subheader("Recommended to you", anchor=False)
    scores = towers.items() @ you
    order = [int(row) for row in np.argsort(-scores, kind="stable") if row not in rows][:SHOWN]
    because = []
    for row in order:
        found = reasons(towers, rows, row) if rows and setup.recipe.history else []
        because.append(f"{setup.table.items[found[0][0]]} ({found[0][1]:+.2f})" if found else "most watched")
    st.dataframe(
        pd.DataFrame(
            {
                "film": [setup.table.items[row] for row in order],
                "genres": [str(setup.table.films["genres"].iloc[row]).replace("|", ", ") for row in order],
                "score": [float(scores[row]) for row in order],
                "because of": because,
            }
        ),
        hide_index=True,
        key="recommended",
        column_config={"score": st.column_config.NumberColumn(format="%.3f")},
        alt="Ten recommended films with their scores and the pick that added most to each",
    )
    st.caption(
        "Score: the inner product of your vector and the film's. Because of: the pick that adds most to it, and how much."
    )


def _new(setup: Setup, towers: Towers, shown: Seen) -> None:
    st.subheader("A film that nobody has seen", anchor=False)
    with st.container(horizontal=True):
        title = text("Title", "A Robot in the Desert", key="ntitle", help="Read by MiniLM; only its meaning counts.")
        year = whole_number("Year", 1900, 2030, 1999, key="nyear", help="From 1900 to 2030.")
        known = sorted({genre for row in setup.table.films["genres"] for genre in str(row).split("|") if genre})
        default = [genre for genre in ("Sci-Fi", "Adventure") if genre in known]
        genres = st.multiselect("Genres", known, default, key="ngenres", bind=BIND, help="As many as fit.")
    vector = towers.new_items(new_film(setup.table, title, year, genres))[0, :-1]
    if not np.abs(vector).max() > 0:
        st.warning(
            "The item's tower reads only ids, and a new film has none: it has no place. Switch on genres, year or title.",
            icon=":material/block:",
        )
        return
    near = search(cache_interactions.item_space(setup.watched, setup.recipe), vector, 8, "cosine")
    st.dataframe(
        pd.DataFrame({"near by": [each.item for each in near], "cosine": [each.score for each in near]}),
        hide_index=True,
        key="new_near",
        column_config={"cosine": st.column_config.NumberColumn(format="%.3f")},
        alt="Films nearest to the new one by cosine",
    )


def _sums(setup: Setup, towers: Towers, you: np.ndarray, rows: list[int]) -> None:
    with arithmetic("you_sums") as is_open:
        if not is_open or not rows or not setup.recipe.history:
            return
        scores = towers.items() @ you
        best = next((int(row) for row in np.argsort(-scores, kind="stable") if row not in rows), None)
        if best is None:  # a small table, all of it picked
            return
        parts = reasons(towers, rows, best)
        bias = float(towers.items()[best, -1])
        st.latex(r"s = \sum_{j \in \text{picks}} \frac{h_j \cdot v}{\sqrt{n}} + b_v")
        shown = " + ".join(f"({value:.3f})" for _, value in parts[:8])
        more = r" + \dots" if len(parts) > 8 else ""
        st.latex(rf"{shown}{more} + ({bias:.3f}) = {scores[best]:.4f}")
        st.caption(
            f"v is the vector of {setup.table.items[best]}, the first of the list; each term is one of your {len(rows)} picks; the last is the film's own bias."
        )

"""What goes wrong with two towers, with numbers: no negatives, popular negatives, new films, drift; and transfer."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
import streamlit as st

from embedkit.interactions.data import Watched
from embedkit.interactions.pitfalls import (
    drift_results,
    negatives_results,
    new_films_results,
    request_drift,
    request_negatives,
    request_new_films,
)
from embedkit.sources.interactions import Interactions
from ui import cache
from ui.frame import arithmetic, ask, tries, why
from ui.work import result_of

RETRAINED = {"seed": "another seed", "later": "later rows", "later-seed": "later rows and another seed"}
PERCENT = st.column_config.NumberColumn(format="percent")
THREE = st.column_config.NumberColumn(format="%.3f")


def view(watched: Watched, table: Interactions) -> None:
    """The experiments, each as soon as it is measured."""
    _negatives(watched)
    _new_films(watched)
    _drift(watched)
    why(
        "A loss that only pulls together is best served by one point for everybody: the effective rank tells. "
        "Negatives say what does not fit; if they are drawn only by popularity, popular films are pushed away more than they deserve. "
        "An id has to be learned by being watched, so a new film has none; genres, year and title serve from the first day. "
        "Two trainings may find the same arrangement turned differently, since inner products do not change when both towers are turned: old users with new items then fail, until one rotation is found on what both know."
    )
    with arithmetic("pit_sums") as is_open:
        if is_open:
            st.latex(
                r"\text{effective rank} = \exp\Big(-\sum_i p_i \log p_i\Big), \quad p_i = \sigma_i / \sum_j \sigma_j"
            )
            st.latex(
                r"R = \arg\min_{R^\top R = I} \lVert V_{\text{old}} R - V_{\text{new}} \rVert, \qquad \hat u = u_{\text{old}} R"
            )
            st.caption(
                "σ are the singular values of the item vectors; V holds the items that both trainings know, a row each. With V_old^T V_new = A Σ B^T, the rotation is R = A B^T."
            )
    tries(
        [
            ("Watch the collapse happen", {"do": "Train", "loss": "BPR", "neg": "none"}),
            ("Popularity-only negatives, in sight", {"do": "Train", "loss": "BPR", "neg": "popularity"}),
            ("Items by features alone", {"do": "Train", "reads": ["genres", "year", "title"]}),
        ]
    )


def _negatives(watched: Watched) -> None:
    st.subheader("What the negatives do", anchor=False)
    entry = result_of(("negatives", watched), lambda: request_negatives(watched, cache.pool()))
    if entry is None:
        return
    found = negatives_results(entry)
    names = [each.name for each in found]
    if len(found) > 4:
        worst = min(found, key=lambda each: each.rank)
        ask(
            "One of these trainings ends with nearly all item vectors on one line. Which?",
            names,
            worst.name,
            f"Measured: effective rank {worst.rank:.1f}, mean cosine {worst.cosine:.2f}, recall@10 {worst.recall:.3f}.",
            key="pguess",
        )
    rows = pd.DataFrame(
        {
            "loss and negatives": names,
            "recall@10": [each.recall for each in found],
            "effective rank": [each.rank for each in found],
            "mean cosine": [each.cosine for each in found],
            "coverage": [each.coverage for each in found],
            "places to the most watched tenth": [each.head for each in found],
        }
    )
    st.dataframe(
        rows,
        hide_index=True,
        key="negatives",
        column_config={
            "recall@10": THREE,
            "effective rank": st.column_config.NumberColumn(format="%.1f"),
            "mean cosine": THREE,
            "coverage": PERCENT,
            "places to the most watched tenth": PERCENT,
        },
        alt="Recall, effective rank, mean cosine, coverage and share of popular films by loss and negatives",
    )
    by_name = {each.negatives: each for each in found if each.loss == "BPR"}
    never = by_name["popularity"].never_titles if "popularity" in by_name else ()
    said = (
        f" With popularity-only negatives these well-watched films stand in no list: {', '.join(never[:5])}."
        if never
        else ""
    )
    st.caption(
        f"On held-out rows. The most watched tenth of the films makes {found[0].head_held:.0%} of the held-out rows.{said}"
    )


def _new_films(watched: Watched) -> None:
    st.subheader("A film without a past", anchor=False)
    entry = result_of(("newfilms", watched), lambda: request_new_films(watched, cache.pool()))
    if entry is None:
        return
    found = new_films_results(entry)
    st.dataframe(
        pd.DataFrame(
            {
                "the item's tower reads": [each.name.replace("-", " + ") for each in found],
                "recall@10 among the new films": [each.recall for each in found],
                "chance": [each.chance for each in found],
            }
        ),
        hide_index=True,
        key="new_films",
        column_config={"recall@10 among the new films": THREE, "chance": THREE},
        alt="Recall at 10 of films that no training knew, by what the item's tower reads",
    )
    st.caption(
        f"A fifth of the films ({found[0].films}) was kept from the training entirely, and is ranked among itself, for the {found[0].users:,} users who watched one of them."
    )


def _drift(watched: Watched) -> None:
    st.subheader("Old users, new items", anchor=False)
    entry = result_of(("drift", watched), lambda: request_drift(watched, cache.pool()))
    if entry is None:
        return
    found = drift_results(entry)
    rows = pd.DataFrame([asdict(each) for each in found])
    rows["name"] = [RETRAINED.get(each.name, each.name) for each in found]
    shown = rows[["name", "old", "new", "crossed", "rotated", "repaired", "popularity"]]
    shown.columns = [
        "retrained with",
        "old with old",
        "new with new",
        "old users, new items",
        "after a rotation",
        "of the loss repaired",
        "popularity alone",
    ]
    st.dataframe(
        shown,
        hide_index=True,
        key="drift",
        column_config=dict.fromkeys(shown.columns[1:], THREE) | {"of the loss repaired": PERCENT},
        alt="Recall at 10 of old and new vectors, crossed, and crossed after a rotation",
    )
    whole = [each.name for each in found if each.repaired is None]
    st.caption(
        ("Where the share repaired is empty, nothing was lost. " if whole else "")
        + "Recall@10 on rows that neither training saw. The rotation is found on the item vectors that both trainings have; no user is trained again."
    )

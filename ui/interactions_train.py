"""Training two towers in sight: users and items in one map, recall by epoch, the collapse meter, the table to beat."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.export import parquet, safe_csv, towers_script, worksheet
from embedkit.figures import recall_lines, towers_map
from embedkit.interactions.towers import TowerRecipe
from embedkit.interactions.training import KEPT, Seen, request_table, request_towers
from embedkit.jobs import Job
from ui import cache, cache_interactions, work
from ui.controls import BIND
from ui.explorer_open import send_button
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.interactions_setup import Setup

COLUMNS = {
    "method": "method",
    "precision": "P@10",
    "recall": "R@10",
    "ndcg": "NDCG@10",
    "ndcg_whole": "NDCG (TOIS)",
    "coverage": "coverage",
    "novelty": "novelty, bits",
}


def finished(setup: Setup) -> Job | None:
    """The finished training of a setup. Else it runs, and its progress, its stop or its error is drawn; then None."""
    held = st.session_state.get("towers_job")
    if held is None or held.key != setup.key:
        held = request_towers(setup.watched, setup.recipe, cache.pool())
        st.session_state["towers_job"] = held
    held.wait(0.1)
    if not held.finished:
        _live(held, setup)
        return None
    try:
        held.result()
    except EmbedkitError as error:
        if held.state == "stopped" and held.steps:
            shown = cache_interactions.towers_seen(held.key, held.steps[-1])
            st.info(
                f"Stopped after epoch {held.steps[-1]} of {setup.recipe.epochs}; the last step is kept.",
                icon=":material/pause_circle:",
            )
            if shown is not None:
                draw(setup, held.key, shown, held.steps)
        else:
            st.error(str(error), icon=":material/error:")
        if st.button("Train again", icon=":material/refresh:", key="tagain", help="Start this training anew"):
            st.session_state.pop("towers_job", None)
            st.rerun()
        return None
    return held


@st.fragment(run_every=0.6)
def _live(job: Job, setup: Setup) -> None:
    """The training as it is now; it draws itself again and again, the rest of the page stands still."""
    if job.finished:
        st.rerun()
    work.training_bar(job, "stop_towers")
    steps = job.steps
    shown = cache_interactions.towers_seen(job.key, steps[-1]) if steps else None
    if shown is None:
        st.caption("The first step is being made.")
        return
    draw(setup, job.key, shown, steps)


def view(setup: Setup) -> None:
    """Draw the training, and once it is finished the slider back through its steps and the table."""
    job = finished(setup)
    if job is None:
        return
    rows = _rows(setup, job)
    _guess(rows)
    steps = job.steps or (setup.recipe.epochs,)
    back = int(
        st.slider(
            "Step back",
            1 - KEPT,
            0,
            0,
            key="tback",
            bind=BIND,
            help="0 is the finished training; to the left, ever earlier steps.",
        )
    )
    epoch = steps[max(0, len(steps) - 1 + back)]
    shown = cache_interactions.towers_seen(job.key, epoch) or cache_interactions.towers_seen(job.key, steps[-1])
    if shown is None:
        st.error("The steps of this training are no longer kept. Press Train again.", icon=":material/error:")
        return
    draw(setup, job.key, shown, steps)
    _table(rows)
    if setup.watched.key == "cinema":
        _true(setup, shown)
    _explain(setup, job, shown, rows)


def draw(setup: Setup, key: str, shown: Seen, steps: tuple[int, ...]) -> None:
    """Users and items in one map, and beside it recall and the collapse meter by epoch."""
    last = shown.curve[-1]
    with st.container(horizontal=True):
        st.metric("Epoch", f"{shown.epoch} of {shown.epochs}", width="content")
        st.metric("Recall@10, held-out", f"{last[2]:.3f}", width="content")
        st.metric(
            "Mean cosine of items",
            f"{last[3]:.3f}",
            width="content",
            help="Near 1: all items point one way, the space has collapsed.",
        )
        st.metric(
            "Effective rank of items",
            f"{last[4]:.1f} of {setup.recipe.dims}",
            width="content",
            help="exp of the entropy of the singular values: how many directions are in use.",
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        users, items, share = cache_interactions.towers_plane(key, shown.epoch, steps)
        groups = [str(genres).split("|")[0] or "unknown" for genres in setup.table.films["genres"]]
        chart(
            towers_map(
                users, items, setup.table.items, groups, popularity=cache_interactions.popularity(setup.watched)
            ),
            key="towers_map",
            zoom=True,
            alt=f"{len(users)} users and {len(items)} items on one map after epoch {shown.epoch}",
        )
        how = (
            "The two numbers themselves."
            if setup.recipe.dims == 2
            else f"PCA of the directions of both, {share:.0%} of their variance; turned so that steps can be compared."
        )
        st.caption(
            f"Gray: users. Colored: items by their first genre. {how} A user's list is made from all {setup.recipe.dims} numbers."
        )
    with right:
        chart(
            recall_lines(shown.curve, shown.epoch, setup.recipe.dims),
            key="recall_lines",
            alt="Recall@10 on held-out rows and effective rank of the items by epoch",
        )


def _rows(setup: Setup, job: Job) -> pd.DataFrame:
    """The table: the towers, then the methods to beat as far as they are measured."""
    found = [{"method": "Two towers", **job.result().meta["ranking"]}]
    beside = work.held(("table", setup.watched), lambda: request_table(setup.watched, cache.pool()))
    if not work.wait_for(beside):
        entry = beside.step(beside.steps[-1]) if beside.steps else None
        found += entry.meta["rows"] if entry is not None else []
    else:
        try:
            found += beside.result().meta["rows"]
        except EmbedkitError as error:
            st.warning(str(error), icon=":material/error:")
            if st.button("Run again", icon=":material/refresh:", key="again_table", help="Measure these methods anew"):
                work.forget(("table", setup.watched))
                st.rerun()
    if setup.watched.key == "cinema":
        found.append({"method": "The true tastes (simulated: not to be beaten)", **cache_interactions.oracle()})
    return pd.DataFrame(found)[list(COLUMNS)].rename(columns=COLUMNS)


def _guess(rows: pd.DataFrame) -> None:
    names = [name for name in rows["method"] if not name.startswith("The true")]
    if len(names) < 3:
        return
    scores = rows.set_index("method")["R@10"]
    best = max(names, key=lambda name: scores[name])
    ask(
        "A film list for each person, ten films long. Which of these methods finds most of the films that were held back?",
        names,
        best,
        f"Measured: recall@10 {scores[best]:.3f} by {best}; popularity alone gets {scores['Popularity']:.3f}."
        if "Popularity" in scores
        else "",
        key="iguess",
    )


def _table(rows: pd.DataFrame) -> None:
    st.dataframe(
        rows,
        hide_index=True,
        key="ranking",
        column_config={
            name: st.column_config.NumberColumn(format="%.4f" if name[0] in "PRN" else "%.3f")
            for name in rows.columns[1:]
        },
        alt="Precision, recall and NDCG at 10, coverage and novelty of the towers and of the methods to beat",
    )
    st.caption(
        "A fifth of each user's rows is held out. The whole catalogue is ranked, less what the user watched in training. NDCG@10 divides by the best that ten places allow, "
        "NDCG (TOIS) by the best over all held-out items. Coverage: the share of items that stand in any list. Novelty: how rarely listed items were watched."
    )


def _true(setup: Setup, shown: Seen) -> None:
    with st.expander(
        "The rule of the simulation, and the true tastes", icon=":material/science:", key="rule", on_change="rerun"
    ) as box:
        if not box.open:
            return
        st.markdown(setup.table.simulated)
        near = cache_interactions.nearness_to_truth(shown)
        st.metric("Rank correlation of who is like whom, learned against true", f"{near:.2f}")
        st.caption(
            "Spearman's correlation over 20,000 pairs of users: the cosine of their learned vectors against that of their true tastes. 1 would be the same order."
        )
        row = (
            int(st.slider("User", 1, setup.table.n_users, 1, key="who", bind=BIND, help="Whose true tastes to show."))
            - 1
        )
        st.markdown(f"User {row + 1} {cache_interactions.true_tastes().likes(row)}.")


def _explain(setup: Setup, job: Job, shown: Seen, rows: pd.DataFrame) -> None:
    why(
        "One tower turns a user into a vector, the other an item; what fits has a large inner product. "
        "The item vectors can be made beforehand, so a list for a person is one search among them. "
        "What is watched is pulled together; without something that pushes the rest apart everything would end at one point, which the collapse meter shows. "
        "The class notes print the loss as max(0, sum over A of u·v − sum over not-A of u·v). Read as a loss to be minimised that pushes friends apart: it is an objective to be maximised. Trained here is the form max(0, sum over not-A − sum over A), named hinge."
    )
    with arithmetic("tower_sums") as is_open:
        if is_open:
            u = shown.users[0].astype(np.float64)
            scores = shown.items.astype(np.float64) @ u
            best = int(np.argmax(scores))
            v = shown.items[best].astype(np.float64)
            st.latex(r"s(u, v) = u \cdot v = \sum_k u_k v_k + b_v")
            parts = " + ".join(f"({a:.3f})({b:.3f})" for a, b in list(zip(u, v, strict=True))[:3])
            st.latex(rf"{parts} + \dots + {v[-1]:.3f} = {u @ v:.4f}")
            st.caption(
                f"u is {setup.table.users[0]}, v the item with the highest score, {setup.table.items[best]}; the last term is the item's own bias."
            )
    tries(
        [
            ("Two dimensions, drawn as they are", {"tdims": 2}),
            ("No negatives at all: watch it collapse", {"loss": "BPR", "neg": "none"}),
            ("The hinge of the class notes", {"loss": "hinge", "neg": "random"}),
        ]
    )
    take_away(setup, job, rows)


def take_away(setup: Setup, job: Job, rows: pd.DataFrame) -> None:
    """Vectors, table, worksheet and the lines of Python."""
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    space = cache_interactions.item_space(setup.watched, setup.recipe)
    with st.container(horizontal=True):
        send_button(lambda: space, "send_items")
        st.download_button(
            "Item vectors (Parquet)",
            lambda: parquet(space),
            "items.parquet",
            key="get_items",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        st.download_button(
            "Table (CSV)",
            lambda: safe_csv(rows),
            "ranking.csv",
            "text/csv",
            key="get_ranking",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("Two towers", _tasks(job)),
            "worksheet-towers.md",
            "text/markdown",
            key="get_tsheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="tcode", on_change="rerun") as box:
        if box.open:
            plain, watched = TowerRecipe(), setup.watched
            changed = {name: value for name, value in asdict(setup.recipe).items() if value != getattr(plain, name)}
            given = {name: value for name, value in asdict(watched).items() if value and name != "own"}
            st.code(towers_script(given, changed), language="python")


def _tasks(job: Job) -> list[tuple[str, str]]:
    meta = job.result().meta
    first, last = meta["curve"][0], meta["curve"][-1]
    return [
        (
            "Before you look: which share of the held-back films stands in a list of ten by popularity alone? Guess.",
            "see the table",
        ),
        ("Read recall@10 before the training and after it.", f"{first[2]:.3f} and {last[2]:.3f}"),
        (
            "Train without negatives. What happens to the effective rank, and what does the map look like?",
            "it falls; everything moves to one place",
        ),
        ("Find two films that stand close on the map but have different genres. Who watches both?", "open"),
        ("In the view You: pick five films. Which pick is named most often as the reason, and why?", "open"),
    ]

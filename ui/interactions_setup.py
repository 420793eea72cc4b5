"""Whose taste, and which towers: the controls that the views of the page of users and items share."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.interactions.data import Watched, load_watched
from embedkit.interactions.towers import LOSSES, NEGATIVES, TowerRecipe
from embedkit.interactions.training import towers_key
from embedkit.sources.interactions import Interactions, own_table
from ui import cache_interactions, work
from ui.controls import BIND, choice, text, whole_number

SETS = {
    "Simulated cinema": "cinema",
    "MovieLens 100K": "movielens-100k",
    "MovieLens small": "movielens-small",
    "Own table": "own",
}
SIZES = {"movielens-100k": "4.9 MB, 1998", "movielens-small": "1.0 MB, 2018"}
PARTS = ("id", "genres", "year", "title")


@dataclass(frozen=True, eq=False)
class Setup:
    """The chosen table and the chosen towers."""

    watched: Watched
    table: Interactions
    recipe: TowerRecipe

    @property
    def key(self) -> str:
        """Key of the training."""
        return towers_key(self.watched, self.recipe)


def data() -> tuple[Watched, Interactions] | None:
    """The chosen table; else what is said and offered in its place is on the page already."""
    name = choice(
        "Who watched what",
        SETS,
        key="data",
        help="The cinema is here after the install; the others once they are fetched or given.",
    )
    if name == "own":
        return _own()
    folder = ""
    if name != "cinema":
        folder = text(
            "Folder of its files",
            "",
            key="mlfolder",
            help="On this machine, if you have them already.",
            placeholder="leave empty to fetch",
        )
    try:
        return _told(Watched(name, folder))
    except EmbedkitError as error:
        st.info(str(error), icon=":material/cloud_download:")
        if name != "cinema" and not folder:
            st.caption("Its licence forbids to pass it on, so it cannot ship with embedkit.")
            work.fetch_button(
                name, name, f"Fetch {name} ({SIZES[name]}, research only)", "Once; it is kept on this machine."
            )
        return None


def _told(watched: Watched) -> tuple[Watched, Interactions]:
    table = load_watched(watched)
    said = f"{table.n:,} rows of {table.n_users:,} users and {table.n_items:,} items; {table.licence}"
    st.caption(f"{said}, {table.year}." if table.year else f"{said}.")
    if table.simulated:
        st.caption("**Simulated** users, real films: see the rule below the picture.")
    for note in table.notes[:4]:
        st.caption(note)
    return watched, table


def _own() -> tuple[Watched, Interactions] | None:
    file = st.file_uploader(
        "A table",
        ["csv", "tsv", "txt", "parquet"],
        key="own_table",
        help="Columns user and item, and if you have them rating and time; up to 1,000,000 rows.",
    )
    if file is not None and st.session_state.get("table_stamp") != (stamp := (file.name, file.size, file.file_id)):
        try:
            with st.spinner("Reading your table ..."):
                st.session_state["table_source"] = cache_interactions.keep_interactions(
                    own_table(file.name, file.getvalue())
                )
            st.session_state["table_stamp"] = stamp
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            return None
    source = st.session_state.get("table_source")
    if source is None:
        st.info("Give a CSV or Parquet table with the columns user and item.", icon=":material/upload:")
        return None
    return _told(source)


def towers(table: Interactions) -> TowerRecipe | None:
    """The settings of the towers, sent together; what is known of people can be read where the table has it."""
    with st.form("towers", border=False):
        loss = choice(
            "Loss", list(LOSSES), key="loss", help=" ".join(f"{name}: {said}" for name, said in LOSSES.items())
        )
        negatives = choice(
            "Negatives",
            list(NEGATIVES),
            key="neg",
            help="For BPR and hinge. " + " ".join(f"{name}: {said}." for name, said in NEGATIVES.items()),
        )
        parts = st.pills(
            "The item's tower reads",
            PARTS,
            default=list(PARTS),
            selection_mode="multi",
            key="reads",
            bind=BIND,
            help="An id learns each item by itself; the others also serve items that nobody has watched yet.",
        )
        person = st.toggle(
            "An id for each user", False, key="uid", bind=BIND, help="Besides the films watched, a vector of their own."
        )
        with st.expander("More settings", icon=":material/tune:"):
            history = st.toggle(
                "The user's tower reads the films watched",
                True,
                key="uhist",
                bind=BIND,
                help="Without them a person is an id alone, and nobody new can be placed.",
            )
            people = bool(table.people.shape[1]) and st.toggle(
                "The user's tower reads " + ", ".join(map(str, table.people.columns)),
                False,
                key="upeople",
                bind=BIND,
                help="What this table knows of its people.",
            )
            dims = st.slider(
                "Dimensions", 2, 128, 64, key="tdims", bind=BIND, help="2 to 128; two can be drawn as they are."
            )
            temperature = st.slider(
                "Temperature", 0.1, 4.0, 1.0, 0.1, key="temp", bind=BIND, help="Scores are divided by it: low is sharp."
            )
            epochs = whole_number("Epochs", 1, 500, 100, key="tepochs", help="How often every user is seen, 1 to 500.")
            seed = whole_number(
                "Seed", 0, 9_999, 0, key="tseed", help="The same seed gives the same towers, to the byte."
            )
        st.form_submit_button("Train", icon=":material/play_arrow:", type="primary", width="stretch")
    decay = 1.0 if loss == "full softmax" else 0.1
    reads = set(parts or ())
    try:
        return TowerRecipe(
            loss=loss,
            negatives=negatives,
            dims=int(dims),
            history=bool(history),
            user_id=bool(person),
            people=bool(people),
            item_id="id" in reads,
            genres="genres" in reads,
            year="year" in reads,
            title="title" in reads,
            temperature=round(float(temperature), 2),
            decay=decay,
            epochs=epochs,
            seed=seed,
        )
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None

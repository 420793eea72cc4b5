"""Users and items: two towers trained in sight, you as a user, pitfalls with numbers, retrieval."""

import streamlit as st

from ui import (
    interactions_pitfalls,
    interactions_retrieval,
    interactions_setup,
    interactions_train,
    interactions_transfer,
    interactions_webpages,
    interactions_you,
)
from ui.controls import choice
from ui.frame import page

VIEWS = ("Train", "You", "Pitfalls", "Retrieval", "Transfer", "Web pages")
TRAINED = {"Train": interactions_train.view, "You": interactions_you.view}
ALONE = {"Retrieval": interactions_retrieval.view, "Web pages": interactions_webpages.view}
MEASURED = {"Pitfalls": interactions_pitfalls.view, "Transfer": interactions_transfer.view}

with page(
    "Users and items as points",
    "A user and a film become vectors in one space: what fits, points the same way. Watch two towers learn it.",
):
    name = choice("What to do", VIEWS, key="do", help="Ways to question one space of users and items.")
    if name in ALONE:
        ALONE[name]()
    else:
        left, right = st.columns([1, 3], gap="medium")
        with left:
            found = interactions_setup.data()
            recipe = interactions_setup.towers(found[1]) if found and name in TRAINED else None
        with right:
            if found and recipe:
                TRAINED[name](interactions_setup.Setup(*found, recipe))
            elif found and name in MEASURED:
                MEASURED[name](*found)

"""Pictures: train an autoencoder in sight, walk its latent space, compare its vectors with those of classifiers."""

import streamlit as st

from ui import images_compare, images_pitfalls, images_search, images_setup, images_train, images_walk
from ui.controls import choice
from ui.frame import page

VIEWS = ("Train", "Walk", "Pitfalls", "Compare", "Search")

with page(
    "Pictures as points",
    "A network squeezes each picture into a few numbers and draws it again from them. Watch it learn, then walk about.",
):
    name = choice("What to do", VIEWS, key="view", help="Five ways to question vectors of pictures.")
    left, right = st.columns([1, 3], gap="medium")
    with left:
        found = images_setup.pictures()
        recipe = images_setup.autoencoder() if found and name in ("Train", "Walk") else None
        asked = images_compare.controls(found[1], name == "Search") if found and name in ("Compare", "Search") else None
    with right:
        if found and recipe:
            {"Train": images_train.view, "Walk": images_walk.view}[name](images_setup.Setup(*found, recipe))
        elif found and asked:
            {"Compare": images_compare.view, "Search": images_search.view}[name](*found, asked)
        elif found:
            images_pitfalls.view(*found)

"""The explorer: open any vectors, see how far a map can be believed, compare models, take the result away."""

import streamlit as st

from ui import explorer_compare, explorer_map, explorer_noise
from ui.controls import choice
from ui.explorer_open import empty, opened, understood
from ui.frame import page

VIEWS = {"Map": explorer_map.view, "Noise and settings": explorer_noise.view}

with page(
    "Explore any vectors",
    "Open vectors from nearly any file, see them on a map that says how far to believe it, and compare models.",
):
    name = choice("What to do", [*VIEWS, "Compare"], key="ex", help="Ways to question vectors.")
    if name == "Compare":
        explorer_compare.view()
    else:
        left, right = st.columns([1, 3], gap="medium")
        with left:
            found = opened()
            settings = explorer_map.settings_form(found) if found else None
        with right:
            if found and settings:
                understood(found)
                VIEWS[name](found, settings)
            else:
                empty()

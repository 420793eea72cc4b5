"""Words in context: the apple you eat against the Apple that makes laptops, layer by layer."""

import streamlit as st

from ui import contexts_see
from ui import contexts_views as views
from ui.frame import page

with page(
    "Words in context",
    "A model that reads the whole sentence gives every occurrence of a word its own vector. Watch the senses part.",
):
    views.guess()
    occurrences, model, folder = views.choose()
    layers = views.read(occurrences, model, folder)
    if layers is not None:
        figure = st.container()
        pick, other = contexts_see.picks(layers)
        with figure:
            layer = views.picture(layers, pick, other)
        contexts_see.see(layers, layer, pick, other, model, folder)
        contexts_see.explain(layers, layer, model, folder)

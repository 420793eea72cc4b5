"""Points of a person's own on the explorer's map, which does not move."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.explore import sum_of
from embedkit.maps import MadeMap
from embedkit.neighbors import search
from ui.controls import text
from ui.explorer_open import Opened


def new_point(opened: Opened, made: MadeMap) -> None:
    with st.expander("A point of your own", icon=":material/add_location:", key="ex_new", on_change="rerun") as box:
        if not box.open:
            return
        typed = text(
            "Sum of items",
            "",
            key="ex_sum",
            help="Items with + and - between blanks: king - man + woman.",
            placeholder="a - b + c",
        )
        if not typed:
            return
        try:
            vector, named = sum_of(opened.whole, typed)
        except EmbedkitError as error:
            st.error(str(error), icon=":material/error:")
            return
        near = [n for n in search(opened.whole, vector, 10) if n.item not in named]
        st.dataframe(
            pd.DataFrame({"near": [n.item for n in near], "cosine": [n.score for n in near]}),
            hide_index=True,
            key="ex_sum_near",
            alt=f"Nearest to {typed}",
        )
        space = made.projection.space
        assert space is not None
        place = made.projection.transform(vector[None])[0]
        st.caption(f"On the map it lands at ({', '.join(f'{x:.2f}' for x in place)}); the map itself does not move.")

"""What answers a pick on the explorer's map: its true neighbors, and what the map lost and invented of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.figures import trust_bars
from embedkit.maps import MadeMap
from embedkit.neighbors import Metric, search
from embedkit.quality import lost_and_invented
from embedkit.space import Space
from ui.explorer_look import Looked
from ui.explorer_open import Opened
from ui.frame import chart


def answer(opened: Opened, made: MadeMap, looked: Looked) -> None:
    if looked.pick is None:
        st.info("Click a point, or type a name under Pick: its true neighbors answer.", icon=":material/ads_click:")
        return
    whole, space = opened.whole, made.projection.space
    assert space is not None
    st.subheader(f"What is near “{looked.pick}”", anchor=False)
    table, detail = st.columns([3, 2], gap="medium")
    with table:
        st.dataframe(
            neighbors_table(whole, looked.pick, looked.k, looked.metric),
            hide_index=True,
            key="ex_neighbors",
            alt=f"Nearest to {looked.pick} among all {whole.n:,} vectors by {looked.metric}",
        )
        st.caption(f"Exact, from all {whole.d} numbers, among all {whole.n:,} vectors.")
    with detail:
        if looked.pick not in space:
            st.info("It is not in the sample on this map.", icon=":material/info:")
            return
        row = space.row(looked.pick)
        kept = made.quality.point_recall[row]
        if np.isnan(kept):
            st.info("On a map of so many points only a sample was measured; this one is not among it.")
            return
        st.metric("Of its true neighbors the map keeps near", f"{kept:.0%}", border=True)
        lost, invented = lost_and_invented(space, made.projection, looked.pick, looked.k, looked.metric)
        st.markdown(f"**Lost by the map:** {', '.join(lost) or 'none'}")
        st.markdown(f"**Invented by the map:** {', '.join(invented) or 'none'}")
        chart(trust_bars(made.quality.point_recall), key="ex_bars", alt="How many points keep their neighbors")


def neighbors_table(space: Space, item: str, k: int, metric: Metric) -> pd.DataFrame:
    """The nearest items of an item with their columns."""
    near = search(space, item, min(k, space.n), metric)
    title = {"cosine": "cosine", "euclidean": "distance", "dot": "dot product"}[metric]
    found = pd.DataFrame({"item": [each.item for each in near], title: [each.score for each in near]})
    return pd.concat([found, space.meta.iloc[[each.row for each in near]].reset_index(drop=True)], axis=1)

"""What answers a pick on the explorer's map: its true neighbors, and what the map lost and invented of them."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.figures import trust_bars
from embedkit.figures.pictures import data_address
from embedkit.maps import MadeMap, kept_of
from embedkit.neighbors import Metric, search
from embedkit.quality import lost_and_invented
from embedkit.space import Space
from ui.explorer_look import Looked
from ui.explorer_open import Opened
from ui.frame import chart

SIDE = 48  # pixels of a picture in a list
WHOLE = 12  # rows of pictures up to which a table does not scroll

TITLES: dict[Metric, str] = {"cosine": "cosine", "euclidean": "distance", "dot": "dot product"}


def answer(opened: Opened, made: MadeMap, looked: Looked) -> None:
    if looked.pick is None:
        st.info("Click a point, or type a name under Pick: its true neighbors answer.", icon=":material/ads_click:")
        return
    whole, space = opened.whole, made.projection.space
    assert space is not None
    st.subheader(f"What is near “{looked.pick}”", anchor=False)
    table, detail = st.columns([3, 2], gap="medium")
    with table:
        found = neighbors_table(whole, looked.pick, looked.k, looked.metric)
        with_pictures(
            opened,
            found,
            [whole.row(item) for item in found["item"]],
            key="ex_neighbors",
            alt=f"Nearest to {looked.pick} among all {whole.n:,} vectors by {looked.metric}",
        )
        st.caption(f"Exact, from all {whole.d} numbers, among all {whole.n:,} vectors.")
    with detail:
        if opened.pictures is not None:
            st.image(thumbnails(opened.pictures[[whole.row(looked.pick)]])[0], width=96, caption=looked.pick)
        if looked.pick not in space:
            st.info("It is not in the sample on this map.", icon=":material/info:")
            return
        st.metric("Of its true neighbors the map keeps near", f"{kept_of(made, looked.pick):.0%}", border=True)
        lost, invented = lost_and_invented(space, made.projection, looked.pick, looked.k, looked.metric)
        _listed(opened, "Lost by the map", lost)
        _listed(opened, "Invented by the map", invented)
        chart(trust_bars(made.quality.point_recall), key="ex_bars", alt="How many points keep their neighbors")


def _listed(opened: Opened, title: str, items: Sequence[str]) -> None:
    """Items by name, or, where there are pictures, as a line of them."""
    if opened.pictures is None or not items:
        st.markdown(f"**{title}:** {', '.join(items) or 'none'}")
        return
    st.markdown(f"**{title}:**")
    addresses = thumbnails(opened.pictures[[opened.whole.row(item) for item in items]])
    cells = "".join(
        f'<figure style="margin:0;width:48px"><img src="{address}" alt="{html.escape(item)}" '
        'style="width:48px;display:block;border-radius:2px">'
        f'<figcaption style="font-size:.75em;line-height:1.2;overflow-wrap:anywhere">{html.escape(item)}</figcaption>'
        "</figure>"
        for item, address in zip(items, addresses, strict=True)
    )
    st.html(f'<div style="display:flex;flex-wrap:wrap;gap:6px">{cells}</div>')


def thumbnails(pictures: Any) -> list[str]:
    """Pictures, bytes or numbers in 0..1 (n, height, width, 1 or 3), as data: addresses; small ones sharply enlarged."""
    found = []
    for each in np.asarray(pictures):
        pixels = each.astype(np.float32) / (255 if each.dtype == np.uint8 else 1)
        times = max(1, SIDE // max(pixels.shape[:2]))
        found.append(data_address(pixels.repeat(times, 0).repeat(times, 1)))
    return found


def with_pictures(opened: Opened, table: pd.DataFrame, rows: Sequence[int], *, key: str, alt: str) -> None:
    """A table of items, these rows of all vectors, with the picture of each where there are some."""
    if opened.pictures is None:
        st.dataframe(table, hide_index=True, key=key, alt=alt)
        return
    table = table.copy()
    table.insert(1, "picture", thumbnails(opened.pictures[list(rows)]))
    column = st.column_config.ImageColumn(width=72, help="The picture itself")
    st.dataframe(
        table,
        hide_index=True,
        key=key,
        alt=alt,
        row_height=52,
        height="content" if len(table) <= WHOLE else "auto",
        column_config={"picture": column},
    )


def graph_note(made: MadeMap) -> str:
    """What is said of the neighbors that a map was laid out from, where an index found them; "" where all are exact."""
    if made.graph_recall is None:
        return ""
    return f"The graph under this map is approximate: {made.graph_recall:.1%} of the true neighbors, measured on {made.graph_sampled} points. Lists of neighbors and the figures above are from exact ones."


def neighbors_table(space: Space, item: str, k: int, metric: Metric) -> pd.DataFrame:
    """The nearest items of an item with their columns."""
    near = search(space, item, min(k, space.n), metric)
    found = pd.DataFrame({"item": [each.item for each in near], TITLES[metric]: [each.score for each in near]})
    return pd.concat([found, space.meta.iloc[[each.row for each in near]].reset_index(drop=True)], axis=1)

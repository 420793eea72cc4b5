"""What can be taken away from the explorer: rows, neighbors, coordinates, figure, vectors, and the lines of Python."""

from __future__ import annotations

import io
import zipfile

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from embedkit.export import coordinates_table, explorer_script, parquet, safe_csv, worksheet
from embedkit.files import FORMATS, space_bytes
from embedkit.maps import MadeMap, Settings
from embedkit.neighbors import Metric, search
from embedkit.space import Space
from ui.controls import BIND
from ui.explorer_open import Opened
from ui.frame import link_note, presenting


def take_away(
    opened: Opened,
    made: MadeMap,
    settings: Settings,
    pick: str | None,
    k: int,
    metric: Metric,
    rows: tuple[str, ...],
    figure: go.Figure | None,
) -> None:
    """The downloads, each made when it is asked for."""
    if presenting():
        return
    space = made.projection.space
    assert space is not None
    rows = tuple(item for item in rows if item in opened.whole)
    st.subheader("Take away", anchor=False)
    if rows:
        st.caption(f"Selected: {len(rows):,} points, {', '.join(rows[:5])}{' ...' if len(rows) > 5 else ''}")
    with st.container(horizontal=True):
        if rows:
            chosen = opened.whole.take(rows)
            st.download_button(
                "Selected rows (CSV)",
                lambda: safe_csv(chosen.meta.assign(item=chosen.items)),
                "selected.csv",
                "text/csv",
                key="ex_get_rows",
                on_click="ignore",
                icon=":material/table_rows:",
            )
            st.download_button(
                "Selected rows (Parquet)",
                lambda: parquet(chosen),
                "selected.parquet",
                key="ex_get_rows_parquet",
                on_click="ignore",
                icon=":material/grid_on:",
            )
        if pick is not None:
            st.download_button(
                "Neighbors (CSV)",
                lambda: safe_csv(_neighbors(opened, pick, k, metric)),
                "neighbors.csv",
                "text/csv",
                key="ex_get_near",
                on_click="ignore",
                icon=":material/table:",
            )
        st.download_button(
            "Coordinates (CSV)",
            lambda: safe_csv(coordinates_table(made)),
            "map.csv",
            "text/csv",
            key="ex_get_map",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        if figure is not None:
            drawn = figure
            st.download_button(
                "Figure (HTML, works offline)",
                lambda: drawn.to_html(include_plotlyjs=True),
                "map.html",
                "text/html",
                key="ex_get_figure",
                on_click="ignore",
                icon=":material/image:",
            )
        st.download_button(
            "All vectors (Parquet)",
            lambda: parquet(opened.whole),
            "space.parquet",
            key="ex_get_space",
            on_click="ignore",
            icon=":material/database:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("A map of vectors", _tasks(made)),
            "worksheet-explorer.md",
            "text/markdown",
            key="ex_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    titles = {row.title: row.key for row in FORMATS.values() if row.write is not None}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.selectbox(
            "All vectors in any format", list(titles), key="ex_format", bind=BIND, help="With names and columns."
        )
        format_key = titles[title or next(iter(titles))]
        st.download_button(
            "Save",
            lambda: _saved(opened.whole, format_key),
            f"vectors-{format_key}.zip",
            key="ex_get_format",
            on_click="ignore",
            icon=":material/save:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="ex_code", on_change="rerun") as box:
        if box.open:
            st.code(
                explorer_script(opened.method, settings, pick or "", k, opened.sample, opened.files), language="python"
            )


def _saved(space: Space, key: str) -> bytes:
    """The files of a format in one zip, as some formats need two."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for ending, data in space_bytes(space, key).items():
            packed.writestr(f"vectors{ending}", data)
    return buffer.getvalue()


def _neighbors(opened: Opened, pick: str, k: int, metric: Metric) -> pd.DataFrame:
    near = search(opened.whole, pick, min(k, opened.whole.n), metric)
    return pd.DataFrame(
        [(each.item, each.score, each.rank, each.asked) for each in near], columns=["item", metric, "rank", "asked"]
    )


def _tasks(made: MadeMap) -> list[tuple[str, str]]:
    q = made.quality
    return [
        (f"Before you look: of {q.k} true neighbors, how many does the map keep near, in the mean?", f"{q.recall:.0%}"),
        ("Find a point that keeps few of its neighbors. Where do the lost ones stand?", "open"),
        (
            "Draw the map of the shuffled numbers. Which groups does it show, and what do they mean?",
            "none: it is noise",
        ),
        ("Change the seed. What stays the same, what changes?", "the lists stay, the map changes"),
    ]

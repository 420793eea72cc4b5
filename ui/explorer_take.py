"""What can be taken away from the explorer: rows, neighbors, coordinates, figure, vectors, and the lines of Python."""

from __future__ import annotations

import html
import io
import zipfile
from collections.abc import Callable
from functools import cache as once

import plotly.graph_objects as go
import streamlit as st

from embedkit.export import (
    coordinates_table,
    explorer_script,
    neighbors_table,
    parquet,
    safe_csv,
    selected_table,
    worksheet,
)
from embedkit.figures.png import figure_png
from embedkit.figures.svg import figure_svg
from embedkit.files import FORMATS, space_bytes
from embedkit.maps import MadeMap, Settings
from embedkit.neighbors import Metric
from embedkit.projection import recipe_of
from embedkit.space import Space
from ui.controls import BIND
from ui.explorer_open import Opened
from ui.frame import MAP_NOTE, link_note, presenting

MOST_SCORES = 100_000_000  # selected points x vectors whose neighbors are looked for in one file; seconds


def take_away(
    opened: Opened,
    made: MadeMap,
    settings: Settings,
    pick: str | None,
    k: int,
    metric: Metric,
    rows: tuple[str, ...],
    figure: Callable[[], go.Figure] | go.Figure | None,
    image: Callable[[], bytes] | None = None,
) -> None:
    """The downloads, each made when it is asked for; `image` is the map as PNG where plotly does not draw it."""
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    _points(opened, made, pick, k, metric, _known(opened, rows))
    _map(opened, made, settings, figure, image)
    _vectors(opened, made)
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="ex_code", on_change="rerun") as box:
        if box.open:
            st.code(
                explorer_script(opened.method, settings, pick or "", k, opened.sample, opened.files, opened.uploaded),
                language="python",
            )


def _points(opened: Opened, made: MadeMap, pick: str | None, k: int, metric: Metric, rows: tuple[str, ...]) -> None:
    """Selected rows and neighbors."""
    whole = opened.whole
    if not rows and pick is None:
        st.caption("Pick a point for its neighbors as a table; draw a lasso for the rows inside it.")
        return
    if rows:
        st.caption(f"Selected: {len(rows):,} points, {', '.join(rows[:5])}{' ...' if len(rows) > 5 else ''}")
    with st.container(horizontal=True):
        if rows:
            _button(
                "Selected rows (CSV)",
                "selected.csv",
                lambda: safe_csv(selected_table(whole, rows, made)),
                "rows",
                "table_rows",
                help="Names, columns, and where they stand on the map.",
            )
            _button(
                "Selected rows (Parquet)",
                "selected.parquet",
                lambda: parquet(whole.take(rows)),
                "rows_parquet",
                "grid_on",
                help="Names, columns and all numbers: opens here again, in DuckDB, Polars and pandas.",
            )
            most = max(1, MOST_SCORES // whole.n)
            _button(
                "Neighbors of the selected (CSV)",
                "neighbors-of-selected.csv",
                lambda: safe_csv(neighbors_table(whole, rows, k, metric)),
                "rows_near",
                "table",
                help=f"The {k} nearest of each, of all {whole.n:,} vectors; of at most {most:,} selected points.",
                disabled=len(rows) > most,
            )
        if pick is not None:
            _button(
                "Neighbors (CSV)",
                "neighbors.csv",
                lambda: safe_csv(neighbors_table(whole, [pick], k, metric)),
                "near",
                "table",
                help=f"The {k} nearest of the pick, of all {whole.n:,} vectors.",
            )


def _map(
    opened: Opened,
    made: MadeMap,
    settings: Settings,
    figure: Callable[[], go.Figure] | go.Figure | None,
    image: Callable[[], bytes] | None,
) -> None:
    """The map: its coordinates, and its picture."""
    title, about = _caption(opened, made, settings)
    with st.container(horizontal=True):
        _button(
            "Coordinates (CSV)",
            "map.csv",
            lambda: safe_csv(coordinates_table(made)),
            "map",
            "grid_on",
            help="Of each point, with the share of its neighbors that the map keeps.",
        )
        if figure is not None:
            drawn = once(figure if callable(figure) else lambda: figure)
            turned = " Seen from the front corner, not as you turned it." if settings.dims == 3 else ""
            _button(
                "Figure (SVG)",
                "map.svg",
                lambda: figure_svg(drawn(), title=title, about=about),
                "svg",
                "polyline",
                help=f"For papers and slides: sharp at any size, opens in any browser and drawing program.{turned}",
            )
            _button(
                "Figure (PNG)",
                "map.png",
                lambda: figure_png(drawn(), title=title, about=about),
                "png",
                "image",
                help=f"2,000 pixels wide, the whole map. The camera above the map saves the view as it is.{turned}",
            )
            _button(
                "Figure (HTML, works offline)",
                "map.html",
                lambda: _page(drawn(), title, about),
                "figure",
                "html",
                help="The map as it moves here, about 5 MB, with all that it needs.",
            )
        elif image is not None:
            _button("Figure (PNG)", "map.png", image, "png", "image", help="The whole map, all points, as an image.")


def _vectors(opened: Opened, made: MadeMap) -> None:
    """All vectors in any format, and the sheet for a class."""
    titles = {row.title: row.key for row in FORMATS.values() if row.write is not None}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _button(
            "All vectors (Parquet)",
            "space.parquet",
            lambda: parquet(opened.whole),
            "space",
            "database",
            help="One file with names, columns and numbers.",
        )
        _button(
            "Worksheet (Markdown)",
            "worksheet-explorer.md",
            lambda: worksheet("A map of vectors", _tasks(made)),
            "sheet",
            "assignment",
            help="Tasks for a class about this map; the answers stand on a last page.",
        )
        title = st.selectbox(
            "All vectors in any format",
            list(titles),
            key="ex_format",
            bind=BIND,
            help="With names and columns, as far as the format holds them.",
            width=320,
        )
        format_key = titles[title or next(iter(titles))]
        _button(
            "Save",
            f"vectors-{format_key}.zip",
            lambda: _saved(opened.whole, format_key),
            "format",
            "save",
            help="One zip, as some formats need two files; it opens here again.",
        )


def _button(
    label: str, file: str, make: Callable[[], bytes | str], key: str, icon: str, help: str, disabled: bool = False
) -> None:
    kinds = {"csv": "text/csv", "html": "text/html", "svg": "image/svg+xml", "png": "image/png", "md": "text/markdown"}
    st.download_button(
        label,
        make,
        file,
        kinds.get(file.rsplit(".", 1)[-1]),
        key=f"ex_get_{key}",
        help=help,
        on_click="ignore",
        icon=f":material/{icon}:",
        disabled=disabled,
    )


def _known(opened: Opened, rows: tuple[str, ...]) -> tuple[str, ...]:
    """The selected names that are among these vectors; a lasso may hold most of a million, so looked up once."""
    known = st.session_state.get("ex_take")
    if known is None or known[0] is not rows or known[1] != opened.whole.digest:
        found = tuple(item for item in rows if item in opened.whole)
        known = st.session_state["ex_take"] = (rows, opened.whole.digest, found)
    names: tuple[str, ...] = known[2]
    return names


def _caption(opened: Opened, made: MadeMap, settings: Settings) -> tuple[str, str]:
    """What a picture of the map says of itself once it stands elsewhere."""
    q = made.quality
    named = recipe_of(settings.method).title
    axes = [own if isinstance(own, str) else f"{own[0]} to {own[1]}" for own in settings.axes]
    given = ", ".join([*(f"{name} {value:g}" for name, value in settings.params), *axes])
    kept = f" Of its {q.k} true neighbors a point keeps {q.recall:.0%} near, in the mean." if q.k else ""
    read = "" if settings.method in ("pca", "axes") else f" {MAP_NOTE}"
    about = f"{opened.stated}; {settings.metric}, {f'{given}, ' if given else ''}seed {settings.seed}.{kept}{read}"
    return f"{opened.whole.title} by {named}", f"{opened.whole.title} by {named}: {about}"


def _page(figure: go.Figure, title: str, about: str) -> str:
    """The map in one HTML file, with plotly in it."""
    shown = go.Figure(figure).update_layout(template="plotly_white")
    body = shown.to_html(include_plotlyjs=True, full_html=False, config={"displaylogo": False, "scrollZoom": True})
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title></head>\n"
        '<body style="font-family: system-ui, sans-serif; margin: 16px; color: #31333f">'
        f"<h1 style='font-size: 1.4rem'>{html.escape(title)}</h1>\n{body}\n<p>{html.escape(about)}</p></body></html>\n"
    )


def _saved(space: Space, key: str) -> bytes:
    """The files of a format in one zip, as some formats need two."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for ending, data in space_bytes(space, key).items():
            packed.writestr(f"vectors{ending}", data)
    return buffer.getvalue()


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

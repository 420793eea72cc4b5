"""Strips of numbers, lines over layers, the map of occurrences, and the trust of a map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from embedkit.figures.style import COLORS, INK, PICK, STAR, mark_of, plain_layout
from embedkit.space import Vectors

__all__ = ["layer_lines", "layer_map", "strips", "trust_bars"]


def strips(
    vectors: Vectors,
    names: Sequence[str],
    *,
    difference: tuple[int, int] | None = None,
    first: int = 64,
    frozen: int | None = None,
) -> go.Figure:
    """Vectors as strips of colored cells, one row each: the first `first` numbers.

    `difference` (a, b) adds the row a - b below; the number `frozen` stands apart at the left, to be compared down the
    column whatever else is shown.
    """
    shown = vectors[:, :first]
    rows = list(names)
    if difference is not None:
        a, b = difference
        vectors = np.vstack([vectors, vectors[a] - vectors[b]])
        shown = vectors[:, :first]
        rows.append(f"{names[a]} − {names[b]}")
    ticks = np.arange(shown.shape[1])
    step = 10 if shown.shape[1] <= 80 else 32
    places, texts = list(ticks[::step]), [str(tick) for tick in ticks[::step]]
    if frozen is not None:  # an empty column sets it apart
        gap = np.full((len(rows), 1), np.nan)
        shown = np.hstack([vectors[:, [frozen]], vectors[:, [frozen]], gap, shown])
        ticks = np.concatenate([[-4, -3, -2], ticks])
        places, texts = [-3.5, *places], [f"№ {frozen}", *texts]
    widest = float(np.nanmax(np.abs(shown))) or 1.0
    numbers = np.concatenate([[frozen, frozen, -1], ticks[3:]]) if frozen is not None else ticks
    figure = go.Figure(
        go.Heatmap(
            z=shown,
            x=ticks,
            y=[f"{i + 1}. {name}" if rows.count(name) > 1 else name for i, name in enumerate(rows)],
            customdata=np.tile(numbers, (len(rows), 1)),
            zmin=-widest,
            zmax=widest,
            colorscale=[[0, "#8c3a00"], [0.25, "#efb68a"], [0.5, "#f7f7f5"], [0.75, "#74abd4"], [1, "#08487a"]],
            xgap=1,
            ygap=3,
            colorbar={"title": {"text": "value", "side": "right"}, "thickness": 10},
            hovertemplate="%{y}, number %{customdata}: %{z:.3f}<extra></extra>",
            hoverongaps=False,
        )
    )
    figure.update_layout(
        height=90 + 34 * len(rows),
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "number of the vector"}, "showgrid": False, "tickvals": places, "ticktext": texts},
        yaxis={"autorange": "reversed", "showgrid": False},
        dragmode=False,
    )
    return figure


def layer_lines(figures: Sequence[Any], *, layer: int, parting: int | None, height: int = 300) -> go.Figure:
    """Cosine within and between senses, silhouette and accuracy by layer; the chosen layer is a line."""
    layers = [f.layer for f in figures]
    figure = go.Figure()
    for index, (name, values, dash) in enumerate(
        (
            ("cosine within a sense", [f.within for f in figures], "solid"),
            ("cosine between senses", [f.between for f in figures], "dash"),
            ("silhouette", [f.silhouette for f in figures], "dot"),
            ("nearest sentence has the same sense", [f.accuracy for f in figures], "dashdot"),
        )
    ):
        color, symbol = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=values,
                name=name,
                mode="lines+markers",
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 8},
                hovertemplate=name + ", layer %{x}: %{y:.3f}<extra></extra>",
            )
        )
    figure.add_vline(x=layer, line={"color": PICK, "width": 2})
    if parting is not None:
        figure.add_vrect(x0=parting - 0.2, x1=parting + 0.2, fillcolor=COLORS[2], opacity=0.15, line_width=0)
        figure.add_annotation(x=parting, y=1.08, yref="paper", text="part best", showarrow=False, font={"size": 12})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        xaxis={"title": {"text": "layer (0 is the input)"}, "dtick": 1, "showgrid": False},
        yaxis={"title": {"text": "value"}, "range": [min(-0.1, *(f.silhouette for f in figures)) - 0.02, 1.03]},
        legend={"orientation": "h", "y": -0.3},
        dragmode=False,
    )
    return figure


def layer_map(
    coords: Vectors,
    star: Vectors,
    senses: Sequence[str],
    texts: Sequence[str],
    *,
    bounds: Vectors,
    word: str,
    picks: Sequence[int] = (),
    trail: Vectors | None = None,
    height: int = 520,
) -> go.Figure:
    """Occurrences at one layer on the projection that all layers share; the static vector is one star.

    coords (n, 2), star (2,), `bounds` (2, 2) low and high of all layers so that the frame never jumps, `trail`
    (layers, picks, 2) draws where the picked ones came from.
    """
    figure = go.Figure()
    if trail is not None:
        for j, row in enumerate(picks):
            figure.add_trace(
                go.Scatter(
                    x=trail[:, j, 0],
                    y=trail[:, j, 1],
                    mode="lines",
                    line={"color": INK, "width": 1, "dash": "dot"},
                    name=f"way of {row + 1} through the layers",
                    hoverinfo="skip",
                    showlegend=False,
                )
            )
    senses_array = np.asarray(senses)
    for index, sense in enumerate(dict.fromkeys(senses)):
        color, symbol = mark_of(index)
        rows = [int(i) for i in np.flatnonzero(senses_array == sense)]
        figure.add_trace(
            go.Scatter(
                x=coords[rows, 0],
                y=coords[rows, 1],
                mode="markers",
                name=str(sense),
                marker={"color": color, "symbol": symbol, "size": 11, "line": {"width": 1, "color": "white"}},
                text=[texts[i] for i in rows],
                customdata=np.asarray(rows, np.int32),
                hovertemplate="%{text}<extra>" + str(sense) + "</extra>",
                selected={"marker": {"opacity": 1}},
                unselected={"marker": {"opacity": 0.9}},
            )
        )
    figure.add_trace(
        go.Scatter(
            x=[star[0]],
            y=[star[1]],
            mode="markers+text",
            name=f"static vector of {word}",
            marker={"symbol": "star", "size": 20, **STAR},
            text=["static"],
            textposition="bottom center",
            hovertemplate=f"{word}: the one static vector, the same in every sentence<extra></extra>",
        )
    )
    if len(picks):
        rows = list(picks)
        figure.add_trace(
            go.Scatter(
                x=coords[rows, 0],
                y=coords[rows, 1],
                mode="markers+text",
                name="picked",
                marker={"symbol": "diamond-open", "size": 20, "color": PICK, "line": {"width": 2.5}},
                text=[f"{'AB'[i] if i < 2 else i + 1}" for i in range(len(rows))],
                textposition="top center",
                hoverinfo="skip",
            )
        )
    pad = 0.06 * (bounds[1] - bounds[0])
    layout = plain_layout(height, uirevision="layers", clickmode="event+select")
    layout["yaxis"] = {**layout["xaxis"], "range": [float(bounds[0, 1] - pad[1]), float(bounds[1, 1] + pad[1])]}
    layout["xaxis"] = {**layout["xaxis"], "range": [float(bounds[0, 0] - pad[0]), float(bounds[1, 0] + pad[0])]}
    figure.update_layout(**layout)
    return figure


def trust_bars(recalls: Vectors, height: int = 170) -> go.Figure:
    """How many points keep which share of their true neighbors on the map."""
    known = recalls[~np.isnan(recalls)]  # of a very large map only a sample was measured
    counts, _ = np.histogram(known, bins=np.linspace(-0.05, 1.05, 12))  # a bar for each tenth, tenths in the middle
    figure = go.Figure(
        go.Bar(
            x=np.linspace(0, 1, 11),
            y=counts,
            width=0.09,
            marker={"color": COLORS[0]},
            hovertemplate="%{y} points keep about %{x:.0%} of their neighbors<extra></extra>",
        )
    )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={
            "title": {"text": "true neighbors kept on the map"},
            "tickformat": ".0%",
            "range": [-0.06, 1.06],
        },
        yaxis={"title": {"text": "points"}, "showgrid": False},
        dragmode=False,
    )
    return figure

"""Users and items on one map, and how recall and the directions in use change while two towers learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from embedkit.figures.style import GRAY, PICK, STAR, mark_of, plain_layout
from embedkit.space import Vectors

__all__ = ["recall_cost", "recall_lines", "towers_map"]

NAMED = 12  # items whose names are written, the most watched first
GROUPS = 14


def towers_map(
    users: Vectors,
    items: Vectors,
    names: Sequence[str],
    groups: Sequence[str],
    *,
    popularity: Vectors,
    you: Vectors | None = None,
    marked: Sequence[int] = (),
    height: int = 460,
) -> go.Figure:
    """Users (n, 2) in gray, items (m, 2) colored by group, and `you` (2,) as a star; customdata is the item's row.

    The names of the most watched items are written where there is room, those of `marked` rows always.
    """
    figure = go.Figure(
        go.Scattergl(
            x=users[:, 0],
            y=users[:, 1],
            mode="markers",
            name="users",
            marker={"color": GRAY, "size": 4, "opacity": 0.35},
            hoverinfo="skip",
        )
    )
    common = [group for group, _ in sorted(_counts(groups).items(), key=lambda pair: (-pair[1], pair[0]))][:GROUPS]
    labels = [group if group in common else "other" for group in groups]
    for index, group in enumerate([*common, *(["other"] if "other" in labels else [])]):
        color, symbol = mark_of(index)
        rows = [row for row, label in enumerate(labels) if label == group]
        figure.add_trace(
            go.Scattergl(
                x=items[rows, 0],
                y=items[rows, 1],
                mode="markers",
                name=group,
                marker={"color": color, "symbol": symbol, "size": 7},
                text=[names[row] for row in rows],
                customdata=np.asarray(rows, np.int32),
                hovertemplate="%{text}<extra>" + group + "</extra>",
            )
        )
    _names(figure, items, names, popularity, marked)
    if you is not None:
        star = {"symbol": "star", "size": 20, **STAR}
        figure.add_trace(
            go.Scattergl(x=[you[0]], y=[you[1]], mode="markers", name="you", marker=star, hoverinfo="name")
        )
    figure.update_layout(**plain_layout(height, uirevision="towers"))
    return figure


def _counts(groups: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for group in groups:
        found[group] = found.get(group, 0) + 1
    return found


def _names(figure: go.Figure, items: Vectors, names: Sequence[str], popularity: Vectors, marked: Sequence[int]) -> None:
    span = np.maximum(np.ptp(items, axis=0), 1e-9) / np.array([700, 420])  # for one pixel of a usual screen
    chosen: list[int] = []
    for row in dict.fromkeys([*marked, *(int(i) for i in np.argsort(-popularity, kind="stable"))]):
        far = all(
            abs(items[row, 0] - items[other, 0]) > 170 * span[0] or abs(items[row, 1] - items[other, 1]) > 22 * span[1]
            for other in chosen
        )
        if far or row in marked:
            chosen.append(row)
        if len(chosen) >= NAMED + len(marked):
            break
    figure.add_trace(
        go.Scattergl(
            x=items[chosen, 0],
            y=items[chosen, 1],
            mode="text",
            text=[names[row] if len(names[row]) <= 26 else names[row][:24] + "…" for row in chosen],
            textposition="top center",
            textfont={"size": 10},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def recall_lines(curve: Vectors, epoch: int, dims: int, height: int = 460) -> go.Figure:
    """Recall@10 above, effective rank and mean cosine of the items below, by epoch; the shown epoch is a line.

    `curve` has rows (epoch, loss, recall, mean cosine, effective rank).
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.07)
    lines = (
        ("recall@10, held-out", 2, "solid"),
        ("effective rank of items", 4, "dash"),
        ("mean cosine of items", 3, "dot"),
    )
    for place, (name, column, dash) in enumerate(lines, start=1):
        color, symbol = mark_of(place - 1)
        figure.add_trace(
            go.Scatter(
                x=curve[:, 0],
                y=curve[:, column],
                name=name,
                mode="lines+markers",
                line={"color": color, "dash": dash, "width": 2},
                marker={"symbol": symbol, "size": 6},
                hovertemplate=name + ", epoch %{x}: %{y:.3f}<extra></extra>",
            ),
            row=place,
            col=1,
        )
    figure.add_vline(x=epoch, line={"color": PICK, "width": 2})
    figure.update_yaxes(rangemode="tozero", row=1, col=1)
    figure.update_yaxes(range=[0, dims * 1.05], row=2, col=1)
    figure.update_yaxes(range=[-0.15, 1.05], row=3, col=1)
    figure.update_xaxes(title={"text": "epoch"}, row=3, col=1)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.16},
        dragmode=False,
        uirevision="recall",
    )
    return figure


def recall_cost(rows: Any, height: int = 320) -> go.Figure:
    """Recall at 10 against milliseconds a query: a table with columns index, ef, recall, milliseconds."""
    figure = go.Figure()
    for index, (name, part) in enumerate(rows.groupby("index", sort=False)):
        color, symbol = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=part["milliseconds"],
                y=part["recall"],
                name=str(name),
                mode="lines+markers+text",
                text=["" if ef is None or ef != ef else f"ef {int(ef)}" for ef in part["ef"]],
                textposition="bottom right",
                line={"color": color},
                marker={"color": color, "symbol": symbol, "size": 11},
                hovertemplate=f"{name} %{{text}}: recall %{{y:.3f}}, %{{x:.3f}} ms<extra></extra>",
            )
        )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "milliseconds a query"}, "type": "log"},
        yaxis={"title": {"text": "recall@10"}},
        legend={"orientation": "h", "y": -0.3},
        dragmode=False,
    )
    return figure

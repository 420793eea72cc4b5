"""CBOW and skip-gram by hand: both matrices as strips with what the output says, the map of words, the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from embedkit.figures.style import COLORS, GRAY, INK, NEAR, PICK, mark_of, plain_layout
from embedkit.space import Vectors

__all__ = ["hand_loss", "hand_map", "hand_network"]

ARROW = COLORS[2]
DRAWN = 60  # words; below the most frequent ones only those at hand are added
SCALE = [[0, "#8c3a00"], [0.25, "#efb68a"], [0.5, "#f7f7f5"], [0.75, "#74abd4"], [1, "#08487a"]]
READ, GUESSED, NOISE = "▶", "●", "×"  # in front of the words at hand, as a second mark beside color


def hand_network(
    words: Sequence[str],
    inputs: Vectors,
    outputs: Vectors,
    *,
    read: Sequence[int] = (),
    target: int | None = None,
    negatives: Sequence[int] = (),
    hidden: Vectors | None = None,
    rows: Sequence[int] = (),
    probabilities: Vectors | None = None,
    errors: Vectors | None = None,
) -> go.Figure:
    """One row a word: its row of the input matrix, its row of the output matrix, and what the output says of it.

    inputs and outputs (n, d); `read` are the words at the input, `target` the one to be guessed. `hidden` (d,) stands
    above the input matrix; `probabilities` and `errors` (r,) belong to the words `rows`.
    """
    shown = _drawn(len(words), [*read, *([] if target is None else [target]), *negatives])
    names = [_marked(words[row], row, read, target, negatives) for row in shown]
    labels = ["h", *names] if hidden is not None else names
    offset, heights = len(labels) - len(names), np.arange(len(labels))
    top = np.full((1, inputs.shape[1]), np.nan) if hidden is None else np.asarray(hidden)[None]
    above = np.vstack([top, inputs[shown]]) if hidden is not None else inputs[shown]
    below = np.vstack([np.full_like(top, np.nan), outputs[shown]]) if hidden is not None else outputs[shown]
    widest = float(max(np.abs(inputs).max(), np.abs(outputs).max(), 1e-9))
    ticks = list(range(1, inputs.shape[1] + 1))
    place = {row: index + offset for index, row in enumerate(shown)}
    data: list[dict[str, Any]] = []
    for axis, title, values in (("x", "input", above), ("x2", "output", below)):
        data.append(
            {
                "type": "heatmap",
                "xaxis": axis,
                "z": values,
                "x": ticks,
                "y": heights,
                "customdata": np.tile(np.array(labels)[:, None], (1, inputs.shape[1])),
                "zmin": -widest,
                "zmax": widest,
                "colorscale": SCALE,
                "xgap": 1,
                "ygap": 1,
                "showscale": False,
                "hoverongaps": False,
                "hovertemplate": f"%{{customdata}}, {title} vector, number %{{x}}: %{{z:.3f}}<extra></extra>",
            }
        )
    for axis, title, said in (("x3", "probability", probabilities), ("x4", "error", errors)):
        kept = {row: float(value) for row, value in zip(rows, () if said is None else said, strict=False)}
        at = [row for row in kept if row in place]
        data.append(
            {
                "type": "bar",
                "xaxis": axis,
                "x": [kept[row] for row in at],
                "y": [place[row] for row in at],
                "orientation": "h",
                "marker": {"color": [PICK if row == target else NEAR for row in at]},
                "customdata": [labels[place[row]] for row in at],
                "hovertemplate": f"%{{customdata}}, {title}: %{{x:.3f}}<extra></extra>",
            }
        )
    spans = ((0, 0.215), (0.235, 0.45), (0.475, 0.725), (0.75, 1))
    bare = {"showgrid": False, "zeroline": False}
    numbers = {**bare, "tickvals": ticks if len(ticks) < 6 else [1, len(ticks)]}
    layout = {
        "height": 60 + 17 * len(labels),
        "margin": {"l": 8, "r": 8, "t": 24, "b": 8},
        "bargap": 0.25,
        "dragmode": False,
        "showlegend": False,
        "xaxis": {**numbers, "domain": spans[0]},
        "xaxis2": {**numbers, "domain": spans[1]},
        "xaxis3": {"domain": spans[2], "range": [0, 1], "tickvals": [0, 0.5], "showgrid": False},
        "xaxis4": {"domain": spans[3], "range": [-1, 1], "tickvals": [-1, 0, 1], "showgrid": False},
        "yaxis": {
            **bare,
            "range": [len(labels) - 0.5, -0.5],
            "tickvals": heights,
            "ticktext": labels,
            "automargin": True,
        },
        "annotations": [
            {
                "text": title,
                "x": (span[0] + span[1]) / 2,
                "y": 1,
                "xref": "paper",
                "yref": "paper",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 12},
            }
            for title, span in zip(("input", "output", "probability", "error"), spans, strict=True)
        ],
    }
    return go.Figure(data, layout)  # in one piece: built trace by trace it takes five times as long


def _drawn(n: int, at_hand: Sequence[int]) -> list[int]:
    """Rows that are drawn: the first, and those at hand."""
    first = list(range(min(n, DRAWN)))
    return first + sorted({row for row in at_hand if row >= DRAWN})


def _marked(word: str, row: int, read: Sequence[int], target: int | None, negatives: Sequence[int]) -> str:
    short = word if len(word) <= 12 else word[:11] + "…"
    marks = READ * (row in read) + GUESSED * (row == target) + NOISE * (row in negatives)
    return f"<b>{marks} {short}</b>" if marks else short


def hand_map(
    words: Sequence[str],
    coords: Vectors,
    *,
    before: Vectors | None = None,
    read: Sequence[int] = (),
    target: int | None = None,
    moved: Sequence[int] = (),
    origin: bool = True,
    height: int = 380,
) -> go.Figure:
    """Words where their two numbers put them, coords (n, 2); `before` draws an arrow for each word that has `moved`.

    `origin` marks the point 0, 0, which on a projection means nothing.
    """
    shown = _drawn(len(words), [*read, *([] if target is None else [target]), *moved])
    points = np.asarray(coords, float)
    span = float(max(np.ptp(points[shown], axis=0).max(), np.abs(points[shown]).max(), 1e-6))
    places = _label_places(points[shown], [words[row] for row in shown], span)
    data: list[dict[str, Any]] = [
        {
            "x": [0],
            "y": [0],
            "mode": "markers",
            "marker": {"symbol": "cross-thin", "size": 14, "line": {"width": 1, "color": GRAY}},
            "hovertemplate": "the point 0, 0<extra></extra>",
            "showlegend": False,
        }
    ]
    if not origin:
        data.clear()
    for name, rows, color, symbol in (
        ("other words", [r for r in shown if r not in read and r != target], INK, "circle"),
        ("read", [r for r in shown if r in read and r != target], NEAR, "triangle-right"),
        ("to be guessed", [r for r in shown if r == target], PICK, "diamond"),
    ):
        if rows:
            data.append(
                {
                    "x": points[rows, 0],
                    "y": points[rows, 1],
                    "mode": "markers+text",
                    "name": name,
                    "text": [words[row] for row in rows],
                    "textposition": [places[shown.index(row)] for row in rows],
                    "textfont": {"size": 12},
                    "marker": {"color": color, "symbol": symbol, "size": 7 if name == "other words" else 11},
                    "hovertemplate": "%{text}: %{x:.3f}, %{y:.3f}<extra></extra>",
                    "showlegend": name != "other words",
                }
            )
    if before is not None:
        old = np.asarray(before, float)
        data += [
            {
                "x": [old[row, 0], points[row, 0]],
                "y": [old[row, 1], points[row, 1]],
                "mode": "lines+markers",
                "name": "moved",
                "line": {"color": ARROW, "width": 2},
                "marker": {
                    "symbol": ["circle-open", "arrow"],
                    "size": [6, 10],
                    "angleref": "previous",
                    "color": ARROW,
                },
                "hoverinfo": "skip",
                "showlegend": number == 0,
            }
            for number, row in enumerate(moved)
        ]
    layout = plain_layout(height)
    middle = [float((points[shown, axis].min() + points[shown, axis].max()) / 2) for axis in (0, 1)]
    half = 0.6 * span + 1e-6
    layout["xaxis"] = {**layout["xaxis"], "range": [middle[0] - 1.25 * half, middle[0] + 1.25 * half]}
    layout["yaxis"] = {**layout["yaxis"], "range": [middle[1] - half, middle[1] + half]}
    return go.Figure([{"type": "scatter", **trace} for trace in data], layout)


PLACES = {
    "top center": (0, 1),
    "bottom center": (0, -1),
    "middle right": (1, 0),
    "middle left": (-1, 0),
    "top right": (1, 1),
    "top left": (-1, 1),
    "bottom right": (1, -1),
    "bottom left": (-1, -1),
}


def _label_places(points: Vectors, words: Sequence[str], span: float) -> list[str]:
    """For each label the place around its point that covers least of the labels and points before it."""
    unit = 1.2 * span / 340  # of the data, a pixel
    taken = [(x - 5 * unit, y - 5 * unit, x + 5 * unit, y + 5 * unit) for x, y in points]
    chosen = []
    for (x, y), word in zip(points, words, strict=True):
        wide, high = 7 * unit * len(word) / 2, 8 * unit
        costs = {}
        for name, (right, up) in PLACES.items():
            a, b = x + right * (wide + 6 * unit), y + up * (high + 5 * unit)
            box = (a - wide, b - high, a + wide, b + high)
            costs[name] = sum(_overlap(box, other) for other in taken), box
        best = min(costs, key=lambda name: costs[name][0])
        taken.append(costs[best][1])
        chosen.append(best)
    return chosen


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def hand_loss(
    curves: Sequence[tuple[str, Vectors, Vectors]], *, chance: float | None = None, height: int = 260
) -> go.Figure:
    """Mean loss of the last pass over the number of pairs: a row (name, pairs, losses) a method; `chance` is a line."""
    figure = go.Figure()
    for index, (name, pairs, losses) in enumerate(curves):
        color, _ = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=pairs,
                y=losses,
                name=name,
                mode="lines" if len(pairs) > 1 else "markers",
                line={"color": color, "width": 2, "dash": ("solid", "dash")[index % 2]},
                marker={"color": color, "size": 8},
                hovertemplate=name + ", after %{x:,} pairs: %{y:.3f}<extra></extra>",
            )
        )
    if chance is not None:
        figure.add_hline(
            y=chance,
            line={"color": COLORS[7], "dash": "dot", "width": 1},
            annotation={"text": f"knows nothing: {chance:.2f}", "font": {"size": 11}},
            annotation_position="top right",
        )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 20, "b": 8},
        xaxis={"title": {"text": "pairs taken by skip-gram"}, "rangemode": "tozero", "showgrid": False},
        yaxis={"title": {"text": "loss, mean of a pass"}, "rangemode": "tozero"},
        legend={"orientation": "h", "y": -0.35},
        dragmode=False,
    )
    return figure

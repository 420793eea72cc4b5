"""How vectors of words move while they are learned: loss, tests and speed by epoch, and one map for all epochs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from embedkit.figures.maps import MapMarks, point_map
from embedkit.figures.style import PICK, mark_of
from embedkit.space import Vectors

__all__ = ["learning_lines", "learning_map"]

NONE = MapMarks()


def learning_lines(
    curve: Vectors, *, epoch: int, epochs: int, tests: Sequence[str] = (), height: int = 470
) -> go.Figure:
    """Loss above, tests of the vectors in the middle, thousands of words a second below; the shown epoch is a line.

    `curve` has rows (epoch, loss, words read, seconds, a column for each of `tests`, ...), nan where nothing is known.
    """
    figure = make_subplots(rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.06, row_heights=[0.36, 0.4, 0.24])
    speed = np.full(len(curve), np.nan)
    seconds = np.diff(curve[:, 3])
    speed[1:] = np.diff(curve[:, 2]) / np.where(seconds > 0, seconds, np.nan) / 1e3
    lines = [("loss", curve[:, 1], 1), *((name, curve[:, 4 + i], 2) for i, name in enumerate(tests))]
    for index, (name, values, row) in enumerate([*lines, ("thousand words a second", speed, 3)]):
        color, symbol = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=curve[:, 0],
                y=values,
                name=name,
                mode="lines+markers",
                line={"color": color, "dash": ("solid", "dash", "dot", "dashdot")[index % 4], "width": 2},
                marker={"symbol": symbol, "size": 6},
                hovertemplate=name + ", epoch %{x}: %{y:.3f}<extra></extra>",
            ),
            row=row,
            col=1,
        )
    figure.add_vline(x=epoch, line={"color": PICK, "width": 2})
    for row, title in enumerate(("loss", "Spearman's ρ", "1,000 words/s"), start=1):
        figure.update_yaxes(title={"text": title, "font": {"size": 11}}, row=row, col=1)
    figure.update_yaxes(rangemode="tozero", row=3, col=1)
    figure.update_xaxes(range=[-0.03 * epochs, 1.03 * epochs])
    figure.update_xaxes(title={"text": "epoch"}, row=3, col=1)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": -0.16},
        dragmode=False,
        uirevision="learning",
    )
    return figure


def learning_map(
    coords: Vectors,
    names: Sequence[str],
    groups: Sequence[str],
    *,
    bounds: Vectors,
    marks: MapMarks = NONE,
    height: int = 470,
) -> go.Figure:
    """Words (n, 2) at one epoch; those with a group in color, the others gray.

    `bounds` (2, 2), low and high of all epochs, keep the frame where it is.
    """
    figure = point_map(
        coords, names, groups=groups, gray=[not group for group in groups], marks=marks, labels=40, height=height
    )
    for old, new in (
        ("not selected", "other frequent words"),
        ("true neighbor, near on the map", "nearest of these words"),
    ):
        figure.update_traces(name=new, selector={"name": old})
    pad = 0.05 * (bounds[1] - bounds[0])
    for axis, low, high in zip(("xaxis", "yaxis"), bounds[0] - pad, bounds[1] + pad, strict=True):
        figure.update_layout({axis: {"range": [float(low), float(high)]}})
    figure.update_layout(uirevision="learning")
    return figure

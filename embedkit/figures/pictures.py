"""Rows of pictures as HTML that needs no network, the curves of a training, and lines over a setting."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from embedkit.figures.style import PICK, mark_of
from embedkit.space import Vectors

__all__ = [
    "PictureRow",
    "accuracy_dots",
    "attended",
    "data_address",
    "loss_lines",
    "patched",
    "picture_rows",
    "setting_lines",
    "signed",
]


@dataclass(frozen=True, eq=False)
class PictureRow:
    """A labelled row of pictures, pixels (n, height, width, channels) in 0..1, with a caption each, or none."""

    label: str
    pixels: Vectors
    captions: Sequence[str] = ()


def data_address(pixels: Vectors) -> str:
    """One picture (height, width, 1 or 3 channels) in 0..1 as a data: address of a PNG."""
    from PIL import Image

    bytes_ = (np.clip(pixels, 0, 1) * 255).round().astype(np.uint8)
    image = Image.fromarray(bytes_[..., 0] if bytes_.shape[-1] == 1 else bytes_)
    held = io.BytesIO()
    image.save(held, "PNG")
    return "data:image/png;base64," + base64.b64encode(held.getvalue()).decode()


def signed(difference: Vectors, widest: float = 0.5) -> Vectors:
    """Differences (n, height, width, channels) as colors: white where there is none, blue too dark, orange too bright.

    Channels are averaged; differences of `widest` and more have the full color.
    """
    share = np.clip(difference.mean(-1, keepdims=True) / widest, -1, 1)
    low, high = np.array([0.03, 0.28, 0.48]), np.array([0.75, 0.33, 0.0])
    paint = np.where(share < 0, low, high)
    found: Vectors = (1 - np.abs(share) * (1 - paint)).astype(np.float32)
    return found


def patched(pixels: Vectors, side: int, scale: int = 8) -> Vectors:
    """A picture (height, width, channels) enlarged `scale` times, with lines between patches of `side` pixels."""
    large = _enlarged(np.clip(pixels, 0, 1), scale)
    large[:: side * scale] = large[:, :: side * scale] = _LINE
    return large


def attended(pixels: Vectors, attention: Vectors, scale: int = 8) -> Vectors:
    """A picture (height, width, channels) enlarged, lit where `attention` (rows, columns) is; its highest is full."""
    share = attention / max(float(attention.max()), 1e-12)
    factor = pixels.shape[0] * scale // len(share)
    glow = np.kron(share, np.ones((factor, factor)))[..., None].astype(np.float32)
    dim = 0.35 * _enlarged(np.clip(pixels, 0, 1), scale)
    found: Vectors = dim + glow * (_GLOW - dim) * 0.85
    return found


_LINE = np.array([0.34, 0.7, 0.91], np.float32)
_GLOW = np.array([1.0, 0.78, 0.2], np.float32)


def _enlarged(pixels: Vectors, scale: int) -> Vectors:
    color = np.repeat(pixels, 3, -1) if pixels.shape[-1] == 1 else pixels
    return np.array(color.repeat(scale, 0).repeat(scale, 1), np.float32)


def picture_rows(rows: Sequence[PictureRow], size: int = 64) -> str:
    """Rows of pictures below each other in columns, as HTML; `size` is the widest that one is drawn, in CSS pixels."""
    count = max((len(row.pixels) for row in rows), default=0)
    cells = []
    for row in rows:
        cells.append(f'<div style="align-self:center;line-height:1.2">{html.escape(row.label)}</div>')
        for i in range(count):
            if i >= len(row.pixels):
                cells.append("<div></div>")
                continue
            caption = html.escape(row.captions[i]) if i < len(row.captions) else ""
            said = f'<div style="font-size:.8em;line-height:1.2;text-align:center">{caption}</div>' if caption else ""
            name = html.escape(f"{row.label}, {i + 1}" + (f": {row.captions[i]}" if caption else ""))
            cells.append(
                f'<div style="min-width:0"><img src="{data_address(row.pixels[i])}" alt="{name}" '
                'style="width:100%;image-rendering:pixelated;display:block;border-radius:2px">'
                f"{said}</div>"
            )
    columns = f"minmax(4.5em,9em) repeat({count},minmax(0,{size}px))"
    style = f"display:grid;grid-template-columns:{columns};gap:6px;font-size:.875rem;margin:.25rem 0"
    return f'<div style="{style}">{"".join(cells)}</div>'


def loss_lines(curve: Vectors, *, epoch: int, epochs: int, pca: float | None, height: int = 300) -> go.Figure:
    """Mean squared error on training and held-out pictures by epoch: `curve` rows (epoch, train, held-out).

    `pca` is the held-out error of PCA of the same size, `epoch` the one that is shown.
    """
    figure = go.Figure()
    for index, (name, column, dash) in enumerate((("training pictures", 1, "solid"), ("held-out pictures", 2, "dash"))):
        color, _ = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=curve[:, 0],
                y=curve[:, column],
                name=name,
                mode="lines",
                line={"color": color, "dash": dash, "width": 2.5},
                hovertemplate=name + ", epoch %{x}: %{y:.4f}<extra></extra>",
            )
        )
    if pca is not None:
        line = {"color": mark_of(2)[0], "dash": "dot", "width": 2}
        figure.add_trace(
            go.Scatter(x=[0, epochs], y=[pca, pca], name="PCA, held-out", mode="lines", line=line, hoverinfo="name+y")
        )
    figure.add_vline(x=epoch, line={"color": PICK, "width": 2})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "epoch"}, "range": [0, epochs], "showgrid": False},
        yaxis={"title": {"text": "mean squared error"}, "type": "log"},
        legend={"orientation": "h", "y": -0.3},
        dragmode=False,
        uirevision="loss",
    )
    return figure


def accuracy_dots(found: Mapping[str, Mapping[str, float]], learned: str, height: int = 240) -> go.Figure:
    """Accuracies as dots: a row for each maker of vectors, a color and shape for each label, the learned one named."""
    figure = go.Figure()
    columns = list(next(iter(found.values()), {}))
    for index, column in enumerate(columns):
        color, symbol = mark_of(index)
        name = f"{column} (learned)" if column == learned else column
        figure.add_trace(
            go.Scatter(
                x=[row[column] for row in found.values()],
                y=list(found),
                name=name,
                mode="markers",
                marker={"color": color, "symbol": symbol, "size": 12},
                hovertemplate=f"%{{y}}, {name}: %{{x:.1%}}<extra></extra>",
            )
        )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis={"title": {"text": "kNN accuracy, held-out"}, "tickformat": ".1%", "nticks": 5},
        yaxis={"autorange": "reversed"},
        legend={"orientation": "h", "y": -0.4},
        dragmode=False,
    )
    return figure


def setting_lines(
    values: Sequence[float],
    lines: Mapping[str, Sequence[float | None]],
    *,
    x_title: str,
    y_title: str,
    log: bool = True,
    chosen: float | None = None,
    height: int = 300,
    floor: float = 0.0,
) -> go.Figure:
    """A line for each name over the values of a setting; gaps where nothing was measured.

    The axis begins at `floor`, what chance gives; where a line falls below, it begins there.
    """
    figure = go.Figure()
    for index, (name, line) in enumerate(lines.items()):
        color, symbol = mark_of(index)
        figure.add_trace(
            go.Scatter(
                x=list(values),
                y=list(line),
                name=name,
                mode="lines+markers",
                line={"color": color, "width": 2, "dash": ("solid", "dash", "dot", "dashdot")[index % 4]},
                marker={"symbol": symbol, "size": 9},
                hovertemplate=name + f", {x_title} %{{x}}: %{{y:.4f}}<extra></extra>",
            )
        )
    if chosen is not None:
        figure.add_vline(x=chosen, line={"color": PICK, "width": 2})
    x_axis: dict[str, Any] = {"title": {"text": x_title}, "showgrid": False}
    if log:
        x_axis |= {"type": "log", "tickvals": list(values), "ticktext": [f"{value:g}" for value in values]}
    y_axis: dict[str, Any] = {"title": {"text": y_title}, "rangemode": "tozero"}
    known = [value for line in lines.values() for value in line if value is not None]
    if floor and known:
        low, high = min(floor, *known), max(floor, *known)
        y_axis |= {"range": [low - 0.02 * (high - low), high + 0.08 * (high - low)], "rangemode": "normal"}
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        xaxis=x_axis,
        yaxis=y_axis,
        legend={"orientation": "h", "y": -0.3},
        dragmode=False,
    )
    return figure

"""What all figures share: colors that color-blind people tell apart, a second mark beside color, plain layout."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["mark_of", "plain_layout", "shade_colors"]

# Okabe and Ito 2008, yellow darkened for white paper
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A6D00", "#5B5B5B")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "triangle-down", "pentagon")
SYMBOLS_3D = ("circle", "square", "diamond", "cross", "x", "circle-open", "square-open", "diamond-open")
GRAY = "#9AA3AA"
INK = "#7A8691"
PICK, NEAR, LOST, INVENTED = "#D55E00", "#0072B2", "#CC79A7", "#E69F00"

STAR = {"color": "#F0E442", "line": {"width": 1.5, "color": "#333333"}}  # what a person puts on a map

SHADES = [[0, "#5b7db1"], [0.5, "#a3a093"], [1, "#e8c530"]]  # readable on light and on dark ground

WEBGL_FROM = 1_000  # points; below this SVG is sharp and quick enough


def mark_of(index: int, flat: bool = True) -> tuple[str, str]:
    """Color and symbol of the group with this number: after eight groups colors come again with another symbol."""
    symbols = SYMBOLS if flat else SYMBOLS_3D
    return COLORS[index % len(COLORS)], symbols[(index + index // len(COLORS)) % len(symbols)]


def plain_layout(height: int, **more: Any) -> dict[str, Any]:
    """Layout without axes titles, ticks or frame, for maps whose axes mean nothing."""
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    return {
        "height": height,
        "margin": {"l": 4, "r": 4, "t": 8, "b": 4},
        "xaxis": bare,
        "yaxis": {**bare, "scaleanchor": "x", "scaleratio": 1},
        "legend": {"orientation": "h", "yanchor": "top", "y": -0.01, "x": 0, "itemsizing": "constant"},
        "hovermode": "closest",
        "dragmode": False,  # a finger on the map scrolls the page; the tool bar pans
        **more,
    }


def shade_colors(count: int) -> list[str]:
    """So many colors along SHADES, from low to high, as "#rrggbb"."""
    places = [float(str(place)) for place, _ in SHADES]
    ends = np.array([[int(str(color)[i : i + 2], 16) for i in (1, 3, 5)] for _, color in SHADES], np.float64)
    mixed = [np.interp(np.linspace(0, 1, count), places, ends[:, channel]) for channel in range(3)]
    return [f"#{round(r):02x}{round(g):02x}{round(b):02x}" for r, g, b in zip(*mixed, strict=True)]

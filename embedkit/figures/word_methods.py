"""Small maps of the same words, one for each way of learning them."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from embedkit.figures.maps import MapMarks, point_map
from embedkit.space import Vectors

__all__ = ["method_map"]

NONE = MapMarks()


def method_map(
    coords: Vectors,
    names: Sequence[str],
    groups: Sequence[str],
    *,
    marks: MapMarks = NONE,
    height: int = 300,
) -> go.Figure:
    """Words (n, 2) on a small map; those with a group in its color and shape, the others gray; no legend of its own."""
    figure = point_map(
        coords, names, groups=groups, gray=[not group for group in groups], marks=marks, labels=9, height=height
    )
    figure.update_traces(name="other frequent words", selector={"name": "not selected"})
    figure.update_traces(name="nearest of these words", selector={"name": "true neighbor, near on the map"})
    figure.update_layout(showlegend=False, uirevision="methods")
    return figure

"""Figures: pure functions from data to a plotly figure; no widget, no state."""

from embedkit.figures.maps import MapMarks, axes_map, point_map
from embedkit.figures.panels import layer_lines, layer_map, strips, trust_bars

__all__ = ["MapMarks", "axes_map", "layer_lines", "layer_map", "point_map", "strips", "trust_bars"]

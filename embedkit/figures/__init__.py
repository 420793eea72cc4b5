"""Figures: pure functions from data to a plotly figure; no widget, no state."""

from embedkit.figures.by_hand import hand_loss, hand_map, hand_network
from embedkit.figures.maps import MapMarks, axes_map, name_axes, point_map
from embedkit.figures.panels import layer_lines, layer_map, strips, trust_bars
from embedkit.figures.pictures import (
    PictureRow,
    accuracy_dots,
    attended,
    data_address,
    loss_lines,
    patched,
    picture_rows,
    setting_lines,
    signed,
)
from embedkit.figures.towers import recall_cost, recall_lines, towers_map
from embedkit.figures.word_methods import method_map
from embedkit.figures.word_training import learning_lines, learning_map

__all__ = [
    "MapMarks",
    "PictureRow",
    "accuracy_dots",
    "attended",
    "axes_map",
    "data_address",
    "hand_loss",
    "hand_map",
    "hand_network",
    "layer_lines",
    "layer_map",
    "learning_lines",
    "learning_map",
    "loss_lines",
    "method_map",
    "name_axes",
    "patched",
    "picture_rows",
    "point_map",
    "recall_cost",
    "recall_lines",
    "setting_lines",
    "signed",
    "strips",
    "towers_map",
    "trust_bars",
]

"""A plane of vectors to be pointed at: what lies under the pointer is decoded and drawn large, at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from embedkit.figures import data_address
from embedkit.figures.style import COLORS
from embedkit.space import Vectors

HTML = """<div class="both">
<canvas class="plane" tabindex="0" role="img"></canvas>
<div><canvas class="large" role="img"></canvas><div class="said" aria-live="polite"></div></div>
</div>"""
CSS = """.both { display: flex; flex-wrap: wrap; gap: 16px; color: var(--st-text-color); font-size: 0.875rem; }
.plane { width: min(100%, 640px); border: 1px solid var(--st-border-color, #ccc);
  border-radius: 6px; cursor: crosshair; touch-action: pan-y; }
.plane:focus-visible { outline: 3px solid var(--st-primary-color); }
.large { width: 176px; border-radius: 6px; }
.said { max-width: 176px; margin-top: 4px; font-variant-numeric: tabular-nums; }"""

COARSE = 20  # decoded pictures along the longer side of the background, large enough to be seen

_PLANE = st.components.v2.component(
    "embedkit_plane", html=HTML, css=CSS, js=Path(__file__).with_name("plane.js").read_text("utf-8")
)


def plane(
    sheet: Vectors,
    *,
    cells: tuple[int, int],
    size: tuple[int, int],
    bounds: tuple[Vectors, Vectors],
    points: Vectors,
    groups: Sequence[int],
    names: Sequence[str],
    picks: dict[str, Vectors],
    at: tuple[float, float] | None,
    axes: tuple[str, str],
    show: str,
    key: str,
    on_pick: Callable[[int], None],
    on_at: Callable[[float, float], None],
) -> None:
    """Draw the plane: `sheet` (rows x height, columns x width, channels) holds what was decoded, the top row first.

    `points` (n, 2) are the pictures' places between `bounds` (low, high). A click on a point calls `on_pick(row)`, one
    beside calls `on_at(x, y)` with the middle of its cell; `show` is "dots", "pictures" or "both".
    """

    def picked() -> None:
        row = st.session_state[key].get("pick")
        if row is not None:
            on_pick(int(row))

    def moved() -> None:
        place = st.session_state[key].get("at")
        if place is not None:
            on_at(float(place[0]), float(place[1]))

    low, high = bounds
    data: dict[str, Any] = {
        "sprite": data_address(sheet),
        "columns": cells[0],
        "rows": cells[1],
        "coarse": COARSE / max(cells),
        "size": list(size),
        "low": [float(value) for value in low],
        "high": [float(value) for value in high],
        "points": np.round(points.astype(float), 4).tolist(),
        "marks": list(groups),
        "names": list(names),
        "colors": list(COLORS),
        "picks": {name: [float(v) for v in place] for name, place in picks.items()},
        "at": list(at) if at else None,
        "axes": list(axes),
        "alt": f"Plane of {len(points)} pictures, {axes[0]} by {axes[1]}; arrow keys move, Enter decodes the place",
        "dots": show != "pictures",
        "pictures": show != "dots",
    }
    _PLANE(key=key, data=data, on_pick_change=picked, on_at_change=moved)

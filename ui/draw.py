"""A square to draw in; what was drawn comes back as the bytes of a PNG."""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

import streamlit as st

HTML = """<canvas class="sheet" width="280" height="280" role="img" aria-label="Draw here with the mouse or a finger"></canvas>
<button class="clear" type="button">Clear</button>"""
CSS = """.sheet { display: block; width: min(100%, 220px); aspect-ratio: 1; border-radius: 6px; cursor: crosshair;
  touch-action: none; background: #000; }
.clear { margin-top: 8px; padding: 4px 14px; border: 1px solid var(--st-border-color, #ccc); border-radius: 6px;
  background: transparent; color: var(--st-text-color); font: inherit; cursor: pointer; }"""
MOST = 2_000_000  # characters of a drawing; one of 280 x 280 takes some thousands

_SHEET = st.components.v2.component(
    "embedkit_draw", html=HTML, css=CSS, js=Path(__file__).with_name("draw.js").read_text("utf-8")
)


def drawing(key: str) -> bytes | None:
    """The drawing as a PNG, or None while the square is empty."""
    known = st.session_state.get(key) or {}
    result = _SHEET(key=key, data={"image": known.get("image")}, on_image_change=lambda: None)
    address = result.image
    head = "data:image/png;base64,"
    if not isinstance(address, str) or not address.startswith(head) or len(address) > MOST:
        return None
    try:
        return base64.b64decode(address[len(head) :], validate=True)
    except binascii.Error:
        return None

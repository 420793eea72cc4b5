"""How the pitfalls of learned words write means, spreads and shares."""

from __future__ import annotations

import streamlit as st

from embedkit.words.training_pitfalls import Spread

THREE = st.column_config.NumberColumn(format="%.3f")


def rounded(value: float | None, digits: int = 3) -> str:
    """A number, or a dash for none."""
    return "–" if value is None else f"{value:.{digits}f}"


def cell(spread: Spread, *, percent: bool = False, digits: int = 3) -> str:
    """A mean with the lowest and the highest beside it, where they differ."""
    if spread.mean is None:
        return "–"
    shown = [
        f"{value:.1%}" if percent else f"{value:.{digits}f}"
        for value in (spread.mean, spread.low, spread.high)
        if value is not None
    ]
    return shown[0] if shown[1] == shown[2] else f"{shown[0]} ({shown[1]}–{shown[2]})"


def said(spread: Spread) -> str:
    """The same within a sentence."""
    return cell(spread).replace("–", " to ") if spread.mean is not None else "nothing"

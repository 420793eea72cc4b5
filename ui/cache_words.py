"""What the page Words keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

import streamlit as st

from embedkit.words import CategoryScore, score_category
from ui import cache


@st.cache_resource(max_entries=64, show_spinner="Asking every question of the category ...")
def category(key: str, name: str) -> CategoryScore:
    """The success rate of one category of analogies in one space."""
    return score_category(cache.space(key), name)

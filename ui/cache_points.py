"""What maps of many points keep between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from embedkit.figures.thumbnails import Thumbnails


@st.cache_resource(max_entries=8, show_spinner=False)
def thumbnails(key: str, _make: Callable[[], Thumbnails]) -> Thumbnails:
    """The pictures of a map; `key` names the vectors, the places and which of them are wanted."""
    return _make()

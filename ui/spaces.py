"""Which static vectors a page shows: the shipped ones, or pretrained ones once they were fetched."""

from __future__ import annotations

import streamlit as st

import embedkit
from ui.controls import BIND

SHIPPED = "words/minilm"


def static_space() -> str:
    """Key of the chosen static space; the choice appears once there is more than one on this machine."""
    here = ready()
    if len(here) == 1:
        return SHIPPED
    titles = embedkit.methods()
    return (
        st.selectbox(
            "Vectors",
            here,
            key="space",
            bind=BIND,
            format_func=lambda key: titles[key].title,
            help="Shipped or fetched.",
        )
        or SHIPPED
    )


def ready() -> list[str]:
    """Keys of the static spaces that can be loaded now."""
    from embedkit.catalog import catalog

    fetched = [row.name for row in catalog() if row.here and row.name.startswith("words/") and row.name != SHIPPED]
    return [SHIPPED, *fetched]

"""What the page Words in context keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

import streamlit as st

from embedkit.contexts import Layers, Meaning, Occurrence, SharedMap, meaning, read_layers, shared_map
from embedkit.encoders.transformer import Transformer, load_transformer
from embedkit.words import to_table
from ui import cache


@st.cache_resource(max_entries=24, show_spinner=False)
def layers(occurrences: tuple[Occurrence, ...], model: str, folder: str) -> Layers:
    """Occurrences read by a transformer."""
    return read_layers(occurrences, transformer(model, folder))


@st.cache_resource(max_entries=24, show_spinner=False, hash_funcs={Layers: lambda found: found.key})
def shared(found: Layers) -> SharedMap:
    """One projection for all layers of these occurrences."""
    return shared_map(found)


@st.cache_resource(max_entries=64, show_spinner=False, hash_funcs={Layers: lambda found: found.key})
def meaning_of(found: Layers, row: int) -> Meaning:
    """The static words near one occurrence, read by MiniLM."""
    return meaning(cache.space("words/minilm"), to_table(found.vectors[-1]), row, found.word)


def transformer(model: str = "minilm", folder: str = "") -> Transformer:
    """A transformer; embedkit itself keeps the loaded ones."""
    return load_transformer(model, folder or None)

"""What the explorer keeps of points of a person's own: their vectors and places; like all caches of the pages by key."""

from __future__ import annotations

import hashlib

import numpy as np
import streamlit as st

from embedkit.encoding import Encoded, encode
from embedkit.projection import Projection
from embedkit.space import Space, Vectors


def _made_by(space: Space) -> str:
    return f"{space.digest} {space.origin}"


def _drawn(projection: Projection) -> str:
    made_of = projection.space.digest if projection.space else ""
    coords = hashlib.blake2b(projection.coords.tobytes()).hexdigest()
    return f"{made_of} {projection.method} {projection.params} {coords}"


@st.cache_resource(max_entries=128, show_spinner="Reading it by the model ...", hash_funcs={Space: _made_by})
def phrase(space: Space, text: str) -> Encoded:
    """A phrase as a vector of a space."""
    return encode(space, text)


@st.cache_resource(max_entries=64, show_spinner="Reading it by the model ...", hash_funcs={Space: _made_by})
def picture(space: Space, data: bytes, name: str, invert: bool | None) -> Encoded:
    """A picture as a vector of a space."""
    return encode(space, data, name=name, invert=invert)


def places(projection: Projection, vectors: Vectors) -> Vectors:
    """Coordinates (m, dims) of new vectors (m, d) on a map, which does not move."""
    return _places(projection, np.ascontiguousarray(vectors, np.float32).tobytes(), len(vectors))


@st.cache_resource(max_entries=64, show_spinner="Placing it ...", hash_funcs={Projection: _drawn})
def _places(projection: Projection, vectors: bytes, count: int) -> Vectors:
    return projection.transform(np.frombuffer(vectors, np.float32).reshape(count, -1))

"""What the explorer keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

import streamlit as st

from embedkit import explore
from embedkit.clusters import Clusters, request_clusters
from embedkit.compare import Comparison, compare
from embedkit.jobs import Job
from embedkit.neighbors import Metric
from embedkit.space import Space
from ui import cache


def keep_space(found: Space) -> str:
    """A space handed to another page, or a person's own: its key in the store."""
    key = explore.keep_space(found, cache.pool().store)
    cache.forget_later(key)
    return key


@st.cache_resource(max_entries=4, show_spinner="Reading the vectors ...")
def kept_space(key: str) -> Space:
    """The space with this key in the store."""
    return explore.kept_space(cache.pool().store, key)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Space: lambda found: found.digest})
def sampled(whole: Space, rows: tuple[int, ...]) -> Space:
    """Some rows of a space."""
    return whole.take([whole.items[row] for row in rows])


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Space: lambda found: found.digest})
def shuffled(found: Space, seed: int) -> Space:
    """Noise of the same shape."""
    return explore.shuffled(found, seed)


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Space: lambda found: f"{found.digest} {found.title}"})
def comparison(spaces: tuple[Space, ...], k: int, metric: Metric) -> Comparison:
    """Spaces beside each other."""
    return compare(spaces, k=k, metric=metric)


def clusters_of(found: Space, least: int, column: str) -> Clusters | Job:
    """The groups of a space if they are kept, else the job that finds them."""
    return request_clusters(found, least, column, cache.pool())

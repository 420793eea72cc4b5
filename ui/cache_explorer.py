"""What the explorer keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from embedkit import explore
from embedkit.clusters import Clusters, request_clusters
from embedkit.compare import Comparison, cut_to_common, request_comparison
from embedkit.files import UPLOAD, open_files
from embedkit.files.given import shown
from embedkit.files.keeping import keep_opened, store_upload
from embedkit.jobs import Job
from embedkit.neighbors import Metric
from embedkit.sources.picture_sets import load_pictures
from embedkit.space import Space
from ui import cache


def keep_space(found: Space, pictures: NDArray[np.uint8] | None = None) -> str:
    """A space handed to another page, with a picture of each item where there is one: its key in the store."""
    key = explore.keep_space(found, cache.pool().store, pictures=pictures)
    cache.forget_later(key)
    return key


def keep_upload(files: Sequence[tuple[str, bytes]]) -> str:
    """Open uploaded files here and now, and return their key in the store; raises what `open_files` raises."""
    opened = open_files(files, limits=UPLOAD)
    key = keep_opened(opened, [name for name, _ in files], cache.pool().store, UPLOAD)
    cache.forget_later(key)
    return key


def request_upload(files: Sequence[tuple[str, bytes]]) -> Job:
    """The job that opens uploaded files; raises InputError where they are too large, or the disk is full."""
    keys = store_upload(files, cache.pool().store)
    names = [name for name, _ in files]
    title = f"Opening {shown(names[0], 30)}" + f" and {len(names) - 1} more" * (len(names) > 1)
    job = cache.pool().submit("embedkit.files.keeping:open_uploaded", {"names": names, "keys": keys}, title=title)
    for key in (*keys, job.key):
        cache.forget_later(key)
    return job


def uploaded(job: Job) -> str:
    """The key of what a job has opened; raises what it ended with."""
    try:
        key = str(job.result().meta["key"])
    finally:
        _remove_upload(job)  # a worker that was killed could not
    cache.forget_later(key)
    return key


def drop_upload(job: Job) -> None:
    """Stop the opening of files that nobody waits for any more."""
    job.stop()
    _remove_upload(job)


def _remove_upload(job: Job) -> None:
    for key in job.params["keys"]:
        cache.pool().store.remove(key)


@st.cache_resource(max_entries=4, show_spinner="Reading the vectors ...")
def kept(key: str) -> explore.Kept:
    """The space with this key in the store, and what came with it."""
    return explore.kept(cache.pool().store, key)


def kept_space(key: str) -> Space:
    """The space alone."""
    return kept(key).space


def kept_title(key: str) -> str:
    """What is kept under a key, in a few words; "" where it is no longer kept."""
    return explore.kept_title(cache.pool().store, key)


@st.cache_resource(max_entries=1, show_spinner=False)
def digit_pictures() -> NDArray[np.uint8]:
    """The pictures of the shipped digits: uint8 (1797, 8, 8, 1)."""
    return np.round(load_pictures("digits").pixels * 255).astype(np.uint8)


@st.cache_resource(max_entries=16, show_spinner=False, hash_funcs={Space: lambda found: found.digest})
def sampled(whole: Space, rows: tuple[int, ...]) -> Space:
    """Some rows of a space."""
    return whole.take([whole.items[row] for row in rows])


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={Space: lambda found: found.digest})
def shuffled(found: Space, seed: int) -> Space:
    """Noise of the same shape."""
    return explore.shuffled(found, seed)


# Equal vectors may have other items or titles, which a comparison names.
@st.cache_resource(
    max_entries=8,
    show_spinner=False,
    hash_funcs={Space: lambda found: f"{found.digest} {found.title} {hash(found.items)}"},
)
def in_common(spaces: tuple[Space, ...]) -> tuple[Space, ...]:
    """Spaces cut to the items that all of them hold."""
    return cut_to_common(spaces)


def comparison(cut: tuple[Space, ...], k: int, metric: Metric) -> Comparison | Job:
    """Spaces `in_common` beside each other if that is kept, else the job that compares them."""
    return request_comparison(cut, k, metric, cache.pool())


def clusters_of(found: Space, least: int, column: str) -> Clusters | Job:
    """The groups of a space if they are kept, else the job that finds them."""
    return request_clusters(found, least, column, cache.pool())

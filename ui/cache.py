"""The only caches. Keys are texts and numbers, never arrays: Streamlit hashes large arrays from a sample."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import streamlit as st

import embedkit
from embedkit.catalog import fetch_task_of
from embedkit.encoders.transformer import load_transformer
from embedkit.jobs import Job, Pool, default_pool
from embedkit.space import Space
from embedkit.store import recipe_key

_own: set[str] = set()


@st.cache_resource(max_entries=4, show_spinner=False)
def space(key: str) -> Space:
    """The Space of a method with its defaults, shared and read-only."""
    return embedkit.load(key)


@st.cache_resource(max_entries=32, show_spinner=False)
def subspace(key: str, items: tuple[str, ...]) -> Space:
    """Some items of a space as a Space of their own; equal lists share one, with its graph."""
    return space(key).take(items)


def forget_later(key: str) -> None:
    """Remove this result, a person's own, from the disk when the server stops."""
    _own.add(key)


def forget_own() -> None:
    """Remove what people brought from the disk, when the server stops."""
    for key in _own:
        pool().store.remove(key)


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The workers for slow work, one pool a server."""
    return default_pool()


@st.cache_resource(show_spinner=False)
def warm_up() -> bool:
    """Once a server: load what pages import and MiniLM in a thread, then compile UMAP in a worker."""
    threading.Thread(target=_preload, daemon=True).start()
    return True


HEAD_START, QUIET, LONGEST = 2.0, 3.0, 20.0  # seconds
_drawing = [float("-inf")]


def drawing() -> None:
    """Say that a page begins or ends to be drawn: what only warms up lets it go first."""
    _drawing[0] = time.monotonic()


def _preload() -> None:
    latest = time.monotonic() + LONGEST
    time.sleep(HEAD_START)
    # the browser is at work for a while after the page; a map that somebody waits for needs both cores
    while time.monotonic() < latest and (time.monotonic() < _drawing[0] + QUIET or pool().busy):
        time.sleep(0.1)
    import plotly.graph_objects  # noqa: F401

    from ui import cache_contexts, cache_images, cache_interactions, cache_train_words, cache_words  # noqa: F401

    with suppress(embedkit.EmbedkitError):  # the page that needs it says so
        load_transformer()
    pool().warm("embedkit.maps:warm_up")  # last: on two cores it would slow the first page down


@st.cache_resource(show_spinner=False)
def _trainings() -> dict[str, Job]:
    return {}


def found_by_all(job: Job) -> Job:
    """The job of a training, which `runs` finds for every visit as long as it has not ended."""
    jobs = _trainings()
    for key in [key for key, each in list(jobs.items()) if each.finished]:
        jobs.pop(key, None)
    jobs[job.key] = job
    return job


def runs(key: str) -> bool:
    """Whether somebody's training runs, or waits for its turn, under this key."""
    job = _trainings().get(key)
    return job is not None and not job.finished


@st.cache_resource(show_spinner=False)
def _fetches() -> dict[str, Job]:
    return {}


def fetch(name: str, title: str) -> Job:
    """A download of what the catalog names, started at the first ask, the same for everybody until it ended.

    A stored result does not prove that the files are still there, so each download has a key of its own.
    """
    jobs = _fetches()
    if name not in jobs:
        task, params = fetch_task_of(name)
        key = recipe_key(task, **params, started=time.time())
        jobs[name] = pool().submit(task, params, title=f"Fetching {title}", key=key)
    return jobs[name]


def fetched(name: str) -> None:
    """Forget a download that ended, so that it can be asked for again."""
    _fetches().pop(name, None)

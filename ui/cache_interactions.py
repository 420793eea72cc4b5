"""What the page Users and items keeps between runs; like all caches of the pages by key, never by array."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import streamlit as st

import embedkit
from embedkit.interactions.data import Watched, features_of, keep_table, load_watched, parts_of
from embedkit.interactions.evaluation import evaluate
from embedkit.interactions.plane import TowersPlane, like_truth, towers_plane_of
from embedkit.interactions.towers import TowerRecipe, Towers
from embedkit.interactions.training import Seen, towers_at, towers_key, weights_of_entry
from embedkit.interactions.webpages import Webpages, request_webpages
from embedkit.jobs import Job
from embedkit.sources.cinema import Tastes, tastes
from embedkit.sources.interactions import Interactions
from embedkit.space import Space, Vectors
from ui import cache


def keep_interactions(table: Interactions) -> Watched:
    """A person's own table, where a training finds it until the server stops."""
    watched = keep_table(table, cache.pool().store)
    cache.forget_later(watched.own)
    return watched


def towers_seen(key: str, epoch: int) -> Seen | None:
    """Both towers' vectors after an epoch, None when that is not kept; `key` is that of the training."""
    try:
        return _towers_seen(key, epoch)
    except LookupError:
        return None


@st.cache_resource(max_entries=64, show_spinner=False)
def _towers_seen(key: str, epoch: int) -> Seen:
    found = towers_at(cache.pool().store, key, epoch)
    if found is None:
        raise LookupError(key)  # not cached: it may be there the next time
    return found


@st.cache_resource(max_entries=64, show_spinner=False)
def _plane_of_towers(key: str, epoch: int, steps: tuple[int, ...]) -> TowersPlane:
    seen = towers_seen(key, epoch)
    assert seen is not None
    earlier = [step for step in steps if step < epoch]
    before = _plane_of_towers(key, earlier[-1], tuple(earlier)) if earlier and towers_seen(key, earlier[-1]) else None
    return towers_plane_of(seen, before)


def towers_plane(key: str, epoch: int, steps: tuple[int, ...]) -> tuple[Vectors, Vectors, float]:
    """Users and items on one map, (n_users, 2) and (n_items, 2), turned like the step before; and the share of variance."""
    found = _plane_of_towers(key, epoch, tuple(step for step in steps if step <= epoch))
    return found.users, found.items, found.share


def on_plane(key: str, epoch: int, steps: tuple[int, ...], vectors: Vectors) -> Vectors:
    """Where vectors of users (n, d) stand on that map."""
    return _plane_of_towers(key, epoch, tuple(step for step in steps if step <= epoch)).place(vectors)


@st.cache_resource(max_entries=8, show_spinner=False)
def towers(watched: Watched, recipe: TowerRecipe) -> Towers:
    """Both towers of a training that is kept."""
    entry = cache.pool().store.get(towers_key(watched, recipe))
    if entry is None:
        raise embedkit.InputError("This training is no longer kept. Press Train again.")
    table = load_watched(watched)
    return Towers(
        recipe, features_of(table, cache.pool().store), (table.n_users, table.n_items), weights_of_entry(entry)
    )


@st.cache_resource(max_entries=8, show_spinner=False)
def item_space(watched: Watched, recipe: TowerRecipe) -> Space:
    """The items as vectors of their tower, without the bias."""
    table, vectors = load_watched(watched), towers(watched, recipe).items()[:, :-1]
    return Space(f"{table.key}/items", f"Items of {table.title.lower()}", table.items, vectors)


@st.cache_resource(max_entries=8, show_spinner=False)
def popularity(watched: Watched) -> Vectors:
    """How many users have each item among the rows to learn from."""
    return np.bincount(parts_of(load_watched(watched)).seen.indices, minlength=load_watched(watched).n_items)


@st.cache_resource(show_spinner=False)
def oracle() -> dict[str, float]:
    """What the true tastes of the simulated cinema would reach."""
    parts = parts_of(load_watched(Watched()))
    return asdict(evaluate(true_tastes().scores(), parts.seen, parts.held))


@st.cache_resource(show_spinner=False)
def true_tastes() -> Tastes:
    """The true tastes of the simulated cinema."""
    return tastes()


def nearness_to_truth(seen: Seen) -> float:
    """Rank correlation of who is like whom in the simulated cinema: learned vectors against true tastes."""
    return like_truth(seen.users[:, :-1], true_tastes().users)


def retrieval(items: int, seed: int) -> Job:
    """The job that measures exact and approximate search."""
    task = "embedkit.interactions.nearest:retrieval_task"
    return cache.pool().submit(task, {"items": items, "seed": seed}, title=f"Searching among {items:,} items")


@st.cache_resource(show_spinner="Reading Wikipedia ...")
def _webpages_ready() -> bool:
    request_webpages(cache.pool())
    return True


def webpages_job() -> Job:
    """The job that trains the towers of queries and pages."""
    _webpages_ready()  # reads the sections, once
    return request_webpages(cache.pool())


@st.cache_resource(show_spinner=False)
def webpages() -> Webpages:
    """The trained towers of queries and pages."""
    return Webpages.from_entry(webpages_job().result())

"""A map with its quality as one stored result: there at once when somebody made it before, else made by a job."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from embedkit.errors import InputError
from embedkit.handing import hand_over, handed_over, key_of
from embedkit.jobs import Job, Pool
from embedkit.neighbors import EXACT_LIMIT, Metric, graph_at_hand
from embedkit.own_axes import OwnAxis
from embedkit.projection import MethodName, Projection, chosen_params, project, recipe_of
from embedkit.quality import Quality, lost_and_invented, measure
from embedkit.space import Space, Vectors
from embedkit.store import Entry, Store, default_store, recipe_key

__all__ = [
    "MadeMap",
    "Settings",
    "kept_of",
    "make_map",
    "map_key",
    "pack_map",
    "request_map",
    "result_now",
    "result_of",
    "stored_map",
    "warm_up",
]

TASK = "embedkit.maps:make_map"
AT_ONCE = 5_000  # items whose straight map is made and measured within a run of the page
KEPT = 8  # measured maps by own axes, a space
LOOKED_AT = 400  # points of a larger map by own axes that say how far to believe it


_measured: WeakKeyDictionary[Space, dict[tuple[str, str], Quality]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Settings:
    """How a map is made: method, dimensions, seed, metric, the method's own parameters, and one's own axes."""

    method: MethodName = "umap"
    dims: int = 2
    seed: int = 0
    metric: Metric = "cosine"
    params: tuple[tuple[str, float], ...] = ()
    axes: tuple[OwnAxis, ...] = ()


@dataclass(frozen=True, eq=False)
class MadeMap:
    """A projection of a space and how far it can be believed.

    `graph_recall` is the share of the true neighbors in the approximate graph that it was laid out from, measured on
    `graph_sampled` items; None where the graph was exact or the method takes none.
    """

    projection: Projection
    quality: Quality
    graph_recall: float | None = None
    graph_sampled: int = 0


def kept_of(made: MadeMap, item: str) -> float:
    """The share of an item's true neighbors that the map keeps near; measured now where the sample left it out."""
    space = made.projection.space
    if space is None:
        raise InputError("This map does not carry its space.")
    known = float(made.quality.point_recall[space.row(item)])
    if made.quality.k == 0 or not np.isnan(known):
        return known
    lost, _ = lost_and_invented(space, made.projection, item, made.quality.k, made.projection.metric)
    return 1 - len(lost) / made.quality.k


def _recipe(space: Space, settings: Settings) -> dict[str, Any]:
    # Settings that n items cut to the same value are the same map.
    params = chosen_params(settings.method, dict(settings.params), space.n)
    seed = 0 if settings.method in ("pca", "axes") else settings.seed
    recipe = {
        "vectors_key": key_of(space),
        "method": settings.method,
        "dims": settings.dims,
        "seed": seed,
        "metric": settings.metric,
        "params": {name: float(value) for name, value in sorted(params.items())},
    }
    if settings.method == "axes":  # names and columns, which the vectors' key does not hold, decide where items stand
        recipe["coords_key"] = recipe_key("coords", digest=_digest(_coords(space, settings)))
    return recipe


def _coords(space: Space, settings: Settings) -> Vectors:
    return project(space, method="axes", dims=settings.dims, axes=settings.axes).coords


def _digest(coords: Vectors) -> str:
    return hashlib.blake2b(coords.tobytes(), digest_size=16).hexdigest() + f" {coords.shape}"


def map_key(space: Space, settings: Settings) -> str:
    """The store's key of a map; raises InputError for settings out of bounds."""
    return recipe_key(TASK, **_recipe(space, settings))


def _unpacked(entry: Entry, space: Space, settings: Settings) -> MadeMap:
    params = dict(entry.meta["params"])
    coords = np.asarray(entry.arrays["coords"], np.float32)
    method, seed, metric = settings.method, settings.seed, settings.metric
    projection = Projection(coords, method, params, seed, space.key, metric, space, settings.axes)
    recall = np.asarray(entry.arrays["point_recall"], np.float32)
    return MadeMap(projection, Quality(point_recall=recall, **entry.meta["quality"]), **entry.meta.get("graph", {}))


def pack_map(made: MadeMap) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and meta of a map, as the store keeps them."""
    figures = {name: value for name, value in asdict(made.quality).items() if name != "point_recall"}
    arrays = {"coords": made.projection.coords, "point_recall": made.quality.point_recall}
    meta: dict[str, Any] = {"params": made.projection.params, "quality": figures}
    if made.graph_recall is not None:  # maps of an exact graph, as those that ship, have no such entry
        meta["graph"] = {"graph_recall": made.graph_recall, "graph_sampled": made.graph_sampled}
    return arrays, meta


def stored_map(space: Space, settings: Settings, store: Store | None = None) -> MadeMap | None:
    """The map if it ships or was made before, else None."""
    entry = (store or default_store()).get(map_key(space, settings))
    return _unpacked(entry, space, settings) if entry is not None else None


def request_map(space: Space, settings: Settings, pool: Pool) -> MadeMap | Job:
    """The map if it is there, else the job that makes it.

    PCA of up to 5,000 items is made on the spot, and so are own axes of up to 50,000 (from 5,000 on a sample says how
    far they can be believed). Raises InputError for settings out of bounds or too few items, before anything runs.
    """
    straight = {"pca": AT_ONCE, "axes": EXACT_LIMIT}.get(settings.method, 0)
    if settings.method == "axes" and space.n <= straight:
        return result_now(space, settings)
    if made := stored_map(space, settings, pool.store):
        return made
    made_by = recipe_of(settings.method)
    if space.n < made_by.least:
        raise InputError(
            f"{made_by.title} needs at least {made_by.least} items; here are {space.n}. PCA takes any number."
        )
    if space.n <= straight:
        return result_now(space, settings)
    recipe = _recipe(space, settings)
    kept = hand_over(space, pool.store)
    if kept and settings.method == "axes" and not pool.store.get_meta(recipe["coords_key"]):
        placed = {"coords": _coords(space, settings)}
        kept = pool.store.put(recipe["coords_key"], placed, {"title": space.title}, f"coords of {space.title}")
    if not kept:
        return result_now(space, settings)  # no room on the disk: slower, but it works
    return pool.submit(TASK, recipe, title=f"{made_by.title} of {space.n:,} items")


def result_of(job: Job, space: Space, settings: Settings) -> MadeMap:
    """The map of a finished job; raises what the job ended with."""
    return _unpacked(job.result(), space, settings)


def result_now(
    space: Space, settings: Settings, report: Callable[[float, str], None] = lambda fraction, text: None
) -> MadeMap:
    """Project and measure here and now, without the store."""
    projection = project(
        space,
        method=settings.method,
        dims=settings.dims,
        seed=settings.seed,
        metric=settings.metric,
        report=lambda fraction, text: report(0.9 * fraction, text),
        axes=settings.axes,
        **dict(settings.params),
    )
    report(0.9, "Measuring how far the map can be believed")
    if settings.method == "axes":
        return MadeMap(projection, _measured_once(space, projection))
    graph = None if settings.method == "pca" else graph_at_hand(space, settings.metric)
    sure = (None, 0) if graph is None else (graph.recall, graph.sampled)
    return MadeMap(projection, measure(space, projection, metric=settings.metric), *sure)


def _measured_once(space: Space, projection: Projection) -> Quality:
    """How far a map by own axes can be believed; it is in no store, so the last few of a space are kept here."""
    known, name = _measured.setdefault(space, {}), (_digest(projection.coords), projection.metric)
    if name not in known:
        most = LOOKED_AT if space.n > AT_ONCE else None
        quality = measure(space, projection, metric=projection.metric, most=most)
        while len(known) >= KEPT:
            known.pop(next(iter(known)), None)
        known[name] = quality
    return known[name]


def make_map(
    report: Callable[..., None],
    *,
    vectors_key: str,
    method: MethodName,
    dims: int,
    seed: int,
    metric: Metric,
    params: dict[str, float],
    coords_key: str = "",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: read the vectors from the store, project, measure; maps by own axes come with `coords_key`."""
    space = handed_over(vectors_key, "this map")
    if coords_key:
        placed = default_store().get(coords_key)
        if placed is None:
            raise InputError("The places of this map are no longer kept. Open the page again.")
        report(0.1, "Measuring how far the map can be believed")
        projection = Projection(placed.arrays["coords"], method, {}, seed, vectors_key, metric, space)
        return pack_map(MadeMap(projection, measure(space, projection, metric=metric)))
    settings = Settings(method, dims, seed, metric, tuple(params.items()))
    return pack_map(result_now(space, settings, lambda fraction, text: report(fraction, text)))


def warm_up(report: Callable[..., None]) -> dict[str, Any]:
    """Task of a worker at start: compile UMAP and PaCMAP before the first person needs them."""
    from embedkit import pacmap_engine, umap_engine

    umap_engine.warm()
    pacmap_engine.warm()
    return {}

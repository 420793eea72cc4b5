"""A map with its quality as one stored result: there at once when somebody made it before, else made by a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embedkit.errors import InputError
from embedkit.jobs import Job, Pool
from embedkit.neighbors import Metric
from embedkit.projection import MethodName, Projection, chosen_params, project
from embedkit.quality import Quality, measure
from embedkit.space import Space
from embedkit.store import Entry, Store, default_store, recipe_key

__all__ = [
    "MadeMap",
    "Settings",
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


@dataclass(frozen=True)
class Settings:
    """How a map is made: method, dimensions, seed, metric, and the method's own parameters."""

    method: MethodName = "umap"
    dims: int = 2
    seed: int = 0
    metric: Metric = "cosine"
    params: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, eq=False)
class MadeMap:
    """A projection of a space and how far it can be believed."""

    projection: Projection
    quality: Quality


def _recipe(space: Space, settings: Settings) -> dict[str, Any]:
    # Settings that n items cut to the same value are the same map.
    params = chosen_params(settings.method, dict(settings.params), space.n)
    seed = 0 if settings.method == "pca" else settings.seed
    return {
        "vectors_key": recipe_key("vectors", digest=space.digest),
        "method": settings.method,
        "dims": settings.dims,
        "seed": seed,
        "metric": settings.metric,
        "params": {name: float(value) for name, value in sorted(params.items())},
    }


def map_key(space: Space, settings: Settings) -> str:
    """The store's key of a map; raises InputError for settings out of bounds."""
    return recipe_key(TASK, **_recipe(space, settings))


def _unpacked(entry: Entry, space: Space, settings: Settings) -> MadeMap:
    params = dict(entry.meta["params"])
    coords = np.asarray(entry.arrays["coords"], np.float32)
    projection = Projection(coords, settings.method, params, settings.seed, space.key, settings.metric, space)
    recall = np.asarray(entry.arrays["point_recall"], np.float32)
    return MadeMap(projection, Quality(point_recall=recall, **entry.meta["quality"]))


def pack_map(made: MadeMap) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and meta of a map, as the store keeps them."""
    figures = {name: value for name, value in asdict(made.quality).items() if name != "point_recall"}
    arrays = {"coords": made.projection.coords, "point_recall": made.quality.point_recall}
    return arrays, {"params": made.projection.params, "quality": figures}


def stored_map(space: Space, settings: Settings, store: Store | None = None) -> MadeMap | None:
    """The map if it ships or was made before, else None."""
    entry = (store or default_store()).get(map_key(space, settings))
    return _unpacked(entry, space, settings) if entry is not None else None


def request_map(space: Space, settings: Settings, pool: Pool) -> MadeMap | Job:
    """The map if it is there, else the job that makes it; PCA of up to 5,000 items is made on the spot.

    Raises InputError for settings out of bounds or too few items, before anything runs.
    """
    from embedkit.projection import projections

    if made := stored_map(space, settings, pool.store):
        return made
    least = projections()[settings.method].least
    if space.n < least:
        title = projections()[settings.method].title
        raise InputError(f"{title} needs at least {least} items; here are {space.n}. PCA takes any number.")
    if settings.method == "pca" and space.n <= 5_000:
        return result_now(space, settings)
    recipe = _recipe(space, settings)
    if not pool.store.get_meta(recipe["vectors_key"]) and not pool.store.put(
        recipe["vectors_key"], {"vectors": space.vectors}, {"title": space.title}, f"vectors of {space.title}"
    ):
        return result_now(space, settings)  # no room on the disk: slower, but it works
    title = f"{projections()[settings.method].title} of {space.n:,} items"
    return pool.submit(TASK, recipe, title=title)


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
        **dict(settings.params),
    )
    report(0.9, "Measuring how far the map can be believed")
    return MadeMap(projection, measure(space, projection, metric=settings.metric))


def make_map(
    report: Callable[..., None],
    *,
    vectors_key: str,
    method: MethodName,
    dims: int,
    seed: int,
    metric: Metric,
    params: dict[str, float],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: read the vectors from the store, project, measure."""
    entry = default_store().get(vectors_key)
    if entry is None:
        raise InputError("The vectors of this map are no longer kept. Open the page again.")
    vectors = entry.arrays["vectors"]
    space = Space(vectors_key, str(entry.meta.get("title", "")), tuple(map(str, range(len(vectors)))), vectors)
    settings = Settings(method, dims, seed, metric, tuple(params.items()))
    return pack_map(result_now(space, settings, lambda fraction, text: report(fraction, text)))


def warm_up(report: Callable[..., None]) -> dict[str, Any]:
    """Task of a worker at start: compile UMAP and PaCMAP before the first person needs them."""
    from embedkit import pacmap_engine, umap_engine

    umap_engine.warm()
    pacmap_engine.warm()
    return {}

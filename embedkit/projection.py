"""project(space) -> Projection in 2-D or 3-D: PCA, t-SNE, UMAP, PaCMAP, from the one kNN graph, or one's own axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.neighbors import Metric, knn_graph, search
from embedkit.own_axes import OwnAxis, default_axes, drawn, place_on
from embedkit.space import Space, Vectors, frozen

__all__ = [
    "OWN_AXES",
    "OwnAxis",
    "Projection",
    "Recipe",
    "chosen_params",
    "epochs_of",
    "near_layout",
    "place",
    "project",
    "projections",
    "recipe_of",
]

WIDE = 1_000  # numbers a vector, above which decomposing the d x d covariance takes seconds

MethodName = Literal["pca", "tsne", "umap", "pacmap", "axes"]
NEAR = 10  # items that say where a new vector stands along a column
Report = Callable[[float, str], None]  # fraction done and what is being done; may raise to stop


@dataclass(frozen=True)
class Recipe:
    """What a menu must know of a projection: its parameters with default and bounds, and the smallest n."""

    title: str
    source: str
    defaults: dict[str, float]
    bounds: dict[str, tuple[float, float]]
    least: int
    note: str


_RECIPES: dict[str, Recipe] = {
    "pca": Recipe(
        "PCA",
        "Pearson 1901",
        {},
        {},
        1,
        "Straight: the two directions along which the vectors differ most. No settings.",
    ),
    "tsne": Recipe(
        "t-SNE",
        "van der Maaten and Hinton 2008; openTSNE",
        {"perplexity": 30},
        {"perplexity": (2, 100)},
        5,
        "Keeps small neighborhoods together; sizes of groups and gaps between them mean nothing.",
    ),
    "umap": Recipe(
        "UMAP",
        "McInnes, Healy and Melville 2018",
        {"n_neighbors": 15, "min_dist": 0.1},
        {"n_neighbors": (2, 100), "min_dist": (0.0, 0.99)},
        5,
        "Keeps neighborhoods together, faster than t-SNE; sizes of groups and gaps between them mean little.",
    ),
    "pacmap": Recipe(
        "PaCMAP",
        "Wang, Huang, Rudin and Shaposhnik 2021",
        {"n_neighbors": 10, "MN_ratio": 0.5, "FP_ratio": 2.0},
        {"n_neighbors": (2, 100), "MN_ratio": (0.0, 2.0), "FP_ratio": (0.5, 4.0)},
        5,
        "Keeps neighborhoods, and by pairs of middling distance more of the large arrangement; gaps still mean little.",
    ),
}


OWN_AXES = Recipe(
    "Own axes",
    "as Custom in the Embedding Projector",
    {},
    {},
    1,
    "Straight: from what you name at one end to what you name at the other. Any seed gives the same.",
)


def projections() -> dict[str, Recipe]:
    """The projection methods by name that need to be told nothing; `OWN_AXES` is the recipe of "axes"."""
    return dict(_RECIPES)


@dataclass(frozen=True, eq=False)
class Projection:
    """Coordinates of a space in 2-D or 3-D: `coords` float32 (n, dims), read-only, with the recipe that made them.

    `axes` are those of the method "axes"; see embedkit.own_axes.
    """

    coords: Vectors
    method: MethodName
    params: dict[str, Any]
    seed: int
    space_key: str
    metric: Metric = "cosine"
    space: Space | None = field(default=None, repr=False)
    axes: tuple[OwnAxis, ...] = ()

    @property
    def dims(self) -> int:
        """2 or 3."""
        return int(self.coords.shape[1])

    def transform(self, vectors: Vectors) -> Vectors:
        """Place new vectors (m, d) on this map without moving it: coordinates (m, dims)."""
        if self.space is None:
            raise InputError("This projection does not carry its space; use place(space, projection, vectors).")
        return place(self.space, self, vectors)


def project(
    space: Space,
    *,
    method: MethodName = "umap",
    dims: int = 2,
    seed: int = 0,
    metric: Metric = "cosine",
    report: Report | None = None,
    axes: Sequence[OwnAxis] = (),
    **params: float,
) -> Projection:
    """Project a space to a map.

    `perplexity` (t-SNE) and `n_neighbors` (UMAP, PaCMAP) are cut to what n items allow; `params` of the result holds
    what was used. All three read `knn_graph(space, metric=metric)` and start from PCA, which keeps the large
    arrangement (Kobak and Linderman 2021). Same seed, same bytes. The method "axes" takes two or three `axes`, each a
    pair (from, to) or a column of numbers, and finds some where none are given. Raises InputError with the limit.
    """
    chosen = chosen_params(method, params, space.n)
    recipe = recipe_of(method)
    if axes and method != "axes":
        raise InputError(f"{recipe.title} finds its own axes; yours are for method='axes'.")
    if method == "axes":
        own = tuple(each if isinstance(each, str) else (each[0], each[1]) for each in axes) or default_axes(space, dims)
        dims = len(own)
    if dims not in (2, 3):
        raise InputError(f"A map has 2 or 3 dimensions, not {dims}.")
    if space.n < recipe.least:
        raise InputError(
            f"{recipe.title} needs at least {recipe.least} items; this space has {space.n}. PCA takes any."
        )
    if method == "axes":
        coords = frozen(np.stack([drawn(space, each).coordinates for each in own], 1))
        return Projection(coords, method, chosen, seed, space.key, metric, space, own)
    tell = report or (lambda fraction, text: None)
    if method == "pca":
        coords = _pca(space.vectors, dims)[0]
    elif method == "tsne":
        coords = _tsne(space, dims, seed, metric, chosen, tell)
    elif method == "pacmap":
        coords = _pacmap(space, dims, seed, metric, chosen, tell)
    else:
        coords = _umap(space, dims, seed, metric, chosen, tell)
    turned = coords if method == "pca" else _pca(np.asarray(coords, np.float32), dims)[0]  # longest way across
    return Projection(_signed(turned), method, chosen, seed, space.key, metric, space)


def recipe_of(method: str) -> Recipe:
    """What a menu must know of a method, also of "axes"; raises InputError for an unknown one."""
    if method == "axes":
        return OWN_AXES
    if method not in _RECIPES:
        raise InputError(f"There is no projection '{method}'; use one of {', '.join([*_RECIPES, 'axes'])}.")
    return _RECIPES[method]


def chosen_params(method: str, params: dict[str, float], n: int) -> dict[str, float]:
    """Defaults, overlaid with `params`, cut to what n items allow; raises InputError with the limit."""
    recipe = recipe_of(method)
    chosen = dict(recipe.defaults)
    for name, value in params.items():
        if name not in recipe.bounds:
            known = ", ".join(recipe.bounds) or "none"
            raise InputError(f"{recipe.title} has no setting '{name}'; its settings: {known}.")
        low, high = recipe.bounds[name]
        if not low <= value <= high:
            raise InputError(f"{name} must lie between {low:g} and {high:g}, not {value:g}.")
        chosen[name] = value
    if "perplexity" in chosen:  # t-SNE reads 3 x perplexity neighbors
        chosen["perplexity"] = min(chosen["perplexity"], max(1.0, (n - 1) / 3))
    if "n_neighbors" in chosen:
        chosen["n_neighbors"] = int(min(chosen["n_neighbors"], n - 1))
    if method == "pacmap":  # the pairs of an item, of all three kinds, are different items
        each = 1 + chosen["MN_ratio"] + chosen["FP_ratio"]
        chosen["n_neighbors"] = int(min(chosen["n_neighbors"], max(1, n // each)))
    return chosen


def _signed(coords: NDArray[Any]) -> Vectors:
    """Turn each axis so that its largest coordinate is positive: a rerun is no mirror."""
    coords = np.array(coords, np.float32)
    if len(coords):
        largest = coords[np.abs(coords).argmax(0), np.arange(coords.shape[1])]
        coords *= np.where(largest < 0, -1, 1).astype(np.float32)
    coords.flags.writeable = False
    return coords


def _pca(vectors: Vectors, dims: int) -> tuple[Vectors, Vectors, Vectors]:
    """Coordinates (n, dims), mean (d,) and components (dims, d), from the smaller of two matrices.

    That is the d x d covariance, or, for fewer than d items of very many numbers, such as pictures, their n x n
    products: both have the same axes.
    """
    mean = vectors.mean(0, dtype=np.float64)
    centered = vectors - mean.astype(np.float32)
    components = np.zeros((dims, vectors.shape[1]), np.float32)  # a space of one dimension leaves the second axis at 0
    if WIDE < vectors.shape[1] > len(vectors):
        exact = centered.astype(np.float64)
        squares, sides = np.linalg.eigh(exact @ exact.T)
        largest, sides = squares[::-1][:dims, None], sides[:, ::-1].T[:dims]
        real = largest > 1e-10 * largest[0]  # others are rounding, and would be blown up
        found = np.where(real, sides @ exact / np.sqrt(np.where(real, largest, 1)), 0)
    else:
        _, axes = np.linalg.eigh(np.cov(centered.T, bias=True).reshape(vectors.shape[1], -1))
        found = axes[:, ::-1].T[:dims]
    components[: len(found)] = found
    return centered @ components.T, mean.astype(np.float32), components


def _start(space: Space, dims: int, spread: float, seed: int) -> Vectors:
    """PCA of the unit vectors, scaled, with a little noise so that equal vectors can part.  # (n, dims)"""
    coords = _pca(space.unit, dims)[0]
    widest = np.abs(coords).max() or 1.0
    noise = np.random.default_rng(seed).normal(scale=1e-4, size=coords.shape)
    return np.ascontiguousarray(coords / widest * spread + noise * spread, np.float32)


def _with_self(
    space: Space, k: int, metric: Metric, report: Callable[[float], None]
) -> tuple[NDArray[np.int32], Vectors]:
    """The kNN graph as umap-learn wants it: k columns, each item its own first neighbor at distance 0."""
    graph = knn_graph(space, max(k - 1, 1), metric, report=report)
    own = np.arange(space.n, dtype=np.int32)[:, None]
    distances = _from_zero(graph.distances, metric)
    return np.hstack([own, graph.indices]), np.hstack([np.zeros((space.n, 1), np.float32), distances])


def _looking(tell: Report) -> Callable[[float], None]:
    """To look for neighbors is the first fifth of a map."""
    return lambda done: tell(0.2 * done, "Finding neighbors")


def epochs_of(n: int) -> int:
    """Passes over the graph: from a PCA start fewer do than umap-learn takes (500 up to 10,000 items, 200 beyond)."""
    return 500 if n <= 2_500 else 300 if n <= 50_000 else 200


def near_layout(
    space: Space, dims: int, neighbors: int, epochs: int, seed: int, report: Callable[[float], None]
) -> Vectors:
    """UMAP's layout in any number of dimensions, with no smallest distance, float32 (n, dims): to find groups in."""
    from embedkit.umap_engine import fuzzy_graph, layout

    graph = fuzzy_graph(*_with_self(space, min(neighbors, space.n - 1), "cosine", lambda done: report(0.0)))
    start = _start(space, dims, 10.0, seed)
    return layout(graph, start, epochs=epochs, min_dist=0.0, seed=seed, report=report)


def _umap(space: Space, dims: int, seed: int, metric: Metric, params: dict[str, float], tell: Report) -> Vectors:
    from embedkit.umap_engine import fuzzy_graph, layout

    tell(0.0, "Finding neighbors")
    indices, distances = _with_self(space, int(params["n_neighbors"]), metric, _looking(tell))
    tell(0.2, "Weighing the graph")
    graph = fuzzy_graph(indices, distances)
    return layout(
        graph,
        _start(space, dims, 10.0, seed),
        epochs=epochs_of(space.n),
        min_dist=params["min_dist"],
        seed=seed,
        report=lambda fraction: tell(0.25 + 0.75 * fraction, "Laying out"),
    )


def _pacmap(space: Space, dims: int, seed: int, metric: Metric, params: dict[str, float], tell: Report) -> Vectors:
    from embedkit.pacmap_engine import EXTRA, layout, near_pairs, pairs_of

    tell(0.0, "Finding neighbors")
    k = int(params["n_neighbors"])
    near = near_pairs(knn_graph(space, k + EXTRA, metric, report=_looking(tell)), k)
    tell(0.2, "Drawing pairs")
    pairs = pairs_of(space, near, round(k * params["MN_ratio"]), _further(params), metric, seed)
    start = _start(space, dims, 0.01, seed)
    return layout(pairs, start, report=lambda fraction: tell(0.25 + 0.75 * fraction, "Laying out"))


def _further(params: dict[str, Any]) -> int:
    """Further pairs of an item: without any, all would fall into one point."""
    return max(round(float(params["n_neighbors"] * params["FP_ratio"])), 1)


def _tsne_affinities(space: Space, perplexity: float, metric: Metric, tell: Report = lambda done, text: None) -> Any:
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import KNNIndex

    graph = knn_graph(space, max(int(3 * perplexity), 1), metric, report=_looking(tell))

    class Exact(KNNIndex):  # type: ignore[misc]
        """Our graph and our exact search behind openTSNE's interface."""

        def __init__(self) -> None:
            self.n_samples, self.k = space.n, graph.k

        def build(self) -> tuple[NDArray[np.int32], Vectors]:
            return graph.indices, _from_zero(graph.distances, metric).astype(np.float64)

        def query(self, query: Vectors, k: int) -> tuple[NDArray[np.int64], Vectors]:
            rows, distances = _nearest_rows(space, query, k, metric)
            return rows, _from_zero(distances, metric)

    return PerplexityBasedNN(perplexity=perplexity, knn_index=Exact(), n_jobs=_threads(space.n))


def _threads(n: int) -> int:
    """Below a thousand points two threads spend their time waiting for each other."""
    return 1 if n < 1_000 else 2


def _from_zero(distances: Vectors, metric: Metric) -> Vectors:
    """Minus the dot product is no distance: shifted, its smallest is 0, and the order stays."""
    return distances - distances.min(initial=0) if metric == "dot" else distances


def _tsne(space: Space, dims: int, seed: int, metric: Metric, params: dict[str, float], tell: Report) -> Vectors:
    from openTSNE import TSNE

    tell(0.0, "Finding neighbors")
    affinities = _tsne_affinities(space, params["perplexity"], metric, tell)
    done = [0]

    def each(iteration: int, error: float, embedding: Any) -> None:
        done[0] += 25
        tell(min(0.2 + 0.8 * done[0] / 750, 1.0), "Laying out")

    start = _start(space, dims, 1.0, seed)
    fit = TSNE(
        n_components=dims,
        perplexity=params["perplexity"],
        initialization=start / max(float(start[:, 0].std()), 1e-12) * 1e-4,
        negative_gradient_method="auto" if dims == 2 else "bh",  # the interpolating gradient has no third dimension
        random_state=seed,
        n_jobs=_threads(space.n),
        callbacks=each,
        callbacks_every_iters=25,
    ).fit(affinities=affinities)
    return np.asarray(fit, np.float32)


def _nearest_rows(space: Space, vectors: Vectors, k: int, metric: Metric) -> tuple[NDArray[np.int64], Vectors]:
    """Rows and distances of the k nearest items of new vectors, (m, k) each."""
    answers = search(space, np.asarray(vectors, np.float32).reshape(-1, space.d), k, metric)
    rows = np.array([[neighbor.row for neighbor in answer] for answer in answers], np.int64).reshape(len(answers), -1)
    scores = np.array([[neighbor.score for neighbor in answer] for answer in answers], np.float32).reshape(rows.shape)
    if metric == "euclidean":
        return rows, scores
    return rows, np.maximum(1 - scores, 0) if metric == "cosine" else -scores


def place(space: Space, projection: Projection, vectors: Vectors) -> Vectors:
    """Coordinates (m, dims) of new vectors (m, d) on an existing map of `space`; the map itself does not move.

    PCA and own axes multiply; along a column, which a new vector lacks, it stands at the mean of its ten nearest items.
    The others start at the mean of the nearest items on the map and let them settle there.
    """
    vectors = np.asarray(vectors, np.float32)
    if vectors.ndim != 2 or vectors.shape[1] != space.d:
        raise InputError(f"New vectors of shape {vectors.shape} do not fit a space of {space.d} dimensions.")
    if len(vectors) == 0:
        return np.empty((0, projection.dims), np.float32)
    if projection.method == "axes":
        near = _nearest_rows(space, vectors, min(NEAR, space.n), projection.metric)[0]
        return np.stack([place_on(space, each, vectors, near) for each in projection.axes], 1)
    if projection.method == "pca":
        coords, mean, components = _pca(space.vectors, projection.dims)
        flip = np.where((coords[np.abs(coords).argmax(0), np.arange(projection.dims)]) < 0, -1, 1)
        placed: Vectors = ((vectors - mean) @ components.T * flip).astype(np.float32)
        return placed
    if projection.method == "tsne":
        from openTSNE import TSNEEmbedding

        affinities = _tsne_affinities(space, projection.params["perplexity"], projection.metric)
        gradient = "bh" if projection.dims == 3 or space.n < 10_000 else "fft"
        fixed = TSNEEmbedding(
            np.array(projection.coords, np.float64),
            affinities,
            negative_gradient_method=gradient,
            random_state=projection.seed,
        )
        perplexity = min(5.0, projection.params["perplexity"])
        middle = (projection.coords.max(0) + projection.coords.min(0)) / 2  # transform moves the map's middle to 0
        return np.asarray(fixed.transform(vectors, perplexity=perplexity) + middle, np.float32)
    rows, distances = _nearest_rows(space, vectors, int(projection.params["n_neighbors"]), projection.metric)
    distances = _from_zero(distances, projection.metric)
    if projection.method == "pacmap":
        from embedkit import pacmap_engine

        far = _further(projection.params)
        return pacmap_engine.place_new(rows, distances, projection.coords, far=far, seed=projection.seed)
    from embedkit.umap_engine import place_new

    return place_new(rows, distances, projection.coords, min_dist=projection.params["min_dist"], seed=projection.seed)

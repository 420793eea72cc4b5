"""Spaces beside each other over the same items, always in their original numbers: what is near in each, and how alike.

Neighbor overlap, linear CKA (Kornblith et al. 2019), rank correlation of distances, and a rotation of one space's map
onto another's (Schoenemann 1966), which is for the eye alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.handing import hand_over, handed_over, key_of
from embedkit.jobs import Job, Pool
from embedkit.neighbors import Metric, Neighbor, knn_graph, pair_distances, search
from embedkit.space import Space, Vectors, frozen
from embedkit.store import Entry, recipe_key

__all__ = [
    "Comparison",
    "Pair",
    "aligned",
    "common_items",
    "compare",
    "comparison_now",
    "comparison_task",
    "cut_to_common",
    "linear_cka",
    "neighbors_in",
    "request_comparison",
]

TASK = "embedkit.compare:comparison_task"
AT_ONCE = 5_000  # items that are compared within a run of the page
MOST_SPACES = 4
PAIRS = 20_000  # of items, whose distances are correlated


@dataclass(frozen=True, eq=False)
class Pair:
    """Two spaces `a` and `b` (positions in `Comparison.spaces`).

    `overlap` float32 (n,) is each item's share of k nearest neighbors that both spaces name; `mean` over all items,
    `chance` what two unrelated lists would share; `cka` linear CKA, 0 to 1; `spearman` the rank correlation of
    distances of pairs of items, -1 to 1.
    """

    a: int
    b: int
    overlap: Vectors
    mean: float
    chance: float
    cka: float
    spearman: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Spaces cut to their common `items`, in the order of the first, and every pair of them, at k neighbors.

    `recalls` by space: the share of the true neighbors in the approximate graph that overlaps were counted in, measured
    on `sampled` items; None where it is exact, as it is up to 50,000 items.
    """

    spaces: tuple[Space, ...]
    items: tuple[str, ...]
    k: int
    metric: Metric
    pairs: tuple[Pair, ...]
    recalls: tuple[float | None, ...]
    sampled: int

    def pair(self, a: int, b: int) -> Pair:
        """The figures of two spaces; raises InputError."""
        found = next((each for each in self.pairs if {each.a, each.b} == {a, b}), None)
        if found is None:
            raise InputError(f"There is no pair of spaces {a} and {b} among {len(self.spaces)}.")
        return found

    def changed(self, a: int, b: int, most: int = 20) -> tuple[tuple[str, float], ...]:
        """The items whose neighbors changed most, with the share they kept; ties in the order of the items."""
        order = np.argsort(self.pair(a, b).overlap, kind="stable")[:most]
        return tuple((self.items[row], float(self.pair(a, b).overlap[row])) for row in order)

    def kept(self, a: int, b: int, most: int = 20) -> tuple[tuple[str, float], ...]:
        """The items whose neighbors changed least, with the share they kept."""
        order = np.argsort(-self.pair(a, b).overlap, kind="stable")[:most]
        return tuple((self.items[row], float(self.pair(a, b).overlap[row])) for row in order)


def common_items(spaces: Sequence[Space]) -> tuple[str, ...]:
    """The items that all spaces hold, in the order of the first."""
    if not spaces:
        return ()
    others = [space.rows for space in spaces[1:]]
    return tuple(item for item in spaces[0].items if all(item in rows for rows in others))


def cut_to_common(spaces: Sequence[Space]) -> tuple[Space, ...]:
    """Two to four spaces, each with their common items alone, in the order of the first; raises InputError."""
    if not 2 <= len(spaces) <= MOST_SPACES:
        raise InputError(f"Between 2 and {MOST_SPACES} spaces can be compared, not {len(spaces)}.")
    items = common_items(spaces)
    if len(items) < 3:
        names = " and ".join(f"'{space.title}'" for space in spaces)
        raise InputError(f"{names} share {len(items)} items; at least 3 are needed. Items are matched by their names.")
    return tuple(space if space.items == items else space.take(items, key=space.key) for space in spaces)


def compare(
    spaces: Sequence[Space],
    *,
    k: int = 10,
    metric: Metric = "cosine",
    seed: int = 0,
    report: Callable[[float, str], None] = lambda done, text: None,
) -> Comparison:
    """Compare two to four spaces over their common items; their numbers of dimensions may differ.

    k is cut to what the items allow. Neighbors are looked for among the common items alone. Raises InputError.
    """
    cut = cut_to_common(spaces)
    items = cut[0].items
    k = max(min(k, len(items) - 1), 1)
    graphs = []
    for number, space in enumerate(cut):
        said = f"Finding neighbors in {number + 1} of {len(cut)}"

        def looking(done: float, number: int = number, said: str = said) -> None:
            report(0.9 * (number + done) / len(cut), said)

        looking(0.0)
        graphs.append(knn_graph(space, k, metric, report=looking))
    report(0.9, "Comparing")
    lists = [graph.indices for graph in graphs]
    chance = k / (len(items) - 1)
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, len(items), (2, PAIRS))
    some = (first[first != second], second[first != second])
    distances = [pair_distances(space, *some, metric) for space in cut]
    pairs = []
    for a in range(len(cut)):
        for b in range(a + 1, len(cut)):
            overlap = frozen(_shared(lists[a], lists[b]))
            cka = linear_cka(cut[a].vectors, cut[b].vectors)
            rank = _rank_correlation(distances[a], distances[b])
            pairs.append(Pair(a, b, overlap, float(overlap.mean()), chance, cka, rank))
    recalls, sampled = tuple(graph.recall for graph in graphs), max(graph.sampled for graph in graphs)
    return Comparison(cut, items, k, metric, tuple(pairs), recalls, sampled)


def request_comparison(cut: tuple[Space, ...], k: int, metric: Metric, pool: Pool) -> Comparison | Job:
    """The comparison of spaces that are `cut_to_common`, if it is kept, else the job that makes it.

    Few items are compared on the spot, and any where the disk has no room for the vectors.
    """
    if len(cut[0].items) <= AT_ONCE:
        return compare(cut, k=k, metric=metric)
    recipe = {"vectors_keys": [key_of(space) for space in cut], "k": k, "metric": metric}
    if (entry := pool.store.get(recipe_key(TASK, **recipe))) is not None:
        return _compared(entry, cut, metric)
    if not all(hand_over(space, pool.store) for space in cut):
        return compare(cut, k=k, metric=metric)
    return pool.submit(TASK, recipe, title=f"Comparing {len(cut)} spaces of {cut[0].n:,} items")


def comparison_now(job: Job, cut: tuple[Space, ...], metric: Metric) -> Comparison:
    """What a finished job found of these spaces; raises what it ended with."""
    return _compared(job.result(), cut, metric)


def comparison_task(
    report: Callable[..., None], *, vectors_keys: list[str], k: int, metric: Metric
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: read the vectors of each space from the store and compare them row by row."""
    spaces = [handed_over(key, "this comparison") for key in vectors_keys]
    made = compare(spaces, k=k, metric=metric, report=report)
    figures = [{name: value for name, value in asdict(pair).items() if name != "overlap"} for pair in made.pairs]
    arrays = {f"overlap_{number}": pair.overlap for number, pair in enumerate(made.pairs)}
    return arrays, {"k": made.k, "pairs": figures, "recalls": made.recalls, "sampled": made.sampled}


def _compared(entry: Entry, cut: tuple[Space, ...], metric: Metric) -> Comparison:
    about = entry.meta
    pairs = tuple(
        Pair(overlap=np.asarray(entry.arrays[f"overlap_{number}"]), **figures)
        for number, figures in enumerate(about["pairs"])
    )
    return Comparison(cut, cut[0].items, about["k"], metric, pairs, tuple(about["recalls"]), about["sampled"])


def neighbors_in(comparison: Comparison, item: str, k: int | None = None) -> tuple[tuple[Neighbor, ...], ...]:
    """The nearest items of an item in each space, itself left out; raises UnknownItem."""
    found = (search(space, item, k or comparison.k, comparison.metric) for space in comparison.spaces)
    return tuple(tuple(each for each in near if not each.asked) for near in found)


def linear_cka(a: Vectors, b: Vectors) -> float:
    """Linear CKA of two sets of vectors over the same n items, (n, d) and (n, e): 0 unrelated, 1 equal up to rotation.

    |B'A|^2 / (|A'A| |B'B|) of the centered vectors, in double; 0 where one of them does not vary at all.
    """
    if len(a) != len(b):
        raise InputError(f"CKA needs vectors of the same items: {len(a):,} and {len(b):,} are given.")
    a, b = _centered(a), _centered(b)
    across = float(np.linalg.norm(b.T @ a) ** 2)
    within = float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    return min(across / within, 1.0) if within > 0 else 0.0


def aligned(coords: Vectors, onto: Vectors) -> Vectors:
    """Coordinates (n, 2 or 3) moved, turned, mirrored and scaled as one onto others, so that the eye can follow."""
    if coords.shape != onto.shape:
        raise InputError(f"A map of shape {coords.shape} cannot be turned onto one of shape {onto.shape}.")
    middle = onto.mean(0, dtype=np.float64)
    a, b = _centered(coords), onto - middle
    u, s, vt = np.linalg.svd(a.T @ b)
    size = float((a**2).sum())
    scale = s.sum() / size if size > 0 else 1.0
    return frozen((a @ (u @ vt) * scale + middle).astype(np.float32))


def _centered(vectors: Vectors) -> Vectors:
    double = np.asarray(vectors, np.float64)
    found: Vectors = double - double.mean(0)
    return found


def _shared(a: NDArray[np.int32], b: NDArray[np.int32]) -> Vectors:
    """Share of each row of a that stands in the same row of b, both (n, k).  # (n,)"""
    k = a.shape[1]
    both = np.sort(np.concatenate([a, b], 1), 1)  # a row names an item once, so a double is a common one
    return np.asarray((both[:, 1:] == both[:, :-1]).sum(1) / k, np.float32)


def _rank_correlation(a: Vectors, b: Vectors) -> float:
    from scipy.stats import spearmanr

    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(spearmanr(a, b).statistic)

"""Groups of near items, how well they stand apart in the original space, and the words that name them.

HDBSCAN (Campello, Moulavi and Sander 2013) on a UMAP layout in five dimensions: in hundreds of dimensions nothing is
dense, and nearly all items would be in no group (of 5,000 words 94 %). So groups are an offer of how to read a space;
what is said of them, purity and silhouette, is measured in the original one. Names by weighted log-odds with a prior:
Monroe, Colaresi and Quinn 2008.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.handing import hand_over, handed_over, key_of
from embedkit.neighbors import knn_graph
from embedkit.projection import near_layout
from embedkit.space import Space, Vectors, frozen
from embedkit.store import Entry, recipe_key

if TYPE_CHECKING:
    from embedkit.jobs import Job, Pool

__all__ = ["Clusters", "clusters", "clusters_now", "clusters_task", "names_of", "request_clusters"]

TASK = "embedkit.clusters:clusters_task"

MOST = 50_000  # rows; beyond that minutes
DIMS, NEIGHBORS, EPOCHS = 5, 15, 200
SAMPLE = 5_000  # rows of the silhouette
_WORD = re.compile(r"[^\W\d_]{2,}|\d+")


@dataclass(frozen=True, eq=False)
class Clusters:
    """`labels` int32 (n,), -1 where an item is in none; `strength` float32 (n,), 0 to 1, how firmly it belongs.

    `names` by label, from the words that set a group apart; `sizes` by label; `outside` is the share in none.
    `purity`: of the nearest neighbors of items in a group, the share in the same one; `chance` what groups of these
    sizes would have at random. `silhouette` (Rousseeuw 1987) runs from -1 to 1, of the items that are in a group, None
    below two groups. Both by cosine in the original space.
    """

    labels: NDArray[np.int32]
    strength: Vectors
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    outside: float
    purity: float
    chance: float
    silhouette: float | None


def clusters(
    space: Space,
    *,
    least: int = 0,
    texts: Sequence[str] | None = None,
    seed: int = 0,
    report: Callable[[float, str], None] = lambda done, text: None,
) -> Clusters:
    """Find groups of at least `least` items (0: a hundredth of them, 5 or more) by cosine; same seed, same groups.

    `texts` (n,) are what the groups are named from, the items themselves without them. Raises InputError with the
    limit.
    """
    from sklearn.cluster import HDBSCAN

    if not 5 <= space.n <= MOST:
        raise InputError(f"Groups are looked for among 5 to {MOST:,} items; these are {space.n:,}. Take a sample.")
    least = least or max(5, space.n // 100)
    if not 2 <= least <= space.n:
        raise InputError(f"The smallest group must have between 2 and {space.n:,} items, not {least:,}.")
    report(0.0, "Finding neighbors")
    graph = knn_graph(space, NEIGHBORS, report=lambda done: report(0.1 * done, "Finding neighbors"))
    coords = near_layout(space, DIMS, NEIGHBORS, EPOCHS, seed, lambda done: report(0.1 + 0.7 * done, "Laying out"))
    report(0.8, "Finding groups")
    found = HDBSCAN(min_cluster_size=least, min_samples=min(5, least), n_jobs=2, copy=True).fit(coords)
    labels = found.labels_.astype(np.int32)
    sizes = np.array([(labels == label).sum() for label in range(labels.max() + 1)], np.int64)
    inside = labels >= 0
    same = labels[graph.indices] == labels[:, None]
    shares = sizes / max(sizes.sum(), 1)
    return Clusters(
        frozen(labels),
        frozen(found.probabilities_.astype(np.float32)),
        names_of(list(space.items if texts is None else texts), labels, central=_central(space.unit, labels)),
        tuple(sizes.tolist()),
        float(1 - inside.mean()),
        float(same[inside].mean()) if inside.any() else 0.0,
        float((shares**2).sum() * inside.mean()),
        _silhouette(space.unit, labels, seed),
    )


def request_clusters(space: Space, least: int, column: str, pool: Pool) -> Clusters | Job:
    """The groups of a space if they are kept, else the job that finds them; named from `column` of its meta, or ""."""
    key = recipe_key(TASK, digest=space.digest, least=least)
    entry = pool.store.get(key)
    if entry is not None:
        return _named(entry, space, column)
    hand_over(space, pool.store)
    params = {"vectors_key": key_of(space), "least": least}
    return pool.submit(TASK, params, title=f"Groups among {space.n:,} items", key=key)


def clusters_now(job: Job, space: Space, column: str) -> Clusters:
    """The groups that a finished job found; raises what it ended with."""
    return _named(job.result(), space, column)


def clusters_task(
    report: Callable[..., None], *, vectors_key: str, least: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: read the vectors from the store and find groups."""
    found = clusters(handed_over(vectors_key, "these groups"), least=least, report=report)
    figures = {name: getattr(found, name) for name in ("sizes", "outside", "purity", "chance", "silhouette")}
    return {"labels": found.labels, "strength": found.strength}, figures


def _named(entry: Entry, space: Space, column: str) -> Clusters:
    labels = np.asarray(entry.arrays["labels"])
    given = [str(text) for text in space.meta[column]] if column in space.meta else list(space.items)
    figures = {**entry.meta, "sizes": tuple(entry.meta["sizes"])}
    names = names_of(given, labels, central=_central(space.unit, labels))
    return Clusters(labels=labels, strength=np.asarray(entry.arrays["strength"]), names=names, **figures)


def _central(unit: Vectors, labels: NDArray[np.int32]) -> Vectors:
    """How near each item (n,) is to the mean direction of its group, by dot product; 0 in none."""
    near = np.zeros(len(labels), np.float32)
    for label in range(int(labels.max(initial=-1)) + 1):
        rows = np.flatnonzero(labels == label)
        near[rows] = unit[rows] @ unit[rows].mean(0)
    return near


def names_of(
    texts: Sequence[str], labels: NDArray[np.int32], words: int = 3, central: Vectors | None = None
) -> tuple[str, ...]:
    """A name for each label, 0 to the highest: its words that set it apart from all others, at most `words` of them.

    Numbers count as words. Where texts share no words, as single words do not, the group is named by the texts that are
    most `central` (n,) in it, by itself the first ones.
    """
    every, inside = Counter[str](), [Counter[str]() for _ in range(int(labels.max(initial=-1)) + 1)]
    for text, label in zip(texts, labels, strict=True):
        found = set(_WORD.findall(text.lower()))  # once a text: a long one has no more say
        every.update(found)
        if label >= 0:
            inside[label].update(found)
    total = sum(every.values())
    names = []
    for label, counts in enumerate(inside):
        size = sum(counts.values())
        scores = {}
        for word, count in counts.items():
            if count < 2:
                continue
            prior = every[word]
            here = np.log((count + prior) / (size + total - count - prior))
            there = np.log((every[word] - count + prior) / max(2 * total - size - (every[word] - count + prior), 1))
            spread = 1 / (count + prior) + 1 / (every[word] - count + prior)
            scores[word] = (here - there) / np.sqrt(spread)
        best = sorted((word for word in scores if scores[word] > 0), key=lambda word: (-scores[word], word))[:words]
        rows = np.flatnonzero(labels == label)
        if central is not None:
            rows = rows[np.argsort(-central[rows], kind="stable")]
        typical = dict.fromkeys(texts[row] for row in rows.tolist())
        names.append(", ".join(best or [*typical][:words]))
    return tuple(names)


def _silhouette(unit: Vectors, labels: NDArray[np.int32], seed: int) -> float | None:
    from sklearn.metrics import silhouette_score

    rows = np.flatnonzero(labels >= 0)
    if len(rows) > SAMPLE:
        rows = np.sort(np.random.default_rng(seed).choice(rows, SAMPLE, replace=False))
    kinds = len(set(labels[rows].tolist()))
    if kinds < 2 or kinds >= len(rows):
        return None
    return float(silhouette_score(unit[rows], labels[rows]))

"""Three pitfalls of two towers, measured: negatives left out or ill chosen, films without history, and drift."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from embedkit.errors import InputError
from embedkit.interactions.data import Watched, features_of, load_watched, parts_of, weights_of
from embedkit.interactions.evaluation import evaluate, recall_at, top_items
from embedkit.interactions.towers import Features, TowerRecipe, Towers, train_towers
from embedkit.interactions.training import collapse_of
from embedkit.jobs import Job, Pool
from embedkit.sources.interactions import Interactions
from embedkit.space import Vectors, to_unit
from embedkit.store import Entry
from embedkit.worker import Report

__all__ = [
    "NEGATIVE_RECIPES",
    "NEW_RECIPES",
    "DriftResult",
    "NegativesResult",
    "NewResult",
    "drift_of",
    "drift_results",
    "drift_task",
    "negatives_results",
    "negatives_task",
    "new_films",
    "new_films_results",
    "new_films_task",
    "request_drift",
    "request_negatives",
    "request_new_films",
    "rotation_of",
    "ties_drawn",
    "vectors_of",
]

# Epochs and decay were chosen for each loss on a fifth of the training rows; none saw a held-out row.
PAIRWISE = TowerRecipe(loss="BPR", epochs=20, decay=1.0)
NEGATIVE_RECIPES = {
    "none": replace(PAIRWISE, negatives="none"),
    "random": replace(PAIRWISE, negatives="random"),
    "popularity": replace(PAIRWISE, negatives="popularity", decay=3.0),
    "hard": replace(PAIRWISE, negatives="hard"),
    "hinge": replace(PAIRWISE, loss="hinge"),
    "in-batch": replace(PAIRWISE, loss="in-batch softmax", decay=3.0),
    "full": TowerRecipe(),
}
NEW_RECIPES = {
    "id": TowerRecipe(genres=False, year=False, title=False),
    "genres": TowerRecipe(item_id=False, year=False, title=False),
    "genres-year": TowerRecipe(item_id=False, title=False),
    "genres-year-title": TowerRecipe(item_id=False),
    "id-genres-year-title": TowerRecipe(),
}
NEW = 0.2  # share of the films that are taken for new
LATER = 0.2  # share of all rows that the second training of drift in time has and the first has not
TESTED = 0.2  # share of all rows, the latest, that neither has
HEAD = 0.1  # share of the films that counts as the most watched
FEWEST = 10  # users, and items
LOST = 0.01  # recall; a share of a smaller loss would be a share of chance
NAMED = 5  # films that are called by their names
TASKS = "embedkit.interactions.pitfalls:"
NEGATIVES_TASK = TASKS + "negatives_task"
NEW_FILMS_TASK = TASKS + "new_films_task"
DRIFT_TASK = TASKS + "drift_task"


@dataclass(frozen=True)
class NegativesResult:
    """What a loss and its negatives make of the item vectors and of the lists of 10, on held-out rows.

    `cosine` (mean over pairs) and `rank` (effective) are of the item vectors without bias; `head` is the share of the
    places in all lists that goes to the tenth of the films that is watched most, beside `head_held`, their share of
    the held-out rows; `tilt` is Spearman's correlation of how often a film is listed with how often it was watched;
    `never` counts the films in no list, and `never_titles` are the most watched of them.
    """

    name: str
    loss: str
    negatives: str
    epochs: int
    decay: float
    recall: float
    cosine: float
    rank: float
    coverage: float
    novelty: float
    head: float
    head_held: float
    tilt: float
    never: int
    never_titles: tuple[str, ...]


@dataclass(frozen=True)
class NewResult:
    """Recall@10 of films that no training knew, ranked within these films only, which is easier than among all.

    Vectors come from features alone. Ties are drawn, so a tower that can say nothing of new films is at `chance`, the
    expected recall of a list drawn from the `films` new ones; `users` are those who watched one of them.
    """

    name: str
    recall: float
    chance: float
    films: int
    users: int


@dataclass(frozen=True)
class DriftResult:
    """Recall@10 of an earlier training, of a later one, and of old user vectors against new item vectors.

    `crossed` takes both as they are, `rotated` turns the users by the rotation that brings the old item vectors
    nearest to the new ones; `repaired` is the share of the loss `old - crossed` that this brings back, None where
    less than 0.01 was lost. `popularity` is the recall of the most watched films for everybody. `cosine` is the mean
    cosine of an item's old vector with its new one, `cosine_rotated` after the rotation; biases left out.
    """

    name: str
    old: float
    new: float
    crossed: float
    rotated: float
    repaired: float | None
    popularity: float
    cosine: float
    cosine_rotated: float


def request_negatives(watched: Watched, pool: Pool) -> Job:
    """The job that trains with each loss and each kind of negatives."""
    return pool.submit(NEGATIVES_TASK, {"watched": watched.params()}, title="Trying negatives")


def request_new_films(watched: Watched, pool: Pool) -> Job:
    """The job that keeps a fifth of the films from training and ranks them by their features."""
    return pool.submit(NEW_FILMS_TASK, {"watched": watched.params()}, title="Ranking new films")


def request_drift(watched: Watched, pool: Pool) -> Job:
    """The job that trains again, with another seed and with later rows, and meets old users with new items."""
    return pool.submit(DRIFT_TASK, {"watched": watched.params()}, title="Training again")


def negatives_task(report: Report, *, watched: dict[str, Any]) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train by each of NEGATIVE_RECIPES; after each, what is known so far is a step.

    Arrays: `items.<name>` float32 (n_items, d) without bias, `listed.<name>` int64 (n_items,), in how many lists a film
    stands, and `watched` int64 (n_items,), by how many users it was watched in training.
    """
    table, features = _loaded(report, watched)
    parts = parts_of(table)
    _some_held(table, parts.held)
    popularity = np.bincount(parts.seen.indices, minlength=table.n_items)
    arrays: dict[str, Any] = {"watched": popularity}
    rows: list[dict[str, Any]] = []
    for number, (name, recipe) in enumerate(NEGATIVE_RECIPES.items()):
        beat = _beat(report, number, len(NEGATIVE_RECIPES), f"negatives: {name}")
        users, items = vectors_of(parts.seen, features, recipe, beat)
        listed = _times_listed(users @ items.T, parts)
        rows.append(asdict(_negatives_result(name, recipe, users, items, parts, listed, table.items)))
        arrays |= {f"items.{name}": items[:, :-1], f"listed.{name}": listed}
        report.step(number, arrays, {"rows": rows})
    return arrays, {"rows": rows}


def _negatives_result(
    name: str, recipe: TowerRecipe, users: Vectors, items: Vectors, parts: Any, listed: Any, titles: tuple[str, ...]
) -> NegativesResult:
    from scipy.stats import rankdata

    ranking = evaluate(users @ items.T, parts.seen, parts.held)
    watched = np.bincount(parts.seen.indices, minlength=len(items))
    order = np.argsort(-watched, kind="stable")
    head = order[: max(1, round(HEAD * len(items)))]
    held = np.bincount(parts.held.indices, minlength=len(items))
    never = [int(film) for film in order if not listed[film]]
    ranks = [rankdata(values) for values in (listed, watched)]
    flat = any(values.min() == values.max() for values in ranks)  # no correlation with a constant
    return NegativesResult(
        name,
        recipe.loss,
        recipe.negatives,
        recipe.epochs,
        recipe.decay,
        ranking.recall,
        *collapse_of(items[:, :-1]),
        ranking.coverage,
        ranking.novelty,
        head=float(listed[head].sum() / max(listed.sum(), 1)),
        head_held=float(held[head].sum() / held.sum()),
        tilt=0.0 if flat else float(np.corrcoef(*ranks)[0, 1]),
        never=len(never),
        never_titles=tuple(titles[film] for film in never[:NAMED]),
    )


def _times_listed(scores: Vectors, parts: Any) -> Any:
    """In how many lists of 10 an item stands, over the users that have something held out: int64 (n_items,)."""
    rows = np.flatnonzero(np.diff(parts.held.indptr))
    top = top_items(scores[rows], parts.seen[rows])
    return np.bincount(top[top >= 0], minlength=scores.shape[1])


def new_films_task(report: Report, *, watched: dict[str, Any]) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train by each of NEW_RECIPES on four fifths of the films, rank the others by their features.

    All rows of the other films are for training, all rows of the new ones for testing. A recipe is left out where its
    features are known of no film. Arrays: `new` int64 (m,), the
    items taken for new, and `items.<name>` float32 (m, d), their vectors without bias.
    """
    table, features = _loaded(report, watched)
    new, old = new_films(table)
    everything = weights_of(table, np.arange(table.n))
    seen, truth = everything[:, old], everything[:, new]
    _some_held(table, truth)
    nothing = truth.multiply(0).tocsr()
    nothing.eliminate_zeros()
    before, after = _rows_of(features, old), _rows_of(features, new)
    chance, readers = min(10, len(new)) / len(new), int((np.diff(truth.indptr) > 0).sum())
    arrays: dict[str, Any] = {"new": new}
    rows: list[dict[str, Any]] = []
    known = {name: recipe for name, recipe in NEW_RECIPES.items() if recipe.item_id or features.parts(recipe)}
    for number, (name, recipe) in enumerate(known.items()):
        towers = _trained(seen, before, recipe, _beat(report, number, len(known), f"films by {name}"))
        users, items = towers.users(seen, np.arange(table.n_users)), towers.new_items(after)
        recall = recall_at(ties_drawn(users @ items.T), nothing, truth)
        rows.append(asdict(NewResult(name, recall, chance, len(new), readers)))
        arrays[f"items.{name}"] = items[:, :-1]
        report.step(number, arrays, {"rows": rows})
    return arrays, {"rows": rows}


def new_films(table: Interactions, seed: int = 0) -> tuple[Any, Any]:
    """The items taken for new, a fifth of all, drawn, and the others: two sorted int64 arrays."""
    drawn = np.random.default_rng(seed).permutation(table.n_items)
    count = max(1, round(NEW * table.n_items))
    return np.sort(drawn[:count]), np.sort(drawn[count:])


def _rows_of(features: Features, items: Any) -> Features:
    return Features(features.genres[items], features.year[items], features.title[items], features.people)


def ties_drawn(scores: Vectors, seed: int = 0) -> Vectors:
    """Ranks in place of scores, 0 for the lowest in its row; what ties is put in an order drawn for each row.

    Without it the items that come first in a table would win wherever a model cannot tell items apart.
    """
    order = np.lexsort((np.random.default_rng(seed).random(scores.shape), scores), axis=1)
    ranks = np.empty(scores.shape, np.float32)
    np.put_along_axis(ranks, order, np.arange(scores.shape[1], dtype=np.float32)[None], axis=1)
    return ranks


def drift_task(report: Report, *, watched: dict[str, Any]) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: meet old users with new items after a training with another seed, with later rows, with both.

    "seed" trains twice on the same rows and tests on the fifth held out by chance. "later" trains on the earliest three
    fifths of all rows, then on four fifths, and tests on the last; "later-seed" changes the seed as well. Both need
    times, and are left out without. Arrays for each: `old.<name>`, `new.<name>` and `rotated.<name>`, float32
    (n_items, d), the old item vectors, the new ones, and the old ones after the rotation, without bias.
    """
    table, features = _loaded(report, watched)
    cases = list(_drift_cases(table))
    for *_, held in cases:
        _some_held(table, held)
    known: dict[tuple[int, int], tuple[Vectors, Vectors]] = {}
    arrays: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    count = len({(id(seen), seed) for _, *trainings, _ in cases for seen, seed in trainings})
    for number, (name, before, after, held) in enumerate(cases):
        for seen, seed in (before, after):
            if (id(seen), seed) not in known:
                beat = _beat(report, len(known), count, f"training {len(known) + 1} of {count}")
                known[id(seen), seed] = vectors_of(seen, features, TowerRecipe(seed=seed), beat)
        old, new = known[id(before[0]), before[1]], known[id(after[0]), after[1]]
        row, turned = drift_of(name, old, new, before[0], after[0], held)
        rows.append(asdict(row))
        arrays |= {f"old.{name}": old[1][:, :-1], f"new.{name}": new[1][:, :-1], f"rotated.{name}": turned}
        report.step(number, arrays, {"rows": rows})
    return arrays, {"rows": rows}


Training = tuple[Any, int]  # rows as csr, seed


def _drift_cases(table: Interactions) -> Iterator[tuple[str, Training, Training, Any]]:
    """Name, the earlier training, the later one, and the rows that test both."""
    parts = parts_of(table)
    yield "seed", (parts.seen, 0), (parts.seen, 1), parts.held
    if not table.time.any():
        return
    known, tested = table.split_by_time(TESTED)
    if not (len(known) and len(tested)):
        return
    early, _ = table.take(known).split_by_time(LATER / (1 - TESTED))
    first, second, held = (weights_of(table, rows) for rows in (known[early], known, tested))
    yield "later", (first, 0), (second, 0), held
    yield "later-seed", (first, 0), (second, 1), held


def drift_of(
    name: str,
    old: tuple[Vectors, Vectors],
    new: tuple[Vectors, Vectors],
    before: Any,
    after: Any,
    held: Any,
) -> tuple[DriftResult, Vectors]:
    """What is lost between two trainings, each users (n_users, d + 1) and items (n_items, d + 1), and the old items
    turned, float32 (n_items, d).

    `before` and `after` are the rows they were trained on; all lists leave out what is in `after`. The rotation is
    fitted on items that both trainings have watched.
    """
    shared = [np.bincount(seen.indices, minlength=seen.shape[1]) > 0 for seen in (before, after)]
    both = shared[0] & shared[1]
    (old_users, old_items), (new_users, new_items) = old, new
    here, there = old_items[:, :-1], new_items[:, :-1]
    rotation = rotation_of(here[both], there[both])
    turned_users = np.hstack([old_users[:, :-1] @ rotation, old_users[:, -1:]])
    turned = here @ rotation
    pairs = ((old_users, old_items), (new_users, new_items), (old_users, new_items), (turned_users, new_items))
    was, now, crossed, rotated = (recall_at(users @ items.T, after, held) for users, items in pairs)
    popular = np.broadcast_to(np.bincount(after.indices, minlength=after.shape[1]), after.shape)
    lost = was - crossed
    cosines = [float((to_unit(side[both]) * to_unit(there[both])).sum(1).mean()) for side in (here, turned)]
    result = DriftResult(
        name,
        was,
        now,
        crossed,
        rotated,
        (rotated - crossed) / lost if lost >= LOST else None,
        recall_at(popular, after, held),
        *cosines,
    )
    return result, turned


def rotation_of(old: Vectors, new: Vectors) -> Vectors:
    """The orthogonal Q, float32 (d, d), with the smallest |old Q - new| for rows (n, d) (Schoenemann 1966)."""
    from scipy.linalg import orthogonal_procrustes

    found, _ = orthogonal_procrustes(old.astype(np.float64), new.astype(np.float64))
    return np.asarray(found, np.float32)


def vectors_of(
    seen: Any, features: Features, recipe: TowerRecipe, heartbeat: Callable[[float], None] = lambda done: None
) -> tuple[Vectors, Vectors]:
    """Vectors of users and items, the bias last, after a training on `seen`; the user's tower reads `seen` as well."""
    towers = _trained(seen, features, recipe, heartbeat)
    return towers.users(seen, np.arange(seen.shape[0])), towers.items()


def _trained(seen: Any, features: Features, recipe: TowerRecipe, heartbeat: Callable[[float], None]) -> Towers:
    (last,) = deque(train_towers(seen, features, recipe, heartbeat=heartbeat), maxlen=1)
    return Towers(recipe, features, seen.shape, last.weights)


def _beat(report: Report, number: int, count: int, text: str) -> Callable[[float], None]:
    def beat(done: float) -> None:  # raises JobStopped
        report((number + done) / count, text)

    return beat


def _loaded(report: Report, watched: Mapping[str, Any]) -> tuple[Interactions, Features]:
    table = load_watched(Watched(**watched))
    if table.n_users < FEWEST or table.n_items < FEWEST:
        raise InputError(
            f"This needs {FEWEST} users and {FEWEST} items; '{table.title}' has {table.n_users:,} and "
            f"{table.n_items:,}. Give a larger table."
        )
    report(0.0, "reading titles")
    return table, features_of(table)


def _some_held(table: Interactions, held: Any) -> None:
    if not held.nnz:
        raise InputError(f"No row of '{table.title}' can be held out to test on; it needs users with 5 rows or more.")


def negatives_results(entry: Entry) -> tuple[NegativesResult, ...]:
    """The measured losses of a result or of a step."""
    return tuple(NegativesResult(**{**row, "never_titles": tuple(row["never_titles"])}) for row in entry.meta["rows"])


def new_films_results(entry: Entry) -> tuple[NewResult, ...]:
    """The measured towers of a result or of a step."""
    return tuple(NewResult(**row) for row in entry.meta["rows"])


def drift_results(entry: Entry) -> tuple[DriftResult, ...]:
    """The measured trainings of a result or of a step."""
    return tuple(DriftResult(**row) for row in entry.meta["rows"])

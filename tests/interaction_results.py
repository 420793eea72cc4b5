"""Small results in place of the long experiments of the page of users and items, where its jobs look for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from embedkit.interactions import webpages
from embedkit.interactions.data import Watched
from embedkit.interactions.nearest import RetrievalRow
from embedkit.interactions.pitfalls import NEGATIVE_RECIPES, NEW_RECIPES, TASKS, DriftResult, NegativesResult, NewResult
from embedkit.interactions.transfer import PULLS, ROWS, TransferResult
from embedkit.interactions.transfer import TASK as TRANSFER
from embedkit.sources.wikipedia_sections import Section, wikipedia_sections
from embedkit.store import Store, recipe_key
from embedkit.worker import Report

RETRIEVAL = "embedkit.interactions.nearest:retrieval_task"
NEVER = ("A Film Nobody Gets", "Another One")
AUCS = {"blind": 0.7, "fixed": 0.76, "tuned": 0.75, "scratch": 0.55}  # each more row adds to all but the first


def negatives() -> list[NegativesResult]:
    """One row for each loss; that without negatives has the lowest effective rank."""
    found = []
    for number, (name, recipe) in enumerate(NEGATIVE_RECIPES.items()):
        figures = (0.1 + 0.02 * number, 0.9 - 0.1 * number, 1.5 + 4 * number, 0.2, 3.0, 0.3, 0.25, 0.1)
        never = NEVER if name == "popularity" else ()
        found.append(
            NegativesResult(
                name, recipe.loss, recipe.negatives, recipe.epochs, recipe.decay, *figures, len(never), never
            )
        )
    return found


def new_films() -> list[NewResult]:
    """One row for each set of parts; the id alone is at chance."""
    return [NewResult(name, 0.16 + 0.05 * number, 0.16, 62, 900) for number, name in enumerate(NEW_RECIPES)]


def drift() -> list[DriftResult]:
    """Three cases, the second of which loses too little to speak of a share repaired."""
    return [
        DriftResult("seed", 0.3, 0.31, 0.05, 0.28, 0.92, 0.15, 0.01, 0.9),
        DriftResult("later", 0.3, 0.31, 0.295, 0.296, None, 0.15, 0.8, 0.9),
        DriftResult("later-seed", 0.3, 0.31, 0.06, 0.27, 0.875, 0.15, 0.01, 0.8),
    ]


def transfer() -> list[TransferResult]:
    """AUC by labelled rows; with few rows fixed vectors are best, with many tuned ones."""
    found = [TransferResult("blind", 0, AUCS["blind"], AUCS["blind"], AUCS["blind"], 0.0)]
    for number, rows in enumerate(ROWS):
        for mode in PULLS:
            auc = AUCS[mode] + number * {"fixed": 0.01, "tuned": 0.02, "scratch": 0.06}[mode]
            found.append(TransferResult(mode, rows, auc, auc - 0.01, auc + 0.01, rows / 10))
    return found


def retrieval(items: int) -> list[dict[str, object]]:
    """Exact search, and an index that is twenty times faster at a recall of .97."""
    exact = RetrievalRow("exact", None, 1.0, 0.8, 0.0, items * 256)
    costs = ((10, 0.8, 0.02), (50, 0.97, 0.04), (400, 1.0, 0.2))
    near = [RetrievalRow("hnsw", ef, recall, ms, 1.5, items * 400) for ef, recall, ms in costs]
    return [asdict(row) for row in (exact, *near)]


def some_sections() -> tuple[Section, ...]:
    """The sections of a few articles."""
    names = list(dict.fromkeys(each.article for each in wikipedia_sections()))[:6]
    return tuple(each for each in wikipedia_sections() if each.article in names)


@contextmanager
def kept_results(store: Store) -> Iterator[None]:
    """Put all of them into `store`; the page of Wikipedia's sections reads a few articles only."""
    from ui import cache_interactions

    watched = Watched().params()
    for task, rows in (
        (TASKS + "negatives_task", negatives()),
        (TASKS + "new_films_task", new_films()),
        (TASKS + "drift_task", drift()),
    ):
        assert store.put(recipe_key(task, watched=watched), {}, {"rows": [asdict(row) for row in rows]})
    rows = [asdict(row) for row in transfer()]
    assert store.put(recipe_key(TRANSFER, watched=watched, seed=0), {}, {"rows": rows})
    for items, seed in ((10_000, 0), (100_000, 3)):
        assert store.put(recipe_key(RETRIEVAL, items=items, seed=seed), {}, {"rows": retrieval(items)})
    part = some_sections()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(webpages, "wikipedia_sections", lambda: part)
        digest = webpages.Pages(part).digest
        key = recipe_key(webpages.TASK, seed=0, pages=digest)
        assert store.put(key, *webpages.webpages_task(Report(), epochs=1))
        cache_interactions.webpages.clear()
        yield
        cache_interactions.webpages.clear()

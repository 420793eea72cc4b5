"""Training two towers as a job: steps kept, recall and collapse measured by the way, tables beside the baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from embedkit.errors import InputError, JobStopped
from embedkit.interactions.data import Watched, features_of, load_watched, parts_of
from embedkit.interactions.evaluation import evaluate, recall_at
from embedkit.interactions.towers import TowerRecipe, Towers, TowerStep, train_towers
from embedkit.jobs import Job, Pool
from embedkit.space import Vectors, to_unit
from embedkit.store import Entry, Store, recipe_key, step_key
from embedkit.worker import Report, spaced_epochs

__all__ = [
    "KEPT",
    "Seen",
    "collapse_of",
    "kept_epochs",
    "reasons",
    "request_table",
    "request_towers",
    "table_task",
    "towers_at",
    "towers_key",
    "towers_task",
    "weights_of_entry",
]

TASK = "embedkit.interactions.training:towers_task"
TABLE_TASK = "embedkit.interactions.training:table_task"
KEPT = 12
PAIRS = 20_000  # of item vectors, whose mean cosine is taken


@dataclass(frozen=True, eq=False)
class Seen:
    """Both towers' vectors after an epoch, (n_users, d) and (n_items, d), d with the bias; and the curve until then.

    `curve` has a row for each measured epoch: epoch, loss, recall@10, mean cosine of items, effective rank of items.
    """

    epoch: int
    epochs: int
    users: Vectors
    items: Vectors
    curve: Vectors
    seconds: float


def kept_epochs(epochs: int) -> tuple[int, ...]:
    """The epochs whose steps are kept: 0, then ever further apart; the last always."""
    return spaced_epochs(epochs, KEPT)


def collapse_of(items: Vectors, seed: int = 0) -> tuple[float, float]:
    """Mean cosine of pairs of vectors (n, d), and their effective rank (Roy and Vetterli 2007), 1 to d.

    The effective rank is exp of the entropy of the singular values' shares: 1 when all vectors point one way.
    """
    unit = to_unit(items)
    chance = np.random.default_rng(seed)
    a, b = chance.integers(0, len(unit), (2, PAIRS))
    cosines = (unit[a] * unit[b]).sum(1)[a != b]
    values = np.linalg.svd(items.astype(np.float64), compute_uv=False)
    share = values / max(values.sum(), 1e-12)
    entropy = -float((share[share > 0] * np.log(share[share > 0])).sum())
    return float(cosines.mean()) if len(cosines) else 0.0, float(np.exp(entropy))


def _params(watched: Watched, recipe: TowerRecipe) -> dict[str, Any]:
    return {"watched": watched.params(), "recipe": asdict(recipe)}


def towers_key(watched: Watched, recipe: TowerRecipe) -> str:
    """The store's key of a training."""
    return recipe_key(TASK, **_params(watched, recipe))


def request_towers(watched: Watched, recipe: TowerRecipe, pool: Pool) -> Job:
    """The job of a training: done if it is kept, else running or started."""
    title = f"Two towers on {load_watched(watched).title.lower()}"
    return pool.submit(TASK, _params(watched, recipe), title=title, key=towers_key(watched, recipe))


def request_table(watched: Watched, pool: Pool) -> Job:
    """The job that measures the methods to beat on the same split."""
    return pool.submit(TABLE_TASK, {"watched": watched.params()}, title="Measuring the methods beside it")


def towers_task(
    report: Report, *, watched: dict[str, Any], recipe: dict[str, Any]
) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train, keep steps, and measure the last one on the held-out rows."""
    table, what = load_watched(Watched(**watched)), TowerRecipe(**recipe)
    report(0.0, "reading titles")
    features, parts = features_of(table), parts_of(table)
    kept = set(kept_epochs(what.epochs))
    curve: list[list[float | None]] = []
    rows = np.arange(table.n_users)
    step: TowerStep | None = None

    def beat(done: float) -> None:  # raises JobStopped
        report(done, f"epoch {step.epoch if step else 0} of {what.epochs}", curve=curve)

    def keep(step: TowerStep) -> tuple[dict[str, Vectors], dict[str, Any]]:
        towers = Towers(what, features, parts.seen.shape, step.weights)
        users, items = towers.users(parts.seen, rows), towers.items()
        if not curve or curve[-1][0] != step.epoch:
            recall = recall_at(users @ items.T, parts.seen, parts.held)
            loss = step.loss if step.epoch else None
            curve.append([step.epoch, loss, recall, *collapse_of(items[:, :-1])])
        meta = {"epoch": step.epoch, "epochs": step.epochs, "seconds": step.seconds, "curve": list(curve)}
        return {"users": users, "items": items}, meta

    try:
        for step in train_towers(parts.seen, features, what, heartbeat=beat):
            if step.epoch in kept:
                report.step(step.epoch, *keep(step))
    except JobStopped:
        if step is not None and step.epoch not in report.steps:
            report.step(step.epoch, *keep(step))
        raise
    assert step is not None
    arrays, meta = keep(step)
    scores = arrays["users"] @ arrays["items"].T
    arrays |= {f"w.{name}": array for name, array in step.weights.items()}
    return arrays, {**meta, "ranking": asdict(evaluate(scores, parts.seen, parts.held))}


def table_task(report: Report, *, watched: dict[str, Any]) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: every baseline on the same split; after each, what is known so far is a step."""
    from embedkit.interactions.baselines import baselines

    table = load_watched(Watched(**watched))
    features, parts = features_of(table), parts_of(table)
    found: list[dict[str, Any]] = []
    left_out: list[str] = []
    known = baselines()
    for number, each in enumerate(known.values()):
        report(number / len(known), each.title)
        given = {"vectors": features.title} if each.needs else {}
        try:
            scores = each.score(parts.seen, **each.settings, **given)
        except InputError as error:  # EASE and others refuse very large tables
            left_out.append(str(error))
            continue
        found.append({"method": each.title, **asdict(evaluate(scores, parts.seen, parts.held))})
        report.step(number, {}, {"rows": found})
    return {}, {"rows": found, "left_out": left_out}


def towers_at(store: Store, key: str, epoch: int) -> Seen | None:
    """Both towers' vectors after an epoch, or None when neither that step nor a result of that epoch is kept."""
    entry = store.get(step_key(key, epoch))
    if entry is None and (known := store.get_meta(key)) is not None and known["epoch"] == epoch:
        entry = store.get(key)
    if entry is None:
        return None
    meta: Mapping[str, Any] = entry.meta
    curve = np.array([[np.nan if value is None else value for value in row] for row in meta["curve"]], np.float64)
    users, items = (np.asarray(entry.arrays[name]) for name in ("users", "items"))
    return Seen(meta["epoch"], meta["epochs"], users, items, curve, meta["seconds"])


def weights_of_entry(entry: Entry) -> Mapping[str, Vectors]:
    """The weights of a result, by name."""
    return {name[2:]: array for name, array in entry.arrays.items() if name.startswith("w.")}


def reasons(towers: Towers, watched: Sequence[int], item: int) -> list[tuple[int, float]]:
    """How much each watched film adds to the score of `item`, largest first: (row, share of the score).

    The user's tower sums over the films watched, so a score is a sum over them, plus the item's bias.
    """
    table = towers._table("watched", "watched.").detach().numpy()
    vector = towers.items()[item, :-1]
    parts = table[list(watched)] @ vector / np.sqrt(max(len(watched), 1))
    order = np.argsort(-parts, kind="stable")
    return [(int(watched[i]), float(parts[i])) for i in order]

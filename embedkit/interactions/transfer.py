"""Transfer: vectors learned on what people watch anyway, used to tell who watches a few advertised films."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.interactions.data import Watched, features_of, load_watched, weights_of
from embedkit.interactions.towers import Features, TowerRecipe, Towers, train_towers
from embedkit.jobs import Job, Pool
from embedkit.sources.interactions import Interactions
from embedkit.space import Vectors
from embedkit.store import Entry
from embedkit.worker import Report

__all__ = [
    "MODES",
    "ROWS",
    "TransferResult",
    "advertised",
    "fitted",
    "request_transfer",
    "roc_auc",
    "transfer_results",
    "transfer_task",
    "winners",
]

MODES = {
    "blind": "The inner product of the pretrained vectors, no label used.",
    "fixed": "A head learns from the labels; the pretrained vectors stay as they are.",
    "tuned": "The head learns, and the vectors go on from where the pretraining left them.",
    "scratch": "The head learns, and the vectors start at random.",
}
ROWS = (50, 200, 1_000, 5_000, 15_000)
DRAWS = 5  # of the labelled rows, and of the random vectors; the median counts
ADS = 20
TESTED = 0.25  # share of the pairs of a user and an advertised film
FEWEST_USERS = 50
STEPS, RATE = 100, 0.05
# Pulls toward the start, of the head and of the vectors; chosen on a cinema drawn with another seed than is shown.
PULLS = {"fixed": (20.0, 0.0), "tuned": (20.0, 30.0), "scratch": (1.0, 1.0)}
RANDOM = 0.1  # standard deviation of vectors that start at random
PRETRAINING = TowerRecipe(item_id=False)  # advertised films have features only, so the others learn by them too
TASK = "embedkit.interactions.transfer:transfer_task"


@dataclass(frozen=True)
class TransferResult:
    """ROC AUC on held-out pairs after `rows` labelled pairs: the median over draws, the lowest and the highest.

    `mode` is one of MODES; `positives` is the median number of labelled pairs that were watched.
    """

    mode: str
    rows: int
    auc: float
    lowest: float
    highest: float
    positives: float


def request_transfer(watched: Watched, pool: Pool, seed: int = 0) -> Job:
    """The job that pretrains on most films and learns the advertised ones from few labels."""
    return pool.submit(TASK, {"watched": watched.params(), "seed": seed}, title="Transfer to advertised films")


def transfer_task(
    report: Report, *, watched: dict[str, Any], seed: int = 0
) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: AUC of each of MODES over ROWS; after each number of rows, what is known so far is a step.

    The towers are pretrained on all rows of the films that are not advertised; of the advertised ones they know only
    genres, year and title. A label says whether a user watched an advertised film; a quarter of all pairs is held out,
    the labelled rows are drawn from the rest. Array: `ads` int64 (20,), the advertised items.
    """
    table = load_watched(Watched(**watched))
    ads = advertised(table, seed)
    others = np.setdiff1d(np.arange(table.n_items), ads)
    report(0.0, "reading titles")
    features = features_of(table)
    everything = weights_of(table, np.arange(table.n))
    labels = everything[:, ads].toarray() > 0
    order = np.random.default_rng([seed, 1]).permutation(labels.size)
    held, known = np.split(order, [round(TESTED * labels.size)])
    truth = labels.ravel()
    for part in (held, known):
        if truth[part].all() or not truth[part].any():
            raise InputError(f"The pairs of '{table.title}' with an advertised film are all watched, or all not.")

    def beat(done: float) -> None:  # raises JobStopped
        report(0.3 * done, "pretraining on the other films")

    users, items = _pretrained(everything[:, others], features, others, ads, beat)
    blind = roc_auc(truth[held], (users @ items.T).ravel()[held])
    arrays: dict[str, Any] = {"ads": ads}
    rows = [asdict(TransferResult("blind", 0, blind, blind, blind, 0.0))]
    sizes = [size for size in ROWS if size <= len(known)]
    for number, size in enumerate(sizes):
        found: dict[str, list[float]] = {mode: [] for mode in PULLS}
        positives = []
        for draw in range(DRAWS):
            chance = np.random.default_rng([seed, 2, draw])
            labelled = chance.permutation(known)[:size]
            positives.append(int(truth[labelled].sum()))
            for mode in PULLS:
                report(0.3 + 0.7 * (number + draw / DRAWS) / len(sizes), f"{size:,} labelled rows, {mode}")
                start = (users, items) if mode != "scratch" else _random(users, items, chance)
                scores = fitted(*start, labels, labelled, mode)
                found[mode].append(roc_auc(truth[held], scores.ravel()[held]))
        for mode, values in found.items():
            middle = float(np.median(values))
            each = TransferResult(mode, size, middle, min(values), max(values), float(np.median(positives)))
            rows.append(asdict(each))
        report.step(number, arrays, {"rows": rows})
    return arrays, {"rows": rows}


def advertised(table: Interactions, seed: int = 0) -> NDArray[np.int64]:
    """The 20 advertised items, sorted: drawn from the half that is watched most; raises InputError on small tables."""
    if table.n_users < FEWEST_USERS or table.n_items < 2 * ADS:
        raise InputError(
            f"Transfer needs {FEWEST_USERS} users and {2 * ADS} items; '{table.title}' has {table.n_users:,} and "
            f"{table.n_items:,}. Give a larger table."
        )
    order = np.argsort(-np.bincount(table.item, minlength=table.n_items), kind="stable")
    drawn = np.random.default_rng([seed, 0]).permutation(table.n_items // 2)[:ADS]
    return np.sort(order[drawn])


def _pretrained(
    seen: Any, features: Features, others: NDArray[np.int64], ads: NDArray[np.int64], beat: Any
) -> tuple[Vectors, Vectors]:
    """Vectors of users and advertised items, no bias, at a size where their inner products have a deviation of 1."""
    parts = [
        Features(features.genres[items], features.year[items], features.title[items], features.people)
        for items in (others, ads)
    ]
    (last,) = deque(train_towers(seen, parts[0], PRETRAINING, heartbeat=beat), maxlen=1)
    towers = Towers(PRETRAINING, parts[0], seen.shape, last.weights)
    users = towers.users(seen, np.arange(seen.shape[0]))[:, :-1]
    items = towers.new_items(parts[1])[:, :-1]
    size = float((users @ items.T).std())
    lengths = [float(np.sqrt((side.astype(np.float64) ** 2).mean())) for side in (users, items)]
    if min(size, *lengths) == 0:  # items of which nothing is known but a name
        return users, items
    balance = np.sqrt(lengths[1] / lengths[0])
    return users * np.float32(balance / np.sqrt(size)), items * np.float32(1 / balance / np.sqrt(size))


def _random(users: Vectors, items: Vectors, chance: np.random.Generator) -> tuple[Vectors, Vectors]:
    drawn = (RANDOM * chance.standard_normal(side.shape, np.float32) for side in (users, items))
    return next(drawn), next(drawn)


def fitted(
    users: Vectors, items: Vectors, labels: NDArray[np.bool_], labelled: NDArray[np.int64], mode: str
) -> NDArray[np.float32]:
    """Scores of all pairs, float32 (n_users, m), after learning from the `labelled` pairs, numbered row by row.

    A score is sum_k (1 + w_k) u_k v_k + a.u + b.v + c; w, a, b and c start at 0, so that no label means the inner
    product. What is learned makes the logistic loss, summed over the labelled pairs, and half the squared distance from
    the start times PULLS[mode] smallest (for vectors L2-SP, Li et al. 2018; those of "scratch" are pulled to 0).
    """
    import torch

    pull_head, pull_vectors = PULLS[mode]
    start = [torch.from_numpy(np.array(side)) for side in (users, items)]
    u, v = (side.clone() for side in start)
    home = [torch.zeros_like(side) for side in start] if mode == "scratch" else start
    w, a, b = (torch.zeros(users.shape[1]) for _ in range(3))
    c = torch.zeros(1)
    learned = [w, a, b, c, *([u, v] if mode != "fixed" else [])]
    for tensor in learned:
        tensor.requires_grad_()
    # all pairs are scored and the others masked: indexing would add up gradients in an order that changes
    counts = torch.zeros(labels.size).index_fill(0, torch.from_numpy(labelled), 1.0).view(labels.shape)
    wanted = torch.from_numpy(labels.astype(np.float32))
    optimizer = torch.optim.Adam(learned, lr=RATE)
    scores = torch.empty(0)
    for step in range(STEPS + 1):
        scores = (u * (1 + w)) @ v.T + (u @ a)[:, None] + (v @ b)[None] + c
        if step == STEPS:
            break
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        each = torch.nn.functional.binary_cross_entropy_with_logits(scores, wanted, reduction="none")
        loss = (each * counts).sum() + pull_head / 2 * (w.square().sum() + a.square().sum() + b.square().sum())
        if mode != "fixed":
            loss = loss + pull_vectors / 2 * ((u - home[0]).square().sum() + (v - home[1]).square().sum())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    found: NDArray[np.float32] = scores.detach().numpy()
    return found


def roc_auc(truth: NDArray[np.bool_], scores: NDArray[Any]) -> float:
    """The chance that a true row scores above a false one, ties half (Mann and Whitney 1947); needs both kinds."""
    from scipy.stats import rankdata

    positives = int(truth.sum())
    negatives = len(truth) - positives
    if not (positives and negatives):
        raise InputError("An AUC needs rows that are true and rows that are not.")
    ranks = rankdata(scores)
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def winners(results: Sequence[TransferResult]) -> dict[int, str]:
    """The mode with the highest median for each number of labelled rows; "blind" counts for each."""
    sizes = sorted({result.rows for result in results if result.rows})
    return {
        size: max((each for each in results if each.rows in (0, size)), key=lambda each: each.auc).mode
        for size in sizes
    }


def transfer_results(entry: Entry) -> tuple[TransferResult, ...]:
    """The measured modes of a result or of a step, "blind" first."""
    return tuple(TransferResult(**row) for row in entry.meta["rows"])

"""Users and items: two towers on two published splits of MovieLens 100K and on the simulated cinema, beside others.

MovieLens is read from ../shared/data (EMBEDKIT_SHARED names another folder that holds data/movielens-100k and
data/movielens-100k-mcrec-split). Settings were chosen by `--choose`, on eight random twentieths of the *train* rows
alone: a fifth held out takes so much from the training that smaller towers win there than on the whole.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import _common as common
from benchmarks._common import Figure, Skip, median, timed

# chosen by --choose; ids and history alone
RECIPE = {"genres": False, "year": False, "title": False, "dims": 128, "batch": 128}
GRID = {
    "dims": (64, 96, 128, 160),
    "batch": (128, 256),
    "dropout": (0.7, 0.8),
    "decay": (1.0, 1.5),
}
CUT, CUTS = 0.05, 8
SEEDS = (0, 1, 2)
SECONDS = 15.0
# MCRec split: what the two-tower has to pass (SLIM), and what EASE must come out at
BARS = {"precision": 0.3770, "recall": 0.2441, "ndcg_whole": 0.2957}
EASE = {"precision": 0.3739, "recall": 0.2430, "ndcg_whole": 0.2905}
NAMES = {"precision": "P@10", "recall": "R@10", "ndcg": "NDCG@10", "ndcg_whole": "NDCG(TOIS)"}


def trained(seen: Any, features: Any, recipe: Any) -> tuple[Any, float]:
    """Scores of two towers, and the seconds of their training."""
    from embedkit.interactions.towers import Towers, train_towers

    (*_, last) = train_towers(seen, features, recipe)
    towers = Towers(recipe, features, seen.shape, last.weights)
    return towers.users(seen, np.arange(seen.shape[0])) @ towers.items().T, last.seconds


def mcrec() -> tuple[Any, Any, Any]:
    """Train and test of the MCRec split as weights, and the features of its films."""
    from embedkit.interactions.data import features_of, weights_of
    from embedkit.sources.movielens import mcrec_split, movielens

    titles = movielens("movielens-100k", str(common.shared("movielens-100k")))
    train, test = mcrec_split(common.shared("movielens-100k-mcrec-split"), titles)
    return weights_of(train, np.arange(train.n)), weights_of(test, np.arange(test.n)), features_of(train)


def first(runs: int) -> Iterator[Figure]:
    """The MCRec split: the towers over three seeds, EASE to prove the protocol, the others."""
    from embedkit.interactions.baselines import baselines
    from embedkit.interactions.evaluation import evaluate
    from embedkit.interactions.towers import TowerRecipe

    seen, held, features = mcrec()
    found = [trained(seen, features, TowerRecipe(**RECIPE, seed=seed)) for seed in SEEDS]  # type: ignore[arg-type]
    ranked = [evaluate(scores, seen, held) for scores, _ in found]
    for name, bar in BARS.items():
        yield median(f"MCRec, two towers: {NAMES[name]}", [getattr(r, name) for r in ranked], "", aim=bar, sense=">")
    yield median("MCRec, two towers: NDCG@10", [r.ndcg for r in ranked], "")
    yield median("MCRec, two towers: training", [seconds for _, seconds in found], aim=SECONDS)
    whole = [evaluate(trained(seen, features, TowerRecipe(seed=seed))[0], seen, held) for seed in SEEDS[:runs]]
    for name in BARS:
        said = "ids, genres, years and titles"
        yield median(f"MCRec, all parts: {NAMES[name]}", [getattr(r, name) for r in whole], "", note=said)
    for each in baselines().values():
        given = {"vectors": features.title} if each.needs else {}
        result: list[Any] = []
        seconds = timed(
            lambda each=each, given=given, result=result: result.append(each.score(seen, **each.settings, **given))
        )
        row = evaluate(result[0], seen, held)
        for name in BARS:
            proof = EASE[name] - 0.00005 if each.name == "ease" else None
            yield Figure(f"MCRec, {each.title}: {NAMES[name]}", getattr(row, name), "", proof, ">", f"{seconds:.1f} s")


def stratified() -> tuple[Any, Any, Any]:
    """The 75/25 split of the recommenders repository: stratified by item, seed 42."""
    import pandas as pd

    from embedkit.interactions.data import features_of, weights_of
    from embedkit.sources.movielens import movielens

    table = movielens("movielens-100k", str(common.shared("movielens-100k")))
    rows = pd.DataFrame({"item": table.item, "row": np.arange(table.n)})
    train: list[int] = []
    for _, group in rows.groupby("item"):
        shuffled = group.sample(frac=1, random_state=42)
        train += list(shuffled["row"][: round(0.75 * len(group))])
    held = np.setdiff1d(np.arange(table.n), train)
    return weights_of(table, np.sort(train)), weights_of(table, held), features_of(table)


def second(runs: int) -> Iterator[Figure]:
    """The recommenders table: the same recipe, nothing chosen anew."""
    from embedkit.interactions.baselines import baselines
    from embedkit.interactions.evaluation import evaluate
    from embedkit.interactions.towers import TowerRecipe

    seen, held, features = stratified()
    found = [evaluate(trained(seen, features, TowerRecipe(**RECIPE, seed=s))[0], seen, held) for s in SEEDS]  # type: ignore[arg-type]
    yield median("stratified 75/25, two towers: NDCG@10", [r.ndcg for r in found], "", aim=0.4855, sense=">")
    yield median("stratified 75/25, two towers: P@10", [r.precision for r in found], "")
    yield median("stratified 75/25, two towers: R@10", [r.recall for r in found], "")
    ease = baselines()["ease"]
    row = evaluate(ease.score(seen, **ease.settings), seen, held)
    yield Figure("stratified 75/25, EASE: NDCG@10", row.ndcg, "")


def third(runs: int) -> Iterator[Figure]:
    """The simulated cinema: the towers beside the others and the true tastes; how near to these they come."""
    from embedkit.interactions.data import Watched, features_of, load_watched, parts_of
    from embedkit.interactions.evaluation import evaluate
    from embedkit.interactions.plane import like_truth
    from embedkit.interactions.towers import TowerRecipe, Towers, train_towers
    from embedkit.sources.cinema import tastes

    table, true = load_watched(Watched()), tastes()
    parts, features = parts_of(table), features_of(table)
    recalls, times, likes = [], [], []
    for seed in SEEDS[:runs]:
        recipe = TowerRecipe(seed=seed)
        (*_, last) = train_towers(parts.seen, features, recipe)
        towers = Towers(recipe, features, parts.seen.shape, last.weights)
        users = towers.users(parts.seen, np.arange(table.n_users))
        recalls.append(evaluate(users @ towers.items().T, parts.seen, parts.held).recall)
        times.append(last.seconds)
        likes.append(like_truth(users[:, :-1], true.users))
    yield median(
        "cinema, two towers: R@10",
        recalls,
        "",
        note=f"true tastes {evaluate(true.scores(), parts.seen, parts.held).recall:.4f}",
    )
    yield median("cinema, two towers: training", times)
    yield median("cinema: rank correlation of who is like whom, with the truth", likes, "")


def retrieval(runs: int) -> Iterator[Figure]:
    """Exact and approximate search among 10,000 and 1,000,000 simulated items."""
    from embedkit.interactions.nearest import retrieval_table

    for items in (10_000, 1_000_000):
        for row in retrieval_table(items):
            name = f"{items:,} items, {row.index}" + (f" ef {row.ef}" if row.ef else "")
            said = f"recall@10 {row.recall:.4f}, built in {row.build_seconds:.0f} s, {row.nbytes / 1e6:,.0f} MB"
            yield Figure(name, row.milliseconds, "ms", note=said)


def choose() -> Iterator[Figure]:
    """EASE and every setting of GRID on random parts of the train rows; the test part is not read. About 20 minutes."""
    from embedkit.interactions.baselines import baselines
    from embedkit.interactions.data import features_of, weights_of
    from embedkit.interactions.evaluation import evaluate
    from embedkit.interactions.towers import TowerRecipe
    from embedkit.sources.movielens import mcrec_split, movielens

    titles = movielens("movielens-100k", str(common.shared("movielens-100k")))
    train, _ = mcrec_split(common.shared("movielens-100k-mcrec-split"), titles)
    features = features_of(train)
    cuts = []
    for seed in range(CUTS):
        held = np.random.default_rng(seed).random(train.n) < CUT
        cuts.append((weights_of(train, np.flatnonzero(~held)), weights_of(train, np.flatnonzero(held))))
    ease = baselines()["ease"]
    yield figure_of(
        "train only: EASE", [evaluate(ease.score(seen, **ease.settings), seen, held) for seen, held in cuts]
    )
    for values in itertools.product(*GRID.values()):
        recipe = replace(TowerRecipe(**RECIPE), **dict(zip(GRID, values, strict=True)))  # type: ignore[arg-type]
        rows = [evaluate(trained(seen, features, recipe)[0], seen, held) for seen, held in cuts]
        name = ", ".join(f"{key} {value:g}" for key, value in zip(GRID, values, strict=True))
        yield figure_of(f"train only: {name}", rows)


def figure_of(name: str, rows: list[Any]) -> Figure:
    """The mean NDCG (TOIS) of several cuts, the other means beside it."""
    said = ", ".join(f"{NAMES[each]} {np.mean([getattr(row, each) for row in rows]):.4f}" for each in BARS)
    whole = [row.ndcg_whole for row in rows]
    return Figure(name, float(np.mean(whole)), "", note=said, runs=tuple(whole))


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    with common.own_home():
        if args.choose:
            yield from common.parts(choose())
        else:
            yield from common.parts(first(args.runs), second(args.runs), third(args.runs), retrieval(args.runs))


if __name__ == "__main__":
    options = common.parser(__doc__, runs=3)
    options.add_argument("--choose", action="store_true", help="try the settings again, on train rows alone")
    sys.exit(common.main(measure, __doc__, options))

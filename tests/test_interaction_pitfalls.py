"""Pitfalls of two towers: collapse, films without history, drift; and vectors of one task used on another."""

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from embedkit.errors import InputError, JobStopped
from embedkit.interactions import pitfalls, transfer
from embedkit.interactions.data import Watched, weights_of
from embedkit.interactions.evaluation import evaluate
from embedkit.interactions.pitfalls import (
    drift_of,
    drift_results,
    drift_task,
    negatives_results,
    negatives_task,
    new_films,
    new_films_results,
    new_films_task,
    rotation_of,
    ties_drawn,
)
from embedkit.interactions.towers import Features, TowerRecipe
from embedkit.interactions.transfer import TransferResult, fitted, roc_auc, transfer_results, transfer_task, winners
from embedkit.sources.cinema import cinema
from embedkit.sources.interactions import Interactions, film_table
from embedkit.store import Entry, Store, step_key
from embedkit.worker import Report

FEW: dict[str, Any] = {"watched": {"key": "cinema"}}


def quiet(table: Interactions) -> Features:
    """Genres and year as they are, and no title: reading titles takes longer than a training here."""
    from embedkit.interactions import data

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "title_vectors", lambda titles, store: np.zeros((len(titles), 0), np.float32))
        return data.features_of(table)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Interactions:
    """A cinema of 200 users for every task."""
    table = cinema(200)
    given(table, monkeypatch)
    return table


def given(table: Interactions, patch: pytest.MonkeyPatch) -> None:
    features = quiet(table)
    for module in (pitfalls, transfer):
        patch.setattr(module, "load_watched", lambda watched: table)
        patch.setattr(module, "features_of", lambda table: features)


def tiny(users: int, items: int, rows: list[tuple[int, int]]) -> Interactions:
    names = tuple(f"film {i}" for i in range(items))
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    return Interactions(
        key="tiny",
        title="Tiny",
        users=tuple(f"user {i}" for i in range(users)),
        items=names,
        user=pairs[:, 0].astype(np.int32),
        item=pairs[:, 1].astype(np.int32),
        rating=np.ones(len(pairs), np.float32),
        time=np.zeros(len(pairs), np.int64),
        films=film_table(names),
        people=pd.DataFrame(index=range(users)),
        licence="own",
        year=2026,
    )


# Negatives


def test_without_negatives_all_films_point_one_way(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: replace(pitfalls.NEGATIVE_RECIPES[name], dims=16) for name in ("none", "random", "popularity")}
    monkeypatch.setattr(pitfalls, "NEGATIVE_RECIPES", few)
    arrays, meta = negatives_task(Report(), **FEW)
    none, random, popularity = negatives_results(Entry.of((arrays, meta)))
    assert [none.name, random.name, popularity.name] == list(few)
    assert none.cosine > 0.9 > 0.4 > random.cosine
    assert none.rank < 0.6 * random.rank
    assert none.recall < 0.6 * random.recall
    assert none.coverage < 0.5 * random.coverage
    # the most watched films are the usual negatives, so they are pushed off the lists
    assert popularity.head < 0.5 * random.head
    assert popularity.tilt < random.tilt
    assert popularity.novelty > random.novelty
    for row in (none, random, popularity):
        listed = arrays[f"listed.{row.name}"]
        assert (listed == 0).sum() == row.never
        assert row.coverage == pytest.approx((listed > 0).mean())
        assert listed.sum() == 10 * small.n_users
        assert arrays[f"items.{row.name}"].shape == (small.n_items, 16)
        most = [small.items[i] for i in np.argsort(-arrays["watched"], kind="stable") if not listed[i]]
        assert row.never_titles == tuple(most[:5])


def test_each_loss_is_a_step_with_what_is_known_so_far(
    small: Interactions, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    few = {name: TowerRecipe(dims=4, epochs=1, seed=seed) for seed, name in enumerate(("first", "second"))}
    monkeypatch.setattr(pitfalls, "NEGATIVE_RECIPES", few)
    store = Store(tmp_path)
    sent: list[dict[str, Any]] = []
    report = Report(sent.append, store=store, key="0" * 32)
    whole = Entry.of(negatives_task(report, **FEW))
    assert report.steps == [0, 1]
    again, _ = negatives_task(Report(), **FEW)
    assert {name: array.tobytes() for name, array in again.items()} == {n: a.tobytes() for n, a in whole.arrays.items()}
    half = store.get(step_key("0" * 32, 0))
    assert half is not None
    assert negatives_results(half) == negatives_results(whole)[:1]
    report.flush()
    assert "negatives: " in str(sent)


# New films


def test_the_towers_never_meet_a_new_film(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitfalls, "NEW_RECIPES", {"only": TowerRecipe(dims=4, epochs=1)})
    met: list[tuple[Any, Features]] = []
    train = pitfalls.train_towers

    def watching(seen: Any, features: Features, recipe: TowerRecipe, **more: Any) -> Any:
        met.append((seen, features))
        return train(seen, features, recipe, **more)

    monkeypatch.setattr(pitfalls, "train_towers", watching)
    arrays, _ = new_films_task(Report(), **FEW)
    ((seen, features),) = met
    new, old = new_films(small)
    np.testing.assert_array_equal(arrays["new"], new)
    assert len(new) == round(0.2 * small.n_items)
    assert sorted([*new, *old]) == list(range(small.n_items))
    np.testing.assert_array_equal(seen.toarray(), small.matrix().toarray()[:, old])
    np.testing.assert_array_equal(features.genres, quiet(small).genres[old])
    np.testing.assert_array_equal(features.year, quiet(small).year[old])
    assert arrays["items.only"].shape == (len(new), 4)


def test_ids_say_nothing_of_new_films_and_features_do(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: replace(pitfalls.NEW_RECIPES[name], epochs=40, dims=32) for name in ("id", "genres-year")}
    monkeypatch.setattr(pitfalls, "NEW_RECIPES", few)
    arrays, meta = new_films_task(Report(), **FEW)
    by_id, by_features = new_films_results(Entry.of((arrays, meta)))
    assert by_id.chance == by_features.chance == pytest.approx(10 / 62)
    assert by_id.films == 62
    assert not arrays["items.id"].any()
    assert by_id.recall == pytest.approx(by_id.chance, abs=0.04)
    assert by_features.recall > 1.5 * by_id.chance


def test_ties_are_drawn_and_the_rest_stays_in_order() -> None:
    scores = np.array([[3.0, 1.0, 1.0, 2.0]] * 400, np.float32)
    ranks = ties_drawn(scores)
    np.testing.assert_array_equal(ranks[:, [0, 3]], np.tile([3.0, 2.0], (400, 1)))
    assert set(map(tuple, ranks[:, 1:3])) == {(0.0, 1.0), (1.0, 0.0)}
    assert 0.4 < ranks[:, 1].mean() < 0.6
    np.testing.assert_array_equal(ranks, ties_drawn(scores))
    assert ranks.tobytes() != ties_drawn(scores, seed=1).tobytes()


# Drift


def turn(d: int, seed: int = 0) -> Any:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    return q.astype(np.float32)


def test_the_rotation_of_a_right_angle_is_found() -> None:
    old = np.array([[1, 0], [0, 2], [3, 1]], np.float32)
    new = np.array([[0, 1], [-2, 0], [-1, 3]], np.float32)  # (x, y) becomes (-y, x)
    np.testing.assert_allclose(rotation_of(old, new), [[0, 1], [-1, 0]], atol=1e-6)


def test_a_turned_space_is_repaired_whole() -> None:
    rng = np.random.default_rng(0)
    users, items = rng.normal(size=(60, 6)).astype(np.float32), rng.normal(size=(40, 6)).astype(np.float32)
    bias = rng.normal(size=(40, 1)).astype(np.float32)
    scores = users @ items.T + bias.T
    order = np.argsort(-scores, axis=1)
    seen, held = np.zeros((2, *scores.shape), np.float32)
    np.put_along_axis(held, order[:, :5], 1, 1)
    np.put_along_axis(seen, order[:, 20:30], 1, 1)
    one, q = np.ones((60, 1), np.float32), turn(6)
    old = np.hstack([users, one]), np.hstack([items, bias])
    new = np.hstack([users @ q, one]), np.hstack([items @ q, bias])
    before, after = csr_matrix(seen), csr_matrix(seen)
    row, turned = drift_of("turned", old, new, before, after, csr_matrix(held))
    assert row.old == row.new == row.rotated == 1.0
    assert row.crossed < 0.7
    assert row.repaired == pytest.approx(1.0)
    assert row.cosine < 0.9
    assert row.cosine_rotated == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(turned, items @ q, atol=1e-5)
    same, _ = drift_of("same", old, old, before, after, csr_matrix(held))
    assert (same.crossed, same.repaired) == (1.0, None)  # nothing was lost


def test_films_that_only_one_training_has_watched_do_not_turn_the_rest() -> None:
    rng = np.random.default_rng(1)
    items = rng.normal(size=(12, 3)).astype(np.float32)
    q = turn(3, 1)
    there = items @ q
    there[8:] = 50 * rng.normal(size=(4, 3))  # of these the earlier training knows nothing
    before, after = np.ones((2, 5, 12), np.float32)
    before[:, 8:] = 0
    after[:, 0] = 0
    held = np.zeros((5, 12), np.float32)
    held[:, 0] = 1

    def end(rows: Any) -> Any:
        return np.hstack([rows, np.ones((len(rows), 1))]).astype(np.float32)

    users = rng.normal(size=(5, 3))
    row, turned = drift_of(
        "x", (end(users), end(items)), (end(users), end(there)), csr_matrix(before), csr_matrix(after), csr_matrix(held)
    )
    np.testing.assert_allclose(turned[1:8], there[1:8], atol=1e-4)
    assert row.cosine_rotated == pytest.approx(1.0, abs=1e-5)


def test_drift_is_measured_as_by_hand(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    short = TowerRecipe(epochs=15, dims=16)
    monkeypatch.setattr(pitfalls, "TowerRecipe", lambda seed: replace(short, seed=seed))
    arrays, meta = drift_task(Report(), **FEW)
    seeds, later, both = drift_results(Entry.of((arrays, meta)))
    assert [seeds.name, later.name, both.name] == ["seed", "later", "later-seed"]

    rows, out = small.split(0.2)
    seen, held = weights_of(small, rows), weights_of(small, out)
    old, new = (pitfalls.vectors_of(seen, quiet(small), replace(short, seed=seed)) for seed in (0, 1))
    assert seeds.old == evaluate(old[0] @ old[1].T, seen, held).recall
    assert seeds.new == evaluate(new[0] @ new[1].T, seen, held).recall
    assert seeds.crossed == evaluate(old[0] @ new[1].T, seen, held).recall
    np.testing.assert_array_equal(arrays["old.seed"], old[1][:, :-1])
    assert seeds.crossed < 0.7 * seeds.old
    assert seeds.rotated > seeds.crossed + 0.5 * (seeds.old - seeds.crossed)
    assert seeds.repaired == pytest.approx((seeds.rotated - seeds.crossed) / (seeds.old - seeds.crossed))

    order = np.argsort(small.time, kind="stable")
    n = small.n
    times = weights_of(small, order[: n - 2 * round(n / 5)]), weights_of(small, order[: n - round(n / 5)])
    tested = weights_of(small, order[n - round(n / 5) :])
    assert abs(times[0].nnz - 0.6 * n) < 3
    old, new = (pitfalls.vectors_of(part, quiet(small), short) for part in times)
    assert later.new == evaluate(new[0] @ new[1].T, times[1], tested).recall
    assert both.old == later.old
    popular = np.broadcast_to(np.bincount(times[1].indices, minlength=small.n_items), times[1].shape)
    assert later.popularity == evaluate(popular, times[1], tested).recall


def test_without_times_only_the_seed_changes(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    timeless = replace(small, time=np.zeros(small.n, np.int64))
    given(timeless, monkeypatch)
    monkeypatch.setattr(pitfalls, "TowerRecipe", lambda seed: TowerRecipe(epochs=1, dims=4, seed=seed))
    (only,) = drift_results(Entry.of(drift_task(Report(), **FEW)))
    assert only.name == "seed"


# Transfer


def test_the_auc_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    for _ in range(20):
        truth, scores = rng.random(50) < 0.3, rng.integers(0, 12, 50) + 0.5  # with ties
        assert roc_auc(truth, scores) == pytest.approx(roc_auc_score(truth, scores))
    assert roc_auc(np.array([False, True]), np.array([1.0, 2.0])) == 1.0
    assert roc_auc(np.array([False, True]), np.array([2.0, 2.0])) == 0.5
    with pytest.raises(InputError, match="rows that are true and rows that are not"):
        roc_auc(np.array([True, True]), np.array([1.0, 2.0]))


def world(seed: int = 0) -> tuple[Any, Any, Any, Any]:
    """Vectors of 80 users and 20 items, what the users watch by them, and labelled pairs."""
    rng = np.random.default_rng(seed)
    users, items = (rng.normal(size=(n, 4)).astype(np.float32) for n in (80, 20))
    labels = users @ items.T > 1.5
    return users, items, labels, rng.permutation(labels.size)[:400]


@pytest.mark.parametrize("mode", ["fixed", "tuned"])
def test_without_a_label_a_score_is_the_inner_product(mode: str) -> None:
    users, items, labels, _ = world()
    none = np.zeros(0, np.int64)
    np.testing.assert_allclose(fitted(users, items, labels, none, mode), users @ items.T, atol=1e-5)


@pytest.mark.parametrize("mode", list(transfer.PULLS))
def test_only_labelled_pairs_are_learned_from(mode: str) -> None:
    users, items, labels, labelled = world()
    others = labels.copy().ravel()
    others[np.setdiff1d(np.arange(labels.size), labelled)] ^= True
    found = fitted(users, items, labels, labelled, mode)
    np.testing.assert_array_equal(found, fitted(users, items, others.reshape(labels.shape), labelled, mode))
    others[labelled[0]] ^= True
    assert (found != fitted(users, items, others.reshape(labels.shape), labelled, mode)).any()


def test_a_head_finds_which_numbers_count_and_tuning_mends_what_no_head_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    users, items, labels, labelled = world()
    rest = np.setdiff1d(np.arange(labels.size), labelled)

    def auc(users: Any, items: Any, mode: str, rows: Any = rest) -> float:
        return roc_auc(labels.ravel()[rows], fitted(users, items, labels, labelled, mode).ravel()[rows])

    noise = np.random.default_rng(9).normal(size=(100, 2)).astype(np.float32)
    wide = np.hstack([users, 2 * noise[:80]]), np.hstack([items, 2 * noise[80:]])
    blind = roc_auc(labels.ravel()[rest], (wide[0] @ wide[1].T).ravel()[rest])
    assert auc(*wide, "fixed") > blind + 0.1
    chance = np.random.default_rng(5)
    drawn = transfer._random(users, items, chance)
    assert auc(users, items, "fixed") > 0.97 > 0.9 > auc(*drawn, "scratch")
    # vectors of the wrong people: a head cannot tell them apart, tuning learns at least the labels
    monkeypatch.setitem(transfer.PULLS, "tuned", (20.0, 0.3))  # these vectors are longer than pretrained ones
    wrong, every = users[::-1].copy(), np.arange(labels.size)
    fixed, tuned = (fitted(wrong, items, labels, every, mode).ravel() for mode in ("fixed", "tuned"))
    assert roc_auc(labels.ravel(), tuned) > roc_auc(labels.ravel(), fixed) + 0.1


@pytest.fixture
def brief(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> Interactions:
    monkeypatch.setattr(transfer, "ROWS", (50, 1_000, 5_000))
    monkeypatch.setattr(transfer, "DRAWS", 3)
    monkeypatch.setattr(transfer, "PRETRAINING", TowerRecipe(item_id=False, epochs=40, dims=16))
    return small


def test_the_pretrained_win_where_labels_are_few(brief: Interactions) -> None:
    arrays, meta = transfer_task(Report(), **FEW)
    results = transfer_results(Entry.of((arrays, meta)))
    sizes = [(result.mode, result.rows) for result in results]
    assert sizes == [("blind", 0), *((mode, rows) for rows in (50, 1_000) for mode in transfer.PULLS)]  # 3,000 pairs
    auc = {(result.mode, result.rows): result.auc for result in results}
    assert auc["blind", 0] > 0.6
    assert auc["fixed", 50] > auc["scratch", 50] + 0.05
    assert auc["fixed", 1_000] > auc["fixed", 50]
    assert auc["scratch", 1_000] > auc["scratch", 50]
    for result in results:
        assert result.lowest <= result.auc <= result.highest
    again = transfer_task(Report(), **FEW)
    assert (again[1], again[0]["ads"].tobytes()) == (meta, arrays["ads"].tobytes())
    assert transfer_task(Report(), **FEW, seed=1)[1] != meta


def test_the_pretraining_never_meets_an_advertised_film(brief: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[Any] = []
    train = transfer.train_towers

    def watching(seen: Any, features: Features, recipe: TowerRecipe, **more: Any) -> Any:
        met.append((seen, features))
        return train(seen, features, recipe, **more)

    monkeypatch.setattr(transfer, "train_towers", watching)
    arrays, _ = transfer_task(Report(), **FEW)
    ((seen, features),) = met
    ads = arrays["ads"]
    others = [item for item in range(brief.n_items) if item not in set(ads.tolist())]
    np.testing.assert_array_equal(seen.toarray(), brief.matrix().toarray()[:, others])
    np.testing.assert_array_equal(features.year, quiet(brief).year[others])
    popular = np.argsort(-np.bincount(brief.item, minlength=brief.n_items), kind="stable")[: brief.n_items // 2]
    assert len(set(ads.tolist())) == 20
    assert set(ads.tolist()) <= set(popular.tolist())


def test_heads_hear_a_stop_too(brief: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "PRETRAINING", TowerRecipe(item_id=False, epochs=1, dims=4))
    left = iter(range(10))  # four looks are those of the pretraining and of the steps
    with pytest.raises(JobStopped):
        transfer_task(Report(stopped=lambda: next(left, None) is None), **FEW)


def test_the_winner_is_the_highest_median() -> None:
    def row(mode: str, rows: int, auc: float) -> TransferResult:
        return TransferResult(mode, rows, auc, auc, auc, 1.0)

    results = [row("blind", 0, 0.7), row("fixed", 50, 0.6), row("tuned", 50, 0.5), row("fixed", 200, 0.8)]
    assert winners([*results, row("tuned", 200, 0.9)]) == {50: "blind", 200: "tuned"}


# All of them

TASKS: list[Callable[..., Any]] = [negatives_task, new_films_task, drift_task]


@pytest.mark.parametrize("task", TASKS)
def test_too_little_is_refused_before_anything_is_trained(
    task: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pitfalls, "train_towers", None)
    given(tiny(2, 1, [(0, 0), (1, 0)]), monkeypatch)
    with pytest.raises(InputError, match="needs 10 users and 10 items; 'Tiny' has 2 and 1"):
        task(Report(), **FEW)
    given(tiny(12, 12, []), monkeypatch)
    with pytest.raises(InputError, match="No row of 'Tiny' can be held out"):
        task(Report(), **FEW)


def test_transfer_of_too_little_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "train_towers", None)
    given(tiny(2, 1, [(0, 0), (1, 0)]), monkeypatch)
    with pytest.raises(InputError, match="needs 50 users and 40 items; 'Tiny' has 2 and 1"):
        transfer_task(Report(), **FEW)
    given(tiny(60, 50, []), monkeypatch)
    with pytest.raises(InputError, match="are all watched, or all not"):
        transfer_task(Report(), **FEW)


def test_films_of_which_nothing_is_known_have_ids_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pitfalls, "NEW_RECIPES", {n: replace(r, epochs=1) for n, r in pitfalls.NEW_RECIPES.items()})
    given(tiny(12, 12, [(user, (user + step) % 12) for user in range(12) for step in range(6)]), monkeypatch)
    rows = new_films_results(Entry.of(new_films_task(Report(), **FEW)))
    assert [row.name for row in rows] == ["id", "id-genres-year-title"]
    assert rows[0].chance == 1.0  # two new films, ten places


@pytest.mark.parametrize("task", [*TASKS, transfer_task])
@pytest.mark.parametrize("looks", [0, 1, 7])
def test_a_stop_is_heard(task: Callable[..., Any], looks: int, small: Interactions) -> None:
    left = iter(range(looks))
    start = time.monotonic()
    with pytest.raises(JobStopped):
        task(Report(stopped=lambda: next(left, None) is None), **FEW)
    assert time.monotonic() - start < 5


def test_pitfalls_are_asked_for_by_their_tasks() -> None:
    asked: list[tuple[str, Any]] = []
    stand_in: Any = SimpleNamespace(submit=lambda task, params, title: asked.append((task, params)))
    for request in (pitfalls.request_negatives, pitfalls.request_new_films, pitfalls.request_drift):
        request(Watched(), stand_in)
    assert {str(params) for _, params in asked} == {str({"watched": asdict(Watched())})}
    assert [getattr(pitfalls, name.partition(":")[2]) for name, _ in asked] == TASKS
    transfer.request_transfer(Watched(), stand_in, seed=3)
    assert asked[-1] == (
        "embedkit.interactions.transfer:transfer_task",
        {"watched": asdict(Watched()), "seed": 3},
    )

"""Two towers: losses and gradients by hand, what a vector is a sum of, negatives, collapse, what is refused."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from embedkit.errors import InputError, JobStopped
from embedkit.figures.towers import recall_cost, recall_lines, towers_map
from embedkit.interactions import towers as module
from embedkit.interactions.evaluation import recall_at
from embedkit.interactions.plane import TowersPlane, like_truth, towers_plane_of
from embedkit.interactions.towers import LIMITS, Features, TowerRecipe, Towers, TowerStep, train_towers
from embedkit.interactions.training import Seen, collapse_of, kept_epochs, reasons

IDS: dict[str, Any] = {"genres": False, "year": False, "title": False}
PAIRWISE = ("in-batch softmax", "BPR", "hinge")
LOSSES = ("full softmax", *PAIRWISE)


def nothing(n: int) -> Any:
    return np.zeros((n, 0), np.float32)


def no_features(users: int, items: int) -> Features:
    return Features(nothing(items), nothing(items), nothing(items), nothing(users))


def some_features(users: int, items: int) -> Features:
    genres, year, title, people = (
        np.random.default_rng(n).random((rows, n), np.float32)
        for rows, n in ((items, 3), (items, 2), (items, 4), (users, 5))
    )
    return Features(genres, year, title, people)


def two_tastes(users: int = 30, items: int = 20) -> tuple[Any, Any]:
    """Even users watch the first half of the films, odd ones the second: five seen, two held out, three neither."""
    rng = np.random.default_rng(0)
    seen, held = np.zeros((2, users, items), np.float32)
    for user in range(users):
        films = rng.permutation(items // 2) + items // 2 * (user % 2)
        seen[user, films[:5]], held[user, films[5:7]] = 1, 1
    return csr_matrix(seen), csr_matrix(held)


SEEN, HELD = two_tastes()


def trained(recipe: TowerRecipe, features: Features | None = None, seen: Any = SEEN) -> Towers:
    features = features or no_features(*seen.shape)
    *_, last = train_towers(seen, features, recipe)
    return Towers(recipe, features, seen.shape, last.weights)


def bytes_of(weights: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in weights.items()}


# Losses by hand: two users, three films; user 0 has not watched film 2, user 1 not film 0

THREE = csr_matrix(np.array([[1.0, 0.5, 0], [0, 0.8, 0.4]], np.float32))
PAIRS = ((0, 0, 1.0), (0, 1, 0.5), (1, 1, 0.8), (1, 2, 0.4))
MISSED = {0: 2, 1: 0}


def small(loss: str, **given: Any) -> Towers:
    recipe = TowerRecipe(loss, dims=2, dropout=0.0, temperature=2.0, user_id=True, people=True, **given)
    features = some_features(2, 3)
    rng = np.random.default_rng(3)
    weights = {
        name: rng.normal(size=tuple(each.shape)).astype(np.float32)
        for name, each in Towers(recipe, features, (2, 3)).weights.items()
    }
    return Towers(recipe, features, (2, 3), weights)


def scores_by_hand(towers: Towers) -> Any:
    """(u.v / T + b) of 2 users and 3 films, from the weights alone."""
    w, f = {name: each.numpy().astype(np.float64) for name, each in towers.weights.items()}, towers.features
    items, heard = w["item"], w["watched"]
    for name in ("genres", "year", "title"):
        items = items + getattr(f, name) @ w[name]
        heard = heard + getattr(f, name) @ w[f"watched.{name}"]
    users = np.stack([heard[0] + heard[1], heard[1] + heard[2]]) / np.sqrt(2) + w["user"] + f.people @ w["people"]
    return users @ items.T / 2.0 + w["bias"]


def batch_of(loss: str, seen: Any = THREE) -> Any:
    """The only batch, in the order of the table."""
    found = module._users_of(seen, 256) if loss == "full softmax" else module._pairs_of(seen)
    ((batch, share),) = found(torch.Generator())
    assert share == 0
    if loss == "full softmax":
        order = batch[0].argsort()
        return tuple(each[order] for each in batch)
    users, films, weights, watched, shares = batch
    order = (users * seen.shape[1] + films).argsort()
    return users[order], films[order], weights[order], watched[order], shares


def loss_of(towers: Towers, batch: Any) -> Any:
    work = module._full_softmax if towers.recipe.loss == "full softmax" else module._pairwise
    return work(towers, batch, torch.Generator().manual_seed(0))


def log_softmax(row: Any) -> Any:
    return row - np.log(np.exp(row).sum())


def by_hand(loss: str, scores: Any) -> float:
    if loss == "full softmax":
        found = [w * log_softmax(scores[user])[film] for user, film, w in PAIRS]
        return -sum(found) / 2 / 50  # by user; 50 only sets the size of the printed number
    if loss == "in-batch softmax":
        share = np.array([1, 2, 1]) / 4
        total = 0.0
        for user, film, w in PAIRS:
            # films of the other pairs, twice if they are there twice, but none that this user watched
            others = [other for _, other, _ in PAIRS if other == MISSED[user]]
            rivals = np.array([scores[user, each] - np.log(share[each]) for each in [film, *others]])
            total -= w * log_softmax(rivals)[0]
        return total / 4
    margins = [(scores[user, film] - scores[user, MISSED[user]], user, w) for user, film, w in PAIRS]
    if loss == "BPR":
        return sum(w * np.log1p(np.exp(-margin)) for margin, _, w in margins) / 4
    return sum(max(0.0, sum(-w * margin for margin, user, w in margins if user == each)) for each in (0, 1)) / 4


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_what_a_hand_computes(loss: str) -> None:
    towers = small(loss)
    scores = scores_by_hand(towers)
    np.testing.assert_allclose(towers.users(THREE, np.arange(2)) @ towers.items().T, scores, rtol=1e-5, atol=1e-5)
    assert float(loss_of(towers, batch_of(loss))) == pytest.approx(by_hand(loss, scores), rel=1e-5)
    assert by_hand(loss, scores) > 0


def test_the_hinge_is_cut_off_user_by_user() -> None:
    towers = small("hinge", item_id=True, **IDS)
    for table in towers.weights.values():
        table.zero_()
    towers.weights["bias"][:] = torch.tensor([3.0, 0.0, 1.0])
    # user 0: 1 (3 - 1) + .5 (0 - 1) = 1.5, so nothing; user 1: .8 (0 - 3) + .4 (1 - 3) = -3.2
    assert float(loss_of(towers, batch_of("hinge"))) == pytest.approx(3.2 / 4)
    towers.weights["bias"][:] = torch.tensor([-3.0, 0.0, 1.0])
    # user 0: 1 (-3 - 1) + .5 (0 - 1) = -4.5; user 1: above
    assert float(loss_of(towers, batch_of("hinge"))) == pytest.approx(4.5 / 4)


def test_popularity_is_taken_out_of_the_rivals_in_a_batch() -> None:
    """All scores alike: what is left is the correction. User 2 watched film 2 alone, so all others compete."""
    seen = csr_matrix(np.array([[1, 1, 0], [0, 1, 0], [0, 0, 1]], np.float32))
    towers = Towers(TowerRecipe("in-batch softmax", dims=2, dropout=0.0, **IDS), no_features(3, 3), (3, 3))
    for table in towers.weights.values():
        table.zero_()
    # pairs 00 01 11 22; 1 / share is 4, 2, 2, 4, and no film competes with itself or against one who watched it
    own = [4 / (4 + 4), 2 / (2 + 4), 2 / (2 + 4 + 4), 4 / (4 + 4 + 2 + 2)]
    assert float(loss_of(towers, batch_of("in-batch softmax", seen))) == pytest.approx(-np.log(own).mean())


def test_without_negatives_only_the_angle_counts() -> None:
    towers = small("BPR", negatives="none")
    users, items = (each[:, :-1] for each in (towers.users(THREE, np.arange(2)), towers.items()))
    cosines = [w * users[u] @ items[i] / np.linalg.norm(users[u]) / np.linalg.norm(items[i]) for u, i, w in PAIRS]
    assert float(loss_of(towers, batch_of("BPR"))) == pytest.approx(-np.mean(cosines), rel=1e-5)


@pytest.fixture
def in_double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("in_double")
@pytest.mark.parametrize(("loss", "negatives"), [*((loss, "random") for loss in LOSSES), ("BPR", "none")])
def test_gradients_are_those_of_finite_differences(loss: str, negatives: str) -> None:
    towers = small(loss, negatives=negatives)
    towers.parts = {name: table.double() for name, table in towers.parts.items()}
    assert towers.people is not None
    towers.people = towers.people.double()
    towers.weights = {name: table.double().requires_grad_() for name, table in towers.weights.items()}
    batch = tuple(each.double() if each.is_floating_point() else each for each in batch_of(loss))
    loss_of(towers, batch).backward()
    sizes = []
    for name, table in towers.weights.items():
        expected = torch.zeros_like(table)
        with torch.no_grad():
            for place in itertools.product(*map(range, table.shape)):
                ends = []
                for off in (1e-5, -2e-5):
                    table[place] += off
                    ends.append(float(loss_of(towers, batch)))
                table[place] += 1e-5
                expected[place] = (ends[0] - ends[1]) / 2e-5
        found = torch.zeros_like(table) if table.grad is None else table.grad  # without negatives: the bias
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-8, err_msg=name)
        sizes.append(float(expected.abs().max()))
    assert sum(size > 1e-3 for size in sizes) >= 10  # all but the bias


def test_dropout_hides_films_and_keeps_the_sum() -> None:
    towers = Towers(TowerRecipe(dims=2, dropout=0.8, **IDS), no_features(1, 2_000), (1, 2_000))
    towers.weights["watched"][:] = 1.0
    watched, counts, rows = torch.ones(1, 2_000), torch.tensor([[2_000.0]]), torch.tensor([0])
    whole = towers._users(watched, counts, rows)
    hidden = module._hidden(towers, watched, counts, rows, torch.Generator().manual_seed(1))
    assert float((hidden / whole)[0, 0]) == pytest.approx(1, abs=0.15)
    assert float((hidden / whole)[0, 0]) != 1


# A training


@pytest.mark.parametrize("loss", LOSSES)
def test_same_seed_same_bytes(loss: str) -> None:
    recipe = TowerRecipe(loss, dims=4, epochs=3, dropout=0.5)
    features = some_features(*SEEN.shape)
    state = torch.get_rng_state()
    first, again, other = (
        [bytes_of(step.weights) for step in train_towers(SEEN, features, each)]
        for each in (recipe, recipe, replace(recipe, seed=1))
    )
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(77)
    assert first == again == [bytes_of(step.weights) for step in train_towers(SEEN, features, recipe)]
    assert all(one[name] != two[name] for one, two in zip(first, other, strict=True) for name in one if name != "bias")
    assert len({step["item"] for step in first}) == 4


def test_steps_are_frozen_and_the_first_is_untrained() -> None:
    recipe, features = TowerRecipe(dims=4, epochs=3), some_features(*SEEN.shape)
    steps: list[TowerStep] = list(train_towers(SEEN, features, recipe))
    assert [(step.epoch, step.epochs) for step in steps] == [(n, 3) for n in range(4)]
    untrained = Towers(recipe, features, SEEN.shape)
    assert bytes_of(steps[0].weights) == bytes_of({name: each.numpy() for name, each in untrained.weights.items()})
    assert np.isnan(steps[0].loss)
    assert np.isfinite([step.loss for step in steps[1:]]).all()
    assert list(np.sort([step.seconds for step in steps])) == [step.seconds for step in steps]
    for step in steps:
        for array in step.weights.values():
            assert array.dtype == np.float32
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0
    before = bytes_of(steps[1].weights)
    Towers(recipe, features, SEEN.shape, steps[1].weights).weights["item"].zero_()  # a copy
    assert bytes_of(steps[1].weights) == before


@pytest.mark.parametrize("loss", ["full softmax", "BPR"])
def test_a_heartbeat_hears_the_share_and_may_stop(loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAIRS", 50)
    recipe, heard = TowerRecipe(loss, dims=2, epochs=2, batch=16, **IDS), []
    list(train_towers(SEEN, no_features(30, 20), recipe, heartbeat=heard.append))
    batches = 2 if loss == "full softmax" else 3  # 30 users by 16; the pairs by 50
    assert heard == pytest.approx(np.arange(2 * batches) / (2 * batches))

    def stop(done: float) -> None:
        if done >= 0.5:
            raise JobStopped("enough")

    steps = train_towers(SEEN, no_features(30, 20), recipe, heartbeat=stop)
    assert [next(steps).epoch, next(steps).epoch] == [0, 1]
    with pytest.raises(JobStopped, match="enough"):
        next(steps)


@pytest.mark.parametrize("loss", LOSSES)
def test_two_tastes_are_learned(loss: str) -> None:
    recipe = TowerRecipe(loss, dims=8, epochs=60, dropout=0.3, **IDS)
    towers = trained(recipe)
    scores = towers.users(SEEN, np.arange(30)) @ towers.items().T
    popular = recall_at(np.tile(np.asarray(SEEN.sum(0)), (30, 1)), SEEN, HELD, 3)
    assert recall_at(scores, SEEN, HELD, 3) > popular + 0.2
    # the five of the own half that were not watched; the hinge is 0, and learns no more, once each sum is right
    assert recall_at(scores, SEEN, HELD, 5) > (0.7 if loss == "hinge" else 0.9)
    start = Towers(recipe, no_features(30, 20), SEEN.shape)
    assert recall_at(start.users(SEEN, np.arange(30)) @ start.items().T, SEEN, HELD, 5) < 0.5


# Refused


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, (low, high) in LIMITS.items() for v in (low - 1, high + 1)])
def test_a_limit_is_named_with_the_value(name: str, value: float) -> None:
    low, high = (f"{each:.10g}" for each in LIMITS[name])
    with pytest.raises(InputError) as caught:
        TowerRecipe(**{name: value})
    assert str(caught.value) == f"{name} must lie between {low} and {high}, not {value:.10g}."
    for edge in LIMITS[name]:
        assert getattr(TowerRecipe(**{name: edge}), name) == edge


def test_what_is_no_recipe_is_refused() -> None:
    with pytest.raises(InputError, match="no loss 'triplet'; use one of: full softmax, in-batch softmax, BPR, hinge"):
        TowerRecipe("triplet")
    with pytest.raises(InputError, match="no negatives 'easy'; use one of: random, popularity, hard, none"):
        TowerRecipe(negatives="easy")
    with pytest.raises(InputError, match="user's tower has no part"):
        TowerRecipe(history=False)
    with pytest.raises(InputError, match="item's tower has no part"):
        TowerRecipe(item_id=False, **IDS)
    with pytest.raises(InputError, match="temperature must lie between"):
        TowerRecipe(temperature=float("nan"))
    for part in ("user_id", "people"):
        TowerRecipe(history=False, **{part: True})
    for part in IDS:
        TowerRecipe(item_id=False, **{**IDS, part: True})


@pytest.mark.parametrize("rows", [[[1, 1, 1]], [[1], [1]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]])
def test_too_little_to_learn_from_is_refused(rows: list[list[float]]) -> None:
    seen = csr_matrix(np.array(rows, np.float32))
    with pytest.raises(InputError, match=r"needs two users, two items and two pairs; here are \(\d, \d\) and \d"):
        next(train_towers(seen, no_features(*seen.shape), TowerRecipe()))


def test_features_that_nobody_knows_are_no_tower() -> None:
    recipe = TowerRecipe(item_id=False, epochs=1)
    with pytest.raises(InputError, match="item's tower"):
        next(train_towers(SEEN, no_features(30, 20), recipe))
    next(train_towers(SEEN, some_features(30, 20), recipe))


def test_users_and_films_without_rows_are_no_trouble() -> None:
    seen = csr_matrix(np.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]], np.float32))
    for loss in LOSSES:
        towers = trained(TowerRecipe(loss, dims=2, epochs=2, **IDS), seen=seen)
        assert np.isfinite(towers.users(seen, np.arange(3))).all()
        assert np.isfinite(towers.items()).all()
    np.testing.assert_array_equal(towers.users(seen)[1], [0, 0, 1])


# What a vector is a sum of


def test_a_score_is_a_sum_over_the_films_watched() -> None:
    recipe = TowerRecipe(dims=4, epochs=5, temperature=0.5)
    towers = trained(recipe, some_features(30, 20))
    scores = towers.users(SEEN) @ towers.items().T
    films = SEEN[3].indices.tolist()
    for item in (0, 7, 19):
        found = reasons(towers, films, item)
        assert sorted(row for row, _ in found) == sorted(films)
        shares = [share for _, share in found]
        assert shares == sorted(shares, reverse=True)
        assert len(set(shares)) == 5
        assert sum(shares) + towers.items()[item, -1] == pytest.approx(scores[3, item], abs=1e-5)
        # one film's share is the score of somebody who watched it alone, over the root of their number
        alone = csr_matrix(([1.0], ([0], [found[0][0]])), (1, 20))
        one = float(towers.users(alone)[0, :-1] @ towers.items()[item, :-1])
        assert shares[0] == pytest.approx(one / np.sqrt(5), abs=1e-5)
    assert reasons(towers, [], 0) == []


def test_known_and_new_users_with_one_history_differ_by_what_is_known_of_them() -> None:
    features = some_features(30, 20)
    rows = np.array([4, 11])
    plain = trained(TowerRecipe(dims=4, epochs=2), features)
    np.testing.assert_array_equal(plain.users(SEEN[rows], rows), plain.users(SEEN[rows]))
    np.testing.assert_array_equal(plain.users(SEEN[rows] * 0.3), plain.users(SEEN[rows]))  # watched, not how much
    known = trained(TowerRecipe(dims=4, epochs=2, user_id=True, people=True), features)
    off = known.users(SEEN[rows], rows) - known.users(SEEN[rows])
    weights = {name: each.numpy() for name, each in known.weights.items()}
    expected = weights["user"][rows] + features.people[rows] @ weights["people"]
    np.testing.assert_allclose(off[:, :-1], expected, atol=1e-6)
    np.testing.assert_array_equal(known.users(SEEN)[:, -1], 1)
    assert (np.abs(expected) > 1e-3).any()


def test_people_of_whom_nothing_is_known_are_refused() -> None:
    with pytest.raises(InputError, match="Nothing is known of these people"):
        Towers(TowerRecipe(people=True, **IDS), no_features(30, 20), (30, 20))


def test_people_alone_can_carry_a_tower() -> None:
    kinds = np.eye(2, dtype=np.float32)[np.arange(30) % 2]
    features = replace(no_features(30, 20), people=kinds)
    recipe = TowerRecipe(dims=4, epochs=200, history=False, people=True, **IDS)
    towers = trained(recipe, features)
    assert set(towers.weights) == {"bias", "item", "people"}
    users = towers.users(SEEN, np.arange(30))
    assert recall_at(users @ towers.items().T, SEEN, HELD, 5) > 0.9
    np.testing.assert_array_equal(users[0], users[2])
    np.testing.assert_array_equal(towers.users(SEEN), [[0, 0, 0, 0, 1]] * 30)  # new people: nothing is known


def test_a_new_film_lands_where_its_features_are() -> None:
    features = some_features(30, 20)
    recipe = TowerRecipe(dims=4, epochs=3, temperature=0.5)
    towers = trained(recipe, features)
    few = Features(features.genres[4:7], features.year[4:7], features.title[4:7], nothing(0))
    found = towers.new_items(few)
    own = towers.items()[4:7]
    np.testing.assert_allclose(found[:, :-1], own[:, :-1] - towers.weights["item"].numpy()[4:7] / 0.5, atol=1e-6)
    np.testing.assert_array_equal(found[:, -1], 0)
    assert found.dtype == np.float32
    without = trained(replace(recipe, item_id=False), features)
    np.testing.assert_allclose(without.new_items(few)[:, :-1], without.items()[4:7, :-1], atol=1e-6)
    ids = trained(replace(recipe, **IDS), features)
    np.testing.assert_array_equal(ids.new_items(few), np.zeros((3, 5)))


def test_parts_that_are_off_have_no_weights() -> None:
    features = some_features(6, 5)
    every = {"history": True, "user_id": True, "people": True, "item_id": True, **dict.fromkeys(IDS, True)}
    whole = set(Towers(TowerRecipe(dims=2, **every), features, (6, 5)).weights)
    of = {
        "history": {"watched", "watched.genres", "watched.year", "watched.title"},
        "user_id": {"user"},
        "people": {"people"},
        "item_id": {"item"},
        **{name: {name, f"watched.{name}"} for name in IDS},
    }
    assert whole == {"bias"}.union(*of.values())
    for part, names in of.items():
        assert whole - set(Towers(TowerRecipe(dims=2, **{**every, part: False}), features, (6, 5)).weights) == names
    # and what is on and not known has none either
    assert set(Towers(TowerRecipe(dims=2), no_features(6, 5), (6, 5)).weights) == {"bias", "item", "watched"}


# Negatives and collapse


@pytest.mark.parametrize("kind", ["random", "popularity", "hard"])
def test_negatives_were_not_watched(kind: str) -> None:
    """Each user has watched 18 of 20 films."""
    n = 1_000
    watched = torch.ones(n, 20)
    for row in range(n):
        watched[row, [row % 20, (row + 7) % 20]] = 0
    share = torch.arange(1, 21).float() / 210
    towers = Towers(TowerRecipe("BPR", kind, dims=2, **IDS), no_features(2, 20), (2, 20))
    chance = torch.Generator().manual_seed(0)
    people, table, bias = (torch.randn(*size, generator=chance) for size in ((n, 2), (20, 2), (20,)))
    found = module._negatives(towers, people, table, bias, watched, share, chance)
    assert found.shape == (n,)
    assert watched[torch.arange(n), found].sum() == 0
    scores = (people @ table.T + bias).masked_fill(watched > 0, -np.inf)
    best = scores[torch.arange(n), found] == scores.max(1).values
    if kind == "hard":
        # 20 draws of 20 films hold a given one with .64; if they hold neither of two, .12, one of them is drawn
        assert float(best.float().mean()) == pytest.approx(0.64 + 0.12 / 2, abs=0.04)
    else:
        assert 0.35 < best.float().mean() < 0.65
    usual = (found == torch.tensor([max(row % 20, (row + 7) % 20) for row in range(n)])).float().mean()
    if kind == "popularity":
        assert usual > 0.62
    elif kind == "random":
        assert 0.42 < usual < 0.58


def test_negatives_are_drawn_as_often_as_their_kind_says() -> None:
    n = 6_000
    share = torch.tensor([0.5, 0.3, 0.15, 0.05])
    watched, flat = torch.zeros(n, 4), torch.zeros(n, 2)
    for kind, odds in (("random", [0.25] * 4), ("popularity", share.tolist()), ("hard", [0, 0, 1, 0])):
        towers = Towers(TowerRecipe("BPR", kind, dims=2, **IDS), no_features(2, 4), (2, 4))
        bias = torch.tensor([0.0, 1, 3, 2])
        chance = torch.Generator().manual_seed(0)
        found = module._negatives(towers, flat, torch.zeros(4, 2), bias, watched, share, chance)
        assert np.bincount(found, minlength=4) / n == pytest.approx(odds, abs=0.02)


def test_without_negatives_all_is_pulled_together() -> None:
    seen = csr_matrix((np.random.default_rng(2).random((30, 20)) < 0.4).astype(np.float32))
    found = {}
    for kind in ("random", "none"):
        items = trained(TowerRecipe("BPR", kind, dims=8, epochs=150, dropout=0.3, **IDS), seen=seen).items()
        found[kind] = collapse_of(items[:, :-1])
    assert found["none"][0] > 0.8 > 0.3 > found["random"][0]
    assert found["none"][1] < 0.6 * found["random"][1]


def test_collapse_by_hand() -> None:
    assert collapse_of(np.eye(5, dtype=np.float32)) == pytest.approx((0, 5))
    assert collapse_of(np.tile(np.array([[3.0, 4.0, 0.0]], np.float32), (6, 1))) == pytest.approx((1, 1), abs=1e-5)
    # singular values 3 and 1: shares 3/4 and 1/4
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    cosine, rank = collapse_of(np.array([[3.0, 0], [0, 1.0]], np.float32))
    assert (cosine, rank) == pytest.approx((0, np.exp(entropy)))
    assert collapse_of(np.array([[1.0, 0], [-2.0, 0]], np.float32)) == pytest.approx((-1, 1))
    assert collapse_of(np.zeros((3, 2), np.float32)) == pytest.approx((0, 1))
    assert collapse_of(np.ones((1, 2), np.float32)) == pytest.approx((0, 1))  # no pair
    # every second of four the same: of 12 ordered pairs 4 at cosine 1, 8 at 0
    assert collapse_of(np.eye(2, dtype=np.float32)[[0, 1, 0, 1]])[0] == pytest.approx(1 / 3, abs=0.02)


def test_steps_are_kept_ever_further_apart() -> None:
    for epochs in (1, 2, 5, 16, 100, 1_000):
        found = kept_epochs(epochs)
        assert (found[0], found[-1]) == (0, epochs)
        assert len(found) <= 16
        assert (np.diff(found) > 0).all()
    assert kept_epochs(3) == (0, 1, 2, 3)
    assert np.diff(kept_epochs(1_000))[-1] > 300


# The map


def some_seen(dims: int = 4, seed: int = 0) -> Seen:
    rng = np.random.default_rng(seed)
    users, items = (np.hstack([rng.normal(size=(n, dims)), rng.normal(size=(n, 1))]) for n in (12, 9))
    users[:, -1] = 1
    return Seen(1, 1, users.astype(np.float32), items.astype(np.float32), np.zeros((1, 5)), 0.0)


def turned(seen: Seen, rotation: Any) -> Seen:
    users, items = (
        np.hstack([each[:, :-1] @ rotation, each[:, -1:]]).astype(np.float32) for each in (seen.users, seen.items)
    )
    return replace(seen, users=users, items=items)


def test_a_map_is_the_pca_of_directions() -> None:
    seen = some_seen()
    plane = towers_plane_of(seen)
    unit = [each[:, :-1] / np.linalg.norm(each[:, :-1], axis=1, keepdims=True) for each in (seen.users, seen.items)]
    both = np.vstack([each - each.mean(0) for each in unit])
    values, vectors = np.linalg.eigh(both.T @ both)
    expected = both @ vectors[:, [-1, -2]]
    found = np.vstack([plane.users, plane.items])
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-5)
    assert plane.share == pytest.approx(values[-2:].sum() / values.sum(), rel=1e-5)
    assert (plane.users.shape, plane.items.shape, plane.axes.shape, plane.mean.shape) == ((12, 2), (9, 2), (2, 4), (4,))
    # biases and lengths move nothing
    long = replace(seen, users=seen.users * 3, items=np.hstack([seen.items[:, :-1] * 7, seen.items[:, -1:] + 1]))
    np.testing.assert_allclose(towers_plane_of(long).items, plane.items, atol=1e-5)


@pytest.mark.parametrize("dims", [2, 4])
def test_a_turned_copy_stands_where_it_stood(dims: int) -> None:
    seen = some_seen(dims)
    before = towers_plane_of(seen)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(dims, dims)))[0]
    # a quarter turn and a mirror within the plane, which PCA alone would not undo
    moved = TowersPlane(before.users @ FLIP, before.items @ FLIP, before.mean, before.axes, before.share)
    for given in (before, moved):
        found = towers_plane_of(turned(seen, rotation), given)
        np.testing.assert_allclose(found.users, given.users, atol=1e-5)
        np.testing.assert_allclose(found.items, given.items, atol=1e-5)
    free = towers_plane_of(seen)
    assert np.abs(free.users - moved.users).max() > 0.1
    # what is turned stays what it is: distances are those of the map of its own
    other = some_seen(dims, 1)
    own, tied = towers_plane_of(other), towers_plane_of(other, before)
    np.testing.assert_allclose(tied.users @ tied.items.T, own.users @ own.items.T, atol=1e-5)
    assert np.linalg.norm(tied.users - before.users) <= np.linalg.norm(own.users - before.users) + 1e-6


FLIP = np.array([[0, 1], [1, 0]], np.float32)


@pytest.mark.parametrize("tied", [False, True])
def test_known_users_are_placed_where_they_stand(tied: bool) -> None:
    seen = some_seen()
    plane = towers_plane_of(seen, towers_plane_of(some_seen(seed=1)) if tied else None)
    np.testing.assert_allclose(plane.place(seen.users[[3, 7]]), plane.users[[3, 7]], atol=1e-5)
    np.testing.assert_allclose(plane.place(seen.users * 2), plane.users, atol=1e-5)


def test_two_dimensions_are_drawn_as_they_are() -> None:
    seen = some_seen(2)
    plane = towers_plane_of(seen)
    assert plane.share == pytest.approx(1)
    unit = seen.users[:, :2] / np.linalg.norm(seen.users[:, :2], axis=1, keepdims=True)
    gaps = np.linalg.norm(unit[:, None] - unit[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(plane.users[:, None] - plane.users[None], axis=2), gaps, atol=1e-5)
    flat = replace(seen, users=np.ones((4, 3), np.float32), items=np.ones((3, 3), np.float32))
    alike = towers_plane_of(flat)  # nothing to tell apart
    np.testing.assert_allclose(alike.users, 0, atol=1e-6)
    assert np.isfinite(alike.share)


def test_learned_tastes_are_like_the_true_ones_or_not() -> None:
    rng = np.random.default_rng(0)
    true = rng.normal(size=(40, 5)).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert like_truth(true, true) == pytest.approx(1)
    assert like_truth((3 * true @ rotation).astype(np.float32), true) == pytest.approx(1, abs=1e-3)
    assert abs(like_truth(rng.normal(size=(400, 5)).astype(np.float32), rng.normal(size=(400, 5)))) < 0.05
    near = like_truth(true + 0.5 * rng.normal(size=true.shape).astype(np.float32), true)
    assert 0.5 < near < 0.95


# Figures


def drawn(**given: Any) -> Any:
    rng = np.random.default_rng(0)
    names = [f"film {i}" for i in range(30)] + ["a film with a very long name, longer than fits"]
    groups = ["Drama"] * 15 + ["Comedy"] * 10 + [f"rare {i}" for i in range(6)]
    users, items = rng.normal(size=(8, 2)), rng.normal(size=(31, 2))
    return towers_map(users, items, names, groups, popularity=np.arange(31), **given), users, items, names, groups


def test_the_map_names_rows_and_groups() -> None:
    figure, users, items, names, groups = drawn()
    np.testing.assert_array_equal(np.stack([figure.data[0].x, figure.data[0].y], 1), users)
    rows = []
    for trace in figure.data:
        if trace.customdata is None:
            continue
        own = np.asarray(trace.customdata).ravel()
        np.testing.assert_array_equal(np.stack([trace.x, trace.y], 1), items[own])
        assert [names[row] for row in own] == list(trace.text)
        assert {groups[row] for row in own} == {trace.name}
        rows += own.tolist()
    assert sorted(rows) == list(range(31))
    assert [trace.name for trace in figure.data[1:3]] == ["Drama", "Comedy"]
    assert "you" not in [trace.name for trace in figure.data]
    assert figure.layout.uirevision == "towers"


def test_many_groups_end_in_other() -> None:
    items = np.random.default_rng(0).normal(size=(20, 2))
    figure = towers_map(
        items, items, [str(i) for i in range(20)], [f"g{i:02}" for i in range(20)], popularity=np.ones(20)
    )
    (other,) = (trace for trace in figure.data if trace.name == "other")
    assert np.asarray(other.customdata).tolist() == list(range(14, 20))


def test_you_are_a_star_and_marked_films_are_named() -> None:
    figure, _, items, names, _ = drawn(you=np.array([0.5, -1.0]), marked=(0, 2, 30))
    (star,) = (trace for trace in figure.data if trace.name == "you")
    assert (list(star.x), list(star.y), star.marker.symbol) == ([0.5], [-1.0], "star")
    (text,) = (trace for trace in figure.data if trace.mode == "text")
    assert {"film 0", "film 2", "a film with a very long …"} <= set(text.text)
    for name, x, y in zip(text.text, text.x, text.y, strict=True):
        row = 30 if name.startswith("a film") else names.index(name)
        assert (x, y) == tuple(items[row])
    assert len(text.text) <= 15
    close = np.array([[0, 0], [0, 0.001], [0, 0.002], [1, 1]])  # no room for more than two names
    for marked, expected in (((), {"a", "d"}), ((1, 2), {"b", "c", "d"})):
        near = towers_map(close, close, list("abcd"), ["g"] * 4, popularity=np.array([4, 3, 2, 1]), marked=marked)
        (text,) = (trace for trace in near.data if trace.mode == "text")
        assert set(text.text) == expected
    plain, *_ = drawn()
    (unmarked,) = (trace for trace in plain.data if trace.mode == "text")
    assert "film 0" not in unmarked.text
    assert unmarked.text[0].startswith("a film")  # the most watched


def test_lines_hold_the_curve() -> None:
    curve = np.array([[0, np.nan, 0.1, 0.9, 3.5], [2, 0.4, 0.25, 0.5, 6.5], [9, 0.3, 0.3, 0.2, 7.5]])
    figure = recall_lines(curve, 2, 8)
    for name, column in (("recall", 2), ("effective rank", 4), ("mean cosine", 3)):
        (line,) = (trace for trace in figure.data if trace.name.startswith(name))
        assert list(line.x) == [0, 2, 9]
        assert list(line.y) == curve[:, column].tolist()
    assert {shape.x0 for shape in figure.layout.shapes} == {2}
    assert figure.layout.yaxis2.range == (0, pytest.approx(8.4))


def test_cost_holds_the_table() -> None:
    import pandas as pd

    rows = pd.DataFrame(
        {"index": ["exact", "hnsw", "hnsw"], "ef": [None, 10, 40], "recall": [1, 0.8, 0.95], "milliseconds": [9, 1, 2]}
    )
    exact, hnsw = recall_cost(rows).data
    assert (exact.name, list(exact.x), list(exact.y), list(exact.text)) == ("exact", [9], [1], [""])
    assert (hnsw.name, list(hnsw.x), list(hnsw.y), list(hnsw.text)) == ("hnsw", [1, 2], [0.8, 0.95], ["ef 10", "ef 40"])

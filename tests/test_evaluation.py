"""Lists of recommendations: every figure by hand on tiny matrices, ties, gaps, and scikit-learn where it agrees."""

import math
import time
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.interactions import evaluation
from embedkit.interactions.evaluation import Ranking, evaluate, recall_at, top_items

RNG = np.random.default_rng


def csr(rows: Any) -> Any:
    from scipy.sparse import csr_array

    return csr_array(np.asarray(rows, np.float32))


def made_up(seed: int = 0, users: int = 60, items: int = 40) -> tuple[Any, Any, Any]:
    """Random scores, and two parts that share no pair."""
    rng = RNG(seed)
    where = rng.random((users, items))
    scores = rng.normal(size=(users, items)).astype(np.float32)
    return scores, csr(where < 0.2), csr((where > 0.2) & (where < 0.35))


# By hand

SCORES = np.array(
    [
        [9, 8, 7, 6, 5],  # item 0 was seen: the list is 1, 2
        [1, 2, 3, 4, 5],  # 4, 3
        [5, 4, 3, 2, 1],  # nothing held out: does not count
        [1, 5, 2, 4, 3],  # 3, 4, without 1, which was seen
    ],
    np.float32,
)
SEEN = csr([[1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
HELD = csr([[0, 0, 1, 1, 1], [0, 0, 0, 0, 1], [0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])


def test_every_figure_by_hand() -> None:
    found = evaluate(SCORES, SEEN, HELD, k=2)
    second, third = 1 / math.log2(3), 1 / 2
    # user 0: a miss, then a hit, of three; user 1: a hit at rank 1, of one; user 3: no hit, of one
    assert found.precision == pytest.approx((1 / 2 + 1 / 2 + 0) / 3)
    assert found.recall == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert found.ndcg == pytest.approx((second / (1 + second) + 1 + 0) / 3)
    assert found.ndcg_whole == pytest.approx((second / (1 + second + third) + 1 + 0) / 3)
    assert found.coverage == 4 / 5  # 1, 2, 4, 3, 3, 4
    assert found.novelty == pytest.approx(math.log2(4))  # item 1: one of four users; the others: nobody, as one
    assert (found.k, found.users) == (2, 3)


def test_novelty_counts_the_users_who_watched_in_training() -> None:
    given = np.array([3, 1, 2, 4, 2])
    found = evaluate(SCORES, SEEN, HELD, k=2, popularity=given)
    listed = [1, 2, 4, 3, 3, 4]
    assert found.novelty == pytest.approx(np.mean([-math.log2(given[item] / 4) for item in listed]))
    everybody = csr([[1, 0, 0, 0], [1, 0, 0, 0]])
    found = evaluate(np.array([[9, 3, 2, 1], [9, 1, 2, 3]]), everybody, csr([[0, 1, 0, 0], [0, 0, 0, 1]]), k=1)
    assert found.novelty == 1.0  # watched by nobody, counted as one of two
    for wrong in ([1, 2], [5, 1, 1, 1, 1], [-1, 1, 1, 1, 1]):
        with pytest.raises(InputError, match=r"must hold 5 counts of users, each from 0 to 4"):
            evaluate(SCORES, SEEN, HELD, k=2, popularity=np.array(wrong))


def test_a_perfect_list_has_ndcg_1_and_the_whole_one_less() -> None:
    _, seen, held = made_up()
    found = evaluate(held.toarray(), seen, held, k=3)
    sizes = np.diff(held.indptr)
    assert sizes.max() > 3
    assert found.ndcg == pytest.approx(1)
    ideal = np.cumsum(1 / np.log2(np.arange(2, 60)))
    sizes = sizes[sizes > 0]
    assert found.ndcg_whole == pytest.approx((ideal[np.minimum(sizes, 3) - 1] / ideal[sizes - 1]).mean())
    assert found.ndcg_whole < 1
    assert found.users == len(sizes)


@pytest.mark.parametrize("k", [1, 5, 10, 40])
def test_ndcg_is_that_of_scikit_learn(k: int) -> None:
    from sklearn.metrics import ndcg_score

    scores, seen, held = made_up()
    rows = np.flatnonzero(np.diff(held.indptr))
    left_out = np.where(seen.toarray() > 0, -1e9, scores)
    theirs = ndcg_score(held.toarray()[rows], left_out[rows], k=k)
    assert evaluate(scores, seen, held, k).ndcg == pytest.approx(theirs, abs=1e-6)
    if k == 40:
        assert evaluate(scores, seen, held, k).ndcg_whole == pytest.approx(theirs, abs=1e-6)


def slow(scores: Any, seen: Any, held: Any, k: int) -> list[list[int]]:
    rows = []
    for line, without in zip(scores, seen.toarray() > 0, strict=True):
        free = [item for item in range(len(line)) if not without[item] and line[item] > -np.inf]
        rows.append(sorted(free, key=lambda item: (-line[item], item))[:k])
    return rows


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_lists_are_those_of_a_plain_sort_ties_by_item_number(k: int, levels: int) -> None:
    scores, seen, held = made_up(levels)
    scores = np.round(RNG(levels).random(scores.shape) * levels).astype(np.float32)
    scores[3, 4:] = -np.inf
    found = top_items(scores, seen, k)
    assert [[int(item) for item in row if item >= 0] for row in found] == slow(scores, seen, held, k)
    pairs = zip(slow(scores, seen, held, k), held.toarray(), strict=True)
    hits = np.array([len(set(row) & set(np.flatnonzero(line))) for row, line in pairs])
    sizes = np.diff(held.indptr)
    counted = sizes > 0
    assert recall_at(scores, seen, held, k) == pytest.approx((hits[counted] / sizes[counted]).mean())


def test_scores_may_be_whole_numbers_or_halves() -> None:
    for kind in (np.int64, np.uint8, np.float16, np.float64):
        assert top_items(SCORES.astype(kind), SEEN, k=2).tolist() == [[1, 2], [4, 3], [1, 2], [3, 4]]


# Edges


def test_a_list_longer_than_the_catalogue() -> None:
    found = evaluate(SCORES, SEEN, HELD, k=50)
    assert found.recall == 1
    assert found.precision == pytest.approx((3 + 1 + 1) / 3 / 50)  # of k places, empty ones too
    assert found.ndcg == pytest.approx(found.ndcg_whole)
    assert found.coverage == 1
    top = top_items(SCORES, SEEN, k=50)
    assert top.shape == (4, 5)
    assert top[0].tolist() == [1, 2, 3, 4, -1]


def test_what_scores_minus_infinity_is_never_listed() -> None:
    nothing = evaluate(np.full(SCORES.shape, -np.inf), SEEN, HELD, k=2)
    assert nothing == Ranking(2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3)
    part = SCORES.copy()
    part[0, 1:] = -np.inf
    assert top_items(part, SEEN, k=2)[0].tolist() == [-1, -1]
    assert recall_at(part, SEEN, HELD, k=2) == pytest.approx((0 + 1 + 0) / 3)


def test_one_item_and_no_users_and_everything_seen() -> None:
    assert evaluate(np.ones((1, 1)), csr([[0]]), csr([[1]])).recall == 1
    with pytest.raises(InputError, match="None of 1 users has an item held out"):
        evaluate(np.ones((1, 1)), csr([[1]]), csr([[0]]))
    assert top_items(np.ones((0, 3), np.float32)).shape == (0, 3)
    assert top_items(np.ones((2, 0), np.float32)).shape == (2, 0)
    assert top_items(np.ones((2, 3), np.float32), csr(np.ones((2, 3)))).tolist() == [[-1] * 3] * 2


def test_stored_entries_count_once_whatever_their_value_and_order() -> None:
    from scipy.sparse import csr_matrix

    twice = csr_matrix((np.array([0.0, 5, 1, 2, 3, 1, 7]), np.array([4, 2, 4, 3, 4, 4, 0]), np.array([0, 4, 6, 6, 7])))
    assert not twice.has_canonical_format
    assert evaluate(SCORES, SEEN, twice, k=2) == evaluate(SCORES, SEEN, HELD, k=2)
    assert recall_at(SCORES, SEEN, twice, k=2) == recall_at(SCORES, SEEN, HELD, k=2)
    assert twice.nnz == 7  # what was given stays as it was


def test_nothing_given_is_written_to() -> None:
    scores, seen, held = made_up()
    before = [scores.copy(), seen.toarray(), held.toarray()]
    for array in (scores, seen.data, seen.indices, held.data, held.indices):
        array.flags.writeable = False
    evaluate(scores, seen, held)
    recall_at(scores, seen, held)
    assert all(np.array_equal(a, b) for a, b in zip(before, (scores, seen.toarray(), held.toarray()), strict=True))


def test_a_function_of_users_gives_the_same_figures_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, seen, held = made_up()
    once = evaluate(scores, seen, held)
    asked: list[int] = []

    def some(rows: Any) -> Any:
        asked.extend(rows.tolist())
        return scores[rows]

    monkeypatch.setattr(evaluation, "AT_ONCE", 7 * 40)
    for given in (some, scores):
        blocks = evaluate(given, seen, held)
        for name, value in vars(once).items():
            assert getattr(blocks, name) == pytest.approx(value)
    assert asked == np.flatnonzero(np.diff(held.indptr)).tolist()  # nobody else is scored
    assert recall_at(some, seen, held) == pytest.approx(once.recall)
    with pytest.raises(InputError, match=r"Scores of 7 users must have the shape \(7, 40\), not \(7, 39\)"):
        evaluate(lambda rows: scores[rows][:, 1:], seen, held)


def test_what_is_refused() -> None:
    scores, seen, held = made_up()
    with pytest.raises(InputError, match="k must be at least 1, not 0"):
        evaluate(scores, seen, held, k=0)
    with pytest.raises(InputError, match=r"scores \(60, 39\), seen \(60, 40\), held \(60, 40\) differ"):
        evaluate(scores[:, 1:], seen, held)
    with pytest.raises(InputError, match=r"seen \(60, 40\), held \(59, 40\) differ"):
        recall_at(lambda rows: scores[rows], seen, held[:59])
    with pytest.raises(InputError, match=rf"{held.nnz} of {held.nnz} held-out pairs were seen in training too"):
        evaluate(scores, held, held)
    free = np.argwhere(seen.toarray() == 0)
    user, item = next(pair for pair in free if np.diff(held.indptr)[pair[0]])
    scores[user, item] = np.nan
    for measure in (evaluate, recall_at):
        with pytest.raises(InputError, match="not a number"):
            measure(scores, seen, held)


def test_recall_is_quick_enough_for_every_epoch() -> None:
    scores, seen, held = made_up(users=1_000, items=1_700)
    spent = []
    for _ in range(8):
        start = time.process_time()  # others may hold the cores
        recall_at(scores, seen, held)
        spent.append(time.process_time() - start)
    assert min(spent) < 0.03  # 20 ms are the aim, 7 are usual

"""Recommenders to beat: scores by hand, the published row of EASE, a seed is a seed, and what is refused."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError
from embedkit.interactions import baselines as module
from embedkit.interactions.baselines import als, baselines, bpr, ease, item_knn, popularity, title_mean
from embedkit.interactions.evaluation import evaluate


def csr(rows: Any) -> Any:
    from scipy.sparse import csr_array

    return csr_array(np.asarray(rows, np.float32))


def made_up(users: int = 80, items: int = 30) -> tuple[Any, Any]:
    """Two crowds that watch each their own half of the films, and what is held out of it."""
    rng = np.random.default_rng(0)
    own = (np.arange(users)[:, None] % 2) == (np.arange(items) % 2)
    where = rng.random((users, items)) + ~own * 0.6
    return csr(where < 0.5), csr((where > 0.5) & (where < 0.65))


SEEN = [[1, 1, 0, 0], [1, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]]


def all_scores(seen: Any) -> dict[str, Any]:
    given = {"vectors": np.random.default_rng(1).normal(size=(seen.shape[1], 6)).astype(np.float32)}
    return {
        name: row.score(seen, **row.settings, **{need: given[need] for need in row.needs})
        for name, row in baselines().items()
    }


# By hand


def test_popularity_counts_users() -> None:
    assert popularity(csr(SEEN)).tolist() == [[3, 2, 1, 0]] * 4


def test_title_vectors_are_averaged_over_what_was_watched() -> None:
    vectors = np.array([[1, 0], [0, 1], [2, 2], [3, -1]], np.float32)
    found = title_mean(csr(SEEN), vectors=vectors)
    assert found[0] == pytest.approx([0.5, 0.5, 2, 1])  # (1/2, 1/2) times each
    assert found[1] == pytest.approx([1, 1, 4, 2])  # (1, 1)
    assert found[3].tolist() == [0, 0, 0, 0]
    with pytest.raises(InputError, match=r"must be \(items, d\) for 4 items, not of shape \(3, 2\)"):
        title_mean(csr(SEEN), vectors=vectors[:3])


def test_item_knn_by_hand() -> None:
    # watched by 3, 2, 1, 0 users; together: 0 and 1 two, 0 and 2 one, 1 and 2 one
    a, b, c = (2 / (np.sqrt(6) + 1), 1 / (np.sqrt(3) + 1), 1 / (np.sqrt(2) + 1))
    found = item_knn(csr(SEEN), neighbors=3, shrink=1)
    np.testing.assert_allclose(found, [[a, a, b + c, 0], [a + b, a + c, b + c, 0], [0, a, b, 0], [0] * 4], atol=1e-6)
    nearest = item_knn(csr(SEEN), neighbors=1, shrink=1)  # of 0: 1; of 1: 0; of 2: 1, as c > b
    np.testing.assert_allclose(nearest, [[a, a, c, 0], [a, a, c, 0], [0, a, 0, 0], [0] * 4], atol=1e-6)


def test_item_knn_is_a_cosine_without_shrink_and_passes_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.metrics.pairwise import cosine_similarity

    seen, _ = made_up()
    similar = cosine_similarity(seen.toarray().T)
    np.fill_diagonal(similar, 0)
    once = item_knn(seen, neighbors=30, shrink=0)
    np.testing.assert_allclose(once, seen @ similar, atol=1e-4)
    few = item_knn(seen, neighbors=4)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert np.array_equal(item_knn(seen, neighbors=4), few)
    assert not np.allclose(few, item_knn(seen, neighbors=5))


def test_ease_is_the_regression_of_each_item_on_the_others() -> None:
    from sklearn.linear_model import Ridge

    seen, _ = made_up()
    dense = seen.toarray().astype(np.float64)
    found = ease(seen, regularization=20)
    for item in (0, 7, 29):
        others = np.delete(dense, item, axis=1)
        model = Ridge(20, fit_intercept=False).fit(others, dense[:, item])
        np.testing.assert_allclose(found[:, item], model.predict(others), atol=1e-5)


# The published row


def mcrec() -> tuple[Any, Any]:
    """MovieLens-100K in the split of MCRec, beside the checkout or where EMBEDKIT_DATA says; a must under CI."""
    from scipy.sparse import csr_array

    root = Path(os.environ.get("EMBEDKIT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    folder = root / "movielens-100k-mcrec-split"
    if not folder.is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The test needs {folder.name} in EMBEDKIT_DATA.")
    train = np.loadtxt(folder / "train.txt", dtype=int)[:, :2]
    lines = [line.split() for line in (folder / "test.txt").read_text("utf-8").splitlines()]
    test = np.array([(int(user), int(item)) for user, *items in lines for item in items])
    parts = ((pairs - 1).T for pairs in (train, test))
    seen, held = (csr_array((np.ones(len(u)), (u, i)), shape=(943, 1682), dtype=np.float32) for u, i in parts)
    return seen, held


def test_ease_has_its_published_row_on_movielens() -> None:
    seen, held = mcrec()
    assert (seen.nnz, held.nnz) == (80_000, 20_000)
    spent = []
    for _ in range(2):  # the first imports
        start = time.process_time()
        scores = ease(seen, regularization=458)
        spent.append(time.process_time() - start)
    found = evaluate(scores, seen, held)
    figures = [round(each, 4) for each in (found.precision, found.recall, found.ndcg_whole, found.ndcg)]
    assert figures == [0.3739, 0.2430, 0.2905, 0.4457]
    assert found.users == 942
    assert min(spent) < 1


# All of them


def test_all_are_finite_float32_leave_their_input_alone_and_repeat() -> None:
    import torch

    seen, _ = made_up()
    before = seen.toarray()
    for array in (seen.data, seen.indices, seen.indptr):
        array.flags.writeable = False
    state, drawn = np.random.get_state()[1].tobytes(), torch.get_rng_state()  # type: ignore[index]
    one, two = all_scores(seen), all_scores(seen)
    assert list(one) == ["popularity", "titles", "knn", "ease", "als", "bpr"]
    for name, scores in one.items():
        assert (scores.dtype, scores.shape) == (np.float32, seen.shape), name
        assert np.isfinite(scores).all(), name
        assert scores.tobytes() == two[name].tobytes(), name
    assert np.array_equal(seen.toarray(), before)
    assert np.random.get_state()[1].tobytes() == state  # type: ignore[index]
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("method", [als, bpr])
def test_a_seed_is_a_seed(method: Any) -> None:
    seen, _ = made_up(400, 200)
    small = {"factors": 8, "iterations": 10}
    one, two, other = (method(seen, seed=seed, **small) for seed in (3, 3, 4))
    assert one.tobytes() == two.tobytes()
    assert one.tobytes() != other.tobytes()


def test_what_learns_from_others_beats_popularity_where_tastes_differ() -> None:
    seen, held = made_up()
    found = {name: evaluate(scores, seen, held, k=3).recall for name, scores in all_scores(seen).items()}
    assert min(found[name] for name in ("knn", "ease", "als", "bpr")) > 1.3 * found["popularity"]


def test_values_and_repeats_in_the_matrix_do_not_matter() -> None:
    from scipy.sparse import csr_matrix

    seen, _ = made_up()
    rated = csr_matrix((np.full(2 * seen.nnz, 2.5), np.repeat(seen.indices, 2), 2 * seen.indptr), shape=seen.shape)
    assert rated.nnz == 2 * seen.nnz
    plain, others = all_scores(seen), all_scores(rated)
    assert all(np.array_equal(plain[name], others[name]) for name in plain)


@pytest.mark.parametrize(
    "rows", [np.ones((1, 1)), np.ones((5, 1)), [[1, 0, 0]], [[0, 1], [0, 0]], np.ones((4, 4)), np.eye(3)]
)
def test_small_catalogues_and_users_without_history(rows: Any) -> None:
    seen = csr(rows)
    for name, scores in all_scores(seen).items():
        assert scores.shape == seen.shape, name
        assert np.isfinite(scores).all(), name


def test_the_table() -> None:
    rows = baselines()
    assert [name for name, row in rows.items() if row.needs] == ["titles"]
    for name, row in rows.items():
        assert row.name == name
        assert row.title
        assert row.source
        assert 1970 < row.year < 2026
        with pytest.raises(TypeError):
            row.settings["factors"] = 1  # type: ignore[index]


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.sparse import csr_array

    with pytest.raises(InputError, match=r"EASE takes at most 5,000 items, .*; here are 5,001"):
        ease(csr_array((3, 5_001), dtype=np.float32))
    with pytest.raises(InputError, match="Item kNN takes at most 20,000 items"):
        item_knn(csr_array((3, 20_001), dtype=np.float32))
    with pytest.raises(InputError, match="must be above 0, not 0"):
        ease(csr(SEEN), regularization=0)
    with pytest.raises(InputError, match="neighbors from 1 and a shrink from 0, not 0 and 1"):
        item_knn(csr(SEEN), neighbors=0, shrink=1)
    for method in (als, bpr):
        with pytest.raises(InputError, match="at least one user who watched something"):
            method(csr(np.zeros((3, 4))))
        with pytest.raises(InputError, match="at least 1 factor, not 0"):
            method(csr(SEEN), factors=0)
    with pytest.raises(InputError, match="100,000 users times 100,000 items are more than 200,000,000 scores"):
        popularity(csr_array((100_000, 100_000), dtype=np.float32))

"""Exact and approximate search by inner product: the same answers where they must be, and the table of costs."""

import json
from typing import Any

import numpy as np
import pytest

from embedkit.errors import InputError, JobStopped
from embedkit.interactions import nearest
from embedkit.interactions.nearest import (
    EFS,
    HnswIndex,
    exact_top,
    retrieval_table,
    retrieval_task,
    simulated_vectors,
)
from embedkit.worker import Report

ITEMS = np.array([[1, 0], [0, 1], [5, 5], [-1, 0], [2, 0], [0, 1]], np.float32)


def index_of(vectors: Any, **more: Any) -> HnswIndex:
    index = HnswIndex(vectors.shape[1], **more)
    index.add(vectors)
    return index


# Exact


def test_exact_by_hand_long_vectors_first_ties_by_item_number() -> None:
    found, scores = exact_top(ITEMS, np.array([[1, 0], [0, 1], [-2, 0]], np.float32), k=3)
    assert found.tolist() == [[2, 4, 0], [2, 1, 5], [3, 1, 5]]
    assert scores.tolist() == [[5, 2, 1], [5, 1, 1], [2, 0, 0]]
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)


def test_exact_is_a_plain_sort_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, asked = simulated_vectors(500, 8), simulated_vectors(500, 8, part=1, rows=23)
    plain = np.argsort(-(asked.astype(np.float64) @ vectors.T.astype(np.float64)), axis=1)
    for at_once in (1, 3_000, 4_000_000):
        monkeypatch.setattr(nearest, "AT_ONCE", at_once)
        found, scores = exact_top(vectors, asked, k=7)
        assert np.array_equal(found, plain[:, :7])
        np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", asked, vectors[found]), rtol=1e-4)


def test_k_is_cut_to_the_catalogue() -> None:
    for found, scores in (
        exact_top(ITEMS, ITEMS[:2], k=50),
        index_of(ITEMS).search(ITEMS[:2], k=50),
    ):
        assert found.shape == scores.shape == (2, 6)
        assert sorted(found[0].tolist()) == list(range(6))
        assert (np.diff(scores) <= 0).all()


# The index


@pytest.mark.parametrize("chunk", [64, 2_000])
def test_the_index_finds_what_exact_search_finds(chunk: int) -> None:
    vectors, asked = simulated_vectors(2_000, 16), simulated_vectors(2_000, 16, part=1, rows=50)
    vectors[::7] *= 3  # lengths count: it is no cosine
    index = HnswIndex(16)
    for start in range(0, len(vectors), chunk):
        index.add(vectors[start : start + chunk])
    assert len(index) == 2_000
    truth, exact = exact_top(vectors, asked, k=10)
    found, scores = index.search(asked, k=10, ef=400)
    assert np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]) > 0.98
    same = (found == truth).all(1)
    assert same.mean() > 0.8
    np.testing.assert_allclose(scores[same], exact[same], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(scores, np.einsum("qd,qkd->qk", asked, vectors[found]), rtol=1e-4, atol=1e-4)
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)


def test_more_candidates_find_more() -> None:
    vectors, asked = simulated_vectors(4_000, 32), simulated_vectors(4_000, 32, part=1, rows=100)
    index = index_of(vectors, m=4, ef_construction=20)
    truth, _ = exact_top(vectors, asked)
    recalls = []
    for ef in (10, 40, 400):
        found, _ = index.search(asked, ef=ef)
        recalls.append(np.mean([np.isin(a, b).mean() for a, b in zip(truth, found, strict=True)]))
    assert recalls[0] + 0.05 < recalls[1] < recalls[2] - 0.02


def test_on_one_thread_a_seed_is_a_seed() -> None:
    vectors, asked = simulated_vectors(1_000, 8), simulated_vectors(1_000, 8, part=1, rows=40)
    sparse = {"m": 2, "ef_construction": 2, "threads": 1}
    one, two, other = (index_of(vectors, seed=seed, **sparse).search(asked, ef=10) for seed in (0, 0, 1))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    assert not np.array_equal(one[0], other[0])


def test_a_walk_that_ends_early_leaves_gaps() -> None:
    """With two links an item, part of a thousand equal points cannot be reached."""
    vectors = np.ones((1_000, 4), np.float32)
    index = index_of(vectors, m=2, ef_construction=1, threads=1)
    found, scores = index.search(vectors[:2], k=1_000, ef=1)
    here = found >= 0
    assert 0 < here.sum(1).min() < 1_000, "this index reaches everything; the test needs another one"
    assert np.array_equal(here, scores > -np.inf)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in found)
    np.testing.assert_allclose(scores[here], 4, rtol=1e-5)
    assert not here[:, 0].any() or here[:, 0].all()


def test_an_empty_index_and_its_size() -> None:
    index = HnswIndex(4)
    assert index.search(np.ones((3, 4)), k=5)[0].shape == (3, 0)
    index.add(np.ones((0, 4), np.float32))
    assert len(index) == 0
    vectors = simulated_vectors(3_000, 64)
    index = index_of(vectors)
    assert len(index) == 3_000
    assert 1.1 * vectors.nbytes < index.nbytes < 3 * vectors.nbytes
    assert index.search(vectors[:0], k=5)[0].shape == (0, 5)


def test_what_is_refused() -> None:
    index = index_of(ITEMS)
    for search in (lambda q, k=1: exact_top(ITEMS, q, k), lambda q, k=1: index.search(q, k)):
        with pytest.raises(InputError, match=r"Vectors of shape \(2, 3\) do not fit: rows of 2 numbers are needed"):
            search(np.ones((2, 3)))
        with pytest.raises(InputError, match="k must be at least 1, not 0"):
            search(np.ones((2, 2)), 0)
        with pytest.raises(InputError, match="NaN or infinity"):
            search(np.array([[1, np.nan]]))
    with pytest.raises(InputError, match="NaN or infinity"):
        index.add(np.array([[np.inf, 1]]))
    with pytest.raises(InputError, match="m from 2, not 2, 64, 2 and 1"):
        HnswIndex(2, m=1)


# The table


def test_simulated_vectors_are_clustered_and_their_seeds() -> None:
    one, two = simulated_vectors(2_500, 16, seed=1), simulated_vectors(2_500, 16, seed=1)
    assert one.tobytes() == two.tobytes()
    assert (one.shape, one.dtype) == ((2_500, 16), np.float32)
    queries = simulated_vectors(2_500, 16, seed=1, part=1, rows=40)
    assert not (queries[:, None] == one).all(2).any()
    # distance to the nearest item against the spread of all: clusters of 50, shared by the queries
    near, far = (
        np.linalg.norm(q[:, None] - one, axis=2).min(1).mean() for q in (queries, simulated_vectors(50, 16, seed=9))
    )
    assert near < 0.85 * far
    spread = one.std(0)
    assert spread[0] > 2.5 * spread[-1]


def test_the_table_has_a_row_for_each_way() -> None:
    told: list[tuple[float, str]] = []
    rows = retrieval_table(3_000, 16, queries=30, report=lambda fraction, text: told.append((fraction, text)))
    assert [(row.index, row.ef) for row in rows] == [("exact", None), *(("hnsw", ef) for ef in EFS)]
    exact, *others = rows
    assert (exact.recall, exact.build_seconds, exact.nbytes) == (1.0, 0.0, 3_000 * 16 * 4)
    assert others[-1].recall > 0.98
    assert others[0].recall < others[-1].recall
    assert all(row.milliseconds > 0 and row.build_seconds > 0 and row.nbytes > exact.nbytes for row in others)
    fractions = [fraction for fraction, _ in told]
    assert fractions == sorted(fractions)
    assert 0 <= fractions[0] < fractions[-1] <= 1
    assert any("of 3,000 items" in text for _, text in told)


@pytest.mark.parametrize("phase", ["exactly", "building the index: 2,000", "ef 10"])
def test_as_a_task_it_reports_and_stops(phase: str) -> None:
    texts: list[str] = []

    def report(fraction: float, text: str) -> None:
        texts.append(text)
        if phase in text:
            raise JobStopped("stopped")

    with pytest.raises(JobStopped):
        retrieval_task(report, items=5_000, seed=0)
    assert sum(phase in text for text in texts) == 1
    assert phase in texts[-1]


def test_as_a_task_it_gives_what_json_holds() -> None:
    messages: list[dict[str, Any]] = []
    report = Report(messages.append)
    arrays, meta = retrieval_task(report, items=2_000, seed=3)
    report.flush()
    assert arrays == {}
    assert len(json.loads(json.dumps(meta))["rows"]) == 1 + len(EFS)
    assert set(meta["rows"][0]) == {"index", "ef", "recall", "milliseconds", "build_seconds", "nbytes"}
    assert messages


@pytest.mark.parametrize("wrong", [{"n_items": 0}, {"n_items": 1_000_001}, {"queries": 0}, {"n_items": 5, "k": 6}])
def test_sizes_that_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"takes 1 to 1,000,000 items, 1 to 1,000 queries"):
        retrieval_table(**wrong)


def test_one_item() -> None:
    rows = retrieval_table(1, queries=3, k=1)
    assert [row.recall for row in rows] == [1.0] * len(rows)

"""Spaces beside each other: overlap by hand, CKA against its definition, what must not change it, maps turned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pages_help import workers

import embedkit.compare as comparing
from embedkit import neighbors
from embedkit.compare import (
    Comparison,
    aligned,
    common_items,
    compare,
    comparison_now,
    cut_to_common,
    linear_cka,
    neighbors_in,
    request_comparison,
)
from embedkit.errors import InputError
from embedkit.jobs import Job
from embedkit.neighbors import search
from embedkit.space import Space, Vectors

RNG = np.random.default_rng(0)


def space(vectors: Vectors, items: tuple[str, ...] | None = None, key: str = "a") -> Space:
    names = items or tuple(f"i{row}" for row in range(len(vectors)))
    return Space(key, key, names, np.asarray(vectors, np.float32))


def test_overlap_by_hand() -> None:
    # on a line: the nearest of each in `a` is its left or right; in `b` the last two have changed places
    a = space(np.array([[0.0], [1], [3], [7]]))
    b = space(np.array([[0.0], [1], [7], [3]]), key="b")
    found = compare([a, b], k=1, metric="euclidean").pair(0, 1)
    assert found.overlap.tolist() == [1, 1, 0, 0]  # i2: i1 against i3; i3: i2 against i1
    assert found.mean == 0.5
    assert found.chance == pytest.approx(1 / 3)


def test_overlap_is_what_the_lists_say() -> None:
    a, b = space(RNG.normal(size=(60, 8))), space(RNG.normal(size=(60, 5)), key="b")
    made = compare([a, b], k=7)
    for row, item in enumerate(a.items):
        lists = [{each.item for each in search(one, item, 7) if not each.asked} for one in (a, b)]
        assert made.pair(0, 1).overlap[row] == pytest.approx(len(lists[0] & lists[1]) / 7)
        assert [{each.item for each in near} for near in neighbors_in(made, item)] == lists


def test_above_the_limit_it_says_how_many_true_neighbors_were_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.datasets import load_digits

    vectors = load_digits().data
    spaces = space(vectors), space(vectors[:, ::2], key="b")
    true = compare(spaces)
    assert (true.recalls, true.sampled) == ((None, None), 0)
    monkeypatch.setattr(neighbors, "EXACT_LIMIT", 1_000)
    found = compare([space(each.vectors, key=each.key) for each in spaces])
    assert all(share is not None and 0.99 <= share <= 1 for share in found.recalls)
    assert found.sampled == 500
    assert found.pair(0, 1).mean == pytest.approx(true.pair(0, 1).mean, abs=0.01)


def test_a_turned_and_scaled_space_is_the_same() -> None:
    vectors = RNG.normal(size=(80, 6))
    turn, _ = np.linalg.qr(RNG.normal(size=(6, 6)))
    found = compare([space(vectors), space(3 * vectors @ turn, key="b")]).pair(0, 1)
    assert found.mean > 0.99
    assert found.cka == pytest.approx(1, abs=1e-6)
    assert found.spearman == pytest.approx(1, abs=1e-4)


def test_unrelated_spaces_share_what_chance_gives() -> None:
    a, b = space(RNG.normal(size=(400, 20))), space(RNG.normal(size=(400, 20)), key="b")
    found = compare([a, b]).pair(0, 1)
    assert found.mean == pytest.approx(found.chance, abs=0.01)
    assert abs(found.spearman) < 0.05
    assert found.cka < 0.2


def test_cka_is_the_definition_with_centered_grams() -> None:
    a, b = RNG.normal(size=(30, 4)) + 5, RNG.normal(size=(30, 7)) - 2
    center = np.eye(30) - 1 / 30
    k, m = center @ a @ a.T @ center, center @ b @ b.T @ center
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert linear_cka(a, b) == pytest.approx(expected)
    assert linear_cka(a, np.ones((30, 2))) == 0
    with pytest.raises(InputError, match="same items"):
        linear_cka(a, b[:-1])


def test_spaces_meet_on_their_common_items_in_the_order_of_the_first() -> None:
    a = space(RNG.normal(size=(5, 3)), ("a", "b", "c", "d", "e"))
    b = space(RNG.normal(size=(5, 3)), ("e", "x", "c", "a", "b"), key="b")
    assert common_items([a, b]) == ("a", "b", "c", "e")
    made = compare([a, b], k=10)
    assert made.items == ("a", "b", "c", "e")
    assert made.k == 3
    assert made.spaces[1].vector("e").tolist() == b.vector("e").tolist()
    assert made.pair(1, 0).mean == 1  # three neighbors of three others are always the same
    with pytest.raises(InputError, match="no pair"):
        made.pair(0, 2)


def test_what_changed_most_stands_first() -> None:
    vectors = RNG.normal(size=(50, 6))
    moved = vectors.copy()
    moved[7] = -vectors[7]
    made = compare([space(vectors), space(moved, key="b")], k=5)
    assert made.changed(0, 1, 1)[0] == ("i7", 0.0)
    assert made.kept(0, 1, 3)[0][1] == 1


@pytest.mark.parametrize("count", [1, 5])
def test_one_space_or_five_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"Between 2 and 4 .* not {count}"):
        compare([space(RNG.normal(size=(9, 3)))] * count)


def test_spaces_without_common_items_are_one_sentence() -> None:
    with pytest.raises(InputError, match="share 0 items"):
        compare([space(np.eye(3)), space(np.eye(3), ("x", "y", "z"), "b")])


@pytest.mark.parametrize("dims", [2, 3])
def test_a_map_is_turned_onto_another(dims: int) -> None:
    onto = RNG.normal(size=(40, dims))
    turn, _ = np.linalg.qr(RNG.normal(size=(dims, dims)))
    turn[:, 0] *= -np.sign(np.linalg.det(turn))  # a mirror among them
    assert aligned(onto @ turn * 5 + 9, onto) == pytest.approx(onto, abs=1e-4)
    assert np.isfinite(aligned(np.ones((40, dims)), onto)).all()
    with pytest.raises(InputError, match="cannot be turned"):
        aligned(onto[:-1], onto)


def test_a_job_finds_what_compare_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = np.random.default_rng(5)
    items = tuple(f"i{n}" for n in range(90))
    first = Space("a", "A", items, chance.normal(size=(90, 6)))
    second = Space("b", "B", items[::-1][:80], chance.normal(size=(80, 4)))
    monkeypatch.setattr(comparing, "AT_ONCE", 10)
    cut = cut_to_common([first, second])
    with workers(tmp_path) as pool:
        job = request_comparison(cut, 7, "euclidean", pool)
        assert isinstance(job, Job)
        assert job.wait(60)
        made = comparison_now(job, cut, "euclidean")
        again = request_comparison(cut, 7, "euclidean", pool)
    wanted = compare([first, second], k=7, metric="euclidean")
    assert isinstance(again, Comparison)
    for found in (made, again):
        assert found.items == wanted.items
        assert (found.pair(0, 1).overlap == wanted.pair(0, 1).overlap).all()
        assert found.pair(0, 1).cka == wanted.pair(0, 1).cka
        assert found.pair(0, 1).spearman == wanted.pair(0, 1).spearman
        assert (found.k, found.recalls, found.changed(0, 1)) == (wanted.k, wanted.recalls, wanted.changed(0, 1))

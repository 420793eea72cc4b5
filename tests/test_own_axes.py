"""Own axes: what an end names, coordinates by hand, columns, defaults, new points, the map's key and its trust."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import embedkit
from embedkit import handing, maps
from embedkit.errors import InputError, UnknownItem
from embedkit.jobs import Job
from embedkit.maps import MadeMap, Settings, map_key, request_map, result_now
from embedkit.own_axes import default_axes, drawn, end_of, ends_of
from embedkit.projection import place, project
from embedkit.quality import measure
from embedkit.space import Space
from embedkit.store import Store

ENDS = (("kind: a", "kind: b"), ("one", "two"))


@pytest.fixture(scope="module")
def things() -> Space:
    """Eight items on the two axes of a plane and between, with a class, a price that one lacks, and a text."""
    vectors = np.array([[2, 0], [0, 1], [1, 1], [-1, 0], [0, -3], [3, 4], [1, 0.1], [0.1, 1]], np.float32)
    items = ("one", "two", "Good, the Bad and the Ugly, The", "four", "five", "six", "seven", "eight")
    meta = pd.DataFrame(
        {
            "kind": ["a", "b", "c", "c", "c", "c", "a", "b"],
            "price": [10.5, 20.0, np.nan, 30.0, 1.0, 2.0, 3.0, 4.0],
            "told": ["red apple", "green apple", "red rose", "blue", "blue sky", "sea", "rain", "snow"],
        }
    )
    return Space("things", "Things", items, vectors, meta)


@pytest.mark.parametrize(
    ("typed", "rows", "how"),
    [
        ("one", [0], "item"),
        (" six , one ", [0, 5], "item"),
        ("Good, the Bad and the Ugly, The", [2], "item"),
        ("four, Good, the Bad and the Ugly, The, two", [1, 2, 3], "item"),
        ("kind: a", [0, 6], "class"),
        ("KIND:B", [1, 7], "class"),
        ("red", [0, 2], "search"),
        ("apple green", [1], "search"),
        ("kind: a, one", [0, 6], None),
        ("red, five", [0, 2, 4], None),
    ],
)
def test_an_end_is_items_classes_or_a_search(things: Space, typed: str, rows: list[int], how: str | None) -> None:
    found = end_of(things, typed)
    assert found.rows.tolist() == rows
    if how is not None:
        assert {each for _, each, _ in found.parts} == {how}


def test_an_end_says_how_many_it_matched(things: Space) -> None:
    assert end_of(things, "one, two").said == "2 items"
    assert end_of(things, "one").said == "1 item"
    assert end_of(things, "red").said == "“red” matched 2"
    assert "“kind: c” is a class of 4" in end_of(things, "kind: c, red").said


def test_what_no_end_is_gets_a_sentence(things: Space) -> None:
    with pytest.raises(UnknownItem, match=r"'sevn' is not among 8 items\. Did you mean 'seven'"):
        end_of(things, "one, sevn")
    with pytest.raises(InputError, match=r"No item has 'kind: d'\. The most frequent classes of kind: c, a, b"):
        end_of(things, "kind: d")
    for typed in ("", " , "):
        with pytest.raises(InputError, match="needs an item"):
            end_of(things, typed)
    with pytest.raises(InputError, match="kind: a and kind: A, are the same point"):
        drawn(things, ("kind: a", "kind: A"))
    with pytest.raises(InputError, match="no column of numbers 'kind'; there are: price"):
        drawn(things, "kind")


def test_coordinates_by_hand(things: Space) -> None:
    """From (1, 0) to (0, 1): the middle is (.5, .5), the direction (-1, 1) / sqrt 2."""
    made = project(things, method="axes", axes=[("one", "two"), ("four", "one")])
    half = 0.5**0.5
    unit = np.array([[1, 0], [0, 1], [half, half], [-1, 0], [0, -1], [0.6, 0.8]])
    np.testing.assert_allclose(made.coords[:6, 0], (unit[:, 1] - unit[:, 0]) * half, atol=1e-6)
    np.testing.assert_allclose(made.coords[:6, 1], unit[:, 0], atol=1e-6)
    assert (made.method, made.dims, made.axes) == ("axes", 2, (("one", "two"), ("four", "one")))
    assert not made.coords.flags.writeable


def test_a_class_is_the_mean_of_its_unit_vectors(things: Space) -> None:
    found = project(things, method="axes", axes=ENDS).coords[:, 0]
    unit = things.unit.astype(np.float64)
    low, high = unit[[0, 6]].mean(0), unit[[1, 7]].mean(0)
    way = (high - low) / np.linalg.norm(high - low)
    np.testing.assert_allclose(found, (unit - (low + high) / 2) @ way, atol=1e-6)


def test_a_column_runs_from_its_smallest_to_its_largest(things: Space) -> None:
    made = drawn(things, "price")
    np.testing.assert_allclose(made.coordinates[[4, 3, 2, 0]], [-0.5, 0.5, 0, 9.5 / 29 - 0.5], atol=1e-6)
    assert made.missing == 1
    assert ends_of(things, ["price", ("one", "a" * 99)]) == (("price 1", "30"), ("one", "a" * 23 + "…"))


@pytest.mark.parametrize("axes", [[("one", "two")], [("one", "two")] * 4])
def test_a_map_has_two_or_three_axes(things: Space, axes: Any) -> None:
    with pytest.raises(InputError, match=f"2 or 3 dimensions, not {len(axes)}"):
        project(things, method="axes", axes=axes)
    with pytest.raises(InputError, match="UMAP finds its own axes"):
        project(things, axes=axes)


def test_default_axes_are_the_classes_that_are_farthest_apart() -> None:
    space = embedkit.load("images/pixels")
    axes = default_axes(space, 3)
    labels = np.asarray(space.meta["label"].astype(str))
    means = {name: space.unit[labels == name].mean(0) for name in set(labels.tolist())}
    apart = {frozenset((a, b)): np.linalg.norm(means[a] - means[b]) for a in means for b in means if a < b}
    assert frozenset(end.removeprefix("label: ") for end in axes[0]) == max(apart, key=apart.__getitem__)
    directions = [drawn(space, own).axis.direction for own in axes]  # type: ignore[union-attr]
    cosines = np.abs(np.array(directions) @ np.array(directions).T) - np.eye(3)
    assert cosines.max() < 0.6
    made = project(space, method="axes", dims=3)
    assert made.axes == axes
    assert np.ptp(made.coords, axis=0).min() > 0.3


@pytest.mark.parametrize(
    "items", [("a", "b", "c"), ("a, b", "a", "b"), ("x: 1", "x:1", "y , z"), tuple("," * n + "k" for n in (9, 12, 20))]
)
def test_default_axes_are_found_without_columns_whatever_the_names(items: tuple[str, ...]) -> None:
    space = Space("bare", "Bare", items, np.array([[1, 0, 0], [0, 1, 0], [0.9, 0.1, 0.9]], np.float32))
    made = project(space, method="axes", dims=2)
    assert np.ptp(made.coords, axis=0).min() > 0.5
    again = project(space, method="axes", axes=made.axes)
    assert again.coords.tobytes() == made.coords.tobytes()


def test_equal_vectors_have_no_axes() -> None:
    with pytest.raises(InputError, match="same point"):
        project(Space("same", "Same", ("a", "b"), np.ones((2, 3))), method="axes")


def test_new_points_are_placed_and_the_map_stays(things: Space) -> None:
    made = project(things, method="axes", axes=[*ENDS, "price"])
    before = made.coords.tobytes()
    placed = made.transform(things.vectors * 7)  # a length says nothing
    assert made.coords.tobytes() == before
    assert placed.dtype == np.float32
    np.testing.assert_allclose(placed[:, :2], made.coords[:, :2], atol=1e-5)
    assert placed[0, 2] == pytest.approx(made.coords[:, 2].mean())  # eight items, all of them among the nearest ten
    with pytest.raises(InputError, match="do not fit a space of 2"):
        place(things, made, np.ones((1, 3), np.float32))


def test_the_key_follows_what_the_names_stand_for(things: Space) -> None:
    settings = Settings("axes", axes=ENDS)
    other = Space("things", "Things", things.items, things.vectors, things.meta.assign(kind=list("bbcaaacc")))
    assert other.digest == things.digest
    assert map_key(things, settings) != map_key(other, settings)
    assert map_key(things, settings) == map_key(things, Settings("axes", 2, 9, axes=ENDS)), "a seed changes nothing"
    assert map_key(things, settings) != map_key(things, Settings("axes", axes=ENDS[::-1]))
    assert "coords_key" not in maps._recipe(things, Settings("pca"))


class NoPool:
    """Refuses jobs."""

    store: Any = None

    def submit(self, *_: Any, **__: Any) -> Job:
        raise AssertionError("own axes need no job")


def test_own_axes_need_no_job_and_are_measured_like_any_map(things: Space) -> None:
    space = embedkit.load("images/pixels")
    settings = Settings("axes", metric="euclidean", axes=(("digit: 3", "digit: 8"), ("digit: 1", "digit: 0")))
    made = request_map(space, settings, NoPool())  # type: ignore[arg-type]
    assert isinstance(made, MadeMap)
    assert made.quality.recall == measure(space, made.projection, metric="euclidean").recall
    assert made.projection.axes == settings.axes


def test_above_five_thousand_a_sample_says_how_far_to_believe(monkeypatch: pytest.MonkeyPatch) -> None:
    space = embedkit.load("images/pixels")
    settings = Settings("axes")
    whole = result_now(space.take(space.items), settings).quality
    monkeypatch.setattr(maps, "AT_ONCE", 1_000)
    some = result_now(space.take(space.items), settings).quality
    assert some.sampled == np.isfinite(some.point_recall).sum() == 400
    known = np.isfinite(some.point_recall)
    assert (some.point_recall[known] == whole.point_recall[known]).all()
    assert some.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.03)


def test_very_many_are_measured_by_a_job(
    things: Space, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    given: dict[str, Any] = {}

    class OnePool:
        store = Store(tmp_path_factory.mktemp("store"))

        def submit(self, task: str, params: dict[str, Any], title: str = "") -> Any:
            given.update(task=task, params=params, title=title)
            return "a job"

    monkeypatch.setattr(maps, "EXACT_LIMIT", 5)
    for home in (maps, handing):
        monkeypatch.setattr(home, "default_store", lambda: OnePool.store)
    settings = Settings("axes", axes=(*ENDS, "price"))
    assert request_map(things, settings, OnePool()) == "a job"  # type: ignore[arg-type,comparison-overlap]
    assert given["title"] == "Own axes of 8 items"
    arrays, meta = maps.make_map(lambda *_: None, **given["params"])
    direct = project(things, method="axes", axes=settings.axes)
    assert arrays["coords"].tobytes() == direct.coords.tobytes()
    assert meta["quality"]["recall"] == measure(things, direct).recall

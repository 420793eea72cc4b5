"""Own axes on the explorer's page: at once, in the link, errors beside their fields, sums, lines of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pages_help import explorer, figure, opened_box, text, words, workers
from streamlit.testing.v1 import AppTest

import embedkit
from embedkit.explore import keep_space
from embedkit.jobs import Pool
from embedkit.own_axes import default_axes
from embedkit.projection import project
from embedkit.space import Space

OWN = {"ex_method": "Own axes"}


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(scope="module")
def wares(pool: Pool) -> str:
    """The name of 60 kept vectors with a class and a price, which one lacks."""
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"kind": [f"k{i % 5}" for i in range(60)], "price": [np.nan, *(np.arange(59) * 1.5)]})
    vectors = rng.normal(size=(60, 5))
    return keep_space(Space("own", "Wares", tuple(f"item {i}" for i in range(60)), vectors, meta), pool.store)


def places(at: AppTest) -> np.ndarray[Any, Any]:
    """Coordinates of all points of the map, by row."""
    spec = figure(at, "ex_event")
    found: dict[int, Any] = {}
    for trace in spec["data"]:
        if trace.get("customdata") is not None and trace["mode"] == "markers":
            axes = [trace[axis] for axis in "xyz" if trace.get(axis) is not None]
            found |= dict(zip((int(np.ravel(row)[0]) for row in trace["customdata"]), np.stack(axes, 1), strict=True))
    return np.array([found[row] for row in range(len(found))])


def titles(at: AppTest) -> list[str]:
    layout = figure(at, "ex_event")["layout"]
    return [re.sub(r"\s+", " ", layout[axis]["title"]["text"]) for axis in ("xaxis", "yaxis")]


def test_it_draws_something_at_once_and_says_what() -> None:
    at = explorer(**OWN)
    assert not at.exception
    assert not at.error
    assert not at.progress
    axes = default_axes(embedkit.load("images/pixels"), 2)
    assert titles(at) == [f"← {low} {high} →" for low, high in axes]
    assert [at.text_input(key=f"ex_x_{side}").placeholder for side in ("from", "to")] == list(axes[0])
    assert re.search(r"kNN recall 0\.\d+", text(at))


def test_the_words_that_are_typed_are_the_axes() -> None:
    ends = {"ex_x_from": "man", "ex_x_to": "woman", "ex_y_from": "poor", "ex_y_to": "rich, wealthy"}
    at = explorer(ex_src="Words, from MiniLM", ex_pick="queen", **OWN, **ends)
    assert not at.exception
    assert not at.progress
    assert titles(at) == ["← man woman →", "← poor rich, wealthy →"]
    unit = embedkit.load("words/minilm").unit.astype(np.float64)
    row = embedkit.load("words/minilm").row
    low, high = unit[row("man")], unit[row("woman")]
    way = (high - low) / np.linalg.norm(high - low)
    np.testing.assert_allclose(places(at)[:, 0], (unit - (low + high) / 2) @ way, atol=1e-5)
    assert "ranks of a sample of 400" in text(at)
    kept = {each.label: each.value for each in at.metric}["Of its true neighbors the map keeps near"]
    assert re.fullmatch(r"\d+%", kept)  # also of a pick that is not in the sample


def test_the_sum_in_the_arithmetic_is_the_place_on_the_map() -> None:
    at = opened_box(explorer(ex_pick="7 (7)", ex_x_from="digit: 3", ex_x_to="digit: 8", **OWN), "ex_sums")
    place = places(at)[embedkit.load("images/pixels").row("7 (7)")]
    for letter, value in zip("xy", place, strict=True):
        (sum_,) = [each.value for each in at.latex if f"{letter} = \\hat v" in each.value]
        along, middle, found = map(float, re.findall(r"-?\d+\.\d+", sum_))
        assert found == pytest.approx(value, abs=6e-4)
        assert along - middle == pytest.approx(found, abs=2e-3)


def test_a_search_says_how_many_it_matched(wares: str) -> None:
    at = explorer(ex_src="Own files", ex_open=wares, ex_x_from="kind: k1", ex_x_to="k2", **OWN)
    assert not at.error
    assert "“kind: k1” is a class of 12" in text(at)
    assert "“k2” matched 12" in text(at)


def test_a_column_of_numbers_is_an_axis(wares: str) -> None:
    at = explorer(ex_src="Own files", ex_open=wares, ex_y="price", **OWN)
    assert not at.exception
    assert titles(at)[1] == "← price 0 87 →"
    np.testing.assert_allclose(places(at)[:, 1], [0, *(np.arange(59) / 58 - 0.5)], atol=1e-6)
    assert "Without price: 1, in the middle" in text(at)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"ex_x_from": "digit: 11"}, "No item has 'digit: 11'"),
        ({"ex_x_from": "xyzzy"}, "'xyzzy' is not among 1,797 items"),
        ({"ex_x_from": "digit: 3", "ex_x_to": "label: 3"}, "are the same point"),
    ],
)
def test_what_does_not_fit_is_said_and_the_map_stays(typed: dict[str, str], said: str) -> None:
    at = explorer(**OWN, **typed)
    assert not at.exception
    (error,) = [each.value for each in at.error]
    assert said in error
    low, high = default_axes(embedkit.load("images/pixels"), 2)[0]
    assert f"Until then the axis runs from {low} to {high}." in error
    assert titles(at)[0] == f"← {low} {high} →"


def test_an_item_outside_the_sample_is_told_apart_from_an_unknown_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.explorer_open.LIMIT", 20_000)
    whole = embedkit.load("words/minilm")
    at = explorer(ex_src="Words, from MiniLM", ex_size=200, **OWN)
    missing = next(
        item
        for item in whole.items
        if not any(item in shown for shown in at.session_state["ex_names"]) and "," not in item
    )
    at.text_input(key="ex_x_from").set_value(missing)
    (button,) = [each for each in at.button if each.label == "Draw the map"]
    button.click().run()
    assert f"'{missing}' is not in the sample on this map." in " ".join(each.value for each in at.error)


def test_vectors_that_are_all_equal_are_one_sentence(pool: Pool) -> None:
    key = keep_space(Space("same", "Same", ("a", "b", "c"), np.ones((3, 2))), pool.store)
    at = explorer(ex_src="Own files", ex_open=key, **OWN)
    assert not at.exception
    assert "same point" in " ".join(each.value for each in at.error)


def test_noise_is_drawn_on_the_same_axes(wares: str) -> None:
    at = explorer(ex="Noise and settings", ex_src="Own files", ex_open=wares, ex_x_from="kind: k1", ex_y="price", **OWN)
    assert not at.exception
    assert not at.error
    assert len(re.findall(r"kNN recall \d\.\d+", text(at))) >= 2
    assert "Own axes has no settings" in text(at)


@pytest.mark.parametrize("over", ["n_neighbors", "MN_ratio", "FP_ratio"])
def test_pacmap_is_drawn_over_each_of_its_settings(wares: str, over: str) -> None:
    at = explorer(ex="Noise and settings", ex_src="Own files", ex_open=wares, ex_method="PaCMAP", ex_over=over)
    assert not at.exception
    assert not at.error
    assert at.selectbox(key="ex_over").value == over
    shown = [each.value for each in at.markdown if each.value.startswith(f"**{over} ")]
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("query", "dims"),
    [
        ({"ex_x_from": "digit: 3", "ex_x_to": "digit: 8, 7 (7)"}, 2),
        ({"ex_dims": 3, "ex_z": "digit"}, 3),
    ],
)
def test_python_lines_place_the_points_where_they_are(
    query: dict[str, Any], dims: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = opened_box(explorer(ex_color="nothing", **OWN, **query), "ex_code")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(compile(at.code[0].value, "lines", "exec"), scope)
    made = scope["projection"]
    assert made.coords.shape == (1_797, dims)
    np.testing.assert_allclose(made.coords, places(at), atol=1e-6)


def test_pacmap_is_a_projection_of_every_page_with_maps_and_own_axes_only_here() -> None:
    here = explorer().button_group(key="ex_method").options
    there = words().button_group(key="method").options
    assert {"PCA", "t-SNE", "UMAP", "PaCMAP"} <= set(here) & set(there)
    assert set(here) - set(there) == {"Own axes"}


def test_what_is_typed_on_the_page_moves_the_map() -> None:
    at = explorer(**OWN)
    at.text_input(key="ex_y_from").set_value("even: True")
    at.text_input(key="ex_y_to").set_value("even: False")
    (button,) = [each for each in at.button if each.label == "Draw the map"]
    button.click().run()
    made = project(
        embedkit.load("images/pixels"),
        method="axes",
        axes=[default_axes(embedkit.load("images/pixels"), 2)[0], ("even: True", "even: False")],
    )
    np.testing.assert_allclose(places(at), made.coords, atol=1e-6)

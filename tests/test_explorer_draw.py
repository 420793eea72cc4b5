"""The explorer's map as points, names and pictures: what the component is given, the lasso, the image to take away."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from pages_help import explorer, text, workers
from PIL import Image
from streamlit.testing.v1 import AppTest

import embedkit
from embedkit.explore import keep_space
from embedkit.figures.style import COLORS
from embedkit.jobs import Pool
from embedkit.space import Space
from ui.explorer_draw import _codes

CALM = {"ex_method": "PCA"}


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("home")) as made:
        yield made


def given(at: AppTest) -> dict[str, Any]:
    """What the page gives to the component."""
    assert not at.exception, at.exception
    shown = [json.loads(each.proto.json) for each in at.get("bidi_component")]
    return next(data for data in shown if "coords" in data)


def maps_by_plotly(at: AppTest) -> int:
    return sum("Map of" in each.proto.alt for each in at.get("plotly_chart"))


def test_points_are_plotlys_and_pictures_and_names_our_own() -> None:
    assert maps_by_plotly(explorer(**CALM)) == 1
    for draw in ("names", "pictures"):
        at = explorer(ex_draw=draw, **CALM)
        data = given(at)
        assert maps_by_plotly(at) == 0
        assert data["n"] == 1_797
        assert data["manyNames"] == (draw == "names")
        assert ("sheet" in data) == (draw == "pictures")
        assert f"{draw} as points" in data["alt"]


def test_words_have_no_pictures_to_draw(pool: Pool) -> None:
    words = Space("own", "Own", tuple("abcdefgh"), np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32))
    at = explorer(ex_src="Own files", ex_open=keep_space(words, pool.store), ex_draw="pictures", **CALM)
    assert not at.exception
    group = next(each for each in at.button_group if each.key == "ex_draw")
    assert [option.content for option in group.proto.options] == ["points", "names"]
    assert maps_by_plotly(at) == 1


def test_in_three_dimensions_it_says_that_points_are_drawn() -> None:
    at = explorer(ex_draw="names", ex_dims=3, **CALM)
    assert maps_by_plotly(at) == 1
    assert "three dimensions is drawn as points; names need two" in text(at)


def test_the_marks_of_a_pick_are_the_same_as_in_the_original_space() -> None:
    at = explorer(ex_draw="names", ex_pick="7 (7)", ex_k=6, **CALM)
    space = embedkit.load("images/pixels")
    scores = space.unit @ space.unit[7]
    true = set(np.argsort(-scores, kind="stable")[1:7].tolist())
    marks = {kind["draw"]: kind["rows"] for kind in given(at)["marks"]["kinds"]}
    assert marks["pick"] == [7]
    assert set(marks["line"]) | set(marks["dots"]) == true
    assert len(marks["ring"]) == len(marks["dots"])
    assert not set(marks["ring"]) & true
    assert "picked: 7 (7)" in [kind["text"] for kind in given(at)["marks"]["kinds"]]


def test_what_was_lassoed_stays_selected_whatever_is_drawn() -> None:
    at = explorer(ex_draw="pictures", **CALM)
    items = embedkit.load("images/pixels").items
    at.session_state["ex_rows"] = items[5:25]
    at.run()
    assert given(at)["count"] == 20
    assert "20 of 1,797 points are selected" in text(at)
    next(each for each in at.button_group if each.key == "ex_draw").set_value(["names"]).run()
    assert given(at)["count"] == 20


def test_a_search_turns_the_others_gray_and_color_says_what_it_means() -> None:
    data = given(explorer(ex_draw="pictures", ex_search="7 (7", ex_color="neighbors kept", **CALM))
    wanted = sum("7" in item and "(7" in item for item in embedkit.load("images/pixels").items)
    assert data["n"] - data["gray"] == wanted < 200
    assert all("neighbors kept" in name for name in data["names"])
    digits = given(explorer(ex_draw="pictures", ex_color="digit", **CALM))
    assert sorted(digits["names"]) == list("0123456789")
    assert len(set(digits["colors"])) == 10  # more than the palette has


def test_of_very_many_pictures_some_are_on_the_map_and_it_says_so(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.explorer_draw.MOST", 40)
    rng = np.random.default_rng(0)
    space = Space("own", "Own", tuple(f"item {i}" for i in range(90)), rng.normal(size=(90, 5)).astype(np.float32))
    key = keep_space(space, pool.store, pictures=rng.integers(0, 255, (90, 6, 5, 3), np.uint8))
    at = explorer(ex_src="Own files", ex_open=key, ex_draw="pictures", ex_pick="item 3", **CALM)
    assert "40 of 90 pictures are on the map" in text(at)


def test_of_more_points_than_plotly_moves_an_image_can_be_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ui.explorer_open.LIMIT", "ui.explorer_draw.LIMIT"):
        monkeypatch.setattr(name, 1_000)
    taken: list[Any] = []
    monkeypatch.setattr("ui.explorer_map.take_away", lambda *given: taken.append(given[-2:]))
    at = explorer(ex_points="all points", ex_color="digit", ex_search="0", **CALM)
    assert not at.exception
    figure, image = taken[-1]
    assert figure is None
    picture = Image.open(io.BytesIO(image()))  # where no page runs, as when it is downloaded
    assert max(picture.size) == 1_600
    pixels = np.asarray(picture.convert("RGB")).reshape(-1, 3).astype(float)
    assert (pixels == 255).all(1).mean() > 0.5  # on white
    for color in (COLORS[0], COLORS[4]):  # of digits that match, more or less of it over white
        away = 255 - np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        share = (255 - pixels) @ away / (away @ away)
        assert ((np.abs(255 - share[:, None] * away - pixels).max(1) < 3) & (share > 0.2)).sum() > 50, color


def test_the_figure_of_a_map_by_our_component_is_plotlys(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Any] = []
    monkeypatch.setattr("ui.explorer_map.take_away", lambda *given: taken.append(given[-2:]))
    at = explorer(ex_draw="pictures", ex_pick="7 (7)", **CALM)
    assert not at.exception
    names = [trace.name for trace in taken[-1][0]().data]
    assert "picked: 7 (7)" in names
    assert "true neighbor that the map lost" in names


def test_groups_beyond_the_palette_have_colors_of_their_own() -> None:
    codes, groups, colors = _codes({"groups": [f"g{i}" for i in range(12)] * 2})
    assert codes is not None
    assert codes.tolist() == [*range(12)] * 2
    assert groups[11] == "g11"
    assert colors is not None
    assert colors[:8] == [color.lower() for color in COLORS]
    assert len(set(colors)) == 12

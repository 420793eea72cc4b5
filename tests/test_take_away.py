"""What is taken away from the explorer opens elsewhere: tables, vectors, and the map as SVG, PNG and HTML."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st
from pages_help import explorer, workers
from PIL import Image
from test_browser import BINARY, FLAGS, sync_playwright

import embedkit
from embedkit.errors import InputError
from embedkit.explore import keep_space
from embedkit.export import neighbors_table, safe_csv, selected_table, worksheet
from embedkit.figures import MapMarks, axes_map, point_map
from embedkit.figures.png import figure_png
from embedkit.figures.style import COLORS, GRAY, INVENTED, LOST, PICK, SHADES, mark_of
from embedkit.figures.svg import figure_svg
from embedkit.files import open_files
from embedkit.maps import Settings, result_now
from embedkit.space import Space
from ui import explorer_take

RNG = np.random.default_rng(0)
NASTY = "<script>alert('&\"')</script>\x00\x1b\ud800 ]]> =cmd"
Taken = dict[str, tuple[str, Callable[[], bytes | str]]]


def svg(figure: go.Figure, **said: str) -> Any:
    return ElementTree.fromstring(figure_svg(figure, **said))


def drawn(root: Any, name: str) -> list[Any]:
    """The marks of the group with this name, over all groups that have it, without those of the legend."""
    groups = [group for group in root.findall(".//{*}g") if group.get("data-name") == name]
    return [mark for group in groups[:1] for mark in group if mark.tag.endswith(("circle", "path"))]


def texts(root: Any) -> list[str]:
    return ["".join(each.itertext()).replace("\u00a0", " ") for each in root.findall(".//{*}text")]


def at(mark: Any) -> tuple[float, float]:
    if mark.get("d") is None:
        return float(mark.get("cx")), float(mark.get("cy"))
    x, y = re.match(r"M([\d.-]+) ([\d.-]+)", mark.get("d")).groups()  # type: ignore[union-attr]
    return float(x), float(y)


def three(n: int = 30) -> go.Figure:
    coords = RNG.normal(size=(n, 2)).astype(np.float32)
    names = [f"item {row}" for row in range(n)]
    return point_map(coords, names, groups=[f"kind {row % 3}" for row in range(n)])


# --- SVG and PNG -----------------------------------------------------------------------------------------------------


def test_each_point_is_a_mark_in_the_color_of_its_group_and_the_legend_names_them() -> None:
    figure = three()
    root = svg(figure, title="T", about="A")
    for number in range(3):
        group = next(each for each in root.findall(".//{*}g") if each.get("data-name") == f"kind {number}")
        assert len(drawn(root, f"kind {number}")) == 10
        assert group.get("fill") == mark_of(number)[0].lower()
        assert float(group.get("fill-opacity")) == pytest.approx(0.85, abs=0.01)
    assert {"kind 0", "kind 1", "kind 2"} <= set(texts(root))
    assert {each.tag.rpartition("}")[2] for each in drawn(root, "kind 0")} == {"circle"}
    assert {each.tag.rpartition("}")[2] for each in drawn(root, "kind 1")} == {"path"}
    titles = [each.text for mark in drawn(root, "kind 0") for each in mark]
    assert titles == [f"item {row}" for row in range(0, 30, 3)]
    assert root.find("{*}title").text == "T"
    assert root.find("{*}desc").text == "A"
    assert "A" in texts(root)


def test_marks_stand_as_the_coordinates_do_and_inside_the_picture() -> None:
    figure = point_map(np.array([[0, 0], [4, 0], [0, 2]], np.float32), ["a", "b", "c"])
    root = svg(figure)
    width, height = map(float, root.get("viewBox").split()[2:])
    (ax, ay), (bx, by), (cx, cy) = (at(mark) for mark in drawn(root, "words"))
    assert ay == by
    assert ax == cx
    assert bx - ax == pytest.approx(2 * (ay - cy), abs=0.5)  # one scale for both axes, and up is up
    assert bx - ax > 300
    assert 0 < ax < bx < width
    assert 0 < cy < ay < height


def test_gray_shade_lines_and_rings_are_those_of_the_map() -> None:
    coords = RNG.normal(size=(20, 2)).astype(np.float32)
    shade = np.linspace(0, 1, 20, dtype=np.float32)
    marks = MapMarks(3, near=(4, 5), lost=(5,), invented=(6, 7))
    names = [f"i{row}" for row in range(20)]
    gray = [row >= 15 for row in range(20)]
    root = svg(point_map(coords, names, shade=shade, shade_title="kept", gray=gray, marks=marks))
    group = next(each for each in root.findall(".//{*}g") if each.get("data-name") == "not selected")
    assert (group.get("fill"), len(drawn(root, "not selected"))) == (GRAY.lower(), 5)
    fills = [mark.get("fill") for mark in drawn(root, "words")]
    assert len(fills) == 15
    assert fills[0] == SHADES[0][1]
    assert len(set(fills)) == 15
    assert "kept" in texts(root)
    assert {stop.get("stop-color") for stop in root.findall(".//{*}stop")} == {color for _, color in SHADES}
    lost = next(each for each in root.findall(".//{*}g") if each.get("data-name") == "true neighbor that the map lost")
    assert (lost[0].get("stroke"), bool(lost[0].get("stroke-dasharray"))) == (LOST.lower(), True)
    rings = next(e for e in root.findall(".//{*}g") if str(e.get("data-name")).startswith("near on the map only"))
    assert (rings.get("fill"), rings.get("stroke"), len(rings)) == ("none", INVENTED.lower(), 2)
    picked = next(e for e in root.findall(".//{*}g") if e.get("data-name") == "picked: i3")
    assert picked.get("stroke") == PICK.lower()
    assert "i3" in texts(root)


def test_three_dimensions_lie_over_each_other_as_they_are_seen() -> None:
    coords = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    root = svg(point_map(coords, [str(row) for row in range(8)], labels=0))
    marks = drawn(root, "points")
    assert len(marks) == 8
    titles = [mark[0].text for mark in marks]
    # plotly looks from (1.25, 1.25, 1.25): the origin is farthest and laid first, (1, 1, 1) is nearest and on top
    assert (titles[0], titles[-1]) == ("0", "7")
    places = {mark[0].text: at(mark) for mark in marks}
    assert places["1"][1] < places["0"][1]  # z is up
    assert places["4"][0] < places["2"][0]  # x to the left, y to the right


def test_axes_have_their_titles_and_numbers() -> None:
    x = np.linspace(-1, 1, 9, dtype=np.float32)
    figure = axes_map(
        x, x**2, list("abcdefghi"), x_ends=("man", "woman"), y_ends=("<old>", "new & bright"), residual=x, picked=[2]
    )
    said = texts(svg(figure))
    assert any("man" in each and "woman" in each for each in said)
    assert any("<old>" in each and "new & bright" in each for each in said)
    assert {"−1", "0", "1"} <= set(said)


def test_names_cannot_break_out() -> None:
    names = [NASTY, "b", "c"]
    figure = point_map(np.eye(3, 2, dtype=np.float32), names, groups=names)
    written = figure_svg(figure, title=NASTY, about=NASTY)
    root = ElementTree.fromstring(written)
    assert b"<script" not in written
    assert not list(root.findall(".//{*}script"))
    assert "�" in root.find("{*}title").text
    assert root.find("{*}title").text.startswith("<script>alert('&\"')</script>")
    assert Image.open(io.BytesIO(figure_png(figure, title=NASTY, about=NASTY))).size[0] == 2_000


def test_nothing_in_it_is_fetched_from_elsewhere() -> None:
    written = figure_svg(three(), title="T", about="A").decode()
    assert set(re.findall(r"https?://[^\"' ]+", written)) == {"http://www.w3.org/2000/svg"}
    assert "@import" not in written


def test_what_is_no_map_is_refused_by_name() -> None:
    for figure, named in ((go.Figure(go.Bar(y=[1])), "bar"), (go.Figure(go.Heatmap(z=[[1]])), "heatmap")):
        for write in (figure_svg, figure_png):
            with pytest.raises(InputError, match=named):
                write(figure)
    with pytest.raises(InputError, match="log"):
        figure_svg(go.Figure(go.Scatter(x=[1], y=[1])).update_xaxes(type="log"))
    both = go.Figure([go.Scatter(x=[1], y=[1]), go.Scatter3d(x=[1], y=[1], z=[1])])
    with pytest.raises(InputError, match="at once"):
        figure_svg(both)


def test_fifty_thousand_points_are_all_there_and_compact() -> None:
    coords = RNG.normal(size=(50_000, 2)).astype(np.float32)
    figure = point_map(coords, [f"p{row}" for row in range(50_000)], groups=[f"g{row % 11}" for row in range(50_000)])
    written = figure_svg(figure)
    assert len(written) < 80 * 50_000
    root = ElementTree.fromstring(written)
    assert sum(len(drawn(root, f"g{number}")) for number in range(11)) == 50_000


def test_an_empty_map_and_a_single_point_are_written() -> None:
    for n in (0, 1):
        figure = point_map(np.zeros((n, 2), np.float32), ["a"][:n])
        assert len(drawn(svg(figure), "words")) == n
        assert figure_png(figure)


def test_the_png_has_the_colors_where_the_svg_has_its_marks() -> None:
    coords = np.array([[0, 0], [4, 0], [0, 2], [4, 2]], np.float32)
    figure = point_map(coords, list("abcd"), groups=["x", "y", "x", "y"], labels=0)
    root = svg(figure, title="T")
    image = Image.open(io.BytesIO(figure_png(figure, title="T")))
    width, height = map(int, root.get("viewBox").split()[2:])
    assert image.size == (2 * width, 2 * height)
    assert image.text["Title"] == "T"
    assert image.getpixel((4, 4)) == (255, 255, 255)
    for number, name in enumerate("xy"):
        for x, y in map(at, drawn(root, name)):
            inside = (2 * round(x), 2 * round(y)) if number == 0 else (2 * round(x) + 4, 2 * round(y) + 4)
            assert np.abs(np.array(image.getpixel(inside)) - mixed(COLORS[number], 0.85)).max() <= 3


def mixed(color: str, opacity: float) -> np.ndarray:
    """A color laid over white."""
    paint = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
    return opacity * paint + (1 - opacity) * 255


# --- tables and vectors ----------------------------------------------------------------------------------------------


def own() -> Space:
    names = ("=1+1", "+a", "-b", "@c", "\td", "plain", *(f"item {row}" for row in range(54)))
    meta = pd.DataFrame({"kind": [f"k{row % 4}" for row in range(60)], "@price": np.arange(60) * 1.5})
    return Space("own", "Own", names, RNG.normal(size=(60, 5)).astype(np.float32), meta)


def test_selected_rows_carry_columns_and_places_also_where_the_map_is_a_sample() -> None:
    space = own()
    shown = space.take(space.items[:40])
    made = result_now(shown, Settings("pca"))
    chosen = ["item 50", "=1+1", "plain"]
    table = pd.read_csv(io.BytesIO(safe_csv(selected_table(space, chosen, made))))
    assert list(table["item"]) == ["item 50", "'=1+1", "plain"]
    assert list(table["kind"]) == [space.meta["kind"][space.row(item)] for item in chosen]
    assert list(table.columns) == ["item", "kind", "'@price", "map_x", "map_y", "map_neighbors_kept"]
    assert np.isnan(table["map_x"][0])
    rows = [0, 5]
    assert table["map_x"].to_numpy()[1:] == pytest.approx(made.projection.coords[rows, 0], abs=1e-5)
    assert table["map_neighbors_kept"].to_numpy()[1:] == pytest.approx(made.quality.point_recall[rows], abs=1e-6)


def test_neighbors_of_each_are_those_by_hand() -> None:
    space = own()
    table = pd.read_csv(io.BytesIO(safe_csv(neighbors_table(space, ["plain", "item 3"], 4, "euclidean"))))
    for item in ("plain", "item 3"):
        away = np.linalg.norm(space.vectors - space.vector(item), axis=1)
        order = np.argsort(away, kind="stable")[1:5]
        part = table[table["of"] == item]
        assert list(part["rank"]) == [1, 2, 3, 4]
        assert [name.removeprefix("'") for name in part["item"]] == [space.items[row] for row in order]
        assert part["euclidean"].to_numpy() == pytest.approx(away[order], abs=1e-5)
        assert list(part["kind"]) == [space.meta["kind"][row] for row in order]


def test_the_worksheet_has_tasks_with_room_and_answers_apart() -> None:
    made = result_now(own(), Settings("pca"))
    written = worksheet("A map of vectors", explorer_take._tasks(made))
    tasks, answers = written.split("\n---\n")
    asked, answered = re.findall(r"^\d+\. .+", tasks, re.M), re.findall(r"^\d+\. .+", answers, re.M)
    assert len(asked) == len(answered) == 4
    assert tasks.count("_" * 70) == 4
    assert f"{made.quality.recall:.0%}" in answers
    assert f"{made.quality.recall:.0%}" not in tasks


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Space, Taken]]:
    """What the page offers for files of a person's own with a pick and a selection, by label: file name and maker."""
    found: Taken = {}

    def note(label: str, data: Any, file_name: str, *_: Any, **__: Any) -> bool:
        found[label] = (file_name, data)
        return False

    space = own()
    with workers(tmp_path_factory.mktemp("home")) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "download_button", note)
        key = keep_space(space, pool.store)
        at = explorer(ex_src="Own files", ex_open=key, ex_pick="plain", ex_k=4, ex_method="PCA", ex_color="kind")
        at.session_state["ex_rows"] = ("=1+1", "item 7", "of another space")
        at.run()
        assert not at.exception
        yield space, found


def test_everything_that_is_promised_is_offered(taken: tuple[Space, Taken]) -> None:
    assert set(taken[1]) >= {
        "Selected rows (CSV)",
        "Selected rows (Parquet)",
        "Neighbors of the selected (CSV)",
        "Neighbors (CSV)",
        "Coordinates (CSV)",
        "Figure (SVG)",
        "Figure (PNG)",
        "Figure (HTML, works offline)",
        "All vectors (Parquet)",
        "Worksheet (Markdown)",
        "Save",
    }


def test_what_the_page_offers_opens(taken: tuple[Space, Taken], tmp_path: Path) -> None:
    space, found = taken
    made = {label: make() for label, (_, make) in found.items()}
    read = {label: pd.read_csv(io.BytesIO(data)) for label, data in made.items() if label.endswith("(CSV)")}  # type: ignore[arg-type]
    assert list(read["Selected rows (CSV)"]["item"]) == ["'=1+1", "item 7"]
    assert len(read["Coordinates (CSV)"]) == 60
    assert set(read["Neighbors of the selected (CSV)"]["of"]) == {"'=1+1", "item 7"}
    assert set(read["Neighbors (CSV)"]["of"]) == {"plain"}
    for label, items in (("Selected rows (Parquet)", ["=1+1", "item 7"]), ("All vectors (Parquet)", space.items)):
        again = Space.from_parquet(io.BytesIO(made[label]))  # type: ignore[arg-type]
        assert list(again.items) == list(items)
        assert (again.vectors == space.take(items).vectors).all()
        assert list(again.meta.columns) == list(space.meta.columns)
    root = ElementTree.fromstring(made["Figure (SVG)"])
    assert [len(drawn(root, f"k{number}")) for number in range(4)] == [15] * 4
    assert "60 vectors of 5 numbers" in root.find("{*}desc").text
    assert re.search(r"a point keeps \d+% near", root.find("{*}desc").text)
    assert Image.open(io.BytesIO(made["Figure (PNG)"])).format == "PNG"  # type: ignore[arg-type]


def test_the_projectors_pair_opens_with_its_names(taken: tuple[Space, Taken], tmp_path: Path) -> None:
    space, _ = taken
    with zipfile.ZipFile(io.BytesIO(explorer_take._saved(space, "projector-tsv"))) as packed:
        packed.extractall(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.suffix == ".tsv" for file in files)
    again = open_files(files).space
    np.testing.assert_allclose(again.vectors, space.vectors, rtol=1e-6)
    assert list(again.items)[5:] == list(space.items)[5:]
    assert list(again.meta["kind"]) == list(space.meta["kind"])


def test_a_figure_may_be_made_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()
    found: Taken = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, name, *_, **__: found.update({label: (name, data)}))
    space = embedkit.load("images/pixels")
    space = space.take(space.items[:50])
    made = result_now(space, Settings("pca"))

    def make() -> go.Figure:
        calls["made"] += 1
        return point_map(made.projection.coords, space.items)

    opened = explorer_take.Opened(space, space, "images/pixels", (), None)
    explorer_take._map(opened, made, Settings("pca"), make, None)
    assert not calls
    assert found["Figure (SVG)"][1]()
    assert found["Figure (PNG)"][1]()
    assert calls == {"made": 1}
    found.clear()
    explorer_take._map(opened, made, Settings("pca"), None, lambda: b"png")
    assert found["Figure (PNG)"][1]() == b"png"
    assert "Figure (SVG)" not in found


# --- in a browser ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def offline() -> Iterator[Any]:
    lacking = "the package playwright" if sync_playwright is None else "" if BINARY else "Chromium (CHROMIUM names one)"
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The tests in a browser need {lacking}.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BINARY, args=FLAGS)
        context = browser.new_context(viewport={"width": 1100, "height": 800}, offline=True)
        yield context
        browser.close()


@pytest.mark.browser
def test_a_browser_draws_the_svg_in_its_colors(offline: Any, tmp_path: Path) -> None:
    coords = np.array([[0, 0], [4, 0], [0, 2], [4, 2]], np.float32)
    figure = point_map(coords, ["a", "b", "c", NASTY], groups=["x", "y", "x", "y"], labels=0)
    (tmp_path / "map.svg").write_bytes(figure_svg(figure))
    page = offline.new_page()
    page.goto((tmp_path / "map.svg").as_uri())
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    for number, name in enumerate("xy"):
        for x, y in map(at, drawn(svg(figure), name)):
            place = (round(x), round(y)) if number == 0 else (round(x) + 2, round(y) + 2)
            assert np.abs(np.array(image.getpixel(place)) - mixed(COLORS[number], 0.85)).max() <= 3
    assert image.getpixel((3, 3)) == (255, 255, 255)
    page.close()


@pytest.mark.browser
def test_the_html_shows_the_map_without_a_network(offline: Any, tmp_path: Path) -> None:
    figure = point_map(np.eye(3, 2, dtype=np.float32), [NASTY.replace("\ud800", ""), "b", "c"], labels=0)
    written = explorer_take._page(figure, "T </title><script>alert(1)</script>", "A & B")
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=", written)
    (tmp_path / "map.html").write_text(written, encoding="utf-8")
    page = offline.new_page()
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    page.goto((tmp_path / "map.html").as_uri())
    page.wait_for_selector(".main-svg .scatterlayer .point")
    assert page.locator(".main-svg .scatterlayer .point").count() == 3
    assert page.title() == "T </title><script>alert(1)</script>"
    assert "A & B" in page.inner_text("body")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    page.close()

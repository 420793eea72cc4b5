"""Geometry, labels and image of large maps, what the component hands over, and that its bundle is of its source."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from embedkit.figures import lasso
from embedkit.figures.density import density_image
from embedkit.figures.lasso import nearest_row, rows_inside
from embedkit.figures.thinning import group_rows, spread_rows
from embedkit.figures.thumbnails import thumbnail_rows, thumbnails
from ui import points as component

UI = Path(__file__).resolve().parents[1] / "ui"
SOURCE = UI / "points_src"


def by_hand(coords: np.ndarray, polygon: Any) -> list[int]:
    """Even-odd, one point and one edge after the other."""
    answer = []
    corners = [(float(x), float(y)) for x, y in polygon]
    for row, (x, y) in enumerate(coords.astype(float)):
        odd = False
        for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
                odd = not odd
        if odd:
            answer.append(row)
    return answer


def test_a_square_by_hand() -> None:
    coords = np.array([[0.5, 0.5], [1.5, 0.5], [-1, 0.5], [0.1, 0.9], [0.5, 2]], np.float32)
    assert rows_inside(coords, [(0, 0), (1, 0), (1, 1), (0, 1)]).tolist() == [0, 3]


def test_a_notch_is_outside_and_a_crossed_middle_too() -> None:
    notched = [(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)]
    assert rows_inside(np.array([[2, 3], [2, 0.5], [0.5, 2]], np.float32), notched).tolist() == [1, 2]
    star = [(np.sin(4 * np.pi * i / 5), np.cos(4 * np.pi * i / 5)) for i in range(5)]
    assert rows_inside(np.array([[0, 0], [0, 0.8]], np.float32), star).tolist() == [1]


@pytest.mark.parametrize(
    "polygon", [[], [(0, 0)], [(0, 0), (1, 1)], [(0, 0), (1, 1), (2, 2)], [(0, 0), (1, np.nan), (1, 0)]]
)
def test_an_outline_without_an_inside_holds_nothing(polygon: Any) -> None:
    assert not len(rows_inside(np.zeros((3, 2), np.float32), polygon))
    assert not len(rows_inside(np.zeros((0, 2), np.float32), [(0, 0), (1, 0), (1, 1)]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(3, 60), st.sampled_from(["any", "round", "steps"]))
def test_the_grid_agrees_with_every_edge_by_hand(seed: int, many: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    coords = rng.normal(size=(400, 2)).astype(np.float32)
    polygon = rng.normal(size=(many, 2)) * rng.uniform(0.01, 2, 2)
    if kind == "round":
        turn = np.sort(rng.random(many)) * 2 * np.pi
        polygon = rng.uniform(0.5, 1.5, (many, 1)) * np.c_[np.cos(turn), np.sin(turn)]
    if kind == "steps":  # corners, edges and points on each other
        polygon, coords = np.round(polygon * 4) / 4, np.round(coords * 4) / 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lasso, "FEW", 0)
        patch.setattr(lasso, "CELLS", int(rng.integers(1, 40)))
        assert rows_inside(coords, polygon).tolist() == by_hand(coords, polygon)


def test_the_nearest_row_within_reach() -> None:
    coords = np.array([[0, 0], [3, 4]], np.float32)
    assert nearest_row(coords, (2.9, 4), 0.2) == 1
    assert nearest_row(coords, (1, 1), 1.0) is None
    assert nearest_row(coords[:0], (1, 1), 1.0) is None


def test_labels_come_from_everywhere_first_and_the_important_before_the_others() -> None:
    coords = np.random.default_rng(1).random((5_000, 2)).astype(np.float32)
    rows = spread_rows(coords, most=300)
    assert len(rows) == len(set(rows.tolist())) == 300
    quarters = {tuple(place) for place in (coords[rows[:16]] * 4).astype(int).tolist()}
    assert len(quarters) == 16  # one of each of sixteen fields
    assert rows[0] == 0  # the first of the list is the most important
    weight = np.arange(5_000)
    assert spread_rows(coords, weight=weight, most=1).tolist() == [4_999]
    gray = np.arange(5_000) % 2 == 0
    assert (spread_rows(coords, gray=gray) % 2 == 1).all()


def test_labels_of_hardly_any_points() -> None:
    assert spread_rows(np.zeros((0, 2), np.float32)).tolist() == []
    assert spread_rows(np.ones((3, 2), np.float32)).tolist() == [0]  # all at one place: one label
    assert spread_rows(np.ones((1, 2), np.float32), gray=[True]).tolist() == []


def test_a_finer_grid_spreads_more_rows() -> None:
    coords = np.random.default_rng(1).random((5_000, 2)).astype(np.float32)
    assert len(spread_rows(coords, most=5_000)) < 3_000  # one for each of 64 x 64 cells
    fine = spread_rows(coords, most=5_000, finest=512)
    assert len(fine) > 4_900
    assert fine[:16].tolist() == spread_rows(coords, most=16).tolist()


def test_of_few_points_all_have_a_picture_of_many_those_of_the_pick_then_those_that_match() -> None:
    coords = np.random.default_rng(1).random((400, 2)).astype(np.float32)
    gray = np.arange(400) % 10 != 0
    few = thumbnail_rows(coords, gray=gray, first=[7])
    assert sorted(few.tolist()) == list(range(400))
    assert few.tolist() == thumbnail_rows(coords).tolist()  # one sheet, whatever is picked and searched
    many = thumbnail_rows(coords, gray=gray, first=[7, 31], most=60)
    assert many[:2].tolist() == [7, 31]
    assert (many[2:42] % 10 == 0).all()
    assert len(set(many.tolist())) == len(many) == 60


@pytest.mark.parametrize("channels", [1, 3])
def test_the_sheet_holds_each_picture_in_its_cell(channels: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 255, (7, 5, 4, channels), np.uint8)
    sheet = thumbnails(pictures, np.arange(7) * 3)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.png))).reshape(-1, sheet.across * 4, channels)
    assert (sheet.wide, sheet.tall, sheet.across) == (4, 5, 3)
    for i in range(7):
        line, column = divmod(i, sheet.across)
        assert (pixels[line * 5 : line * 5 + 5, column * 4 : column * 4 + 4] == pictures[i]).all()


def test_large_pictures_are_made_smaller_and_keep_their_shape() -> None:
    pictures = np.zeros((2_000, 48, 96, 1), np.uint8)
    pictures[3] = 200
    sheet = thumbnails(pictures, np.arange(2_000))
    assert (sheet.wide, sheet.tall) == (32, 16)
    pixels = np.asarray(Image.open(io.BytesIO(sheet.png)))
    assert pixels.size <= 2**21
    assert (pixels[:16, 96:128] == 200).all()
    assert pixels.sum() == 200 * 32 * 16
    with pytest.raises(ValueError, match="do not fit"):
        thumbnails(pictures, [1, 2])
    with pytest.raises(ValueError, match="uint8"):
        thumbnails(pictures[..., 0], np.arange(2_000))


def test_an_image_can_have_a_ground() -> None:
    coords = np.array([[0, 0], [1, 1]], np.float32)
    clear, _ = density_image(coords, colors=["#000000"])
    white, _ = density_image(coords, colors=["#000000"], ground="#ffffff")
    under = np.asarray(Image.open(io.BytesIO(clear)))[..., 3]
    over = np.asarray(Image.open(io.BytesIO(white)))
    assert (over[under == 0] == 255).all()
    assert (over[under > 0, 0] < 255).all()
    assert (over[..., 3] == 255).all()


def test_a_groups_name_stands_at_its_median() -> None:
    coords = np.array([[0, 0], [1, 0], [9, 0], [5, 5]], np.float32)
    assert group_rows(coords, [0, 0, 0, 2], 3) == [1, None, 3]


def test_the_image_has_each_point_in_its_place_and_color() -> None:
    coords = np.array([[0, 0], [10, 0], [0, 5]], np.float32)
    png, (left, bottom, right, top) = density_image(coords, codes=[0, 1, 0], colors=["#ff0000", "#0000ff"])
    pixels = np.asarray(Image.open(io.BytesIO(png)))
    height, width = pixels.shape[:2]
    assert left < 0 < 10 < right
    assert bottom < 0 < 5 < top
    assert (right - left) / (top - bottom) == pytest.approx(width / height, rel=0.01)

    def at(x: float, y: float) -> list[int]:
        return pixels[int((top - y) / (top - bottom) * height), int((x - left) / (right - left) * width)].tolist()

    assert at(0, 0)[:3] == [255, 0, 0]
    assert at(10, 0)[:3] == [0, 0, 255]
    assert at(5, 2.5)[3] == 0


def test_more_points_make_a_pixel_more_opaque_gray_lies_under_and_others_fade() -> None:
    coords = np.array([[0, 0]] * 50 + [[1, 1]], np.float32)
    alpha = np.asarray(Image.open(io.BytesIO(density_image(coords)[0])))[..., 3]
    assert set(np.unique(alpha)) == {0, 64, 255}
    faded = np.asarray(Image.open(io.BytesIO(density_image(coords, picked=[50])[0])))[..., 3]
    assert faded[alpha == 255].max() < 200
    mixed = np.asarray(Image.open(io.BytesIO(density_image(coords, gray=[True] * 50 + [False])[0])))
    assert mixed[alpha == 255][0][:3].tolist() == [0x9A, 0xA3, 0xAA]


@pytest.mark.parametrize("coords", [[[2, 3]], [[0, 0], [0, 1]], [[1e30, 0], [-1e30, 1]]])
def test_an_image_of_any_shape(coords: Any) -> None:
    png, _ = density_image(np.array(coords, np.float32))
    assert max(Image.open(io.BytesIO(png)).size) == 900


def event(**more: Any) -> dict[str, Any]:
    return {"version": "v", "polygon": [0, 0, 2, 0, 2, 2, 0, 2], **more}


COORDS = np.array([[1, 1], [1, 1.5], [5, 5]], np.float32)
NO_GRAY = np.zeros(3, bool)


def selected(message: dict[str, Any], gray: Any = NO_GRAY, before: list[int] | None = None) -> list[int] | None:
    known = component.Selection(np.array(before or [], np.int64))
    answer = component._selection(message, COORDS, np.asarray(gray), "v", known)
    return None if answer is None else answer.rows.tolist()


def test_an_outline_becomes_rows_new_added_or_taken_away() -> None:
    assert selected(event()) == [0, 1]
    assert selected(event(), gray=[True, False, False]) == [1]
    assert selected(event(how="add"), before=[2]) == [0, 1, 2]
    assert selected(event(how="remove"), before=[1, 2]) == [2]
    assert selected({"version": "v", "row": 2}) == [2]
    assert selected({"version": "v", "clear": True}, before=[1]) == []


@pytest.mark.parametrize(
    "message",
    [
        event(version="older"), {"version": "v"}, {"version": "v", "row": 3}, {"version": "v", "row": -1},
        {"version": "v", "row": "0"}, {"version": "v", "row": True}, event(polygon=[0, 0, 1, 1]),
        event(polygon=[0, 0, 1, 1, 2]), event(polygon=[0, 0, 1, 1, 2, "x"]), event(polygon="outline"),
        event(polygon=[0.0] * 100_000), event(polygon=[0, 0, 1, 1, 2, 10**400]),
    ],
)  # fmt: skip
def test_a_message_that_makes_no_sense_picks_nothing(message: dict[str, Any]) -> None:
    assert selected(message) is None


def test_names_are_found_one_by_one() -> None:
    names = ("one", "", "drei", "четыре")
    table, _ = component._name_table(names)
    offsets = np.frombuffer(table, np.uint32, 5)
    start = 4 * 5
    assert tuple(table[start + a : start + b].decode() for a, b in pairwise(offsets)) == names


def page(n: int = 3) -> None:
    import numpy as np

    from ui.points import points

    points(np.arange(2 * n, dtype=np.float32).reshape(n, 2), key="map", names=[f"p{i}" for i in range(n)])


def marked_page() -> None:
    import numpy as np

    from embedkit.figures.maps import MapMarks
    from ui.points import points

    points(
        np.arange(12, dtype=np.float32).reshape(6, 2), key="map", names=["a" * 40, *"bcdef"], picked=[2, 3],
        marks=MapMarks(0, (1, 2), (2,), (4,)), axes=("low", "high"), placed=[("mine", np.ones(2, np.float32))],
    )  # fmt: skip


def sent(app: AppTest) -> dict[str, Any]:
    assert not app.exception, app.exception
    return json.loads(app.get("bidi_component")[0].proto.json)


def test_no_point_travels_with_the_page_and_the_same_content_keeps_its_address() -> None:
    few, many = AppTest.from_function(page).run(), AppTest.from_function(page, kwargs={"n": 20_000}).run()
    first, second = sent(few), sent(few.run())
    assert first == second
    assert len(json.dumps(sent(many))) < 2_000
    assert sent(many)["coords"] != first["coords"]


def test_marks_are_told_with_what_they_mean_in_the_legend_and_in_words() -> None:
    data = sent(AppTest.from_function(marked_page).run())
    assert {kind["draw"]: kind["rows"] for kind in data["marks"]["kinds"]} == {
        "line": [1], "dots": [2], "ring": [4], "pick": [0],
    }  # fmt: skip
    assert all(kind["text"] for kind in data["marks"]["kinds"])
    labels = data["marks"]["labels"]
    assert [row for row, _, _ in labels] == [0, 1, 2, 4]
    assert labels[0] == [0, "a" * 22 + "…", True]
    assert "lines to 1 true neighbors" in data["alt"]
    assert "rings around 1 that are near on the map only" in data["alt"]
    assert data["count"] == 2
    assert data["axes"] == ["low", "high"]
    assert data["placed"] == [["mine", 1.0, 1.0]]
    assert "marks" not in sent(AppTest.from_function(page).run())


def test_near_on_the_map_by_sorting_all() -> None:
    from embedkit.quality import _map_row

    coords = np.round(np.random.default_rng(0).random((300, 2)) * 6).astype(np.float32)  # many at equal distances

    class Made:
        pass

    made: Any = Made()
    made.coords = coords
    for row, k in ((0, 1), (5, 10), (299, 40), (3, 0)):
        squares = ((coords - coords[row]) ** 2).sum(1)
        squares[row] = np.inf
        assert _map_row(made, row, k).tolist() == np.argsort(squares, kind="stable")[:k].tolist()


@pytest.mark.parametrize("n", [0, 1])
def test_a_map_of_nothing_and_of_one(n: int) -> None:
    assert sent(AppTest.from_function(page, kwargs={"n": n}).run())["n"] == n


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        component.points(np.array([[0, np.nan]], np.float32), key="x")
    with pytest.raises(ValueError, match=r"\(3, 3\)"):
        component.points(np.zeros((3, 3), np.float32), key="x")
    with pytest.raises(ValueError, match="2 colors"):
        component.points(np.zeros((2, 2), np.float32), key="x", codes=[0, 2], colors=["#000000", "#ffffff"])


def recorded() -> dict[str, str]:
    answer: dict[str, str] = json.loads((SOURCE / "built.json").read_text())
    return answer


def test_the_bundle_is_of_this_source() -> None:
    """Without Node.js: a source that was changed and not bundled again, or a bundle edited by hand, is noticed."""
    names = ("build.js", "main.js", "package-lock.json", "package.json")
    now = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in names)).hexdigest()
    assert now == recorded()["sources"], "ui/points_src was changed: make points"
    assert hashlib.sha256((UI / "points.js").read_bytes()).hexdigest() == recorded()["bundle"], "make points"


def test_the_bundle_names_its_licences_and_no_registry() -> None:
    licences = (UI / "points.licenses.txt").read_text()
    packages = json.loads((SOURCE / "package-lock.json").read_text())["packages"]
    for path, about in packages.items():
        assert "resolved" not in about
        if path and not about.get("dev"):
            assert f"{path.split('node_modules/')[-1]} {about['version']} ({about['license']})" in licences
    for file in (UI / "points.js", UI / "points.licenses.txt", *SOURCE.glob("*.js*"), SOURCE / ".npmrc"):
        assert not re.search(r"registry\.|npmjs|yarnpkg", file.read_text()), file.name
    wanted = json.loads((SOURCE / "package.json").read_text())
    for version in (wanted["dependencies"] | wanted["devDependencies"]).values():
        assert re.fullmatch(r"[\d.]+", version)


def test_bundling_again_gives_the_same_bytes(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("bundling needs npm")
    folder = tmp_path / "ui" / "points_src"
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("node_modules"))
    # the packages of the lockfile, checked by its checksums; without a way to them there is nothing to test
    got = subprocess.run(
        [npm, "ci", "--prefer-offline", "--fetch-retries=0", "--fetch-timeout=20000"],
        cwd=folder, capture_output=True, text=True, timeout=240, env=os.environ | {"CI": "1"},
    )  # fmt: skip
    if got.returncode:
        pytest.skip(f"npm could not get the packages: {got.stderr.strip().splitlines()[0] if got.stderr else ''}")
    subprocess.run([npm, "run", "build"], cwd=folder, capture_output=True, check=True, timeout=120)
    assert (folder.parent / "points.js").read_bytes() == (UI / "points.js").read_bytes()
    assert (folder.parent / "points.licenses.txt").read_bytes() == (UI / "points.licenses.txt").read_bytes()
    assert json.loads((folder / "built.json").read_text()) == recorded()

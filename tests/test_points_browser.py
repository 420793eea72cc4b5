"""Maps of very many points in a real browser: drawn, lassoed, glided, linked, without WebGL, on a phone, by keys."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from points_app import group_of, marked, places, tint
from test_browser import BINARY, FLAGS, QUIET, ROOT, Visit, healthy, server, sync_playwright  # noqa: F401

from embedkit.figures.style import COLORS, INVENTED, LOST, NEAR, PICK

pytestmark = pytest.mark.browser
WITHOUT = [flag for flag in FLAGS if "swiftshader" not in flag and "gpu" not in flag] + [
    "--disable-gpu",
    "--disable-3d-apis",
]
N = 100_000
STAGES = "[...document.querySelectorAll('*')].map(e => e.shadowRoot?.querySelector('.stage')).filter(Boolean)"
OPACITY = """canvas => {
  const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
  return [[canvas.height, canvas.width], Array.from(image.data.filter((_, i) => i % 4 === 3))]
}"""
# counts WebGL contexts from outside: those that were made and not given back
COUNTED = """
const made = []; const getContext = HTMLCanvasElement.prototype.getContext
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  const context = getContext.call(this, kind, ...more)
  if (/webgl/.test(kind) && context && !made.includes(context)) made.push(context)
  return context
}
window.alive = () => made.filter((context) => !context.isContextLost()).length
window.loseAll = () => made.forEach((context) => context.getExtension("WEBGL_lose_context")?.loseContext())
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    lacking = "the package playwright" if sync_playwright is None else "" if BINARY else "Chromium (CHROMIUM names one)"
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The tests in a browser need {lacking}.")
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="module")
def drawing(driver: Any) -> Iterator[Any]:
    opened = driver.chromium.launch(executable_path=BINARY, args=FLAGS)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def plain(driver: Any) -> Iterator[Any]:
    opened = driver.chromium.launch(executable_path=BINARY, args=WITHOUT)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("points")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "tests/points_app.py",
        "--server.port",
        str(port),
        "--server.headless",
        "true",
    ]
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    address = f"http://localhost:{port}"
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, stdout=log, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + 60
            while not healthy(address):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "the server did not become healthy within 60 s"
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


class Map(Visit):
    """A visit to the page of points."""

    def __init__(self, browser: Any, base: str, path: str = "/", state: str = "ready", **options: Any) -> None:
        super().__init__(browser, base, **options)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url) if "/media/" in request.url else None)
        self.page.add_init_script(COUNTED)
        answer = self.page.goto(base + path)
        assert "script-src 'self'" in answer.headers["content-security-policy"]  # as the app's own pages
        self.stands(state)

    def stands(self, state: str = "ready") -> None:
        self.page.wait_for_selector(f".stage[data-state='{state}']")
        self.page.wait_for_selector(QUIET)

    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for shown in self.page.get_by_test_id("stJson").all():
            text = shown.inner_text()
            for name in ("count", "sum"):
                found = re.search(rf'"{name}"\s*:\s*(\d+)', text)
                if found:
                    answer[name] = int(found[1])
        return answer

    def lasso(self, corners: list[tuple[float, float]], which: int = 0) -> None:
        """Drag with Shift along `corners`, given in pixels from the middle of the map."""
        x, y = self.middle(which)
        mouse = self.page.mouse
        self.page.keyboard.down("Shift")
        mouse.move(x + corners[0][0], y + corners[0][1])
        mouse.down()
        for dx, dy in corners[1:]:
            mouse.move(x + dx, y + dy, steps=2)
        mouse.up()
        self.page.keyboard.up("Shift")

    def middle(self, which: int = 0) -> tuple[float, float]:
        box = self.page.locator(".over").nth(which).bounding_box()
        assert box
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def picked(self, text: str, which: int = 0) -> None:
        self.page.wait_for_function(
            f"([text, i]) => {STAGES}[i]?.parentElement.querySelector('.said').textContent.includes(text)",
            arg=[text, which],
        )
        self.page.wait_for_function(f"i => {STAGES}[i].dataset.state !== 'loading'", arg=which)
        self.page.wait_for_selector(QUIET)

    def pixels(self) -> np.ndarray:
        """The opacity of each pixel of the canvas with the points."""
        size, found = self.page.locator(".dots").first.evaluate(OPACITY)
        return np.array(found, np.uint8).reshape(size)

    def above(self) -> np.ndarray:
        """What lies over the points: red, green, blue and opacity of each pixel, as many as the page's own."""
        address = self.page.locator(".over").first.evaluate("canvas => canvas.toDataURL()")
        return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))).convert("RGBA"))

    def at(self, pixels: np.ndarray) -> np.ndarray:
        """What lies over the points at `pixels` (n, 2) from the middle of the map; nothing outside of it."""
        image = self.above()
        rows = np.round(np.asarray(pixels) + np.array(image.shape[1::-1]) / 2 - 0.5).astype(int)[:, ::-1]
        inside = ((rows >= 0) & (rows < image.shape[:2])).all(1)
        answer = np.zeros((len(rows), 4), np.uint8)
        answer[inside] = image[tuple(rows[inside].T)]
        return answer

    def closer(self, pixels: np.ndarray, times: float, place: tuple[float, float]) -> np.ndarray:
        """Zoom in at a place, given in pixels from the middle; where `pixels` stand then."""
        x, y = self.middle()
        self.page.mouse.move(x + place[0], y + place[1])
        self.page.mouse.wheel(0, -400 * float(np.log(times)))
        self.page.mouse.move(x - 5, y - 5)
        self.page.wait_for_timeout(600)
        return place + (pixels - place) * times

    def pixel_places(self, coords: np.ndarray) -> np.ndarray:
        """Where the points stand, in pixels from the middle of the map, while all are in view: worked out by hand."""
        box = self.page.locator(".stage").first.evaluate("(e) => [e.clientWidth, e.clientHeight]")
        low, high = coords.min(0).astype(float), coords.max(0).astype(float)
        scale = 0.93 * min(box[0] / (high - low)[0], box[1] / (high - low)[1])
        return (coords - (low + high) / 2) * [scale, -scale]

    def done(self) -> None:
        assert self.errors == []
        assert self.outside == []
        self.context.close()


SQUARE = [(0.0, 0.0), (200.0, 0.0), (200.0, -180.0), (0.0, -180.0)]


def inside_square(pixels: np.ndarray) -> np.ndarray:
    return np.flatnonzero((pixels[:, 0] > 0) & (pixels[:, 0] < 200) & (pixels[:, 1] < 0) & (pixels[:, 1] > -180))


def test_many_points_are_drawn_lassoed_and_glide(drawing: Any, base: str) -> None:
    visit = Map(drawing, base)
    coords = places(N, 0)
    assert (visit.pixels() > 0).mean() > 0.1
    alike = (visit.pixels() > 0)[::7, ::7]

    wanted = inside_square(visit.pixel_places(coords))
    visit.lasso(SQUARE)
    visit.picked("of 100,000 points picked")
    told = visit.told()
    # by hand from the pixels: the outline's corners are whole pixels, so a few points at its edge may differ
    assert abs(told["count"] - len(wanted)) < 0.01 * len(wanted)
    assert abs(told["sum"] - wanted.sum()) < 0.01 * wanted.sum()

    before = len(visit.asked)
    visit.page.get_by_text("Run again").click()
    visit.page.wait_for_timeout(500)
    visit.stands()
    assert len(visit.asked) == before  # nothing is sent twice

    visit.page.get_by_text("Other projection").click()
    visit.page.wait_for_selector(".stage[data-glides='1']")
    visit.stands()
    assert visit.told() == told
    assert ((visit.pixels() > 0)[::7, ::7] != alike).mean() > 0.02
    assert not any(re.search(r"mask|codes", address) for address in visit.asked[before:])
    visit.done()


def test_the_outline_and_its_rows_agree_exactly(drawing: Any, base: str) -> None:
    from embedkit.figures.lasso import _odd

    visit = Map(drawing, base, "/?n=60000")
    visit.lasso([(-150, 0), (0, -160), (30, 20), (140, 90), (-60, 130)])
    visit.picked("points picked")
    polygon = np.array(json.loads(visit.page.get_by_test_id("outline").text_content()))
    x, y = places(60_000, 0).astype(float).T
    odd = _odd(x[:, None], y[:, None], polygon[None], np.roll(polygon, -1, 0)[None]).sum(1) % 2 == 1
    rows = np.flatnonzero(odd)
    assert visit.told() == {"count": len(rows), "sum": int(rows.sum())}
    visit.done()


def test_no_lasso_takes_gray_points(drawing: Any, base: str) -> None:
    visit = Map(drawing, base)
    visit.page.get_by_text("Filter").click()
    visit.page.locator(".legend", has_text="50,000 gray points").wait_for()
    visit.stands()
    wanted = inside_square(visit.pixel_places(places(N, 0)))
    visit.lasso(SQUARE)
    visit.picked("points picked")
    assert visit.told()["sum"] == pytest.approx(wanted[wanted % 2 == 0].sum(), rel=0.01)
    visit.done()


def test_a_point_is_named_under_the_pointer_and_a_closer_view_shows_more_labels(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=60000")
    coords = places(60_000, 0)
    pixels = visit.pixel_places(coords)
    lonely = int(np.abs(pixels).max(1).argmax())  # the outermost point has no one near
    x, y = visit.middle()
    visit.page.mouse.move(x + pixels[lonely][0], y + pixels[lonely][1])
    tip = visit.page.locator(".tip")
    tip.wait_for(state="visible")
    assert tip.inner_text() == f"point {lonely} · group {group_of(60_000)[lonely]}"
    visit.page.mouse.down()
    visit.page.mouse.up()
    visit.picked("1 of 60,000 points picked")
    assert visit.told() == {"count": 1, "sum": lonely}

    few = int(visit.page.locator(".stage").get_attribute("data-labels") or 0)
    assert 10 < few < 60
    for _ in range(3):
        visit.page.locator("[data-do=in]").click()
    visit.page.wait_for_function(f"few => {STAGES}.some(stage => Number(stage.dataset.labels) > few)", arg=few)
    visit.done()


def test_two_maps_share_a_choice_and_one_context_that_is_given_back(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=60000&two=1")
    visit.page.wait_for_function(f"{STAGES}.filter(stage => stage.dataset.state === 'ready').length === 2")
    assert visit.page.evaluate("alive()") == 1
    visit.lasso([(-40, -40), (60, -40), (60, 80), (-40, 80)], which=1)
    visit.picked("points picked", which=0)
    visit.picked("points picked", which=1)
    said = visit.page.locator(".said").all_inner_texts()
    assert said[0] == said[1]
    visit.done()


def test_a_map_that_leaves_gives_its_context_back(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=5000")
    for _ in range(4):
        visit.page.get_by_text("Away").click()
        visit.page.wait_for_selector(".stage", state="detached")
        visit.page.wait_for_function("() => alive() === 0")
        visit.page.get_by_text("Away").click()
        visit.stands()
    assert visit.page.evaluate("alive()") == 1
    visit.done()


def test_without_webgl_an_image_stands_there_and_can_be_lassoed(plain: Any, base: str) -> None:
    visit = Map(plain, base, state="flat")
    assert "the map is an image" in visit.page.locator(".note").inner_text()
    assert (visit.pixels() > 0).mean() > 0.1
    wanted = inside_square(visit.pixel_places(places(N, 0)))
    visit.lasso(SQUARE)
    visit.picked("of 100,000 points picked")
    assert visit.told()["sum"] == pytest.approx(wanted.sum(), rel=0.01)
    visit.page.get_by_text("Other projection").click()
    visit.stands("flat")
    visit.done()


def test_a_context_that_is_lost_leaves_the_image(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=60000")
    visit.page.evaluate("loseAll()")
    visit.stands("flat")
    assert (visit.pixels() > 0).mean() > 0.1
    visit.lasso(SQUARE)
    visit.picked("points picked")
    visit.context.close()


def test_keys_move_pick_and_clear(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=5000", color_scheme="dark")
    assert visit.page.locator(".stage").evaluate("(e) => getComputedStyle(e).backgroundColor") == "rgb(18, 24, 31)"
    over = visit.page.locator(".over")
    assert over.get_attribute("aria-label")
    visit.page.locator("[data-do=reset]").focus()
    visit.page.keyboard.press("Tab")  # past Clear, which has nothing to do
    assert over.evaluate("(e) => e.matches(':focus-visible')")
    visit.page.keyboard.press("Shift+Enter")
    visit.picked("5,000 of 5,000 points picked")
    visit.page.keyboard.press("Escape")
    visit.page.wait_for_selector("[data-do=clear]:disabled")
    assert visit.told()["count"] == 0
    for _ in range(4):
        visit.page.keyboard.press("ArrowRight")
    visit.page.keyboard.press("Enter")
    visit.picked("1 of 5,000 points picked")
    visit.done()


def test_on_a_phone_a_finger_lassos_when_asked_to_and_two_zoom(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=60000", viewport={"width": 390, "height": 800}, has_touch=True, is_mobile=True)
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    over = visit.page.locator(".over")
    assert over.evaluate("(e) => getComputedStyle(e).touchAction") == "pan-y"
    visit.page.locator("[data-do=lasso]").tap()
    assert over.evaluate("(e) => getComputedStyle(e).touchAction") == "none"
    over.scroll_into_view_if_needed()
    x, y = visit.middle()
    fingers = visit.context.new_cdp_session(visit.page)

    def touch(kind: str, *places: tuple[float, float]) -> None:
        fingers.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [{"x": x + a, "y": y + b, "id": i} for i, (a, b) in enumerate(places)]},
        )

    touch("touchStart", (-120, -120))
    for place in [(0, -130), (120, -120), (130, 0), (120, 120), (0, 120), (-120, 120)]:
        touch("touchMove", place)
    touch("touchEnd")
    visit.picked("points picked")
    assert visit.told()["count"] > 1_000
    before = visit.pixels()
    touch("touchStart", (-30, 0), (30, 0))
    for reach in (50, 80, 110):
        touch("touchMove", (-reach, 0), (reach, 0))
    touch("touchEnd")
    visit.page.wait_for_timeout(500)
    assert (visit.pixels() != before).mean() > 0.1
    visit.done()


def like(found: np.ndarray, color: str | tuple[int, ...], off: int = 24) -> np.ndarray:
    """Which of these pixels (n, 4) are opaque and of about this color."""
    rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)] if isinstance(color, str) else color
    return (found[:, 3] > 230) & (np.abs(found[:, :3].astype(int) - rgb).max(1) <= off)


def along(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Each pixel on the middle part of a line."""
    steps = int(np.hypot(*(end - start)) * 0.6)
    return start + (end - start) * np.linspace(0.2, 0.8, steps)[:, None]


def round_(place: np.ndarray, reach: float) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    return place + reach * np.c_[np.cos(turn), np.sin(turn)]


def marks_stand(visit: Map, pixels: np.ndarray, n: int) -> None:
    marks = marked(n)
    pick, kept, lost, invented = (pixels[row] for row in (marks.pick, marks.near[0], marks.lost[0], marks.invented[0]))
    assert like(visit.at(along(pick, kept)), NEAR).mean() > 0.9  # solid
    assert 0.2 < like(visit.at(along(pick, lost)), LOST, 40).mean() < 0.8  # dotted
    assert like(visit.at(round_(invented, 6.5)), INVENTED, 60).mean() > 0.5
    assert not like(visit.at(invented[None]), INVENTED).any()  # a ring, no disc
    assert not like(visit.at(along(pick, invented)), INVENTED).any()
    corners = pick + np.array([[8, 0], [-8, 0], [0, 8], [0, -8]]) * 0.9
    assert like(visit.at(corners), PICK, 60).all()


def test_marks_of_a_pick_stand_at_their_points_and_move_with_them(drawing: Any, base: str) -> None:
    n = 5_000
    visit = Map(drawing, base, f"/?n={n}&marks=1")
    pixels = visit.pixel_places(places(n, 0))
    marks_stand(visit, pixels, n)
    legend = visit.page.locator(".legend .mark").all_inner_texts()
    assert legend == [
        "true neighbor, near on the map: 1", "true neighbor that the map lost: 1", "near on the map only (invented): 1",
        f"picked: point {marked(n).pick}",
    ]  # fmt: skip
    said = visit.page.locator(".over").get_attribute("aria-label") or ""
    assert "dotted lines to 1 that the map lost" in said
    for _ in range(2):
        visit.page.locator("[data-do=out]").click()
    marks_stand(visit, visit.closer(pixels / 1.5, 1.5, (30, -20)), n)
    visit.page.locator("[data-do=reset]").click()
    visit.page.get_by_text("Other projection").click()
    visit.page.wait_for_selector(".stage[data-glides='1']")
    visit.stands()
    visit.page.wait_for_timeout(300)
    marks_stand(visit, visit.pixel_places(places(n, 1)), n)
    visit.done()


def test_marks_and_pictures_need_no_webgl(plain: Any, base: str) -> None:
    visit = Map(plain, base, "/?n=1500&marks=1", "flat")
    marks_stand(visit, visit.pixel_places(places(1_500, 0)), 1_500)
    visit.page.goto(base + "/?n=1500&pictures=1")
    visit.stands("flat")
    assert len(pictured(visit, visit.pixel_places(places(1_500, 0)))) > 50
    visit.done()


def test_without_motion_points_are_at_their_new_places_at_once(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=1500&marks=1", reduced_motion="reduce")
    visit.page.get_by_text("Other projection").click()
    visit.page.wait_for_timeout(500)
    visit.stands()
    assert visit.page.locator(".stage").get_attribute("data-glides") is None
    marks_stand(visit, visit.pixel_places(places(1_500, 1)), 1_500)
    visit.done()


def pictured(visit: Map, pixels: np.ndarray) -> set[int]:
    """The points whose own picture is drawn at their place."""
    found = visit.at(pixels)
    wanted = np.array([tint(row) for row in range(len(pixels))])
    same = (found[:, :3].astype(int) == wanted).all(1) & (found[:, 3] == 255)
    return set(np.flatnonzero(same).tolist())


def test_pictures_stand_at_their_points_framed_by_group_and_a_closer_view_shows_more(drawing: Any, base: str) -> None:
    n = 1_500
    visit = Map(drawing, base, f"/?n={n}&pictures=1")
    pixels = visit.pixel_places(places(n, 0))
    first = pictured(visit, pixels)
    assert len(first) > 50
    assert len(first) == int(visit.page.locator(".stage").get_attribute("data-pictures") or 0)
    shown = pixels[sorted(first)]
    gaps = np.abs(shown[:, None] - shown[None]).max(2) + 1e9 * np.eye(len(shown))
    assert gaps.min() > 26  # none touches another
    frames = [like(visit.at(pixels[row][None] - [12, 0]), COLORS[group_of(n)[row]])[0] for row in sorted(first)[:20]]
    assert all(frames)

    lonely = max(first, key=lambda row: float(np.abs(pixels[row]).max()))
    x, y = visit.middle()
    visit.page.mouse.move(x + pixels[lonely][0] + 9, y + pixels[lonely][1] + 9)  # on the picture, beside the point
    visit.page.locator(".tip canvas").wait_for(state="visible")
    assert visit.page.locator(".tip").inner_text().strip() == f"point {lonely} · group {group_of(n)[lonely]}"
    box = visit.page.locator(".tip canvas").bounding_box()
    assert box is not None
    assert 90 < box["width"] < 110
    color = visit.page.locator(".tip canvas").evaluate("c => [...c.getContext('2d').getImageData(40, 40, 1, 1).data]")
    assert tuple(color[:3]) == tint(lonely)

    heap = pixels[marked(n).pick]
    moved = visit.closer(pixels, 4, tuple(heap))
    width, height = visit.page.locator(".stage").evaluate("(e) => [e.clientWidth, e.clientHeight]")
    inside = set(np.flatnonzero((np.abs(moved) < [width / 2, height / 2]).all(1)).tolist())
    assert len(pictured(visit, moved)) > 1.5 * len(first & inside)
    visit.done()


def test_pictures_of_what_the_filter_hides_are_gray(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=300&pictures=1")
    pixels = visit.pixel_places(places(300, 0))
    assert {row % 2 for row in pictured(visit, pixels)} == {0, 1}
    visit.page.get_by_text("Filter").click()
    visit.page.locator(".legend", has_text="150 gray points").wait_for()
    visit.stands()
    assert {row % 2 for row in pictured(visit, pixels)} == {0}
    visit.done()


def test_names_come_as_the_view_comes_closer(drawing: Any, base: str) -> None:
    n = 20_000
    visit = Map(drawing, base, f"/?n={n}&names=1")
    stage = visit.page.locator(".stage")
    visit.page.wait_for_function(f"{STAGES}.some(stage => Number(stage.dataset.labels) > 30)")
    few = int(stage.get_attribute("data-labels") or 0)
    pixels = visit.pixel_places(places(n, 0))
    visit.closer(pixels, 5, tuple(pixels[marked(n).pick]))
    visit.page.wait_for_function(f"few => {STAGES}.some(stage => Number(stage.dataset.labels) > 1.3 * few)", arg=few)
    assert sum("names" in address or "one" in address for address in visit.asked) < 8  # the names came in one piece
    visit.done()


def test_axes_have_titles_and_own_points_stand_as_stars(drawing: Any, base: str) -> None:
    visit = Map(drawing, base, "/?n=1500&axes=1")
    image = visit.above()
    assert (image[-20:, image.shape[1] // 2 - 50 : image.shape[1] // 2 + 50, 3] > 200).sum() > 100
    assert (image[image.shape[0] // 2 - 50 : image.shape[0] // 2 + 50, :20, 3] > 200).sum() > 100
    coords = places(1_500, 0)
    middle = visit.pixel_places(np.r_[coords, np.zeros((1, 2), np.float32)])[-1]
    assert like(visit.at(middle[None]), "#F0E442").all()
    assert "yours" in visit.page.locator(".legend").inner_text()
    visit.done()


def test_the_explorer_draws_pictures_that_are_lassoed_and_picked(drawing: Any, server: str) -> None:  # noqa: F811
    visit = Visit(drawing, server)
    page = visit.page
    page.goto(server + "/explorer?ex_method=PCA&ex_draw=pictures")
    page.wait_for_selector(".stage[data-state='ready']")
    page.wait_for_selector(QUIET)
    assert int(page.locator(".stage").get_attribute("data-pictures") or 0) > 50
    over = page.locator(".over")
    over.scroll_into_view_if_needed()
    over.focus()
    page.keyboard.press("Shift+Enter")
    page.get_by_text("1,797 of 1,797 points are selected.").wait_for()
    page.get_by_role("button", name="Selected rows (CSV)").wait_for()
    over.focus()
    page.keyboard.press("Enter")
    page.locator(".legend .mark", has_text="picked:").wait_for()
    name = page.locator(".legend .mark", has_text="picked:").inner_text().removeprefix("picked: ")
    assert page.get_by_label("Pick", exact=True).input_value() == name
    page.wait_for_selector(QUIET)
    over.focus()
    page.keyboard.press("Escape")
    page.locator(".legend .mark").first.wait_for(state="detached")
    page.get_by_text("points are selected").wait_for(state="detached")
    assert page.get_by_label("Pick", exact=True).input_value() == ""
    assert visit.errors == []
    visit.context.close()

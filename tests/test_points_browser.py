"""Maps of very many points in a real browser: drawn, lassoed, glided, linked, without WebGL, on a phone, by keys."""

from __future__ import annotations

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
from points_app import group_of, places
from test_browser import BINARY, FLAGS, QUIET, ROOT, Visit, healthy, sync_playwright

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

"""The real server in a real browser: clicks, links, keys, a phone, and that nothing leaves this machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    "/": "embedkit",
    "/words": "Words as points",
    "/contexts": "Words in context",
    "/images": "Pictures as points",
    "/interactions": "Users and items as points",
    "/train-words": "Train word vectors",
    "/explorer": "Explore any vectors",
}
BINARY = (
    os.environ.get("CHROMIUM")
    or shutil.which("chromium")
    or shutil.which("chromium-browser")
    or shutil.which("google-chrome")
)
FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
PATIENCE = 30_000  # milliseconds until a wait gives up
QUIET = "[data-testid='stApp'][data-test-script-state='notRunning']"
PLOT = ".js-plotly-plot .main-svg"
OPENING = "What is near “apple”"

pytestmark = pytest.mark.browser

try:
    from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
except ImportError:
    sync_playwright = None  # type: ignore[assignment]
else:
    expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    lacking = "the package playwright" if sync_playwright is None else "" if BINARY else "Chromium (CHROMIUM names one)"
    if lacking:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The tests in a browser need {lacking}.")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BINARY, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, started as `make run` starts it."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        "app.py",
        "--server.port",
        str(port),
        "--server.address",
        "localhost",
    ]
    environment = {**os.environ, "EMBEDKIT_HOME": str(folder / "home")}
    base = f"http://localhost:{port}"
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log) as process,
    ):
        try:
            until = time.monotonic() + 60
            while not healthy(base):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "the server did not become healthy within 60 s"
                time.sleep(0.1)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def healthy(base: str) -> bool:
    try:
        with urllib.request.urlopen(f"{base}/_stcore/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


class Visit:
    """A person with a browser of their own; keeps what the browser complained of and whom it called."""

    def __init__(self, browser: Browser, base: str, **options: Any) -> None:
        self.base, self.errors, self.outside = base, [], []
        self.context: BrowserContext = browser.new_context(**({"viewport": {"width": 1400, "height": 1000}} | options))
        self.context.set_default_timeout(PATIENCE)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._asked)
        self.page.on("websocket", self._asked)

    def _asked(self, request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme in {"http", "https", "ws", "wss"} and address.netloc != urlsplit(self.base).netloc:
            self.outside.append(request.url)

    def open(self, path: str, until: str = "") -> Any:
        answer = self.page.goto(self.base + path)
        self.settled(until or (PLOT if path != "/" else "[data-testid='stDataFrame']"))
        return answer

    def settled(self, until: str = PLOT) -> None:
        """Wait until the page stands: something is there, the script has ended, every figure is drawn."""
        self.page.wait_for_selector(until)
        self.page.wait_for_selector(QUIET)
        self.page.wait_for_function(
            "() => [...document.querySelectorAll('.stPlotlyChart')].every(e => e.querySelector('.main-svg'))"
        )

    def link(self) -> dict[str, str]:
        # asked of the browser: page.url is only as new as the last answer from it
        address = urlsplit(self.page.evaluate("() => location.href"))
        return {name: found[-1] for name, found in parse_qs(address.query).items()}

    def has_link(self, **wanted: str) -> None:
        """Wait until the address holds these parameters."""
        eventually(self.link, lambda found: wanted.items() <= found.items(), str(wanted))

    def heading(self, said: str) -> None:
        expect(self.page.get_by_role("heading", name=said)).to_be_visible()

    def figure(self, number: int = 0) -> dict[str, Any]:
        """What plotly has drawn: the traces with their points, and the ranges of the axes."""
        return self.page.evaluate(FIGURE, number)

    def alt(self) -> str:
        """The alt text of the first figure."""
        return self.page.locator("[data-testid='stPlotlyChart']").first.get_attribute("aria-label") or ""

    def picked_on_map(self) -> str:
        return next((t["name"] for t in self.figure()["traces"] if t["name"].startswith("picked")), "")

    def click_point(self, row: int) -> str:
        """Click the point of this row on the first figure, as the mouse would; returns its text."""
        place: list[Any] = []  # the page still moves a little while its last parts arrive

        def rests(_: Any) -> bool:
            return len(place) > 1 and place[-1] is not None and place[-1] == place[-2]

        eventually(lambda: place.append(self.page.evaluate(POINT, row)), rests, f"point {row} at rest")
        x, y, said = place[-1]
        self.page.mouse.move(x, y)
        self.page.mouse.click(x, y)
        return said

    def chosen(self, label: str) -> str:
        return str(self.page.get_by_role("combobox", name=label).input_value())


FIGURE = """(number) => {
  const plot = document.querySelectorAll('.js-plotly-plot')[number], layout = plot && plot._fullLayout
  if (!layout || !plot._fullData) return {traces: []}  // being drawn anew
  const list = (values) => Array.from(values || [])
  const traces = plot._fullData.map(t => ({name: t.name, x: list(t.x), y: list(t.y), rows: list(t.customdata)}))
  return {traces, x: layout.xaxis && layout.xaxis.range, y: layout.yaxis && layout.yaxis.range}
}"""
# Of points that lie on each other the browser takes the upper one; the tests choose rows that stand free.
POINT = """(row) => {
  const plot = document.querySelector('.js-plotly-plot'), layout = plot._fullLayout, box = plot.getBoundingClientRect()
  if (!layout || !plot._fullData) return null
  for (const t of plot._fullData) {
    const at = Array.from(t.customdata || []).map(c => Array.isArray(c) ? c[0] : c).indexOf(row)
    if (at < 0) continue
    const x = layout._size.l + layout.xaxis.l2p(t.x[at]), y = layout._size.t + layout.yaxis.l2p(t.y[at])
    return [box.left + x, box.top + y, t.text[at]]
  }
}"""


def eventually(look: Callable[[], Any], right: Callable[[Any], bool], wanted: str) -> Any:
    until = time.monotonic() + PATIENCE / 1000
    while not right(found := look()):
        assert time.monotonic() < until, f"{wanted} did not come; the last was {found}"
        time.sleep(0.05)
    return found


@pytest.fixture
def visit(browser: Browser, server: str) -> Iterator[Callable[..., Visit]]:
    """Makes visits, each in a fresh context, and ends them."""
    made: list[Visit] = []

    def new(path: str | None = None, **options: Any) -> Visit:
        made.append(Visit(browser, server, **options))
        if path is not None:
            made[-1].open(path)
        return made[-1]

    yield new
    for each in made:
        each.context.close()


# --- all pages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_page_is_quiet_stays_on_this_machine_and_shows_no_exception(
    path: str, scheme: str, visit: Callable[..., Visit]
) -> None:
    one = visit(color_scheme=scheme)
    answer = one.open(path)
    one.heading(PAGES[path])
    assert one.errors == []
    assert one.outside == []
    assert one.page.locator("[data-testid='stException']").count() == 0
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert not re.search(r"https?:|\*\.", policy)
    color = one.page.evaluate("() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", color)[:3])) > 380
    assert light == (scheme == "light"), color


def test_the_browser_itself_refuses_another_machine(visit: Callable[..., Visit]) -> None:
    one = visit("/")
    said = one.page.evaluate("() => fetch('http://192.0.2.1/').then(() => 'went', error => String(error))")
    assert "TypeError" in said
    assert any("Content Security Policy" in error for error in one.errors)


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_phone(path: str, visit: Callable[..., Visit]) -> None:
    one = visit(path, viewport={"width": 390, "height": 844})
    widths = one.page.evaluate(
        "() => [document.documentElement, document.querySelector('.stMain')].map(e => e.scrollWidth)"
    )
    assert max(widths) <= 390


@pytest.mark.parametrize("path", [path for path in PAGES if path != "/"])
def test_every_figure_says_what_it_shows(path: str, visit: Callable[..., Visit]) -> None:
    one = visit(path)
    one.page.wait_for_selector(PLOT)
    alts = one.page.locator("[data-testid='stPlotlyChart']").evaluate_all(
        "all => all.map(e => e.getAttribute('aria-label'))"
    )
    assert alts
    assert all(alt and len(alt) > 15 for alt in alts), alts


def test_home_has_pictures_with_alt_text_and_loads_no_plotly(visit: Callable[..., Visit]) -> None:
    one = visit()
    asked: list[str] = []
    one.page.on("request", lambda request: asked.append(request.url))
    one.open("/")
    assert not [url for url in asked if "plotly" in url.lower()]
    images = one.page.get_by_test_id("stImage").locator("img")
    expect(images).to_have_count(len(PAGES) - 1)
    alts = [image.get_attribute("alt") for image in images.all()]
    assert all(alt and len(alt) > 15 for alt in alts), alts


# --- words -----------------------------------------------------------------------------------------------------------


def test_a_page_with_figures_asks_for_plotly_at_once(visit: Callable[..., Visit]) -> None:
    one = visit("/words")
    one.page.wait_for_selector(PLOT)
    early = set(re.findall(r'modulepreload"[^>]*(PlotlyChart[^"]*)"', one.page.request.get(one.page.url).text()))
    loaded = one.page.evaluate("performance.getEntriesByType('resource').map((x) => x.name.split('/').at(-1))")
    assert early
    assert early == {name for name in loaded if re.fullmatch(r"PlotlyChart.*\.js", name)}


def test_click_on_the_map_is_the_word_everywhere_and_in_the_link(visit: Callable[..., Visit]) -> None:
    one = visit("/words")
    one.heading(OPENING)
    word = one.click_point(80)
    one.heading(f"What is near “{word}”")
    one.has_link(word=word)
    expect(one.page.get_by_role("textbox", name="Find a word")).to_have_value(word)
    eventually(one.picked_on_map, lambda name: name == f"picked: {word}", f"the mark on {word}")
    assert one.errors == []


def test_typed_word_is_in_the_link_and_the_link_restores_it(visit: Callable[..., Visit]) -> None:
    one = visit("/words")
    one.page.get_by_role("textbox", name="Find a word").fill("bank")
    one.page.keyboard.press("Enter")
    one.heading("What is near “bank”")
    one.has_link(word="bank")
    other = visit(urlsplit(one.page.url).path + "?" + urlsplit(one.page.url).query)
    other.heading("What is near “bank”")
    expect(other.page.get_by_role("textbox", name="Find a word")).to_have_value("bank")


def test_two_visits_do_not_share_picks(visit: Callable[..., Visit]) -> None:
    one, two = visit("/words"), visit("/words")
    word = one.click_point(100)
    one.heading(f"What is near “{word}”")
    two.page.get_by_role("textbox", name="Find a word").fill("river")
    two.page.keyboard.press("Enter")
    two.heading("What is near “river”")
    one.page.get_by_text("Hide my word").click()  # draws both pages again
    one.has_link(hide="true", word=word)
    one.heading(f"What is near “{word}”")
    two.heading("What is near “river”")
    assert "hide" not in two.link()


def test_tab_reaches_the_word_and_enter_asks(visit: Callable[..., Visit]) -> None:
    one = visit("/words")
    reached = []
    for _ in range(40):
        one.page.keyboard.press("Tab")
        reached.append(one.page.evaluate("() => document.activeElement.getAttribute('aria-label')"))
        if reached[-1] == "Find a word":
            break
    assert reached[-1] == "Find a word", reached
    assert "Present" in reached  # the first control of the page
    one.page.keyboard.press("ControlOrMeta+A")
    one.page.keyboard.type("river")
    one.page.keyboard.press("Enter")
    one.heading("What is near “river”")


def test_enter_in_the_form_draws_the_map(visit: Callable[..., Visit]) -> None:
    one = visit("/words?method=PCA&set=Own+list&list=apple+pear+plum+bus")
    field = one.page.get_by_role("textbox", name="Your words")
    field.fill("red green blue")
    field.press("ControlOrMeta+Enter")
    one.has_link(list="red green blue")
    eventually(one.alt, lambda said: said.startswith("Map of 3 words"), "the map of 3 words")


def test_back_restores_the_earlier_state(visit: Callable[..., Visit]) -> None:
    one = visit("/words")
    one.page.get_by_role("textbox", name="Find a word").fill("bank")
    one.page.keyboard.press("Enter")
    one.heading("What is near “bank”")
    one.page.get_by_role("link", name="Words in context").first.click()
    one.heading(PAGES["/contexts"])
    one.settled()
    one.page.go_back()
    one.heading(PAGES["/words"])
    if "word" not in one.link():  # Streamlit itself adds a step without parameters when a page is left
        one.page.go_back()
    one.has_link(word="bank")
    one.heading("What is near “bank”")
    expect(one.page.get_by_role("textbox", name="Find a word")).to_have_value("bank")


def test_a_change_to_try_is_in_the_link(visit: Callable[..., Visit]) -> None:
    one = visit("/words?word=river")
    one.page.get_by_test_id("stMain").get_by_role("button", name="The same topics by PCA").press("Enter")
    one.has_link(method="PCA", word="river")
    alt = eventually(one.alt, lambda said: "PCA" in said or "pca" in said, "the map by PCA")
    other = visit("/words?" + urlsplit(one.page.url).query)
    assert other.alt() == alt


def test_stop_ends_a_run_and_it_can_run_again(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/words?set=All&method=t-SNE&seed=77", until="h1")  # 22,501 words by t-SNE: a minute or more
    main = one.page.get_by_test_id("stMain")
    bar = main.get_by_test_id("stProgress")
    expect(bar).to_be_visible(timeout=30_000)
    moved = bar.locator("*").evaluate_all("all => all.map((each) => getComputedStyle(each).transitionProperty)")
    assert moved
    assert set(moved) == {"none"}  # what moves by itself takes the cores from the work
    main.get_by_role("button", name="Stop").click()
    expect(main.get_by_text("was stopped")).to_be_visible(timeout=10_000)
    expect(main.get_by_role("button", name="Run again")).to_be_visible()
    expect(main.get_by_role("button", name="Stop")).to_have_count(0)
    one.heading(OPENING)


# --- words in context ------------------------------------------------------------------------------------------------


def test_layer_slider_moves_the_dots_not_the_map_and_the_link_restores_it(visit: Callable[..., Visit]) -> None:
    one = visit("/contexts?of=python&layer=2")
    before = one.figure()
    slider = one.page.get_by_role("slider", name="Layer")
    slider.focus()
    slider.press("ArrowRight")
    one.has_link(layer="3")
    after = eventually(one.figure, lambda found: places(found) != places(before), "other coordinates")
    assert places(after).keys() == places(before).keys()
    assert (after["x"], after["y"]) == (before["x"], before["y"])
    other = visit("/contexts?" + urlsplit(one.page.url).query)
    expect(other.page.get_by_role("slider", name="Layer")).to_have_value("3")
    restored = eventually(other.figure, lambda found: places(found) == places(after), "the same coordinates")
    assert (restored["x"], restored["y"]) == (after["x"], after["y"])


def places(figure: dict[str, Any]) -> dict[int, tuple[float, float]]:
    return {
        (row[0] if isinstance(row, list) else row): (x, y)
        for trace in figure["traces"]
        for row, x, y in zip(trace["rows"], trace["x"], trace["y"], strict=False)
    }


def test_click_on_an_occurrence_is_a_and_the_link_restores_both(visit: Callable[..., Visit]) -> None:
    one = visit("/contexts?of=bank&layer=3")
    was = one.chosen("A: this occurrence")
    one.click_point(6)
    eventually(lambda: one.chosen("A: this occurrence"), lambda said: said.startswith("7. "), "the seventh as A")
    assert one.chosen("B: compared with") == was  # the one before becomes the second
    eventually(one.link, lambda found: found.get("pick", "").startswith("7"), "pick=7 in the link")
    other = visit("/contexts?" + urlsplit(one.page.url).query)
    assert other.chosen("A: this occurrence").startswith("7. ")
    assert one.errors == other.errors == []
    marked = [[t["x"], t["y"]] for t in one.figure()["traces"] if t["name"] == "picked"]
    assert marked == [[t["x"], t["y"]] for t in other.figure()["traces"] if t["name"] == "picked"]


# --- pictures --------------------------------------------------------------------------------------------------------

VIEWS = {"Train": PLOT, "Walk": "canvas.plane", "Pitfalls": PLOT, "Compare": PLOT, "Search": "canvas.sheet"}
DECODED = ".said"


@pytest.mark.parametrize("width", [1400, 390])
def test_views_of_pictures_fit_are_quiet_and_stay_on_this_machine(width: int, visit: Callable[..., Visit]) -> None:
    one = visit(viewport={"width": width, "height": 844})
    for view, until in VIEWS.items():
        one.open(f"/images?view={view}", until)
        widths = one.page.evaluate(
            "() => [document.documentElement, document.querySelector('.stMain')].map(e => e.scrollWidth)"
        )
        assert max(widths) <= width, view
        assert one.page.locator("[data-testid='stException']").count() == 0, view
        unnamed = one.page.locator("[role=img]:not([aria-label]), img:not([alt])")
        eventually(unnamed.count, lambda n: n == 0, f"{view}: a name for every picture")
    assert one.errors == []
    assert one.outside == []


def place_on(one: Visit, x: float, y: float) -> tuple[float, float]:
    """A place of the plane, as shares of its width and height, in the window."""
    plane = one.page.locator("canvas.plane")
    plane.scroll_into_view_if_needed()
    box = plane.bounding_box()
    assert box
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def test_pointing_at_the_plane_decodes_and_a_click_is_in_the_link(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/images?view=Walk", "canvas.plane")
    said = one.page.locator(DECODED)
    expect(said).to_contain_text("decoded at")
    seen = {said.inner_text()}
    for x in (0.2, 0.7):
        one.page.mouse.move(*place_on(one, x, 0.3))
        eventually(said.inner_text, lambda found: found not in seen, "another decoded picture")
        seen.add(said.inner_text())
    one.page.mouse.click(*place_on(one, 0.015, 0.02))  # the corner is free of dots
    link = eventually(one.link, lambda found: {"x", "y"} <= found.keys(), "x and y in the link")
    assert "a" not in link
    one.page.mouse.click(*place_on(one, 0.985, 0.02))  # the second click is answered as well
    second = eventually(one.link, lambda found: found.get("x") != link["x"], "another x")
    assert float(link["x"]) < 0 < float(second["x"])
    place = f"decoded at ({float(second['x']):.2f}, {float(second['y']):.2f})"
    expect(one.page.get_by_text(place)).to_be_visible()
    other = visit()
    other.open("/images?" + urlsplit(one.page.url).query, "canvas.plane")
    expect(other.page.get_by_text(place)).to_be_visible()
    assert one.errors == other.errors == []


def test_click_on_a_dot_of_the_plane_is_a_and_the_one_before_b(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/images?view=Walk&a=3", "canvas.plane")
    plane = one.page.locator("canvas.plane")

    def over_a_dot(x: float) -> bool:
        one.page.mouse.move(*place_on(one, x, 0.5))
        return bool(plane.get_attribute("title"))

    x = next(x / 100 for x in range(20, 80) if over_a_dot(x / 100))
    number = int(str(plane.get_attribute("title")).split("(")[1].rstrip(")")) + 1
    one.page.mouse.click(*place_on(one, x, 0.5))
    one.has_link(a=f"{number}.0", b="3.0")
    one.heading(f"What is near picture {number}")


def test_arrow_keys_and_enter_move_over_the_plane(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/images?view=Walk", "canvas.plane")
    said, plane = one.page.locator(DECODED), one.page.locator("canvas.plane")
    expect(said).to_contain_text("decoded at")
    before = said.inner_text()
    plane.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        plane.press(key)
    after = eventually(said.inner_text, lambda found: found != before, "another decoded picture")
    plane.press("Enter")
    link = eventually(one.link, lambda found: {"x", "y"} <= found.keys(), "x and y in the link")
    shown = [float(found) for found in re.findall(r"= (-?[\d.]+)", after)]
    assert shown == pytest.approx([float(link[name]) for name in "xy"], abs=0.011)


def test_a_drawing_is_searched_and_can_be_cleared(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/images?view=Search&maps=PCA", "canvas.sheet")
    sheet = one.page.locator("canvas.sheet")
    for _ in range(2):
        box = sheet.bounding_box()
        assert box
        one.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.15 * box["height"])
        one.page.mouse.down()
        one.page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.85 * box["height"], steps=5)
        one.page.mouse.up()
        one.heading("What is near your picture")
        nearest = one.page.get_by_alt_text(re.compile(r"^pixels, 64, 1: "))
        expect(nearest).to_have_attribute("alt", re.compile(r": 1 · "))  # a stroke is a 1
        one.page.get_by_role("button", name="Clear").click()
        expect(one.page.get_by_role("heading", name="What is near your picture")).to_have_count(0)
    assert one.errors == []


def test_click_in_a_map_of_the_comparison_is_the_picture(visit: Callable[..., Visit]) -> None:
    one = visit("/images?view=Compare&learn=label&maps=PCA")
    one.page.locator(".js-plotly-plot").nth(1).scroll_into_view_if_needed()
    point = POINT.replace(
        "document.querySelector('.js-plotly-plot')", "document.querySelectorAll('.js-plotly-plot')[1]"
    )
    for row in (80, 600):
        was = one.link().get("p")
        one.page.wait_for_timeout(500)
        x, y, _ = one.page.evaluate(point, row)
        one.page.mouse.move(x, y)
        one.page.mouse.click(x, y)
        number = eventually(one.link, lambda found, was=was: found.get("p") != was, "another p")["p"]
        one.heading(f"What is near picture {float(number):.0f}")
    assert one.errors == []


def test_a_training_is_seen_live_and_ends(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/images?epochs=60&seed=77", "[role=progressbar]")
    expect(one.page.get_by_role("progressbar")).to_be_visible()
    expect(one.page.get_by_text(re.compile(r"\d+ of 60")).first).to_be_visible()
    expect(one.page.get_by_role("slider", name="Step back")).to_be_visible(timeout=2 * PATIENCE)
    expect(one.page.get_by_test_id("stMetricValue").first).to_have_text("60 of 60")
    expect(one.page.get_by_role("progressbar")).to_have_count(0)
    assert one.errors == []


def test_controls_of_one_page_do_not_break_another(visit: Callable[..., Visit]) -> None:
    one = visit()
    one.open("/words?view=Analogy&a=paris&b=france", "[data-testid='stDataFrame']")
    one.page.get_by_role("link", name="Pictures").first.click()
    one.heading(PAGES["/images"])
    one.page.get_by_test_id("stMain").get_by_text("Walk", exact=True).click()
    one.settled("canvas.plane")
    one.heading("What is near picture 1")
    assert one.page.locator("[data-testid='stException']").count() == 0


def test_another_picked_film_changes_the_list_and_the_link(visit: Callable[..., Visit]) -> None:
    one = visit("/interactions?do=You&liked=Alien+(1979)")
    films = one.page.locator("[data-testid='stDataFrame']").first.locator("td[aria-colindex='1']")
    first = eventually(films.all_text_contents, lambda found: len(found) > 5, "recommended films")
    picker = one.page.get_by_role("combobox", name="Films you liked")
    picker.fill("Singin")
    one.page.get_by_role("option", name=re.compile("Singin")).first.click()
    eventually(films.all_text_contents, lambda found: len(found) > 5 and found != first, "other films")
    assert "Singin" in one.page.evaluate("() => decodeURIComponent(location.href)")
    assert one.errors == []
    assert one.outside == []


def test_small_steps_by_hand_stand_in_the_link_forward_and_back(visit: Callable[..., Visit]) -> None:
    one = visit("/train-words?hand_step=40")
    start = one.figure(1)
    for label, step in (("take the pair", 41), ("forward", 42), ("the error", 43), ("move the vectors", 44)):
        one.page.get_by_role("button", name=f"Next: {label}").click()
        eventually(one.link, lambda found, step=step: float(found.get("hand_step", 0)) == step, f"step {step}")
    one.settled()
    eventually(lambda: one.figure(1), lambda found: found["traces"] != start["traces"], "moved vectors")
    other = visit("/train-words?hand_step=44")
    eventually(lambda: one.figure(1), lambda found: found == other.figure(1), "the same map from the link")
    for step in (43, 42, 41, 40):
        one.page.get_by_role("button", name="Back").click()
        eventually(one.link, lambda found, step=step: float(found.get("hand_step", 0)) == step, f"step {step}")
    eventually(lambda: one.figure(1), lambda found: found["traces"] == start["traces"], "the first map")
    assert one.errors == []
    assert one.outside == []

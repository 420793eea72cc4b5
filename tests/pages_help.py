"""What the tests of pages share: open one without a browser, read what stands on it, and numbers by plain numpy."""

from __future__ import annotations

import base64
import html
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from embedkit.jobs import Pool
from embedkit.store import default_store

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(f"pages/{file.name}" for file in (ROOT / "pages").glob("*.py"))
LIMIT = 60  # seconds for one run; the first one that reads sentences loads the transformer

BOUND = ("text_input", "text_area", "slider", "selectbox", "multiselect", "toggle", "number_input", "button_group")


def open_page(path: str, **query: Any) -> AppTest:
    """The page as its link opens it: `query` are the parameters of the link; a list stands for a repeated one.

    It goes through app.py, so that st.navigation, and not Streamlit's older pages/ feature, finds the page. Each call
    is a new visit: nothing but the link says what it shows.
    """
    at = AppTest.from_file(ROOT / "app.py", default_timeout=LIMIT)
    at.switch_page(path)
    for name, value in query.items():
        at.query_params[name] = value if isinstance(value, list) else str(value)
    return at.run()


def words(**query: Any) -> AppTest:
    """The page of words."""
    return open_page("pages/words.py", **query)


def contexts(**query: Any) -> AppTest:
    """The page of words in context."""
    return open_page("pages/contexts.py", **query)


def images(**query: Any) -> AppTest:
    """The page of pictures."""
    return open_page("pages/images.py", **query)


def interactions(**query: Any) -> AppTest:
    """The page of users and items."""
    return open_page("pages/interactions.py", **query)


def train_words(**query: Any) -> AppTest:
    """The page of word vectors that are trained."""
    return open_page("pages/train_words.py", **query)


def explorer(**query: Any) -> AppTest:
    """The page for any vectors."""
    return open_page("pages/explorer.py", **query)


@contextmanager
def workers(folder: Path, size: int = 1) -> Iterator[Pool]:
    """Workers of these tests alone, over an empty home and what ships; a stopped one is given no grace."""
    from ui import cache

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(folder))
        made = Pool(size, default_store(), threads=1, grace_seconds=0.2)
        patch.setattr(cache, "pool", lambda: made)
        try:
            yield made
        finally:
            made.close()


def told(at: AppTest) -> list[str]:
    """The error sentences for the person."""
    return [each.value for each in at.error]


def parts(at: AppTest) -> list[str]:
    """The headings of the page's parts."""
    return [each.value for each in at.subheader]


def controls(at: AppTest) -> dict[str, Any]:
    """Every control that keeps a value, by key; buttons keep none."""
    return {widget.key: widget for kind in BOUND for widget in getattr(at, kind)}


def values(at: AppTest) -> dict[str, Any]:
    """The value of every control, by key."""
    return {key: widget.value for key, widget in controls(at).items()}


def text(at: AppTest) -> str:
    """All running text of the page."""
    kinds = ("title", "subheader", "markdown", "caption", "info", "success", "warning", "error")
    return "\n".join(str(each.value) for kind in kinds for each in getattr(at, kind))


def figure(at: AppTest, key: str) -> dict[str, Any]:
    """The plotly figure with this key, as the browser gets it, with numpy arrays."""
    shown = {alt_key(each): each for each in at.get("plotly_chart")}
    return _plain(json.loads(shown[key].proto.spec))


def alt_key(chart: Any) -> str:
    """The key of a chart: the last part of its id."""
    return str(chart.proto.id).rsplit("-", 1)[-1]


def _plain(node: Any) -> Any:
    if isinstance(node, dict) and set(node) >= {"dtype", "bdata"}:
        flat = np.frombuffer(base64.b64decode(node["bdata"]), node["dtype"])
        shape = node.get("shape")
        return flat.reshape([int(n) for n in str(shape).split(",")]) if shape else flat
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    return [_plain(value) for value in node] if isinstance(node, list) else node


def dots(spec: dict[str, Any]) -> dict[int, tuple[float, ...]]:
    """Coordinates of the points that can be clicked, by row."""
    found = {}
    for trace in spec["data"]:
        if trace.get("customdata") is not None and "markers" in trace.get("mode", ""):
            axes = [trace[axis] for axis in "xyz" if trace.get(axis) is not None]
            for row, *place in zip(trace["customdata"], *axes, strict=True):
                found[int(np.ravel(row)[0])] = tuple(map(float, place))
    return found


class Cell(NamedTuple):
    """A picture of a row of pictures: what stands under it, its alt text, its pixels as bytes."""

    caption: str
    alt: str
    pixels: Any


def picture_rows(at: AppTest) -> list[tuple[str, list[Cell]]]:
    """The rows of pictures of the page, from its HTML: their labels, and their pictures."""
    from PIL import Image

    rows: list[tuple[str, list[Cell]]] = []
    for each in at.get("html"):
        for address, quoted in re.findall(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', each.proto.body):
            alt = html.unescape(quoted)
            label, number, caption = numbered(alt)
            pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(address))))
            if number == 1:
                rows.append((label, []))
            assert (rows[-1][0], len(rows[-1][1])) == (label, number - 1), alt
            rows[-1][1].append(Cell(caption, alt, pixels))
    return rows


def numbered(alt: str) -> tuple[str, int, str]:
    """Label, number and caption of an alt text such as "in PCA, 3: 0.52"."""
    match = re.fullmatch(r"(.+), (\d+)(?:: (.*))?", alt)
    assert match, alt
    return match[1], int(match[2]), match[3] or ""


def row(at: AppTest, label: str) -> list[Cell]:
    """The one row of pictures with this label, or whose label begins so."""
    rows = picture_rows(at)
    (found,) = [cells for name, cells in rows if name == label] or [c for name, c in rows if name.startswith(label)]
    return found


def table(at: Any, *columns: str) -> Any:
    """The one table that has these columns."""
    (found,) = [each.value for each in at.dataframe if set(columns) <= set(each.value.columns)]
    return found


def opened_box(at: AppTest, key: str) -> AppTest:
    """The page with a folded part opened."""
    at.session_state[key] = True
    return at.run()


def numbers(pattern: str, said: str) -> list[float]:
    """The numbers that a pattern captures in a text; fails when the text has none."""
    match = re.search(pattern, said)
    assert match, f"{pattern!r} does not stand in: {said}"
    return [float(group.replace("−", "-").replace(",", "")) for group in match.groups()]


def by_hand(u: Any, v: Any) -> float:
    """A cosine in plain double precision."""
    u, v = np.asarray(u, np.float64), np.asarray(v, np.float64)
    return float((u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum()))


def run_until(at: AppTest, done: Callable[[AppTest], Any], seconds: float = 60) -> AppTest:
    """Run the page again, as its fragment does, until `done`; fails with what the page says when time is up."""
    end = time.monotonic() + seconds
    while not done(at):
        bars = [each.text for each in at.progress]
        assert time.monotonic() < end, f"not so after {seconds} s; progress {bars}, errors {told(at)}"
        time.sleep(0.1)
        at.run()
        assert not at.exception, at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    """Press the one button with this label."""
    (button,) = [each for each in at.button if each.label == label]
    button.click()
    return at.run()

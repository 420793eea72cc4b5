"""The explorer in a real browser: own files from the command line to a map that can be seen, lassoed and asked.

Each part starts with an empty EMBEDKIT_HOME; the browser runs beforehand. The first map is timed in a cold process,
once without and once with compiled code on disk, and so is umap-learn as it comes, on the same file in the same run.
The path of a person is the command line, which keeps the file, then the server, then the page: all three are counted,
and the page alone stands beside. Memory is of the command line, the server and its workers; the browser is told apart.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import _common as common
from benchmarks._browser import WIDE, Peak, chromium, server
from benchmarks._common import ROOT, Figure, Skip, median
from benchmarks.explorer import simulated, write_million

SHARE, SECONDS, MEMORY = 1 / 3, 60.0, 6.0
MAP = ".js-plotly-plot .main-svg >> nth=0"
READY = ".stage[data-state='ready']"
DRAWN = "[data-testid='stApp'][data-test-script-state='notRunning']"
# a whole process: imports, compilation, coordinates; what any script pays that makes this map
UMAP = "import sys, numpy, umap; umap.UMAP(metric='cosine').fit_transform(numpy.load(sys.argv[1]))"
LONGEST = 900_000  # milliseconds; busy machines
COMMAND = [sys.executable, "-W", "ignore"]


def opened(path: Path, running: list[psutil.Process]) -> tuple[str, float]:
    """Open a file by the command line: the page's path with the name under which it is kept, and the seconds."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [*COMMAND, "-m", "embedkit", "open", str(path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    running.append(psutil.Process(process.pid))
    said, _ = process.communicate()
    running.clear()
    link = re.search(r"https?://[^/\s]+(/explorer\?\S+)", said)
    if process.returncode or not link:
        raise RuntimeError(f"{path.name} was not opened: {said[-500:]}")
    return link[1], time.perf_counter() - start


def first_map(runs: int) -> Iterator[Figure]:
    """10,000 x 256, UMAP: from the command line to the map on the page, beside umap-learn."""
    import embedkit

    laps: dict[tuple[str, str], list[float]] = {}
    with chromium("the first map") as browser, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.npy"
        np.save(path, embedkit.load("words/minilm").vectors[:10_000])
        for run in range(runs):
            for state in ("no compiled code", "compiled code"):
                os.environ["NUMBA_CACHE_DIR"] = str(Path(folder, f"embedkit-{run}"))
                for name, seconds in one_map(browser, path).items():
                    laps.setdefault((state, name), []).append(seconds)
                os.environ["NUMBA_CACHE_DIR"] = str(Path(folder, f"umap-{run}"))
                taken = common.timed(lambda: subprocess.run([*COMMAND, "-c", UMAP, str(path)], check=True))
                laps.setdefault((state, "umap-learn"), []).append(taken)
        os.environ.pop("NUMBA_CACHE_DIR")
    for state in ("no compiled code", "compiled code"):
        said = f"10,000 x 256, {state} on disk"
        for name in ("command line", "server healthy", "page to map", "umap-learn"):
            yield median(f"{said}: {name}", laps[state, name])
        page, umap = laps[state, "page to map"], laps[state, "umap-learn"]
        whole = [sum(each) for each in zip(*(laps[state, name] for name in PATH), strict=True)]
        shares = [a / b for a, b in zip(page, umap, strict=True)]
        yield median(f"{said}: share, server just started", shares, "", aim=SHARE)
        shares = [a / b for a, b in zip(whole, umap, strict=True)]
        yield median(f"{said}: share, command line and server counted", shares, "")


PATH = ("command line", "server healthy", "page to map")


def one_map(browser: Any, path: Path) -> dict[str, float]:
    """Seconds of each step of a cold start with an empty home, until the map can be seen."""
    with common.own_home():
        link, opening = opened(path, [])
        with server() as (address, healthy, _):
            page = browser.new_context(viewport=WIDE).new_page()
            start = time.perf_counter()
            page.goto(address + link, wait_until="commit")
            page.wait_for_selector(MAP, state="visible", timeout=LONGEST)
            seconds = time.perf_counter() - start
            page.context.close()
    return dict(zip(PATH, (opening, healthy, seconds), strict=True))


def million(runs: int) -> Iterator[Figure]:
    """1,000,000 x 64 from Parquet: opened, shown by PCA, lassoed by the mouse, counted; and the memory of it all."""
    found: dict[str, list[float]] = {}
    with chromium("a million points") as browser, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        write_million(path)
        for _ in range(runs):
            for name, value in one_million(browser, path).items():
                found.setdefault(name, []).append(value)
    steps = ("command line", "server healthy", "page to points", "lasso to count")
    whole = [sum(each) for each in zip(*(found[name] for name in steps), strict=True)]
    yield median("1,000,000 x 64: from Parquet to the lasso's count", whole, aim=SECONDS)
    for name in (*steps, "points are drawn to page at rest"):
        yield median(f"1,000,000 x 64: {name}", found[name])
    yield median("1,000,000 x 64: peak of command line, server and workers", found["own"], "GB", aim=MEMORY)
    yield median("1,000,000 x 64: peak of the browser beside them", found["browser"], "GB")


def one_million(browser: Any, path: Path) -> dict[str, float]:
    """Seconds of each step, and the peaks in GB."""
    own: list[psutil.Process] = []
    here = psutil.Process()

    def beside() -> list[psutil.Process]:
        known = {process.pid for process in own}
        return [child for child in here.children() if child.pid not in known and "python" not in child.name()]

    with common.own_home(), Peak(own=lambda: list(own), browser=beside) as peak:
        link, opening = opened(path, own)
        with server() as (address, healthy, process):
            own.append(process)
            page = browser.new_context(viewport=WIDE).new_page()
            start = time.perf_counter()
            page.goto(f"{address}{link}&ex_points=all+points&ex_method=PCA", wait_until="commit")
            page.wait_for_selector(READY, timeout=LONGEST)
            drawn = time.perf_counter() - start
            page.wait_for_selector(DRAWN, timeout=LONGEST)
            rest = time.perf_counter() - start - drawn
            lasso = lassoed(page)
            page.context.close()
            own.clear()
    return {
        **dict(zip(("command line", "server healthy", "page to points"), (opening, healthy, drawn), strict=True)),
        "points are drawn to page at rest": rest,
        "lasso to count": lasso,
        **peak.gigabytes,
    }


def lassoed(page: Any) -> float:
    """Drag a ring around the middle of the map with Shift; seconds from the release to the count on the page."""
    over = page.locator(".over").first
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.keyboard.down("Shift")
    for number in range(25):
        angle = 2 * math.pi * number / 24
        page.mouse.move(x + 120 * math.cos(angle), y + 120 * math.sin(angle), steps=2)
        if number == 0:
            page.mouse.down()
    start = time.perf_counter()
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function(COUNTED, timeout=LONGEST)
    return time.perf_counter() - start


COUNTED = r"() => /[\d,]+ of 1,000,000 points are selected/.test(document.body.innerText)"


def picks(runs: int) -> Iterator[Figure]:
    """100,000 x 256: a name typed under Pick until its neighbors, exact, stand on the page and it rests."""
    seconds = []
    with chromium("a pick") as browser, tempfile.TemporaryDirectory() as folder, common.own_home():
        path = Path(folder) / "vectors.npy"
        np.save(path, simulated(100_000, 256)[0])
        link, _ = opened(path, [])
        with server() as (address, _, _):
            page = browser.new_context(viewport=WIDE).new_page()
            page.goto(f"{address}{link}&ex_method=PCA", wait_until="commit")
            page.wait_for_selector(MAP, state="visible", timeout=LONGEST)
            page.wait_for_selector(DRAWN)
            names = page.get_by_label("Pick", exact=True)
            for number in range(1 + 5 * runs):
                item = name_of(1_000 * number + 7)
                names.fill(item)
                start = time.perf_counter()
                names.press("Enter")
                page.get_by_role("heading", name=f"What is near “{item}”").wait_for(timeout=LONGEST)
                page.wait_for_selector(DRAWN)
                seconds.append(time.perf_counter() - start)
    yield Figure("100,000 x 256: the first pick, until the page rests", seconds[0], "s")
    yield median("100,000 x 256: another pick, until the page rests", seconds[1:])


def name_of(row: int) -> str:
    """What a row, counted from 0, of a file without names is called."""
    return f"row {row + 1:,}"


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    named = {"first-map": first_map, "million": million, "picks": picks}
    yield from common.parts(*(named[part](args.runs) for part in args.only or named))


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = common.parser(__doc__ or "", 3)
    found.add_argument("--only", nargs="+", choices=("first-map", "million", "picks"), help="some of the three parts")
    return found


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))

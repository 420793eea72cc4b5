"""The app itself: start, first picture of each page, a control moved, memory, and pages while a job runs.

Each server is a real one, on a free port, in an EMBEDKIT_HOME of its own. Pictures are watched for in Chromium
(CHROMIUM names its binary), from the navigation on, each on a server that was healthy only just before. Controls are
moved over HTTP by Streamlit's agent API: its answer, the whole page as JSON, is part of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil

from benchmarks import _common as common
from benchmarks._common import ROOT, Figure, Skip, median, timed

FLAGS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
]  # fmt: skip
# page: what is visible with the first useful picture, and the budget in seconds
PICTURES = {
    "/": ("[data-testid='stImage'] img", 2.0),
    "/words": (".js-plotly-plot .main-svg >> nth=0", 4.0),
    "/contexts": (".js-plotly-plot .main-svg >> nth=0", 6.0),
}
WORDS = ("pear", "bank", "river", "king", "music", "green", "dog", "paris", "law", "train", "sugar", "war")


@contextmanager
def server(*more: str) -> Iterator[tuple[str, float, psutil.Process]]:
    """A running server: its address, the seconds from the command until it was healthy, and its process."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    address = f"http://localhost:{port}"
    start = time.perf_counter()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(port), *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                    if answer.read() == b"ok":
                        break
            except OSError:
                if process.poll() is not None or time.perf_counter() - start > 120:
                    raise Skip("the server did not start") from None
            time.sleep(0.02)
        yield address, time.perf_counter() - start, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def starts(runs: int) -> Iterator[Figure]:
    """From the command until the server is healthy; the first start, which fills caches, is apart."""
    seconds = []
    for _ in range(runs + 1):
        with server() as (_, taken, _):
            seconds.append(taken)
    yield Figure("start until healthy, first time", seconds[0], "s")
    yield median("start until healthy, second time", seconds[1:], aim=3.0)


def pictures(runs: int) -> Iterator[Figure]:
    """From the navigation until the first useful picture can be seen."""
    from playwright.sync_api import sync_playwright

    binary = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(binary).exists():
        raise Skip(f"first pictures: there is no Chromium at {binary} (CHROMIUM names another binary)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=binary, args=FLAGS)
        for path, (selector, budget) in PICTURES.items():
            fresh, again = [], []
            for _ in range(runs):
                with server() as (address, _, _):
                    for found in (fresh, again):
                        page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
                        start = time.perf_counter()
                        page.goto(address + path, wait_until="commit")
                        page.wait_for_selector(selector, state="visible", timeout=60_000)
                        found.append(time.perf_counter() - start)
                        page.context.close()
            yield median(f"first picture of {path}, server just started", fresh, aim=budget)
            yield median(f"the same for the next visitor of {path}", again)
        browser.close()


class Visitor:
    """Somebody who uses the app over HTTP."""

    def __init__(self, address: str) -> None:
        self.address, self.session = f"{address}/_stcore/agent/interact", {}

    def __call__(self, **change: Any) -> str:
        """Change something and return the page as JSON, once its script has ended."""
        body = json.dumps({**self.session, **change}).encode()
        with urlopen(Request(self.address, body, {"Content-Type": "application/json"}), timeout=120) as answer:
            text = answer.read().decode()
        found = json.loads(text)
        if found["status"] != "ready":
            raise RuntimeError(text[:1000])
        self.session = {"session_id": found["session_id"]}
        return text


def moves(address: str) -> Iterator[Figure]:
    """A control moved: the word on the map of topics, the layer of apple."""
    for page, changes in (
        ("words", [{"word": word} for word in WORDS]),
        ("contexts", [{"layer": layer} for layer in (0, 3, 6, 1, 4, 2, 5, 0, 6, 3)]),
    ):
        visitor = Visitor(address)
        visitor(page=page)
        visitor(widget_state=changes[-1])
        each = [1e3 * timed(lambda c=change: visitor(widget_state=c)) for change in changes]  # noqa: B023
        yield median(f"/{page}: {next(iter(changes[0]))} changed, page known", each, "ms", aim=150.0)


def memory(process: psutil.Process) -> Iterator[Figure]:
    """Resident memory now."""
    own = process.memory_info().rss / 1e9
    workers = sum(child.memory_info().rss for child in process.children(recursive=True)) / 1e9
    yield Figure("memory after every page was opened: the server", own, "GB", aim=1.5)
    yield Figure("the same with its worker processes", own + workers, "GB")


def beside_a_job(address: str) -> Iterator[Figure]:
    """The layer moved by one visitor while a UMAP of 22,501 words, asked for by another, is being made."""
    asking, other = Visitor(address), Visitor(address)
    other(page="contexts")
    text, each, calm = "", [], [1e3 * timed(lambda: other(widget_state={"layer": i % 7})) for i in range(20)]  # noqa: B023
    for seed in range(901, 904):
        text = asking(page="words", query_params={"set": ["All"], "seed": [str(seed)]})
        while '"stop_' in text:
            each += [1e3 * timed(lambda: other(widget_state={"layer": i % 7})) for i in range(10)]  # noqa: B023
            text = asking()
    if len(each) < 20:
        raise Skip("pages beside a job: the jobs ended too soon to measure")
    for said, found, budget in (("while a UMAP runs", each, 500.0), ("with nothing running", calm, None)):
        p95 = statistics.quantiles(found, n=20)[-1]
        yield Figure(f"layer moved {said}, p95", p95, "ms", budget, runs=tuple(found))


def library(runs: int) -> Iterator[Figure]:
    """Importing embedkit in a fresh process; exact neighbors."""
    import embedkit

    code = "import time; t = time.perf_counter(); import embedkit; print(time.perf_counter() - t)"
    seconds = [float(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT)) for _ in range(runs)]
    yield median("import embedkit, fresh process", seconds, aim=0.3)
    space = embedkit.load("words/minilm")
    embedkit.search(space, "apple")
    each = [1e3 * timed(lambda w=word: embedkit.search(space, w, 10)) for word in WORDS * runs]
    yield median("exact neighbors, 22,501 x 256", each, "ms", aim=10.0)


def measure(args: argparse.Namespace) -> Iterator[Figure]:
    """All figures of this benchmark."""
    yield from library(args.runs)
    with common.own_home():
        yield from starts(args.runs)
        with server("--server.enableAgentApi", "true") as (address, _, process):
            for page in ("home", "words", "contexts"):
                Visitor(address)(**({} if page == "home" else {"page": page}))
            time.sleep(5)  # the worker warms up beside the pages
            yield from memory(process)
            yield from moves(address)
            yield from beside_a_job(address)
        yield from pictures(args.runs)


def options() -> argparse.ArgumentParser:
    """The command line."""
    return common.parser(__doc__ or "", 3)


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))

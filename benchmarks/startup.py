"""The app itself: start, first picture of each page, a control moved, memory, and pages while a job runs.

Each server is a real one, on a free port, in an EMBEDKIT_HOME of its own. Pictures are watched for in Chromium
(CHROMIUM names its binary), from the navigation on, each on a server that was healthy only just before. Controls are
moved in this process by Streamlit's AppTest: the script of the page and its answer, without network and browser.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
from streamlit.testing.v1 import AppTest

from benchmarks import _common as common
from benchmarks._browser import WIDE, chromium, server
from benchmarks._common import ROOT, Figure, Skip, median, timed

# page: what is visible with the first useful picture, and the budget in seconds
PICTURES = {
    "/": ("[data-testid='stImage'] img", 2.0),
    "/words": (".js-plotly-plot .main-svg >> nth=0", 4.0),
    "/contexts": (".js-plotly-plot .main-svg >> nth=0", 6.0),
    "/images": (".js-plotly-plot .main-svg >> nth=0", 4.0),
    "/train-words": (".js-plotly-plot .main-svg >> nth=0", 4.0),
    "/explorer": (".js-plotly-plot .main-svg >> nth=0", 4.0),
}
WORDS = ("pear", "bank", "river", "king", "music", "green", "dog", "paris", "law", "train", "sugar", "war")


def starts(runs: int) -> Iterator[Figure]:
    """From the command until the server is healthy; the first start, which fills caches, is apart."""
    seconds = []
    for _ in range(runs + 1):
        with server() as (_, taken, _):
            seconds.append(taken)
    yield Figure("start until healthy, first time", seconds[0], "s")
    yield median("start until healthy, second time", seconds[1:], aim=3.0)


def pictures(runs: int) -> Iterator[Figure]:
    """From the navigation until the first useful picture can be seen; then the memory of a server of many visits."""
    with chromium("first pictures and memory") as browser:

        def open_page(url: str, selector: str) -> float:
            page = browser.new_context(viewport=WIDE).new_page()
            start = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.wait_for_selector(selector, state="visible", timeout=60_000)
            seconds = time.perf_counter() - start
            page.context.close()
            return seconds

        for path, (selector, budget) in PICTURES.items():
            fresh, again = [], []
            for _ in range(runs):
                with server() as (address, _, _):
                    for found in (fresh, again):
                        found.append(open_page(address + path, selector))
            yield median(f"first picture of {path}, server just started", fresh, aim=budget)
            yield median(f"the same for the next visitor of {path}", again)
        with server() as (address, _, process):
            for path, (selector, _) in [*PICTURES.items()] * 3:
                open_page(address + path, selector)
            time.sleep(5)  # the worker warms up beside the pages
            yield from memory(process)


def visitor(page: str, **query: str) -> AppTest:
    """Somebody who has opened a page by a link; what runs is the page's script, without a network."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=120)
    app.switch_page(f"pages/{page}.py")
    for name, value in query.items():
        app.query_params[name] = value
    return app.run()


def move_layer(app: AppTest, layer: int) -> float:
    """Milliseconds of one move of the layer on the page of words in context."""
    return 1e3 * timed(lambda: app.slider(key="layer").set_value(layer).run())


def moves(runs: int) -> Iterator[Figure]:
    """A control moved: the word on the map of topics, the layer of apple."""
    app = visitor("words")
    each = [1e3 * timed(lambda w=word: app.text_input(key="word").set_value(w).run()) for word in WORDS * runs]
    yield median("/words: word changed", each, "ms", aim=150.0)
    app = visitor("contexts")
    layers = [0, 3, 6, 1, 4, 2, 5] * runs
    yield median("/contexts: layer changed", [move_layer(app, layer) for layer in layers], "ms", aim=150.0)


def moves_of_pictures(runs: int) -> Iterator[Figure]:
    """Controls of the page of pictures moved: the step, the place on the plane, the picked picture."""
    app = visitor("images")
    each = [1e3 * timed(lambda n=n: app.slider(key="back").set_value(-n).run()) for n in [1, 5, 9, 3, 7, 11] * runs]
    yield median("/images: step back", each, "ms", aim=150.0)
    app = visitor("images", view="Walk")
    each = [1e3 * timed(lambda x=x: app.number_input(key="x").set_value(x).run()) for x in [1.0, -2.0, 3.5, 0.5] * runs]
    yield median("/images, Walk: another place", each, "ms", aim=150.0)
    app = visitor("images", view="Compare")
    each = [1e3 * timed(lambda n=n: app.number_input(key="p").set_value(n).run()) for n in [5.0, 9.0, 800.0] * runs]
    yield median("/images, Compare: another picture", each, "ms", aim=150.0)


def beside_a_training(runs: int) -> Iterator[Figure]:
    """The layer moved by one visitor while an autoencoder, asked for by another, is trained."""
    other, busy = visitor("contexts"), []
    for seed in range(901, 901 + runs):
        asking = visitor("images", pictures="Shapes drawn by rule", epochs="40", seed=str(seed))
        while any(str(button.key) == "stop_training" for button in asking.button):
            busy += [move_layer(other, i % 7) for i in range(7)]
            asking.run()
    if len(busy) < 20:
        raise Skip("pages beside a training: the trainings ended too soon to measure")
    p95 = statistics.quantiles(busy, n=20)[-1]
    yield Figure("/contexts: layer changed while a training runs, p95", p95, "ms", 500.0, runs=tuple(busy))


def memory(process: psutil.Process) -> Iterator[Figure]:
    """Resident memory now."""
    own = process.memory_info().rss / 1e9
    workers = sum(child.memory_info().rss for child in process.children(recursive=True)) / 1e9
    yield Figure("memory after every page was opened: the server", own, "GB", aim=1.5)
    yield Figure("the same with its worker processes", own + workers, "GB")


def beside_a_job(runs: int) -> Iterator[Figure]:
    """The layer moved by one visitor while a UMAP of 22,501 words, asked for by another, is being made."""
    other = visitor("contexts")
    calm, busy = [move_layer(other, i % 7) for i in range(20 * runs)], []
    for seed in range(901, 901 + runs):
        asking = visitor("words", set="All", seed=str(seed))
        while any(str(button.key).startswith("stop_") for button in asking.button):
            busy += [move_layer(other, i % 7) for i in range(7)]
            asking.run()
    if len(busy) < 20:
        raise Skip("pages beside a job: the jobs ended too soon to measure")
    for said, found, budget in (("while a UMAP runs", busy, 500.0), ("with nothing running", calm, None)):
        p95 = statistics.quantiles(found, n=20)[-1]
        yield Figure(f"/contexts: layer changed {said}, p95", p95, "ms", budget, runs=tuple(found))


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


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    with common.own_home():
        yield from common.parts(
            *(
                part(args.runs)
                for part in (library, starts, pictures, moves, moves_of_pictures, beside_a_job, beside_a_training)
            )
        )
        from embedkit.jobs import default_pool

        default_pool().close()


def options() -> argparse.ArgumentParser:
    """The command line."""
    return common.parser(__doc__ or "", 3)


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))

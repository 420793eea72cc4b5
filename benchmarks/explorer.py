"""The explorer: a million vectors from file to map and lasso, neighbors exact and by cells, every format.

The map of 10,000 x 256 beside umap-learn, cold, is in benchmarks.projection: the explorer draws by the same call. Each
part runs in a process of its own, so that its memory is its own; drawing in the browser is not in these seconds.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import _common as common
from benchmarks._common import Figure, Skip, median

MILLION, DIMS = 1_000_000, 64
SECONDS, MEMORY = 60.0, 6_000.0
PARTS = ("search", "index", "million", "formats")
LARGE = {"words": "100,000 x 256 words", "200000": "200,000 x 64 on a sheet", "pictures": "70,000 x 784 pictures"}


def simulated(n: int, d: int) -> Any:
    """Vectors in a dozen loose groups, and the group of each."""
    import numpy as np

    rng = np.random.default_rng(0)
    centers = rng.normal(size=(12, d)).astype(np.float32) * 2
    groups = rng.integers(0, 12, n)
    return centers[groups] + rng.normal(size=(n, d)).astype(np.float32), groups


def write_million(path: Path) -> None:
    """The file that is opened."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors, groups = simulated(MILLION, DIMS)
    table = pa.table(
        {
            "item": [f"item {row}" for row in range(MILLION)],
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMS),
            "group": [f"group {group}" for group in groups],
        }
    )
    pq.write_table(table, path)


def million(path: Path) -> dict[str, float]:
    """Seconds of each step from the file to a lasso, and peak memory in MB."""
    import resource

    import numpy as np

    from embedkit.explore import columns, keep_space, kept_space
    from embedkit.figures.lasso import rows_inside
    from embedkit.files import open_files
    from embedkit.projection import project
    from embedkit.quality import measure
    from embedkit.store import Store

    found: dict[str, float] = {}
    clock = time.perf_counter()

    def lap(name: str) -> None:
        nonlocal clock
        found[name] = time.perf_counter() - clock
        clock = time.perf_counter()

    opened = open_files([path])
    lap("opened")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        key = keep_space(opened.space, store)
        lap("kept for the page")
        space = kept_space(store, key)
        columns(space)
        lap("read by the page")
    made = project(space, method="pca")
    lap("PCA")
    measure(space, made)
    lap("trust measured")
    low, high = made.coords.min(0), made.coords.max(0)
    angle = np.linspace(0, 2 * np.pi, 300)
    outline = (low + high) / 2 + (high - low) / 4 * np.stack([np.cos(angle), np.sin(angle)], 1)
    clock = time.perf_counter()
    rows_inside(made.coords, outline)
    lap("lasso")
    found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    return found


def realistic(name: str, seed: int = 0) -> Any:
    """Vectors of length 1: words with noise, pictures, or points on a bent sheet of ten dimensions."""
    import numpy as np

    rng = np.random.default_rng(seed)
    if name == "words":
        from embedkit.words import minilm

        unit = minilm().unit
        rows, size = rng.integers(0, len(unit), 100_000 - len(unit)), 0.5 / np.sqrt(unit.shape[1])
        copies = unit[rows] + size * rng.standard_normal((len(rows), unit.shape[1]), np.float32)
        vectors = np.concatenate([unit, copies])
    elif name == "pictures":
        folder = common.shared("fashion-mnist")
        parts = [(folder / f"{part}-images-idx3-ubyte.gz").read_bytes() for part in ("train", "t10k")]
        pixels = [np.frombuffer(gzip.decompress(part), np.uint8, offset=16) for part in parts]
        vectors = np.concatenate(pixels).reshape(-1, 784).astype(np.float32)
    else:
        sheet = np.tanh(rng.standard_normal((int(name), 10), np.float32) @ rng.standard_normal((10, 64), np.float32))
        vectors = sheet @ rng.standard_normal((64, DIMS), np.float32)
        vectors += 0.1 * rng.standard_normal(vectors.shape, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def graph(name: str, how: str) -> dict[str, Any]:
    """Seconds of both cores, cold and again, of the 15 nearest of every item; recall at 10 on 1,000; peak memory in MB.

    Seconds of the processor, as those of a clock say more of what else runs: a search uses both cores all the while.
    """
    import resource

    import numpy as np

    from embedkit.neighbors import knn_graph, search
    from embedkit.space import Space

    vectors = realistic(name)
    n = len(vectors)
    spaces = [Space("a", "a", tuple(map(str, range(n))), vectors) for _ in range(2)]
    made: list[Any] = []

    def peer() -> Any:
        if how == "pynndescent":
            from pynndescent import NNDescent

            return NNDescent(vectors, metric="cosine", n_neighbors=16, random_state=0, n_jobs=2).neighbor_graph[0]
        from voyager import Index
        from voyager import Space as By

        index = Index(By.Cosine, vectors.shape[1], random_seed=1)
        index.add_items(vectors, num_threads=2)
        return index.query(vectors, k=16, num_threads=2, query_ef=50)[0].astype(np.int64)

    def own() -> Any:
        if how == "exact":
            from embedkit.index import every_pair

            return every_pair(vectors, 15, "cosine").rows
        return knn_graph(spaces.pop()).indices

    work = own if how in ("embedkit", "exact") else peer

    def used() -> float:
        before = os.times()
        made.append(work())
        return sum(os.times()[:2]) - sum(before[:2])

    cold = used()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)
    again = used()
    rows = np.random.default_rng(1).choice(n, 1_000, replace=False)
    space = Space("a", "a", tuple(map(str, range(n))), vectors)
    shares = []
    for row in rows:
        true = [each.row for each in search(space, str(row), 10) if not each.asked]
        found = [each for each in made[0][row] if each != row][:10]
        shares.append(len(set(true) & set(found)) / 10)
    same = bool((made[0] == made[1]).all())
    return {"cold": cold, "again": again, "recall": float(np.mean(shares)), "peak": peak, "same": same}


def neighbors(more: bool) -> Iterator[Figure]:
    """The graph of large spaces, beside NN-descent as it comes, HNSW, and all pairs, in the same run."""
    for name, title in LARGE.items():
        if name == "pictures":  # the last, as the rest needs no data set
            common.shared("fashion-mnist")
        hows = ("embedkit", "pynndescent", "voyager", "exact") if more else ("embedkit", "pynndescent")
        found = {how: child("graph", name, how) for how in hows}
        for how, each in found.items():
            what = f"{title}: {how}"
            note = "same bytes again" if each["same"] else "NOT the same again"
            aim = 0.99 if how == "embedkit" else None
            yield Figure(f"{what}, recall at 10", each["recall"], "", aim, ">", note)
            yield Figure(f"{what}, processor, cold", each["cold"], "s")
            yield Figure(f"{what}, processor, again", each["again"], "s")
            yield Figure(f"{what}, peak memory", each["peak"], "MB")
        for key in ("cold", "again"):
            yield Figure(f"{title}: embedkit / pynndescent, {key}", found["embedkit"][key] / found["pynndescent"][key])


def one_of_a_million(runs: int) -> dict[str, list[float]]:
    """Milliseconds of the ten nearest of 1,000,000 x 64, exact."""
    from embedkit.neighbors import search
    from embedkit.space import Space

    vectors, _ = simulated(MILLION, DIMS)
    space = Space("a", "a", tuple(map(str, range(MILLION))), vectors)
    search(space, "0", 10)
    each = [common.timed(lambda row=row: search(space, str(row), 10)) for row in range(10 * runs)]  # type: ignore[misc]
    return {"ms": [1e3 * seconds for seconds in each]}


def exact(runs: int) -> dict[str, list[float]]:
    """Milliseconds of the ten nearest of 100,000 x 256."""
    from embedkit.neighbors import search
    from embedkit.space import Space

    vectors, _ = simulated(100_000, 256)
    space = Space("a", "a", tuple(map(str, range(100_000))), vectors)
    search(space, "0", 10)  # the unit vectors are made once
    each = [common.timed(lambda row=row: search(space, str(row), 10)) for row in range(20 * runs)]  # type: ignore[misc]
    return {"ms": [1e3 * seconds for seconds in each]}


def formats() -> dict[str, float]:
    """Seconds to write and to read 20,000 x 64 in every format that is written."""
    import pandas as pd

    from embedkit.files import FORMATS, open_files, save_space
    from embedkit.space import Space

    vectors, groups = simulated(20_000, 64)
    names = tuple(f"item-{row}" for row in range(20_000))
    space = Space("a", "a", names, vectors, pd.DataFrame({"group": groups}))
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for row in FORMATS.values():
            if row.write is None:
                continue
            start = time.perf_counter()
            (Path(folder) / row.key).mkdir()
            saved = save_space(space, Path(folder) / row.key / f"vectors{row.suffixes[0]}", row.key)
            again = open_files(sorted(saved.files)).space
            assert again.n == space.n, row.key
            found[row.title] = time.perf_counter() - start
    return found


def child(part: str, *given: str) -> dict[str, Any]:
    """What a part finds in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.explorer", "--child", part, *given]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=common.ROOT)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def searched(runs: int) -> Iterator[Figure]:
    """One item's neighbors."""
    yield median("10 nearest of 100,000 x 256, exact", child("exact", str(runs))["ms"], "ms", aim=40.0)
    yield median("10 nearest of 1,000,000 x 64, exact", child("one", str(runs))["ms"], "ms")


def from_file(runs: int) -> Iterator[Figure]:
    """A million vectors, step by step."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        write_million(path)
        laps = [child("million", str(path)) for _ in range(runs)]
    whole = [sum(value for name, value in lap.items() if name != "peak") for lap in laps]
    yield median("1,000,000 x 64, from Parquet to a lasso", whole, aim=SECONDS)
    for name in laps[0]:
        unit = "MB" if name == "peak" else "s"
        aim = MEMORY if name == "peak" else None
        yield median(f"1,000,000 x 64: {name}", [lap[name] for lap in laps], unit, aim=aim)


def written() -> Iterator[Figure]:
    """Every format."""
    for title, seconds in child("formats").items():
        yield Figure(f"20,000 x 64 written and read: {title}", seconds, "s")


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark, or of the parts that are asked for."""
    parts = {
        "search": lambda: searched(args.runs),
        "index": lambda: neighbors(args.peers),
        "million": lambda: from_file(args.runs),
        "formats": written,
    }
    yield from common.parts(*(part() for name, part in parts.items() if name in (args.only or parts)))


if __name__ == "__main__":
    options = common.parser(__doc__ or "", 3)
    options.add_argument("--only", nargs="+", choices=PARTS, help="some of the parts")
    options.add_argument("--peers", action="store_true", help="the index beside HNSW and all pairs as well")
    options.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    if given := options.parse_args().child:
        part, *more = given
        parts = {
            "exact": lambda: exact(int(more[0])),
            "one": lambda: one_of_a_million(int(more[0])),
            "graph": lambda: graph(more[0], more[1]),
            "million": lambda: million(Path(more[0])),
            "formats": formats,
        }
        print(json.dumps(parts[part]()))
        sys.exit(0)
    sys.exit(common.main(measure, __doc__ or "", options))

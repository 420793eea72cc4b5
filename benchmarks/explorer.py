"""The explorer: a million vectors from file to map and lasso, exact search, every format written and read.

The map of 10,000 x 256 beside umap-learn, cold, is in benchmarks.projection: the explorer draws by the same call. Each
part runs in a process of its own, so that its memory is its own; drawing in the browser is not in these seconds.
"""

from __future__ import annotations

import argparse
import json
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


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """All figures of this benchmark."""
    found = child("exact", str(args.runs))
    yield median("10 nearest of 100,000 x 256, exact", found["ms"], "ms", aim=40.0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.parquet"
        write_million(path)
        laps = [child("million", str(path)) for _ in range(args.runs)]
    whole = [sum(value for name, value in lap.items() if name != "peak") for lap in laps]
    yield median("1,000,000 x 64, from Parquet to a lasso", whole, aim=SECONDS)
    for name in laps[0]:
        unit = "MB" if name == "peak" else "s"
        aim = MEMORY if name == "peak" else None
        yield median(f"1,000,000 x 64: {name}", [lap[name] for lap in laps], unit, aim=aim)
    for title, seconds in child("formats").items():
        yield Figure(f"20,000 x 64 written and read: {title}", seconds, "s")


if __name__ == "__main__":
    options = common.parser(__doc__ or "", 3)
    options.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    if given := options.parse_args().child:
        part, *more = given
        parts = {"exact": lambda: exact(int(more[0])), "million": lambda: million(Path(more[0])), "formats": formats}
        print(json.dumps(parts[part]()))
        sys.exit(0)
    sys.exit(common.main(measure, __doc__ or "", options))

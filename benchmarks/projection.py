"""Maps: UMAP against umap-learn as it comes, t-SNE, PaCMAP, PCA, quality, and the kNN graph below them.

Both UMAPs get the same vectors, n_neighbors 15, min_dist 0.1, cosine. Cold is a fresh process from its start to the
coordinates, imports and compilation included, once with an empty cache of compiled code and once with a filled one;
warm is the second call in the same process, for embedkit with a new Space, so that its kNN graph is made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import _common as common
from benchmarks._common import ROOT, Figure, median, timed

COLD, WARM, TRUST = 0.30, 0.50, 0.005  # budgets: shares of umap-learn's time, difference of trustworthiness


def once(who: str, folder: str) -> None:
    """In a fresh process: make the map twice, save the first, print the time of day at its end and the later times."""
    vectors = np.load(Path(folder, "vectors.npy"))
    if who == "embedkit":
        from embedkit.projection import project
        from embedkit.space import Space

        names = tuple(map(str, range(len(vectors))))

        def fit() -> np.ndarray:
            spaces.append(Space("bench", "Bench", names, vectors))
            return project(spaces[-1], method="umap", n_neighbors=15, min_dist=0.1).coords

        spaces: list[Space] = []
        again = [lambda: fit(), lambda: project(spaces[-1], method="umap", min_dist=0.1, seed=1)]
    else:
        import umap

        def fit() -> np.ndarray:
            return np.asarray(umap.UMAP(metric="cosine").fit_transform(vectors))

        again = [fit]
    coords = fit()
    end = time.time()
    np.save(Path(folder, f"{who}.npy"), coords)
    print(json.dumps({"end": end, "later": [timed(work) for work in again]}))


def fresh(code: str, **environment: str) -> tuple[float, dict]:
    """Run code of this module in a process of its own: the time of day at its start, and the JSON that it printed."""
    start = time.time()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"from benchmarks import projection; projection.{code}"],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return start, json.loads(done.stdout.splitlines()[-1])


def trust(vectors: np.ndarray, coords: np.ndarray) -> float:
    """scikit-learn's trustworthiness over all points, 10 neighbors, cosine."""
    from sklearn.manifold import trustworthiness

    return float(trustworthiness(vectors, coords, n_neighbors=10, metric="cosine"))


def against_umap(vectors: np.ndarray, runs: int) -> Iterator[Figure]:
    """Time and trustworthiness of both UMAPs on the same vectors; embedkit and umap-learn take turns."""
    n, times, trusts = f"{len(vectors):,}", {}, {}
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "vectors.npy"), vectors)
        for i in range(runs):
            for who in ("embedkit", "umap-learn"):
                for state in ("empty", "filled"):  # the second process finds what the first one compiled
                    cache = str(Path(folder, f"cache-{who}-{i}"))
                    start, out = fresh(f"once({who!r}, {folder!r})", NUMBA_CACHE_DIR=cache)
                    times.setdefault((who, state), []).append(out["end"] - start)
                    times.setdefault((who, "warm"), []).append(out["later"][0])
                    if out["later"][1:]:
                        times.setdefault((who, "kept"), []).append(out["later"][1])
                trusts.setdefault(who, []).append(trust(vectors, np.load(Path(folder, f"{who}.npy"))))
    words = {"empty": "cold, no compiled code on disk", "filled": "cold, compiled code on disk", "warm": "warm"}
    mid = {key: median("", found).value for key, found in times.items()}
    best = {key: min(found) for key, found in times.items()}  # least disturbed by other work on the machine
    for state, said in words.items():
        for who in ("embedkit", "umap-learn"):
            yield median(f"UMAP {n}, {said}: {who}", times[who, state])
        share = mid["embedkit", state] / mid["umap-learn", state]
        note = f"of the fastest runs {best['embedkit', state] / best['umap-learn', state]:.3f}"
        yield Figure(f"UMAP {n}, {said}: share", share, aim=WARM if state == "warm" else COLD, note=note)
    yield median(f"UMAP {n}, another seed, kNN graph kept: embedkit", times["embedkit", "kept"])
    for who in ("embedkit", "umap-learn"):
        yield median(f"UMAP {n}, trustworthiness: {who}", trusts[who], "")
    short = median("", trusts["umap-learn"]).value - median("", trusts["embedkit"]).value
    yield Figure(f"UMAP {n}, trustworthiness lost against umap-learn", short, aim=TRUST)


def others(runs: int) -> Iterator[Figure]:
    """PCA, PaCMAP, t-SNE, quality and the exact graph, warm, in this process."""
    import embedkit
    from embedkit.neighbors import knn_graph
    from embedkit.projection import project
    from embedkit.quality import measure

    words = embedkit.load("words/minilm")
    part = words.take(words.items[:10_000])
    for method, title in (("pca", "PCA"), ("pacmap", "PaCMAP"), ("tsne", "t-SNE, perplexity 30")):
        project(words.take(words.items[:500]), method=method)  # imports
        made = []
        times = [timed(lambda: made.append(project(part.take(part.items), method=method))) for _ in range(runs)]  # noqa: B023
        yield median(f"{title} 10,000, warm", times)
        yield Figure(f"{title} 10,000, trustworthiness", trust(part.vectors, made[0].coords))
    knn_graph(part, 15)
    yield median("quality of a map of 10,000", [timed(lambda: measure(part, made[0])) for _ in range(runs)])
    graphs = [timed(lambda: knn_graph(words.take(words.items), 15)) for _ in range(runs)]
    yield median("kNN graph 22,501 x 256, k 15, exact", graphs)


def large() -> None:
    """In a fresh process: the approximate graph of 100,000 x 256 points around 1,000 centers."""
    import resource

    from embedkit.neighbors import knn_graph
    from embedkit.space import Space

    rng = np.random.default_rng(0)
    n, centers = 100_000, rng.normal(size=(1_000, 256))
    vectors = (centers[rng.integers(0, 1_000, n)] + rng.normal(size=(n, 256))).astype(np.float32)
    space = Space("large", "Large", tuple(map(str, range(n))), vectors)
    found = []
    seconds = timed(lambda: found.append(knn_graph(space, 10)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    rows = rng.choice(n, 1_000, replace=False)
    scores = space.unit[rows] @ space.unit.T
    scores[np.arange(len(rows)), rows] = -np.inf
    true = np.argpartition(-scores, 9, axis=1)[:, :10]
    recall = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(true, found[0].indices[rows], strict=True)])
    print(json.dumps({"seconds": seconds, "peak": peak, "recall": float(recall), "exact": found[0].exact}))


def digits() -> Iterator[Figure]:
    """umap's documented test: fit on 75 % of the digits, place 25 %, classify these by their neighbors on the map."""
    import umap
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from sklearn.neighbors import KNeighborsClassifier

    from embedkit.projection import project
    from embedkit.space import Space

    data = load_digits()
    parts = train_test_split(data.data.astype(np.float32), data.target, stratify=data.target, random_state=42)
    train, test, y, gold = (np.ascontiguousarray(part) for part in parts)
    space = Space("digits", "Digits", tuple(map(str, range(len(train)))), train)

    def score(a: np.ndarray, b: np.ndarray) -> float:
        return float(KNeighborsClassifier().fit(a, y).score(b, gold))

    for k in (15, 5):
        made = project(space, method="umap", metric="euclidean", n_neighbors=k, min_dist=0.1)
        note = "test accuracy of 5 nearest on the map"
        yield Figure(f"digits, {k} neighbors: embedkit", score(made.coords, made.transform(test)), "", 0.984, ">", note)
        fit = umap.UMAP(n_neighbors=k, random_state=42).fit(train)
        yield Figure(f"digits, {k} neighbors: umap-learn", score(fit.embedding_, fit.transform(test)), note=note)


def measure(args: argparse.Namespace) -> Iterator[Figure]:
    """All figures of this benchmark."""
    import embedkit

    vectors = embedkit.load("words/minilm").vectors
    for n in args.sizes:
        yield from against_umap(vectors[:n], args.runs)
    if args.only_umap:
        return
    yield from others(args.runs)
    _, out = fresh("large()")
    yield Figure("kNN graph 100,000 x 256, k 10, approximate, cold", out["seconds"], "s")
    yield Figure("its recall at 10, of 1,000 points", out["recall"])
    yield Figure("its peak memory, vectors included", out["peak"], "GB")
    yield from digits()


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = common.parser(__doc__ or "", 3)
    found.add_argument("--sizes", type=int, nargs="+", default=[10_000, 2_000], help="numbers of words for both UMAPs")
    found.add_argument("--only-umap", action="store_true", help="leave out all but the comparison with umap-learn")
    return found


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))

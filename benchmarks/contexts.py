"""Frozen MiniLM on two word-in-context tasks: CoarseWSD-20, five words (nearest sense centroid), and WiC (same sense?).

Loureiro et al. 2021; Pilehvar and Camacho-Collados 2019. No fine-tuning. The settings below were chosen by
cross-validation on the train parts; --choose does that again, with the grids below, and takes some minutes more.
Views of one occurrence, at each of the layers 0 to 6, all means over word pieces: tok is the word itself; w1, w2, w5
the word and 1, 2, 5 words on each side; sent the whole sentence.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import _common as common
from benchmarks._common import Figure, Skip
from embedkit.encoders.transformer import load_transformer

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Views = dict[str, Floats]  # view -> (occurrences, layers, d)
Spec = tuple[tuple[str, ...], tuple[int, ...]]  # views and layers
Item = tuple[list[str], int]  # the words of a sentence and the number of the one that is looked at

REACH = {"tok": 0, "w1": 1, "w2": 2, "w5": 5, "sent": 10**6}
WORDS = ("apple", "bank", "crane", "java", "mole")
LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)
RIDGES = (0.1, 1.0, 10.0, 100.0, 1000.0)
COARSE_GRID: tuple[Spec, ...] = (
    *(((view,), (layer,)) for view in REACH for layer in range(1, 7)),
    *((views, (6,)) for views in (("tok", "w5"), ("tok", "sent"), ("w5", "sent"), ("tok", "w5", "sent"))),
    *(((view,), (4, 5, 6)) for view in ("tok", "w2", "w5")),
    (("tok", "w5"), (5, 6)),
    (("tok", "w5"), (4, 6)),
)
WIC_GRID: tuple[Spec, ...] = (
    (("tok",), (6,)),
    (("tok",), (3,)),
    (("w2",), (3,)),
    (("w2", "sent"), (3,)),
    (("tok", "w2", "sent"), (3, 4)),
    (("tok", "w2", "sent"), tuple(range(7))),
    (tuple(REACH), (3, 4)),
    (tuple(REACH), tuple(range(7))),
)
COARSE: tuple[Spec, float] = ((("tok", "w5"), (4, 6)), 0.5)
WIC: tuple[Spec, float] = ((tuple(REACH), tuple(range(7))), 100.0)
AT_ONCE = 256  # sentences read at a time: their states at every layer take about 100 MB


def unit(x: Floats) -> Floats:
    """Rows of length 1."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9)


def read(items: list[Item]) -> Views:
    """Every view of the word at its place in each sentence; rounded to 16 bits, as four gigabytes would be needed."""
    model = load_transformer()
    found = {view: np.zeros((len(items), model.layers + 1, model.d), np.float16) for view in REACH}
    order = sorted(range(len(items)), key=lambda i: sum(map(len, items[i][0])))
    for start in range(0, len(order), AT_ONCE):
        some = order[start : start + AT_ONCE]
        for i, reading in zip(some, model.read([" ".join(items[i][0]) for i in some]), strict=True):
            words, place = items[i]
            begins = list(accumulate((len(word) + 1 for word in words[:-1]), initial=0))
            pieces = [p for p, (a, b) in enumerate(reading.spans) if b > a]  # all but the special ones
            of_word = np.searchsorted(begins, [reading.spans[p][0] for p in pieces], side="right") - 1
            away = np.abs(of_word - place)
            if 0 not in away:
                raise ValueError(f"The word {words[place]!r} lies past the {model.limit} pieces that the model reads.")
            states = reading.states[:, pieces]
            for view, reach in REACH.items():
                found[view][i] = states[:, away <= reach].mean(1)
    return {view: x.astype(np.float32) for view, x in found.items()}


def lines(path: Path) -> list[str]:
    """Lines that hold something."""
    return [line for line in path.read_text("utf-8").split("\n") if line.strip()]


def coarse(word: str, part: str) -> tuple[Views, Ints]:
    """Occurrences of a word of CoarseWSD-20 and their senses."""
    folder = common.shared("coarsewsd20") / word
    rows = [line.split("\t") for line in lines(folder / f"{part}.data.txt")]
    gold = np.array([int(line) for line in lines(folder / f"{part}.gold.txt")])
    return read([(row[1].split(" "), int(row[0])) for row in rows]), gold


def wic(part: str) -> tuple[Views, Views, Ints, NDArray[np.str_]]:
    """Both sides of each pair, the word put back into its dictionary form (WiC gives it); labels; the words."""
    folder = common.shared("wic") / part
    rows = [line.split("\t") for line in lines(folder / f"{part}.data.txt")]
    gold = np.array([int(line == "T") for line in lines(folder / f"{part}.gold.txt")])
    sides: list[Views] = []
    for side in (0, 1):
        items: list[Item] = []
        for lemma, _, where, *texts in rows:
            words, at = texts[side].split(" "), int(where.split("-")[side])
            items.append(([*words[:at], lemma.replace("_", " "), *words[at + 1 :]], at))
        sides.append(read(items))
    return sides[0], sides[1], gold, np.array([row[0] for row in rows])


def join(views: Views, spec: Spec) -> Floats:
    """The views and layers of a setting side by side, each of length 1."""
    return np.concatenate([unit(views[view][:, layer]) for view in spec[0] for layer in spec[1]], 1)


def centroids(a: Floats, y: Ints, b: Floats, lambdas: tuple[float, ...]) -> Iterator[Ints]:
    """Guesses for b by the nearest sense centroid of a (cosine): plain, then whitened for each lambda.

    Whitened: centered on the mean of the centroids, divided by the root of (1 - lambda) S + lambda (mean variance) I,
    with S the covariance of the train occurrences about the centroid of their own sense (Ledoit and Wolf's shrinkage).
    """
    classes, at = np.unique(y, return_inverse=True)

    def nearest(p: Floats, q: Floats) -> Ints:
        middle = unit(np.stack([unit(p)[at == k].mean(0) for k in range(len(classes))]))
        return classes[(unit(q) @ middle.T).argmax(1)]

    yield nearest(a, b)
    if not lambdas:
        return
    means = np.stack([a[at == k].mean(0) for k in range(len(classes))])
    rest = a - means[at]
    variances, axes = np.linalg.eigh(rest.T @ rest / len(rest))
    p, q = (a - means.mean(0)) @ axes, (b - means.mean(0)) @ axes
    for share in lambdas:
        scale = 1 / np.sqrt((1 - share) * np.maximum(variances, 0) + share * variances.mean())
        yield nearest(p * scale, q * scale)


def choose_coarse(train: dict[str, tuple[Views, Ints]]) -> tuple[Spec, float]:
    """One setting for all words: the best mean over words of 5-fold accuracy on train. Lambda 0 means plain."""
    best = (-1.0, COARSE)
    for spec in COARSE_GRID:
        table = []
        for views, y in train.values():
            x, fold, hits = join(views, spec), np.zeros(len(y), int), np.zeros(1 + len(LAMBDAS))
            for sense in np.unique(y):  # stratified
                rows = np.random.default_rng(0).permutation(np.flatnonzero(y == sense))
                fold[rows] = np.arange(len(rows)) % 5
            for f in range(5):
                guesses = centroids(x[fold != f], y[fold != f], x[fold == f], LAMBDAS)
                hits += [(guess == y[fold == f]).sum() for guess in guesses]
            table.append(100 * hits / len(y))
        for share, mean in zip((0.0, *LAMBDAS), np.mean(table, axis=0), strict=True):
            best = max(best, (float(mean), (spec, share)), key=lambda pair: pair[0])
    print(f"CoarseWSD-20, chosen: {best[1]}, train macro {best[0]:.2f}", file=sys.stderr, flush=True)
    return best[1]


class Cosines:
    """One cosine per view and layer, after centering and without the first principal axis of the train vectors."""

    def __init__(self, a: Views, b: Views, spec: Spec) -> None:
        self.fit = {}
        for view in spec[0]:
            for layer in spec[1]:
                x = np.concatenate([unit(a[view][:, layer]), unit(b[view][:, layer])])
                mean = x.mean(0)
                self.fit[view, layer] = mean, np.linalg.eigh(np.cov((x - mean).T))[1][:, -1].astype(np.float32)

    def __call__(self, a: Views, b: Views) -> Floats:
        columns = []
        for (view, layer), (mean, axis) in self.fit.items():
            p, q = (unit(x[view][:, layer]) - mean for x in (a, b))
            columns.append((unit(p - np.outer(p @ axis, axis)) * unit(q - np.outer(q @ axis, axis))).sum(1))
        return np.stack(columns, 1)  # (pairs, views x layers)


def logistic(x: Floats, y: Ints, z: Floats, ridge: float) -> Ints:
    """Ridge logistic regression of y on x, standardized, by Newton's steps; the guesses for z."""
    mean, std = x.mean(0), x.std(0) + 1e-9
    p, q = (np.c_[(t - mean) / std, np.ones(len(t))].astype(np.float64) for t in (x, z))
    w, penalty = np.zeros(p.shape[1]), np.r_[np.full(x.shape[1], ridge), 0.0]
    for _ in range(25):
        h = 1 / (1 + np.exp(-p @ w))
        w -= np.linalg.solve((p.T * (h * (1 - h))) @ p + np.diag(penalty), p.T @ (h - y) + penalty * w)
    return (q @ w > 0).astype(np.int64)


def choose_wic(a: Views, b: Views, y: Ints, lemmas: NDArray[np.str_]) -> tuple[Spec, float]:
    """The best 10-fold accuracy on train, all pairs of one word in one fold, mean of two divisions into folds."""
    best = (-1.0, WIC)
    names, at = np.unique(lemmas, return_inverse=True)
    folds = [(np.random.default_rng(seed).permutation(len(names)) % 10)[at] for seed in (0, 1)]
    for spec in WIC_GRID:
        x = Cosines(a, b, spec)(a, b)
        for ridge in RIDGES:
            parts = [fold == i for fold in folds for i in range(10)]
            hits = sum(int((logistic(x[~out], y[~out], x[out], ridge) == y[out]).sum()) for out in parts)
            best = max(best, (100 * hits / len(y) / len(folds), (spec, ridge)), key=lambda pair: pair[0])
    print(f"WiC, chosen: {best[1]}, train {best[0]:.2f}", file=sys.stderr, flush=True)
    return best[1]


def score_wic(choose: bool) -> Iterator[Figure]:
    """Accuracy on dev."""
    a, b, y, lemmas = wic("train")
    chosen, ridge = choose_wic(a, b, y, lemmas) if choose else WIC
    c, d, gold, _ = wic("dev")
    for name, spec, aim in (("the word's cosine, layer 6", WIC_GRID[0], None), ("chosen", chosen, 60.0)):
        cosines = Cosines(a, b, spec)
        hits = logistic(cosines(a, b), y, cosines(c, d), ridge) == gold
        yield Figure(f"WiC dev, {name}", 100 * hits.mean(), "%", aim, ">", f"{hits.sum()} of {len(hits)}")


def score_coarse(choose: bool) -> Iterator[Figure]:
    """Accuracy on test, for each layer by plain centroids of the word alone, then as chosen."""
    train = {word: coarse(word, "train") for word in WORDS}
    chosen, share = choose_coarse(train) if choose else COARSE
    rows: dict[str, list[float]] = {}
    for word in WORDS:
        (x, y), (z, gold) = train.pop(word), coarse(word, "test")
        for layer in range(1, 7):
            one: Spec = (("tok",), (layer,))
            guess = next(centroids(join(x, one), y, join(z, one), ()))
            rows.setdefault(f"plain, layer {layer}", []).append(100 * float((guess == gold).mean()))
        *_, guess = centroids(join(x, chosen), y, join(z, chosen), (share,) if share else ())
        rows.setdefault("chosen", []).append(100 * float((guess == gold).mean()))
    for name, found in rows.items():
        for word, value in zip((*WORDS, "macro"), (*found, float(np.mean(found))), strict=True):
            aimed = name == "chosen" and word == "apple"
            yield Figure(f"CoarseWSD-20 test, {name}: {word}", value, "%", 99.0 if aimed else None, ">")


def measure(args: argparse.Namespace) -> Iterator[Figure | Skip]:
    """Both tasks; nothing is drawn at random, so one run is enough."""
    yield from common.parts(score_wic(args.choose), score_coarse(args.choose))


def options() -> argparse.ArgumentParser:
    """The command line."""
    found = common.parser(__doc__ or "", 1)
    found.add_argument("--choose", action="store_true", help="choose the settings again, on train")
    return found


if __name__ == "__main__":
    sys.exit(common.main(measure, __doc__ or "", options()))

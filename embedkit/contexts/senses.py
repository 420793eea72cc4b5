"""How well the senses of a word part at each layer, and which sentences stand on the wrong side."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from embedkit.contexts.occurrences import UNLABELLED, Occurrence
from embedkit.contexts.reading import Layers
from embedkit.errors import InputError
from embedkit.space import Vectors, to_unit

__all__ = ["LayerFigures", "Misplaced", "figures_by_layer", "misplaced", "parting_layer", "sense_means"]


@dataclass(frozen=True)
class LayerFigures:
    """One layer: mean cosine within and between senses, silhouette (cosine), accuracy of the nearest other sentence."""

    layer: int
    within: float
    between: float
    silhouette: float
    accuracy: float

    @property
    def gap(self) -> float:
        """Within minus between: how much more alike occurrences of one sense are."""
        return self.within - self.between


def _cosines(vectors: Vectors) -> Vectors:
    unit = to_unit(vectors).astype(np.float64)
    similar: Vectors = np.clip(unit @ unit.T, -1, 1)
    return similar


def figures_by_layer(layers: Layers) -> tuple[LayerFigures, ...]:
    """Figures of every layer over the occurrences whose sense has at least two; raises InputError below two senses.

    Occurrences without a label take no part.
    """
    counts = Counter(sense for sense in layers.senses if sense != UNLABELLED)
    keep = [i for i, sense in enumerate(layers.senses) if counts[sense] >= 2]
    senses = np.array([layers.senses[i] for i in keep])
    if len(set(senses)) < 2:
        raise InputError(
            "To compare senses, at least two senses need at least two sentences each; "
            f"here: {', '.join(f'{sense} {count}' for sense, count in counts.items()) or 'none labelled'}."
        )
    return tuple(_figures(layer, vectors[keep], senses) for layer, vectors in enumerate(layers.vectors))


def _figures(layer: int, vectors: Vectors, senses: np.ndarray) -> LayerFigures:
    similar = _cosines(vectors)
    same = senses[:, None] == senses[None, :]
    off = ~np.eye(len(senses), dtype=bool)
    distances = np.maximum(1 - similar, 0)
    np.fill_diagonal(distances, 0)
    nearest = np.where(off, similar, -np.inf).argmax(1)
    return LayerFigures(
        layer=layer,
        within=float(similar[same & off].mean()),
        between=float(similar[~same].mean()),
        silhouette=_silhouette(distances, senses),
        accuracy=float((senses[nearest] == senses).mean()),
    )


def _silhouette(distances: Vectors, senses: np.ndarray) -> float:
    """Mean of (b - a) / max(a, b): a is the mean distance to one's own sense, b to the nearest other (Rousseeuw 1987).

    scikit-learn's agrees (tests), but takes a second to import, which the first visitor would wait.
    """
    names, counts = np.unique(senses, return_counts=True)
    sums = np.stack([distances[:, senses == name].sum(1) for name in names], axis=1)  # (n, senses)
    own = np.searchsorted(names, senses)
    rows = np.arange(len(senses))
    inside = sums[rows, own] / np.maximum(counts[own] - 1, 1)
    means = sums / counts
    means[rows, own] = np.inf
    outside = means.min(1)
    score = (outside - inside) / np.maximum(np.maximum(inside, outside), 1e-12)
    return float(np.where(counts[own] > 1, score, 0).mean())


def parting_layer(figures: tuple[LayerFigures, ...]) -> int | None:
    """The first layer whose silhouette comes within 0.02 of the best one: there the senses part best.

    None when they do not part anywhere: no silhouette of 0.1, or a nearest sentence that is right less than 60 % of the
    time at that layer.
    """
    best = max(f.silhouette for f in figures)
    at = next(f for f in figures if f.silhouette >= best - 0.02)
    return at.layer if best >= 0.1 and at.accuracy >= 0.6 else None


@dataclass(frozen=True)
class Misplaced:
    """An occurrence nearer to another sense: mean cosine with its own sense, without itself, and with that one."""

    occurrence: Occurrence
    row: int
    own: float
    other_sense: str
    other: float


def sense_means(layers: Layers, layer: int, row: int) -> dict[str, float]:
    """Mean cosine of one occurrence with all others of each labelled sense."""
    return _sense_means(_cosines(layers.vectors[layer]), np.array(layers.senses), row)


def _sense_means(similar: Vectors, senses: np.ndarray, row: int) -> dict[str, float]:
    others = np.arange(len(senses)) != row
    members = {sense: np.flatnonzero((senses == sense) & others) for sense in dict.fromkeys(senses.tolist())}
    return {s: float(similar[row, rows].mean()) for s, rows in members.items() if len(rows) and s != UNLABELLED}


def misplaced(layers: Layers, layer: int) -> tuple[Misplaced, ...]:
    """Occurrences whose mean cosine with some other sense is at least that with their own, worst first."""
    similar, senses = _cosines(layers.vectors[layer]), np.array(layers.senses)
    found = []
    for row, occurrence in enumerate(layers.occurrences):
        means = _sense_means(similar, senses, row)
        own = means.pop(occurrence.sense, None)
        if own is None or not means:
            continue
        sense = max(means, key=lambda name: means[name])
        if means[sense] >= own:
            found.append(Misplaced(occurrence, row, own, sense, means[sense]))
    return tuple(sorted(found, key=lambda m: m.own - m.other))

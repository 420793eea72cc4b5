"""What an occurrence means: its nearest static words and nearest sentences; two occurrences compared; what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from embedkit.contexts.occurrences import UNLABELLED
from embedkit.contexts.reading import Layers
from embedkit.contexts.senses import figures_by_layer
from embedkit.encoders.transformer import Transformer
from embedkit.errors import InputError
from embedkit.neighbors import cosine, search
from embedkit.space import Space, Vectors, to_unit

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Compared", "Cost", "Meaning", "compare", "costs", "meaning", "nearest_sentences"]

POOL = 300  # of so many nearest words, those that this sentence brings nearest are looked for


@dataclass(frozen=True)
class Meaning:
    """Static words near one occurrence: `nearest` by cosine, and `drawn`, whose cosine exceeds their mean over all the
    word's sentences most: what this sentence adds. Pairs of word and cosine, word and difference."""

    nearest: tuple[tuple[str, float], ...]
    drawn: tuple[tuple[str, float], ...]


def meaning(table: Space, mapped: Vectors, row: int, word: str, k: int = 8) -> Meaning:
    """What does *this* occurrence mean? `mapped` (n, d) are all occurrences in the space of the static `table`.

    The word itself and its forms that begin with it are left out of both lists.
    """
    near = search(table, mapped[row], POOL)
    stem = word.lower()
    others = [n for n in near if not n.item.startswith(stem)]
    mean = to_unit(mapped).mean(0)
    usual = {n.item: float(table.unit[n.row] @ mean) for n in others}
    drawn = sorted(others, key=lambda n: usual[n.item] - n.score)[:k]
    return Meaning(
        tuple((n.item, n.score) for n in others[:k]), tuple((n.item, n.score - usual[n.item]) for n in drawn)
    )


def nearest_sentences(layers: Layers, layer: int, row: int, k: int = 8) -> pd.DataFrame:
    """The occurrences nearest to one at a layer: cosine, sense and sentence; the asked one is marked."""
    import pandas as pd

    space = layers.space(layer)
    found = search(space, space.items[row], k)
    return pd.DataFrame(
        {
            "": ["picked" if n.asked else "" for n in found],
            "cosine": [round(n.score, 4) for n in found],
            "sense": [layers.senses[n.row] for n in found],
            "sentence": [layers.occurrences[n.row].sentence for n in found],
        }
    )


@dataclass(frozen=True)
class Compared:
    """Two occurrences: cosine at every layer, the layer's middle between the mean cosines within and between senses."""

    cosines: tuple[float, ...]
    threshold: float | None
    same: bool | None
    truth: bool | None


def compare(layers: Layers, layer: int, a: int, b: int) -> Compared:
    """Are two occurrences of the same sense? Yes when their cosine exceeds the middle between "within" and "between".

    Without two senses of two sentences each there is no middle, and the answer is None.
    """
    cosines = tuple(cosine(vectors[a], vectors[b]) for vectors in layers.vectors)
    pair = (layers.senses[a], layers.senses[b])
    truth = pair[0] == pair[1] if UNLABELLED not in pair else None
    try:
        figures = figures_by_layer(layers)[layer]
    except InputError:
        return Compared(cosines, None, None, truth)
    threshold = (figures.within + figures.between) / 2
    return Compared(cosines, threshold, cosines[layer] >= threshold, truth)


@dataclass(frozen=True)
class Cost:
    """What a vector costs on this machine: median microseconds for one static look-up and one contextual reading, and
    megabytes of the table and of the model."""

    static_us: float
    contextual_us: float
    static_mb: float
    contextual_mb: float
    runs: int


def _median_us(call: Callable[[], object], runs: int) -> float:
    call()  # the first call pays for what later ones find warm
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e6 * median(times)


def costs(table: Space, model: Transformer, sentences: Sequence[str], runs: int = 15) -> Cost:
    """Measure both on this machine, now: one word looked up, one sentence read."""
    word = table.items[0]
    texts = list(sentences) or ["An apple a day."]
    turn = iter(range(10**9))
    return Cost(
        static_us=_median_us(lambda: table.vector(word), runs * 100),
        contextual_us=_median_us(lambda: model.read([texts[next(turn) % len(texts)]]), runs),
        static_mb=table.vectors.nbytes / 1e6,
        contextual_mb=model.megabytes,
        runs=runs,
    )

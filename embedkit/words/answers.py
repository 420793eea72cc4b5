"""Tables for people: neighbors beside what a map made of them, and the steps of a cosine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embedkit.maps import MadeMap
from embedkit.neighbors import Neighbor, cosine, search
from embedkit.quality import lost_and_invented
from embedkit.space import Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CosineSteps", "Picked", "cosine_steps", "neighbor_table", "picked"]


@dataclass(frozen=True)
class Picked:
    """A picked word: its neighbors among all words, and on the map the rows that are near, lost and invented."""

    word: str
    neighbors: tuple[Neighbor, ...]
    row: int | None
    near: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    invented: tuple[int, ...] = ()
    recall: float | None = None


def picked(space: Space, made: MadeMap | None, word: str, k: int = 10) -> Picked:
    """Look a word up in the whole space, and on the map where it stands there; raises UnknownItem."""
    neighbors = search(space, word, k)
    shown = made.projection.space if made else None
    if made is None or shown is None or word not in shown:
        return Picked(word, neighbors, None)
    row = shown.row(word)
    true = [n.row for n in search(shown, word, k) if not n.asked]
    lost, invented = (
        tuple(shown.row(item) for item in items) for items in lost_and_invented(shown, made.projection, word, k)
    )
    kept = 1 - len(lost) / max(len(true), 1)
    return Picked(word, neighbors, row, tuple(true), lost, invented, kept)


def neighbor_table(answer: Picked, shown: Space | None, hide_asked: bool = False) -> pd.DataFrame:
    """Neighbors as a table: rank over all words, word, cosine, and where the map puts it."""
    import pandas as pd

    lost = {shown.items[row] for row in answer.lost} if shown is not None else set()

    def place(neighbor: Neighbor) -> str:
        if neighbor.asked:
            return "your word"
        if shown is None or answer.row is None or neighbor.item not in shown:
            return "not on this map"
        return "lost by the map" if neighbor.item in lost else "near on the map"

    rows = [n for n in answer.neighbors if not (hide_asked and n.asked)]
    return pd.DataFrame(
        {
            "rank": [n.rank for n in rows],
            "word": [n.item for n in rows],
            "cosine": [round(n.score, 4) for n in rows],
            "on the map": [place(n) for n in rows],
        }
    )


@dataclass(frozen=True)
class CosineSteps:
    """The cosine of two words taken apart: dot product, both lengths, and the cosine they give."""

    a: str
    b: str
    dot: float
    length_a: float
    length_b: float
    cosine: float


def cosine_steps(space: Space, a: str, b: str) -> CosineSteps:
    """What a pen needs to confirm a cosine; raises UnknownItem."""
    u, v = space.vector(a).astype(np.float64), space.vector(b).astype(np.float64)
    return CosineSteps(a, b, float(u @ v), float(np.linalg.norm(u)), float(np.linalg.norm(v)), cosine(u, v))

"""Which points of a large map carry a label, the most telling first, so that a closer view can show more of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from embedkit.figures.lasso import bounds_of
from embedkit.space import Vectors

__all__ = ["group_rows", "spread_rows"]

FINEST = 64  # cells a side of the finest grid


def spread_rows(
    coords: Vectors, *, weight: Any = None, gray: Any = None, most: int = 2_000, finest: int = FINEST
) -> np.ndarray[Any, Any]:
    """At most `most` rows spread over the map, in the order in which a closer view shows their labels.

    Of each cell of a coarse grid the point of highest `weight` (n,) comes first (by itself the earliest row: lists of
    words begin with the frequent ones), then those of ever finer grids, to `finest` cells a side (a power of two from
    64 to 1,024). Where `gray` (n,) is true nothing is labeled.
    """
    rows = np.arange(len(coords)) if gray is None else np.flatnonzero(~np.asarray(gray, bool))
    if not len(rows) or most <= 0:
        return rows[:0]
    low, high = np.array(bounds_of(coords))
    side = float((high - low).max()) or 1.0
    places = coords if gray is None else coords[rows]
    column, line = (np.minimum((places[:, i] - low[i]) * (finest / side), finest - 1).astype(np.int32) for i in (0, 1))
    cell = line * finest + column
    order = np.arange(len(rows))[::-1] if weight is None else np.argsort(np.asarray(weight)[rows], kind="stable")
    # Of several writes to one place the last stays, so the most important comes last; a rank stands for its point.
    best = np.full(finest * finest, -1, np.int64)
    best[cell[order]] = np.arange(len(rows))
    ranks = np.sort(best[best >= 0])[::-1]
    answer: list[Any] = []
    for size in (2**step for step in range(2, finest.bit_length())):
        points = order[ranks]
        _, first = np.unique(
            (line[points] * size // finest) * size + column[points] * size // finest, return_index=True
        )
        first.sort()  # unique gives the first of each cell, which is the highest rank; back to the order of ranks
        answer.append(points[first])
        ranks = np.delete(ranks, first)
        if not len(ranks):
            break
    return np.asarray(rows[np.concatenate(answer)[:most]], np.int64)


def group_rows(coords: Vectors, codes: Any, groups: int) -> list[int | None]:
    """For each group the row nearest to its median, where its name stands; None for a group without points."""
    codes = np.asarray(codes, np.uint16) if groups < 2**16 else np.asarray(codes)  # short numbers are sorted faster
    order = np.argsort(codes, kind="stable")
    ends = np.searchsorted(codes[order], np.arange(groups + 1))
    answer: list[int | None] = []
    for start, end in pairwise(ends):
        members = order[start:end]
        if not len(members):
            answer.append(None)
            continue
        places = coords[members]
        away = ((places - np.median(places, axis=0)) ** 2).sum(1)
        answer.append(int(members[away.argmin()]))
    return answer

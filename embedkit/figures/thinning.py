"""Which points of a large map carry a label, the most telling first, so that a closer view can show more of them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from embedkit.space import Vectors

__all__ = ["group_rows", "spread_rows"]

FINEST = 64  # cells a side of the finest grid


def spread_rows(coords: Vectors, *, weight: Any = None, gray: Any = None, most: int = 2_000) -> np.ndarray[Any, Any]:
    """At most `most` rows spread over the map, in the order in which a closer view shows their labels.

    Of each cell of a coarse grid the point of highest `weight` (n,) comes first (by itself the earliest row: lists of
    words begin with the frequent ones), then those of ever finer grids. Where `gray` (n,) is true nothing is labeled.
    """
    rows = np.arange(len(coords)) if gray is None else np.flatnonzero(~np.asarray(gray, bool))
    if not len(rows) or most <= 0:
        return rows[:0]
    low, high = coords.min(0), coords.max(0)
    side = float((high - low).max()) or 1.0
    cells = np.minimum((coords[rows] - low) * (FINEST / side), FINEST - 1).astype(np.int32)
    # the last of several writes to one place stays, so the most important is written last
    order = np.arange(len(rows))[::-1] if weight is None else np.argsort(np.asarray(weight)[rows], kind="stable")
    best = np.full(FINEST * FINEST, -1, np.int64)
    best[(cells[:, 1] * FINEST + cells[:, 0])[order]] = order
    left = best[best >= 0]
    importance = np.empty(len(rows), np.int64)
    importance[order] = np.arange(len(rows))
    answer: list[int] = []
    size = 4
    while size <= FINEST and len(left):
        coarse = cells[left] * size // FINEST
        key = coarse[:, 1] * size + coarse[:, 0]
        by = np.lexsort((-importance[left], key))
        first = by[np.r_[True, np.diff(key[by]) > 0]]
        winners = left[first]
        answer.extend(winners[np.argsort(-importance[winners], kind="stable")].tolist())
        left = np.delete(left, first)
        size *= 2
    answer.extend(left[np.argsort(-importance[left], kind="stable")].tolist())
    return rows[np.array(answer[:most], np.int64)]


def group_rows(coords: Vectors, codes: Any, groups: int) -> list[int | None]:
    """For each group the row nearest to its median, where its name stands; None for a group without points."""
    codes = np.asarray(codes)
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

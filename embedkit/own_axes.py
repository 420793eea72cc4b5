"""Axes of a person's own, as "Custom" in the Embedding Projector: from some items to others, or a column of numbers.

An axis is written as two texts, from and to, or as the name of a column. An end names items, classes as "digit: 3", or
words that are looked for in names and columns, one or more of these between commas; it stands at the mean of all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError, UnknownItem
from embedkit.explore import Column, columns, matching
from embedkit.neighbors import Axis, axis_between
from embedkit.space import Space, Vectors, to_unit

__all__ = ["Drawn", "End", "OwnAxis", "default_axes", "drawn", "end_of", "ends_of", "number_columns", "place_on"]

OwnAxis = tuple[str, str] | str
K = TypeVar("K")
V = TypeVar("V")

KEPT = 12  # axes that are kept a space: moving one of three leaves the others
MOST_COMMAS = 8  # in one name
LOOKED = 1_000  # items among which default ends are looked for: the first, as lists begin with what is best known
MOST_CLASSES = 50


@dataclass(frozen=True, eq=False)
class End:
    """One end of an axis: the rows whose mean it is, and of each part that was typed what it is and how many rows."""

    rows: NDArray[np.int64]
    parts: tuple[tuple[str, str, int], ...]  # (text, "item" or "class" or "search", rows)

    @property
    def said(self) -> str:
        """How many rows, part by part where it is more than an item each."""
        counted = [f"“{text}” {'is a class of' if how == 'class' else 'matched'} {n:,}" for text, how, n in self.parts]
        plain = all(how == "item" for _, how, _ in self.parts)
        return f"{len(self.rows):,} item{'s' * (len(self.rows) != 1)}" if plain else "; ".join(counted)


@dataclass(frozen=True, eq=False)
class Drawn:
    """An axis on a space: `coordinates` float32 (n,); an `axis` between two ends, or a column from `low` to `high`.

    Of a column the lowest number stands at -1/2, the highest at 1/2, and a missing one at 0, so that it is about as
    wide as an axis of cosines; `missing` says how many those are.
    """

    coordinates: Vectors
    axis: Axis | None = None
    low: float = 0.0
    high: float = 0.0
    missing: int = 0


_drawn: WeakKeyDictionary[Space, dict[OwnAxis, Drawn]] = WeakKeyDictionary()
_ends: WeakKeyDictionary[Space, dict[str, End]] = WeakKeyDictionary()
_defaults: WeakKeyDictionary[Space, dict[int, tuple[OwnAxis, ...]]] = WeakKeyDictionary()


def _once(kept: WeakKeyDictionary[Space, dict[K, V]], space: Space, name: K, make: Callable[[], V]) -> V:
    """What was made of a space under this name, or made now; the last few are kept."""
    known = kept.setdefault(space, {})
    if name not in known:
        made = make()
        while len(known) >= KEPT:
            known.pop(next(iter(known)), None)
        known[name] = made
    return known[name]


def number_columns(space: Space) -> dict[str, Column]:
    """The columns that can be an axis, by name."""
    return {name: column for name, column in columns(space).items() if column.values is not None}


def end_of(space: Space, typed: str) -> End:
    """The rows that an end names; raises UnknownItem with near spellings, and InputError for nothing."""
    return _once(_ends, space, typed, lambda: _end_of(space, typed))


def _end_of(space: Space, typed: str) -> End:
    if typed in space:
        return End(np.array([space.row(typed)]), ((typed, "item", 1),))
    pieces = typed.split(",")
    found: list[tuple[str, str, NDArray[np.int64]]] = []
    start = 0
    while start < len(pieces):
        for stop in range(min(len(pieces), start + MOST_COMMAS + 1), start, -1):  # a name may hold commas
            text = ",".join(pieces[start:stop]).strip()
            rows = _named(space, text)
            if rows is not None:
                found.append((text, "item" if text in space else "class", rows))
                break
            if stop == start + 1 and text:
                found.append((text, "search", _searched(space, text)))
        start = stop
    if not found:
        raise InputError("An end of an axis needs an item, a class such as digit: 3, or words to look for.")
    rows = np.unique(np.concatenate([rows for *_, rows in found]))
    return End(rows, tuple((text, how, len(rows)) for text, how, rows in found))


def _named(space: Space, text: str) -> NDArray[np.int64] | None:
    """The row of an item, or those of a class; None for what is neither."""
    if text in space:
        return np.array([space.row(text)])
    name, colon, value = (part.strip() for part in text.partition(":"))
    column = next((c for c in columns(space).values() if c.name.casefold() == name.casefold()), None)
    if not colon or column is None:
        return None
    rows = np.flatnonzero([each.strip().casefold() == value.casefold() for each in column.texts])
    return rows if len(rows) else None


def _searched(space: Space, text: str) -> NDArray[np.int64]:
    rows = np.flatnonzero(matching(space, text))
    if len(rows):
        return rows
    name = text.partition(":")[0].strip().casefold()
    for column in columns(space).values():
        if ":" in text and column.name.casefold() == name:
            some = ", ".join(value for value, _ in column.classes[:12])
            raise InputError(
                f"No item has {text!r}.{f' The most frequent classes of {column.name}: {some}.' if some else ''}"
            )
    raise UnknownItem(text, space.items)


def drawn(space: Space, own: OwnAxis) -> Drawn:
    """Where all items stand on an axis; the last few of a space are kept. Raises InputError and UnknownItem."""
    return _once(_drawn, space, own, lambda: _of_column(space, own) if isinstance(own, str) else _between(space, *own))


def _between(space: Space, start: str, end: str) -> Drawn:
    found = axis_between(space, end_of(space, start).rows, end_of(space, end).rows, ((start,), (end,)))
    return Drawn(found.coordinates, found)


def _of_column(space: Space, name: str) -> Drawn:
    known = number_columns(space)
    if name not in known:
        raise InputError(f"There is no column of numbers '{name}'; there are: {', '.join(known) or 'none'}.")
    values = known[name].values
    assert values is not None
    there = np.isfinite(values)
    if not there.any():
        raise InputError(f"The column '{name}' holds no number.")
    low, high = float(values[there].min()), float(values[there].max())
    shares = (values - low) / (high - low) - 0.5 if high > low else np.zeros(space.n)
    return Drawn(np.where(there, shares, 0).astype(np.float32), None, low, high, int((~there).sum()))


def ends_of(space: Space, axes: Sequence[OwnAxis]) -> tuple[tuple[str, str], ...]:
    """What to write at the low and the high end of each axis."""
    found = []
    for own in axes:
        if isinstance(own, str):
            made = drawn(space, own)
            found.append((f"{own} {made.low:.4g}", f"{made.high:.4g}"))
        else:
            found.append((_short(own[0]), _short(own[1])))
    return tuple(found)


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"


def place_on(space: Space, own: OwnAxis, vectors: Vectors, near: NDArray[np.int64]) -> Vectors:
    """Coordinates (m,) of new vectors (m, d); along a column the mean of their nearest rows (m, k)."""
    made = drawn(space, own)
    if made.axis is None:
        return np.asarray(made.coordinates[near].mean(1), np.float32)
    offsets = to_unit(vectors).astype(np.float64) - made.axis.middle
    return np.asarray(offsets @ made.axis.direction, np.float32)


def default_axes(space: Space, dims: int) -> tuple[OwnAxis, ...]:
    """Axes that show something at once: between the classes of the first column that has a few, else between items.

    First the two that are farthest apart, then those whose difference points farthest away from the axes before.
    """
    return _once(_defaults, space, dims, lambda: _default_axes(space, dims))


def _default_axes(space: Space, dims: int) -> tuple[OwnAxis, ...]:
    rows = np.arange(min(space.n, LOOKED))
    if np.ptp(space.unit[rows], axis=0).max(initial=0) < 1e-6:  # all the same: further on there may be others
        rows = np.linspace(0, space.n - 1, len(rows)).astype(np.int64)
    unit, names = space.unit[rows].astype(np.float64), [space.items[row] for row in rows]
    classes = next((c for c in columns(space).values() if 2 <= len(c.classes) <= MOST_CLASSES), None)
    if classes is not None:
        texts = np.asarray(classes.texts)
        names = [f"{classes.name}: {value}" for value, _ in classes.classes]
        unit = np.stack([space.unit[texts == value].mean(0, dtype=np.float64) for value, _ in classes.classes])
    found: list[OwnAxis] = []
    left = unit - unit.mean(0)
    for _ in range(dims):
        first = int((left**2).sum(1).argmax())
        second = int(((left - left[first]) ** 2).sum(1).argmax())
        first = int(((left - left[second]) ** 2).sum(1).argmax())
        found.append((names[min(first, second)], names[max(first, second)]))
        way = left[second] - left[first]
        if (length := float(np.linalg.norm(way))) > 1e-9:
            left = left - np.outer(left @ way, way) / length**2
    return tuple(found)

"""From a draft, as a reader leaves it, to a Space: rows that are no vectors out, names unique, and all of it said."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.files.given import Limits, Odd, few, plural, shown, size_of
from embedkit.space import Origin, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Draft", "check_size", "column_name", "finish", "unique"]

BLOCK = 2**22  # numbers looked at together
LONGEST = 300  # characters of a name
LARGEST = float(np.finfo(np.float32).max)


@dataclass
class Draft:
    """What a reader made of a file: numbers (n, d), and, where there are any, names, a table and pictures of n rows.

    `said` are sentences; `rows` how a row is called, by default its number from 1; `columns` how a column is; `why`
    what is known of a row of NaN, by its place; `space` is set where the file holds a whole Space.
    """

    vectors: NDArray[Any]
    names: Sequence[str] | None = None
    meta: pd.DataFrame | None = None
    said: list[str] = field(default_factory=list)
    rows: NDArray[np.int64] | None = None
    place: str = "row"
    columns: Sequence[str] | None = None
    why: Mapping[int, str] = field(default_factory=dict)
    images: NDArray[np.uint8] | None = None
    space: tuple[str, str, Origin] | None = None

    def called(self, row: int) -> str:
        """How a row is called in a sentence."""
        return f"{self.place} {(row + 1 if self.rows is None else int(self.rows[row])):,}"


def check_size(name: str, n: int, d: int, limits: Limits) -> None:
    """Raise InputError for a table without rows or columns, or with more numbers than are held at once."""
    if n < 1 or d < 1:
        raise InputError(f"'{name}' holds {n:,} rows of {d:,} numbers: there is nothing to open.")
    if n * d > limits.most_numbers:
        raise InputError(
            f"'{name}' holds {n:,} x {d:,} numbers, {size_of(4 * n * d)} in memory; at most "
            f"{size_of(4 * limits.most_numbers)} are opened {limits.way}. Give a part of the rows."
        )


def finish(draft: Draft, name: str, format_key: str, limits: Limits) -> tuple[Space, NDArray[np.uint8] | None]:
    """The Space and the pictures of a draft, both without the rows that are no vectors; adds to `draft.said`."""
    vectors = draft.vectors
    if vectors.ndim != 2:
        raise InputError(f"'{name}' holds numbers of shape {vectors.shape}, not a table of rows.")
    n, d = vectors.shape
    check_size(name, n, d, limits)
    keep = _finite(draft)
    names = list(draft.names) if draft.names is not None else [draft.called(row) for row in range(n)]
    names += [draft.called(row) for row in range(len(names), n)]
    meta, images = draft.meta, draft.images
    if not keep.all():
        kept = np.flatnonzero(keep)
        if not len(kept):
            raise InputError(f"'{name}' has no row to keep. {_left(draft, keep)}")
        draft.said.append(Odd(_left(draft, keep)))
        vectors, names = vectors[kept], [names[row] for row in kept]
        meta = None if meta is None else meta.iloc[kept]
        images = None if images is None else images[kept]
    items = _named(names, draft)
    if len(items) == 1:
        draft.said.append(Odd("It is a single row: there is nothing to compare it with."))
    key, title, origin = draft.space or ("", shown(name), Origin(f"files/{format_key}", {"file": name}, data=name))
    with np.errstate(over="ignore", invalid="ignore"):
        vectors = np.ascontiguousarray(vectors, np.float32)
    if not key:
        digest = hashlib.blake2b(vectors.data, digest_size=8)
        digest.update("\0".join(items).encode("utf-8", "surrogatepass"))
        key = f"files/{digest.hexdigest()}"
    draft.vectors = vectors  # the original is let go before the Space makes its copy
    return Space(key, title, items, vectors, _columns(meta), origin), images


def _finite(draft: Draft) -> NDArray[np.bool_]:
    """Which rows float32 can hold, (n,); in blocks, as a mask of all numbers takes a quarter of the table again."""
    vectors = draft.vectors
    keep = np.ones(len(vectors), bool)
    if vectors.dtype.kind == "f":
        step = max(1, BLOCK // vectors.shape[1])
        for start in range(0, len(vectors), step):
            block = vectors[start : start + step]
            with np.errstate(all="ignore"):
                # a sum of squares is not finite where a number is not, and seldom elsewhere: then each is looked at
                if not np.isfinite(np.einsum("ij,ij->", block, block, dtype=np.float64, casting="same_kind")):
                    keep[start : start + step] = (np.abs(block) <= LARGEST).all(1)
                elif block.dtype.itemsize > 4:
                    keep[start : start + step] = np.abs(block).max(1) <= LARGEST
    return keep


def _left(draft: Draft, keep: NDArray[np.bool_]) -> str:
    out = np.flatnonzero(~keep)
    told = [f"{draft.called(row)} ({draft.why.get(int(row)) or _fault(draft, row)})" for row in out[:3]]
    more = f" and {len(out) - 3:,} more" if len(out) > 3 else ""
    was = "was left out, as it is no vector" if len(out) == 1 else "were left out, as they are no vectors"
    return f"{len(out):,} of {plural(len(keep), 'row')} {was}: {', '.join(told)}{more}."


def _fault(draft: Draft, row: int) -> str:
    with np.errstate(invalid="ignore"):  # a signaling NaN
        values = np.asarray(draft.vectors[row], np.float64)
    column = int(np.argmin(np.abs(values) <= LARGEST))
    value = values[column]
    missing = "empty or NaN" if draft.columns else "NaN"
    what = missing if np.isnan(value) else "infinite" if np.isinf(value) else f"{value:.3g}, beyond float32"
    return f"{column_name(draft.columns, column)} is {what}"


def column_name(columns: Sequence[str] | None, column: int) -> str:
    """How a column is called in a sentence."""
    return f"column '{shown(columns[column], 30)}'" if columns else f"column {column + 1:,}"


def _named(names: list[str], draft: Draft) -> tuple[str, ...]:
    blank = cut = 0
    for row, text in enumerate(names):
        if not text or text.isspace():
            names[row] = draft.called(row)
            blank += 1
        elif len(text) > LONGEST:
            names[row] = text[: LONGEST - 3] + "..."
            cut += 1
        if not text.isascii():
            names[row] = names[row].encode("utf-8", "replace").decode()  # lone surrogates, which no file can hold
    if blank:
        draft.said.append(Odd(f"{plural(blank, 'item')} had no name and took the number of the row."))
    if cut:
        was = "was" if cut == 1 else "were"
        draft.said.append(Odd(f"{plural(cut, 'name')} of more than {LONGEST} characters {was} cut."))
    items, twice = unique(names)
    if twice:
        listed = few([repr(shown(text, 30)) for text in twice], 3)
        draft.said.append(Odd(f"{plural(len(twice), 'name')} came more than once and got a number: {listed}."))
    return items


def unique(names: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Names as they are, those that come again with a number: "bank (2)"; and which came more than once."""
    taken = set(names)
    if len(taken) == len(names):
        return tuple(names), []
    counts: dict[str, int] = {}
    found, twice = [], []
    for name in names:
        count = counts[name] = counts.get(name, 0) + 1
        if count == 2:
            twice.append(name)
        fresh = name
        while count > 1 and (fresh := f"{name} ({count})") in taken:
            count = counts[name] = count + 1
        taken.add(fresh)
        found.append(fresh)
    return tuple(found), twice


def _columns(meta: pd.DataFrame | None) -> Any:
    """The table under names that a Space allows."""
    if meta is None:
        return None
    reserved = {"item": "item (column)", "vector": "vector (column)"}
    names, _ = unique([reserved.get(str(name), str(name)) for name in meta.columns])
    meta = meta.copy(deep=False)
    meta.columns = list(names)
    return meta

"""What can be asked of any space: its columns as colors, a search in them, a sample, noise of its shape, sums of items.

And where a space lies while it goes from one page, or from the command line, to another: in the store, by a key.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import Space, Vectors
from embedkit.store import Store, recipe_key

__all__ = [
    "OTHERS",
    "Column",
    "Kept",
    "columns",
    "groups_of",
    "keep_space",
    "kept",
    "kept_space",
    "kept_title",
    "matching",
    "sample_rows",
    "shuffled",
    "sum_of",
]

OTHERS = "others"
FEW = 50  # different values up to which a column of numbers that is whole is a label, not a quantity
EMPTY = "(empty)"
SIDE = 64  # pixels of a picture that is shown as a point


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a space's meta: "groups" with its `classes` (value, count), the most frequent first; "numbers" with
    `values` float64 (n,), nan where there is none; "texts", nearly all different, which are searched but not colored.
    """

    name: str
    kind: Literal["groups", "numbers", "texts"]
    texts: tuple[str, ...]
    values: NDArray[np.float64] | None
    classes: tuple[tuple[str, int], ...]


_known: WeakKeyDictionary[Space, dict[str, Column]] = WeakKeyDictionary()


def columns(space: Space) -> dict[str, Column]:
    """The columns of a space's meta by name; read once a space."""
    if space not in _known:
        _known[space] = _columns(space)
    return _known[space]


def _columns(space: Space) -> dict[str, Column]:
    import pandas as pd

    found = {}
    for name in space.meta.columns:
        given = space.meta[name]
        plain = pd.api.types.is_numeric_dtype(given) and not pd.api.types.is_bool_dtype(given)
        values = np.asarray(given.to_numpy(dtype="float64", na_value=np.nan), np.float64) if plain else None
        texts = tuple(EMPTY if empty else _said(value) for value, empty in zip(given, given.isna(), strict=True))
        counts = Counter(texts)
        whole = values is not None and bool((np.isnan(values) | (values == np.round(values))).all())
        if values is not None and not (whole and len(counts) <= FEW):
            kind: Literal["groups", "numbers", "texts"] = "numbers"
        else:
            kind = "groups" if len(counts) <= max(FEW, space.n // 2) else "texts"
        classes = tuple(counts.most_common()) if kind == "groups" else ()
        found[str(name)] = Column(str(name), kind, texts, values, classes)
    return found


def _said(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def groups_of(column: Column, most: int = 11, first: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A group for each row: the `most` most frequent classes keep their names, `first` before them, all else is others.

    So a column of any number of classes can be colored, and a class that is looked for always has a color.
    """
    names = [*first, *(name for name, _ in column.classes if name not in first)]
    if len(names) <= most + 1:
        return column.texts
    kept = set(names[: max(most, len(first))])
    return tuple(text if text in kept else OTHERS for text in column.texts)


def matching(space: Space, typed: str) -> NDArray[np.bool_]:
    """Rows whose item or any column holds all words that were typed, whatever their case; all rows for nothing."""
    words = typed.casefold().split()
    if not words:
        return np.ones(space.n, bool)
    known = columns(space)
    lines = [" ".join(parts).casefold() for parts in zip(space.items, *(c.texts for c in known.values()), strict=True)]
    return np.array([all(word in line for word in words) for line in lines], bool)


def sample_rows(space: Space, size: int, *, by: Column | None = None, seed: int = 0) -> NDArray[np.int64]:
    """`size` rows of a space, in their order; `by` a column: each class in proportion, and at least one of each.

    All rows where they are no more than that. Raises InputError below one.
    """
    if size < 1:
        raise InputError(f"A sample needs at least one row, not {size}.")
    if size >= space.n:
        return np.arange(space.n)
    chance = np.random.default_rng(seed)
    if by is None:
        return np.sort(chance.choice(space.n, size, replace=False))
    texts = np.asarray(by.texts)
    names, of, counts = np.unique(texts, return_inverse=True, return_counts=True)
    share = counts * size / space.n
    wanted = np.minimum(np.maximum(np.floor(share).astype(np.int64), 1), counts)
    left = size - int(wanted.sum())
    order = np.argsort(-(share - np.floor(share)), kind="stable")
    while left > 0:  # what rounding took away goes to the largest rests
        for place in order:
            if left > 0 and wanted[place] < counts[place]:
                wanted[place] += 1
                left -= 1
    rows = [chance.choice(np.flatnonzero(of == place), wanted[place], replace=False) for place in range(len(names))]
    chosen = np.concatenate(rows)
    if len(chosen) > size:  # more classes than places
        chosen = chance.choice(chosen, size, replace=False)
    return np.sort(chosen)


def shuffled(space: Space, seed: int = 0) -> Space:
    """Noise of the same shape: every number of the vectors keeps its values, but which item has which is drawn anew.

    A map of it shows what the projection makes of nothing.
    """
    chance = np.random.default_rng(seed)
    vectors = np.stack([chance.permutation(column) for column in space.vectors.T], 1)
    return Space(f"{space.key}/shuffled", f"{space.title}, shuffled", space.items, vectors, space.meta)


def sum_of(space: Space, typed: str) -> tuple[Vectors, tuple[str, ...]]:
    """The vector (d,) of a sum such as "king - man + woman" of unit vectors, and the items it names.

    Signs stand between blanks, so that a name may have a hyphen. Raises UnknownItem, and InputError for nothing.
    """
    text = typed.strip()
    if text in space:
        return space.unit[space.row(text)].copy(), (text,)
    signed = text if re.match(r"[+-]\s", text) else f"+ {text}"
    parts = [part.strip() for part in re.split(r"(?:^|\s)([+-])\s", signed)[1:]]
    names = tuple(parts[1::2])
    if not all(names):
        raise InputError("Type an item, or a sum of items with blanks around the signs: king - man + woman.")
    total = np.zeros(space.d, np.float32)
    for sign, name in zip(parts[::2], names, strict=True):
        total += (-1 if sign == "-" else 1) * space.unit[space.row(name)]
    return total, names


@dataclass(frozen=True, eq=False)
class Kept:
    """A space that lies in the store, with what came with it.

    `said` are sentences on what was understood of its files, those in `odd` on what does not line up; `files` their
    names, opened "by upload" or "from the command line". `pictures` uint8 (n, height, width, 1 or 3), where each item
    has one.
    """

    space: Space
    said: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    way: str = ""
    pictures: NDArray[np.uint8] | None = None


def keep_space(
    space: Space,
    store: Store,
    *,
    said: Sequence[str] = (),
    odd: Sequence[str] = (),
    files: Sequence[str] = (),
    way: str = "",
    pictures: NDArray[np.uint8] | None = None,
) -> str:
    """Put a space into the store for another page or process, and return its key; equal ones are kept once.

    What else is given comes back with it: see `Kept`. Pictures are kept with at most 64 pixels a side, and that is
    added to `said`. Raises InputError where the disk is full.
    """
    import hashlib

    if pictures is not None:
        if pictures.ndim != 4 or pictures.dtype != np.uint8 or len(pictures) != space.n:
            raise InputError(f"Pictures of {space.n:,} items are bytes (n, height, width, channels).")
        height, width = pictures.shape[1:3]
        pictures = _thumbnails(pictures)
        if pictures.shape[1:3] != (height, width):
            said = [*said, f"Its pictures of {width} x {height} pixels are shown with at most {SIDE} a side."]
    meta = hashlib.blake2b(digest_size=12)
    for name, column in columns(space).items():
        meta.update("\0".join((name, *column.texts)).encode("utf-8", "surrogatepass"))
    if pictures is not None:
        meta.update(repr(pictures.shape).encode())
        meta.update(np.ascontiguousarray(pictures).data)
    about: dict[str, Any] = {"said": list(said), "odd": list(odd), "files": list(files), "way": way}
    key = recipe_key("space", digest=space.digest, title=space.title, key=space.key, meta=meta.hexdigest(), **about)
    if store.get_meta(key) is not None:
        return key
    buffer = io.BytesIO()
    space.to_parquet(buffer)
    arrays = {"parquet": np.frombuffer(buffer.getbuffer(), np.uint8)}
    if pictures is not None:
        arrays["pictures"] = pictures
    if not store.put(key, arrays, {"title": space.title, "n": space.n, "d": space.d, **about}, "space"):
        raise InputError("There is no room on the disk to keep these vectors for the page. Free some space.")
    return key


def kept(store: Store, key: str) -> Kept:
    """What `keep_space` put there; raises InputError when it is no longer kept, or no such key."""
    known = bool(re.fullmatch(r"[0-9a-f]{32}", key))
    entry = store.get(key) if known else None
    if entry is None or "parquet" not in entry.arrays:
        raise InputError(
            "These vectors are no longer kept here: what people open goes when the server stops, or when it needs the "
            "room. Open their files again, or send them again."
        )
    space = Space.from_parquet(io.BytesIO(np.asarray(entry.arrays["parquet"]).tobytes()))
    said, odd, files = (tuple(map(str, entry.meta.get(name, ()))) for name in ("said", "odd", "files"))
    return Kept(space, said, odd, files, str(entry.meta.get("way", "")), entry.arrays.get("pictures"))


def kept_space(store: Store, key: str) -> Space:
    """The space alone of what `kept` returns; raises as it does."""
    return kept(store, key).space


def kept_title(store: Store, key: str) -> str:
    """What is kept under a key in a few words, without reading it: "words, 22,501 x 256"; "" where there is none."""
    about = store.get_meta(key) if re.fullmatch(r"[0-9a-f]{32}", key) else None
    return f"{about['title']}, {about['n']:,} x {about['d']:,}" if about and {"title", "n", "d"} <= set(about) else ""


def _thumbnails(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures with at most SIDE pixels a side, each a mean of those that it stands for."""
    from PIL import Image

    height, width = pictures.shape[1:3]
    if max(height, width) <= SIDE:
        return pictures
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = [
        np.asarray(Image.fromarray(each[..., 0] if each.shape[-1] == 1 else each).resize(size, Image.Resampling.BOX))
        for each in pictures
    ]
    return np.stack(small).reshape(len(pictures), size[1], size[0], -1)

"""Which pictures: a set by name or a person's own, said so that a worker in another process finds the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from embedkit.errors import InputError
from embedkit.sources.pictures import Pictures
from embedkit.store import Store, default_store, recipe_key

__all__ = ["Source", "examples", "keep_own", "label_columns", "load_source"]

CLASSES = 20  # a column with more different values is no label


@dataclass(frozen=True)
class Source:
    """A set of pictures: its key, how many of them (0: all), and the folder of its files, if a person named one.

    A person's own pictures have the key "own" and lie in the store under `own`.
    """

    key: str = "digits"
    limit: int = 0
    folder: str = ""
    own: str = ""

    def params(self) -> dict[str, Any]:
        """What JSON can hold, for the recipe of a result."""
        return asdict(self)


def load_source(source: Source) -> Pictures:
    """The pictures of a source, shared and read-only.

    Raises NotInstalled for a set that is not here, InputError when own pictures are no longer kept.
    """
    return _loaded(source)


@lru_cache(maxsize=4)
def _loaded(source: Source) -> Pictures:
    from embedkit.sources.picture_sets import load_pictures

    if source.key != "own":
        found: Pictures = load_pictures(source.key, limit=source.limit, folder=source.folder)
        return found
    entry = default_store().get(source.own) if source.own else None
    if entry is None:
        raise InputError("Your pictures are no longer kept here. Give them again.")
    return _from_entry(entry.arrays["pixels"], entry.meta)


def keep_own(pictures: Pictures, store: Store) -> Source:
    """Put a person's own pictures where a worker finds them; equal pictures are kept once."""
    key = recipe_key("own pictures", digest=pictures.digest, names=pictures.names)
    if store.get_meta(key) is None:
        meta = {
            "title": pictures.title,
            "labels": pictures.labels,
            "names": pictures.names,
            "factors": pictures.factors.to_dict("list"),
        }
        if not store.put(key, {"pixels": pictures.pixels}, meta, "own pictures"):
            raise InputError("There is no room on the disk to hand your pictures to a training. Free some space.")
    return Source("own", own=key)


def _from_entry(pixels: Any, meta: Any) -> Pictures:
    import pandas as pd

    labels, names = tuple(meta["labels"]), tuple(meta["names"])
    array = np.array(pixels, np.float32)
    return Pictures("own", meta["title"], array, labels, names, pd.DataFrame(meta["factors"]), "yours", 0)


def label_columns(pictures: Pictures) -> dict[str, tuple[str, ...]]:
    """What pictures can be sorted by: the label, and each known factor with 2 to 20 different values; as texts."""
    found = {"label": pictures.labels}
    for name in pictures.factors.columns:
        values = tuple(map(str, pictures.factors[name]))
        unlike = len(set(values)) == len(values)  # names, such as those of files
        if 2 <= len(set(values)) <= CLASSES and not unlike and not _same(values, pictures.labels):
            found[str(name)] = values
    return {name: values for name, values in found.items() if 2 <= len(set(values)) <= CLASSES}


def _same(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether two columns part the pictures in the same way."""
    return len(set(zip(one, other, strict=True))) == len(set(one)) == len(set(other))


def examples(pictures: Pictures, rows: Iterable[int], count: int = 10) -> tuple[int, ...]:
    """Rows of `count` pictures of different labels, the first of each label in turn."""
    queues: dict[str, list[int]] = {}
    for row in rows:
        queues.setdefault(pictures.labels[int(row)], []).append(int(row))
    ordered = [queues[label] for label in sorted(queues)]
    found: list[int] = []
    for turn in range(count):
        found += [queue[turn] for queue in ordered if turn < len(queue)]
        if len(found) >= count:
            break
    return tuple(found[:count])

"""Which users and items: a set by name or a person's own table, its split, and what the towers read of it."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from embedkit.errors import InputError
from embedkit.interactions.towers import Features
from embedkit.sources.interactions import Interactions
from embedkit.space import Vectors
from embedkit.store import Store, default_store, recipe_key

__all__ = [
    "Parts",
    "Watched",
    "features_of",
    "keep_table",
    "load_watched",
    "new_film",
    "parts_of",
    "title_vectors",
    "weights_of",
]

TITLE = 64  # numbers that the tower reads of a title; 384 cost three times the time and gained nothing
SPREAD = 0.3  # of the numbers of a title, about that of genres and years
SEPARATOR = r"[|,;]"  # between genres
EVERY = 10  # years between two centers of the year's bumps


@dataclass(frozen=True)
class Watched:
    """A set of interactions: "cinema", "movielens-100k", "movielens-small", or "own" with its key in the store."""

    key: str = "cinema"
    folder: str = ""
    own: str = ""

    def params(self) -> dict[str, Any]:
        """What JSON can hold, for the recipe of a result."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Parts:
    """A table split for learning and testing: csr (n_users, n_items) of weights seen, and of what is held out.

    Weights are the rating over the highest one. A fifth of each user's rows is held out, seeded.
    """

    seen: Any
    held: Any


@lru_cache(maxsize=4)
def load_watched(watched: Watched) -> Interactions:
    """The table, shared; raises NotInstalled, InputError when a person's own is no longer kept."""
    if watched.key == "cinema":
        from embedkit.sources.cinema import cinema

        return cinema()
    if watched.key != "own":
        from embedkit.sources.movielens import movielens

        found: Interactions = movielens(watched.key, watched.folder)
        return found
    entry = default_store().get(watched.own) if watched.own else None
    if entry is None:
        raise InputError("Your table is no longer kept here. Give it again.")
    import pandas as pd

    arrays, meta = entry.arrays, entry.meta
    users, items = tuple(meta["users"]), tuple(meta["items"])
    return Interactions(
        key="own",
        title=meta["title"],
        users=users,
        items=items,
        user=np.asarray(arrays["user"]),
        item=np.asarray(arrays["item"]),
        rating=np.asarray(arrays["rating"]),
        time=np.asarray(arrays["time"]),
        films=pd.DataFrame(meta["films"], index=range(len(items))),
        people=pd.DataFrame(meta["people"], index=range(len(users))),
        licence="yours",
        year=0,
    )


def keep_table(table: Interactions, store: Store) -> Watched:
    """Put a person's own table where a worker finds it; equal tables are kept once."""
    key = recipe_key("own table", digest=table.digest)
    if store.get_meta(key) is None:
        arrays = {name: getattr(table, name) for name in ("user", "item", "rating", "time")}
        meta = {
            "title": table.title,
            "users": table.users,
            "items": table.items,
            "films": table.films.to_dict("list"),
            "people": table.people.to_dict("list"),
        }
        if not store.put(key, arrays, meta, "own table"):
            raise InputError("There is no room on the disk to hand your table to a training. Free some space.")
    return Watched("own", own=key)


def parts_of(table: Interactions, seed: int = 0) -> Parts:
    """The split of a table by which the page trains and tests."""
    seen, held = table.split(0.2, seed)
    return Parts(weights_of(table, seen), weights_of(table, held))


def weights_of(table: Interactions, rows: Any) -> Any:
    """Rows of a table as csr (n_users, n_items), float32: the rating over the highest of the table."""
    from scipy.sparse import csr_matrix

    highest = float(table.rating.max()) if table.n else 1.0
    weight = np.maximum(table.rating[rows] / (highest if highest > 0 else 1.0), 0.1).astype(np.float32)
    return csr_matrix((weight, (table.user[rows], table.item[rows])), shape=(table.n_users, table.n_items))


def features_of(table: Interactions, store: Store | None = None) -> Features:
    """Genres, year and title of each item, and what is known of people, as the towers read them."""
    genres = _marks([re.split(SEPARATOR, str(text)) for text in table.films["genres"]])
    people = [
        [f"{name} {_decade(value)}" for name, value in zip(table.people.columns, row, strict=True)]
        for row in table.people.itertuples(index=False)
    ]
    titles = title_vectors([str(title) for title in table.films["title"]], store or default_store())
    return Features(genres, _years(table.films["year"].to_numpy()), titles, _marks(people))


def _decade(value: Any) -> Any:
    """A number, such as an age, by its tens, so that people share it; everything else as it is."""
    return int(float(value) // 10) * 10 if isinstance(value, (int, float, np.number)) and np.isfinite(value) else value


def _words(lists: list[list[str]]) -> list[str]:
    """The words that stand in two rows or more, 500 at most."""
    counts = Counter(word for row in lists for word in set(row) if word)
    return sorted(word for word, count in counts.items() if count > 1)[:500]


def _marks(lists: list[list[str]], words: list[str] | None = None) -> Vectors:
    """One column a word, rows of sum 1: (n, words); without `words` those that stand in two rows or more."""
    places = {word: i for i, word in enumerate(_words(lists) if words is None else words)}
    found = np.zeros((len(lists), len(places)), np.float32)
    for number, row in enumerate(lists):
        columns = [places[word] for word in dict.fromkeys(row) if word in places]
        found[number, columns] = 1 / max(len(columns), 1)
    return found


def _years(years: Any, among: Any = None) -> Vectors:
    """A year as bumps around every tenth year of those `among`, 0 where it is unknown: (n, centers)."""
    years = np.asarray(years, np.float64)
    others = years if among is None else np.asarray(among, np.float64)
    known = others[others > 0]
    if not len(known):
        return np.zeros((len(years), 0), np.float32)
    centers = np.arange(known.min() // EVERY * EVERY, known.max() + EVERY, EVERY)
    bumps = np.exp(-(((years[:, None] - centers) / EVERY) ** 2)) * (years > 0)[:, None]
    return np.asarray(bumps, np.float32)


def title_vectors(titles: list[str], store: Store) -> Vectors:
    """The titles read by MiniLM, then brought to 64 numbers by PCA: float32 (n, 64), kept once computed."""
    return np.asarray(_titles(titles, store)["titles"])


def _titles(titles: list[str], store: Store) -> Mapping[str, Vectors]:
    """Vectors of titles, with the mean and the map that made them, so that one more title can follow."""
    digest = hashlib.blake2b("\0".join(titles).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def make() -> dict[str, Vectors]:
        from sklearn.decomposition import PCA

        from embedkit.encoders.transformer import load_transformer

        read = load_transformer().pooled(titles)
        with np.errstate(invalid="ignore"):  # the variance of one title alone
            fitted = PCA(min(TITLE, *read.shape), svd_solver="full").fit(read)
        found = fitted.transform(read).astype(np.float32)
        scale = SPREAD / max(float(found.std()), 1e-6)
        return {"titles": found * scale, "mean": fitted.mean_, "map": (fitted.components_.T * scale).astype(np.float32)}

    return store.get_or_make(recipe_key("titles", titles=digest), make, name="titles").arrays


def new_film(table: Interactions, title: str, year: int, genres: list[str], store: Store | None = None) -> Features:
    """What the item's tower reads of a film that is not in the table, as if it stood there: each part (1, ...)."""
    from embedkit.encoders.transformer import load_transformer

    films = table.films
    known = _titles([str(each) for each in films["title"]], store or default_store())
    read = (load_transformer().pooled([title]) - known["mean"]) @ known["map"]
    words = _words([re.split(SEPARATOR, str(text)) for text in films["genres"]])
    years = _years([year], films["year"].to_numpy())
    return Features(_marks([genres], words), years, read.astype(np.float32), np.zeros((1, 0), np.float32))

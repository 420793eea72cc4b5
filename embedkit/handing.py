"""Vectors on their way to a worker: through the store, by a key that equal vectors share, whatever their names."""

from __future__ import annotations

from embedkit.errors import InputError
from embedkit.space import Space
from embedkit.store import Store, default_store, recipe_key

__all__ = ["hand_over", "handed_over", "key_of"]


def key_of(space: Space) -> str:
    """The store's key of the vectors of a space."""
    return recipe_key("vectors", digest=space.digest)


def hand_over(space: Space, store: Store) -> bool:
    """Put the vectors into the store unless they are there; False where the disk has no room."""
    key = key_of(space)
    if store.get_meta(key) is not None:
        return True
    return store.put(key, {"vectors": space.vectors}, {"title": space.title}, f"vectors of {space.title}")


def handed_over(key: str, wanted: str) -> Space:
    """In a worker: the vectors as a space whose items are the numbers of its rows.

    Raises InputError, which names what is `wanted`, where they are no longer kept.
    """
    entry = default_store().get(key)
    if entry is None:
        raise InputError(f"The vectors of {wanted} are no longer kept. Open the page again.")
    vectors = entry.arrays["vectors"]
    return Space(key, str(entry.meta.get("title", "")), tuple(map(str, range(len(vectors)))), vectors)

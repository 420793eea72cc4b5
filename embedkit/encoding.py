"""New things among those of a space: a phrase or a picture becomes a vector by the very model that made the others."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from embedkit.errors import InputError
from embedkit.registry import ROOMS
from embedkit.space import Space, Vectors

__all__ = ["Encoded", "Encoder", "encode", "encoder", "encoder_of", "encoders", "parameter"]

HOMES = (*ROOMS, "embedkit.files")  # whose import registers encoders

T = TypeVar("T", int, float, str)

_ENCODERS: dict[str, Encoder] = {}


@dataclass(frozen=True, eq=False)
class Encoded:
    """A new thing as a vector (d,); `note` says in a sentence what of it was not read, "" where all was.

    `picture` float32 (height, width, channels) in 0..1 is a picture as the model saw it.
    """

    vector: Vectors
    note: str = ""
    picture: Vectors | None = None


@dataclass(frozen=True)
class Encoder:
    """What a page must say before anything is encoded: whether texts or pictures are taken, and how they are read."""

    takes: Literal["text", "picture"]
    says: str
    function: Callable[..., Encoded]


def encoder(
    *origins: str, takes: Literal["text", "picture"], says: str
) -> Callable[[Callable[..., Encoded]], Callable[..., Encoded]]:
    """Register `function(space, thing, **how) -> Encoded` for spaces of these origins (`space.origin.method`).

    It runs the model that is here and never trains one, as an origin may come from a file that anybody wrote.
    """

    def register(function: Callable[..., Encoded]) -> Callable[..., Encoded]:
        for origin in origins:
            _ENCODERS[origin] = Encoder(takes, says, function)
        return function

    return register


def encoders() -> dict[str, Encoder]:
    """All encoders by the origin of the spaces that they serve, in alphabetical order."""
    for home in HOMES:
        importlib.import_module(home)
    return dict(sorted(_ENCODERS.items()))


def encoder_of(space: Space) -> Encoder | None:
    """How new things become vectors of this space, or None where the vectors came without their model."""
    return encoders().get(space.origin.method)


def encode(space: Space, thing: str | bytes, **how: Any) -> Encoded:
    """A phrase, or the bytes of a picture (PNG, JPEG, WebP), as a vector of this space, by its own model.

    `how`, for pictures: `name` for errors, and `invert` (None: by itself), as in `as_picture`. Raises InputError where
    the space has no encoder, or one of the other kind, where its origin cannot be true, and what cannot be read.
    """
    found = encoder_of(space)
    if found is None:
        raise InputError(f"The vectors of '{space.title}' came without their model; nothing new can be read into them.")
    if isinstance(thing, str) != (found.takes == "text"):
        raise InputError(f"The model of '{space.title}' reads a {found.takes}; give one.")
    if isinstance(thing, str) and not thing.strip():
        raise InputError("Type a word or a phrase.")
    made = found.function(space, thing.strip() if isinstance(thing, str) else thing, **how)
    if made.vector.shape != (space.d,):
        raise InputError(
            f"The vectors of '{space.title}' have {space.d:,} numbers, but {space.origin.method} makes "
            f"{made.vector.size:,}: they are of another model."
        )
    return Encoded(np.ascontiguousarray(made.vector, np.float32), made.note, made.picture)


def parameter(space: Space, name: str, kind: type[T]) -> T:
    """A parameter of the method that made a space; raises InputError where its origin, which a file may have given,
    lacks it or has another kind of thing there."""
    value = space.origin.params.get(name)
    if kind is float and isinstance(value, int):
        return kind(value)
    if not isinstance(value, kind):
        raise InputError(f"'{space.title}' does not say how it was made: its origin has no {name} ({kind.__name__}).")
    return value

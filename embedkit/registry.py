"""Every method by its key; menus, docs and contract tests follow from this table."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embedkit.errors import InputError

if TYPE_CHECKING:
    from embedkit.space import Space

__all__ = ["Method", "load", "method", "methods"]

# Rooms whose import registers methods. A room imports nothing heavy at its top.
ROOMS = ("embedkit.words", "embedkit.contexts", "embedkit.images")

_METHODS: dict[str, Method] = {}


@dataclass(frozen=True)
class Method:
    """What a page must be able to say about a method before anything heavy is imported."""

    key: str
    title: str
    kind: str
    source: str
    licence: str
    year: int
    needs: tuple[str, ...]
    function: Callable[..., Space]

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().split("\n")[0]


def method(
    key: str, *, title: str, kind: str, source: str, licence: str, year: int, needs: tuple[str, ...] = ()
) -> Callable[[Callable[..., Space]], Callable[..., Space]]:
    """Register a function that returns a Space under `room/name`; `needs` names what must be on the machine."""

    def register(function: Callable[..., Space]) -> Callable[..., Space]:
        if key in _METHODS and _METHODS[key].function.__qualname__ != function.__qualname__:
            raise ValueError(f"two methods share the key {key!r}")
        _METHODS[key] = Method(key, title, kind, source, licence, year, needs, function)
        return function

    return register


def methods() -> dict[str, Method]:
    """All methods by key, in alphabetical order."""
    for room in ROOMS:
        importlib.import_module(room)
    return dict(sorted(_METHODS.items()))


def load(key: str, **params: Any) -> Space:
    """Run the method with this key and return its Space; raises InputError for an unknown key or parameter."""
    known = methods()
    if key not in known:
        raise InputError(f"There is no method '{key}'. Known: {', '.join(known)}.")
    function = known[key].function
    taken = inspect.signature(function).parameters
    if unknown := [name for name in params if name not in taken]:
        raise InputError(f"{key} has no parameter '{unknown[0]}'; its parameters: {', '.join(taken)}.")
    return function(**params)

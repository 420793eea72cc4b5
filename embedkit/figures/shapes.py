"""The shapes of which a map consists once it is to be written as SVG or painted as PNG: places, colors, outlines."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["RGBA", "Bar", "Drawn", "Lines", "Marks", "Picture", "Places", "Scene", "Text", "outline", "rgba", "wide"]

INK = "#31333F"  # of text
Places = NDArray[np.float64]


RGBA = tuple[int, int, int, float]


@dataclass(frozen=True, eq=False)
class Marks:
    """Points of one trace: `places` (n, 2) and `radius` (n,) in pixels; an open one is a ring, `line` pixels wide."""

    name: str
    places: Places
    radius: Places
    symbols: Sequence[str]
    colors: Sequence[RGBA]
    line: float = 0.0
    texts: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines of one trace, each (m, 2) in pixels; `dash` are lengths of strokes and gaps."""

    name: str
    paths: Sequence[Places]
    color: RGBA
    width: float
    dash: tuple[float, ...] = ()
    fill: RGBA | None = None


@dataclass(frozen=True)
class Text:
    """Text at a base line; `anchor` start, middle or end; `turn` in degrees; `halo` where it stands among points."""

    x: float
    y: float
    text: str
    size: float = 12.0
    anchor: str = "start"
    color: RGBA = (0x31, 0x33, 0x3F, 1.0)
    turn: int = 0
    halo: bool = False


@dataclass(frozen=True)
class Picture:
    """An image by its data address, in a box in pixels."""

    x: float
    y: float
    width: float
    height: float
    address: str


@dataclass(frozen=True)
class Bar:
    """A color bar: colors by place, 0 at the foot and 1 at the top."""

    x: float
    y: float
    width: float
    height: float
    stops: tuple[tuple[float, RGBA], ...]


Drawn = Marks | Lines | Text | Picture | Bar


@dataclass(frozen=True, eq=False)
class Scene:
    """All shapes in the order in which they are laid over each other, on white, `width` x `height` pixels."""

    width: int
    height: int
    shapes: tuple[Drawn, ...]
    title: str
    about: str


def wide(text: str, size: float) -> float:
    """About how many pixels a text takes in a usual font."""
    full = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return size * (full + 0.56 * (len(text) - full))


def rgba(color: Any, opacity: float = 1.0) -> RGBA:
    """A color of CSS as red, green and blue from 0 to 255, and opacity; one that is none is drawn as text is."""
    red, green, blue, alpha = _parsed(str(color))
    return red, green, blue, alpha * opacity


@lru_cache(maxsize=4_096)
def _parsed(color: str) -> RGBA:
    from PIL import ImageColor

    parts = re.fullmatch(r"rgba\(\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*,\s*([\d.]+)\s*\)", color)
    if parts:
        red, green, blue, alpha = map(float, parts.groups())
        return min(round(red), 255), min(round(green), 255), min(round(blue), 255), min(alpha, 1.0)
    try:
        found = ImageColor.getrgb(color)
    except ValueError:
        found = ImageColor.getrgb(INK)
    return found[0], found[1], found[2], found[3] / 255 if len(found) > 3 else 1.0


@lru_cache(maxsize=64)
def outline(symbol: str) -> tuple[tuple[float, float], ...]:
    """Corners of a symbol of radius 1; none for a circle, and for a symbol that is not known."""
    symbol = symbol.removesuffix("-open").removesuffix("-dot")
    wing = ((-0.4, -1.2), (0.4, -1.2), (0.4, -0.4), (1.2, -0.4), (1.2, 0.4), (0.4, 0.4))
    cross = wing + tuple((-x, -y) for x, y in wing)
    turned = tuple(((x - y) * 0.67, (x + y) * 0.67) for x, y in cross)
    angles = np.arange(5) * 2 * np.pi / 5 - np.pi / 2
    return {
        "square": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "diamond": ((0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)),
        "triangle-up": ((0.0, -1.15), (1.15, 0.75), (-1.15, 0.75)),
        "triangle-down": ((0.0, 1.15), (1.15, -0.75), (-1.15, -0.75)),
        "cross": cross,
        "x": turned,
        "star": tuple(
            (float(np.cos(angle)) * far, float(np.sin(angle)) * far)
            for angle, far in zip(np.arange(10) * np.pi / 5 - np.pi / 2, [1.4, 0.55] * 5, strict=True)
        ),
        "pentagon": tuple((float(np.cos(angle)), float(np.sin(angle))) for angle in angles),
    }.get(symbol, ())

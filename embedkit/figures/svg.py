"""A map as SVG: one file without links and scripts, its text in the reader's own fonts, its groups named."""

from __future__ import annotations

import html
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from embedkit.figures.scene import scene_of
from embedkit.figures.shapes import RGBA, Bar, Drawn, Lines, Marks, Picture, Scene, Text, outline

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["figure_svg"]

NAMED = 5_000  # marks; up to so many each says its name under the pointer
# what XML 1.0 cannot hold, also escaped
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def figure_svg(figure: go.Figure, *, title: str = "Map", about: str = "", width: int = 1_000) -> bytes:
    """A map of points as an SVG file in UTF-8, `width` pixels wide.

    `title` is for those who cannot see it, `about` stands under it as well. Three dimensions are seen by the figure's
    camera. Raises InputError for a figure that is no map.
    """
    return _written(scene_of(figure, title=title, about=about, width=width)).encode()


def _written(scene: Scene) -> str:
    many = sum(len(shape.radius) for shape in scene.shapes if isinstance(shape, Marks)) > NAMED
    size = f'width="{scene.width}" height="{scene.height}" viewBox="0 0 {scene.width} {scene.height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title about" '
        'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif">',
        f'<title id="title">{_safe(scene.title)}</title>',
        f'<desc id="about">{_safe(scene.about)}</desc>',
        f'<rect width="{scene.width}" height="{scene.height}" fill="#ffffff"/>',
    ]
    for number, shape in enumerate(scene.shapes):
        lines += _lines(shape, number, many)
    return "\n".join([*lines, "</svg>", ""])


def _lines(shape: Drawn, number: int, many: bool) -> list[str]:
    match shape:
        case Marks():
            return _marks(shape, many)
        case Lines():
            fill = "fill=" + _paint(shape.fill) if shape.fill else 'fill="none"'
            dash = f' stroke-dasharray="{" ".join(map(_short, shape.dash))}"' if shape.dash else ""
            path = "".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in part.tolist()) for part in shape.paths)
            stroke = _paint(shape.color, "stroke-opacity")
            named = f'<g data-name="{_safe(shape.name)}">'
            return [f'{named}<path d="{path}" {fill} stroke={stroke} stroke-width="{_short(shape.width)}"{dash}/></g>']
        case Text():
            turn = f' transform="rotate({shape.turn} {shape.x:.1f} {shape.y:.1f})"' if shape.turn else ""
            halo = ' stroke="#ffffff" stroke-width="3" stroke-linejoin="round" paint-order="stroke"' * shape.halo
            where = f'x="{shape.x:.1f}" y="{shape.y:.1f}" font-size="{_short(shape.size)}" text-anchor="{shape.anchor}"'
            return [f"<text {where} fill={_paint(shape.color)}{halo}{turn}>{_safe(shape.text)}</text>"]
        case Picture():
            box = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
            return [f'<image {box} href="{_safe(shape.address)}" style="image-rendering:pixelated"/>']
        case Bar():
            stops = "".join(f'<stop offset="{at:g}" stop-color={_paint(color)}/>' for at, color in shape.stops)
            box = f'x="{shape.x:.1f}" y="{shape.y:.1f}" width="{shape.width:.1f}" height="{shape.height:.1f}"'
            ramp = f'<linearGradient id="ramp{number}" x1="0" y1="1" x2="0" y2="0">{stops}</linearGradient>'
            return [f'<defs>{ramp}</defs><rect {box} fill="url(#ramp{number})"/>']


def _marks(shape: Marks, many: bool) -> list[str]:
    """A group for the trace; what all its marks share stands once."""
    colors = set(shape.colors)
    same = len(colors) == 1 and len({symbol.endswith("-open") for symbol in shape.symbols}) == 1
    painted = _color(shape.colors[0], shape.symbols[0], shape.line) if same else ""
    lines = [f'<g data-name="{_safe(shape.name)}"{painted}>']
    titles = [] if many else shape.texts
    corners: dict[tuple[str, float], str] = {}
    rows = zip(shape.places.tolist(), shape.radius.tolist(), shape.symbols, shape.colors, strict=True)
    for row, ((x, y), radius, symbol, color) in enumerate(rows):
        own = "" if same else _color(color, symbol, shape.line)
        points = outline(symbol)
        if points:
            if (symbol, radius) not in corners:
                moved = [(u * radius, v * radius) for u, v in points]
                steps = pairwise(moved)
                corners[symbol, radius] = "".join(f"l{c - a:.1f} {d - b:.1f}" for (a, b), (c, d) in steps) + "z"
            first = (x + points[0][0] * radius, y + points[0][1] * radius)
            tag, mark = "path", f'd="M{first[0]:.1f} {first[1]:.1f}{corners[symbol, radius]}"{own}'
        else:
            tag, mark = "circle", f'cx="{x:.1f}" cy="{y:.1f}" r="{_short(radius)}"{own}'
        said = titles[row] if row < len(titles) else ""
        lines.append(f"<{tag} {mark}><title>{_safe(said)}</title></{tag}>" if said else f"<{tag} {mark}/>")
    return [*lines, "</g>"]


def _color(color: RGBA, symbol: str, line: float) -> str:
    if symbol.endswith("-open"):
        return f' fill="none" stroke={_paint(color, "stroke-opacity")} stroke-width="{_short(line)}"'
    return f" fill={_paint(color)}"


def _paint(color: RGBA, name: str = "fill-opacity") -> str:
    """A quoted color, and its opacity as an attribute of its own where it has one: older readers know no rgba()."""
    red, green, blue, alpha = color
    return f'"#{red:02x}{green:02x}{blue:02x}"' + (f' {name}="{alpha:.2g}"' if alpha < 1 else "")


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _safe(text: str) -> str:
    return html.escape(_NO_XML.sub("\ufffd", text))

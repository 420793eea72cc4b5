"""A map as PNG, painted on the server: the shapes of its SVG at twice their size, with smooth edges."""

from __future__ import annotations

import base64
import io
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.figures.scene import scene_of
from embedkit.figures.shapes import RGBA, Bar, Drawn, Lines, Marks, Picture, Scene, Text, outline

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["figure_png"]

FINER = 2  # painted so much larger than the answer, for smooth edges
# Pillow carries a font for Latin letters; where the machine has one with more, that one is taken
FONTS = ("NotoSansCJK-Regular.ttc", "DejaVuSans.ttf", "Arial Unicode.ttf", "NotoSans-Regular.ttf", "arial.ttf")


def figure_png(figure: go.Figure, *, title: str = "Map", about: str = "", width: int = 1_000, scale: int = 2) -> bytes:
    """A map of points as a PNG image, `width` x `scale` pixels wide; title and description stand in its texts.

    Letters beyond Latin need a font on the machine. Raises InputError for a figure that is no map.
    """
    return _painted(scene_of(figure, title=title, about=about, width=width), scale)


def _painted(scene: Scene, scale: int) -> bytes:
    from PIL import Image, ImageDraw, PngImagePlugin

    zoom = scale * FINER
    image = Image.new("RGB", (scene.width * zoom, scene.height * zoom), "white")
    pen = ImageDraw.Draw(image, "RGBA")  # what it draws is mixed with what is there
    for shape in scene.shapes:
        _paint(image, pen, shape, zoom)
    image = image.resize((scene.width * scale, scene.height * scale), Image.Resampling.BOX)
    said = PngImagePlugin.PngInfo()
    for name, text in (("Title", scene.title), ("Description", scene.about)):
        if text:
            said.add_itxt(name, text.encode("utf-8", "replace").decode())
    answer = io.BytesIO()
    image.save(answer, "PNG", pnginfo=said)
    return answer.getvalue()


def _paint(image: Any, pen: Any, shape: Drawn, zoom: int) -> None:
    match shape:
        case Marks():
            for (x, y), radius, symbol, color in zip(
                (shape.places * zoom).tolist(), (shape.radius * zoom).tolist(), shape.symbols, shape.colors, strict=True
            ):
                _mark(pen, x, y, radius, symbol, _ink(color), round(shape.line * zoom))
        case Lines():
            for part in shape.paths:
                places = part * zoom
                if shape.fill:
                    pen.polygon([tuple(place) for place in places.tolist()], fill=_ink(shape.fill))
                for stroke in _strokes(places, [length * zoom for length in shape.dash]):
                    pen.line(
                        [tuple(place) for place in stroke], fill=_ink(shape.color), width=round(shape.width * zoom)
                    )
        case Text():
            _write(image, pen, shape, zoom)
        case Picture():
            _paste(image, shape, zoom)
        case Bar():
            at = [place for place, _ in shape.stops]
            ramp = np.array([color[:3] for _, color in shape.stops], float)
            tall = max(round(shape.height * zoom), 1)
            for row in range(tall):
                share = 1 - (row + 0.5) / tall
                mixed = tuple(round(float(np.interp(share, at, ramp[:, part]))) for part in range(3))
                y = shape.y * zoom + row
                pen.line([(shape.x * zoom, y), ((shape.x + shape.width) * zoom, y)], fill=mixed)


def _mark(pen: Any, x: float, y: float, radius: float, symbol: str, ink: tuple[int, ...], line: int) -> None:
    ring = {"outline": ink, "width": max(line, 1)} if symbol.endswith("-open") else {"fill": ink}
    corners = outline(symbol)
    if corners:
        pen.polygon([(x + u * radius, y + v * radius) for u, v in corners], **ring)
    else:
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), **ring)


def _strokes(places: Any, dash: list[float]) -> list[list[list[float]]]:
    """The parts of a line that are drawn."""
    if not dash:
        return [places.tolist()]
    strokes = []
    for start, end in pairwise(places):
        length = float(np.hypot(*(end - start)))
        at, number = 0.0, 0
        while at < length and length:
            step = dash[number % len(dash)]
            if number % 2 == 0:
                ends = [start + (end - start) * min(far, length) / length for far in (at, at + step)]
                strokes.append([each.tolist() for each in ends])
            at, number = at + step, number + 1
    return strokes


def _write(image: Any, pen: Any, shape: Text, zoom: int) -> None:
    from PIL import Image, ImageDraw

    font = _font(round(shape.size * zoom))
    text = "".join(letter if letter.isprintable() or letter == "\u00a0" else "\ufffd" for letter in shape.text)
    anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
    halo = {"stroke_width": round(1.5 * zoom), "stroke_fill": "white"} if shape.halo else {}
    if not shape.turn:
        pen.text((shape.x * zoom, shape.y * zoom), text, _ink(shape.color), font, anchor, **halo)
        return
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    paper = Image.new("L", (max(round(right - left), 1), max(round(bottom - top), 1)))
    ImageDraw.Draw(paper).text((-left, -top), text, 255, font, "ls")
    paper = paper.rotate(-shape.turn, expand=True)
    corner = (round(shape.x * zoom - paper.width), round(shape.y * zoom - paper.height / 2))
    image.paste(shape.color[:3], corner, paper)


def _paste(image: Any, shape: Picture, zoom: int) -> None:
    from PIL import Image

    head, _, data = shape.address.partition(",")
    if not head.endswith(";base64"):
        return
    with Image.open(io.BytesIO(base64.b64decode(data))) as found:
        size = (max(round(shape.width * zoom), 1), max(round(shape.height * zoom), 1))
        small = found.convert("RGBA").resize(size, Image.Resampling.NEAREST)
    image.paste(small, (round(shape.x * zoom), round(shape.y * zoom)), small)


def _ink(color: RGBA) -> tuple[int, ...]:
    return (*color[:3], round(color[3] * 255))


@lru_cache(maxsize=32)
def _font(size: int) -> Any:
    from PIL import ImageFont

    for name in FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return ImageFont.load_default(size)

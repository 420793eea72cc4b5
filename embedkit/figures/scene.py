"""A plotly map as plain shapes, so that it can be written as SVG or painted as PNG without a browser.

plotly's own export needs Chrome. Of its figures only maps are read: scatter traces in two or three dimensions, images,
lines and rectangles, annotations, a legend, a color bar. Anything else is refused by name, never left out.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InputError
from embedkit.figures.shapes import (
    INK,
    Bar,
    Drawn,
    Lines,
    Marks,
    Picture,
    Places,
    Scene,
    Text,
    rgba,
    wide,
)

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["scene_of"]

SOFT, FAINT = "#5F6570", "#D9DCE1"
FLAT, SPACE = ("scatter", "scattergl"), ("scatter3d",)


def scene_of(figure: go.Figure, *, title: str = "", about: str = "", width: int = 1_000) -> Scene:
    """The shapes of a map, `about` as lines under it; three dimensions are seen by the figure's camera.

    Raises InputError for a trace, an axis or a shape that is not part of a map.
    """
    kinds = {trace.type for trace in figure.data}
    strange = sorted(kinds - {*FLAT, *SPACE})
    if strange or len({kind in SPACE for kind in kinds}) > 1:
        named = ", ".join(strange) or "two and three dimensions at once"
        raise InputError(f"Only maps of points become SVG or PNG; this figure has {named}. Save it as HTML.")
    layout = figure.layout
    head = _said(layout.title.text or "")
    shapes: list[Drawn] = []
    bar = next((trace.marker for trace in figure.data if _has_bar(trace)), None)
    deep = bool(kinds & set(SPACE))
    framed = not deep and (layout.xaxis.visible is not False or layout.yaxis.visible is not False)
    edge = {side: getattr(layout.margin, side) for side in "lrtb"}
    margin = {side: 8.0 if value is None else float(value) for side, value in edge.items()}
    left = margin["l"] + (58 if framed and layout.yaxis.visible is not False else 0)
    right = width - margin["r"] - (86 if bar is not None else 8)
    top = max(margin["t"], 34.0 if head else 0.0)
    bottom = top + float(layout.height or 450) - margin["t"] - margin["b"]
    bottom -= 46 if framed and layout.xaxis.visible is not False else 0
    box = (left, top, right, bottom)
    if head:
        shapes.append(Text(width / 2, 22, head, 16, "middle"))
    if deep:
        shapes += _deep(figure, box)
    else:
        shapes += _flat(figure, box, framed)
    if bar is not None:
        shapes += _bar(bar, right + 20, (top + bottom) / 2, (bottom - top) * float(bar.colorbar.len or 1))
    foot = bottom + (46 if framed and layout.xaxis.visible is not False else 6)
    legend, height = _legend(figure, width, foot)
    for row in textwrap.wrap(_said(about), int((width - 24) / wide("n", 12))):
        height += 18
        legend.append(Text(12, height, row, 12, color=rgba(SOFT)))
    return Scene(width, round(height + max(margin["b"], 8)), (*shapes, *legend), title or head, about)


def _flat(figure: go.Figure, box: tuple[float, float, float, float], framed: bool) -> list[Drawn]:
    layout = figure.layout
    for axis in (layout.xaxis, layout.yaxis):
        if axis.type not in (None, "-", "linear"):
            raise InputError(f"An axis of the kind {axis.type} is not written as SVG or PNG. Save the figure as HTML.")
    left, top, right, bottom = box
    low, high = np.array([_range(figure, axis) for axis in "xy"]).T
    scale = np.array([right - left, bottom - top]) / (high - low)
    if layout.yaxis.scaleanchor or layout.xaxis.scaleanchor:
        scale[:] = scale.min()
    middle = np.array([(left + right) / 2, (top + bottom) / 2])

    def placed(x: Any, y: Any) -> Places:
        away = np.stack([_numbers(x), _numbers(y)], 1) - (low + high) / 2
        return np.asarray(middle + away * scale * (1, -1), np.float64)

    shapes: list[Drawn] = []
    if framed:
        shapes += _axes(layout, box, placed, (low, high))
    images = [image for image in layout.images or () if image.visible is not False]
    shapes += [_image(image, placed, scale) for image in images if image.layer == "below"]
    shapes += [_shape(each, placed) for each in layout.shapes or () if each.visible is not False]
    for trace in figure.data:
        if trace.visible in (None, True):
            shapes += _trace(trace, placed(trace.x, trace.y))
    shapes += [_image(image, placed, scale) for image in images if image.layer != "below"]
    for note in layout.annotations or ():
        if note.visible is not False:
            shapes += _annotation(note, placed, box)
    return shapes


def _deep(figure: go.Figure, box: tuple[float, float, float, float]) -> list[Drawn]:
    """Three dimensions: a cube around all points, seen by the camera; what is far lies under what is near."""
    shown = [trace for trace in figure.data if trace.visible in (None, True)]
    points = [np.stack([_numbers(trace[axis]) for axis in "xyz"], 1) for trace in shown]
    every = np.concatenate(points) if points else np.zeros((1, 3))
    every = every[np.isfinite(every).all(1)] if len(every) else every
    low, high = (every.min(0), every.max(0)) if len(every) else (np.zeros(3), np.ones(3))
    span = np.maximum(high - low, 1e-9) * 1.06
    if figure.layout.scene.aspectmode == "data":
        span[:] = span.max()
    center = (low + high) / 2
    camera = figure.layout.scene.camera
    eye = np.array([1.25 if camera.eye[axis] is None else camera.eye[axis] for axis in "xyz"], float)
    up = np.array([float(axis == "z") if camera.up[axis] is None else camera.up[axis] for axis in "xyz"], float)
    ahead = -eye / np.linalg.norm(eye)
    side = np.cross(ahead, up)
    side = side / np.linalg.norm(side) if np.linalg.norm(side) > 1e-9 else np.array([1.0, 0.0, 0.0])
    lift = np.cross(side, ahead)
    perspective = camera.projection.type != "orthographic"

    def seen(places: Places) -> tuple[Places, Places]:
        moved = (places - center) / span - eye
        depth = moved @ ahead
        share = 1 / np.maximum(depth, 0.05) if perspective else np.ones(len(moved))
        return np.stack([moved @ side * share, -(moved @ lift) * share], 1), depth

    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    frame, far = seen(corners * span + center)
    behind = [i for i in range(8) if i != int(far.argmin())]  # walls at the back alone: no edge crosses the points
    room = np.concatenate([frame[behind], seen(every)[0]])
    left, top, right, bottom = box
    extent = np.maximum(np.ptp(room, axis=0), 1e-9)
    scale = min((right - left) / extent[0], (bottom - top) / extent[1]) * 0.98
    shift = np.array([(left + right) / 2, (top + bottom) / 2]) - (room.min(0) + room.max(0)) / 2 * scale
    edges = [(i, j) for i in behind for j in behind if i < j and (corners[i] != corners[j]).sum() == 1]
    paths = [frame[[i, j]] * scale + shift for i, j in edges]
    shapes: list[Drawn] = [Lines("frame", paths, rgba(FAINT), 1)]
    solid: list[tuple[Marks, Places]] = []
    rest: list[Drawn] = []
    for trace, places in zip(shown, points, strict=True):
        flat, depth = seen(places)
        for shape in _trace(trace, flat * scale + shift):
            if isinstance(shape, Marks) and trace.hoverinfo != "skip":  # what marks points stays above them
                solid.append((shape, depth[np.isfinite(places).all(1)]))
            else:
                rest.append(shape)
    if solid:
        shapes.append(_merged(solid))
    return shapes + rest


def _merged(parts: list[tuple[Marks, Places]]) -> Marks:
    """Points of all traces, the farthest first."""
    order = np.argsort(-np.concatenate([depth for _, depth in parts]), kind="stable")
    symbols = [symbol for marks, _ in parts for symbol in marks.symbols]
    colors = [color for marks, _ in parts for color in marks.colors]
    texts = [text for marks, _ in parts for text in (marks.texts or [""] * len(marks.radius))]
    return Marks(
        "points",
        np.concatenate([marks.places for marks, _ in parts])[order],
        np.concatenate([marks.radius for marks, _ in parts])[order],
        [symbols[i] for i in order],
        [colors[i] for i in order],
        1.0,
        [texts[i] for i in order],
    )


def _trace(trace: Any, places: Places) -> list[Drawn]:
    mode = trace.mode or "markers"
    name = str(trace.name or "")
    whole = 1.0 if trace.opacity is None else float(trace.opacity)
    shapes: list[Drawn] = []
    here = np.isfinite(places).all(1)
    kept: list[int] = np.flatnonzero(here).tolist()
    if "lines" in mode:
        gaps = np.flatnonzero(~here)
        parts = [part[np.isfinite(part).all(1)] for part in np.split(places, gaps)]
        width = float(trace.line.width or 2)
        color = rgba(_one(trace.line.color) or INK, whole)
        shapes.append(Lines(name, [part for part in parts if len(part) > 1], color, width, _dash(trace.line.dash)))
    marker = trace.marker
    n = len(places)
    size = _each(marker.size, n, 6.0)
    if "markers" in mode and n:
        opacity = _each(marker.opacity, n, 1.0)
        symbols = _each(marker.symbol, n, "circle")
        colors = _colors(marker, n)
        texts = [] if trace.text is None else [str(text) for text in _each(trace.text, n, "")]
        shapes.append(
            Marks(
                name,
                places[here],
                np.array([float(size[i]) / 2 for i in kept]),
                [str(symbols[i]) for i in kept],
                [rgba(colors[i], whole * float(opacity[i])) for i in kept],
                float(_one(marker.line.width) or 1),
                [texts[i] for i in kept] if texts else (),
            )
        )
    if "text" in mode and n and trace.text is not None:
        shapes += _texts(trace, places, here, size if "markers" in mode else [0.0] * n)
    return shapes


def _texts(trace: Any, places: Places, here: Any, size: Sequence[Any]) -> list[Drawn]:
    n = len(places)
    said, sizes = _each(trace.text, n, ""), _each(trace.textfont.size, n, 12)
    where, colors = _each(trace.textposition, n, "middle center"), _each(trace.textfont.color, n, INK)
    shapes: list[Drawn] = []
    for i in np.flatnonzero(here).tolist():
        upright, across = [*str(where[i]).split(), "center"][:2]
        high, away = float(sizes[i]), float(size[i]) / 2
        y = places[i, 1] + {"top": -away - 4, "bottom": away + high}.get(upright, 0.35 * high)
        x = places[i, 0] + {"left": -away - 3, "right": away + 3}.get(across, 0.0)
        anchor = {"left": "end", "right": "start"}.get(across, "middle")
        shapes.append(Text(float(x), float(y), _said(said[i]), high, anchor, rgba(colors[i]), halo=True))
    return shapes


def _axes(layout: Any, box: Any, placed: Any, ends: tuple[Places, Places]) -> list[Drawn]:
    left, top, right, bottom = box
    low, high = ends
    shapes: list[Drawn] = []
    for number, axis in enumerate((layout.xaxis, layout.yaxis)):
        if axis.visible is False:
            continue
        ticks = _ticks(low[number], high[number])
        spots = placed(ticks, ticks)[:, number]
        label = _said(axis.title.text or "")
        grid = axis.showgrid is not False
        for tick, spot in zip(ticks, spots, strict=True):
            path = [[spot, top], [spot, bottom]] if number == 0 else [[left, spot], [right, spot]]
            zero = tick == 0 and axis.zeroline is not False
            if grid or zero:
                color = rgba(axis.zerolinecolor or "#9AA3AA") if zero else rgba(FAINT)
                shapes.append(Lines("grid", [np.array(path, float)], color, 1))
            if axis.showticklabels is not False:
                said = f"{tick:g}".replace("-", "−")
                at = (spot, bottom + 16, "middle") if number == 0 else (left - 6, spot + 4, "end")
                shapes.append(Text(float(at[0]), float(at[1]), said, 11, str(at[2])))
        if label and number == 0:
            shapes.append(Text((left + right) / 2, bottom + 38, label, 13, "middle"))
        elif label:
            shapes.append(Text(left - 44, (top + bottom) / 2, label, 13, "middle", turn=-90))
    return shapes


def _legend(figure: go.Figure, width: int, top: float) -> tuple[list[Drawn], float]:
    """Entries in rows under the map, and the lower edge."""
    named = [t for t in figure.data if t.name and t.showlegend is not False and t.visible in (None, True)]
    wanted = figure.layout.showlegend
    if wanted is False or (wanted is None and len(named) < 2 and not any(t.showlegend for t in named)):
        return [], top
    shapes: list[Drawn] = []
    x, y = 12.0, top + 14
    for trace in named:
        said = _said(trace.name)
        needs = 26 + wide(said, 12) + 16
        if x + needs > width and x > 12:
            x, y = 12.0, y + 20
        mode = trace.mode or "markers"
        if "lines" in mode:
            path = np.array([[x, y - 4], [x + 18, y - 4]])
            color = rgba(_one(trace.line.color) or INK)
            shapes.append(Lines(said, [path], color, float(trace.line.width or 2), _dash(trace.line.dash)))
        if "markers" in mode:
            symbol = str(_one(trace.marker.symbol) or "circle")
            color = rgba(next(iter(_colors(trace.marker, len(_numbers(trace.x)))), INK))
            line = min(float(_one(trace.marker.line.width) or 1), 2)
            shapes.append(Marks(said, np.array([[x + 9, y - 4]]), np.array([5.0]), [symbol], [color], line))
        shapes.append(Text(x + 26, y, said))
        x += needs
    return shapes, y + 10


def _bar(marker: Any, x: float, middle: float, height: float) -> list[Drawn]:
    bar = marker.colorbar
    low, high = _bounds(marker)
    top = middle - height / 2
    stops = tuple((float(at), rgba(color)) for at, color in _scale(marker))
    shapes: list[Drawn] = [Bar(x, top, float(bar.thickness or 12), height, stops)]
    past = x + float(bar.thickness or 12)
    for tick in _ticks(low, high, 5):
        y = top + height * (1 - (tick - low) / max(high - low, 1e-12))
        shapes.append(Text(past + 5, y + 4, f"{tick:g}".replace("-", "−"), 11))
    if bar.title.text:
        shapes.append(Text(past + 44, middle, _said(bar.title.text), 12, "middle", turn=-90))
    return shapes


def _annotation(note: Any, placed: Any, box: Any) -> list[Drawn]:
    left, top, right, bottom = box
    at = placed([_or(note.x, 0)], [_or(note.y, 0)])[0]
    x = left + (right - left) * float(_or(note.x, 0)) if note.xref == "paper" else float(at[0])
    y = bottom - (bottom - top) * float(_or(note.y, 0)) if note.yref == "paper" else float(at[1])
    color = rgba(note.font.color or INK)
    size = float(note.font.size or 12)
    shapes: list[Drawn] = []
    if note.showarrow is not False and note.showarrow is not None:
        far = (x + float(_or(note.ax, -10)), y + float(_or(note.ay, -30)))
        path = np.array([[x, y], far])
        shapes.append(Lines("note", [path], rgba(note.arrowcolor or INK), float(note.arrowwidth or 1)))
        x, y = far
    else:
        x, y = x + float(note.xshift or 0), y - float(note.yshift or 0)
    anchor = {"left": "start", "right": "end"}.get(str(note.xanchor), "middle")
    rows = re.split(r"<br\s*/?>", str(note.text or ""))
    drop = {"top": size, "bottom": -size * 1.2 * (len(rows) - 1)}.get(str(note.yanchor), 0.35 * size)
    for number, row in enumerate(rows):
        shapes.append(Text(x, y + drop + number * size * 1.2, _said(row), size, anchor, color, halo=True))
    return shapes


def _image(image: Any, placed: Any, scale: Places) -> Picture:
    if image.xref in (None, "paper") or image.yref in (None, "paper"):
        raise InputError("An image that does not stand on the map is not written as SVG or PNG. Save it as HTML.")
    if not str(image.source).startswith("data:image/"):
        raise InputError("Images of a figure must be part of it to be written as SVG or PNG. Save it as HTML.")
    x, y = placed([image.x], [image.y])[0]
    width, height = float(image.sizex) * scale[0], float(image.sizey) * scale[1]
    if image.sizing != "stretch":  # the picture keeps its shape; those of the maps are square
        width = height = min(width, height)
    x -= {"center": width / 2, "right": width}.get(str(image.xanchor), 0.0)
    y -= {"middle": height / 2, "bottom": height}.get(str(image.yanchor), 0.0)
    return Picture(float(x), float(y), float(width), float(height), str(image.source))


def _shape(each: Any, placed: Any) -> Lines:
    if each.type not in ("line", "rect") or "paper" in (each.xref, each.yref):
        raise InputError(f"A shape of the kind {each.type} is not written as SVG or PNG. Save the figure as HTML.")
    corners = placed([each.x0, each.x1], [each.y0, each.y1])
    (x0, y0), (x1, y1) = corners
    path = corners if each.type == "line" else np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
    fill = rgba(each.fillcolor) if each.type == "rect" and each.fillcolor else None
    return Lines(
        "shape", [path], rgba(each.line.color or INK), float(_or(each.line.width, 2)), _dash(each.line.dash), fill
    )


def _range(figure: go.Figure, name: str) -> tuple[float, float]:
    axis = figure.layout[f"{name}axis"]
    if axis.range is not None and axis.range[0] is not None and axis.range[1] is not None:
        return float(axis.range[0]), float(axis.range[1])
    parts = [_numbers(trace[name]) for trace in figure.data if trace.visible in (None, True)]
    every = np.concatenate(parts) if parts else np.empty(0)
    every = every[np.isfinite(every)]
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    pad = 0.05 * (high - low) or 1.0
    ends = (low - pad, high + pad)
    return ends[::-1] if axis.autorange == "reversed" else ends


def _ticks(low: float, high: float, about: int = 6) -> Places:
    low, high = min(low, high), max(low, high)
    rough = max(high - low, 1e-12) / about
    size = 10.0 ** np.floor(np.log10(rough))
    step = size * next(each for each in (1, 2, 2.5, 5, 10) if size * each >= rough * 0.999)
    ticks = np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1) * step
    return np.asarray(np.round(ticks, 12) + 0.0, np.float64)


def _has_bar(trace: Any) -> bool:
    """Whether colors of a trace are numbers with a bar beside the map."""
    marker = trace.marker
    given = marker.color
    if given is None or isinstance(given, str) or not len(given) or isinstance(given[0], str):
        return False
    return marker.showscale is not False and (marker.showscale or bool(marker.colorbar.to_plotly_json()))


def _colors(marker: Any, n: int) -> Sequence[Any]:
    given = marker.color
    if given is None:
        return ["#0072B2"] * n
    if isinstance(given, str):
        return [given] * n
    if len(given) and isinstance(given[0], str):
        return _each(given, n, INK)
    values = _numbers(given)
    low, high = _bounds(marker)
    share = np.clip((np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12), 0, 1)
    scale = _scale(marker)
    paint = np.array([rgba(color)[:3] for _, color in scale], float)
    mixed = np.stack([np.interp(share, [at for at, _ in scale], paint[:, part]) for part in range(3)], 1)
    return [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in np.round(mixed).astype(int).tolist()]


def _bounds(marker: Any) -> tuple[float, float]:
    values = _numbers(marker.color)
    values = values[np.isfinite(values)]
    low = marker.cmin if marker.cmin is not None else values.min() if len(values) else 0.0
    high = marker.cmax if marker.cmax is not None else values.max() if len(values) else 1.0
    return float(low), float(high)


def _scale(marker: Any) -> list[tuple[float, str]]:
    given = marker.colorscale or ((0, "#440154"), (0.5, "#21918c"), (1, "#fde725"))
    scale = [(float(at), str(color)) for at, color in given]
    return [(1 - at, color) for at, color in reversed(scale)] if marker.reversescale else scale


def _dash(given: Any) -> tuple[float, ...]:
    return {"dot": (2, 4), "dash": (8, 6), "dashdot": (8, 4, 2, 4), "longdash": (14, 6)}.get(str(given), ())


def _numbers(values: Any) -> Places:
    return np.empty(0) if values is None else np.asarray(values, np.float64).ravel()


def _each(value: Any, n: int, default: Any) -> Sequence[Any]:
    """A value for each of n points, from one or from many."""
    if value is None:
        return [default] * n
    if isinstance(value, str | int | float | np.number):
        return [value] * n
    return [*value, *[default] * (n - len(value))]


def _one(value: Any) -> Any:
    """The value, or the first of many."""
    if value is None or isinstance(value, str | int | float | np.number):
        return value
    return value[0] if len(value) else None


def _or(value: Any, default: float) -> Any:
    return default if value is None else value


def _said(text: Any) -> str:
    """One line of text, its entities read; spaces between words of an axis title stay as many as they are."""
    return re.sub(r"[\r\n\t]", " ", html.unescape(str(text))).replace("  ", "\u00a0\u00a0")

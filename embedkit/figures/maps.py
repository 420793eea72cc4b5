"""Maps of many items: groups by color and shape, the pick, its neighbors as lines, what the map lost and invented."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go

from embedkit.figures.style import (
    COLORS,
    GRAY,
    INK,
    INVENTED,
    LOST,
    NEAR,
    PICK,
    SHADES,
    STAR,
    WEBGL_FROM,
    mark_of,
    plain_layout,
)
from embedkit.space import Vectors

__all__ = ["MapMarks", "axes_map", "name_axes", "point_map"]


@dataclass(frozen=True)
class MapMarks:
    """What to mark on a map, by row: the picked item, its true neighbors, those the map lost and those it invented."""

    pick: int | None = None
    near: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    invented: tuple[int, ...] = ()


def point_map(
    coords: Vectors,
    names: Sequence[str],
    *,
    groups: Sequence[str] | None = None,
    shade: Vectors | None = None,
    shade_title: str = "",
    gray: Sequence[bool] | None = None,
    marks: MapMarks = MapMarks(),
    placed: Sequence[tuple[str, Vectors]] = (),
    labels: int = 60,
    height: int = 620,
) -> go.Figure:
    """A map of n items, coords (n, 2) or (n, 3); customdata carries the row of each point.

    `groups` colors by class (color and symbol), `shade` (n,) by a number from 0 to 1, nan where nothing was measured;
    `gray` rows stay, in gray; `placed` are points of a person's own, name and coordinates (dims,), drawn as stars;
    `labels` is how many names are written at most (picked and marked ones always).
    """
    flat = coords.shape[1] == 2
    figure = go.Figure()
    shown = np.zeros(len(names), bool) if gray is None else np.asarray(gray, bool)
    rows = np.arange(len(names))
    if shown.any():
        _dots(
            figure, coords, names, rows[shown], "not selected", {"color": GRAY, "opacity": 0.35, "size": 4}, len(names)
        )
    if groups is not None:
        for index, group in enumerate(dict.fromkeys(groups)):
            color, symbol = mark_of(index, flat)
            members = rows[(np.asarray(groups) == group) & ~shown]
            style = {"color": color, "symbol": symbol, "size": 7 if flat else 4, "opacity": 0.85}
            if len(members):
                _dots(figure, coords, names, members, str(group), style, len(names))
    else:
        members = rows[~shown]
        marker: dict[str, Any] = {"size": _size(len(names), flat), "color": COLORS[0], "opacity": 0.75}
        if shade is not None:
            unknown = members[np.isnan(shade[members])]
            if len(unknown):  # of a large map only a sample was measured
                faint = {"size": _size(len(names), flat) * 0.7, "color": GRAY, "opacity": 0.35}
                _dots(figure, coords, names, unknown, "not measured", faint, len(names))
                members = members[~np.isnan(shade[members])]
            bar = {"title": {"text": shade_title, "side": "right"}, "thickness": 10, "len": 0.6}
            marker |= {"color": shade[members], "colorscale": SHADES, "cmin": 0, "cmax": 1, "colorbar": bar}
        _dots(figure, coords, names, members, "words", marker, len(names), legend=False)
    _marks(figure, coords, names, marks)
    _labels(figure, coords, names, rows[~shown], marks, labels)
    _stars(figure, coords, placed)
    layout = plain_layout(height, uirevision="map", clickmode="event+select")
    if not flat:
        layout.pop("xaxis"), layout.pop("yaxis")
        bare = {"showticklabels": False, "title": {"text": ""}, "showspikes": False}
        layout |= {"scene": {"xaxis": bare, "yaxis": bare, "zaxis": bare, "aspectmode": "cube"}, "dragmode": "orbit"}
    figure.update_layout(**layout)
    return figure


GAP = "\u2003" * 4  # HTML would make one of many blanks


def name_axes(figure: go.Figure, ends: Sequence[tuple[str, str]]) -> None:
    """Write what a map's axes run from and to, where they mean something: two or three pairs (low end, high end)."""
    if len(ends) == 2:
        for name, (low, high) in zip(("xaxis", "yaxis"), ends, strict=True):
            title = {"text": f"← {low}{GAP}{high} →", "font": {"size": 12}, "standoff": 4}
            line = {
                "visible": True,
                "showgrid": False,
                "showticklabels": False,
                "zeroline": True,
                "zerolinecolor": GRAY,
            }
            figure.update_layout({name: {"title": title, **line}})
        figure.update_layout(legend_y=-0.08)
    else:
        for name, (low, high) in zip(("xaxis", "yaxis", "zaxis"), ends, strict=True):
            figure.update_layout({f"scene_{name}_title": {"text": f"{low} → {high}", "font": {"size": 11}}})


def _size(n: int, flat: bool) -> float:
    return (7.0 if n < 700 else 5.0 if n < 5_000 else 3.5) * (1 if flat else 0.6)


def _xyz(coords: Vectors, rows: Any) -> dict[str, Any]:
    return dict(zip("xyz", np.ascontiguousarray(coords[rows].T, np.float32), strict=False))


def _trace(coords: Vectors, total: int) -> Any:
    if coords.shape[1] == 3:
        return go.Scatter3d
    return go.Scattergl if total > WEBGL_FROM else go.Scatter


def _dots(
    figure: go.Figure,
    coords: Vectors,
    names: Sequence[str],
    rows: Any,
    name: str,
    marker: dict[str, Any],
    total: int,
    legend: bool = True,
) -> None:
    more = {} if coords.shape[1] == 3 else {"selected": {"marker": {"opacity": 1}}, "unselected": {"marker": {}}}
    figure.add_trace(
        _trace(coords, total)(
            **_xyz(coords, rows),
            mode="markers",
            name=name,
            marker={"line": {"width": 0}, **marker},
            text=[names[i] for i in rows],
            customdata=np.asarray(rows, np.int32),
            hovertemplate="%{text}<extra>" + name + "</extra>",
            showlegend=legend,
            **more,
        )
    )


def _lines(
    figure: go.Figure, coords: Vectors, pick: int, ends: tuple[int, ...], name: str, color: str, dash: str
) -> None:
    if not ends:
        return
    path = [value for end in ends for value in (pick, end, end)]
    points = coords[path].astype(float)
    points[2::3] = np.nan  # a gap between one line and the next
    trace = _trace(coords, len(coords))  # plotly paints SVG under WebGL: names must be of the points' kind
    figure.add_trace(
        trace(
            **dict(zip("xyz", points.T, strict=False)),
            mode="lines",
            name=name,
            line={"color": color, "width": 2, "dash": dash},
            hoverinfo="skip",
        )
    )


def _marks(figure: go.Figure, coords: Vectors, names: Sequence[str], marks: MapMarks) -> None:
    if marks.pick is None:
        return
    kept = tuple(row for row in marks.near if row not in marks.lost)
    _lines(figure, coords, marks.pick, kept, "true neighbor, near on the map", NEAR, "solid")
    _lines(figure, coords, marks.pick, marks.lost, "true neighbor that the map lost", LOST, "dot")
    trace = _trace(coords, len(coords))  # plotly paints SVG under WebGL: names must be of the points' kind
    for rows, name, marker in (
        (marks.invented, "near on the map only (invented)", {"symbol": "circle-open", "size": 13, "color": INVENTED}),
        ((marks.pick,), f"picked: {names[marks.pick]}", {"symbol": "diamond-open", "size": 15, "color": PICK}),
    ):
        if rows:
            marker = {**marker, "line": {"width": 2.5, "color": marker["color"]}}
            figure.add_trace(
                trace(**_xyz(coords, list(rows)), mode="markers", name=name, marker=marker, hoverinfo="skip")
            )


def _stars(figure: go.Figure, coords: Vectors, placed: Sequence[tuple[str, Vectors]]) -> None:
    """What a person put on the map, above all else, each with its name."""
    if not placed:
        return
    flat = coords.shape[1] == 2
    figure.add_trace(
        _trace(coords, len(coords))(
            **_xyz(np.stack([place for _, place in placed]), slice(None)),
            mode="markers" if flat else "markers+text",
            name="yours",
            marker={"symbol": "star", "size": 18, **STAR} if flat else {"symbol": "diamond", "size": 9, **STAR},
            text=[html.escape(_short(name), quote=False) for name, _ in placed],
            hovertext=[html.escape(name, quote=False) for name, _ in placed],
            textposition="bottom center",
            textfont={"size": 13},
            hovertemplate="%{hovertext}<extra>yours</extra>",
        )
    )
    for name, place in placed if flat else ():
        figure.add_annotation(  # a name among thousands of points is read on a ground of its own only
            x=float(place[0]),
            y=float(place[1]),
            text=html.escape(_short(name), quote=False),
            showarrow=False,
            yshift=-19,
            font={"size": 13, "color": "#333333"},
            bgcolor="rgba(255, 255, 255, 0.8)",
            borderpad=1,
        )


def _short(name: str) -> str:
    return name if len(name) <= 24 else name[:22] + "…"


def _labels(figure: go.Figure, coords: Vectors, names: Sequence[str], rows: Any, marks: MapMarks, limit: int) -> None:
    """Names of the pick, of its neighbors, and of others in order, each only where no name stands yet."""
    flat = coords[:, :2].astype(float)
    span = np.ptp(flat, axis=0) if len(flat) else np.ones(2)
    unit = max(span[0] / 900, span[1] / 520, 1e-12)  # of the map, for one pixel of a usual screen
    pixels = flat / unit
    first = [row for row in (marks.pick, *marks.near, *marks.invented) if row is not None]
    chosen: list[int] = []
    boxes: list[tuple[float, float, float]] = []
    for row in dict.fromkeys([*first, *(int(row) for row in rows)]):
        if len(chosen) >= limit:
            break
        x, y = pixels[row]
        half = 4 * min(len(names[row]), 24) + 4
        if row == marks.pick or all(abs(x - u) > half + w or abs(y - v) > 19 for u, v, w in boxes):
            chosen.append(row)
            boxes.append((x, y, half))
    if not chosen:
        return
    trace = _trace(coords, len(coords))  # plotly paints SVG under WebGL: names must be of the points' kind
    figure.add_trace(
        trace(
            **_xyz(coords, chosen),
            mode="text",
            text=[_short(names[row]) for row in chosen],
            textposition="top center",
            textfont={"size": [13 if row == marks.pick else 11 for row in chosen]},
            hoverinfo="skip",
            showlegend=False,
        )
    )


def axes_map(
    x: Vectors,
    y: Vectors | None,
    names: Sequence[str],
    *,
    x_ends: tuple[str, str],
    y_ends: tuple[str, str] | None,
    residual: Vectors,
    picked: Sequence[int] = (),
    height: int = 560,
) -> go.Figure:
    """Items on one or two axes of a person's own; shade is the residual: how much the axes leave unexplained."""
    y = np.asarray(residual, np.float32) if y is None else y
    figure = go.Figure(
        (go.Scattergl if len(names) > WEBGL_FROM else go.Scatter)(
            x=x,
            y=y,
            mode="markers+text" if len(names) <= 60 else "markers",
            text=list(names),
            textposition="top center",
            customdata=np.arange(len(names), dtype=np.int32),
            marker={
                "size": 8,
                "color": residual,
                "colorscale": SHADES,
                "reversescale": True,
                "colorbar": {
                    "title": {"text": "residual of the axis across", "side": "right"},
                    "thickness": 10,
                    "len": 0.6,
                },
            },
            hovertemplate="%{text}<br>x %{x:.3f}, y %{y:.3f}<br>residual %{marker.color:.3f}<extra></extra>",
        )
    )
    if len(picked):
        rows = list(picked)
        ring = {"symbol": "diamond-open", "size": 15, "color": PICK, "line": {"width": 2.5}}
        figure.add_trace(
            go.Scatter(x=x[rows], y=y[rows], mode="markers", marker=ring, hoverinfo="skip", showlegend=False)
        )
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 12, "b": 8},
        xaxis={"title": {"text": f"← {x_ends[0]}      {x_ends[1]} →"}, "zeroline": True, "zerolinecolor": INK},
        yaxis={
            "title": {"text": f"← {y_ends[0]}      {y_ends[1]} →" if y_ends else "residual"},
            "zeroline": bool(y_ends),
        },
        clickmode="event+select",
        dragmode=False,
        uirevision="axes",
    )
    return figure

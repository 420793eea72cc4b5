"""A map of up to a million points: moved, zoomed, lassoed; drawn by WebGL, or as an image where there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from streamlit import runtime

from embedkit.figures.density import density_image
from embedkit.figures.lasso import bounds_of, rows_inside
from embedkit.figures.maps import MapMarks
from embedkit.figures.style import COLORS, GRAY, INVENTED, LOST, NEAR, PICK, STAR
from embedkit.figures.thumbnails import Thumbnails
from embedkit.space import Vectors

__all__ = ["Selection", "points"]

HTML = """<div class="points">
<div class="bar" role="toolbar" aria-label="Tools of the map">
<button type="button" data-do="lasso" aria-pressed="false" title="Draw around points (or drag with Shift)">Lasso</button>
<button type="button" data-do="move" aria-pressed="false" title="Move the map with one finger">Move</button>
<button type="button" data-do="in" aria-label="Zoom in" title="Zoom in (+)">+</button>
<button type="button" data-do="out" aria-label="Zoom out" title="Zoom out (-)">−</button>
<button type="button" data-do="reset" title="Show all points (0)">Reset view</button>
<button type="button" data-do="clear" title="Pick nothing (Escape)" disabled>Clear</button>
<span class="said" role="status"></span></div>
<div class="stage"><canvas class="dots" aria-hidden="true"></canvas>
<canvas class="over" tabindex="0" role="application"></canvas><div class="tip" hidden></div></div>
<div class="note" role="note" hidden></div><div class="legend"></div></div>"""
CSS = """.points { container-type: inline-size; color: var(--st-text-color); font-family: var(--st-font);
  font-size: 0.875rem; }
.bar { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; margin-bottom: 6px; }
button { padding: 3px 10px; min-height: 30px; min-width: 30px; border: 1px solid var(--st-border-color, #ccc);
  border-radius: 6px; background: transparent; color: inherit; font: inherit; cursor: pointer; }
button[aria-pressed="true"] { background: var(--st-primary-color); color: var(--st-background-color); }
button:disabled { opacity: 0.45; cursor: default; }
button:focus-visible, .over:focus-visible { outline: 3px solid var(--st-primary-color); outline-offset: 1px; }
.said { font-variant-numeric: tabular-nums; }
.stage { position: relative; max-height: 125cqw; overflow: hidden;
  border: 1px solid var(--st-border-color, #ccc); border-radius: 6px; background: var(--st-background-color); color: var(--st-text-color); font-family: var(--st-font); }
.stage > canvas { position: absolute; inset: 0; width: 100%; height: 100%; display: block; }
.dots { pointer-events: none; }
.over { touch-action: pan-y; cursor: grab; }
.tip { position: absolute; z-index: 2; max-width: 60%; padding: 3px 8px; border-radius: 4px; pointer-events: none;
  background: var(--st-text-color); color: var(--st-background-color); overflow-wrap: anywhere; }
.tip canvas { display: block; margin: 4px 0; border: 3px solid; border-radius: 3px; background: #fff; }
.note { margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; margin-top: 6px; }
.legend i { display: inline-block; width: 10px; height: 10px; margin-right: 5px; border-radius: 50%; }
.legend svg { width: 26px; height: 14px; margin-right: 5px; vertical-align: -2px; fill: none; stroke-width: 2.5; }
[hidden] { display: none !important; }"""
# Streamlit sends a component's script with each run of the page. The bundle is 240 KB: this asks for it, once, at an
# address that changes with its content.
LOADER = """export default function (component) {
  const end = import(new URL(component.data.code, location.origin).href).then(({ mount }) => mount(component))
  end.catch((error) => {
    component.parentElement.querySelector(".said").textContent = `The map could not be loaded: ${error.message}`
  })
  return () => end.then((leave) => leave(), () => {})
}"""
BUNDLE = Path(__file__).with_name("points.js")
MOST_CORNERS = 4_000
LONG = 24  # letters of a name on the map; all of it stands under the pointer
WHOLE = 4_000_000  # bytes of names that a map which draws names reads at once
BYTES = "application/octet-stream"

_POINTS = st.components.v2.component("embedkit_points", html=HTML, css=CSS, js=LOADER)


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows that were picked, in order, and how: by "lasso", by "click", or not at all ("")."""

    rows: np.ndarray[Any, np.dtype[np.int64]]
    how: str = ""
    polygon: tuple[tuple[float, float], ...] = ()


NOTHING = Selection(np.empty(0, np.int64))
NOTHING.rows.flags.writeable = False


def points(
    coords: Vectors,
    *,
    key: str,
    codes: Any = None,
    groups: Sequence[str] = (),
    colors: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    gray: Any = None,
    picked: Any = None,
    labels: Iterable[tuple[int, str, bool]] = (),
    marks: MapMarks | None = None,
    pictures: Thumbnails | None = None,
    many_names: bool = False,
    placed: Sequence[tuple[str, Vectors]] = (),
    axes: tuple[str, str] | None = None,
    height: int = 620,
    alt: str = "",
    on_pick: Callable[[Selection], None] | None = None,
) -> Selection:
    """Draw the map of `coords` (n, 2) and return what is picked on it.

    `codes` (n,) chooses among `groups` and `colors` (by itself the palette, again and again); `names` (n,) are asked
    for one by one, under the pointer; rows where `gray` (n,) is true stay, in gray, under the others, and no lasso takes
    them. `picked` rows are marked instead of this map's own, so that two maps can show one choice. `labels` are (row,
    text, bold), the most important first: those that would overlap wait for a closer view; with `many_names` any of the
    `names` are written where there is room. `pictures` stand at their points, as many as fit. `marks` are one item's
    lines to its true neighbors, dotted where the map lost them, and rings around those that it invented. `placed` are
    further points, name and coordinates (2,), drawn as stars, and `axes` the titles at the lower and the left edge.
    With the same `key`, other coordinates of as many points are glided to. `on_pick` is called before the page runs
    again.
    """
    n = len(coords)
    coords = np.ascontiguousarray(coords, np.float32)
    if coords.shape != (n, 2) or not np.isfinite(coords).all():
        raise ValueError(f"A map needs finite coordinates (n, 2), not {coords.shape}.")
    hidden = np.zeros(n, bool) if gray is None else np.asarray(gray, bool)
    chosen = np.zeros(n, np.int64) if codes is None else np.asarray(codes)
    many = max(len(groups), int(chosen.max()) + 1 if n else 1, 1)
    palette = list(colors) if colors is not None else [COLORS[i % len(COLORS)] for i in range(many)]
    if n and not 0 <= chosen.min() <= chosen.max() < len(palette):
        raise ValueError(f"Codes from {chosen.min()} to {chosen.max()} do not fit {len(palette)} colors.")
    kind = np.uint8 if len(palette) < 256 else np.uint16
    place = coords.tobytes()
    version = _digest(place)
    own = f"{key}:picked"

    def answered() -> None:
        event = st.session_state[key].get("picked")
        if not isinstance(event, dict):
            return
        st.session_state[f"{key}:turn"] = str(event.get("turn"))[:12]
        selection = _selection(event, coords, hidden, version, Selection(rows))
        if selection is not None:
            st.session_state[own] = selection
            if on_pick is not None:
                on_pick(selection)

    selection: Selection = st.session_state.get(own, NOTHING)
    if len(selection.rows) and selection.rows[-1] >= n:
        selection = NOTHING
    rows = np.asarray(selection.rows if picked is None else picked, np.int64)
    mask = np.zeros(n, bool)
    mask[rows[(rows >= 0) & (rows < n)]] = True
    count = int(mask.sum())
    low, high = bounds_of(coords)
    data: dict[str, Any] = {
        "code": _served(BUNDLE.read_bytes(), "text/javascript", "points"),
        "n": n,
        "version": version,
        "turn": st.session_state.get(f"{key}:turn"),
        "coords": _served(place, BYTES, f"{key}:coords", version),
        "codes": _served(np.where(hidden, len(palette), chosen).astype(kind).tobytes(), BYTES, f"{key}:codes"),
        "bounds": [*low, *high],
        "names": list(groups[:255]),
        "colors": palette,
        "grayColor": GRAY,
        "pickColor": PICK,
        "gray": int(hidden.sum()),
        "count": count,
        "height": height,
        "alt": f"{alt or f'Map of {n:,} points'}.{_said(marks, names)} Arrows move, plus and minus zoom, Enter picks the point at the cross, Shift and Enter all in view.",
        "axes": list(axes) if axes else None,
        "manyNames": many_names,
    }
    if marks is not None and marks.pick is not None:
        data["marks"] = _marks(marks, names)
    if placed:
        data["placed"] = [[_shorter(name), float(place[0]), float(place[1])] for name, place in placed]
        data["starColors"] = [STAR["color"], STAR["line"]["color"]]
    if pictures is not None:
        sheet = {
            "rows": pictures.rows.tolist(),
            "across": pictures.across,
            "wide": pictures.wide,
            "tall": pictures.tall,
        }
        data["pictures"] = _served(json.dumps(sheet).encode(), "application/json", f"{key}:pictures")
        data["sheet"] = _served(pictures.png, "image/png", f"{key}:sheet")
    if count:
        data["picked"] = _served(np.packbits(mask, bitorder="little").tobytes(), BYTES, f"{key}:mask")
    shown = [(int(row), str(text), bool(bold)) for row, text, bold in labels]
    if shown:
        data["labels"] = _served(json.dumps(shown).encode(), "application/json", f"{key}:labels")
    if names is not None and n:
        table, digest = _name_table(tuple(names))
        data["namesAt"] = _served(table, BYTES, f"{key}:names", digest)
        data["namesWhole"] = many_names and len(table) <= WHOLE
    if n and (st.session_state.get(key) or {}).get("flat"):
        image, bounds = density_image(coords, codes=chosen, colors=palette, gray=hidden, picked=np.flatnonzero(mask))
        data |= {"image": _served(image, "image/png", f"{key}:image"), "imageBounds": bounds}
    _POINTS(key=key, data=data, on_picked_change=answered, on_flat_change=lambda: None)
    return selection


def _marks(marks: MapMarks, names: Sequence[str] | None) -> dict[str, Any]:
    """Rows of each kind of mark with what the legend says of it, and the names to write beside them."""
    kept = [row for row in marks.near if row not in marks.lost]
    rows = list(dict.fromkeys([marks.pick, *marks.near, *marks.invented]))
    return {
        "pick": marks.pick,
        "kinds": [
            {"draw": "line", "rows": kept, "color": NEAR, "text": "true neighbor, near on the map"},
            {"draw": "dots", "rows": list(marks.lost), "color": LOST, "text": "true neighbor that the map lost"},
            {
                "draw": "ring",
                "rows": list(marks.invented),
                "color": INVENTED,
                "text": "near on the map only (invented)",
            },
            {"draw": "pick", "rows": [marks.pick], "color": PICK, "text": f"picked: {_name(marks.pick, names, 60)}"},
        ],
        "labels": [[row, _name(row, names), row == marks.pick] for row in rows] if names is not None else [],
    }


def _name(row: int | None, names: Sequence[str] | None, longest: int = LONG) -> str:
    return _shorter(f"point {row}" if names is None or row is None else names[row], longest)


def _shorter(text: str, longest: int = LONG) -> str:
    return text if len(text) <= longest else text[: longest - 2] + "…"


def _said(marks: MapMarks | None, names: Sequence[str] | None) -> str:
    """The marks in words, for those who do not see them."""
    if marks is None or marks.pick is None:
        return ""
    kept = sum(row not in marks.lost for row in marks.near)
    return (
        f" Marked: {_name(marks.pick, names, 60)}, with lines to {kept} true neighbors that are near on the map, dotted lines"
        f" to {len(marks.lost)} that the map lost, and rings around {len(marks.invented)} that are near on the map only."
    )


def _selection(
    event: dict[str, Any], coords: Vectors, hidden: Any, version: str, before: Selection
) -> Selection | None:
    """What the browser's message picks; None for one that belongs to other coordinates or makes no sense."""
    if event.get("version") != version:
        return None
    if event.get("clear"):
        return NOTHING
    row, polygon = event.get("row"), event.get("polygon")
    if type(row) is int and 0 <= row < len(coords):
        return Selection(np.array([row]), "click")
    if not isinstance(polygon, list) or not 6 <= len(polygon) <= 2 * MOST_CORNERS or len(polygon) % 2:
        return None
    if not all(isinstance(value, int | float) and abs(value) < 1e300 for value in polygon):
        return None
    corners = np.array(polygon, np.float64).reshape(-1, 2)
    rows = rows_inside(coords, corners)
    rows = rows[~hidden[rows]]
    known = before.rows[before.rows < len(coords)]
    if event.get("how") == "add":
        rows = np.union1d(known, rows)
    elif event.get("how") == "remove":
        rows = np.setdiff1d(known, rows)
    return Selection(rows, "lasso", tuple((float(x), float(y)) for x, y in corners))


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _served(content: bytes, kind: str, place: str, digest: str = "") -> str:
    """An address on this server for `content`: the browser asks once for it, however often the page runs.

    Streamlit names large files by samples of them; our own checksum, given as the file's name, makes the address new
    whenever one byte is.
    """
    name = digest or _digest(content)
    address = runtime.get_instance().media_file_mgr.add(content, kind, f"embedkit:{place}", file_name=name)
    base = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{base}{address}" if base else address


@lru_cache(maxsize=4)
def _name_table(names: tuple[str, ...]) -> tuple[bytes, str]:
    """Table and checksum: n + 1 offsets (uint32), then the names in UTF-8; any one can be read without the others."""
    parts = [name.encode() for name in names]
    offsets = np.zeros(len(parts) + 1, np.uint32)
    np.cumsum(np.fromiter(map(len, parts), np.uint32, len(parts)), out=offsets[1:])
    table = offsets.tobytes() + b"".join(parts)
    return table, _digest(table)

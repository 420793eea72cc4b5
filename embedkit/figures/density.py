"""A map of very many points as an image: a pixel mixes the colors of its points, more opaque the more there are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from embedkit.figures.style import GRAY, PICK
from embedkit.space import Vectors

__all__ = ["density_image"]

FAINT = 0.25  # opacity of a pixel with one point; the densest has 1
MARGIN = 0.03  # of the longer side, so that points at the edge are whole


def density_image(
    coords: Vectors,
    *,
    codes: Any = None,
    colors: Sequence[str] = ("#0072B2",),
    gray: Any = None,
    picked: Any = None,
    longest: int = 900,
) -> tuple[bytes, tuple[float, float, float, float]]:
    """PNG with a clear ground, and the bounds (left, bottom, right, top) of the image in the units of the map.

    `codes` (n,) chooses among `colors`; points where `gray` (n,) is true show only where no others are; `picked` rows
    stand over the others in one color, which fade.
    """
    from PIL import Image

    low, high = coords.min(0).astype(float), coords.max(0).astype(float)
    pad = MARGIN * (float((high - low).max()) or 1.0)
    low, high = low - pad, high + pad
    width, height = (max(1, round(longest * side / (high - low).max())) for side in high - low)
    columns = np.minimum(((coords[:, 0] - low[0]) * (width / (high[0] - low[0]))).astype(np.int32), width - 1)
    lines = np.minimum(((high[1] - coords[:, 1]) * (height / (high[1] - low[1]))).astype(np.int32), height - 1)
    cell = np.maximum(lines, 0) * width + np.maximum(columns, 0)
    paint = np.array([_rgb(color) for color in colors], np.float32)
    shown = np.ones(len(coords), bool) if gray is None else ~np.asarray(gray, bool)
    chosen = np.zeros(len(coords), np.intp) if codes is None else np.asarray(codes, np.intp)

    image = np.zeros((width * height, 4), np.float32)
    if not shown.all():
        _lay(image, cell[~shown], np.array([_rgb(GRAY)], np.float32), None, 0.5)
    fade = 1.0 if picked is None or not len(picked) else 0.35
    _lay(image, cell[shown], paint, chosen[shown], fade)
    if fade < 1:
        _lay(image, cell[np.asarray(picked)], np.array([_rgb(PICK)], np.float32), None, 1.0)
    answer = io.BytesIO()
    pixels = np.round(image.reshape(height, width, 4) * [255, 255, 255, 255]).astype(np.uint8)
    Image.fromarray(pixels, "RGBA").save(answer, "PNG", compress_level=3)
    return answer.getvalue(), (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _lay(image: Any, cell: Any, paint: Any, chosen: Any, most: float) -> None:
    """Put points over what `image` (cells, 4) holds: mean of their colors, opacity by the logarithm of their count."""
    if not len(cell):
        return
    count = np.bincount(cell, minlength=len(image))
    here = np.flatnonzero(count)
    many = count[here]
    if chosen is None:
        color = np.broadcast_to(paint[0], (len(here), 3))
    else:
        sums = [np.bincount(cell, paint[chosen, i], len(image))[here] for i in range(3)]
        color = np.stack(sums, 1) / many[:, None]
    opacity = most * (FAINT + (1 - FAINT) * np.log(many) / max(float(np.log(many.max())), 1e-9))
    under = image[here, 3]
    total = opacity + under * (1 - opacity)
    share = (opacity / total)[:, None]
    image[here, :3] = share * color + (1 - share) * image[here, :3]
    image[here, 3] = total


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))

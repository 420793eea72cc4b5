"""A map of very many points as an image: a pixel mixes the colors of its points, more opaque the more there are."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

from embedkit.figures.lasso import bounds_of
from embedkit.figures.style import GRAY
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
    ground: str = "",
) -> tuple[bytes, tuple[float, float, float, float]]:
    """PNG with a clear ground, and the bounds (left, bottom, right, top) of the image in the units of the map.

    `ground` is a color that lies under all. `codes` (n,) chooses among `colors`; points where `gray` (n,) is true lie
    under the others, in gray; beside `picked` rows all others fade.
    """
    from PIL import Image

    low, high = np.array(bounds_of(coords))
    pad = MARGIN * (float((high - low).max()) or 1.0)
    low, high = low - pad, high + pad
    width, height = (max(1, round(longest * side / (high - low).max())) for side in high - low)
    columns = np.minimum(((coords[:, 0] - low[0]) * (width / (high[0] - low[0]))).astype(np.int32), width - 1)
    lines = np.minimum(((high[1] - coords[:, 1]) * (height / (high[1] - low[1]))).astype(np.int32), height - 1)
    cell = np.maximum(lines, 0) * width + np.maximum(columns, 0)
    paint = np.array([_rgb(color) for color in colors], np.float32)
    shown = np.ones(len(coords), bool) if gray is None else ~np.asarray(gray, bool)
    chosen = np.zeros(len(coords), np.intp) if codes is None else np.asarray(codes, np.intp)

    image = np.zeros((height, width, 4), np.float32)
    wide = 3 if len(coords) < 300_000 else 2  # pixels a side of a point
    fade = 1.0 if picked is None or not len(picked) else 0.5
    if not shown.all():
        _lay(image, cell[~shown], np.broadcast_to(_rgb(GRAY), (int((~shown).sum()), 3)), 0.5, wide)
    _lay(image, cell[shown], paint[chosen[shown]], fade, wide)
    if fade < 1:
        rows = np.asarray(picked, np.intp)
        _lay(image, cell[rows], paint[chosen[rows]], 1.0, wide)
    if ground:
        image = np.dstack(
            [image[..., :3] * image[..., 3:] + np.array(_rgb(ground)) * (1 - image[..., 3:]), np.ones(image.shape[:2])]
        )
    answer = io.BytesIO()
    Image.fromarray(np.round(image * 255).astype(np.uint8), "RGBA").save(answer, "PNG", compress_level=3)
    return answer.getvalue(), (float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _lay(image: Any, cell: Any, color: Any, most: float, wide: int) -> None:
    """Put points over `image` (height, width, 4): mean `color` (n, 3), opacity by the logarithm of their count."""
    if not len(cell):
        return
    shape = image.shape[:2]
    size = shape[0] * shape[1]
    layers = [np.bincount(cell, weights, size) for weights in (None, *np.transpose(color))]
    many, *sums = (_widened(layer.reshape(shape), wide) for layer in layers)
    here = many > 0
    count = many[here]
    opacity = most * (FAINT + (1 - FAINT) * np.log(count) / max(float(np.log(count.max())), 1e-9))
    under = image[here]
    total = opacity + under[:, 3] * (1 - opacity)
    share = (opacity / total)[:, None]
    mean = np.stack([part[here] for part in sums], 1) / count[:, None]
    image[here] = np.c_[share * mean + (1 - share) * under[:, :3], total]


def _widened(counts: Any, wide: int) -> Any:
    """Each count on a square of `wide` pixels around its own."""
    answer = counts.astype(np.float64)
    for axis in (0, 1):
        answer = np.sum([np.roll(answer, step, axis) for step in range(-(wide // 2), wide - wide // 2)], axis=0)
    return answer


def _rgb(color: str) -> tuple[float, ...]:
    return tuple(int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))

"""Small pictures of items in one image, for a map that draws them at their points."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.figures.thinning import spread_rows
from embedkit.space import Vectors

__all__ = ["MOST", "Thumbnails", "thumbnail_rows", "thumbnails"]

MOST = 2_000  # pictures of a map
PIXELS = 2**21  # of all of them together: 2,000 of 32 x 32, or 128 of 128 x 128
LARGEST = 128  # pixels of the longer side


@dataclass(frozen=True, eq=False)
class Thumbnails:
    """One PNG of `across` cells a line, each `wide` x `tall` pixels: pictures of these `rows` of a map, in order."""

    png: bytes
    rows: NDArray[np.int64]
    across: int
    wide: int
    tall: int


def thumbnail_rows(
    coords: Vectors, *, gray: Any = None, first: Sequence[int] = (), most: int = MOST
) -> NDArray[np.int64]:
    """At most `most` rows of a map (n, 2), the most telling first: as many as there may be pictures.

    All rows where they are no more than that, in an order that spreads them over the map. Of more, the `first` come
    before the others, and where `gray` (n,) is true only what is left over.
    """
    n = len(coords)
    if n <= most:
        spread = spread_rows(coords, most=most, finest=512)
        return np.concatenate([spread, np.setdiff1d(np.arange(n), spread)])
    asked = np.asarray(list(dict.fromkeys(first)), np.int64)[:most]
    spread = spread_rows(coords, gray=gray, most=most)
    if gray is not None and len(spread) < most:
        spread = np.concatenate([spread, spread_rows(coords, gray=~np.asarray(gray, bool), most=most - len(spread))])
    return np.concatenate([asked, spread[~np.isin(spread, asked)]])[:most]


def thumbnails(pictures: NDArray[np.uint8], rows: Any) -> Thumbnails:
    """The `pictures` uint8 (m, height, width, 1 or 3) of these m `rows` of a map, made smaller where they are large."""
    from PIL import Image

    pictures = np.asarray(pictures)
    rows = np.asarray(rows, np.int64)
    if pictures.ndim != 4 or pictures.dtype != np.uint8 or pictures.shape[3] not in (1, 3) or not len(rows):
        raise ValueError(f"Pictures are uint8 (m, height, width, 1 or 3), not {pictures.dtype} {pictures.shape}.")
    if len(pictures) != len(rows):
        raise ValueError(f"{len(pictures)} pictures do not fit {len(rows)} rows.")
    height, width = pictures.shape[1:3]
    side = min(LARGEST, int(np.sqrt(PIXELS / len(rows))))
    shrink = min(1.0, side / max(height, width))
    tall, wide = max(1, round(height * shrink)), max(1, round(width * shrink))
    if shrink < 1:
        plain = pictures[..., 0] if pictures.shape[3] == 1 else pictures
        small = [np.asarray(Image.fromarray(one).resize((wide, tall), Image.Resampling.BOX)) for one in plain]
        pictures = np.stack(small).reshape(len(rows), tall, wide, -1)
    across = int(np.ceil(np.sqrt(len(rows))))
    lines = -(-len(rows) // across)
    sheet = np.zeros((lines * across, tall, wide, pictures.shape[3]), np.uint8)
    sheet[: len(rows)] = pictures
    image = sheet.reshape(lines, across, tall, wide, -1).swapaxes(1, 2).reshape(lines * tall, across * wide, -1)
    answer = io.BytesIO()
    Image.fromarray(image[..., 0] if image.shape[2] == 1 else image).save(answer, "PNG", compress_level=3)
    return Thumbnails(answer.getvalue(), rows, across, wide, tall)

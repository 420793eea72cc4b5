"""Walking a latent space: a plane decoded cell by cell, lines between two pictures, one number swept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from embedkit.errors import InputError
from embedkit.images.measures import fit_pca
from embedkit.space import Vectors

__all__ = ["Decoder", "Plane", "line", "plane_of", "sheet", "sweep"]

EDGE = 0.04  # of the plane, left free around the points


class Decoder(Protocol):
    """What turns vectors (n, d) into pictures (n, height, width, channels): an autoencoder, or PCA."""

    def decode(self, vectors: Vectors, /) -> Vectors:
        """Pictures of vectors."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane through a latent space: `middle` (d,) and two directions `axes` (2, d); `points` (n, 2) lie on it.

    For latent size 2 it is the space itself. Beyond, it is the plane of the two principal directions; `share` of the
    variance lies in it. `low` and `high` (2,) are its corners.
    """

    middle: Vectors
    axes: Vectors
    points: Vectors
    low: Vectors
    high: Vectors
    share: float

    def cells(self, most: int) -> tuple[int, int]:
        """Columns and rows of nearly square cells, `most` along the longer side."""
        width, height = (float(side) for side in self.high - self.low)
        longest = max(width, height)
        return max(1, round(most * width / longest)), max(1, round(most * height / longest))

    def lift(self, places: Vectors) -> Vectors:
        """Latent vectors (n, d) of places (n, 2) on the plane."""
        found: Vectors = (np.asarray(places, np.float32) @ self.axes + self.middle).astype(np.float32)
        return found


def plane_of(codes: Vectors) -> Plane:
    """The plane of latent vectors (n, d), d at least 2; sides are as one to two at most, and no axis is stretched."""
    if codes.ndim != 2 or codes.shape[1] < 2 or len(codes) < 2:
        raise InputError(f"A plane needs two vectors of at least two numbers, not a table of shape {codes.shape}.")
    d = codes.shape[1]
    middle, axes, share = np.zeros(d, np.float32), np.eye(2, d, dtype=np.float32), 1.0
    points = codes
    if d > 2:
        pca = fit_pca(codes, 2)
        middle, axes, points = pca.mean, pca.components, pca.encode(codes)
        share = float(points.var(0).sum() / max(float(codes.var(0).sum()), 1e-12))
    center = (points.min(0) + points.max(0)) / 2
    spread = np.ptp(points, axis=0)
    half = (0.5 + EDGE) * np.maximum(spread, max(float(spread.max()) / 2, 1e-6))
    return Plane(middle, axes, points, center - half, center + half, share)


def sheet(decoder: Decoder, plane: Plane, cells: tuple[int, int]) -> Vectors:
    """The whole plane as one picture of columns x rows decoded ones, the highest second axis in the top row.

    Each is decoded at the middle of its cell. Shape (rows x height, columns x width, channels).
    """
    columns, rows = cells
    x = plane.low[0] + (np.arange(columns) + 0.5) / columns * (plane.high[0] - plane.low[0])
    y = plane.high[1] - (np.arange(rows) + 0.5) / rows * (plane.high[1] - plane.low[1])
    places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    pictures = decoder.decode(plane.lift(places))
    _, h, w, c = pictures.shape
    found: Vectors = pictures.reshape(rows, columns, h, w, c).transpose(0, 2, 1, 3, 4).reshape(rows * h, columns * w, c)
    return found


def line(decoder: Decoder, start: Vectors, end: Vectors, count: int = 9) -> Vectors:
    """Pictures decoded on the straight line between two vectors (d,), both ends included."""
    share = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    return decoder.decode((1 - share) * start + share * end)


def sweep(decoder: Decoder, vector: Vectors, column: int, values: Vectors) -> Vectors:
    """Pictures decoded with one number of a vector (d,) set to each of `values`, the others as they are."""
    if not 0 <= column < len(vector):
        raise InputError(f"The vector has the numbers 1 to {len(vector)}, not {column + 1}.")
    rows = np.repeat(np.asarray(vector, np.float32)[None], len(values), 0)
    rows[:, column] = values
    return decoder.decode(rows)

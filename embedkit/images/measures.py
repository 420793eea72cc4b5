"""What reconstructions and vectors of pictures are worth: squared error, kNN accuracy, and PCA of the same size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.sources.pictures import Pictures
from embedkit.space import Vectors
from embedkit.store import Store, recipe_key

__all__ = ["Pca", "fit_pca", "kept_pca", "knn_accuracy", "mean_squared_error", "pca_key"]

K = 5
AT_ONCE = 2_048


@dataclass(frozen=True, eq=False)
class Pca:
    """PCA of pictures: `mean` (pixels,), `components` (size, pixels) of length 1, and the `shape` of a picture."""

    mean: Vectors
    components: Vectors
    shape: tuple[int, ...]

    @cached_property
    def size(self) -> int:
        """Number of components."""
        return len(self.components)

    def encode(self, pixels: Vectors) -> Vectors:
        """Coordinates (n, size) of pictures (n, height, width, channels)."""
        rows = _rows(pixels)
        found: Vectors = (rows - self.mean) @ self.components.T
        return found

    def decode(self, coordinates: Vectors) -> Vectors:
        """Pictures (n, height, width, channels) of coordinates (n, size); some pixels may lie outside of 0..1."""
        rows: Vectors = np.asarray(coordinates, np.float32) @ self.components + self.mean
        return rows.reshape(len(rows), *self.shape)

    def reconstruct(self, pixels: Vectors) -> Vectors:
        """decode(encode(pixels))."""
        return self.decode(self.encode(pixels))


def fit_pca(pixels: Vectors, size: int) -> Pca:
    """PCA on pictures (n, height, width, channels); `size` is cut to what n and the pixels allow. Signs are fixed."""
    from sklearn.decomposition import PCA

    rows = _rows(pixels)
    size = min(size, *rows.shape)
    if size < 1:
        raise InputError(f"PCA needs at least one picture and one component; here are {len(rows)} pictures.")
    with np.errstate(invalid="ignore", divide="ignore"):  # equal pictures have no variance to share out
        model = PCA(size, svd_solver="covariance_eigh" if rows.shape[1] < len(rows) else "full").fit(rows)
    components = model.components_.astype(np.float32)
    components *= np.sign(components[np.arange(size), np.abs(components).argmax(1)])[:, None]
    return Pca(model.mean_.astype(np.float32), components, tuple(np.shape(pixels)[1:]))


def pca_key(pictures: str, size: int) -> str:
    """The store's key of a PCA that ships, for pictures with this digest."""
    return recipe_key("pca", pictures=pictures, size=size)


def kept_pca(pictures: Pictures, size: int, store: Store) -> tuple[Pca, Vectors]:
    """PCA of the training pictures, and the coordinates of all: as they ship, else computed.

    Another processor rounds otherwise, and a shipped map is found by the exact bytes of its space.
    """
    if (entry := store.get(pca_key(pictures.digest, size))) is not None:
        pca = Pca(entry.arrays["mean"], entry.arrays["components"], tuple(pictures.pixels.shape[1:]))
        return pca, np.asarray(entry.arrays["codes"], np.float32)
    pca = fit_pca(pictures.pixels[pictures.split()[0]], size)
    return pca, pca.encode(pictures.pixels)


def _rows(pixels: Vectors) -> Vectors:
    return np.asarray(pixels, np.float32).reshape(len(pixels), math.prod(np.shape(pixels)[1:]))  # -1 fails on no rows


def mean_squared_error(given: Vectors, found: Vectors) -> float:
    """Mean over all pixels of (given - found)^2, with pixels in 0..1."""
    total = sum(
        float(((given[start : start + AT_ONCE] - found[start : start + AT_ONCE]) ** 2).sum(dtype=np.float64))
        for start in range(0, len(given), AT_ONCE)
    )
    return total / max(given.size, 1)


def knn_accuracy(
    known: Vectors, labels: Sequence[object], asked: Vectors, truth: Sequence[object], k: int = K
) -> float:
    """Share of `asked` vectors whose label is that of most of their k nearest `known` ones (Euclidean distance)."""
    from sklearn.neighbors import KNeighborsClassifier

    names, codes = np.unique(np.asarray([*map(str, labels), *map(str, truth)]), return_inverse=True)
    if len(names) < 2:
        raise InputError("kNN accuracy needs two different labels; here all pictures have the same one.")
    codes_known: NDArray[np.int64] = codes[: len(known)]
    model = KNeighborsClassifier(min(k, len(known))).fit(known, codes_known)
    return float(model.score(asked, codes[len(known) :]))

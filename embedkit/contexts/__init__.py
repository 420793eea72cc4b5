"""Words in context: one vector for each occurrence, layer by layer, beside the one static vector."""

from embedkit.contexts.occurrences import Occurrence, find_occurrences, sense_words, sentences_of
from embedkit.contexts.reading import Layers, read_layers
from embedkit.contexts.senses import LayerFigures, figures_by_layer, misplaced, parting_layer

__all__ = [
    "LayerFigures",
    "Layers",
    "Occurrence",
    "figures_by_layer",
    "find_occurrences",
    "misplaced",
    "parting_layer",
    "read_layers",
    "sense_words",
    "sentences_of",
]

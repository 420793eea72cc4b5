"""Words in context: one vector for each occurrence, layer by layer, beside the one static vector."""

import embedkit.contexts.encoding  # noqa: F401  # registers how new things are read
from embedkit.contexts.answers import Cost, Meaning, compare, costs, meaning, nearest_sentences
from embedkit.contexts.concordance import concordance, concordance_in_wikipedia
from embedkit.contexts.occurrences import UNLABELLED, Occurrence, find_occurrences, sense_words, sentences_of
from embedkit.contexts.reading import Layers, read_layers
from embedkit.contexts.senses import LayerFigures, figures_by_layer, misplaced, parting_layer, sense_means
from embedkit.contexts.shared_map import SharedMap, shared_map

__all__ = [
    "UNLABELLED",
    "Cost",
    "LayerFigures",
    "Layers",
    "Meaning",
    "Occurrence",
    "SharedMap",
    "compare",
    "concordance",
    "concordance_in_wikipedia",
    "costs",
    "figures_by_layer",
    "find_occurrences",
    "meaning",
    "misplaced",
    "nearest_sentences",
    "parting_layer",
    "read_layers",
    "sense_means",
    "sense_words",
    "sentences_of",
    "shared_map",
]

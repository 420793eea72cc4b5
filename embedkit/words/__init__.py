"""Static words: one vector a word, whatever the sentence."""

from embedkit.words.analogies import CategoryScore, score_category
from embedkit.words.lists import Parsed, frequent, parse_words, topics
from embedkit.words.minilm import minilm, to_table

__all__ = [
    "CategoryScore",
    "Parsed",
    "frequent",
    "minilm",
    "parse_words",
    "score_category",
    "to_table",
    "topics",
]

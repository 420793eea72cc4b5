"""Static words: one vector a word, whatever the sentence."""

import embedkit.words.encoding  # noqa: F401  # registers how new things are read
from embedkit.words.analogies import CategoryScore, score_category
from embedkit.words.documents import mean_of_words, sections
from embedkit.words.lists import OPENING, Parsed, frequent, opening_topics, parse_words, topics
from embedkit.words.methods import fasttext, glove, lsa, word2vec
from embedkit.words.minilm import minilm, to_table
from embedkit.words.pretrained import Pretrained, fetch_pretrained, fetch_task, is_here, tables

__all__ = [
    "OPENING",
    "CategoryScore",
    "Parsed",
    "Pretrained",
    "fasttext",
    "fetch_pretrained",
    "fetch_task",
    "frequent",
    "glove",
    "is_here",
    "lsa",
    "mean_of_words",
    "minilm",
    "opening_topics",
    "parse_words",
    "score_category",
    "sections",
    "tables",
    "to_table",
    "topics",
    "word2vec",
]

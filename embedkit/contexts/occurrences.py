"""Occurrences: where a word stands in a sentence, and the sentences with known senses that are shipped."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from embedkit.errors import InputError
from embedkit.paths import asset

__all__ = ["UNLABELLED", "Occurrence", "find_occurrences", "sense_words", "sentences_of"]

UNLABELLED = "not labelled"  # the sense of sentences for which nobody said one


@dataclass(frozen=True)
class Occurrence:
    """A word at text[start:end] of a sentence, with its sense where one is known."""

    word: str
    sentence: str
    start: int
    end: int
    sense: str = UNLABELLED

    @property
    def before(self) -> str:
        """The sentence up to the word."""
        return self.sentence[: self.start]

    @property
    def after(self) -> str:
        """The sentence from the word on."""
        return self.sentence[self.end :]


@lru_cache(maxsize=1)
def _bundled() -> dict[str, tuple[tuple[str, str], ...]]:
    with asset("contexts/sentences.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["word"], []).append((row["sense"], row["sentence"]))
    return {word: tuple(pairs) for word, pairs in found.items()}


def sense_words() -> dict[str, tuple[str, ...]]:
    """The shipped ambiguous words and the senses of each, in the file's order."""
    return {word: tuple(dict.fromkeys(sense for sense, _ in pairs)) for word, pairs in _bundled().items()}


def sentences_of(word: str) -> tuple[Occurrence, ...]:
    """The shipped occurrences of an ambiguous word; raises InputError for a word without sentences."""
    pairs = _bundled().get(word.lower())
    if pairs is None:
        known = ", ".join(_bundled())
        raise InputError(f"There are no shipped sentences for '{word}'. There are for: {known}.")
    return tuple(
        occurrence for sense, sentence in pairs for occurrence in find_occurrences(word, [sentence], [sense])[:1]
    )


def _pattern(word: str) -> re.Pattern[str]:
    # \b is wrong where the word itself starts or ends with a sign, as in C++.
    return re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def find_occurrences(
    word: str, sentences: Iterable[str], senses: Sequence[str] | None = None
) -> tuple[Occurrence, ...]:
    """Every place where `word` stands as a whole word, in any case, in the sentences; empty sentences are passed over.

    Raises InputError when the word is empty, or when a sentence does not hold it (that sentence is named).
    """
    word = word.strip()
    if not word:
        raise InputError("Type the word to look for.")
    pattern, found = _pattern(word), []
    for i, sentence in enumerate(sentences):
        if not sentence.strip():
            continue
        matches = list(pattern.finditer(sentence))
        if not matches:
            shown = sentence if len(sentence) <= 60 else sentence[:57] + "..."
            raise InputError(f"'{word}' is not a word of sentence {i + 1}: \"{shown}\". Use it in the form '{word}'.")
        sense = senses[i] if senses else UNLABELLED
        found += [Occurrence(word, sentence, match.start(), match.end(), sense) for match in matches]
    return tuple(found)

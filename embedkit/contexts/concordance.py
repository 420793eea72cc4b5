"""A concordance: every sentence of a text that holds a word."""

from __future__ import annotations

from collections.abc import Sequence

from embedkit.contexts.occurrences import Occurrence, find_occurrences
from embedkit.errors import InputError
from embedkit.sources.gensim_data import split_sentences, wikipedia_sentences

__all__ = ["concordance", "concordance_in_wikipedia"]

LIMIT = 200


def _lines(word: str, sentences: Sequence[str], limit: int, where: str) -> tuple[Occurrence, ...]:
    folded = word.strip().lower()
    if not folded:
        raise InputError("Type the word to look for.")
    found: list[Occurrence] = []
    for sentence in sentences:
        if folded in sentence.lower():  # quick; whether it stands as a whole word is found out next
            try:
                found += find_occurrences(word, [sentence])
            except InputError:
                continue
        if len(found) >= limit:
            break
    if not found:
        raise InputError(f"'{word}' does not stand in {where} ({len(sentences):,} sentences).")
    return tuple(found[:limit])


def concordance(word: str, text: str, limit: int = LIMIT) -> tuple[Occurrence, ...]:
    """Sentences of a pasted text with the word, at most `limit`; raises InputError when there is none."""
    sentences = split_sentences(text)
    if not sentences:
        raise InputError("There is no text. Paste some sentences that hold the word.")
    return _lines(word, sentences, limit, "this text")


def concordance_in_wikipedia(word: str, limit: int = LIMIT) -> tuple[Occurrence, ...]:
    """Sentences of gensim's sample of Wikipedia with the word, at most `limit`; raises InputError without any."""
    return _lines(word, [sentence for _, sentence in wikipedia_sentences()], limit, "the sample of Wikipedia")

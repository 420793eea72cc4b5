"""A text as the mean of its words' vectors, over any space of words; unknown words are left out, and counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InputError
from embedkit.registry import load, method
from embedkit.sources.corpora import tokens

if TYPE_CHECKING:
    from embedkit.space import Space

__all__ = ["PARTS", "mean_of_words", "section_texts", "sections"]

PARTS = {
    "title": "The title alone: the name of the article and the heading of the section.",
    "first": "The title and the first sentence of the section.",
    "whole": "The title and the whole section.",
}


def mean_of_words(texts: Mapping[str, str], words: Space, *, key: str = "", title: str = "") -> Space:
    """Each text (name -> text) as the mean of the vectors of its words, a word that comes twice counting twice.

    Words are read by the rule of `embedkit.sources.corpora`. The columns `known` and `unknown` of meta count the words
    that `words` has and those it has not, which are left out. Vectors (texts, d). Raises InputError, naming the first
    text in which it knows no word.
    """
    import pandas as pd

    from embedkit.space import Space

    if not texts:
        raise InputError("There is no text to take a mean of. Give at least one.")
    vectors = np.empty((len(texts), words.d), np.float64)
    known, unknown = [], []
    for number, (name, text) in enumerate(texts.items()):
        found = tokens(text)
        rows = [words.rows[word] for word in found if word in words.rows]
        if not rows:
            none = f"none of its {len(found):,} words is" if found else "it has no words, so none is"
            where = f"among the {words.n:,} of {words.title}"
            raise InputError(f"'{name}' has no vector: {none} {where}. Leave it out, or give more text.")
        vectors[number] = words.vectors[rows].mean(0, dtype=np.float64)
        known.append(len(rows))
        unknown.append(len(found) - len(rows))
    meta = pd.DataFrame({"known": known, "unknown": unknown})
    title = title or f"Means of words of {words.title}"
    return Space(key or f"{words.key}/means", title, tuple(texts), vectors.astype(np.float32), meta, words.origin)


def section_texts(part: str = "first") -> dict[str, str]:
    """Sections of the sample of Wikipedia by name, "Article: Heading", and what is read of each: a key of PARTS.

    A name that comes again gets a number. Raises InputError on another part.
    """
    from embedkit.sources.gensim_data import split_sentences
    from embedkit.sources.wikipedia_sections import wikipedia_sections

    if part not in PARTS:
        raise InputError(f"There is no part '{part}' of a section; use one of: {', '.join(PARTS)}.")
    found: dict[str, str] = {}
    for section in wikipedia_sections():
        name, number = section.name, 2
        while name in found:
            name, number = f"{section.name} ({number})", number + 1
        more = {"title": "", "first": next(iter(split_sentences(section.text)), ""), "whole": section.text}[part]
        found[name] = f"{section.name}\n{more}"
    return found


@method(
    "words/mean",
    title="Means of words",
    kind="documents",
    source="sections of gensim's sample of Wikipedia",
    licence="CC BY-SA 3.0",
    year=2012,
)
def sections(words: str = "words/word2vec", part: str = "first", *, seed: int = 0) -> Space:
    """Sections of the sample of Wikipedia as the mean of the vectors of their words.  # (sections, d)

    `words` is the key of a method whose items are words, `part` one of "title", "first" (title and first sentence),
    "whole". A section without a known word is left out. Raises InputError.
    """
    from embedkit.space import Origin

    if words == "words/mean":
        raise InputError("The items of words/mean are texts; give a method of words, such as words/word2vec.")
    table = load(words, seed=seed)
    texts = section_texts(part)
    texts = {name: text for name, text in texts.items() if any(word in table.rows for word in tokens(text))}
    made = mean_of_words(texts, table, key=f"words/mean/{words.rpartition('/')[2]}/{part}")
    origin = Origin(
        "words/mean", {"words": words, "part": part}, seed, "Sample of English Wikipedia", "CC BY-SA 3.0", 2012
    )

    return replace(made, title=f"Sections, means of {table.title}", origin=origin)

"""A phrase as a vector of a space of words: read by MiniLM as the table's words were, or as the mean of known words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from embedkit.encoders.transformer import load_transformer
from embedkit.encoding import Encoded, encoder, parameter
from embedkit.errors import InputError
from embedkit.sources.corpora import tokens
from embedkit.space import Space, Vectors
from embedkit.store import default_store
from embedkit.words.minilm import to_table
from embedkit.words.pretrained import tables
from embedkit.words.recipe import AFTER, BEFORE

__all__ = ["phrase_of_table", "phrase_of_words"]

LEAD = f"{' '.join(BEFORE[1:])} "
MEAN = "The mean of the vectors of its words; a word that is not among them is left out, and told."


@encoder(
    "words/minilm",
    takes="text",
    says=f"Read by MiniLM in “{LEAD}[phrase]{AFTER[0]}”, as each word of the table was; others are read in pieces.",
)
def phrase_of_table(space: Space, text: str) -> Encoded:
    """A phrase by the recipe of the static table: the mean over its pieces of first and last state, (256,)."""
    reading = load_transformer().read([f"{LEAD}{text}{AFTER[0]}"])[0]
    start, end = len(LEAD), min(len(LEAD) + len(text), reading.read_to)
    if not reading.pieces_of(start, end):
        raise InputError(f"MiniLM has no piece for '{text}'; type letters or figures.")
    states = reading.vectors_of(start, end)
    note = "" if end == start + len(text) else f"Only the first {end - start:,} characters were read."
    return Encoded(to_table((states[0] + states[-1])[None] / 2)[0], note)


@encoder("words/word2vec", "words/glove", "words/lsa", *tables(), takes="text", says=MEAN)
@encoder("words/fasttext", takes="text", says="The mean of its words; unseen ones are put together from their pieces.")
def phrase_of_words(space: Space, text: str) -> Encoded:
    """A phrase as the mean of its words' vectors (d,); fastText learned here makes unseen words from their pieces.

    Raises InputError where no word is known.
    """
    words = [text] if text in space else _words(space, text)
    unseen = [word for word in dict.fromkeys(words) if word not in space]
    composed = _composed(space, unseen)
    vectors = [space.vector(word) if word in space else composed.get(word) for word in words]
    known = [vector for vector in vectors if vector is not None]
    if not known:
        which = ", ".join(f"'{word}'" for word in unseen[:3]) or f"'{text}'"
        raise InputError(f"Among the {space.n:,} words of {space.title} there is none of: {which}. Try other words.")
    left = [word for word in unseen if word not in composed]
    told = [f"without {_listed(left)}, not among its {space.n:,} words"] if left else []
    told += [f"{_listed(list(composed))} from pieces"] if composed else []
    note = f"Read {'; '.join(told)}." if told else ""
    return Encoded(np.stack(known).mean(0, dtype=np.float64).astype(np.float32), note)


def _listed(words: list[str]) -> str:
    more = f" and {len(words) - 5:,} more" if len(words) > 5 else ""
    return ", ".join(f"'{word}'" for word in words[:5]) + more


def _words(space: Space, text: str) -> list[str]:
    """The words of a text: as typed where the space has them so, as some tables keep capitals, else by our rule."""
    return [word for chunk in text.split() for word in ([chunk] if chunk in space else tokens(chunk))]


def _composed(space: Space, words: list[str]) -> dict[str, Vectors]:
    """Vectors of unseen words by the pieces of the training that made this space, as far as it is kept."""
    if not words or space.origin.method != "words/fasttext":
        return {}
    from embedkit.words.gensim_models import unseen_vector
    from embedkit.words.learning import WordRecipe
    from embedkit.words.word_training import Text, training_key

    usual = asdict(WordRecipe())
    given: dict[str, Any] = {
        name: parameter(space, name, type(value)) for name, value in usual.items() if name != "seed"
    }
    recipe = WordRecipe(**given, seed=space.origin.seed)
    entry = default_store().get(training_key(Text(parameter(space, "text", str)), recipe))
    if (
        entry is None
        or "pieces" not in entry.arrays
        or not np.array_equal(entry.arrays["vectors"][0], space.vectors[0])
    ):
        return {}
    found = {word: unseen_vector(word, entry.arrays["pieces"]) for word in words}
    return {word: vector for word, vector in found.items() if vector.any()}

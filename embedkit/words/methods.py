"""The methods of the room that learn from a text, once: word2vec, fastText, GloVe, LSA; what they learned is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedkit.registry import method

if TYPE_CHECKING:
    from embedkit.space import Space

__all__ = ["fasttext", "glove", "lsa", "word2vec"]

ABOUT: dict[str, Any] = {"kind": "static", "licence": "that of the text"}


def _learned(name: str, text: str, seed: int, **given: Any) -> Space:
    from embedkit.words.word_training import Text, kept_training, recipe_of, space_of

    recipe, where = recipe_of(name, seed=seed, **given), Text(text)
    return space_of(kept_training(where, recipe), where, recipe)


@method("words/word2vec", title="word2vec, learned here", source="Mikolov et al. 2013; gensim", year=2013, **ABOUT)
def word2vec(
    text: str = "wikipedia",
    model: str = "skip-gram",
    dims: int = 100,
    window: int = 10,
    negatives: int = 5,
    epochs: int = 8,
    min_count: int = 5,
    sample: float = 1e-4,
    rate: float = 0.05,
    *,
    seed: int = 0,
) -> Space:
    """Words by skip-gram or CBOW with negative sampling, the most frequent word first.  # (words, dims)

    `text` is "wikipedia", "lee" or "text8", `model` "skip-gram" or "CBOW"; the rest as in `WordRecipe`.
    Raises InputError, and NotInstalled for text8 before it was fetched.
    """
    given = {"dims": dims, "window": window, "negatives": negatives, "epochs": epochs, "min_count": min_count}
    return _learned(model, text, seed, **given, sample=sample, rate=rate)


@method("words/fasttext", title="fastText, learned here", source="Bojanowski et al. 2017; gensim", year=2017, **ABOUT)
def fasttext(
    text: str = "wikipedia",
    dims: int = 100,
    window: int = 10,
    negatives: int = 5,
    epochs: int = 8,
    min_count: int = 5,
    sample: float = 1e-4,
    rate: float = 0.05,
    *,
    seed: int = 0,
) -> Space:
    """Words by skip-gram as the mean of a word's own vector and its pieces of three to six letters.  # (words, dims)

    Parameters as in `WordRecipe`; raises InputError.
    """
    given = {"dims": dims, "window": window, "negatives": negatives, "epochs": epochs, "min_count": min_count}
    return _learned("fastText", text, seed, **given, sample=sample, rate=rate)


@method("words/glove", title="GloVe, learned here", source="Pennington, Socher and Manning 2014", year=2014, **ABOUT)
def glove(
    text: str = "wikipedia",
    dims: int = 100,
    window: int = 10,
    epochs: int = 25,
    min_count: int = 5,
    rate: float = 0.05,
    *,
    seed: int = 0,
) -> Space:
    """Words whose inner products fit the logarithms of how often they stand near each other.  # (words, dims)

    Parameters as in `WordRecipe`; raises InputError.
    """
    return _learned("GloVe", text, seed, dims=dims, window=window, epochs=epochs, min_count=min_count, rate=rate)


@method("words/lsa", title="LSA, learned here", source="Levy, Goldberg and Dagan 2015", year=2015, **ABOUT)
def lsa(
    text: str = "wikipedia",
    dims: int = 100,
    window: int = 2,
    min_count: int = 5,
    smoothing: float = 0.75,
    power: float = 0.5,
    *,
    seed: int = 0,
) -> Space:
    """Words by the truncated SVD of the PPMI matrix: U times the singular values to a power.  # (words, dims)

    Parameters as in `WordRecipe`; raises InputError.
    """
    return _learned("LSA", text, seed, dims=dims, window=window, min_count=min_count, smoothing=smoothing, power=power)

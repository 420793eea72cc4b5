"""Learning word vectors from a text: what can be chosen, and what every method yields while it learns.

Skip-gram and CBOW: Mikolov et al. 2013. fastText: Bojanowski et al. 2017. GloVe: Pennington et al. 2014. LSA as PPMI
and SVD: Levy, Goldberg and Dagan 2015.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from embedkit.errors import InputError
from embedkit.sources.corpora import Corpus
from embedkit.space import Vectors

__all__ = ["BESIDE", "METHODS", "WordRecipe", "WordStep", "learn"]

BESIDE = 1_500  # words, the most frequent, whose vectors beside the first are kept for the arithmetic of a pair

METHODS = {
    "skip-gram": "From a word its neighbors in the text are predicted, one at a time.",
    "CBOW": "From the mean of the neighbors the word between them is predicted.",
    "fastText": "Skip-gram in which a word is the sum of its pieces, so that an unseen word has a vector too.",
    "GloVe": "Inner products are fitted to the logarithms of how often two words stand near each other.",
    "LSA": "How much more often than by chance two words stand near each other, brought to few numbers by an SVD.",
}
_HOMES = {
    "skip-gram": ("gensim_models", "gensim_steps"),
    "CBOW": ("gensim_models", "gensim_steps"),
    "fastText": ("gensim_models", "gensim_steps"),
    "GloVe": ("glove", "glove_steps"),
    "LSA": ("lsa", "lsa_steps"),
}
LIMITS = {
    "dims": (2, 600),
    "window": (1, 20),
    "negatives": (1, 50),
    "epochs": (1, 200),
    "min_count": (1, 1_000),
    "most": (2, 200_000),
    "rate": (0.001, 0.5),
    "sample": (0.0, 1.0),
    "smoothing": (0.0, 1.0),
    "power": (0.0, 1.0),
    "threads": (1, 2),
    "seed": (0, 2**31 - 1),
}


@dataclass(frozen=True)
class WordRecipe:
    """What is learned and how; a method reads what concerns it.

    `most` words at most, each at least `min_count` times in the text. `window` words to each side. `sample`: the
    threshold above which frequent words are thinned (word2vec, fastText; 0 keeps all). `smoothing`: the exponent on
    the counts of context words, and `power` that on the singular values (LSA). With two `threads` gensim's methods are
    faster and their bytes do not come again. Raises InputError with the limit.
    """

    method: str = "skip-gram"
    dims: int = 100
    window: int = 5
    negatives: int = 5
    epochs: int = 5
    min_count: int = 5
    most: int = 100_000
    rate: float = 0.05
    sample: float = 1e-3
    smoothing: float = 0.75
    power: float = 0.5
    threads: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InputError(f"There is no method '{self.method}'; use one of: {', '.join(METHODS)}.")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} must lie between {low:.10g} and {high:.10g}, not {value:.10g}.")


@dataclass(frozen=True, eq=False)
class WordStep:
    """The vectors after an epoch, float32 (n, d), read-only; 0 is untrained. Row i is the corpus's i-th word.

    `loss` is the method's own, a mean over what it sums (nan where it has none), `words` the running words read until
    now, `seconds` the time of learning alone. `more`: further arrays by name: fastText's `pieces`, and of the first
    BESIDE words, in float16, the output vectors (`outputs`) or GloVe's `contexts` and `biases`.
    """

    epoch: int
    epochs: int
    vectors: Vectors
    loss: float
    words: int
    seconds: float
    more: Mapping[str, Vectors] = field(default_factory=dict)


def learn(
    corpus: Corpus, recipe: WordRecipe, *, heartbeat: Callable[[float, str], None] = lambda done, text: None
) -> Iterator[WordStep]:
    """Learn from a text, yielding the vectors after each epoch (LSA: once).

    With one thread the same seed gives the same bytes. `heartbeat` is called with the share done and a word on what is
    being done, and may raise.
    """
    module, function = _HOMES[recipe.method]  # by name: the modules there import this one
    steps: Callable[..., Iterator[WordStep]] = getattr(importlib.import_module(f"embedkit.words.{module}"), function)
    yield from steps(corpus, recipe, heartbeat)

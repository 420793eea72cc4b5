"""Three tests of word vectors, as gensim's evaluate_* count them: WordSim-353, SimLex-999, Google's analogies.

WordSim-353: Finkelstein et al. 2002. SimLex-999: Hill, Reichart and Korhonen 2015. Analogies: Mikolov et al. 2013.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from embedkit.sources.gensim_data import google_analogies, word_pairs
from embedkit.space import Vectors, to_unit
from embedkit.words.analogies import solve

__all__ = ["PAIR_TESTS", "Score", "analogy_scores", "pair_score", "word_scores"]

PAIR_TESTS = {"WordSim-353": "wordsim353", "SimLex-999": "simlex999"}
KINDS = ("semantic", "syntactic", "all")
MOST = 30_000  # words among which an analogy is asked and answered


@dataclass(frozen=True)
class Score:
    """What came out, None when too little could be asked; `asked` of `of` questions, whose words are all known."""

    value: float | None
    asked: int
    of: int

    @property
    def coverage(self) -> float:
        """Share of the questions that could be asked."""
        return self.asked / self.of if self.of else 0.0


def pair_score(test: str, words: Sequence[str], vectors: Vectors) -> Score:
    """Spearman's correlation of cosines with people's judgments: `test` is a key of PAIR_TESTS, vectors (n, d)."""
    from scipy.stats import spearmanr

    rows, pairs = _rows(words), word_pairs(PAIR_TESTS[test])
    known = [(rows[a.lower()], rows[b.lower()], said) for a, b, said in pairs if {a.lower(), b.lower()} <= rows.keys()]
    value = None
    if len(known) > 2:
        a, b, said = (np.array(column) for column in zip(*known, strict=True))
        cosines = (to_unit(vectors[a]) * to_unit(vectors[b])).sum(1)
        if np.ptp(cosines) > 0 and np.ptp(said) > 0:
            value = float(spearmanr(said, cosines).statistic)
    return Score(value, len(known), len(pairs))


def analogy_scores(
    words: Sequence[str], vectors: Vectors, most: int = MOST, heartbeat: Callable[[], None] = lambda: None
) -> dict[str, Score]:
    """Share of analogies answered right (3CosAdd, the question's words hidden): "semantic", "syntactic", "all".

    Asked and answered among the first `most` words alone; vectors (n, d), the most frequent word first. `heartbeat` is
    called between categories and may raise.
    """
    words, unit = words[:most], to_unit(vectors[:most])
    rows = _rows(words)
    asked, right, of = Counter[str](), Counter[str](), Counter[str]()
    for category, questions in google_analogies().items():
        heartbeat()
        kind = "syntactic" if category.startswith("gram") else "semantic"
        found = [tuple(rows[word] for word in q) for q in questions if all(word in rows for word in q)]
        numbers = np.array(found, np.int64).reshape(len(found), 4)
        hits = int((solve(unit, numbers)[1] == numbers[:, 3]).sum())
        for name in (kind, "all"):
            of[name] += len(questions)
            asked[name] += len(found)
            right[name] += hits
    return {name: Score(right[name] / asked[name] if asked[name] else None, asked[name], of[name]) for name in KINDS}


def word_scores(
    words: Sequence[str], vectors: Vectors, heartbeat: Callable[[], None] = lambda: None
) -> dict[str, Score]:
    """Every test: "WordSim-353", "SimLex-999", and analogies "semantic", "syntactic", "all"."""
    pairs = {test: pair_score(test, words, vectors) for test in PAIR_TESTS}
    return pairs | analogy_scores(words, vectors, heartbeat=heartbeat)


def _rows(words: Sequence[str]) -> dict[str, int]:
    """Row of a word in lower case; of several spellings the first."""
    return {word.lower(): row for row, word in reversed(list(enumerate(words)))}

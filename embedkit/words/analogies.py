"""The success rate of analogies over whole categories, with and without the rule that hides the question's words.

3CosAdd (Mikolov et al. 2013); that the hiding rule does much of the work: Nissim, van Noord and van der Goot 2020.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.sources.gensim_data import google_analogies
from embedkit.space import Space, Vectors

__all__ = ["CategoryScore", "answer_ranks", "frequent_questions", "score_category", "solve"]

BLOCK = 512  # questions a matrix product: 512 x 22,501 similarities are 46 MB


@dataclass(frozen=True)
class CategoryScore:
    """One category: questions asked (those whose four words are all known) of `questions`, and what came out.

    `right` counts answers under the usual rule (a, b, c hidden), `right_open` with nothing hidden, `own_word` how often
    a word of the question is nearest when nothing is hidden. `examples` are (a, b, c, expected, got under the rule).
    """

    category: str
    questions: int
    asked: int
    right: int
    right_open: int
    own_word: int
    examples: tuple[tuple[str, str, str, str, str], ...]

    @property
    def rate(self) -> float:
        """Share right under the usual rule, 0 when none could be asked."""
        return self.right / self.asked if self.asked else 0.0

    @property
    def rate_open(self) -> float:
        """Share right when nothing is hidden."""
        return self.right_open / self.asked if self.asked else 0.0


def score_category(space: Space, category: str, examples: int = 8) -> CategoryScore:
    """Ask every question of a category of the Google set; raises InputError for an unknown category."""
    sets = google_analogies()
    if category not in sets:
        raise InputError(f"There is no category '{category}'; known: {', '.join(sets)}.")
    known = [q for q in sets[category] if all(word in space for word in q)]
    rows = np.array([[space.rows[word] for word in q] for q in known], np.int64).reshape(len(known), 4)
    free, ruled = solve(space.unit, rows)
    right = ruled == rows[:, 3]
    wrong_first = np.argsort(right, kind="stable")[:examples]
    return CategoryScore(
        category=category,
        questions=len(sets[category]),
        asked=len(known),
        right=int(right.sum()),
        right_open=int((free == rows[:, 3]).sum()),
        own_word=int((free[:, None] == rows[:, :3]).any(1).sum()),
        examples=tuple((*known[i], space.items[ruled[i]]) for i in wrong_first),
    )


Rows = NDArray[np.int64]


def solve(unit: Vectors, rows: Rows) -> tuple[Rows, Rows]:
    """The row nearest to b - a + c for each question (q, 4): with nothing hidden, and with a, b and c hidden (q,) each.

    `unit` are vectors of length 1 (n, d).
    """
    free, ruled = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for part, scores in _scored(unit, rows):
        free[part] = scores.argmax(1)
        _hide(scores, rows[part])
        ruled[part] = scores.argmax(1)
    return free, ruled


def answer_ranks(unit: Vectors, rows: Rows) -> Rows:
    """The place, from 1, of the right answer of each question (q, 4) among all words but a, b and c  # (q,)"""
    ranks = np.empty(len(rows), np.int64)
    for part, scores in _scored(unit, rows):
        _hide(scores, rows[part])
        right = scores[np.arange(len(scores)), rows[part, 3]]
        ranks[part] = (scores > right[:, None]).sum(1) + 1
    return ranks


def frequent_questions(rows: Mapping[str, int], many: int = 5) -> tuple[tuple[str, str, str, str], ...]:
    """The questions of the Google set whose rarest word is most frequent, one a category, `many` at most.

    `rows` number the known words in falling order of frequency.
    """
    found = []
    for questions in google_analogies().values():
        known = [(max(rows[word] for word in q), q) for q in questions if all(word in rows for word in q)]
        found += [min(known)] if known else []
    return tuple(question for _, question in sorted(found)[:many])


def _scored(unit: Vectors, rows: Rows) -> Iterator[tuple[slice, Vectors]]:
    for start in range(0, len(rows), BLOCK):
        a, b, c, _ = rows[start : start + BLOCK].T
        yield slice(start, start + BLOCK), (unit[b] - unit[a] + unit[c]) @ unit.T


def _hide(scores: Vectors, rows: Rows) -> None:
    for column in range(3):
        scores[np.arange(len(rows)), rows[:, column]] = -np.inf

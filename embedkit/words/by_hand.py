"""CBOW and skip-gram on a few sentences, in steps small enough for a pen (Mikolov et al. 2013; Rong 2014).

One example is a bag of context words that predicts the word between them (CBOW), or a word that predicts one of its
context words (skip-gram). An example has four small steps: take, forward, error, move. Everything is float64, and a
state depends on the text, the recipe and the number of the step alone, so a step back gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError, UnknownItem
from embedkit.projection import project
from embedkit.quality import measure
from embedkit.space import Origin, Space, Vectors

__all__ = [
    "LIMITS",
    "METHODS",
    "OPENING_TEXT",
    "OUTPUTS",
    "PHASES",
    "Example",
    "HandRecipe",
    "HandText",
    "HandWeights",
    "Moment",
    "Pass",
    "Stand",
    "examples",
    "flat",
    "forward",
    "hand_space",
    "moment",
    "multiplications",
    "noise",
    "parse_sentences",
    "run",
    "running_mean",
    "stand",
    "start_weights",
    "state_at",
    "strangers",
    "train_by_hand",
    "update",
]

Floats = NDArray[np.float64]
Method = Literal["CBOW", "skip-gram"]
Output = Literal["full softmax", "negative sampling"]

METHODS: tuple[Method, ...] = ("CBOW", "skip-gram")
OUTPUTS: tuple[Output, ...] = ("full softmax", "negative sampling")
PHASES = ("take", "forward", "error", "move")

# name: lowest and highest value that a person may choose
LIMITS: dict[str, tuple[float, float]] = {
    "window": (1, 5),
    "dims": (1, 10),
    "rate": (0.001, 1.0),
    "negatives": (1, 20),
    "seed": (0, 9_999),
}
SENTENCES, WORDS, VOCABULARY, LETTERS = 200, 2_000, 500, 40
BOUND = 1e6  # no number of a vector that learns comes near it
POWER = 0.75  # negatives are drawn by count^0.75, as in Mikolov et al. 2013

OPENING_TEXT = """\
We eat apples. You eat apples. We eat pears. You eat pears. We eat bread. You eat bread.
We drink milk. You drink milk. We drink juice. You drink juice. We drink water. You drink water.
Cats chase mice. Dogs chase mice. Cats chase birds. Dogs chase birds.
A king rules the land. A queen rules the land.
"""


@dataclass(frozen=True)
class HandText:
    """Sentences as tuples of words, and the vocabulary: the most frequent word first, ties by first appearance."""

    sentences: tuple[tuple[str, ...], ...]
    words: tuple[str, ...]
    counts: tuple[int, ...]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row number in the matrices by word."""
        return {word: row for row, word in enumerate(self.words)}

    def row(self, word: str) -> int:
        """Row number of a word in any case; raises UnknownItem with near spellings."""
        if word.lower() not in self.rows:
            raise UnknownItem(word, self.words, "words of this text")
        return self.rows[word.lower()]


def parse_sentences(text: str) -> HandText:
    """Read sentences: each ends with a line, or with . ! or ?; words are letters with apostrophes inside, lower case.

    Digits and signs are left out. Raises InputError for no words, more than 200 sentences, 2,000 words or 500 different
    ones, a word of more than 40 letters, a vocabulary of one word, and when no sentence has two words.
    """
    found = [
        tuple(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", part))
        for part in re.split(r"[.!?\n]+", text.lower().replace("’", "'"))
    ]
    sentences = tuple(words for words in found if words)
    every = [word for words in sentences for word in words]
    if not every:
        raise InputError("There are no words to read. Type some sentences, for instance: The king eats bread.")
    if len(sentences) > SENTENCES:
        raise InputError(f"The text has {len(sentences):,} sentences; by hand at most {SENTENCES} are read.")
    if len(every) > WORDS:
        raise InputError(f"The text has {len(every):,} words; by hand at most {WORDS:,} are read.")
    longest = max(every, key=len)
    if len(longest) > LETTERS:
        raise InputError(f"'{longest[:20]}…' has {len(longest):,} letters; a word may have {LETTERS}.")
    counts = Counter(every)
    if len(counts) < 2:
        raise InputError(f"'{every[0]}' is the only word; there is nothing to tell apart. Type at least two.")
    if len(counts) > VOCABULARY:
        raise InputError(f"The text has {len(counts):,} different words; by hand at most {VOCABULARY} are trained.")
    if max(map(len, sentences)) < 2:
        raise InputError(
            "No sentence has two words, so no word has a context. Put words that belong together on one line."
        )
    ordered = counts.most_common()  # ties stay in the order of first appearance
    return HandText(sentences, tuple(word for word, _ in ordered), tuple(count for _, count in ordered))


@dataclass(frozen=True)
class HandRecipe:
    """What is trained, and how: `rate` is the step along the gradient, `negatives` count for negative sampling only.

    Raises InputError for a value beyond `LIMITS` or an unknown method or output.
    """

    method: Method = "CBOW"
    output: Output = "full softmax"
    window: int = 2  # words on each side
    dims: int = 2  # two can be drawn as they are
    rate: float = 0.2
    negatives: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, known in (("method", self.method, METHODS), ("output", self.output, OUTPUTS)):
            if value not in known:
                raise InputError(f"There is no {name} '{value}'; use one of {', '.join(known)}.")
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:  # false for nan as well
                raise InputError(f"{name} is {value:g}; it goes from {low:g} to {high:g}.")
            if name != "rate" and value != int(value):
                raise InputError(f"{name} is {value:g}; it has to be a whole number.")


@dataclass(frozen=True)
class Example:
    """One prediction: rows of the words that are read, the row of the word to be guessed, and where it was found."""

    inputs: tuple[int, ...]
    target: int
    sentence: int  # number of the sentence, from 0
    center: int  # place of the window's middle word in the sentence, from 0
    window: int  # number of the window in the text, from 0
    other: int = -1  # skip-gram: place of the context word to be guessed


def examples(text: HandText, method: Method, window: int = 2) -> tuple[Example, ...]:
    """All examples of one pass through the text, in reading order; a window never leaves its sentence."""
    found: list[Example] = []
    number = 0
    for index, sentence in enumerate(text.sentences):
        if len(sentence) < 2:
            continue
        rows = [text.rows[word] for word in sentence]
        for center, row in enumerate(rows):
            around = [p for p in range(max(0, center - window), min(len(rows), center + window + 1)) if p != center]
            if method == "CBOW":
                found.append(Example(tuple(rows[p] for p in around), row, index, center, number))
            else:
                found += [Example((row,), rows[p], index, center, number, p) for p in around]
            number += 1
    return tuple(found)


@dataclass(frozen=True, eq=False)
class HandWeights:
    """Both matrices, float64 (words, dims), read-only: a row for each word that is read, and that is guessed."""

    inputs: Floats
    outputs: Floats

    def __post_init__(self) -> None:
        self.inputs.flags.writeable = False
        self.outputs.flags.writeable = False


def start_weights(text: HandText, recipe: HandRecipe) -> HandWeights:
    """Both matrices drawn evenly from -0.5 to 0.5; the same seed gives both methods the same start."""
    drawn = np.random.default_rng(recipe.seed).uniform(-0.5, 0.5, (2, len(text.words), recipe.dims))
    return HandWeights(drawn[0].copy(), drawn[1].copy())


@dataclass(frozen=True, eq=False)
class Pass:
    """The numbers of one example: `rows` are the words that are scored, the target first under negative sampling."""

    example: Example
    hidden: Floats  # the vector that is read, the mean of several  # (d,)
    rows: NDArray[np.int64]  # (r,)
    scores: Floats  # u . h  # (r,)
    probabilities: Floats  # softmax over all words, or a sigmoid for each  # (r,)
    errors: Floats  # probability less 1 for the target, less 0 for the others  # (r,)
    losses: Floats  # one term under full softmax, one for each scored word under negative sampling
    to_hidden: Floats  # the gradient at h: errors times output vectors  # (d,)

    @property
    def loss(self) -> float:
        """The loss of the example."""
        return float(self.losses.sum())

    @property
    def place(self) -> int:
        """Where in `rows` the target stands."""
        return int(np.flatnonzero(self.rows == self.example.target)[0])


def forward(weights: HandWeights, example: Example, negatives: Sequence[int] | None = None) -> Pass:
    """The loss of an example and its gradients; full softmax over all words, or against these `negatives`.

    CBOW: L = -log p(word | context), skip-gram: L = -log p(context word | word). Under negative sampling
    L = -log s(u.h) - sum over negatives of log s(-u.h), with s the sigmoid.
    """
    hidden = weights.inputs[list(example.inputs)].mean(0)
    if negatives is None:
        rows = np.arange(len(weights.outputs))
        scores = weights.outputs @ hidden
        shifted = scores - scores.max()  # the same probabilities, and exp cannot overflow
        powers = np.exp(shifted)
        total = powers.sum()
        probabilities = powers / total
        errors = probabilities.copy()
        errors[example.target] -= 1
        losses = np.array([np.log(total) - shifted[example.target]])
        to_hidden = errors @ weights.outputs
    else:
        rows = np.array([example.target, *negatives])
        vectors = weights.outputs[rows]
        scores = vectors @ hidden
        probabilities = 1 / (1 + np.exp(-np.clip(scores, -500, 500)))
        errors = probabilities.copy()
        errors[0] -= 1
        signed = scores.copy()
        signed[0] *= -1
        losses = np.logaddexp(0, signed)
        to_hidden = errors @ vectors
    return Pass(example, hidden, rows, scores, probabilities, errors, losses, to_hidden)


def update(
    weights: HandWeights, example: Example, *, rate: float, negatives: Sequence[int] | None = None
) -> tuple[Pass, HandWeights]:
    """One example: its numbers, and new weights one step of gradient descent further; the old ones stay as they are.

    Each of n context words of a bag moves by 1/n of the gradient, as the mean has it; in word2vec.c each moves by all.
    """
    found = forward(weights, example, negatives)
    inputs, outputs = weights.inputs.copy(), weights.outputs.copy()
    change = rate * found.errors[:, None] * found.hidden
    if negatives is None:
        outputs -= change
    else:
        np.subtract.at(outputs, found.rows, change)  # a negative may come twice
    share = rate * found.to_hidden / len(example.inputs)
    for row in example.inputs:  # a word may stand twice in a bag
        inputs[row] -= share
    return found, HandWeights(inputs, outputs)


def noise(text: HandText, recipe: HandRecipe, targets: Sequence[int], turn: int) -> NDArray[np.int64] | None:
    """The negatives of every example of one pass through the text; None for full softmax.  # (examples, negatives)

    Drawn by count^0.75 from all words but the target; `turn` is the number of the pass, from 0.
    """
    if recipe.output == "full softmax":
        return None
    shares = np.asarray(text.counts, float) ** POWER
    ends = np.cumsum(shares)
    rows = np.asarray(targets)[:, None]
    drawn = np.random.default_rng((recipe.seed, turn)).random((len(rows), recipe.negatives))
    drawn = drawn * (ends[-1] - shares[rows])
    drawn = np.where(drawn >= ends[rows] - shares[rows], drawn + shares[rows], drawn)  # step over the target
    return np.asarray(np.minimum(np.searchsorted(ends, drawn, side="right"), len(shares) - 1), np.int64)


def train_by_hand(
    text: HandText, recipe: HandRecipe, weights: HandWeights | None = None, first: int = 0
) -> Iterator[tuple[Pass, HandWeights]]:
    """Every example in turn, again and again without an end: its numbers, and the weights after it.

    To go on from a state, give its `weights` and, as `first`, the number of examples that it has seen.
    """
    order = examples(text, recipe.method, recipe.window)
    targets = [example.target for example in order]
    weights = weights or start_weights(text, recipe)
    turn, place = divmod(first, len(order))
    while True:
        negatives = noise(text, recipe, targets, turn)
        for index in range(place, len(order)):
            drawn = None if negatives is None else tuple(int(row) for row in negatives[index])
            found, weights = update(weights, order[index], rate=recipe.rate, negatives=drawn)
            yield found, weights
        turn, place = turn + 1, 0


def run(
    text: HandText, recipe: HandRecipe, weights: HandWeights, first: int, last: int
) -> tuple[HandWeights, tuple[float, ...]]:
    """The weights after `last` examples from those after `first`, and the loss of each example between them.

    Raises InputError when the vectors grow beyond all bounds, as they do at too large a rate.
    """
    losses = []
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is told below, in plain words
        for found, after in islice(train_by_hand(text, recipe, weights, first), last - first):
            losses.append(found.loss)
            weights = after
        if not max(np.abs(weights.inputs).max(), np.abs(weights.outputs).max()) < BOUND:  # so for nan as well
            raise InputError(
                f"With the learning rate {recipe.rate:g} the vectors of {recipe.method} have grown beyond all bounds "
                f"within {last:,} examples. Take a smaller rate, or fewer steps."
            )
    return weights, tuple(losses)


def state_at(text: HandText, recipe: HandRecipe, count: int) -> HandWeights:
    """The weights after this many examples; the same bytes whenever it is asked."""
    return run(text, recipe, start_weights(text, recipe), 0, count)[0]


def multiplications(output: Output, n_words: int, *, dims: int = 2, negatives: int = 3) -> int:
    """Multiplications of one example: 3 x dims for each word that is scored.

    One product u . h for the score, one times the error for the way back to h, one for the move of u. Scored are all
    words under full softmax, 1 + negatives under negative sampling. Exponentials, mean and rate are not counted.
    """
    return 3 * dims * (n_words if output == "full softmax" else 1 + negatives)


@dataclass(frozen=True)
class Moment:
    """Where a method stands after a number of small steps."""

    done: int  # examples finished before the one at hand
    phase: int  # small steps of the one at hand that are done: 0 (only at the very start) to 4
    waits: bool = False  # CBOW: its bag is done, skip-gram still has pairs of the same window


def moment(pairs: Sequence[Example], step: int) -> dict[Method, Moment]:
    """Both methods after `step` small steps with one window in common: `pairs` are the examples of skip-gram.

    Skip-gram takes every pair of a window; CBOW takes its one bag beside the first pair and waits during the others.
    """
    if step <= 0:
        return {"CBOW": Moment(0, 0), "skip-gram": Moment(0, 0)}
    pair, phase = divmod(step - 1, 4)
    turn, place = divmod(pair, len(pairs))
    window = pairs[place].window
    opens = place == 0 or pairs[place - 1].window != window
    bags = turn * (pairs[-1].window + 1) + window
    return {
        "CBOW": Moment(bags, phase + 1 if opens else 4, not opens),
        "skip-gram": Moment(pair, phase + 1),
    }


@dataclass(frozen=True, eq=False)
class Stand:
    """What there is to see of a method at one small step: the example, its numbers, the weights before and after."""

    recipe: HandRecipe
    at: Moment
    example: Example
    found: Pass
    before: HandWeights
    after: HandWeights

    @property
    def weights(self) -> HandWeights:
        """The weights as they are now: the new ones once the vectors have moved."""
        return self.after if self.at.phase == 4 else self.before


def stand(text: HandText, recipe: HandRecipe, order: Sequence[Example], before: HandWeights, at: Moment) -> Stand:
    """The example that follows on the weights `before`, which come after `at.done` examples of `order`."""
    turn, place = divmod(at.done, len(order))
    drawn = noise(text, recipe, [example.target for example in order], turn)
    negatives = None if drawn is None else tuple(int(row) for row in drawn[place])
    found, after = update(before, order[place], rate=recipe.rate, negatives=negatives)
    return Stand(recipe, at, order[place], found, before, after)


def strangers(text: HandText, window: int = 2) -> tuple[str, str] | None:
    """Two words that never share a window, but have the most alike neighbors; apples and pears where both are there."""
    near = np.zeros((len(text.words), len(text.words)))
    for each in examples(text, "skip-gram", window):
        near[each.inputs[0], each.target] += 1
    alike = near @ near.T / np.maximum(np.outer(*[np.linalg.norm(near, axis=1)] * 2), 1e-9)
    alike[near > 0] = 0
    np.fill_diagonal(alike, 0)
    if "apples" in text.rows and "pears" in text.rows and alike[text.row("apples"), text.row("pears")] > 0.5:
        return "apples", "pears"
    a, b = (int(row) for row in np.unravel_index(int(alike.argmax()), alike.shape))
    return (text.words[a], text.words[b]) if alike[a, b] > 0.5 else None


def running_mean(losses: Sequence[float], span: int, most: int = 200) -> tuple[NDArray[np.int64], Floats]:
    """Number of examples, and the mean loss of the last `span` of them, at no more than about `most` points."""
    sums = np.concatenate([[0.0], np.cumsum(losses)])
    ends = np.unique(np.concatenate([np.arange(1, len(sums), max(1, len(losses) // most)), [len(losses)]]))
    ends = ends[ends > 0]
    starts = np.maximum(0, ends - span)
    return ends, (sums[ends] - sums[starts]) / (ends - starts)


def flat(text: HandText, at: Stand, side: Literal["inputs", "outputs"] = "inputs") -> tuple[Vectors, Vectors, str]:
    """Both matrices' rows on a plane, now and before the move, (n, 2) each, and how that was done.

    Two numbers are the plane; one lies on a line; more are projected by PCA of the vectors as they are now.
    """
    now, before = getattr(at.weights, side), getattr(at.before, side)
    n, d = now.shape
    if d == 2:
        return now, before, "The two numbers themselves: nothing is lost. The thin cross is the point 0, 0."
    if d == 1:
        return np.hstack([now, 0 * now]), np.hstack([before, 0 * before]), "The one number itself, on a line."
    space = Space("words/by-hand", side, text.words, now)
    projection = project(space, method="pca")
    kept = f", which keeps {measure(space, projection, k=5).recall:.0%} of each word's 5 nearest" if n > 10 else ""
    return projection.coords, projection.transform(before), f"PCA of {d} numbers{kept}."


def hand_space(text: HandText, weights: HandWeights, recipe: HandRecipe) -> Space:
    """The input vectors as a Space, to ask what is near."""
    origin = Origin("words/by-hand", asdict(recipe), recipe.seed)
    title = f"{recipe.method} by hand"
    return Space("words/by-hand", title, text.words, weights.inputs.astype(np.float32), origin=origin)

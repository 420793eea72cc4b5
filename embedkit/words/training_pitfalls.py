"""What a setting does to learned words, measured: window, dimension on held-out text, negatives, and another seed.

How little of a neighbor list another seed, and another draw of the same text, keep: Antoniak and Mimno 2018.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.jobs import Job, Pool
from embedkit.neighbors import knn_graph
from embedkit.sources.corpora import Corpus
from embedkit.space import Space, Vectors, frozen
from embedkit.store import Entry, default_store, recipe_key
from embedkit.words.cooccurrence import count_pairs
from embedkit.words.gensim_models import Places, gensim_steps
from embedkit.words.learning import WordRecipe, WordStep, learn
from embedkit.words.scores import PAIR_TESTS, pair_score, word_scores
from embedkit.words.word_training import Text, load_text, recipe_of, words_array
from embedkit.worker import Report

__all__ = [
    "BANDS",
    "BASE",
    "DIMENSIONS",
    "EXPERIMENTS",
    "LONG",
    "LONGER",
    "NEGATIVES",
    "RUNS",
    "WINDOWS",
    "DimensionResult",
    "SeedsResult",
    "SettingResult",
    "Spread",
    "dimension_results",
    "dimension_task",
    "experiment_key",
    "held_out",
    "kept_experiment",
    "neighbors_in",
    "portion",
    "request_experiment",
    "results_in",
    "run_experiment",
    "seeds_results",
    "seeds_task",
    "setting_results",
    "settings_task",
    "words_in",
]

WINDOWS = (2, 10)
NEGATIVES = (1, 2, 5, 15, 30)
DIMENSIONS = (10, 25, 50, 100, 200, 400, 600)
LONGER = (10, 50, 200)  # dimensions that are learned once more, for LONG epochs
LONG = 24
RUNS = 3  # seeds of one setting, so that what a setting does can be told from what chance does
BANDS = (5, 10, 20, 50, 200)  # from how many occurrences in the text a band of words begins
NEAR = 10
HELD = 0.1  # share of the lines
FEWEST_LINES = 20
PAIRS = 20_000  # places whose loss is taken, of the text learned from and of the text held out
MOST_TOKENS = 500_000  # running words; of a longer text lines are drawn, so that an experiment stays under two minutes
MOST_WORDS = 10_000  # different words
LISTED = 5_000  # words whose lists of neighbors are kept
TOGETHER = 10  # words apart

# What the page of learning starts with, but a window between those that are compared: then nothing else changes.
BASE = replace(recipe_of("skip-gram", window=5), most=MOST_WORDS)
LSA = replace(recipe_of("LSA"), most=MOST_WORDS)

TASKS = "embedkit.words.training_pitfalls:"
EXPERIMENTS = {
    "window": (TASKS + "settings_task", "Windows"),
    "negatives": (TASKS + "settings_task", "Negatives"),
    "dimension": (TASKS + "dimension_task", "Dimensions"),
    "seeds": (TASKS + "seeds_task", "Seeds"),
}
# What each setting is set to, and the epochs. A window of 2 meets fewer pairs than one of 10, about 3 to 11, since
# word2vec draws the width anew for each word; so it is learned once more with as many pairs.
_SAME_PAIRS = round(BASE.epochs * (WINDOWS[-1] + 1) / (WINDOWS[0] + 1))
_SETTINGS = {
    "window": [*((value, BASE.epochs) for value in WINDOWS), (WINDOWS[0], _SAME_PAIRS)],
    "negatives": [(value, BASE.epochs) for value in NEGATIVES],
}


@dataclass(frozen=True)
class Spread:
    """A mean over trainings that differ in their seed alone, with the lowest and the highest; None if not measured."""

    mean: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> Spread:
        """The spread of the values that were measured."""
        known = [value for value in values if value is not None]
        return cls(float(np.mean(known)), min(known), max(known)) if known else cls(None)


@dataclass(frozen=True)
class SettingResult:
    """What a value of a setting comes to after `epochs`, over `runs` seeds.

    `seconds` is processor time, so that other work on the machine does not count; scores as in `word_scores`.
    `together` is the share of a word's ten nearest that stand within ten words of it somewhere in the text, and
    `by_chance` that of the ten nearest of another word, drawn.
    """

    value: int
    epochs: int
    runs: int
    seconds: Spread
    wordsim: Spread
    simlex: Spread
    semantic: Spread
    syntactic: Spread
    together: Spread
    by_chance: Spread


@dataclass(frozen=True)
class DimensionResult:
    """Loss after the last epoch on text that was learned from and on text that was not, and scores.

    Both losses are means over the same places with the same negatives for all sizes, at most 20,000; nan where the text
    has no place. `seconds` is processor time.
    """

    dims: int
    epochs: int
    train_loss: float
    held_loss: float
    wordsim: float | None
    simlex: float | None
    seconds: float


@dataclass(frozen=True)
class SeedsResult:
    """The mean share of a word's ten nearest that a second training keeps, over words that occur `least` times or more.

    `change` is what differs between the two: "seed", or "text", lines drawn anew with replacement. `most` is the next
    band's least, 0 for the last band; the band with `least` 0 is all words. `wordsim` of each of the trainings.
    """

    method: str
    change: str
    least: int
    most: int
    words: int
    kept: float
    wordsim: tuple[float | None, ...]


def experiment_key(name: str, text: Text, seed: int = 0) -> str:
    """The store's key of an experiment."""
    task, _ = EXPERIMENTS[name]
    return recipe_key(task, **_params(name, text, seed))


def _params(name: str, text: Text, seed: int) -> dict[str, Any]:
    given: dict[str, Any] = {"text": text.params(), "seed": seed}
    return given | ({"setting": name} if name in _SETTINGS else {})


def request_experiment(name: str, text: Text, pool: Pool, seed: int = 0) -> Job:
    """The job of an experiment, one of EXPERIMENTS."""
    task, title = EXPERIMENTS[name]
    return pool.submit(task, _params(name, text, seed), title=title)


def run_experiment(report: Report, name: str, text: Text, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure one of EXPERIMENTS here and now."""
    given = _params(name, text, seed)
    if name == "dimension":
        return dimension_task(report, **given)
    return seeds_task(report, **given) if name == "seeds" else settings_task(report, **given)


def kept_experiment(name: str, text: Text, seed: int = 0) -> Entry:
    """The result of an experiment: the one kept in the store, else measured here and now, and kept."""
    if name not in EXPERIMENTS:
        raise InputError(f"There is no experiment '{name}'; use one of: {', '.join(EXPERIMENTS)}.")
    key = experiment_key(name, text, seed)
    return default_store().get_or_make(key, lambda: run_experiment(Report(), name, text, seed), name=name)


def results_in(name: str, entry: Entry) -> tuple[SettingResult | DimensionResult | SeedsResult, ...]:
    """What was measured until now, of a result or of a step of one of EXPERIMENTS."""
    if name == "dimension":
        return dimension_results(entry)
    return seeds_results(entry) if name == "seeds" else setting_results(entry)


# The text


def portion(corpus: Corpus, most: int = MOST_TOKENS, seed: int = 0) -> Corpus:
    """The text itself if it has at most `most` running words; else lines of it, drawn, in their order."""
    if corpus.n_tokens <= most:
        return corpus
    order = np.random.default_rng([seed, 0]).permutation(corpus.n_lines)
    lengths = np.diff(corpus.starts)
    count = max(1, int(np.searchsorted(np.cumsum(lengths[order]), most, side="right")))
    return _lines(corpus, np.sort(order[:count]))


def held_out(corpus: Corpus, seed: int = 0) -> tuple[Corpus, Corpus]:
    """The text without a tenth of its lines, drawn, and that tenth, its words with the numbers and counts of the rest.

    Words of the held-out lines that the rest does not have are left out. Raises InputError on fewer than 20 lines.
    """
    if corpus.n_lines < FEWEST_LINES:
        raise InputError(
            f"To hold out a tenth of its lines, a text needs {FEWEST_LINES} lines; {corpus.title} has {corpus.n_lines}."
        )
    order = np.random.default_rng([seed, 1]).permutation(corpus.n_lines)
    count = round(HELD * corpus.n_lines)
    rest = _lines(corpus, np.sort(order[count:]))
    ids, starts = _taken(corpus, np.sort(order[:count]))
    rows = {word: row for row, word in enumerate(rest.words)}
    numbers = np.array([rows.get(word, -1) for word in corpus.words], np.int32)[ids]
    known = numbers >= 0
    before = np.concatenate([[0], np.cumsum(known)])
    return rest, replace(rest, ids=frozen(numbers[known]), starts=frozen(before[starts]), digest=_digest(ids, starts))


def _taken(corpus: Corpus, lines: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """`ids` and `starts` of these lines, in this order; a line may come again."""
    begins, lengths = corpus.starts[lines], np.diff(corpus.starts)[lines]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    places = np.arange(starts[-1]) - np.repeat(starts[:-1] - begins, lengths)
    return corpus.ids[places], starts


def _lines(corpus: Corpus, lines: NDArray[np.int64]) -> Corpus:
    """A text of these lines alone, its words numbered anew in falling order of their counts."""
    ids, starts = _taken(corpus, lines)
    counts = np.bincount(ids, minlength=len(corpus.words))
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    new = np.zeros(len(corpus.words), np.int32)
    new[order] = np.arange(len(order), dtype=np.int32)
    return replace(
        corpus,
        words=tuple(corpus.words[row] for row in order.tolist()),
        counts=frozen(counts[order].astype(np.int64)),
        ids=frozen(new[ids]),
        starts=frozen(starts),
        digest=_digest(ids, starts),
    )


def _digest(ids: NDArray[np.int32], starts: NDArray[np.int64]) -> str:
    return hashlib.blake2b(ids.tobytes() + starts.tobytes(), digest_size=12).hexdigest()


# Window and negatives


def settings_task(
    report: Report, *, text: dict[str, Any], setting: str, seed: int = 0
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: skip-gram with each value of "window" or "negatives", by three seeds; each training is a step.

    Arrays for windows: `near.<window>.<epochs>` int16 (m, 10), rows of the ten nearest of each of the 5,000 most
    frequent words by the first seed, and `words`, a line a word.
    """
    corpus, size = _opened(report, text, seed)
    values = _SETTINGS[setting]
    arrays: dict[str, Any] = {"words": words_array(corpus.words[:size])} if setting == "window" else {}
    rows: list[dict[str, Any]] = []
    met = _Met(corpus, size, report) if setting == "window" else None
    plan = [(run, *value) for run in range(RUNS) for value in values]  # every value once, before one comes again
    for number, (run, value, epochs) in enumerate(plan):
        changed: dict[str, Any] = {setting: value, "epochs": epochs, "seed": seed + run}
        beat = _beat(report, number, len(plan), f"{setting} {value}, {epochs} epochs, seed {seed + run}")
        vectors, seconds = _learned(corpus, replace(BASE, **changed), beat)
        row: dict[str, Any] = {"value": value, "epochs": epochs, "run": run, "seconds": seconds}
        row |= _scores(corpus, vectors, beat)
        if met is not None:
            near = _nearest(corpus.words[:size], vectors)
            row |= {"together": met.share(near), "by_chance": met.share(_shuffled(near, seed))}
            if run == 0:
                arrays[f"near.{value}.{epochs}"] = near[:LISTED].astype(np.int16)
        rows.append(row)
        report.step(number, arrays, _about(corpus, size, rows))
    return arrays, _about(corpus, size, rows)


class _Met:
    """Which words stand within ten words of each other somewhere in a text."""

    def __init__(self, corpus: Corpus, size: int, report: Report) -> None:
        counts = count_pairs(
            corpus, size, window=TOGETHER, weighting="flat", heartbeat=lambda done, said: report(0.0, said)
        )
        self._n = counts.n
        self._keys = np.repeat(np.arange(self._n), np.diff(counts.starts)) * self._n + counts.cols

    def share(self, near: NDArray[Any]) -> float:
        """The share of the pairs (word, near), near int (n, k), that were met."""
        own = np.arange(len(near))[:, None]
        asked = (np.maximum(own, near) * self._n + np.minimum(own, near)).ravel()
        places = np.minimum(np.searchsorted(self._keys, asked), len(self._keys) - 1)
        return float((self._keys[places] == asked).mean())


def _shuffled(near: NDArray[Any], seed: int) -> NDArray[Any]:
    """The list of another word for each word: what chance makes of lists in which the same words are as frequent."""
    order = np.random.default_rng([seed, 2]).permutation(len(near))
    found: NDArray[Any] = np.empty_like(near)
    found[order] = near[np.roll(order, 1)]
    return found


def setting_results(entry: Entry) -> tuple[SettingResult, ...]:
    """The measured values of a setting, of a result or of a step."""
    rows: Sequence[Mapping[str, Any]] = entry.meta["rows"]
    names = ("seconds", "wordsim", "simlex", "semantic", "syntactic", "together", "by_chance")
    found = []
    for case in dict.fromkeys((row["value"], row["epochs"]) for row in rows):
        runs = [row for row in rows if (row["value"], row["epochs"]) == case]
        found.append(SettingResult(*case, len(runs), *(Spread.of([row.get(name) for row in runs]) for name in names)))
    return tuple(found)


# Dimension


def dimension_task(report: Report, *, text: dict[str, Any], seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: skip-gram of each of DIMENSIONS on nine tenths of the lines, its loss on both parts.

    Those of LONGER come again with LONG epochs; each training is a step.
    """
    corpus, _ = _opened(report, text, seed)
    learned, held = held_out(corpus, seed)
    size = learned.size(BASE.min_count, BASE.most)
    plan = [*((dims, BASE.epochs) for dims in DIMENSIONS), *((dims, LONG) for dims in LONGER)]
    shares = np.cumsum([0, *(epochs * (dims + 150) for dims, epochs in plan)])  # so much does not grow with dims
    shares = shares / shares[-1]
    parts = [Places(part, BASE, size, PAIRS) for part in (learned, held)]
    about = {"held_lines": held.n_lines, "held_tokens": held.n_tokens, "asked": _asked(learned.words[:size])}
    rows: list[dict[str, Any]] = []
    for number, (dims, epochs) in enumerate(plan):
        low, high = float(shares[number]), float(shares[number + 1])

        def beat(done: float, said: str, low: float = low, high: float = high, dims: int = dims) -> None:
            report(low + (high - low) * done, f"{dims} numbers a word, {said}")

        recipe = replace(BASE, dims=dims, epochs=epochs, seed=seed)
        step, seconds = _last(gensim_steps(learned, recipe, beat, outputs=True))
        train_loss, held_loss = (part.loss(step.vectors, step.more["outputs"]) for part in parts)
        wordsim, simlex = (pair_score(test, learned.words[:size], step.vectors).value for test in PAIR_TESTS)
        rows.append(asdict(DimensionResult(dims, epochs, train_loss, held_loss, wordsim, simlex, seconds)))
        report.step(number, {}, _about(corpus, size, rows, **about))
    return {}, _about(corpus, size, rows, **about)


def dimension_results(entry: Entry) -> tuple[DimensionResult, ...]:
    """The measured sizes of a result or of a step."""
    return tuple(DimensionResult(**row) for row in entry.meta["rows"])


# Seeds


def seeds_task(report: Report, *, text: dict[str, Any], seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: skip-gram and LSA by three seeds on one text, then by one seed on two draws of its lines.

    A draw takes as many lines as there are, with replacement; compared are the words that both draws have. Arrays:
    `near.<method>.0` and `.1`, int16 (m, 10), the ten nearest of each of the 5,000 most frequent words by the first and
    the second seed; `words`, a line a word, and `counts`, how often they occur.
    """
    corpus, size = _opened(report, text, seed)
    words, counts = corpus.words[:size], corpus.counts[:size]
    arrays: dict[str, Any] = {"words": words_array(words), "counts": counts.astype(np.int32)}
    rows: list[dict[str, Any]] = []
    cases = [(method, change) for method in ("skip-gram", "LSA") for change in ("seed", "text")]
    done, of = 0, 2 * (RUNS + 2)
    for number, (method, change) in enumerate(cases):
        near, tests = [], []
        common = list(words)
        texts = [corpus] * RUNS if change == "seed" else list(_draws(corpus, seed))
        learned = []
        for run, each in enumerate(texts):
            recipe = replace(BASE if method == "skip-gram" else LSA, seed=seed + run * (change == "seed"))
            said = f"{method}, {'seed' if change == 'seed' else 'draw'} {run + 1} of {len(texts)}"
            vectors, _ = _learned(each, recipe, _beat(report, done, of, said))
            done += 1
            learned.append((each.words[: len(vectors)], vectors))
            tests.append(pair_score("WordSim-353", *learned[-1]).value)
        if change == "text":
            both = set(learned[0][0]) & set(learned[1][0])
            common = [word for word in words if word in both]
        for known, vectors in learned:
            rows_of = {word: row for row, word in enumerate(known)}
            near.append(_nearest(common, vectors[[rows_of[word] for word in common]]))
        kept = np.mean([_kept(a, b) for a, b in combinations(near, 2)], axis=0)
        here = {word: row for row, word in enumerate(words)}
        of_common = counts[[here[word] for word in common]]
        rows += [asdict(each) for each in _bands(method, change, of_common, kept, tests)]
        if change == "seed":
            for run in (0, 1):
                arrays[f"near.{method}.{run}"] = near[run][:LISTED].astype(np.int16)
        report.step(number, arrays, _about(corpus, size, rows))
    return arrays, _about(corpus, size, rows)


def _draws(corpus: Corpus, seed: int) -> Iterator[Corpus]:
    for draw in (0, 1):
        chance = np.random.default_rng([seed, 3, draw])
        yield _lines(corpus, np.sort(chance.integers(0, corpus.n_lines, corpus.n_lines)))


def _kept(a: NDArray[Any], b: NDArray[Any]) -> Vectors:
    """The share of each row of `a` (n, k) that stands in the same row of `b`: float64 (n,)."""
    found: Vectors = (a[:, :, None] == b[:, None, :]).any(2).mean(1)
    return found


def _bands(
    method: str, change: str, counts: NDArray[np.int64], kept: Vectors, tests: Sequence[float | None]
) -> Iterator[SeedsResult]:
    for least, most in ((0, 0), *zip(BANDS, (*BANDS[1:], 0), strict=True)):
        inside = (counts >= least) & ((counts < most) | (most == 0))
        if inside.any():
            yield SeedsResult(method, change, least, most, int(inside.sum()), float(kept[inside].mean()), tuple(tests))


def seeds_results(entry: Entry) -> tuple[SeedsResult, ...]:
    """The measured bands of a result or of a step."""
    return tuple(SeedsResult(**{**row, "wordsim": tuple(row["wordsim"])}) for row in entry.meta["rows"])


# What they share


def words_in(entry: Entry) -> tuple[str, ...]:
    """The words whose neighbors an experiment keeps, the most frequent first."""
    return tuple(np.asarray(entry.arrays["words"]).tobytes().decode().split("\n"))


def neighbors_in(entry: Entry, name: str, word: str) -> tuple[str, ...]:
    """The ten nearest of a word in the array `near.<name>` of an experiment; () for a word that is not there."""
    words, lists = words_in(entry), entry.arrays.get(f"near.{name}")
    if lists is None or word not in words[: len(lists)]:
        return ()
    return tuple(words[row] for row in lists[words.index(word)])


def _opened(report: Report, text: Mapping[str, Any], seed: int) -> tuple[Corpus, int]:
    report(0.0, "reading the text")
    corpus = portion(load_text(Text(**text)), seed=seed)
    size = corpus.size(BASE.min_count, BASE.most)
    if size <= NEAR:
        raise InputError(f"{corpus.title} has {size} words that come often enough; lists of {NEAR} need more.")
    return corpus, size


def _beat(report: Report, number: int, count: int, text: str) -> Callable[[float, str], None]:
    def beat(done: float, _: str) -> None:  # raises JobStopped
        report((number + done) / count, text)

    return beat


def _learned(corpus: Corpus, recipe: WordRecipe, beat: Callable[[float, str], None]) -> tuple[Vectors, float]:
    step, seconds = _last(learn(corpus, recipe, heartbeat=beat))
    return step.vectors, seconds


def _last(steps: Iterator[WordStep]) -> tuple[WordStep, float]:
    """The last step, and the processor's seconds since the first, which is untrained."""
    last = next(steps)
    begun = time.process_time()
    for last in steps:  # noqa: B007
        pass
    return last, time.process_time() - begun


def _scores(corpus: Corpus, vectors: Vectors, beat: Callable[[float, str], None]) -> dict[str, float | None]:
    found = word_scores(corpus.words[: len(vectors)], vectors, heartbeat=lambda: beat(1.0, ""))
    names = {"wordsim": "WordSim-353", "simlex": "SimLex-999", "semantic": "semantic", "syntactic": "syntactic"}
    return {name: found[test].value for name, test in names.items()}


def _nearest(words: Sequence[str], vectors: Vectors) -> NDArray[np.int32]:
    """Rows of the ten nearest of each word by cosine: int32 (n, 10)."""
    return knn_graph(Space("learned", "Learned words", tuple(words), vectors), NEAR).indices


def _about(corpus: Corpus, size: int, rows: Sequence[Any], **more: Any) -> dict[str, Any]:
    facts = {"title": corpus.title, "tokens": corpus.n_tokens, "n": size, "asked": _asked(corpus.words[:size])}
    return {"rows": list(rows), **facts, **more}


def _asked(words: Sequence[str]) -> dict[str, list[int]]:
    """Of each test of pairs how many can be asked, as both words are known, and how many there are."""
    found = {test: pair_score(test, words, np.zeros((len(words), 1), np.float32)) for test in PAIR_TESTS}
    return {test: [score.asked, score.of] for test, score in found.items()}

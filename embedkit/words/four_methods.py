"""word2vec in its two ways, fastText, GloVe and LSA on the same text: one table, one list of neighbors for each.

They share the text, its words, the window and the numbers a word; epochs and rates are each method's own. What they
learned is the training that `word_training` keeps, and is learned here only where it is not kept yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InputError, UnknownItem
from embedkit.neighbors import Neighbor, search
from embedkit.sources.corpora import Corpus
from embedkit.sources.gensim_data import word_pairs
from embedkit.space import Space, Vectors
from embedkit.store import Entry, Store, default_store, recipe_key, step_key
from embedkit.words.cooccurrence import count_pairs
from embedkit.words.gensim_models import PIECES, unseen_vector
from embedkit.words.glove import ALPHA, X_MAX
from embedkit.words.learning import BESIDE, METHODS, WordRecipe
from embedkit.words.lists import topics
from embedkit.words.lsa import WEIGHTING
from embedkit.words.scores import PAIR_TESTS, Score, pair_score
from embedkit.words.word_training import COLUMNS, Text, load_text, recipe_of, text_title, training_key, training_task
from embedkit.words.word_training import words_array as packed
from embedkit.worker import Report

if TYPE_CHECKING:
    from embedkit.jobs import Job, Pool

__all__ = [
    "EXAMPLES",
    "HEAD",
    "METHODS_TASK",
    "TESTS",
    "WITH_UNSEEN",
    "Compared",
    "Contest",
    "MethodRow",
    "PairSums",
    "Unseen",
    "compare_methods",
    "compared_of",
    "learning_bytes",
    "mapped_words",
    "maps_of",
    "methods_task",
    "pair_sums",
    "request_methods",
    "rows_of",
]

METHODS_TASK = "embedkit.words.four_methods:methods_task"
HEAD = BESIDE  # words whose vectors are kept side by side, the most frequent ones
MAPPED = 300
TESTS = (*PAIR_TESTS, "semantic", "syntactic", "all")
WITH_UNSEEN = "fastText, unseen words too"
# Words that ordinary texts of a million words lack, and some misspelled: their pieces are kept beside the table.
EXAMPLES = (
    "kinglike",
    "unhappiest",
    "musicless",
    "warlordism",
    "waterlessness",
    "queenly",
    "farmerlike",
    "cityless",
    "unscientifically",
    "misgoverned",
    "presidentially",
    "philosophizes",
    "goverment",
    "univercity",
    "musicaly",
    "blorptangle",
)


@dataclass(frozen=True)
class Contest:
    """What all methods share: the text, numbers a word, window to each side, least count of a word, seed."""

    text: Text = field(default_factory=Text)
    dims: int = 100
    window: int = 10
    min_count: int = 5
    seed: int = 0

    def params(self) -> dict[str, Any]:
        """What JSON can hold, for the recipe of a result."""
        return {"contest": asdict(self)}

    @property
    def key(self) -> str:
        """The store's key of the result."""
        return recipe_key(METHODS_TASK, **self.params())

    def recipe(self, method: str) -> WordRecipe:
        """How a method learns here; raises InputError."""
        return recipe_of(method, dims=self.dims, window=self.window, min_count=self.min_count, seed=self.seed)


@dataclass(frozen=True)
class MethodRow:
    """One method: `scores` by the names of TESTS, `seconds` of learning alone, `epochs`.

    `kept_mb`: bytes of the vectors, and of the pieces that fastText needs for unseen words. `learning_mb`: bytes of the
    arrays that it learns with (`learning_bytes`). MB are 10^6 bytes; None where there is nothing to say.
    """

    method: str
    scores: Mapping[str, Score]
    epochs: int | None = None
    seconds: float | None = None
    kept_mb: float | None = None
    learning_mb: float | None = None


def learning_bytes(recipe: WordRecipe, n: int, *, pairs: int, cells: int, buckets: int) -> int:
    """Bytes of the arrays that a method learns with, for n words; the text itself, which all read, is not counted.

    Skip-gram and CBOW: vectors and output vectors. fastText: the same, the words' own vectors, and its pieces. GloVe:
    word and context vectors with biases, each with its sum of squares, and the list of `pairs`. LSA: the `cells` of the
    PPMI matrix and three blocks of the decomposition. All are float32 and int32.
    """
    d = recipe.dims
    if recipe.method in ("skip-gram", "CBOW"):
        return 4 * 2 * n * d
    if recipe.method == "fastText":
        return 4 * (3 * n + buckets) * d
    if recipe.method == "GloVe":
        return 4 * (4 * n * (d + 1) + 3 * pairs)
    return 4 * (2 * cells + 3 * n * (min(d, n) + 20))


class _Part(Report):
    """What one training says, as a part of the whole job; its steps are kept where a training of its own keeps them."""

    def __init__(self, whole: Report, number: int, method: str, rows: list[dict[str, Any]], **own: Any) -> None:
        super().__init__(title=method, **own)
        self._whole, self._number, self._method, self._rows = whole, number, method, rows

    def __call__(self, fraction: float | None = None, text: str = "", **_: Any) -> None:
        """Pass it on; raises JobStopped when the whole was stopped."""
        done = (self._number + (fraction or 0.0)) / len(METHODS)
        self._whole(done, f"{self._method}: {text}", rows=self._rows)


def _trained(contest: Contest, recipe: WordRecipe, report: _Part, store: Store) -> Entry:
    """The training, learned now where it is not kept, with the list of its steps as a job of its own writes it."""
    key = training_key(contest.text, recipe)

    def make() -> Any:
        try:
            return training_task(report, text=contest.text.params(), recipe=asdict(recipe))
        finally:
            if report.steps:
                store.put_bytes(step_key(key, None), json.dumps(report.steps).encode(), "list of steps")

    return store.get_or_make(key, make, name=f"{recipe.method} of words")


def methods_task(
    report: Report, *, contest: dict[str, Any], store: Store | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: one method after the other; after each, the rows known so far are a step.

    The trainings are looked for, and kept, in `store`, the usual one when none is given. A method that cannot learn
    from the text is left out with its reason; raises InputError when none can.
    """
    what = Contest(**contest | {"text": Text(**contest["text"])})
    store = store or default_store()
    report(0.0, "reading the text")
    corpus = load_text(what.text)
    size = corpus.size(what.min_count, recipe_of("LSA").most)
    words = corpus.words[:size]
    arrays: dict[str, Any] = {"words": packed(words), "counts": corpus.counts[:HEAD]}
    rows: list[dict[str, Any]] = []
    meta: dict[str, Any] = {"title": corpus.title, "tokens": corpus.n_tokens, "n": size, "licence": corpus.licence}
    meta |= {"year": corpus.year, "rows": rows, "left_out": {}}
    pairs, cells = _met(corpus, size, what.window)
    for number, method in enumerate(METHODS):
        recipe = what.recipe(method)
        part = _Part(report, number, method, rows, store=store, key=training_key(what.text, recipe))
        try:
            entry = _trained(what, recipe, part, store)
        except InputError as error:
            meta["left_out"][method] = str(error)
            continue
        vectors, pieces = np.asarray(entry.arrays["vectors"]), entry.arrays.get("pieces")
        arrays[f"vectors.{method}"] = vectors[:HEAD].astype(np.float16)
        for name in ("outputs", "contexts", "biases"):
            if name in entry.arrays and method in ("skip-gram", "GloVe"):
                arrays[f"{name}.{method}"] = entry.arrays[name]
        buckets = 0 if pieces is None else len(pieces)
        learning = learning_bytes(recipe, size, pairs=pairs, cells=cells, buckets=buckets)
        kept = vectors.nbytes + (0 if pieces is None else pieces.nbytes)
        rows.append(
            {
                "method": method,
                "scores": entry.meta["scores"],
                "epochs": entry.meta["epochs"],
                "seconds": entry.meta["curve"][-1][COLUMNS.index("seconds")],
                "kept_mb": kept / 1e6,
                "learning_mb": learning / 1e6,
            }
        )
        if pieces is not None:
            rows.append({"method": WITH_UNSEEN, "scores": _open_scores(words, vectors, pieces)})
            meta["buckets"] = len(pieces)
            numbers = sorted({row for word in EXAMPLES for _, row in _pieces_of(word, len(pieces))})
            arrays |= {"piece_rows": np.array(numbers, np.int32), "pieces": pieces[numbers].astype(np.float16)}
        report.step(number, {}, {"rows": rows, "left_out": meta["left_out"]})
    if not rows:
        raise InputError("; ".join(meta["left_out"].values()))
    report(1.0, "drawing the maps", rows=rows)
    found = compared_of(Entry.of((arrays, meta)), what)
    maps = maps_of(found, mapped_words(found)[0])  # here, and not on the page, which opens at once
    arrays |= {f"map.{method}": coords for method, (coords, _) in maps.items()}
    return arrays, {**meta, "recalls": {method: recall for method, (_, recall) in maps.items()}}


def _met(corpus: Corpus, size: int, window: int) -> tuple[int, int]:
    """How many pairs of words were met, (i, j) and (j, i) as one, and how many cells of the table they fill."""
    try:
        counts = count_pairs(corpus, size, window=window)
    except InputError:  # none at all; GloVe and LSA say so themselves
        return 0, 0
    rows = np.repeat(np.arange(counts.n), np.diff(counts.starts))
    return counts.m, 2 * counts.m - int((rows == counts.cols).sum())


def _open_scores(words: Sequence[str], vectors: Vectors, pieces: Vectors) -> dict[str, Any]:
    """The tests of pairs when words that the text lacks are made of pieces; analogies ask known words alone."""
    asked = dict.fromkeys(w.lower() for test in PAIR_TESTS.values() for a, b, _ in word_pairs(test) for w in (a, b))
    known = set(words)
    extra = {word: unseen_vector(word, pieces) for word in asked if word not in known}
    extra = {word: vector for word, vector in extra.items() if vector.any()}
    more = np.stack([*extra.values()]) if extra else np.zeros((0, vectors.shape[1]), np.float32)
    names, whole = [*words, *extra], np.concatenate([vectors, more])
    return {test: asdict(pair_score(test, names, whole)) for test in PAIR_TESTS}


def _pieces_of(word: str, buckets: int) -> list[tuple[str, int]]:
    """fastText's pieces of a word, < and > at its ends, and the row of each among so many."""
    from gensim.models.fasttext import compute_ngrams, ft_hash_bytes

    return [(piece, ft_hash_bytes(piece.encode()) % buckets) for piece in compute_ngrams(word, *PIECES)]


def request_methods(contest: Contest, pool: Pool) -> Job:
    """The job that learns and measures: done if it is kept, else running or started."""
    title = f"Five trainings on {text_title(contest.text, pool.store)}"
    return pool.submit(METHODS_TASK, contest.params(), title=title, key=contest.key)


def rows_of(meta: Mapping[str, Any]) -> tuple[MethodRow, ...]:
    """The rows of a result, or of a step on the way to it."""
    found = []
    for row in meta["rows"]:
        scores = {name: Score(**score) for name, score in row["scores"].items()}
        found.append(MethodRow(**row | {"scores": scores}))
    return tuple(found)


@dataclass(frozen=True, eq=False)
class Unseen:
    """What fastText makes of a word: what is near, and each piece's share of the cosine with the nearest.

    `pieces` are letters and share, the largest first; the shares add up to the first score of `near`.
    """

    word: str
    near: tuple[Neighbor, ...]
    pieces: tuple[tuple[str, float], ...]


@dataclass(frozen=True, eq=False)
class Compared:
    """All methods on one text: `rows`, the methods `left_out` with the reason, and the vectors of the first HEAD words.

    `words` are all that have a vector, `spaces` hold the most frequent HEAD of them, by method; 16-bit numbers.
    """

    contest: Contest
    rows: tuple[MethodRow, ...]
    left_out: Mapping[str, str]
    words: tuple[str, ...]
    spaces: Mapping[str, Space]
    about: Mapping[str, Any]
    arrays: Mapping[str, Any]

    @property
    def shown(self) -> tuple[str, ...]:
        """The words that have lists of neighbors here."""
        return self.words[:HEAD]

    @cached_property
    def known(self) -> frozenset[str]:
        """All words that have a vector."""
        return frozenset(self.words)

    @property
    def maps(self) -> dict[str, tuple[Vectors, float]]:
        """Where `mapped_words` stand by each method, (n, 2), and each map's kNN recall, as `maps_of` makes them."""
        return {name: (self.arrays[f"map.{name}"], self.about["recalls"][name]) for name in self.spaces}

    def row(self, method: str) -> MethodRow:
        """The row of a method; raises InputError with the reason when there is none."""
        for row in self.rows:
            if row.method == method:
                return row
        raise InputError(self.left_out.get(method, f"There is no row for '{method}'."))

    def best(self, test: str) -> str | None:
        """The method with the highest score in a test, None when it could not be asked."""
        scored = [(row.scores[test].value, row.method) for row in self.rows if row.method in METHODS]
        known = [(value, method) for value, method in scored if value is not None]
        return max(known)[1] if known else None

    def neighbors(self, word: str, k: int = 8) -> dict[str, tuple[Neighbor, ...]]:
        """The k words nearest to a word, by method, among the first HEAD; raises UnknownItem."""
        if word not in self.shown:
            what = "words that have a vector" if word not in self.known else "most frequent words"
            raise UnknownItem(word, self.words if word not in self.known else self.shown, what)
        found = {name: search(space, word, k=k + 1) for name, space in self.spaces.items()}
        return {name: tuple(each for each in near if not each.asked)[:k] for name, near in found.items()}

    def unseen(self, word: str, pieces: Vectors | None = None, k: int = 8) -> Unseen | None:
        """What fastText makes of a word from its pieces, among the first HEAD words.

        `pieces` (b, d) are all of a finished training; without them only what is kept for EXAMPLES can be used. None
        when a piece of the word is not at hand; raises InputError for a word without pieces, or without fastText.
        """
        if "fastText" not in self.spaces:
            raise InputError(self.left_out.get("fastText", "fastText has not learned here."))
        named = _pieces_of(word, self.about["buckets"] if pieces is None else len(pieces))
        if not named:
            raise InputError(f"'{word}' has no piece of {PIECES[0]} letters, so fastText has nothing to go by.")
        if pieces is None:
            places = {int(row): place for place, row in enumerate(self.arrays["piece_rows"])}
            if any(row not in places for _, row in named):
                return None
            taken = np.asarray(self.arrays["pieces"], np.float64)[[places[row] for _, row in named]]
        else:
            taken = np.asarray(pieces, np.float64)[[row for _, row in named]]
        vector = taken.mean(0)
        space = self.spaces["fastText"]
        if not vector.any():
            raise InputError(f"The pieces of '{word}' have learned nothing.")
        near = search(space, vector.astype(np.float32), k=k)
        direction = space.unit[near[0].row].astype(np.float64)
        shares = taken @ direction / (len(named) * np.linalg.norm(vector))
        pairs = sorted(zip((piece for piece, _ in named), shares.tolist(), strict=True), key=lambda each: -each[1])
        return Unseen(word, tuple(near), tuple(pairs))


def compared_of(entry: Entry, contest: Contest) -> Compared:
    """The result as `methods_task` leaves it."""
    words = tuple(np.asarray(entry.arrays["words"]).tobytes().decode().split("\n"))
    spaces = {}
    for method in METHODS:
        if (vectors := entry.arrays.get(f"vectors.{method}")) is not None:
            key = f"{contest.key[:8]}/{method}"
            spaces[method] = Space(key, method, words[:HEAD], np.asarray(vectors, np.float32))
    return Compared(contest, rows_of(entry.meta), entry.meta["left_out"], words, spaces, entry.meta, entry.arrays)


def compare_methods(contest: Contest | None = None) -> Compared:
    """The kept result of a contest, else learned here and now, and kept."""
    what = contest or Contest()
    entry = default_store().get_or_make(
        what.key, lambda: methods_task(Report(), **what.params()), name="five trainings of words"
    )
    return compared_of(entry, what)


def mapped_words(found: Compared, many: int = MAPPED) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The words of the maps and the topic of each: four topics with most words here, then the most frequent, "".

    At most half of the words have a topic.
    """
    shown = found.shown
    lists = {topic: [word for word in words if word in shown] for topic, words in topics().items()}
    common = sorted(lists, key=lambda topic: -len(lists[topic]))[:4]
    of: dict[str, str] = {}
    for topic in common:
        for word in lists[topic][: many // 10]:
            of.setdefault(word, topic)
    others = [word for word in shown if word not in of][: many - len(of)]
    return (*of, *others), (*of.values(), *[""] * len(others))


def maps_of(found: Compared, words: Sequence[str]) -> dict[str, tuple[Vectors, float]]:
    """A map of the same words by each method, (n, 2), PCA of their directions, and its kNN recall at 10.

    The maps are turned and mirrored, which changes no distance, so that they lie as the first one does.
    """
    from scipy.linalg import orthogonal_procrustes

    from embedkit.projection import project
    from embedkit.quality import measure

    made: dict[str, tuple[Vectors, float]] = {}
    first: Vectors | None = None
    for method, space in found.spaces.items():
        unit = Space(f"{space.key}/map", method, tuple(words), space.unit[[space.rows[word] for word in words]])
        plane = project(unit, method="pca")
        recall = measure(unit, plane, k=10).recall
        coords = plane.coords - plane.coords.mean(0)
        if first is None:
            first = coords
        turn, _ = orthogonal_procrustes(coords.astype(np.float64), first.astype(np.float64))
        made[method] = (coords @ turn).astype(np.float32), recall
    return made


@dataclass(frozen=True)
class PairSums:
    """What three methods make of one pair of words, number by number; None where it has nothing to say.

    `linear` and `harmonic` are the pair's weighted counts (1 less the distance, and 1 over it); `total_a` and `total_b`
    the words' sums of linear counts, `smooth` the sum of all totals to the power of the smoothing. `dot` of GloVe is
    w_a . c_b, `biases` b_a + b_b; `output` is u_b . v_a of skip-gram.
    """

    a: str
    b: str
    linear: float
    total_a: float
    total_b: float
    smooth: float
    pmi: float | None
    harmonic: float
    weight: float
    dot: float | None
    biases: float | None
    output: float | None

    @property
    def error(self) -> float | None:
        """GloVe's weighted squared error of the pair, None when it was never met."""
        if self.dot is None or self.biases is None or not self.harmonic:
            return None
        return self.weight * (self.dot + self.biases - float(np.log(self.harmonic))) ** 2


def pair_sums(found: Compared, corpus: Corpus, a: str, b: str) -> PairSums:
    """The numbers of one pair of the first HEAD words, counted in the text anew; raises UnknownItem."""
    for word in (a, b):
        if word not in found.shown:
            raise UnknownItem(word, found.shown, "most frequent words")
    contest, size = found.contest, len(found.words)
    i, j = found.words.index(a), found.words.index(b)
    power = contest.recipe("LSA").smoothing
    starts, cols, values = count_pairs(corpus, size, window=contest.window, weighting=WEIGHTING).whole()
    totals = np.bincount(np.repeat(np.arange(size), np.diff(starts)), values.astype(np.float64), minlength=size)
    linear = _cell(starts, cols, values, i, j)
    smooth = float((totals[totals > 0] ** power).sum())
    pmi = float(np.log(linear * smooth / (totals[i] * totals[j] ** power))) if linear else None
    near = count_pairs(corpus, size, window=contest.window)
    low, high = sorted((i, j))
    harmonic = _cell(near.starts, near.cols, near.values, high, low)
    dot = biases = output = None
    if "contexts.GloVe" in found.arrays:
        context, own = (np.asarray(found.arrays[f"{name}.GloVe"], np.float64) for name in ("contexts", "biases"))
        word = np.asarray(found.arrays["vectors.GloVe"], np.float64)[i] - context[i]
        dot, biases = float(word @ context[j]), float(own[i, 0] + own[j, 1])
    if "outputs.skip-gram" in found.arrays:
        vectors, outputs = (found.arrays[f"{name}.skip-gram"] for name in ("vectors", "outputs"))
        output = float(np.asarray(vectors[i], np.float64) @ np.asarray(outputs[j], np.float64))
    weight = min(1.0, (harmonic / X_MAX) ** ALPHA)
    return PairSums(
        a, b, linear, float(totals[i]), float(totals[j]), smooth, pmi, harmonic, weight, dot, biases, output
    )


def _cell(starts: Any, cols: Any, values: Any, row: int, column: int) -> float:
    part = slice(int(starts[row]), int(starts[row + 1]))
    place = np.flatnonzero(cols[part] == column)
    return float(values[part][place[0]]) if len(place) else 0.0

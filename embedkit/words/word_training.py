"""Learning word vectors as a job: a step kept now and then, the tests by epoch, one map for all steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError, JobStopped
from embedkit.sources.corpora import Corpus, corpus_arrays, corpus_from, lee, wikipedia
from embedkit.sources.text8 import text8
from embedkit.space import Origin, Space, Vectors, to_unit
from embedkit.store import Entry, Store, default_store, recipe_key, step_key
from embedkit.words.analogies import answer_ranks, frequent_questions
from embedkit.words.learning import WordRecipe, WordStep, learn
from embedkit.words.scores import PAIR_TESTS, pair_score, word_scores
from embedkit.worker import Report, spaced_epochs

if TYPE_CHECKING:
    from embedkit.jobs import Job, Pool
    from embedkit.projection import Projection

__all__ = [
    "COLUMNS",
    "HEAD",
    "KEPT",
    "METHOD_KEYS",
    "TEXTS",
    "Text",
    "WordsSeen",
    "curve_of",
    "keep_text",
    "kept_epochs",
    "kept_training",
    "load_text",
    "places_of",
    "plane_of",
    "recipe_of",
    "request_training",
    "seen_at",
    "space_of",
    "text_title",
    "training_key",
    "training_task",
    "words_array",
]

TASK = "embedkit.words.word_training:training_task"
KEPT = 8  # steps, the untrained one among them: as many columns as a table of neighbors has room for
HEAD = 20_000  # words of a step that is not the last
MAPPED = 1_000  # words on the map
QUESTIONS = 5
COLUMNS = ("epoch", "loss", "words", "seconds", *PAIR_TESTS, *(f"question {n + 1}" for n in range(QUESTIONS)))

METHOD_KEYS = {
    "skip-gram": "words/word2vec",
    "CBOW": "words/word2vec",
    "fastText": "words/fasttext",
    "GloVe": "words/glove",
    "LSA": "words/lsa",
}
TEXTS = {
    "wikipedia": "Sample of English Wikipedia",
    "lee": "Lee corpus of news",
    "text8": "text8",
    "own": "Your text",
}

# What a page and a method start with, for texts of some 100,000 to 1,000,000 words. Windows: the notes of word2vec.c
# (about 10 for skip-gram, about 5 for CBOW), the GloVe paper (10), Levy et al. 2015 (2 for SVD). Epochs and rate of
# skip-gram: lowest loss on a tenth of the paragraphs held out of the sample of Wikipedia (docs/train-words.md).
_STARTS: dict[str, dict[str, Any]] = {
    "skip-gram": {"window": 10, "sample": 1e-4, "epochs": 8, "rate": 0.05},
    "CBOW": {"window": 5, "sample": 1e-4, "epochs": 20, "rate": 0.05},
    "fastText": {"window": 10, "sample": 1e-4, "epochs": 8, "rate": 0.05},
    "GloVe": {"window": 10, "epochs": 25, "rate": 0.05},
    "LSA": {"window": 2, "epochs": 1},
}


def recipe_of(method: str, **given: Any) -> WordRecipe:
    """The recipe of a method with what suits it, changed as given; raises InputError."""
    return WordRecipe(method, **(_STARTS.get(method, {}) | given))


@dataclass(frozen=True)
class Text:
    """A text to learn from: "wikipedia", "lee", "text8" once it was fetched, or "own" with its key in the store."""

    key: str = "wikipedia"
    own: str = ""

    def params(self) -> dict[str, Any]:
        """What JSON can hold, for the recipe of a result."""
        return asdict(self)


@lru_cache(maxsize=2)
def load_text(text: Text) -> Corpus:
    """The text as word numbers, shared; raises NotInstalled, InputError when a person's own is no longer kept."""
    if text.key == "wikipedia":
        return wikipedia()
    if text.key == "lee":
        return lee()
    if text.key == "text8":
        return text8()
    if text.key != "own":
        raise InputError(f"There is no text '{text.key}'; use one of: {', '.join(TEXTS)}.")
    entry = default_store().get(text.own) if text.own else None
    if entry is None:
        raise InputError("Your text is no longer kept here. Give it again.")
    return corpus_from(entry)


def keep_text(corpus: Corpus, store: Store) -> Text:
    """Put a person's own text where a worker finds it; equal texts are kept once."""
    key = recipe_key("own text", digest=corpus.digest, title=corpus.title)
    if store.get_meta(key) is None and not store.put(key, *corpus_arrays(corpus), "own text"):
        raise InputError("There is no room on the disk to hand your text to a training. Free some space.")
    return Text("own", own=key)


def text_title(text: Text, store: Store) -> str:
    """The title of a text, which is not read for it."""
    known = store.get_meta(text.own) if text.key == "own" and text.own else None
    return str(known["title"]) if known else TEXTS.get(text.key, text.key)


def kept_epochs(epochs: int) -> tuple[int, ...]:
    """The epochs whose steps are kept: 0, then ever further apart; the last always."""
    return spaced_epochs(epochs, KEPT)


def _params(text: Text, recipe: WordRecipe) -> dict[str, Any]:
    return {"text": text.params(), "recipe": asdict(recipe)}


def training_key(text: Text, recipe: WordRecipe) -> str:
    """The store's key of a training."""
    return recipe_key(TASK, **_params(text, recipe))


def request_training(text: Text, recipe: WordRecipe, pool: Pool) -> Job:
    """The job of a training: done if it is kept, else running or started."""
    title = f"{recipe.method.replace('skip', 'Skip')} on {text_title(text, pool.store)}"
    return pool.submit(TASK, _params(text, recipe), title=title, key=training_key(text, recipe))


def kept_training(text: Text, recipe: WordRecipe) -> Entry:
    """The finished training: the one kept in the store, else trained here and now, and kept."""

    def make() -> Any:
        return training_task(Report(), **_params(text, recipe))

    return default_store().get_or_make(training_key(text, recipe), make, name=f"{recipe.method} of words")


def training_task(
    report: Report, *, text: dict[str, Any], recipe: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: learn, test every epoch, keep some steps, and return the last one with all its scores."""
    where, what = Text(**text), WordRecipe(**recipe)
    report(0.0, "reading the text")
    corpus = load_text(where)
    size = corpus.size(what.min_count, what.most)
    words = corpus.words[:size]
    questions = frequent_questions({word: row for row, word in enumerate(words)}, QUESTIONS)
    rows = np.array([[words.index(word) for word in each] for each in questions], np.int64).reshape(-1, 4)
    curve: list[list[float | None]] = []
    kept, step = set(kept_epochs(what.epochs)), None

    def beat(done: float, said: str) -> None:  # raises JobStopped
        report(done, said, curve=curve)

    def measured(step: WordStep) -> list[float | None]:
        tests = [pair_score(test, words, step.vectors).value for test in PAIR_TESTS]
        ranks = answer_ranks(to_unit(step.vectors), rows).tolist() if len(rows) else []
        loss = None if np.isnan(step.loss) else step.loss
        return [step.epoch, loss, step.words, step.seconds, *tests, *ranks, *[None] * (QUESTIONS - len(ranks))]

    def about(step: WordStep) -> dict[str, Any]:
        facts = {"title": corpus.title, "tokens": corpus.n_tokens, "different": len(corpus.words), "n": size}
        facts |= {"digest": corpus.digest, "licence": corpus.licence, "year": corpus.year}
        return {"epoch": step.epoch, "epochs": step.epochs, "curve": list(curve), "questions": questions, **facts}

    def whole(step: WordStep) -> dict[str, Any]:
        return {"vectors": step.vectors, "counts": corpus.counts[:size], "words": words_array(words), **step.more}

    try:
        for step in learn(corpus, what, heartbeat=beat):
            curve.append(measured(step))
            if step.epoch in kept:
                head = step.vectors[:HEAD]
                arrays = {"vectors": head.astype(np.float16), "words": words_array(words[:HEAD])}
                report.step(step.epoch, arrays, about(step))
    except JobStopped:
        if step is not None:  # with all its words, to be taken away
            report.step(step.epoch, whole(step), about(step))
        raise
    assert step is not None
    report(1.0, "asking the analogies", curve=curve)
    scores = word_scores(words, step.vectors, heartbeat=lambda: report(1.0, "asking the analogies", curve=curve))
    return whole(step), {**about(step), "scores": {name: asdict(score) for name, score in scores.items()}}


def words_array(words: Sequence[str]) -> NDArray[np.uint8]:
    """Words as an array for the store, one a line."""
    return np.frombuffer("\n".join(words).encode(), np.uint8)


def _words(entry: Entry) -> tuple[str, ...]:
    return tuple(np.asarray(entry.arrays["words"]).tobytes().decode().split("\n"))


@dataclass(frozen=True, eq=False)
class WordsSeen:
    """What is kept of an epoch: the HEAD most frequent of `n` words as a Space, and the curve until then.

    `curve` has a row an epoch, its columns are COLUMNS, nan where nothing was measured; `words` is the number of
    running words read, questions are ranks of the right answer of `questions`, 1 is right. `about` is what is known of
    the text.
    """

    epoch: int
    epochs: int
    space: Space
    n: int
    curve: Vectors
    questions: tuple[tuple[str, ...], ...]
    about: Mapping[str, Any]


def seen_at(store: Store, key: str, epoch: int) -> WordsSeen | None:
    """What is kept of an epoch, or None when neither that step nor a result of that epoch is kept."""
    entry = store.get(step_key(key, epoch))
    if entry is None and (known := store.get_meta(key)) is not None and known["epoch"] == epoch:
        entry = store.get(key)
    if entry is None:
        return None
    meta = entry.meta
    space = Space(f"{key[:8]}/{epoch}", f"Epoch {epoch}", _words(entry)[:HEAD], entry.arrays["vectors"][:HEAD])
    questions = tuple(tuple(each) for each in meta["questions"])
    return WordsSeen(meta["epoch"], meta["epochs"], space, meta["n"], curve_of(meta["curve"]), questions, meta)


def curve_of(rows: Any) -> Vectors:
    """Rows of a curve as JSON has them, as numbers float64 (epochs, columns); what was not measured is nan."""
    table = [[np.nan if value is None else value for value in row] for row in rows]
    return np.array(table, np.float64).reshape(len(table), len(COLUMNS))


def space_of(entry: Entry, text: Text, recipe: WordRecipe) -> Space:
    """All vectors of a finished or stopped training as a Space, the most frequent word first; meta has the counts."""
    import pandas as pd

    key, meta = METHOD_KEYS[recipe.method], entry.meta
    params = {"text": text.key} | {name: value for name, value in asdict(recipe).items() if name != "seed"}
    origin = Origin(key, params, recipe.seed, meta["title"], meta["licence"], meta["year"])
    table = pd.DataFrame({"count": np.asarray(entry.arrays["counts"])})
    title = f"{recipe.method} on {meta['title']}"
    return Space(f"{key}/{text.key}", title, _words(entry), entry.arrays["vectors"], table, origin)


def plane_of(space: Space, most: int = MAPPED) -> Projection:
    """The map of the most frequent words of a space: PCA of their directions, on which other epochs can be placed."""
    from embedkit.projection import project

    shown = space.items[:most]
    unit = Space(f"{space.key}/unit", space.title, shown, space.unit[: len(shown)])
    return project(unit, method="pca")


def places_of(plane: Projection, space: Space) -> Vectors:
    """Where the words of a map stand at another epoch, (n, 2), on the same axes."""
    assert plane.space is not None
    return plane.transform(space.unit[: plane.space.n])

"""Unread titles ranked for a reader by what they have read: the mean of title vectors against a small trained network.

The titles are real, sections of gensim's sample of Wikipedia. The readers are simulated: each likes two of the topics
in assets/words/article_topics.tsv. What they have read comes from one half of the articles of each topic; what is
ranked comes from the other half, so no article stands on both sides.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.jobs import Job, Pool
from embedkit.paths import asset
from embedkit.space import Space, Vectors, to_unit
from embedkit.store import Entry, recipe_key
from embedkit.words.documents import mean_of_words, section_texts
from embedkit.words.training_pitfalls import Spread
from embedkit.worker import Report

__all__ = [
    "RANKINGS",
    "READ",
    "RULE",
    "TRAINED_ON",
    "WORDS",
    "Network",
    "Reader",
    "ReaderResult",
    "Titles",
    "area_under_curve",
    "article_topics",
    "draw_readers",
    "network_of",
    "parts_of_score",
    "reader_key",
    "reader_results",
    "reader_task",
    "request_reader",
    "score",
    "shared_titles",
    "titles_of",
    "train_network",
]

RULE = (
    "A reader likes two of 15 topics. What they have read is drawn from one half of the articles, as many titles of "
    "one topic as of the other; ranked are all titles of the other half, and right are those of the two topics."
)
RANKINGS = {
    "dot product": "u · d, u the mean of the vectors of the titles read",
    "cosine": "u · d over the lengths of both",
    "dot product, mean taken away": "u · d after the mean of all titles was taken from each title",
    "network": "a network of 32 hidden units that reads u, d and their products, number by number",
}
WORDS = ("words/word2vec", "words/lsa", "words/minilm")
READ = (1, 3, 10, 30)
TRAINED_ON = (10, 100, 1_000)  # readers whose likes a network has seen
SPLITS = 5  # of the articles in halves
TESTED = 100  # readers, for each number of titles read
LIKED = 2  # topics
SHARE_HELD = 0.25  # of all pairs of topics: nobody the networks learn from likes both of one
JUDGED = 20  # titles that a reader to learn from likes, and as many that they do not
FIRST = 10
# Chosen among 18 settings on splits 10 to 12, within the half to read alone; the splits shown are others.
HIDDEN, PASSES, BATCH, DECAY = 32, 12, 200, 10.0
TASK = "embedkit.words.reader:reader_task"


@dataclass(frozen=True, eq=False)
class Titles:
    """Titles with their vectors float32 (n, d), the topic of each, its article, and whether it is in the half to read.

    Vectors are means of words, brought by one factor for all to a mean square length of 1; `center` (d,) is the mean of
    the half to read.
    """

    names: tuple[str, ...]
    vectors: Vectors
    topics: NDArray[np.int64]
    articles: tuple[str, ...]
    readable: NDArray[np.bool_]
    topic_names: tuple[str, ...]
    unknown: int  # words that have no vector, in all titles
    left_out: int  # titles without a word that has one

    @property
    def center(self) -> Vectors:
        """The mean of the vectors of the half to read."""
        found: Vectors = self.vectors[self.readable].mean(0)
        return found

    def rows(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Row of each name; raises InputError."""
        place = {name: row for row, name in enumerate(self.names)}
        if missing := [name for name in names if name not in place]:
            raise InputError(f"There is no title '{missing[0]}' here.")
        return np.array([place[name] for name in names], np.int64)


@dataclass(frozen=True, eq=False)
class Reader:
    """A simulated reader: the two topics they like and the rows of what they have read."""

    likes: tuple[int, ...]
    read: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Network:
    """One hidden layer of ReLUs over [u, d, u d], standardized; a score is the chance that the reader likes a title."""

    mean: Vectors
    scale: Vectors
    weights: tuple[Vectors, Vectors]
    biases: tuple[Vectors, Vectors]

    def __call__(self, u: Vectors, documents: Vectors) -> Vectors:
        """Scores (n,) of documents (n, d) for a reader whose mean is `u` (d,)."""
        given = (_features(u, documents) - self.mean) / self.scale
        hidden = np.maximum(given @ self.weights[0] + self.biases[0], 0)
        found: Vectors = 1 / (1 + np.exp(-(hidden @ self.weights[1] + self.biases[1])[:, 0]))
        return found


@dataclass(frozen=True)
class ReaderResult:
    """How well unread titles are ranked, over 100 readers, and over five splits of the articles (mean, low, high).

    `ranking` is one of RANKINGS, `read` the titles read, `learned` the readers that the network learned from, 0
    without. `auc` is the chance that a title they like stands before one they do not; `first` the share of the first
    ten that they like, beside `by_chance`.
    """

    ranking: str
    read: int
    learned: int
    auc: Spread
    first: Spread
    by_chance: float


@lru_cache(maxsize=1)
def article_topics() -> dict[str, str]:
    """The topic of each article that has one; pages that only list meanings of a word have none."""
    with asset("words/article_topics.tsv").open(encoding="utf-8", newline="") as file:
        return {row["article"]: row["topic"] for row in csv.DictReader(file, delimiter="\t")}


def titles_of(words: Space, part: str = "first", split: int = 0) -> Titles:
    """The titles as means of `words`, and the half of the articles of each topic, drawn by `split`, to read from."""
    known = article_topics()
    texts = section_texts(part)
    by_article = {name: _article(name, known) for name in texts}
    texts = {name: text for name, text in texts.items() if by_article[name]}
    kept = {name: text for name, text in texts.items() if _knows(words, text)}
    space = mean_of_words(kept, words)
    articles = tuple(by_article[name] for name in space.items)
    names = tuple(dict.fromkeys(known.values()))
    topics = np.array([names.index(known[article]) for article in articles], np.int64)
    chance = np.random.default_rng([split, 0])
    readable = set[str]()
    for topic in names:
        own = [article for article, its in known.items() if its == topic]
        readable.update(own[place] for place in chance.permutation(len(own))[: (len(own) + 1) // 2])
    size = float(np.sqrt((space.vectors.astype(np.float64) ** 2).sum(1).mean()))
    return Titles(
        space.items,
        (space.vectors / size).astype(np.float32),
        topics,
        articles,
        np.array([article in readable for article in articles]),
        names,
        int(space.meta["unknown"].sum()),
        len(texts) - len(kept),
    )


@lru_cache(maxsize=6)
def shared_titles(words: str = "words/word2vec", part: str = "first", split: int = 0) -> Titles:
    """`titles_of` the method of words with this key, shared."""
    from embedkit.registry import load

    return titles_of(load(words), part, split)


def _article(name: str, known: Mapping[str, str]) -> str:
    """The article of a section's name, "" if it has no topic; an article's own name may hold a colon."""
    return next((a for a in (name, name.split(": ", 1)[0]) if a in known), "")


def _knows(words: Space, text: str) -> bool:
    from embedkit.sources.corpora import tokens

    return any(word in words.rows for word in tokens(text))


def draw_readers(
    titles: Titles, count: int, read: int | None, *, tested: bool, split: int = 0, seed: int = 0
) -> list[Reader]:
    """Simulated readers who have read `read` titles, or 1, 3, 10 or 30 by chance; `tested` ones like other pairs of
    topics than those to learn from. Where a topic has too few titles, the other one gives the rest."""
    pairs = list(combinations(range(len(titles.topic_names)), LIKED))
    np.random.default_rng([split, 1]).shuffle(pairs)
    border = round(SHARE_HELD * len(pairs))
    pairs = pairs[:border] if tested else pairs[border:]
    chance = np.random.default_rng([split, seed, 2 + tested])
    found = []
    for number in range(count):
        likes = tuple(int(topic) for topic in chance.permutation(pairs[number % len(pairs)]))
        many = int(chance.choice(READ)) if read is None else read
        columns = [chance.permutation(np.flatnonzero(titles.readable & (titles.topics == topic))) for topic in likes]
        shares = [(many + 1) // LIKED, many // LIKED]
        first = [rows[:share] for rows, share in zip(columns, shares, strict=True)]
        rest = [rows[share:] for rows, share in zip(columns, shares, strict=True)]
        rows = np.concatenate([*first, *rest])[:many] if sum(map(len, first)) < many else np.concatenate(first)
        found.append(Reader(likes, rows))
    return found


def score(
    ranking: str, titles: Titles, read: NDArray[np.int64], asked: NDArray[np.int64], network: Network | None = None
) -> Vectors:
    """Scores (m,) of the titles `asked` for somebody who has read the rows `read`, by one of RANKINGS."""
    if not len(read):
        raise InputError("Nothing has been read, so there is nothing to rank by. Pick a title.")
    u, documents = titles.vectors[read].mean(0), titles.vectors[asked]
    if ranking == "network":
        if network is None:
            raise InputError("The network has not been trained.")
        return network(u, documents)
    if ranking == "dot product, mean taken away":
        u, documents = u - titles.center, documents - titles.center
    elif ranking == "cosine":
        u, documents = to_unit(u[None])[0], to_unit(documents)
    elif ranking != "dot product":
        raise InputError(f"There is no ranking '{ranking}'; use one of: {', '.join(RANKINGS)}.")
    found: Vectors = documents @ u
    return found


def parts_of_score(titles: Titles, read: NDArray[np.int64], asked: int, *, centered: bool = False) -> Vectors:
    """What each title read adds to the dot product of a title: t · d / n, float64 (n,); their sum is the score."""
    center = titles.center.astype(np.float64) if centered else np.zeros(titles.vectors.shape[1])
    found: Vectors = (titles.vectors[read] - center) @ (titles.vectors[asked] - center) / len(read)
    return found


def _features(u: Vectors, documents: Vectors) -> Vectors:
    """What the network reads: u, d and their products, number by number: (n, 3 d)."""
    return np.hstack([np.broadcast_to(u, documents.shape), documents, u * documents])


def train_network(
    titles: Titles,
    readers: Sequence[Reader],
    seed: int = 0,
    heartbeat: Callable[[float], None] = lambda done: None,
) -> Network:
    """A network that learns whether a reader likes a title, from what other readers like and do not.

    From each reader it is shown 20 unread titles that they like and 20 that they do not, all of the half to read.
    """
    from sklearn.neural_network import MLPClassifier

    chance = np.random.default_rng([seed, 5])
    given, wanted = [], []
    for reader in readers:
        unread = np.setdiff1d(np.flatnonzero(titles.readable), reader.read)
        liked = np.isin(titles.topics[unread], reader.likes)
        shown = [chance.permutation(unread[liked == yes])[:JUDGED] for yes in (True, False)]
        given += [_features(titles.vectors[reader.read].mean(0), titles.vectors[rows]) for rows in shown]
        wanted += [np.full(len(rows), yes) for rows, yes in zip(shown, (True, False), strict=True)]
    table, labels = np.vstack(given), np.concatenate(wanted)
    mean, scale = table.mean(0), table.std(0) + 1e-6
    table = (table - mean) / scale
    model = MLPClassifier((HIDDEN,), alpha=DECAY, batch_size=min(BATCH, len(table)), random_state=seed)
    for number in range(PASSES):
        heartbeat(number / PASSES)
        model.partial_fit(table, labels, classes=[False, True])
    weights, biases = (
        tuple(np.asarray(each, np.float32) for each in part) for part in (model.coefs_, model.intercepts_)
    )
    return Network(mean.astype(np.float32), scale.astype(np.float32), (weights[0], weights[1]), (biases[0], biases[1]))


def area_under_curve(liked: NDArray[np.bool_], scores: Vectors) -> float:
    """The chance that a liked title scores above another, a tie counting half (Mann and Whitney 1947)."""
    from scipy.stats import rankdata

    count = int(liked.sum())
    if not 0 < count < len(liked):
        raise InputError("An AUC needs titles that are liked and titles that are not.")
    return float((rankdata(scores)[liked].sum() - count * (count + 1) / 2) / (count * (len(liked) - count)))


def _first(liked: NDArray[np.bool_], scores: Vectors) -> float:
    return float(liked[np.argsort(-scores, kind="stable")[:FIRST]].mean())


# The experiment


def reader_key(words: str, part: str, seed: int = 0) -> str:
    """The store's key of the experiment."""
    return recipe_key(TASK, words=words, part=part, seed=seed)


def request_reader(words: str, part: str, pool: Pool, seed: int = 0) -> Job:
    """The job that draws readers, trains networks on some and ranks for others; `words` is one of WORDS."""
    return pool.submit(TASK, {"words": words, "part": part, "seed": seed}, title="Ranking titles for readers")


def reader_task(report: Report, *, words: str, part: str, seed: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: rankings over READ titles and networks over TRAINED_ON readers; each split is a step.

    Arrays: the network of the first split, trained on the most readers.
    """
    from embedkit.registry import load

    if words not in WORDS:
        raise InputError(f"There are no words '{words}' here; use one of: {', '.join(WORDS)}.")
    report(0.0, "reading titles")
    table = load(words)
    rows: list[dict[str, Any]] = []
    arrays: dict[str, Any] = {}
    for number, split in enumerate(range(seed, seed + SPLITS)):
        titles = titles_of(table, part, split)
        networks = {}
        for place, count in enumerate(TRAINED_ON):

            def beat(done: float, number: int = number, place: int = place) -> None:  # raises JobStopped
                report((number + (place + done) / len(TRAINED_ON)) / SPLITS, f"split {number + 1} of {SPLITS}")

            readers = draw_readers(titles, count, None, tested=False, split=split)
            networks[count] = train_network(titles, readers, split, beat)
        rows += [{"split": number, **row} for row in _measured(titles, networks, split)]
        if number == 0:
            arrays = _arrays_of(networks[TRAINED_ON[-1]])
        report.step(number, arrays, _about(titles, rows))
    return arrays, _about(titles, rows)


def _about(titles: Titles, rows: Sequence[Any]) -> dict[str, Any]:
    facts = {"titles": len(titles.names), "left_out": titles.left_out, "unknown": titles.unknown}
    return {"rows": list(rows), **facts}


def _measured(titles: Titles, networks: Mapping[int, Network], split: int) -> list[dict[str, Any]]:
    asked = np.flatnonzero(~titles.readable)
    found = []
    for read in READ:
        readers = draw_readers(titles, TESTED, read, tested=True, split=split)
        liked = [np.isin(titles.topics[asked], reader.likes) for reader in readers]
        cases: list[tuple[str, int, Network | None]] = [(name, 0, None) for name in RANKINGS if name != "network"]
        cases += [("network", count, network) for count, network in networks.items()]
        for name, learned, network in cases:
            scores = [score(name, titles, reader.read, asked, network) for reader in readers]
            pairs = list(zip(liked, scores, strict=True))
            figures = {
                "auc": float(np.mean([area_under_curve(*pair) for pair in pairs])),
                "first": float(np.mean([_first(*pair) for pair in pairs])),
                "by_chance": float(np.mean([each.mean() for each in liked])),
            }
            found.append({"ranking": name, "read": read, "learned": learned, **figures})
    return found


def _arrays_of(network: Network) -> dict[str, Any]:
    names = ("mean", "scale", "weights.0", "weights.1", "biases.0", "biases.1")
    return dict(zip(names, (network.mean, network.scale, *network.weights, *network.biases), strict=True))


def network_of(entry: Entry) -> Network:
    """The network that an experiment keeps."""
    a = entry.arrays
    return Network(a["mean"], a["scale"], (a["weights.0"], a["weights.1"]), (a["biases.0"], a["biases.1"]))


def reader_results(entry: Entry) -> tuple[ReaderResult, ...]:
    """The measured rankings of a result or of a step."""
    rows: Sequence[Mapping[str, Any]] = entry.meta["rows"]
    found = []
    for case in dict.fromkeys((row["ranking"], row["read"], row["learned"]) for row in rows):
        own = [row for row in rows if (row["ranking"], row["read"], row["learned"]) == case]
        auc, first = (Spread.of([row[name] for row in own]) for name in ("auc", "first"))
        found.append(ReaderResult(*case, auc, first, float(np.mean([row["by_chance"] for row in own]))))
    return tuple(found)

"""Two towers on (query, web page) pairs: headings of Wikipedia against their sections (Huang et al. 2013).

Each tower is a bag of word vectors with learned weights and a learned linear map. The word vectors themselves stay
fixed: with learned ones, held-out pages came first less often than with untrained towers.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.jobs import Job, Pool
from embedkit.registry import load
from embedkit.sources.wikipedia_sections import Section, wikipedia_sections
from embedkit.space import Vectors, frozen, to_unit
from embedkit.store import Entry, recipe_key
from embedkit.worker import Report

__all__ = [
    "GROUPS",
    "Answer",
    "Found",
    "Hit",
    "Pages",
    "Webpages",
    "WebpagesStep",
    "bm25_scores",
    "found_by",
    "page_vectors",
    "query_vectors",
    "ranks_of",
    "request_webpages",
    "split_pages",
    "train_webpages",
    "webpages_task",
    "words_in",
]

Rows = NDArray[np.int64]
Tensor = Any  # torch loads in the functions
Csr = Any  # scipy.sparse.csr_matrix
Weights = Mapping[str, Vectors]

TASK = "embedkit.interactions.webpages:webpages_task"
OWN = 768  # numbers of a word that are its own, drawn at random; with 128 names are confused with one another
EPOCHS = 10  # with 25 the held-out part of the training pairs was found less often
BATCH = 256
RATE = 3e-3
WEIGHTS_RATE = 10 * RATE  # of the words' weights, which are logarithms
MAP_RATE = 0.3 * RATE
SCALE = 20.0  # of cosines in the softmax, at the start
DROPPED = 0.3  # share of words hidden at each look, of pages and of queries
WITH_ARTICLE = 0.7  # share of queries that name the article
INNER, INNER_WORDS = 0.3, 4  # share of queries that are words of the page instead, and how many
SATURATION = 1.2  # the k1 of BM25
LONGEST = 200  # words of a query
START = 40  # words of a page that a hit shows
GROUPS = {
    "all": "all held-out sections",
    "heading": "no word of the heading stands in the section",
    "query": "no word of the query, article or heading, stands in the section",
}
_WORD = re.compile(r"[^\W_]+")


def words_in(text: str) -> tuple[str, ...]:
    """Words of a text in lower case: runs of letters and digits."""
    return tuple(_WORD.findall(text.lower()))


@dataclass(frozen=True, eq=False)
class Pages:
    """Sections as the towers read them: n pages, V words, `dims` numbers a word."""

    sections: tuple[Section, ...]

    @property
    def n(self) -> int:
        """Number of pages."""
        return len(self.sections)

    @cached_property
    def queries(self) -> tuple[tuple[str, ...], ...]:
        """The words of article and heading of each section."""
        return tuple(words_in(f"{each.article} {each.title}") for each in self.sections)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words of texts, articles and headings, sorted."""
        found = {word for query in self.queries for word in query}
        return tuple(sorted(found.union(*(words_in(each.text) for each in self.sections))))

    @cached_property
    def rows(self) -> dict[str, int]:
        """Number by word."""
        return {word: row for row, word in enumerate(self.words)}

    @cached_property
    def counts(self) -> Csr:
        """How often each word stands in each text, csr float32 (n, V)."""
        return self.bags([words_in(each.text) for each in self.sections])

    @cached_property
    def log_idf(self) -> Vectors:
        """Logarithm of the inverse document frequency of each word, float32 (V,), with which the weights begin."""
        held_by = np.bincount(self.counts.indices, minlength=len(self.words))
        return np.log(np.log1p(self.n / (held_by + 0.5))).astype(np.float32)

    @cached_property
    def digest(self) -> str:
        """A hash of all sections."""
        whole = "\0".join(f"{each.article}\0{each.title}\0{each.text}" for each in self.sections)
        return hashlib.blake2b(whole.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def bags(self, texts: Sequence[Sequence[str]]) -> Csr:
        """Counts of the words of each text, csr float32 (len(texts), V); words that no page holds are left out."""
        from scipy.sparse import csr_matrix

        bags = [Counter(self.rows[word] for word in text if word in self.rows) for text in texts]
        ends = np.cumsum([0, *map(len, bags)])
        columns = np.fromiter((row for bag in bags for row in sorted(bag)), np.int64, ends[-1])
        values = np.fromiter((bag[row] for bag in bags for row in sorted(bag)), np.float32, ends[-1])
        return csr_matrix((values, columns, ends), shape=(len(bags), len(self.words)))


def _word_vectors(words: Sequence[str]) -> Vectors:
    """What both towers read of words: the static vector at length 1, then OWN numbers drawn by the word itself.

    Float32 (len(words), 256 + OWN), rows of about one length: a word without a static vector has its own part alone.
    """
    static = load("words/minilm")
    found = np.zeros((len(words), static.d + OWN), np.float32)
    for row, word in enumerate(words):
        own = np.random.default_rng(zlib.crc32(word.encode("utf-8", "surrogatepass"))).standard_normal(OWN, np.float32)
        known = word in static
        found[row, static.d :] = own / math.sqrt(OWN) * (1 if known else math.sqrt(2))
        if known:
            found[row, : static.d] = static.unit[static.row(word)]
    return found


def split_pages(n: int, seed: int = 0) -> tuple[Rows, Rows]:
    """Rows of n pairs to train on and rows held out, a fifth."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[n // 5 :]), np.sort(order[: n // 5])


def bm25_scores(counts: Csr, queries: Csr, k1: float = 1.2, b: float = 0.75) -> Vectors:
    """BM25 (Robertson et al. 1994) of queries against pages, float64 (q, n), from counts of words (n, V) and (q, V).

    Sum over the query's words of idf tf (k1 + 1) / (tf + k1 (1 - b + b length / mean length)), with
    idf = ln(1 + (n - n_w + 1/2) / (n_w + 1/2)), where n_w pages hold the word.
    """
    weighed = counts.astype(np.float64)
    length = np.asarray(counts.sum(1), np.float64).ravel()
    n, held_by = len(length), np.bincount(counts.indices, minlength=counts.shape[1])
    idf = np.log(1 + (n - held_by + 0.5) / (held_by + 0.5))
    norm = np.repeat(k1 * (1 - b + b * length / length.mean()), np.diff(counts.indptr))
    weighed.data = idf[counts.indices] * weighed.data * (k1 + 1) / (weighed.data + norm)
    return np.asarray((queries.astype(np.float64) @ weighed.T).todense())


@dataclass(frozen=True, eq=False)
class WebpagesStep:
    """Both towers after an epoch; 0 is untrained. `loss` is the mean over the epoch, in nats, NaN untrained.

    `weights`, float32 and read-only: `query_words` and `page_words` (V, 1), logarithms of the words' weights;
    `query_map` and `page_map` (d, d).
    """

    epoch: int
    epochs: int
    weights: Weights
    loss: float
    seconds: float


def train_webpages(
    pages: Pages,
    rows: Rows,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    vectors: Vectors | None = None,
    heartbeat: Callable[[float], None] = lambda done: None,
) -> Iterator[WebpagesStep]:
    """Train on the pairs `rows`, yielding each epoch; the first step is untrained. Same seed, same bytes.

    Softmax over the batch, from queries to pages and back. A batch holds whole articles, so that sections of one
    article compete. `vectors` (V, d) are those of the words, by default made anew; `heartbeat` is called with the share
    done, and may raise. Raises InputError on fewer than two pairs.
    """
    import torch
    from torch.nn.functional import cross_entropy

    if len(rows) < 2:
        raise InputError(f"Training needs at least 2 pairs of query and page, not {len(rows)}.")
    torch.set_num_threads(2)
    table = torch.from_numpy(_word_vectors(pages.words) if vectors is None else np.array(vectors))
    learned = {
        "query_words": torch.tensor(pages.log_idf[:, None]),
        "page_words": torch.tensor(pages.log_idf[:, None]),
        "query_map": torch.eye(table.shape[1]),
        "page_map": torch.eye(table.shape[1]),
        "scale": torch.tensor(math.log(SCALE)),
    }
    rates = {"query_words": WEIGHTS_RATE, "page_words": WEIGHTS_RATE, "query_map": MAP_RATE, "page_map": MAP_RATE}
    optimizer = torch.optim.Adam([{"params": [each.requires_grad_()]} for each in learned.values()])
    start = time.perf_counter()

    def step(epoch: int, loss: float) -> WebpagesStep:
        weights = {name: frozen(learned[name].detach().numpy()) for name in rates}
        return WebpagesStep(epoch, epochs, weights, loss, time.perf_counter() - start)

    yield step(0, float("nan"))
    chance = np.random.default_rng(seed)
    for epoch in range(1, epochs + 1):
        batches, losses = _batches(pages, rows, chance), list[float]()
        for number, batch in enumerate(batches):
            done = (epoch - 1 + number / len(batches)) / epochs
            heartbeat(done)
            pace = min(1.0, done * 20 + 0.05) * 0.5 * (1 + math.cos(math.pi * done))
            for group, name in zip(optimizer.param_groups, learned, strict=True):
                group["lr"] = rates.get(name, RATE) * pace
            asked = _tower(table, learned, "query", pages.bags([_query(pages, row, chance) for row in batch]))
            read = _tower(table, learned, "page", _saturated(_thinned(pages.counts[batch], chance)))
            logits = asked @ read.T * learned["scale"].exp()
            own = torch.arange(len(batch))
            loss = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        yield step(epoch, float(np.mean(losses)))


def _batches(pages: Pages, rows: Rows, chance: np.random.Generator) -> list[Rows]:
    """The rows article by article, articles in random order, cut into batches of about BATCH."""
    names = sorted({pages.sections[row].article for row in rows})
    place = dict(zip(names, chance.permutation(len(names)), strict=True))
    order = np.array(sorted(chance.permutation(rows), key=lambda row: place[pages.sections[row].article]), np.int64)
    return np.array_split(order, max(1, len(order) // BATCH))


def _query(pages: Pages, row: int, chance: np.random.Generator) -> list[str]:
    """Words of a query for a page: its heading with or without the article, or a few words that stand in it."""
    bag = pages.counts[row].indices
    if chance.random() < INNER and len(bag):
        return [pages.words[column] for column in chance.choice(bag, INNER_WORDS)]
    heading = list(words_in(pages.sections[row].title))
    words = list(pages.queries[row]) if not heading or chance.random() < WITH_ARTICLE else heading
    return [word for word in words if chance.random() >= DROPPED] or words


def _thinned(bags: Csr, chance: np.random.Generator) -> Csr:
    """The bags without a share of their words."""
    found = bags.copy()
    found.data[chance.random(len(found.data)) < DROPPED] = 0
    return found


def _saturated(bags: Csr) -> Csr:
    """Counts tf as tf (k1 + 1) / (tf + k1): the tenth time a word says less than the first."""
    found = bags.copy()
    found.data = found.data * (SATURATION + 1) / (found.data + SATURATION)
    return found


def _tower(table: Tensor, learned: Mapping[str, Tensor], tower: str, bags: Csr) -> Tensor:
    """Vectors of length 1 of bags of words, (b, d): the weighted sum at length 1, then the map."""
    import torch
    from torch.nn.functional import embedding, embedding_bag, normalize

    columns = torch.from_numpy(bags.indices.astype(np.int64))
    begin = torch.from_numpy(bags.indptr[:-1].astype(np.int64))
    # embedding rather than an index: the gradient of an index is summed in an order that threads decide
    weight = torch.from_numpy(bags.data) * embedding(columns, learned[f"{tower}_words"])[:, 0].exp()
    bag = embedding_bag(columns, table, begin, mode="sum", per_sample_weights=weight)
    return normalize(normalize(bag, dim=1) @ learned[f"{tower}_map"], dim=1)


def _vectors_of(bags: Csr, vectors: Vectors, weights: Weights, tower: str) -> Vectors:
    """What `_tower` gives, without learning: float32 (b, d)."""
    weighed = bags.multiply(np.exp(weights[f"{tower}_words"]).T).tocsr()
    return to_unit(to_unit(np.asarray(weighed @ vectors)) @ weights[f"{tower}_map"])


def page_vectors(pages: Pages, vectors: Vectors, weights: Weights) -> Vectors:
    """Vectors of all pages by the page's tower, length 1, float32 (n, d)."""
    return _vectors_of(_saturated(pages.counts), vectors, weights, "page")


def query_vectors(pages: Pages, rows: Rows, vectors: Vectors, weights: Weights) -> Vectors:
    """Vectors of the queries of `rows` (article and heading) by the query's tower, length 1, float32 (len(rows), d)."""
    return _vectors_of(pages.bags([pages.queries[row] for row in rows]), vectors, weights, "query")


def ranks_of(scores: Vectors, own: Rows) -> Rows:
    """The rank, from 1, of page `own[i]` in row i of `scores` (q, n); a tie counts against it."""
    found: Rows = (scores >= scores[np.arange(len(own)), own][:, None]).sum(1)
    return found


@dataclass(frozen=True)
class Found:
    """How well a method finds held-out sections among all, by their article and heading.

    `group` is one of GROUPS, `queries` how many fall into it; `recall_1` and `recall_10` are the shares found first and
    among ten, `mrr` the mean of 1 / rank. A group without queries has no row.
    """

    method: str
    group: str
    queries: int
    recall_1: float
    recall_10: float
    mrr: float


def found_by(method: str, pages: Pages, held: Rows, scores: Vectors) -> tuple[Found, ...]:
    """A method's figures in each group, from its `scores` (len(held), n)."""
    texts = [set(words_in(pages.sections[row].text)) for row in held]
    headings = [set(words_in(pages.sections[row].title)) for row in held]
    members = {
        "all": np.ones(len(held), bool),
        "heading": np.array([bool(own) and not own & text for own, text in zip(headings, texts, strict=True)], bool),
        "query": np.array([not text & set(pages.queries[row]) for row, text in zip(held, texts, strict=True)], bool),
    }
    ranks = ranks_of(scores, held)
    found = ((group, ranks[mask]) for group, mask in members.items() if mask.any())
    return tuple(
        Found(method, group, len(own), float((own == 1).mean()), float((own <= 10).mean()), float((1 / own).mean()))
        for group, own in found
    )


def _baselines(pages: Pages, held: Rows) -> list[Found]:
    """BM25, and the mean of static vectors without any training."""
    asked = pages.bags([pages.queries[row] for row in held])
    static = load("words/minilm")
    table = np.zeros((len(pages.words), static.d), np.float32)
    known = [word for word in pages.words if word in static]
    table[[pages.rows[word] for word in known]] = static.vectors[[static.row(word) for word in known]]
    means = to_unit(np.asarray(asked @ table)) @ to_unit(np.asarray(pages.counts @ table)).T
    scores = {"BM25": bm25_scores(pages.counts, asked), "mean of static vectors": means}
    return [row for name, each in scores.items() for row in found_by(name, pages, held, each)]


def request_webpages(pool: Pool, *, seed: int = 0) -> Job:
    """The job that trains the towers on Wikipedia's sections: done if it is kept, else running or started."""
    key = recipe_key(TASK, seed=seed, pages=Pages(wikipedia_sections()).digest)  # another sample, another result
    return pool.submit(TASK, {"seed": seed}, title="Two towers on Wikipedia's sections", key=key)


def webpages_task(report: Report, *, seed: int = 0, epochs: int = EPOCHS) -> tuple[dict[str, Vectors], dict[str, Any]]:
    """Task of a worker: train on four fifths of the sections, and look for the others among all.

    Arrays: `pages` float32 (n, d) and the weights of the last `WebpagesStep`. Meta: `rows`, each a `Found`, of the
    trained and untrained towers, BM25 and static means; `curve`, rows of epoch and loss; `held`, the held-out rows;
    `pages`, `trained`, `seconds` of training, `digest` of the sections. After each epoch the curve is a step.
    """
    report(0.0, "reading Wikipedia")
    pages = Pages(wikipedia_sections())
    trained, held = split_pages(pages.n, seed)
    vectors = _word_vectors(pages.words)
    curve: list[tuple[int, float]] = []
    rows: list[Found] = _baselines(pages, held)

    def measured(name: str, step: WebpagesStep) -> Vectors:
        read = page_vectors(pages, vectors, step.weights)
        rows.extend(found_by(name, pages, held, query_vectors(pages, held, vectors, step.weights) @ read.T))
        return read

    def beat(done: float) -> None:  # raises JobStopped
        report(done, f"epoch {len(curve)} of {epochs}", curve=curve)

    for step in train_webpages(pages, trained, epochs=epochs, seed=seed, vectors=vectors, heartbeat=beat):
        if step.epoch == 0:
            measured("two towers, untrained", step)
            continue
        curve.append((step.epoch, step.loss))
        report.step(step.epoch, {}, {"curve": curve})
    report(1.0, "measuring")
    arrays = {"pages": measured("two towers", step), **step.weights}
    meta = {"curve": curve, "held": held.tolist(), "pages": pages.n, "trained": len(trained), "seconds": step.seconds}
    return arrays, {**meta, "rows": [asdict(row) for row in rows], "digest": pages.digest, "seed": seed}


@dataclass(frozen=True)
class Hit:
    """A page that a query found: cosine `score`, first words of its text, and what each word of the query added.

    `words` are (word, part of the score), largest first; the parts sum to the score.
    """

    article: str
    section: str
    score: float
    text: str
    words: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Answer:
    """Pages for a query, best first; `unknown` are its words that neither a page nor the static table holds."""

    query: str
    hits: tuple[Hit, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Webpages:
    """Trained towers and the pages they read, ready for any query."""

    pages: Pages
    vectors: Vectors
    weights: Weights
    found: tuple[Found, ...]

    @classmethod
    def from_entry(cls, entry: Entry, sections: Sequence[Section] | None = None) -> Webpages:
        """The result of `webpages_task`; `sections` are those it was trained on, by default Wikipedia's.

        Raises DamagedFile when the sections are not those.
        """
        pages = Pages(tuple(sections) if sections is not None else wikipedia_sections())
        if pages.digest != entry.meta["digest"]:
            raise DamagedFile("These towers were trained on another sample of Wikipedia. Train them again.")
        weights = {name: np.asarray(array) for name, array in entry.arrays.items() if name != "pages"}
        found = tuple(Found(**row) for row in entry.meta["rows"])
        return cls(pages, np.asarray(entry.arrays["pages"]), weights, found)

    def search(self, query: str, k: int = 10) -> Answer:
        """The k pages nearest to a query by cosine; ties fall in the sample's order.

        A word that no page holds is read by its static vector. Raises InputError on a query without words, of
        more than LONGEST or of unknown words alone, and on k below 1.
        """
        words = words_in(query)
        if not words:
            raise InputError("Type some words to look for.")
        if len(words) > LONGEST:
            raise InputError(f"A query has at most {LONGEST} words; this one has {len(words):,}.")
        if k < 1:
            raise InputError(f"k must be at least 1, not {k}.")
        static = load("words/minilm")
        known = [word for word in words if word in self.pages.rows or word in static]
        unknown = tuple(dict.fromkeys(word for word in words if word not in known))
        if not known:
            raise InputError(f"None of these words is known: {', '.join(unknown)}. Try others.")
        parts = self._parts(known)
        scores = self.vectors @ parts.sum(0)
        best = np.argsort(-scores, kind="stable")[:k]
        return Answer(query, tuple(self._hit(int(row), float(scores[row]), known, parts) for row in best), unknown)

    def _parts(self, words: Sequence[str]) -> Vectors:
        """What each word adds to the query's vector, which is their sum: float32 (len(words), d)."""
        nowhere = math.log(math.log1p(self.pages.n / 0.5))
        own = self.weights["query_words"][:, 0]
        weight = np.exp([own[self.pages.rows[word]] if word in self.pages.rows else nowhere for word in words])
        found = (_word_vectors(words) * weight[:, None].astype(np.float32)) @ self.weights["query_map"]
        length = float(np.linalg.norm(found.sum(0)))
        return np.asarray(found / (length if length > 0 else 1))

    def _hit(self, row: int, score: float, words: Sequence[str], parts: Vectors) -> Hit:
        shares: dict[str, float] = {}
        for word, share in zip(words, parts @ self.vectors[row], strict=True):
            shares[word] = shares.get(word, 0.0) + float(share)
        section = self.pages.sections[row]
        text = section.text.split()
        start = " ".join(text[:START]) + (" ..." if len(text) > START else "")
        carried = tuple(sorted(shares.items(), key=lambda pair: (-pair[1], pair[0])))
        return Hit(section.article, section.title, score, start, carried)

"""Skip-gram, CBOW and fastText through gensim's own train(), called once and watched from outside.

It runs in a thread. A step is a copy made between two epochs, while it waits. Its inner loop hears nothing until the
text is at its end; to stop it there and then, the file that it reads is cut to nothing. So the bytes and the speed are
those of gensim alone. Skip-gram and CBOW: Mikolov et al. 2013; fastText: Bojanowski et al. 2017.
"""

from __future__ import annotations

import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.sources.corpora import Corpus
from embedkit.space import Vectors, frozen
from embedkit.words.learning import BESIDE, WordRecipe, WordStep

__all__ = ["Places", "gensim_steps", "unseen_vector"]

LAST_RATE = 1e-4  # the learning rate falls to it in a straight line, as in word2vec.c
PIECES = (3, 6)  # letters of fastText's pieces, with < and > for the ends of the word
BUCKETS = 200_000  # vectors of pieces at most; a page needs no two million, which would be 800 MB
PAIRS = 5_000  # whose loss is taken
POLL = 0.1  # seconds between two looks at the training

Heartbeat = Callable[[float, str], None]


def gensim_steps(
    corpus: Corpus,
    recipe: WordRecipe,
    heartbeat: Heartbeat = lambda done, text: None,
    *,
    outputs: bool = False,
) -> Iterator[WordStep]:
    """Skip-gram, CBOW or fastText, a step an epoch, the untrained one first.

    The loss is the mean of -log s(u.h) - sum over negatives of log s(-u.h) over 5,000 places of the text, always the
    same: h is the vector of a context word (CBOW: the mean of the window), u the output vector of the word or of a
    negative. Steps carry `outputs`, and those of fastText `pieces` for `unseen_vector`. Raises what `heartbeat` raises,
    within a second.
    """
    size = corpus.size(recipe.min_count, recipe.most)
    total = int(corpus.counts[:size].sum())
    with tempfile.TemporaryDirectory(prefix="embedkit-") as folder:
        heartbeat(0.0, "writing the text for gensim")
        path = corpus.write(Path(folder) / "text.txt", size, lambda done: heartbeat(0.0, "writing the text for gensim"))
        heartbeat(0.0, "counting words")
        model = _model(corpus, recipe, size)
        places = Places(corpus, recipe, size)
        vectors_of = _composed(model) if recipe.method == "fastText" else _plain(model)

        def step(epoch: int, seconds: float) -> WordStep:
            vectors, more = vectors_of()
            more["outputs"] = frozen(model.syn1neg[:BESIDE].astype(np.float16))
            loss = places.loss(vectors, model.syn1neg)
            if outputs:
                more = {**more, "outputs": frozen(model.syn1neg)}
            return WordStep(epoch, recipe.epochs, vectors, loss, epoch * total, seconds, more)

        yield step(0, 0.0)
        with _Run(model, path, total, recipe) as run:
            for epoch in range(1, recipe.epochs + 1):
                run.epoch(epoch, heartbeat)
                yield step(epoch, run.seconds)


def unseen_vector(word: str, pieces: Vectors) -> Vectors:
    """The vector (d,) that fastText gives a word from its pieces alone; zeros when it has none. `pieces` (b, d)."""
    from gensim.models.fasttext import ft_ngram_hashes

    rows = ft_ngram_hashes(word, *PIECES, len(pieces))
    total = np.zeros(pieces.shape[1], np.float32)
    for row in rows:  # one after the other, as gensim adds them
        total += pieces[row]
    return total / max(len(rows), 1)


def _model(corpus: Corpus, recipe: WordRecipe, size: int) -> Any:
    from gensim.models import FastText, Word2Vec

    given = {
        "vector_size": recipe.dims,
        "window": recipe.window,
        "negative": recipe.negatives,
        "alpha": recipe.rate,
        "min_alpha": min(LAST_RATE, recipe.rate),
        "sample": recipe.sample if recipe.sample < 1 else 0,  # gensim reads 1 and above as a count
        "min_count": 1,  # the head of the corpus has been cut already
        "epochs": recipe.epochs,
        "workers": recipe.threads,
        "seed": recipe.seed,
        "sg": int(recipe.method != "CBOW"),
        "sorted_vocab": 0,  # its sort turns ties around; the corpus's order is falling, and stays
    }
    if recipe.method == "fastText":
        buckets = min(BUCKETS, max(10_000, 10 * size))  # about ten different pieces a word
        model = FastText(**given, bucket=buckets, min_n=PIECES[0], max_n=PIECES[1])
    else:
        model = Word2Vec(**given)
    model.build_vocab_from_freq(dict(zip(corpus.words[:size], corpus.counts[:size].tolist(), strict=True)))
    assert tuple(model.wv.index_to_key) == corpus.words[:size]
    return model


Made = tuple[Vectors, dict[str, Vectors]]


def _plain(model: Any) -> Callable[[], Made]:
    return lambda: (frozen(model.wv.vectors.copy()), {})


def _composed(model: Any) -> Callable[[], Made]:
    """The mean of a word's own vector and its pieces; gensim composes them only at the end, word by word in Python."""
    from scipy.sparse import csr_matrix

    buckets = model.wv.buckets_word
    lengths = np.array([len(each) for each in buckets])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.concatenate([*buckets, np.zeros(0, np.uint32)]).astype(np.int32)
    shape = (len(buckets), len(model.wv.vectors_ngrams))
    sums = csr_matrix((np.ones(len(rows), np.float32), rows, starts), shape=shape)

    def made() -> Made:
        pieces = model.wv.vectors_ngrams
        whole = (model.wv.vectors_vocab + sums @ pieces) / (lengths + 1).astype(np.float32)[:, None]
        return frozen(np.ascontiguousarray(whole, np.float32)), {"pieces": frozen(pieces.copy())}

    return made


class Places:
    """Places of a text with their context and negatives, at most `pairs`, drawn once, as a training draws its own.

    `corpus` may be another text than the one that is learned, as long as its words have the same numbers and counts.
    """

    def __init__(self, corpus: Corpus, recipe: WordRecipe, size: int, pairs: int = PAIRS) -> None:
        ids, starts = corpus.head(size)
        chance = np.random.default_rng(0)  # not the recipe's seed: two seeds are compared on the same places
        counts = corpus.counts[:size].astype(np.float64)
        limit = recipe.sample * counts.sum()
        keep = np.minimum((np.sqrt(counts / limit) + 1) * limit / counts, 1) if limit > 0 else np.ones(size)
        drawn = np.sort(chance.integers(0, len(ids), 16 * pairs))
        drawn = drawn[chance.random(len(drawn)) < keep[ids[drawn]]]
        line = np.searchsorted(starts, drawn, side="right") - 1
        reach = chance.integers(1, recipe.window + 1, len(drawn))
        if recipe.method == "CBOW":
            offsets = np.array([o for o in range(-recipe.window, recipe.window + 1) if o])
            around = drawn[:, None] + offsets
            inside = np.abs(offsets) <= reach[:, None]
        else:
            around = (drawn + chance.integers(1, reach + 1) * chance.choice([-1, 1], len(drawn)))[:, None]
            inside = np.ones(around.shape, bool)
        inside &= (around >= starts[line][:, None]) & (around < starts[line + 1][:, None])
        around = np.where(inside, around, drawn[:, None])
        inside &= chance.random(around.shape) < keep[ids[around]]
        chosen = np.flatnonzero(inside.any(1))
        chosen = np.sort(chance.permutation(chosen)[:pairs])
        self.targets: NDArray[np.int32] = ids[drawn[chosen]]  # (p,)
        self.context: NDArray[np.int32] = ids[around[chosen]]  # (p, w); w is 1 but for CBOW
        self.share = (inside[chosen] / np.maximum(inside[chosen].sum(1, keepdims=True), 1)).astype(np.float32)
        noise = np.cumsum(counts**0.75)
        found = np.searchsorted(noise, chance.random((len(chosen), recipe.negatives)) * noise[-1], side="right")
        self.negatives = np.minimum(found, size - 1)  # (p, negatives)

    def loss(self, vectors: Vectors, outputs: Vectors) -> float:
        """The mean loss of the places; nan when the text has none."""
        losses = []
        for start in range(0, len(self.targets), 500):
            part = slice(start, start + 500)
            hidden = np.einsum("pw,pwd->pd", self.share[part], vectors[self.context[part]])
            targets, negatives = self.targets[part], self.negatives[part]
            right = (outputs[targets] * hidden).sum(1)
            wrong = np.einsum("pnd,pd->pn", outputs[negatives], hidden)
            counted = negatives != targets[:, None]  # gensim skips a negative that is the word itself
            losses.append(np.logaddexp(0, -right) + (np.logaddexp(0, wrong) * counted).sum(1))
        return float(np.concatenate(losses).mean(dtype=np.float64)) if losses else float("nan")


class _Stopped(Exception):  # ends gensim's train() from its callback; nobody else sees it
    pass


class _Run:
    """One call of gensim's train() in a thread that waits between epochs; leaving the block ends it."""

    def __init__(self, model: Any, path: Path, total: int, recipe: WordRecipe) -> None:
        self.seconds = 0.0  # of learning alone
        self._model, self._path, self._total, self._recipe = model, path, total, recipe
        self._bytes = path.stat().st_size
        self._go = threading.Semaphore(0)
        self._ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._stopping = False
        self._begun = 0.0
        self._left = recipe.epochs
        self._thread = threading.Thread(target=self._train, daemon=True)

    def __enter__(self) -> _Run:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping = True
        if self._left:
            with suppress(OSError):  # where it cannot be cut, the epoch is waited for
                os.truncate(self._path, 0)
        self._go.release()
        self._thread.join()

    def epoch(self, number: int, heartbeat: Heartbeat) -> None:
        """Let one epoch pass, telling `heartbeat` how far the readers of the file are."""
        before, begun = self.seconds, time.perf_counter()
        self._go.release()
        while True:
            gone = time.perf_counter() - begun
            share = self._read()
            if share is None:  # then by the time that earlier epochs took
                share = min(gone * (number - 1) / before, 0.99) if before else 0.0
            done = number - 1 + share
            speed = self._total * done / max(before + gone, 1e-9)
            said = f", {speed:,.0f} words a second" if before + gone > 0.5 else ""
            heartbeat(done / self._recipe.epochs, f"epoch {number} of {self._recipe.epochs}{said}")
            with suppress(queue.Empty):
                if (error := self._ended.get(timeout=POLL)) is not None:
                    raise error
                return

    def _read(self) -> float | None:
        """The share of the file that gensim's threads have read: where their descriptors stand, if the system tells."""
        places = []
        try:
            own = self._path.stat()
            for each in Path("/dev/fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    found = os.fstat(int(each.name))
                    if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino):
                        places.append(os.lseek(int(each.name), 0, os.SEEK_CUR))
        except OSError:
            return None
        workers = self._recipe.threads
        if len(places) != workers or not self._bytes:
            return None
        return min(max(sum(places) / self._bytes - (workers - 1) / 2, 0.0), 1.0)  # each starts at its part of the file

    def _train(self) -> None:
        try:
            self._model.train(
                corpus_file=str(self._path), total_words=self._total, epochs=self._recipe.epochs, callbacks=[self]
            )
        except _Stopped:
            pass
        except BaseException as error:
            self._ended.put(error)

    # What gensim asks of a callback

    def on_train_begin(self, _: Any) -> None:
        """Nothing is to be done."""

    def on_epoch_begin(self, _: Any) -> None:
        """Wait until the step before has been taken."""
        self._go.acquire()
        if self._stopping:
            raise _Stopped
        self._begun = time.perf_counter()

    def on_epoch_end(self, _: Any) -> None:
        """Tell that an epoch is over."""
        if self._stopping:
            raise _Stopped
        self.seconds += time.perf_counter() - self._begun
        self._left -= 1
        self._ended.put(None)
        if not self._left:  # what gensim does at the end, fastText's words one by one, is done above already
            raise _Stopped

    def on_train_end(self, _: Any) -> None:
        """Nothing is to be done."""

"""Text to train word vectors on: what a word is, what a line is, and a text as numbers, ready to train.

A word is a run of letters, in lower case; an apostrophe between letters stays ("don't"). Figures and signs are dropped.
A context never reaches over the end of a line, and a line longer than LONGEST words is cut there.
"""

from __future__ import annotations

import codecs
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.space import frozen

if TYPE_CHECKING:
    from embedkit.store import Entry

__all__ = [
    "LONGEST",
    "MOST_BYTES",
    "MOST_WORDS",
    "RULE",
    "Corpus",
    "corpus_arrays",
    "corpus_from",
    "lee",
    "read_corpus",
    "tokens",
    "wikipedia",
]

RULE = (
    "A word is a run of letters in lower case, with apostrophes inside (don't); figures and signs are dropped. "
    "A context never reaches over the end of a line."
)
LONGEST = 1_000  # words of a line; gensim cuts at 10,000 on its own, without a word
MOST_BYTES = 200_000_000
MOST_WORDS = 2_000_000  # different ones; each costs about 200 bytes while it is counted
PIECE = 1 << 20  # bytes read at once
_WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")

Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Corpus:
    """A text as word numbers: `ids` int32 (tokens,), line i is ids[starts[i]:starts[i + 1]].

    `words` are all its different words in falling order of their `counts` int64, so a vocabulary is a head of it.
    `digest` names the content: equal texts share it.
    """

    key: str
    title: str
    words: tuple[str, ...]
    counts: NDArray[np.int64]
    ids: Ints
    starts: NDArray[np.int64]
    digest: str
    licence: str
    year: int

    @property
    def n_tokens(self) -> int:
        """Running words."""
        return len(self.ids)

    @property
    def n_lines(self) -> int:
        """Lines with a word."""
        return len(self.starts) - 1

    def size(self, min_count: int, most: int | None = None) -> int:
        """How many words occur at least `min_count` times, `most` of them; raises InputError below two."""
        enough = int(np.searchsorted(-self.counts, -min_count, side="right"))
        found = enough if most is None else min(enough, most)
        if found < 2:
            said = f"of its {len(self.words):,} different words {enough} occur at least {min_count} times"
            raise InputError(f"{self.title} is too short to learn from: {said}; two are needed. Give more text.")
        return found

    def head(self, size: int) -> tuple[Ints, NDArray[np.int64]]:
        """`ids` and `starts` with the `size` most frequent words alone; the others fall out, as in word2vec."""
        keep = self.ids < size
        before = np.concatenate([[0], np.cumsum(keep)])
        return self.ids[keep], before[self.starts]

    def write(
        self, path: Path, size: int | None = None, heartbeat: Callable[[float], None] = lambda done: None
    ) -> Path:
        """Write it for gensim's `corpus_file`: a line a line, words apart by a blank, UTF-8; returns `path`.

        `heartbeat` is called with the share done, and may raise.
        """
        ids, starts = (self.ids, self.starts) if size is None else self.head(size)
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for first in range(0, len(starts) - 1, 2_000):  # a block of lines at a time, for memory
                heartbeat(first / len(starts))
                edges = starts[first : first + 2_001]
                block = [self.words[i] for i in ids[edges[0] : edges[-1]].tolist()]
                places = (edges - edges[0]).tolist()
                file.writelines(" ".join(block[a:b]) + "\n" for a, b in itertools.pairwise(places) if b > a)
        return path


def tokens(text: str) -> list[str]:
    """The words of a text by this module's rule."""
    return [word.replace("\u2019", "'") for word in _WORD.findall(text.lower())]


def read_corpus(
    data: bytes | Path,
    *,
    key: str = "own",
    title: str = "Your text",
    licence: str = "yours",
    year: int = 0,
    most_bytes: int = MOST_BYTES,
    heartbeat: Callable[[float], None] = lambda done: None,
) -> Corpus:
    """Read a UTF-8 text, bytes or a file, at most `most_bytes`.

    Raises InputError, in one sentence, on a text that is too large, empty, not UTF-8 (with the place of the first bad
    byte), or without words. `heartbeat` is called with the share done, and may raise.
    """
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if size > most_bytes:
        raise InputError(f"{title} has {size / 1e6:,.0f} MB; at most {most_bytes / 1e6:,.0f} MB are read.")
    if not size:
        raise InputError(f"{title} is empty. Give some sentences.")

    def lines() -> Iterator[list[str]]:
        for text, done in _texts(data, size, title):
            heartbeat(done)
            for line in text.split("\n"):
                yield tokens(line)

    return _built(lines(), key, title, licence, year)


def _pieces(data: bytes | Path) -> Iterator[bytes]:
    if isinstance(data, Path):
        with data.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
    else:
        for start in range(0, len(data), PIECE):
            yield data[start : start + PIECE]


def _texts(data: bytes | Path, size: int, title: str) -> Iterator[tuple[str, float]]:
    """Parts of the text cut at line ends, in very long lines at blanks, with the share read."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    read, rest = 0, ""
    for piece in _pieces(data):
        waiting = len(decoder.getstate()[0])  # bytes of a letter that the last piece cut in two
        try:
            text = decoder.decode(piece, read + len(piece) >= size)
        except UnicodeDecodeError as error:
            place = read - waiting + error.start
            raise InputError(_not_utf8(title, error.object[error.start], place, data)) from None
        if not read:
            text = text.removeprefix("\ufeff")
        read += len(piece)
        text = rest + text.replace("\r\n", "\n").replace("\r", "\n")
        cut = text.rfind("\n") + 1
        if not cut and len(text) > 4 * PIECE:
            cut = text.rfind(" ") + 1 or len(text)
        rest = text[cut:]
        if cut:
            yield text[:cut], read / size
    if rest:
        yield rest, 1.0


def _not_utf8(title: str, byte: int, place: int, data: bytes | Path) -> str:
    start = data[:2] if isinstance(data, bytes) else next(_pieces(data), b"")[:2]
    wide = start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    kind = "It looks like UTF-16. " if wide else ""
    return f"{title} is not UTF-8: byte {place:,} is 0x{byte:02x}. {kind}Save it as UTF-8 and give it again."


def _built(lines: Iterable[list[str]], key: str, title: str, licence: str, year: int) -> Corpus:
    """Count and number the words; ties in frequency stand in alphabetical order."""
    places: dict[str, int] = {}
    blocks: list[Ints] = []
    lengths: list[int] = []
    waiting: list[int] = []
    for line in lines:
        if not line:
            continue
        waiting += [places.setdefault(word, len(places)) for word in line]
        whole, left = divmod(len(line), LONGEST)
        lengths += [LONGEST] * whole + [left] * (left > 0)
        if len(waiting) > 1_000_000:
            blocks.append(np.array(waiting, np.int32))
            waiting = []
            if len(places) > MOST_WORDS:
                raise InputError(f"{title} has more than {MOST_WORDS:,} different words. Is it a text?")
    blocks.append(np.array(waiting, np.int32))
    if not lengths:
        raise InputError(f"{title} has no words: there are no letters in it. Give some sentences.")
    ids = np.concatenate(blocks)
    names = list(places)
    counts = np.bincount(ids, minlength=len(names))
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))
    new = np.empty(len(names), np.int32)
    new[order] = np.arange(len(names), dtype=np.int32)
    ids = new[ids]
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    words = tuple(names[i] for i in order)
    digest = hashlib.blake2b("\n".join(words).encode(), digest_size=12)
    digest.update(ids.tobytes())
    digest.update(starts.tobytes())
    counts = counts[order].astype(np.int64)
    return Corpus(key, title, words, frozen(counts), frozen(ids), frozen(starts), digest.hexdigest(), licence, year)


def corpus_arrays(corpus: Corpus) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A corpus as arrays and meta, for the store."""
    words = np.frombuffer("\n".join(corpus.words).encode(), np.uint8)
    arrays: dict[str, NDArray[Any]] = {
        "words": words,
        "counts": corpus.counts,
        "ids": corpus.ids,
        "starts": corpus.starts,
    }
    names = ("key", "title", "digest", "licence", "year")
    return arrays, {name: getattr(corpus, name) for name in names}


def corpus_from(entry: Entry) -> Corpus:
    """The corpus that `corpus_arrays` gave to the store."""
    arrays: Mapping[str, Any] = entry.arrays
    words = tuple(np.asarray(arrays["words"]).tobytes().decode().split("\n"))
    return Corpus(words=words, **{name: arrays[name] for name in ("counts", "ids", "starts")}, **entry.meta)


@lru_cache(maxsize=1)
def wikipedia() -> Corpus:
    """gensim's sample of English Wikipedia: the text of its sections, a paragraph a line (CC BY-SA)."""
    from embedkit.sources.wikipedia_sections import wikipedia_sections

    lines = (tokens(line) for section in wikipedia_sections() for line in section.text.split("\n"))
    return _built(lines, "wikipedia", "Sample of English Wikipedia", "CC BY-SA 3.0", 2012)


@lru_cache(maxsize=1)
def lee() -> Corpus:
    """The Lee background corpus: 300 news texts of 2000 and 2001, a text a line (Lee, Pincombe and Welsh 2005)."""
    from embedkit.sources.gensim_data import test_data

    lines = (tokens(line) for line in test_data("lee_background.cor").read_text("utf-8").splitlines())
    return _built(lines, "lee", "Lee corpus of news", "as in gensim's test data", 2005)

"""Word vectors that others trained and gensim-data serves: fetched when asked, read without running anything.

What was fetched is read once into a Parquet file of the most frequent words, in spaces/.
"""

from __future__ import annotations

import gzip
import io
import time
import uuid
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled
from embedkit.registry import method
from embedkit.sources.gensim_fetch import SHARE, GensimFile, Say, download, fetch_error, sweep_parts
from embedkit.space import Origin, Space, Vectors
from embedkit.store import default_store, home, recipe_key

__all__ = ["Pretrained", "fetch_pretrained", "fetch_task", "is_here", "tables"]

MOST = 400_000  # words: at 300 numbers each, half a gigabyte in memory
CHUNK = 2**18
STALE_TEMP_SECONDS = 3600.0


@dataclass(frozen=True)
class Pretrained:
    """What a page says about a table before it is fetched.

    `name` is gensim-data's; of its `total` words the `words` most frequent are kept ready. `megabytes` are fetched.
    """

    key: str
    name: str
    title: str
    source: str
    year: int
    licence: str
    megabytes: int
    total: int
    dims: int
    binary: bool = False
    words: int = 100_000

    @property
    def file(self) -> GensimFile:
        """What is fetched of gensim-data."""
        return GensimFile(self.key, self.name, self.title, self.megabytes)


_GLOVE = "Pennington, Socher and Manning 2014, on Wikipedia 2014 and Gigaword 5, in lower case"
_NEWS = "Mikolov et al. 2013, on Google News: words and phrases"
_FASTTEXT = "Mikolov et al. 2018, on Wikipedia 2017, UMBC and statmt.org news"

_TABLES = {
    row.key: row
    for row in (
        Pretrained("words/fasttext-news", "fasttext-wiki-news-subwords-300", "fastText", _FASTTEXT, 2018,
                   "CC-BY-SA-3.0", megabytes=1005, total=999_999, dims=300),
        Pretrained("words/glove-gigaword", "glove-wiki-gigaword-100", "GloVe", _GLOVE, 2014, "PDDL-1.0",
                   megabytes=134, total=400_000, dims=100),
        Pretrained("words/glove-gigaword-small", "glove-wiki-gigaword-50", "GloVe, small", _GLOVE, 2014, "PDDL-1.0",
                   megabytes=69, total=400_000, dims=50),
        Pretrained("words/googlenews", "word2vec-google-news-300", "word2vec, Google News", _NEWS, 2013, "not stated",
                   megabytes=1744, total=3_000_000, dims=300, binary=True),
    )
}  # fmt: skip


def tables() -> dict[str, Pretrained]:
    """The tables that can be fetched, by key."""
    return dict(_TABLES)


def is_here(key: str) -> bool:
    """Whether `embedkit.load(key)` would find a fetched table; a look at file names, nothing is read."""
    row = _row(key)
    return row.file.path.is_file() or any(_spaces().glob(f"{_stem(row)}-{row.words}-*.parquet"))


def fetch_pretrained(
    key: str, report: Say | None = None, *, list_url: str | None = None, base_url: str | None = None
) -> Space:
    """Fetch a table, check it, convert it once, and return its most frequent words; at once when it is here.

    `report(fraction, text)` is told how far it is and may raise JobStopped. What arrived before a stop or a broken
    connection is kept a week and gone on with. The addresses are by default those of gensim.downloader.
    Raises InputError for an unknown key and FetchError, in one sentence, for whatever went wrong.
    """
    from http.client import HTTPException

    row, say = _row(key), report or _silent

    def waiting() -> bool:
        say(None, f"Waiting: somebody else is fetching {row.title} just now.")
        return False

    try:
        with default_store().locked(recipe_key("fetch", name=row.name), cancelled=waiting):
            _sweep(row)
            if row.file.path.is_file() and (kept := _kept(row, row.words)) is not None:
                return kept
            space = _fetched(row, say, list_url, base_url)
            _keep(space, row, row.words)
            say(1.0, f"{row.title} is here.")
            return space
    except (OSError, HTTPException) as error:
        raise fetch_error(row.file, error) from error


def fetch_task(report: Say, *, key: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fetch_pretrained` as a job: "embedkit.words.pretrained:fetch_task"; its meta names what came.

    A stored result does not prove that the files are still there: ask `is_here`.
    """
    space = fetch_pretrained(key, report)
    return {}, {"key": key, "title": space.title, "words": space.n, "dims": space.d}


def _silent(*_: object) -> None:
    """Nobody watches."""


def _row(key: str) -> Pretrained:
    if key not in _TABLES:
        raise InputError(f"There is no table '{key}' to fetch; known: {', '.join(_TABLES)}.")
    return _TABLES[key]


def _spaces() -> Path:
    return home() / "spaces"


def _stem(row: Pretrained) -> str:
    return row.key.replace("/", "-") + "-words"  # so that "words-googlenews-words-..." is no prefix of another's files


# Opening what was fetched


def _opened(row: Pretrained, limit: int) -> Space:
    most = min(row.total, MOST)
    if not 1 <= limit <= most:
        raise InputError(f"{row.title} opens with 1 to {most:,} words, not {limit:,}.")
    count = max(limit, row.words)
    space = _kept(row, count)
    if space is None:
        if not row.file.path.is_file():
            raise NotInstalled(
                f"{row.title} is not on this machine. Fetch it ({row.megabytes:,} MB, licence {row.licence}, "
                f"{row.year}): python -m embedkit fetch {row.key}"
            )
        space = _read(row, count, _silent)
        with suppress(OSError):  # a full disk: the answer is there all the same
            _keep(space, row, count)
    return space if space.n <= limit else _space(row, space.items[:limit], space.vectors[:limit], limit)


def _space(row: Pretrained, words: tuple[str, ...], vectors: Vectors, limit: int) -> Space:
    """The meta column "rank" is the word's place by frequency, from 1."""
    import pandas as pd

    meta = pd.DataFrame({"rank": np.arange(1, len(words) + 1, dtype=np.int32)})
    origin = Origin(row.key, {"limit": limit}, data=row.name, licence=row.licence, year=row.year)
    return Space(row.key, row.title, words, vectors, meta, origin)


def _kept(row: Pretrained, count: int) -> Space | None:
    """The Space in the Parquet file of this many words; a file that does not hash to its name is removed."""
    for path in sorted(_spaces().glob(f"{_stem(row)}-{count}-*.parquet")):
        with suppress(DamagedFile, InputError):
            space = Space.from_parquet(path)
            if path.stem.endswith(f"-{space.digest}"):
                return space
        with suppress(OSError):
            path.unlink()
    return None


def _keep(space: Space, row: Pretrained, count: int) -> None:
    _spaces().mkdir(parents=True, exist_ok=True)
    temp = _spaces() / f"{_stem(row)}.{uuid.uuid4().hex}.tmp"
    try:
        space.to_parquet(temp)
        temp.replace(_spaces() / f"{_stem(row)}-{count}-{space.digest}.parquet")
    finally:
        temp.unlink(missing_ok=True)


def _read(row: Pretrained, limit: int, say: Say) -> Space:
    """Read the first `limit` words of the download, in the case of the file; of a word that comes twice, the first."""
    path, words = row.file.path, dict[str, None]()
    read_one = _binary_word if row.binary else _text_word
    try:
        with gzip.open(path, "rb") as packed, io.BufferedReader(packed, CHUNK) as file:
            total, dims = (int(number) for number in file.readline(100).split())
            if total < 1 or not 1 <= dims <= 4096:
                raise ValueError(f"its first line promises {total} words of {dims} numbers")
            vectors = np.empty((min(limit, total), dims), np.float32)
            for n in range(len(vectors)):
                name, vector = read_one(file, dims)
                if len(vector) != dims:
                    raise ValueError(f"word {n + 1} has {len(vector)} numbers, not {dims}")
                word = name.decode("utf-8", "replace")
                if word not in words:
                    vectors[len(words)] = vector
                    words[word] = None
                if n % 500 == 0:
                    say(SHARE + (1 - SHARE) * n / len(vectors), f"Reading {row.title}: {n:,} of {len(vectors):,} words")
        return _space(row, tuple(words), vectors[: len(words)], limit)
    except (gzip.BadGzipFile, EOFError, ValueError, zlib.error) as error:
        with suppress(OSError):
            path.unlink()  # so that it is fetched again when asked
        raise DamagedFile(
            f"The file of {row.title} was damaged ({error}). Fetch it again: python -m embedkit fetch {row.key}"
        ) from error
    except OSError as error:
        raise DamagedFile(f"The file of {row.title} cannot be read ({error.strerror}).") from error


def _text_word(file: BinaryIO, dims: int) -> tuple[bytes, Vectors]:
    word, *numbers = file.readline(1000 + 40 * dims).rstrip().split(b" ")
    return word, np.array(numbers, dtype=np.float32)


def _binary_word(file: BinaryIO, dims: int) -> tuple[bytes, Vectors]:
    word = bytearray()
    while (byte := file.read(1)) != b" ":
        if not byte or len(word) > 1000:
            raise ValueError("it ends within a word")
        word += byte
    vector: Vectors = np.frombuffer(file.read(4 * dims), "<f4")
    return bytes(word).lstrip(b"\n"), vector  # some writers end each vector with a line end


# Fetching


def _fetched(row: Pretrained, say: Say, list_url: str | None, base_url: str | None) -> Space:
    path = row.file.path
    if path.is_file():
        with suppress(DamagedFile):
            return _read(row, row.words, say)
    download(row.file, say, list_url, base_url, room=5 * row.words * row.dims)  # for the Parquet file
    try:
        return _read(row, row.words, say)
    except DamagedFile as error:  # its checksum is right, so the server's file itself is not what it was
        raise FetchError(f"{row.title} arrived whole, but is no table of vectors: {error.__cause__}.") from error


def _sweep(row: Pretrained) -> None:
    """Remove what broken fetches left: other files' old parts, and half-written Parquet files."""
    sweep_parts(row.file)
    for temp in _spaces().glob("*.tmp"):
        with suppress(OSError):
            if time.time() - temp.stat().st_mtime > STALE_TEMP_SECONDS:
                temp.unlink()


def _register(row: Pretrained) -> None:
    @method(
        row.key, title=row.title, kind="static", source=row.source, licence=row.licence, year=row.year, needs=(row.key,)
    )
    def opened(*, limit: int = row.words, seed: int = 0) -> Space:  # nothing is drawn
        return _opened(row, limit)

    opened.__doc__ = (
        f"{row.title}: the first words, most frequent first, in the case of the file.  # (limit, {row.dims})\n\n"
        "Raises NotInstalled before it was fetched, DamagedFile, and InputError for a limit out of range."
    )


for _table in _TABLES.values():
    _register(_table)

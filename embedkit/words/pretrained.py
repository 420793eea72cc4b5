"""Word vectors that others trained and gensim-data serves: fetched when asked, read without running anything.

gensim's own `downloader.load()` imports an `__init__.py` that it downloads. Here its list gives names and checksums,
and only the file of vectors is fetched: gensim-data/NAME/NAME.gz under `home()`, gensim's own layout. It is read once
into a Parquet file of the most frequent words, in spaces/.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import shutil
import time
import uuid
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from embedkit._version import __version__
from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled
from embedkit.registry import method
from embedkit.space import Origin, Space, Vectors
from embedkit.store import default_store, home, recipe_key

if TYPE_CHECKING:
    from http.client import HTTPException, HTTPResponse

__all__ = ["Pretrained", "fetch_pretrained", "fetch_task", "is_here", "tables"]

MOST = 400_000  # words: at 300 numbers each, half a gigabyte in memory
TIMEOUT = 30.0  # seconds of silence
CHUNK = 2**18
SHARE = 0.9  # of the progress bar is the download, the rest is reading it
STALE_PART_SECONDS = 7 * 86400.0  # a broken download waits this long to be gone on with
STALE_TEMP_SECONDS = 3600.0
NO_ROOM = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
DISK = NO_ROOM | {errno.EACCES, errno.EEXIST, errno.ENOTDIR, errno.EPERM, errno.EROFS}

Say = Callable[[float | None, str], object]


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
    return _download_path(row).is_file() or any(_spaces().glob(f"{_stem(row)}-{row.words}-*.parquet"))


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
            if _download_path(row).is_file() and (kept := _kept(row, row.words)) is not None:
                return kept
            space = _fetched(row, say, list_url, base_url)
            _keep(space, row, row.words)
            say(1.0, f"{row.title} is here.")
            return space
    except (OSError, HTTPException) as error:
        raise _fetch_error(row, error) from error


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


def _download_path(row: Pretrained) -> Path:
    return home() / "gensim-data" / row.name / f"{row.name}.gz"


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
        if not _download_path(row).is_file():
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
    path, words = _download_path(row), dict[str, None]()
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
    path = _download_path(row)
    if path.is_file():
        with suppress(DamagedFile):
            return _read(row, row.words, say)
    _download(row, path, say, list_url, base_url)
    try:
        return _read(row, row.words, say)
    except DamagedFile as error:  # its checksum is right, so the server's file itself is not what it was
        raise FetchError(f"{row.title} arrived whole, but is no table of vectors: {error.__cause__}.") from error


def _download(row: Pretrained, path: Path, say: Say, list_url: str | None, base_url: str | None) -> None:
    say(0.0, "Asking gensim-data for its list")
    if list_url is None or base_url is None:
        from gensim import downloader

        list_url, base_url = list_url or downloader.DATA_LIST_URL, base_url or downloader.DOWNLOAD_BASE_URL
    total, checksums = _listed(row, list_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    temps = [path.parent / f"{name}.part" for name in checksums]
    there = sum(temp.stat().st_size for temp in temps if temp.is_file())
    need = total * (2 if len(temps) > 1 else 1) - there + 5 * row.words * row.dims  # the Parquet file, and some room
    if (free := shutil.disk_usage(path.parent).free) < need:
        raise FetchError(f"{row.title} needs {need / 1e6:,.0f} MB on the disk; {free / 1e6:,.0f} MB are free.")
    done = 0
    for temp, (name, checksum) in zip(temps, checksums.items(), strict=True):

        def arrived(size: int, before: int = done) -> None:
            far = min(before + size, total)
            say(SHARE * far / total, f"Fetching {row.title}: {far / 1e6:,.0f} of {total / 1e6:,.0f} MB")

        done += _arrive(row, f"{base_url}/{row.name}/{name}", temp, checksum, arrived)
    if len(temps) > 1:
        whole = path.with_suffix(".whole.part")
        with whole.open("wb") as file:
            for temp in temps:
                with temp.open("rb") as part:
                    shutil.copyfileobj(part, file)
        temps = [whole]
    temps[0].replace(path)
    for temp in path.parent.glob("*.part"):
        temp.unlink(missing_ok=True)


def _listed(row: Pretrained, url: str) -> tuple[int, dict[str, str]]:
    """Bytes in all, and the MD5 checksum by file name, as gensim-data's list gives them."""
    with _ask(url) as answer:
        raw = answer.read(2**24)
    try:
        entry = json.loads(raw)["models"][row.name]
        parts, file = int(entry["parts"]), f"{row.name}.gz"
        names = {file: "checksum"} if parts == 1 else {f"{file}_0{n}": f"checksum-{n}" for n in range(parts)}
        return int(entry.get("file_size") or row.megabytes * 1e6), {n: str(entry[c]) for n, c in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(f"gensim-data's list does not say how to fetch {row.name}; it has changed since.") from error


def _arrive(row: Pretrained, url: str, temp: Path, checksum: str, arrived: Callable[[int], None]) -> int:
    """Bring `temp` to the bytes that have this checksum, going on from what it holds, and return their number."""
    for again in (True, False):
        digest = hashlib.md5(usedforsecurity=False)
        if resumed := temp.is_file():
            with temp.open("rb") as file:
                while chunk := file.read(2**20):
                    digest.update(chunk)
        if digest.hexdigest() == checksum or _append(url, temp, digest, arrived) == checksum:
            return temp.stat().st_size
        temp.unlink(missing_ok=True)
        if not (again and resumed):  # what was gone on with may have been another version: once more from the start
            break
    raise FetchError(
        f"What arrived of {row.title} is not what gensim-data's list promises (checksum differs), so it was not kept. "
        f"Try again: python -m embedkit fetch {row.key}"
    )


def _append(url: str, temp: Path, digest: Any, arrived: Callable[[int], None]) -> str:
    """Append to `temp` what the server still has, and return the checksum of the whole; "" where it refuses."""
    from urllib.error import HTTPError

    size = temp.stat().st_size if temp.is_file() else 0
    try:
        answer = _ask(url, size)
    except HTTPError as error:
        if error.code != 416 or not size:  # 416: the server's file ends before this place
            raise
        error.close()
        return ""
    with answer, temp.open("ab") as file:
        if size and answer.status != 206:  # the server does not go on, it starts over
            file.truncate(0)
            size, digest = 0, hashlib.md5(usedforsecurity=False)
        length = answer.headers["Content-Length"]
        end = size + int(length) if length else None
        while chunk := answer.read1(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
            arrived(size)
    if end is not None and size < end:
        raise ConnectionError(f"the connection broke off at {size / 1e6:,.1f} of {end / 1e6:,.1f} MB")
    return str(digest.hexdigest())


def _ask(url: str, start: int = 0) -> HTTPResponse:
    from urllib.request import Request, urlopen

    if not url.startswith(("https://", "http://")):
        raise ValueError(f"an address starts with https://, not {url!r}")
    headers = {"User-Agent": f"embedkit/{__version__}"} | ({"Range": f"bytes={start}-"} if start else {})
    answer: HTTPResponse = urlopen(Request(url, headers=headers), timeout=TIMEOUT)  # noqa: S310  # checked above
    return answer


def _sweep(row: Pretrained) -> None:
    """Remove what broken fetches left: any table's old parts, but this one's, and half-written Parquet files."""
    own, now = _download_path(row).parent, time.time()
    for path, seconds in (
        *((part, STALE_PART_SECONDS) for part in own.parent.glob("*/*.part") if part.parent != own),
        *((temp, STALE_TEMP_SECONDS) for temp in _spaces().glob("*.tmp")),
    ):
        with suppress(OSError):
            if now - path.stat().st_mtime > seconds:
                path.unlink()


def _fetch_error(row: Pretrained, error: OSError | HTTPException) -> FetchError:
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()
        if error.code in (404, 410):
            return FetchError(f"{row.title} is no longer where gensim-data had it (HTTP {error.code}, {error.url}).")
        return FetchError(f"The server of {row.title} answered HTTP {error.code}; try again later.")
    if isinstance(error, OSError) and error.errno in DISK:
        for part in _download_path(row).parent.glob("*.part") if error.errno in NO_ROOM else ():
            with suppress(OSError):
                part.unlink()  # a full disk is not left full
        return FetchError(f"{row.title} could not be kept: {error.strerror}. EMBEDKIT_HOME can name another folder.")
    reason = error.reason if isinstance(error, URLError) else error
    return FetchError(
        f"{row.title} did not arrive ({reason}). Check the network, then go on: python -m embedkit fetch {row.key}"
    )


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

"""text8: the first 100,000,000 letters of a cleaned English Wikipedia of 2006 (Mahoney 2006), from gensim-data."""

from __future__ import annotations

import gzip
import zlib
from contextlib import suppress
from functools import lru_cache
from typing import Any

from embedkit.errors import DamagedFile, FetchError, NotInstalled
from embedkit.sources.corpora import Corpus, read_corpus
from embedkit.sources.gensim_fetch import SHARE, GensimFile, Say, download, fetch_error, sweep_parts
from embedkit.store import default_store, recipe_key

__all__ = ["LICENCE", "TEXT8", "WORDS", "YEAR", "fetch_text8", "fetch_text8_task", "text8", "text8_is_here"]

TEXT8 = GensimFile("text8", "text8", "text8", 33.2, "corpora")
WORDS, YEAR, LICENCE = 17_005_207, 2006, "not stated; Wikipedia of 2006: GFDL"
MOST_BYTES = 110_000_000  # unpacked; what is longer is not text8


def text8_is_here() -> bool:
    """Whether it was fetched; a look at a file name."""
    return TEXT8.path.is_file()


@lru_cache(maxsize=1)
def text8() -> Corpus:
    """The text as word numbers, 17 million words in one line that is cut; takes some seconds once a process.

    Raises NotInstalled before it was fetched, and DamagedFile.
    """
    if not text8_is_here():
        raise NotInstalled(
            f"text8 is not on this machine. Fetch it ({TEXT8.megabytes:.0f} MB, licence {LICENCE}, {YEAR}): "
            "python -m embedkit fetch text8"
        )
    return read_corpus(_unpacked(), key="text8", title="text8", licence=LICENCE, year=YEAR)


def _unpacked() -> bytes:
    try:
        with gzip.open(TEXT8.path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
        if not data or len(data) > MOST_BYTES:
            raise ValueError("it holds no text" if not data else f"it holds more than {MOST_BYTES:,} bytes")
        return data
    except (gzip.BadGzipFile, EOFError, ValueError, zlib.error) as error:
        with suppress(OSError):
            TEXT8.path.unlink()  # so that it is fetched again when asked
        raise DamagedFile(
            f"The file of text8 was damaged ({error}). Fetch it again: python -m embedkit fetch text8"
        ) from error
    except OSError as error:
        raise DamagedFile(f"The file of text8 cannot be read ({error.strerror}).") from error


def fetch_text8(report: Say | None = None, *, list_url: str | None = None, base_url: str | None = None) -> None:
    """Fetch text8 and check it; at once when it is here. Goes on where an earlier fetch was broken off.

    `report(fraction, text)` may raise JobStopped. The addresses are by default those of gensim.downloader. Raises
    FetchError, in one sentence.
    """
    from http.client import HTTPException

    say: Say = report or (lambda fraction, text: None)

    def waiting() -> bool:
        say(None, "Waiting: somebody else is fetching text8 just now.")
        return False

    try:
        with default_store().locked(recipe_key("fetch", name=TEXT8.name), cancelled=waiting):
            sweep_parts(TEXT8)
            with suppress(DamagedFile):
                if text8_is_here() and _unpacked():
                    return
            download(TEXT8, say, list_url, base_url)
            say(SHARE, "Looking into it")
            try:
                _unpacked()
            except DamagedFile as error:
                raise FetchError(f"text8 arrived whole, but is no text: {error.__cause__}.") from error
            say(1.0, "text8 is here.")
    except (OSError, HTTPException) as error:
        raise fetch_error(TEXT8, error) from error


def fetch_text8_task(report: Say, *, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fetch_text8` as a job; `name` is "text8"."""
    fetch_text8(report)
    return {}, {"name": name}

"""Files that gensim-data serves: fetched when asked, by its list and checksums, without running anything of it.

gensim's own `downloader.load()` imports an `__init__.py` that it downloads. Here its list gives names and checksums,
and only the file itself is fetched: gensim-data/NAME/NAME.gz under `home()`, gensim's own layout.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from embedkit._version import __version__
from embedkit.errors import FetchError
from embedkit.store import home

if TYPE_CHECKING:
    from http.client import HTTPException, HTTPResponse

__all__ = ["SHARE", "GensimFile", "Say", "download", "fetch_error", "sweep_parts"]

TIMEOUT = 30.0  # seconds of silence
CHUNK = 2**18
SHARE = 0.9  # of the progress bar is the download, the rest is reading it
STALE_PART_SECONDS = 7 * 86400.0  # a broken download waits this long to be gone on with
NO_ROOM = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
DISK = NO_ROOM | {errno.EACCES, errno.EEXIST, errno.ENOTDIR, errno.EPERM, errno.EROFS}

Say = Callable[[float | None, str], object]


@dataclass(frozen=True)
class GensimFile:
    """A file of gensim-data, `name` in its list of `kind`; `key` is what a person fetches it by."""

    key: str
    name: str
    title: str
    megabytes: float
    kind: Literal["models", "corpora"] = "models"

    @property
    def path(self) -> Path:
        """Where it lies once it has arrived."""
        return home() / "gensim-data" / self.name / f"{self.name}.gz"


def download(row: GensimFile, say: Say, list_url: str | None, base_url: str | None, room: float = 0.0) -> None:
    """Bring the file to `row.path`: its parts one after the other, gone on with where they broke off, checksums right.

    `room` are bytes that must stay free beside it. The addresses are by default those of gensim.downloader. Raises
    FetchError, and OSError or HTTPException, of which `fetch_error` makes a sentence.
    """
    path = row.path
    say(0.0, "Asking gensim-data for its list")
    if list_url is None or base_url is None:
        from gensim import downloader

        list_url, base_url = list_url or downloader.DATA_LIST_URL, base_url or downloader.DOWNLOAD_BASE_URL
    total, checksums = _listed(row, list_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    temps = [path.parent / f"{name}.part" for name in checksums]
    there = sum(temp.stat().st_size for temp in temps if temp.is_file())
    need = total * (2 if len(temps) > 1 else 1) - there + room
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


def _listed(row: GensimFile, url: str) -> tuple[int, dict[str, str]]:
    """Bytes in all, and the MD5 checksum by file name, as gensim-data's list gives them."""
    with _ask(url) as answer:
        raw = answer.read(2**24)
    try:
        entry = json.loads(raw)[row.kind][row.name]
        parts, file = int(entry["parts"]), f"{row.name}.gz"
        names = {file: "checksum"} if parts == 1 else {f"{file}_0{n}": f"checksum-{n}" for n in range(parts)}
        return int(entry.get("file_size") or row.megabytes * 1e6), {n: str(entry[c]) for n, c in names.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FetchError(f"gensim-data's list does not say how to fetch {row.name}; it has changed since.") from error


def _arrive(row: GensimFile, url: str, temp: Path, checksum: str, arrived: Callable[[int], None]) -> int:
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


def sweep_parts(row: GensimFile) -> None:
    """Remove what fetches of other files left half done, a week after."""
    own, now = row.path.parent, time.time()
    for part in own.parent.glob("*/*.part"):
        with suppress(OSError):
            if part.parent != own and now - part.stat().st_mtime > STALE_PART_SECONDS:
                part.unlink()


def fetch_error(row: GensimFile, error: OSError | HTTPException) -> FetchError:
    """What went wrong with a download, in one sentence for the person; a full disk is not left full."""
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()
        if error.code in (404, 410):
            return FetchError(f"{row.title} is no longer where gensim-data had it (HTTP {error.code}, {error.url}).")
        return FetchError(f"The server of {row.title} answered HTTP {error.code}; try again later.")
    if isinstance(error, OSError) and error.errno in DISK:
        for part in row.path.parent.glob("*.part") if error.errno in NO_ROOM else ():
            with suppress(OSError):
                part.unlink()
        return FetchError(f"{row.title} could not be kept: {error.strerror}. EMBEDKIT_HOME can name another folder.")
    reason = error.reason if isinstance(error, URLError) else error
    return FetchError(
        f"{row.title} did not arrive ({reason}). Check the network, then go on: python -m embedkit fetch {row.key}"
    )

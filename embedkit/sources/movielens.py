"""MovieLens (Harper and Konstan 2015): who rated which film; read from a folder, or fetched from GroupLens on request.

Nothing of it may ship: whoever wants it fetches it for research of their own.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled
from embedkit.sources.interactions import Interactions, film_table
from embedkit.sources.picture_sets import LOCAL_ERRORS, TIMEOUT, Say
from embedkit.sources.pictures import _unique
from embedkit.store import default_store, home, recipe_key

__all__ = [
    "MovieLens",
    "fetch_movielens",
    "fetch_movielens_task",
    "is_here",
    "mcrec_split",
    "movielens",
    "movielens_sets",
]

MOST_FILE = 50 * 2**20  # bytes of one file: twenty times those of the two sets
MOST_ZIP = 20 * 2**20


@dataclass(frozen=True)
class MovieLens:
    """What a page says about an edition before it is opened or fetched.

    `url` is a zip with `folder`, of which `files` are kept; `md5` is its sum, "" where GroupLens may renew the file.
    """

    key: str
    title: str
    rows: int
    megabytes: float
    licence: str
    year: int
    url: str
    md5: str
    folder: str
    files: tuple[str, ...]


_SETS = {
    row.key: row
    for row in (
        MovieLens("movielens-100k", "MovieLens 100K", 100_000, 4.9, "research only, no redistribution", 1998,
                  "https://files.grouplens.org/datasets/movielens/ml-100k.zip", "0e33842e24a9c977be4e0107933c0723",
                  "ml-100k", ("u.data", "u.item", "u.user", "u.genre")),
        MovieLens("movielens-small", "MovieLens latest small", 100_836, 1.0,
                  "research only, redistribution under the same terms", 2018,
                  "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip", "",
                  "ml-latest-small", ("ratings.csv", "movies.csv")),
    )
}  # fmt: skip


def movielens_sets() -> dict[str, MovieLens]:
    """The editions by key."""
    return dict(_SETS)


def movielens(name: str = "movielens-100k", folder: str = "") -> Interactions:
    """The ratings of an edition, from a person's `folder` or from where `fetch_movielens` put them.

    Items are named as people say them ("The Godfather (1972)" for "Godfather, The (1972)"), genres as in MovieLens.
    Raises NotInstalled with what to do, InputError for an unknown edition or folder, DamagedFile.
    """
    row = _row(name)
    place = _found(row, folder)
    if place is None:
        raise _missing(row, folder)
    try:
        return _hundred_thousand(row, place) if row.key == "movielens-100k" else _small(row, place)
    except DamagedFile as error:
        if folder:
            raise
        raise DamagedFile(f"{error} Fetch it again: python -m embedkit fetch {row.key}") from error


def is_here(name: str, folder: str = "") -> bool:
    """Whether `movielens` would find the edition; a look at file names, nothing is read."""
    return _found(_row(name), folder) is not None


def _row(name: str) -> MovieLens:
    if name not in _SETS:
        raise InputError(f"There is no edition '{name}' of MovieLens; known: {', '.join(_SETS)}.")
    return _SETS[name]


def _found(row: MovieLens, folder: str) -> Path | None:
    with suppress(OSError, RuntimeError, ValueError):  # a folder that may not be looked into, "~nobody", a NUL
        root = Path(folder).expanduser() if folder else home() / "movielens"
        for place in (root, root / row.folder) if folder else (root / row.folder,):
            if all((place / file).is_file() for file in row.files):
                return place
    return None


def _missing(row: MovieLens, folder: str) -> InputError | NotInstalled:
    if not folder:
        return NotInstalled(
            f"{row.title} is not on this machine. Fetch it ({row.megabytes:.1f} MB, licence: {row.licence}; "
            f"{row.year}): python -m embedkit fetch {row.key}"
        )
    if not _is_folder(folder):
        return InputError(f"There is no folder '{folder}'.")
    return InputError(f"The folder '{folder}' does not hold {row.title}: {', '.join(row.files)}.")


def _is_folder(folder: str) -> bool:
    with suppress(OSError, RuntimeError, ValueError):
        return Path(folder).expanduser().is_dir()
    return False


# Reading


def _text(path: Path, encoding: str = "utf-8") -> str:
    try:
        if (size := path.stat().st_size) > MOST_FILE:
            raise DamagedFile(f"{path.name} has {size / 2**20:,.0f} MB; at most {MOST_FILE // 2**20} MB are read.")
        return path.read_bytes().decode(encoding).removeprefix("\ufeff")
    except (OSError, UnicodeDecodeError) as error:
        raise DamagedFile(f"{path.name} cannot be read: {error}.") from error


def _fields(path: Path, mark: str | None, least: int, encoding: str = "utf-8") -> Iterator[tuple[int, list[str]]]:
    """Number and fields of each line that is not empty, at least `least` of them."""
    for number, line in enumerate(_text(path, encoding).split("\n"), 1):
        if line.strip():
            fields = line.rstrip("\r").split(mark)
            if len(fields) < least:
                raise DamagedFile(f"{path.name} has {len(fields)} fields in line {number:,}, not {least}.")
            yield number, fields


def _records(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Number and these columns of each line of a CSV file."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        header = next(reader, [])
        if lacks := [column for column in columns if column not in header]:
            raise DamagedFile(f"{path.name} lacks the column {lacks[0]}.")
        places = [header.index(column) for column in columns]
        for cells in reader:
            if len(cells) != len(header):
                raise DamagedFile(
                    f"{path.name} has {len(cells)} fields in line {reader.line_num:,}, not {len(header)}."
                )
            yield reader.line_num, [cells[place] for place in places]
    except csv.Error as error:
        raise DamagedFile(f"{path.name} is no CSV in line {reader.line_num:,}: {error}.") from error


def _table(name: str, lines: Iterator[tuple[int, list[str]]]) -> NDArray[np.float64]:
    """Lines as numbers, (n, fields); ids and seconds stay exact in float64."""
    rows = []
    for number, fields in lines:
        try:
            rows.append([float(field) for field in fields])
        except ValueError as error:
            raise DamagedFile(f"{name} holds what is no number in line {number:,}: {error}.") from error
    table = np.array(rows, np.float64)
    if not rows or not np.isfinite(table).all() or (np.abs(table) > 2**52).any():
        raise DamagedFile(f"{name} holds {'a number that is not finite' if rows else 'no rows'}.")
    return table


def _places(name: str, what: str, ids: NDArray[np.float64], known: Sequence[int]) -> NDArray[np.int32]:
    """The position of each id among the known ones."""
    of = {number: place for place, number in enumerate(known)}
    try:
        return np.array([of[number] for number in ids.tolist()], np.int32)
    except KeyError as error:
        raise DamagedFile(f"{name} names the {what} {error.args[0]:.0f}, which is not listed.") from None


def _id(name: str, number: int, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        raise DamagedFile(f"{name} has '{text[:20]}' for a number in line {number:,}.")
    return int(text)


def _spoken(title: str) -> str:
    """ "The Godfather (1972)" for "Godfather, The (1972)", as MovieLens sorts by the first word that matters."""
    return re.sub(r"^(.*?), (The|A|An)(?= \(|$)", r"\2 \1", " ".join(title.split()))


def _hundred_thousand(row: MovieLens, place: Path) -> Interactions:
    import pandas as pd

    genres = [fields[0] for _, fields in _fields(place / "u.genre", "|", 2)]
    ids, names, of = [], [], []
    for number, fields in _fields(place / "u.item", "|", 5 + len(genres), "latin-1"):
        ids.append(_id("u.item", number, fields[0]))
        names.append(_spoken(fields[1]))
        flags = zip(genres, fields[5:], strict=False)
        of.append("|".join(genre for genre, flag in flags if flag == "1" and genre != "unknown"))
    people = [(_id("u.user", number, f[0]), _id("u.user", number, f[1]), f[2], f[3])
              for number, f in _fields(place / "u.user", "|", 4)]  # fmt: skip
    known = pd.DataFrame(people, columns=["id", "age", "gender", "occupation"])
    ratings = _table("u.data", ((n, fields[:4]) for n, fields in _fields(place / "u.data", None, 4)))
    return _made(row, ("u.data", ratings), known["id"].tolist(), ids, names, of, known.drop(columns="id"))


def _small(row: MovieLens, place: Path) -> Interactions:
    import pandas as pd

    ids, names, genres = [], [], []
    for number, (key, title, of) in _records(place / "movies.csv", ("movieId", "title", "genres")):
        ids.append(_id("movies.csv", number, key))
        names.append(_spoken(title))
        genres.append("" if of.startswith("(") else of)  # "(no genres listed)"
    ratings = _table("ratings.csv", _records(place / "ratings.csv", ("userId", "movieId", "rating", "timestamp")))
    users = np.unique(ratings[:, 0]).astype(np.int64).tolist()
    return _made(row, ("ratings.csv", ratings), users, ids, names, genres, pd.DataFrame(index=range(len(users))))


def _made(
    row: MovieLens,
    table: tuple[str, NDArray[np.float64]],
    users: Sequence[int],
    ids: Sequence[int],
    names: Sequence[str],
    genres: Sequence[str],
    people: Any,
) -> Interactions:
    file, ratings = table
    try:
        return Interactions(
            key=row.key,
            title=row.title,
            users=tuple(f"user {user}" for user in users),
            items=_unique(names),
            user=_places(file, "user", ratings[:, 0], users),
            item=_places(file, "film", ratings[:, 1], ids),
            rating=ratings[:, 2].astype(np.float32),
            time=ratings[:, 3].astype(np.int64),
            films=film_table(names, genres),
            people=people,
            licence=row.licence,
            year=row.year,
        )
    except InputError as error:  # a user listed twice: the file's fault, not the person's
        raise DamagedFile(str(error)) from error


def mcrec_split(folder: str, titles: Interactions | None = None) -> tuple[Interactions, Interactions]:
    """The fixed 80/20 split of MovieLens-100K of MCRec (Hu et al. 2018), to learn from and to test on.

    `folder` holds train.txt (user item rating, ids from 1) and test.txt (user item item ...). Both parts have the same
    users, all that occur, and the same items, 1 to the largest that occurs; these are named "item 12", or as in
    `titles`, MovieLens-100K itself, which has the same ids. Test rows have the rating 1, times are unknown. Raises
    InputError without the files or where `titles` do not fit, DamagedFile.
    """
    paths = [Path(folder).expanduser() / name for name in ("train.txt", "test.txt")] if _is_folder(folder) else []
    if not paths or not all(path.is_file() for path in paths):
        raise InputError(f"There is no folder '{folder}' with train.txt and test.txt.")
    learned = _table("train.txt", ((n, fields[:3]) for n, fields in _fields(paths[0], None, 3)))
    lines = ((n, [f[0], item]) for n, f in _fields(paths[1], None, 2) for item in f[1:])
    tested = _table("test.txt", lines)
    tested = np.column_stack([tested, np.ones(len(tested))])
    both = np.vstack([learned, tested])
    if (both[:, :2] % 1).any() or both[:, :2].min() < 1 or both[:, :2].max() > 1_000_000:
        raise DamagedFile("train.txt and test.txt hold ids that are no whole numbers from 1 to 1,000,000.")
    if len(np.unique(both[:, :2], axis=0)) < len(both):
        raise DamagedFile("train.txt and test.txt hold the same pair of user and item twice.")
    users = np.unique(both[:, 0]).astype(np.int64).tolist()
    count = int(both[:, 1].max())
    if titles is not None and (titles.n_items < count or titles.n_users < users[-1]):
        raise InputError(
            f"The titles have {titles.n_users:,} users and {titles.n_items:,} items, the split {users[-1]:,} and "
            f"{count:,}; give those of MovieLens-100K."
        )
    return _part("train", learned, users, count, titles), _part("test", tested, users, count, titles)


def _part(
    part: str, rows: NDArray[np.float64], users: Sequence[int], count: int, titles: Interactions | None
) -> Interactions:
    import pandas as pd

    licence = _SETS["movielens-100k"].licence
    names = titles.items if titles else tuple(f"item {i + 1}" for i in range(count))
    return Interactions(
        key=f"movielens-100k/mcrec/{part}",
        title=f"MovieLens 100K, {part} part of MCRec",
        users=tuple(f"user {user}" for user in users),
        items=names,
        user=_places(f"{part}.txt", "user", rows[:, 0], users),
        item=(rows[:, 1] - 1).astype(np.int32),
        rating=rows[:, 2].astype(np.float32),
        time=np.zeros(len(rows), np.int64),
        films=titles.films if titles else film_table(names),
        people=titles.people.iloc[np.array(users) - 1] if titles else pd.DataFrame(index=range(len(users))),
        licence=licence,
        year=2018,
    )


# Fetching


def fetch_movielens(name: str = "movielens-100k", report: Say | None = None) -> Path:
    """Fetch an edition from GroupLens, check it, and return the folder of its files.

    What is here and can be read is not fetched again. `report(fraction, text)` is told how far it is and may raise
    JobStopped; files appear whole or not at all. Raises FetchError, in one sentence, for whatever went wrong.
    """
    row, say = _row(name), report or _silent

    def waiting() -> bool:
        say(None, f"Waiting: somebody else is fetching {row.title} just now.")
        return False

    place = home() / "movielens" / row.folder
    try:
        with default_store().locked(recipe_key("fetch movielens", name=name), cancelled=waiting):
            if not _is_whole(row):
                content = _unpacked(row, _arrived(row, say))
                place.mkdir(parents=True, exist_ok=True)
                for file, data in content.items():
                    _write(place / file, data)
            say(1.0, f"{row.title} is here.")
            return place
    except (OSError, HTTPException) as error:
        raise _fetch_error(row, error) from error


def fetch_movielens_task(report: Say, *, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fetch_movielens` as a task of a worker; its meta names what came."""
    fetch_movielens(name, report)
    return {}, {"name": name, "title": _row(name).title, "rows": _row(name).rows}


def _silent(*_: object) -> None:
    """Nobody watches."""


def _is_whole(row: MovieLens) -> bool:
    try:
        return bool(movielens(row.key).n)
    except (NotInstalled, DamagedFile, InputError):
        return False


def _arrived(row: MovieLens, say: Say) -> bytes:
    """The bytes of the zip, checked against the length that the server states and the published sum."""
    from urllib.request import urlopen

    say(0.0, f"Asking for {row.title}")
    with urlopen(row.url, timeout=TIMEOUT) as answer:  # noqa: S310  # an address of ours, https
        stated = int(answer.headers.get("Content-Length") or 0)
        data = bytearray()
        while piece := answer.read(2**16):
            data += piece
            if len(data) > MOST_ZIP:
                raise FetchError(f"{row.title} is larger than {MOST_ZIP // 2**20} MB, which it was not; not kept.")
            done = min(len(data) / (stated or row.megabytes * 1e6), 1.0)
            say(0.95 * done, f"Fetching {row.title}: {len(data) / 1e6:.1f} of {row.megabytes:.1f} MB")
    if len(data) < stated:
        again = f"python -m embedkit fetch {row.key}"
        raise FetchError(f"{row.title} broke off at {len(data):,} of {stated:,} bytes. Try again: {again}")
    if row.md5 and hashlib.md5(data, usedforsecurity=False).hexdigest() != row.md5:
        raise FetchError(
            f"What arrived of {row.title} is not what its publishers promise (checksum differs), so it was not kept. "
            f"Try again: python -m embedkit fetch {row.key}"
        )
    return bytes(data)


def _unpacked(row: MovieLens, data: bytes) -> dict[str, bytes]:
    """The files that are needed, by their exact names; other members are not looked at."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            content = {}
            for file in row.files:
                with archive.open(f"{row.folder}/{file}") as member:  # the stated size may lie
                    content[file] = member.read(MOST_FILE + 1)
                if not 0 < len(content[file]) <= MOST_FILE:
                    raise zipfile.BadZipFile(f"{file} is empty or larger than {MOST_FILE // 2**20} MB")
            return content
    except Exception as error:  # a broken zip raises many kinds: BadZipFile, KeyError, zlib.error, struct.error
        reason = str(error).strip("'\"") or type(error).__name__
        raise FetchError(f"What arrived of {row.title} is not the zip that was meant: {reason}.") from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _fetch_error(row: MovieLens, error: OSError | HTTPException) -> FetchError:
    from urllib.error import HTTPError, URLError

    if isinstance(error, HTTPError):
        error.close()
        if error.code in (404, 410):
            return FetchError(f"{row.title} is no longer where GroupLens had it (HTTP {error.code}, {row.url}).")
        return FetchError(f"The server of {row.title} answered HTTP {error.code}; try again later.")
    if isinstance(error, OSError) and error.errno in LOCAL_ERRORS:
        return FetchError(f"{row.title} could not be kept: {error.strerror}. EMBEDKIT_HOME can name another folder.")
    reason = error.reason if isinstance(error, URLError) else error
    again = f"python -m embedkit fetch {row.key}"
    return FetchError(f"{row.title} did not arrive ({reason}). Check the network, then try again: {again}")

"""Interactions: who watched, read or bought what, and when; a person's own table of them from CSV or Parquet."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import json
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedkit.errors import EmbedkitError, InputError
from embedkit.sources.pictures import _reason

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Interactions", "film_table", "own_table", "title_and_year"]

MOST_ROWS, MOST_BYTES = 1_000_000, 200 * 2**20
LONGEST_NAME = 200  # characters of a user or an item
FEW = 5  # rows of a user, below which all of them are for learning

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Interactions:
    """n rows (user, item, rating, time) between named users and named items, checked once, at birth.

    `user` and `item` are int32 (n,), positions in `users` and `items`, whose names are unique; `rating` is float32
    (n,), 1 where the data have none; `time` is int64 (n,), seconds since 1970, 0 where unknown. All are read-only.
    `films` has a row for each item: title, year (0: unknown), genres ("Action|Comedy", "": unknown); `people` a row for
    each user with what is known of them, perhaps no columns. `simulated` is the rule that made the rows, "" for real
    ones; `notes` are sentences about what did not fit. Raises InputError, naming the first row that does not fit.
    """

    key: str
    title: str
    users: tuple[str, ...]
    items: tuple[str, ...]
    user: NDArray[np.int32]
    item: NDArray[np.int32]
    rating: NDArray[np.float32]
    time: NDArray[np.int64]
    films: pd.DataFrame
    people: pd.DataFrame
    licence: str
    year: int
    simulated: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        user = _places(self.user, self.users, "user", self.title)
        item = _places(self.item, self.items, "item", self.title)
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which the check below names
            rating = np.array(self.rating, np.float32)
        time = np.array(self.time, np.int64)
        if {array.shape for array in (item, rating, time)} != {user.shape}:
            lengths = ", ".join(f"{len(array):,}" for array in (user, item, rating, time))
            raise InputError(f"'{self.title}' needs as many users as items, ratings and times; it has {lengths}.")
        if not np.isfinite(rating).all():
            row = int(np.argmin(np.isfinite(rating)))
            raise InputError(f"The rating in row {row:,} of '{self.title}' is {rating[row]}, not a finite number.")
        for name, table, of in (("films", self.films, self.items), ("people", self.people, self.users)):
            if len(table) != len(of):
                raise InputError(f"The table {name} of '{self.title}' has {len(table):,} rows, not {len(of):,}.")
            object.__setattr__(self, name, table.reset_index(drop=True))
        if missing := {"title", "year", "genres"} - set(self.films.columns):
            raise InputError(f"The table films of '{self.title}' lacks {' and '.join(sorted(missing))}.")
        for name, values in (("user", user), ("item", item), ("rating", rating), ("time", time)):
            values.flags.writeable = False
            object.__setattr__(self, name, values)

    def __repr__(self) -> str:
        return f"Interactions({self.key!r}, {self.n:,} rows, {self.n_users:,} users x {self.n_items:,} items)"

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.user)

    @property
    def n_users(self) -> int:
        """Number of users, with or without rows."""
        return len(self.users)

    @property
    def n_items(self) -> int:
        """Number of items, with or without rows."""
        return len(self.items)

    @cached_property
    def digest(self) -> str:
        """A hash of rows, names and tables, for keys."""
        about = [self.users, self.items, self.films.to_dict("list"), self.people.to_dict("list")]
        found = hashlib.blake2b(json.dumps(about, default=str).encode(), digest_size=12)
        for values in (self.user, self.item, self.rating, self.time):
            found.update(values.data)
        return found.hexdigest()

    def take(self, rows: ArrayLike) -> Interactions:
        """The same users and items with these rows only, in this order; raises InputError for a row that is not."""
        chosen = np.asarray(rows)
        if chosen.size == 0:
            chosen = chosen.astype(np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or (chosen.size and chosen.min() < 0):
            raise InputError("Rows are chosen by a list of their numbers, from 0.")
        if chosen.size and chosen.max() >= self.n:
            raise InputError(f"There is no row {chosen.max():,}; '{self.title}' has {self.n:,}, counted from 0.")
        fewer = {name: getattr(self, name)[chosen] for name in ("user", "item", "rating", "time")}
        return replace(self, key=f"{self.key}[{len(chosen)}]", **fewer)

    def split(self, share: float = 0.2, seed: int = 0) -> tuple[Rows, Rows]:
        """Rows to learn from and rows held out, sorted: of each user with 5 rows or more a random `share`, rounded."""
        _check_share(share)
        order = np.lexsort((np.random.default_rng(seed).random(self.n), self.user))
        counts = np.bincount(self.user, minlength=self.n_users)
        rank = np.arange(self.n) - np.repeat(np.cumsum(counts) - counts, counts)  # of a row among its user's, shuffled
        many = np.where(counts >= FEW, np.rint(share * counts), 0)
        held = rank < many[self.user[order]]
        return np.sort(order[~held]), np.sort(order[held])

    def split_by_time(self, share: float = 0.2) -> tuple[Rows, Rows]:
        """Earlier rows and the latest `share` of all, sorted; raises InputError where no time is known."""
        _check_share(share)
        if not self.time.any():
            raise InputError(f"'{self.title}' cannot be split by time: no row has one.")
        order = np.argsort(self.time, kind="stable")
        early = self.n - round(share * self.n)
        return np.sort(order[:early]), np.sort(order[early:])

    def matrix(self, rows: ArrayLike | None = None) -> Any:
        """A scipy.sparse CSR matrix float32 (n_users, n_items): 1 where a user has an item in `rows` (None: all)."""
        from scipy.sparse import csr_matrix

        chosen = slice(None) if rows is None else np.asarray(rows, np.int64)
        user, item = self.user[chosen], self.item[chosen]
        made = csr_matrix((np.ones(len(user), np.float32), (user, item)), (self.n_users, self.n_items))
        made.sum_duplicates()
        made.data[:] = 1
        return made


def _places(given: ArrayLike, names: Sequence[str], what: str, title: str) -> NDArray[np.int32]:
    if len(set(names)) != len(names):
        twice = Counter(names).most_common(1)[0][0]
        raise InputError(f"The {what} '{_shown(twice)}' of '{title}' comes twice; names are unique.")
    places = np.asarray(given)
    if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
        raise InputError(f"The column {what} of '{title}' holds numbers of {what}s, one a row.")
    if (wrong := (places < 0) | (places >= len(names))).any():
        row = int(np.argmax(wrong))
        raise InputError(f"Row {row:,} of '{title}' names {what} {places[row]}; there are {len(names):,}, from 0.")
    return places.astype(np.int32)


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise InputError(f"The share that is held out lies between 0 and 1, not at {share}.")


def title_and_year(name: str) -> tuple[str, int]:
    """("Toy Story", 1995) of "Toy Story (1995)"; the year is 0 where none stands at the end."""
    found = re.fullmatch(r"(.*\S)\s*\((\d{4})\)\s*", name, re.ASCII | re.DOTALL)
    return (found[1], int(found[2])) if found else (name.strip(), 0)


def film_table(names: Iterable[str], genres: Sequence[str] | None = None) -> pd.DataFrame:
    """The table `films` of items named "Toy Story (1995)", with `genres` "Animation|Comedy" where they are known."""
    import pandas as pd

    titled = [title_and_year(name) for name in names]
    columns = {"title": [title for title, _ in titled], "year": np.array([year for _, year in titled], np.int64)}
    return pd.DataFrame({**columns, "genres": list(genres) if genres is not None else [""] * len(titled)})


# A person's own table

# The names of columns, in lower case without "_", "-" and blanks; the first that a table has is read.
ROLES = {
    "user": ("user", "userid", "uid", "username", "customer", "customerid", "visitor", "visitorid", "person",
             "personid", "member", "memberid", "reader", "readerid", "listener", "viewer", "account", "accountid"),
    "item": ("item", "itemid", "iid", "movieid", "filmid", "productid", "bookid", "trackid", "songid", "articleid",
             "isbn", "sku", "movie", "film", "product", "book", "track", "song", "article", "artist", "title"),
    "rating": ("rating", "ratings", "score", "stars", "preference"),
    "time": ("time", "timestamp", "datetime", "date", "unixtime", "ts", "createdat", "watchedat"),
}  # fmt: skip

Cell = str | float | int | None


@dataclass(frozen=True)
class _Table:
    """A file opened: the column read for each role, the others, and lines (number, cells by the order of roles).

    A line without cells does not fit the header. `place` is what a line is called; `comma` allows decimal commas.
    """

    columns: dict[str, str]
    others: list[str]
    lines: Iterator[tuple[int, list[Cell]]]
    place: str
    comma: bool


def own_table(name: str, data: bytes) -> Interactions:
    """A person's own table from CSV (comma, semicolon or tab, with a header, UTF-8) or Parquet, by its content.

    Read are the columns user and item, and where there are any, rating and time (seconds since 1970, or ISO 8601, taken
    as UTC), also under usual other names; `notes` say which. Rows without a user, an item or a readable rating are left
    out, of a pair that comes twice the last is kept, and both are counted in `notes`. Raises InputError in one sentence
    for what cannot be read, and for more than 1,000,000 rows or 200 MB.
    """
    short = _shown(PurePath(name.replace("\\", "/")).name) or "table"
    if len(data) > MOST_BYTES:
        raise InputError(f"'{short}' has {len(data) / 2**20:,.0f} MB; at most {MOST_BYTES // 2**20} MB are read.")
    if data[:4] == b"PAR1":
        try:
            return _gathered(short, _parquet(short, data))
        except EmbedkitError:
            raise
        except Exception as error:  # pyarrow raises many kinds on broken bytes: ArrowInvalid, OSError, KeyError
            raise InputError(f"'{short}' is no whole Parquet file: {_reason(error)}.") from None
    text = _text(short, data)
    if not text.strip():
        raise InputError(f"'{short}' is empty; it needs a header with the columns user and item, and rows.")
    return _gathered(short, _csv(short, text))


def _shown(name: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return plain if len(plain) <= 60 else plain[:57] + "..."


def _text(name: str, data: bytes) -> str:
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"'{name}' is not UTF-8: the first byte that does not fit is 0x{data[error.start]:02X} in line {line:,}; "
            "save it as CSV in UTF-8."
        ) from None


def _csv(name: str, text: str) -> _Table:
    first = next(line for line in io.StringIO(text, newline="") if line.strip())
    headers = {mark: next(csv.reader([first], delimiter=mark), []) for mark in ",;\t"}
    mark = max(headers, key=lambda mark: (len(_roles(headers[mark]).keys() & {"user", "item"}), len(headers[mark])))
    header = [cell.strip() for cell in headers[mark]]
    columns = _columns(name, header)
    places = [header.index(column) for column in columns.values()]

    def lines() -> Iterator[tuple[int, list[Cell]]]:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
        head = True
        try:
            for cells in reader:
                if not any(cell.strip() for cell in cells):
                    continue
                if not head:
                    fits = len(cells) == len(header)
                    yield reader.line_num, [cells[place].strip() for place in places] if fits else []
                head = False
        except csv.Error as error:
            raise InputError(
                f"'{name}' is no CSV in line {reader.line_num:,} ({_reason(error)}): look for a "
                'quotation mark " that is not closed.'
            ) from None

    return _Table(
        columns, [column for column in header if column not in columns.values()], lines(), "line", mark == ";"
    )


def _parquet(name: str, data: bytes) -> _Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(pa.BufferReader(data))
    if file.metadata.num_rows > MOST_ROWS:
        raise _too_many(name)
    columns = _columns(name, file.schema_arrow.names)
    kinds = [file.schema_arrow.field(column).type for column in columns.values()]
    for column, kind in zip(columns.values(), kinds, strict=True):
        if not _is_plain(kind):
            raise InputError(f"The column '{column}' of '{name}' holds {kind}; texts, numbers and times can be read.")
    texts = [c for c, k in zip(columns.values(), kinds, strict=True) if pa.types.is_string(k)]
    # texts stay in their dictionaries: a file of few bytes may name one long text in a million rows
    file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)

    def lines() -> Iterator[tuple[int, list[Cell]]]:
        row = 0
        for batch in file.iter_batches(batch_size=50_000, columns=list(columns.values()), use_pandas_metadata=False):
            cells = [_cells(name, column, batch.column(column)) for column in columns.values()]
            for values in zip(*cells, strict=True):
                row += 1
                yield row, list(values)

    others = [column for column in file.schema_arrow.names if column not in columns.values()]
    return _Table(columns, others, lines(), "row", False)


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    tests = (types.is_string, types.is_large_string, types.is_integer, types.is_floating, types.is_decimal,
             types.is_timestamp, types.is_date, types.is_boolean, types.is_null)  # fmt: skip
    return any(test(kind) for test in tests)


def _cells(name: str, column: str, values: Any) -> list[Cell]:
    import pyarrow as pa
    import pyarrow.compute as pc

    inner = values.dictionary if pa.types.is_dictionary(values.type) else values
    if pa.types.is_string(inner.type) or pa.types.is_large_string(inner.type):
        longest = pc.max(pc.binary_length(inner)).as_py() or 0
        if longest > 4 * LONGEST_NAME:  # in UTF-8 a character has 4 bytes at most
            raise InputError(f"A text in '{column}' of '{name}' has {longest:,} bytes; at most {4 * LONGEST_NAME}.")
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        moments = values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False).cast(pa.int64())
        return [None if moment is None else _At(moment // 1_000_000) for moment in moments.to_pylist()]
    cells: list[Cell] = values.to_pylist()
    return cells


class _At(int):
    """Seconds since 1970 for certain, whatever their size."""


def _norm(column: str) -> str:
    return re.sub(r"[\s_\-]+", "", column).lower()


def _roles(header: Sequence[str]) -> dict[str, str]:
    """The column read for each role that a header has."""
    found = {}
    named = {_norm(column): column.strip() for column in reversed(header)}
    for role, names in ROLES.items():
        if known := next((named[name] for name in names if name in named), None):
            found[role] = known
    return found


def _columns(name: str, header: Sequence[str]) -> dict[str, str]:
    columns = _roles(header)
    if lacks := [role for role in ("user", "item") if role not in columns]:
        there = ", ".join(_shown(column) or "(no name)" for column in header[:8]) + (", ..." if len(header) > 8 else "")
        raise InputError(
            f"'{name}' lacks the column{'s' * (len(lacks) > 1)} {' and '.join(lacks)}; it has: {there}. "
            "Name the columns user, item, and if there are any rating and time, in the first line."
        )
    for column in columns.values():
        if (count := list(header).count(column)) > 1:
            raise InputError(f"The column '{_shown(column)}' comes {count} times in '{name}'; keep one.")
    return columns


def _too_many(name: str) -> InputError:
    return InputError(f"'{name}' has more than {MOST_ROWS:,} rows; give a part of them.")


def _gathered(name: str, table: _Table) -> Interactions:
    """Rows as arrays, what does not fit counted, repeated pairs out, and all of it said in notes."""
    users: dict[str, int] = {}
    items: dict[str, int] = {}
    user, item, rating, seconds = array("i"), array("i"), array("d"), array("q")
    bad: dict[str, list[int]] = {}
    untimed: list[int] = []
    count, place = 0, table.place
    for number, values in table.lines:
        if (count := count + 1) > MOST_ROWS:
            raise _too_many(name)
        cells = dict(zip(table.columns, values, strict=False))
        who, what = _named(cells.get("user")), _named(cells.get("item"))
        value = _number(cells["rating"], table.comma) if "rating" in cells else 1.0
        if not values:
            bad.setdefault("another number of cells than the header", []).append(number)
        elif not who or not what:
            bad.setdefault("no item" if who else "no user", []).append(number)
        elif value is None:
            bad.setdefault("a rating that is no finite number", []).append(number)
        else:
            if max(len(who), len(what)) > LONGEST_NAME:
                raise InputError(f"A name in {place} {number:,} of '{name}' has more than {LONGEST_NAME} characters.")
            at = _seconds(cells["time"]) if "time" in cells else 0
            if at is None:
                untimed.append(number)
            user.append(users.setdefault(who, len(users)))
            item.append(items.setdefault(what, len(items)))
            rating.append(value)
            seconds.append(at or 0)
    if not user:
        if not bad:
            raise InputError(f"'{name}' has a header and no rows.")
        reason, numbers = next(iter(bad.items()))
        raise InputError(f"'{name}' has no row that can be kept: {place} {numbers[0]:,} has {reason}.")
    pairs = np.array(user, np.int64) * len(items) + np.array(item)
    _, last = np.unique(pairs[::-1], return_index=True)
    kept = np.sort(len(pairs) - 1 - last)
    notes = [_read(table)]
    notes += [f"{_were(rows)} left out, with {why}; the first is {place} {rows[0]:,}." for why, rows in bad.items()]
    if untimed:
        notes.append(f"{_were(untimed)} kept without a time that could be read; the first is {place} {untimed[0]:,}.")
    if twice := len(pairs) - len(kept):
        notes.append(f"{twice:,} of {len(pairs):,} rows repeat a pair of user and item; the last of each was kept.")
    if once := int((np.bincount(np.array(user)[kept]) == 1).sum()):
        notes.append(
            f"Users with a single row: {once:,} of {len(users):,}; such a row is for learning, never held out."
        )
    return _own(name, users, items, [np.array(values)[kept] for values in (user, item, rating, seconds)], notes)


def _read(table: _Table) -> str:
    text = "Read: " + ", ".join(f"'{_shown(column)}' as {role}" for role, column in table.columns.items())
    if not table.others:
        return f"{text}."
    return f"{text}; left alone: {', '.join(map(_shown, table.others[:8]))}{', ...' * (len(table.others) > 8)}."


def _own(
    name: str, users: Iterable[str], items: Iterable[str], arrays: Sequence[NDArray[Any]], notes: Sequence[str]
) -> Interactions:
    import pandas as pd

    people, things = tuple(users), tuple(items)
    user, item, rating, seconds = arrays
    made = Interactions(
        key="own",
        title=f"Own table: {name}",
        users=people,
        items=things,
        user=user,
        item=item,
        rating=rating.astype(np.float32),
        time=seconds,
        films=film_table(things),
        people=pd.DataFrame(index=range(len(people))),
        licence="yours",
        year=0,
        notes=tuple(notes),
    )
    return replace(made, key=f"own/{made.digest[:16]}")


def _were(rows: Sequence[int]) -> str:
    return "1 row was" if len(rows) == 1 else f"{len(rows):,} rows were"


def _named(cell: Cell) -> str:
    if isinstance(cell, float):
        if cell != cell:
            return ""
        if cell.is_integer():  # numbers of users become floats where one of them is missing
            cell = int(cell)
    return "" if cell is None else "".join(c if c.isprintable() else "?" for c in str(cell).strip())


def _number(cell: Cell, comma: bool) -> float | None:
    """A finite float32, or None."""
    try:
        value = float(cell.replace(",", ".") if comma and isinstance(cell, str) else cell)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return value if abs(value) <= 3e38 else None


def _seconds(cell: Cell) -> int | None:
    """Seconds since 1970 of a number or an ISO 8601 text, or None; milli-, micro- and nanoseconds by their size."""
    if isinstance(cell, _At):
        return int(cell)
    try:
        value = float(cell)  # type: ignore[arg-type]
    except OverflowError:
        return None
    except (TypeError, ValueError):
        return _iso(cell) if isinstance(cell, str) else None
    if not abs(value) < 1e20:
        return None
    return int(value // next(unit for least, unit in _UNITS if abs(value) >= least))


_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3), (0.0, 1.0))  # 1e11 seconds are the year 5138


def _iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None

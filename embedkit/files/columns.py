"""Tables with named columns: which of them hold the vectors, which names the items, which are kept beside."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.files.draft import Draft, check_size, unique
from embedkit.files.given import Limits, Odd, few, plural, shown, size_of
from embedkit.files.sniff import is_number
from embedkit.space import Origin, Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NAME", "VECTOR", "check_count", "draft_from_table", "plain_columns"]

# Names of columns, in lower case without blanks, "_" and "-"; the first that a table has is taken.
VECTOR = ("vector", "vectors", "embedding", "embeddings", "emb", "features", "values", "x")
NAME = ("item", "word", "token", "name", "title", "term", "sentence", "phrase", "text", "node", "key", "id", "uuid",
        "filename", "file", "path", "image", "index", "unnamed:0", "")  # fmt: skip
NO_DIMENSION = {"id", "uuid", "index", "idx", "row", "label", "labels", "class", "target", "cluster", "rank", "count",
                "unnamed:0", ""}  # fmt: skip


def draft_from_table(
    table: Any, name: str, limits: Limits, *, loose: bool = False, rows: NDArray[np.int64] | None = None
) -> Draft:
    """A pyarrow table as a draft; `loose` where the types were guessed from text, so that one word may spoil a column.

    `rows` are the numbers that the rows have in the file. Raises InputError where no column holds vectors.
    """

    if table.num_rows < 1:
        raise InputError(f"'{name}' has {plural(table.num_columns, 'column')} and no rows.")
    if table.num_columns > limits.most_columns:
        raise InputError(f"'{name}' has {table.num_columns:,} columns; at most {limits.most_columns:,} are read.")
    if (own := _own(table)) is not None:
        return own
    fresh, _ = unique([text.strip() or f"column {i + 1}" for i, text in enumerate(table.column_names)])
    table = table.rename_columns(list(fresh))
    lists = [field.name for field in table.schema if _is_vectors(field.type)]
    written = [] if lists else _written(table)
    if len(_series([field.name for field in table.schema if _is_numeric(field.type)])) >= 3:
        written = [column for column in written if _norm(column) in VECTOR]  # "12 34" may be a name beside v1, v2, v3
    if chosen := _first(lists or written, VECTOR):
        draft = (_listed if lists else _parsed)(table.column(chosen), chosen, name, limits)
        used = [chosen]
    else:
        draft, used = _wide(table, name, limits, loose)
    draft.rows = rows
    rest = table.drop_columns(used)
    _name(draft, rest, lists[1:] if lists else [], limits)
    return draft


def _own(table: Any) -> Draft | None:
    """The Space that embedkit wrote, with its key, title and origin; None where the table is no such."""
    import pyarrow as pa

    about = (table.schema.metadata or {}).get(b"embedkit")
    if about is None or not {"item", "vector"} <= set(table.column_names):
        return None
    vector, item = table.column("vector"), table.column("item")
    if not pa.types.is_fixed_size_list(vector.type) or vector.null_count or item.null_count:
        return None
    try:
        told = json.loads(about)
        origin = Origin(**told["origin"])
        space = (str(told["key"]), str(told["title"]), origin)
        rest = table.drop_columns(["item", "vector"])
        meta = rest.to_pandas() if rest.num_columns else None
        names = list(map(str, _pylist(item)))
    except (ValueError, KeyError, TypeError, RecursionError, pa.ArrowException):
        return None
    said = [f"It is the space '{shown(told['title'])}' that embedkit wrote: {len(names):,} x {vector.type.list_size}."]
    return Draft(_flat(vector, vector.type.list_size), names, meta, said, space=space)


def _is_vectors(kind: Any) -> bool:
    from pyarrow import types

    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return bool(types.is_floating(kind.value_type) or types.is_integer(kind.value_type))


def _norm(column: str) -> str:
    return re.sub(r"[\s_\-]+", "", column).lower()


def _first(columns: Sequence[str], hints: Sequence[str]) -> str | None:
    """The column with the first of these names, else the first column."""
    known = [column for hint in hints for column in columns if _norm(column) == hint]
    return next(iter([*known, *columns]), None)


def _flat(column: Any, d: int) -> NDArray[Any]:
    """A column of lists of d numbers, no list missing, as (n, d); a number missing is NaN."""
    chunks = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    array = chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
    flat: NDArray[Any] = array.reshape(-1, d)
    return flat


def _listed(column: Any, title: str, name: str, limits: Limits) -> Draft:
    """A column of lists; rows whose list is missing or of another length stay, as rows of NaN with the reason."""
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy()
    there = lengths[lengths > 0]
    if not len(there):
        raise InputError(f"The column '{shown(title)}' of '{name}' holds no numbers: all its lists are empty.")
    found, counts = np.unique(there, return_counts=True)
    d = int(found[np.argmax(counts)])
    check_size(name, len(lengths), d, limits)
    fits = lengths == d
    said = [_said(name, len(lengths), title, d)]
    if fits.all():
        return Draft(_flat(column, d), said=said)
    whole = np.full((len(lengths), d), np.nan, np.float32)
    with np.errstate(over="ignore"):
        whole[fits] = _flat(column.filter(_mask(fits)), d)
    why = {
        int(row): "no vector" if lengths[row] < 0 else plural(int(lengths[row]), "number")
        for row in np.flatnonzero(~fits)
    }
    return Draft(whole, said=said, why=why)


def _said(name: str, n: int, title: str, d: int) -> str:
    return (
        f"'{name}' has {plural(n, 'row')}; the column '{shown(title)}' holds the vectors, {plural(d, 'number')} each."
    )


def _mask(keep: NDArray[np.bool_]) -> Any:
    import pyarrow as pa

    return pa.array(keep)


_NUMBERED = re.compile(r"\d\s*[(\[{]")
_SIGNS = str.maketrans("[](){},;\t\r\n", " " * 11)


def _written(table: Any) -> list[str]:
    """Columns of text whose first cells are lists of numbers, such as "[0.1, 0.2]" or "0.1 0.2"."""
    from pyarrow import types

    found = []
    for field in table.schema:
        if types.is_string(field.type) or types.is_large_string(field.type) or types.is_dictionary(field.type):
            cells = [
                cell
                for cell in table.column(field.name).slice(0, 20).to_pylist()
                if isinstance(cell, str) and cell.strip()
            ]
            vectors = [len(numbers) for cell in cells if (numbers := _numbers(cell.replace("...", " "))) is not None]
            if cells and len(vectors) >= 0.6 * len(cells) and max(vectors) >= 2:
                found.append(field.name)
    return found


def _numbers(cell: str) -> NDArray[np.float64] | None:
    """The numbers of "[0.1, 0.2]", "0.1 0.2", "0.1;0.2"; None where something else stands among them, as in "7 (2)"."""
    if _NUMBERED.search(cell):
        return None
    try:
        return np.array(cell.translate(_SIGNS).split(), np.float64)
    except ValueError:
        return None


def _parsed(column: Any, title: str, name: str, limits: Limits) -> Draft:
    """A column of written lists."""
    cells = _pylist(column)
    rows: list[NDArray[np.float32]] = []
    why: dict[int, str] = {}
    d = count = 0
    with np.errstate(over="ignore"):
        for place, cell in enumerate(cells):
            numbers = _numbers(cell) if isinstance(cell, str) else np.zeros(0)
            if numbers is None:
                dots = "..." in str(cell)
                why[place] = (
                    "numbers left out by '...', as numpy prints them"
                    if dots
                    else f"'{shown(cell, 30)}' is no list of numbers"
                )
                numbers = np.zeros(0)
            rows.append(numbers.astype(np.float32))
            count += len(numbers)
            if count > limits.most_numbers:
                check_count(name, count, limits)
    lengths = np.array([len(row) for row in rows])
    there = lengths[lengths > 0]
    if not len(there):
        first = next(iter(why.values()), "all are empty")
        raise InputError(f"The column '{shown(title)}' of '{name}' holds no lists of numbers: {first}.")
    found, counts = np.unique(there, return_counts=True)
    d = int(found[np.argmax(counts)])
    check_size(name, len(rows), d, limits)
    whole = np.full((len(rows), d), np.nan, np.float32)
    for place, row in enumerate(rows):
        if len(row) == d:
            whole[place] = row
        elif place not in why:
            why[place] = plural(len(row), "number") if len(row) else "no vector"
    said = [_said(name, len(rows), title, d)]
    return Draft(whole, said=said, why=why)


def _wide(table: Any, name: str, limits: Limits, loose: bool) -> tuple[Draft, list[str]]:
    """A column for each number: those numbered in a row (x1, x2, ...) where there are three, else all numeric ones."""
    numeric = [field.name for field in table.schema if _is_numeric(field.type)]
    mixed = list(_mixed(table)) if loose else []
    columns = [column for column in table.column_names if column in {*numeric, *mixed}]
    series = _series(columns)
    used = series if len(series) >= 3 else [column for column in columns if _norm(column) not in NO_DIMENSION]
    used = used if len(used) > 1 else columns
    if len(used) == 1:
        raise InputError(
            f"'{name}' has one column of numbers, '{shown(used[0], 30)}'. A vector takes two or more, or a column of "
            "lists; labels are given together with their vectors."
        )
    if not used:
        there = few([f"{shown(field.name, 30)} ({shown(field.type, 30)})" for field in table.schema])
        raise InputError(f"'{name}' has no column of numbers or of lists of numbers; it has: {there}.")
    check_size(name, table.num_rows, len(used), limits)
    whole = np.empty((table.num_rows, len(used)), np.float32)
    why: dict[int, str] = {}
    arrays = [_numeric_array(table.column(column), column, why) for column in used]
    step = max(1, 2**22 // len(used))
    with np.errstate(over="ignore"):
        for start in range(
            0, table.num_rows, step
        ):  # in blocks, so that rows of the result stay in the processor's cache
            np.stack(
                [array[start : start + step] for array in arrays],
                axis=1,
                out=whole[start : start + step],
                casting="unsafe",
            )
    span = few([repr(shown(column, 30)) for column in used], 4) if len(used) < 5 else f"{used[0]!r} to {used[-1]!r}"
    what = f"{plural(len(used), 'column')} of numbers are the vectors: {span}"
    said = [f"'{name}' has {plural(table.num_rows, 'row')}; {what}."]
    return Draft(whole, said=said, columns=used, why=why), used


def _is_numeric(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))


def _mixed(table: Any) -> Iterator[str]:
    """Columns of text that are numbers but for a few cells."""
    from pyarrow import types

    for field in table.schema:
        if types.is_string(field.type):
            cells = [cell for cell in table.column(field.name).slice(0, 1_000).to_pylist() if cell]
            if cells and sum(map(is_number, cells)) >= 0.6 * len(cells):
                yield field.name


def _numeric_array(column: Any, title: str, why: dict[int, str]) -> NDArray[Any]:
    """A column as numbers, NaN where there is none; texts among them are told in `why` by their row."""
    import pandas as pd
    import pyarrow as pa

    if pa.types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if not pa.types.is_string(column.type):
        return np.asarray(column.to_numpy())
    cells = column.to_pandas()
    values = pd.to_numeric(cells, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    for row in np.flatnonzero(np.isnan(values)):
        cell = str(cells.iloc[row]).strip()
        if cell and cell.lower() not in ("nan", "-nan") and not pd.isna(cells.iloc[row]):
            why.setdefault(
                int(row), f"'{shown(cell, 30)}' stands in column '{shown(title, 30)}', where a number belongs"
            )
    return np.asarray(values)


def _series(columns: Sequence[str]) -> list[str]:
    """The most columns whose names are one word and numbers without a gap: x1, x2, x3."""
    groups: dict[str, list[tuple[int, str]]] = {}
    for column in columns:
        if found := re.fullmatch(r"(.*?)(\d{1,9})", column, re.DOTALL):
            groups.setdefault(found[1], []).append((int(found[2]), column))
    best: list[str] = []
    for listed in groups.values():
        numbers = [number for number, _ in listed]
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))) and len(listed) > len(best):
            best = [column for _, column in listed]
    return best


def _name(draft: Draft, rest: Any, left: list[str], limits: Limits) -> None:
    """Find among the other columns the names of the items; keep what a table can hold, and say what it cannot."""
    from pyarrow import types

    plain = [field.name for field in rest.schema if _is_plain(field.type)]
    left = [*left, *(column for column in rest.column_names if column not in plain and column not in left)]
    texts = [column for column in plain if _is_text(rest.schema.field(column).type)]
    ids = [c for c in plain if types.is_integer(rest.schema.field(c).type) and _norm(c) in NAME]
    chosen = next((column for hint in NAME for column in texts if _norm(column) == hint), None)
    if chosen is None and texts:
        chosen = max(texts, key=lambda column: len(rest.column(column).unique()))
    chosen = chosen or _first(ids, NAME)
    if chosen is not None:
        draft.names = ["" if value is None else str(value) for value in _pylist(rest.column(chosen))]
        draft.said.append(f"'{shown(chosen)}' names the items.")
        if len(set(draft.names)) == len(draft.names):
            plain.remove(chosen)
    for column in [column for column in plain if _text_size(rest.column(column)) > limits.most_bytes]:
        plain.remove(column)
        size = size_of(_text_size(rest.column(column)))
        draft.said.append(Odd(f"The column '{shown(column, 30)}' was left out: its texts would take {size} in memory."))
    if left:
        listed = few([repr(shown(column, 30)) for column in left])
        draft.said.append(Odd(f"Left out, as no table shows them: {listed}."))
    if plain:
        draft.said.append(f"Kept as columns: {few([repr(shown(column, 30)) for column in plain])}.")
        draft.meta = _to_pandas(rest.select(plain))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner))


def _is_plain(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_date, types.is_timestamp, types.is_decimal)
    return _is_text(kind) or any(test(kind) for test in tests)


def _pylist(column: Any) -> list[Any]:
    """The values of a column; a text that a dictionary names many times is one object."""
    import pyarrow as pa

    if not pa.types.is_dictionary(column.type):
        values: list[Any] = column.to_pylist()
        return values
    values = []
    for chunk in column.chunks:
        words = chunk.dictionary.to_pylist()
        values += [None if place is None else words[place] for place in chunk.indices.to_pylist()]
    return values


def _text_size(column: Any) -> int:
    """The bytes of a column of texts that a dictionary names many times; 0 for others, which are in memory already."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = (
        pc.sum(pc.cast(pc.binary_length(c.dictionary).take(c.indices), pa.int64())).as_py() for c in column.chunks
    )
    return sum(length or 0 for length in lengths)


def _to_pandas(table: Any) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for field in table.schema:
        column = table.column(field.name)
        if _is_text(field.type):
            columns[field.name] = pd.Series(_pylist(column), dtype="str")
        else:
            if pa.types.is_decimal(field.type):
                column = column.cast(pa.float64())
            elif pa.types.is_temporal(field.type):
                column = column.cast(pa.string())  # pandas' dates end in 2262, and a Space's own file reads them back
            columns[field.name] = column.to_pandas()
    return pd.DataFrame(columns)


def check_count(name: str, numbers: int, limits: Limits) -> None:
    """Raise InputError for more values than are held at once."""
    if numbers > limits.most_numbers:
        raise InputError(
            f"'{name}' holds {numbers:,} values; at most {limits.most_numbers:,} are opened {limits.way}. "
            "Give a part of the rows."
        )


def plain_columns(space: Space) -> dict[str, list[Any]]:
    """The columns of a space's table as texts, numbers and booleans, for formats that hold these alone."""
    import pandas as pd

    found: dict[str, list[Any]] = {}
    for column in space.meta.columns:
        values = space.meta[column]
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            found[str(column)] = values.tolist()
        else:
            found[str(column)] = ["" if pd.isna(value) else str(value) for value in values.astype(object)]
    return found

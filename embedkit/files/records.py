"""JSON: lines of objects with a vector among their fields, or one list of them, or names with their vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from embedkit.errors import DamagedFile, InputError
from embedkit.files.columns import NAME, VECTOR, plain_columns
from embedkit.files.digits import text_rows
from embedkit.files.draft import Draft, check_size
from embedkit.files.given import Given, Limits, Odd, check_utf8, few, plural, reason, shown
from embedkit.space import Space

__all__ = ["read_json", "write_jsonl"]

LONGEST_LINE = 2**24
MOST_FIELDS = 200


def read_json(given: Given, limits: Limits) -> Draft:
    """JSONL, or JSON that holds a list of objects or of vectors, or {name: vector}."""
    check_utf8(given)
    records: Iterator[tuple[int, Any]]
    place = "line"
    if (whole := _whole(given)) is not None:
        place = "row"
        if isinstance(whole, dict):
            lists = [value for value in whole.values() if isinstance(value, list)]
            if lists and all(_is_vector(value) for value in lists[:20]):
                records = enumerate(({"item": name, "vector": value} for name, value in whole.items()), start=1)
            else:
                inner = [value for value in lists if value and isinstance(value[0], dict)]
                records = enumerate(inner[0] if inner else [whole], start=1)
        else:
            records = enumerate(whole, start=1)
    else:
        records = _lines(given)
    return _gathered(given, records, place, limits)


def _whole(given: Given) -> Any:
    """The file as one JSON value; None where it is lines of JSON."""
    first = next((line for line in given.head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()), b"")
    try:
        value = json.loads(first)
        listed = isinstance(value, list) and bool(value) and isinstance(value[0], list | dict)
        if isinstance(value, dict | list) and not listed and (given.suffix != ".json" or _more_lines(given)):
            return None
    except (ValueError, RecursionError):
        if given.suffix in (".jsonl", ".ndjson"):
            return None
    try:
        value = json.loads(given.whole().removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise DamagedFile(f"'{given.name}' is no whole JSON: {reason(error)}.") from None
    if not isinstance(value, dict | list):
        raise InputError(f"'{given.name}' holds a single {type(value).__name__}, not rows.")
    return value


def _more_lines(given: Given) -> bool:
    return len([line for line in given.head.splitlines() if line.strip()]) > 1


def _lines(given: Given) -> Iterator[tuple[int, Any]]:
    with given.open() as file:
        number = 0
        while line := file.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise InputError(f"Line {number:,} of '{given.name}' has more than {LONGEST_LINE // 2**20} MB.")
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield number, DamagedFile(reason(error))


def _is_vector(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) in (int, float) for each in value[:5])


def _gathered(given: Given, records: Iterator[tuple[int, Any]], place: str, limits: Limits) -> Draft:
    rows: list[Mapping[str, Any]] = []
    vectors: list[np.ndarray[Any, Any] | None] = []
    numbers: list[int] = []
    why: dict[int, str] = {}
    field = ""
    count = 0
    for number, record in records:
        row = record if isinstance(record, dict) else {}
        field = field or _field(row)
        value = record if isinstance(record, list) else row.get(field)
        found = None
        if isinstance(record, DamagedFile):
            why[len(rows)] = f"is no JSON: {record}"
        elif not isinstance(value, list):
            why[len(rows)] = f"has no list '{shown(field)}'" if field else "has no list of numbers"
        else:
            found, wrong = _vector(value)
            if wrong:
                why[len(rows)] = wrong
            count += len(value)
        if count > limits.most_numbers:
            check_size(given.name, count, 1, limits)
        rows.append({key: each for key, each in row.items() if key != field})
        vectors.append(found)
        numbers.append(number)
    lengths = [len(vector) for vector in vectors if vector is not None]
    if not lengths:
        first = f": {place} {numbers[0]:,} {why[0]}" if why and 0 in why else ""
        raise InputError(f"'{given.name}' holds no lists of numbers{first}.")
    d = int(np.argmax(np.bincount(lengths)))
    check_size(given.name, len(rows), d, limits)
    whole = np.full((len(rows), d), np.nan, np.float32)
    for row_number, vector in enumerate(vectors):
        if vector is not None and len(vector) == d:
            whole[row_number] = vector
        elif vector is not None:
            why[row_number] = plural(len(vector), "number")
    named = f" in '{shown(field)}'" if field else ""
    said = [f"'{given.name}' has {plural(len(rows), 'row')} with {plural(d, 'number')} each{named}."]
    draft = Draft(whole, said=said, rows=np.array(numbers, np.int64), place=place, why=why)
    _table(draft, rows)
    return draft


def _field(row: Mapping[str, Any]) -> str:
    """The field that holds the vector: one with a usual name, else the longest list of numbers."""
    lists = [key for key, value in row.items() if _is_vector(value)]
    known = [key for hint in VECTOR for key in lists if key.lower() == hint]
    return (known or sorted(lists, key=lambda key: -len(row[key])) or [""])[0]


def _vector(value: list[Any]) -> tuple[np.ndarray[Any, Any] | None, str]:
    if not value:
        return None, "an empty list"
    wrong = next((i for i, each in enumerate(value) if type(each) not in (int, float)), None)
    if wrong is not None:
        return None, f"{shown(json.dumps(value[wrong])[:100], 30)} as number {wrong + 1:,}"
    try:
        with np.errstate(over="ignore"):
            return np.array(value, np.float64).astype(np.float32), ""
    except OverflowError:
        return None, "a number beyond float64"


def _table(draft: Draft, rows: list[Mapping[str, Any]]) -> None:
    """Names and columns from the other fields; what is a list or an object is said and left out."""
    import pandas as pd

    fields = dict.fromkeys(key for row in rows for key in row)
    plain = [key for key in fields if all(isinstance(row.get(key), str | int | float | None) for row in rows)]
    left = [key for key in fields if key not in plain]
    if len(plain) > MOST_FIELDS:
        left, plain = [*left, *plain[MOST_FIELDS:]], plain[:MOST_FIELDS]
    lower = {key: "".join(key.lower().replace("_", "").replace("-", "").split()) for key in plain}
    texts = [key for key in plain if any(isinstance(row.get(key), str) for row in rows)]
    chosen = next((key for hint in NAME for key in plain if lower[key] == hint), texts[0] if texts else None)
    if chosen is not None:
        draft.names = ["" if row.get(chosen) is None else str(row[chosen]) for row in rows]
        draft.said.append(f"'{shown(chosen)}' names the items.")
        if len(set(draft.names)) == len(rows):
            plain.remove(chosen)
    if left:
        listed = few([repr(shown(key, 30)) for key in left])
        draft.said.append(Odd(f"Left out, as no table shows them: {listed}."))
    if plain:
        draft.said.append(f"Kept as columns: {few([repr(shown(key, 30)) for key in plain])}.")
        draft.meta = pd.DataFrame({key: _column([row.get(key) for row in rows]) for key in plain})


def _column(values: list[Any]) -> Any:
    import pandas as pd

    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool} and None not in values:
        return np.array(values, bool)
    if (
        kinds
        and kinds <= {int, float}
        and all(abs(value) < 2**62 or value != value for value in values if value is not None)
    ):
        if kinds == {int} and None not in values:
            return np.array(values, np.int64)
        return np.array([np.nan if value is None else value for value in values], np.float64)
    texts = ["" if value is None else str(value) for value in values]
    return pd.Series([text.encode("utf-8", "replace").decode() for text in texts], dtype="str")


def write_jsonl(space: Space) -> dict[str, Iterator[bytes]]:
    """A line an item: {"item": ..., the other columns, "vector": [...]}."""
    columns = plain_columns(space)

    def lines() -> Iterator[bytes]:
        for rows, numbers in text_rows(space, ", "):
            told = []
            for row, vector in zip(rows, numbers, strict=True):
                fields = {"item": space.items[row]} | {name: _json(values[row]) for name, values in columns.items()}
                told.append(f'{json.dumps(fields)[:-1]}, "vector": [{vector}]}}\n')
            yield "".join(told).encode()

    return {".jsonl": lines()}


def _json(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value

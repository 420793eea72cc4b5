"""Text in rows and cells: CSV and TSV, and tables of labels that stand beside a file of vectors."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.export import safe_cell
from embedkit.files.columns import draft_from_table, plain_columns
from embedkit.files.digits import text_rows
from embedkit.files.draft import Draft, unique
from embedkit.files.given import Given, Limits, Odd, check_utf8, few, plural, reason, shown
from embedkit.files.sniff import Look, delimiter_of, is_number
from embedkit.space import Space

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_numbers_only", "labels_lines", "naming", "read_labels", "read_table", "safe_name", "write_csv"]

EMPTY = ["", "NA", "N/A", "#N/A", "NULL", "null", "None"]
ROWS = 10_000
OPEN = " Its quotation marks do not come in pairs: look for one that is not closed."


def read_table(given: Given, limits: Limits) -> Draft:
    """CSV or TSV: a column for each number, or one column of vectors; with a header or without."""
    table, rows, said = _table(given, limits)
    try:
        draft = draft_from_table(table, given.name, limits, loose=True, rows=rows)
    except InputError as error:
        raise InputError(f"{error}{OPEN * (_quotes(given) % 2)}") from None
    draft.said += said
    return draft


def _table(given: Given, limits: Limits) -> tuple[Any, NDArray[np.int64], list[str]]:
    """A pyarrow table, the numbers of its rows as an editor counts them, and what did not fit."""
    import pyarrow as pa
    import pyarrow.csv as pc

    check_utf8(given)
    look = Look(given)
    mark = delimiter_of(look) or (delimiter_of(look, sure=True) if given.suffix not in (".csv", ".tsv") else "") or "\t"
    cells = look.rows(mark)
    if not cells:
        raise InputError(f"'{given.name}' holds no rows.")
    comments = _comments(cells)
    first, *others = cells[comments:]
    header = _has_header(first, others)
    width = max(map(len, others), key=[len(row) for row in others].count) if others else len(first)
    if max(width, len(first)) > limits.most_columns:
        raise InputError(f"'{given.name}' has {width:,} columns; at most {limits.most_columns:,} are read.")
    names = [cell.strip() for cell in first] if header else [f"column {i + 1}" for i in range(width)]
    said = [f"{plural(comments, 'line')} at the top that begin with # were left alone."] if comments else []
    if header and len(names) == width - 1:  # as R writes tables
        names = ["", *names]
        said.append("The header has one cell less than the rows: the first column is taken for their names.")
    if len(names) != width:
        said.append(Odd(f"The header has {plural(len(names), 'cell')}, the rows have {width:,}."))
        names = [*names, *[""] * width][:width]
    names = list(unique([name or f"column {i + 1}" if i else name or "index" for i, name in enumerate(names)])[0])
    comma = mark == ";" and any("," in cell and is_number(cell.replace(",", ".")) for row in others for cell in row)
    bad: list[tuple[int, int]] = []

    def ragged(row: Any) -> str:
        bad.append((row.number, row.actual_columns))
        return "skip"

    try:
        with given.open() as file:
            table = pc.read_csv(
                pa.PythonFile(file, "r"),
                pc.ReadOptions(column_names=names, skip_rows=comments + header, use_threads=False, block_size=2**24),
                pc.ParseOptions(delimiter=mark, newlines_in_values=_quotes(given) > 0, invalid_row_handler=ragged),
                pc.ConvertOptions(
                    null_values=EMPTY, strings_can_be_null=False, decimal_point="," if comma else ".", check_utf8=True,
                    timestamp_parsers=["\x01"], auto_dict_encode=False,
                ),
            )  # fmt: skip
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        raise DamagedFile(f"'{given.name}' cannot be read as a table: {reason(error)}.") from None
    if not table.num_rows:
        raise InputError(f"'{given.name}' has a header and no rows.")
    table = _spared(table, said)
    return table, _numbered(table.num_rows, comments + header, bad, len(names), said), said


def _comments(rows: Sequence[Sequence[str]]) -> int:
    """How many rows at the top are remarks, as numpy.savetxt writes them: they begin with # and have fewer cells."""
    count = next((i for i, row in enumerate(rows) if not row[0].startswith("#")), 0)
    return count if all(len(row) != len(rows[count]) for row in rows[:count]) else 0


def _has_header(first: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names columns: no cell is a number, or they count up from 0 or 1 as pandas writes them."""
    cells = [cell.strip() for cell in first]
    numbers = [cell for cell in cells if is_number(cell)]
    if not numbers:
        # a first row of texts over texts alone names nothing
        return any(is_number(cell) or cell.strip()[:1] == "[" for row in others for cell in row) or len(cells) > 1
    if len(numbers) < 2 or len(numbers) < len(cells) - 2 or not all(number.isdecimal() for number in numbers):
        return False
    start = int(numbers[0])
    if start > 1 or numbers != [str(number) for number in range(start, start + len(numbers))]:
        return False
    below = [cell for row in others for cell in row if is_number(cell)]
    fractions = sum(not cell.strip().lstrip("-").isdecimal() for cell in below)
    return not cells[0] or (bool(below) and fractions > 0.5 * len(below))  # a row "1, 2, 3" of whole numbers is data


def _quotes(given: Given) -> int:
    """How many quotation marks a file has: without any each line is a row, and blocks are cut faster."""
    with given.open("Looking for quotation marks in") as file:
        return sum(piece.count(b'"') for piece in iter(lambda: file.read(2**22), b""))


def _spared(table: Any, said: list[str]) -> Any:
    """Take off the apostrophe that made a cell safe in a spreadsheet: a text would not equal itself otherwise."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = 0
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            column = table.column(place)
            safe = pc.match_substring_regex(column, r"^'[=+\-@\t\r]")
            if found := pc.sum(safe).as_py() or 0:
                count += found
                table = table.set_column(
                    place, field.name, pc.if_else(safe, pc.utf8_slice_codeunits(column, 1), column)
                )
    if count:
        said.append(f"The apostrophe that makes cells safe in a spreadsheet was taken off {plural(count, 'cell')}.")
    return table


def _numbered(count: int, header: int, bad: list[tuple[int, int]], width: int, said: list[str]) -> NDArray[np.int64]:
    """Row numbers as an editor shows them, without those of ragged rows, which are told."""
    numbers = np.arange(1 + header, 1 + header + count + len(bad), dtype=np.int64)
    if bad:
        told = [f"row {number:,} ({plural(cells, 'cell')})" for number, cells in bad[:3]]
        was = "was" if len(bad) == 1 else "were"
        listed = few([*told, *[""] * (len(bad) - len(told))], 3)
        said.append(Odd(f"{plural(len(bad), 'row')} {was} left out, as {width:,} cells belong in each: {listed}."))
        numbers = np.setdiff1d(numbers, [number for number, _ in bad])
    return numbers[:count]


# Labels


def is_numbers_only(given: Given) -> bool:
    """Whether the first rows of a table hold numbers alone, as the Projector's vectors do."""
    look = Look(given)
    rows = look.rows(delimiter_of(look) or "\t")[:20]
    return bool(rows) and all(is_number(cell) for row in rows for cell in row) and len(rows[0]) > 1


def read_labels(given: Given, n: int | None, limits: Limits) -> tuple[list[str], pd.DataFrame, list[str], int]:
    """A file of labels for n rows: names, table, sentences and how many there are; n None for as many as there are.

    By the Projector's rule a single column has no header and several have one; where the count of rows says otherwise,
    the count is right. Raises InputError.
    """
    import pandas as pd

    check_utf8(given)
    mark = (delimiter_of(Look(given)) or ",") if given.suffix == ".csv" else "\t"
    rows: list[list[str]] = []
    most = min(limits.most_numbers, 50_000_000)
    cells = 0
    with given.open() as file:
        text = (line.decode().rstrip("\r\n") for line in file)
        try:
            # the Projector knows no quotation marks: a word may be one
            for row in (
                csv.reader(text, delimiter=mark) if given.suffix == ".csv" else (line.split(mark) for line in text)
            ):
                cells += len(row)
                if cells > most:
                    raise InputError(f"'{given.name}' has more than {most:,} cells; give a part of them.")
                rows.append(row)
        except csv.Error as error:
            raise InputError(
                f"'{given.name}' is no table of labels in line {len(rows) + 1:,}: {reason(error)}."
            ) from None
    if rows:
        rows[0][0] = rows[0][0].removeprefix("\ufeff") if rows[0] else ""
    while rows and not any(cell.strip() for cell in rows[-1]) and (n is None or len(rows) > n):
        rows.pop()
    if not rows:
        raise InputError(f"'{given.name}' holds no labels.")
    said: list[str] = []
    width = max(map(len, rows))
    header = width > 1
    if n is not None and len(rows) == n and header:
        header = False
        said.append(
            Odd(f"'{given.name}' has as many lines as there are vectors, so its first line is taken for labels too.")
        )
    elif n is not None and len(rows) == n + 1 and not header:
        header = True
        said.append(
            Odd(
                f"'{given.name}' has {len(rows):,} lines for {plural(n, 'vector')}, so its first line, "
                f"'{shown(rows[0][0], 30)}', is taken for a header."
            )
        )
    names = (
        [cell.strip() for cell in rows[0]]
        if header
        else ["label" if width == 1 else f"column {i + 1}" for i in range(width)]
    )
    names = list(unique([name or f"column {i + 1}" for i, name in enumerate(names + [""] * (width - len(names)))])[0])
    body = rows[header:]
    if n is not None and len(body) != n:
        there = "the last of them have none" if len(body) < n else "the last labels are left alone"
        said.append(Odd(f"'{given.name}' has {len(body):,} rows of labels for {plural(n, 'vector')}: {there}."))
    count = len(body)
    ragged = [number for number, row in enumerate(body, start=1 + header) if len(row) != width]
    if ragged:
        said.append(
            Odd(
                f"In '{given.name}' {plural(len(ragged), 'row')} have not {plural(width, 'cell')}, the first is line "
                f"{ragged[0]:,}; what is missing is left empty."
            )
        )
    whole = n if n is not None else count
    body = body[:whole] + [[]] * (whole - count)
    table = pd.DataFrame(
        {name: _typed([row[i] if i < len(row) else "" for row in body]) for i, name in enumerate(names)}
    )
    place = names.index(naming(table))
    return [row[place] if place < len(row) else "" for row in body], table, said, count


def naming(table: pd.DataFrame) -> str:
    """The column that names the items: called word, name, title or label, else the first of texts, else the first."""
    lower = {str(name).lower(): str(name) for name in table.columns}
    hints = ("item", "word", "token", "name", "title", "label", "text")
    texts = [str(name) for name in table.columns if table[name].dtype.kind not in "if"]
    return next((lower[hint] for hint in hints if hint in lower), (texts or [str(table.columns[0])])[0])


def _typed(cells: list[str]) -> Any:
    """Numbers where all cells are numbers, else texts."""
    import pandas as pd

    if not all(is_number(cell) for cell in itertools.islice(cells, 100)) or not all(map(is_number, cells)):
        return pd.Series(cells, dtype="str")
    if all(cell.strip().lstrip("-").isdecimal() and len(cell.strip()) < 18 for cell in cells):
        return np.array(cells, np.int64)
    return np.array(cells, np.float64)


def safe_name(text: str) -> str:
    """A text that fits in one cell of a table without quotation marks."""
    return " ".join(text.split()) or "_"


def labels_lines(space: Space) -> Iterator[bytes]:
    """The Projector's table of labels: one column without a header, or several with one."""
    columns = plain_columns(space)
    if not columns:
        for start in range(0, space.n, ROWS):
            yield "".join(f"{safe_name(item)}\n" for item in space.items[start : start + ROWS]).encode(
                "utf-8", "replace"
            )
        return
    yield ("\t".join(map(safe_name, ["item", *columns])) + "\n").encode("utf-8", "replace")
    for start in range(0, space.n, ROWS):
        values = [space.items[start : start + ROWS], *(column[start : start + ROWS] for column in columns.values())]
        lines = ("\t".join(safe_name(str(cell)) for cell in row) + "\n" for row in zip(*values, strict=True))
        yield "".join(lines).encode("utf-8", "replace")


def write_csv(space: Space) -> dict[str, Iterator[bytes]]:
    """CSV with a header: item, the other columns, and v1 to vd; no cell is a formula to a spreadsheet."""
    columns = {"item": list(space.items)} | plain_columns(space)
    names = [*columns, *(f"v{i + 1}" for i in range(space.d))]

    def lines() -> Iterator[bytes]:
        buffer = io.StringIO()
        write = csv.writer(buffer, lineterminator="").writerow
        write([safe_cell(name) for name in names])
        yield buffer.getvalue().encode("utf-8", "replace") + b"\n"
        for rows, numbers in text_rows(space, ","):
            told = []
            for row, line in zip(rows, numbers, strict=True):
                buffer.seek(0)
                buffer.truncate()
                write([safe_cell(values[row]) for values in columns.values()])
                told.append(f"{buffer.getvalue()},{line}\n")
            yield "".join(told).encode("utf-8", "replace")

    return {".csv": lines()}

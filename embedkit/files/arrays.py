"""NumPy's files, .npy and .npz: a header is checked before it is believed, and nothing is unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, EmbedkitError, InputError
from embedkit.files.archives import members
from embedkit.files.columns import draft_from_table, plain_columns
from embedkit.files.draft import Draft, check_size
from embedkit.files.given import Given, Limits, Odd, few, plural, reason, shown, size_of
from embedkit.files.tables import labels_lines, safe_name
from embedkit.space import Space

__all__ = ["best_of", "draft_of", "name_columns", "names_in_npy", "read_npy", "read_npz", "write_npy", "write_npz"]

# Where a file holds several tables, one of these names is the vectors, the first first.
VECTORS = ("vectors", "vector", "embeddings", "embedding", "emb", "x", "features", "weight", "data", "arr_0")
NAMES = ("items", "item", "names", "name", "words", "word", "tokens", "texts", "text", "titles", "ids", "keys")


def read_npy(given: Given, limits: Limits) -> Draft:
    """The table in an .npy; of more than two dimensions, one row each of the first."""
    with given.open() as file:
        shape, fortran, dtype = _header(file, given.name)
        start = file.tell()
    _fits(given.name, shape, dtype, given.size - start, limits)
    order: Literal["F", "C"] = "F" if fortran else "C"
    array: NDArray[Any]
    if given.path is None:
        array = np.ndarray(shape, dtype, given.data, start, order=order)
    else:
        array = np.memmap(given.path, dtype=dtype, mode="r", offset=start, shape=shape, order=order)
    draft = draft_of(given.name, array, limits)
    over = given.size - start - array.nbytes
    if over:
        draft.said.append(Odd(f"{size_of(over)} after the end of the array were left alone."))
    return draft


def _header(file: BinaryIO, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except EmbedkitError:  # who watches the reading may stop it
        raise
    except Exception as error:  # broken headers raise many kinds: ValueError, SyntaxError, TokenError, struct.error
        raise DamagedFile(f"'{name}' has no whole header of a NumPy array: {reason(error)}.") from None
    return shape, fortran, dtype


def _fits(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], there: int, limits: Limits) -> None:
    """Raise for what is no table of numbers, and for a header that promises more than the file holds."""
    if dtype.hasobject:
        raise InputError(
            f"'{name}' is an array of Python objects, which only unpickling could read, so it is not opened. "
            "Where all rows have the same length, save it as numbers: numpy.save(path, numpy.stack(list(array)))."
        )
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise DamagedFile(f"'{name}' has a header with the shape {shown(shape)} of {dtype}, which no array has.")
    size = math.prod(shape) * dtype.itemsize
    if not size:
        check_size(name, shape[0], math.prod(shape[1:]), limits)  # raises, before numpy multiplies the other sides
    if size > there:
        raise DamagedFile(
            f"'{name}' is cut off: its header promises {shown(' x '.join(f'{side:,}' for side in shape))} numbers in "
            f"{size:,} bytes, and {there:,} are there. Copy or download it again."
        )
    if size > 2 * limits.most_bytes:
        raise InputError(f"'{name}' unpacks to {size_of(size)}; at most {size_of(2 * limits.most_bytes)} are read.")


def draft_of(name: str, array: NDArray[Any], limits: Limits) -> Draft:
    """An array as a table of vectors; raises InputError, with what to do, for what is none."""
    kind, shape = array.dtype.kind, array.shape
    if array.dtype.names:
        return _records(name, array, limits)
    if kind == "c":
        raise InputError(
            f"'{name}' holds complex numbers. Put real and imaginary parts side by side: "
            "numpy.hstack([array.real, array.imag])."
        )
    if kind not in "fiub":
        what = "texts" if kind in "US" else "dates" if kind in "mM" else f"'{shown(array.dtype)}'"
        raise InputError(f"'{name}' holds {what}, not numbers; give the file with the vectors, or both together.")
    if not shape:
        raise InputError(f"'{name}' holds a single number; a table has rows and columns.")
    if len(shape) == 1:
        raise InputError(
            f"'{name}' holds one line of {plural(shape[0], 'number')}; a table has rows and columns. Save it as "
            "array.reshape(1, -1) where it is one vector, array.reshape(-1, 1) where each number is an item."
        )
    check_size(name, shape[0], math.prod(shape[1:]), limits)
    said = [f"'{name}' holds {shape[0]:,} x {math.prod(shape[1:]):,} numbers ({array.dtype.name})."]
    if kind == "b":
        said.append("True and false are read as 1 and 0.")
        array = array.astype(np.uint8)
    images = None
    if len(shape) > 2:
        flat = " x ".join(map(str, shape[1:]))
        said.append(f"Each row is {flat} numbers, laid out as one vector.")
        if array.dtype == np.uint8 and len(shape) - 2 <= 2 and min(shape[1:3]) >= 4 and (*shape, 1)[3] in (1, 3):
            images = np.ascontiguousarray(array.reshape(*shape[:3], (*shape, 1)[3]))
        array = array.reshape(shape[0], -1)
    return Draft(array, said=said, images=images)


def _records(name: str, array: NDArray[Any], limits: Limits) -> Draft:
    """A structured array: its fields are the columns of a table."""
    import pyarrow as pa

    if array.ndim != 1:
        raise InputError(f"'{name}' holds records of shape {array.shape}; a table of records has one dimension.")
    columns = {}
    for field in array.dtype.names or ():
        values = np.ascontiguousarray(array[field])
        try:
            if values.ndim == 2 and values.dtype.kind in "fiu" and values.size:
                columns[field] = pa.FixedSizeListArray.from_arrays(_native(values).ravel(), values.shape[1])
            elif values.ndim == 1:
                columns[field] = pa.array(_native(values))
        except (pa.ArrowException, ValueError, TypeError, NotImplementedError):
            continue  # draft_from_table says which columns it has
    if not columns:
        raise InputError(f"'{name}' holds records without a column of numbers.")
    return draft_from_table(pa.table(columns), name, limits)


def _native(array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(array.dtype.newbyteorder("="))


def names_in_npy(given: Given) -> Given | None:
    """An .npy of one text a row as a file of labels; None for any other."""
    with given.open() as file:
        shape, _, dtype = _header(file, given.name)
        start = file.tell()
    if dtype.kind not in "US" or len(shape) != 1 or math.prod(shape) * dtype.itemsize > given.size - start:
        return None
    texts = np.ndarray(shape, dtype, given.whole(), start).tolist()
    lines = (text if isinstance(text, str) else text.decode("utf-8", "replace") for text in texts)
    return given.renamed(given.name, "".join(safe_name(line) + "\n" for line in lines).encode("utf-8", "replace"))


def read_npz(given: Given, limits: Limits) -> Draft:
    """The table of vectors in an .npz, with the arrays of as many texts and numbers as it has rows."""
    arrays: dict[str, NDArray[Any]] = {}
    left: list[str] = []
    for name, data in members(given, limits):
        if not name.endswith(".npy"):
            left.append(f"'{name}' is no array")
            continue
        inner = given.renamed(name, data)
        with inner.open() as file:
            shape, fortran, dtype = _header(file, f"{name} in {given.name}")
            start = file.tell()
        key = name.removesuffix(".npy")
        if dtype.hasobject:
            left.append(f"'{key}' is an array of Python objects, which only unpickling could read")
            continue
        _fits(f"{name} in {given.name}", shape, dtype, len(data) - start, limits)
        arrays[key] = np.ndarray(shape, dtype, data, start, order="F" if fortran else "C")
    return best_of(given.name, arrays, left, limits)


def best_of(name: str, arrays: Mapping[str, NDArray[Any]], left: Sequence[str], limits: Limits) -> Draft:
    """Of several arrays the vectors, by their name, else the largest; arrays with a value for each row beside it."""
    tables = {key: array for key, array in arrays.items() if array.ndim > 1 and array.dtype.kind in "fiubc"}
    if not tables:
        there = [f"{key} {array.shape}" for key, array in arrays.items()] + list(left)
        raise InputError(f"'{name}' has no array of rows and columns of numbers; it has: {few(there) or 'nothing'}.")
    known = [key for hint in VECTORS for key in tables if key.lower().rpartition(".")[2] == hint]
    chosen = known[0] if known else max(tables, key=lambda key: tables[key].size)
    draft = draft_of(name, tables[chosen], limits)
    n = len(draft.vectors)
    beside = {key: array for key, array in arrays.items() if array.shape == (n,)}
    other = [key for key in arrays if key != chosen and key not in beside]
    if len(arrays) > 1 or chosen not in VECTORS:
        draft.said[0] = f"Of '{name}' the array '{shown(chosen)}' is opened: " + draft.said[0].split(" holds ")[1]
    if other:
        draft.said.append(f"Left alone: {few([repr(shown(key, 40)) for key in other])}.")
    draft.said += [Odd(f"{text[:1].upper()}{text[1:]}; it was left out.") for text in left]
    name_columns(draft, beside)
    return draft


def name_columns(draft: Draft, columns: Mapping[str, NDArray[Any]]) -> None:
    """Give a draft its names and its table from arrays of one value a row."""
    import pandas as pd

    table: dict[str, Any] = {}
    for key, array in columns.items():
        if array.dtype.kind == "S":
            table[key] = [value.decode("utf-8", "replace") for value in array.tolist()]
        elif array.dtype.kind in "U":
            table[key] = array.tolist()
        elif array.dtype.kind in "fiub":
            table[key] = _native(array)
    texts = [key for key, values in table.items() if isinstance(values, list)]
    hinted = [key for hint in NAMES for key in table if key.lower() == hint]
    if chosen := next(iter([*hinted, *texts]), None):
        names = table[chosen]
        draft.names = [str(value) for value in (names if isinstance(names, list) else names.tolist())]
        draft.said.append(f"'{shown(chosen)}' names the items.")
        if len(set(draft.names)) == len(draft.names):
            del table[chosen]
    if table:
        draft.said.append(f"Kept as columns: {few(repr(shown(key, 40)) for key in table)}.")
        draft.meta = pd.DataFrame(table)


def write_npy(space: Space) -> dict[str, Iterator[bytes]]:
    """The vectors as .npy, and beside it the Projector's table of labels."""
    return {".npy": _npy(space.vectors), ".labels.tsv": labels_lines(space)}


def _npy(array: NDArray[Any]) -> Iterator[bytes]:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(array))
    yield head.getvalue()
    yield array.tobytes()


def write_npz(space: Space) -> dict[str, Iterator[bytes]]:
    """Vectors, items and the columns that are texts or numbers, as .npz."""

    def lines() -> Iterator[bytes]:

        arrays: dict[str, NDArray[Any]] = {"vectors": space.vectors, "items": np.array(space.items, str)}
        for name, values in plain_columns(space).items():
            arrays[name.replace("/", "_") if name not in arrays else f"{name} (column)"] = np.array(values)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in arrays.items():
                with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
        yield buffer.getvalue()

    return {".npz": lines()}

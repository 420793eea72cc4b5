"""safetensors: a header of JSON, then raw numbers; read by hand, so that bfloat16 opens too."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.files.arrays import best_of
from embedkit.files.columns import plain_columns
from embedkit.files.draft import Draft
from embedkit.files.given import Given, Limits, Odd, few, plural, reason, shown
from embedkit.space import Space

__all__ = ["read_safetensors", "write_safetensors"]

MOST_HEADER = 100 * 2**20  # as in the format's own reader
KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
         "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"}  # fmt: skip


def read_safetensors(given: Given, limits: Limits) -> Draft:
    """The table of vectors in a safetensors file; names are read where embedkit wrote it."""
    with given.open() as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            raise InputError(f"'{given.name}' claims a header of {length:,} bytes; at most {MOST_HEADER:,} are read.")
        try:
            header = json.loads(file.read(length))
            if not isinstance(header, dict):
                raise ValueError("its header is no object")
        except (ValueError, RecursionError) as error:
            raise DamagedFile(f"'{given.name}' is no whole safetensors file: {reason(error)}.") from None
    whole = np.frombuffer(given.data, np.uint8) if given.path is None else np.memmap(given.path, np.uint8, "r")
    arrays, left = {}, []
    about = header.pop("__metadata__", {})
    for name, told in header.items():
        kind, shape, start, stop = _told(given.name, name, told)
        if stop + 8 + length > given.size:
            raise DamagedFile(
                f"'{given.name}' is cut off: '{shown(name)}' ends at byte {stop + 8 + length:,}, and "
                f"{given.size:,} are there. Copy or download it again."
            )
        if kind not in KINDS:
            left.append(f"'{shown(name)}' holds {shown(kind)}, which numpy does not know")
            continue
        dtype = np.dtype(KINDS[kind])
        if stop - start != math.prod(shape) * dtype.itemsize:
            raise DamagedFile(
                f"'{given.name}' is damaged: '{shown(name)}' has another size than its shape {shown(shape)}."
            )
        array: NDArray[Any] = np.ndarray(shape, dtype, whole, 8 + length + start)
        arrays[name] = (array.astype("<u4") << 16).view("<f4") if kind == "BF16" else array
    draft = best_of(given.name, arrays, left, limits)
    _named(draft, about)
    return draft


def _told(file: str, name: str, told: object) -> tuple[str, tuple[int, ...], int, int]:
    try:
        assert isinstance(told, dict)
        kind, (start, stop) = str(told["dtype"]), told["data_offsets"]
        shape = tuple(told["shape"])
        if not all(type(number) is int and 0 <= number < 2**60 for number in (*shape, start, stop)) or stop < start:
            raise ValueError
    except (AssertionError, KeyError, TypeError, ValueError):
        raise DamagedFile(f"'{file}' is damaged: what its header says of '{shown(name)}' is no tensor.") from None
    return kind, shape, start, stop


def _named(draft: Draft, about: object) -> None:
    """Names and columns from the metadata, where they are lists as long as the table."""
    import pandas as pd

    found: dict[str, list[Any]] = {}
    for key in ("items", "columns"):
        try:
            told = json.loads(about[key]) if isinstance(about, dict) else None
        except (KeyError, TypeError, ValueError, RecursionError):
            continue
        lists = {"items": told} if key == "items" else told if isinstance(told, dict) else {}
        for name, values in lists.items():
            plain = isinstance(values, list) and all(isinstance(value, str | int | float) for value in values)
            if isinstance(values, list) and plain and len(values) == len(draft.vectors):
                found[name] = values
            else:
                draft.said.append(
                    Odd(f"The list '{shown(name)}' in its metadata does not fit the rows and is left alone.")
                )
    if items := found.pop("items", None):
        draft.names = [str(item) for item in items]
        draft.said.append("Its metadata names the items.")
    if found:
        draft.meta = pd.DataFrame(
            {name: values if not _mixed(values) else list(map(str, values)) for name, values in found.items()}
        )
        draft.said.append(
            f"Kept as columns: {few(repr(shown(name, 40)) for name in found)} ({plural(len(found), 'column')})."
        )


def _mixed(values: list[Any]) -> bool:
    return len({isinstance(value, str) for value in values}) > 1 or any(
        type(value) is int and abs(value) >= 2**63 for value in values
    )


def write_safetensors(space: Space) -> dict[str, Iterator[bytes]]:
    """One tensor "vectors"; items and columns as JSON in the metadata, which holds texts alone."""

    def lines() -> Iterator[bytes]:
        about = {"items": json.dumps(space.items), "columns": json.dumps(plain_columns(space))}
        tensor = {"dtype": "F32", "shape": [space.n, space.d], "data_offsets": [0, space.vectors.nbytes]}
        header = json.dumps({"__metadata__": about, "vectors": tensor}).encode()
        header += b" " * (-len(header) % 8)
        yield len(header).to_bytes(8, "little") + header
        yield space.vectors.astype("<f4").tobytes()

    return {".safetensors": lines()}

"""Parquet and Arrow: files of named columns, read by pyarrow, checked whole before a value is looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

from embedkit.errors import DamagedFile, InputError
from embedkit.export import parquet
from embedkit.files.columns import check_count, draft_from_table
from embedkit.files.draft import Draft
from embedkit.files.given import Given, Limits, reason, size_of
from embedkit.files.ipc import unpacked_size
from embedkit.space import Space

__all__ = ["ipc_bytes", "read_arrow", "read_parquet", "write_arrow", "write_parquet"]

BATCH = 2**16


def read_parquet(given: Given, limits: Limits) -> Draft:
    """A Parquet file: a column of lists of numbers, or a column for each number; a Space's own file as it was."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(given.arrow())
        about = file.metadata
        count = sum(
            about.row_group(group).column(column).num_values
            for group in range(about.num_row_groups)
            for column in range(about.num_columns)
        )
        check_count(given.name, max(count, about.num_rows), limits)
        texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        # texts stay in their dictionaries: a file of few bytes may name one long text in a million rows
        file = pq.ParquetFile(given.arrow(), read_dictionary=texts if len(set(texts)) == len(texts) else None)
        table = file.read(use_threads=True)
        table.validate(full=True)
    except InputError:
        raise
    except (
        Exception
    ) as error:  # pyarrow raises many kinds on broken bytes: ArrowInvalid, OSError, KeyError, MemoryError
        raise DamagedFile(f"'{given.name}' is no whole Parquet file: {reason(error)}.") from None
    return draft_from_table(table, given.name, limits)


def read_arrow(given: Given, limits: Limits) -> Draft:
    """An Arrow file (Feather, IPC), or its stream."""
    import pyarrow as pa

    try:
        source = given.arrow()
        if (size := unpacked_size(source)) > 2 * limits.most_bytes:
            most = size_of(2 * limits.most_bytes)
            raise InputError(f"'{given.name}' unpacks to {size_of(size)}; at most {most} are read {limits.way}.")
        source.seek(0)
        stream = given.head[:6] != b"ARROW1"
        table = (pa.ipc.open_stream(source) if stream else pa.ipc.open_file(source)).read_all()
        table.validate(full=True)  # offsets that lead outside are found here, not followed later
    except InputError:
        raise
    except Exception as error:  # as above
        raise DamagedFile(f"'{given.name}' is no whole Arrow file: {reason(error)}.") from None
    check_count(given.name, table.num_rows * max(1, table.num_columns), limits)
    return draft_from_table(table, given.name, limits)


def write_parquet(space: Space) -> dict[str, Iterator[bytes]]:
    """The Space's own Parquet file."""

    def lines() -> Iterator[bytes]:
        yield parquet(space)

    return {".parquet": lines()}


def ipc_bytes(space: Space) -> bytes:
    """A Space as an Arrow file with the same columns and metadata as its Parquet file."""
    import pyarrow as pa

    vector = pa.FixedSizeListArray.from_arrays(pa.array(space.vectors.ravel()), space.d)
    table = pa.table({"item": pa.array(space.items, pa.string()), "vector": vector})
    meta = pa.Table.from_pandas(space.meta, preserve_index=False)
    for column in meta.column_names:
        table = table.append_column(column, meta.column(column))
    about = {"key": space.key, "title": space.title, "origin": asdict(space.origin)}
    table = table.replace_schema_metadata({**(meta.schema.metadata or {}), b"embedkit": json.dumps(about).encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def write_arrow(space: Space) -> dict[str, Iterator[bytes]]:
    """An Arrow file."""

    def lines() -> Iterator[bytes]:
        yield ipc_bytes(space)

    return {".arrow": lines()}

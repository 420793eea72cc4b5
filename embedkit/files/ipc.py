"""How large an Arrow file becomes when it is unpacked: pyarrow would allocate whatever a compressed buffer claims."""

from __future__ import annotations

import struct
from typing import Any

__all__ = ["unpacked_size"]


def unpacked_size(source: Any) -> int:
    """The bytes that the buffers of an Arrow file or stream claim, 0 where it is not understood as far as here."""
    import pyarrow as pa

    total = 0
    if source.read(6) != b"ARROW1":
        source.seek(0)
    else:
        source.seek(8)  # the file format is a stream between its marks
    try:
        reader = pa.ipc.MessageReader.open_stream(source)
        while True:
            message = reader.read_next_message()
            total += _claimed(message.metadata.to_pybytes(), message.body)
    except (StopIteration, pa.ArrowException, OSError, struct.error, IndexError, TypeError):
        return total


def _claimed(meta: bytes, body: Any) -> int:
    """The claims of one message, whose metadata is a flatbuffer: Message { header: RecordBatch { buffers } }."""
    message = _u32(meta, 0)
    kind = _field(meta, message, 1)
    header = _field(meta, message, 2)
    if not kind or not header or meta[kind] not in (2, 3):  # a dictionary's batch, a batch of rows
        return 0
    batch = header + _u32(meta, header)
    if meta[kind] == 2:
        inner = _field(meta, batch, 1)
        batch = inner + _u32(meta, inner)
    buffers, packed = _field(meta, batch, 2), _field(meta, batch, 3)
    if not buffers or not packed:
        return 0  # what is not compressed is as large as it is
    start = buffers + _u32(meta, buffers)
    total = 0
    for number in range(min(_u32(meta, start), len(meta) // 16)):
        offset, length = struct.unpack_from("<qq", meta, start + 4 + 16 * number)
        if length >= 8 and 0 <= offset <= body.size - 8:
            total += max(0, struct.unpack_from("<q", body.slice(offset, 8).to_pybytes())[0])
    return total


def _u32(data: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def _field(data: bytes, table: int, number: int) -> int:
    """Where a field of a flatbuffer's table stands, 0 where it has none."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    if vtable < 0 or 4 + 2 * number >= size:
        return 0
    offset = struct.unpack_from("<H", data, vtable + 4 + 2 * number)[0]
    return int(table + offset) if offset else 0

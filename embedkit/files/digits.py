"""Numbers as text: each the shortest that is this float32, 0.1 and not 0.10000000149011612."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from embedkit.space import Space

__all__ = ["text_rows"]

BLOCK = 2**20  # numbers


def text_rows(space: Space, between: str) -> Iterator[tuple[range, list[str]]]:
    """The vectors as lines with `between` between their numbers, some thousand rows at a time, and which rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    step = max(1, BLOCK // space.d)
    for start in range(0, space.n, step):
        block = space.vectors[start : start + step]
        places = pa.array(np.arange(0, block.size + 1, space.d, dtype=np.int32))
        texts = pa.ListArray.from_arrays(places, pc.cast(pa.array(block.ravel()), pa.string()))
        yield range(start, start + len(block)), pc.binary_join(texts, between).to_pylist()

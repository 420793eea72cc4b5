"""Space: items, their vectors and what is known about them. The one result type of every method."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError, UnknownItem

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Origin", "Space", "frozen", "to_unit"]

Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Origin:
    """Where vectors come from: enough to say it on a page and to make them again."""

    method: str
    params: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    data: str = ""
    licence: str = ""
    year: int = 0


@dataclass(frozen=True, eq=False)
class Space:
    """Items and their vectors, checked once, at birth.

    `items` are n unique names, `vectors` float32 (n, d), C-contiguous, read-only and finite, `meta` a table of n rows
    without the reserved columns "item" and "vector". Raises InputError, naming the first row that does not fit.
    """

    key: str
    title: str
    items: tuple[str, ...]
    vectors: Vectors
    meta: pd.DataFrame = None  # type: ignore[assignment]  # None means "no columns"
    origin: Origin = Origin("unknown")

    def __post_init__(self) -> None:
        items = tuple(self.items)
        try:
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinity, which the check below names
                vectors = np.array(self.vectors, dtype=np.float32, order="C")  # a copy: nobody else can write to it
        except (TypeError, ValueError) as error:
            raise InputError(f"The vectors of '{self.title}' are not a table of numbers: {error}") from None
        _check(self.title, items, vectors)
        vectors.flags.writeable = False
        object.__setattr__(self, "items", items)
        object.__setattr__(self, "vectors", vectors)
        object.__setattr__(self, "meta", _checked_meta(self.meta, len(items)))

    @property
    def n(self) -> int:
        """Number of items."""
        return len(self.items)

    @property
    def d(self) -> int:
        """Number of dimensions."""
        return int(self.vectors.shape[1])

    def __len__(self) -> int:
        return self.n

    def __contains__(self, item: object) -> bool:
        return item in self.rows

    def __repr__(self) -> str:
        return f"Space({self.key!r}, {self.n:,} x {self.d})"

    @cached_property
    def rows(self) -> dict[str, int]:
        """Row number by item."""
        return {item: row for row, item in enumerate(self.items)}

    @cached_property
    def unit(self) -> Vectors:
        """The vectors at length 1, read-only; a zero vector stays zero."""
        unit = to_unit(self.vectors)
        unit.flags.writeable = False
        return unit

    @cached_property
    def digest(self) -> str:
        """A hash of items and vectors: equal spaces share their stored graphs and projections."""
        digest = hashlib.blake2b("\0".join(self.items).encode("utf-8", "surrogatepass"), digest_size=16)
        digest.update(str(self.vectors.shape).encode())
        digest.update(self.vectors.data)
        return digest.hexdigest()

    def row(self, item: str) -> int:
        """Row number of an item; raises UnknownItem with near spellings."""
        if item not in self.rows:
            raise UnknownItem(item, self.items)
        return self.rows[item]

    def vector(self, item: str) -> Vectors:
        """Vector of an item, (d,); raises UnknownItem."""
        vector: Vectors = self.vectors[self.row(item)]
        return vector

    def take(self, items: Sequence[str], *, key: str | None = None, title: str | None = None) -> Space:
        """The space of these items only, in this order; raises UnknownItem, and InputError when one comes twice."""
        rows = [self.row(item) for item in items]
        return Space(
            key=key or f"{self.key}[{len(rows)}]",
            title=title or self.title,
            items=tuple(items),
            vectors=self.vectors[rows],
            meta=self.meta.iloc[rows].reset_index(drop=True),
            origin=self.origin,
        )

    def to_parquet(self, path: Path | str | BinaryIO) -> None:
        """Write one Parquet file: column "item", column "vector" (fixed-size list of float32), the meta columns.

        `path` may be a file that is open.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        vector = pa.FixedSizeListArray.from_arrays(pa.array(self.vectors.ravel()), self.d)
        table = pa.table({"item": pa.array(self.items, pa.string()), "vector": vector})
        meta = pa.Table.from_pandas(self.meta, preserve_index=False)
        for name in meta.column_names:
            table = table.append_column(name, meta.column(name))
        table = table.replace_schema_metadata(meta.schema.metadata)
        about = {"key": self.key, "title": self.title, "origin": asdict(self.origin)}
        metadata = {**(table.schema.metadata or {}), b"embedkit": json.dumps(about).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)

    @classmethod
    def from_parquet(cls, path: Path | str | BinaryIO) -> Space:
        """Read what `to_parquet` wrote; raises DamagedFile."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        name = Path(path).name if isinstance(path, (str, Path)) else "This file"
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {}).get(b"embedkit", b"{}"))
            column = table.column("vector").combine_chunks()
            vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(len(table), column.type.list_size)
            items = tuple(table.column("item").to_pylist())
            meta = table.drop_columns(["item", "vector"]).to_pandas()
            origin = Origin(**about.get("origin", {"method": "parquet"}))
        except (OSError, KeyError, ValueError, AttributeError, TypeError, pa.ArrowException) as error:
            raise DamagedFile(f"{name} is not a space that embedkit wrote: {error}") from error
        stem = Path(name).stem
        return cls(about.get("key", stem), about.get("title", stem), items, vectors, meta, origin)


def frozen(values: Any) -> np.ndarray[Any, Any]:
    """A read-only copy of numbers, such as the weights of a network that goes on learning."""
    array: np.ndarray[Any, Any] = np.array(values)
    array.flags.writeable = False
    return array


def to_unit(vectors: Vectors) -> Vectors:
    """Rows at length 1, float32 (n, d); lengths are taken in double, where no square over- or underflows."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))[:, None]
    unit: Vectors = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return unit


def _check(title: str, items: tuple[str, ...], vectors: Vectors) -> None:
    if vectors.ndim != 2 or vectors.shape[1] < 1:
        raise InputError(f"The vectors of '{title}' must have shape (n, d) with d at least 1, not {vectors.shape}.")
    if len(items) != len(vectors):
        raise InputError(f"'{title}' has {len(items):,} items but {len(vectors):,} vectors; give one vector an item.")
    for row, item in enumerate(items):
        if not isinstance(item, str):
            raise InputError(f"Item {row} of '{title}' is {item!r}; items must be text.")
    if len(set(items)) < len(items):
        seen: set[str] = set()
        twice = next(item for item in items if item in seen or seen.add(item))  # type: ignore[func-returns-value]
        raise InputError(f"'{twice}' stands twice among the items of '{title}'; items must be unique.")
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        bad = int((~finite).sum())
        raise InputError(f"{bad:,} vectors of '{title}' hold NaN or infinity, the first at '{items[row]}' (row {row}).")


def _checked_meta(meta: pd.DataFrame | None, n: int) -> pd.DataFrame:
    import pandas as pd

    if meta is None:
        return pd.DataFrame(index=pd.RangeIndex(n))
    if len(meta) != n:
        raise InputError(f"The meta table has {len(meta):,} rows for {n:,} items.")
    if reserved := {"item", "vector"} & {str(column) for column in meta.columns}:
        raise InputError(f"The meta table may not have the column '{reserved.pop()}'; that name is taken.")
    return meta.reset_index(drop=True)

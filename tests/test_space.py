"""Space: checked once, at birth; read-only; comes back from its file."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from embedkit.errors import DamagedFile, InputError, UnknownItem
from embedkit.space import Origin, Space


def space(items: Any = ("a", "b"), vectors: Any = ((1, 2), (3, 4)), **more: Any) -> Space:
    return Space("test", "Test", items, vectors, **more)


def test_vectors_are_float32_contiguous_and_read_only() -> None:
    for given in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], np.float64), np.array([[1, 3], [2, 4]]).T):
        made = space(vectors=given)
        assert made.vectors.dtype == np.float32
        assert made.vectors.flags.c_contiguous
        np.testing.assert_array_equal(made.vectors, [[1, 2], [3, 4]])
        for array in (made.vectors, made.unit, made.vector("a")):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 9


def test_what_was_given_can_change_without_the_space() -> None:
    given, meta = np.ones((2, 2), np.float32), pd.DataFrame({"sense": ["x", "y"]})
    made = space(vectors=given, meta=meta)
    given[0] = 7
    meta.loc[0, "sense"] = "z"
    assert made.vectors[0].tolist() == [1, 1]
    assert made.meta["sense"].tolist() == ["x", "y"]
    assert given.flags.writeable


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"items": ("a", "a")}, "'a' stands twice"),
        ({"items": ("a",)}, "1 items but 2 vectors"),
        ({"items": ("a", 3)}, "Item 1 of 'Test' is 3"),
        ({"vectors": [[1, 2], [3, np.nan]]}, "the first at 'b' (row 1)"),
        ({"vectors": [[np.inf, 2], [np.nan, 4]]}, "2 vectors of 'Test' hold NaN or infinity, the first at 'a' (row 0)"),
        ({"vectors": [1, 2]}, "(n, d)"),
        ({"vectors": np.zeros((2, 0))}, "d at least 1, not (2, 0)"),
        ({"vectors": [[1, 2], [3]]}, "not a table of numbers"),
        ({"vectors": [["x", "y"], ["z", "w"]]}, "not a table of numbers"),
        ({"meta": pd.DataFrame({"sense": ["x"]})}, "1 rows for 2 items"),
        ({"meta": pd.DataFrame({"item": ["x", "y"]})}, "column 'item'"),
        ({"meta": pd.DataFrame({"vector": ["x", "y"]})}, "column 'vector'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        space(**change)
    assert says in str(caught.value)


def test_numbers_too_large_for_float32_are_refused_without_a_warning() -> None:
    with pytest.raises(InputError, match="infinity"):
        space(vectors=[[1e300, 0], [0, 1]])


def test_unit_vectors_by_hand() -> None:
    made = space(("a", "zero"), [[3, 4], [0, 0]])
    np.testing.assert_allclose(made.unit, [[0.6, 0.8], [0, 0]], atol=1e-7)


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_unit_vectors_of_very_small_and_large_numbers(scale: float) -> None:
    made = space(("a",), np.array([[3, 4]]) * scale)
    np.testing.assert_allclose(made.unit, [[0.6, 0.8]], atol=1e-6)


def test_sizes_rows_and_membership(toy: Space) -> None:
    assert (toy.n, len(toy), toy.d) == (4, 4, 2)
    assert toy.row("slope") == 2
    assert toy.vector("slope").tolist() == [3, 4]
    assert "slope" in toy
    assert "slop" not in toy
    assert repr(toy) == "Space('toy', 4 x 2)"


def test_unknown_item_names_near_spellings(toy: Space) -> None:
    with pytest.raises(UnknownItem) as caught:
        toy.row("slopee")
    assert str(caught.value) == "'slopee' is not among 4 items. Did you mean 'slope'?"
    assert caught.value.near == ("slope",)
    with pytest.raises(KeyError):
        toy.vector("zzz")


def test_take_keeps_order_meta_and_origin() -> None:
    made = space(meta=pd.DataFrame({"sense": ["x", "y"]}), origin=Origin("m", {"k": 1}))
    taken = made.take(["b", "a"], key="new")
    assert (taken.items, taken.key, taken.title) == (("b", "a"), "new", "Test")
    assert taken.vectors.tolist() == [[3, 4], [1, 2]]
    assert taken.meta["sense"].tolist() == ["y", "x"]
    assert taken.meta.index.tolist() == [0, 1]
    assert taken.origin == made.origin
    assert made.take([]).n == 0
    with pytest.raises(InputError, match="'a' stands twice"):
        made.take(["a", "a"])
    with pytest.raises(UnknownItem):
        made.take(["c"])


def test_digest_follows_items_and_vectors_only() -> None:
    made = space()
    assert made.digest == Space("other", "Other", ("a", "b"), [[1, 2], [3, 4]]).digest
    assert made.digest != space(items=("a", "c")).digest
    assert made.digest != space(vectors=[[1, 2], [3, 5]]).digest
    assert space(("ab",), [[1, 2]]).digest != space(("a",), [[1, 2]]).digest
    assert space(("a", "b"), [[1], [2]]).digest != space(("a\0b",), [[1, 2]]).digest
    assert space(("\ud800", "b")).digest != made.digest


def test_parquet_round_trip_keeps_every_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    meta = pd.DataFrame({"sense": ["x", "y", "é"], "count": [1, 2, 3]})
    made = Space(
        "k", "T", ("a", "ü 🍎", " b "), rng.normal(size=(3, 5)), meta, Origin("m", {"dim": 5}, 3, "d", "MIT", 2020)
    )
    made.to_parquet(tmp_path / "s.parquet")
    back = Space.from_parquet(tmp_path / "s.parquet")
    assert (back.key, back.title, back.items, back.origin) == (made.key, made.title, made.items, made.origin)
    assert back.vectors.tobytes() == made.vectors.tobytes()
    assert back.digest == made.digest
    pd.testing.assert_frame_equal(back.meta, made.meta)


@pytest.mark.parametrize("n", [0, 2])
def test_parquet_round_trip_without_meta(tmp_path: Path, n: int) -> None:
    made = Space("k", "T", tuple("ab"[:n]), np.ones((n, 3)))
    made.to_parquet(tmp_path / "s.parquet")
    back = Space.from_parquet(tmp_path / "s.parquet")
    assert (back.items, back.vectors.shape, back.meta.shape) == (made.items, (n, 3), (n, 0))


def test_the_parquet_file_is_one_that_others_read(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    space(meta=pd.DataFrame({"sense": ["x", "y"]})).to_parquet(tmp_path / "s.parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.column_names == ["item", "vector", "sense"]
    assert table.schema.field("vector").type.list_size == 2
    assert table.schema.field("vector").type.value_type == pa.float32()


def test_a_file_that_is_no_space_is_damaged(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "s.parquet"
    with pytest.raises(DamagedFile, match=r"s\.parquet"):
        Space.from_parquet(path)
    path.write_bytes(b"PAR1 nothing PAR1")
    with pytest.raises(DamagedFile):
        Space.from_parquet(path)
    pq.write_table(pa.table({"item": ["a"], "vector": [[1.0, 2.0]]}), path)  # lists of any length
    with pytest.raises(DamagedFile):
        Space.from_parquet(path)
    pq.write_table(pa.table({"item": ["a"]}), path)
    with pytest.raises(DamagedFile):
        Space.from_parquet(path)
    space(meta=pd.DataFrame({"sense": ["x", "y"]})).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DamagedFile):
        Space.from_parquet(path)

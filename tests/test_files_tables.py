"""Tables as text and with named columns: what becomes vectors, names and columns, and what is said of the rest."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from embedkit.errors import DamagedFile, EmbedkitError, InputError
from embedkit.files import COMMAND_LINE, Limits, Opened, open_files
from embedkit.files.ipc import unpacked_size


def opened(data: str | bytes, name: str = "x.csv", limits: Limits = COMMAND_LINE) -> Opened:
    return open_files([(name, data.encode() if isinstance(data, str) else data)], limits=limits)


def parquet(columns: dict[str, Any]) -> bytes:
    packed = io.BytesIO()
    pq.write_table(pa.table(columns), packed)
    return packed.getvalue()


HARD = """word,x1,x2,x3
a,1,2,3
b,4,5,oops
c,1,,2
d,1,nan,3
e,5,6
f,1,2,3,4
g,7,8,9
a,1,1,inf
a,1e39,1,1
a,2,2,2
"""


def test_rows_that_are_no_vectors_are_left_out_counted_and_named() -> None:
    found = opened(HARD)
    assert found.space.items == ("a", "g", "a (2)")
    assert found.space.vectors.tolist() == [[1, 2, 3], [7, 8, 9], [2, 2, 2]]
    assert found.space.meta["word"].tolist() == ["a", "g", "a"]
    assert found.format == "csv"
    assert found.said == (
        "Read as CSV, TSV: 'x.csv' has 8 rows; 3 columns of numbers are the vectors: 'x1', 'x2', 'x3'.",
        "'word' names the items.",
        "Kept as columns: 'word'.",
        "2 rows were left out, as 4 cells belong in each: row 6 (3 cells), row 7 (5 cells).",
        "5 of 8 rows were left out, as they are no vectors: row 3 ('oops' stands in column 'x3', where a number "
        "belongs), row 4 (column 'x2' is empty or NaN), row 5 (column 'x2' is empty or NaN) and 2 more.",
        "1 name came more than once and got a number: 'a'.",
    )
    rest = opened("w,a,b\nx,1,2\ny,1,inf\nz,1e39,2\n").said[-2]
    assert rest.endswith("row 3 (column 'b' is infinite), row 4 (column 'a' is infinite).")


def test_rows_after_a_ragged_one_keep_their_numbers() -> None:
    said = opened("w,a,b\nx,1,2\ny,1\n\nz,1,nan\nv,1,2,3\nu,1,2\nt,,2\n").said
    assert (
        "2 rows were left out, as 3 cells belong in each: row 3 (2 cells), row 5 (4 cells)." in said
    )  # blank lines do not count
    assert said[-1].endswith("row 4 (column 'b' is empty or NaN), row 7 (column 'a' is empty or NaN).")


@pytest.mark.parametrize(
    ("text", "name", "items", "vectors"),
    [
        ("a,1,2\nb,3,4\n", "x.csv", ("a", "b"), [[1, 2], [3, 4]]),  # no header
        ("1,2\n3,4\n", "x.csv", ("row 1", "row 2"), [[1, 2], [3, 4]]),  # whole numbers that count up are no header
        (",0,1\na,.5,2\nb,3,4\n", "x.csv", ("a", "b"), [[0.5, 2], [3, 4]]),  # pandas
        ("0,1\n.5,2.5\n3.5,4.5\n", "x.csv", ("row 2", "row 3"), [[0.5, 2.5], [3.5, 4.5]]),  # the same without its index
        ('"x","y"\n"a",1,2\n"b",3,4\n', "x.csv", ("a", "b"), [[1, 2], [3, 4]]),  # R
        ("wort;u;v\nä;0,5;1,5\nö;1;2,0\n", "x.csv", ("ä", "ö"), [[0.5, 1.5], [1, 2]]),  # a decimal comma
        ("\ufeffword,u,v\r\nä,0,1\r\nb,2,3\r\n", "x.csv", ("ä", "b"), [[0, 1], [2, 3]]),
        ("word|u|v\na|0|1\nb|2|3", "x.txt", ("a", "b"), [[0, 1], [2, 3]]),
        ("# made by numpy\n1.0e+00 2\n3 4\n", "x.txt", ("row 2", "row 3"), [[1, 2], [3, 4]]),  # numpy.savetxt
        ('t,e\n"a, b","[0.5, 2]"\nc,"[3 4\n]"\n', "x.csv", ("a, b", "c"), [[0.5, 2], [3, 4]]),
        ("t\te\na b\t0.5 2\nc\t3 4\n", "x.tsv", ("a b", "c"), [[0.5, 2], [3, 4]]),
        ("id,label,price,size\n1,x,.5,2\n2,y,3,4\n", "x.csv", ("x", "y"), [[0.5, 2], [3, 4]]),  # an id is no dimension
        (
            "t,n,v1,v2,v3\na,9,1,2,3\nb,9,4,5,6\n",
            "x.csv",
            ("a", "b"),
            [[1, 2, 3], [4, 5, 6]],
        ),  # nor a number beside v1..
    ],
)
def test_headers_marks_and_columns(text: str, name: str, items: tuple[str, ...], vectors: list[list[float]]) -> None:
    found = opened(text, name)
    assert found.space.items == items
    assert found.space.vectors.tolist() == vectors


def test_columns_beside_the_vectors_are_kept() -> None:
    found = opened("t,n,v1,v2,v3,day,ok,vector,item\na,9,1,2,3,2020-01-02,true,q,z\nb,,4,5,6,2020-01-03,false,q,z\n")
    assert found.space.items == ("z", "z (2)")
    assert list(found.space.meta.columns) == ["t", "n", "day", "ok", "vector (column)", "item (column)"]
    assert found.space.meta["day"].tolist() == ["2020-01-02", "2020-01-03"]
    assert found.space.meta["n"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (b"word,a,b\n\xe4,0,1\n", "x.csv", "'x.csv' is not UTF-8: byte 10, in line 2, is 0xE4. Save it as UTF-8."),
        ("word,a,b\n".encode("utf-16"), "x.csv", "is 0xFF. It looks like UTF-16. Save it as UTF-8."),
        (
            b"a,b\nc,d\n",
            "x.csv",
            "'x.csv' has no column of numbers or of lists of numbers; it has: a (string), b (string).",
        ),
        (b"7\n2\n1\n", "x.csv", "'x.csv' has one column of numbers, 'column 1'. A vector takes two or more"),
        (b"word,a,b\n", "x.csv", "'x.csv' has a header and no rows."),
        (
            b'a,b,c\n"x,1,2\ny,3,4\n',
            "x.csv",
            "Its quotation marks do not come in pairs: look for one that is not closed.",
        ),
        (
            b't,e\na,"[1, ..., 2]"\n',
            "x.csv",
            "holds no lists of numbers: numbers left out by '...', as numpy prints them.",
        ),
        (b"1," * 30_000 + b"1\n", "x.csv", "'x.csv' has 30,001 columns; at most 20,000 are read."),
        (b"", "x.csv", "'x.csv' is empty."),
        (b"\n\n \n", "x.csv", "'x.csv' holds no rows."),
        (b"x,y\n1,nan\n", "x.csv", "'x' has no row to keep. 1 of 1 row was left out, as it is no vector: row 2 "),
    ],
)
def test_a_table_that_does_not_open(data: bytes, name: str, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        opened(data, name)
    assert sentence in str(caught.value)


def test_parquet_lists_of_any_kind_and_missing_ones() -> None:
    lists = [[1.0, 2.0], [3.0, 4.0], None, [5.0], [6.0, None]]
    for kind in (pa.list_(pa.float64()), pa.large_list(pa.float32())):
        found = opened(parquet({"emb": pa.array(lists, kind), "name": list("abcde"), "more": [[1]] * 5}), "x.parquet")
        assert found.space.items == ("a", "b")
        assert found.space.vectors.tolist() == [[1, 2], [3, 4]]
        told = "3 of 5 rows were left out, as they are no vectors: row 3 (no vector), row 4 (1 number), "
        assert found.said[-1] == told + "row 5 (column 2 is NaN)."
        assert "Left out, as no table shows them: 'more'." in found.said
    fixed = pa.FixedSizeListArray.from_arrays(pa.array([1, 2, 3, 4], pa.int8()), 2)
    assert opened(parquet({"x": fixed}), "x.parquet").space.vectors.tolist() == [[1, 2], [3, 4]]


def test_parquet_with_a_column_for_each_number() -> None:
    table = {"text": ["a", "b"], "d0": [1, 2], "d1": pa.array([0.5, None]), "d2": [1, 1], "year": [1999, 2000]}
    found = opened(parquet(table), "x.parquet")
    assert found.space.items == ("a",)
    assert found.space.meta["year"].tolist() == [1999]
    assert found.said[-1].endswith("row 2 (column 'd1' is empty or NaN).") or "row 2" in found.said[-2]


def test_a_space_of_somebody_else_in_parquet_and_arrow(tmp_path: Path) -> None:
    frame = pd.DataFrame({"word": ["a", "b"], "vector": [[1.0, 2.0], [3.0, 4.0]]})
    frame.to_parquet(tmp_path / "x.parquet")
    frame.to_feather(tmp_path / "x.feather")
    for name in ("x.parquet", "x.feather"):
        assert open_files([tmp_path / name]).space.items == ("a", "b")
    stream = io.BytesIO()
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    assert opened(stream.getvalue(), "x.arrows").space.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_columnar_file_that_is_cut_off(ending: str) -> None:
    packed = io.BytesIO()
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 2.0]})
    frame.to_parquet(packed) if ending == "parquet" else frame.to_feather(packed)
    with pytest.raises(DamagedFile, match=f"'x.{ending}' is no whole {ending.capitalize()} file: "):
        opened(packed.getvalue()[:-20], f"x.{ending}")


def test_what_a_file_would_unpack_to_is_known_before_it_is() -> None:
    small = Limits("in this test", 2**20)
    zeros = {"v": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(4_000_000, np.float32)), 4)}
    with pytest.raises(
        InputError, match=r"'x.parquet' holds 4,000,000 values; at most 524,288 are opened in this test"
    ):
        opened(parquet(zeros), "x.parquet", small)
    packed = pa.BufferOutputStream()
    table = pa.table(zeros)
    with pa.ipc.new_file(packed, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(table)
    data = packed.getvalue().to_pybytes()
    assert len(data) < 2**16
    assert 16_000_000 <= unpacked_size(pa.BufferReader(data)) < 17_000_000
    with pytest.raises(InputError, match=r"'x.arrow' unpacks to 15.3 MB; at most 2 MB are read in this test."):
        opened(data, "x.arrow", small)


def test_one_long_text_in_many_rows_stays_one() -> None:
    rows = 20_000
    words = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["long " * 20_000]))
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(2 * rows, np.float32)), 2)
    found = opened(parquet({"text": words, "v": vectors}), "x.parquet", Limits("in this test", 2**28))
    assert found.space.n == rows
    assert len(found.space.items[0]) == 300
    assert "The column 'text' was left out: its texts would take 1.9 GB in memory." in found.said
    assert not len(found.space.meta.columns)


JSONL = b"""{"t": "a", "v": [1, 2]}
{"t": "b", "v": [1, 2, 3]}
nope

{"t": "c", "v": [1, "x"]}
{"t": "d"}
{"t": "e", "v": [1, NaN], "q": {"z": 1}}
{"t": "\\ud800", "v": [3, 4], "n": 3}
"""


def test_json_lines() -> None:
    found = opened(JSONL, "x.jsonl")
    assert found.space.items == ("a", "?")  # a lone surrogate, which no file can hold
    assert found.space.vectors.tolist() == [[1, 2], [3, 4]]
    assert found.space.meta["n"].isna().tolist() == [True, False]
    assert "Left out, as no table shows them: 'q'." in found.said
    assert found.said[-1].startswith(
        "5 of 7 rows were left out, as they are no vectors: line 2 (3 numbers), line 3 (is no JSON"
    )
    assert 'line 5 ("x" as number 2) and 2 more.' in found.said[-1]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ('[{"id": 7, "embedding": [1, 2]}, {"id": 8, "embedding": [3, 4]}]', ("7", "8")),
        ('{"a": [1, 2], "b": [3, 4]}', ("a", "b")),
        ("[[1, 2], [3, 4]]", ("row 1", "row 2")),
        ('{"data": [{"name": "a", "embedding": [1, 2]}, {"name": "b", "embedding": [3, 4]}]}', ("a", "b")),
        ("[1, 2]\n[3, 4]\n", ("line 1", "line 2")),
    ],
)
def test_json_of_other_shapes(text: str, items: tuple[str, ...]) -> None:
    found = opened(text, "x.json")
    assert found.space.items == items
    assert found.space.vectors.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "text", ["[[1, 2], [3, 4", "[" * 100_000, '{"a": ' * 5_000, "5", "{}", "[]", '[{"a": 1}]', "1" * 9_000]
)
def test_json_that_does_not_open(text: str) -> None:
    with pytest.raises(EmbedkitError):
        opened(text, "x.json")


def test_names_that_hold_numbers_are_no_vectors_beside_numbered_columns() -> None:
    table = b"item,v1,v2,v3\n0 (0),1,2,3\n7 (1),4,5,6\n8 (2),7,8,9\n"
    opened = open_files([("digits.csv", table)])
    assert opened.space.items == ("0 (0)", "7 (1)", "8 (2)")
    assert opened.space.d == 3
    opened = open_files([("plates.csv", table.replace(b"(", b"").replace(b")", b""))])
    assert opened.space.items == ("0 0", "7 1", "8 2")
    assert open_files([("a.csv", b"name,what\nx,1 2\ny,3 4\n")]).space.d == 2
    for name in ("0 (0)", "7 (1)"):
        with pytest.raises(InputError):
            open_files([("a.csv", f"item\n{name}\n{name}\n".encode())])

"""Formats out and in again: what is written is read as it was, as far as the format holds it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embedkit.errors import InputError
from embedkit.files import FORMATS, open_files, save_space, space_bytes
from embedkit.files.saving import WORDS
from embedkit.space import Origin, Space

WRITTEN = [key for key, row in FORMATS.items() if row.write]
HARD = (
    "=cmd|'/C'!A0",
    "-tis",
    "+1",
    "@b",
    "naïve",
    "'quote",
    "日本",
    'say"hi"',
    "a,b",
    "x;y",
    "c|d",
    "#5",
    "e\\n",
)


def space(items: tuple[str, ...], d: int = 5, meta: bool = True) -> Space:
    """Numbers of many sizes, and columns of every plain kind."""
    rng = np.random.default_rng(0)
    n = len(items)
    vectors = (rng.normal(size=(n, d)) * 10.0 ** rng.integers(-30, 30, (n, d))).astype(np.float32)
    columns = {"kind": list("ab" * n)[:n], "year": np.arange(n), "score": rng.normal(size=n), "=odd": ["@x"] * n}
    origin = Origin("words/made", {"dim": d}, 3, "made up", "own", 2026)
    return Space("made", "Made up", items, vectors, pd.DataFrame(columns) if meta else None, origin)


def same(found: Space, given: Space) -> bool:
    return found.items == given.items and found.vectors.tobytes() == given.vectors.tobytes()


@pytest.mark.parametrize("key", WRITTEN)
def test_what_is_written_is_read_as_it_was(key: str, tmp_path: Path) -> None:
    given = space((*HARD, *(f"w{i}" for i in range(40))))
    saved = save_space(given, tmp_path / f"made{FORMATS[key].suffixes[0]}", key)
    assert sorted(tmp_path.iterdir()) == sorted(saved.files)
    found = open_files(saved.files)
    assert found.format == key
    assert same(found.space, given)
    if key in WORDS:
        assert "left out: 'kind', 'year', 'score', '=odd'" in " ".join(saved.said)
        assert not len(found.space.meta.columns)
    else:
        assert saved.said == ()
        meta = found.space.meta.rename(columns={"'=odd": "=odd"})
        assert list(meta.columns) == ["kind", "year", "score", "=odd"]
        assert meta["kind"].tolist() == given.meta["kind"].tolist()
        assert meta["=odd"].tolist() == given.meta["=odd"].tolist()
        assert meta["year"].tolist() == list(range(given.n))
        assert np.array_equal(meta["score"], given.meta["score"])
    if key in ("parquet", "arrow"):
        assert (found.space.key, found.space.title, found.space.origin) == (given.key, given.title, given.origin)


@pytest.mark.parametrize("key", WRITTEN)
def test_bytes_are_the_files(key: str, tmp_path: Path) -> None:
    given = space(("one", "two", "three"), meta=False)
    found = open_files([(f"x{ending}", data) for ending, data in space_bytes(given, key).items()])
    assert found.format == key
    assert same(found.space, given)


@pytest.mark.parametrize("key", WORDS)
def test_blanks_in_names_are_told_where_a_format_has_none(key: str, tmp_path: Path) -> None:
    saved = save_space(space(("New York", "a\tb\nc", "plain")), tmp_path / "made.txt", key)
    assert "'_' stands for them in 2 names" in saved.said[0]
    assert open_files(saved.files).space.items == ("New_York", "a_b_c", "plain")
    with pytest.raises(InputError, match="Some names differ by their blanks alone"):
        save_space(space(("a b", "a_b")), tmp_path / "other.txt", key)
    assert not (tmp_path / "other.txt").exists()


def test_no_cell_of_a_csv_is_a_formula() -> None:
    lines = space_bytes(space(HARD), "csv")[".csv"].decode().splitlines()
    assert lines[0] == "item,kind,year,score,'=odd,v1,v2,v3,v4,v5"
    assert [line[:3] for line in lines[1:5]] == ["'=c", "'-t", "'+1", "'@b"]
    assert all(",'@x," in line for line in lines[1:])


def test_numbers_are_the_shortest_text() -> None:
    given = Space("k", "t", ("a",), np.array([[0.1, -2.0, 1e-30]], np.float32))
    assert space_bytes(given, "word2vec")[".txt"] == b"1 3\na 0.1 -2 1e-30\n"

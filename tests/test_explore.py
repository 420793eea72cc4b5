"""What the explorer asks of any space: columns, search, samples, noise, sums, and spaces that travel by a key."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from embedkit.errors import InputError, UnknownItem
from embedkit.explore import (
    OTHERS,
    columns,
    groups_of,
    keep_space,
    kept,
    kept_space,
    kept_title,
    matching,
    sample_rows,
    shuffled,
    sum_of,
)
from embedkit.space import Origin, Space
from embedkit.store import Store

N = 200
RNG = np.random.default_rng(0)


def space(n: int = N) -> Space:
    meta = pd.DataFrame(
        {
            "kind": ["cat" if i % 4 else "dog" for i in range(n)],
            "digit": np.arange(n) % 10,
            "price": np.linspace(0.5, 9.25, n),
            "said": [f"Sentence number {i} about Père" for i in range(n)],
            "gap": [None if i % 2 else float(i) + 0.5 for i in range(n)],
            "sold": [bool(i % 2) for i in range(n)],
        }
    )
    origin = Origin("test", {}, 0, "made up")
    items = tuple(f"item-{i}" for i in range(n))
    return Space("s", "S", items, RNG.normal(size=(n, 6)).astype(np.float32), meta, origin)


def test_columns_are_groups_numbers_or_texts() -> None:
    found = columns(space())
    assert {name: column.kind for name, column in found.items()} == {
        "kind": "groups",
        "digit": "groups",
        "price": "numbers",
        "said": "texts",
        "gap": "numbers",
        "sold": "groups",
    }
    assert found["kind"].classes == (("cat", 150), ("dog", 50))
    assert found["price"].values[-1] == 9.25
    assert np.isnan(found["gap"].values[1])
    assert found["gap"].texts[1] == "(empty)"


def test_classes_beyond_the_palette_become_others_but_never_the_wanted_one() -> None:
    names = [f"c{min(i, 40 - i)}" for i in range(40)]
    column = columns(Space("s", "s", tuple(map(str, range(40))), np.eye(40), pd.DataFrame({"c": names})))["c"]
    groups = groups_of(column, 5, first=("c20",))
    assert groups.count("c20") == 1
    assert set(groups) == {"c20", *(name for name, _ in column.classes[:4]), OTHERS}
    assert groups_of(column, 30) == column.texts


def test_search_reads_items_and_every_column_whatever_the_case() -> None:
    made = space()
    assert matching(made, "").all()
    assert np.flatnonzero(matching(made, "ITEM-17")).tolist() == [17, *range(170, 180)]
    assert np.flatnonzero(matching(made, "père DOG item-18")).tolist() == [180, 184, 188]
    assert not matching(made, "nowhere").any()


def test_a_stratified_sample_keeps_the_shares_and_every_class() -> None:
    made = space()
    rows = sample_rows(made, 40, by=columns(made)["kind"], seed=1)
    assert len(rows) == len(set(rows.tolist())) == 40
    assert (np.diff(rows) > 0).all()
    assert Counter(made.meta["kind"].iloc[rows]) == {"cat": 30, "dog": 10}
    assert len(set(made.meta["digit"].iloc[sample_rows(made, 10, by=columns(made)["digit"])])) == 10
    assert len(sample_rows(made, 3, by=columns(made)["digit"])) == 3
    assert sample_rows(made, 40, seed=1).tolist() != sample_rows(made, 40, seed=2).tolist()
    assert sample_rows(made, 10_000).tolist() == list(range(N))
    with pytest.raises(InputError, match="at least one row, not 0"):
        sample_rows(made, 0)


def test_shuffling_keeps_every_number_and_nothing_else() -> None:
    made = space()
    noise = shuffled(made)
    assert noise.items == made.items
    assert np.array_equal(np.sort(noise.vectors, 0), np.sort(made.vectors, 0))
    assert abs(np.corrcoef(noise.vectors[:, 0], made.vectors[:, 0])[0, 1]) < 0.3
    assert np.array_equal(shuffled(made).vectors, noise.vectors)
    assert not np.array_equal(shuffled(made, 1).vectors, noise.vectors)


def test_sums_by_hand() -> None:
    made = Space("s", "s", ("king", "man", "woman", "t-shirt"), np.diag([2.0, 3, 4, 5]).astype(np.float32))
    vector, named = sum_of(made, "king - man + woman")
    assert vector.tolist() == [1, -1, 1, 0]
    assert named == ("king", "man", "woman")
    assert sum_of(made, "- man + t-shirt")[0].tolist() == [0, -1, 0, 1]
    assert sum_of(made, " t-shirt ")[0].tolist() == [0, 0, 0, 1]
    with pytest.raises(UnknownItem, match="qween"):
        sum_of(made, "king - qween")
    for nothing in ("", "king +", "+ "):
        with pytest.raises((InputError, UnknownItem)):
            sum_of(made, nothing)


def test_a_space_travels_by_its_key(tmp_path: Path) -> None:
    store, made = Store(tmp_path), space()
    key = keep_space(made, store)
    again = kept_space(store, key)
    assert (again.items, again.title, again.origin, again.digest) == (made.items, made.title, made.origin, made.digest)
    pd.testing.assert_frame_equal(again.meta, made.meta)
    assert keep_space(made, store) == key
    other = Space("s", "S", made.items, made.vectors, made.meta.assign(kind="x"), made.origin)
    assert keep_space(other, store) != key
    for wrong in ("", "../x", "0" * 32):
        with pytest.raises(InputError, match="no longer kept"):
            kept_space(store, wrong)


def test_what_was_understood_and_pictures_travel_with_a_space(tmp_path: Path) -> None:
    store, made = Store(tmp_path), space(6)
    pictures = RNG.integers(0, 256, (6, 128, 32, 3), dtype=np.uint8)
    about = {"said": ["Read.", "One row was left."], "odd": ["One row was left."], "files": ["a.csv"]}
    key = keep_space(made, store, pictures=pictures, **about)
    again = kept(store, key)
    assert again.said[:2] == ("Read.", "One row was left.")
    assert "32 x 128 pixels are shown with at most 64 a side" in again.said[2]
    assert (again.odd, again.files) == (("One row was left.",), ("a.csv",))
    assert again.pictures is not None
    means = pictures.reshape(6, 64, 2, 16, 2, 3).mean((2, 4))
    assert np.abs(again.pictures - means).max() <= 1
    assert kept_title(store, key) == "S, 6 x 6"
    assert kept_title(store, "0" * 32) == kept_title(store, "../x") == ""
    others = [keep_space(made, store), keep_space(made, store, pictures=pictures[::-1].copy(), **about)]
    assert len({key, *others}) == 3
    assert kept(store, others[0]).pictures is None
    with pytest.raises(InputError, match="Pictures of 6 items"):
        keep_space(made, store, pictures=pictures[:5])


def test_small_pictures_are_kept_as_they_are(tmp_path: Path) -> None:
    store = Store(tmp_path)
    pictures = RNG.integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    again = kept(store, keep_space(space(4), store, pictures=pictures))
    assert again.pictures is not None
    assert np.array_equal(again.pictures, pictures)
    assert again.said == ()

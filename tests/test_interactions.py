"""Tables of users and items: checked at birth, own tables hard, MovieLens from a folder or fetched whole or not."""

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embedkit.errors import DamagedFile, EmbedkitError, FetchError, InputError, JobStopped, NotInstalled
from embedkit.sources import interactions as module
from embedkit.sources import movielens as lens
from embedkit.sources.interactions import Interactions, film_table, own_table, title_and_year
from embedkit.sources.movielens import (
    fetch_movielens,
    fetch_movielens_task,
    is_here,
    mcrec_split,
    movielens,
    movielens_sets,
)


def made(**change: Any) -> Interactions:
    """Ada saw three films, Bob one, Cyd none."""
    items = ("Up (2009)", "M (1931)", "Her (2013)")
    told: dict[str, Any] = {
        "key": "small",
        "title": "Small",
        "users": ("Ada", "Bob", "Cyd"),
        "items": items,
        "user": [0, 0, 0, 1],
        "item": [2, 0, 1, 0],
        "rating": [5, 4, 3, 1],
        "time": [30, 10, 20, 40],
        "films": film_table(items),
        "people": pd.DataFrame(index=range(3)),
        "licence": "own",
        "year": 2026,
    }
    return Interactions(**(told | change))


def many(counts: list[int], seed: int = 0) -> Interactions:
    """Users with so many rows each, in mixed order."""
    user = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    item = np.zeros(len(user), np.int64)
    for each in range(len(counts)):
        item[user == each] = np.arange(counts[each])
    names = tuple(f"item {i}" for i in range(max(counts)))
    return made(
        users=tuple(f"user {i}" for i in range(len(counts))),
        items=names,
        user=user,
        item=item,
        rating=np.ones(len(user)),
        time=np.arange(len(user))[::-1],
        films=film_table(names),
        people=pd.DataFrame(index=range(len(counts))),
    )


# Interactions


def test_the_types_are_as_told_and_nobody_writes() -> None:
    found = made()
    assert (found.n, found.n_users, found.n_items) == (4, 3, 3)
    kinds = {name: getattr(found, name).dtype.name for name in ("user", "item", "rating", "time")}
    assert kinds == {"user": "int32", "item": "int32", "rating": "float32", "time": "int64"}
    for name in kinds:
        with pytest.raises(ValueError, match="read-only"):
            getattr(found, name)[0] = 1
    given = np.array([0, 0, 0, 1])
    kept = made(user=given)
    given[0] = 2
    assert kept.user.tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"user": [0, 0, 0, 3]}, "Row 3 of 'Small' names user 3; there are 3, from 0"),
        ({"item": [2, -1, 1, 0]}, "Row 1 of 'Small' names item -1; there are 3"),
        ({"item": [2, 0, 1, 2**40]}, "names item 1099511627776"),
        ({"user": [0.0, 0.0, 0.0, 1.0]}, "holds numbers of users"),
        ({"rating": [5, np.nan, 3, 1]}, "The rating in row 1 of 'Small' is nan"),
        ({"rating": [5, 4, 3, 1e300]}, "The rating in row 3 of 'Small' is inf"),
        ({"time": [1, 2]}, "it has 4, 4, 4, 2"),
        ({"users": ("Ada", "Ada", "Cyd")}, "The user 'Ada' of 'Small' comes twice"),
        ({"people": pd.DataFrame(index=range(2))}, "The table people of 'Small' has 2 rows, not 3"),
        ({"films": pd.DataFrame({"title": ["a", "b", "c"], "year": 0})}, "films of 'Small' lacks genres"),
    ],
)
def test_what_does_not_fit_is_found_at_birth(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        made(**change)


def test_the_digest_tells_all_that_is_held_apart() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"users": ("Ada", "Bob", "Dan")},
        {"user": [0, 0, 0, 2]},
        {"item": [2, 0, 1, 1]},
        {"rating": [5, 4, 3, 2]},
        {"time": [30, 10, 20, 41]},
        {"films": film_table(made().items, ["War", "", ""])},
        {"people": pd.DataFrame({"age": [1, 2, 3]})},
    ]
    assert len({made(**change).digest for change in changes}) == len(changes)
    assert made(key="other", title="Other").digest == made().digest


def test_take_keeps_users_items_and_order() -> None:
    found = made().take([3, 0])
    assert (found.users, found.items) == (made().users, made().items)
    assert [found.user.tolist(), found.item.tolist(), found.rating.tolist()] == [[1, 0], [0, 2], [1.0, 5.0]]
    assert found.time.tolist() == [40, 30]
    assert found.key != made().key
    assert made().take([]).n == 0
    for rows in ([4], [-1], [0.5], [[0]]):
        with pytest.raises(InputError, match=r"no row 4; 'Small' has 4|list of their numbers"):
            made().take(rows)


def test_the_split_holds_out_a_share_of_each_user_with_five_rows() -> None:
    data = many([1, 4, 5, 7, 8, 20])
    train, held = data.split(0.2, seed=3)
    assert sorted([*train, *held]) == list(range(data.n))
    assert np.bincount(data.user[held], minlength=6).tolist() == [0, 0, 1, 1, 2, 4]  # .2 x 7 = 1.4, .2 x 8 = 1.6
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    np.testing.assert_array_equal(data.split(0.2, seed=3)[1], held)
    assert data.split(0.2, seed=4)[1].tolist() != held.tolist()
    assert np.bincount(data.user[data.split(0.5)[1]], minlength=6).tolist() == [0, 0, 2, 4, 4, 10]


def test_every_row_of_a_user_may_be_held_out() -> None:
    data = many([10, 10])
    times = np.zeros(data.n)
    for seed in range(400):
        times[data.split(0.2, seed)[1]] += 1
    assert times / 400 == pytest.approx(0.2, abs=0.08)


def test_the_latest_rows_are_held_out() -> None:
    train, held = made().split_by_time(0.25)
    assert (train.tolist(), held.tolist()) == ([0, 1, 2], [3])
    assert made().split_by_time(0.5)[1].tolist() == [0, 3]
    with pytest.raises(InputError, match="'Small' cannot be split by time: no row has one"):
        made(time=[0] * 4).split_by_time()
    for share in (0.0, 1.0, 2.0):
        for split in (made().split, made().split_by_time):
            with pytest.raises(InputError, match=f"between 0 and 1, not at {share}"):
                split(share)


def test_the_matrix_has_a_one_for_each_pair() -> None:
    found = made().matrix()
    assert (found.shape, found.dtype, found.format) == ((3, 3), np.float32, "csr")
    assert found.toarray().tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert made().matrix([0, 3]).toarray().tolist() == [[0, 0, 1], [1, 0, 0], [0, 0, 0]]
    assert made(user=[0] * 4, item=[1] * 4).matrix().toarray().max() == 1


def test_titles_and_years() -> None:
    assert title_and_year("Toy Story (1995)") == ("Toy Story", 1995)
    assert title_and_year("1984 (Nineteen Eighty-Four) (1984) ") == ("1984 (Nineteen Eighty-Four)", 1984)
    for name in ("1917", "(1995)", "Up (20091)", "Up (٢٠٠٩)"):
        assert title_and_year(name) == (name, 0)


# Own tables

CSV = "user,item,rating,time\nAda,Up (2009),4.5,10\nBob,M (1931),3,20\nAda,M (1931),1,30\n"


def own(text: str | bytes, name: str = "own.csv") -> Interactions:
    return own_table(name, text.encode() if isinstance(text, str) else text)


def parquet(**columns: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def content(found: Interactions) -> list[tuple[str, str, float, int]]:
    rows = zip(found.user, found.item, found.rating.tolist(), found.time.tolist(), strict=True)
    return [(found.users[user], found.items[item], rating, time) for user, item, rating, time in rows]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_csv_as_it_comes(mark: str, end: str, bom: str) -> None:
    found = own(bom + CSV.replace(",", mark).replace("\n", end))
    assert content(found) == [
        ("Ada", "Up (2009)", 4.5, 10),
        ("Bob", "M (1931)", 3, 20),
        ("Ada", "M (1931)", 1, 30),
    ]
    assert found.films.to_dict("list") == {"title": ["Up", "M"], "year": [2009, 1931], "genres": ["", ""]}
    assert found.title == "Own table: own.csv"
    assert found.licence == "yours"
    assert found.key == own(CSV, "other.csv").key  # by content
    assert found.key != own(CSV.replace("30", "31")).key


def test_quotes_and_a_decimal_comma() -> None:
    found = own('item;user;rating\n"Me; myself";"Ada ""A""";4,5\n')
    assert content(found) == [('Ada "A"', "Me; myself", 4.5, 0)]


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("userId,movieId,rating,timestamp", "'userId' as user, 'movieId' as item, 'rating' as rating, 'timestamp'"),
        ("User ID,Title,Stars,Date", "'User ID' as user, 'Title' as item, 'Stars' as rating, 'Date' as time"),
        ("title,customer_id,note,product-id", "'customer_id' as user, 'product-id' as item; left alone: title, note"),
        ("item,user,userId,x", "'user' as user, 'item' as item; left alone: userId, x"),
    ],
)
def test_other_names_are_known_and_said(header: str, read: str) -> None:
    found = own(f"{header}\n1,2,3,4\n")
    assert found.notes[0].startswith(f"Read: {read}")


def test_without_rating_and_time() -> None:
    assert content(own("user,item\nAda,Up\n")) == [("Ada", "Up", 1, 0)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("881250949", 881250949),
        ("881250949.7", 881250949),
        ("881250949000", 881250949),
        ("881250949000000", 881250949),
        ("881250949000000000", 881250949),
        ("1970-01-02", 86_400),
        ("1970-01-01T00:01:00Z", 60),
        ("1970-01-01 02:00:00+01:00", 3600),
    ],
)
def test_times_as_they_are_written(text: str, seconds: int) -> None:
    assert own(f"user,item,time\nAda,Up,{text}\n").time.tolist() == [seconds]


def test_what_can_be_kept_is_kept_and_the_rest_counted() -> None:
    text = (
        "user,item,rating,time\n"
        "Ada,Up,5,10\n"
        "Ada,M,good,10\n"  # line 3
        "Ada,M,nan,10\n"
        ",M,3,10\n"  # line 5
        "Ada,,3,10\n"
        "\n"
        "Ada,Me, myself,3,10\n"  # line 8
        "Bob,Up,1,soon\n"  # line 9
        "Bob,Up,2,99\n"
        "Bob,M,inf,1\n"
        "Bob,M,1e39,1\n"
        "Bob,Her,3,5\n"
    )
    found = own(text)
    assert content(found) == [("Ada", "Up", 5, 10), ("Bob", "Up", 2, 99), ("Bob", "Her", 3, 5)]
    assert found.notes[1:] == (
        "4 rows were left out, with a rating that is no finite number; the first is line 3.",
        "1 row was left out, with no user; the first is line 5.",
        "1 row was left out, with no item; the first is line 6.",
        "1 row was left out, with another number of cells than the header; the first is line 8.",
        "1 row was kept without a time that could be read; the first is line 9.",
        "1 of 4 rows repeat a pair of user and item; the last of each was kept.",
        "Users with a single row: 1 of 2; such a row is for learning, never held out.",
    )


def test_the_last_of_a_pair_is_kept() -> None:
    found = own("user,item,rating\nAda,Up,1\nAda,Up,2\nBob,M,3\nAda,Up,4\nBob,Up,5\n")
    assert content(found) == [("Bob", "M", 3, 0), ("Ada", "Up", 4, 0), ("Bob", "Up", 5, 0)]
    assert "2 of 5 rows repeat a pair" in found.notes[1]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", r"^'own\.csv' is empty; it needs a header with the columns user and item, and rows\.$"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        ("\u00a0\n".encode(), "is empty"),
        (b"user,item\n", "has a header and no rows"),
        (b"user,rating\n1,2\n", "lacks the column item; it has: user, rating. Name the columns user, item"),
        (b"1,2\n3,4\n", "lacks the columns user and item; it has: 1, 2"),
        (b"user,user,item\n1,2,3\n", "The column 'user' comes 2 times in 'own.csv'; keep one"),
        (b"user,item\nAda,Am\xe9lie\n", "is not UTF-8: the first byte that does not fit is 0xE9 in line 2"),
        ("user,item\n1,2\n".encode("utf-16"), "is not UTF-8: the first byte that does not fit is 0xFF in line 1"),
        (b"user,item,rating\n1,2,good\n", "no row that can be kept: line 2 has a rating that is no finite number"),
        (b'user,item\n1,"2\n3,4\n', 'is no CSV in line 3 .*quotation mark " that is not closed'),
        (b"user,item\n1," + b"x" * 201, "A name in line 2 of 'own.csv' has more than 200 characters"),
        (b"user,item\n1," + b"x" * 200_000, "is no CSV in line 2"),
        (b"PAR1user,item\n1,2\n", "is no whole Parquet file"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        own(data)


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", 3)
    assert own(CSV).n == 3
    more = {"user": ["a"] * 4, "item": list("wxyz")}
    for data in (CSV.encode() + b"x,y,1,1\n", parquet(**more)):
        with pytest.raises(InputError, match=r"'own\.csv' has more than 3 rows"):
            own(data)
    monkeypatch.setattr(module, "MOST_BYTES", 2**20)
    with pytest.raises(InputError, match=r"'own\.csv' has 2 MB; at most 1 MB are read"):
        own(CSV.encode() + b"\n" * 2**21)


def test_the_name_of_a_file_is_only_a_name() -> None:
    assert own(CSV, "../../etc/my\x00own.csv").title == "Own table: my?own.csv"
    assert own(CSV, "C:\\me\\own.csv").title == "Own table: own.csv"
    assert own("user,item\nA\x07,B\u202e\n").items == ("B?",)


def test_parquet_as_it_comes() -> None:
    moment = pd.Timestamp("1970-01-02", tz="UTC")
    found = own(
        parquet(
            user_id=pa.array([1, 2, 1]),
            title=pa.array(["Up (2009)", "M (1931)", "M (1931)"]).dictionary_encode(),
            rating=pa.array([4.5, 3.0, None]),
            timestamp=pa.array([moment, None, moment], pa.timestamp("ns", "UTC")),
            extra=pa.array([b"x"] * 3),
        )
    )
    assert content(found) == [("1", "Up (2009)", 4.5, 86_400), ("2", "M (1931)", 3, 0)]
    assert found.notes[:3] == (
        "Read: 'user_id' as user, 'title' as item, 'rating' as rating, 'timestamp' as time; left alone: extra.",
        "1 row was left out, with a rating that is no finite number; the first is row 3.",
        "1 row was kept without a time that could be read; the first is row 2.",
    )


def test_parquet_and_csv_say_the_same() -> None:
    table = {"user": ["Ada", "Bob", "Ada"], "item": ["Up (2009)", "M (1931)", "M (1931)"]}
    data = parquet(**table, rating=[4.5, 3, 1], time=[10, 20, 30])
    assert own(data).digest == own(CSV).digest
    frame = pd.DataFrame({"user": [7.0, None, 8.0], "item": [1, 2, 3], "time": pd.to_datetime(["1970-01-02"] * 3)})
    out = io.BytesIO()
    frame.to_parquet(out)
    assert content(own(out.getvalue())) == [("7", "1", 1, 86_400), ("8", "3", 1, 86_400)]


def test_parquet_that_is_refused() -> None:
    with pytest.raises(InputError, match=r"The column 'item' of 'own\.csv' holds list<.*texts, numbers and times"):
        own(parquet(user=[1], item=[[1]]))
    with pytest.raises(InputError, match="lacks the column user"):
        own(parquet(who=[1], item=[1]))
    with pytest.raises(InputError, match="has a header and no rows"):
        own(parquet(user=pa.array([], pa.string()), item=pa.array([], pa.string())))
    whole = parquet(user=[1] * 99, item=list(range(99)))
    with pytest.raises(InputError, match="is no whole Parquet file"):
        own(whole[: len(whole) // 2])


def test_one_long_text_in_many_rows_is_not_unfolded() -> None:
    """A few bytes of a dictionary can stand for gigabytes of text."""
    data = parquet(user=pa.array(["x" * 1_000_000] * 2_000), item=list(range(2_000)))
    assert len(data) < 2_000_000
    with pytest.raises(InputError, match=r"A text in 'user' of 'own\.csv' has 1,000,000 bytes; at most 800"):
        own(data)


LINES = st.lists(st.text(alphabet='ab1.,;\t"\r\n-e:T é\x00', max_size=20), max_size=8).map("\n".join)
HEADS = st.sampled_from(["user,item\n", "user;item;rating;time\n", "title\tuserId\ttimestamp\n", '"user","item"\n', ""])
PARQUET = parquet(user=["a", "b"] * 20, item=list(range(40)), rating=[1.5] * 40, time=list(range(40)))


def outcome(data: bytes) -> Interactions | EmbedkitError:
    try:
        return own_table("own.csv", data)
    except EmbedkitError as error:
        return error


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.tuples(HEADS, LINES).map(lambda parts: "".join(parts).encode())))
@example(b"user,item\n\x00,\x00\n")
@example(b'user,item\n"')
@example(b"user,item,rating\n1,2,1_0\n")
def test_any_bytes_give_interactions_or_a_sentence(data: bytes) -> None:
    found = outcome(data)
    if isinstance(found, Interactions):
        assert 0 < found.n <= data.count(b"\n") + data.count(b"\r")
        assert len(found.notes) >= 1
    else:
        assert str(found).endswith(".")
        assert str(found).isprintable()


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PARQUET) - 1), st.integers(0, 255)), max_size=4), st.integers(0, 60))
def test_any_damage_to_parquet_gives_interactions_or_a_sentence(flips: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(PARQUET)
    for place, value in flips:
        data[place] = value
    data[:4] = b"PAR1"
    found = outcome(bytes(data[: len(data) - cut]))
    assert found.n > 0 if isinstance(found, Interactions) else str(found).isprintable()


# MovieLens: made-up films and people, in its formats

GENRES = ("unknown", "Action", "Comedy", "War")
RATINGS = [(1, 2, 5, 100), (2, 1, 3, 200), (1, 3, 4, 300), (3, 3, 1, 400)]


def hundred() -> dict[str, bytes]:
    films = [("Löwe, The (1990)", "0011"), ("Zug (1991)", "0100"), ("Zug (1991)", "0000"), ("unknown", "1000")]
    items = [f"{i}|{title}|01-Jan-1990||http://x|{'|'.join(flags)}" for i, (title, flags) in enumerate(films, 1)]
    return {
        "u.genre": "".join(f"{genre}|{i}\n" for i, genre in enumerate(GENRES)).encode() + b"\n",
        "u.item": ("\n".join(items) + "\n").encode("latin-1"),
        "u.user": b"1|24|M|writer|00000\n2|53|F|other|00000\n3|7|F|other|T8H1N\n",
        "u.data": "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in RATINGS).encode(),
    }


def small() -> dict[str, bytes]:
    ratings = "".join(f"{u},{i * 10},{r + 0.5},{t}\r\n" for u, i, r, t in RATINGS)
    movies = '10,"Löwe, The (1990)",Comedy|War\r\n20,Zug (1991),Action\r\n30,Zug (1991),(no genres listed)\r\n'
    return {
        "ratings.csv": f"userId,movieId,rating,timestamp\r\n{ratings}".encode(),
        "movies.csv": f"movieId,title,genres\r\n{movies}".encode(),
    }


FILES = {"movielens-100k": hundred, "movielens-small": small}
KEYS = tuple(FILES)


def write(folder: Path, files: dict[str, bytes]) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return str(folder)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("EMBEDKIT_HOME", str(folder))
    return folder


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_movielens_from_a_folder(tmp_path: Path, key: str, nested: bool) -> None:
    row = movielens_sets()[key]
    write(tmp_path / (row.folder if nested else ""), FILES[key]())
    assert is_here(key, str(tmp_path))
    assert not is_here(key)
    found = movielens(key, str(tmp_path))
    half = 0.5 * (key == "movielens-small")
    assert content(found) == [
        ("user 1", "Zug (1991)", 5 + half, 100),
        ("user 2", "The Löwe (1990)", 3 + half, 200),
        ("user 1", "Zug (1991) (2)", 4 + half, 300),
        ("user 3", "Zug (1991) (2)", 1 + half, 400),
    ]
    assert found.films[:3].to_dict("list") == {
        "title": ["The Löwe", "Zug", "Zug"],
        "year": [1990, 1991, 1991],
        "genres": ["Comedy|War", "Action", ""],
    }
    assert (found.key, found.title, found.licence, found.year) == (key, row.title, row.licence, row.year)
    if key == "movielens-100k":
        assert found.people.to_dict("list") == {
            "age": [24, 53, 7],
            "gender": ["M", "F", "F"],
            "occupation": ["writer", "other", "other"],
        }
        assert found.films["genres"][3] == ""


def test_without_files_the_person_learns_what_it_takes(tmp_path: Path) -> None:
    with pytest.raises(
        NotInstalled,
        match=r"^MovieLens 100K is not .*\(4\.9 MB, licence: research only, no redistribution; 1998\): "
        r"python -m embedkit fetch movielens-100k$",
    ):
        movielens()
    with pytest.raises(InputError, match=r"does not hold MovieLens 100K: u\.data, u\.item, u\.user, u\.genre"):
        movielens(folder=str(tmp_path))
    for folder in ("nowhere", "~nobody-here/x", "a\0b", "x" * 5_000):
        assert not is_here("movielens-small", folder)
        with pytest.raises(InputError, match="There is no folder"):
            movielens("movielens-small", folder)
        with pytest.raises(InputError, match="There is no folder"):
            mcrec_split(folder)
    with pytest.raises(InputError, match="no edition 'ml' of MovieLens; known: movielens-100k, movielens-small"):
        movielens("ml")


@pytest.mark.parametrize(
    ("key", "file", "old", "new", "says"),
    [
        ("movielens-100k", "u.data", b"1\t2\t5", b"1\t2", "u.data has 3 fields in line 1, not 4"),
        ("movielens-100k", "u.data", b"1\t2\t5", b"1\t2\tx", "u.data holds what is no number in line 1: .*'x'"),
        ("movielens-100k", "u.data", b"1\t2\t5", b"1\t9\t5", "u.data names the film 9, which is not listed"),
        ("movielens-100k", "u.data", b"1\t2\t5", b"8\t2\t5", "u.data names the user 8, which is not listed"),
        ("movielens-100k", "u.data", b"1\t2\t5", b"1\t2\tnan", "u.data holds a number that is not finite"),
        ("movielens-100k", "u.item", b"1|L", b"x|L", "u.item has 'x' for a number in line 1"),
        ("movielens-100k", "u.item", b"|0|0|1|1", b"|0|0", "u.item has 7 fields in line 1, not 9"),
        ("movielens-100k", "u.user", b"2|53", b"1|53|F|x|0\n2|53", "The user 'user 1' of 'MovieLens 100K' comes twice"),
        ("movielens-small", "ratings.csv", b"movieId", b"filmId", "ratings.csv lacks the column movieId"),
        ("movielens-small", "ratings.csv", b",5.5,", b",", "ratings.csv has 3 fields in line 2, not 4"),
        ("movielens-small", "movies.csv", b'0,"L', b"0,L", "movies.csv has 4 fields in line 2, not 3"),
        ("movielens-small", "movies.csv", "ö".encode(), b"\xf6", "movies.csv cannot be read: 'utf-8'"),
    ],
)
def test_damaged_files(tmp_path: Path, key: str, file: str, old: bytes, new: bytes, says: str) -> None:
    files = FILES[key]()
    assert old in files[file]
    folder = write(tmp_path, files | {file: files[file].replace(old, new, 1)})
    with pytest.raises(DamagedFile, match=says):
        movielens(key, folder)
    write(tmp_path, files | {file: b""})
    with pytest.raises(DamagedFile):
        movielens(key, folder)


def test_a_file_that_is_far_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens, "MOST_FILE", 2**20)
    folder = write(tmp_path, small() | {"ratings.csv": b"\n" * 2**21})
    with pytest.raises(DamagedFile, match=r"ratings\.csv has 2 MB; at most 1 MB are read"):
        movielens("movielens-small", folder)


def test_the_mcrec_split(tmp_path: Path) -> None:
    folder = write(tmp_path, {"train.txt": b"1 2 5\n3 1 4\n\n", "test.txt": b"3 4 2\r\n1 1\r\n"})
    train, test = mcrec_split(folder)
    assert content(train) == [("user 1", "item 2", 5, 0), ("user 3", "item 1", 4, 0)]
    assert content(test) == [("user 3", "item 4", 1, 0), ("user 3", "item 2", 1, 0), ("user 1", "item 1", 1, 0)]
    assert train.users == test.users == ("user 1", "user 3")
    assert train.items == test.items == tuple(f"item {i}" for i in range(1, 5))
    titles = movielens(folder=write(tmp_path / "ml", hundred()))
    named, _ = mcrec_split(folder, titles)
    assert content(named)[0] == ("user 1", "Zug (1991)", 5, 0)
    assert named.people["age"].tolist() == [24, 7]
    with pytest.raises(InputError, match="The titles have 3 users and 3 items, the split 3 and 4"):
        mcrec_split(folder, made())


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (b"1 2\n", b"1 1\n", "train.txt has 2 fields in line 1, not 3"),
        (b"1 2 5\n", b"1\n", "test.txt has 1 fields in line 1, not 2"),
        (b"1 2 5\n", b"1 2\n", "the same pair of user and item twice"),
        (b"0 2 5\n", b"1 2\n", "no whole numbers from 1"),
        (b"1.5 2 5\n", b"1 2\n", "no whole numbers from 1"),
        (b"1 2 5\n", b"1 9999999999\n", "no whole numbers from 1 to 1,000,000"),
        (b"", b"1 2\n", "train.txt holds no rows"),
    ],
)
def test_a_damaged_split(tmp_path: Path, train: bytes, test: bytes, says: str) -> None:
    with pytest.raises(DamagedFile, match=says):
        mcrec_split(write(tmp_path, {"train.txt": train, "test.txt": test}))


def real(name: str) -> str:
    """A folder of real data beside the checkout, or where EMBEDKIT_DATA says; absent it skips, under CI it fails."""
    root = Path(os.environ.get("EMBEDKIT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (root / name).is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The test needs the folder {name} in EMBEDKIT_DATA.")
    return str(root / name)


def test_the_real_movielens_and_its_split() -> None:
    found = movielens(folder=real("movielens-100k"))
    assert (found.n, found.n_users, found.n_items) == (100_000, 943, 1_682)
    assert found.rating.mean() == pytest.approx(3.53, abs=0.005)  # as published
    assert np.bincount(found.user).min() == 20
    assert (found.films["year"] == 0).sum() == 2
    train, test = mcrec_split(real("movielens-100k-mcrec-split"), found)
    assert (train.n, test.n) == (80_000, 20_000)
    assert (train.n_users, train.n_items, len(set(test.user.tolist()))) == (943, 1_682, 942)
    assert train.items == found.items
    together = (train.matrix() + test.matrix()).tocsr()
    assert (together != found.matrix()).nnz == 0  # the same pairs as in u.data, so ids and names fit


# Fetching


class Served:
    """What is answered. `status` other than 200 is an error, `cut` ends the answer after so many bytes."""

    def __init__(self) -> None:
        self.content, self.status, self.cut, self.asked = b"", 200, 0, 0


def packed(key: str, **change: bytes | None) -> bytes:
    out = io.BytesIO()
    folder = movielens_sets()[key].folder
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in ({f"{folder}/{n}": d for n, d in FILES[key]().items()} | change).items():
            if data is not None:
                archive.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked += 1
            if told.status != 200:
                self.send_error(told.status)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(told.content)))
            self.end_headers()
            self.wfile.write(told.content[: told.cut or None])

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        told.content = serve(monkeypatch, "movielens-100k", packed("movielens-100k"), server.server_address[1])
        yield told
        server.shutdown()


def serve(monkeypatch: pytest.MonkeyPatch, key: str, content: bytes, port: int) -> bytes:
    from dataclasses import replace

    sum_of = hashlib.md5(content).hexdigest() if lens._SETS[key].md5 else ""
    row = replace(lens._SETS[key], url=f"http://127.0.0.1:{port}/x.zip", md5=sum_of)
    monkeypatch.setitem(lens._SETS, key, row)
    return content


def resum(monkeypatch: pytest.MonkeyPatch, key: str, served: Served, content: bytes) -> None:
    served.content = content
    port = int(lens._SETS["movielens-100k"].url.split(":")[2].split("/")[0])
    serve(monkeypatch, key, content, port)


def kept(home: Path) -> set[str]:
    return {path.name for path in home.rglob("*") if path.is_file() and path.parent.name != "locks"}


@pytest.mark.parametrize("key", KEYS)
def test_what_is_fetched_is_what_was_served(
    served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path, key: str
) -> None:
    resum(monkeypatch, key, served, packed(key, **{"../../evil": b"x", "/tmp/embedkit-evil": b"x"}))
    told: list[tuple[float | None, str]] = []
    place = fetch_movielens(key, lambda fraction, text: told.append((fraction, text)))
    assert kept(home) == set(FILES[key]())
    assert movielens(key).digest == movielens(key, write(tmp_path, FILES[key]())).digest
    assert movielens(key, str(place)).n == 4
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any("MB" in text for _, text in told)
    fetch_movielens(key)
    assert served.asked == 1


def test_a_damaged_file_is_said_and_fetched_again(served: Served) -> None:
    place = fetch_movielens()
    (place / "u.data").write_bytes(b"1\t2")
    with pytest.raises(DamagedFile, match=r"has 2 fields .* Fetch it again: python -m embedkit fetch movielens-100k$"):
        movielens()
    fetch_movielens()
    assert movielens().n == 4


@pytest.mark.parametrize("key", KEYS)
def test_what_broke_off_or_is_another_file_is_not_kept(
    served: Served, monkeypatch: pytest.MonkeyPatch, home: Path, key: str
) -> None:
    whole = packed(key)
    resum(monkeypatch, key, served, whole)
    served.cut = len(whole) // 2
    with pytest.raises(FetchError, match=rf"broke off at .*Try again: python -m embedkit fetch {key}$"):
        fetch_movielens(key)
    served.cut = 0
    folder = movielens_sets()[key].folder
    first = movielens_sets()[key].files[0]
    for content, says in (
        (b"<html>login</html>", "is not the zip that was meant: File is not a zip file"),
        (whole[: len(whole) // 2], "is not the zip that was meant"),
        (
            packed(key, **{f"{folder}/{first}": None}),
            f"is not the zip that was meant: There is no item named .*{first}",
        ),
        (packed(key, **{f"{folder}/{first}": b""}), f"{first} is empty"),
        (whole.replace(b"Zug", b"Zog", 1), "is not the zip that was meant: Bad CRC-32"),
    ):
        resum(monkeypatch, key, served, content)
        with pytest.raises(FetchError, match=says):
            fetch_movielens(key)
    assert kept(home) == set()
    assert not is_here(key)


def test_another_checksum_is_refused(served: Served, home: Path) -> None:
    served.content = served.content[:-1] + b"x"
    with pytest.raises(FetchError, match=r"not what its publishers promise \(checksum differs\)"):
        fetch_movielens()
    assert kept(home) == set()


def test_no_network_and_no_file(served: Served, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    served.status = 404
    with pytest.raises(FetchError, match=r"MovieLens 100K is no longer where GroupLens had it \(HTTP 404"):
        fetch_movielens()
    served.status = 503
    with pytest.raises(FetchError, match=r"answered HTTP 503; try again later\.$"):
        fetch_movielens()
    served.status = 200
    monkeypatch.setattr(lens, "MOST_ZIP", 100)
    with pytest.raises(FetchError, match="is larger than"):
        fetch_movielens()
    serve(monkeypatch, "movielens-small", b"", 1)
    with pytest.raises(FetchError, match=r"did not arrive \(.*Check the network.*fetch movielens-small$"):
        fetch_movielens("movielens-small")
    assert kept(home) == set()
    (home / "movielens").write_bytes(b"a file in the way")
    monkeypatch.setattr(lens, "MOST_ZIP", 2**20)
    with pytest.raises(FetchError, match=r"could not be kept: .*EMBEDKIT_HOME can name another folder"):
        fetch_movielens()


def test_who_stops_leaves_nothing(served: Served, home: Path) -> None:
    def report(fraction: float | None, text: str) -> None:
        if "MB" in text:
            raise JobStopped("Fetching was stopped.")

    with pytest.raises(JobStopped):
        fetch_movielens(report=report)
    assert kept(home) == set()


def test_as_a_task(served: Served) -> None:
    arrays, meta = fetch_movielens_task(lambda *_: None, name="movielens-100k")
    assert arrays == {}
    assert meta == {"name": "movielens-100k", "title": "MovieLens 100K", "rows": 100_000}


def test_the_addresses_and_the_sum_are_the_published_ones() -> None:
    rows = movielens_sets()
    assert [row.url for row in rows.values()] == [
        "https://files.grouplens.org/datasets/movielens/ml-100k.zip",
        "https://files.grouplens.org/datasets/movielens/ml-latest-small.zip",
    ]
    assert rows["movielens-100k"].md5 == "0e33842e24a9c977be4e0107933c0723"

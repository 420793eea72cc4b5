"""What opening files says while it goes on and afterwards: how far it is, that it can be stopped, and what was odd."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import numpy as np
import pytest

from embedkit.errors import JobStopped
from embedkit.files import open_files

D = 64


def csv(n: int) -> bytes:
    line = ",".join(f"{i / 7:.5f}" for i in range(D))
    return ("name," + ",".join(f"x{i}" for i in range(D)) + "\n").encode() + b"".join(
        f"row {i},{line}\n".encode() for i in range(n)
    )


def word2vec(n: int) -> bytes:
    line = " ".join(f"{i / 7:.5f}" for i in range(D))
    return f"{n} {D}\n".encode() + b"".join(f"word{i} {line}\n".encode() for i in range(n))


def jsonl(n: int) -> bytes:
    vector = [round(i / 7, 5) for i in range(D)]
    return b"".join(json.dumps({"name": f"row {i}", "vector": vector}).encode() + b"\n" for i in range(n))


def zipped(n: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("vectors.csv", csv(n))
    return packed.getvalue()


LARGE = {"a.csv": csv, "a.txt": word2vec, "a.jsonl": jsonl, "a.zip": zipped}


@pytest.mark.parametrize("name", LARGE)
def test_a_long_reading_says_how_far_it_is(name: str) -> None:
    told: list[tuple[float | None, str]] = []
    opened = open_files([(name, LARGE[name](22_000))], report=lambda fraction, text: told.append((fraction, text)))
    assert opened.space.vectors.shape == (22_000, D)
    reading = [fraction for fraction, text in told if text.startswith("Reading") and fraction is not None]
    assert len(reading) >= 5
    assert all(0 <= fraction <= 1 for fraction in reading)
    assert reading[-1] > 0.9
    assert any(" MB of " in text for _, text in told)


@pytest.mark.parametrize("name", LARGE)
def test_a_long_reading_can_be_stopped_anywhere(name: str) -> None:
    data = LARGE[name](22_000)
    calls: list[str] = []
    open_files([(name, data)], report=lambda _, text: calls.append(text))

    def stopping(after: int) -> Callable[[float | None, str], None]:
        left = [after]

        def report(_: float | None, text: str) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise JobStopped("Stopped.")

        return report

    for after in np.linspace(0, len(calls) - 1, 6).astype(int):
        with pytest.raises(JobStopped):
            open_files([(name, data)], report=stopping(int(after)))


def test_small_files_say_nothing_on_the_way() -> None:
    told: list[str] = []
    open_files([("a.csv", csv(10))], report=lambda _, text: told.append(text))
    assert told == []


def test_what_does_not_line_up_is_told_apart_from_what_does() -> None:
    plain = open_files([("a.csv", b"name,a,b\nx,1,2\ny,3,4\n")])
    assert plain.odd == ()
    assert len(plain.said) >= 1
    table = b"name,a,b\nx,1,2\nx,3,4\ny,nan,1\nz,1\n,5,6\n"
    odd = open_files([("a.csv", table)])
    assert set(odd.odd) < set(odd.said)
    told = " ".join(odd.odd)
    for part in ("'x'", "row 4", "left out", "had no name", "row 5"):
        assert part in told
    assert "Read as" not in told


def test_a_header_with_another_count_and_files_of_no_use_are_odd() -> None:
    (short,) = open_files([("a.txt", b"3 2\nx 1 2\ny 3 4\n")]).odd
    assert "2 rows where the header says 3" in short
    pair = [("vectors.tsv", b"1\t2\n3\t4\n"), ("metadata.tsv", b"a\nb\nc\n"), ("notes.txt", b"some words\n")]
    said = " ".join(open_files(pair).odd)
    assert "3 lines for 2 vectors" in said
    assert "'notes.txt'" in said

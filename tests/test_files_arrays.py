"""Arrays, tensors and archives: every kind of number, what is cut off or claims too much, and what is never read."""

import gzip
import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from embedkit.errors import EmbedkitError, InputError
from embedkit.files import COMMAND_LINE, UPLOAD, Limits, Opened, archives, open_files

TABLE = np.arange(24, dtype=np.float64).reshape(6, 4) / 8


def opened(data: bytes, name: str = "x.npy", limits: Limits = COMMAND_LINE) -> Opened:
    return open_files([(name, data)], limits=limits)


def npy(array: Any, **more: Any) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array, **more)
    return packed.getvalue()


def claim(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """The header of an array of this shape, and four bytes of it."""
    packed = io.BytesIO()
    np.lib.format.write_array_header_1_0(packed, {"descr": descr, "fortran_order": False, "shape": shape})
    return packed.getvalue() + b"1234"


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


@pytest.mark.parametrize("kind", ["<f2", ">f4", "<f8", ">f8", "longdouble", "i1", ">i2", "<i8", "u2", ">u8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("at", ["bytes", "path"])
def test_every_kind_of_number_and_order(kind: str, order: str, at: str, tmp_path: Path) -> None:
    array = np.array(TABLE, kind, order=order)  # type: ignore[call-overload]
    (tmp_path / "x.npy").write_bytes(npy(array))
    found = open_files([tmp_path / "x.npy"]) if at == "path" else opened(npy(array))
    assert np.array_equal(found.space.vectors, array.astype(np.float32))
    assert found.space.items[:2] == ("row 1", "row 2")
    assert ("True and false are read as 1 and 0." in found.said) == (kind == "?")


def test_pictures_in_an_array_are_shown() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (5, 8, 6, 3), np.uint8)
    found = opened(npy(pixels))
    assert found.space.vectors.shape == (5, 144)
    assert found.images is not None
    assert np.array_equal(found.images, pixels)
    assert "Each row is 8 x 6 x 3 numbers, laid out as one vector." in found.said
    assert opened(npy(pixels.astype(float))).images is None


def test_records_are_a_table() -> None:
    array = np.array([(1, 2.0, 3.0, "a"), (2, 3.0, 4.0, "b")], [("id", ">i4"), ("x", "f8"), ("y", ">f4"), ("n", "U3")])
    found = opened(npy(array))
    assert found.space.items == ("a", "b")
    assert found.space.vectors.tolist() == [[2, 3], [3, 4]]
    assert found.space.meta["id"].tolist() == [1, 2]


def test_rows_that_are_not_finite_are_named() -> None:
    array = TABLE.copy()
    array[2, 1], array[4, 3], array[5, 0] = np.nan, np.inf, 1e300
    found = opened(npy(array))
    assert found.space.items == ("row 1", "row 2", "row 4")
    assert found.said[1] == (
        "3 of 6 rows were left out, as they are no vectors: row 3 (column 2 is NaN), row 5 (column 4 is infinite), "
        "row 6 (column 1 is 1e+300, beyond float32)."
    )
    with pytest.raises(InputError, match=r"'x' has no row to keep. 6 of 6 rows were left out"):
        opened(npy(array * np.nan))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (npy(TABLE * 1j), "'x.npy' holds complex numbers. Put real and imaginary parts side by side: numpy.hstack("),
        (npy(TABLE[0]), "'x.npy' holds one line of 4 numbers; a table has rows and columns. Save it as array.reshape("),
        (npy(np.float64(3)), "'x.npy' holds a single number"),
        (npy(TABLE[:0]), "'x.npy' holds 0 rows of 4 numbers: there is nothing to open."),
        (npy(TABLE[:, :0]), "'x.npy' holds 6 rows of 0 numbers: there is nothing to open."),
        (
            npy(np.array(["a", "b"])),
            "'x.npy' holds texts, not numbers; give the file with the vectors, or both together.",
        ),
        (npy(np.array([["2020-01-01"]], "M8[D]")), "'x.npy' holds dates, not numbers"),
        (npy(np.array([[1], [2, 3]], object), allow_pickle=True), "'x.npy' is an array of Python objects, which only"),
        (npy(TABLE)[:-9], "'x.npy' is cut off: its header promises 6 x 4 numbers in 192 bytes, and 183 are there."),
        (npy(TABLE)[:70], "'x.npy' has no whole header of a NumPy array: "),
        (claim((10**9, 10**6)), "is cut off: its header promises 1,000,000,000 x 1,000,000 numbers"),
        (claim((-3, 4)), "has a header with the shape (-3, 4)"),
        (claim((2**62, 2**62, 0)), "there is nothing to open"),
        (claim((10**9, 10**9), "|S0"), "which no array has"),
    ],
)
def test_an_array_that_does_not_open(data: bytes, sentence: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        opened(data)
    assert sentence in str(caught.value)


def test_one_row_opens_and_what_follows_is_told() -> None:
    assert opened(npy(TABLE[:1])).said[-1] == "It is a single row: there is nothing to compare it with."
    assert "4 bytes after the end of the array were left alone." in opened(npy(TABLE) + b"abcd").said


def test_of_several_arrays_the_vectors_are_found_by_name() -> None:
    packed = io.BytesIO()
    made = {"big": np.zeros((9, 99)), "emb": TABLE, "labels": np.array(list("abcdef")), "n": np.arange(6)}
    np.savez(packed, **made, o=np.array([1, "a"], object))
    found = opened(packed.getvalue(), "x.npz")
    assert found.space.items == tuple("abcdef")
    assert found.space.meta["n"].tolist() == list(range(6))
    assert found.said == (
        "Read as NumPy arrays: Of 'x.npz' the array 'emb' is opened: 6 x 4 numbers (float64).",
        "Left alone: 'big'.",
        "'o' is an array of Python objects, which only unpickling could read; it was left out.",
        "'labels' names the items.",
        "Kept as columns: 'n'.",
    )


def tensors(header: dict[str, Any], data: bytes) -> bytes:
    told = json.dumps(header).encode()
    return len(told).to_bytes(8, "little") + told + data


def test_safetensors_of_the_library_and_bfloat16(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save

    from embedkit.files import save_space

    found = opened(save({"model.embedding": TABLE.astype(np.float16), "bias": TABLE[0]}), "x.safetensors")
    assert np.array_equal(found.space.vectors, TABLE.astype(np.float16).astype(np.float32))
    save_space(found.space, tmp_path / "y.safetensors")
    assert np.array_equal(load_file(tmp_path / "y.safetensors")["vectors"], found.space.vectors)
    halves = np.array([[1.0, -2.0], [0.5, 3.0]], np.float32)
    raw = (halves.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    assert np.array_equal(opened(tensors(header, raw), "x.safetensors").space.vectors, halves)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "is cut off: 'w' ends at byte"),
        ({"dtype": "F32", "shape": [9, 9], "data_offsets": [0, 8]}, "'w' has another size than its shape (9, 9)"),
        ({"dtype": "F32", "shape": [-1, 2], "data_offsets": [0, 8]}, "what its header says of 'w' is no tensor"),
        ({"dtype": "F32"}, "what its header says of 'w' is no tensor"),
        (5, "what its header says of 'w' is no tensor"),
        (
            {"dtype": "F8_E4M3", "shape": [2, 4], "data_offsets": [0, 8]},
            "it has: 'w' holds F8_E4M3, which numpy does not",
        ),
    ],
)
def test_safetensors_that_do_not_open(told: Any, sentence: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        opened(tensors({"w": told}, b"12345678"), "x.safetensors")
    assert sentence in str(caught.value)


# Archives


@pytest.mark.parametrize(
    ("data", "name", "sentence"),
    [
        (
            zipped({"a.csv": b"0," * 20_000_000}),
            "x.zip",
            "'x.zip' would unpack to 1,025 times its size; at most 200 times",
        ),
        (zipped({"vectors.npy": npy(np.zeros((3_000_000, 1)))}), "x.npz", "times its size; at most 200 times is read."),
        (gzip.compress(b"0," * 20_000_000, 9), "x.csv.gz", "'x.csv.gz' would unpack to "),
        (gzip.compress(b"1,2\n3,4\n")[:-9], "x.csv.gz", "'x.csv.gz' is cut off: its last bytes are missing."),
        (
            zipped({f"{i}.png": b"" for i in range(10_001)}),
            "x.zip",
            "'x.zip' holds 10,001 files; at most 10,000 are read.",
        ),
        (
            zipped({"in.zip": zipped({"a.csv": b"1,2"})}),
            "x.zip",
            "'x.zip' holds another archive, 'in.zip'; unpack it first.",
        ),
        (
            zipped({"[Content_Types].xml": b"", "xl/a.xml": b""}),
            "x.xlsx",
            "'x.xlsx' is an Office file. Save its table as",
        ),
        (zipped({}), "x.zip", "'x.zip' is a zip without a file in it."),
        (zipped({"a.csv": b"1,2\n3,4\n"})[:-9], "x.zip", "'x.zip' is no whole zip file: "),
    ],
    ids=["bomb", "npz", "gzip", "gzip cut", "entries", "nested", "office", "empty", "cut"],
)
def test_an_archive_that_does_not_open(data: bytes, name: str, sentence: str) -> None:
    with pytest.raises(EmbedkitError) as caught:
        opened(data, name)
    assert sentence in str(caught.value)


def test_the_sum_of_an_archive_is_bounded_though_each_file_is_small() -> None:
    data = zipped({f"{i}.csv": b"0.123," * 90_000 for i in range(9)})
    with pytest.raises(InputError, match=r"'x.zip' would unpack to 4.6 MB; at most 4 MB are read in this test."):
        opened(data, "x.zip", Limits("in this test", 2**22))


def test_a_list_of_very_many_files_is_never_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives.zipfile, "ZipFile", None)
    data = b"PK\3\4" + b"PK\1\2" * 200_001
    with pytest.raises(InputError, match=r"'x.npz' holds 200,001 files; at most 10,000 are read."):
        opened(data, "x.npz")


@pytest.mark.parametrize("folder", ["../../outside/", "/outside/", "..\\..\\outside\\", "C:\\outside\\"])
def test_names_in_archives_lead_nowhere(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    before = sorted(tmp_path.rglob("*"))
    found = opened(zipped({f"{folder}v.csv": b"1,2\n3,4\n", f"{folder}labels.txt": b"a\nb\n"}), "x.zip")
    assert found.space.items == ("a", "b")
    assert found.space.title == "v"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_zip_of_pictures() -> None:
    def png(shade: int) -> bytes:
        packed = io.BytesIO()
        Image.new("RGB", (40, 30), (shade, 0, 0)).save(packed, "png")
        return packed.getvalue()

    found = opened(zipped({"cats/a.png": png(255), "dogs/b.png": png(0), "dogs/c.txt": b"x"}), "x.zip")
    assert found.format == "pictures"
    assert found.space.meta["label"].tolist() == ["cats", "dogs"]
    assert found.space.vectors.shape == (2, 3072)
    assert found.space.vectors[0, 0] == 1
    assert found.images is not None
    assert found.images[0, 0, 0].tolist() == [255, 0, 0]
    assert "'c.txt' is no PNG, JPEG or WebP picture, whatever its name says." in found.said


def test_what_is_packed_with_gzip_opens_under_its_own_name() -> None:
    found = opened(gzip.compress(npy(TABLE)), "x.npy.gz")
    assert (found.format, found.space.title, found.space.n) == ("npy", "x", 6)


# What is never read


class Runs:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "name", ["x.pkl", "x.npy", "x.csv", "x.bin", "x.parquet", "x", "x.zip", "x.json", "x.safetensors"]
)
def test_a_pickle_is_refused_under_any_name_and_never_run(protocol: int, name: str, tmp_path: Path) -> None:
    trap = tmp_path / "it ran"
    with pytest.raises(InputError) as caught:
        opened(pickle.dumps(Runs(trap), protocol), name)
    first, *lines = str(caught.value).splitlines()
    told = f"'{name}' is a pickle: reading it can run anything, so it is not opened."
    assert first == f"{told} If you trust it, two lines make an .npy:"
    assert lines == ["    import pickle, numpy", f"    numpy.save('vectors.npy', pickle.load(open('{name}', 'rb')))"]
    assert not trap.exists()


def test_an_object_array_is_never_run(tmp_path: Path) -> None:
    trap = tmp_path / "it ran"
    data = npy(np.array([[Runs(trap)]], object), allow_pickle=True)
    packed = io.BytesIO()
    np.savez(packed, vectors=np.array([[Runs(trap)]], object))
    for each, name in ((data, "x.npy"), (packed.getvalue(), "x.npz"), (zipped({"x.npy": data}), "x.zip")):
        with pytest.raises(InputError, match="of Python objects, which only unpickling could read"):
            opened(each, name)
    assert not trap.exists()


def test_models_of_torch_joblib_and_gensim_come_with_two_lines_that_work(tmp_path: Path) -> None:
    import joblib
    import torch
    from gensim.models import Word2Vec

    torch.save(torch.tensor(TABLE), tmp_path / "x.pt")
    torch.save(torch.tensor(TABLE), tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    joblib.dump(TABLE, tmp_path / "x.joblib")
    joblib.dump(TABLE, tmp_path / "z.joblib", compress=3)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(TABLE))
    model = Word2Vec([list("abcdef")] * 9, vector_size=4, min_count=1, epochs=1)
    model.save(str(tmp_path / "x.model"))
    model.wv.save(str(tmp_path / "x.kv"))
    for name in ("x.pt", "old.pt", "x.joblib", "z.joblib", "x.pkl", "x.model", "x.kv"):
        with pytest.raises(InputError) as caught:
            open_files([tmp_path / name])
        lines = str(caught.value).splitlines()
        assert "reading it can run anything" in lines[0]
        assert len(lines) == 3
        script = "\n".join(line.strip() for line in lines[1:])
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, timeout=120)
        made = "vectors.txt" if "gensim" in lines[0] else "vectors.npy"
        found = open_files([tmp_path / made])
        assert found.space.vectors.shape == (6, 4)
        if made == "vectors.npy":
            assert np.array_equal(found.space.vectors, TABLE)
        (tmp_path / made).unlink()


# Files and limits


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no file to open."):
        open_files([])
    with pytest.raises(InputError, match=r"There is no file '.*nope'."):
        open_files([tmp_path / "nope"])
    with pytest.raises(InputError, match=r"'.*' is a folder; name the files in it."):
        open_files([tmp_path])
    with pytest.raises(InputError, match=r"There is no file|cannot be read"):
        open_files(["a\0b"])


def test_limits_are_said_with_their_value() -> None:
    assert (COMMAND_LINE.most_bytes, UPLOAD.most_bytes) == (2 * 2**30, 200 * 2**20)
    with pytest.raises(InputError, match=r"'x.csv' has 200 MB; at most 200 MB are opened by upload."):
        opened(bytes(200 * 2**20 + 1), "x.csv", UPLOAD)
    with pytest.raises(InputError, match=r"The files together have 12 bytes; at most 11 bytes are opened here."):
        open_files([("a", b"123456"), ("b", b"123456")], limits=Limits("here", 11))
    with pytest.raises(
        InputError, match=r"holds 1,000 x 1,000 numbers, 3.8 MB in memory; at most 2.1 MB are opened here."
    ):
        opened(npy(np.zeros((1_000, 1_000), np.int8)), "x.npy", Limits("here", 1_100_000))


def test_a_name_is_only_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.csv").write_text("9,9\n9,9\n")
    found = open_files([("../secret.csv", b"1,2\n3,4\n")])
    assert found.space.title == "secret"
    assert found.space.vectors.tolist() == [[1, 2], [3, 4]]

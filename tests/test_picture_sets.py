"""MNIST, Fashion-MNIST and CIFAR-10: read from files of bytes, fetched whole or not at all, all on this machine."""

import gzip
import hashlib
import io
import json
import os
import shutil
import socket
import struct
import tarfile
import threading
import time
import tracemalloc
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embedkit.errors import DamagedFile, FetchError, InputError, JobStopped, NotInstalled
from embedkit.sources import picture_sets as sets
from embedkit.sources.picture_sets import (
    fetch_pictures,
    fetch_pictures_task,
    is_here,
    load_pictures,
    load_test_part,
    picture_sets,
)
from embedkit.store import default_store, recipe_key
from embedkit.worker import Report

FETCHED = ("mnist", "fashion-mnist", "cifar10")
NAMES = tuple(
    f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")
)  # in torchvision's order
BATCHES = (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin")
N, B = 40, 6  # pictures of each idx file, of each batch


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(sets, "BATCH", B)
    return tmp_path / "home"


def pack(array: np.ndarray, kind: int = 8, shape: tuple[int, ...] = ()) -> bytes:
    shape = shape or array.shape
    return struct.pack(f">HBB{len(shape)}I", 0, kind, len(shape), *shape) + array.tobytes()


def idx(seed: int = 0) -> dict[str, bytes]:
    """The four files of a small MNIST, plain."""
    rng = np.random.default_rng(seed)
    files = {}
    for part in ("train", "t10k"):
        files[f"{part}-images-idx3-ubyte"] = pack(rng.integers(0, 256, (N, 28, 28), np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = pack(np.arange(N, dtype=np.uint8) % 10)
    return files


def batches() -> dict[str, bytes]:
    """Six small files of CIFAR-10: red rows hold the picture's number, green ones 100, blue ones their row."""
    files = {}
    for i, name in enumerate(BATCHES):
        pictures = np.empty((B, 3, 32, 32), np.uint8)
        pictures[:, 0] = np.arange(i * B, (i + 1) * B)[:, None, None]
        pictures[:, 1] = 100
        pictures[:, 2] = np.arange(32)[:, None]
        labels = np.arange(B, dtype=np.uint8)[:, None]
        files[name] = np.hstack([labels, pictures.reshape(B, -1)]).tobytes()
    return files


def packed(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=0) as archive:  # large enough to come in pieces
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tar(**more: bytes) -> bytes:
    return packed({f"cifar-10-batches-bin/{name}": content for name, content in batches().items()} | more)


def write(folder: Path, files: dict[str, bytes], gz: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(content) if gz else content)
    return folder


# Reading


def test_each_set_says_what_the_person_must_know() -> None:
    assert list(picture_sets()) == ["digits", "shapes", *FETCHED]
    for key, row in picture_sets().items():
        assert row.key == key
        assert all((row.title, row.note, row.licence))
        assert (row.fetched, row.megabytes > 1) == (key in FETCHED,) * 2
    for key in ("digits", "shapes"):
        row, found = picture_sets()[key], load_pictures(key)
        assert (found.n, found.pixels.shape[1:], found.licence, found.year) == (
            row.count, row.shape, row.licence, row.year
        )  # fmt: skip
        assert is_here(key)


@pytest.mark.parametrize("key", ["digits", "shapes"])
def test_the_first_of_a_set_are_its_first(key: str) -> None:
    whole, found = load_pictures(key, seed=3), load_pictures(key, limit=50, seed=3)
    assert (found.n, len(found.labels), len(found.names), len(found.factors)) == (50,) * 4
    np.testing.assert_array_equal(found.pixels, whole.pixels[:50])
    assert found.labels == whole.labels[:50]
    assert found.key != whole.key
    assert load_pictures(key, limit=10**6).n == whole.n


def test_a_seed_draws_other_shapes() -> None:
    assert load_pictures("shapes", seed=1).digest != load_pictures("shapes", seed=2).digest


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize(("key", "layout"), [("mnist", "MNIST/raw"), ("fashion-mnist", "FashionMNIST/raw")])
@pytest.mark.parametrize("flat", [True, False])
def test_idx_files_from_a_folder(tmp_path: Path, key: str, layout: str, flat: bool, gz: bool) -> None:
    files = idx()
    write(tmp_path / "data" / ("" if flat else layout), files, gz)
    folder = str(tmp_path / "data")
    assert is_here(key, folder)
    assert not is_here(key)
    found = load_pictures(key, folder=folder)
    raw = np.frombuffer(files["train-images-idx3-ubyte"], np.uint8, offset=16).reshape(N, 28, 28, 1)
    np.testing.assert_array_equal(found.pixels, (raw / 255).astype(np.float32))
    assert found.pixels.dtype == np.float32
    assert not found.pixels.flags.writeable
    row = picture_sets()[key]
    assert (found.key, found.title, found.licence, found.year) == (f"{key}/{N}", row.title, row.licence, row.year)
    words = row.classes or tuple("0123456789")
    assert found.labels == tuple(words[i % 10] for i in range(N))
    first = load_pictures(key, folder=folder, limit=7)
    np.testing.assert_array_equal(first.pixels, found.pixels[:7])
    assert (first.key, first.labels) == (f"{key}/7", found.labels[:7])
    test = load_test_part(key, folder)
    assert (test.n, test.key) == (N, f"{key}/test/{N}")
    assert (test.pixels != found.pixels).any()
    assert load_test_part(key, folder, limit=5).n == 5


def test_mnist_has_the_factors_of_digits(tmp_path: Path) -> None:
    found = load_pictures("mnist", folder=str(write(tmp_path, idx())))
    assert list(found.factors.columns) == list(load_pictures("digits").factors.columns)
    assert found.factors["digit"].tolist() == [i % 10 for i in range(N)]
    assert found.factors.loc[8, "has a loop"]
    assert not found.factors.loc[7, "even"]


@pytest.mark.parametrize("gz", [False, True])
@pytest.mark.parametrize("flat", [True, False])
def test_batches_of_cifar(tmp_path: Path, flat: bool, gz: bool) -> None:
    write(tmp_path / "data" / ("" if flat else "cifar-10-batches-bin"), batches(), gz)
    folder = str(tmp_path / "data")
    found = load_pictures("cifar10", folder=folder)
    assert found.pixels.shape == (5 * B, 32, 32, 3)
    assert found.pixels.dtype == np.float32
    assert (found.pixels[9, 0, 0] * 255).round().tolist() == [9, 100, 0]
    assert (found.pixels[9, 31, 5] * 255).round().tolist() == [9, 100, 31]  # blue counts rows, not columns
    assert found.labels[: B + 1] == ("airplane", "automobile", "bird", "cat", "deer", "dog", "airplane")
    assert len(set(found.names)) == found.n
    first = load_pictures("cifar10", folder=folder, limit=B + 2)
    np.testing.assert_array_equal(first.pixels, found.pixels[: B + 2])
    test = load_test_part("cifar10", folder)
    assert (test.n, test.key, round(test.pixels[0, 0, 0, 0] * 255)) == (B, f"cifar10/test/{B}", 5 * B)


def test_without_files_the_person_learns_what_it_takes() -> None:
    for ask in (load_pictures, load_test_part):
        with pytest.raises(
            NotInstalled, match=r"^MNIST is not .* \(12 MB, licence CC BY-SA 3.0, 1998\): .* fetch mnist$"
        ):
            ask("mnist")
    with pytest.raises(NotInstalled, match=r"170 MB, licence not stated, 2009\): python -m embedkit fetch cifar10$"):
        load_pictures("cifar10")


@pytest.mark.parametrize("folder", ["nowhere", "~nobody-here/data", "a\0b", "x" * 5_000])
def test_a_folder_that_does_not_exist(folder: str) -> None:
    assert not is_here("mnist", folder)
    with pytest.raises(InputError, match="There is no folder"):
        load_pictures("mnist", folder=folder)


@pytest.mark.parametrize("key", FETCHED)
def test_a_folder_that_lacks_a_file(tmp_path: Path, key: str) -> None:
    files = batches() if key == "cifar10" else idx()
    name = "data_batch_3.bin" if key == "cifar10" else "train-labels-idx1-ubyte"
    del files[name]
    folder = str(write(tmp_path, files))
    assert not is_here(key, folder)
    with pytest.raises(InputError, match=f"does not hold .*{name}.*plain or gzipped"):
        load_pictures(key, folder=folder)
    assert load_test_part(key, folder).n


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(InputError, match="There is no picture set 'emnist'; known: digits, shapes, mnist"):
        load_pictures("emnist")
    for key in ("digits", "mnist"):
        with pytest.raises(InputError, match="0 for all, not -1"):
            load_pictures(key, limit=-1)
    with pytest.raises(InputError, match="Handwritten digits has no test part of its own"):
        load_test_part("digits")
    with pytest.raises(InputError, match="needs no fetch"):
        fetch_pictures("digits")


GOOD = idx()["train-images-idx3-ubyte"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no whole idx file"),
        (GOOD[:3], "no whole idx file"),
        (GOOD[:-1], "promises 31,360 bytes and holds fewer"),
        (GOOD + b"x", "promises 31,360 bytes and holds more"),
        (b"\x01" + GOOD[1:], "does not hold bytes in the idx format"),
        (pack(np.zeros((N, 28, 28)), kind=14), "does not hold bytes in the idx format"),
        (pack(np.zeros(N, np.uint8)), "it has 1 dimensions, not 3"),
        (pack(np.zeros(0, np.uint8), shape=(0, 28, 28)), "promises 0 bytes"),
        (pack(np.zeros(9, np.uint8), shape=(2**32 - 1, 2**16, 2**16)), "can be read"),
    ],
)
@pytest.mark.parametrize("gz", [False, True])
def test_broken_pictures(tmp_path: Path, content: bytes, says: str, gz: bool) -> None:
    folder = str(write(tmp_path, idx() | {"train-images-idx3-ubyte": content}, gz))
    with pytest.raises(DamagedFile, match=rf"^train-images-idx3-ubyte(\.gz)? is no whole idx file: .*{says}|{says}"):
        load_pictures("mnist", folder=folder)


def test_broken_gzip(tmp_path: Path) -> None:
    write(tmp_path, idx(), gz=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # of the checksum
    for content in (whole[: len(whole) // 2], whole[:-4], b"<html>", bytes(flipped)):
        path.write_bytes(content)
        with pytest.raises(DamagedFile, match=r"train-images-idx3-ubyte\.gz is no whole idx file"):
            load_pictures("mnist", folder=str(tmp_path))


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    name = "train-labels-idx1-ubyte"
    write(tmp_path, idx() | {name: pack(np.zeros(N - 1, np.uint8))})
    for limit in (0, 5):
        with pytest.raises(DamagedFile, match="holds 40 pictures, train-labels-idx1-ubyte 39 labels"):
            load_pictures("fashion-mnist", folder=str(tmp_path), limit=limit)
    write(tmp_path, idx() | {name: pack(np.full(N, 10, np.uint8))})
    with pytest.raises(DamagedFile, match="holds the label 10; Fashion-MNIST has labels 0 to 9"):
        load_pictures("fashion-mnist", folder=str(tmp_path))


@pytest.mark.parametrize("harm", ["short", "long", "empty", "label"])
def test_broken_batches(tmp_path: Path, harm: str) -> None:
    files, name = batches(), "data_batch_2.bin"
    files[name] = {
        "short": files[name][:-1],
        "long": files[name] + files[name],
        "empty": b"",
        "label": b"\x0a" + files[name][1:],
    }[harm]
    with pytest.raises(DamagedFile, match=r"^data_batch_2\.bin is no whole file of CIFAR-10: i"):
        load_pictures("cifar10", folder=str(write(tmp_path, files)))


def test_the_whole_of_mnist_takes_no_more_than_its_numbers_and_bytes(tmp_path: Path) -> None:
    """60,000 pictures are 188 MB as float32 and 47 MB as bytes; a float64 copy would add 376 MB."""
    n = 6_000
    write(tmp_path, {NAMES[0]: pack(np.zeros((n, 28, 28), np.uint8)), NAMES[1]: pack(np.zeros(n, np.uint8))})
    load_pictures("fashion-mnist", folder=str(tmp_path), limit=10)  # imports
    tracemalloc.start()
    load_pictures("fashion-mnist", folder=str(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.3 * n * 784 * 5


def real(name: str) -> str:
    """A folder of real data beside the checkout, or where EMBEDKIT_DATA says; absent it skips, under CI it fails."""
    root = Path(os.environ.get("EMBEDKIT_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data")
    if not (root / name).is_dir():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"The test needs the folder {name} in EMBEDKIT_DATA.")
    return str(root / name)


def test_the_real_fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = real("fashion-mnist")
    found = load_pictures("fashion-mnist", folder=folder)
    assert found.pixels.shape == (60_000, 28, 28, 1)
    assert found.labels[:4] == ("Ankle boot", "T-shirt/top", "T-shirt/top", "Dress")
    assert {label: found.labels.count(label) for label in found.classes} == dict.fromkeys(found.classes, 6_000)
    assert found.pixels.mean() == pytest.approx(0.2860, abs=1e-4)  # the published mean and spread
    assert found.pixels[::10].std() == pytest.approx(0.3530, abs=2e-3)
    test = load_test_part("fashion-mnist", folder, limit=100)
    assert test.n == 100
    assert test.labels[:2] == ("Ankle boot", "Pullover")


# Fetching


class Served:
    """Files by path. `cut` ends answers after so many bytes, `pause` waits between pieces."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.cut, self.pause, self.status = 0, 0.0, 200
        self.url = ""


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    from torchvision import datasets

    told = Served()

    class Handler(BaseHTTPRequestHandler):
        def head(self) -> bytes | None:
            content = told.files.get(self.path)
            if content is None or told.status != 200:
                self.send_error(404 if told.status == 200 else told.status)
                return None
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            return content

        def do_GET(self) -> None:
            content = self.head() or b""
            if self.headers.get("Method") != "HEAD":  # how torchvision asks where an address leads, with a GET
                told.asked.append(self.path)
            end = min(told.cut or len(content), len(content))
            try:
                for at in range(0, end, 4096):
                    self.wfile.write(content[at : min(at + 4096, end)])
                    time.sleep(told.pause)
            except OSError:
                pass  # the client was stopped
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        for seed, made in enumerate((datasets.MNIST, datasets.FashionMNIST)):
            files = {f"/{made.__name__}/{name}.gz": gzip.compress(content) for name, content in idx(seed).items()}
            told.files |= files
            monkeypatch.setattr(made, "mirrors", [f"{told.url}/gone/", f"{told.url}/{made.__name__}/"])
            sums = [(path.split("/")[-1], hashlib.md5(content).hexdigest()) for path, content in files.items()]
            monkeypatch.setattr(made, "resources", sums)
        serve_tar(told, monkeypatch, tar())
        yield told
        server.shutdown()


def serve_tar(served: Served, monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    served.files["/cifar.tar.gz"] = content
    monkeypatch.setattr(sets, "CIFAR_URL", f"{served.url}/cifar.tar.gz")
    monkeypatch.setattr(sets, "CIFAR_MD5", hashlib.md5(content).hexdigest())


def kept() -> set[str]:
    """Names of the files that are under EMBEDKIT_HOME, without locks."""
    root = Path(os.environ["EMBEDKIT_HOME"])
    return {path.name for path in root.rglob("*") if path.is_file() and path.parent.name != "locks"}


def files_of(key: str) -> set[str]:
    return set(BATCHES) if key == "cifar10" else {f"{name}.gz" for name in NAMES}


@pytest.mark.parametrize("key", FETCHED)
def test_what_is_fetched_is_what_was_served(served: Served, tmp_path: Path, key: str) -> None:
    told: list[tuple[float | None, str]] = []
    place = fetch_pictures(key, lambda fraction, text: told.append((fraction, text)))
    assert is_here(key)
    assert kept() == files_of(key)
    direct = write(tmp_path / "direct", batches() if key == "cifar10" else idx(seed=int(key != "mnist")))
    for load in (load_pictures, load_test_part):
        assert load(key).digest == load(key, folder=str(direct)).digest
    assert load_pictures(key, folder=str(place)).n  # the folder that it names
    fractions = [fraction for fraction, _ in told if fraction is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert any(0 < fraction < 1 and "MB" in text for fraction, text in told if fraction is not None)
    asked = len(served.asked)
    fetch_pictures(key)
    assert len(served.asked) == asked  # once


def test_torchvision_reads_the_fetched_files_as_we_do(served: Served, tmp_path: Path) -> None:
    from torchvision.datasets import FashionMNIST

    place = fetch_pictures("fashion-mnist")
    write(
        tmp_path / "FashionMNIST" / "raw",
        {name: gzip.decompress((place / f"{name}.gz").read_bytes()) for name in NAMES},
    )
    theirs = FashionMNIST(tmp_path)
    ours = load_pictures("fashion-mnist")
    np.testing.assert_array_equal((ours.pixels[..., 0] * 255).round(), theirs.data.numpy())
    assert list(ours.labels) == [theirs.classes[t] for t in theirs.targets]


@pytest.mark.parametrize("key", FETCHED)
def test_who_stops_leaves_no_part_of_a_file(served: Served, key: str) -> None:
    served.pause = 0.002
    calls = 0

    def report(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise JobStopped("Fetching was stopped.")

    timeout = socket.getdefaulttimeout()
    with pytest.raises(JobStopped):
        fetch_pictures(key, report)
    assert not is_here(key)
    assert not any(name.endswith(".part") for name in kept())
    assert socket.getdefaulttimeout() == timeout
    served.pause = 0
    fetch_pictures(key)
    assert kept() == files_of(key)


def test_who_stops_while_unpacking_need_not_fetch_again(served: Served) -> None:
    def report(fraction: float | None, text: str) -> None:
        if "data_batch_3" in text:
            raise JobStopped("Fetching was stopped.")

    with pytest.raises(JobStopped):
        fetch_pictures("cifar10", report)
    assert not is_here("cifar10")
    fetch_pictures("cifar10")
    assert served.asked == ["/cifar.tar.gz"]
    assert kept() == set(BATCHES)


@pytest.mark.parametrize("key", FETCHED)
def test_a_connection_that_breaks_leaves_no_part_of_a_file(served: Served, key: str) -> None:
    served.cut = 1000
    with pytest.raises(FetchError, match=rf"checksum differs\).* Try again: python -m embedkit fetch {key}$"):
        fetch_pictures(key)
    assert not is_here(key)
    assert not any(name.endswith(".part") for name in kept())
    served.cut = 0
    fetch_pictures(key)
    assert kept() == files_of(key)


def test_whole_files_of_a_broken_fetch_are_kept(served: Served) -> None:
    last = "/MNIST/t10k-labels-idx1-ubyte.gz"
    content = served.files.pop(last)
    with pytest.raises(FetchError):
        fetch_pictures("mnist")
    assert len(kept()) == 3
    served.files[last], served.asked = content, []
    fetch_pictures("mnist")
    assert served.asked == [last]


@pytest.mark.parametrize("harm", [{"cut": 5_000}, {"flip": True}, {"remove": True}])
def test_a_damaged_file_is_said_and_fetched_again(served: Served, harm: dict[str, Any]) -> None:
    place = fetch_pictures("mnist")
    path = place / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[: harm.get("cut", -4)] + (b"abcd" if "flip" in harm else b""))
    with pytest.raises(DamagedFile, match=r"no whole idx file: .*\. Fetch it again: python -m embedkit fetch mnist$"):
        load_pictures("mnist")
    fetch_pictures("mnist")
    assert path.read_bytes() == whole
    assert load_pictures("mnist").n == N


def test_a_batch_that_was_cut_is_fetched_again(served: Served) -> None:
    path = fetch_pictures("cifar10") / "data_batch_1.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DamagedFile, match=r"Fetch it again: python -m embedkit fetch cifar10$"):
        load_pictures("cifar10")
    fetch_pictures("cifar10")
    assert load_pictures("cifar10").n == 5 * B


def test_names_in_the_tar_lead_nowhere(served: Served, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    evil = {"../../evil": b"x", "/tmp/embedkit-evil": b"x", "cifar-10-batches-bin/../../evil": b"x", "evil.bin": b"x"}
    serve_tar(served, monkeypatch, tar(**evil))
    fetch_pictures("cifar10")
    assert kept() == set(BATCHES)
    assert not list(home.parent.rglob("*evil*"))
    assert not Path("/tmp/embedkit-evil").exists()


def test_a_tar_that_is_another_one(served: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    link = io.BytesIO()
    secret = tmp_path / "secret"
    secret.write_bytes(batches()["test_batch.bin"])
    with tarfile.open(fileobj=link, mode="w:gz") as archive:
        info = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
        info.type, info.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(info)
    short = {f"cifar-10-batches-bin/{name}": content[:-1] for name, content in batches().items()}
    for content, says in (
        (packed({}), "6 of its six files are not in it"),
        (packed(short), "is not a file of"),
        (link.getvalue(), r"test_batch\.bin is not a file of"),
        (gzip.compress(b"no tar" * 999), "arrived whole, but is not the binary edition"),
        (b"<html>login</html>", "arrived whole, but is not the binary edition"),
        (tar()[: len(tar()) // 2], "arrived whole, but is not the binary edition"),
    ):
        serve_tar(served, monkeypatch, content)
        with pytest.raises(FetchError, match=says):
            fetch_pictures("cifar10")
        assert not is_here("cifar10")
        assert kept() <= set(BATCHES)


def test_no_network_and_no_file(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.files.clear()
    with pytest.raises(
        FetchError, match=r"^Fashion-MNIST is no longer where torchvision had it \(HTTP 404, http://127"
    ):
        fetch_pictures("fashion-mnist")
    served.status = 503
    with pytest.raises(FetchError, match=r"^The server of CIFAR-10 answered HTTP 503; try again later\.$"):
        fetch_pictures("cifar10")
    monkeypatch.setattr(sets, "CIFAR_URL", "http://127.0.0.1:1/cifar.tar.gz")
    with pytest.raises(FetchError, match=r"^CIFAR-10 did not arrive \(.*Check the network.*fetch cifar10$"):
        fetch_pictures("cifar10")
    assert kept() == set()


def test_a_server_that_falls_silent(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sets, "TIMEOUT", 0.2)
    served.pause = 1.0
    with pytest.raises(FetchError, match=r"CIFAR-10 did not arrive .*timed out"):
        fetch_pictures("cifar10")
    assert kept() == set()


def test_a_disk_without_room(served: Served, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    usage = namedtuple("usage", "free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: usage(1_000_000))
        with pytest.raises(FetchError, match="CIFAR-10 needs 374 MB on the disk; 1 MB are free"):
            fetch_pictures("cifar10")
    assert served.asked == []
    shutil.rmtree(home / "pictures")
    (home / "pictures").write_bytes(b"a file in the way")
    with pytest.raises(FetchError, match=r"CIFAR-10 could not be kept: .*EMBEDKIT_HOME can name another folder"):
        fetch_pictures("cifar10")


def test_two_who_fetch_at_once_share_one_download(served: Served) -> None:
    served.pause = 0.002
    threads = [threading.Thread(target=fetch_pictures, args=("cifar10",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert served.asked == ["/cifar.tar.gz"]
    assert is_here("cifar10")


def test_who_comes_while_another_process_fetches_waits_and_may_stop(served: Served) -> None:
    def report(fraction: float | None, text: str) -> None:
        told.append(text)
        raise JobStopped("Fetching was stopped.")

    def fetch() -> None:
        with pytest.raises(JobStopped):
            fetch_pictures("mnist", report)

    told: list[str] = []
    with default_store().locked(recipe_key("fetch pictures", name="mnist")):
        thread = threading.Thread(target=fetch)
        thread.start()
        thread.join(20)
    assert told == ["Waiting: somebody else is fetching MNIST just now."]
    assert served.asked == []


def test_a_tar_that_was_left_over_is_removed(served: Served) -> None:
    place = fetch_pictures("cifar10")
    (place.parent / "cifar-10-binary.tar.gz").write_bytes(tar())
    fetch_pictures("cifar10")
    assert kept() == set(BATCHES)


def test_as_a_task(served: Served) -> None:
    messages: list[dict[str, Any]] = []
    report = Report(messages.append)
    arrays, meta = fetch_pictures_task(report, name="mnist")
    report.flush()
    assert arrays == {}
    assert meta == {"name": "mnist", "title": "MNIST", "pictures": 60_000}
    assert messages[-1]["fraction"] == 1.0
    assert json.dumps(meta)


def test_torchvision_is_as_it_was_afterwards(served: Served) -> None:
    from torchvision.datasets import utils

    before = utils.tqdm
    fetch_pictures("mnist")
    assert utils.tqdm is before

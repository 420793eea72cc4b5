"""Picture sets that others use too: scikit-learn's digits, shapes, and on request MNIST, Fashion-MNIST and CIFAR-10.

torchvision fetches the files; they are read here, from formats that are nothing but bytes (idx; CIFAR-10's binary
edition, as torchvision's own class unpickles what it reads).
"""

from __future__ import annotations

import errno
import gzip
import shutil
import socket
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, FetchError, InputError, NotInstalled
from embedkit.sources.pictures import Pictures, digit_factors, digits, from_idx, scaled, shapes
from embedkit.store import default_store, home, recipe_key

if TYPE_CHECKING:
    from http.client import HTTPException

__all__ = [
    "PictureSet",
    "fetch_pictures",
    "fetch_pictures_task",
    "is_here",
    "load_pictures",
    "load_test_part",
    "picture_sets",
]

# The sum is the one that cs.toronto.edu/~kriz/cifar.html states beside the file, of 170,052,171 bytes.
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
BATCH = 10_000  # pictures in each file of CIFAR-10
SIDE, BYTES = 32, 1 + 3 * 32 * 32  # of one picture of CIFAR-10: its label, then the red, green and blue rows
TIMEOUT = 30.0  # seconds of silence
LOCAL_ERRORS = {
    getattr(errno, name, 0) for name in ("ENOSPC", "EDQUOT", "EACCES", "EEXIST", "ENOTDIR", "EPERM", "EROFS")
}

Say = Callable[[float | None, str], object]


@dataclass(frozen=True)
class PictureSet:
    """What a page says about a set before it is opened or fetched.

    `count` pictures are for learning, of `shape` (height, width, channels); `megabytes` are fetched where `fetched`
    says so. `folder` is where torchvision puts its files, `classes` are the words for its labels.
    """

    key: str
    title: str
    count: int
    shape: tuple[int, int, int]
    megabytes: float
    licence: str
    year: int
    fetched: bool
    note: str
    folder: str = ""
    classes: tuple[str, ...] = ()


_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_THINGS = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_SETS = {
    row.key: row
    for row in (
        PictureSet("digits", "Handwritten digits", 1_797, (8, 8, 1), 0.06, "CC BY 4.0", 1998, False,
                   "Alpaydin and Kaynak 1998, as scikit-learn ships them"),
        PictureSet("shapes", "Shapes drawn by rule", 1_200, (32, 32, 3), 0.0, "own", 2026, False,
                   "drawn when asked, with their true factors"),
        PictureSet("mnist", "MNIST", 60_000, (28, 28, 1), 11.6, "CC BY-SA 3.0", 1998, True,
                   "handwritten digits, LeCun et al. 1998", "MNIST/raw"),
        PictureSet("fashion-mnist", "Fashion-MNIST", 60_000, (28, 28, 1), 30.9, "MIT", 2017, True,
                   "clothes, Xiao, Rasul and Vollgraf 2017", "FashionMNIST/raw", _CLOTHES),
        PictureSet("cifar10", "CIFAR-10", 50_000, (32, 32, 3), 170.1, "not stated", 2009, True,
                   "animals and vehicles in color, Krizhevsky 2009", "cifar-10-batches-bin", _THINGS),
    )
}  # fmt: skip


def picture_sets() -> dict[str, PictureSet]:
    """The sets by key: those of the install first, then those that are fetched."""
    return dict(_SETS)


def load_pictures(key: str, *, limit: int = 0, folder: str = "", seed: int = 0) -> Pictures:
    """The pictures of a set for learning, the first `limit` of them (0: all); `seed` draws the shapes.

    MNIST, Fashion-MNIST and CIFAR-10 are read from `folder`, where a person names one: its idx files or binary batches,
    gzipped or plain, in the folder itself or in torchvision's layout. Else from where `fetch_pictures` put them.
    Raises NotInstalled with what to do, InputError for an unknown set or folder, DamagedFile.
    """
    row = _row(key)
    if key == "digits":
        return _first(digits(), limit)
    if key == "shapes":
        return _first(shapes(row.count, seed), limit)
    return _load(row, "train", folder, limit)


def load_test_part(key: str, folder: str = "", limit: int = 0) -> Pictures:
    """The 10,000 official test pictures of MNIST, Fashion-MNIST or CIFAR-10, as `load_pictures` finds the others.

    Raises InputError for a set without such a part.
    """
    row = _row(key)
    if not row.fetched:
        raise InputError(f"{row.title} has no test part of its own; split it: Pictures.split.")
    return _load(row, "test", folder, limit)


def is_here(key: str, folder: str = "") -> bool:
    """Whether `load_pictures` would find the set; a look at file names, nothing is read."""
    row = _row(key)
    return not row.fetched or bool(_found(row, "train", folder))


def _row(key: str) -> PictureSet:
    if key not in _SETS:
        raise InputError(f"There is no picture set '{key}'; known: {', '.join(_SETS)}.")
    return _SETS[key]


def _first(pictures: Pictures, limit: int) -> Pictures:
    if _checked(limit) in range(1, pictures.n):
        part = slice(limit)
        return replace(
            pictures,
            key=f"{pictures.key}/{limit}",
            pixels=pictures.pixels[part],
            labels=pictures.labels[part],
            names=pictures.names[part],
            factors=pictures.factors[part],
        )
    return pictures


def _checked(limit: int) -> int:
    if limit < 0:
        raise InputError(f"The number of pictures is at least 1, or 0 for all, not {limit:,}.")
    return limit


# Finding and reading files


def _files(row: PictureSet, part: str) -> tuple[str, ...]:
    if row.key == "cifar10":
        return tuple(f"data_batch_{n}.bin" for n in range(1, 6)) if part == "train" else ("test_batch.bin",)
    start = "train" if part == "train" else "t10k"
    return f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"


def _found(row: PictureSet, part: str, folder: str) -> list[Path]:
    """The files of a part, plain before gzipped; [] unless all are there."""
    with suppress(OSError, RuntimeError):  # a folder that may not be looked into, "~nobody"
        root = Path(folder).expanduser() if folder else home() / "pictures"
        for place in (root, root / row.folder) if folder else (root / row.folder,):
            ways = [[place / name, place / f"{name}.gz"] for name in _files(row, part)]
            there = [next((path for path in way if path.is_file()), None) for way in ways]
            if all(there):
                return [path for path in there if path]
    return []


def _load(row: PictureSet, part: str, folder: str, limit: int) -> Pictures:
    _checked(limit)
    paths = _found(row, part, folder)
    if not paths:
        raise _missing(row, part, folder)
    key, title = (row.key, row.title) if part == "train" else (f"{row.key}/test", f"{row.title}, test pictures")
    try:
        if row.key == "cifar10":
            return _from_batches(row, paths, key, title, limit)
        images, labels = paths
        found = from_idx(
            images, labels, key=key, title=title, licence=row.licence, year=row.year, limit=limit, classes=row.classes
        )
    except DamagedFile as error:
        if folder:
            raise
        again = f"Fetch it again: python -m embedkit fetch {row.key}"
        raise DamagedFile(f"{str(error).rstrip('.')}. {again}") from error
    if row.key == "mnist":
        return replace(found, factors=digit_factors(np.array(found.labels, np.int64)))
    return found


def _missing(row: PictureSet, part: str, folder: str) -> InputError | NotInstalled:
    if not folder:
        return NotInstalled(
            f"{row.title} is not on this machine. Fetch it ({row.megabytes:,.0f} MB, licence {row.licence}, "
            f"{row.year}): python -m embedkit fetch {row.key}"
        )
    with suppress(OSError, RuntimeError):
        if Path(folder).expanduser().is_dir():
            names = " and ".join(_files(row, part))
            return InputError(f"The folder '{folder}' does not hold {row.title}: {names}, plain or gzipped (.gz).")
    return InputError(f"There is no folder '{folder}'.")


def _from_batches(row: PictureSet, paths: Sequence[Path], key: str, title: str, limit: int) -> Pictures:
    import pandas as pd

    batches: list[NDArray[np.uint8]] = []
    left = limit or BATCH * len(paths)
    for path in paths:
        if left > 0:
            batches.append(_batch(path, min(left, BATCH)))
            left -= len(batches[-1])
    count = sum(map(len, batches))
    pixels = np.empty((count, SIDE, SIDE, 3), np.float32)
    labels: list[str] = []
    while batches:  # given up one by one: all the bytes and all the numbers together would be 800 MB
        batch = batches.pop(0)
        pictures = batch[:, 1:].reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        pixels[len(labels) : len(labels) + len(batch)] = scaled(pictures)
        labels += [row.classes[label] for label in batch[:, 0]]
    names = tuple(f"{label} ({i})" for i, label in enumerate(labels))
    table = pd.DataFrame({"label": labels})
    return Pictures(f"{key}/{count}", title, pixels, tuple(labels), names, table, row.licence, row.year)


def _batch(path: Path, most: int) -> NDArray[np.uint8]:
    """The first `most` pictures of a file of CIFAR-10, each as label and 3 x 32 x 32 bytes: (pictures, 3073)."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            data = file.read(most * BYTES)
            if most == BATCH and file.read(1):
                raise ValueError(f"it holds more than {BATCH:,} pictures")
        if not data or len(data) % BYTES:
            raise ValueError(f"its {len(data):,} bytes are not pictures of {BYTES:,} bytes each")
        batch = np.frombuffer(data, np.uint8).reshape(-1, BYTES)
        if batch[:, 0].max() > 9:
            raise ValueError(f"it holds the label {batch[:, 0].max()}, where 0 to 9 are meant")
        return batch
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise DamagedFile(f"{path.name} is no whole file of CIFAR-10: {error}") from error


# Fetching


def fetch_pictures(key: str, report: Say | None = None) -> Path:
    """Fetch MNIST, Fashion-MNIST or CIFAR-10 with torchvision, check it, and return the folder of its files.

    What is here and whole is not fetched again; what is damaged is. `report(fraction, text)` is told how far it is and
    may raise JobStopped. Whole files of a fetch that broke off are kept, a part of a file never. Raises InputError for
    a set that is not fetched and FetchError, in one sentence, for whatever went wrong.
    """
    row, say = _row(key), report or _silent
    if not row.fetched:
        raise InputError(f"{row.title} needs no fetch, it comes with the install.")

    def waiting() -> bool:
        say(None, f"Waiting: somebody else is fetching {row.title} just now.")
        return False

    place = home() / "pictures" / row.folder
    try:
        with default_store().locked(recipe_key("fetch pictures", name=key), cancelled=waiting):
            place.mkdir(parents=True, exist_ok=True)
            with _told(row, say):
                (_fetch_batches if key == "cifar10" else _fetch_idx)(row, place, say)
            say(1.0, f"{row.title} is here.")
            return place
    except OSError as error:
        raise _fetch_error(row, error) from error


def fetch_pictures_task(report: Say, *, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """`fetch_pictures` as a task of a worker; its meta names what came."""
    fetch_pictures(name, report)
    return {}, {"name": name, "title": _row(name).title, "pictures": _row(name).count}


def _silent(*_: object) -> None:
    """Nobody watches."""


def _fetch_idx(row: PictureSet, place: Path, say: Say) -> None:
    from torchvision import datasets  # type: ignore[import-untyped, unused-ignore]

    theirs = datasets.MNIST if row.key == "mnist" else datasets.FashionMNIST
    for name, md5 in theirs.resources:
        _arrive(row, [f"{mirror}{name}" for mirror in theirs.mirrors], place / name, md5)
        (place / name).with_suffix("").unlink(missing_ok=True)  # a plain copy would be read first, and was not checked


def _fetch_batches(row: PictureSet, place: Path, say: Say) -> None:
    names = {f"{row.folder}/{name}": place / name for part in ("train", "test") for name in _files(row, part)}
    packed = place.parent / "cifar-10-binary.tar.gz"
    if all(path.is_file() and path.stat().st_size == BATCH * BYTES for path in names.values()):
        packed.unlink(missing_ok=True)
        return
    _arrive(row, [CIFAR_URL], packed, CIFAR_MD5)
    try:
        with tarfile.open(packed, "r|gz") as archive:
            for member in archive:  # only what has one of these six names, and to a path of our own
                path = names.pop(member.name, None)
                if path is None:
                    continue
                say(0.95, f"Unpacking {path.name}")
                file = archive.extractfile(member) if member.isreg() else None
                if file is None or member.size != BATCH * BYTES:
                    raise tarfile.ReadError(f"{path.name} is not a file of {BATCH * BYTES:,} bytes")
                _write(path, file)
        if names:
            raise tarfile.ReadError(f"{len(names)} of its six files are not in it")
    except (tarfile.TarError, EOFError, zlib.error) as error:  # its checksum is right, so nothing broke on the way
        packed.unlink()
        raise FetchError(f"{row.title} arrived whole, but is not the binary edition of CIFAR-10: {error}.") from error
    packed.unlink()  # only now: who is stopped while unpacking need not fetch again


def _write(path: Path, content: Any) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            shutil.copyfileobj(content, file, 2**20)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _arrive(row: PictureSet, urls: Sequence[str], path: Path, md5: str) -> None:
    """Bring `path` to the bytes with this checksum, from the first address that has them."""
    from http.client import HTTPException
    from urllib.error import HTTPError

    from torchvision.datasets import utils  # type: ignore[import-untyped, unused-ignore]

    if utils.check_integrity(path, md5):
        return
    need = 1e6 * row.megabytes * (2.2 if path.suffixes[-2:] == [".tar", ".gz"] else 1.0)
    if (free := shutil.disk_usage(path.parent).free) < need:
        raise FetchError(f"{row.title} needs {need / 1e6:,.0f} MB on the disk; {free / 1e6:,.0f} MB are free.")
    part = path.with_name(f"{path.name}.part")
    errors: list[OSError | HTTPException | RuntimeError] = []
    try:
        for url in urls:
            try:
                utils.download_url(url, path.parent, part.name, md5)
            except (OSError, HTTPException, RuntimeError) as error:
                errors.append(error)
                if isinstance(error, HTTPError):
                    error.close()
            else:
                part.replace(path)
                return
        worst = next((error for error in errors if isinstance(error, RuntimeError)), errors[0])
        raise _fetch_error(row, worst) from worst
    finally:
        part.unlink(missing_ok=True)


_one_at_a_time = threading.Lock()


@contextmanager
def _told(row: PictureSet, say: Say) -> Iterator[None]:
    """While it lasts torchvision tells `say` what has arrived, and gives up after 30 seconds of silence.

    torchvision's downloads have neither a callback nor a timeout: its progress bar is the one place that hears of each
    piece, so a bar of ours stands in for it, and sockets get their timeout from Python's default.
    """
    from torchvision.datasets import utils  # type: ignore[import-untyped, unused-ignore]

    arrived = 0.0
    whole = row.megabytes

    class Bar:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def update(self, size: int) -> None:
            nonlocal arrived
            arrived = min(arrived + size / 1e6, whole)
            say(0.94 * arrived / whole, f"Fetching {row.title}: {arrived:,.0f} of {whole:,.0f} MB")

    with _one_at_a_time:
        say(0.0, f"Asking for {row.title}")
        bar, timeout = utils.tqdm, socket.getdefaulttimeout()
        utils.tqdm = Bar
        socket.setdefaulttimeout(TIMEOUT)
        try:
            yield
        finally:
            utils.tqdm = bar
            socket.setdefaulttimeout(timeout)


def _fetch_error(row: PictureSet, error: OSError | HTTPException | RuntimeError) -> FetchError:
    from urllib.error import HTTPError, URLError

    again = f"python -m embedkit fetch {row.key}"
    if isinstance(error, HTTPError):
        if error.code in (404, 410):
            return FetchError(f"{row.title} is no longer where torchvision had it (HTTP {error.code}, {error.url}).")
        return FetchError(f"The server of {row.title} answered HTTP {error.code}; try again later.")
    if isinstance(error, OSError) and error.errno in LOCAL_ERRORS:
        return FetchError(f"{row.title} could not be kept: {error.strerror}. EMBEDKIT_HOME can name another folder.")
    if isinstance(error, RuntimeError) and not isinstance(error, RecursionError):  # torchvision's "corrupted"
        return FetchError(
            f"What arrived of {row.title} is not what its publishers promise (checksum differs), so it was not kept. "
            f"Try again: {again}"
        )
    reason = error.reason if isinstance(error, URLError) else error
    return FetchError(f"{row.title} did not arrive ({reason}). Check the network, then try again: {again}")

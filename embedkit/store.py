"""Results on disk by key: atomic to write, checked when read, bounded in size, shared by processes.

One entry is one file, `<root>/store/<first two of key>/<key>.ek`: a line with the checksum of the header,
the header as one line of JSON, then the payload. Nothing in it is ever run: arrays are npy files, without pickle.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import math
import os
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

import platformdirs

from embedkit._version import __version__
from embedkit.paths import ASSETS

if TYPE_CHECKING:  # numpy loads where it is used: opening the first page needs no array
    import numpy as np

__all__ = ["Entry", "Store", "default_store", "home", "recipe_key", "step_key"]

MAGIC = b"embedkit-store-1 "
LIMIT = 4 * 2**30
SCAN_SECONDS = 600.0  # other processes write too, so the size is counted anew now and then
STALE_TEMP_SECONDS = 3600.0
STALE_LOCK_SECONDS = 86400.0


def home() -> Path:
    """The folder that holds what embedkit keeps: EMBEDKIT_HOME, else the user's cache folder."""
    chosen = os.environ.get("EMBEDKIT_HOME")
    return Path(chosen).expanduser().absolute() if chosen else Path(platformdirs.user_cache_dir("embedkit"))


def recipe_key(name: str, /, **params: Any) -> str:
    """The key of a result: a hash of what made it and of the version of embedkit.

    Returns 32 hexadecimal digits. Raises TypeError on a parameter that JSON cannot hold (an array, a set, nan).
    """
    _check_json(params, name)
    recipe = {"name": name, "params": params, "embedkit": __version__}
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def step_key(key: str, n: int | None) -> str:
    """The key of step `n` of the training whose result has `key`; of the list of its steps where `n` is None."""
    return recipe_key("step", of=key, n=n)


@dataclass(frozen=True, eq=False)
class Entry:
    """A result: read-only arrays by name, and what JSON can say about them."""

    arrays: Mapping[str, np.ndarray[Any, Any]]
    meta: Mapping[str, Any]

    @classmethod
    def of(cls, made: Any) -> Entry:
        """The entry for what a function returned: an Entry, arrays by name, or (arrays, meta).

        Raises TypeError on anything else, on arrays of Python objects and on meta that JSON cannot hold.
        """
        import numpy as np

        if isinstance(made, Entry):
            return made
        arrays, meta = made if isinstance(made, tuple) and len(made) == 2 else (made, {})
        if not isinstance(arrays, Mapping) or not isinstance(meta, Mapping):
            raise TypeError(f"A result is arrays by name or (arrays, meta), not {type(made).__name__}.")
        frozen = {}
        for name, array in arrays.items():
            if not (isinstance(name, str) and re.fullmatch(r"[\w.-]+", name)):
                raise TypeError(f"An array's name is letters, digits, '_', '.', '-', not {name!r}.")
            view = np.asarray(array).view()
            if view.dtype.hasobject:
                raise TypeError(f"Array '{name}' holds Python objects; only numbers and text are kept.")
            view.flags.writeable = False
            frozen[name] = view
        # by way of JSON, so an entry just made equals the same entry read: tuples become lists in both
        return cls(MappingProxyType(frozen), MappingProxyType(json.loads(json.dumps(dict(meta)))))


class Store:
    """Results by key in one folder, at most `limit_bytes` in all, least recently read out first.

    `shipped` are read-only folders of entries, looked in when the root holds none. `notes` are the last sentences
    for the person. A full disk or a damaged file is a note, never an error: what was lost is made again.
    """

    def __init__(self, root: Path | None = None, limit_bytes: int = LIMIT, shipped: Sequence[Path] = ()) -> None:
        self.root = Path(root).absolute() if root is not None else home()
        self.limit_bytes = limit_bytes
        self.shipped = tuple(Path(folder) for folder in shipped)
        self.notes: deque[str] = deque(maxlen=50)
        self._lock = threading.Lock()
        self._size: int | None = None  # bytes; an estimate between two scans
        self._scanned = 0.0

    def get(self, key: str) -> Entry | None:
        """The arrays and meta kept under `key`, or None; arrays are read-only."""
        import numpy as np

        if (found := self._find(key, "arrays")) is None:
            return None
        with np.load(io.BytesIO(found[1]), allow_pickle=False) as file:
            return Entry.of(({name: file[name] for name in file.files}, found[0]["meta"]))

    def get_meta(self, key: str) -> dict[str, Any] | None:
        """The meta alone, or None: checked like the rest, but the arrays are not read."""
        found = self._find(key, "arrays", whole=False)
        return None if found is None else dict(found[0]["meta"])

    def get_bytes(self, key: str) -> bytes | None:
        """The bytes kept under `key`, or None."""
        found = self._find(key, "bytes")
        return None if found is None else found[1]

    def put(self, key: str, arrays: Mapping[str, Any], meta: Mapping[str, Any] | None = None, name: str = "") -> bool:
        """Keep arrays and meta; False, and a note, when the disk would not.

        Raises TypeError, before anything is written, on what `Entry.of` refuses.
        """
        entry = Entry.of((arrays, meta or {}))
        return self._write(key, "arrays", _packed(entry.arrays), name, dict(entry.meta))

    def put_bytes(self, key: str, payload: bytes, name: str = "") -> bool:
        """Keep bytes; False, and a note, when the disk would not."""
        return self._write(key, "bytes", payload, name, {})

    def remove(self, key: str) -> None:
        """Forget what is kept under `key`; nothing happens when there is nothing, or it may not be removed."""
        with suppress(OSError):
            self._path(_checked(key)).unlink()

    def get_or_make(self, key: str, make: Callable[[], Any], *, name: str = "", wait: float = 600.0) -> Entry:
        """The entry kept under `key`, else what `make()` returns (see `Entry.of`), kept for the next time.

        Of several processes one makes it and the others wait for it, `wait` seconds at most.
        """
        if (entry := self.get(key)) is not None:
            return entry
        with self.locked(key, wait):
            if (entry := self.get(key)) is None:  # another process may have made it meanwhile
                entry = Entry.of(make())
                self.put(key, entry.arrays, entry.meta, name)
        return entry

    @contextmanager
    def locked(self, key: str, wait: float = math.inf, cancelled: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Hold `key` alone among processes and threads; yields False when time was up or `cancelled()`.

        Where the folder cannot be written nobody can hold it: yields True, as the work may then be done twice.
        """
        from filelock import FileLock, Timeout

        path = self.root / "locks" / f"{_checked(key)}.lock"
        held: set[Path] = _held.__dict__.setdefault("paths", set())
        if path in held:  # a job whose function asks get_or_make for its own key
            yield True
            return
        lock, until, state = FileLock(path), time.monotonic() + wait, "busy"
        while state == "busy":
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(timeout=0)
                state = "held"
            except Timeout:
                if cancelled() or time.monotonic() >= until:
                    break
                time.sleep(0.03)
            except (OSError, NotImplementedError):
                state = "none"
        if state == "held":
            held.add(path)
        try:
            yield state != "busy"
        finally:
            if state == "held":
                held.discard(path)
                lock.release()

    def note(self, text: str) -> None:
        """Add a sentence for the person; the same one twice running is said once."""
        if not self.notes or self.notes[-1] != text:
            self.notes.append(text)

    def _path(self, key: str) -> Path:
        return self.root / "store" / key[:2] / f"{key}.ek"

    def _find(self, key: str, kind: str, whole: bool = True) -> tuple[dict[str, Any], bytes] | None:
        mine = self._path(_checked(key))
        for path in (mine, *(folder / key[:2] / mine.name for folder in self.shipped)):
            try:
                with path.open("rb") as file:
                    header, payload = _read(file, key, whole)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except _DamagedEntryError as damaged:
                about = f": {damaged}" if str(damaged) else "."
                what = "stored" if path == mine else "shipped"
                self.note(f"A {what} result was damaged and is made again{about}")
                if path == mine:
                    with suppress(OSError):
                        path.unlink()
                continue
            except OSError as error:
                self.note(f"A stored result could not be read and is made again ({error.strerror}).")
                continue
            if header["kind"] != kind:
                raise TypeError(f"Key {key} holds {header['kind']}, not {kind}.")
            if path == mine:
                with suppress(OSError):
                    os.utime(path)  # the time of the last read: what was not read for longest goes first
            return header, payload
        return None

    def _write(self, key: str, kind: str, payload: bytes, name: str, meta: dict[str, Any]) -> bool:
        path = self._path(_checked(key))
        head = _header(key, kind, payload, name, meta)
        size = len(head) + len(payload)
        if size > self.limit_bytes:
            self.note(f"The result was not kept: it takes {_mb(size)}, the store holds {_mb(self.limit_bytes)}.")
            return False
        temp = path.with_name(f"{key}.{uuid.uuid4().hex}.tmp")  # same folder: a rename across disks is not atomic
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temp.open("xb") as file:
                file.write(head)
                file.write(payload)
                file.flush()
                os.fsync(file.fileno())  # else a power cut can leave the name without the bytes
            try:
                temp.replace(path)
            except PermissionError:
                if not path.exists():
                    raise
                temp.unlink()  # Windows: somebody reads this key's entry just now, and so it is kept already
        except OSError as error:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
            self.note(f"The result was not kept: {_reason(error, self.root)}.")
            return False
        self._bound(size, keep=path)
        return True

    def _bound(self, added: int, keep: Path) -> None:
        """Count `added` bytes; when over the limit, or now and then, scan, sweep and evict (but never `keep`)."""
        with self._lock:
            known = None if self._size is None else self._size + added
            if known is not None and known <= self.limit_bytes and time.monotonic() - self._scanned < SCAN_SECONDS:
                self._size = known
                return
            _sweep(self.root / "locks", ".lock", STALE_LOCK_SECONDS)
            entries, total = [], 0
            for folder, _ in _files(self.root / "store", ""):
                _sweep(folder, ".tmp", STALE_TEMP_SECONDS)
                for path, stat in _files(folder, ".ek"):
                    entries.append((stat.st_mtime_ns, path, stat.st_size))
                    total += stat.st_size
            goal = self.limit_bytes if total <= self.limit_bytes else 0.9 * self.limit_bytes  # room until the next scan
            for _, path, size in sorted(entries):
                if total <= goal:
                    break
                if path != keep:
                    with suppress(OSError):
                        path.unlink()
                        total -= size
            self._size, self._scanned = total, time.monotonic()


class _DamagedEntryError(Exception):
    """An entry that is not what was written; its text is the name of the result, where that is known."""


def _header(key: str, kind: str, payload: bytes, name: str, meta: dict[str, Any]) -> bytes:
    said = {"key": key, "name": name, "kind": kind, "created": time.time(), "length": len(payload)}
    line = json.dumps({**said, "sha256": hashlib.sha256(payload).hexdigest(), "meta": meta}).encode() + b"\n"
    return MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n" + line


def _read(file: BinaryIO, key: str, whole: bool) -> tuple[dict[str, Any], bytes]:
    first, line = file.readline(200), file.readline()
    if first != MAGIC + hashlib.sha256(line).hexdigest().encode() + b"\n":
        raise _DamagedEntryError("")
    header: dict[str, Any] = json.loads(line)
    size = os.fstat(file.fileno()).st_size - len(first) - len(line)
    payload = file.read() if whole else b""
    damaged = whole and hashlib.sha256(payload).hexdigest() != header["sha256"]
    if damaged or size != header["length"] or header["key"] != key:
        raise _DamagedEntryError(header["name"])
    return header, payload


def _packed(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    """An npz whose bytes depend on the arrays alone: np.savez refuses the name 'file' and may pickle."""
    import zipfile

    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
    return buffer.getvalue()


def _checked(key: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{8,64}", key):  # it becomes a file name: nothing that leads elsewhere
        raise ValueError(f"A key is 8 to 64 hexadecimal digits, as recipe_key makes them, not {key[:80]!r}.")
    return key


def _check_json(value: object, where: str) -> None:
    # json.dumps would take {1: x} for {"1": x}, two recipes with one key, and write nan, which is not JSON
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                raise TypeError(f"{where}: a name in a recipe is text, not {name!r}.")
            _check_json(inner, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_json(inner, where)
    elif not (value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))):
        raise TypeError(f"{where}: a recipe holds finite numbers, text, lists and dicts, not {value!r:.80}.")


def _files(folder: Path, suffix: str) -> list[tuple[Path, os.stat_result]]:
    found = []
    with suppress(OSError), os.scandir(folder) as listing:
        for item in listing:
            with suppress(OSError):  # another process may remove it in between
                if item.name.endswith(suffix):
                    found.append((Path(item.path), item.stat()))
    return found


def _sweep(folder: Path, suffix: str, seconds: float) -> None:
    for path, stat in _files(folder, suffix):
        if time.time() - stat.st_mtime > seconds:
            with suppress(OSError):
                path.unlink()


def _reason(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return f"no space left on the disk that holds {folder}"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"the folder {folder} cannot be written"
    return f"writing to {folder} failed ({error.strerror or error})"


def _mb(size: float) -> str:
    return f"{size / 2**20:,.1f} MB"


_held = threading.local()  # the lock files that this thread holds, of any Store
_shared: dict[Path, Store] = {}
_shared_lock = threading.Lock()


def default_store() -> Store:
    """The store that this process shares, with the entries that ship beside the package; one for each `home()`."""
    shipped = ASSETS / "store"
    with _shared_lock:
        if (root := home()) not in _shared:
            _shared[root] = Store(root, shipped=(shipped,) if shipped.is_dir() else ())
        return _shared[root]

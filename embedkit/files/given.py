"""What is given: files by path or as bytes, the limits they are read within, and words for sentences."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, BinaryIO, cast

from embedkit.errors import InputError

__all__ = [
    "COMMAND_LINE",
    "UPLOAD",
    "Given",
    "Limits",
    "Odd",
    "Say",
    "check_utf8",
    "few",
    "plural",
    "reason",
    "shown",
    "size_of",
]

Say = Callable[[float | None, str], object]
HEAD = 2**18  # bytes that tell a format: some lines of 4,096 numbers
PIECE = 2**22


LARGE = 2**23  # bytes whose reading takes long enough to be told


class Odd(str):
    """A sentence on what does not line up, among others on what was understood."""

    __slots__ = ()


@dataclass(frozen=True)
class Limits:
    """How much is read: bytes given together, and what they may grow to.

    `most_numbers` of a table of vectors take four bytes each; `most_entries` are files in an archive, which may unpack
    to `most_bytes`, at most `most_ratio` times its own size; `most_texts` are embedded, the others said and left.
    """

    way: str = "from the command line"
    most_bytes: int = 2 * 2**30
    most_entries: int = 10_000
    most_ratio: int = 200
    most_columns: int = 20_000
    most_texts: int = 10_000

    @property
    def most_numbers(self) -> int:
        """Numbers that are held at once: twice `most_bytes` in memory."""
        return self.most_bytes // 2


COMMAND_LINE = Limits()
UPLOAD = Limits("by upload", 200 * 2**20, most_texts=2_000)


@dataclass(frozen=True, eq=False)
class Given:
    """One file: a name to show, and its bytes, at a path or in memory. Its name is never followed anywhere.

    `watch` is told how far a reading of a large file is.
    """

    name: str
    size: int
    path: Path | None = None
    data: bytes = b""
    watch: Say | None = None

    @classmethod
    def of(cls, file: Path | str | tuple[str, bytes], watch: Say | None = None) -> Given:
        """A path, or a name with bytes; raises InputError where there is no such file."""
        if isinstance(file, tuple):
            return cls(_last(file[0]), len(file[1]), None, bytes(file[1]), watch)
        path = Path(file)
        try:
            if path.is_dir():
                raise InputError(f"'{shown(str(path), 200)}' is a folder; name the files in it.")
            if not path.is_file():
                raise InputError(f"There is no file '{shown(str(path), 200)}'.")
            with path.open("rb"):  # whether it may be read is best known now
                return cls(_last(path.name), path.stat().st_size, path, watch=watch)
        except (OSError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"'{shown(str(path), 200)}' cannot be read: {reason(error)}.") from None

    @property
    def suffix(self) -> str:
        """The end of the name with its dot, in lower case."""
        return PurePath(self.name).suffix.lower()

    @property
    def stem(self) -> str:
        """The name without that."""
        return PurePath(self.name).stem or self.name

    @cached_property
    def head(self) -> bytes:
        """The first bytes, as many as it takes to tell a format."""
        with self.open() as file:
            return file.read(HEAD)

    def open(self, what: str = "Reading") -> BinaryIO:
        """The bytes as a file; `what` is done with it is told to `watch` where there are many."""
        file = io.BytesIO(self.data) if self.path is None else self.path.open("rb")
        if self.watch is None or self.size < LARGE:
            return file
        return cast(BinaryIO, io.BufferedReader(_Watched(file, self, what), 2**20))

    def whole(self) -> bytes:
        """All bytes."""
        return self.data if self.path is None else self.path.read_bytes()

    def arrow(self) -> Any:
        """The bytes as pyarrow reads them; those of a path stay on the disk until they are asked for."""
        import pyarrow as pa

        return pa.BufferReader(self.data) if self.path is None else pa.memory_map(str(self.path))

    def renamed(self, name: str, data: bytes) -> Given:
        """What was unpacked from this file."""
        return Given(_last(name), len(data), None, data, self.watch)


class _Watched(io.RawIOBase):
    """A file whose reader tells how far it is."""

    def __init__(self, file: BinaryIO, given: Given, what: str) -> None:
        self.file, self.given, self.what, self.told = file, given, what, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def close(self) -> None:
        self.file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        piece = self.file.read(min(len(buffer), 2**21))  # so that a large block is told in parts
        buffer[: len(piece)] = piece
        at, size = self.file.tell(), self.given.size
        if self.given.watch is not None and abs(at - self.told) >= 2**20:
            self.told = at
            self.given.watch(at / size, f"{self.what} '{self.given.name}': {size_of(at)} of {size_of(size)}")
        return len(piece)


def _last(name: str) -> str:
    return shown(PurePath(name.replace("\\", "/")).name) or "unnamed"


def shown(text: object, most: int = 60) -> str:
    """A text from a file as it may stand in a sentence: printable, on one line, of bounded length."""
    plain = "".join(c if c.isprintable() else "?" for c in str(text)[: 4 * most])
    return plain if len(plain) <= most else plain[: most - 3] + "..."


def reason(error: BaseException) -> str:
    """What a reader said of broken bytes, in few words."""
    text = (getattr(error, "strerror", None) or str(error)).strip().split("\n")[0]
    return shown(text, 100).rstrip(". ") or type(error).__name__


def size_of(count: float) -> str:
    """Bytes for a person: "2 GB", "1.5 GB", "200 MB", "12 kB"."""
    for unit, name in ((2**30, "GB"), (2**20, "MB"), (2**10, "kB")):
        if count >= unit:
            return f"{count / unit:,.1f}".removesuffix(".0") + f" {name}"
    return f"{count:,.0f} bytes"


def plural(count: int, what: str) -> str:
    """ "1 row", "2,000 rows"."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def few(names: Iterable[object], most: int = 5) -> str:
    """The first of some names: "a, b, c and 2 more"."""
    listed: Sequence[object] = list(names)
    if len(listed) <= most:
        return ", ".join(map(str, listed))
    return ", ".join(map(str, listed[:most])) + f" and {len(listed) - most:,} more"


def check_utf8(given: Given) -> None:
    """Raise InputError with the place of the first byte that is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before = lines = 0
    with given.open("Checking the letters of") as file:
        while True:
            piece = file.read(PIECE)
            waiting = len(decoder.getstate()[0])  # bytes of a letter that the last piece cut in two
            try:
                decoder.decode(piece, final=not piece)
            except UnicodeDecodeError as error:
                place = before - waiting + error.start
                line = lines + error.object.count(b"\n", 0, error.start) + 1
                wide = given.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
                raise InputError(
                    f"'{given.name}' is not UTF-8: byte {place + 1:,}, in line {line:,}, is "
                    f"0x{error.object[error.start]:02X}. {'It looks like UTF-16. ' * wide}Save it as UTF-8."
                ) from None
            if not piece:
                return
            before, lines = before + len(piece), lines + piece.count(b"\n")

"""Archives: what a zip or gzip holds, unpacked in memory within limits; no name in it is followed to any place."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress

from embedkit.errors import DamagedFile, EmbedkitError, InputError
from embedkit.files.given import Given, Limits, reason, shown, size_of

__all__ = ["gunzip", "members", "names_in"]

SMALL = 10 * 2**20  # unpacked bytes below which the ratio does not matter
MARK = b"PK\1\2"  # of an entry in a zip's list
MOST_ENTRIES_READ = 200_000


def names_in(given: Given) -> list[str]:
    """The names of the files in a zip; none where it is broken."""
    with suppress(EmbedkitError), given.open() as file:
        return [entry.filename for entry in _entries(given, file, MOST_ENTRIES_READ)[1]]
    return []


def _entries(given: Given, file: object, most: int) -> tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]:
    # the marks are counted before a list of a million entries is built from them
    count = _marks(given)
    if count > most:
        raise InputError(f"'{given.name}' holds {count:,} files; at most {most:,} are read.")
    try:
        archive = zipfile.ZipFile(file)  # type: ignore[call-overload]
    except EmbedkitError:  # who watches the reading may stop it
        raise
    except Exception as error:  # a broken list of files raises many kinds: BadZipFile, struct.error, UnicodeDecodeError
        raise DamagedFile(f"'{given.name}' is no whole zip file: {reason(error)}.") from None
    entries = [e for e in archive.infolist() if not e.is_dir() and not e.filename.startswith("__MACOSX/")]
    return archive, [e for e in entries if not e.filename.replace("\\", "/").rsplit("/", 1)[-1].startswith(".")]


def _marks(given: Given) -> int:
    count, before = 0, b""
    with given.open() as file:
        while piece := file.read(2**22):
            count += (before + piece).count(MARK)
            before = piece[-3:]
    return count


def members(given: Given, limits: Limits) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each file in a zip, one after the other.

    Raises InputError for more files, bytes or a higher ratio than `limits` allow, for a password, and DamagedFile.
    """
    with given.open() as file:
        archive, entries = _entries(given, file, min(limits.most_entries, MOST_ENTRIES_READ))
        with archive:
            if len(entries) > limits.most_entries:
                raise InputError(
                    f"'{given.name}' holds {len(entries):,} files; at most {limits.most_entries:,} are read."
                )
            if not entries:
                raise InputError(f"'{given.name}' is a zip without a file in it.")
            _check_sum(given, sum(entry.file_size for entry in entries), limits)
            read = 0
            for entry in entries:
                if entry.flag_bits & 1:
                    raise InputError(f"'{given.name}' is locked with a password; unpack it first.")
                try:
                    with archive.open(entry) as inner:  # the stated size may lie: read one byte more
                        content = inner.read(entry.file_size + 1)
                except EmbedkitError:
                    raise
                except Exception as error:  # broken content raises many kinds: BadZipFile, zlib.error, EOFError
                    raise DamagedFile(
                        f"'{shown(entry.filename)}' in '{given.name}' cannot be unpacked: {reason(error)}."
                    ) from None
                read += len(content)
                _check_sum(given, read, limits)
                yield entry.filename, content


def _check_sum(given: Given, size: int, limits: Limits) -> None:
    if size > limits.most_bytes:
        raise InputError(
            f"'{given.name}' would unpack to {size_of(size)}; at most {size_of(limits.most_bytes)} are read "
            f"{limits.way}."
        )
    if size > SMALL and size > limits.most_ratio * given.size:
        raise InputError(
            f"'{given.name}' would unpack to {size / max(1, given.size):,.0f} times its size; at most "
            f"{limits.most_ratio} times is read. If that is what it should be, unpack it first."
        )


def gunzip(given: Given, limits: Limits) -> Given:
    """What is packed in a gzip, under its name without .gz."""
    most = min(limits.most_bytes, max(SMALL, limits.most_ratio * given.size))
    found = io.BytesIO()
    try:
        with given.open() as file:
            rest = b""
            while rest or (rest := file.read(2**20)):
                unpack = zlib.decompressobj(31)
                while not unpack.eof:
                    found.write(unpack.decompress(rest, 2**22))
                    if found.tell() > most:
                        _check_sum(given, found.tell(), limits)
                        raise InputError(f"'{given.name}' unpacks to more than {size_of(most)}; unpack it first.")
                    rest = unpack.unconsumed_tail or (b"" if unpack.eof else file.read(2**20))
                    if not rest and not unpack.eof:
                        raise DamagedFile(f"'{given.name}' is cut off: its last bytes are missing.")
                rest = unpack.unused_data.lstrip(b"\0")  # some writers pad with zeros
    except zlib.error as error:
        raise DamagedFile(f"'{given.name}' is no whole gzip file: {reason(error)}.") from None
    name = given.name[:-3] if given.suffix == ".gz" else given.name
    return given.renamed(name, found.getvalue())

"""Tables of word vectors: word2vec as text and binary, fastText's .vec, GloVe; no header is believed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, InputError
from embedkit.files.digits import text_rows
from embedkit.files.draft import Draft, check_size
from embedkit.files.given import Given, Limits, Odd, few, plural, shown
from embedkit.files.sniff import Look, is_number
from embedkit.space import Space

__all__ = [
    "read_binary",
    "read_glove",
    "read_word2vec",
    "word_of",
    "write_binary",
    "write_fasttext",
    "write_glove",
    "write_word2vec",
]

PIECE = 2**22
LONGEST_LINE = 2**24
LONGEST_WORD = 2_000  # bytes


def read_word2vec(given: Given, limits: Limits) -> Draft:
    """word2vec's text and fastText's .vec: a header of two numbers, then lines of a word and its numbers."""
    header = Look(given).header
    assert header is not None  # the sniffer has seen it
    return _text(given, limits, header)


def read_glove(given: Given, limits: Limits) -> Draft:
    """GloVe: lines of a word and its numbers, without a header."""
    return _text(given, limits, None)


def _lines(given: Given) -> Iterator[list[bytes]]:
    """The lines of a file, some thousand at a time."""
    with given.open() as file:
        rest = b""
        while piece := file.read(PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise InputError(
                    f"'{given.name}' has a line of more than {LONGEST_LINE // 2**20} MB; it is no table of words."
                )
            if lines:
                yield lines
        if rest:
            yield [rest]


def _width(lines: list[bytes]) -> int:
    """How many numbers most of the first lines have."""
    counts = [len(line.split()) - 1 for line in lines[:100] if line.strip()]
    return max(set(counts), key=counts.count) if counts else 0


def _text(given: Given, limits: Limits, header: tuple[int, int] | None) -> Draft:
    words: list[bytes] = []
    blocks: list[NDArray[np.float32]] = []
    places: list[NDArray[np.int64]] = []
    bad: list[tuple[int, str]] = []
    number, d, last = 0, 0, 0
    for block in _lines(given):
        first = number + 1
        number += len(block)
        if first == 1:
            block[0] = b"" if header else block[0].removeprefix(b"\xef\xbb\xbf")
        if not d:
            d = _width(block)
            if d < 1:
                if not any(map(bytes.strip, block)):
                    continue
                raise InputError(f"'{given.name}' has no numbers after the words in its first lines.")
        found, numbers, rows = _block(block, first, d, bad)
        words += found
        blocks.append(numbers)
        places.append(rows)
        last = number
        if len(words) * d > limits.most_numbers:
            check_size(given.name, len(words), d, limits)
    if not words:
        raise InputError(
            f"'{given.name}' holds no word with its numbers"
            + (
                f": line {bad[0][0]:,} {bad[0][1]}."
                if bad
                else f"; its header promises {header[0]:,}."
                if header
                else "."
            )
        )
    draft = Draft(np.concatenate(blocks), rows=np.concatenate(places), place="line")
    draft.said.append(f"'{given.name}' holds {plural(len(words), 'word')} with {plural(d, 'number')} each.")
    if header:
        _compare(draft.said, header, len(words) + len(bad), d)
    if bad:
        told = few([f"line {line:,} {why}" for line, why in bad], 3)
        was = "was" if len(bad) == 1 else "were"
        draft.said.append(Odd(f"{plural(len(bad), 'line')} {was} left out: {told}."))
        if bad[-1][0] == last and not bad[-1][1].startswith("has 0 "):
            draft.said.append(Odd("The last line is not whole: the file may be cut off."))
    draft.names = _decoded(words, draft.said)
    return draft


def _compare(said: list[str], header: tuple[int, int], rows: int, d: int) -> None:
    n, promised = header
    if promised != d:
        said.append(Odd(f"The header says {plural(promised, 'number')} a row; there are {d:,}."))
    if n != rows:
        cut = " The file may be cut off." if rows < n else ""
        are = "is" if rows == 1 else "are"
        said.append(Odd(f"There {are} {plural(rows, 'row')} where the header says {n:,}.{cut}"))


def _block(
    lines: list[bytes], first: int, d: int, bad: list[tuple[int, str]]
) -> tuple[list[bytes], NDArray[np.float32], NDArray[np.int64]]:
    """Words, numbers (n, d) and line numbers of some lines; those that do not fit go to `bad`."""
    words, rests, places = [], [], []
    for number, line in enumerate(lines, start=first):
        word, _, rest = line.rstrip(b" \r\t").partition(b" ")
        if rest.count(b" ") != d - 1 or b"  " in rest or b"\t" in rest or not word:
            if not line.strip():
                continue
            cells = line.rsplit(None, d)  # words with blanks in them, as ". . ." in GloVe; tabs between the numbers
            if len(cells) <= d:
                count = len(line.split()) - 1
                bad.append((number, f"has {max(count, 0):,} of {plural(d, 'number')}"))
                continue
            word, rest = cells[0].strip(), b" ".join(cells[1:])
            if not word:
                bad.append((number, "has no word"))
                continue
        words.append(word)
        rests.append(rest)
        places.append(number)
    try:
        numbers = np.fromstring(b" ".join(rests), np.float32, sep=" ")
        if len(numbers) != d * len(words):
            raise ValueError
    except (ValueError, DeprecationWarning):  # a word stands where a number belongs: look for it line by line
        return _slow(words, rests, places, d, bad)
    return words, numbers.reshape(-1, d), np.array(places, np.int64)


def _slow(
    words: list[bytes], rests: list[bytes], places: list[int], d: int, bad: list[tuple[int, str]]
) -> tuple[list[bytes], NDArray[np.float32], NDArray[np.int64]]:
    kept: list[int] = []
    numbers = np.empty((len(words), d), np.float32)
    for row, rest in enumerate(rests):
        cells = rest.decode("utf-8", "replace").split(" ")
        wrong = next((cell for cell in cells if not is_number(cell)), None)
        if wrong is None and len(cells) == d:
            with np.errstate(over="ignore"):
                numbers[len(kept)] = np.array(cells, np.float64)
            kept.append(row)
        else:
            what = (
                f"has '{shown(wrong, 30)}' as number {cells.index(wrong) + 1:,}" if wrong is not None else "is ragged"
            )
            bad.append((places[row], what))
    bad.sort()
    return [words[row] for row in kept], numbers[: len(kept)], np.array([places[row] for row in kept], np.int64)


def _decoded(words: list[bytes], said: list[str]) -> list[str]:
    """Words as text; bytes that are not UTF-8 become the replacement mark, and are told."""
    try:
        return [word.decode() for word in words]
    except UnicodeDecodeError:
        names = [word.decode("utf-8", "replace") for word in words]
        broken = [row for row, (word, name) in enumerate(zip(words, names, strict=True)) if name.encode() != word]
        byte = next(byte for byte in words[broken[0]] if byte > 127)
        said.append(
            Odd(
                f"{plural(len(broken), 'word')} {'is' if len(broken) == 1 else 'are'} not UTF-8, the first is number "
                f"{broken[0] + 1:,} with the byte 0x{byte:02X}; what does not fit is shown as \ufffd."
            )
        )
        return names


def read_binary(given: Given, limits: Limits) -> Draft:
    """word2vec's binary: a header of text, then each word, a blank and its numbers as little-endian float32."""
    header = Look(given).header
    assert header is not None  # the sniffer has seen it
    n, d = header
    with given.open() as file:
        start = len(file.readline(64))
        if d < 1 or 4 * d > given.size - start:
            raise DamagedFile(
                f"'{given.name}' is cut off or no word2vec file: its header promises rows of {d:,} numbers, "
                f"and {given.size - start:,} bytes are there."
            )
        words: list[bytes] = []
        numbers = bytearray()
        rest, at = b"", 0
        ended = ""
        while not ended:
            blank = rest.find(b" ", at, at + LONGEST_WORD + 1)
            end = blank + 1 + 4 * d
            if blank < 0 and len(rest) - at > LONGEST_WORD:
                ended = "lost"
            elif blank < 0 or end > len(rest):
                if piece := file.read(max(PIECE, 8 * d)):
                    rest, at = rest[at:] + piece, 0
                    continue
                left = rest[at:]
                ended = "whole" if not left.strip(b"\0\n\r ") else "cut" if len(words) < n else "more"
            else:
                words.append(rest[at:blank].lstrip(b"\n\r"))  # some writers end each vector with a line end
                numbers += rest[blank + 1 : end]
                at = end
                if len(words) * d > limits.most_numbers:
                    check_size(given.name, len(words), d, limits)
    if not words:
        raise DamagedFile(f"'{given.name}' is cut off within its first word; its header promises {n:,}.")
    draft = Draft(np.frombuffer(numbers, "<f4").reshape(-1, d))
    draft.said.append(f"'{given.name}' holds {plural(len(words), 'word')} with {plural(d, 'number')} each.")
    _compare(draft.said, header, len(words), d)
    if ended == "cut":
        draft.said.append(
            Odd(f"It ends within word {len(words) + 1:,}: the file is cut off, and the whole words before are kept.")
        )
    elif ended == "more":
        draft.said.append(Odd(f"After the last whole word {len(left):,} bytes were left alone."))
    elif ended == "lost":
        draft.said.append(Odd(f"After word {len(words):,} no other begins: what follows was left alone."))
    draft.names = _decoded(words, draft.said)
    return draft


# Out


def _word_lines(space: Space) -> Iterator[bytes]:
    for rows, numbers in text_rows(space, " "):
        lines = (f"{word_of(space.items[row])} {line}\n" for row, line in zip(rows, numbers, strict=True))
        yield "".join(lines).encode()


def word_of(item: str) -> str:
    """An item as these formats hold it: without blanks, which part words from numbers."""
    return "_".join(item.encode("utf-8", "replace").decode().split()) or "_"


def write_word2vec(space: Space) -> dict[str, Iterator[bytes]]:
    """word2vec's text; blanks within items become "_"."""

    def lines() -> Iterator[bytes]:
        yield f"{space.n} {space.d}\n".encode()
        yield from _word_lines(space)

    return {".txt": lines()}


def write_fasttext(space: Space) -> dict[str, Iterator[bytes]]:
    """The same under fastText's name."""
    return {".vec": write_word2vec(space)[".txt"]}


def write_glove(space: Space) -> dict[str, Iterator[bytes]]:
    """GloVe's text; blanks within items become "_"."""
    return {".txt": _word_lines(space)}


def write_binary(space: Space) -> dict[str, Iterator[bytes]]:
    """word2vec's binary; blanks within items become "_"."""

    def lines() -> Iterator[bytes]:
        yield f"{space.n} {space.d}\n".encode()
        for start in range(0, space.n, 10_000):
            rows = space.vectors[start : start + 10_000].astype("<f4")
            items = space.items[start : start + 10_000]
            yield b"".join(
                word_of(item).encode() + b" " + row.tobytes() + b"\n" for item, row in zip(items, rows, strict=True)
            )

    return {".bin": lines()}

"""Which format a file has, by its first bytes and its name together; and what is refused, with how to convert it."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from embedkit.errors import InputError
from embedkit.files.given import HEAD, Given

__all__ = ["Look", "delimiter_of", "is_number", "refuse"]

PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")


class Look:
    """A file looked at: what its head tells."""

    def __init__(self, given: Given) -> None:
        self.given, self.head, self.suffix = given, given.head, given.suffix

    @cached_property
    def text(self) -> str | None:
        """The head as text, without the byte order mark; None for what holds bytes that no text has."""
        head = self.head.removeprefix(b"\xef\xbb\xbf")
        control = sum(head.count(bytes([code])) for code in (*range(9), *range(14, 27), *range(28, 32)))
        if control:
            return None
        return head.decode("utf-8", "replace")

    @cached_property
    def lines(self) -> list[str]:
        """The first whole lines that are not blank, 50 at most."""
        text = self.text or ""
        lines = [line for line in re.split(r"\r\n|\n|\r", text)[:200] if line.strip()]
        cut = self.given.size > HEAD and len(lines) > 1 and text.count("\n") < 200
        return (lines[:-1] if cut else lines)[:50]

    def rows(self, mark: str) -> list[list[str]]:
        """The first rows of cells, 50 at most, with `mark` between the cells and quotation marks around some."""
        text = (self.text or "").replace("\r\n", "\n").replace("\r", "\n")
        found: list[list[str]] = []
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=mark):
                if any(cell.strip() for cell in row):
                    found.append(row)
                if len(found) > 50:
                    break
        except csv.Error:  # a cell beyond csv's 131,072 characters
            found = [line.split(mark) for line in self.lines]
        cut = self.given.size > HEAD and 1 < len(found) <= 50
        return found[:-1] if cut else found[:50]

    @property
    def picture(self) -> bool:
        """A PNG, JPEG or WebP picture."""
        return self.head.startswith(PICTURES) or (self.head[:4] == b"RIFF" and self.head[8:12] == b"WEBP")

    @property
    def zip(self) -> bool:
        """A zip archive, which npz is too."""
        return self.head[:4] in (b"PK\3\4", b"PK\5\6")

    @property
    def npz(self) -> bool:
        """A zip whose first file is an array."""
        length = int.from_bytes(self.head[26:28], "little")
        return self.zip and (self.head[30 : 30 + length].endswith(b".npy") or self.suffix == ".npz")

    @property
    def safetensors(self) -> bool:
        """The length of a header, and the header, which is JSON."""
        return self.head[8:9] == b"{" and 2 <= int.from_bytes(self.head[:8], "little") <= self.given.size

    @property
    def arrow(self) -> bool:
        """Arrow's file format, or its stream under a name that says so."""
        stream = self.head[:4] == b"\xff" * 4 and self.suffix in (".arrow", ".arrows", ".ipc", ".feather")
        return self.head[:6] == b"ARROW1" or stream

    @cached_property
    def header(self) -> tuple[int, int] | None:
        """The two whole numbers of a word2vec file's first line: rows and numbers a row."""
        found = re.match(rb"(\d{1,18}) (\d{1,18})[ \t]*\r?\n", self.head[:64])
        return (int(found[1]), int(found[2])) if found else None

    @property
    def word2vec_binary(self) -> bool:
        """A header of text, then words with raw numbers."""
        return self.header is not None and self.text is None

    @property
    def word2vec_text(self) -> bool:
        """A header, then lines of a word and numbers."""
        if self.header is None or self.text is None:
            return False
        if len(self.lines) == 1:
            return self.suffix in (".vec", ".w2v", ".bin") or "," not in self.lines[0]
        d = self.header[1]
        return any(_numbers_at_end(line) >= max(2, min(d, 2)) and len(line.split()) > 2 for line in self.lines[1:6])

    @property
    def glove(self) -> bool:
        """Lines of a word and, after single blanks, as many numbers each; some of the words no numbers."""
        lines = self.lines[:20]
        if not lines or any("\t" in line for line in lines[:2]):
            return False
        ends = [_numbers_at_end(line) for line in lines]
        usual = max(set(ends), key=ends.count)
        words = [line.split(" ")[0] for line in lines]
        share = 0.8 if usual < 5 else 0.6  # of sentences too some end in a number or two
        return usual >= 2 and ends.count(usual) >= share * len(ends) and any(not is_number(word) for word in words)

    @cached_property
    def parsed(self) -> Any:
        """The first line, or all, as JSON; None where it is none."""
        if self.text is None or self.text.lstrip()[:1] not in ("{", "["):
            return None
        for text in (self.lines[0] if self.lines else "", self.text):
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                continue
        return None

    @property
    def json(self) -> bool:
        """JSON or lines of it: by its first line, or by a name that says so."""
        said = self.suffix in (".json", ".jsonl", ".ndjson") and self.text is not None
        return said or isinstance(self.parsed, dict | list)

    @property
    def projector(self) -> bool:
        """The Projector's config: JSON with embeddings that name their tensors."""
        text = self.text or ""
        return text.lstrip()[:1] == "{" and '"embeddings"' in text and '"tensorPath"' in text

    @property
    def raw(self) -> bool:
        """Raw numbers, which only their name tells."""
        return self.suffix in (".bytes", ".raw") and not self.zip

    @property
    def table(self) -> bool:
        """Lines with as many cells each; without a name that says so, some cells must be numbers."""
        if self.text is None:
            return False
        return self.suffix in (".csv", ".tsv", ".tab") or delimiter_of(self, sure=True) != ""

    @property
    def texts(self) -> bool:
        """A text under a name that says so."""
        return self.text is not None and self.suffix in (".txt", ".text", ".md")


def is_number(cell: str) -> bool:
    """Whether a cell is a number, NaN and infinity among them."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _numbers_at_end(line: str) -> int:
    """How many numbers a line ends with, its first word not counted."""
    cells = line.rstrip().split(" ")[1:]
    count = 0
    while count < len(cells) and is_number(cells[-1 - count]):
        count += 1
    return count


def delimiter_of(look: Look, sure: bool = False) -> str:
    """What stands between the cells of a table, "" for a single column; `sure` asks for numbers in two cells a row."""
    best, most = "", (0.0, 1)
    for mark in "\t,;|" + " " * sure:
        rows = look.rows(mark)[:30]
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=lambda width: (widths.count(width), width), default=1)
        if usual < 2 or widths.count(usual) < 0.6 * len(widths):
            continue
        numbers = [sum(map(is_number, row)) for row in rows]
        cells = [cell.strip() for row in rows[1:] for cell in row]
        if any(cell[:1] == "[" and cell[-1:] != "]" for cell in cells):
            continue  # this mark stands between the numbers of a list, not between cells
        listed = any(cell[:1] == "[" for cell in cells)
        if sure and not listed and sum(count >= 2 for count in numbers) < 0.6 * max(1, len(rows) - 1):
            continue
        if (score := (widths.count(usual) / len(widths), usual)) > most:
            best, most = mark, score
    return best


# What is refused, by its first bytes; then by its name. Each says what it is and how it becomes a file that opens.

_PICKLE = (
    "'{name}' is {kind}: reading it can run anything, so it is not opened. If you trust it, two lines make {made}:\n"
)
_AS_TABLE = "'{name}' is {kind}. Save its table as CSV or Parquet and open that."

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"SQLite format 3\0", "a database of SQLite"),
    (b"%PDF-", "a PDF"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office file"),
    (b"BZh", "packed with bzip2; unpack it first, then open what is in it"),
    (b"\xfd7zXZ\0", "packed with xz; unpack it first, then open what is in it"),
    (b"\x28\xb5\x2f\xfd", "packed with zstandard; unpack it first, then open what is in it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first, then open what is in it"),
    (b"Rar!\x1a\x07", "a rar archive; unpack it first, then open what is in it"),
    (b"FEA1", "Feather of version 1; write it again with version 2 (Arrow)"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    (b"%%MatrixMarket", "a sparse matrix (Matrix Market)"),
    (b"%%matrixmarket", "a sparse matrix (Matrix Market)"),
    (b"GGUF", "a model (GGUF)"),
)
_FASTTEXT = b"\xba\x16\x4f\x2f"
_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_OLD_PICKLE = re.compile(rb"(?:\((?:[dl]p?\d*\n|i[\w.]+\n)|c[\w.]+\n[\w.]+\n|\(c[\w.]+\n)")
_GENSIM = re.compile(rb"gensim\.models\.(?:keyedvectors|word2vec|fasttext|doc2vec|deprecated)")
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def refuse(look: Look, names: Sequence[str] = ()) -> None:
    """Raise InputError for what is never read: pickles under any name, models, and kinds that have a better one.

    `names` are those of the files in a zip.
    """
    given, head = look.given, look.head
    name, path = given.name, repr(given.name)
    if not given.size:
        raise InputError(f"'{name}' is empty.")
    kind = _pickled(look, names)
    if kind == "torch":
        raise InputError(
            _PICKLE.format(name=name, kind="PyTorch's pickle", made="an .npy")
            + f"    import torch, numpy\n    numpy.save('vectors.npy', torch.load({path}, weights_only=True).numpy())"
        )
    if kind == "joblib":
        raise InputError(
            _PICKLE.format(name=name, kind="a pickle of joblib", made="an .npy")
            + f"    import joblib, numpy\n    numpy.save('vectors.npy', joblib.load({path}))"
        )
    if kind == "gensim":
        words = "" if b"keyedvectors" in head[:200] else ".wv"
        raise InputError(
            _PICKLE.format(name=name, kind="a pickle of gensim", made="a word2vec file")
            + "    from gensim.utils import SaveLoad\n"
            + f"    SaveLoad.load({path}){words}.save_word2vec_format('vectors.txt')"
        )
    if kind:
        raise InputError(
            _PICKLE.format(name=name, kind="a pickle", made="an .npy")
            + f"    import pickle, numpy\n    numpy.save('vectors.npy', pickle.load(open({path}, 'rb')))"
        )
    if head.startswith(_FASTTEXT):
        raise InputError(
            f"'{name}' is a whole fastText model, not a table of vectors. Two lines make one:\n"
            "    from gensim.models.fasttext import load_facebook_vectors\n"
            f"    load_facebook_vectors({path}).save_word2vec_format('vectors.vec')"
        )
    for start, what in _SIGNATURES:
        if head.startswith(start):
            ending = "." if ";" in what else ". Save its table as CSV, Parquet or .npy and open that."
            raise InputError(f"'{name}' is {what}{ending}")
    if re.match(rb"\s*<(!doctype|html|\?xml)", head[:200], re.IGNORECASE):
        raise InputError(f"'{name}' is a web page or XML, not a table: perhaps a download went wrong.")
    if look.zip and any(inner.startswith(("xl/", "word/", "content.xml")) for inner in names):
        raise InputError(_AS_TABLE.format(name=name, kind="an Office file"))


def _pickled(look: Look, names: Sequence[str]) -> str:
    """ "torch", "joblib", "gensim" or "pickle" for what only unpickling would read, else ""."""
    head, suffix = look.head, look.suffix
    if head.startswith(_TORCH) or (look.zip and any(_is_pickle_name(inner) for inner in names)):
        return "torch"
    if head[:2] in _ZLIB and look.text is None:
        return "joblib"
    if not ((head[:1] == b"\x80" and head[1:2] <= b"\x05" and len(head) > 2) or _OLD_PICKLE.match(head)):
        return ""
    if suffix in (".pt", ".pth"):
        return "torch"
    if suffix == ".joblib" or b"joblib.numpy_pickle" in head[:200]:
        return "joblib"
    return "gensim" if _GENSIM.search(head[:200]) else "pickle"


def _is_pickle_name(name: str) -> bool:
    return name.endswith("/data.pkl") or name == "data.pkl"

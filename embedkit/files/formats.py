"""The formats as rows of one table, in the order in which a file is asked; docs and tests follow it."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from embedkit.errors import InputError
from embedkit.files import arrays, columnar, projector, records, tables, tensors, wordvectors
from embedkit.files.draft import Draft
from embedkit.files.given import Given, Limits, check_utf8
from embedkit.files.sniff import Look
from embedkit.space import Space

__all__ = ["FORMATS", "Format", "format_for", "format_of"]

Files = dict[str, Iterator[bytes]]


@dataclass(frozen=True)
class Format:
    """One format: how it is told, read and written.

    `sniff` looks at the first bytes and the name; `read` makes a draft of one file, None where it takes several files
    or an encoder (see `opening`); `write` gives the bytes of each file by the end of its name, None where writing makes
    no sense. `note` is one sentence for the docs.
    """

    key: str
    title: str
    suffixes: tuple[str, ...]
    sniff: Callable[[Look], bool]
    read: Callable[[Given, Limits], Draft] | None
    write: Callable[[Space], Files] | None
    note: str


_ROWS = (
    Format("parquet", "Parquet", (".parquet", ".pq"), lambda look: look.head[:4] == b"PAR1",
           columnar.read_parquet, columnar.write_parquet,
           "A column of lists of numbers, or a column for each number; a Space saves as this."),
    Format("arrow", "Arrow (Feather 2, IPC)", (".arrow", ".feather", ".ipc", ".arrows"), lambda look: look.arrow,
           columnar.read_arrow, columnar.write_arrow, "The same columns as Parquet; file or stream."),
    Format("npy", "NumPy array", (".npy",), lambda look: look.head[:6] == b"\x93NUMPY",
           arrays.read_npy, arrays.write_npy,
           "Numbers of any kind and order, records too; names come from a file of labels given with it."),
    Format("npz", "NumPy arrays", (".npz",), lambda look: look.npz, arrays.read_npz, arrays.write_npz,
           "The array called vectors or embeddings, else the largest; others of as many rows name and describe."),
    Format("pictures", "Pictures", (".zip", ".png", ".jpg", ".jpeg", ".webp"), lambda look: look.picture or look.zip,
           None, None, "PNG, JPEG and WebP, or a zip of them: pixels as vectors; a zip of other files opens as those."),
    Format("safetensors", "safetensors", (".safetensors",), lambda look: look.safetensors,
           tensors.read_safetensors, tensors.write_safetensors,
           "The tensor called vectors or embeddings, else the largest; bfloat16 too."),
    Format("word2vec-bin", "word2vec, binary", (".bin",), lambda look: look.word2vec_binary,
           wordvectors.read_binary, wordvectors.write_binary, "A header, then words with raw float32."),
    Format("fasttext", "fastText vectors", (".vec",), lambda look: look.word2vec_text and look.suffix == ".vec",
           wordvectors.read_word2vec, wordvectors.write_fasttext, "The text format of word2vec under fastText's name."),
    Format("word2vec", "word2vec, text", (".txt", ".w2v", ".vec"), lambda look: look.word2vec_text,
           wordvectors.read_word2vec, wordvectors.write_word2vec, "A header of two numbers, then words and numbers."),
    Format("projector", "Projector config", (".json", ".pbtxt"), lambda look: look.projector, None, None,
           "The config of the Embedding Projector, given together with its tensors, labels and sprite."),
    Format("jsonl", "JSON lines, JSON", (".jsonl", ".ndjson", ".json"), lambda look: look.json,
           records.read_json, records.write_jsonl, "Objects with a list of numbers in a field, or {name: vector}."),
    Format("raw", "Raw float32", (".bytes", ".raw"), lambda look: look.raw, None, None,
           "The Projector's tensors.bytes; its config, or its labels, given with it tell the shape."),
    Format("projector-tsv", "Projector TSV pair", (".tsv",), lambda look: look.table and _numbers_only(look),
           tables.read_table, projector.write_pair, "vectors.tsv with numbers alone, and metadata.tsv given with it."),
    Format("csv", "CSV, TSV", (".csv", ".tsv", ".tab", ".txt"), lambda look: look.table and not look.glove,
           tables.read_table, tables.write_csv,
           "A column for each number, or one column of vectors; comma, semicolon, tab or blank; UTF-8."),
    Format("glove", "GloVe, text", (".txt",), lambda look: look.glove, wordvectors.read_glove, wordvectors.write_glove,
           "A word and its numbers in each line, no header."),
    Format("texts", "List of texts", (".txt", ".text", ".md"), lambda look: look.texts, None, None,
           "A text in each line, embedded with MiniLM."),
)  # fmt: skip

FORMATS: Mapping[str, Format] = MappingProxyType({row.key: row for row in _ROWS})


def _numbers_only(look: Look) -> bool:
    return look.suffix in (".tsv", ".tab", ".txt") and tables.is_numbers_only(look.given)


def format_of(given: Given) -> Format:
    """The format of a file: the first row of the table that knows it; raises InputError."""
    look = Look(given)
    for row in FORMATS.values():
        if row.sniff(look):
            return row
    named = next((row for row in FORMATS.values() if given.suffix in row.suffixes[:2]), None)
    if named is not None and given.suffix not in (".txt", ".json", ".csv", ".tsv"):
        raise InputError(
            f"'{given.name}' is named like {named.title}, but does not begin like it: it is broken, or something else."
        )
    if given.head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        check_utf8(given)
    if look.text is None:
        raise InputError(f"'{given.name}' is none of the {len(FORMATS)} formats that open; see docs/files.md.")
    raise InputError(
        f"'{given.name}' is text without vectors. A list of texts is embedded line by line when its name ends in .txt."
    )


def format_for(key: str | None, name: str = "") -> Format:
    """The format to write: by its key, else by the end of a file's name; raises InputError with those there are."""
    keys = [row.key for row in FORMATS.values() if row.write]
    if key is not None:
        row = FORMATS.get(key)
        if row is None or row.write is None:
            raise InputError(f"There is no format '{key}' to write; known: {', '.join(keys)}.")
        return row
    for row in FORMATS.values():
        if row.write and name.lower().endswith(row.suffixes):
            return row
    raise InputError(f"The end of '{name}' names no format to write; say which: {', '.join(keys)}.")

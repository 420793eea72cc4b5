"""Save a Space in any format that can hold it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from embedkit.errors import InputError
from embedkit.files.formats import Format, format_for
from embedkit.files.given import few, plural, reason, shown
from embedkit.files.sniff import is_number
from embedkit.files.wordvectors import word_of
from embedkit.space import Space

__all__ = ["Saved", "save_space", "space_bytes"]

WORDS = ("word2vec", "word2vec-bin", "fasttext", "glove")  # formats whose names hold no blank


@dataclass(frozen=True)
class Saved:
    """The files that were written, and sentences on what the format does not hold."""

    files: tuple[Path, ...]
    said: tuple[str, ...]
    format: str


def space_bytes(space: Space, key: str) -> Mapping[str, bytes]:
    """The bytes of each file of a format, by the end of its name; raises InputError for one that is not written."""
    row = format_for(key)
    assert row.write is not None
    return {ending: b"".join(pieces) for ending, pieces in row.write(_fit(space, row)[0]).items()}


def save_space(space: Space, path: Path | str, key: str | None = None) -> Saved:
    """Write a Space to `path`, in the format `key` or the one that the end of its name tells.

    Two files are written where a format needs them, such as vectors.npy with vectors.labels.tsv; each is whole or not
    there. Raises InputError for a format that is not written, and for a disk that would not.
    """
    path = Path(path)
    row = format_for(key, path.name)
    assert row.write is not None
    fit, said = _fit(space, row)
    written = []
    pieces_of = row.write(fit)
    stem = path.name
    for end in sorted((*row.suffixes, *pieces_of), key=len, reverse=True):
        if stem.lower().endswith(end):
            stem = stem[: -len(end)]
            break
    for ending, pieces in pieces_of.items():
        alone = len(pieces_of) == 1 or path.name == stem + ending
        target = path if alone else path.with_name(stem + ending)
        temp = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temp.open("xb") as file:
                for piece in pieces:
                    file.write(piece)
            os.replace(temp, target)  # noqa: PTH105
        except OSError as error:
            raise InputError(f"'{shown(str(target), 200)}' cannot be written: {reason(error)}.") from None
        finally:
            temp.unlink(missing_ok=True)
        written.append(target)
    return Saved(tuple(written), tuple(said), row.key)


def _fit(space: Space, row: Format) -> tuple[Space, list[str]]:
    """A Space as a format holds it, and what it does not hold."""
    said: list[str] = []
    if row.key not in WORDS:
        return space, said
    words = [word_of(item) for item in space.items]
    changed = sum(word != item for word, item in zip(words, space.items, strict=True))
    if changed:
        said.append(f"Blanks part words from numbers in this format: '_' stands for them in {plural(changed, 'name')}.")
        if len(set(words)) < len(words):
            raise InputError(
                "Some names differ by their blanks alone, which this format cannot hold; save as Parquet or JSONL."
            )
    if len(space.meta.columns):
        left = few([repr(shown(column, 30)) for column in space.meta.columns])
        said.append(f"This format holds names and numbers alone; left out: {left}.")
    if row.key == "glove" and all(map(is_number, words)):
        raise InputError("All names are numbers, which GloVe's format cannot tell from vectors; save as word2vec.")
    return space, said

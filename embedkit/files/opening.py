"""Open files as a Space: unpack, find which file holds the vectors, labels or pictures, read, and say it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import InputError
from embedkit.files import projector, things
from embedkit.files.archives import gunzip, members, names_in
from embedkit.files.arrays import names_in_npy
from embedkit.files.draft import Draft, finish
from embedkit.files.formats import FORMATS, Format, format_of
from embedkit.files.given import COMMAND_LINE, Given, Limits, Odd, Say, few, reason, size_of
from embedkit.files.sniff import Look, refuse
from embedkit.files.tables import is_numbers_only, read_labels
from embedkit.space import Space

__all__ = ["Opened", "check_bytes", "open_files"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
TABLES = ("csv", "projector-tsv", "texts")


@dataclass(frozen=True, eq=False)
class Opened:
    """What was opened: the Space, sentences on what was understood and what did not line up, and the format's key.

    `images` are uint8 (n, height, width, 1 or 3), a picture for each item, where the files hold them.
    """

    space: Space
    said: tuple[str, ...]
    format: str
    images: NDArray[np.uint8] | None = None

    @property
    def odd(self) -> tuple[str, ...]:
        """Those of the sentences that tell what did not line up."""
        return tuple(each for each in self.said if isinstance(each, Odd))


def _silent(*_: object) -> None:
    """Nobody watches."""


def open_files(
    files: Sequence[Path | str | tuple[str, bytes]],
    *,
    limits: Limits = COMMAND_LINE,
    report: Say = _silent,
) -> Opened:
    """Open files that belong together, given as paths or as names with bytes, as one Space.

    One file holds the vectors; a table of labels and a sprite may come with it. Nothing in a file is run, and no name
    or path in one is followed. `report(fraction, text)` is told how far the reading of large files is, and an
    embedding of texts, and may raise. Raises EmbedkitError, in a sentence or two, for what is no table of vectors,
    broken, refused, or beyond `limits`.
    """
    if not files:
        raise InputError("There is no file to open.")
    given = [Given.of(file, None if report is _silent else report) for file in files]
    check_bytes(given, limits)
    try:
        given, pictures = _expanded(given, limits)
        draft, row, title = _read(given, pictures, limits, report)
    except OSError as error:
        raise InputError(f"'{given[0].name}' cannot be read: {reason(error)}.") from None
    space, images = finish(draft, title, row.key, limits)
    return Opened(space, tuple(draft.said), row.key, images)


def check_bytes(given: Sequence[Given], limits: Limits) -> None:
    """Raise InputError for files with more bytes than are opened together."""
    total = sum(each.size for each in given)
    if total > limits.most_bytes:
        what = f"'{given[0].name}' has" if len(given) == 1 else "The files together have"
        raise InputError(f"{what} {size_of(total)}; at most {size_of(limits.most_bytes)} are opened {limits.way}.")


def _expanded(given: Sequence[Given], limits: Limits) -> tuple[list[Given], list[Given]]:
    """The files, what is packed taken out; and those that hold pictures."""
    files: list[Given] = []
    pictures: list[Given] = []
    for each in given:
        if each.head[:2] == b"\x1f\x8b":
            each = gunzip(each, limits)
        look = Look(each)
        names = names_in(each) if look.zip else []
        refuse(look, names)
        if not look.zip or look.npz:
            (pictures if look.picture else files).append(each)
        elif any(name.lower().endswith(PICTURES) for name in names) or not names:
            pictures.append(each)
        else:
            for name, data in members(each, limits):
                inner = each.renamed(name, data)
                if Look(inner).zip and not Look(inner).npz:
                    raise InputError(f"'{each.name}' holds another archive, '{inner.name}'; unpack it first.")
                refuse(Look(inner), names_in(inner) if Look(inner).zip else [])
                (pictures if Look(inner).picture else files).append(inner)
    return files, pictures


def _read(files: list[Given], pictures: list[Given], limits: Limits, report: Say) -> tuple[Draft, Format, str]:
    if not files:
        for each in pictures:
            if Look(each).zip and each.size:
                for _ in members(each, limits):  # the limits on an archive hold whatever is in it
                    pass
        title = pictures[0].stem if len(pictures) == 1 else "Pictures"
        return things.read_pictures(pictures, limits), FORMATS["pictures"], title
    rows = {each: format_of(each) for each in files}
    if config := next((each for each in files if rows[each].key == "projector"), None):
        others = [each for each in (*files, *pictures) if each is not config]
        draft, title = projector.read_config(config, others, limits)
        return draft, rows[config], title
    main, labels, rest = _parts(files, rows)
    row = rows[main]
    if row.key == "raw":
        lines = None
        if labels is not None:
            _, table, _, count = read_labels(labels, None, limits)
            lines = count + (len(table.columns) > 1)  # with what may be a header
        draft = projector.read_raw(main, None, limits, lines)
    elif row.key == "texts":
        draft = things.read_texts(main, limits, report)
    else:
        assert row.read is not None
        draft = row.read(main, limits)
    draft.said[0] = f"Read as {row.title}: {draft.said[0]}"
    if labels is not None:
        projector.with_labels(draft, labels, limits)
    for sprite in pictures:
        projector.with_sprite(draft, sprite)
    if rest:
        draft.said.append(Odd(f"Left alone: {few([repr(each.name) for each in rest])}."))
    return draft, row, main.stem


def _parts(files: list[Given], rows: dict[Given, Format]) -> tuple[Given, Given | None, list[Given]]:
    """The file with the vectors, the one with the labels, and the rest; raises InputError where it is not clear."""
    if len(files) == 1:
        return files[0], None, []
    beside = [each for each in files if rows[each].key in TABLES]
    sources = [each for each in files if each not in beside]
    if not sources:
        numbers = [each for each in beside if is_numbers_only(each)]
        hinted = [each for each in beside if any(hint in each.name.lower() for hint in ("vec", "tensor", "embed"))]
        sources = (numbers if len(numbers) == 1 else []) or (hinted if len(hinted) == 1 else [])
        if not sources:
            raise InputError(
                f"Which file holds the vectors? Of {few([repr(each.name) for each in files])} none, or more than one, "
                "holds numbers alone; name it vectors.tsv, and the labels metadata.tsv."
            )
        beside = [each for each in beside if each is not sources[0]]
    for each in [each for each in sources if rows[each].key == "npy"] * (len(sources) > 1):
        if (texts := names_in_npy(each)) is not None:
            sources.remove(each)
            beside.append(texts)
    if len(sources) != 1:
        named = few([repr(each.name) for each in sources])
        if not sources:
            raise InputError(f"None of {few([repr(each.name) for each in files])} holds vectors.")
        raise InputError(f"More than one file holds vectors: {named}. Open one at a time.")
    meta = [each for each in beside if any(hint in each.name.lower() for hint in ("meta", "label", "vocab", "word"))]
    labels = next(iter([*meta, *beside]), None)
    return sources[0], labels, [each for each in beside if each is not labels]

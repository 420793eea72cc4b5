"""The Embedding Projector's files: vectors.tsv with metadata.tsv; a config with raw tensors, labels, a sprite."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedkit.errors import DamagedFile, EmbedkitError, InputError
from embedkit.files.digits import text_rows
from embedkit.files.draft import Draft, check_size
from embedkit.files.given import Given, Limits, Odd, few, plural, reason, shown
from embedkit.files.sniff import Look
from embedkit.files.tables import labels_lines, naming, read_labels, read_table
from embedkit.space import Space

__all__ = ["read_config", "read_raw", "tiles", "with_labels", "with_sprite", "write_pair"]

MOST_CONFIG = 2**20
MOST_PIXELS = 100_000_000  # of a sprite: 300 MB decoded


def read_config(given: Given, others: Sequence[Given], limits: Limits) -> tuple[Draft, str]:
    """What a config says of the files given with it, found by their base names alone; the draft and its title.

    Paths and addresses in the config are never followed. Raises InputError where no tensor of it is among the files.
    """
    if given.size > MOST_CONFIG:
        raise InputError(
            f"'{given.name}' has {given.size:,} bytes; a config of the Projector has {MOST_CONFIG:,} at most."
        )
    try:
        told = json.loads(given.whole().removeprefix(b"\xef\xbb\xbf"))["embeddings"]
        listed = [entry for entry in told if isinstance(entry, dict) and isinstance(entry.get("tensorPath"), str)]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise DamagedFile(f"'{given.name}' is no whole config of the Projector: {reason(error)}.") from None
    files = {other.name: other for other in others}
    there = [entry for entry in listed if _base(entry["tensorPath"]) in files]
    if not there:
        wanted = few([f"'{_base(entry['tensorPath'])}'" for entry in listed]) or "none"
        raise InputError(
            f"'{given.name}' describes tensors that are not among the files given: {wanted}. Give them together."
        )
    entry = there[0]
    tensor = files[_base(entry["tensorPath"])]
    shape = _pair(entry.get("tensorShape"))
    if Look(tensor).text is not None and tensor.suffix in (".tsv", ".txt"):
        draft = read_table(tensor, limits)
    else:
        draft = read_raw(tensor, shape, limits)
    title = entry.get("tensorName")
    title = shown(title) if isinstance(title, str) and title.strip() else tensor.stem
    if len(there) > 1:
        rest = few([repr(shown(each.get("tensorName"), 30)) for each in there[1:]])
        draft.said.append(f"'{title}' was opened; also described and given: {rest}.")
    _labeled(draft, entry, files, limits)
    _pictured(draft, entry, files)
    used = {tensor.name, *(_base(entry.get(key)) for key in ("metadataPath", "bookmarksPath"))}
    sprite = entry.get("sprite")
    used.add(_base(sprite.get("imagePath")) if isinstance(sprite, dict) else "")
    if unused := [name for name in files if name not in used]:
        draft.said.append(Odd(f"Not named for it in the config, so left alone: {few(map(repr, unused))}."))
    return draft, title


def _base(path: object) -> str:
    return shown(path.replace("\\", "/").rsplit("/", 1)[-1]) if isinstance(path, str) else ""


def _pair(shape: object) -> tuple[int, int] | None:
    if isinstance(shape, list) and len(shape) == 2 and all(type(side) is int and 0 < side < 2**48 for side in shape):
        return shape[0], shape[1]
    return None


def _labeled(draft: Draft, entry: Mapping[str, Any], files: Mapping[str, Given], limits: Limits) -> None:
    wanted = _base(entry.get("metadataPath"))
    if wanted in files:
        with_labels(draft, files[wanted], limits)
    elif wanted:
        draft.said.append(Odd(f"The labels '{wanted}' were not given with it."))


def _pictured(draft: Draft, entry: Mapping[str, Any], files: Mapping[str, Given]) -> None:
    sprite = entry.get("sprite")
    if not isinstance(sprite, dict):
        return
    wanted, size = _base(sprite.get("imagePath")), _pair(sprite.get("singleImageDim"))
    if wanted not in files:
        draft.said.append(Odd(f"The sprite '{wanted}' was not given with it."))
    elif size is None:
        draft.said.append(
            Odd(f"The config does not say how large a picture of the sprite '{wanted}' is; it was left out.")
        )
    else:
        with_sprite(draft, files[wanted], size)


def read_raw(given: Given, shape: tuple[int, int] | None, limits: Limits, labels: int | None = None) -> Draft:
    """Raw little-endian float32: its rows by the shape that a config tells, else by the number of labels."""
    if given.size % 4:
        raise DamagedFile(
            f"'{given.name}' has {given.size:,} bytes, which are no whole number of float32: it is cut off."
        )
    count = given.size // 4
    said: list[str] = []
    if shape is not None:
        n, d = shape
        if n * d != count:
            if count % d or not count:
                raise DamagedFile(
                    f"'{given.name}' holds {count:,} numbers where the config says {n:,} x {d:,}: it is cut off, or "
                    "another file."
                )
            are = "is" if count == d else "are"
            said.append(Odd(f"There {are} {plural(count // d, 'row')} where the config says {n:,}."))
            n = count // d
    elif labels is not None:
        found = [rows for rows in (labels, labels - 1) if rows > 0 and count % rows == 0]
        if not found:
            raise InputError(
                f"'{given.name}' holds {count:,} numbers, which {labels:,} lines of labels do not divide; give the "
                "config that tells its shape."
            )
        n, d = found[0], count // found[0]
        said.append(f"It does not tell its shape: {plural(n, 'label')} for {count:,} numbers make {d:,} each.")
    else:
        raise InputError(
            f"'{given.name}' holds raw numbers that do not tell their shape; give the config or the labels with it."
        )
    check_size(given.name, n, d, limits)
    whole = np.frombuffer(given.data, "<f4") if given.path is None else np.memmap(given.path, "<f4", "r")
    return Draft(whole.reshape(n, d), said=[f"'{given.name}' holds {n:,} x {d:,} numbers (float32).", *said])


def with_labels(draft: Draft, given: Given, limits: Limits) -> None:
    """Give a draft the names and the table of a file of labels."""
    names, table, said, _ = read_labels(given, len(draft.vectors), limits)
    named = naming(table)
    draft.names = names
    columns = list(table.columns)
    draft.said.append(f"'{given.name}' names the items; its columns: {few([repr(shown(c, 30)) for c in columns])}.")
    draft.said += said
    if draft.meta is not None:
        table = table[[column for column in columns if column not in draft.meta.columns]]
        for column in table.columns:
            draft.meta[column] = table[column].to_numpy()
    else:
        once = [named] if len(set(names)) == len(names) else []
        draft.meta = table.drop(columns=once)


def with_sprite(draft: Draft, given: Given, size: tuple[int, int] | None = None) -> None:
    """Give a draft a picture for each row from a sprite: tiles row by row, of width and height `size`."""
    n = len(draft.vectors)
    pictures, told = tiles(given, n, size)
    draft.said.append(told if pictures is not None else Odd(told))
    if pictures is not None:
        draft.images = pictures


def tiles(given: Given, n: int, size: tuple[int, int] | None) -> tuple[NDArray[np.uint8] | None, str]:
    """The n pictures of a sprite, uint8 (n, height, width, 1 or 3), and a sentence; None where it does not fit."""
    from PIL import Image

    try:
        with Image.open(_file(given), formats=("PNG", "JPEG", "WEBP")) as image:
            if image.width * image.height > MOST_PIXELS:
                pixels = f"{image.width:,} x {image.height:,} pixels"
                return None, f"'{given.name}' has {pixels}; at most {MOST_PIXELS // 10**6} million are read."
            gray = image.mode in ("1", "L", "I;16", "I")
            whole = np.asarray(image.convert("L" if gray else "RGB"))
    except EmbedkitError:  # who watches the reading may stop it
        raise
    except Exception as error:  # Pillow's readers raise many kinds on broken bytes: struct.error, KeyError, TypeError
        return None, f"The sprite '{given.name}' is broken and was left out: {reason(error)}."
    high, wide = whole.shape[:2]
    if size is None:
        side = math.ceil(math.sqrt(n))  # the Projector's own sprites are as many pictures wide as high
        size = (wide // side, high // side)
    width, height = size
    across, down = (wide // width, high // height) if min(width, height) > 0 else (0, 0)
    if not across or across * down < n:
        room = f"{across * down:,} pictures of {width} x {height}"
        return None, f"The sprite '{given.name}' has room for {room}, not for {n:,}: it was left out."
    cut = whole[: down * height, : across * width].reshape(down, height, across, width, -1).swapaxes(1, 2)
    found = np.ascontiguousarray(cut.reshape(down * across, height, width, cut.shape[-1])[:n])
    return found, f"'{given.name}' gives each row a picture of {width} x {height} pixels."


def _file(given: Given) -> Any:
    return given.open() if given.path is None else str(given.path)


def write_pair(space: Space) -> dict[str, Iterator[bytes]]:
    """The Projector's two tables: vectors.tsv without a header, metadata.tsv."""
    lines = (("\n".join(rows) + "\n").encode() for _, rows in text_rows(space, "\t"))
    return {".vectors.tsv": lines, ".metadata.tsv": labels_lines(space)}

"""Files opened for the explorer and kept in the store for it; by a worker where that takes long."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from embedkit.errors import EmbedkitError, InputError
from embedkit.explore import keep_space
from embedkit.files.formats import format_of
from embedkit.files.given import COMMAND_LINE, UPLOAD, Given, Limits, Say, shown, size_of
from embedkit.files.opening import Opened, check_bytes, open_files
from embedkit.files.sniff import Look
from embedkit.store import Store, default_store

__all__ = ["is_quick", "keep_opened", "open_uploaded", "store_upload"]

QUICK = 5 * 2**20  # bytes that are read in less than a second
QUICK_PACKED = 2**18


def keep_opened(opened: Opened, names: Sequence[str], store: Store, limits: Limits = COMMAND_LINE) -> str:
    """Keep what was opened for the explorer, with all that was said of it, and return its key."""
    return keep_space(
        opened.space,
        store,
        said=opened.said,
        odd=opened.odd,
        files=names,
        pictures=opened.images,
        way=limits.way,
    )


def is_quick(files: Sequence[tuple[str, bytes]]) -> bool:
    """Whether to open these files takes so little that no one has to wait: no texts to embed, few bytes."""
    if sum(len(data) for _, data in files) > QUICK:
        return False
    given = [Given.of(file) for file in files]
    if any(each.size > QUICK_PACKED and (Look(each).zip or each.head[:2] == b"\x1f\x8b") for each in given):
        return False
    try:
        return len(given) > 1 or format_of(given[0]).key != "texts"  # beside others a list of texts holds labels
    except EmbedkitError:  # opening it says why
        return True


def store_upload(files: Sequence[tuple[str, bytes]], store: Store) -> list[str]:
    """Put the bytes of files into the store for `open_uploaded`, and return a key for each.

    Raises InputError for more than is opened by upload, and where the disk is full.
    """
    check_bytes([Given.of(file) for file in files], UPLOAD)
    keys: list[str] = []
    for name, data in files:
        keys.append(uuid.uuid4().hex)  # two uploads of one file are two: each is removed when it was read
        if not store.put_bytes(keys[-1], data, name):
            for key in keys:
                store.remove(key)
            raise InputError(f"There is no room on the disk to read '{shown(name)}', {size_of(len(data))}.")
    return keys


def open_uploaded(report: Say, *, names: list[str], keys: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Task of a worker: open files whose bytes lie in the store under `keys`, and keep them; meta tells the key.

    The bytes are removed from the store. Raises what `open_files` raises, and InputError where they are not there.
    """
    store = default_store()
    try:
        files = []
        for name, key in zip(names, keys, strict=True):
            data = store.get_bytes(key)
            if data is None:
                raise InputError(f"'{name}' is no longer kept here. Upload it again.")
            files.append((name, data))
        opened = open_files(files, limits=UPLOAD, report=report)
        del files
        report(None, f"Keeping {opened.space.n:,} vectors for the map")
        return {}, {"key": keep_opened(opened, names, store, UPLOAD)}
    finally:
        for key in keys:
            store.remove(key)

"""A person's own picture, drawn or from a file, to be looked for among others; it is not kept, nor does it stand in the link."""

from __future__ import annotations

import streamlit as st

from ui.controls import choice
from ui.draw import drawing


def given_pictures(prefix: str, gray: bool, *, most: int = 1, turn: int = 0) -> list[tuple[str, bytes]]:
    """Name and bytes of each picture that was drawn or dropped; `prefix` begins the keys of the controls.

    `gray`: the others are gray, so that a drawing comes first; another `turn` begins with an empty sheet.
    """
    ways = ["Draw", "Drop a file"] if gray else ["Drop a file", "Draw"]
    way = choice(
        "Your picture",
        ways,
        key=f"{prefix}way",
        help="A drawing or a file; neither is kept, nor stands in the link.",
    )
    again = f"_{turn}" if turn else ""
    if way == "Draw":
        drawn = drawing(f"{prefix}drawing{again}")
        return [("your drawing", drawn)] if drawn is not None else []
    files = st.file_uploader(
        "A picture" if most == 1 else f"Pictures, up to {most}",
        ["png", "jpg", "jpeg", "webp"],
        accept_multiple_files=most > 1,
        key=f"{prefix}query{again}",
        help="PNG, JPEG or WebP; it stays on this machine.",
    )
    given = files if isinstance(files, list) else [files] if files is not None else []
    return [(file.name, file.getvalue()) for file in given]


def swapped(prefix: str) -> bool | None:
    """Whether bright and dark are swapped in it; None: where its ground and that of the others differ."""
    found: bool | None = choice(
        "Bright and dark",
        {"By itself": None, "As it is": False, "Swapped": True},
        key=f"{prefix}swap",
        help="By itself: swapped when the ground of yours is light and that of the others dark, as ink on paper is.",
    )
    return found

"""A new text or picture beside those that were opened: read as the files were."""

from __future__ import annotations

import numpy as np

from embedkit.encoding import Encoded, encoder
from embedkit.errors import InputError
from embedkit.files.things import LONGEST_TEXT
from embedkit.sources.pictures import Pictures, as_picture
from embedkit.space import Space

__all__ = ["picture_beside", "text_beside"]


@encoder("files/texts", takes="text", says="Embedded with MiniLM, as each line of the list was.")
def text_beside(space: Space, text: str) -> Encoded:
    """A text as `read_texts` embeds a line, (384,)."""
    from embedkit.encoders.transformer import load_transformer

    note = "" if len(text) <= LONGEST_TEXT else f"Only the first {LONGEST_TEXT:,} characters were read."
    return Encoded(load_transformer().pooled([text[:LONGEST_TEXT]])[0], note)


@encoder("files/pictures", takes="picture", says="Brought to 32 x 32 pixels, as each of the others was.")
def picture_beside(space: Space, data: bytes, *, name: str = "Your picture", invert: bool | None = None) -> Encoded:
    """A picture as `read_pictures` reads a file: its pixels (height x width x channels,)."""
    side = round((space.d / 3) ** 0.5)
    if 3 * side**2 != space.d:
        raise InputError(f"'{space.title}' does not hold the pixels of square pictures in color.")
    import pandas as pd

    blank = np.zeros((1, side, side, 3), np.float32)
    like = Pictures("own", space.title, blank, ("own",), ("own",), pd.DataFrame(index=range(1)), "yours", 0)
    picture = as_picture(data, name, like, invert=invert)[0]
    return Encoded(picture.ravel(), picture=picture)

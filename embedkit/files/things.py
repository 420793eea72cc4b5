"""What is no table of vectors but becomes one: pictures as their pixels, texts through MiniLM."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from embedkit.errors import EmbedkitError, InputError
from embedkit.files.draft import Draft
from embedkit.files.given import Given, Limits, Odd, Say, check_utf8, plural
from embedkit.sources.pictures import from_files

__all__ = ["read_pictures", "read_texts"]

LONGEST_TEXT = 2_000  # characters that are embedded; MiniLM reads some 500 words
BATCH = 256


def read_pictures(files: Sequence[Given], limits: Limits) -> Draft:
    """Pictures, or zips of them: their pixels at 32 x 32 as vectors, the folder of each as its label."""
    import pandas as pd

    try:
        found = from_files([(given.name, given.whole()) for given in files])
    except EmbedkitError as error:
        raise InputError(str(error)) from None
    pixels = found.pixels
    _, height, width, channels = pixels.shape
    said = [
        f"{plural(found.n, 'picture')}, each brought to {width} x {height} pixels: the vectors are their "
        f"{height * width * channels:,} numbers from 0 to 1.",
        *map(Odd, found.notes),
    ]
    meta = None
    if set(found.labels) != {"own"}:
        said.append("The folder of each picture is kept as column 'label'.")
        meta = pd.DataFrame({"label": list(found.labels)})
    images = np.round(pixels * 255).astype(np.uint8)
    return Draft(found.flat, list(found.names), meta, said, images=images)


def read_texts(given: Given, limits: Limits, report: Say) -> Draft:
    """A text a line, each embedded with MiniLM; lines beyond `limits.most_texts` are told and left."""
    check_utf8(given)
    texts: list[str] = []
    count = long = 0
    with given.open() as file:
        for line in file:
            text = line.decode().removeprefix("\ufeff").strip()
            if not re.search(r"\w", text):
                continue
            count += 1
            if len(texts) < limits.most_texts:
                long += len(text) > LONGEST_TEXT
                texts.append(text)
    if not texts:
        raise InputError(f"'{given.name}' holds no text: no line has a letter or a figure.")
    from embedkit.encoders.transformer import load_transformer

    report(None, "Loading MiniLM")
    model = load_transformer()
    blocks = []
    for start in range(0, len(texts), BATCH):
        report(start / len(texts), f"Embedding {start:,} of {len(texts):,} texts")
        blocks.append(model.pooled([text[:LONGEST_TEXT] for text in texts[start : start + BATCH]]))
    vectors = np.concatenate(blocks)
    said = [
        f"'{given.name}' is a list of {plural(count, 'text')}; MiniLM made {vectors.shape[1]} numbers of each line."
    ]
    if count > len(texts):
        left = f"{count - len(texts):,} were left"
        said.append(Odd(f"The first {len(texts):,} were embedded, as each takes milliseconds; {left}."))
    if long:
        said.append(Odd(f"Of {plural(long, 'text')} only the first {LONGEST_TEXT:,} characters were read."))
    return Draft(vectors, texts, said=said, place="text")

"""Which vectors the explorer shows: some that are here after the install, those of another page, or a person's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from embedkit.errors import EmbedkitError
from embedkit.explore import Kept, columns, sample_rows
from embedkit.space import Space
from ui import cache, cache_explorer
from ui.controls import BIND, choice, text, whole_number

HERE = {
    "Handwritten digits, pixels": "images/pixels",
    "Handwritten digits, autoencoder": "images/autoencoder",
    "Words, from MiniLM": "words/minilm",
    "Words, trained on Wikipedia": "words/word2vec",
}
LIMIT = 50_000  # points that plotly moves well
FILES = "Own files"


@dataclass(frozen=True, eq=False)
class Opened:
    """All vectors and those on the map; where they are from: a method's key, or files; the sample (size, by, seed).

    `pictures` uint8 (n, height, width, 1 or 3): of each item of `whole`, where there are some.
    """

    whole: Space
    shown: Space
    method: str
    files: tuple[str, ...]
    sample: tuple[int, str, int] | None
    pictures: NDArray[np.uint8] | None = None

    @property
    def stated(self) -> str:
        """How many of how many are shown."""
        n, all_n = self.shown.n, self.whole.n
        return f"{n:,} vectors of {self.whole.d} numbers" if n == all_n else f"{n:,} of {all_n:,} vectors, a sample"


def opened() -> Opened | None:
    """The vectors that are chosen, cut to a sample where there are very many; else what to do is on the page already."""
    source = str(
        st.selectbox(
            "Vectors",
            [*HERE, FILES],
            key="ex_src",
            bind=BIND,
            help="Some that are here after the install, or your own files of nearly any format.",
        )
    )
    try:
        found = _files() if source == FILES else _here(source)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    if found is None:
        return None
    for each in found.said:
        st.caption(f":material/info: {each}")
    shown, sample = _sample(found.space)
    return Opened(found.space, shown, HERE.get(source, ""), found.files, sample, found.pictures)


def _here(source: str) -> Kept:
    space = cache.space(HERE[source])
    return Kept(space, pictures=cache_explorer.digit_pictures() if HERE[source].startswith("images/") else None)


def sent() -> list[str]:
    """Names of the vectors that were opened in this visit, or sent here from other pages, the last at the end."""
    kept: list[str] = st.session_state.setdefault("ex_sent", [])
    return kept


def remember(space: Space, pictures: NDArray[np.uint8] | None = None, **about: Sequence[str]) -> str:
    """Keep vectors for the explorer, with a picture of each item where there is one, and return their name."""
    key = cache_explorer.keep_space(space, pictures, **about)
    st.session_state["ex_sent"] = [*(name for name in sent() if name != key), key][-4:]
    return key


def send_button(space: Callable[[], Space], key: str, pictures: Callable[[], NDArray[np.uint8]] | None = None) -> None:
    """A button that keeps vectors of another page for the explorer, and the link that then opens them there.

    `pictures`: a picture of each item, uint8 (n, height, width, 1 or 3).
    """
    if st.button(
        "Send to the explorer",
        key=key,
        icon=":material/travel_explore:",
        help="For a map of its own, with groups, noise beside it, and other vectors to compare.",
    ):
        # Streamlit switches no page whose controls stand in the link, so the second step is a link of its own
        name = remember(space(), pictures() if pictures else None)
        st.page_link(
            "pages/explorer.py",
            label="Sent: open the explorer",
            icon=":material/arrow_forward:",
            query_params={"ex_src": FILES, "ex_open": name},
        )


def _files() -> Kept | None:
    from embedkit.files import UPLOAD, open_files

    given = st.file_uploader(
        "Files",
        accept_multiple_files=True,
        key="ex_files",
        help="Up to 200 MB. Vectors with labels, a projector's pair, its config with tensors and sprite: all at once.",
    )
    if given:
        name = tuple((file.name, file.file_id) for file in given)
        if st.session_state.get("ex_given") != name:
            with st.spinner("Reading the files ...", show_time=True):
                opened = open_files([(file.name, file.getvalue()) for file in given], limits=UPLOAD)
            st.session_state["ex_given"] = name
            st.session_state["ex_open"] = remember(
                opened.space, opened.images, said=opened.said, files=[file.name for file in given]
            )
    if sent():
        st.session_state.setdefault("ex_open", sent()[-1])  # the control was not on the page, and has forgotten
    key = text(
        "Name of opened vectors",
        "",
        key="ex_open",
        help="Comes by itself: what your files are called on this server, until it needs the room. It stands in the link.",
        placeholder="open files above",
    )
    if not key:
        st.info(
            "Open vectors: .npy, .npz, CSV, TSV, Parquet, Arrow, JSONL, word2vec, GloVe, fastText .vec, safetensors, a projector's files, a zip of pictures, or a list of texts. "
            "From the command line: `python -m embedkit open FILE`.",
            icon=":material/upload:",
        )
        return None
    return cache_explorer.kept(key)


def _sample(whole: Space) -> tuple[Space, tuple[int, str, int] | None]:
    if whole.n <= LIMIT:
        return whole, None
    if (
        choice(
            "On the map",
            ["a sample", "all points"],
            key="ex_points",
            help=f"All {whole.n:,} points are drawn by WebGL; PCA is quick, UMAP of so many takes long.",
        )
        != "a sample"
    ):
        return whole, None
    known = [name for name, column in columns(whole).items() if column.kind == "groups"]
    size = whole_number("Sample", 100, LIMIT, 10_000, key="ex_size", help=f"Points on the map, 100 to {LIMIT:,}.")
    by = st.selectbox(
        "In proportion to", ["chance", *known], key="ex_by", bind=BIND, help="A column whose classes keep their shares."
    )
    seed = whole_number("Sample seed", 0, 9_999, 0, key="ex_sample_seed", help="Another seed draws other points.")
    rows = sample_rows(whole, size, by=columns(whole).get(by or ""), seed=seed)
    st.caption(f"On the map: {len(rows):,} of {whole.n:,}. Neighbors are looked for among all {whole.n:,}.")
    column = "" if by in (None, "chance") else str(by)
    return cache_explorer.sampled(whole, tuple(rows.tolist())), (size, column, seed)

"""Which vectors the explorer shows: some that are here after the install, those of another page, or a person's own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from embedkit.errors import EmbedkitError, JobStopped
from embedkit.explore import Kept, columns, sample_rows
from embedkit.files import COMMAND_LINE, UPLOAD, space_bytes
from embedkit.files.draft import unique
from embedkit.files.given import size_of
from embedkit.files.keeping import is_quick
from embedkit.jobs import Job
from embedkit.space import Space
from ui import cache, cache_explorer, work
from ui.controls import BIND, choice, text, whole_number
from ui.frame import presenting

HERE = {
    "Handwritten digits, pixels": "images/pixels",
    "Handwritten digits, autoencoder": "images/autoencoder",
    "Words, from MiniLM": "words/minilm",
    "Words, trained on Wikipedia": "words/word2vec",
}
LIMIT = 50_000  # points that plotly moves well
FILES = "Own files"
SAMPLE = "images/pixels"
MOST_LISTED = 12
MOST_ODD = 3  # sentences that stand open
MARKS = re.compile(r"[\\`*_\[\]<>$~|]|:(?=\w)|^[#+-]|(?<=\d)[.)](?= )")  # what Markdown would not show as it is
OPENS = (
    (
        "Tables",
        ".csv, .tsv, .parquet, .arrow, .jsonl, .npy, .npz, .safetensors; labels beside them as .csv, .tsv or .txt",
    ),
    ("Word vectors", "word2vec .txt and .bin, GloVe .txt, fastText .vec"),
    (
        "Embedding Projector",
        "vectors.tsv with metadata.tsv, or the config .json with tensors .bytes, labels and sprite .png",
    ),
    ("Pictures", "a .zip of .png, .jpg or .webp; a folder in it is a label"),
    ("Texts", "a .txt with a text in each line, embedded with MiniLM"),
)


@dataclass(frozen=True, eq=False)
class Opened:
    """All vectors and those on the map; where they are from: a method's key, or files; the sample (size, by, seed).

    `pictures` uint8 (n, height, width, 1 or 3): of each item of `whole`, where there are some. `uploaded`: the files
    were read within the limits of an upload; `said` and `odd`, what was understood of them and what does not line up.
    """

    whole: Space
    shown: Space
    method: str
    files: tuple[str, ...]
    sample: tuple[int, str, int] | None
    pictures: NDArray[np.uint8] | None = None
    uploaded: bool = False
    said: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

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
        if source != FILES:
            st.session_state["ex_failed"] = None
        found = _files() if source == FILES else _here(source)
    except EmbedkitError as error:
        show_error(error)
        return None
    if found is None:
        return None
    shown, sample = _sample(found.space)
    about = {"said": found.said, "odd": found.odd, "uploaded": found.way == UPLOAD.way}
    return Opened(found.space, shown, HERE.get(source, ""), found.files, sample, found.pictures, **about)


def _here(source: str) -> Kept:
    space = cache.space(HERE[source])
    return Kept(space, pictures=cache_explorer.digit_pictures() if HERE[source].startswith("images/") else None)


def sent() -> list[str]:
    """Names of the vectors that were opened in this visit, or sent here from other pages, the last at the end."""
    kept: list[str] = st.session_state.setdefault("ex_sent", [])
    return kept


def remember(space: Space, pictures: NDArray[np.uint8] | None = None) -> str:
    """Keep vectors for the explorer, with a picture of each item where there is one, and return their name."""
    key = cache_explorer.keep_space(space, pictures)
    _keep(key)
    return key


def _keep(key: str) -> None:
    st.session_state["ex_sent"] = [*(name for name in sent() if name != key), key][-4:]
    _show(key)


def titles() -> dict[str, str]:
    """Key and title of the vectors that were opened in this visit and are still kept, the last first; titles differ."""
    known = ((key, cache_explorer.kept_title(key)) for key in st.session_state.get("ex_seen", ()))
    kept = dict([(key, title) for key, title in known if title][:MOST_LISTED])
    return dict(zip(kept, unique(list(kept.values()))[0], strict=True))


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


def empty() -> None:
    """What opens, and something to begin with, where the map will be."""
    with st.container(border=True):
        st.subheader("Open your own vectors", anchor=False)
        st.markdown(
            "Drop files on the field under *Own files*, those that belong together at once:\n"
            + "\n".join(f"- **{what}**: {which}" for what, which in OPENS)
        )
        st.caption(
            f"Up to {size_of(UPLOAD.most_bytes)} here; up to {size_of(COMMAND_LINE.most_bytes)} from the command line, "
            "which prints the link: `python -m embedkit open FILE...`. Nothing in a file is run, and what does not "
            "line up is said. Files stay on this server until it stops."
        )
    if presenting():
        return
    st.markdown("**Try with**")
    with st.container(horizontal=True):
        for number, name in enumerate(HERE):
            st.button(
                name,
                key=f"ex_try_{number}",
                icon=":material/arrow_forward:",
                help="Shows these in place of files",
                on_click=st.session_state.update,
                args=({"ex_src": name},),
            )
        st.download_button(
            "A small CSV to drop here",
            lambda: space_bytes(cache.space(SAMPLE).take(cache.space(SAMPLE).items[:200]), "csv")[".csv"],
            "digits.csv",
            "text/csv",
            key="ex_get_sample",
            on_click="ignore",
            icon=":material/download:",
            help="200 handwritten digits: a name, 64 numbers and a label in each row",
        )


def show_error(error: EmbedkitError | str) -> None:
    """A sentence for the person, and below it the lines of Python that some of them bring."""
    lines = str(error).split("\n")
    code = [line[4:] for line in lines if line.startswith("    ")]
    st.error(escaped(" ".join(line for line in lines if not line.startswith("    "))), icon=":material/error:")
    if code:
        st.code("\n".join(code), language="python", wrap_lines=True)


def escaped(words: str) -> str:
    """Text from a file as it may stand in Markdown: as it is, on one line."""
    return MARKS.sub(lambda found: "\\" + found[0], " ".join(words.split()))


def _files() -> Kept | None:
    _upload()
    # Only a name that is new here, of a link or typed, tells what to show: a request that the browser sent before it
    # heard of what was just opened still carries the name before.
    named = str(st.session_state.get("ex_open") or st.query_params.get("ex_open", "")).strip()
    if named and named not in st.session_state.get("ex_seen", ()):
        _show(named)
    key: str = st.session_state.get("ex_last", "")
    if listed := titles():
        place = f"ex_opened_{st.session_state.get('ex_shows', 0)}"  # another control, so that it has no old value
        st.selectbox(
            "Opened in this visit",
            list(listed),
            index=list(listed).index(key) if key in listed else None,
            format_func=lambda each: listed.get(each, each),
            key=place,
            on_change=_choose,
            args=(place,),
            placeholder="Choose vectors",
            help="Files that you opened, and vectors that you sent from other pages. They are kept until the server stops, or needs the room.",
        )
    with st.expander("Name in the link", icon=":material/link:"):
        st.session_state["ex_open"] = key
        text(
            "Name of opened vectors",
            "",
            key="ex_open",
            help="Comes by itself: what your files are called on this server, until it needs the room. It stands in the link.",
            placeholder="open files above",
        )
    return cache_explorer.kept(key) if key else None


def _choose(place: str) -> None:
    if chosen := st.session_state.get(place):
        _show(chosen)
        st.session_state["ex_failed"] = None


def _show(key: str) -> None:
    """Show the vectors with this name from now on, and list them where they are kept."""
    st.session_state["ex_last"] = key
    st.session_state["ex_shows"] = st.session_state.get("ex_shows", 0) + 1
    list_names([key])


def list_names(keys: Sequence[str]) -> None:
    """Have vectors by these names among the `titles` of this visit, where they are kept."""
    seen: list[str] = st.session_state.get("ex_seen", [])
    new = [key for key in dict.fromkeys(keys) if key not in seen]
    if new:
        st.session_state["ex_seen"] = [*new, *seen]


def _upload() -> None:
    """Open what was dropped; what was open before stays while that lasts, and when it fails."""
    reading: Job | None = st.session_state.get("ex_reading")
    given = st.file_uploader(
        "Files",
        accept_multiple_files=True,
        # A new one, empty, after each attempt: else the next file would be opened together with the last ones.
        key=f"ex_files_{st.session_state.get('ex_round', 0)}",
        disabled=reading is not None,
        help="Up to 200 MB. Vectors with labels, a projector's pair, its config with tensors and sprite: drop them together.",
    )
    try:
        if reading is not None:
            if not work.wait_for(reading):
                return
            st.session_state["ex_reading"] = None
            _keep(cache_explorer.uploaded(reading))
            st.session_state["ex_failed"] = None
        elif given:
            files = [(file.name, file.getvalue()) for file in given]
            if is_quick(files):
                _keep(cache_explorer.keep_upload(files))
            else:
                with st.spinner("Taking the files in ..."):
                    st.session_state["ex_reading"] = cache_explorer.request_upload(files)
            st.session_state["ex_failed"] = None
    except EmbedkitError as error:
        st.session_state["ex_failed"] = error
    if given or reading is not None:
        st.session_state["ex_round"] = st.session_state.get("ex_round", 0) + 1
        st.rerun()
    failed = st.session_state.get("ex_failed")
    if isinstance(failed, JobStopped):
        st.info(escaped(str(failed)), icon=":material/stop_circle:")
    elif failed is not None:
        show_error(failed)
        still = "What was open before is still here. " if st.session_state.get("ex_last") in titles() else ""
        st.caption(f"{still}Files that belong together have to be dropped together.")


def understood(found: Opened) -> None:
    """What is shown, and what was understood of its files: what does not line up stands out, all else is folded."""
    plain = [each for each in found.said if each not in found.odd]
    st.caption(f"{escaped(found.whole.title)}: {found.stated}. {escaped(plain[0]) if plain else ''}")
    odd = [escaped(each) for each in found.odd]
    if odd:
        more = [f"{len(odd) - MOST_ODD} more below"] if len(odd) > MOST_ODD else []
        lines = [*odd[:MOST_ODD], *more]
        st.warning("\n".join(f"- {each}" for each in lines) if len(lines) > 1 else lines[0], icon=":material/rule:")
    if len(plain) > 1 or len(odd) > MOST_ODD:
        with st.expander(f"All that was understood of the files ({len(found.said)})", icon=":material/info:"):
            st.markdown("\n".join(f"- {escaped(each)}" for each in found.said))


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
    size = whole_number(
        "Sample", 100, LIMIT, min(10_000, LIMIT), key="ex_size", help=f"Points on the map, 100 to {LIMIT:,}."
    )
    by = st.selectbox(
        "In proportion to", ["chance", *known], key="ex_by", bind=BIND, help="A column whose classes keep their shares."
    )
    seed = whole_number("Sample seed", 0, 9_999, 0, key="ex_sample_seed", help="Another seed draws other points.")
    rows = sample_rows(whole, size, by=columns(whole).get(by or ""), seed=seed)
    st.caption(f"On the map: {len(rows):,} of {whole.n:,}. Neighbors are looked for among all {whole.n:,}.")
    column = "" if by in (None, "chance") else str(by)
    return cache_explorer.sampled(whole, tuple(rows.tolist())), (size, column, seed)

"""The frame of a page: title, the seven parts in their one order, present mode, errors for the person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.store import default_store
from ui import cache

if TYPE_CHECKING:
    import plotly.graph_objects as go

MAP_NOTE = (
    "On UMAP, t-SNE and PaCMAP maps, sizes of groups and gaps between them are not to be read; neighborhoods are."
)

# Without a graphics card each frame of these costs most of a core, which the work that is waited for then lacks: the
# first map of 10,000 words took half as long again.
STILL = """<style>[data-testid="stProgress"] *, .stApp:has([data-testid="stProgress"]) .stElementContainer
{ transition: none !important; } .stSkeleton { animation: none !important; }</style>"""


def presenting() -> bool:
    """Whether the page is shown to a class: larger, and only what is to be looked at."""
    return bool(st.session_state.get("present"))


@contextmanager
def page(title: str, lead: str) -> Iterator[None]:
    """Draw the head of a page; an EmbedkitError that reaches it becomes one sentence, everything else shows as a bug."""
    st.html(STILL)
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title(title, anchor=False, width="content")
        st.toggle("Present", key="present", bind="query-params", help="For a class: larger, without the texts to read.")
    if not presenting():
        st.markdown(lead)
    st.session_state.setdefault("seen_notes", tuple(default_store().notes))
    cache.drawing()
    try:
        yield
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
    _tell_notes()
    cache.drawing()


def _tell_notes() -> None:
    """What the store has to say since this person's last look: a result made again, no room on the disk."""
    notes = tuple(default_store().notes)
    for note in notes:
        if note not in st.session_state["seen_notes"]:
            st.info(note, icon=":material/info:")
    st.session_state["seen_notes"] = notes


def chart(figure: go.Figure, **options: Any) -> None:
    """Draw a plotly figure; larger in print when presenting."""
    if presenting():
        figure.update_layout(font={"size": 17}, height=1.25 * (figure.layout.height or 450))
        figure.update_traces(
            textfont={"size": 17}, selector=lambda trace: "text" in (getattr(trace, "mode", None) or "")
        )
    name = re.sub(r"\W+", "-", str(options.get("alt") or "figure").split(";")[0])[:60].strip("-").lower()
    camera = {"format": "png", "filename": name, "scale": 2}
    config = {"displaylogo": False, "scrollZoom": options.pop("zoom", False), "toImageButtonOptions": camera}
    st.plotly_chart(figure, config=config, **options)


def ask(question: str, options: list[str], answer: str, because: str, key: str) -> None:
    """One question with its guess before the answer: the answer is drawn beside the guess once one is made."""
    with st.container(border=True):
        st.markdown(f"**Guess first.** {question}")
        guess = st.segmented_control(
            "Your guess", options, key=key, bind="query-params", label_visibility="collapsed", help="Guess; then see."
        )
        if guess is None:
            st.caption("Pick one; the answer appears here.")
        else:
            mark = ":material/check_circle: Right." if guess == answer else f":material/cancel: Not quite: {answer}."
            st.markdown(f"You said *{guess}*. {mark} {because}")


def why(text: str) -> None:
    """Three to five sentences of explanation."""
    if presenting():
        return
    st.subheader("Why", anchor=False)
    st.markdown(text)


@contextmanager
def arithmetic(key: str) -> Iterator[bool]:
    """The folded part with the formula and today's values; yields whether it is open, so a closed one costs nothing."""
    if presenting():
        yield False
        return
    box = st.expander("Arithmetic: the numbers by hand", key=key, on_change="rerun", icon=":material/calculate:")
    with box:
        yield bool(box.open)


def link_note() -> None:
    """Say that the address of the page is its state."""
    st.caption("The address of this page holds the whole state: copy it to give somebody exactly this view.")


def tries(changes: list[tuple[str, dict[str, Any]]]) -> None:
    """Small changes to try: each sets some controls, and the link follows."""
    if presenting():
        return
    st.subheader("Try", anchor=False)
    for number, (label, values) in enumerate(changes):
        st.button(
            label,
            key=f"try_{number}",
            icon=":material/arrow_forward:",
            help="Sets the controls; the link of the page follows",
            on_click=st.session_state.update,
            args=(values,),
        )

"""Parts of the home page."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from embedkit.catalog import CatalogRow, catalog
from embedkit.paths import asset
from ui import work

LEAD = (
    "See how words, and words in their sentences, become vectors: points that you can move through, question and compare. "
    "Every number comes from the original vectors, every map says how far it can be believed, and nothing leaves this machine."
)


@dataclass(frozen=True)
class Card:
    """A page: its file, picture, and the question it answers."""

    page: str
    title: str
    question: str
    picture: str
    alt: str


CARDS = (
    Card(
        "pages/words.py",
        "Words",
        "One vector a word: what is near, what is an analogy worth, can the map be believed?",
        "home/words.svg",
        "Map of words in six topics",
    ),
    Card(
        "pages/contexts.py",
        "Words in context",
        "The apple you eat and the Apple that makes laptops: when does a model tell them apart?",
        "home/contexts.svg",
        "Sentences with apple in two senses, and a star",
    ),
    Card(
        "pages/images.py",
        "Pictures",
        "Train an autoencoder in sight, walk through what it learned: what is a picture in two numbers?",
        "home/images.svg",
        "Handwritten digits on a latent plane",
    ),
    Card(
        "pages/interactions.py",
        "Users and items",
        "Two towers learn who likes what: pick five films, see where you land and what is recommended, and why.",
        "home/interactions.svg",
        "Films of a cinema by genre on one map",
    ),
    Card(
        "pages/train_words.py",
        "Train word vectors",
        "CBOW and skip-gram by hand: take a pair, go forward, see the error, move the vectors. Which words find each other?",
        "home/train_words.svg",
        "Words of four kinds on the plane that skip-gram made",
    ),
    Card(
        "pages/explorer.py",
        "Explorer",
        "Open your own vectors, from nearly any file: can the map be believed, would noise look like this, what did another model change?",
        "home/explorer.svg",
        "Handwritten digits by UMAP, a group for each digit",
    ),
)


def draw(card: Card) -> None:
    """One card: picture, question, link."""
    with st.container(border=True, height="stretch"):
        st.image(asset(card.picture).read_text("utf-8"), width="stretch", alt=card.alt)
        st.page_link(card.page, label=f"**{card.title}**", icon=":material/arrow_forward:")
        st.caption(card.question)


def offline() -> None:
    """What works without a network."""
    st.subheader("Here, offline", anchor=False)
    st.dataframe(
        _table([row for row in catalog() if row.here]),
        hide_index=True,
        key="here",
        alt="Data and models on this machine",
    )


def fetchable() -> None:
    """What a button fetches, with size, licence and year on the button's row."""
    rows = [row for row in catalog() if not row.here and row.fetch]
    if not rows:
        return
    st.subheader("Can be fetched", anchor=False)
    st.caption("Only when you press the button; nothing is fetched by itself. It is kept on this machine.")
    for row in rows:
        label = f"Fetch {row.title}: {row.megabytes:,.0f} MB, {row.licence}, {row.year}"
        work.fetch_button(row.fetch, row.title, label, f"For: {row.what}")


def _table(rows: list[CatalogRow]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "what": [row.title for row in rows],
            "for": [row.what for row in rows],
            "MB": [f"{row.megabytes:,.1f}" if row.megabytes >= 0.1 else "under 0.1" for row in rows],
            "licence": [row.licence for row in rows],
            "year": [str(row.year) for row in rows],
        }
    )

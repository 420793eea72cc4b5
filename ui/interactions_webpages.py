"""The same model on queries and web pages: headings of Wikipedia against their sections; type a query, see the pages."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError
from ui import cache_interactions
from ui.controls import text
from ui.frame import arithmetic, ask, tries, why
from ui.work import result_of

GROUPS = {
    "all": "all queries",
    "heading": "no word of the heading stands in the section",
    "query": "no word of the query stands in the section",
}


def view() -> None:
    """Draw the whole view."""
    st.markdown(
        "A query is a user, a page is an item. Four fifths of the headings in a sample of English Wikipedia are pairs to learn from: *article and heading* is the query, "
        "*the text below it* the page. The other fifth asks: does the query find its page among all?"
    )
    entry = result_of(("webpages", None), cache_interactions.webpages_job)
    if entry is None or "rows" not in entry.meta:
        return
    found = pd.DataFrame(entry.meta["rows"])
    whole = found[found["group"] == "all"].set_index("method")
    best = str(whole["recall_10"].idxmax())
    ask(
        "Which way finds the held-out section most often among its first ten?",
        list(whole.index),
        best,
        f"Measured: {whole.loc[best, 'recall_10']:.1%} by {best}. Where the words of the query stand in the page, counting words (BM25) is hard to beat; see the rows where they do not.",
        key="wpguess",
    )
    query = text(
        "Search the pages",
        "how a black hole bends light",
        key="q",
        help="Any English words; the towers read them as a bag.",
    )
    try:
        answer = cache_interactions.webpages().search(query, 8)
        if answer.unknown:
            st.caption(f"Not known, and left out: {', '.join(answer.unknown)}.")
        st.dataframe(
            pd.DataFrame(
                {
                    "page": [f"{hit.article}: {hit.section}" for hit in answer.hits],
                    "cosine": [hit.score for hit in answer.hits],
                    "carried by": [
                        ", ".join(f"{word} {part:+.2f}" for word, part in hit.words[:3]) for hit in answer.hits
                    ],
                    "it begins": [hit.text for hit in answer.hits],
                }
            ),
            hide_index=True,
            key="hits",
            column_config={"cosine": st.column_config.NumberColumn(format="%.3f")},
            alt="The pages found for the query, their cosine, and the words that carried it",
        )
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
    st.dataframe(
        pd.DataFrame(
            {
                "method": found["method"],
                "queries": [GROUPS[group] for group in found["group"]],
                "how many": found["queries"],
                "found first": found["recall_1"],
                "among ten": found["recall_10"],
                "MRR": found["mrr"],
            }
        ),
        hide_index=True,
        key="page_figures",
        column_config={
            "found first": st.column_config.NumberColumn(format="percent"),
            "among ten": st.column_config.NumberColumn(format="percent"),
            "MRR": st.column_config.NumberColumn(format="%.3f"),
        },
        alt="How often each method finds the held-out section, in all queries and in those without shared words",
    )
    st.caption(
        f"{entry.meta['pages']:,} sections; {len(entry.meta['held']):,} held out. MRR: the mean of one over the rank. Sample of English Wikipedia, CC BY-SA."
    )
    why(
        "Both towers are sums of word vectors with learned weights, brought into one space by learned maps; in a batch the other pages are the negatives. "
        "BM25 counts the words that query and page share, rare ones more. It needs no training and knows nothing of meaning: without a shared word it finds nothing. "
        "The towers can find a page whose words are only related, and pay for it where exact names matter."
    )
    with arithmetic("page_sums") as is_open:
        if is_open:
            _sums(query)
    tries(
        [
            ("A query without the name", {"q": "the man who painted the ceiling of a chapel"}),
            ("One word", {"q": "volcano"}),
            ("Back to users and films", {"do": "Train"}),
        ]
    )


def _sums(query: str) -> None:
    try:
        hit = cache_interactions.webpages().search(query, 1).hits[0]
    except EmbedkitError:
        return  # the search above has said why
    st.latex(r"\cos(q, d) = \sum_{w \in q} \frac{x_w \cdot d}{\lVert q \rVert}")
    parts = " + ".join(f"({part:.3f})" for _, part in hit.words[:8])
    more = r" + \dots" if len(hit.words) > 8 else ""
    st.latex(rf"{parts}{more} = {hit.score:.4f}")
    st.caption(f"One term for each word of the query; d is the page {hit.article}: {hit.section}.")

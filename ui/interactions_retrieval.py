"""Retrieval: exact against approximate search among many item vectors, recall and milliseconds."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.figures import recall_cost
from ui import cache_interactions, work
from ui.controls import choice, whole_number
from ui.frame import arithmetic, ask, chart, tries, why

SIZES = {"10,000 items": 10_000, "100,000 items": 100_000, "1,000,000 items (minutes)": 1_000_000}


def view() -> None:
    """Draw the whole view."""
    with st.container(horizontal=True):
        items = choice(
            "How many items", SIZES, key="many_items", help="Simulated item vectors of 64 numbers: Gaussian clusters."
        )
        seed = whole_number("Seed", 0, 999, 0, key="rseed", help="Of the simulated vectors.")
    name = ("retrieval", items, seed)
    job = work.held(name, lambda: cache_interactions.retrieval(items, seed))
    if not work.wait_for(job):
        return
    try:
        rows = pd.DataFrame(job.result().meta["rows"])
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Run again", icon=":material/refresh:", key="ragain", help="Start it anew"):
            work.forget(name)
            st.rerun()
        return
    exact = rows[rows["index"] == "exact"].iloc[0]
    near = rows[rows["index"] != "exact"]
    good = near[near["recall"] >= 0.95]
    gain = float(exact["milliseconds"] / good["milliseconds"].min()) if len(good) else 0.0
    right = "No: exact is as fast" if gain < 1.5 else "A few times faster" if gain < 15 else "Tens of times faster"
    ask(
        "An index looks at a small part of the items only. With 95 of 100 true neighbors found: how much faster is one query?",
        ["No: exact is as fast", "A few times faster", "Tens of times faster"],
        right,
        f"Measured here for {items:,} items: {gain:.1f} times. The more items, the more an index gains; its price is the time to build it, and what it misses.",
        key="rguess",
    )
    left, right_side = st.columns([3, 2], gap="medium")
    with left:
        st.dataframe(
            pd.DataFrame(
                {
                    "search": [
                        f"{index}" + (f", ef {int(ef)}" if ef == ef and ef is not None else "")
                        for index, ef in zip(rows["index"], rows["ef"], strict=True)
                    ],
                    "recall@10": rows["recall"],
                    "milliseconds a query": rows["milliseconds"],
                    "seconds to build": rows["build_seconds"],
                    "MB": rows["nbytes"] / 1e6,
                }
            ),
            hide_index=True,
            key="retrieval",
            column_config={
                "recall@10": st.column_config.NumberColumn(format="%.4f"),
                "milliseconds a query": st.column_config.NumberColumn(format="%.3f"),
                "seconds to build": st.column_config.NumberColumn(format="%.1f"),
                "MB": st.column_config.NumberColumn(format="%.1f"),
            },
            alt="Recall at 10, milliseconds a query, seconds to build and memory, exact and approximate",
        )
    with right_side:
        chart(
            recall_cost(rows), key="recall_cost", alt="Recall at 10 against milliseconds a query, exact and approximate"
        )
    st.caption(
        "**Simulated** vectors. One query at a time on one thread, by inner product; recall against the exact list, over 200 queries."
    )
    why(
        "A list for a person is a search for the item vectors with the largest inner product. Exact search multiplies with every item: its cost grows with their number. "
        "HNSW (Malkov and Yashunin 2018) links each item with some near ones and walks along the links; ef says how many it keeps in mind on the way. More ef finds more and takes longer."
    )
    with arithmetic("retrieval_sums") as is_open:
        if is_open:
            st.latex(
                r"\text{exact: } n \cdot d = "
                + f"{items:,}".replace(",", "{,}")
                + r" \times 64 = "
                + f"{items * 64:,}".replace(",", "{,}")
                + r"\ \text{multiplications a query}"
            )
            st.latex(r"\text{recall@}10 = \frac{|\text{found} \cap \text{true}|}{10}")
    tries(
        [
            ("A hundred thousand items", {"many_items": "100,000 items"}),
            ("Ten thousand, other vectors", {"many_items": "10,000 items", "rseed": 1.0}),
            ("Back to the towers", {"do": "Train"}),
        ]
    )

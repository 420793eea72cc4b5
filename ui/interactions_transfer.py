"""Transfer: vectors learned on many clicks, used for films with few; blind, fixed, tuned and from scratch."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from embedkit.figures import setting_lines
from embedkit.interactions.data import Watched
from embedkit.interactions.transfer import MODES, request_transfer, transfer_results, winners
from embedkit.sources.interactions import Interactions
from ui import cache
from ui.frame import arithmetic, ask, chart, tries, why
from ui.work import result_of

TITLES = {
    "blind": "blind: no label used",
    "fixed": "fixed vectors, a head learns",
    "tuned": "tuned vectors",
    "scratch": "from scratch",
}


def view(watched: Watched, table: Interactions) -> None:
    """Draw the whole view."""
    st.markdown(
        "Two towers learn from **all other films** who likes what. Then twenty *advertised* films come, of which only genres, year and title are known, "
        "and some labelled rows: this user watched it, that user did not. What are the learned vectors worth for this second task?"
    )
    entry = result_of(("transfer", watched), lambda: request_transfer(watched, cache.pool()))
    if entry is None:
        return
    found = transfer_results(entry)
    sizes = sorted({each.rows for each in found if each.rows})
    by_place = {(each.mode, each.rows): each for each in found}
    best = winners(found)
    if sizes:
        few, many = sizes[0], sizes[-1]
        ask(
            f"With only {few} labelled rows: which way is best?",
            list(TITLES.values()),
            TITLES[best[few]],
            f"Measured: with {few} rows {TITLES[best[few]]}; with {many:,} rows {TITLES[best[many]]}.",
            key="xguess",
        )
    blind = by_place[("blind", 0)].auc
    lines = {
        TITLES[mode]: [blind if mode == "blind" else by_place[(mode, size)].auc for size in sizes] for mode in MODES
    }
    chart(
        setting_lines(
            sizes, lines, x_title="labelled rows", y_title="ROC AUC on held-out pairs", height=380, floor=0.5
        ),
        key="transfer",
        alt="ROC AUC by the number of labelled rows: blind, fixed, tuned, from scratch",
    )
    st.dataframe(
        pd.DataFrame(
            {
                "labelled rows": sizes,
                **lines,
                "best": [TITLES[best[size]] for size in sizes],
            }
        ),
        hide_index=True,
        key="transfer_table",
        column_config={title: st.column_config.NumberColumn(format="%.3f") for title in lines},
        alt="The same figures as a table",
    )
    st.caption(
        "Medians over five draws of the labelled rows. AUC: how often a watched pair scores above one that was not; .5 is chance, where the axis begins. A quarter of all pairs is held out."
    )
    why(
        "Vectors learned on one task carry over to another as far as the second asks for the same tastes. "
        "Used blindly, without a single label, they fall behind as soon as labels come; kept fixed, they need few labels; tuned, they follow the new task and keep what helps. "
        "From scratch everything has to be found in the few rows, which pays only when there are many."
    )
    with arithmetic("transfer_sums") as is_open:
        if is_open:
            st.latex(
                r"\mathrm{AUC} = \frac{1}{|P||N|} \sum_{p \in P} \sum_{n \in N} [s_p > s_n] + \tfrac12 [s_p = s_n]"
            )
            st.caption("P are the held-out pairs that were watched, N those that were not, s their scores.")
    tries(
        [
            ("How a film without a past is placed", {"do": "You"}),
            ("What features alone are worth", {"do": "Pitfalls"}),
            ("Towers that read no ids", {"do": "Train", "reads": ["genres", "year", "title"]}),
        ]
    )

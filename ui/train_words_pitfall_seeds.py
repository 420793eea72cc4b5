"""Pitfalls of learned words: how much of a list of neighbors another seed keeps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.errors import UnknownItem
from embedkit.figures import setting_lines
from embedkit.store import Entry
from embedkit.words.training_pitfalls import (
    NEAR,
    SeedsResult,
    neighbors_in,
    seeds_results,
    words_in,
)
from ui.frame import ask, chart
from ui.train_words_pitfall_cells import rounded

SHARED = "●"


CASES = {
    ("skip-gram", "seed"): "skip-gram, another seed",
    ("LSA", "seed"): "LSA, another seed",
    ("skip-gram", "text"): "skip-gram, lines drawn anew",
    ("LSA", "text"): "LSA, lines drawn anew",
}


def draw(entry: Entry, word: str) -> None:
    """Draw what each seed finds near a word, and how much of the lists they share."""
    found = seeds_results(entry)
    whole = {(each.method, each.change): each for each in found if not each.least}
    if len(whole) == len(CASES):
        kept = whole["skip-gram", "seed"].kept
        ask(
            "Skip-gram on the same text with the same settings, only the seed is another. How many of a word's ten nearest are the same?",
            list(_KEPT),
            next(name for name, high in _KEPT.items() if kept < high),
            f"Measured: {10 * kept:.1f} of 10, over {whole['skip-gram', 'seed'].words:,} words. LSA, which has a seed only in how its SVD begins, keeps {10 * whole['LSA', 'seed'].kept:.1f}. "
            f"On lines drawn anew from the same text: {10 * whole['skip-gram', 'text'].kept:.1f} and {10 * whole['LSA', 'text'].kept:.1f}.",
            key="tp_guess_seeds",
        )
    bands = sorted({each.least for each in found if each.least})
    by = {(each.method, each.change, each.least): each for each in found}
    chart(
        setting_lines(
            bands,
            {
                name: [by[*case, least].kept if (*case, least) in by else None for least in bands]
                for case, name in CASES.items()
                if case in whole
            },
            x_title="occurrences in the text, from",
            y_title="share of the ten nearest kept",
        ).update_yaxes(range=[0, 1.03]),
        key="tp_kept",
        alt="Share of the ten nearest that a second training keeps, by how often a word occurs, for skip-gram and LSA",
    )
    st.dataframe(
        _seeds_table(found, bands),
        hide_index=True,
        key="tp_table_seeds",
        column_config={name: st.column_config.NumberColumn(format="percent") for name in CASES.values()}
        | {"words": st.column_config.NumberColumn(format="localized")},
        alt="Share of the ten nearest that a second training keeps, by frequency of the word, method and what changes",
    )
    tests = [f"{name}: {', '.join(rounded(value) for value in whole[case].wordsim)}" for case, name in CASES.items() if case in whole]  # fmt: skip
    st.caption(
        f"Means over pairs of trainings. Lines drawn anew: as many as there are, with replacement, compared on the words that both draws have. WordSim-353 of each training: {'; '.join(tests)}."
    )
    lists = {
        f"{method}, {'first' if run == 0 else 'second'} seed": neighbors_in(entry, f"{method}.{run}", word)
        for method in ("skip-gram", "LSA")
        for run in (0, 1)
        if f"near.{method}.{run}" in entry.arrays
    }
    draw_lists(entry, word, lists, "tp_near_seeds", "most frequent words", pairs=True)


_KEPT = {"Under 3": 0.3, "3 to 6": 0.6, "6 to 9": 0.9, "Over 9": 1.01}


def _seeds_table(found: Sequence[SeedsResult], bands: Sequence[int]) -> pd.DataFrame:
    names = {0: "all"} | {
        low: f"{low:,} to {high - 1:,}" if high else f"{low:,} and more"
        for low, high in zip(bands, [*bands[1:], 0], strict=True)
    }
    by = {(each.method, each.change, each.least): each for each in found}
    rows = []
    for least, said in names.items():
        row: dict[str, object] = {"occurrences": said}
        if (first := by.get(("skip-gram", "seed", least))) is not None:
            row["words"] = first.words
        row |= {name: round(by[*case, least].kept, 3) for case, name in CASES.items() if (*case, least) in by}
        rows.append(row)
    return pd.DataFrame(rows)


def sums(entry: Entry, word: str) -> None:
    """The same by hand, for one of the figures."""
    st.latex(rf"\text{{kept}} = \frac{{1}}{{n}} \sum_w \frac{{|A_w \cap B_w|}}{{{NEAR}}}")
    for method in ("skip-gram", "LSA"):
        a, b = (neighbors_in(entry, f"{method}.{run}", word) for run in (0, 1))
        if a and b:
            both = [each for each in a if each in b]
            st.latex(
                rf"\text{{{method}, '{word}':}} \quad \frac{{|A \cap B|}}{{{NEAR}}} = \frac{{{len(both)}}}{{{NEAR}}} = {len(both) / NEAR:.1f}"
            )
            st.caption(f"In both: {', '.join(both) or 'none'}.")
    n = entry.meta["n"]
    st.latex(rf"\text{{by chance:}} \quad \frac{{{NEAR}}}{{n - 1}} = \frac{{{NEAR}}}{{{n - 1}}} = {NEAR / (n - 1):.4f}")


def draw_lists(
    entry: Entry, word: str, lists: dict[str, tuple[str, ...]], key: str, among: str, *, pairs: bool = False
) -> None:
    """The lists of neighbors of a word side by side; what two of them share is marked."""
    st.markdown(f"**The ten nearest of *{word}***")
    if not any(lists.values()):
        known = words_in(entry)
        if word in known:
            st.info(
                f"'{word}' is not among the {len(_kept_lists(entry)[0]):,} {among}, whose lists are kept.",
                icon=":material/info:",
            )
        else:
            st.error(str(UnknownItem(word, known, "words of the text")), icon=":material/error:")
        return
    names = list(lists)
    columns = {}
    for number, name in enumerate(names):
        others = [each for each in names if each != name] if not pairs else names[number ^ 1 : (number ^ 1) + 1]
        shared = {each for other in others for each in lists[other]}
        columns[name] = [f"{SHARED} {each}" if each in shared else each for each in lists[name]]
    table = pd.DataFrame(columns, index=pd.RangeIndex(1, NEAR + 1, name="rank"))
    st.dataframe(table, key=key, alt=f"The ten nearest of {word} in each list; a dot marks what two lists share")
    where = "the list of the other seed of the same method" if pairs else "another of these lists"
    st.caption(f"{SHARED} stands in {where} as well. By cosine, among all words.")


def _kept_lists(entry: Entry) -> list[np.ndarray]:
    return [array for name, array in entry.arrays.items() if name.startswith("near.")]

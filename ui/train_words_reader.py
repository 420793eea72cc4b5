"""Unread titles ranked for a reader: the mean of what they read by a dot product, against a small trained network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
import streamlit as st

from embedkit.export import reader_script, safe_csv, worksheet
from embedkit.figures import setting_lines
from embedkit.jobs import Job
from embedkit.store import Entry
from embedkit.words.documents import PARTS
from embedkit.words.reader import (
    FIRST,
    RANKINGS,
    READ,
    RULE,
    SPLITS,
    TESTED,
    TRAINED_ON,
    Network,
    ReaderResult,
    Titles,
    article_topics,
    network_of,
    parts_of_score,
    reader_results,
    request_reader,
    score,
    shared_titles,
)
from embedkit.words.word_training import Text, recipe_of
from ui import cache, cache_train_words
from ui.controls import BIND, choice, whole_number
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.work import result_of

WORDS = {
    "Skip-gram, learned here": "words/word2vec",
    "LSA, learned here": "words/lsa",
    "MiniLM's table": "words/minilm",
}
SHOWN_PARTS = {"Title": "title", "Title and first sentence": "first", "Whole section": "whole"}
LEARNED = {"words/word2vec": "skip-gram", "words/lsa": "LSA"}
RULES = tuple(name for name in RANKINGS if name != "network")
CENTERED = "dot product, mean taken away"
OPENING = ("living things", "space")  # topics of the titles that are picked at first, two of each
MOST = 30
TOP = 10


@dataclass(frozen=True, eq=False)
class Shelf:
    """What is chosen, the titles, and what was picked to have been read."""

    words: str
    part: str
    rule: str
    seed: int
    titles: Titles
    picked: tuple[str, ...]
    read: np.ndarray
    unread: np.ndarray


def view() -> None:
    """Draw the experiment with simulated readers, and the titles ranked for whoever sits here."""
    left, right = st.columns([1, 3], gap="medium")
    with left:
        words = choice(
            "Vectors of words", WORDS, key="tr_words", help="A title is the mean of the vectors of its words."
        )
        part = choice(
            "What is read", SHOWN_PARTS, default="first", key="tr_part", help=" ".join(PARTS.values()) + " Words without a vector are left out."
        )  # fmt: skip
        rule = choice("Rule", list(RULES), key="tr_rule", help="; ".join(f"{name}: {RANKINGS[name]}" for name in RULES))
        seed = whole_number(
            "Seed", 0, 9_999, 0, key="tr_seed", help="Which articles are on either half, and which readers are drawn. 0 to 9,999."
        )  # fmt: skip
    with right:
        entry = result_of((f"tr_{words}", part, seed), lambda: request_reader(words, part, cache.pool(), seed))
        if entry is None or not entry.meta["rows"]:
            return
        found = reader_results(entry)
        _measured(entry, found)
        if words in LEARNED and result_of(("tr_words", words), lambda: _training(words)) is None:
            return
    shelf = _shelf(words, part, rule, seed)
    network = network_of(entry)
    _ranked(shelf, network)
    _explain(entry, found, shelf, network)


def _training(words: str) -> Job:
    """The training whose words are shared; its result is in the store, where the titles' vectors are made from."""
    return cache_train_words.word_training(Text(), recipe_of(LEARNED[words]))


# Simulated readers


def _measured(entry: Entry, found: Sequence[ReaderResult]) -> None:
    """The question, and how well simulated readers are served by each ranking."""
    at = {(each.ranking, each.read, each.learned): each for each in found}
    most = TRAINED_ON[-1]
    ten = {name: at[name, 10, most * (name == "network")] for name in RANKINGS}
    ask(
        f"A simulated reader has read ten titles. Which score ranks the titles of unseen articles better: the plain dot product, or a network that has learned from {most:,} other readers?",
        ["The dot product", "The network", "No difference beyond chance"],
        _better(entry, most),
        "Measured, as the chance that a title they like stands before one they do not: "
        + ", ".join(f"{name} {each.auc.mean:.3f}" for name, each in ten.items())
        + f". So look also at what the dot product comes to when the mean of all titles is taken away first: nothing is learned for that. Of {TRAINED_ON[0]} readers the network learns too little: {at['network', 10, TRAINED_ON[0]].auc.mean:.3f}.",
        key="tr_guess",
    )
    left, right = st.columns(2, gap="medium")
    with left:
        lines = {name: [at[name, read, most * (name == "network")].auc.mean for read in READ] for name in RANKINGS}
        chart(
            setting_lines(READ, lines, x_title="titles read", y_title="ROC AUC, unread titles", floor=0.5, height=360),
            key="tr_auc",
            alt="ROC AUC of unread titles by the number of titles read, for three rules and the network",
        )
    with right:
        lines = {
            **{name: [ten[name].auc.mean] * len(TRAINED_ON) for name in RULES},
            "network": [at["network", 10, count].auc.mean for count in TRAINED_ON],
        }
        chart(
            setting_lines(
                TRAINED_ON, lines, x_title="readers that the network learned from", y_title="ROC AUC, 10 titles read", floor=0.5, height=360
            ),
            key="tr_learned",
            alt="ROC AUC of the network by the number of readers it learned from, beside the three rules",
        )  # fmt: skip
    table = pd.DataFrame(
        [
            {
                "titles read": each.read,
                "ranking": each.ranking + (f", {each.learned:,} readers" if each.learned else ""),
                "ROC AUC": f"{each.auc.mean:.3f} ({each.auc.low:.3f}–{each.auc.high:.3f})",
                f"liked among the first {FIRST}": round(each.first.mean, 3),
                "by chance": round(each.by_chance, 3),
            }
            for each in found
        ]
    )
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table,
        hide_index=True,
        key="tr_table",
        height=250,
        column_config={f"liked among the first {FIRST}": percent, "by chance": percent},
        alt="ROC AUC and share of liked titles among the first ten, by titles read and ranking",
    )
    meta = entry.meta
    splits = len({row["split"] for row in meta["rows"]})
    st.caption(
        f"**The readers are simulated; the titles are real.** {RULE} Topics are given to {len(article_topics())} articles by hand; {meta['titles']:,} titles. "
        f"Mean over {TESTED} readers and {splits} of {SPLITS} splits of the articles, in brackets the lowest and the highest split; no reader that a network learns from likes the same two topics. "
        + (f"{meta['left_out']} titles have no word with a vector and are left out; " if meta["left_out"] else "")
        + f"{meta['unknown']:,} words in all have no vector."
    )


def _better(entry: Entry, most: int) -> str:
    """Which of the two is ahead in every split of the articles."""
    rows = [row for row in entry.meta["rows"] if row["read"] == 10]
    plain = {row["split"]: row["auc"] for row in rows if row["ranking"] == "dot product"}
    network = {row["split"]: row["auc"] for row in rows if row["learned"] == most}
    ahead = [network[split] > plain[split] for split in plain]
    return "The network" if all(ahead) else "No difference beyond chance" if any(ahead) else "The dot product"


# Whoever sits here


def _shelf(words: str, part: str, rule: str, seed: int) -> Shelf:
    titles = shared_titles(words, part, seed)
    options = [titles.names[row] for row in np.flatnonzero(titles.readable)]
    st.subheader("For you", anchor=False)
    if before := st.session_state.get("tr_read"):  # another seed has other titles to pick from
        st.session_state["tr_read"] = [name for name in before if name in options]
        if not st.session_state["tr_read"]:
            del st.session_state["tr_read"]
    picked = st.multiselect(
        "Titles you have read",
        options,
        _opening(titles),
        key="tr_read",
        bind=BIND,
        max_selections=MOST,
        help=f"Up to {MOST} of the {len(options):,} titles of the half to read; the other half is ranked.",
    )
    return Shelf(words, part, rule, seed, titles, tuple(picked), titles.rows(picked), np.flatnonzero(~titles.readable))


def _opening(titles: Titles) -> list[str]:
    found: list[str] = []
    for topic in OPENING:
        rows = np.flatnonzero(titles.readable & (titles.topics == titles.topic_names.index(topic)))
        found += [titles.names[row] for row in rows[:: max(1, len(rows) // 2)][:2]]
    return found


def _ranked(shelf: Shelf, network: Network) -> None:
    """The first ten titles by the rule and by the network, side by side."""
    if not shelf.picked:
        st.info("Pick a title: without one there is nothing to go by.", icon=":material/menu_book:")
        return
    left, right = st.columns([3, 2], gap="medium")
    tops = {}
    for column, name in ((left, shelf.rule), (right, "network")):
        scores = score(name, shelf.titles, shelf.read, shelf.unread, network)
        order = np.argsort(-scores, kind="stable")[:TOP]
        tops[name] = [int(shelf.unread[place]) for place in order]
        rows = {
            "title": [shelf.titles.names[row] for row in tops[name]],
            "topic": [_topic(shelf, row) for row in tops[name]],
            "score": [float(scores[place]) for place in order],
        }
        if name != "network":
            rows["carried by"] = [_carrier(shelf, row) for row in tops[name]]
        with column:
            st.markdown(f"**By {'the network' if name == 'network' else name}**")
            st.dataframe(
                pd.DataFrame(rows, index=pd.RangeIndex(1, len(order) + 1, name="rank")),
                key="tr_top_network" if name == "network" else "tr_top_rule",
                column_config={
                    "title": st.column_config.TextColumn(width=230),
                    "topic": st.column_config.TextColumn(width=130),
                    "score": st.column_config.NumberColumn(format="%.3f", width=60),
                },
                alt=f"The first {TOP} unread titles by {name}, with their topic and score",
            )
    both = len(set(tops[shelf.rule]) & set(tops["network"]))
    topics = sorted({_topic(shelf, row) for row in shelf.read})
    hits = {name: sum(_topic(shelf, row) in topics for row in rows) for name, rows in tops.items()}
    st.caption(
        f"{len(shelf.unread):,} titles of articles that are not among those to pick from. Of the first {TOP}, {hits[shelf.rule]} by the rule and {hits['network']} by the network are of a topic that you picked from ({', '.join(topics)}); {both} stand in both. "
        "Carried by: the title you read that adds most to the score. The network's score is the chance that you like a title, as it was for the readers it learned from."
    )


def _topic(shelf: Shelf, row: int) -> str:
    return shelf.titles.topic_names[int(shelf.titles.topics[row])]


def _carrier(shelf: Shelf, row: int) -> str:
    parts = parts_of_score(shelf.titles, shelf.read, row, centered=shelf.rule == CENTERED)
    best = int(np.argmax(parts))
    if parts.sum() <= 0 or len(parts) == 1:
        return shelf.picked[best]
    return f"{shelf.picked[best]} ({parts[best] / parts.sum():.0%})"


# The other parts


def _explain(entry: Entry, found: Sequence[ReaderResult], shelf: Shelf, network: Network) -> None:
    why(
        "A title's vector is the mean of its words', a reader's the mean of the titles; so a score is a sum over what was read, and each title's part can be named. "
        "Nothing is learned for it, so it serves the first reader. But all titles share something, frequent words and the direction in which all vectors lean, and the plain product pays for that as well: take the mean of all titles away, and what is left is what sets a title apart. "
        "The network has to learn what to pay for from what other readers like; of few readers it learns their topics by heart, of many what makes two titles alike. "
        "Whether it then does better than the mean has to be measured; here it is fed the same vectors, so it cannot see what they do not hold."
    )
    with arithmetic("tr_sums") as is_open:
        if is_open and shelf.picked:
            _sums(shelf, network)
    some = [shelf.titles.names[row] for row in _of_topic(shelf, "philosophy")[:3]]
    tries(
        [
            ("A reader of philosophy: three titles of one topic", {"tr_read": some}),
            ("Take away what all titles share", {"tr_rule": CENTERED}),
            ("Read the whole section in place of its first sentence", {"tr_part": "Whole section"}),
        ]
    )
    _take_away(entry, found, shelf)


def _of_topic(shelf: Shelf, topic: str) -> np.ndarray:
    titles = shelf.titles
    return np.flatnonzero(titles.readable & (titles.topics == titles.topic_names.index(topic)))


def _sums(shelf: Shelf, network: Network) -> None:
    titles, read = shelf.titles, shelf.read
    scores = score(shelf.rule, titles, read, shelf.unread)
    row = int(shelf.unread[int(np.argmax(scores))])
    centered = shelf.rule == CENTERED
    parts = parts_of_score(titles, read, row, centered=centered)
    n = len(read)
    st.latex(r"u = \frac{1}{n} \sum_{i=1}^{n} t_i \qquad u \cdot d = \frac{1}{n} \sum_{i=1}^{n} t_i \cdot d")
    shown = " + ".join(f"({part * n:.3f})" for part in parts[:8]) + (r" + \dots" if n > 8 else "")
    st.latex(rf"\frac{{{shown}}}{{{n}}} = {parts.sum():.4f}")
    if shelf.rule == "cosine":
        u, d = titles.vectors[read].mean(0).astype(np.float64), titles.vectors[row].astype(np.float64)
        a, b = float(np.linalg.norm(u)), float(np.linalg.norm(d))
        st.latex(
            rf"\frac{{u \cdot d}}{{|u|\,|d|}} = \frac{{{parts.sum():.4f}}}{{{a:.4f} \cdot {b:.4f}}} = {parts.sum() / a / b:.4f}"
        )
    away = ", the mean of all titles of the half to read taken from each" if centered else ""
    st.caption(
        f"d is '{titles.names[row]}', the first of the list by the rule; t are the titles read, in their order{away}."
    )
    st.dataframe(
        pd.DataFrame({"title read": shelf.picked, "t · d": parts * n, "adds": parts, "share": parts / parts.sum() if parts.sum() else parts}),
        hide_index=True,
        key="tr_parts",
        column_config={"t · d": st.column_config.NumberColumn(format="%.4f"), "adds": st.column_config.NumberColumn(format="%.4f"), "share": st.column_config.NumberColumn(format="percent")},
        alt="What each title read adds to the score of the first unread title",
    )  # fmt: skip
    u, d = titles.vectors[read].mean(0), titles.vectors[row]
    size = len(u)
    st.latex(r"\text{network:} \quad \sigma\big(w_2 \cdot \max(0,\, W_1 [u, d, u \odot d] + b_1) + b_2\big)")
    st.latex(
        rf"(3 \cdot {size}) \cdot 32 + 32 + 32 + 1 = {96 * size + 65:,} \text{{ numbers}}, \quad \text{{score }} {float(network(u, d[None])[0]):.4f}".replace(",", r"{,}", 1)
    )  # fmt: skip
    st.caption("Its score is no sum over what was read, so no title can be said to carry it.")


def _take_away(entry: Entry, found: Sequence[ReaderResult], shelf: Shelf) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "What was measured (CSV)",
            lambda: safe_csv(pd.json_normalize([asdict(each) for each in found], sep="_")),
            "readers.csv",
            "text/csv",
            key="tr_get_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Your ranking (CSV)",
            lambda: safe_csv(_ranking_table(shelf, network_of(entry))),
            "ranking.csv",
            "text/csv",
            key="tr_get_ranking",
            on_click="ignore",
            icon=":material/format_list_numbered:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("Titles for a reader", _tasks(found)),
            "worksheet-reader.md",
            "text/markdown",
            key="tr_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="tr_code", on_change="rerun") as box:
        if box.open:
            st.code(reader_script(shelf.words, shelf.part, shelf.picked, shelf.rule, shelf.seed), language="python")


def _ranking_table(shelf: Shelf, network: Network) -> pd.DataFrame:
    """Every unread title with its topic and all scores."""
    names = [shelf.titles.names[row] for row in shelf.unread]
    table = pd.DataFrame({"title": names, "topic": [_topic(shelf, row) for row in shelf.unread]})
    if shelf.picked:
        for name in RANKINGS:
            table[name] = score(name, shelf.titles, shelf.read, shelf.unread, network)
    return table


def _tasks(found: Sequence[ReaderResult]) -> list[tuple[str, str]]:
    most = TRAINED_ON[-1]
    ten = [each for each in found if each.read == 10 and each.learned in (0, most)]
    said = "; ".join(f"{each.ranking}: {each.auc.mean:.3f}" for each in ten)
    few = next(each for each in found if each.read == 10 and each.learned == TRAINED_ON[0])
    return [
        ("Before you look: which score ranks unread titles best after ten titles read? Guess.", said),
        (f"What becomes of the network if it learned from {TRAINED_ON[0]} readers?", f"{few.auc.mean:.3f}"),
        ("Pick three titles of one topic. Which one carries the first title of the list, and by how much?", "open"),
        ("Write the score as a sum over the titles read. Why can the network's score not be written so?", "it is not linear in u"),
        ("The readers here are simulated. What would real readers do that these do not?", "open"),
    ]  # fmt: skip

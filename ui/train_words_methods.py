"""The same text learned in four ways: scores, maps and neighbors side by side, and who can answer an unseen word."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict

import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError, UnknownItem
from embedkit.export import methods_script, safe_csv, worksheet
from embedkit.figures import MapMarks, method_map
from embedkit.figures.style import mark_of
from embedkit.jobs import Job
from embedkit.neighbors import Neighbor, search
from embedkit.sources.corpora import tokens
from embedkit.words.four_methods import (
    EXAMPLES,
    TESTS,
    WITH_UNSEEN,
    Compared,
    Contest,
    MethodRow,
    Unseen,
    mapped_words,
    rows_of,
)
from embedkit.words.learning import LIMITS
from ui import cache, cache_train_words, train_words_methods_sums, train_words_setup, work
from ui.controls import text, whole_number
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why

NEAR = 8
TRY_WORDS = ("war", "music", "king", "water")  # one of them is asked for at first, if the text knows it
SHAPES = "●■◆▲"  # of the first four groups of a map, as in figures/style.py
ANSWERS = ["All five", "fastText and GloVe", "Only fastText", "None"]
SAID = {"semantic": "semantic", "syntactic": "syntactic", "all": "analogies"}


def view() -> None:
    """Draw the controls, and beside them what the methods came to; while they learn, what is known so far."""
    st.session_state["f4_first"] = "f4_first" not in st.session_state  # a link learns what it says, later the button
    left, right = st.columns([1, 3], gap="medium")
    with left:
        contest = _contest()
    with right:
        if contest is not None:
            _learned(contest)


def _contest() -> Contest | None:
    """The text, shared with the view that trains one method, and what all methods share."""
    found = train_words_setup.text()
    if found is None:
        return None
    plain = Contest()
    with st.form("f4_form", border=False):
        said = {
            "dims": ("Numbers a word", "Of every method."),
            "window": ("Window", "Words to each side that count as neighbors, for every method."),
            "min_count": ("Least count", "Words that come less often fall out of the text, for every method."),
            "seed": ("Seed", "Where the methods start."),
        }
        given = {}
        for name, (label, about) in said.items():
            low, high = (int(each) for each in LIMITS[name])
            high = min(high, 9_999)
            given[name] = whole_number(
                label, low, high, getattr(plain, name), key=f"f4_{name}", help=f"{about} {low:,} to {high:,}."
            )
        if st.form_submit_button("Learn all five", icon=":material/play_arrow:", type="primary", width="stretch"):
            st.session_state["f4_pressed"] = True
    if not presenting():
        st.caption("Epochs, rates and negatives are each method's own, as the view *Train* starts with them.")
    return Contest(found, **given)


def _learned(contest: Contest) -> None:
    job = _job(contest)
    if job is None:
        st.info("Nobody has learned this text with these settings yet. Press Learn all five.", icon=":material/play_arrow:")  # fmt: skip
        return
    job.wait(0.15)
    if not job.finished:
        _live(job)
        return
    try:
        job.result()
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        if st.button("Learn again", icon=":material/refresh:", key="f4_again", help="What has been learned is kept"):
            st.session_state["f4_jobs"][contest.key] = cache_train_words.methods_job(contest)
            st.rerun()
        if job.steps:
            _table(rows_of(job.step(job.steps[-1]).meta))
        return
    _finished(cache_train_words.compared(contest))


def _job(contest: Contest) -> Job | None:
    """The job of this contest if it is kept, runs, or was asked for: by the button, or by the link at first."""
    jobs: dict[str, Job] = st.session_state.setdefault("f4_jobs", {})
    pressed = st.session_state.pop("f4_pressed", False)
    held = jobs.get(contest.key)
    if held is not None and not (pressed and held.finished and held.state != "done"):
        return held
    known = cache.runs(contest.key) or cache.pool().store.get_meta(contest.key) is not None
    if not (known or pressed or st.session_state["f4_first"]):
        return None
    jobs[contest.key] = cache_train_words.methods_job(contest)
    return jobs[contest.key]


@st.fragment(run_every=0.7)
def _live(job: Job) -> None:
    """How far the five trainings are, and the table as it fills; only this part draws itself again and again."""
    if job.finished:
        st.rerun()
    work.training_bar(job, "f4_stop")
    st.caption("One after the other, so that none slows another; the table fills. What is learned is kept for *Train*.")
    steps = job.steps
    if steps:
        _table(rows_of(job.step(steps[-1]).meta))


def _finished(found: Compared) -> None:
    best = found.best("WordSim-353")
    if best is not None:
        row, asked = found.row(best), found.rows[0].scores["WordSim-353"].asked
        ask(
            f"{found.about['title']}: the same {len(found.words):,} words, a window of {found.contest.window} and {found.contest.dims} numbers a word for all. Which method agrees best with people's judgments of WordSim-353?",
            list(found.spaces),
            best,
            f"Measured: {row.scores['WordSim-353'].value:.3f}. {_chance(asked)}",
            key="f4_guess",
        )
    _table(found.rows)
    for method, reason in found.left_out.items():
        st.warning(f"{method} is left out: {reason}", icon=":material/info:")
    _notes(found)
    word = _word(found)
    _maps(found, word)
    near = _neighbors(found, word)
    unseen = _unseen(found)
    _explain(found, word, near, unseen)


def _chance(asked: int) -> str:
    """How far two correlations over so many pairs may lie apart by chance."""
    if asked < 5:
        return "Too few pairs are known to tell the methods apart."
    return f"Over {asked} pairs a correlation is sure to about ±{1 / (asked - 3) ** 0.5:.2f}, so a smaller lead may be chance."


def _frame(rows: tuple[MethodRow, ...]) -> pd.DataFrame:
    """The table of the methods, a row each, the shares that could be asked last."""
    scores = {SAID.get(test, test): [row.scores.get(test) for row in rows] for test in TESTS}
    columns: dict[str, list[object]] = {"method": [row.method for row in rows]}
    columns |= {name: [None if score is None else score.value for score in found] for name, found in scores.items()}
    columns |= {
        "seconds": [row.seconds for row in rows],
        "keeps, MB": [row.kept_mb for row in rows],
        "learns with, MB": [row.learning_mb for row in rows],
        "epochs": [row.epochs for row in rows],
    }
    for name, found in scores.items():
        columns[f"{name}, asked"] = [None if score is None else score.coverage for score in found]
    return pd.DataFrame(columns).astype(dict.fromkeys([*columns][1:], float))


def _table(rows: tuple[MethodRow, ...]) -> None:
    frame = _frame(rows)
    asked = [name for name in frame.columns if name.endswith(", asked")]
    three, share = st.column_config.NumberColumn(format="%.3f"), st.column_config.NumberColumn(format="percent")
    one, whole = st.column_config.NumberColumn(format="%.1f"), st.column_config.NumberColumn(format="%.0f")
    first = st.column_config.TextColumn(pinned=True, width=185)
    config = dict.fromkeys(frame.columns[1:6], three) | {"epochs": whole, "method": first}
    config |= dict.fromkeys(["seconds", "keeps, MB", "learns with, MB"], one)
    st.dataframe(
        frame.drop(columns=asked),
        hide_index=True,
        key=f"f4_table_{len(rows)}",
        column_config=config,
        alt="WordSim-353, SimLex-999, analogies, seconds, memory and epochs by method",
    )
    covered = frame[["method", *asked]].set_axis(["who is asked", *(name[: -len(", asked")] for name in asked)], axis=1)
    covered["who is asked"] = [name if name == WITH_UNSEEN else "every method" for name in frame["method"]]
    st.markdown("**How much of each test could be asked**")
    st.dataframe(
        covered.drop_duplicates("who is asked"),
        hide_index=True,
        key=f"f4_covered_{len(rows)}",
        column_config=dict.fromkeys(covered.columns[1:], share) | {"who is asked": first},
        alt="The share of each test whose words all have a vector; the same for all methods, as they know the same words",
    )


def _notes(found: Compared) -> None:
    if presenting():
        return
    scores = found.rows[0].scores
    counted = f"{scores['WordSim-353'].asked} of {scores['WordSim-353'].of} pairs of WordSim, {scores['SimLex-999'].asked} of {scores['SimLex-999'].of} of SimLex and {scores['all'].asked:,} of {scores['all'].of:,} analogies"
    opened = any(row.method == WITH_UNSEEN for row in found.rows)
    st.caption(
        f"WordSim-353 and SimLex-999: Spearman's correlation with people; analogies: share answered right. All methods know the same words, so the same can be asked of each: {counted}. {_chance(scores['WordSim-353'].asked)}"
        + (" Only fastText can be asked the rest: its second row makes unknown words of their pieces." * opened)
        + " Seconds: learning alone, on the machine that learned it, where other work may have run beside it. Keeps: bytes of the vectors, for fastText with its pieces. Learns with: bytes of the arrays that learning holds, counted, without the text."
    )


def _word(found: Compared) -> str:
    usual = next((word for word in TRY_WORDS if word in found.shown), found.shown[min(len(found.shown) - 1, 100)])
    typed = text(
        "A word",
        "",
        key="f4_word",
        help="Its place and its neighbors by every method. Click a word on a map, or type one.",
        placeholder=usual,
        max_chars=60,
    ).lower()
    return typed or usual


def _clicked(key: str) -> None:
    """A click on a map becomes the word, before the figure changes and forgets it."""
    names = st.session_state.get("f4_names", ())
    for point in st.session_state[key].selection.points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int) and row < len(names):
            st.session_state["f4_word"] = names[row]
            return


def _maps(found: Compared, word: str) -> None:
    """The same words by each method, small and side by side."""
    names, groups = mapped_words(found)
    st.session_state["f4_names"] = names
    st.markdown(f"**The same {len(names)} words on five maps**")
    marks = {}
    for method, space in found.spaces.items():
        if word in names:
            part = space.take(names)
            near = [each.row for each in search(part, word, k=4) if not each.asked][:3]
            marks[method] = MapMarks(pick=part.rows[word], near=tuple(near))
    with st.container(horizontal=True, gap="small"):
        for method, (coords, recall) in found.maps.items():
            with st.container(width=290):
                short = train_words_setup.SHORT[method]
                st.markdown(f"{method} · kNN recall {recall:.2f}")
                chart(
                    method_map(coords, names, groups, marks=marks.get(method, MapMarks())),
                    key=f"f4_map_{short}",
                    on_select=lambda short=short: _clicked(f"f4_map_{short}"),
                    selection_mode="points",
                    alt=f"{len(names)} words by {method}, PCA in two dimensions, in color by topic",
                )
        with st.container(width=290):
            st.html(_legend(groups))
            st.caption(
                f"The most frequent words of four topics, and other frequent words. PCA of their directions; each map is turned to lie as the first, which changes no distance. kNN recall: the share of a word's 10 nearest words, by all {found.contest.dims} numbers, that are also among its 10 nearest on the map. So believe a map no further than that."
                + (" Lines lead to the three nearest of these words by cosine." if marks else "")
            )


def _legend(groups: tuple[str, ...]) -> str:
    """Shape and color of each topic on the maps."""
    topics = [group for group in dict.fromkeys(groups) if group]
    lines = [
        f'<div><span style="color:{mark_of(index)[0]}" aria-hidden="true">{SHAPES[index]}</span> {html.escape(topic)}</div>'
        for index, topic in enumerate(topics)
    ]
    return "".join(lines)


def _neighbors(found: Compared, word: str) -> Mapping[str, tuple[Neighbor, ...]]:
    """The nearest words of a word, a column a method."""
    st.markdown(f"**Neighbors of *{word}* by every method**")
    try:
        near = found.neighbors(word, NEAR)
    except UnknownItem as error:
        st.error(str(error), icon=":material/error:")
        return {}
    table = pd.DataFrame({name: [f"{each.item}  {each.score:.2f}" for each in row] for name, row in near.items()})
    table.index = pd.RangeIndex(1, len(table) + 1, name="rank")
    st.dataframe(table, key="f4_near", alt=f"The words nearest to {word} by every method, with the cosine")
    counted = Counter(each.item for row in near.values() for each in row)
    shared = [item for item, count in counted.items() if count == len(near)]
    alone = [sum(counted[each.item] == 1 for each in row) for row in near.values()]
    st.caption(
        f"By cosine, among the {len(found.shown):,} most frequent words; cosines of two methods are not on one scale. In every list: {', '.join(shared) or 'no word'}. In one list only: {', '.join(f'{count} of {name}' for name, count in zip(near, alone, strict=True))}."
    )
    return near


def _unseen(found: Compared) -> Unseen | None:
    """A word that the text does not hold: who can answer, and what carries fastText's answer."""
    st.subheader("A word that nobody has seen", anchor=False)
    if EXAMPLES[0] not in found.known:
        ask("*kinglike* stands nowhere in the text. Which methods have a vector for it?", ANSWERS, ANSWERS[2], "The others keep one vector for each word of the text, and look it up. fastText adds up pieces, and pieces of a new word are old.", key="f4_who")  # fmt: skip
    typed = text(
        "An unseen word",
        "kinglike",
        key="f4_unseen",
        help="A word of your own, or one that is misspelled. fastText answers from its pieces of three to six letters.",
        max_chars=60,
    ).lower()
    read = tokens(typed)
    if len(read) != 1 or read[0] != typed:
        st.error(f"'{typed}' is not one word of letters. Type one, such as kinglike.", icon=":material/error:")
        return None
    if typed in found.known:
        st.info(f"'{typed}' is among the {len(found.words):,} words, so every method has a vector for it. Try one that is not: {', '.join(EXAMPLES[:4])}.", icon=":material/info:")  # fmt: skip
        return None
    answer = _by_pieces(found, typed)
    others = [method for method in found.spaces if method != "fastText"]
    st.markdown(f"**{', '.join(others)}**: no vector. {UnknownItem(typed, found.words, 'words')}")
    if answer is None:
        return None
    st.markdown(f"**fastText**: {', '.join(f'{each.item} ({each.score:.2f})' for each in answer.near)}")
    first, shown = answer.near[0], answer.pieces[:NEAR]
    table = pd.DataFrame(shown, columns=["piece", "share"])
    rest = sum(share for _, share in answer.pieces[len(shown) :])
    if len(answer.pieces) > len(shown):
        table.loc[len(table)] = [f"the other {len(answer.pieces) - len(shown)}", rest]
    st.dataframe(
        table,
        hide_index=True,
        key="f4_pieces",
        width=340,
        column_config={
            "share": st.column_config.NumberColumn(f"share of the cosine with '{first.item}'", format="%.3f")
        },
        alt=f"The pieces of {typed} by their share of the cosine with {first.item}",
    )
    st.caption(
        f"The vector is the mean of {len(answer.pieces)} pieces, < and > are the ends of the word. The shares add up to the cosine with '{first.item}', {first.score:.2f}. Neighbors are sought among the {len(found.shown):,} most frequent words."
    )
    return answer


def _by_pieces(found: Compared, word: str) -> Unseen | None:
    """fastText's answer; where its pieces are not kept here, the button that learns them."""
    try:
        answer = found.unseen(word) or found.unseen(word, cache_train_words.fasttext_pieces(found.contest))
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    if answer is not None:
        return answer
    name = ("f4", "pieces", found.contest.key)
    recipe = found.contest.recipe("fastText")
    if st.session_state.get("f4_fetch") != name:
        st.info(f"Beside this table only the pieces of some words are kept: {', '.join(EXAMPLES[:6])} and others. For any word fastText is learned here, once.", icon=":material/info:")  # fmt: skip
        if st.button("Learn fastText here", key="f4_learn", icon=":material/play_arrow:", help="Some seconds to a minute for the shipped texts; it can be stopped"):  # fmt: skip
            st.session_state["f4_fetch"] = name
            work.forget(name)
            st.rerun()
        return None
    job = work.held(name, lambda: cache_train_words.word_training(found.contest.text, recipe))
    if not work.wait_for(job):
        return None
    st.session_state.pop("f4_fetch", None)
    try:
        job.result()
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    return found.unseen(word, cache_train_words.fasttext_pieces(found.contest))


def _explain(found: Compared, word: str, near: Mapping[str, tuple[Neighbor, ...]], unseen: Unseen | None) -> None:
    why(
        "All of them learn from the same thing: which words stand near which. Skip-gram, CBOW and fastText read the text again and again and tell neighbors from drawn words; GloVe and LSA count all pairs once and then look at the table alone. "
        "Skip-gram with negative sampling comes near to factoring a table of PMI shifted by log k (Levy and Goldberg 2014), so on a small text the differences between the methods come as much from settings as from ideas. "
        "fastText spends its numbers on pieces: analogies of grammar (slow : slowly) are then largely questions of spelling, which it answers far more often, at several times the time and memory; and it alone has an answer for a word that it never saw. "
        "That answer is about spelling first: it is good for *kinglike*, and hardly less sure of itself for a word that means nothing."
    )
    with arithmetic("f4_sums") as is_open:
        if is_open:
            train_words_methods_sums.draw(found, word, near)
    tries(
        [
            ("A misspelled word: 'goverment'", {"f4_unseen": "goverment"}),
            ("A word that means nothing: 'blorptangle'", {"f4_unseen": "blorptangle"}),
            ("Window 2 for all: five trainings, about a minute", {"f4_window": 2.0, "f4_pressed": True}),
        ]
    )
    if not presenting():
        _take_away(found, word, near, unseen)


def _take_away(found: Compared, word: str, near: Mapping[str, tuple[Neighbor, ...]], unseen: Unseen | None) -> None:
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "Table of the methods (CSV)",
            lambda: safe_csv(_frame(found.rows)),
            "methods.csv",
            "text/csv",
            key="f4_get_table",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Neighbors (CSV)",
            lambda: safe_csv(_long(word, near)),
            "neighbors.csv",
            "text/csv",
            key="f4_get_near",
            on_click="ignore",
            icon=":material/format_list_numbered:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("The same text, learned in four ways", _tasks(found)),
            "worksheet-methods.md",
            "text/markdown",
            key="f4_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="f4_code", on_change="rerun") as box:
        if box.open:
            plain, mine = asdict(Contest()), asdict(found.contest)
            changed = {name: value for name, value in mine.items() if name != "text" and value != plain[name]}
            said = word if near else found.shown[0]
            st.code(
                methods_script(found.contest.text.key, changed, said, unseen.word if unseen else EXAMPLES[0]),
                language="python",
            )


def _long(word: str, near: Mapping[str, tuple[Neighbor, ...]]) -> pd.DataFrame:
    rows = [
        {"word": word, "method": name, "rank": rank, "neighbor": each.item, "cosine": each.score}
        for name, row in near.items()
        for rank, each in enumerate(row, 1)
    ]
    return pd.DataFrame(rows, columns=["word", "method", "rank", "neighbor", "cosine"])


def _tasks(found: Compared) -> list[tuple[str, str]]:
    best = found.best("WordSim-353")
    score = found.row(best).scores["WordSim-353"].value if best else None
    quick = min((row for row in found.rows if row.seconds is not None), key=lambda row: row.seconds or 0.0)
    return [
        ("Before you look: which method agrees best with WordSim-353? Guess.", f"{best}, {score:.3f}" if best else "–"),
        ("Which method learned fastest?", f"{quick.method}, {quick.seconds:.1f} s"),
        ("Why is the share of questions that could be asked the same for all five?", "they know the same words"),
        ("Which methods have a vector for 'kinglike', and why?", "only fastText, from pieces of letters"),
        ("Pick a word of your own. Which neighbors stand in all lists, which in one only?", "open"),
    ]

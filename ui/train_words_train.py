"""Learning words for real: loss, tests, neighbors, analogies and the map by epoch while it runs, and back afterwards."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import streamlit as st

import embedkit
from embedkit.errors import EmbedkitError, UnknownItem
from embedkit.export import parquet, safe_csv, vectors_table, words_script, worksheet
from embedkit.figures import MapMarks, learning_lines, learning_map
from embedkit.jobs import Job
from embedkit.neighbors import Neighbor
from embedkit.space import Space, Vectors
from embedkit.words.gensim_models import unseen_vector
from embedkit.words.lists import topics
from embedkit.words.scores import PAIR_TESTS
from embedkit.words.word_training import COLUMNS, KEPT, WordsSeen, curve_of, recipe_of
from ui import cache, cache_train_words, train_words_setup, work
from ui.controls import BIND, text
from ui.explorer_open import send_button
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.train_words_setup import Setup

NEAR = 8  # neighbors of a column
TOPICS = 6  # on the map
CSV_WORDS = 20_000
LITTLE = 5_000_000  # words of a text
TRY_WORDS = ("king", "war", "music", "water")  # one of them is asked for at first, if the text knows it


def view() -> None:
    """Draw the controls, and beside them the training as it runs, or what it came to."""
    st.session_state["w_first"] = "w_first" not in st.session_state  # a link trains what it says, later on the button
    left, right = st.columns([1, 3], gap="medium")
    with left:
        found = train_words_setup.text()
        recipe = train_words_setup.recipe() if found else None
    with right:
        if found and recipe:
            _training(Setup(found, recipe))


def _training(setup: Setup) -> None:
    """The finished training with all its parts; while it runs, or where it was stopped, what there is of it."""
    job = _job(setup)
    if job is None:
        st.info(
            f"**{setup.recipe.method}** has not learned from this text with these settings. Press Train.",
            icon=":material/play_arrow:",
        )
        return
    job.wait(0.1)
    if not job.finished:
        _live(job, setup)
        return
    try:
        job.result()
    except EmbedkitError as error:
        if job.state == "stopped" and len(job.steps):
            _stopped(job, setup)
        else:
            st.error(str(error), icon=":material/error:")
            _again(setup)
        return
    _finished(job, setup)


def _job(setup: Setup) -> Job | None:
    """The training of these settings if it is kept, runs, or was asked for: by the button, or by the link at first."""
    jobs: dict[str, Job] = st.session_state.setdefault("w_jobs", {})
    held = jobs.get(setup.key)
    pressed = st.session_state.pop("w_pressed", False)
    if held is not None and not (pressed and held.finished and held.state != "done"):
        return held
    known = cache.runs(setup.key) or cache.pool().store.get_meta(setup.key) is not None
    if not (known or pressed or st.session_state["w_first"]):
        return None
    jobs[setup.key] = cache_train_words.word_training(setup.text, setup.recipe)
    return jobs[setup.key]


def _again(setup: Setup) -> None:
    if st.button("Train again", icon=":material/refresh:", key="w_again", help="Start this training anew"):
        st.session_state["w_jobs"].pop(setup.key, None)
        st.session_state["w_jobs"][setup.key] = cache_train_words.word_training(setup.text, setup.recipe)
        st.rerun()


@st.fragment(run_every=0.7)
def _live(job: Job, setup: Setup) -> None:
    """The training as it is now; it draws itself again and again, the rest of the page stands still."""
    if job.finished:
        st.rerun()
    work.training_bar(job, "w_stop")
    steps = job.steps
    shown = cache_train_words.words_seen(job.key, steps[-1]) if steps else None
    if shown is None:
        st.caption("The text is being read, and the first step is being made.")
        return
    curve = max(curve_of(job.data.get("curve") or []), shown.curve, key=len)  # either may be ahead of the other
    _draw(setup, job.key, shown, steps, curve)


def _stopped(job: Job, setup: Setup) -> None:
    last = job.steps[-1]
    shown = cache_train_words.words_seen(job.key, last)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.info(
            f"Stopped after epoch {last} of {setup.recipe.epochs}; the last whole epoch is kept.",
            icon=":material/pause_circle:",
        )
        _again(setup)
    if shown is not None:
        _draw(setup, job.key, shown, job.steps, shown.curve)
        _take_away(setup, shown, last)


def _finished(job: Job, setup: Setup) -> None:
    steps = job.steps or (job.result().meta["epoch"],)
    _guess(job)
    back = 0
    if len(steps) > 1:
        back = int(
            st.slider(
                "Step back",
                1 - KEPT,
                0,
                0,
                key="w_back",
                bind=BIND,
                help="0 is the finished training; to the left, ever earlier epochs, on the same map.",
            )
        )
    epoch = steps[max(0, len(steps) - 1 + back)]
    last = cache_train_words.words_seen(job.key, steps[-1])
    shown = cache_train_words.words_seen(job.key, epoch) or last
    if shown is None or last is None:
        st.error("The steps of this training are no longer kept. Press Train again.", icon=":material/error:")
        _again(setup)
        return
    word = _draw(setup, job.key, shown, steps, last.curve)
    _scores(job)
    _explain(setup, job, last, word)


def _draw(setup: Setup, key: str, shown: WordsSeen, steps: tuple[int, ...], curve: Vectors) -> str:
    """Figures of the epoch, the curves beside the map, and the tables by epoch; returns the word that is asked for."""
    now = dict(zip(COLUMNS, curve[curve[:, 0] == shown.epoch][-1], strict=True))
    with st.container(horizontal=True):
        st.metric("Epoch", f"{shown.epoch} of {shown.epochs}", width="content")
        st.metric("Words", f"{shown.n:,}", width="content", help="Different words that have a vector.")
        st.metric("Loss", _number(now["loss"]), width="content", help=_LOSS[setup.recipe.method])
        for test in PAIR_TESTS:
            said = "Spearman's correlation of cosines with people's judgments, over the pairs whose words are known."
            st.metric(test, _number(now[test]), width="content", help=said)
        speed = now["words"] / now["seconds"] if now["seconds"] else float("nan")
        st.metric("Words a second", f"{speed:,.0f}" if speed == speed else "–", width="content")
    word = _word(shown.space)
    space, row = shown.space, shown.space.rows.get(word)
    left, right = st.columns([3, 2], gap="medium") if shown.epochs > 1 else (st.container(), None)
    with left:
        of = steps[-1]
        plane = cache_train_words.words_plane(key, of)
        names = space.items[: len(plane.coords)]
        places = cache_train_words.words_places(key, shown.epoch, of)
        near = embedkit.search(_head(space, len(names)), word, k=5) if row is not None and row < len(names) else ()
        marks = MapMarks(pick=row, near=tuple(each.row for each in near if not each.asked)) if near else MapMarks()
        bounds = np.stack(
            [np.minimum(plane.coords.min(0), places.min(0)), np.maximum(plane.coords.max(0), places.max(0))]
        )
        st.session_state["w_names"] = names
        chart(
            learning_map(places, names, _groups(space, len(names)), bounds=bounds, marks=marks),
            key="w_map",
            on_select=_clicked,
            selection_mode="points",
            zoom=True,
            alt=f"Map of the {len(names)} most frequent words after epoch {shown.epoch}; picked: {word or 'none'}",
        )
        how = (
            "."
            if shown.epochs == 1
            else f" after epoch {of}, the same map for every epoch."
            if of == shown.epochs
            else f" after epoch {of}; the map is made anew until the last epoch, whose map then serves for all."
        )
        st.caption(
            f"The {len(names):,} most frequent words by PCA of their directions{how} Lists are made from all {space.d} numbers."
        )
    if right is not None:
        with right:
            chart(
                learning_lines(curve, epoch=shown.epoch, epochs=shown.epochs, tests=tuple(PAIR_TESTS)),
                key="w_lines",
                alt=f"Loss, {' and '.join(PAIR_TESTS)} and words a second by epoch",
            )
    seens = [each for each in (cache_train_words.words_seen(key, step) for step in steps) if each is not None]
    _neighbors(setup, seens, word, shown)
    _analogies(seens[-1], curve)
    return word


def _number(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"


_SGNS = "Mean of -log s(u·v) - sum over negatives of log s(-u·v) over 5,000 places of the text, always the same."
_LOSS = {
    "skip-gram": _SGNS,
    "CBOW": _SGNS,
    "fastText": _SGNS,
    "GloVe": "Mean weighted squared error of the logarithms of counts.",
    "LSA": "Share of the squared PPMI that the kept dimensions leave out.",
}


def _word(space: Space) -> str:
    """The word whose neighbors are shown: the typed or clicked one; without any, one of a few that the text knows."""
    usual = next((each for each in TRY_WORDS if each in space), space.items[min(space.n - 1, 100)])
    typed = text(
        "A word",
        "",
        key="w_word",
        help="Its neighbors by epoch. Click a word on the map, or type one.",
        placeholder=usual,
        max_chars=60,
    ).lower()
    return typed or usual


def _clicked() -> None:
    """A click on the map becomes the word, before the figure changes and forgets it."""
    names = st.session_state.get("w_names", ())
    for point in st.session_state["w_map"].selection.points:
        row = point.get("customdata")
        row = row[0] if isinstance(row, list) else row
        if isinstance(row, int) and row < len(names):
            st.session_state["w_word"] = names[row]
            return


def _head(space: Space, most: int) -> Space:
    return space if space.n <= most else space.take(space.items[:most])


def _groups(space: Space, most: int) -> list[str]:
    """The topic of each of the words on the map, "" for none: the topics with most words there."""
    lists = topics()
    shown = set(space.items[:most])
    common = sorted(lists, key=lambda topic: -len(shown.intersection(lists[topic])))[:TOPICS]
    of = {word: topic for topic in reversed(common) for word in lists[topic]}
    return [of.get(word, "") for word in space.items[:most]]


def _neighbors(setup: Setup, seens: list[WordsSeen], word: str, shown: WordsSeen) -> None:
    """The nearest words of a word, a column an epoch."""
    least = min(seen.space.n for seen in seens)
    space = seens[-1].space
    st.markdown(f"**Neighbors of *{word}*{' by epoch' * (shown.epochs > 1)}**")
    if word not in space:
        _unknown(setup, word, shown)
        return
    if space.rows[word] >= least:
        st.info(
            f"'{word}' is not among the {least:,} most frequent words, whose earlier epochs are kept.",
            icon=":material/info:",
        )
        return
    columns = {}
    for seen in seens:
        found = embedkit.search(_head(seen.space, least), word, k=NEAR)
        columns[f"epoch {seen.epoch}" if shown.epochs > 1 else "word"] = [each.item for each in found if not each.asked]
    table = pd.DataFrame(columns, index=pd.RangeIndex(1, len(next(iter(columns.values()))) + 1, name="rank"))
    st.dataframe(table, key="w_near", alt=f"The words nearest to {word} after each kept epoch")
    among = f"the {least:,} most frequent words" if least < shown.n else f"all {shown.n:,} words"
    st.caption(f"By cosine, among {among}.")


def _unknown(setup: Setup, word: str, shown: WordsSeen) -> None:
    """A word without a vector: its near spellings, and by fastText what its pieces make of it."""
    st.error(str(UnknownItem(word, shown.space.items, "words that are kept")), icon=":material/error:")
    if setup.recipe.method != "fastText":
        st.caption("Of the methods here only fastText has a vector for a word that the text does not hold.")
    elif cache.pool().store.get_meta(setup.key) is None:
        st.caption("When it has learned, fastText makes a vector for it of its pieces.")
    else:
        whole, pieces = cache_train_words.learned_words(setup.text, setup.recipe, setup.recipe.epochs)
        vector = unseen_vector(word, pieces) if pieces is not None else np.zeros(whole.d)
        if vector.any():
            found: tuple[Neighbor, ...] = embedkit.search(whole, vector, k=NEAR)
            st.markdown(
                f"fastText makes a vector of its pieces of three to six letters. Nearest: {', '.join(f'{each.item} ({each.score:.2f})' for each in found)}."
            )


def _analogies(last: WordsSeen, curve: Vectors) -> None:
    """The rank of the right answer of five analogies, a column an epoch."""
    if not last.questions:
        st.caption("The text knows all four words of none of the analogies, so none is asked.")
        return
    kept = curve[np.isin(curve[:, 0], _spread(curve[:, 0]))]
    rows = {
        f"{a} : {b} = {c} : {d}": kept[:, COLUMNS.index("question 1") + number]
        for number, (a, b, c, d) in enumerate(last.questions)
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=[f"epoch {epoch:.0f}" for epoch in kept[:, 0]])
    table.index.name = "analogy"
    st.markdown(f"**Five analogies{' by epoch' * (len(kept) > 1)}: the place of the right answer**")
    st.dataframe(
        table,
        key="w_ranks",
        column_config={name: st.column_config.NumberColumn(format="%.0f") for name in table.columns},
        alt="The rank of the right answer of five analogies by epoch; 1 is right",
    )
    st.caption("Point b - a + c of unit vectors; place by cosine among all words but a, b and c. 1 is right.")


def _spread(epochs: Vectors) -> Vectors:
    return epochs[np.unique(np.geomspace(1, len(epochs), KEPT).round().astype(int)) - 1]


GUESSES = {"Under 10 %": 0.1, "10 to 30 %": 0.3, "30 to 60 %": 0.6, "Over 60 %": 1.01}


def _guess(job: Job) -> None:
    """The opening question; its answer is what was measured for this text."""
    meta = job.result().meta
    score = meta["scores"]["all"]
    if score["value"] is None:
        return
    right = next(name for name, high in GUESSES.items() if score["value"] < high)
    ask(
        f"{meta['title']}: {meta['tokens']:,} words to learn from. Which share of analogies such as man : king = woman : queen is then answered right?",
        list(GUESSES),
        right,
        f"Measured: {score['value']:.1%} of the {score['asked']:,} questions whose words the text knows. Rare words have seen too little; texts of billions of words reach 60 to 75 %.",
        key="w_guess",
    )


def _scores(job: Job) -> None:
    """The tests of the finished vectors, with how much of each test could be asked."""
    rows = [
        {"test": _TESTS.get(name, name), "score": score["value"], "asked": score["asked"], "of": score["of"], "coverage": score["asked"] / score["of"]}
        for name, score in job.result().meta["scores"].items()
    ]  # fmt: skip
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="w_scores",
        column_config={
            "score": st.column_config.NumberColumn(format="%.3f"),
            "coverage": st.column_config.NumberColumn(format="percent"),
        },
        alt="Scores of the finished vectors with the share of each test that could be asked",
    )
    st.caption(
        "WordSim-353 (related words) and SimLex-999 (similar words): Spearman's correlation with people. Analogies: share answered right, among the 30,000 most frequent words. Only questions whose words all have a vector are asked."
    )


_TESTS = {"semantic": "Analogies, semantic", "syntactic": "Analogies, syntactic", "all": "Analogies, all"}
_WHY = {
    "skip-gram": "A word's vector learns to tell its neighbors in the text from words drawn at random. Words with the same neighbors are pulled to the same place, so what is near is used alike.",
    "CBOW": "The mean of the neighbors' vectors learns to tell the word between them from words drawn at random. One guess a window makes it several times as fast as skip-gram, which the notes of word2vec find better for rare words.",
    "fastText": "As skip-gram, but a word is the mean of its own vector and those of its pieces of three to six letters. So words that share a stem start near each other, and a word that the text never had gets a vector too.",
    "GloVe": "First all pairs of neighbors are counted, then vectors are fitted so that their inner products give the logarithms of the counts. What the text says is read once; what is learned again and again is the table.",
    "LSA": "All pairs of neighbors are counted and set against chance; the singular value decomposition keeps the directions in which the table differs most. There are no epochs: no other table of so few numbers comes nearer to the counts, and it is found at once.",
}


def _explain(setup: Setup, job: Job, last: WordsSeen, word: str) -> None:
    recipe, tokens = setup.recipe, last.about["tokens"]
    why(
        f"{_WHY[recipe.method]} {f'{tokens:,} words are little: rare words stand where chance put them. ' if tokens < LITTLE else ''}"
        "From 16 million words of Wikipedia, skip-gram with 100 numbers reaches .68 on WordSim-353 and answers two of five analogies."
    )
    with arithmetic("w_sums") as is_open:
        if is_open:
            _sums(setup, last, word)
    window = f"w_window_{train_words_setup.SHORT[recipe.method]}"
    near = ("Window 2: neighbors of the same grammar", {window: 2.0, "w_go": True})
    tries(
        [
            near if recipe.window != 2 else ("Window 10: neighbors of the same topic", {window: 10.0, "w_go": True}),
            (
                "fastText, and a word that no text has: 'kinglike'",
                {"w_method": "fastText", "w_word": "kinglike", "w_go": True},
            ),
            ("Sixty thousand words only: the Lee corpus", {"w_text": "Lee news", "w_go": True}),
        ]
    )
    _take_away(setup, last, last.epoch)


def _sums(setup: Setup, last: WordsSeen, word: str) -> None:
    whole, _ = cache_train_words.learned_words(setup.text, setup.recipe, last.epoch)
    recipe = setup.recipe
    if recipe.method in ("skip-gram", "CBOW", "fastText"):
        k = recipe.negatives
        st.latex(r"L = -\log\sigma(u \cdot v) - \sum_{i=1}^{k} \log\sigma(-u_i \cdot v)")
        st.latex(rf"\text{{before the first epoch all }} u = 0: \quad L = (1 + {k}) \ln 2 = {(1 + k) * np.log(2):.3f}")
        st.caption(
            f"Measured before the first epoch: {last.curve[0, 1]:.3f}; a little less where a drawn word is the right one, which counts nothing. "
            f"The learning rate falls in a straight line from {recipe.rate:g} to almost 0."
        )
    if word not in whole or whole.n < 2:
        return
    near = next(each for each in embedkit.search(whole, word, k=1) if not each.asked)
    a, b = (whole.vector(each).astype(np.float64) for each in (word, near.item))
    parts = " + ".join(f"({x:.3f})({y:.3f})" for x, y in list(zip(a, b, strict=True))[:3])
    norms = np.linalg.norm(a), np.linalg.norm(b)
    st.latex(r"\cos(a, b) = \frac{\sum_i a_i b_i}{|a|\,|b|}")
    st.latex(rf"\frac{{{parts} + \dots}}{{{norms[0]:.3f} \cdot {norms[1]:.3f}}} = {a @ b / norms[0] / norms[1]:.4f}")
    st.caption(f"a is '{word}', b the word nearest to it at the end, '{near.item}'.")


def _take_away(setup: Setup, last: WordsSeen, epoch: int) -> None:
    """Vectors, figures by epoch, worksheet and the lines of Python."""
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        send_button(lambda: cache_train_words.learned_words(setup.text, setup.recipe, epoch)[0], "send_learned")
        st.download_button(
            "Vectors (Parquet)",
            lambda: parquet(cache_train_words.learned_words(setup.text, setup.recipe, epoch)[0]),
            "words.parquet",
            key="w_get_parquet",
            on_click="ignore",
            icon=":material/grid_on:",
        )
        st.download_button(
            f"Vectors of the first {min(CSV_WORDS, last.n):,} words (CSV)",
            lambda: safe_csv(
                vectors_table(_head(cache_train_words.learned_words(setup.text, setup.recipe, epoch)[0], CSV_WORDS))
            ),
            "words.csv",
            "text/csv",
            key="w_get_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Figures by epoch (CSV)",
            lambda: safe_csv(pd.DataFrame(last.curve, columns=list(COLUMNS))),
            "epochs.csv",
            "text/csv",
            key="w_get_curve",
            on_click="ignore",
            icon=":material/show_chart:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("Learning words from a text", _tasks(last)),
            "worksheet-words.md",
            "text/markdown",
            key="w_get_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="w_code", on_change="rerun") as box:
        if box.open:
            plain = recipe_of(setup.recipe.method)
            changed = {name: value for name, value in asdict(setup.recipe).items() if value != getattr(plain, name)}
            word = _script_word(last)
            st.code(words_script(setup.text.key, setup.recipe.method, changed, word), language="python")


def _script_word(last: WordsSeen) -> str:
    typed = str(st.session_state.get("w_word") or "").strip().lower()
    return typed if typed in last.space else next((w for w in TRY_WORDS if w in last.space), last.space.items[0])


def _tasks(last: WordsSeen) -> list[tuple[str, str]]:
    first, end = last.curve[0], last.curve[-1]
    at = COLUMNS.index("WordSim-353")
    return [
        ("Before you look: which share of analogies will be answered right? Guess.", "see the table"),
        ("Read the loss before the first epoch and after the last.", f"{_number(first[1])} and {_number(end[1])}"),
        ("Read WordSim-353 before and after.", f"{_number(first[at])} and {_number(end[at])}"),
        ("Pick a word of your own. From which epoch on does its first neighbor stay the same?", "open"),
        ("Set the window to 2 and train again. Which neighbors change, and how?", "more of the same grammar"),
    ]

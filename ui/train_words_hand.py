"""CBOW and skip-gram by hand: one window on one text, both methods beside each other, a small step at a time."""

from __future__ import annotations

import math

import numpy as np
import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.figures import hand_loss, hand_map, hand_network
from embedkit.words.by_hand import (
    LIMITS,
    METHODS,
    OPENING_TEXT,
    OUTPUTS,
    HandRecipe,
    HandText,
    Stand,
    flat,
    moment,
    running_mean,
)
from ui import cache_train_words
from ui.controls import BIND, choice, number, whole_number
from ui.frame import chart
from ui.train_words_hand_lesson import LAST, PAIRS, Lesson, cost, in_words
from ui.train_words_hand_more import costs, explain, guess, near

LETTERS = 6_000  # of a text, so that a link can still hold it
AROUND = 9  # words that are shown on each side of the window's middle
RULES = {"CBOW": "the context guesses the middle word", "skip-gram": "the middle word guesses its context"}


def view() -> None:
    """Draw the lesson: text, settings, the next small step, both networks and maps, the loss, and the sums."""
    asked = st.container()
    typed, recipes, side = _setup()
    lesson = Lesson(typed, recipes)
    step = _stepper(lesson)
    stands, losses = lesson.at(step)
    _window(lesson, stands["skip-gram"], step)
    for column, name in zip(st.columns(2, gap="medium"), stands, strict=True):
        with column, st.container(border=True):
            _method(lesson, stands[name], side)
    _progress(lesson, stands, losses)
    with asked:
        guess(lesson)
    word = near(lesson, stands)
    costs(lesson)
    explain(lesson, stands, word)


def _setup() -> tuple[str, dict[str, HandRecipe], str]:
    """The text, the settings that both methods share, and what the maps show."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        output = choice(
            "Output",
            {each.capitalize(): each for each in OUTPUTS},
            key="hand_output",
            help="Full softmax scores every word. Negative sampling scores the word to be guessed and some drawn ones.",
        )
        low, high = (int(each) for each in LIMITS["window"])
        window = choice(
            "Window", list(range(low, high + 1)), key="hand_window", default=2, help="Words on each side that are read."
        )
        side = choice(
            "On the maps",
            {"Input vectors": "inputs", "Output vectors": "outputs"},
            key="hand_map",
            help="The vector of a word that is read, or of one that is guessed. Input vectors are what is kept in the end.",
        )
    box, refused = (
        st.expander("The text, yours if you like, and more settings", icon=":material/edit_note:"),
        st.empty(),
    )
    with box:
        typed, error = _text()
        if error:  # under the box, so that it is seen when the box is closed
            refused.error(f"{error} Shown is the opening text.", icon=":material/error:")
        with st.container(horizontal=True):
            fields = {
                name: whole_number(title, *(int(each) for each in LIMITS[name]), start, key=f"hand_{name}", help=said)
                for name, title, start, said in (
                    ("dims", "Numbers a word", 2, "From 1 to 10. Two can be drawn as they are; more are drawn by PCA."),
                    (
                        "negatives",
                        "Negatives",
                        3,
                        "From 1 to 20, for negative sampling: wrong words, drawn by count to the power 0.75.",
                    ),
                    (
                        "seed",
                        "Seed",
                        0,
                        "The same seed gives the same start, for both methods; another shows what is chance.",
                    ),
                )
            }
            rate = number(
                "Learning rate",
                *LIMITS["rate"],
                0.2,
                key="hand_rate",
                step=0.05,
                help="From 0.001 to 1: how far a vector moves along its gradient. Near 1 the training can run away.",
            )
    return typed, {name: HandRecipe(name, output, window, rate=rate, **fields) for name in METHODS}, side


def _text() -> tuple[str, str]:
    """The text that is read, and nothing; or for one that cannot be read the opening text, and why."""
    typed = st.text_area(
        "Sentences",
        OPENING_TEXT,
        key="hand_text",
        bind=BIND,
        max_chars=LETTERS,
        height=170,
        help="A sentence ends with a line, or with . ! or ? Words are letters with apostrophes inside, in lower case; the rest is left out. "
        f"At most 200 sentences, 2,000 words, {LETTERS:,} letters: all of it stands in the link.",
    )
    try:
        found = cache_train_words.hand_text(typed or "")
    except EmbedkitError as error:
        return OPENING_TEXT, str(error)
    st.caption(f"{len(found.sentences)} sentences, {sum(found.counts)} words, {len(found.words)} of them different.")
    return str(typed), ""


def _go(step: int) -> None:
    """Set the number of small steps; the link follows."""
    st.session_state["hand_step"] = float(min(max(step, 0), LAST))


def _stepper(lesson: Lesson) -> int:
    """The buttons and the number of small steps done."""
    following, leaps = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    jumps, field = leaps.container(horizontal=True, vertical_alignment="bottom", width="content"), leaps
    with field:
        step = int(
            number(
                "Small steps done",
                0.0,
                float(LAST),
                0.0,
                key="hand_step",
                step=1.0,
                format="%.0f",
                width=190,
                help=f"Four small steps a pair: take, forward, error, move. From 0 to {LAST:,}; it stands in the link.",
            )
        )
    pair = step // 4
    following.button(
        _next(lesson, step),
        key="hand_next",
        type="primary",
        icon=":material/play_arrow:",
        width="stretch",
        wrap=True,
        disabled=step >= LAST,
        help="One small step further.",
        on_click=_go,
        args=(step + 1,),
    )
    with jumps:
        for label, key, goal, icon, said in (
            ("Back", "back", step - 1, "undo", "One small step back: the same numbers as before, to the last bit."),
            ("1 pair", "one", 4 * (pair + 1), "skip_next", "To the end of this pair."),
            *(
                (f"{many} pairs", str(many), 4 * (pair + many), "fast_forward", f"{many} pairs of skip-gram further.")
                for many in (20, 100, 500)
            ),
            ("Start again", "start", 0, "restart_alt", "To the random start."),
        ):
            still = goal < 0 or min(goal, LAST) == step
            st.button(
                label,
                key=f"hand_{key}",
                icon=f":material/{icon}:",
                help=said,
                disabled=still,
                on_click=_go,
                args=(goal,),
            )
    return step


def _next(lesson: Lesson, step: int) -> str:
    """What the next small step does, in a few words."""
    if step >= LAST:
        return f"The end: {PAIRS:,} pairs"
    at = moment(lesson.pairs, step + 1)
    if at["skip-gram"].phase > 1:
        return ("Next: forward, from the vectors to probabilities", "Next: the error, probability less truth", "Next: move the vectors")[at["skip-gram"].phase - 2]  # fmt: skip
    taken = {name: lesson.orders[name][each.done % len(lesson.orders[name])] for name, each in at.items()}
    label = f"Next: take the pair {in_words(lesson.text, taken['skip-gram'])}"
    return label if at["CBOW"].waits else f"{label}, the bag {in_words(lesson.text, taken['CBOW'])}"


def _window(lesson: Lesson, pair: Stand, step: int) -> None:
    """The window on its sentence, some words before and after it in gray, and where in the text it stands."""
    at, sentences = pair.example, lesson.text.sentences
    words = sentences[at.sentence]
    marked = {}
    for place in range(len(words)):
        word = words[place]
        if step and place == at.center:
            word = f":orange-background[**[{word}]**]"
        elif step and abs(place - at.center) <= pair.recipe.window:
            word = f":blue-background[**→ {word}**]" if place == at.other else f":blue-background[{word}]"
        marked[place] = word
    first, last = max(0, at.center - AROUND), min(len(words), at.center + AROUND + 1)
    before, after = (
        " ".join(" ".join(sentence) + "." for sentence in part)
        for part in (sentences[max(0, at.sentence - 2) : at.sentence], sentences[at.sentence + 1 : at.sentence + 3])
    )
    gray = [f":gray[{part}]" if part else "" for part in (_cut(before, end=True), _cut(after))]
    here = (
        ("… " if first else "") + " ".join(marked[p] for p in range(first, last)) + (" …" if last < len(words) else ".")
    )
    st.markdown(
        f"{gray[0]} &nbsp;**{here}**&nbsp; {gray[1]}" if not step else f"{gray[0]} &nbsp;{here}&nbsp; {gray[1]}"
    )
    turn, place = divmod(pair.at.done, len(lesson.pairs))
    st.caption(
        f"Pass {turn + 1}, sentence {at.sentence + 1} of {len(sentences)}, window {at.window + 1} of {lesson.pairs[-1].window + 1}, pair {place + 1} of {len(lesson.pairs)}. "
        "In brackets the middle word, in blue its context; the arrow is the pair that skip-gram takes."
        if step
        else "The window stands on no word yet: both matrices are random. Take the first small step."
    )


def _cut(said: str, end: bool = False) -> str:
    """The first or the last words of a long text."""
    words = said.split()
    if len(words) <= AROUND:
        return said
    return "… " + " ".join(words[-AROUND:]) if end else " ".join(words[:AROUND]) + " …"


def _method(lesson: Lesson, at: Stand, side: str) -> None:
    """One method: the example, its network, its map."""
    name, found, phase, words = at.recipe.method, at.found, at.at.phase, lesson.text.words
    short = name.replace("-", "")
    st.markdown(f"**{name}**: {RULES[name]}")
    st.markdown(_told(lesson.text, at))
    negatives = () if at.recipe.output == "full softmax" or not phase else tuple(int(row) for row in found.rows[1:])
    chart(
        hand_network(
            words,
            at.weights.inputs,
            at.weights.outputs,
            read=at.example.inputs if phase else (),
            target=at.example.target if phase else None,
            negatives=negatives,
            hidden=found.hidden if phase >= 2 else None,
            rows=[int(row) for row in found.rows],
            probabilities=found.probabilities if phase >= 2 else None,
            errors=found.errors if phase >= 3 else None,
        ),
        key=f"hand_network_{short}",
        alt=f"Both matrices of {name} as strips, a row a word, with probability and error of each word at this step",
    )
    now, before, said = flat(lesson.text, at, side)
    moved = () if phase < 4 else (sorted(set(at.example.inputs if side == "inputs" else map(int, found.rows))))
    chart(
        hand_map(
            words,
            now,
            before=before if phase == 4 else None,
            read=at.example.inputs if phase else (),
            target=at.example.target if phase else None,
            moved=moved,
            origin=at.recipe.dims <= 2,
        ),
        key=f"hand_map_{short}",
        alt=f"Map of the {side[:-1]} vectors of {name}: {len(words)} words, the ones at hand marked",
    )
    st.caption(said)


def _told(text: HandText, at: Stand) -> str:
    """One or two sentences on what has just been done."""
    found, target, n = at.found, text.words[at.example.target], len(at.example.inputs)
    head = f"**{in_words(text, at.example)}** "
    if at.at.phase == 0:
        return "Not begun."
    if at.at.phase == 1:
        return head + "is taken: ▶ is read, ● is to be guessed."
    if at.at.phase == 2:
        how = f"the mean of {n} input vectors" if n > 1 else "the input vector"
        return (
            head
            + f"forward: h is {how}, p({target}) = {found.probabilities[found.place]:.3f}, **loss {found.loss:.3f}**."
        )
    if at.at.phase == 3:
        return head + f"error: p less 1 for {target}, {found.errors[found.place]:+.3f}; p less 0 for the others."
    rest = " It waits: skip-gram has more pairs in this window." if at.at.waits else ""
    return (
        head
        + f"moved: {_count(len(set(at.example.inputs)), 'input')} and {_count(len(set(found.rows)), 'output')} vectors.{rest}"
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}"


def _progress(lesson: Lesson, stands: dict[str, Stand], losses: dict[str, tuple[float, ...]]) -> None:
    """What was done and what it cost, and the loss of both methods over the pairs."""
    opens = [i for i, each in enumerate(lesson.pairs) if i == 0 or lesson.pairs[i - 1].window != each.window]
    curves = []
    for name, found in losses.items():
        if not found:
            continue
        ends, means = running_mean(found, len(lesson.orders[name]))
        if name == "CBOW":  # a bag is done beside the first pair of its window
            turns, place = np.divmod(ends - 1, len(opens))
            ends = turns * len(lesson.pairs) + np.array(opens)[place] + 1
        curves.append((name, ends, means))
    recipe = stands["CBOW"].recipe
    chance = (
        math.log(len(lesson.text.words)) if recipe.output == "full softmax" else (1 + recipe.negatives) * math.log(2)
    )
    with st.container(horizontal=True):
        for name, at in stands.items():
            done = at.at.done + (at.at.phase == 4)
            what = "bags" if name == "CBOW" else "pairs"
            st.metric(f"{name}: {what} done", f"{done:,}", width="content")
            st.metric(
                f"{name}: multiplications",
                f"{done * cost(at.recipe, lesson.text):,}",
                width="content",
                help="3 x numbers a word x words that are scored, for each example; the exponentials are not counted.",
            )
    if curves:
        chart(
            hand_loss(curves, chance=chance), key="hand_loss", alt="Mean loss of CBOW and of skip-gram by pairs taken"
        )
        st.caption(
            "The two losses are of two questions, so their heights are not to be compared: a middle word is easier to guess from its whole context than one context word from the middle."
        )

"""CBOW and skip-gram by hand: one window on one text, both methods beside each other, a small step at a time."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import streamlit as st

import embedkit
from embedkit.errors import EmbedkitError
from embedkit.export import by_hand_script, safe_csv, worksheet
from embedkit.figures import hand_loss, hand_map, hand_network
from embedkit.words.by_hand import (
    LIMITS,
    METHODS,
    OPENING_TEXT,
    OUTPUTS,
    Example,
    HandRecipe,
    HandText,
    Stand,
    flat,
    hand_space,
    moment,
    multiplications,
    running_mean,
    stand,
    strangers,
)
from ui import cache
from ui.controls import BIND, choice, number, text, whole_number
from ui.frame import arithmetic, ask, chart, link_note, presenting, tries, why
from ui.train_words_hand_sums import sums

PAIRS = 20_000  # as far as the steps go
LAST = 4 * PAIRS
LETTERS = 6_000  # of a text, so that a link can still hold it
TRAINED = 2_000  # pairs, after which the guess is answered
NEAR = 0.7  # cosine
LARGE = "an example, 100,000 words x 100"


class Lesson:
    """What one run of the page shows: the text, both recipes, the step, and where both methods stand."""

    def __init__(self, typed: str, recipes: dict[str, HandRecipe]) -> None:
        self.typed, self.recipes, self.text = typed, recipes, cache.hand_text(typed)
        window = recipes["CBOW"].window
        self.orders = {name: cache.hand_examples(typed, name, window) for name in recipes}
        self.pairs = self.orders["skip-gram"]

    def at(self, step: int) -> dict[str, Stand]:
        """Both methods after this many small steps."""
        found = {}
        for name, at in moment(self.pairs, step).items():
            weights = cache.hand_weights(self.typed, self.recipes[name], at.done)
            found[name] = stand(self.text, self.recipes[name], self.orders[name], weights, at)
        return found

    def losses(self, stands: dict[str, Stand]) -> dict[str, tuple[float, ...]]:
        """The loss of each example so far."""
        return {
            name: cache.hand_losses(self.typed, self.recipes[name], each.at.done)
            + ((each.found.loss,) if each.at.phase == 4 else ())
            for name, each in stands.items()
        }


def view() -> None:
    """Draw the lesson: text, settings, the next small step, both networks and maps, the loss, and the sums."""
    asked = st.container()
    typed, recipes, side = _setup()
    lesson = Lesson(typed, recipes)
    step = _stepper(lesson)
    stands = lesson.at(step)
    _window(lesson, stands["skip-gram"], step)
    for column, name in zip(st.columns(2, gap="medium"), stands, strict=True):
        with column, st.container(border=True):
            _method(lesson, stands[name], side)
    losses = lesson.losses(stands)
    _progress(lesson, stands, losses)
    with asked:
        _guess(lesson)
    near = _near(lesson, stands)
    _costs(lesson)
    _explain(lesson, stands, step, near)


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
    with st.expander("The text, yours if you like, and more settings", icon=":material/edit_note:"):
        typed = _text()
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
                help="From 0.001 to 2: how far a vector moves along its gradient.",
            )
    return typed, {name: HandRecipe(name, output, window, rate=rate, **fields) for name in METHODS}, side


def _text() -> str:
    """The text that is read; one that cannot be read says why, and the opening one is shown instead."""
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
        found = cache.hand_text(typed or "")
    except EmbedkitError as error:
        st.error(f"{error} Shown is the opening text.", icon=":material/error:")
        return OPENING_TEXT
    st.caption(f"{len(found.sentences)} sentences, {sum(found.counts)} words, {len(found.words)} of them different.")
    return str(typed)


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
    label = f"Next: take the pair {_shown(lesson.text, taken['skip-gram'])}"
    return label if at["CBOW"].waits else f"{label}, the bag {_shown(lesson.text, taken['CBOW'])}"


def _shown(text: HandText, example: Example) -> str:
    """An example in words: "eat → apples", "{we, apples} → eat"."""
    names = [text.words[row] for row in example.inputs]
    read = names[0] if example.other >= 0 else "{" + ", ".join(names) + "}"
    return f"{read} → {text.words[example.target]}"


AROUND = 9  # words that are shown on each side of the window's middle


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


RULES = {"CBOW": "the context guesses the middle word", "skip-gram": "the middle word guesses its context"}


def _method(lesson: Lesson, at: Stand, side: str) -> None:
    """One method: the example, its network, its map."""
    name, found, phase, words = at.recipe.method, at.found, at.at.phase, lesson.text.words
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
        key=f"hand_network_{name}",
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
        ),
        key=f"hand_map_{name}",
        alt=f"Map of the {side[:-1]} vectors of {name}: {len(words)} words, the ones at hand marked",
    )
    st.caption(said)


def _told(text: HandText, at: Stand) -> str:
    """One or two sentences on what has just been done."""
    found, target, n = at.found, text.words[at.example.target], len(at.example.inputs)
    head = f"**{_shown(text, at.example)}** "
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


def cost(recipe: HandRecipe, text: HandText) -> int:
    """Multiplications of one example."""
    return multiplications(recipe.output, len(text.words), dims=recipe.dims, negatives=recipe.negatives)


def _guess(lesson: Lesson) -> None:
    pair = strangers(lesson.text, lesson.recipes["CBOW"].window)
    if pair is None:
        few, many = (len(lesson.orders[name]) for name in ("CBOW", "skip-gram"))
        ask(
            "A window has one middle word and up to twice as many context words as its size. Which method gets more examples from this text?",
            ["CBOW", "Skip-gram", "Both the same"],
            "Skip-gram" if many > few else "Both the same",
            f"{few} windows give CBOW {few} bags and skip-gram {many} pairs.",
            key="hand_many",
        )
        return
    a, b = pair
    cosines = {}
    for name, at in moment(lesson.pairs, 4 * TRAINED).items():
        cosines[name] = cache.hand_cosine(lesson.typed, lesson.recipes[name], at.done + (at.phase == 4), a, b)
    found = ["Near" if cosine > NEAR else "Far apart" for cosine in cosines.values()]
    answer = found[0] if found[0] == found[1] else "It depends on the method"
    because = (
        f"After {TRAINED:,} pairs their cosine is {cosines['CBOW']:.2f} in CBOW and {cosines['skip-gram']:.2f} in skip-gram. "
        "A vector learns from the words around it: what stands in the same places becomes alike."
    )
    ask(
        f"*{a}* and *{b}* never stand in one window here. Where will the training put them?",
        ["Near", "Far apart", "It depends on the method"],
        answer,
        because,
        key="hand_guess",
    )


def _near(lesson: Lesson, stands: dict[str, Stand]) -> str:
    """The neighbors of one word in both spaces, measured in all their numbers."""
    st.subheader("What is near now", anchor=False)
    typed = text(
        "A word of the text",
        "",
        key="hand_word",
        placeholder="the middle word of the window",
        help="Leave it empty to follow the window.",
    )
    row = stands["skip-gram"].example.inputs[0]
    try:
        row = lesson.text.row(typed) if typed else row
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
    word = lesson.text.words[row]
    columns: dict[str, list[object]] = {}
    for name, at in stands.items():
        found = embedkit.search(hand_space(lesson.text, at.weights, at.recipe), word, k=7)
        rest = [each for each in found if not each.asked][:6]
        columns[f"near {word} in {name}"] = [each.item for each in rest]
        columns[f"cosine, {name}"] = [each.score for each in rest]
    st.dataframe(
        pd.DataFrame(columns),
        hide_index=True,
        key="hand_near",
        column_config={
            name: st.column_config.NumberColumn(format="%.3f") for name in columns if name.startswith("cosine")
        },
        alt=f"Nearest words of {word} in CBOW and in skip-gram, by cosine",
    )
    return word


def _costs(lesson: Lesson) -> None:
    """Multiplications of an example and of a pass, here and for a vocabulary as in practice."""
    n, mine = len(lesson.text.words), lesson.recipes["CBOW"]
    rows = []
    for output in OUTPUTS:
        one = multiplications(output, n, dims=mine.dims, negatives=mine.negatives)
        rows.append(
            {
                "output": output + (" (in use)" if output == mine.output else ""),
                "words scored": n if output == "full softmax" else 1 + mine.negatives,
                "an example": one,
                "a pass of CBOW": one * len(lesson.orders["CBOW"]),
                "a pass of skip-gram": one * len(lesson.pairs),
                LARGE: multiplications(output, 100_000, dims=100, negatives=mine.negatives),
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        key="hand_costs",
        column_config={name: st.column_config.NumberColumn(format="localized") for name in list(rows[0])[1:]},
        alt="Multiplications of full softmax and of negative sampling, here and with a large vocabulary",
    )
    ratio = rows[0][LARGE] / rows[1][LARGE]
    st.caption(
        "Multiplications: for each word that is scored one product for its score, one for the way back to h and one to move its vector, so 3 x numbers a word x words scored. "
        f"With {n} words that is no matter; with 100,000 words of 100 numbers negative sampling needs {ratio:,.0f} times fewer."
    )


def _explain(lesson: Lesson, stands: dict[str, Stand], step: int, word: str) -> None:
    few, many = (len(lesson.orders[name]) for name in ("CBOW", "skip-gram"))
    why(
        "Nobody tells these networks what a word means: they only guess words from their neighbors, and every wrong guess moves some vectors. "
        "CBOW reads the mean of the context and guesses the middle word, L = −log p(middle | context); skip-gram reads the middle word and guesses each context word, the sum of −log p(context word | middle). "
        "Words that stand in the same places are pushed the same way, so they end near each other without ever having met. "
        f"The window here gives CBOW {few} examples a pass and skip-gram {many}: skip-gram moves a word more often, at {many / few:.1f} times the cost. "
        "Two numbers a word are few: on the opening text, after 4,000 pairs and over eight seeds, the nearest word is one of the same kind for 9 words of 10 under full softmax, "
        "but under negative sampling for 6 of 10 in CBOW and 2 of 10 in skip-gram; with five numbers for more than 9 of 10 everywhere."
    )
    with arithmetic("hand_sums") as is_open:
        if is_open:
            sums(lesson.text, stands)
    tries(
        [
            ("2,000 pairs further than the start: which words have found each other?", {"hand_step": 8_000.0}),
            (
                "Negative sampling, with five numbers a word, after 4,000 pairs",
                {"hand_output": "Negative sampling", "hand_dims": 5.0, "hand_step": 16_000.0},
            ),
            ("A window of one word on each side", {"hand_window": 1}),
        ]
    )
    _take_away(lesson, stands, step, word)


def _take_away(lesson: Lesson, stands: dict[str, Stand], step: int, word: str) -> None:
    if presenting():
        return
    st.subheader("Take away", anchor=False)
    with st.container(horizontal=True):
        st.download_button(
            "Vectors of both (CSV)",
            lambda: safe_csv(_vectors(lesson.text, stands)),
            "by-hand.csv",
            "text/csv",
            key="hand_csv",
            on_click="ignore",
            icon=":material/table:",
        )
        st.download_button(
            "Worksheet (Markdown)",
            lambda: worksheet("CBOW and skip-gram by hand", _tasks(lesson, stands)),
            "worksheet-by-hand.md",
            "text/markdown",
            key="hand_sheet",
            on_click="ignore",
            icon=":material/assignment:",
        )
    link_note()
    with st.expander("The same in Python", icon=":material/code:", key="hand_code", on_change="rerun") as box:
        if box.open:
            counts = {name: at.at.done + (at.at.phase == 4) for name, at in stands.items()}
            st.code(by_hand_script(lesson.typed, vars(lesson.recipes["CBOW"]), counts, word), language="python")


def _vectors(text: HandText, stands: dict[str, Stand]) -> pd.DataFrame:
    tables = []
    for name, at in stands.items():
        columns: dict[str, object] = {"method": name, "word": text.words, "count": text.counts}
        for side, matrix in (("input", at.weights.inputs), ("output", at.weights.outputs)):
            columns |= {f"{side}_{i + 1}": matrix[:, i] for i in range(matrix.shape[1])}
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _tasks(lesson: Lesson, stands: dict[str, Stand]) -> list[tuple[str, str]]:
    bag, pair = stands["CBOW"], stands["skip-gram"]
    n = len(lesson.text.words)
    return [
        (
            f"The example of CBOW is {_shown(lesson.text, bag.example)}. Which vectors are averaged, and what is h?",
            "(" + ", ".join(f"{value:.3f}" for value in bag.found.hidden) + ")",
        ),
        (
            f"The example of skip-gram is {_shown(lesson.text, pair.example)}. What is the loss, given p = {pair.found.probabilities[pair.found.place]:.3f} for the word to be guessed?",
            f"{pair.found.loss:.3f}" + ("" if pair.recipe.output == "full softmax" else ", with the negatives"),
        ),
        (
            f"A network that knows nothing gives each of {n} words the same probability. What is its loss?",
            f"ln {n} = {math.log(n):.3f}",
        ),
        (
            "How many multiplications does one example cost under full softmax, and how many under negative sampling?",
            " and ".join(
                f"{multiplications(output, n, dims=bag.recipe.dims, negatives=bag.recipe.negatives):,}"
                for output in OUTPUTS
            ),
        ),
        ("Take 2,000 pairs. Which words stand together, and did they ever stand in one sentence?", "open"),
    ]

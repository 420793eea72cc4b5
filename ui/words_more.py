"""The smaller views of words: analogies, axes of one's own, odd one out, strips of numbers."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from embedkit.errors import EmbedkitError, InputError
from embedkit.figures import axes_map, strips
from embedkit.neighbors import analogy, axis, extremes, odd_one_out
from embedkit.sources.gensim_data import google_analogies
from embedkit.space import Space
from embedkit.words import parse_words
from ui import cache_words
from ui.controls import BIND, text, whole_number
from ui.frame import arithmetic, ask, chart, tries, why

LISTED = "apple, banana, bread, queen, king, prince, princess, nurse, doctor, soldier, teacher, dancer, mother, father"


def _known(whole: Space, word: str) -> str:
    return word if word in whole else word.lower()


def analogies(whole: Space) -> None:
    """a is to b as c is to ?, with the rule in sight and the success over whole categories."""
    ask(
        "*man* is to *king* as *woman* is to ... Which word is really nearest to the point king − man + woman?",
        ["queen", "king", "woman"],
        analogy(whole, "man", "king", "woman").neighbors[0].item,
        "The usual rule hides the three words of the question. Without it, the second one almost always wins.",
        key="aguess",
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        a = text("a", "man", key="a", help="a is to b ...", width=180)
        b = text("is to b", "king", key="b", help="... as c is to ?", width=180)
        c = text("as c is to ?", "woman", key="c", help="Any three of the words.", width=180)
        hide = st.toggle(
            "Hide my words", key="ahide", bind=BIND, help="The usual rule: the three asked words may not win."
        )
    try:
        found = analogy(whole, *(_known(whole, word) for word in (a, b, c)))
    except EmbedkitError as error:
        st.error(str(error).replace(" items.", " words."), icon=":material/error:")
        return
    answer = found.answer.item if found.answer else "?"
    raw = found.neighbors[0]
    left, right = st.columns(2, gap="medium")
    left.metric("By the usual rule", answer, "asked words hidden", delta_color="off", delta_arrow="off", border=True)
    right.metric(
        "Nearest to the raw point", raw.item, "nothing hidden", delta_color="off", delta_arrow="off", border=True
    )
    rows = [n for n in found.neighbors if not (hide and n.asked)]
    table = pd.DataFrame(
        {
            "rank": [n.rank for n in rows],
            "word": [n.item for n in rows],
            "cosine to the point": [round(n.score, 4) for n in rows],
            "": ["your word" if n.asked else "" for n in rows],
        }
    )
    gray = table.style.apply(lambda row: ["color: #8a939b" if row[""] else ""] * len(row), axis=1)
    st.dataframe(
        gray.format({"cosine to the point": "{:.4f}"}),
        hide_index=True,
        height="content",
        key="analogy_table",
        alt=f"Words nearest to {b} minus {a} plus {c}",
    )
    _success(whole)
    why(
        "The rule adds a difference: what must be added to *a* to reach *b* is added to *c*. It works where a relation "
        "points the same way for many words, as from a country to its capital. That one famous example succeeds proves "
        "little, so measure whole categories. The open rate, with nothing hidden, is far lower: most of the time the point "
        "is still nearest to a word of the question (Nissim et al. 2020)."
    )
    with arithmetic("analogy_sums") as is_open:
        if is_open:
            st.latex(rf"p = \hat v_{{{b}}} - \hat v_{{{a}}} + \hat v_{{{c}}}, \quad \hat v = v / \lVert v \rVert")
            names = [b, a, c]
            vectors = [whole.unit[whole.row(_known(whole, word))] for word in names]
            shown = pd.DataFrame([*vectors, found.point], index=[b, f"− {a}", f"+ {c}", "= point"]).iloc[:, :8]
            st.dataframe(
                shown.round(4), key="analogy_numbers", alt="First eight numbers of the three words and the point"
            )
            st.caption("First 8 of all the numbers; the cosines above use all of them.")
    tries(
        [
            (
                "*paris* is to *france* as *tokyo* is to ?",
                {"view": "Analogy", "a": "paris", "b": "france", "c": "tokyo"},
            ),
            ("*small* is to *smaller* as *big* is to ?", {"view": "Analogy", "a": "small", "b": "smaller", "c": "big"}),
            (
                "One that fails: *doctor*, *hospital*, *judge*",
                {"view": "Analogy", "a": "doctor", "b": "hospital", "c": "judge"},
            ),
        ],
    )


def _success(whole: Space) -> None:
    st.subheader("How often does it work?", anchor=False)
    categories = list(google_analogies())
    category = st.selectbox(
        "Category of the Google set",
        categories,
        categories.index("family"),
        key="cat",
        bind=BIND,
        help="14 categories, 19,544 questions (Mikolov et al. 2013). Those with an unknown word cannot be asked.",
    )
    score = cache_words.category(whole.key, category or categories[0])
    with st.container(horizontal=True):
        st.metric(
            "Asked words hidden",
            f"{score.rate:.1%}",
            f"{score.right:,} of {score.asked:,}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        st.metric(
            "Nothing hidden",
            f"{score.rate_open:.1%}",
            f"{score.right_open:,} of {score.asked:,}",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
        st.metric(
            "An asked word is nearest",
            f"{score.own_word / max(score.asked, 1):.1%}",
            f"{score.questions - score.asked:,} questions hold unknown words",
            delta_color="off",
            delta_arrow="off",
            border=True,
        )
    with st.expander("Examples, wrong ones first", key="examples", on_change="rerun") as box:
        if box.open:
            columns = ["a", "b", "c", "expected", "got"]
            st.dataframe(
                pd.DataFrame(score.examples, columns=columns),
                hide_index=True,
                key="example_table",
                alt="Questions and answers",
            )


def _pairs(typed: str) -> list[tuple[str, str]]:
    """'man-woman, king-queen' as pairs; raises InputError with the part that does not fit."""
    pairs = []
    for part in re.split(r"[,;\n]+", typed):
        if part.strip():
            words = [word.strip() for word in re.split(r"\s*(?:->|→|–|-|/)\s*", part.strip(), maxsplit=1)]
            if len(words) != 2 or not all(words):
                raise InputError(f"'{part.strip()}' is not a pair. Write pairs as man-woman, king-queen.")
            pairs.append((words[0], words[1]))
    return pairs


def axes(whole: Space) -> None:
    """Two directions of one's own, each from pairs of words; what they leave unexplained is the shade."""
    with st.container(horizontal=True):
        first = text(
            "Axis across, from pairs",
            "man-woman, king-queen, boy-girl",
            key="x",
            help="left-right, separated by commas",
            width=360,
        )
        second = text(
            "Axis up, from pairs",
            "boy-man, girl-woman, child-adult",
            key="y",
            help="bottom-top; empty for none",
            width=360,
        )
    typed = st.text_area(
        "Words to place", LISTED, key="axlist", bind=BIND, help="Separated by commas, spaces or lines."
    )
    try:
        parsed = parse_words(typed or "", whole)
        x = axis(whole, [(_known(whole, p), _known(whole, q)) for p, q in _pairs(first)])
        y = axis(whole, [(_known(whole, p), _known(whole, q)) for p, q in _pairs(second)]) if second else None
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    if parsed.sentence():
        st.caption(parsed.sentence())
    rows = [whole.row(word) for word in parsed.known]
    ends = [tuple(", ".join(words) for words in each.ends) for each in (x, *([y] if y else []))]
    chart(
        axes_map(
            x.coordinates[rows],
            y.coordinates[rows] if y else None,
            parsed.known,
            x_ends=ends[0],
            y_ends=ends[1] if y else None,
            residual=x.residual[rows],
        ),
        key="axes_figure",
        alt=f"{len(rows)} words on the axis from {ends[0][0]} to {ends[0][1]}",
    )
    if y is not None:
        between = float(x.direction @ y.direction)
        st.caption(
            f"Cosine between the two axes: {between:.3f}. At 0 they ask different questions; near 1 or −1 they are the same one."
        )
    why(
        "The difference between two words is a direction, and the mean over several pairs is a steadier one. A word's "
        "coordinate is how far it lies along it. The residual says how much of the word the axis leaves out: when it is large, and "
        "it nearly always is, the axis is a narrow view and not the word."
    )
    with arithmetic("axes_sums") as is_open:
        if is_open:
            st.latex(r"x_w = (\hat v_w - m) \cdot a, \qquad r_w = \sqrt{\lVert \hat v_w - m \rVert^2 - x_w^2}")
            numbers = {"word": parsed.known, "x": x.coordinates[rows], "residual": x.residual[rows]}
            st.dataframe(
                pd.DataFrame(numbers).round(4), hide_index=True, key="axes_numbers", alt="Coordinates and residuals"
            )
    tries(
        [
            ("From poor to rich", {"view": "Axes", "x": "poor-rich, cheap-expensive", "y": ""}),
            (
                "From animal to plant, from small to large",
                {
                    "view": "Axes",
                    "x": "animal-plant, dog-tree",
                    "y": "small-large, mouse-elephant",
                    "axlist": "cat, dog, elephant, mouse, oak, grass, rose, whale, ant, pine",
                },
            ),
        ],
    )


def odd(whole: Space) -> None:
    """Guess which word fits least, then see the mean cosines."""
    typed = text("Words, one of them odd", "breakfast lunch dinner cereal", key="odd", help="Three or more words.")
    try:
        words = parse_words(typed, whole)
        found = odd_one_out(whole, words.known)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    if words.sentence():
        st.caption(words.sentence())
    guess = st.segmented_control("Your guess", sorted(words.known), key="oddguess", bind=BIND, help="Guess, then see.")
    if guess is None:
        st.caption("Pick the word that fits least; the answer appears here.")
        return
    st.markdown(f"You said *{guess}*, the vectors say **{found.item}**{' too' if guess == found.item else ''}.")
    table = pd.DataFrame(found.fits, columns=["word", "mean cosine with the others"]).round(4)
    st.dataframe(table, hide_index=True, key="odd_table", alt="Mean cosine of each word with the others")
    why(
        "For each word, the mean of its cosines with the others. The smallest one is the odd word. The vectors know "
        "company, not reasons: they may find another word odd than you do, and both can be right."
    )
    tries(
        [
            ("apple, pear, microsoft, banana", {"view": "Odd one out", "odd": "apple pear microsoft banana"}),
            ("red, green, blue, heavy", {"view": "Odd one out", "odd": "red green blue heavy"}),
        ],
    )


def strip_view(whole: Space) -> None:
    """Vectors as strips: a word frozen on top, a number frozen at the left, a difference as the last row."""
    typed = text("Words", "king queen man woman water", key="strip", help="The first stays on top; 2 to 12 words.")
    try:
        words = parse_words(typed, whole)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return
    names = list(words.known[:12])
    left, right = st.columns(2)
    frozen = left.selectbox("Frozen on top", names, key="frozen", bind=BIND, help="Compare all others with this one.")
    names = [frozen or names[0], *(name for name in names if name != frozen)]
    other = right.selectbox(
        "Difference row: frozen minus", names[1:] or names, key="minus", bind=BIND, help="The last row shows it."
    )
    with left:
        column = whole_number(
            "Frozen column", 0, whole.d - 1, 0, key="column", help="This number stands apart at the left."
        )
    with right:
        count = st.slider(
            "Numbers shown",
            16,
            whole.d,
            min(64, whole.d),
            16,
            key="cells",
            bind=BIND,
            help="Of each vector, from 0 on.",
        )
    vectors = whole.vectors[[whole.row(name) for name in names]]
    pair = (0, names.index(other)) if other in names[1:] else None
    chart(
        strips(vectors, names, difference=pair, first=count, frozen=column),
        key="strips",
        alt=f"Number {column} and the first {count} numbers of {', '.join(names)} as colored strips",
    )
    low, high = extremes(whole, column)
    st.caption(f"Number {column} is largest for {', '.join(high)}, and smallest for {', '.join(low)}, of all words.")
    if words.sentence() or len(words.known) > 12:
        st.caption(f"{words.sentence()} {'Only the first 12 are drawn.' if len(words.known) > 12 else ''}")
    loudest = "PCA put the numbers in order of how much they vary, so the first ones are the loudest."
    loudest = loudest if whole.key == "words/minilm" else ""
    why(
        "A vector is nothing but its numbers: here are the first of them, one cell each. Like words share long runs of "
        "color. No single cell means *royal* or *female*; meaning is spread over all of them. " + loudest
    )

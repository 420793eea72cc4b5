"""Which text, which method and its settings: the controls on the left of the page that learns words for real."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import streamlit as st

from embedkit.errors import EmbedkitError
from embedkit.sources.corpora import MOST_BYTES, RULE, Corpus, read_corpus
from embedkit.sources.text8 import LICENCE, TEXT8, WORDS, YEAR, text8_is_here
from embedkit.words.learning import LIMITS, METHODS, WordRecipe
from embedkit.words.word_training import Text, recipe_of, training_key
from ui import cache_train_words, work
from ui.controls import BIND, choice, number, whole_number

SHOWN = {"Wikipedia sample": "wikipedia", "Lee news": "lee", "text8": "text8", "Own text": "own"}
SAID = {
    "wikipedia": "gensim's sample of English Wikipedia: 430,738 words, 31,989 different ones; CC BY-SA, 2012.",
    "lee": "300 news texts of 2000 and 2001: 59,576 words, 7,188 different ones; Lee, Pincombe and Welsh 2005.",
    "text8": f"The first 100 million letters of an English Wikipedia of 2006: {WORDS:,} words; Mahoney 2006.",
}
SHORT = {"skip-gram": "sg", "CBOW": "cbow", "fastText": "ft", "GloVe": "glove", "LSA": "lsa"}


@dataclass(frozen=True)
class Setup:
    """The chosen text and the chosen settings."""

    text: Text
    recipe: WordRecipe

    @property
    def key(self) -> str:
        """Key of the training."""
        return training_key(self.text, self.recipe)


def text() -> Text | None:
    """The chosen text; else what is asked in its place is on the page already."""
    name = choice("Text", SHOWN, key="w_text", help=f"What is learned from. {RULE}")
    if name == "own":
        return _own()
    st.caption(SAID[name])
    if name == "text8" and not text8_is_here():
        size = f"{TEXT8.megabytes:.0f} MB, {YEAR}"
        work.fetch_button("text8", "text8", f"Fetch text8 ({size}; {LICENCE})", "Once; it is kept on this machine.")
        return None
    return Text(name)


def _own() -> Text | None:
    """A person's own text from a file or a field; it stays on this machine, and in no link."""
    file = st.file_uploader(
        "A file of text",
        ["txt", "text", "md"],
        key="w_file",
        help=f"UTF-8, up to {MOST_BYTES / 1e6:.0f} MB. It is kept on this machine until the server stops.",
    )
    typed = st.text_area(
        "Or paste it here",
        key="w_paste",
        height=140,
        help="A line is a context that nothing reaches over. It stands in no link.",
    )
    data = file.getvalue() if file is not None else (typed or "").encode("utf-8", "replace")
    if not data.strip():
        st.info("Give a file or paste a text; some 100,000 words are a beginning.", icon=":material/upload:")
        return None
    stamp = hashlib.blake2b(data, digest_size=12).hexdigest()
    try:
        if st.session_state.get("w_stamp") != stamp:
            with st.spinner("Reading your text ..."):
                corpus = read_corpus(data, title=file.name[:60] if file is not None else "Your text")
                st.session_state["w_own"] = cache_train_words.keep_own_text(corpus), _facts(corpus)
            st.session_state["w_stamp"] = stamp
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    found, said = st.session_state["w_own"]
    st.caption(said)
    return found


def _facts(corpus: Corpus) -> str:
    return f"{corpus.n_tokens:,} words in {corpus.n_lines:,} lines; {len(corpus.words):,} different ones."


def recipe() -> WordRecipe | None:
    """The method and its settings, sent together; None when they do not fit, which is said."""
    name = choice("Method", list(METHODS), key="w_method", help=" ".join(f"{a}: {b}" for a, b in METHODS.items()))
    starts, short = recipe_of(name), SHORT[name]
    given: dict[str, float] = {}
    with st.form("w_form", border=False):
        given["dims"] = _whole(
            "Numbers a word", "dims", starts, "w_dims", "More hold more and take longer, and need more text."
        )
        given["window"] = _whole(
            "Window",
            "window",
            starts,
            f"w_window_{short}",
            "Words to each side that count as neighbors: few for grammar, many for topics.",
        )
        if name != "LSA":
            given["epochs"] = _whole(
                "Epochs", "epochs", starts, f"w_epochs_{short}", "How often the text is read from beginning to end."
            )
        with st.expander("More settings", icon=":material/tune:"):
            given["min_count"] = _whole(
                "Least count", "min_count", starts, "w_least", "Words that come less often fall out of the text."
            )
            if name in ("skip-gram", "CBOW", "fastText"):
                given |= _sampling(starts, short)
            if name in ("skip-gram", "CBOW", "fastText", "GloVe"):
                given["rate"] = _real(
                    "Learning rate", "rate", starts, f"w_rate_{short}", "How far a vector moves at first.", "%.3f"
                )
            if name == "LSA":
                given["smoothing"] = _real(
                    "Smoothing", "smoothing", starts, "w_smoothing", "Exponent on the counts of contexts.", "%.2f"
                )
                given["power"] = _real(
                    "Power", "power", starts, "w_power", "Exponent on the singular values; 0 forgets them.", "%.2f"
                )
            given["seed"] = _whole(
                "Seed", "seed", starts, "w_seed", "The same seed gives the same vectors, to the byte.", 9_999
            )
        pressed = st.form_submit_button("Train", icon=":material/play_arrow:", type="primary", width="stretch")
    try:
        made = recipe_of(name, **given)
    except EmbedkitError as error:
        st.error(str(error), icon=":material/error:")
        return None
    st.session_state["w_pressed"] = st.session_state.pop("w_go", False) or pressed
    return made


def _sampling(starts: WordRecipe, short: str) -> dict[str, float]:
    """What only the methods with negative sampling have."""
    found: dict[str, float] = {
        "negatives": _whole(
            "Negatives", "negatives", starts, "w_negatives", "Words drawn by count to be told apart from each neighbor."
        ),
        "sample": _real(
            "Thinning",
            "sample",
            starts,
            f"w_sample_{short}",
            "Share of the text above which a word is left out now and then; 0 keeps all.",
            "%.5f",
        ),
    }
    found["threads"] = 2 if st.toggle(
        "Two threads",
        False,
        key="w_threads",
        bind=BIND,
        help="Faster, but they write into each other's numbers, so no seed gives the same bytes again.",
    ) else 1  # fmt: skip
    return found


def _whole(label: str, name: str, starts: WordRecipe, key: str, help: str, high: int | None = None) -> int:
    low, most = LIMITS[name]
    high = int(most) if high is None else high
    return whole_number(label, int(low), high, getattr(starts, name), key=key, help=f"{help} {low:,.0f} to {high:,}.")


def _real(label: str, name: str, starts: WordRecipe, key: str, help: str, format: str) -> float:
    low, high = LIMITS[name]
    start = float(getattr(starts, name))
    step = 10 ** -float(format[2])
    found = number(label, float(low), float(high), start, key=key, help=f"{help} {low:g} to {high:g}.", step=step, format=format)  # fmt: skip
    return round(found, 6)

"""Every page, opened without a browser: links restored and refused, odd input, numbers by hand, work that fails."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from interaction_results import kept_results
from page_links import EXPLORER_VIEWS, FREE, IMAGE_VIEWS, INTERACTION_VIEWS, LINKS, LIST, TRAIN_VIEWS, UNBOUND, VIEWS
from pages_help import (
    PAGES,
    ROOT,
    by_hand,
    contexts,
    controls,
    dots,
    figure,
    numbers,
    open_page,
    parts,
    press,
    run_until,
    table,
    text,
    told,
    values,
    words,
    workers,
)
from streamlit.testing.v1 import AppTest

import embedkit
from embedkit.contexts import read_layers, sentences_of
from embedkit.errors import DamagedFile
from embedkit.jobs import Pool
from embedkit.maps import Settings, map_key
from embedkit.space import Space

PCA = {"set": "Own list", "method": "PCA"}  # made on the spot, without a worker
CALM = {"method": "PCA"}
EVERY = [
    ("pages/home.py", {}),
    *(("pages/words.py", {"view": view}) for view in VIEWS),
    ("pages/contexts.py", {}),
    *(("pages/images.py", {"view": view}) for view in IMAGE_VIEWS),
    *(("pages/interactions.py", {"do": view}) for view in INTERACTION_VIEWS),
    *(("pages/train_words.py", {"tw": view}) for view in TRAIN_VIEWS),
    *(("pages/explorer.py", {"ex": view}) for view in EXPLORER_VIEWS),
]


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("page-jobs")) as made, kept_results(made.store):
        yield made


@pytest.fixture(scope="module")
def whole() -> Space:
    return embedkit.load("words/minilm")


# --- each page opens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_page_opens(path: str) -> None:
    at = open_page(path)
    assert not at.exception
    assert not at.error
    assert len(at.title) == 1


@pytest.mark.parametrize("view", VIEWS)
def test_view_of_words_opens(view: str) -> None:
    at = words(view=view)
    assert not at.exception
    assert not at.error
    assert values(at)["view"] == view


ORDER = ("Why", "Try", "Take away")


@pytest.mark.parametrize("path", [path for path in PAGES if path != "pages/home.py"])
def test_page_has_its_parts_in_their_order(path: str) -> None:
    at = open_page(path)
    assert [name for name in parts(at) if name in ORDER] == list(ORDER)
    assert any(each.value.startswith("**Guess first.**") for each in at.markdown)
    assert {each.label for each in at.expander} >= {"Arithmetic: the numbers by hand", "The same in Python"}
    assert any("address of this page" in each.value for each in at.caption)


def test_home_has_a_card_for_every_other_page_and_no_plotly() -> None:
    at = open_page("pages/home.py")
    linked = {link.proto.page for link in at.page_link}
    assert linked == {Path(path).stem for path in PAGES} - {"home"}
    assert not at.get("plotly_chart")


def test_home_lists_what_is_here_offline() -> None:
    at = open_page("pages/home.py")
    (table,) = [each.value for each in at.dataframe]
    assert {"MiniLM words", "Ambiguous words", "Google analogies", "MiniLM"} <= set(table["what"])
    assert (table["licence"] != "").all()
    assert table["year"].str.fullmatch(r"\d{4}").all()
    size = (ROOT / "assets/words/minilm.safetensors").stat().st_size / 1e6
    assert float(table.set_index("what").loc["MiniLM words", "MB"]) == pytest.approx(size, abs=0.06)


def test_home_says_before_fetching_what_it_costs() -> None:
    at = open_page("pages/home.py")
    labels = [each.label for each in at.button if each.label.startswith("Fetch")]
    assert any(label.startswith("Fetch BERT base: 440 MB, Apache-2.0, 2018") for label in labels)
    for label in labels:
        numbers(r"([\d,]+) MB, .+, (\d{4})$", label)


@pytest.mark.parametrize(("path", "query"), [*EVERY, ("pages/images.py", {"pictures": "MNIST"})])
def test_every_control_has_help_and_is_bound_to_the_link(path: str, query: dict[str, str]) -> None:
    for key, control in controls(open_page(path, **query)).items():
        assert key, control.label
        assert control.proto.help, key
        assert control.proto.query_param_key == ("" if key in UNBOUND else key)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("pages/words.py", {}),
        ("pages/words.py", {"view": "Axes"}),
        ("pages/words.py", {"view": "Strips"}),
        ("pages/contexts.py", {}),
        *(("pages/images.py", {"view": view}) for view in IMAGE_VIEWS if view not in ("Walk", "Search")),  # no figure
        *(("pages/interactions.py", {"do": view}) for view in INTERACTION_VIEWS),
        *(("pages/train_words.py", {"tw": view}) for view in TRAIN_VIEWS),
        *(("pages/explorer.py", {"ex": view}) for view in EXPLORER_VIEWS),
    ],
)
def test_every_figure_and_table_has_alt_text(path: str, query: dict[str, str]) -> None:
    at = open_page(path, **query)
    alts = [each.proto.alt for each in [*at.get("plotly_chart"), *at.dataframe]]
    assert alts
    assert all(len(alt) > 15 for alt in alts), alts


# --- the link is the state -------------------------------------------------------------------------------------------


@cache
def opened(name: str) -> AppTest:
    path, query = LINKS[name]
    return open_page(
        path, **{key: str(value).lower() if value in (True, False) else value for key, value in query.items()}
    )


@pytest.mark.parametrize("name", LINKS)
def test_link_restores_the_state(name: str) -> None:
    at, query = opened(name), LINKS[name][1]
    assert not at.exception
    restored = values(at)
    assert {key: restored[key] for key in query} == query


@pytest.mark.parametrize("path", [path for path in PAGES if path != "pages/home.py"])
def test_tested_links_name_every_control(path: str) -> None:
    """A new control has to come into LINKS."""
    names = [name for name, (page, _) in LINKS.items() if page == path]
    tested = {key for name in names for key in LINKS[name][1]} | {"pick", "other"}  # these have tests of their own
    tested |= UNBOUND
    assert set().union(*(controls(opened(name)) for name in names)) <= tested


def label(at: AppTest, number: int) -> str:
    """What a link holds for the occurrence of this number, counted from 1."""
    return str(at.selectbox(key="pick").options[number - 1])


def picked(of: str, pick: int, other: int, layer: int = 3) -> AppTest:
    """The page with two picks, opened by its link."""
    plain = contexts(of=of)
    return contexts(of=of, layer=layer, pick=label(plain, pick), other=label(plain, other))


def test_link_restores_both_picks() -> None:
    at = picked("bank", 5, 9)
    assert not at.exception
    assert (values(at)["pick"], values(at)["other"]) == (5, 9)


def test_link_with_picks_marks_the_same_ones_on_the_map() -> None:
    at = picked("bank", 5, 9)
    spec = figure(at, "layer_event")
    places = dots(spec)
    (marked,) = [trace for trace in spec["data"] if trace.get("name") == "picked"]
    shown = list(zip(map(float, marked["x"]), map(float, marked["y"]), strict=True))
    assert shown == [places[4], places[8]]


def test_wikipedia_sample_from_a_link() -> None:
    at = contexts(**{"from": "Wikipedia sample", "cword": "python"})
    if not at.error:  # the sample may know nothing of pythons, and then says so
        assert values(at)["from"] == "Wikipedia sample"
    assert not at.exception


@cache
def usual_values(path: str, query: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    return values(open_page(path, **dict(query)))


@pytest.mark.parametrize("nonsense", ["banana‽", "-1", "nan", "1e999", "9" * 20])
@pytest.mark.parametrize(
    ("path", "query"),
    [
        *(("pages/words.py", {"view": view}) for view in VIEWS),
        ("pages/words.py", PCA),
        ("pages/words.py", {"set": "Around a word", **CALM}),
        ("pages/contexts.py", {}),
        *(("pages/images.py", {"view": view}) for view in IMAGE_VIEWS),
        *(("pages/interactions.py", {"do": view}) for view in INTERACTION_VIEWS),
        *(("pages/train_words.py", {"tw": view}) for view in TRAIN_VIEWS),
        *(("pages/explorer.py", {"ex": view}) for view in EXPLORER_VIEWS),
    ],
)
def test_bad_value_in_a_link_falls_back(path: str, query: dict[str, str], nonsense: str) -> None:
    usual = usual_values(path, tuple(query.items()))
    bad = {key: nonsense for key in usual if key not in FREE[path] and key not in query}
    at = open_page(path, **query, **bad)
    assert not at.exception, [each.message for each in at.exception]
    assert not at.error
    assert values(at) == usual


@pytest.mark.parametrize("path", PAGES)
def test_empty_values_in_a_link_do_no_harm(path: str) -> None:
    at = open_page(path, **dict.fromkeys(controls(open_page(path)), ""))
    assert not at.exception
    assert len(at.title) == 1


@pytest.mark.parametrize("nonsense", ["-7", "999"])
def test_pick_out_of_bounds_in_a_link_falls_back(nonsense: str) -> None:
    at = contexts(pick=nonsense, other=nonsense, layer=nonsense)
    assert not at.exception
    found = values(at)
    assert found["pick"] == 1
    assert 0 <= found["layer"] <= 6


def test_pick_of_a_longer_word_falls_back_on_a_shorter_one() -> None:
    at = picked("cell", 36, 30)
    assert values(at)["pick"] == 36
    at.selectbox(key="of").set_value("bank")
    at.run()
    assert not at.exception
    assert values(at)["of"] == "bank"
    assert values(at)["pick"] <= 24


# --- words: what a person may type -----------------------------------------------------------------------------------


def test_unknown_word_is_one_sentence_and_the_page_stays() -> None:
    at = words(word="aple")
    (said,) = told(at)
    assert said.startswith("'aple' is not among 22,501 words. Did you mean ")
    assert "'apple'" in said
    assert not at.exception
    assert at.get("plotly_chart")
    assert {"word", "set", "method"} <= set(controls(at))
    assert "Try" in parts(at)


def test_unknown_word_on_its_own_map_says_so_once() -> None:
    at = words(word="aple", set="Around a word", **CALM)
    assert not at.exception
    assert len(set(told(at))) == 1
    assert at.get("plotly_chart")


def test_empty_word_asks_for_one() -> None:
    at = words()
    at.text_input(key="word").set_value("   ")
    at.run()
    assert told(at) == ["Type a word to see its neighbors."]
    assert not at.exception
    assert at.get("plotly_chart")


def test_word_in_capitals_is_found() -> None:
    at = words(word="Apple")
    assert not at.error
    assert "What is near “apple”" in parts(at)


def test_a_word_of_ten_thousand_letters_is_named_in_short() -> None:
    (said,) = told(words(word="x" * 10_000))
    assert len(said) < 120


OWN = {
    "one word": ("apple", 1, ""),
    "two words": ("apple pear", 2, ""),
    "twice": ("apple, Apple\napple; pear", 2, "2 came twice and count once."),
    "emoji": ("🍎 apple 🍐 pear plum", 3, "2 not among the words and left out: '🍎', '🍐'."),
    "right to left": ("תפוח apple تفاحة pear", 2, "2 not among the words and left out: 'תפוח', 'تفاحة'."),
    "markup": ("<b>x</b> **apple** apple pear", 2, "left out: '<b>x</b>', '**apple**'."),
}


@pytest.mark.parametrize("name", OWN)
def test_own_list(name: str) -> None:
    typed, n, said = OWN[name]
    at = words(**PCA, list=typed)
    assert not at.exception
    assert not at.error
    assert len(dots(figure(at, "map_event"))) == n
    assert said in text(at)


REFUSED = {
    "empty": ("", "The list is empty."),
    "spaces": (" \n ", "The list is empty."),
    "unknown": ("qqqx zzzy", "None of the 2 words is among the 22,501 of this space, for instance 'qqqx'."),
    "too long": ("a " * 20_001, "The list has 20,001 words; at most 20,000 can be drawn at once."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_own_list_refused_in_one_sentence(name: str) -> None:
    typed, said = REFUSED[name]
    at = words(**PCA)
    at.text_area(key="list").set_value(typed)
    at = press(at, "Draw the map")
    (error,) = told(at)
    assert error.startswith(said)
    assert not at.exception
    assert at.get("plotly_chart")
    assert "What is near “apple”" in parts(at)


def test_own_list_of_5000_words(whole: Space) -> None:
    at = words(**PCA, list=" ".join(whole.items[:5_000]))
    assert not at.exception
    assert not at.error
    assert len(dots(figure(at, "map_event"))) == 5_000


def test_umap_of_three_words_says_how_many_it_needs() -> None:
    at = words(set="Own list", list="apple pear plum")
    (said,) = told(at)
    assert "at least 5" in said
    assert "3" in said
    assert not at.exception


def test_no_topic_chosen_shows_the_opening_ones() -> None:
    at = words()
    at.multiselect(key="topics").set_value([])
    at = press(at, "Draw the map")
    assert not at.exception
    assert "No topic chosen" in text(at)
    assert len(dots(figure(at, "map_event"))) > 100


def test_hide_my_word_takes_only_the_asked_one() -> None:
    shown, hidden = (table(words(hide=hide), "cosine") for hide in ("false", "true"))
    assert list(hidden["word"]) == [word for word in shown["word"] if word != "apple"]
    assert shown["on the map"][0] == "your word"


def test_analogy_with_an_unknown_word() -> None:
    at = words(view="Analogy", a="quen")
    (said,) = told(at)
    assert said.startswith("'quen' is not among")
    assert "'queen'" in said
    assert not at.exception
    assert {"a", "b", "c"} <= set(controls(at))


@pytest.mark.parametrize(("typed", "named"), [("man-woman, king", "'king'"), ("man-", "'man-'"), ("---", "'---'")])
def test_axes_name_a_malformed_pair(typed: str, named: str) -> None:
    at = words(view="Axes", x=typed)
    (said,) = told(at)
    assert named in said
    assert "man-woman" in said
    assert not at.exception
    assert {"x", "y", "axlist"} <= set(controls(at))


@pytest.mark.parametrize("query", [{"x": ""}, {"x": "man-qqqx"}, {"x": "man-man"}, {"axlist": ""}])
def test_axes_with_what_cannot_be_an_axis(query: dict[str, str]) -> None:
    at = words(view="Axes", **query)
    assert not at.exception
    assert len(told(at)) == 1


def test_axes_with_one_axis_only() -> None:
    at = words(view="Axes", y="")
    assert not at.exception
    assert not at.error
    assert at.get("plotly_chart")


@pytest.mark.parametrize("typed", ["red green", "red", "red red red"])
def test_odd_one_out_needs_three(typed: str) -> None:
    at = words(view="Odd one out", odd=typed)
    (said,) = told(at)
    assert "three" in said or "3" in said
    assert not at.exception
    assert "odd" in controls(at)


@pytest.mark.parametrize("typed", ["king", "king king", " ".join(LIST.split() * 3)])
def test_strips_of_few_and_many_words(typed: str) -> None:
    at = words(view="Strips", strip=typed)
    assert not at.exception
    assert not at.error


# --- words in context: what a person may type ------------------------------------------------------------------------


def occurrences(at: AppTest) -> int:
    return len(dots(figure(at, "layer_event")))


def test_own_sentence_without_the_word_is_named_and_the_others_stay() -> None:
    at = contexts(mine="I like pears.\nAn apple fell on me.")
    (said,) = told(at)
    assert "'apple'" in said
    assert "I like pears." in said
    assert not at.exception
    assert occurrences(at) == 26 + 1


def test_own_sentence_with_a_sense_before_the_bar() -> None:
    at = contexts(mine="computer | An apple crashed.\nfruit | The apple rotted.")
    at.selectbox(key="pick").set_value(28)
    at.run()
    assert not at.exception
    assert occurrences(at) == 28
    assert "**:blue[apple]** rotted" in text(at)
    assert "Sense: fruit." in text(at)


ODD_SENTENCES = {
    "emoji": "🍎🍏 An apple 👩‍👩‍👧 a day 🥧",
    "Hebrew": "אכלתי apple טעים מאוד",
    "Arabic": "أكلت apple لذيذة",
    "markup": "<b>apple</b> **bold** $x$ :red[no] [a](http://b)",
    "twice": "An apple, another apple, Apple!",
    "glued": "apple,apple",
}


@pytest.mark.parametrize("name", ODD_SENTENCES)
def test_odd_own_sentences(name: str) -> None:
    at = contexts(mine=ODD_SENTENCES[name])
    at.selectbox(key="pick").set_value(27)
    at.run()
    assert not at.exception
    assert not at.error
    assert occurrences(at) > 26


def test_a_word_written_from_right_to_left() -> None:
    at = contexts(**{"from": "Pasted text", "cword": "שלום", "pasted": "אמרתי שלום לכולם. שלום רב לך! להתראות."})
    assert not at.exception
    assert not at.error
    assert occurrences(at) == 2


def test_an_emoji_as_the_word() -> None:
    at = contexts(**{"from": "Pasted text", "cword": "🍎", "pasted": "I ate a 🍎 today. A 🍎 fell."})
    assert not at.exception
    assert occurrences(at) == 2


def test_empty_text_and_empty_word() -> None:
    at = contexts(**{"from": "Pasted text"})
    at.text_area(key="pasted").set_value("")
    at.run()
    assert told(at) == ["There is no text. Paste some sentences that hold the word."]
    at.text_area(key="pasted").set_value("A bank closed.")
    at.text_input(key="cword").set_value("")
    at.run()
    assert told(at) == ["Type the word to look for."]
    assert not at.exception
    assert "no sentence yet" in text(at)


def test_a_word_that_the_text_lacks() -> None:
    at = contexts(**{"from": "Pasted text", "cword": "zebra", "pasted": "A bank closed. The river froze."})
    (said,) = told(at)
    assert "'zebra'" in said
    assert not at.exception


LONG = "so it goes " * 1_000  # 3,000 words


def test_a_sentence_of_3000_words_is_cut_and_says_so() -> None:
    at = contexts(mine=f"An apple, {LONG}")
    assert not at.exception
    assert not at.error
    assert occurrences(at) == 26 + 1
    assert "longer than the model reads; not read: “" in text(at)


def test_a_word_behind_the_cut_is_left_out_and_says_so() -> None:
    at = contexts(mine=f"{LONG} apple")
    assert not at.exception
    (said,) = [each.value for each in at.warning]
    assert "left out" in said
    assert occurrences(at) == 26


@pytest.mark.parametrize("pasted", ["A bank.", f"The bank {LONG}"])
def test_a_pasted_sentence_too_short_or_too_long_is_not_called_no_text(pasted: str) -> None:
    at = contexts(**{"from": "Pasted text", "cword": "bank", "pasted": pasted})
    assert not at.exception
    assert "There is no text. Paste some sentences that hold the word." not in told(at)


def test_one_sentence_only() -> None:
    at = contexts(**{"from": "Pasted text", "cword": "plum", "pasted": "A plum fell."})
    assert not at.exception
    assert not at.error
    assert occurrences(at) == 1
    assert "at least two senses" in text(at)


def test_one_sense_only() -> None:
    at = contexts(**{"from": "Pasted text", "cword": "plum", "pasted": "A plum fell. The plum rots. Do eat a plum."})
    assert not at.exception
    assert not at.error
    assert "at least two senses" in text(at)
    assert len(at.get("plotly_chart")) == 1


def test_a_folder_that_does_not_exist() -> None:
    at = contexts(folder="/nowhere/at/all")
    (said,) = told(at)
    assert "/nowhere/at/all" in said
    assert not at.exception
    assert {"of", "mine", "folder"} <= set(controls(at))


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    at = contexts(folder=str(tmp_path))
    (said,) = told(at)
    assert "config.json" in said
    assert not at.exception


def test_a_model_from_a_folder(tiny_folder: Path) -> None:
    at = contexts(folder=str(tiny_folder))
    assert not at.exception
    assert not at.error
    assert at.slider(key="layer").max == 2
    assert occurrences(at) == 26


def test_a_model_that_is_not_installed_says_what_fetching_costs() -> None:
    at = contexts(model="BERT base")
    assert len(at.warning) == 1
    assert not at.error
    assert not at.exception
    assert [each.label for each in at.button] == ["Fetch BERT base (440 MB, Apache-2.0, 2018)"]


# --- present mode ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("pages/words.py", {}),
        ("pages/contexts.py", {}),
        *(("pages/images.py", {"view": view}) for view in IMAGE_VIEWS if view != "Search"),  # empty until one draws
    ],
)
def test_present_hides_what_is_to_be_read(path: str, query: dict[str, str]) -> None:
    at = open_page(path, present="true", **query)
    assert not at.exception
    assert not {"Why", "Try", "Take away"} & set(parts(at))
    assert not [each for each in at.button if str(each.key).startswith("try_")]
    assert not at.get("download_button")
    assert "Arithmetic: the numbers by hand" not in {each.label for each in at.expander}
    assert at.get("plotly_chart") or any("<img" in each.proto.body for each in at.get("html"))
    at.toggle(key="present").set_value(False)
    at.run()
    assert {"Why", "Try"} <= set(parts(at))
    assert ("Take away" in parts(at)) == (query.get("view") not in ("Walk", "Pitfalls"))


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["apple", "bank"])
def test_neighbor_table_equals_numpy(word: str, whole: Space) -> None:
    shown = table(words(word=word, k=20), "rank", "cosine")
    vectors = whole.vectors.astype(np.float64)
    row = whole.items.index(word)
    cosines = vectors @ vectors[row] / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(vectors[row]))
    best = np.argsort(-cosines, kind="stable")[: len(shown)]
    assert list(shown["word"]) == [whole.items[i] for i in best]
    assert shown["cosine"].to_numpy() == pytest.approx(cosines[best], abs=6e-5)


def test_arithmetic_of_the_map_gives_the_number_of_the_table(whole: Space) -> None:
    at = words()
    at.session_state["map_sums"] = True  # the expander, opened
    at.run()
    other = table(at, "rank", "cosine")["word"][1]
    dot, u, v, cosine = numbers(r"\{(-?[\d.]+)\}\{([\d.]+) \\times ([\d.]+)\} = (-?[\d.]+)", at.latex[-1].value)
    assert cosine == pytest.approx(by_hand(whole.vector("apple"), whole.vector(other)), abs=6e-5)
    assert dot / (u * v) == pytest.approx(cosine, abs=2e-3)
    assert cosine == pytest.approx(table(at, "rank", "cosine")["cosine"][1], abs=1e-9)


def test_trust_of_the_opening_map_equals_scikit_learn(whole: Space) -> None:
    from sklearn.manifold import trustworthiness

    at = words()
    spec, names = figure(at, "map_event"), at.session_state["map_names"]
    found = dots(spec)
    coords = np.array([found[row] for row in range(len(names))], np.float64)
    vectors = np.stack([whole.vector(name) for name in names]).astype(np.float64)
    (k, trust, kept) = numbers(
        r"believe this map, (\d+) neighbors.*?trustworthiness ([\d.]+), continuity ([\d.]+)", text(at)
    )
    assert trust == pytest.approx(trustworthiness(vectors, coords, n_neighbors=int(k), metric="cosine"), abs=2e-3)
    # continuity is the trustworthiness of the way back: the map as the original, compared by Euclidean distance
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert kept == pytest.approx(trustworthiness(coords, unit, n_neighbors=int(k), metric="euclidean"), abs=2e-3)


def test_recall_of_the_picked_word_by_hand(whole: Space) -> None:
    at = words()
    names, found = at.session_state["map_names"], dots(figure(at, "map_event"))
    row = names.index("apple")
    coords = np.array([found[i] for i in range(len(names))])
    on_map = np.argsort(np.linalg.norm(coords - coords[row], axis=1), kind="stable")[1:11]
    cosines = np.array([by_hand(whole.vector(name), whole.vector("apple")) for name in names])
    true = np.argsort(-cosines, kind="stable")[1:11]
    (metric,) = [each for each in at.metric if "kept near" in each.label]
    assert float(metric.value.rstrip("%")) / 100 == pytest.approx(len(set(on_map) & set(true)) / 10, abs=0.006)


def test_analogy_by_hand(whole: Space) -> None:
    at = words(view="Analogy", a="paris", b="france", c="tokyo")
    unit = whole.vectors / np.linalg.norm(whole.vectors, axis=1, keepdims=True)
    a, b, c = (unit[whole.items.index(word)] for word in ("paris", "france", "tokyo"))
    cosines = unit @ (b - a + c) / np.linalg.norm(b - a + c)
    order = [whole.items[i] for i in np.argsort(-cosines)[:20]]
    shown = {each.label: each.value for each in at.metric}
    assert shown["Nearest to the raw point"] == order[0]
    assert (
        shown["By the usual rule"]
        == next(word for word in order if word not in ("paris", "france", "tokyo"))
        == "japan"
    )
    rows = table(at, "cosine to the point")
    by_word = dict(zip(whole.items, cosines, strict=True))
    assert list(rows["cosine to the point"].astype(float)) == pytest.approx(
        [by_word[w] for w in rows["word"]], abs=6e-5
    )
    assert list(rows["word"])[:10] == order[:10]


def test_odd_one_out_by_hand(whole: Space) -> None:
    names = ["red", "green", "blue", "heavy"]
    at = words(view="Odd one out", odd=" ".join(names), oddguess="heavy")
    mean = {w: np.mean([by_hand(whole.vector(w), whole.vector(v)) for v in names if v != w]) for w in names}
    shown = table(at, "mean cosine with the others").set_index("word")["mean cosine with the others"]
    assert dict(shown) == pytest.approx(mean, abs=1e-4)
    assert f"the vectors say **{min(mean, key=mean.get)}**" in text(at)


def context_vectors(word: str, layer: int) -> tuple[np.ndarray, list[str]]:  # type: ignore[type-arg]
    found = sentences_of(word)
    return read_layers(found).vectors[layer].astype(np.float64), [o.sense for o in found]


@pytest.mark.parametrize(("word", "layer"), [("apple", 5), ("bank", 2)])
def test_within_and_between_by_hand(word: str, layer: int) -> None:
    vectors, senses = context_vectors(word, layer)
    pairs = [(i, j) for i in range(len(senses)) for j in range(i)]
    same = [by_hand(vectors[i], vectors[j]) for i, j in pairs if senses[i] == senses[j]]
    other = [by_hand(vectors[i], vectors[j]) for i, j in pairs if senses[i] != senses[j]]
    at = contexts(of=word, layer=layer)
    at_layer, within, between = numbers(
        r"Layer (\d+): cosine within a sense (-?[\d.]+), between senses (-?[\d.]+)", text(at)
    )
    assert at_layer == layer
    assert within == pytest.approx(np.mean(same), abs=6e-4)
    assert between == pytest.approx(np.mean(other), abs=6e-4)


def test_silhouette_and_accuracy_equal_scikit_learn() -> None:
    from sklearn.metrics import silhouette_score

    vectors, senses = context_vectors("mouse", 4)
    at = contexts(of="mouse", layer=4)
    shown, right = numbers(r"silhouette (-?[\d.]+), nearest sentence has the same sense (\d+)%", text(at))
    assert shown == pytest.approx(silhouette_score(vectors, senses, metric="cosine"), abs=6e-4)
    cosines = np.array([[by_hand(u, v) for v in vectors] for u in vectors]) - 2 * np.eye(len(vectors))
    accuracy = np.mean([senses[i] == senses[j] for i, j in enumerate(cosines.argmax(1))])
    assert right == pytest.approx(100 * accuracy, abs=0.51)


def test_two_occurrences_compared_by_hand() -> None:
    vectors, _ = context_vectors("apple", 3)
    at = picked("apple", 4, 20)
    (metric,) = [each for each in at.metric if each.label == "Cosine in context"]
    assert float(metric.value) == pytest.approx(by_hand(vectors[3], vectors[19]), abs=6e-4)
    near = table(at, "cosine", "sense", "sentence")
    cosines = np.array([by_hand(vectors[3], v) for v in vectors])
    assert near["cosine"].to_numpy(float) == pytest.approx(np.sort(cosines)[::-1][: len(near)], abs=6e-5)


def test_dots_move_with_the_layer_and_the_map_does_not() -> None:
    first, last = (figure(contexts(layer=layer), "layer_event") for layer in (0, 6))
    assert dots(first).keys() == dots(last).keys()
    assert dots(first) != dots(last)
    for axis in ("xaxis", "yaxis"):
        assert first["layout"][axis]["range"] == last["layout"][axis]["range"]


# --- slow work -------------------------------------------------------------------------------------------------------


def held_map(pool: Pool, whole: Space, seed: int) -> Any:
    """Hold the lock of a t-SNE map of LIST, as another server that makes it would: its job waits until released."""
    key = map_key(whole.take(tuple(LIST.split())), Settings("tsne", 2, seed, params=(("perplexity", 30.0),)))
    return pool.store.locked(key)


def tsne(seed: int) -> Any:
    return words(set="Own list", list=LIST, method="t-SNE", seed=seed)


def drawn(at: Any) -> bool:
    return any("t-SNE" in each.proto.alt or "tsne" in each.proto.alt for each in at.get("plotly_chart"))


@pytest.mark.slow
def test_a_map_that_does_not_ship_shows_progress_then_the_figure() -> None:
    at = words(seed=3, method="t-SNE")  # slow enough to be seen at work
    assert not at.exception
    assert "t-SNE of 187 items" in at.progress[0].text
    assert [each.label for each in at.button if each.label == "Stop"]
    assert "What is near “apple”" in parts(at)  # the list needs no map
    run_until(at, lambda page: not page.progress, 120)
    assert not at.error
    moved, shipped = dots(figure(at, "map_event")), dots(figure(words(), "map_event"))
    assert len(moved) == len(shipped) == 187
    assert moved != shipped
    assert not words(seed=3, method="t-SNE").progress  # kept for the next one who asks


def test_a_stopped_map_says_so_and_runs_again(pool: Pool, whole: Space) -> None:
    with held_map(pool, whole, 51):
        at = tsne(51)
        run_until(at, lambda page: page.progress and "Waiting" in page.progress[0].text)
        press(at, "Stop")
        run_until(at, lambda page: page.error, 10)
        (said,) = told(at)
        assert said == "t-SNE of 10 items was stopped."
        at.run()
        assert told(at) == [said], "it started again by itself"
        assert "What is near “apple”" in parts(at)
    press(at, "Run again")
    run_until(at, drawn)
    assert not at.error


def test_a_killed_worker_leads_to_a_sentence_and_can_run_again(pool: Pool, whole: Space) -> None:
    with held_map(pool, whole, 52):
        at = tsne(52)
        run_until(at, lambda page: page.progress and "Waiting" in page.progress[0].text)
        (worker,) = [each for each in pool._workers if each.job is not None]
        os.kill(worker.process.pid, signal.SIGKILL)
        run_until(at, lambda page: page.error, 10)
        (said,) = told(at)
        assert "t-SNE of 10 items ended without a result (signal 9)" in said
        assert not at.exception
    press(at, "Run again")
    run_until(at, drawn)
    assert not at.error


def test_two_visits_share_one_run(pool: Pool, whole: Space) -> None:
    with held_map(pool, whole, 53):
        one, two = tsne(53), tsne(53)
        assert one.progress
        assert two.progress
        jobs = [*pool._queue, *(each.job for each in pool._workers if each.job is not None)]
        assert len([job for job in jobs if job.params["seed"] == 53]) == 1
    for at in (one, two):
        run_until(at, drawn)


# --- errors ----------------------------------------------------------------------------------------------------------


def raises(error: Exception) -> Any:
    def call(*_: Any, **__: Any) -> Any:
        raise error

    return call


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("pages/home.py", "ui.home.catalog"),
        ("pages/words.py", "ui.words_map.request_map"),
        ("pages/contexts.py", "ui.contexts_views.sentences_of"),
        ("pages/images.py", "ui.images_setup.load_source"),
        ("pages/interactions.py", "ui.interactions_train.request_towers"),
        ("pages/train_words.py", "ui.train_words_hand_lesson.stand"),
        ("pages/explorer.py", "ui.explorer_map.request_map"),
    ],
)
def test_an_error_for_the_person_is_one_sentence(path: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name, raises(DamagedFile("The file x is damaged. Restore it.")))
    at = open_page(path)
    assert told(at) == ["The file x is damaged. Restore it."]
    assert not at.exception
    assert len(at.title) == 1


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("pages/home.py", "ui.home.catalog"),
        ("pages/words.py", "ui.words_map.request_map"),
        ("pages/contexts.py", "ui.contexts_views.sentences_of"),
        ("pages/images.py", "ui.images_setup.load_source"),
        ("pages/interactions.py", "ui.interactions_train.request_towers"),
        ("pages/train_words.py", "ui.train_words_hand_lesson.stand"),
        ("pages/explorer.py", "ui.explorer_map.request_map"),
    ],
)
def test_a_bug_shows_as_a_bug(path: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name, raises(ValueError("a bug, for the test")))
    at = open_page(path)
    assert [each.message for each in at.exception] == ["a bug, for the test"]
    assert not at.error

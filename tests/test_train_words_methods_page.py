"""The view of four methods: what ships, numbers by hand, the table as it fills, stop, unseen words, odd input."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit")

from pages_help import (
    dots,
    figure,
    numbers,
    opened_box,
    parts,
    press,
    run_until,
    table,
    text,
    told,
    train_words,
    workers,
)
from streamlit.testing.v1 import AppTest

from embedkit.jobs import Pool
from embedkit.store import Entry
from embedkit.words.four_methods import HEAD, TESTS, WITH_UNSEEN, Compared, Contest, compared_of, mapped_words
from embedkit.words.learning import METHODS
from embedkit.words.word_training import Text, training_key

SENTENCES = "the king eats bread\nthe queen eats bread\nthe cat drinks milk\nthe dog drinks milk\n" * 40
SMALL = {"w_text": "Lee news", "f4_dims": 4, "f4_window": 2, "f4_min_count": 40}
LEE = Contest(Text("lee"), dims=4, window=2, min_count=40)


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("four-methods-page")) as made:
        yield made


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> Any:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Pool, "_start", none)


def opened(**query: Any) -> AppTest:
    return train_words(**{"tw": "Four methods", **query})


def kept(pool: Pool, contest: Contest | None = None) -> Compared:
    what = contest or Contest()
    entry = pool.store.get(what.key)
    assert isinstance(entry, Entry)
    return compared_of(entry, what)


def scores(at: AppTest) -> Any:
    return table(at, "method", "seconds").set_index("method")


# --- what opens at once ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_opens_with_what_ships() -> None:
    at = opened()
    assert not at.exception
    assert not at.error
    assert not at.progress
    assert len(at.get("plotly_chart")) == 5
    assert parts(at) == ["A word that nobody has seen", "Why", "Try", "Take away"]
    assert len([each for each in at.button if str(each.key).startswith("try_")]) == 3


@pytest.mark.usefixtures("no_worker")
def test_present_leaves_out_the_texts() -> None:
    at = opened(present="true")
    assert not at.exception
    assert parts(at) == ["A word that nobody has seen"]
    assert len(at.dataframe) == 4


@pytest.mark.usefixtures("no_worker")
def test_the_text_is_the_one_of_the_view_that_trains() -> None:
    at = opened()
    at.session_state["tw"] = "Train"
    at.run()
    at.session_state["w_text"] = "Own text"
    at.run()
    at.session_state["tw"] = "Four methods"
    at.run()
    assert at.session_state["w_text"] == "Own text"
    assert "Give a file or paste a text" in text(at)


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_the_table_is_the_kept_one_with_its_coverage(pool: Pool) -> None:
    at, found = opened(), kept(pool)
    shown, asked = scores(at), table(at, "who is asked").set_index("who is asked")
    assert list(shown.index) == [row.method for row in found.rows]
    names = dict(zip(TESTS, ("WordSim-353", "SimLex-999", "semantic", "syntactic", "analogies"), strict=True))
    for row in found.rows:
        line = shown.loc[row.method]
        for test, name in names.items():
            value = row.scores[test].value if test in row.scores else np.nan
            assert line[name] == pytest.approx(value, nan_ok=True)
        if row.method in METHODS:
            assert (line["seconds"], line["keeps, MB"]) == (row.seconds, row.kept_mb)
            for test, name in names.items():
                assert asked.loc["every method", name] == pytest.approx(row.scores[test].asked / row.scores[test].of)
    assert list(asked.index) == ["every method", WITH_UNSEEN]
    assert asked.loc[WITH_UNSEEN, "WordSim-353"] == 1


@pytest.mark.usefixtures("no_worker")
def test_the_guess_is_answered_by_what_was_measured(pool: Pool) -> None:
    found = kept(pool)
    values = {name: found.row(name).scores["WordSim-353"].value for name in METHODS}
    best = max(values, key=lambda name: values[name] or -9)
    said = text(opened(f4_guess=best))
    assert f"You said *{best}*. :material/check_circle: Right. Measured: {values[best]:.3f}." in said
    other = next(name for name in METHODS if name != best)
    assert f"Not quite: {best}." in text(opened(f4_guess=other))
    (margin,) = numbers(r"sure to about ±([\d.]+),", said)
    assert margin == pytest.approx((found.row(best).scores["WordSim-353"].asked - 3) ** -0.5, abs=0.005)
    assert "You said *None*. :material/cancel: Not quite: Only fastText." in text(opened(f4_who="None"))


@pytest.mark.usefixtures("no_worker")
def test_neighbors_side_by_side(pool: Pool) -> None:
    found = kept(pool)
    at = opened(f4_word="Music")
    shown = table(at, *METHODS)
    for method in METHODS:
        unit = np.float64(found.spaces[method].vectors)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        row = found.words.index("music")
        order = [i for i in np.argsort(-(unit @ unit[row]), kind="stable") if i != row][:8]
        assert shown[method].tolist() == [f"{found.words[i]}  {unit[i] @ unit[row]:.2f}" for i in order]
    shared = set.intersection(*({cell.split()[0] for cell in shown[method]} for method in METHODS))
    (line,) = [each.value for each in at.caption if "In every list" in each.value]
    assert all(word in line for word in shared)


@pytest.mark.usefixtures("no_worker")
def test_the_maps_show_the_same_words(pool: Pool) -> None:
    found = kept(pool)
    names, _ = mapped_words(found)
    at = opened(f4_word=names[0])
    for short in ("sg", "cbow", "ft", "glove", "lsa"):
        shown = figure(at, f"f4_map_{short}")
        assert set(dots(shown)) == set(range(300))
        assert any(f"picked: {names[0]}" == trace.get("name") for trace in shown["data"])
    assert text(at).count("kNN recall 0.") == 5
    assert not [t for t in figure(opened(f4_word="zzz"), "f4_map_sg")["data"] if "picked" in str(t.get("name"))]


@pytest.mark.usefixtures("no_worker")
def test_a_click_on_a_map_chooses_the_word(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    import streamlit as st

    from ui import train_words_methods

    names, _ = mapped_words(kept(pool))
    point = SimpleNamespace(selection=SimpleNamespace(points=[{"customdata": [7]}]))
    state: dict[str, Any] = {"f4_names": names, "f4_map_sg": point}
    monkeypatch.setattr(st, "session_state", state)
    train_words_methods._clicked("f4_map_sg")
    assert state["f4_word"] == names[7]


# --- a word that nobody has seen -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_an_unseen_word_is_answered_by_fasttext_alone(pool: Pool) -> None:
    found = kept(pool)
    at = opened(f4_unseen="goverment")
    answer = found.unseen("goverment")
    assert answer is not None
    said = text(at)
    assert "**skip-gram, CBOW, GloVe, LSA**: no vector. 'goverment' is not among 8,350 words. Did you mean 'gov" in said
    assert f"**fastText**: {', '.join(f'{each.item} ({each.score:.2f})' for each in answer.near)}" in said
    assert answer.near[0].item == "government"
    shown = table(at, "piece", "share")
    assert shown["share"].sum() == pytest.approx(answer.near[0].score, abs=1e-5)
    assert shown["piece"].iloc[0] == answer.pieces[0][0]
    (count,) = numbers(r"the mean of (\d+) pieces", said)
    assert count == len(answer.pieces)


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("king", "'king' is among the 8,350 words, so every method has a vector for it"),
        ("two words", "'two words' is not one word of letters"),
        ("1234", "'1234' is not one word of letters"),
        ("é", "Beside this table only the pieces of some words are kept"),
        ("zebracorn", "Beside this table only the pieces of some words are kept"),
    ],
)
def test_odd_words_are_answered_in_a_sentence(typed: str, said: str) -> None:
    at = opened(f4_unseen=typed)
    assert not at.exception
    assert said in text(at)


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("kinglike", "'kinglike' is not among 8,350 words that have a vector."),
        ("<b>", "'<b>' is not among 8,350 words that have a vector."),
    ],
)
def test_a_word_without_a_list(typed: str, said: str) -> None:
    at = opened(f4_word=typed)
    assert not at.exception
    assert any(said in each for each in told(at))
    assert "Why" in parts(at)


@pytest.mark.usefixtures("no_worker")
def test_a_word_that_is_only_rare(pool: Pool) -> None:
    rare = kept(pool).words[HEAD]
    assert any(f"'{rare}' is not among 1,500 most frequent words" in each for each in told(opened(f4_word=rare)))


# --- the arithmetic --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_the_arithmetic_works_out(pool: Pool) -> None:
    at = opened_box(opened(f4_word="war", f4_other="civil"), "f4_sums")
    assert not at.exception
    sums = [each.value for each in at.latex]
    a, t, x, y, found = numbers(
        r"\\log \\frac\{([\d.e+]+) \\cdot ([\d.e+]+)\}\{([\d.e+]+) \\cdot ([\d.e+]+)\^\{0.75\}\} = (-?[\d.]+)", sums[1]
    )
    assert np.log(a * t / (x * y**0.75)) == pytest.approx(found, abs=2e-3)
    weight, dot, biases, count, error = numbers(
        r"([\d.]+) \\cdot \((-?[\d.]+) \+ \(?(-?[\d.]+)\)? - \\log ([\d.]+)\)\^2 = .* = ([\d.]+)", sums[3]
    )
    assert weight * (dot + biases - np.log(count)) ** 2 == pytest.approx(error, abs=1e-3)
    chance, output = numbers(r"= ([\d.]+), \\quad u_b \\cdot v_a = (-?[\d.]+)", sums[4])
    assert 1 / (1 + np.exp(-output)) == pytest.approx(chance, abs=1e-4)
    pmi, log_k, limit = numbers(r"= (-?[\d.]+) - ([\d.]+) = (-?[\d.]+)", sums[5])
    assert (log_k, limit) == (pytest.approx(np.log(5), abs=1e-4), pytest.approx(found - np.log(5), abs=2e-4))
    assert pmi == found


@pytest.mark.usefixtures("no_worker")
def test_a_second_word_that_is_unknown_or_never_met(pool: Pool) -> None:
    at = opened_box(opened(f4_word="war", f4_other="zebracorn"), "f4_sums")
    assert not at.exception
    assert any("'zebracorn' is not among 1,500 most frequent words" in each for each in told(at))
    names = kept(pool).shown
    at = opened_box(opened(f4_word=names[-1], f4_other=names[-2]), "f4_sums")
    assert "never stand within 10 words of each other" in text(at)
    assert "GloVe never looks at this pair" in text(at)


# --- learning --------------------------------------------------------------------------------------------------------


def test_the_table_fills_while_the_methods_learn_and_the_trainings_serve_train(pool: Pool) -> None:
    at = opened(**SMALL)
    assert "Nobody has learned" not in text(at)  # a link learns what it says
    seen: set[int] = set()

    def done(page: AppTest) -> bool:
        for each in page.dataframe:
            if "seconds" in each.value.columns:
                seen.add(len(each.value))
        return not page.progress

    run_until(at, done)
    assert not at.error
    assert seen >= {6}
    assert len(seen) > 1  # it filled
    found = kept(pool, LEE)
    assert list(scores(at).index) == [row.method for row in found.rows]
    for method in METHODS:
        assert pool.store.get_meta(training_key(LEE.text, LEE.recipe(method))) is not None


def test_another_text_waits_for_the_button() -> None:
    at = opened()
    at.session_state["w_text"] = "Lee news"
    at.run()
    assert "Nobody has learned this text with these settings yet" in text(at)
    assert not at.progress


def test_stop_keeps_what_is_learned_and_it_goes_on(pool: Pool) -> None:
    at = opened(**SMALL | {"f4_seed": 9, "f4_min_count": 5, "f4_dims": 60})
    contest = Contest(Text("lee"), dims=60, window=2, min_count=5, seed=9)
    first = training_key(contest.text, contest.recipe("skip-gram"))
    run_until(at, lambda page: pool.store.get_meta(first) is not None)
    press(at, "Stop")
    run_until(at, lambda page: not page.progress)
    assert any("was stopped" in each for each in told(at))
    assert scores(at).index[0] == "skip-gram"
    press(at, "Learn again")
    assert at.progress or not at.error
    for each in at.button:
        if each.label == "Stop":
            each.click()
    at.run()


def test_an_own_text_and_a_word_whose_pieces_are_learned_here(pool: Pool) -> None:
    at = opened(w_text="Own text", f4_dims=3, f4_window=2, f4_unseen="zebracorn", f4_word="king")
    at.text_area(key="w_paste").set_value(SENTENCES).run()
    press(at, "Learn all five")
    run_until(at, lambda page: not page.progress)
    assert not at.exception
    assert not at.error
    assert "the same 9 words" not in text(at)  # nothing of WordSim is known, so nothing is asked
    assert "**fastText**: " in text(at)  # the training is kept here, with all its pieces
    own, _ = at.session_state["w_own"]
    contest = Contest(own, dims=3, window=2)
    pool.store.remove(training_key(own, contest.recipe("fastText")))
    at.run()
    assert "For any word fastText is learned here, once." in text(at)
    press(at, "Learn fastText here")
    run_until(at, lambda page: not page.progress)
    assert "**fastText**: " in text(at)
    at = opened_box(at, "f4_code")
    assert 'read_corpus(Path("mine.txt"))' in at.code[0].value


def test_a_text_too_short_is_one_sentence() -> None:
    at = opened(w_text="Own text")
    at.text_area(key="w_paste").set_value("one two").run()
    press(at, "Learn all five")
    run_until(at, lambda page: not page.progress)
    assert not at.exception
    assert any("too short to learn from" in each for each in told(at))


# --- what is taken away ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_what_is_taken_away(pool: Pool) -> None:
    from ui import train_words_methods

    found = kept(pool)
    frame = train_words_methods._frame(found.rows)
    assert [name for name in frame.columns if name.endswith(", asked")]
    long = train_words_methods._long("war", found.neighbors("war"))
    assert len(long) == 40
    assert pd.read_csv(io.BytesIO(train_words_methods.safe_csv(long)))["neighbor"].notna().all()
    tasks = dict(train_words_methods._tasks(found))
    (fast,) = [answer for question, answer in tasks.items() if "fastest" in question]
    assert fast.startswith("LSA, ")
    at = opened_box(opened(f4_unseen="musicaly", f4_word="water"), "f4_code")
    code = at.code[0].value
    assert "Contest(text)" in code
    assert "'water'" in code
    assert "'musicaly'" in code
    compile(code, "page", "exec")


@pytest.mark.usefixtures("no_worker")
def test_tries_set_what_they_say() -> None:
    at = opened()
    (button,) = [each for each in at.button if "goverment" in each.label]
    button.click()
    at.run()
    assert at.text_input(key="f4_unseen").value == "goverment"
    assert "'goverment' is not among" in text(at)

"""The views of pitfalls and of a reader on the page that learns words: what ships, numbers by hand, odd input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from pages_help import (
    controls,
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
    values,
    workers,
)
from streamlit.testing.v1 import AppTest

from embedkit.jobs import Pool
from embedkit.store import Entry, default_store
from embedkit.words import training_pitfalls as pitfalls
from embedkit.words.reader import (
    RANKINGS,
    network_of,
    reader_key,
    reader_results,
    score,
    shared_titles,
)
from embedkit.words.training_pitfalls import (
    EXPERIMENTS,
    dimension_results,
    experiment_key,
    neighbors_in,
    run_experiment,
    seeds_results,
    setting_results,
    words_in,
)
from embedkit.words.word_training import Text
from embedkit.worker import Report

TITLES = {"window": "Window", "dimension": "Dimension", "negatives": "Negatives", "seeds": "Seeds"}
MARK = "● "


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("pitfalls-page")) as made:
        yield made


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ships opens without a worker."""

    def none(_: Any) -> Any:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Pool, "_start", none)


def opened(name: str, **query: Any) -> AppTest:
    at = train_words(tw="Pitfalls", tp_what=TITLES[name], **query)
    assert not at.exception
    return at


def reading(**query: Any) -> AppTest:
    at = train_words(tw="Reader", **query)
    assert not at.exception
    return at


def shipped(name: str) -> Entry:
    found = default_store().get(experiment_key(name, Text()))
    assert found is not None, "run: python -m embedkit build-assets --only word-pitfalls"
    return found


def cell(spread: Any, form: str = ".3f") -> str:
    low, high = (format(value, form) for value in (spread.low, spread.high))
    return format(spread.mean, form) + ("" if low == high else f" ({low}–{high})")


# --- pitfalls --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_opens_at_once_with_its_parts_in_order(name: str) -> None:
    at = opened(name)
    assert parts(at) == ["Why", "Try", "Take away"]
    assert not told(at)
    said = text(at)
    assert said.index("Guess first.") < said.index("430,738 running words")
    known = (223, 459) if name == "dimension" else (225, 482)  # a tenth of the text is held out there
    assert f"{known[0]} of 353 pairs of WordSim-353, {known[1]} of 999 pairs of SimLex-999" in said
    assert "Pick one; the answer appears here." in said
    assert "Measured" not in said
    keys = [each.key for each in at.get("button_group")]
    assert f"tp_guess_{name}" in keys
    assert len(at.get("download_button")) == 2


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_present_mode_hides_what_is_to_be_read(name: str) -> None:
    at = opened(name, present="true")
    assert parts(at) == []
    assert at.dataframe


def test_windows_are_shown_as_measured() -> None:
    entry = shipped("window")
    two, ten, again = setting_results(entry)
    assert (two.value, ten.value, again.value) == (2, 10, 2)
    assert again.epochs == 29
    at = opened("window", tp_guess_window="Window 2")
    (shown,) = [each.value for each in at.dataframe if each.value.index.name == "measured"]
    assert shown.loc["WordSim-353"].tolist() == [cell(each.wordsim) for each in (two, ten, again)]
    assert shown.loc["SimLex-999"].tolist() == [cell(each.simlex) for each in (two, ten, again)]
    assert shown.loc["neighbors met in the text"].tolist() == [cell(each.together, ".1%") for each in (two, ten, again)]
    # the answer is what the ranges say, and the control stands beside it
    assert ten.simlex.low > two.simlex.high
    assert "Not quite: Window 10." in text(at)
    assert f"with as many, after 29 epochs, it comes to {again.simlex.mean:.3f}" in text(at)
    met = "more" if ten.together.mean > again.together.mean else "fewer"
    assert f"at window 10 {met} of the nearest were met near the word" in text(at)


def test_lists_stand_side_by_side_and_what_two_share_is_marked() -> None:
    entry = shipped("window")
    names = ("2.8", "10.8", "2.29")
    lists = [neighbors_in(entry, name, "war") for name in names]
    at = opened("window", tp_word="War")
    (near,) = [each.value for each in at.dataframe if each.value.index.name == "rank"]
    for number, column in enumerate(near.columns):
        others = {word for k, words in enumerate(lists) if k != number for word in words}
        assert near[column].tolist() == [MARK * (word in others) + word for word in lists[number]]
    assert len(near.columns) == 3


def test_dimensions_are_drawn_as_measured() -> None:
    found = dimension_results(shipped("dimension"))
    short, longer = found[:7], found[7:]
    assert [each.dims for each in short] == [10, 25, 50, 100, 200, 400, 600]
    best = min(short, key=lambda each: each.held_loss)
    at = opened("dimension", tp_guess_dimension=str(best.dims))
    assert "Right." in text(at)
    assert f"{best.held_loss:.3f} at {best.dims}" in text(at)
    lines = {trace["name"]: trace for trace in figure(at, "tp_loss")["data"]}
    np.testing.assert_allclose(lines["held out, 8 epochs"]["y"], [each.held_loss for each in short])
    np.testing.assert_allclose(lines["learned from, 8 epochs"]["y"], [each.train_loss for each in short])
    drawn = [value for value in lines["held out, 24 epochs"]["y"] if value is not None]
    np.testing.assert_allclose(drawn, [each.held_loss for each in longer])
    shown = table(at, "held out", "gap")
    np.testing.assert_allclose(shown["gap"], [each.held_loss - each.train_loss for each in found])
    # learned by heart: the larger, the more
    assert longer[-1].held_loss > longer[0].held_loss + 0.1
    assert "higher at 50, 200: too much is learned by heart" in text(at)


def test_negatives_are_shown_as_measured() -> None:
    found = setting_results(shipped("negatives"))
    times = found[-1].seconds.mean / found[0].seconds.mean
    at = opened("negatives", tp_guess_negatives="8 to 20 times")
    assert 8 <= times < 20
    assert "Right." in text(at)
    assert numbers(r"([\d.]+) times\. WordSim", text(at)) == [pytest.approx(times, abs=0.051)]
    shown = table(at, "negatives", "seconds")
    assert shown["WordSim-353"].tolist() == [cell(each.wordsim) for each in found]
    (line,) = figure(at, "tp_seconds")["data"]
    np.testing.assert_allclose(line["y"], [each.seconds.mean for each in found])


def test_seeds_are_shown_as_measured() -> None:
    entry = shipped("seeds")
    found = {(each.method, each.change, each.least): each for each in seeds_results(entry)}
    kept = found["skip-gram", "seed", 0].kept
    at = opened("seeds", tp_word="river", tp_guess_seeds="3 to 6")
    assert 0.3 <= kept < 0.6
    assert "Right." in text(at)
    assert f"Measured: {10 * kept:.1f} of 10, over 8,350 words" in text(at)
    shown = table(at, "occurrences", "words")
    assert shown["occurrences"].tolist() == ["all", "5 to 9", "10 to 19", "20 to 49", "50 to 199", "200 and more"]
    assert shown["words"].sum() == 2 * 8_350
    columns = ("skip-gram, another seed", "LSA, another seed", "skip-gram, lines drawn anew", "LSA, lines drawn anew")
    cases = (("skip-gram", "seed"), ("LSA", "seed"), ("skip-gram", "text"), ("LSA", "text"))
    for column, case in zip(columns, cases, strict=True):
        by_hand = [found[*case, least].kept for least in (0, 5, 10, 20, 50, 200)]
        np.testing.assert_allclose(shown[column], by_hand, atol=6e-4)
    near = table(at, "skip-gram, first seed", "LSA, second seed")
    for method in ("skip-gram", "LSA"):
        lists = [neighbors_in(entry, f"{method}.{run}", "river") for run in (0, 1)]
        for run, which in enumerate(("first", "second")):
            marked = [MARK * (word in lists[1 - run]) + word for word in lists[run]]
            assert near[f"{method}, {which} seed"].tolist() == marked
    # at random: LSA alone is stable, and neither is when the text is drawn anew
    assert found["LSA", "seed", 0].kept > 0.8 > 0.6 > kept
    assert max(found[method, "text", 0].kept for method in ("skip-gram", "LSA")) < kept


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_arithmetic_has_the_numbers_of_today(name: str) -> None:
    at = opened_box(opened(name, **({"tp_word": "river"} if name in ("window", "seeds") else {})), f"tp_sums_{name}")
    assert not at.exception
    said = "\n".join(each.value for each in at.latex)
    entry = shipped(name)
    if name == "window":
        lists = [set(neighbors_in(entry, f"{window}.8", "river")) for window in (2, 10)]
        both = len(lists[0] & lists[1])
        assert rf"\frac{{{both}}}{{10}} = {both / 10:.1f}" in said
        assert "29" in said
    if name == "dimension":
        assert r"(1 + 5) \ln 2 = 4.159" in said
        for each in dimension_results(entry)[7:]:
            assert f"= {each.held_loss - each.train_loss:.3f}" in said
        assert f"= {2 * entry.meta['n'] * 600:,}".replace(",", "{,}") in said
    if name == "negatives":
        assert r"3 \cdot 100 \cdot 31 = 9{,}300" in said
        assert r"\frac{1 + 30}{1 + 1} = 15.5" in said
    if name == "seeds":
        lists = [neighbors_in(entry, f"skip-gram.{run}", "river") for run in (0, 1)]
        both = len(set(lists[0]) & set(lists[1]))
        assert rf"\text{{skip-gram, 'river':}} \quad \frac{{|A \cap B|}}{{10}} = \frac{{{both}}}{{10}}" in said


@pytest.mark.parametrize("name", ["window", "seeds"])
def test_an_unknown_word_is_answered_with_near_ones(name: str) -> None:
    at = opened(name, tp_word="rivver")
    assert len(told(at)) == 1
    assert "'rivver' is not among" in told(at)[0]
    assert "river" in told(at)[0]
    assert parts(at) == ["Why", "Try", "Take away"]
    rare = words_in(shipped(name))[-1]
    at = opened(name, tp_word=rare)
    assert f"'{rare}' is not among the 5,000 most frequent words" in "".join(each.value for each in at.info)
    assert not at.exception


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_tries_set_controls_of_this_page(name: str) -> None:
    at = opened(name)
    labels = [each.label for each in at.button if each.key and each.key.startswith("try_")]
    assert len(labels) == 3
    if name == "seeds":
        at = press(at, "A frequent word: 'the'")
        assert values(at)["tp_word"] == "the"
        assert "The ten nearest of *the*" in text(at)
    if name == "negatives":
        at = press(at, "What a negative is, by hand")
        assert values(at)["tw"] == "By hand"


def test_the_lines_of_python_name_what_is_shown() -> None:
    at = opened_box(opened("seeds", tp_word="river"), "tp_code")
    (code,) = [each.value for each in at.code]
    assert "kept_experiment('seeds', Text('wikipedia'), seed=0)" in code
    assert "'river'" in code
    compile(code, "lines", "exec")


def test_another_text_is_measured_by_a_job_step_by_step(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The result of a short experiment is put where the job would put it; then the page shows that."""
    monkeypatch.setattr(pitfalls, "BASE", replace(pitfalls.BASE, dims=4, epochs=1))
    monkeypatch.setattr(pitfalls, "_SETTINGS", {"window": [(2, 1), (10, 1)], "negatives": [(1, 1)]})
    monkeypatch.setattr(pitfalls, "RUNS", 1)
    key = experiment_key("window", Text("lee"), 7)
    made = run_experiment(Report(), "window", Text("lee"), 7)
    assert default_store().put(key, *made)
    at = opened("window", w_text="Lee news", tp_seed=7)
    assert "59,576 running words" in text(at)
    assert "Mean over 1 seed," in text(at)
    assert not told(at)


def test_an_experiment_that_runs_shows_its_bar_and_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # workers may start here
    at = opened("dimension", w_text="Lee news", tp_seed=5)
    run_until(at, lambda at: at.progress and "Dimensions" in at.progress[0].text)
    assert parts(at) == [] or "Why" in parts(at)
    stop = next(each for each in at.button if each.label == "Stop")
    stop.click()
    at.run()
    run_until(at, lambda at: told(at))
    assert "Dimensions was stopped." in told(at)[0]
    assert [each.label for each in at.button if each.label == "Run again"]


def test_every_control_has_its_prefix() -> None:
    for name in EXPERIMENTS:
        keys = set(controls(opened(name))) - {"tw", "present", "w_text"}
        assert keys
        assert all(key.startswith("tp_") for key in keys)
    keys = set(controls(reading())) - {"tw", "present"}
    assert all(key.startswith("tr_") for key in keys)


# --- a reader --------------------------------------------------------------------------------------------------------


def picks(split: int = 0) -> list[str]:
    titles = shared_titles("words/word2vec", "first", split)
    return [titles.names[row] for row in np.flatnonzero(titles.readable & (titles.topics == 5))[:3]]


def test_the_reader_opens_at_once_with_its_parts_in_order() -> None:
    at = reading()
    assert parts(at) == ["For you", "Why", "Try", "Take away"]
    assert "The readers are simulated; the titles are real." in text(at)
    assert "A reader likes two of 15 topics." in text(at)
    assert "Measured" not in text(at)
    assert reading(present="true").dataframe


def test_rankings_are_shown_as_measured() -> None:
    entry = default_store().get(reader_key("words/word2vec", "first"))
    assert entry is not None
    found = {(each.ranking, each.read, each.learned): each for each in reader_results(entry)}
    at = reading(tr_guess="The network")
    for name in RANKINGS:
        auc = found[name, 10, 1_000 * (name == "network")].auc.mean
        assert f"{name} {auc:.3f}" in text(at)
    rows = [row for row in entry.meta["rows"] if row["read"] == 10]
    ahead = [
        next(r["auc"] for r in rows if r["split"] == split and r["learned"] == 1_000)
        > next(r["auc"] for r in rows if r["split"] == split and r["ranking"] == "dot product")
        for split in range(5)
    ]
    assert ("Right." in text(at)) == all(ahead)
    lines = {trace["name"]: trace["y"] for trace in figure(at, "tr_auc")["data"]}
    np.testing.assert_allclose(lines["cosine"], [found["cosine", read, 0].auc.mean for read in (1, 3, 10, 30)])
    np.testing.assert_allclose(lines["network"], [found["network", read, 1_000].auc.mean for read in (1, 3, 10, 30)])
    lines = {trace["name"]: trace["y"] for trace in figure(at, "tr_learned")["data"]}
    np.testing.assert_allclose(lines["network"], [found["network", 10, n].auc.mean for n in (10, 100, 1_000)])
    shown = table(at, "titles read", "ranking")
    assert len(shown) == len(found)


@pytest.mark.parametrize("rule", [name for name in RANKINGS if name != "network"])
def test_titles_are_ranked_for_who_sits_here(rule: str) -> None:
    titles, read = shared_titles("words/word2vec", "first", 0), picks()
    at = reading(tr_read=read, tr_rule=rule)
    assert values(at)["tr_read"] == read
    unread = np.flatnonzero(~titles.readable)
    entry = default_store().get(reader_key("words/word2vec", "first"))
    assert entry is not None
    tops = [each.value for each in at.dataframe if each.value.index.name == "rank"]
    for shown, name in zip(tops, (rule, "network"), strict=True):
        scores = score(name, titles, titles.rows(read), unread, network_of(entry))
        order = np.argsort(-scores, kind="stable")[:10]
        assert shown["title"].tolist() == [titles.names[unread[k]] for k in order]
        np.testing.assert_allclose(shown["score"], scores[order], atol=1e-5)
    assert "carried by" in tops[0]
    assert "carried by" not in tops[1]
    assert all(any(title in said for title in read) for said in tops[0]["carried by"])
    assert not set(tops[0]["title"]) & set(read)


def test_the_score_is_a_sum_over_what_was_read() -> None:
    at = opened_box(reading(tr_read=picks()), "tr_sums")
    assert not at.exception
    shown = table(at, "title read", "adds")
    top = next(each.value for each in at.dataframe if each.value.index.name == "rank")
    assert shown["adds"].sum() == pytest.approx(top["score"].iloc[0], abs=1e-4)
    assert shown["adds"].to_numpy() == pytest.approx(shown["t · d"].to_numpy() / 3)
    assert shown["title read"].tolist() == picks()
    said = "\n".join(each.value for each in at.latex)
    assert f"= {shown['adds'].sum():.4f}" in said
    assert r"9{,}665 \text{ numbers}" in said  # 300 x 32 + 32 + 32 + 1
    best = shown["share"].idxmax()
    carried = top["carried by"].iloc[0]
    assert carried == f"{picks()[best]} ({shown['share'].max():.0%})"


def test_nothing_read_is_said_and_a_strange_title_in_a_link_is_dropped() -> None:
    at = reading()
    at.multiselect(key="tr_read").set_value([])
    at.run()
    assert not at.exception
    assert "Pick a title" in "".join(each.value for each in at.info)
    assert parts(at) == ["For you", "Why", "Try", "Take away"]
    at = opened_box(at, "tr_sums")
    assert not at.exception
    at = reading(tr_read=["Zebra: Stripes"])
    assert not told(at)


def test_another_part_keeps_what_can_be_kept() -> None:
    read = picks()
    at = reading(tr_read=read)
    at.button_group(key="tr_part").set_value("Whole section")
    at.run()
    assert not at.exception
    assert values(at)["tr_read"] == read


def test_tries_of_the_reader_set_the_controls() -> None:
    at = press(reading(), "Take away what all titles share")
    assert values(at)["tr_rule"] == "dot product, mean taken away"
    at = press(reading(), "A reader of philosophy: three titles of one topic")
    assert len(values(at)["tr_read"]) == 3
    assert re.search(r"of a topic that you picked from \(philosophy\)", text(at))
    assert not at.exception

"""The page that learns words from a text: what ships, numbers by hand, training and its stop, own texts, odd input."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("streamlit")

from pages_help import (
    by_hand,
    controls,
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
    values,
    workers,
)
from streamlit.testing.v1 import AppTest

from embedkit.jobs import Pool
from embedkit.words.word_training import Text, WordsSeen, recipe_of, request_training, seen_at, training_key

LEE = {"tw": "Train", "w_text": "Lee news"}
QUICK = {**LEE, "w_dims": 10, "w_epochs_sg": 2, "w_window_sg": 3}
LONG = 200  # epochs, more than a test waits for
SENTENCES = "the king eats bread\nthe queen eats bread\nthe cat drinks milk\nthe dog drinks milk\n" * 40


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("train-words-page")) as made:
        yield made


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> Any:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Pool, "_start", none)


def opened(**query: Any) -> AppTest:
    return train_words(**{"tw": "Train", **query})


def shipped(pool: Pool, epoch: int = 8) -> WordsSeen:
    found = seen_at(pool.store, training_key(Text(), recipe_of("skip-gram")), epoch)
    assert found is not None
    return found


def metrics(at: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in at.metric}


def by_epoch(at: AppTest, rows: int) -> Any:
    """The table by epoch that has this many rows: 8 neighbors, or 5 analogies."""
    (found,) = [each.value for each in at.dataframe if "epoch 0" in each.value.columns and len(each.value) == rows]
    return found


# --- what opens at once ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_opens_with_what_ships() -> None:
    at = opened()
    assert not at.exception
    assert not at.error
    assert not at.progress
    assert len(at.get("plotly_chart")) == 2
    assert parts(at) == ["Why", "Try", "Take away"]
    assert len([each for each in at.button if str(each.key).startswith("try_")]) == 3


@pytest.mark.usefixtures("no_worker")
def test_present_leaves_out_the_texts() -> None:
    at = opened(present="true")
    assert not at.exception
    assert not parts(at)
    assert at.dataframe


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


def nearest(seen: WordsSeen, word: str, least: int) -> list[str]:
    vectors = np.asarray(seen.space.vectors[:least], np.float64)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    row = seen.space.items.index(word)
    order = [i for i in np.argsort(-(unit @ unit[row]), kind="stable") if i != row]
    return [seen.space.items[i] for i in order[:8]]


@pytest.mark.usefixtures("no_worker")
def test_neighbors_of_a_word_by_epoch(pool: Pool) -> None:
    shown = by_epoch(opened(w_word="Music"), 8)
    assert list(shown.columns) == [f"epoch {n}" for n in (0, 1, 2, 3, 4, 6, 8)]
    for epoch in (0, 3, 8):
        assert shown[f"epoch {epoch}"].tolist() == nearest(shipped(pool, epoch), "music", 2_000)
    assert "the 2,000 most frequent words" in text(opened())


@pytest.mark.usefixtures("no_worker")
def test_figures_are_those_of_the_curve(pool: Pool) -> None:
    last = shipped(pool)
    for back, epoch in ((0, 8), (-2, 4), (-6, 0), (-7, 0)):
        at = opened(w_back=back)
        found, row = metrics(at), last.curve[epoch]
        assert found["Epoch"] == f"{epoch} of 8"
        assert found["Loss"] == f"{row[1]:.3f}"
        assert found["WordSim-353"] == f"{row[4]:.3f}"
        assert found["Words"] == "8,350"
    lines = figure(opened(), "w_lines")["data"]
    np.testing.assert_allclose(lines[1]["y"], last.curve[:, 4])
    speed = np.diff(last.curve[:, 2]) / np.diff(last.curve[:, 3]) / 1_000
    np.testing.assert_allclose(np.asarray(lines[3]["y"], float)[1:], speed)


@pytest.mark.usefixtures("no_worker")
def test_analogies_by_epoch(pool: Pool) -> None:
    at = opened()
    shown = by_epoch(at, 5)
    last = shipped(pool)
    assert list(shown.index) == [f"{a} : {b} = {c} : {d}" for a, b, c, d in last.questions]
    np.testing.assert_array_equal(shown["epoch 8"], last.curve[8, 6:])
    space = last.space
    a, b, c = (space.unit[space.row(word)].astype(np.float64) for word in last.questions[1][:3])
    near = (b - a + c) @ space.unit.T.astype(np.float64)
    near[[space.row(word) for word in last.questions[1][:3]]] = -9
    assert shown["epoch 8"].iloc[1] == (near > near[space.row(last.questions[1][3])]).sum() + 1


@pytest.mark.usefixtures("no_worker")
def test_map_stays_where_it_is_and_the_words_move(pool: Pool) -> None:
    first, last = (figure(opened(w_back=back), "w_map") for back in (-6, 0))
    places = [np.array([place for _, place in sorted(dots(each).items())]) for each in (first, last)]
    assert places[0].shape == places[1].shape == (1_000, 2)
    assert np.median(np.linalg.norm(places[0] - places[1], axis=1)) > 0.1
    assert places[0].std() < places[1].std()  # the directions of the end mean nothing at the start
    units = []
    for epoch in (0, 8):
        vectors = np.asarray(shipped(pool, epoch).space.vectors[:1_000], np.float64)
        units.append(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    axes = np.linalg.svd(units[1] - units[1].mean(0), full_matrices=False)[2][:2].T
    signs = np.sign(((units[1] - units[1].mean(0)) @ axes)[0] * places[1][0])
    for unit, found in zip(units, places, strict=True):
        np.testing.assert_allclose(found, (unit - units[1].mean(0)) @ axes * signs, atol=1e-3)
    for each, found in zip((first, last), places, strict=True):
        for axis in (0, 1):
            low, high = each["layout"][("xaxis", "yaxis")[axis]]["range"]
            assert low <= found[:, axis].min() <= found[:, axis].max() <= high


@pytest.mark.usefixtures("no_worker")
def test_arithmetic_by_hand(pool: Pool) -> None:
    at = opened_box(opened(w_word="war"), "w_sums")
    assert not at.exception
    assert at.latex[1].value.count("4.159") == 1
    space = shipped(pool).space
    neighbor = re.search(r"the word nearest to it at the end, '(\w+)'", text(at))
    assert neighbor
    assert neighbor[1] == nearest(shipped(pool), "war", 8_350)[0]
    a, b = space.vector("war"), space.vector(neighbor[1])
    (said,) = numbers(r"= (-?[\d.]+)\D*$", at.latex[-1].value)
    assert said == pytest.approx(by_hand(a, b), abs=6e-5)


@pytest.mark.usefixtures("no_worker")
def test_guess_and_scores() -> None:
    at = opened(w_guess="Over 60 %")
    scores = table(at, "test", "score", "coverage").set_index("test")
    share = scores.loc["Analogies, all", "score"]
    assert "Not quite: Under 10 %" in text(at)
    assert numbers(r"Measured: ([\d.]+)%", text(at)) == pytest.approx([100 * share], abs=0.06)
    assert share < 0.1
    assert scores.loc["WordSim-353", "score"] > 0.36
    assert (scores["coverage"] == scores["asked"] / scores["of"]).all()


# --- a word of one's own ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("word", ["qqzz", "two words", "🍎", "x" * 60, "<b>war</b>", "**war**"])
def test_an_unknown_word_is_one_sentence(word: str) -> None:
    at = opened(w_word=word)
    assert not at.exception
    (said,) = told(at)
    assert "is not among" in said
    assert "Why" in parts(at)
    assert "only fastText" in text(at)


@pytest.mark.usefixtures("no_worker")
def test_a_word_beyond_the_kept_ones_says_so(pool: Pool) -> None:
    rare = shipped(pool).space.items[5_000]
    at = opened(w_word=rare)
    assert not at.error
    assert f"'{rare}' is not among the 2,000 most frequent words" in text(at)


@pytest.mark.usefixtures("no_worker")
def test_a_click_on_the_map_is_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import train_words_train

    class Clicked(dict[str, Any]):
        @property
        def selection(self) -> Any:
            return type("S", (), {"points": [{"customdata": [2]}]})

    state = {"w_names": ("a", "b", "c"), "w_map": Clicked()}
    monkeypatch.setattr(train_words_train.st, "session_state", state)
    train_words_train._clicked()
    assert state["w_word"] == "c"


# --- training --------------------------------------------------------------------------------------------------------


def test_a_short_training_shows_progress_then_its_figures(pool: Pool) -> None:
    at = opened(**QUICK, w_seed=11)
    assert not at.exception
    assert "Stop" in [each.label for each in at.button]
    assert at.progress
    run_until(at, lambda page: not page.progress)
    assert not at.error
    assert metrics(at)["Epoch"] == "2 of 2"
    recipe = recipe_of("skip-gram", dims=10, epochs=2, window=3, seed=11)
    job = request_training(Text("lee"), recipe, pool)
    assert job.state == "done"
    assert metrics(at)["WordSim-353"] == f"{job.result().meta['scores']['WordSim-353']['value']:.3f}"
    assert "all 1,754 words" in text(at) or "all 1," in text(at)


def test_other_settings_wait_for_the_button(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    at = opened()
    with monkeypatch.context() as patch:
        patch.setattr(Pool, "_start", lambda _: pytest.fail("a worker was started"))
        at.session_state["w_method"] = "CBOW"
        at.run()
    assert not at.exception
    assert not at.progress
    assert "CBOW** has not learned from this text" in text(at)
    at.session_state["w_text"] = "Lee news"
    at.session_state["w_dims"] = 5.0
    press(at, "Train")
    run_until(at, lambda page: not page.progress)
    assert metrics(at)["Epoch"] == "20 of 20"


def test_a_stopped_training_keeps_its_last_step_and_can_start_again(pool: Pool) -> None:
    at = opened(**{**QUICK, "w_epochs_sg": LONG}, w_seed=12)
    run_until(at, lambda page: page.progress and metrics(page).get("Epoch", "0 ")[:2] not in ("0 ", ""))
    assert len(at.get("plotly_chart")) == 2
    press(at, "Stop")
    run_until(at, lambda page: not page.progress)
    assert not at.error
    (epoch,) = numbers(rf"Stopped after epoch (\d+) of {LONG}", text(at))
    assert metrics(at)["Epoch"] == f"{epoch:.0f} of {LONG}"
    assert len(at.get("plotly_chart")) == 2
    assert "Take away" in parts(at)
    at.run()
    assert not at.progress, "it started again by itself"
    press(at, "Train again")
    run_until(at, lambda page: page.progress)
    press(at, "Stop")


def test_fasttext_answers_for_an_unseen_word() -> None:
    at = opened(**LEE, w_method="fastText", w_dims=10, w_epochs_ft=1, w_word="australianish")
    run_until(at, lambda page: not page.progress)
    assert not at.exception
    (said,) = told(at)
    assert "'australianish' is not among" in said
    assert re.search(r"makes a vector of its pieces .* Nearest: \w+ \(\d\.\d\d\)", text(at))


@pytest.mark.parametrize("method", ["CBOW", "GloVe", "LSA"])
def test_every_method_is_shown(method: str) -> None:
    short = {"CBOW": "cbow", "GloVe": "glove", "LSA": "lsa"}[method]
    more = {} if method == "LSA" else {f"w_epochs_{short}": 3}
    at = opened(**LEE, w_method=method, w_dims=10, **more)
    run_until(at, lambda page: not page.progress)
    assert not at.exception
    assert not at.error
    assert metrics(at)["Epoch"] == ("1 of 1" if method == "LSA" else "3 of 3")
    assert len(at.get("plotly_chart")) == (1 if method == "LSA" else 2)
    assert not opened_box(at, "w_sums").exception
    assert parts(at) == ["Why", "Try", "Take away"]


# --- a text of one's own ---------------------------------------------------------------------------------------------


def test_a_pasted_text_is_learned() -> None:
    at = opened(w_text="Own text", w_least=1, w_dims=5, w_epochs_sg=3)
    assert "Give a file or paste a text" in text(at)
    assert not at.progress
    at.text_area(key="w_paste").set_value(SENTENCES).run()
    assert not at.exception
    assert "640 words in 160 lines; 9 different ones." in text(at)
    press(at, "Train")
    run_until(at, lambda page: not page.progress)
    assert not at.error
    assert metrics(at)["Words"] == "9"
    shown = table(at, "epoch 0", "epoch 3")
    assert len(shown) == 8
    assert "none of the analogies" in text(at)
    at = opened_box(at, "w_code")
    assert 'read_corpus(Path("mine.txt"))' in at.code[0].value


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"caf\xe9 au lait", "not UTF-8: byte 3 is 0xe9"),
        (b"12 34 !?", "has no words"),
        ("to be".encode("utf-16"), "It looks like UTF-16"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(data: bytes, said: str) -> None:
    at = opened(w_text="Own text")
    at.get("file_uploader")[0].set_value(("mine.txt", data, "text/plain")).run()
    assert not at.exception
    (error,) = told(at)
    assert said in error
    assert "mine.txt" in error


@pytest.mark.parametrize("typed", ["one", "one two three", "a" * 100_000, "word " * 5_000, "🍎 \u202e עברית <script>"])
def test_odd_texts_are_survived(typed: str) -> None:
    at = opened(w_text="Own text", w_dims=2, w_epochs_sg=1)
    at.text_area(key="w_paste").set_value(typed).run()
    assert not at.exception
    press(at, "Train")
    run_until(at, lambda page: not page.progress)
    assert not at.exception
    (said,) = told(at)
    assert "too short to learn from" in said


def test_an_own_text_and_what_was_learned_of_it_go_when_the_server_stops(pool: Pool) -> None:
    from ui import cache

    at = opened(w_text="Own text", w_least=1, w_dims=2, w_epochs_sg=2)
    at.text_area(key="w_paste").set_value(f"{SENTENCES} xqsecret xqsecret").run()
    press(at, "Train")
    run_until(at, lambda page: not page.progress)
    found, _ = at.session_state["w_own"]
    key = training_key(found, recipe_of("skip-gram", min_count=1, dims=2, epochs=2))
    held = [path for path in pool.store.root.rglob("*.ek") if b"xqsecret" in path.read_bytes()]
    assert pool.store.get_meta(key) is not None
    assert len(held) == 5  # the text, the result, and the epochs 0, 1 and 2
    cache.forget_own()
    assert not [path for path in pool.store.root.rglob("*.ek") if b"xqsecret" in path.read_bytes()]


def test_an_own_text_that_is_no_longer_kept_is_said(pool: Pool) -> None:
    at = opened(w_text="Own text", w_least=1, w_dims=2, w_epochs_sg=1, w_seed=77)
    at.text_area(key="w_paste").set_value(f"{SENTENCES} gone").run()
    found, _ = at.session_state["w_own"]
    pool.store.remove(found.own)
    press(at, "Train")
    run_until(at, lambda page: not page.progress)
    assert told(at) == ["Your text is no longer kept here. Give it again."]


# --- text8 -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_text8_is_offered_before_it_is_here() -> None:
    at = opened(w_text="text8")
    assert not at.exception
    assert not told(at)
    assert "Fetch text8 (33 MB, 2006; not stated; Wikipedia of 2006: GFDL)" in [each.label for each in at.button]
    assert "w_method" not in controls(at)


# --- odd links -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    "query",
    [
        {"w_dims": "1e999"},
        {"w_dims": 0},
        {"w_method": "nonsense"},
        {"w_text": "‽"},
        {"w_rate_sg": "nan"},
        {"w_sample_sg": -1},
        {"w_back": 99},
        {"w_seed": "abc"},
    ],
)
def test_odd_settings_fall_back_on_what_ships(query: dict[str, Any]) -> None:
    at = opened(**query)
    assert not at.exception
    assert not at.error
    assert metrics(at)["Epoch"] == "8 of 8"


def test_every_setting_reaches_the_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    from ui import train_words_train

    asked: list[Any] = []
    monkeypatch.setattr(train_words_train, "_training", asked.append)
    opened(w_dims=7, w_window_sg=3, w_epochs_sg=4, w_least=2, w_negatives=9, w_sample_sg=0.002, w_rate_sg=0.033,
           w_seed=21, w_threads="true")  # fmt: skip
    given = {"dims": 7, "window": 3, "epochs": 4, "min_count": 2, "negatives": 9, "sample": 0.002, "rate": 0.033}
    assert asked[-1].recipe == recipe_of("skip-gram", **given, seed=21, threads=2)
    opened(w_method="LSA", w_smoothing=0.5, w_power=1.0)
    assert asked[-1].recipe == recipe_of("LSA", smoothing=0.5, power=1.0)
    for method in ("skip-gram", "CBOW", "fastText", "GloVe", "LSA"):
        opened(w_method=method)
        assert asked[-1].recipe == recipe_of(method), "a control's default is not that of the method"


def test_downloads_hold_what_is_shown(pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import streamlit as st

    import embedkit

    made: dict[str, Any] = {}
    monkeypatch.setattr(st, "download_button", lambda label, data, *_, **more: made.update({more["key"]: data}))
    opened()
    path = tmp_path / "words.parquet"
    path.write_bytes(made["w_get_parquet"]())
    space = embedkit.Space.from_parquet(path)
    assert space.vectors.tobytes() == shipped(pool).space.vectors.tobytes()
    assert space.origin.method == "words/word2vec"
    rows = made["w_get_csv"]().decode().splitlines()
    assert (len(rows), rows[0][:12]) == (8_351, "item,z1,z2,z")
    curve = pd.read_csv(pd.io.common.BytesIO(made["w_get_curve"]()))
    assert curve["WordSim-353"].to_numpy() == pytest.approx(shipped(pool).curve[:, 4])
    assert "For the teacher" in made["w_get_sheet"]()


def test_link_of_the_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    at = opened()
    (button,) = [each for each in at.button if each.key == "try_1"]
    button.click()
    at.run()
    assert not at.exception
    assert values(at)["w_method"] == "fastText"
    assert "w_epochs_ft" in controls(at)

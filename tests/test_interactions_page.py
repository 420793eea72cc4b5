"""The page of users and items without a browser: numbers by hand, training and its stop, odd input, own tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import interaction_results as stand_ins
import numpy as np
import pytest

pytest.importorskip("streamlit")

from interaction_results import kept_results
from page_links import INTERACTION_VIEWS
from pages_help import (
    controls,
    figure,
    interactions,
    numbers,
    opened_box,
    parts,
    press,
    run_until,
    table,
    text,
    told,
    values,
    workers,
)
from streamlit.testing.v1 import AppTest

from embedkit.errors import InputError
from embedkit.interactions.data import Watched, features_of, load_watched, parts_of
from embedkit.interactions.evaluation import evaluate
from embedkit.interactions.towers import TowerRecipe
from embedkit.interactions.training import TABLE_TASK, towers_key
from embedkit.jobs import Pool
from embedkit.sources.cinema import tastes
from embedkit.store import recipe_key

SUMS = {
    "Train": "tower_sums",
    "You": "you_sums",
    "Pitfalls": "pit_sums",
    "Retrieval": "retrieval_sums",
    "Transfer": "transfer_sums",
    "Web pages": "page_sums",
}
LONG = 500  # epochs, more than a test waits for
CINEMA = load_watched(Watched())


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("interactions-page")) as made, kept_results(made.store):
        yield made


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> Any:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Pool, "_start", none)


def kept(pool: Pool, recipe: TowerRecipe | None = None) -> Any:
    """The arrays of a finished training on the cinema, the one that ships by default."""
    entry = pool.store.get(towers_key(Watched(), recipe or TowerRecipe()))
    assert entry is not None
    return entry.arrays


# --- what opens at once ----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("view", ["Train", "You"])
def test_opens_with_what_ships(view: str, tmp_path: Path) -> None:
    with workers(tmp_path) as alone:  # an empty home, without what stands in for experiments
        at = interactions(do=view)
        assert not at.exception
        assert not at.error
        assert not at.progress
        assert not alone._queue
        assert at.get("plotly_chart")
        assert "Why" in parts(at)


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("view", INTERACTION_VIEWS)
def test_present_leaves_out_the_texts(view: str) -> None:
    at = interactions(do=view, present="true")
    assert not at.exception
    assert not {"Why", "Try", "Take away"} & set(parts(at))
    assert not [each for each in at.expander if each.label.startswith("Arithmetic")]
    assert at.dataframe


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(("view", "box"), SUMS.items())
def test_arithmetic_and_tries_of_every_view(view: str, box: str) -> None:
    at = opened_box(interactions(do=view), box)
    assert not at.exception
    assert at.latex
    assert len([each for each in at.button if str(each.key).startswith("try_")]) == 3


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


def test_recall_of_the_table_by_hand(pool: Pool) -> None:
    arrays, split = kept(pool), parts_of(CINEMA)
    scores = np.float64(arrays["users"]) @ np.float64(arrays["items"]).T
    shares = []
    for user in range(CINEMA.n_users):
        held = set(split.held[user].indices)
        if held:
            scores[user, split.seen[user].indices] = -np.inf
            top = np.argsort(-scores[user], kind="stable")[:10]
            shares.append(len(held & set(top)) / len(held))
    at = interactions()
    shown = table(at, "method", "R@10").set_index("method")
    assert shown.loc["Two towers", "R@10"] == pytest.approx(np.mean(shares), abs=1e-4)
    metrics = {each.label: each.value for each in at.metric}
    assert float(metrics["Recall@10, held-out"]) == pytest.approx(np.mean(shares), abs=6e-4)
    again = evaluate(arrays["users"] @ arrays["items"].T, split.seen, split.held)
    found = shown.loc["Two towers", ["P@10", "NDCG@10", "coverage", "novelty, bits"]].to_list()
    assert found == pytest.approx([again.precision, again.ndcg, again.coverage, again.novelty], abs=1e-3)


def test_true_tastes_stand_in_the_table_and_cannot_be_beaten() -> None:
    split = parts_of(CINEMA)
    shown = table(interactions(), "method", "R@10").set_index("method")["R@10"]
    (true,) = [name for name in shown.index if name.startswith("The true")]
    assert shown[true] == pytest.approx(evaluate(tastes().scores(), split.seen, split.held).recall, abs=1e-6)
    assert shown[true] == shown.max()


def test_popularity_of_the_table_by_hand() -> None:
    split = parts_of(CINEMA)
    watched = np.bincount(split.seen.indices, minlength=CINEMA.n_items)
    by_popularity = evaluate(np.tile(np.float64(watched), (CINEMA.n_users, 1)), split.seen, split.held)
    shown = table(interactions(), "method", "R@10").set_index("method")["R@10"]
    assert shown["Popularity"] == pytest.approx(by_popularity.recall, abs=1e-6)


def test_arithmetic_of_the_training(pool: Pool) -> None:
    at = opened_box(interactions(), "tower_sums")
    arrays = kept(pool)
    u, items = np.float64(arrays["users"][0]), np.float64(arrays["items"])
    best = int(np.argmax(items @ u))
    number = r"\((-?[\d.]+)\)"
    *pairs, bias, total = numbers(
        " \\+ ".join([number * 2] * 3) + r" \+ \\dots \+ (-?[\d.]+) = (-?[\d.]+)", at.latex[-1].value
    )
    assert pairs == pytest.approx([value for k in range(3) for value in (u[k], items[best, k])], abs=6e-4)
    assert bias == pytest.approx(items[best, -1], abs=6e-4)
    assert total == pytest.approx(sum(a * b for a, b in zip(u, items[best], strict=True)), abs=6e-5)
    assert CINEMA.items[best] in text(at)


def test_guess_is_answered_from_the_table() -> None:
    at = interactions(iguess="Popularity")
    shown = table(at, "method", "R@10").set_index("method")["R@10"]
    best = shown[[name for name in shown.index if not name.startswith("The true")]].idxmax()
    assert f"Not quite: {best}." in text(at)
    assert numbers(r"recall@10 ([\d.]+) by", text(at)) == pytest.approx([shown[best]], abs=6e-4)


def test_step_back_shows_another_map() -> None:
    last, first = interactions(), interactions(tback=-11)
    assert not first.exception
    assert {each.label: each.value for each in first.metric}["Epoch"] == "0 of 100"
    assert traces(last, "towers_map") != traces(first, "towers_map")
    recall = {each.label: each.value for each in first.metric}["Recall@10, held-out"]
    assert float(recall) < float({each.label: each.value for each in last.metric}["Recall@10, held-out"])


def traces(at: AppTest, key: str) -> list[Any]:
    return [list(map(float, each["x"])) for each in figure(at, key)["data"]]


def test_rule_of_the_simulation_and_a_users_true_taste() -> None:
    at = interactions()
    assert "who" not in controls(at)
    at = opened_box(at, "rule")
    at.slider(key="who").set_value(7).run()
    assert not at.exception
    assert at.slider(key="who").proto.help
    assert f"User 7 {tastes().likes(6)}." in text(at)
    assert CINEMA.simulated in text(at)


# --- you -------------------------------------------------------------------------------------------------------------

LIKED = ["Alien (1979)", "Brazil (1985)", "Frankenstein (1931)"]


def test_recommendations_and_reasons_by_hand(pool: Pool) -> None:
    at = opened_box(interactions(do="You", liked=LIKED), "you_sums")
    assert not at.exception
    shown = table(at, "film", "because of")
    arrays, features, rows = kept(pool), features_of(CINEMA), [CINEMA.items.index(name) for name in LIKED]
    history = np.float64(arrays["w.watched"])
    for name, known in (("genres", features.genres), ("year", features.year), ("title", features.title)):
        history = history + np.float64(known) @ np.float64(arrays[f"w.watched.{name}"])
    terms = history[rows] @ np.float64(arrays["items"][:, :-1]).T / np.sqrt(len(rows))  # (picks, films)
    scores = terms.sum(0) + arrays["items"][:, -1]
    order = [row for row in np.argsort(-scores, kind="stable") if row not in rows][:10]
    assert list(shown["film"]) == [CINEMA.items[row] for row in order]
    assert shown["score"].to_numpy(float) == pytest.approx(scores[order], abs=1e-3)
    for said, row in zip(shown["because of"], order, strict=True):
        name, part = re.fullmatch(r"(.+) \(([+-][\d.]+)\)", said).groups()  # type: ignore[union-attr]
        assert name == LIKED[int(terms[:, row].argmax())]
        assert float(part) == pytest.approx(terms[:, row].max(), abs=6e-3)
    summands, _, total = at.latex[-1].value.strip("$\n ").partition("=")
    found = [float(each) for each in re.findall(r"\((-?[\d.]+)\)", summands)]
    assert len(found) == len(LIKED) + 1
    assert sum(found) == pytest.approx(float(total), abs=3e-3)
    assert float(total) == pytest.approx(shown["score"][0], abs=6e-5)
    assert found[:-1] == pytest.approx(sorted(terms[:, order[0]], reverse=True), abs=1e-3)


def test_picked_films_are_not_recommended_and_no_pick_is_survived() -> None:
    at = interactions(do="You")
    liked = values(at)["liked"]
    assert len(liked) == 5
    assert not set(liked) & set(table(at, "film", "because of")["film"])
    at.multiselect(key="liked").set_value([]).run()
    assert not at.exception
    assert not at.error
    assert "Pick a film" in text(at)
    shown = table(at, "film", "because of")
    assert len(shown) == 10
    assert set(shown["because of"]) == {"most watched"}
    assert not opened_box(at, "you_sums").exception


def test_new_film_moves_with_its_genre() -> None:
    at = interactions(do="You")
    before = table(at, "near by")
    at.multiselect(key="ngenres").set_value(["Musical"]).run()
    after = table(at, "near by")
    assert list(before["near by"]) != list(after["near by"])
    assert (np.diff(after["cosine"].to_numpy(float)) <= 0).all()


@pytest.mark.usefixtures("no_worker")
def test_new_film_without_features_has_no_place(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays, recipe = dict(kept(pool)), TowerRecipe(genres=False, year=False, title=False)
    entry = pool.store.get(towers_key(Watched(), TowerRecipe()))
    assert entry is not None
    ids = {name: array for name, array in arrays.items() if not re.search(r"genres|year|title", name)}
    assert pool.store.put(towers_key(Watched(), recipe), ids, dict(entry.meta))
    at = interactions(do="You", reads=["id"])
    assert not at.exception
    assert not at.error
    assert "it has no place" in text(at)
    assert not [each for each in at.dataframe if "near by" in each.value]


@pytest.mark.usefixtures("no_worker")
def test_towers_that_do_not_read_what_was_watched_say_that_picks_change_nothing(pool: Pool) -> None:
    recipe = TowerRecipe(history=False, user_id=True)
    entry = pool.store.get(towers_key(Watched(), TowerRecipe()))
    assert entry is not None
    arrays = {name: array for name, array in entry.arrays.items() if "watched" not in name}
    chance = np.random.default_rng(0)
    arrays["w.user"] = chance.normal(size=(CINEMA.n_users, recipe.dims)).astype(np.float32)
    assert pool.store.put(towers_key(Watched(), recipe), arrays, dict(entry.meta))
    at = interactions(do="You", uhist=False, uid=True)
    assert not at.exception
    assert "your picks change nothing" in " ".join(each.value for each in at.warning)
    assert set(table(at, "because of")["because of"]) == {"most watched"}


@pytest.mark.usefixtures("no_worker")
def test_a_user_that_is_nothing_is_one_sentence() -> None:
    at = interactions(uhist=False)
    assert not at.exception
    assert "The user's tower has no part" in " ".join(each.value for each in at.error)


# --- training --------------------------------------------------------------------------------------------------------


def test_a_short_training_shows_progress_then_its_figures(pool: Pool) -> None:
    at = interactions(tepochs=2, tseed=11)
    assert not at.exception
    assert "Stop" in [each.label for each in at.button]
    assert at.progress
    run_until(at, lambda page: not page.progress)
    assert not at.error
    assert {each.label: each.value for each in at.metric}["Epoch"] == "2 of 2"
    arrays, split = kept(pool, TowerRecipe(epochs=2, seed=11)), parts_of(CINEMA)
    shown = table(at, "method", "R@10").set_index("method")["R@10"]
    again = evaluate(arrays["users"] @ arrays["items"].T, split.seen, split.held)
    assert shown["Two towers"] == pytest.approx(again.recall, abs=1e-4)


def test_a_stopped_training_keeps_its_last_step_and_can_start_again() -> None:
    at = interactions(tepochs=LONG, tseed=12)
    run_until(at, lambda page: page.progress and page.metric)
    press(at, "Stop")
    run_until(at, lambda page: not page.progress)
    assert not at.error
    (epoch,) = numbers(rf"Stopped after epoch (\d+) of {LONG}", text(at))
    assert {each.label: each.value for each in at.metric}["Epoch"] == f"{epoch:.0f} of {LONG}"
    assert at.get("plotly_chart")
    at.run()
    assert not at.progress, "it started again by itself"
    press(at, "Train again")
    run_until(at, lambda page: page.progress)
    press(at, "Stop")


def test_stopped_experiments_stay_stopped_until_asked_again(pool: Pool) -> None:
    with pool.store.locked(recipe_key(stand_ins.RETRIEVAL, items=10_000, seed=77)):
        at = interactions(do="Retrieval", rseed=77)
        run_until(at, lambda page: page.progress and "Waiting" in page.progress[0].text)
        press(at, "Stop")
        run_until(at, lambda page: page.error, 10)
        (said,) = told(at)
        assert "was stopped" in said
        at.run()
        assert told(at) == [said], "it started again by itself"
        press(at, "Run again")
        assert at.progress
        press(at, "Stop")


def test_a_stopped_table_stays_stopped_until_asked_again(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "ab" * 12

    def request(watched: Watched, pool: Pool) -> Any:
        return pool.submit(TABLE_TASK, {"watched": watched.params()}, title="Measuring", key=key)

    monkeypatch.setattr("ui.interactions_train.request_table", request)
    with pool.store.locked(key):
        at = interactions()
        run_until(at, lambda page: page.progress and "Waiting" in page.progress[0].text)
        assert table(at, "method", "R@10")["method"].iloc[0] == "Two towers"
        press(at, "Stop")
        run_until(at, lambda page: page.warning, 10)
        at.run()
        assert not at.progress, "it started again by itself"
        assert "Why" in parts(at)
        press(at, "Run again")
        assert at.progress
        press(at, "Stop")


# --- odd input -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    "query", [{"tdims": 999}, {"temp": "abc"}, {"loss": "nonsense"}, {"neg": "‽"}, {"reads": "nothing"}, {"tepochs": 0}]
)
def test_odd_settings_fall_back_on_the_opening_towers(query: dict[str, Any]) -> None:
    at = interactions(**query)
    assert not at.exception
    assert not at.error
    assert {each.label: each.value for each in at.metric}["Epoch"] == "100 of 100"


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(
    "query",
    [
        {"nyear": "1e999"},
        {"nyear": "nan"},
        {"ntitle": "x" * 5_000},
        {"ntitle": "🎬 <b>x</b> **y** תפוח"},
        {"ngenres": "Cooking"},
        {"liked": ["No Such Film (1900)", "Alien (1979)"]},
    ],
)
def test_odd_films_are_survived(query: dict[str, Any]) -> None:
    at = interactions(do="You", **query)
    assert not at.exception
    assert not at.error
    assert len(table(at, "near by")) == 8


@pytest.mark.usefixtures("no_worker")
def test_items_tower_that_reads_nothing_is_one_sentence() -> None:
    at = interactions()
    at.session_state["reads"] = []
    at.run()
    assert not at.exception
    assert told(at) == ["The item's tower has no part: switch on id, genres, year or title."]


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize(("name", "size"), [("MovieLens 100K", "4.9 MB"), ("MovieLens small", "1.0 MB")])
def test_movielens_says_before_fetching_what_it_costs(name: str, size: str) -> None:
    at = interactions(data=name)
    assert not at.exception
    assert not at.error
    (button,) = [each for each in at.button if each.label.startswith("Fetch")]
    assert size in button.label
    assert "research only" in button.label
    assert "licence" in text(at)
    assert at.info


@pytest.mark.usefixtures("no_worker")
def test_movielens_from_a_folder_that_is_not_there() -> None:
    at = interactions(data="MovieLens small", mlfolder="/nowhere/at/all")
    assert not at.exception
    assert "/nowhere/at/all" in at.info[0].value
    assert not [each for each in at.button if each.label.startswith("Fetch")]


# --- an own table ----------------------------------------------------------------------------------------------------


def csv(users: int, items: int, each: int) -> bytes:
    """A table in which each user has so many items, drawn."""
    chance = np.random.default_rng(0)
    rows = [(user, item) for user in range(users) for item in chance.permutation(items)[:each]]
    return ("user,item\n" + "\n".join(f"u{user},thing {item}" for user, item in rows)).encode()


def give(at: AppTest, data: bytes, name: str = "mine.csv") -> AppTest:
    (uploader,) = [each for each in at.get("file_uploader") if each.key == "own_table"]
    uploader.set_value((name, data, "text/csv"))
    return at.run()


def test_own_table_is_trained_on_and_all_of_it_can_be_picked() -> None:
    at = interactions(data="Own table", tepochs=1)
    assert "user and item" in at.info[0].value
    give(at, csv(40, 12, 6))
    assert not at.exception
    run_until(at, lambda page: not page.progress and page.dataframe)
    assert not at.error
    assert "240 rows of 40 users and 12 items; yours." in text(at)
    assert "The rule of the simulation, and the true tastes" not in [each.label for each in at.expander]
    at.session_state["do"] = "You"
    at.run()
    assert not at.exception
    assert len(table(at, "film", "because of")) == 12 - len(values(at)["liked"]) == 7
    at.multiselect(key="liked").set_value(at.multiselect(key="liked").options)
    at.session_state["you_sums"] = True
    at.run()
    assert not at.exception, at.exception
    assert "Why" in parts(at)
    assert "Try" in parts(at)


def test_python_lines_train_on_the_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    at = interactions(data="Own table", tepochs=1)
    give(at, csv(40, 12, 6))
    run_until(at, lambda page: not page.progress and page.dataframe)
    opened_box(at, "tcode")
    (code,) = [each.value for each in at.code]
    (tmp_path / "mine.csv").write_bytes(csv(40, 12, 6))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "shown.py", "exec"), {"__name__": "shown"})
    shown = table(at, "method", "R@10").set_index("method")["R@10"]
    (recall,) = numbers(r"recall=([\d.]+)", capsys.readouterr().out)
    assert recall == pytest.approx(shown["Two towers"], abs=1e-3)


def test_changing_the_table_drops_films_that_it_does_not_have() -> None:
    at = interactions(do="You", liked=LIKED, ngenres=["Drama"])
    assert values(at)["liked"] == LIKED
    at.session_state["data"] = "Own table"
    at.session_state["tepochs"] = 1.0
    at.run()
    give(at, csv(40, 12, 6))
    run_until(at, lambda page: not page.progress and page.dataframe)
    assert not at.exception, at.exception
    assert not at.error
    assert not set(values(at)["liked"]) & set(LIKED)


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("data", [b"", b"\x00\x01\x02", b"a,b\n1,2\n", b"user,item\n", b"user\nann\n"])
def test_broken_table_is_one_sentence(data: bytes) -> None:
    at = give(interactions(data="Own table"), data)
    assert not at.exception
    (said,) = told(at)
    assert "mine.csv" in said
    assert len(said) < 300
    assert "data" in controls(at)


def test_table_too_small_to_test_on_is_one_sentence() -> None:
    at = give(interactions(data="Own table", tepochs=1), csv(3, 4, 2))
    run_until(at, lambda page: page.error)
    assert not at.exception
    assert len(told(at)) == 1


# --- experiments -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_worker")
def test_pitfalls_show_what_was_measured() -> None:
    at = interactions(do="Pitfalls", pguess="full")
    assert not at.exception
    assert not at.error
    shown = table(at, "loss and negatives")
    rows = stand_ins.negatives()
    assert list(shown["recall@10"]) == [row.recall for row in rows]
    assert list(shown["effective rank"]) == [row.rank for row in rows]
    assert list(shown["places to the most watched tenth"]) == [row.head for row in rows]
    assert "Not quite: none. Measured: effective rank 1.5" in text(at)
    assert ", ".join(stand_ins.NEVER) in text(at)
    news = table(at, "chance")
    assert list(news["recall@10 among the new films"]) == [row.recall for row in stand_ins.new_films()]
    drift = table(at, "old users, new items")
    assert list(drift["after a rotation"]) == [row.rotated for row in stand_ins.drift()]
    assert drift["of the loss repaired"].isna().to_list() == [False, True, False]


def test_a_failing_experiment_is_one_sentence_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise InputError("This needs 10 users. Give a larger table.")

    monkeypatch.setattr("ui.interactions_pitfalls.request_new_films", fails)
    at = interactions(do="Pitfalls")
    assert not at.exception
    assert told(at) == ["This needs 10 users. Give a larger table."]
    assert table(at, "old users, new items") is not None


@pytest.mark.usefixtures("no_worker")
def test_transfer_shows_lines_and_winners() -> None:
    at = interactions(do="Transfer", xguess="from scratch")
    assert not at.exception
    shown = table(at, "labelled rows", "best")
    rows = {(row.mode, row.rows): row.auc for row in stand_ins.transfer()}
    assert list(shown["tuned vectors"]) == [rows["tuned", size] for size in shown["labelled rows"]]
    assert set(shown["blind: no label used"]) == {rows["blind", 0]}
    assert shown["best"].iloc[0] == "fixed vectors, a head learns"
    assert shown["best"].iloc[-1] == "tuned vectors"
    assert "Not quite: fixed vectors, a head learns." in text(at)
    assert len(figure(at, "transfer")["data"]) >= 4


@pytest.mark.usefixtures("no_worker")
def test_retrieval_shows_what_was_measured() -> None:
    at = interactions(do="Retrieval", rguess="A few times faster")
    assert not at.exception
    shown = table(at, "search", "recall@10")
    rows = stand_ins.retrieval(10_000)
    assert list(shown["search"]) == ["exact", "hnsw, ef 10", "hnsw, ef 50", "hnsw, ef 400"]
    assert list(shown["recall@10"]) == [row["recall"] for row in rows]
    assert "Not quite: Tens of times faster. Measured here for 10,000 items: 20.0 times." in text(at)
    opened_box(at, "retrieval_sums")
    assert "640{,}000" in at.latex[0].value


@pytest.mark.usefixtures("no_worker")
def test_web_pages_found_and_their_words_sum_to_the_cosine() -> None:
    at = interactions(do="Web pages")
    section = stand_ins.some_sections()[0]
    at.text_input(key="q").set_value(f"{section.article} {section.title}").run()
    assert not at.exception
    assert not at.error
    hits = table(at, "page", "cosine")
    assert len(hits) == 8
    assert (np.diff(hits["cosine"].to_numpy(float)) <= 0).all()
    opened_box(at, "page_sums")
    summands, _, total = at.latex[-1].value.strip("$\n ").partition("=")
    found = [float(each) for each in re.findall(r"\((-?[\d.]+)\)", summands)]
    assert sum(found) == pytest.approx(float(total), abs=5e-3)
    assert float(total) == pytest.approx(hits["cosine"][0], abs=6e-5)
    assert at.caption


@pytest.mark.usefixtures("no_worker")
@pytest.mark.parametrize("query", ["", "  ", "🍎", "qqqxzzy", "word " * 300])
def test_web_pages_query_that_cannot_be_is_one_sentence(query: str) -> None:
    at = interactions(do="Web pages")
    at.text_input(key="q").set_value(query)
    opened_box(at.run(), "page_sums")
    assert not at.exception
    assert len(told(at)) == 1
    assert "Try" in parts(at)
    assert len(table(at, "method", "MRR")) >= 4


def test_another_table_is_not_shown_what_still_runs_for_the_first(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "cd" * 12

    def request(watched: Watched, pool: Pool) -> Any:
        if watched.key == "own":
            raise InputError("Asked for the own table.")
        return pool.submit(stand_ins.TRANSFER, {"watched": watched.params(), "seed": 0}, title="Transfer", key=key)

    monkeypatch.setattr("ui.interactions_transfer.request_transfer", request)
    with pool.store.locked(key):
        at = interactions(do="Transfer")
        run_until(at, lambda page: page.progress and "Waiting" in page.progress[0].text)
        at.session_state["data"] = "Own table"
        at.run()
        give(at, csv(40, 12, 6))
        assert not at.progress
        assert told(at) == ["Asked for the own table."]
        pool._live(key).stop()

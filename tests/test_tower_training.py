"""What two towers read of a table, and their training as a job: kept, stopped, killed, measured beside baselines."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import embedkit.encoders.transformer as transformer
from embedkit.encoders.transformer import load_transformer
from embedkit.errors import InputError, JobDied, JobStopped
from embedkit.export import towers_script
from embedkit.interactions import baselines as baselines_module
from embedkit.interactions import data, training
from embedkit.interactions.baselines import baselines
from embedkit.interactions.data import (
    Watched,
    features_of,
    keep_table,
    load_watched,
    new_film,
    parts_of,
    title_vectors,
    weights_of,
)
from embedkit.interactions.evaluation import evaluate, recall_at
from embedkit.interactions.towers import TowerRecipe, Towers, train_towers
from embedkit.interactions.training import (
    collapse_of,
    kept_epochs,
    request_table,
    request_towers,
    table_task,
    towers_at,
    towers_key,
    towers_task,
    weights_of_entry,
)
from embedkit.jobs import Job, Pool
from embedkit.sources.cinema import cinema
from embedkit.sources.interactions import Interactions
from embedkit.store import Store, default_store, step_key
from embedkit.worker import Report

TITLES = ("The Godfather", "Alien", "Toy Story", "Casablanca", "Heat", "Fargo", "Psycho", "Vertigo", "Up", "Brazil",
          "Ran", "Big", "Jaws", "Speed", "Babe", "Clue", "Rocky", "Gandhi", "Amadeus", "Network")  # fmt: skip
GENRES = ("Drama|Crime", "Comedy", "Drama", "Comedy|Crime", "")


class Reader:
    """Stands for MiniLM, which takes seconds to load: six numbers that follow from the letters."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def pooled(self, texts: Any) -> Any:
        self.read.append(len(texts))
        rows = [np.random.default_rng(sum(map(ord, text))).normal(size=6) for text in texts]
        return np.array(rows, np.float32).reshape(len(texts), 6)


def table(rows: int = 300, users: int = 30, items: int = 20, seed: int = 0) -> Interactions:
    """Even users watch even films, odd ones odd films, and now and then another."""
    rng = np.random.default_rng(seed)
    cells = np.flatnonzero(rng.random((users, items)) < np.where(LIKED[:users, :items], 0.8, 0.1))[:rows]
    user, item = np.divmod(cells, items)
    films = {
        "title": TITLES[:items],
        "year": [0 if i == 3 else 1950 + 3 * i for i in range(items)],
        "genres": [GENRES[i % 5] for i in range(items)],
    }
    return Interactions(
        key="tiny",
        title="A tiny table",
        users=tuple(f"user {i}" for i in range(users)),
        items=tuple(f"film {i}" for i in range(items)),
        user=user,
        item=item,
        rating=rng.integers(1, 6, len(user)),
        time=rng.integers(1, 1_000_000, len(user)),
        films=pd.DataFrame(films),
        people=pd.DataFrame({"age": [20 + 10 * (i % 3) for i in range(users)], "sex": ["f", "m"] * (users // 2)}),
        licence="own",
        year=2026,
    )


LIKED = np.arange(30)[:, None] % 2 == np.arange(20) % 2


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Reader:
    found = Reader()
    monkeypatch.setattr(transformer, "load_transformer", lambda *_: found)
    return found


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """One worker, as loading torch is most of the time a test takes; its store is that of this process as well."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(home))
        pool = Pool(1, default_store(), threads=1)
        assert pool.store.root == home
        yield pool
        pool.close()


@pytest.fixture
def watched(pool: Pool, reader: Reader) -> Watched:
    """The tiny table where a worker finds it, with titles that are kept already, so that it need not read them."""
    found = keep_table(table(), pool.store)
    features_of(table(), pool.store)
    return found


def ended(job: Job) -> Job:
    assert job.wait(60), f"{job.title} is still {job.state}: {job.text}"
    return job


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def bytes_of(weights: Mapping[str, Any]) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in weights.items()}


# What is read of a table


def test_genres_are_marks_of_sum_one(reader: Reader, tmp_path: Path) -> None:
    found = features_of(table(), Store(tmp_path)).genres
    assert found.dtype == np.float32
    # Comedy, Crime, Drama
    np.testing.assert_array_equal(found[:5], [[0, 0.5, 0.5], [1, 0, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0, 0]])
    np.testing.assert_array_equal(data._marks([["a"], ["a", "b"], ["b", "c"]]), [[1, 0], [0.5, 0.5], [0, 1]])  # no c
    assert data._marks([["a"], ["b"]]).shape == (2, 0)
    many = [[f"w{i:03}" for i in range(600)]] * 2
    assert data._marks(many).shape == (2, 500)


@pytest.mark.parametrize("text", ["Drama|Crime", "Drama,Crime", "Drama;Crime"])
def test_genres_are_parted_by_usual_marks(text: str, reader: Reader, tmp_path: Path) -> None:
    given = table()
    given = replace(given, films=given.films.assign(genres=[text] * 20))
    np.testing.assert_array_equal(features_of(given, Store(tmp_path)).genres, np.full((20, 2), 0.5))


def test_people_are_marks_too(reader: Reader, tmp_path: Path) -> None:
    found = features_of(table(), Store(tmp_path)).people  # age 20, age 30, age 40, sex f, sex m
    np.testing.assert_array_equal(found[:2], [[0.5, 0, 0, 0.5, 0], [0, 0.5, 0, 0, 0.5]])
    assert found.shape == (30, 5)
    nobody = replace(table(), people=pd.DataFrame(index=range(30)))
    assert features_of(nobody, Store(tmp_path)).people.shape == (30, 0)


def test_years_are_bumps_around_every_tenth() -> None:
    found = data._years(np.array([1983, 1990, 0, 2001]))
    centers = [1980, 1990, 2000, 2010]
    for row, year in ((0, 1983), (1, 1990), (3, 2001)):
        assert found[row] == pytest.approx([np.exp(-(((year - center) / 10) ** 2)) for center in centers])
    np.testing.assert_array_equal(found[2], 0)  # unknown
    assert found.dtype == np.float32
    np.testing.assert_array_equal(data._years(np.array([0, 7]))[0], 0)  # also where others are of long ago
    assert data._years(np.zeros(4)).shape == (4, 0)  # none is known
    np.testing.assert_allclose(data._years([1990], np.array([1983, 1990, 0, 2001])), found[1:2])
    assert data._years([1990], np.zeros(4)).shape == (1, 0)


def test_titles_are_read_once(reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    first = features_of(table(), store).title
    assert reader.read == [20]
    np.testing.assert_array_equal(features_of(table(), store).title, first)
    features_of(replace(table(), key="other", year=2025), store)  # the same films
    assert reader.read == [20]
    np.testing.assert_array_equal(title_vectors(list(TITLES), Store(tmp_path)), first)
    monkeypatch.setattr(transformer, "load_transformer", None)  # not even opened
    features_of(table(), Store(tmp_path))
    with pytest.raises(TypeError):
        title_vectors(list(TITLES[1:]), store)


def test_titles_keep_their_angles_to_each_other(reader: Reader, tmp_path: Path) -> None:
    """PCA: all six numbers are kept, so distances are, at a usual size."""
    found, read = title_vectors(list(TITLES), Store(tmp_path)), reader.pooled(TITLES)
    assert (found.dtype, found.shape) == (np.float32, (20, 6))
    gaps, own = (np.linalg.norm(each[:, None] - each[None], axis=2) for each in (read, found))
    scale = own[0, 1] / gaps[0, 1]
    np.testing.assert_allclose(own, gaps * scale, rtol=1e-4, atol=1e-6)
    assert found.std() == pytest.approx(data.SPREAD, rel=1e-4)
    assert (np.diff(found.std(0)) <= 1e-6).all()  # the widest first
    few = title_vectors(["one", "two", "three"], Store(tmp_path))
    assert few.shape == (3, 3)
    alone = title_vectors(["one"], Store(tmp_path))
    np.testing.assert_array_equal(alone, [[0]])


def test_a_new_film_is_read_as_if_it_stood_in_the_table(tmp_path: Path) -> None:
    """With the real MiniLM: a title read alone is the title read among others."""
    given, store = table(items=12), Store(tmp_path)
    features = features_of(given, store)
    for row in (0, 3, 11):
        film = given.films.iloc[row]
        found = new_film(given, film["title"], int(film["year"]), film["genres"].split("|"), store)
        for part in ("genres", "year", "title"):
            np.testing.assert_allclose(getattr(found, part), getattr(features, part)[row : row + 1], atol=1e-5)
        assert found.people.shape == (1, 0)
    other = new_film(given, "A film that nobody made", 2050, ["Western"], store)
    np.testing.assert_array_equal(other.genres, [[0, 0, 0]])
    assert other.year.max() < 1e-3  # far from all known years
    assert np.linalg.norm(features.title - other.title, axis=1).min() > 0.1
    towers = Towers(TowerRecipe(dims=4, item_id=False), features, (given.n_users, 12))
    same = new_film(given, "The Godfather", 1950, ["Crime", "Drama"], store)
    np.testing.assert_allclose(towers.new_items(same)[0, :-1], towers.items()[0, :-1], atol=1e-5)


def test_pooled_is_the_mean_of_the_last_layer(tiny_folder: Path) -> None:
    model = load_transformer(folder=str(tiny_folder))
    texts = ["the apple", "a river .", "i eat an apple on the bank", "a"]
    found = model.pooled(texts)
    means = np.array([np.mean(reading.states[-1], axis=0) for reading in model.read(texts)])
    np.testing.assert_allclose(found, means / np.linalg.norm(means, axis=1, keepdims=True), atol=1e-5)
    assert (found.dtype, model.pooled([]).shape) == (np.float32, (0, 16))
    np.testing.assert_allclose(model.pooled(texts * 100)[397], found[1], atol=1e-5)  # several batches
    np.testing.assert_allclose(model.pooled(texts[1:2]), found[1:2], atol=1e-5)


def test_weights_are_ratings_over_the_highest() -> None:
    given = replace(table(), rating=np.linspace(-1, 4, table().n).astype(np.float32))
    found = weights_of(given, np.arange(given.n))
    assert (found.shape, found.dtype, found.nnz) == ((30, 20), np.float32, given.n)
    assert (found.data.min(), found.data.max()) == (np.float32(0.1), 1)
    for row in (0, given.n // 2, given.n - 1):
        expected = max(given.rating[row] / 4, 0.1)
        assert found[given.user[row], given.item[row]] == pytest.approx(expected)
    few = weights_of(given, np.arange(10))
    assert few.nnz == 10
    assert few.max() < 0.2  # over the highest of the whole table
    worst = replace(given, rating=np.full(given.n, -2.0))
    assert set(weights_of(worst, np.arange(given.n)).data.tolist()) == {np.float32(0.1)}
    assert weights_of(given, []).nnz == weights_of(given.take([]), []).nnz == 0


def test_parts_do_not_overlap() -> None:
    given = table()
    parts = parts_of(given)
    assert parts.seen.nnz + parts.held.nnz == given.n
    assert parts.seen.multiply(parts.held).nnz == 0
    assert parts.held.nnz == pytest.approx(0.2 * given.n, rel=0.1)
    assert (np.diff(parts.held.indptr) > 0).all()
    again, other = parts_of(given), parts_of(given, 1)
    assert (again.held != parts.held).nnz == 0
    assert (other.held != parts.held).nnz > 0


# Own tables


def test_an_own_table_is_kept_once_and_comes_back(pool: Pool) -> None:
    given = table()
    found = keep_table(given, pool.store)
    assert found.key == "own"
    assert Watched(**found.params()) == found
    back = load_watched(found)
    assert (back.title, back.users, back.items, back.digest) == (given.title, given.users, given.items, given.digest)
    for name in ("user", "item", "rating", "time"):
        np.testing.assert_array_equal(getattr(back, name), getattr(given, name))
    pd.testing.assert_frame_equal(back.films, given.films)
    pd.testing.assert_frame_equal(back.people, given.people)
    files = list(pool.store.root.glob("store/*/*.ek"))
    assert keep_table(table(), pool.store) == found
    assert list(pool.store.root.glob("store/*/*.ek")) == files
    assert keep_table(table(seed=1), pool.store) != found
    for gone in (Watched("own", own="0" * 32), Watched("own")):
        with pytest.raises(InputError, match="no longer kept here"):
            load_watched(gone)


def test_a_table_without_people_comes_back(pool: Pool) -> None:
    given = replace(table(), people=pd.DataFrame(index=range(30)))
    back = load_watched(keep_table(given, pool.store))
    assert back.people.shape == (30, 0)
    assert back.digest == given.digest


def test_an_own_table_needs_room(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no room on the disk"):
        keep_table(table(), Store(tmp_path, limit_bytes=100))


def test_the_cinema_is_a_set_by_name() -> None:
    assert load_watched(Watched()) is load_watched(Watched("cinema"))
    assert load_watched(Watched()).digest == cinema().digest


# A training as a job

FEW = TowerRecipe(dims=4, epochs=30, dropout=0.3, people=True)


def weights_here(given: Interactions, recipe: TowerRecipe, store: Store) -> dict[str, bytes]:
    """Those of a training in this process that nobody stopped."""
    *_, last = train_towers(parts_of(given).seen, features_of(given, store), recipe)
    return bytes_of(last.weights)


def test_a_finished_training_has_steps_curve_and_ranking(pool: Pool, watched: Watched) -> None:
    job = request_towers(watched, FEW, pool)
    assert request_towers(watched, replace(FEW), pool) is job  # whoever asks shares it
    assert job.title == "Two towers on a tiny table"
    entry = ended(job).result()
    assert job.key == towers_key(watched, FEW)
    assert request_towers(watched, FEW, pool) is job
    epochs = kept_epochs(30)
    assert job.steps == epochs
    assert (entry.meta["epoch"], entry.meta["epochs"]) == (30, 30)
    weights = weights_of_entry(entry)
    assert bytes_of(weights) == weights_here(table(), FEW, pool.store)  # an own table, and one thread

    features, parts = features_of(table(), pool.store), parts_of(table())
    towers = Towers(FEW, features, parts.seen.shape, weights)
    users, items = towers.users(parts.seen, np.arange(30)), towers.items()
    np.testing.assert_allclose(entry.arrays["users"], users, atol=1e-6)
    np.testing.assert_allclose(entry.arrays["items"], items, atol=1e-6)
    assert entry.meta["ranking"] == pytest.approx(asdict(evaluate(users @ items.T, parts.seen, parts.held)))
    popular = evaluate(baselines()["popularity"].score(parts.seen), parts.seen, parts.held)
    assert entry.meta["ranking"]["recall"] >= popular.recall

    steps = {step.epoch: step for step in train_towers(parts.seen, features, FEW)}
    curve = entry.meta["curve"]
    assert [row[0] for row in curve] == list(epochs)
    assert curve[0][1] is None
    for epoch, (_, loss, recall, cosine, rank) in zip(epochs, curve, strict=True):
        own = Towers(FEW, features, parts.seen.shape, steps[epoch].weights)
        scores = own.users(parts.seen, np.arange(30)) @ own.items().T
        assert recall == pytest.approx(recall_at(scores, parts.seen, parts.held))
        assert (cosine, rank) == pytest.approx(collapse_of(own.items()[:, :-1]), rel=1e-4, abs=1e-6)
        if epoch:
            assert loss == pytest.approx(steps[epoch].loss, rel=1e-5)
        seen = towers_at(pool.store, job.key, epoch)
        assert seen is not None
        assert (seen.epoch, seen.epochs) == (epoch, 30)
        np.testing.assert_allclose(seen.items, own.items(), atol=1e-6)
        assert seen.curve[-1, 0] == epoch
        assert np.isnan(seen.curve[0, 1])
        assert seen.curve.shape == (epochs.index(epoch) + 1, 5)
    assert towers_at(pool.store, job.key, 29) is None  # not kept
    pool.store.remove(step_key(job.key, 30))
    last = towers_at(pool.store, job.key, 30)  # the result is that of the last step
    assert last is not None
    np.testing.assert_array_equal(last.users, entry.arrays["users"])


def test_another_recipe_or_table_has_another_key(watched: Watched) -> None:
    others = [replace(FEW, seed=1), replace(FEW, loss="BPR"), replace(FEW, title=False), replace(FEW, decay=0.5)]
    keys = {towers_key(watched, each) for each in (FEW, *others)} | {towers_key(Watched(), FEW)}
    assert len(keys) == 6


def test_a_stopped_training_keeps_its_last_step(pool: Pool, watched: Watched) -> None:
    recipe = replace(FEW, epochs=1_000, loss="BPR")
    job = request_towers(watched, recipe, pool)
    eventually(lambda: len(job.steps) > 3)
    job.stop()
    with pytest.raises(JobStopped, match="Two towers on a tiny table was stopped"):
        ended(job).result()
    assert job.state == "stopped"
    assert pool.store.get(job.key) is None
    *earlier, last = job.steps
    assert tuple(earlier) == tuple(epoch for epoch in kept_epochs(1_000) if epoch < last)
    seen = towers_at(pool.store, job.key, last)
    assert seen is not None
    assert (seen.epoch, seen.curve[-1, 0]) == (last, last)
    features, parts = features_of(table(), pool.store), parts_of(table())
    for step in train_towers(parts.seen, features, recipe):
        if step.epoch == last:
            break
    own = Towers(recipe, features, parts.seen.shape, step.weights)
    np.testing.assert_allclose(seen.items, own.items(), atol=1e-6)
    np.testing.assert_allclose(seen.users, own.users(parts.seen, np.arange(30)), atol=1e-6)
    assert step.epoch == last


def test_wherever_it_is_stopped_the_step_that_was_reached_is_kept(reader: Reader, tmp_path: Path) -> None:
    patch = pytest.MonkeyPatch()
    with patch.context() as patch:
        patch.setenv("EMBEDKIT_HOME", str(tmp_path))
        store = default_store()
        params: dict[str, Any] = {"watched": keep_table(table(), store).params(), "recipe": asdict(FEW)}
        patch.setattr(training, "KEPT", 3)  # 0, 1 and 30: most steps are not kept otherwise
        reached = []
        for call in (3, 7, 12):
            left = iter(range(call))
            report = Report(stopped=lambda left=left: next(left, None) is None, store=store, key=f"{call:032}")
            with pytest.raises(JobStopped):
                towers_task(report, **params)
            *_, last = report.steps
            reached.append(last)
            seen = towers_at(store, f"{call:032}", last)
            assert seen is not None
            assert seen.curve[:, 0].tolist() == report.steps
        assert reached[0] < reached[1] < reached[2] < 30
        assert reached[2] not in kept_epochs(30)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals are of POSIX")
def test_a_killed_training_is_begun_anew(pool: Pool, watched: Watched) -> None:
    recipe = replace(FEW, epochs=300, seed=7)
    job = request_towers(watched, recipe, pool)
    eventually(lambda: job.steps)
    assert job._worker is not None
    os.kill(job._worker.process.pid, signal.SIGKILL)
    assert ended(job).state == "died"
    with pytest.raises(JobDied, match="Press run to try again"):
        job.result()
    again = ended(request_towers(watched, recipe, pool))
    assert again is not job
    assert bytes_of(weights_of_entry(again.result())) == weights_here(table(), recipe, pool.store)
    assert again.steps == kept_epochs(300)


def test_what_cannot_be_trained_is_said(pool: Pool, watched: Watched) -> None:
    with pytest.raises(InputError, match="no longer kept"):
        request_towers(Watched("own", own="0" * 32), FEW, pool)
    one = table(items=1)
    source = keep_table(one, pool.store)
    features_of(one, pool.store)
    refused = ended(request_towers(source, FEW, pool))
    with pytest.raises(InputError, match=r"two users, two items and two pairs; here are \(30, 1\)"):
        refused.result()


# Beside the baselines


def test_the_table_lists_every_baseline(pool: Pool, watched: Watched) -> None:
    job = request_table(watched, pool)
    assert request_table(watched, pool) is job
    meta = ended(job).result().meta
    known = list(baselines().values())
    assert [row["method"] for row in meta["rows"]] == [each.title for each in known]
    assert meta["left_out"] == []
    assert job.steps == tuple(range(len(known)))
    half = job.step(1)
    assert half is not None
    assert half.meta["rows"] == meta["rows"][:2]
    parts, features = parts_of(table()), features_of(table(), pool.store)
    for name in ("popularity", "ease", "titles"):
        each = baselines()[name]
        given = {"vectors": features.title} if each.needs else {}
        scores = each.score(parts.seen, **each.settings, **given)
        (row,) = (row for row in meta["rows"] if row["method"] == each.title)
        assert {k: v for k, v in row.items() if k != "method"} == pytest.approx(
            asdict(evaluate(scores, parts.seen, parts.held))
        )


def test_a_method_that_refuses_is_left_out_with_its_sentence(
    pool: Pool, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines_module, "EASE_LIMIT", 19)
    _, meta = table_task(Report(), watched=watched.params())
    titles = [each.title for name, each in baselines().items() if name != "ease"]
    assert [row["method"] for row in meta["rows"]] == titles
    assert len(titles) == len(baselines()) - 1
    (sentence,) = meta["left_out"]
    assert sentence.startswith("EASE takes at most 19 items")


# Taken home


def test_the_script_trains_the_same_towers(pool: Pool, watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = replace(FEW, epochs=3)
    scope: dict[str, Any] = {}
    exec(towers_script(watched.params(), asdict(recipe)), scope)
    assert scope["recipe"] == recipe
    assert bytes_of(scope["step"].weights) == weights_here(table(), recipe, pool.store)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[:4]] == ["0", "1", "2", "3"]
    assert printed[-1].startswith("Ranking(k=10")
    few: dict[str, Any] = {}
    exec(towers_script({"own": watched.own, "key": "own"}, {"epochs": 1, "dims": 2}), few)
    assert few["recipe"] == TowerRecipe(epochs=1, dims=2)

"""The page of pictures without a browser: numbers by hand, training stopped and killed, odd input, own pictures."""

from __future__ import annotations

import io
import os
import signal
import zipfile
from collections import deque
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("streamlit")

from page_links import IMAGE_VIEWS
from pages_help import (
    alt_key,
    controls,
    dots,
    figure,
    images,
    numbers,
    opened_box,
    parts,
    picture_rows,
    press,
    row,
    run_until,
    table,
    text,
    told,
    values,
    words,
    workers,
)
from streamlit.testing.v1 import AppTest

from embedkit.errors import DamagedFile
from embedkit.images import Recipe, Source, examples, label_columns, training_key
from embedkit.images.autoencoder import train
from embedkit.images.classifiers import ClassifierRecipe
from embedkit.images.compare import classifier_key
from embedkit.images.pitfalls import SIZES
from embedkit.jobs import Pool
from embedkit.sources.pictures import digits
from embedkit.store import step_key

LONG = 2_000  # epochs, more than a test waits for
DIGITS = digits()
TRAIN, HELD = DIGITS.split()
TARGETS = np.array(DIGITS.labels)


@pytest.fixture(scope="module", autouse=True)
def pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    with workers(tmp_path_factory.mktemp("images-page")) as made:
        yield made


# --- what opens at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", IMAGE_VIEWS)
def test_opens_with_what_ships(view: str, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(_: Any) -> Any:
        raise AssertionError("a worker was started")

    monkeypatch.setattr(Pool, "_start", none)
    at = images(view=view)
    assert not at.exception
    assert not at.error
    assert not at.progress
    assert not pool._queue
    assert view == "Search" or picture_rows(at)


@pytest.mark.parametrize("view", IMAGE_VIEWS)
def test_every_picture_has_alt_text(view: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ui.own_picture.drawing", lambda _: png(enlarged(7)))
    at = images(view=view)
    alts = [cell.alt for _, cells in picture_rows(at) for cell in cells]
    assert len(alts) > 30
    assert all(len(alt) > 6 for alt in alts)
    assert sum(each.proto.body.count("<img") for each in at.get("html")) == len(alts)


# --- numbers equal the same numbers by hand --------------------------------------------------------------------------


def network(arrays: Any, part: str, rows: Any) -> Any:
    """Encoder or decoder of a dense autoencoder in double precision, from its weights."""
    from scipy.special import erf

    x = np.asarray(rows, np.float64)
    names = sorted(name for name in arrays if name.startswith(f"w.{part}.") and name.endswith("weight"))
    for name in names:
        x = x @ np.float64(arrays[name]).T + np.float64(arrays[name.replace("weight", "bias")])
        if name != names[-1]:
            x = 0.5 * x * (1 + erf(x / np.sqrt(2)))
    return 1 / (1 + np.exp(-x)) if part == "decoder" else x


def kept(pool: Pool, recipe: Recipe | None = None) -> Any:
    """The arrays of a finished training on digits, the one that ships by default."""
    entry = pool.store.get(training_key(Source(), recipe or Recipe()))
    assert entry is not None
    return entry.arrays


def kept_codes(pool: Pool) -> Any:
    """The latent vectors of digits by the shipped autoencoder, in double precision."""
    return network(kept(pool), "encoder", DIGITS.flat)


def by_pca(size: int) -> Any:
    from sklearn.decomposition import PCA

    return PCA(size, svd_solver="full").fit(np.float64(DIGITS.flat[TRAIN]))


def knn(vectors: Any, labels: Any = TARGETS) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(5).fit(vectors[TRAIN], labels[TRAIN])
    return float(model.score(vectors[HELD], labels[HELD]))


def test_errors_and_accuracies_of_the_table(pool: Pool) -> None:
    shown = table(images(), "method", "error, held-out").set_index("method")
    codes, pca = kept_codes(pool), by_pca(2)
    squares = {
        "autoencoder": (network(kept(pool), "decoder", codes) - DIGITS.flat) ** 2,
        "PCA": (pca.inverse_transform(pca.transform(DIGITS.flat)) - DIGITS.flat) ** 2,
    }
    for name, found in squares.items():
        assert shown.loc[name, "error, training"] == pytest.approx(found[TRAIN].mean(), rel=1e-4), name
        assert shown.loc[name, "error, held-out"] == pytest.approx(found[HELD].mean(), rel=1e-4), name
    vectors = {"autoencoder": kept(pool)["codes"], "PCA": pca.transform(DIGITS.flat)}
    for name, found in vectors.items():  # a tie may fall to the other side
        assert shown.loc[name, "kNN accuracy, held-out"] == pytest.approx(knn(found), abs=2.1 / len(HELD)), name


def test_figures_at_the_top_are_those_of_the_table_and_of_the_curve() -> None:
    at = images()
    shown = table(at, "method", "error, held-out").set_index("method")["error, held-out"]
    metrics = {each.label: each.value for each in at.metric}
    assert float(metrics["Error on held-out pictures"]) == pytest.approx(shown["autoencoder"], abs=6e-5)
    assert float(metrics["PCA with 2 numbers, held-out"]) == pytest.approx(shown["PCA"], abs=6e-5)
    held = next(each for each in figure(at, "losses")["data"] if each["name"] == "held-out pictures")
    assert held["y"][-1] == pytest.approx(shown["autoencoder"], rel=1e-4)


def test_arithmetic_of_the_training(pool: Pool) -> None:
    at = opened_box(images(), "train_sums")
    first = examples(DIGITS, HELD, 1)[0]
    code = network(kept(pool), "encoder", DIGITS.flat[[first]])
    squares = (network(kept(pool), "decoder", code) - DIGITS.flat[[first]]) ** 2
    total, mean = numbers(r"\\frac\{([\d.]+)\}\{64\} = ([\d.]+)\s*\$\$$", at.latex[-1].value)
    assert mean == pytest.approx(squares.mean(), abs=6e-5)
    assert total / 64 == pytest.approx(mean, abs=6e-5)
    said = numbers(r"z = \((-?[\d.]+), (-?[\d.]+)\)", text(at))
    assert said == pytest.approx(code[0], abs=6e-4)
    assert said == pytest.approx(dots(figure(at, "latent_map"))[first], abs=6e-4)  # where it stands on the map
    drawn = row(at, "autoencoder").pop(0).pixels / 255
    assert ((drawn.ravel() - DIGITS.flat[first]) ** 2).mean() == pytest.approx(mean, abs=2e-4)


def distances(space: Any, place: Any) -> Any:
    return np.linalg.norm(np.float64(space) - np.float64(place), axis=1)


def same_neighbors(cells: list[Any], space: Any, place: Any, own: int = -1) -> None:
    """The pictures, labels and distances of a row are those that numpy finds."""
    far = distances(space, place)
    far[[own] if own >= 0 else []] = np.inf
    near = np.argsort(far, kind="stable")[: len(cells)]
    assert len(cells) == 8
    for cell, picture in zip(cells, near, strict=True):
        label, distance = cell.caption.split(" · ")
        assert float(distance) == pytest.approx(far[picture], abs=0.011)  # float32 on the page
        assert label == DIGITS.labels[picture]
        assert (cell.pixels == (DIGITS.pixels[picture, ..., 0] * 255).round()).all()


def test_what_is_near_a_picture_in_three_spaces(pool: Pool) -> None:
    at = images(view="Walk", a=101)
    codes, pca = kept_codes(pool), by_pca(2).transform(DIGITS.flat)
    for label, space in (("in latent space, 2", codes), ("in PCA, 2", pca), ("in pixels, 64", DIGITS.flat)):
        same_neighbors(row(at, label), space, space[100], 100)


def test_what_is_decoded_at_a_place_and_what_is_near_it(pool: Pool) -> None:
    x, y = np.round(kept_codes(pool)[41] + (0.2, -0.1), 3)
    at = images(view="Walk", x=x, y=y)
    (decoded,) = row(at, "decoded at")
    expected = network(kept(pool), "decoder", [[x, y]]).reshape(8, 8)
    assert decoded.pixels / 255 == pytest.approx(expected, abs=3e-3)
    same_neighbors(row(at, "nearest pictures"), kept_codes(pool), [x, y])


def middles(pool: Pool, a: int, b: int) -> dict[str, float]:
    """How far the nearest real picture is half-way between two pictures, by each way."""
    codes, pca = kept_codes(pool), by_pca(2)
    projected = pca.transform(DIGITS.flat)
    half = {
        "in the latent space": network(kept(pool), "decoder", codes[[a, b]].mean(0, keepdims=True)),
        "in PCA": pca.inverse_transform(projected[[a, b]].mean(0, keepdims=True)).clip(0, 1),
        "in pixels": DIGITS.flat[[a, b]].mean(0, keepdims=True),
    }
    return {way: float(distances(DIGITS.flat, picture[0]).min()) for way, picture in half.items()}


@pytest.mark.parametrize(("a", "b"), [(1, 8), (2, 31)])
def test_half_way_between_two_pictures_by_three_ways(a: int, b: int, pool: Pool) -> None:
    at = images(view="Walk", a=a, b=b, wguess="in PCA")
    expected = middles(pool, a - 1, b - 1)
    for way, distance in expected.items():
        assert float(row(at, way)[4].caption) == pytest.approx(distance, abs=6e-3)
    best = min(expected, key=lambda way: expected[way])
    assert ("Right." if best == "in PCA" else f"Not quite: {best}.") in text(at)
    said = numbers(r"Measured: ([\d.]+) in the latent space, ([\d.]+) in PCA, ([\d.]+) in pixels", text(at))
    assert said == pytest.approx(list(expected.values()), abs=6e-3)
    ends = row(at, "in pixels")
    assert [ends[0].caption, ends[-1].caption] == ["0.00", "0.00"]  # A and B themselves


def test_arithmetic_of_the_walk(pool: Pool) -> None:
    codes = kept_codes(pool)
    near = int(np.argsort(distances(codes, codes[0]))[3])  # the third neighbor, so the row above holds the number too
    at = opened_box(images(view="Walk", a=1, b=near + 1), "walk_sums")
    (shown,) = numbers(r"= ([\d.]+)\s*\$\$$", at.latex[-1].value)
    assert shown == pytest.approx(distances(codes, codes[0])[near], rel=1e-3)
    assert row(at, "in latent space")[2].caption == f"{DIGITS.labels[near]} · {shown:.2f}"
    said = numbers(r"half of each: z = \((-?[\d.]+), (-?[\d.]+)\)", text(at))
    assert said == pytest.approx((codes[0] + codes[near]) / 2, abs=6e-4)


def vectors_compared(pool: Pool, column: str) -> dict[str, Any]:
    found = {
        "pixels": DIGITS.flat,
        "PCA": by_pca(16).transform(DIGITS.flat),
        "autoencoder": kept(pool, Recipe(latent=16))["codes"],
    }
    for kind in ("cnn", "vit"):
        entry = pool.store.get(classifier_key(Source(), ClassifierRecipe(kind), column))
        assert entry is not None
        found[{"cnn": "CNN", "vit": "ViT"}[kind]] = entry.arrays["codes"]
    return found


@pytest.mark.parametrize("learned", ["even", "label"])
def test_accuracies_of_the_comparison_equal_scikit_learn(learned: str, pool: Pool) -> None:
    at = images(view="Compare", learn=learned, maps="PCA", cmpguess="Yes, it learned to see")
    shown = table(at, "vectors", "numbers").set_index("vectors")
    found = vectors_compared(pool, learned)
    assert list(shown["numbers"]) == [each.shape[1] for each in found.values()]
    columns = label_columns(DIGITS)
    assert set(shown.columns) == {"numbers", *(f"{c} (learned)" if c == learned else c for c in columns)}
    accuracy = {}
    for column, labels in columns.items():
        title = f"{column} (learned)" if column == learned else column
        for name, vectors in found.items():
            accuracy[name, column] = knn(vectors, np.array(labels))
            assert shown.loc[name, title] == pytest.approx(accuracy[name, column], abs=1.1 / len(HELD))
    other = next(column for column in columns if column != learned)
    best = max(found, key=lambda name: accuracy[name, other])
    right = accuracy["CNN", other] >= accuracy[best, other]
    assert ("Right." if right else "Not quite: No, it dropped what it did not need.") in text(at)
    said = numbers(r"Measured: ([\d.]+)% by the CNN, ([\d.]+)% by the best", text(at))
    assert said == pytest.approx([100 * accuracy["CNN", other], 100 * accuracy[best, other]], abs=0.3)


def test_what_is_near_in_the_comparison_and_its_arithmetic(pool: Pool) -> None:
    at = opened_box(images(view="Compare", p=51, maps="PCA"), "compare_sums")
    for name, vectors in vectors_compared(pool, "even").items():
        same_neighbors(row(at, f"{name}, {vectors.shape[1]}"), vectors, vectors[50], 50)
    uu, uv, vv, shown = numbers(r"\{([\d.]+) - 2 \\times ([\d.]+) \+ ([\d.]+)\} = ([\d.]+)\s*\$\$$", at.latex[-1].value)
    assert np.sqrt(uu - 2 * uv + vv) == pytest.approx(shown, abs=3e-3)
    assert row(at, "ViT, 48")[0].caption.endswith(f" {shown:.2f}")


def test_errors_by_latent_size_equal_scikit_learn_and_answer_the_guess() -> None:
    at = images(view="Pitfalls", sguess="At some sizes only")
    lines = {each["name"]: list(each["y"]) for each in figure(at, "size_errors")["data"]}
    for size, shown in zip(SIZES, lines["PCA, held-out"], strict=True):
        pca = by_pca(min(size, 64))
        found = pca.inverse_transform(pca.transform(DIGITS.flat[HELD]))
        assert shown == pytest.approx(((found - DIGITS.flat[HELD]) ** 2).mean(), rel=1e-3, abs=1e-7)
    both = list(zip(SIZES, lines["autoencoder, held-out"], lines["PCA, held-out"], strict=True))
    better = [str(size) for size, ours, theirs in both if ours < theirs]
    assert 0 < len(better) < len(SIZES)
    assert f"Right. Measured better at: {', '.join(better)}." in text(at)


def test_noise_that_passes_by_hand(pool: Pool) -> None:
    """The wide network copies noise, the narrow and the denoising one do not; the rows show the same networks."""
    shown = table(images(view="Pitfalls"), "noise that passes").set_index("network")
    passed = shown["noise that passes"]
    assert passed.iloc[0] > 2 * max(passed.iloc[1], passed.iloc[2])
    assert list(shown["numbers"]) == [128, 8, 128]
    assert shown["error to the clean digit"].idxmin() == passed.index[2]


# --- the guess of the training ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("latent", "epochs"), [(2, 0), (64, 3)])
def test_answer_of_the_training_is_what_was_measured(latent: int, epochs: int) -> None:
    at = images(latent=latent, epochs=epochs, tguess="Under a third")
    run_until(at, lambda page: page.dataframe)
    error = table(at, "method", "error, held-out").set_index("method")["error, held-out"]
    share = error["autoencoder"] / error["PCA"] if error["PCA"] > 1e-9 else 9
    steps = ((1, "Above PCA's"), (2 / 3, "Between two thirds of it and all"), (1 / 3, "Between a third and two thirds"))
    right = next((name for least, name in steps if share > least), "Under a third")
    assert (right == "Above PCA's") == (latent == 64)
    assert ("Right." if right == "Under a third" else f"Not quite: {right}.") in text(at)
    assert f"Measured: {error['autoencoder']:.4f} against {error['PCA']:.4f}." in text(at)


# --- steps -----------------------------------------------------------------------------------------------------------


def epoch(at: AppTest) -> str:
    return next(str(each.value) for each in at.metric if each.label == "Epoch")


def test_step_back_shows_the_untrained_network(pool: Pool) -> None:
    last, first = images(), images(back=-15)
    assert epoch(last) == "148 of 148"
    assert epoch(first) == "0 of 148"
    assert dots(figure(first, "latent_map")).keys() == dots(figure(last, "latent_map")).keys()
    assert dots(figure(first, "latent_map")) != dots(figure(last, "latent_map"))
    entry = pool.store.get(step_key(training_key(Source(), Recipe()), 0))
    assert entry is not None
    code = network(entry.arrays, "encoder", DIGITS.flat[[7]])[0]
    assert dots(figure(first, "latent_map"))[7] == pytest.approx(code, abs=1e-4)
    errors = [float(at.metric[2].value) for at in (last, first)]
    assert errors[0] < errors[1] / 3
    assert "The table below is of the finished training." in text(first)
    assert (table(first, "method") == table(last, "method")).all(axis=None)


def test_step_back_goes_on_step_by_step() -> None:
    seen = [int(epoch(images(back=back)).split()[0]) for back in (-13, -8, -1, 0)]
    assert seen == sorted(set(seen))


# --- a training ------------------------------------------------------------------------------------------------------


def live(at: AppTest) -> bool:
    """Whether a training runs in sight: its progress over its figures."""
    return bool(at.progress and at.get("plotly_chart"))


def test_a_training_shows_its_progress_and_then_its_figures() -> None:
    at = images(latent=3, epochs=40, seed=1)
    assert at.progress
    assert "Training on handwritten digits" in at.progress[0].text
    run_until(at, live)
    assert "of 40" in epoch(at)
    run_until(at, lambda page: not page.progress)
    assert not at.error
    assert epoch(at) == "40 of 40"
    assert table(at, "method")["numbers a picture"].tolist() == [3, 3]
    assert "PCA of the 3 latent numbers" in text(at)
    assert not images(latent=3, epochs=40, seed=1).progress  # kept for the next one who asks


def test_step_back_is_clamped_where_there_are_fewer_steps() -> None:
    at = run_until(images(latent=3, epochs=3, seed=2, back=-15), lambda page: page.dataframe)
    assert epoch(at) == "0 of 3"
    assert not at.error
    assert [epoch(images(latent=3, epochs=3, seed=2, back=back)) for back in (-3, -1)] == ["0 of 3", "2 of 3"]


def test_a_stopped_training_keeps_its_last_step_and_goes_on_like_an_unstopped_one(pool: Pool) -> None:
    recipe = Recipe(latent=3, epochs=120, seed=3)
    at = images(latent=3, epochs=120, seed=3)
    run_until(at, lambda page: live(page) and int(epoch(page).split()[0]) > 0)
    press(at, "Stop")
    run_until(at, lambda page: page.info)
    (done,) = numbers(r"Stopped after epoch (\d+) of 120; the last step is kept\.", text(at))
    assert 0 < done < 120
    assert epoch(at) == f"{done:.0f} of 120"
    assert at.get("plotly_chart")
    assert not at.progress
    at.run()
    assert not at.progress, "it started again by itself"
    other = images(latent=3, epochs=120, seed=3)  # another visit finds it as it is
    assert "Stopped after epoch" in text(other)
    press(at, "Resume")
    run_until(at, lambda page: page.dataframe)
    assert epoch(at) == "120 of 120"
    (last,) = deque(train(DIGITS.pixels, recipe, train_rows=TRAIN, held_rows=HELD), maxlen=1)
    resumed = kept(pool, recipe)
    for name, weights in last.weights.items():
        assert (resumed[f"w.{name}"] == weights).all(), name
    curve = next(each for each in figure(at, "losses")["data"] if each["name"] == "held-out pictures")
    assert list(curve["x"]) == list(range(121))


def test_a_killed_worker_leads_to_a_sentence_and_can_train_again(pool: Pool) -> None:
    at = images(latent=3, epochs=LONG, seed=4)
    run_until(at, live)
    kill(pool)
    run_until(at, lambda page: page.error)
    (said,) = told(at)
    assert "Training on handwritten digits ended without a result (signal 9)" in said
    assert not at.exception
    assert {"latent", "epochs", "seed"} <= set(controls(at))
    at.run()
    assert told(at) == [said], "it started again by itself"
    press(at, "Train again")
    run_until(at, live)
    assert not at.error
    press(at, "Stop")
    run_until(at, lambda page: page.info)


def kill(pool: Pool) -> None:
    (worker,) = [each for each in pool._workers if each.job is not None]
    os.kill(worker.process.pid, signal.SIGKILL)


def test_two_visits_share_one_training_and_other_pages_go_on(pool: Pool) -> None:
    query = {"latent": 3, "epochs": LONG, "seed": 5}
    one = run_until(images(**query), live)
    press(one, "Stop")
    run_until(one, lambda page: "Stopped after epoch" in text(page))
    press(one, "Resume")  # a list of kept steps is there while it runs
    run_until(one, live)
    two = images(**query)
    assert two.progress, "the second visit does not see that it runs"
    assert "Stopped" not in text(two)
    assert not pool._queue
    assert len([each for each in pool._workers if each.job is not None]) == 1
    other = words()
    assert not other.exception
    assert other.get("plotly_chart")
    assert picture_rows(images())  # what is done already does not wait either
    press(two, "Stop")
    for at in (one, two):
        run_until(at, lambda page: "Stopped after epoch" in text(page))


def test_a_training_left_and_found_again_still_runs(pool: Pool) -> None:
    at = run_until(images(latent=3, epochs=LONG, seed=6), live)
    at.number_input(key="seed").set_value(0)
    at.number_input(key="epochs").set_value(0)
    at.slider(key="latent").set_value(2)
    press(at, "Train")
    assert table(at, "method")["numbers a picture"].tolist() == [2, 2]
    at.number_input(key="seed").set_value(6)
    at.number_input(key="epochs").set_value(LONG)
    at.slider(key="latent").set_value(3)
    press(at, "Train")
    assert at.progress
    press(at, "Stop")
    run_until(at, lambda page: "Stopped after epoch" in text(page))


def test_a_training_stopped_while_it_waits_says_so(pool: Pool) -> None:
    first = run_until(images(latent=3, epochs=LONG, seed=7), live)
    waiting = images(latent=3, epochs=LONG, seed=8)
    assert "1 before it" in waiting.progress[0].text
    press(waiting, "Stop")
    run_until(waiting, lambda page: page.error)
    assert told(waiting) == ["Training on handwritten digits was stopped."]
    press(first, "Stop")
    run_until(first, lambda page: page.info)
    press(waiting, "Train again")
    run_until(waiting, live)
    press(waiting, "Stop")
    run_until(waiting, lambda page: page.info)


def test_a_stopped_comparison_says_so_and_does_not_start_again(pool: Pool) -> None:
    busy = run_until(images(latent=3, epochs=LONG, seed=9), live)  # so that what the comparison needs has to wait
    at = images(view="Compare", maps="PCA", cseed=1)
    assert len(at.progress) == 3
    waiting = list(pool._queue)
    for each in waiting:
        each.stop()
    at.run()
    assert not at.exception
    assert len(told(at)) == 3
    assert all(said.endswith("was stopped.") for said in told(at))
    at.run()
    assert len(told(at)) == 3, "it started again by itself"
    assert not pool._queue
    assert row(at, "pixels, 64")  # what needs no training stands
    at.button(key="again_autoencoder").click()
    at.run()
    assert [each.title for each in pool._queue] == ["Training on handwritten digits"]
    pool._queue[0].stop()
    press(busy, "Stop")
    run_until(busy, lambda page: page.info)


def test_a_stopped_experiment_says_so_and_does_not_start_again(pool: Pool) -> None:
    busy = run_until(images(latent=3, epochs=LONG, seed=10), live)
    at = images(view="Pitfalls", pictures="Shapes drawn by rule")
    assert "Trying latent sizes" in at.progress[0].text
    press(at, "Stop")
    run_until(at, lambda page: page.error)
    assert told(at) == ["Trying latent sizes was stopped."]
    at.run()
    assert told(at) == ["Trying latent sizes was stopped."], "it started again by itself"
    assert table(at, "noise that passes") is not None
    press(at, "Run again")
    assert at.progress
    pool._queue[0].stop()
    press(busy, "Stop")
    run_until(busy, lambda page: page.info)


# --- odd input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent", ["1", "999", "abc", "2.5", "nan"])
def test_a_latent_size_out_of_bounds_falls_back(latent: str) -> None:
    at = images(latent=latent)
    assert not at.exception
    assert not at.error
    assert values(at)["latent"] == 2
    assert epoch(at) == "148 of 148"


@pytest.mark.parametrize(
    "query",
    [
        {"a": "0"},
        {"a": "1e999", "b": "-1e999"},
        {"a": "nan", "b": "nan"},
        {"a": "2.7"},
        {"a": 20_000, "b": 1_798},
        {"a": 1, "b": 1},
        {"x": "1e999", "y": "nan"},
        {"x": "1e6", "y": "-1e6"},
        {"x": "abc"},
        {"number": 128},
        {"view": "Walk", "latent": 16, "number": 17},
    ],
)
def test_a_walk_from_an_odd_link(query: dict[str, Any]) -> None:
    at = images(**({"view": "Walk"} | query))
    assert not at.exception, [each.message for each in at.exception]
    assert not at.error
    assert len(row(at, "in pixels")) == 9
    assert len(row(at, "in pixels, 64")) == 8
    assert len(row(at, "nearest pictures")) == 8


def test_a_place_beyond_the_plane_is_its_corner(pool: Pool) -> None:
    (label,) = [name for name, _ in picture_rows(images(view="Walk", x=1e6, y=-1e6)) if name.startswith("decoded at")]
    x, y = numbers(r"decoded at \((-?[\d.]+), (-?[\d.]+)\)", label)
    codes = kept_codes(pool)
    assert codes[:, 0].max() < x < 2 * codes[:, 0].max()
    assert 2 * codes[:, 1].min() < y < codes[:, 1].min()


@pytest.mark.parametrize("view", IMAGE_VIEWS)
def test_unknown_pictures_are_the_usual_ones(view: str) -> None:
    at = images(view=view, pictures="nonsense", learn="nonsense", maps="nonsense", way="nonsense", large="nonsense")
    assert not at.exception
    assert not at.error
    assert values(at)["pictures"] == "Handwritten digits"
    assert values(at).get("learn", "even") == "even"


def test_a_label_of_other_pictures_falls_back() -> None:
    at = images(view="Search", pictures="Shapes drawn by rule", learn="has a loop")
    assert not at.exception
    assert values(at)["learn"] in label_columns_of_shapes()


def label_columns_of_shapes() -> set[str]:
    return {"label", "color", "size", "kind"}


def test_a_set_that_is_not_here_says_what_fetching_costs() -> None:
    at = images(pictures="MNIST")
    assert not at.exception
    assert not at.error
    (button,) = [each for each in at.button if each.label.startswith("Fetch")]
    assert button.label == "Fetch MNIST (11.6 MB, CC BY-SA 3.0, 1998)"
    assert "60,000 pictures" in at.info[0].value
    assert not any("<img" in each.proto.body for each in at.get("html"))


def test_a_folder_without_the_set_is_one_sentence() -> None:
    at = images(pictures="MNIST", files="/nowhere")
    (said,) = told(at)
    assert "/nowhere" in said
    assert not at.exception
    assert {"pictures", "files", "many"} <= set(controls(at))


def test_a_set_from_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (60, 28, 28), np.uint8)
    head = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in pixels.shape)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
    targets = np.arange(60, dtype=np.uint8) % 10
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + (60).to_bytes(4, "big") + targets.tobytes())
    at = images(pictures="MNIST", files=str(tmp_path), epochs=2)
    run_until(at, lambda page: page.dataframe)
    assert "60 pictures of 28 x 28, CC BY-SA 3.0, 1998." in text(at)
    assert not [each for each in at.button if each.label.startswith("Fetch")]


def test_a_damaged_set_in_a_folder_is_one_sentence(tmp_path: Path) -> None:
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        (tmp_path / name).write_bytes(b"garbage")
    at = images(pictures="MNIST", files=str(tmp_path))
    (said,) = told(at)
    assert "is no whole idx file" in said
    assert not at.exception


def test_words_of_another_page_do_no_harm() -> None:
    """Other pages have controls a, b, x, y, seed and view too; a link of one may be cut and pasted to the other."""
    at = images(view="Analogy", a="paris", b="france", x="poor-rich", y="small-large", k="9", word="apple")
    assert not at.exception
    assert values(at)["view"] == "Train"
    at = words(view="Analogy", a="paris", b="france", c="tokyo")
    at.switch_page("pages/images.py").run()
    assert not at.exception
    at.button_group(key="view").set_value("Walk").run()
    assert not at.exception
    assert (values(at)["a"], values(at)["b"]) == (1, 8)


# --- own pictures ----------------------------------------------------------------------------------------------------


def png(pixels: Any) -> bytes:
    """Gray (height, width) or color (height, width, 3) bytes as a PNG."""
    from PIL import Image

    held = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(held, "PNG")
    return held.getvalue()


def files(n: int, seed: int = 0) -> list[tuple[str, bytes, str]]:
    """Small pictures that differ, as uploads."""
    rng = np.random.default_rng(seed)
    return [(f"{i}.png", png(rng.integers(0, 256, (8, 8, 3))), "image/png") for i in range(n)]


def zipped(folders: dict[str, int]) -> tuple[str, bytes, str]:
    """A zip with so many pictures in each folder."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for number, (folder, n) in enumerate(folders.items()):
            for name, data, _ in files(n, number):
                archive.writestr(f"{folder}/{name}", data)
    return ("all.zip", held.getvalue(), "application/zip")


def give(at: AppTest, *uploads: tuple[str, bytes, str], key: str = "own_files") -> AppTest:
    (uploader,) = [each for each in at.get("file_uploader") if each.key == key]
    uploader.set_value(list(uploads) if uploader.accept_multiple_files else uploads[0])
    return at.run()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons whose networks learn for one epoch."""
    for each in (Recipe, ClassifierRecipe):
        monkeypatch.setattr(f"ui.images_compare.{each.__name__}", partial(each, epochs=1))


def test_own_pictures_are_trained_on() -> None:
    at = images(pictures="Own", epochs=2)
    assert "at least 10 pictures" in at.info[0].value
    assert not at.exception
    give(at, *files(12))
    assert not at.exception
    run_until(at, lambda page: page.dataframe)
    assert not at.error
    assert "12 pictures of 32 x 32, yours." in text(at)
    assert table(at, "method")["kNN accuracy, held-out"].isna().all()  # no labels
    give(at, *files(14, 1))
    run_until(at, lambda page: page.dataframe)
    assert "14 pictures of 32 x 32, yours." in text(at)


def test_a_text_that_calls_itself_a_picture_is_named_and_the_rest_is_read() -> None:
    at = give(images(pictures="Own", epochs=1), ("notes.png", b"hello", "image/png"), *files(11, 2))
    assert [each.value for each in at.warning] == [
        "'notes.png' is no PNG, JPEG or WebP picture, whatever its name says."
    ]
    assert "11 pictures of 32 x 32" in text(at)
    assert not at.exception


def test_nothing_that_can_be_read_is_one_sentence() -> None:
    at = give(images(pictures="Own"), ("notes.png", b"hello", "image/png"))
    assert told(at) == ["'notes.png' is no PNG, JPEG or WebP picture, whatever its name says."]
    assert not at.exception


def test_fewer_than_ten_pictures_are_too_few() -> None:
    at = give(images(pictures="Own"), *files(9, 3))
    assert "9 pictures are too few to train on; give at least 10." in at.info[0].value
    assert not at.progress
    assert not at.exception


@pytest.mark.usefixtures("quick")
def test_folders_of_a_zip_are_labels() -> None:
    at = give(images(pictures="Own", view="Compare", maps="PCA"), zipped({"cats": 12, "dogs": 12}))
    assert not at.exception
    run_until(at, lambda page: not page.progress, 120)
    assert not at.error
    shown = table(at, "vectors", "label (learned)")
    assert list(shown["vectors"]) == ["pixels", "PCA", "autoencoder", "CNN", "ViT"]
    assert {cell.caption.split(" · ")[0] for cell in row(at, "pixels")} <= {"cats", "dogs"}


@pytest.mark.usefixtures("quick")
def test_a_label_with_no_picture_to_train_on_is_one_sentence() -> None:
    """Of one dog, the only one held out, nothing can be learned."""
    for n in range(9, 40):  # a number of cats that leaves the dog held out
        order = np.random.default_rng(0).permutation(n + 1)
        if n in order[: max(1, round(0.25 * (n + 1)))]:
            break
    at = give(images(pictures="Own", view="Compare", maps="PCA"), zipped({"cats": n, "dogs": 1}))
    run_until(at, lambda page: not page.progress, 60)
    assert [said.partition("; ")[0] for said in told(at)] == [
        "Some values of 'label' have no picture to train on",
        "Some values of 'label' have no picture to train on",
    ]
    before = told(at)
    at.run()
    assert (told(at), list(at.progress)) == (before, []), "it started again by itself"
    assert not at.exception


@pytest.mark.parametrize(
    "uploads",
    [files(21, 4), [zipped({"cats": 21})], files(12, 4)],
    ids=["no label", "one label", "few"],
)
@pytest.mark.usefixtures("quick")
def test_pictures_without_different_labels_are_compared_without_classifiers(uploads: Any) -> None:
    at = give(images(pictures="Own", view="Compare", maps="PCA"), *uploads)
    run_until(at, lambda page: not page.progress, 60)
    assert not at.exception
    assert told(at) == []
    assert "These pictures have no labels" in text(at)
    assert {alt_key(each) for each in at.get("plotly_chart")} == {"map_pixels", "map_PCA", "map_autoencoder"}
    assert "What the ViT looks at" not in parts(at)


def test_pictures_of_one_class_in_the_other_views() -> None:
    at = give(images(pictures="Own", epochs=2), zipped({"cats": 12}))
    run_until(at, lambda page: page.dataframe)
    for view in ("Walk", "Search"):
        at.button_group(key="view").set_value(view).run()
        assert not at.exception, view
        assert not at.error, view


# --- search ----------------------------------------------------------------------------------------------------------


def enlarged(number: int, times: int = 20) -> Any:
    """A digit of the set as bytes, each pixel a square."""
    return np.kron(np.round(DIGITS.pixels[number, ..., 0] * 255), np.ones((times, times))).astype(np.uint8)


def searched(monkeypatch: pytest.MonkeyPatch, data: bytes, **query: Any) -> AppTest:
    monkeypatch.setattr("ui.own_picture.drawing", lambda _: data)
    return images(view="Search", maps="PCA", **query)


def test_a_digit_of_the_set_is_found_at_no_distance(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> None:
    at = searched(monkeypatch, png(enlarged(57, 1)))
    assert not at.exception
    assert not at.error
    for name, vectors in vectors_compared(pool, "even").items():
        cells = row(at, f"{name}, {vectors.shape[1]}")
        assert (cells[0].pixels == enlarged(57, 1)).all(), name
        near = np.sort(distances(vectors, vectors[57]))[:8]
        assert [float(cell.caption.split(" · ")[1]) for cell in cells] == pytest.approx(
            near, abs=0.06
        )  # bytes are rounded


@pytest.mark.parametrize("number", [0, 57, 400])
@pytest.mark.parametrize("ground", ["black", "white"])
def test_a_digit_drawn_large_is_found_in_pixels(number: int, ground: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = enlarged(number) if ground == "black" else 255 - enlarged(number)
    at = searched(monkeypatch, png(drawn))
    nearest = row(at, "pixels, 64")[0]
    assert (nearest.pixels == enlarged(number, 1)).all()


def test_as_it_is_leaves_a_light_ground(monkeypatch: pytest.MonkeyPatch) -> None:
    yours = row(searched(monkeypatch, png(255 - enlarged(57)), swap="As it is"), "yours")
    assert np.median(yours[0].pixels) > 128


@pytest.mark.parametrize("data", [b"", b"garbage", png(enlarged(3))[:-30]])
def test_a_drawing_that_is_no_picture_is_one_sentence(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    at = searched(monkeypatch, data)
    (said,) = told(at)
    assert said.startswith("'Your picture' is ")
    assert not at.exception
    assert {"way", "swap", "learn"} <= set(controls(at))


def test_an_empty_square_is_searched_too(monkeypatch: pytest.MonkeyPatch) -> None:
    at = searched(monkeypatch, png(np.zeros((280, 280))))
    assert not at.exception
    assert len(row(at, "pixels, 64")) == 8


def test_the_star_stands_where_pca_puts_the_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    at = searched(monkeypatch, png(enlarged(57, 1)))
    spec = figure(at, "map_pixels")
    (star,) = [each for each in spec["data"] if each.get("name") == "yours"]
    assert (star["x"][0], star["y"][0]) == pytest.approx(dots(spec)[57], abs=1e-3)


def test_a_file_is_searched() -> None:
    at = give(
        images(view="Search", way="Drop a file", maps="PCA"), ("d.png", png(enlarged(57)), "image/png"), key="query"
    )
    assert not at.exception
    assert (row(at, "pixels, 64")[0].pixels == enlarged(57, 1)).all()


# --- errors in the middle of a view ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "name"),
    [
        ("Train", "ui.cache_images.request_training"),
        ("Walk", "ui.images_walk.line"),
        ("Pitfalls", "ui.images_pitfalls.size_results"),
        ("Compare", "ui.images_compare.search"),
    ],
)
def test_an_error_in_a_view_is_one_sentence(view: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises(*_: Any, **__: Any) -> Any:
        raise DamagedFile("The file x is damaged. Restore it.")

    monkeypatch.setattr(name, raises)
    at = images(view=view)
    assert told(at) == ["The file x is damaged. Restore it."]
    assert not at.exception
    assert "view" in controls(at)
